//! The state of the screen. Nothing here performs I/O: what has to be done outside becomes an [`Effect`] for the loop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use super::backing::{Faults, LogLine};
use super::feed::{Feed, UNSERVED_WINDOW, Unserved};
use super::glyph::{self, Glyphs};
use super::keymap::Keymap;
use super::layout::{Layout, Pane};
use super::overlay::confirm::Confirm;
use super::overlay::detail::Subject;
use super::overlay::palette::Palette;
use super::overlay::toast::Toasts;
use super::panes::compare::ComparePane;
use super::panes::cost::CostPane;
use super::panes::decisions::DecisionsPane;
use super::panes::gpu::GpuPane;
use super::panes::latency::LatencyPane;
use super::panes::log::LogPane;
use super::panes::models::ModelsPane;
use super::panes::prompt::PromptPane;
use super::panes::requests::RequestsPane;
use super::panes::spend::SpendPane;
use super::panes::tiers::TiersPane;
use super::session::Session;
use super::theme::{ColorEnv, Theme};
use super::undo::Undo;
use super::weigh::{Asking, Typing};
use crate::config::UiConfig;
use crate::domain::money::Money;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::engine::warnings::{Severity, Warning, warnings};
use crate::engine::{Command, Snapshot};

/// How often the input is foreseen anew while only the fleet changes.
const FORESEEN_AGAIN: Duration = Duration::from_millis(500);

/// Something to be done outside the screen.
#[derive(Debug)]
pub enum Effect {
    /// An operator's command.
    Command(Command),
    /// What was typed is to be sent, unless it may cost too much to be sent without a second word.
    Weigh(Typing),
    /// A prompt to send, for the turn of this key.
    Submit(u64, Prompt, Constraints),
    /// A turn's request is to be cancelled.
    CancelTurn(u64),
    /// A fault to dial in, or all of an upstream out.
    Fault(String, Option<String>),
    /// A text to send to those of some tiers that can serve it, side by side, and what was said before of its cost.
    Compare(String, Vec<Tier>, Constraints, Option<Asking>),
    /// A text for the clipboard.
    Copy(String),
    /// Mouse reports on or off.
    Mouse(bool),
    /// Stop as a shell job.
    Suspend,
    /// Paint everything anew.
    Redraw,
    /// Leave.
    Quit,
}

/// What lies over the panes.
#[derive(Debug)]
pub enum Overlay {
    /// Every key.
    Help(usize),
    /// Any action by name.
    Palette(Palette),
    /// A question.
    Confirm(Box<Confirm>),
    /// The whole story of something.
    Detail(Subject, usize),
    /// All warnings.
    Warnings(usize),
    /// A filter being typed for a pane, and what it was before.
    Filter(Pane, String),
}

/// The display held still.
pub struct Frozen {
    /// Since when.
    pub at: Timestamp,
    /// The fleet at that moment.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The rows at that moment.
    pub feed: Feed,
}

/// The state of the screen.
pub struct App {
    /// The present.
    pub now: Timestamp,
    /// The newest snapshot.
    pub live: Option<Arc<Snapshot>>,
    /// The display held still, if it is.
    pub frozen: Option<Frozen>,
    /// What happened.
    pub feed: Feed,
    /// The operator's own requests.
    pub session: Session,
    /// The pane with the focus.
    pub focus: Pane,
    /// The pane of the dashboard that had it last, for the way back from a screen.
    pub board_focus: Pane,
    /// The row that the last frame showed as selected: what a key means that acts on a row. `None` after the selection was
    /// moved.
    pub seen_row: Option<u64>,
    /// Whether it fills the screen.
    pub zoomed: bool,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// What was just said.
    pub toasts: Toasts,
    /// What an operator should look at, the gravest first.
    pub warnings: Vec<Warning>,
    /// Where the program's log is kept, if it is.
    pub log_file: Option<String>,
    /// Requests of late that nobody served.
    pub unserved: Option<Unserved>,
    /// Lines of the program's log, newest last.
    pub log: Vec<LogLine>,
    /// The prompt pane.
    pub prompt: PromptPane,
    /// The tier pane.
    pub tiers: TiersPane,
    /// The latency pane.
    pub latency: LatencyPane,
    /// The GPU pane.
    pub gpu: GpuPane,
    /// The cost pane.
    pub cost: CostPane,
    /// The decisions pane.
    pub decisions: DecisionsPane,
    /// The screen of requests.
    pub requests: RequestsPane,
    /// The screen of models.
    pub models: ModelsPane,
    /// The screen of spending.
    pub spend: SpendPane,
    /// The screen of the log.
    pub log_pane: LogPane,
    /// The screen of answers side by side.
    pub comparison: ComparePane,
    /// Keys.
    pub keymap: Keymap,
    /// Colours.
    pub theme: Theme,
    /// Signs.
    pub glyphs: &'static Glyphs,
    /// The operator's time zone.
    pub zone: TimeZone,
    /// The screen, as it was last.
    pub area: Rect,
    /// Where things were drawn last.
    pub layout: Layout,
    /// When what was drawn last changes by itself: `None` where it does not.
    pub changes: Option<Duration>,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// The longest probe interval.
    pub probe_every: Duration,
    /// The program's version.
    pub version: &'static str,
    /// Whether decoration may move.
    pub animations: bool,
    /// Whether the fleet may not be changed from here.
    pub read_only: bool,
    /// What a prompt may cost, at most, without a second word; `None` for any amount.
    pub confirm_cost: Option<Money>,
    /// Faults on offer.
    pub faults: Option<Faults>,
    /// Since when a second ctrl-c or `q` leaves.
    pub armed: Option<Timestamp>,
    /// What turns the latest changes of the fleet around, the last one last.
    pub undo: Vec<Undo>,
    /// Commands that the engine has not answered yet, with what would undo each.
    pub asked: Vec<(Command, Undo)>,
    /// The change that is being undone.
    pub undoing: Option<Undo>,
    /// Parts of the fleet whose admin state was asked to change and that the engine has not confirmed yet.
    pub requested: Vec<Target>,
    /// Whether the input has to be foreseen anew before the next frame.
    pub forecast_due: bool,
    /// Whether the fleet has changed since the input was foreseen.
    forecast_old: bool,
    /// When the input was foreseen last.
    forecast_at: Timestamp,
    /// When Esc interrupted an answer.
    pub interrupted: Option<Timestamp>,
    /// When Esc left the prompt.
    pub left_prompt: Option<Timestamp>,
    effects: VecDeque<Effect>,
}

impl App {
    /// A screen that has seen nothing yet.
    #[must_use]
    pub fn new(ui: &UiConfig, env: &ColorEnv, utf8: bool, zone: TimeZone, now: Timestamp) -> Self {
        let (keymap, problems) = Keymap::new(&ui.keys, ui.read_only);
        let mut toasts = Toasts::default();
        for problem in problems {
            toasts.error(problem, now);
        }
        Self {
            now,
            live: None,
            frozen: None,
            feed: Feed::default(),
            session: Session::default(),
            focus: Pane::Prompt,
            board_focus: Pane::Tiers,
            seen_row: None,
            zoomed: false,
            overlay: None,
            toasts,
            warnings: Vec::new(),
            unserved: None,
            log_file: None,
            log: Vec::new(),
            prompt: PromptPane::default(),
            tiers: TiersPane::default(),
            latency: LatencyPane::default(),
            gpu: GpuPane::default(),
            cost: CostPane::default(),
            decisions: DecisionsPane::default(),
            requests: RequestsPane::default(),
            models: ModelsPane::default(),
            spend: SpendPane::default(),
            log_pane: LogPane::default(),
            comparison: ComparePane::default(),
            keymap,
            theme: Theme::resolve(ui, env),
            glyphs: glyph::choose(ui.ascii, utf8),
            zone,
            area: Rect::default(),
            layout: Layout::default(),
            changes: None,
            mouse: false,
            probe_every: Duration::from_secs(60),
            version: "",
            animations: ui.animations,
            read_only: ui.read_only,
            confirm_cost: ui.confirm_cost,
            faults: None,
            armed: None,
            undo: Vec::new(),
            asked: Vec::new(),
            undoing: None,
            requested: Vec::new(),
            forecast_due: false,
            forecast_old: false,
            forecast_at: now,
            interrupted: None,
            left_prompt: None,
            effects: VecDeque::new(),
        }
    }

    /// The defaults, for tests and benches.
    #[must_use]
    pub fn plain(now: Timestamp) -> Self {
        let ui = UiConfig { keys: BTreeMap::new(), ..UiConfig::default() };
        Self::new(&ui, &ColorEnv::default(), true, TimeZone::UTC, now)
    }

    /// A new snapshot came in.
    pub fn see(&mut self, snapshot: Arc<Snapshot>) {
        self.warnings = warnings(&snapshot, self.probe_every, &self.zone, self.now);
        self.unserved = self.feed.unserved(self.now);
        if let Some(unserved) = &self.unserved {
            self.warnings.push(unserved_warning(unserved));
            self.warnings.sort_by_key(|warning| warning.severity);
        }
        self.gpu.remember(&snapshot.telemetry);
        // What is typed would perhaps go elsewhere now.
        self.forecast_old = !self.prompt.is_blank();
        self.live = Some(snapshot);
    }

    /// When the input is to be foreseen anew because the fleet has changed: not more often than anybody could read it.
    /// `None` where it need not be.
    #[must_use]
    pub fn foreseen_again_in(&self) -> Option<Duration> {
        self.forecast_old.then(|| FORESEEN_AGAIN.saturating_sub(self.now.since(self.forecast_at)))
    }

    /// Whether the input has to be foreseen now. It counts as done then.
    pub(super) fn take_forecast_due(&mut self) -> bool {
        let due = std::mem::take(&mut self.forecast_due) || self.foreseen_again_in() == Some(Duration::ZERO);
        if due {
            (self.forecast_old, self.forecast_at) = (false, self.now);
        }
        due
    }

    /// The snapshot on display.
    #[must_use]
    pub fn shown(&self) -> Option<&Arc<Snapshot>> {
        match &self.frozen {
            Some(frozen) => frozen.snapshot.as_ref(),
            None => self.live.as_ref(),
        }
    }

    /// What is to be done outside next, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Asks for something to be done outside.
    pub fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }
}

/// Requests that fail are what an operator is there for; one in five of them is an outage.
fn unserved_warning(unserved: &Unserved) -> Warning {
    let Unserved { requests, of, why } = unserved;
    let severity = if requests * 5 >= *of { Severity::Critical } else { Severity::Warning };
    let minutes = UNSERVED_WINDOW.as_secs() / 60;
    let (reason, remedy) = match why {
        Some((reason, remedy)) => (format!(": {reason}"), remedy.clone()),
        None => (String::new(), "see the failed ones among the requests: 7, then /failed".to_owned()),
    };
    let words = format!("{requests} of {of} requests of the last {minutes} min got no answer{reason}");
    Warning { severity, target: None, words, remedy }
}
