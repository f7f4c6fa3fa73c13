//! The table of everything learnt, and what it gives to expect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::id::ModelId;
use super::super::task::Task;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::kind::Kind;
use super::outcome::Outcome;
use super::record::{OfTask, PLACES, Record, bounded};
use super::sum::Sum;
use super::views::VIEWS;

/// The most models that are remembered; the one that was not asked for longest makes room. A fleet has a dozen; this
/// leaves room for those that come and go, and bounds what is kept to about a megabyte.
pub const MOST_MODELS: usize = 64;

/// How long until an outcome counts half, unless configured: models behind a name change every few months, prices and
/// prompts more often, and a month of an ordinary deployment's traffic tells enough.
pub const HALF_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What an answer is worth of a model that nobody knows anything of: most hosted models answer most prompts well.
const UNKNOWN: f32 = 0.7;
/// How many outcomes the wider mean counts as, beside those of the narrower: [`UNKNOWN`] beside a tier, a tier beside a
/// model, a model beside a task or kind, or a drawer. One outcome is in all of those means, so the widest has to be the
/// strongest. Tried on logs of many models: twice or half makes little difference.
const OF_TIER: f32 = 10.0;
const OF_MODEL: f32 = 6.0;
const OF_KIND: f32 = 8.0;
const OF_DRAWER: f32 = 8.0;
/// How many outcomes, of all models together, until a drawer is taken to be easy or hard for everyone.
const OF_EVERYONE: f32 = 12.0;
/// What is left of an outcome at least, when priors are weighed against it: beyond that it says nothing any more.
const LEAST_LEFT: f32 = 1e-6;
/// The share of the drawers in an expectation; the rest is the named kind's. The drawers tell more of texts that read like
/// nothing the genres were fitted to, the named kind more of the others.
const DRAWERS_SHARE: f32 = 0.5;
/// Whether a model serves at all, before it was asked.
const SERVES: f32 = 0.97;
/// The logarithm of a length ratio that nine in ten stay below, before any were seen: 3.3 times the forecast.
const LENGTH_NINETIETH: f32 = 1.2;
/// How many answers that ratio, and a middle of one, count as.
const LENGTH_STRENGTH: f32 = 5.0;

/// What is expected of a model for a kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expectation {
    /// What an answer will be worth, 0 to 1, failures counted as worthless.
    pub quality: f32,
    /// How likely it is that there will be a whole answer at all, 0 to 1.
    pub success: f32,
    /// How many outcomes speak for this, faded ones in part; zero if it is all taken from other models.
    pub evidence: f32,
    /// Where the quality lies with 90 % confidence.
    pub interval: (f32, f32),
    /// How the answer's length compares to the forecast. `None` where no length was seen.
    pub length: Option<LengthRatio>,
    /// Median milliseconds to the first token; `None` where none were timed.
    pub first_token_ms: Option<f32>,
    /// Median milliseconds to the end; `None` where none were timed.
    pub total_ms: Option<f32>,
}

/// How much longer or shorter answers are than forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LengthRatio {
    /// The natural logarithm of the median ratio.
    pub log_median: f32,
    /// The natural logarithm of the ratio that nine in ten answers stay below.
    pub log_ninetieth: f32,
}

/// The receipt for an outcome that was counted, with which a later judgement replaces what was counted, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The kind of work.
    pub kind: Kind,
    /// The tier.
    pub tier: Tier,
    /// The model.
    pub model: ModelId,
    worth: f32,
    weight: f32,
    born: Timestamp,
    faded: f64,
}

impl Counted {
    /// Whether nothing was said of the answer, by anybody or by how it ended.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.weight < 1.0
    }
}

/// Which outcomes to forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forget {
    /// Of this tier; of any, if `None`.
    pub tier: Option<Tier>,
    /// Of this model.
    pub model: Option<ModelId>,
    /// Of this task. The drawers do not know tasks, so they are emptied in part: by the task's share of the outcomes.
    pub task: Option<Task>,
}

/// One row of what was learnt, as `llm-call learned` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The tier.
    pub tier: Tier,
    /// The model.
    pub model: ModelId,
    /// The task; `None` for all of them together.
    pub task: Option<Task>,
    /// Outcomes, faded ones in part.
    pub outcomes: f32,
    /// Those without a whole answer.
    pub failures: f32,
    /// What the answers were worth on average, 0 to 1.
    pub worth: f32,
    /// When the model was last asked.
    pub latest: Timestamp,
}

/// What happened, folded into sums. Outcomes of the same time may come in any order, as long as no model changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    half_life_ms: u64,
    records: Vec<Record>,
    /// By how much answers of each drawer are longer than forecast, whoever gives them.
    #[serde(default)]
    lengths: Vec<Sum>,
}

impl Default for Learned {
    fn default() -> Self {
        Self::new(HALF_LIFE)
    }
}

impl Learned {
    /// Nothing learnt yet; outcomes will count half after `half_life`.
    #[must_use]
    pub fn new(half_life: Duration) -> Self {
        let half_life_ms = u64::try_from(half_life.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { half_life_ms, records: Vec::new(), lengths: Vec::new() }
    }

    /// Changes how fast outcomes fade from now on.
    pub fn set_half_life(&mut self, half_life: Duration) {
        self.half_life_ms = Self::new(half_life).half_life_ms;
    }

    /// Whether nothing was learnt yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The models that something is known of.
    pub fn models(&self) -> impl Iterator<Item = (Tier, &ModelId)> {
        self.records.iter().map(|record| (record.tier, &record.model))
    }

    fn find(&self, tier: Tier, model: &ModelId) -> Result<usize, usize> {
        self.records.binary_search_by(|record| record.tier.cmp(&tier).then_with(|| record.model.cmp(model)))
    }

    fn left_after(&self, past: Duration) -> f32 {
        (-(past.as_millis() as f64) / self.half_life_ms as f64).exp2() as f32
    }

    /// Counts an outcome.
    pub fn observe(&mut self, outcome: &Outcome) -> Counted {
        let expected = self.outlook(&outcome.kind, outcome.at).expect(outcome.tier, &outcome.model).quality;
        self.count(outcome, Some(expected))
    }

    /// Counts an outcome of a log that tells no order: alike prompts stand together in most, and what looks like a change of the
    /// model would be one of the subject.
    pub fn study(&mut self, outcome: &Outcome) {
        self.count(outcome, None);
    }

    fn count(&mut self, outcome: &Outcome, expected: Option<f32>) -> Counted {
        let at = self.make_room(outcome.tier, &outcome.model, outcome.at);
        let (worth, weight) = outcome.worth();
        let mut counted = Counted {
            kind: outcome.kind,
            tier: outcome.tier,
            model: outcome.model.clone(),
            worth,
            weight,
            born: outcome.at,
            faded: 0.0,
        };
        let left = self.records.get(at).map_or(1.0, |record| self.left_after(outcome.at.since(record.touched)));
        if let Some(record) = self.records.get_mut(at) {
            record.fade(left);
            record.touched = record.touched.max(outcome.at);
            record.add(outcome, expected);
            (counted.born, counted.faded) = (record.born, record.faded);
        }
        self.add_length(outcome);
        counted
    }

    /// The place of a model's record, which is made if need be, and room for it.
    fn make_room(&mut self, tier: Tier, model: &ModelId, now: Timestamp) -> usize {
        if let Ok(at) = self.find(tier, model) {
            return at;
        }
        if self.records.len() >= MOST_MODELS
            && let Some((oldest, _)) = self.records.iter().enumerate().min_by_key(|(_, record)| record.touched)
        {
            self.records.remove(oldest);
        }
        let at = self.find(tier, model).unwrap_or_else(|at| at);
        self.records.insert(at, Record::new(tier, model.clone(), now));
        at
    }

    fn add_length(&mut self, outcome: &Outcome) {
        let Some(ratio) = outcome.length_ratio() else { return };
        let own = self.find(outcome.tier, &outcome.model).ok().and_then(|at| self.records.get(at));
        let own = own.map_or(0.0, |record| record.all.length.towards(0.0, LENGTH_STRENGTH));
        let above = bounded(ratio) - own;
        self.lengths.resize(PLACES, Sum::default());
        for place in outcome.kind.drawers.places() {
            if let Some(sum) = self.lengths.get_mut(place) {
                sum.add(above, 1.0);
            }
        }
    }

    /// Replaces what a request's outcome was taken to be worth by what somebody said it was, 0 to 1. Gives the receipt
    /// for the new state, with which a change of mind replaces this judgement in turn; `None` if the outcome was
    /// forgotten, and then nothing changes. An earlier receipt must not be used again.
    pub fn judge(&mut self, counted: &Counted, quality: f32, now: Timestamp) -> Option<Counted> {
        let at = self.find(counted.tier, &counted.model).ok()?;
        let left = self.left_after(now.since(self.records.get(at)?.touched));
        let record = self.records.get_mut(at).filter(|record| record.born == counted.born)?;
        record.fade(left);
        record.touched = record.touched.max(now);
        let weight = counted.weight * (record.faded - counted.faded).exp() as f32;
        record.take_worth(&counted.kind, counted.worth, weight);
        let worth = if quality.is_finite() { quality.clamp(0.0, 1.0) } else { counted.worth };
        // The judgement is of the answer that was given then, so it has faded as much as that has.
        let weight_now = (record.faded - counted.faded).exp() as f32;
        record.add_worth(&counted.kind, worth, weight_now);
        Some(Counted { worth, weight: weight_now, faded: record.faded, ..counted.clone() })
    }

    /// What can be expected of every model for this kind of work at `now`.
    #[must_use]
    pub fn outlook(&self, kind: &Kind, now: Timestamp) -> Outlook<'_> {
        Outlook::new(self, kind, now)
    }

    /// What can be expected of one model; for several, ask one [`Learned::outlook`].
    #[must_use]
    pub fn expect(&self, kind: &Kind, tier: Tier, model: &ModelId, now: Timestamp) -> Expectation {
        self.outlook(kind, now).expect(tier, model)
    }

    /// Forgets what the filter names; everything, if it names nothing. Gives how many models it touched.
    pub fn forget(&mut self, what: &Forget) -> usize {
        let named = |record: &Record| {
            what.tier.is_none_or(|tier| tier == record.tier)
                && what.model.as_ref().is_none_or(|model| *model == record.model)
        };
        let before = self.records.iter().filter(|record| named(record)).count();
        match what.task {
            None => self.records.retain(|record| !named(record)),
            Some(task) => self.records.iter_mut().filter(|record| named(record)).for_each(|record| record.forget(task)),
        }
        if self.records.is_empty() {
            self.lengths.clear();
        }
        before
    }

    /// What was learnt, a row for each model and one for each of its tasks.
    #[must_use]
    pub fn rows(&self, now: Timestamp) -> Vec<Row> {
        let mut rows = Vec::new();
        for record in &self.records {
            let left = self.left_after(now.since(record.touched));
            let tasks = record.tasks.iter().map(|(task, of)| (Some(*task), of));
            for (task, of) in std::iter::once((None, &record.all)).chain(tasks) {
                rows.push(Row {
                    tier: record.tier,
                    model: record.model.clone(),
                    task,
                    outcomes: of.served.weight * left,
                    failures: (of.served.weight - of.served.total) * left,
                    worth: of.worth.towards(UNKNOWN, f32::MIN_POSITIVE),
                    latest: record.touched,
                });
            }
        }
        rows
    }
}

/// One kind of work, seen before the background of everything learnt: made once for a decision, asked for each candidate.
#[derive(Clone, Debug)]
pub struct Outlook<'l> {
    learned: &'l Learned,
    kind: Kind,
    now: Timestamp,
    tiers: [f32; Tier::ALL.len()],
    genre: f32,
    fine: f32,
    drawers: [f32; VIEWS],
    length: f32,
    /// What is expected of a model that was never asked, by its tier.
    strangers: [f32; Tier::ALL.len()],
}

impl<'l> Outlook<'l> {
    fn new(learned: &'l Learned, kind: &Kind, now: Timestamp) -> Self {
        let mut by_tier = [Sum::default(); Tier::ALL.len()];
        for record in &learned.records {
            let left = learned.left_after(now.since(record.touched));
            let worth = record.all.worth;
            if let Some(sum) = by_tier.get_mut(record.tier.index()) {
                sum.weight += worth.weight * left;
                sum.total += worth.total * left;
            }
        }
        // What one tier does says nothing of another: where local models fail, a rented one need not.
        let tiers = by_tier.map(|sum| sum.towards(UNKNOWN, OF_TIER));
        let mut outlook = Self {
            learned,
            kind: *kind,
            now,
            tiers,
            genre: 0.0,
            fine: 0.0,
            drawers: [0.0; VIEWS],
            length: 0.0,
            strangers: [0.0; Tier::ALL.len()],
        };
        outlook.see_everyone();
        let drawers = outlook.drawers.iter().sum::<f32>() / VIEWS as f32;
        let apart = DRAWERS_SHARE * drawers + (1.0 - DRAWERS_SHARE) * outlook.fine;
        outlook.strangers = tiers.map(|mean| mean + apart);
        outlook
    }

    /// How much easier or harder than usual this kind of work is, whoever does it.
    fn see_everyone(&mut self) {
        let (mut genre, mut fine) = (Sum::default(), Sum::default());
        let mut drawers = [Sum::default(); VIEWS];
        for record in &self.learned.records {
            let left = self.learned.left_after(self.now.since(record.touched));
            let mean = self.mean_of(record, left);
            let gather = |into: &mut Sum, from: Sum| {
                into.weight += from.weight * left;
                into.total += from.above(mean) * left;
            };
            gather(&mut genre, self.of_genre(record));
            gather(&mut fine, record.fine.get(&self.kind.fine()).copied().unwrap_or_default());
            for (drawer, place) in drawers.iter_mut().zip(self.kind.drawers.places()) {
                gather(drawer, record.drawers.get(place).copied().unwrap_or_default());
            }
        }
        self.genre = genre.towards(0.0, OF_EVERYONE);
        self.fine = fine.towards(self.genre, OF_EVERYONE);
        self.drawers = drawers.map(|sum| sum.towards(0.0, OF_EVERYONE));
        let length = self.kind.drawers.places().filter_map(|place| self.learned.lengths.get(place));
        self.length = length.map(|sum| sum.towards(0.0, OF_EVERYONE)).sum::<f32>() / VIEWS as f32;
    }

    fn of_genre(&self, record: &Record) -> Sum {
        record.genres.get(usize::from(self.kind.genre.0)).copied().unwrap_or_default()
    }

    fn mean_of(&self, record: &Record, left: f32) -> f32 {
        let tier = self.tiers.get(record.tier.index()).copied().unwrap_or(UNKNOWN);
        record.all.worth.towards(tier, OF_MODEL / left.max(LEAST_LEFT))
    }

    /// What is expected of a model. One that was never asked is expected to be like its tier.
    #[must_use]
    pub fn expect(&self, tier: Tier, model: &ModelId) -> Expectation {
        let record = self.learned.find(tier, model).ok().and_then(|at| self.learned.records.get(at));
        let Some(record) = record else { return self.of_stranger(tier) };
        let left = self.learned.left_after(self.now.since(record.touched));
        let mean = self.mean_of(record, left);
        // Everything in a record has faded alike, so that it is the priors that count more.
        let prior = |strength: f32| strength / left.max(LEAST_LEFT);
        let above = |sum: Sum, usual: f32, strength: f32| {
            (sum.above(mean) + prior(strength) * usual) / (sum.weight + prior(strength))
        };
        let of_task = record.tasks.get(&self.kind.task).copied().unwrap_or_default();
        let genre = above(self.of_genre(record), self.genre, OF_KIND);
        let fine = record.fine.get(&self.kind.fine()).copied().unwrap_or_default();
        let fine = above(fine, genre + self.fine - self.genre, OF_KIND);
        let (mut drawers, mut evidence) = (0.0, 0.0);
        for (place, usual) in self.kind.drawers.places().zip(self.drawers) {
            let sum = record.drawers.get(place).copied().unwrap_or_default();
            drawers += above(sum, usual, OF_DRAWER);
            evidence += sum.weight * left;
        }
        let views = VIEWS as f32;
        let (drawers, evidence) = (drawers / views, evidence / views);
        let quality = mean + DRAWERS_SHARE * drawers + (1.0 - DRAWERS_SHARE) * fine;
        let serves = record.all.served.towards(SERVES, prior(OF_MODEL));
        Expectation {
            length: self.length_of(record, &of_task),
            first_token_ms: median(record.first_token),
            total_ms: median(record.total_time),
            ..with_interval(quality, of_task.served.towards(serves, prior(OF_KIND)), evidence)
        }
    }

    fn of_stranger(&self, tier: Tier) -> Expectation {
        with_interval(self.strangers.get(tier.index()).copied().unwrap_or(UNKNOWN), SERVES, 0.0)
    }

    fn length_of(&self, record: &Record, of_task: &OfTask) -> Option<LengthRatio> {
        if record.lengths.weight() <= 0.0 {
            return None;
        }
        let model = record.all.length.towards(0.0, LENGTH_STRENGTH);
        let task = of_task.length.towards(model, OF_KIND);
        Some(LengthRatio {
            log_median: task + self.length,
            log_ninetieth: record.lengths.quantile(0.9, LENGTH_NINETIETH, LENGTH_STRENGTH) + self.length,
        })
    }
}

fn median(times: Sum) -> Option<f32> {
    (times.weight > 0.0).then(|| (times.total / times.weight).exp())
}

/// Standard deviations that 90 % of a normal distribution lies within.
const NINE_IN_TEN: f32 = 1.645;

fn with_interval(quality: f32, success: f32, evidence: f32) -> Expectation {
    let quality = quality.clamp(0.0, 1.0);
    // What was taken from wider means is worth a few outcomes of this kind.
    let deviation = ((quality * (1.0 - quality)).max(0.01) / (evidence + OF_DRAWER)).sqrt();
    let interval = ((quality - NINE_IN_TEN * deviation).max(0.0), (quality + NINE_IN_TEN * deviation).min(1.0));
    Expectation {
        quality,
        success: success.clamp(0.0, 1.0),
        evidence,
        interval,
        length: None,
        first_token_ms: None,
        total_ms: None,
    }
}
