//! Growing the views: extremely randomised trees (Geurts, Ernst and Wehenkel, 2006) over public prompts.
//!
//! Not used while the program runs; it is here so that the table that ships can be made again from the text that it was
//! made from.

use super::shape::{MEASURES, Shape};
use super::views::{TESTS, Test, VIEWS, View};

/// One prompt to grow from.
#[derive(Clone, Debug)]
pub struct Example {
    /// The text's shape.
    pub shape: Shape,
    /// What should be alike within a drawer, centred on zero: models' outcomes, where the prompt comes from.
    pub targets: Vec<f32>,
}

/// Measures tried at each test.
const TRIED: usize = 25;
/// The fewest examples on either side of a test.
const FEWEST: usize = 15;

/// Grows as many views as ship. The same examples and seed grow the same views.
#[must_use]
pub fn grow(examples: &[Example], seed: u64) -> Vec<View> {
    let mut chance = Chance(seed);
    (0..VIEWS)
        .map(|_| {
            let mut view = [Test { measure: 0, above: f32::INFINITY }; TESTS];
            grow_from(&mut view, 0, examples.iter().collect(), &mut chance);
            view
        })
        .collect()
}

fn grow_from(view: &mut View, at: usize, here: Vec<&Example>, chance: &mut Chance) {
    let Some((test, left, right)) =
        (0..TRIED).filter_map(|_| try_test(&here, chance)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, test)| {
            let (right, left) = here.into_iter().partition::<Vec<_>, _>(|example| passes(example, test));
            (test, left, right)
        })
    else {
        return;
    };
    let Some(slot) = view.get_mut(at) else { return };
    *slot = test;
    grow_from(view, 2 * at + 1, left, chance);
    grow_from(view, 2 * at + 2, right, chance);
}

fn passes(example: &Example, test: Test) -> bool {
    example.shape.get(usize::from(test.measure)).is_some_and(|value| *value > test.above)
}

/// A random measure cut at a random example's value, with how much it tells: the targets' variance between the sides.
fn try_test(here: &[&Example], chance: &mut Chance) -> Option<(f32, Test)> {
    let measure = u8::try_from(chance.below(MEASURES)).ok()?;
    let above = *here.get(chance.below(here.len()))?.shape.get(usize::from(measure))?;
    let test = Test { measure, above };
    let width = here.first()?.targets.len();
    let mut sums = [vec![0.0_f32; width], vec![0.0_f32; width]];
    let mut counts = [0_usize; 2];
    for example in here {
        let side = usize::from(passes(example, test));
        counts[side] += 1;
        for (sum, target) in sums[side].iter_mut().zip(&example.targets) {
            *sum += target;
        }
    }
    if counts.iter().any(|count| *count < FEWEST) {
        return None;
    }
    let told = sums.iter().zip(counts).map(|(sums, n)| sums.iter().map(|s| s * s).sum::<f32>() / n as f32).sum();
    Some((told, test))
}

/// A splitmix64 generator: the growing has to come out the same everywhere.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}
