//! Views of a prompt: small fixed trees of tests on a text's shape. Each sorts prompts into a few dozen drawers, each from
//! another side; what models did with the prompts of one drawer is what one of that drawer can expect.
//!
//! Only the tests are fixed. They were grown on public prompts (see `examples/grow_views.rs`) so that prompts on which
//! models differ alike fall together; what is *in* the drawers is learnt from a deployment's own outcomes.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::shape::{MEASURES, Shape};

/// How many views a prompt is seen in. More no longer told anything; fewer let the borders of the drawers show.
pub const VIEWS: usize = 24;
/// Tests that one prompt passes through in each view.
pub const DEPTH: u32 = 6;
/// Drawers of each view.
pub const DRAWERS: usize = 1 << DEPTH;
/// Tests of each view.
pub const TESTS: usize = DRAWERS - 1;

/// The drawer that a prompt falls into, for each view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drawers(pub [u8; VIEWS]);

impl Default for Drawers {
    fn default() -> Self {
        Self([0; VIEWS])
    }
}

impl Drawers {
    /// Positions in a table of all views' drawers, one for each view. Each is below `VIEWS * DRAWERS`.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().map(|(view, drawer)| view * DRAWERS + usize::from(*drawer) % DRAWERS)
    }
}

/// Whether one measure lies above a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// Which measure of the shape.
    pub measure: u8,
    /// Above it the prompt goes right. Infinite where the growing found nothing worth asking.
    pub above: f32,
}

/// The tests of one view, the first at the root, the two that follow test `n` at `2n + 1` and `2n + 2`.
pub type View = [Test; TESTS];

/// The views that ship.
static SHIPPED: LazyLock<Vec<View>> = LazyLock::new(|| parse(include_str!("../../../assets/views.txt")));

/// Sorts a shape into the drawers of every view.
#[must_use]
pub fn drawers(shape: &Shape) -> Drawers {
    drawers_of(&SHIPPED, shape)
}

/// Reads the views now, so that the first request does not pay for it.
pub fn warm() {
    LazyLock::force(&SHIPPED);
}

/// Sorts a shape into the drawers of some views.
#[must_use]
pub fn drawers_of(views: &[View], shape: &Shape) -> Drawers {
    let mut found = Drawers::default();
    for (drawer, view) in found.0.iter_mut().zip(views) {
        let mut at = 0;
        while let Some(test) = view.get(at) {
            let right = shape.get(usize::from(test.measure)).is_some_and(|value| *value > test.above);
            at = 2 * at + 1 + usize::from(right);
        }
        *drawer = u8::try_from(at - TESTS).unwrap_or_default();
    }
    found
}

/// Reads views written by [`write()`]: one a line, tests as `measure:bound`. What does not parse asks nothing.
#[must_use]
pub fn parse(text: &str) -> Vec<View> {
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(parse_view).collect()
}

fn parse_view(line: &str) -> View {
    let mut view = [Test { measure: 0, above: f32::INFINITY }; TESTS];
    for (test, word) in view.iter_mut().zip(line.split_whitespace()) {
        if let Some((measure, above)) = word.split_once(':')
            && let (Ok(measure), Ok(above)) = (measure.parse(), above.parse())
            && usize::from(measure) < MEASURES
        {
            *test = Test { measure, above };
        }
    }
    view
}

/// Writes views as text.
#[must_use]
pub fn write(views: &[View]) -> String {
    let word =
        |test: &Test| if test.above.is_finite() { format!("{}:{}", test.measure, test.above) } else { "-".into() };
    views.iter().map(|view| view.iter().map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}
