//! The judgements, one after the other: what each learns from, how well it does on what it has not seen, its weights.

use std::collections::BTreeMap;

use llm_call::domain::analysis::features::{ALL_BUCKETS, ASK_BUCKETS, KNOTS};
use llm_call::domain::analysis::model::{
    ALL_HEADS, ASK_HEADS, CHOICES, DEMANDING, FIRST_ALL_HEAD, GENERAL_SHARE, HEADS, MATHEMATICS, OPEN, PICKING, Weights,
};
use llm_call::domain::analysis::shape::MEASURES;
use llm_call::domain::task::Task;

use crate::data::{Example, Outcome};
use crate::train::{ALL, ASK, Fit, KNOT, Row, Scales, Steps, Uses, importance, least_squares, logistic, probabilities};

/// Parts that the data is cut into, to judge on what was not seen.
const FOLDS: usize = 5;

/// Chosen on groups of alike templates held out: few epochs, and words left out at random.
const TASK_STEPS: Steps = Steps { epochs: 5, penalty: 3e-4, dropped: 200 };
const STEPS: Steps = Steps { epochs: 8, penalty: 3e-5, dropped: 0 };

pub fn fit(examples: &[Example], rows: &[Row]) -> Weights {
    let mut fits = vec![None; HEADS];
    let mut set = |head: usize, fit: Fit| fits[head] = Some(fit);
    let (of_tasks, temperature) = tasks(examples, rows);
    for (head, fit) in of_tasks.into_iter().enumerate() {
        set(head, fit);
    }
    let choices = |example: &Example| example.choices;
    set(CHOICES, yes_or_no("choices", examples, rows, &choices, Uses { ask: true, all: false }, 0.3));
    let demanding = |example: &Example| example.demanding;
    set(DEMANDING, yes_or_no("demanding", examples, rows, &demanding, Uses { ask: true, all: true }, 0.5));
    let (open, open_spread) = how_hard(examples, rows);
    set(OPEN, open.clone());
    let picking = |example: &Example| example.picking.clone();
    let settings = Settings { own: 0.35, words: 0.3, knots: 0.3, penalty: 10.0, width: PICKING_WIDTH };
    let general = General { fit: &open, spread: open_spread };
    let (fit, picking_spread) = gain("multiple choice", examples, rows, &picking, &settings, &general);
    set(PICKING, fit);
    let mathematics = |example: &Example| example.mathematics.clone();
    let settings = Settings { own: 1.0, words: 0.6, knots: 0.2, penalty: 40.0, width: MATHEMATICS_WIDTH };
    let (fit, mathematics_spread) = gain("mathematics", examples, rows, &mathematics, &settings, &general);
    set(MATHEMATICS, fit);
    let fits: Vec<Fit> = fits.into_iter().map(|fit| fit.expect("every judgement is fitted")).collect();
    let mut weights = weigh(&fits);
    // Where on the scale a kind's average stands, and how far its prompts spread around it.
    let calibrations = [
        (-0.5, PICKING_WIDTH, picking_spread),
        (0.6, MATHEMATICS_WIDTH, mathematics_spread),
        (-0.4, OPEN_WIDTH, open_spread),
    ];
    for (place, (centre, width, (mean, deviation))) in calibrations.into_iter().enumerate() {
        let slope = width / deviation;
        weights.calibration[place * 2] = centre - slope * mean;
        weights.calibration[place * 2 + 1] = slope;
    }
    weights.calibration[6] = 1.0 / temperature;
    weights
}

/// How far on the scale, in log-odds, prompts of a kind spread around its centre.
const PICKING_WIDTH: f32 = 0.9;
const MATHEMATICS_WIDTH: f32 = 0.5;
const OPEN_WIDTH: f32 = 1.3;

/// The general judgement of how hard a prompt is, which counts besides that of its kind.
struct General<'a> {
    fit: &'a Fit,
    spread: (f32, f32),
}

/// A fold for each source, so that prompts of one template are never on both sides.
fn fold_of(source: &str) -> usize {
    let hash = source
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 20) as usize % FOLDS
}

struct Part<'a> {
    rows: Vec<&'a Row>,
    examples: Vec<&'a Example>,
}

fn part<'a>(examples: &'a [Example], rows: &'a [Row], keep: impl Fn(usize, &Example) -> bool) -> Part<'a> {
    let kept = || examples.iter().zip(rows).enumerate().filter(|(at, (example, _))| keep(*at, example));
    Part {
        rows: kept().map(|(_, (_, row))| row).collect(),
        examples: kept().map(|(_, (example, _))| example).collect(),
    }
}

/// The tasks' judgements, and by how much their sums are too sure of themselves.
fn tasks(examples: &[Example], rows: &[Row]) -> (Vec<Fit>, f32) {
    let fit = |part: &Part| {
        let targets: Vec<usize> = part.examples.iter().map(|example| example.task.expect("kept") as usize).collect();
        let mut totals = [0.0f32; Task::ALL.len()];
        part.examples.iter().zip(&targets).for_each(|(example, task)| totals[*task] += example.weight);
        let mean = totals.iter().sum::<f32>() / totals.len() as f32;
        // What the data has much of is not what people ask most; so the classes are brought closer to each other.
        let balance = |task: usize| (mean / totals[task]).powf(0.7);
        let weights: Vec<f32> =
            part.examples.iter().zip(&targets).map(|(example, task)| example.weight * balance(*task)).collect();
        let importance = importance(&part.rows, Uses { ask: true, all: false }, Scales { words: 0.2, knots: 1.0 });
        logistic(&part.rows, &targets, &weights, Task::ALL.len(), &importance, TASK_STEPS)
    };
    held_out("groups of alike templates", examples, rows, &fit, |example| &example.group);
    let surprises =
        held_out(
            "templates",
            examples,
            rows,
            &fit,
            |example| {
                if example.group.is_empty() { "" } else { &example.source }
            },
        );
    let temperature = surprises.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are some").0;
    println!("  temperature {temperature}");
    (fit(&part(examples, rows, |_, example| example.task.is_some())), temperature)
}

/// Hits, misses and false alarms of each class.
struct Hits<T>(BTreeMap<T, [usize; 3]>);

impl<T: Copy + Ord> Hits<T> {
    fn count(&mut self, truth: T, said: T) {
        self.0.entry(truth).or_default()[usize::from(said != truth)] += 1;
        if said != truth {
            self.0.entry(said).or_default()[2] += 1;
        }
    }

    /// The F1 of each class that there is.
    fn scores(&self) -> impl Iterator<Item = (T, f64, usize)> {
        let score = |[hit, missed, wrong]: [usize; 3]| 2.0 * hit as f64 / (2 * hit + missed + wrong).max(1) as f64;
        self.0
            .iter()
            .filter(|(_, [hit, missed, _])| hit + missed > 0)
            .map(move |(class, counts)| (*class, score(*counts), counts[0] + counts[1]))
    }

    fn mean(&self) -> f64 {
        self.scores().map(|(_, score, _)| score).sum::<f64>() / self.scores().count() as f64
    }
}

/// What benchmarks call the tasks: some of ours are one of theirs.
const fn coarse(task: Task) -> &'static str {
    match task {
        Task::Extraction | Task::Reward => "classify",
        Task::Reasoning | Task::Planning => "reasoning",
        Task::Explanation | Task::Question | Task::Bulk | Task::General => "factual",
        Task::Summary => "summary",
        Task::Context => "context",
        Task::Creative => "creative",
        Task::Code => "code",
        Task::Mathematics => "mathematics",
    }
}

/// Tells how well the tasks are judged where all that has the same key is kept from the fit; examples with an empty key
/// are always learnt from. Returns for some temperatures how surprising the truth was.
fn held_out(
    name: &str,
    examples: &[Example],
    rows: &[Row],
    fit: &dyn Fn(&Part) -> Vec<Fit>,
    key: impl Fn(&Example) -> &str,
) -> [(f32, f64); 6] {
    let mut fine = Hits(BTreeMap::new());
    let mut rough = Hits(BTreeMap::new());
    let mut surprises = [1.0f32, 1.5, 2.0, 2.5, 3.0, 4.0].map(|temperature| (temperature, 0.0f64));
    for fold in 0..FOLDS {
        let held = |example: &Example| !key(example).is_empty() && fold_of(key(example)) == fold;
        let fits = fit(&part(examples, rows, |_, example| example.task.is_some() && !held(example)));
        let test = part(examples, rows, |_, example| example.task.is_some() && held(example));
        for (row, example) in test.rows.iter().zip(&test.examples) {
            let sums: Vec<f32> = fits.iter().map(|fit| fit.sum(row)).collect();
            let best = (0..sums.len()).max_by(|a, b| sums[*a].total_cmp(&sums[*b])).expect("there are tasks");
            let truth = example.task.expect("kept");
            for (temperature, surprise) in &mut surprises {
                let cooled: Vec<f32> = sums.iter().map(|sum| sum / *temperature).collect();
                *surprise -= f64::from(probabilities(&cooled)[truth as usize].max(1e-6).ln());
            }
            fine.count(truth, Task::ALL[best]);
            rough.count(coarse(truth), coarse(Task::ALL[best]));
        }
    }
    println!("task, on {name} held out: macro-F1 {:.3}, of eight classes {:.3}", fine.mean(), rough.mean());
    for (task, score, count) in fine.scores() {
        println!("  {:<12} F1 {score:.3} of {count}", task.name());
    }
    for (class, score, count) in rough.scores() {
        println!("  {class:<12} F1 {score:.3} of {count}");
    }
    surprises
}

fn yes_or_no(
    name: &str,
    examples: &[Example],
    rows: &[Row],
    truth: &dyn Fn(&Example) -> Option<bool>,
    uses: Uses,
    words: f32,
) -> Fit {
    let fit = |part: &Part| {
        let targets: Vec<usize> =
            part.examples.iter().map(|example| usize::from(truth(example) == Some(true))).collect();
        let yes: f32 = part.examples.iter().filter(|e| truth(e) == Some(true)).map(|e| e.weight).sum();
        let all: f32 = part.examples.iter().map(|example| example.weight).sum();
        // Both answers weigh the same, however many there are of each.
        let balance = |example: &Example| {
            if truth(example) == Some(true) { all / (2.0 * yes) } else { all / (2.0 * (all - yes)) }
        };
        let weights: Vec<f32> = part.examples.iter().map(|example| example.weight * balance(example)).collect();
        let importance = importance(&part.rows, uses, Scales { words, knots: 0.7 });
        logistic(&part.rows, &targets, &weights, 1, &importance, STEPS).remove(0)
    };
    let mut hits: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for fold in 0..FOLDS {
        let fitted = fit(&part(examples, rows, |_, e| truth(e).is_some() && fold_of(&e.source) != fold));
        let test = part(examples, rows, |_, e| truth(e).is_some() && fold_of(&e.source) == fold);
        for (row, example) in test.rows.iter().zip(&test.examples) {
            let kind = example.source.split(' ').next().unwrap_or_default().to_owned();
            let (said, is) = (fitted.sum(row) > 0.0, truth(example) == Some(true));
            hits.entry(kind).or_default()[usize::from(is) * 2 + usize::from(said)] += 1;
        }
    }
    println!("{name}, on sources held out (true: yes/no; said yes of each):");
    for (kind, [no_no, no_yes, yes_no, yes_yes]) in hits {
        println!("  {kind:<16} yes {yes_yes}/{}  no {no_yes}/{}", yes_no + yes_yes, no_no + no_yes);
    }
    fit(&part(examples, rows, |_, example| truth(example).is_some()))
}

fn spread(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt().max(1e-6))
}

fn how_hard(examples: &[Example], rows: &[Row]) -> (Fit, (f32, f32)) {
    let fit = |part: &Part| {
        let targets: Vec<f32> = part.examples.iter().map(|example| example.open.expect("kept")).collect();
        let weights: Vec<f32> = part.examples.iter().map(|example| example.weight).collect();
        let importance = importance(&part.rows, Uses { ask: true, all: true }, Scales { words: 0.5, knots: 1.0 });
        least_squares(&part.rows, &targets, &weights, &importance, 10.0)
    };
    let (mut said, mut truth) = (Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let fitted = fit(&part(examples, rows, |_, e| e.open.is_some() && fold_of(&e.source) != fold));
        let test = part(examples, rows, |_, e| e.open.is_some() && fold_of(&e.source) == fold);
        for (row, example) in test.rows.iter().zip(&test.examples) {
            said.push(fitted.sum(row));
            truth.push(example.open.expect("kept"));
        }
    }
    let (sm, sd) = spread(&said);
    let (tm, td) = spread(&truth);
    let joint = said.iter().zip(&truth).map(|(s, t)| (s - sm) * (t - tm)).sum::<f32>() / said.len() as f32;
    println!("how hard, on sources held out: correlation {:.3}", joint / (sd * td));
    let whole = part(examples, rows, |_, example| example.open.is_some());
    let fitted = fit(&whole);
    let sums: Vec<f32> = whole.rows.iter().map(|row| fitted.sum(row)).collect();
    (fitted, spread(&sums))
}

struct Settings {
    /// How much a prompt's own outcome counts; the rest is its group's mean, which is less a matter of luck.
    own: f32,
    words: f32,
    knots: f32,
    penalty: f32,
    width: f32,
}

fn gain(
    name: &str,
    examples: &[Example],
    rows: &[Row],
    outcome: &dyn Fn(&Example) -> Option<Outcome>,
    settings: &Settings,
    general: &General,
) -> (Fit, (f32, f32)) {
    let fit = |part: &Part| {
        let outcomes: Vec<Outcome> = part.examples.iter().map(|example| outcome(example).expect("kept")).collect();
        let gains: Vec<f32> = outcomes.iter().map(|outcome| outcome.strong - outcome.weak).collect();
        let (mean, _) = spread(&gains);
        let mut groups: BTreeMap<&str, (f32, f32)> = BTreeMap::new();
        for (outcome, gain) in outcomes.iter().zip(&gains) {
            let group = groups.entry(&outcome.group).or_default();
            group.0 += gain;
            group.1 += 1.0;
        }
        let of_group = |name: &str| groups.get(name).map_or(mean, |(sum, count)| (sum + 10.0 * mean) / (count + 10.0));
        let targets: Vec<f32> = outcomes
            .iter()
            .zip(&gains)
            .map(|(outcome, gain)| settings.own * gain + (1.0 - settings.own) * of_group(&outcome.group))
            .collect();
        let weights: Vec<f32> = outcomes.iter().map(|outcome| outcome.weight).collect();
        let uses = Uses { ask: false, all: true };
        let importance = importance(&part.rows, uses, Scales { words: settings.words, knots: settings.knots });
        least_squares(&part.rows, &targets, &weights, &importance, settings.penalty)
    };
    let mut said: Vec<(f32, f32, f32)> = Vec::new();
    let mut general_said: Vec<f32> = Vec::new();
    for fold in 0..FOLDS {
        let fitted = fit(&part(examples, rows, |at, e| outcome(e).is_some() && at % FOLDS != fold));
        let test = part(examples, rows, |at, e| outcome(e).is_some_and(|outcome| outcome.counts) && at % FOLDS == fold);
        for (row, example) in test.rows.iter().zip(&test.examples) {
            let outcome = outcome(example).expect("kept");
            let hard = (general.fit.sum(row) - general.spread.0) / general.spread.1;
            said.push((fitted.sum(row), outcome.strong, outcome.weak));
            general_said.push(GENERAL_SHARE * OPEN_WIDTH * hard);
        }
    }
    // On what it was not fitted to a judgement spreads less, so the scale is taken there.
    let spread = spread(&said.iter().map(|entry| entry.0).collect::<Vec<f32>>());
    let scaled = |sum: f32| settings.width * (sum - spread.0) / spread.1;
    let mut alone = said.clone();
    let mut together: Vec<(f32, f32, f32)> =
        said.iter().zip(&general_said).map(|(entry, hard)| (scaled(entry.0) + hard, entry.1, entry.2)).collect();
    println!(
        "{name}: APGR {:.3} alone, {:.3} with the general judgement, on {} prompts held out",
        recovered(&mut alone),
        recovered(&mut together),
        said.len()
    );
    (fit(&part(examples, rows, |_, example| outcome(example).is_some())), spread)
}

/// The area under the share of the gap between two models that is recovered when the strong one is asked first where the
/// sum is highest; a half by chance.
fn recovered(said: &mut [(f32, f32, f32)]) -> f32 {
    said.sort_by(|left, right| right.0.total_cmp(&left.0));
    let count = said.len().max(1) as f32;
    let gap: f32 = said.iter().map(|(_, strong, weak)| strong - weak).sum();
    let (mut so_far, mut area) = (0.0, 0.0);
    for (_, strong, weak) in said.iter() {
        area += (so_far + 0.5 * (strong - weak)) / gap / count;
        so_far += strong - weak;
    }
    area
}

/// The fitted sums as a weights file: bytes for the words, numbers for the knots.
fn weigh(fits: &[Fit]) -> Weights {
    let mut weights = Weights::none();
    let scale = |fit: &Fit, from: usize, to: usize| {
        let most = fit.weights[from..to].iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
        if most > 0.0 { most / 127.0 } else { 0.0 }
    };
    let byte = |weight: f32, scale: f32| if scale > 0.0 { (weight / scale).round() as i8 } else { 0 };
    for (head, fit) in fits.iter().enumerate() {
        weights.bias[head] = fit.bias;
        if head < ASK_HEADS {
            weights.ask_scale[head] = scale(fit, ASK, ALL);
            for bucket in 0..ASK_BUCKETS {
                weights.ask[bucket * ASK_HEADS + head] = byte(fit.weights[ASK + bucket], weights.ask_scale[head]);
            }
        }
        if head >= FIRST_ALL_HEAD {
            let place = head - FIRST_ALL_HEAD;
            weights.all_scale[place] = scale(fit, ALL, KNOT);
            for bucket in 0..ALL_BUCKETS {
                weights.all[bucket * ALL_HEADS + place] = byte(fit.weights[ALL + bucket], weights.all_scale[place]);
            }
        }
        for knot in 0..MEASURES * KNOTS {
            weights.knots[knot * HEADS + head] = fit.weights[KNOT + knot];
        }
    }
    weights
}
