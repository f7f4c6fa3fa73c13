//! The latest warnings and errors, in memory.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::domain::time::Timestamp;

const KEPT: usize = 200;
/// Characters of a line; a longer one is in the file.
const LONGEST: usize = 400;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub time: Timestamp,
    /// `WARN` or `ERROR`.
    pub level: Level,
    /// The part of the program that says it.
    pub target: &'static str,
    /// What it says, with its fields, without control characters.
    pub message: String,
}

/// The latest lines. Clones show the same ones.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    seen: u64,
}

impl Recent {
    /// The lines, oldest first: 200 at most.
    #[must_use]
    pub fn lines(&self) -> Vec<Arc<Line>> {
        self.ring().lines.iter().cloned().collect()
    }

    /// How many lines there were since the start; tells cheaply whether there is anything new.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.ring().seen
    }

    fn push(&self, line: Line) {
        let mut ring = self.ring();
        if ring.lines.len() == KEPT {
            ring.lines.pop_front();
        }
        ring.lines.push_back(Arc::new(line));
        ring.seen += 1;
    }

    /// A panic elsewhere leaves whole lines behind, so the ring stays good.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        Keep(self.clone())
    }
}

struct Keep(Recent);

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.push(Line {
            time: Timestamp(jiff::Timestamp::now().as_millisecond()),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: text.whole(),
        });
    }
}

/// The message, and the fields as `name=value` behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(mut self) -> String {
        self.message.push_str(&self.fields);
        let text = self.message.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
        text.take(LONGEST).collect()
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            // What the `log` crate's events carry about their origin.
            name if name.starts_with("log.") => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
