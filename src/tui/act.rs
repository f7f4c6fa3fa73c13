//! What each action does to the state of the screen.

use std::time::Duration;

use super::action::Action;
use super::app::{App, Effect, Frozen, Overlay};
use super::feed::Kind;
use super::layout::Pane;
use super::overlay::confirm::{Confirm, Verb};
use super::overlay::detail::Subject;
use super::overlay::palette::{Palette, Run};
use super::theme::Theme;
use crate::domain::request::Constraints;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;
use crate::engine::Command;

/// How long a second ctrl-c counts as one.
const ARMED: Duration = Duration::from_secs(2);
/// Keys that follow within this time may have been meant for what was there before.
const SLIP: Duration = Duration::from_millis(700);
/// Longer texts are not foreseen while they are typed: looking through them would be felt.
const FORECAST_BYTES: usize = 64 * 1024;

impl App {
    /// An action. Every key and every word of the palette ends here.
    pub fn act(&mut self, action: Action) {
        match action {
            Action::Quit => self.quit(),
            Action::Interrupt => self.interrupt(),
            Action::Back => self.back(),
            Action::Help => self.overlay = Some(Overlay::Help(0)),
            Action::Palette => self.open_palette(),
            Action::FocusNext => self.turn_focus(1),
            Action::FocusPrevious => self.turn_focus(Pane::ALL.len() - 1),
            Action::Focus(pane) => self.focus = pane,
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Freeze => self.freeze(),
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.step(-self.page()),
            Action::PageDown => self.step(self.page()),
            Action::Top => self.step(isize::MIN / 2),
            Action::Bottom => self.step(isize::MAX / 2),
            Action::Open => self.open(),
            Action::Filter => self.open_filter(),
            Action::Sort => self.sort(false),
            Action::SortReverse => self.sort(true),
            Action::Warnings => self.overlay = Some(Overlay::Warnings(0)),
            Action::Log => self.overlay = Some(Overlay::Log(usize::MAX / 2)),
            Action::Copy => self.copy(),
            Action::Mouse => self.toggle_mouse(),
            Action::Redraw => self.effect(Effect::Redraw),
            Action::Suspend => self.effect(Effect::Suspend),
            Action::Send => self.send(),
            Action::Newline => {
                self.prompt.newline();
                self.foresee();
            }
            Action::NewConversation => {
                self.session.start_anew();
                self.toasts.say("new conversation: the next prompt starts from nothing", self.now);
                self.focus = Pane::Prompt;
            }
            Action::ScrollUp => self.prompt.scroll(5),
            Action::ScrollDown => self.prompt.scroll(-5),
            Action::Drain => self.ask_selected(Verb::Drain),
            Action::Maint => self.ask_selected(Verb::Maint),
            Action::Ready => self.ask_selected(Verb::Ready),
            Action::Pin => self.ask_selected(Verb::Pin),
            Action::Unpin => self.ask_selected(Verb::Unpin),
            Action::Probe => self.probe(),
            Action::Cancel => self.cancel_selected(),
            Action::WindowLonger => self.latency.resize(true),
            Action::WindowShorter => self.latency.resize(false),
            Action::Measure => self.latency.switch_measure(),
            Action::ScaleMode => self.latency.switch_scale(),
        }
    }

    /// An entry of the palette.
    pub fn run(&mut self, run: Run) {
        match run {
            // A word that was typed in full is no slip.
            Run::Action(Action::Quit) => self.effect(Effect::Quit),
            Run::Action(action) => self.act(action),
            Run::Ask(verb, target) => self.ask(verb, target),
            Run::Fault(upstream, kind) => self.effect(Effect::Fault(upstream, kind)),
            Run::Privacy(privacy) => self.prompt.constraints.privacy = privacy,
            Run::Optimize(aim) => self.prompt.constraints.optimize = aim,
            Run::AskTier(tier) => self.prompt.constraints.tier = tier,
            Run::NoDemands => self.prompt.constraints = Constraints::default(),
            Run::Theme(palette) => self.theme = Theme::new(palette),
        }
        self.foresee();
    }

    /// The input changed: where would it go now?
    pub fn foresee(&mut self) {
        let text = self.prompt.text();
        if self.prompt.is_blank() || text.len() > FORECAST_BYTES {
            self.prompt.forecast = None;
            return;
        }
        let prompt = self.session.prompt(&text);
        self.effect(Effect::Explain(prompt, self.prompt.constraints.clone()));
    }

    fn send(&mut self) {
        if self.prompt.is_blank() {
            return;
        }
        let question = self.prompt.take();
        self.prompt.forecast = None;
        let prompt = self.session.prompt(&question);
        let key = self.session.open(question, self.now);
        self.effect(Effect::Submit(key, prompt, self.prompt.constraints.clone()));
    }

    /// Whatever is uppermost: the answer under way, the zoom, the filter, the freeze, the prompt's focus.
    fn back(&mut self) {
        let recent = |at: Option<Timestamp>| at.is_some_and(|at| self.now.since(at) <= SLIP);
        // Who presses Esc twice to be sure that the answer stops does not mean to leave the prompt as well.
        let twice = recent(self.interrupted);
        if self.focus == Pane::Prompt && (self.cancel_newest() || twice) {
            self.interrupted = Some(self.interrupted.filter(|_| twice).unwrap_or(self.now));
            return;
        }
        if self.zoomed {
            self.zoomed = false;
        } else if self.focus == Pane::Prompt {
            self.focus = Pane::Tiers;
            self.left_prompt = Some(self.now);
        } else if let Some(filter) = self.filter_of(self.focus).filter(|filter| !filter.is_empty()) {
            filter.clear();
        } else if self.frozen.is_some() {
            self.freeze();
        }
    }

    /// Leaves, at once where nothing is lost by it. Answers under way would be, and a `q` right after the prompt was left
    /// was probably meant for it.
    fn quit(&mut self) {
        let open = self.session.open_count();
        let slip = self.left_prompt.is_some_and(|at| self.now.since(at) <= SLIP);
        let armed = self.armed.is_some_and(|at| self.now.since(at) <= ARMED);
        if armed || (open == 0 && !slip) {
            self.effect(Effect::Quit);
            return;
        }
        self.armed = Some(self.now);
        self.toasts.say(
            match open {
                0 => "again to quit; 1 goes back to the prompt".to_owned(),
                1 => "again to quit: an answer is still under way".to_owned(),
                n => format!("again to quit: {n} answers are still under way"),
            },
            self.now,
        );
    }

    /// The ladder of ctrl-c. After a step that did something, the next ctrl-c only arms.
    fn interrupt(&mut self) {
        if self.overlay.take().is_some() || self.cancel_newest() {
            return;
        }
        if !self.prompt.text().is_empty() {
            self.prompt.clear();
            self.prompt.forecast = None;
            self.toasts.say("cleared: up brings it back", self.now);
            return;
        }
        if self.armed.is_some_and(|at| self.now.since(at) <= ARMED) {
            self.effect(Effect::Quit);
        } else {
            self.armed = Some(self.now);
            self.toasts.say("ctrl-c again to quit", self.now);
        }
    }

    fn cancel_newest(&mut self) -> bool {
        let Some(key) = self.session.newest_open().map(|turn| turn.key) else { return false };
        self.session.interrupt(key, self.now);
        self.effect(Effect::CancelTurn(key));
        true
    }

    fn cancel_selected(&mut self) {
        let row = self.decisions.selected().and_then(|number| self.feed.get(number));
        let Some(Kind::Request(request)) = row.map(|row| &row.kind) else { return };
        if request.finished.is_some() {
            self.toasts.say("that request has ended already", self.now);
            return;
        }
        let id = request.id;
        self.effect(Effect::Command(Command::Cancel(id)));
    }

    fn turn_focus(&mut self, by: usize) {
        let at = self.focus.index();
        self.focus = Pane::ALL[(at + by) % Pane::ALL.len()];
    }

    fn freeze(&mut self) {
        self.frozen = match self.frozen.take() {
            Some(_) => None,
            None => Some(Frozen { at: self.now, snapshot: self.live.clone(), feed: self.feed.clone() }),
        };
    }

    fn page(&self) -> isize {
        let rows = self.layout.pane(self.focus).height / 2;
        isize::try_from(rows.max(1)).unwrap_or(1)
    }

    fn step(&mut self, by: isize) {
        match self.focus {
            Pane::Tiers => {
                let len = self.tiers.len();
                self.tiers.cursor.step(by, len);
            }
            Pane::Decisions => match by {
                by if by <= isize::MIN / 2 => self.decisions.top(),
                by if by >= isize::MAX / 2 => self.decisions.bottom(),
                by => self.decisions.step(by),
            },
            Pane::Gpu => self.gpu.scroll = self.gpu.scroll.saturating_add_signed(by),
            Pane::Cost => self.cost.scroll = self.cost.scroll.saturating_add_signed(by),
            Pane::Prompt => self.prompt.scroll(-by),
            Pane::Latency => {}
        }
    }

    fn open(&mut self) {
        let subject = match self.focus {
            Pane::Decisions => self.decisions.selected().map(Subject::Row),
            Pane::Tiers => self.tiers.selected().cloned().map(Subject::Part),
            _ => {
                self.zoomed = !self.zoomed;
                None
            }
        };
        if let Some(subject) = subject {
            self.overlay = Some(Overlay::Detail(subject, 0));
        }
    }

    fn open_palette(&mut self) {
        let fleet = self.live.as_ref().map(|snapshot| &*snapshot.fleet);
        let palette = Palette::new(&self.keymap, fleet, self.faults.as_ref(), self.read_only);
        self.overlay = Some(Overlay::Palette(palette));
    }

    fn open_filter(&mut self) {
        let focus = self.focus;
        if let Some(filter) = self.filter_of(focus) {
            let before = filter.clone();
            self.overlay = Some(Overlay::Filter(focus, before));
        } else {
            self.toasts.say("this pane has no rows to filter", self.now);
        }
    }

    /// The filter of a pane, where it has one.
    pub const fn filter_of(&mut self, pane: Pane) -> Option<&mut String> {
        match pane {
            Pane::Tiers => Some(&mut self.tiers.filter),
            Pane::Decisions => Some(&mut self.decisions.filter),
            Pane::Prompt | Pane::Latency | Pane::Gpu | Pane::Cost => None,
        }
    }

    fn sort(&mut self, reverse: bool) {
        match (self.focus, reverse) {
            (Pane::Tiers, false) => self.tiers.sort_next(),
            (Pane::Tiers, true) => self.tiers.sort_reverse(),
            (Pane::Decisions, false) => self.decisions.sort_next(),
            (Pane::Decisions, true) => self.decisions.sort_reverse(),
            _ => self.toasts.say("this pane has no rows to sort", self.now),
        }
    }

    fn copy(&mut self) {
        let text = match self.focus {
            Pane::Tiers => self.tiers.selected().map(ToString::to_string),
            Pane::Decisions => self.decisions.selected().and_then(|number| {
                let Kind::Request(row) = &self.feed.get(number)?.kind else { return None };
                serde_json::to_string_pretty(&*row.decision).ok()
            }),
            _ => self.session.last_answer().map(str::to_owned),
        };
        match text {
            Some(text) => {
                self.toasts.say(format!("copied {} characters", text.chars().count()), self.now);
                self.effect(Effect::Copy(text));
            }
            None => self.toasts.say("nothing to copy yet", self.now),
        }
    }

    fn toggle_mouse(&mut self) {
        self.mouse = !self.mouse;
        let words = if self.mouse { "mouse on: clicks choose a pane" } else { "mouse off: the terminal selects text" };
        self.toasts.say(words, self.now);
        self.effect(Effect::Mouse(self.mouse));
    }

    fn ask_selected(&mut self, verb: Verb) {
        match (self.focus, self.tiers.selected().cloned()) {
            (Pane::Tiers, Some(target)) => self.ask(verb, target),
            // From the palette without a part: the one that is selected may be out of sight, so show it first.
            _ => {
                self.focus = Pane::Tiers;
                self.toasts.say(format!("select what to {} and press its key", verb.word()), self.now);
            }
        }
    }

    fn ask(&mut self, verb: Verb, target: Target) {
        if self.read_only {
            self.toasts.error("read-only: the fleet is not changed from here", self.now);
            return;
        }
        let pinned = self.live.as_ref().is_some_and(|one| one.fleet.pins.iter().any(|pin| *pin.target == target));
        if verb == Verb::Unpin && !pinned {
            self.toasts.say(format!("nothing is pinned to {target}"), self.now);
            return;
        }
        self.overlay = Some(Overlay::Confirm(Confirm::new(verb, target)));
    }

    fn probe(&mut self) {
        let backend = match (self.focus, self.tiers.selected()) {
            (Pane::Tiers, Some(Target::Backend(id) | Target::Model(id, _))) => Some(id.clone()),
            _ => None,
        };
        self.effect(Effect::Command(Command::Probe(backend)));
    }
}
