//! Failures on demand, for the tests of the real program on a real terminal (`tests/terminal`). Only debug builds have
//! them, and only where `LLM_CALL_TEST_PANIC` says so when the dashboard starts.
#![expect(clippy::panic, reason = "what it is for")]

use tokio::task::JoinSet;

/// What fails, once the dashboard has shown its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Drawing.
    Draw,
    /// A task in the background.
    Task,
}

/// What was asked for, and how far it is.
pub(super) struct Provoked {
    what: Option<What>,
    frames: u32,
}

impl Provoked {
    /// What the environment asks for.
    pub(super) fn of_process() -> Self {
        let what = match std::env::var("LLM_CALL_TEST_PANIC").as_deref() {
            Ok("draw") => Some(What::Draw),
            Ok("task") => Some(What::Task),
            _ => None,
        };
        Self { what, frames: 0 }
    }

    /// A frame is being drawn: fails in the second one, or lets a task fail.
    pub(super) fn drawing(&mut self, tasks: &mut JoinSet<()>) {
        self.frames = self.frames.saturating_add(1);
        match self.what {
            Some(What::Draw) if self.frames == 2 => panic!("provoked while drawing"),
            Some(What::Task) if self.frames == 2 => drop(tasks.spawn(async { panic!("provoked in a task") })),
            _ => {}
        }
    }
}
