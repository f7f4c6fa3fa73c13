//! What one model was seen to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::id::ModelId;
use super::super::task::Task;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::genre::GENRES;
use super::kind::{Fine, Kind};
use super::outcome::{Outcome, Served};
use super::sum::{Histogram, Sum};
use super::views::{DRAWERS, VIEWS};

/// How many drawers all views have together.
pub(super) const PLACES: usize = VIEWS * DRAWERS;

/// What a model did with one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfTask {
    /// What its answers were worth.
    pub worth: Sum,
    /// Whether it answered at all: 1 for a whole answer, else 0.
    pub served: Sum,
    /// How much longer than forecast its answers were, in bounded logarithms.
    #[serde(default)]
    pub length: Sum,
}

/// Everything kept of one model of one tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub tier: Tier,
    pub model: ModelId,
    /// When something was last added: what has faded since is worked out from it.
    pub touched: Timestamp,
    /// Tells this record from one of the same name that was forgotten.
    pub born: Timestamp,
    /// The natural logarithm of what is left of an outcome counted at birth.
    pub faded: f64,
    pub all: OfTask,
    pub tasks: BTreeMap<Task, OfTask>,
    /// What its answers were worth, by what the text reads like.
    #[serde(default)]
    pub genres: [Sum; GENRES],
    #[serde(with = "pairs")]
    pub fine: BTreeMap<Fine, Sum>,
    #[serde(with = "sparse")]
    pub drawers: Vec<Sum>,
    /// How much longer than forecast all its answers were, in logarithms.
    #[serde(default)]
    pub lengths: Histogram,
    /// Logarithms of the milliseconds to the first token, and to the end.
    #[serde(default)]
    pub first_token: Sum,
    #[serde(default)]
    pub total_time: Sum,
    /// By how much the latest outcomes surpass what was expected of them; weight is that of a window.
    #[serde(default)]
    pub surprise: Sum,
}

/// Outcomes over which a change of a model shows. Shorter, and luck looks like change; longer, and a broken model is
/// asked in vain for as long.
const WINDOW: f32 = 30.0;
/// How many standard errors the latest outcomes have to be off: about one false alarm in ten thousand windows.
const ALARM: f32 = 4.0;
/// What is left of the past once it no longer holds: enough to say which kinds a model is better at.
const AFTER_CHANGE: f32 = 0.1;
/// The least scatter that outcomes are taken to have, so that a model that never failed can fail once without alarm.
const LEAST_SCATTER: f32 = 0.2;

impl Record {
    pub fn new(tier: Tier, model: ModelId, now: Timestamp) -> Self {
        Self {
            tier,
            model,
            touched: now,
            born: now,
            faded: 0.0,
            all: OfTask::default(),
            tasks: BTreeMap::new(),
            genres: [Sum::default(); GENRES],
            fine: BTreeMap::new(),
            drawers: vec![Sum::default(); PLACES],
            lengths: Histogram::default(),
            first_token: Sum::default(),
            total_time: Sum::default(),
            surprise: Sum::default(),
        }
    }

    /// Every sum times `factor`.
    pub fn fade(&mut self, factor: f32) {
        if factor >= 1.0 {
            return;
        }
        self.faded += f64::from(factor.max(f32::MIN_POSITIVE)).ln();
        for of in self.tasks.values_mut().chain([&mut self.all]) {
            of.worth.fade(factor);
            of.served.fade(factor);
            of.length.fade(factor);
        }
        let finer = self.fine.values_mut().chain(&mut self.genres).chain(&mut self.drawers);
        finer.for_each(|sum| sum.fade(factor));
        self.lengths.fade(factor);
        self.first_token.fade(factor);
        self.total_time.fade(factor);
    }

    /// Counts an outcome. `expected` is what had been expected of it, where its place in time means something.
    pub fn add(&mut self, outcome: &Outcome, expected: Option<f32>) {
        let (worth, weight) = outcome.worth();
        if let Some(expected) = expected {
            self.watch(worth - expected, weight);
        }
        self.add_worth(&outcome.kind, worth, weight);
        let whole = f32::from(u8::from(outcome.served == Served::Ok));
        let ratio = outcome.length_ratio();
        for of in [&mut self.all, self.tasks.entry(outcome.kind.task).or_default()] {
            of.served.add(whole, 1.0);
            if let Some(ratio) = ratio {
                of.length.add(bounded(ratio), 1.0);
            }
        }
        if let Some(ratio) = ratio {
            self.lengths.add(ratio);
        }
        if outcome.served == Served::Ok {
            let log = |ms: u32| (ms.max(1) as f32).ln();
            if let Some(ms) = outcome.first_token_ms {
                self.first_token.add(log(ms), 1.0);
            }
            if let Some(ms) = outcome.total_ms {
                self.total_time.add(log(ms), 1.0);
            }
        }
    }

    fn each_worth(&mut self, kind: &Kind, mut each: impl FnMut(&mut Sum)) {
        each(&mut self.all.worth);
        each(&mut self.tasks.entry(kind.task).or_default().worth);
        each(self.fine.entry(kind.fine()).or_default());
        if let Some(sum) = self.genres.get_mut(usize::from(kind.genre.0)) {
            each(sum);
        }
        for place in kind.drawers.places() {
            if let Some(sum) = self.drawers.get_mut(place) {
                each(sum);
            }
        }
    }

    pub fn add_worth(&mut self, kind: &Kind, worth: f32, weight: f32) {
        self.each_worth(kind, |sum| sum.add(worth, weight));
    }

    pub fn take_worth(&mut self, kind: &Kind, worth: f32, weight: f32) {
        self.each_worth(kind, |sum| sum.take(worth, weight));
    }

    /// Forgets one task. Genres and drawers do not know tasks, so all of them lose the task's share of the outcomes.
    pub fn forget(&mut self, task: Task) {
        let Some(of) = self.tasks.remove(&task) else { return };
        let kept = if self.all.worth.weight > 0.0 { 1.0 - of.worth.weight / self.all.worth.weight } else { 0.0 };
        self.fine.retain(|fine, _| fine.task != task);
        self.drawers.iter_mut().chain(&mut self.genres).for_each(|sum| sum.fade(kept.clamp(0.0, 1.0)));
        self.all.worth = Sum {
            weight: (self.all.worth.weight - of.worth.weight).max(0.0),
            total: (self.all.worth.total - of.worth.total).max(0.0),
        };
        self.all.served = Sum {
            weight: (self.all.served.weight - of.served.weight).max(0.0),
            total: (self.all.served.total - of.served.total).max(0.0),
        };
    }

    /// Watches for a change of the model itself: where its latest outcomes are far from what the earlier ones let
    /// expect, the earlier ones lose most of their say at once.
    fn watch(&mut self, surprise: f32, weight: f32) {
        self.surprise.fade(1.0 - weight / WINDOW);
        self.surprise.add(surprise, weight);
        let mean = self.all.worth.towards(0.5, 1.0);
        let scatter = (mean * (1.0 - mean)).sqrt().max(LEAST_SCATTER);
        // The variance of a fading mean over a window is half that of a plain mean over as many.
        let error = scatter / (2.0 * self.surprise.weight).sqrt();
        let full = self.surprise.weight > WINDOW / 2.0;
        if full && self.all.worth.weight > WINDOW && (self.surprise.total / self.surprise.weight).abs() > ALARM * error
        {
            self.fade(AFTER_CHANGE);
            self.surprise = Sum::default();
        }
    }
}

/// The natural logarithm of a ratio of lengths beyond which it no longer matters how far off it is. Bare answers to prompts
/// that could have got an essay are ten times off; a few of them must not drag along the middle, which is what is forecast.
const FAR_OFF: f32 = 0.5;

/// A ratio's logarithm, as far as it counts.
pub(super) const fn bounded(ratio: f32) -> f32 {
    ratio.clamp(-FAR_OFF, FAR_OFF)
}

/// A map whose keys are no texts, as a list of pairs.
mod pairs {
    use super::{BTreeMap, Fine, Sum};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<Fine, Sum>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Fine, Sum>, D::Error> {
        Ok(Vec::<(Fine, Sum)>::deserialize(from)?.into_iter().collect())
    }
}

/// A table most of which is often empty, as its filled places.
mod sparse {
    use super::{PLACES, Sum};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Less than this of an outcome is left out.
    const NOTHING: f32 = 0.001;

    pub fn serialize<S: Serializer>(table: &[Sum], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(table.iter().enumerate().filter(|(_, sum)| sum.weight > NOTHING))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Sum>, D::Error> {
        let mut table = vec![Sum::default(); PLACES];
        for (place, sum) in Vec::<(usize, Sum)>::deserialize(from)? {
            if let Some(slot) = table.get_mut(place) {
                *slot = sum;
            }
        }
        Ok(table)
    }
}
