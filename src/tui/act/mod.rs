//! What each action does to the state of the screen.

mod fleet;
mod talk;

use std::time::Duration;

use super::action::Action;
use super::app::{App, Effect, Frozen, Overlay};
use super::feed::Kind;
use super::layout::Pane;
use super::overlay::confirm::Verb;
use super::overlay::detail::Subject;
use super::overlay::palette::{Palette, Run};
use super::theme::Theme;
use crate::domain::judgement::Judgement;
use crate::domain::request::Constraints;
use crate::domain::tier::Target;
use crate::domain::time::Timestamp;

/// How long a second ctrl-c counts as one.
const ARMED: Duration = Duration::from_secs(2);
/// Keys that follow within this time may have been meant for what was there before.
const SLIP: Duration = Duration::from_millis(700);

impl App {
    /// An action. Every key and every word of the palette ends here.
    pub fn act(&mut self, action: Action) {
        let on_a_row = matches!(
            action,
            Action::Open | Action::Cancel | Action::Good | Action::Bad | Action::Elsewhere | Action::Copy
        );
        if !on_a_row {
            self.seen_row = None;
        }
        match action {
            Action::Quit => self.quit(),
            Action::Interrupt => self.interrupt(),
            Action::Back => self.back(),
            Action::Help => self.overlay = Some(Overlay::Help(0)),
            Action::Palette => self.open_palette(),
            Action::FocusNext => self.turn_focus(1),
            Action::FocusPrevious => self.turn_focus(usize::MAX),
            Action::Focus(pane) => self.go(pane),
            Action::Zoom if self.focus.is_screen() => {}
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
                self.go(Pane::Prompt);
            }
            Action::ScrollUp => self.prompt.scroll(5),
            Action::ScrollDown => self.prompt.scroll(-5),
            Action::Drain => self.ask_selected(Verb::Drain),
            Action::Maint => self.ask_selected(Verb::Maint),
            Action::Ready => self.ask_selected(Verb::Ready),
            Action::Pin => self.ask_selected(Verb::Pin),
            Action::Unpin => self.ask_selected(Verb::Unpin),
            Action::Kill => self.ask_selected(Verb::Kill),
            Action::Limit => self.ask_limit(),
            Action::Undo => self.ask_to_undo(),
            Action::Good => self.judge_selected(Judgement::Good),
            Action::Bad => self.judge_selected(Judgement::Bad),
            Action::Elsewhere => self.choose_elsewhere(),
            Action::Compare => self.compare(),
            Action::Better => self.choose_better(),
            Action::Left => self.comparison.turn(-1, &self.session),
            Action::Right => self.comparison.turn(1, &self.session),
            Action::Private => self.switch_privacy(),
            Action::NextTier => self.turn_tier(),
            Action::NextAim => self.turn_aim(),
            Action::NoDemands => {
                self.prompt.constraints = Constraints::default();
                self.foresee();
            }
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
            Run::SendAgain(turn, target) => self.send_again(turn, &target),
        }
        self.foresee();
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
        if self.zoomed && !self.focus.is_screen() {
            self.zoomed = false;
        } else if self.focus == Pane::Prompt {
            self.go(Pane::Tiers);
            self.left_prompt = Some(self.now);
        } else if let Some(filter) = self.filter_of(self.focus).filter(|filter| !filter.is_empty()) {
            filter.clear();
        } else if self.frozen.is_some() {
            self.freeze();
        } else if self.focus.is_screen() {
            self.go(self.board_focus);
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

    /// Goes to a pane; from a screen, Esc leads back to where it was entered from.
    pub fn go(&mut self, pane: Pane) {
        if !self.focus.is_screen() {
            self.board_focus = self.focus;
        }
        self.focus = pane;
    }

    /// The next pane of the dashboard, or the next screen, or the one before.
    fn turn_focus(&mut self, by: usize) {
        let ring: &[Pane] = if self.focus.is_screen() { &Pane::SCREENS } else { &Pane::BOARD };
        let at = ring.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let by = if by == usize::MAX { ring.len() - 1 } else { by };
        if self.focus == Pane::Prompt {
            self.left_prompt = Some(self.now);
        }
        self.focus = ring[(at + by) % ring.len()];
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
            Pane::Decisions => self.decisions.rows.step(by),
            Pane::Requests => self.requests.rows.step(by),
            Pane::Models => self.models.step(by),
            Pane::Latency => self.latency.step(by),
            Pane::Gpu => self.gpu.scroll = self.gpu.scroll.saturating_add_signed(by),
            Pane::Cost => self.cost.scroll = self.cost.scroll.saturating_add_signed(by),
            Pane::Spend => self.spend.scroll = self.spend.scroll.saturating_add_signed(by),
            Pane::Log => self.log_pane.step(by),
            Pane::Compare => self.comparison.step(by),
            Pane::Prompt => self.prompt.scroll(-by),
        }
    }

    fn open(&mut self) {
        let subject = match self.focus {
            Pane::Decisions | Pane::Requests => self.selected_row().map(Subject::Row),
            _ => self.selected_part().cloned().map(Subject::Part),
        };
        if let Some(subject) = subject {
            self.overlay = Some(Overlay::Detail(subject, 0));
        }
    }

    /// The number of the selected row, where rows are requests and events: in the details, the row that they are of.
    #[must_use]
    pub fn selected_row(&self) -> Option<u64> {
        match (&self.overlay, self.focus) {
            (Some(Overlay::Detail(Subject::Row(number), _)), _) => Some(*number),
            // New rows may have come since the last frame, and taken the selection with them.
            (_, Pane::Decisions) => self.seen_row.or_else(|| self.decisions.rows.selected()),
            (_, Pane::Requests) => self.seen_row.or_else(|| self.requests.rows.selected()),
            _ => None,
        }
    }

    /// The selected part of the fleet, where parts of it are rows.
    #[must_use]
    pub fn selected_part(&self) -> Option<&Target> {
        match self.focus {
            Pane::Tiers => self.tiers.selected(),
            Pane::Models => self.models.selected(),
            _ => None,
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
            Pane::Decisions => Some(&mut self.decisions.rows.filter),
            Pane::Requests => Some(&mut self.requests.rows.filter),
            Pane::Models => Some(&mut self.models.filter),
            Pane::Log => Some(&mut self.log_pane.filter),
            Pane::Prompt | Pane::Latency | Pane::Gpu | Pane::Cost | Pane::Spend | Pane::Compare => None,
        }
    }

    fn sort(&mut self, reverse: bool) {
        match (self.focus, reverse) {
            (Pane::Tiers, false) => self.tiers.sort_next(),
            (Pane::Tiers, true) => self.tiers.sort_reverse(),
            (Pane::Models, false) => self.models.sort_next(),
            (Pane::Models, true) => self.models.sort_reverse(),
            (Pane::Decisions, false) => self.decisions.rows.sort_next(),
            (Pane::Decisions, true) => self.decisions.rows.sort_reverse(),
            (Pane::Requests, false) => self.requests.rows.sort_next(),
            (Pane::Requests, true) => self.requests.rows.sort_reverse(),
            _ => self.toasts.say("this pane has no rows to sort", self.now),
        }
    }

    fn copy(&mut self) {
        let text = match self.focus {
            Pane::Tiers | Pane::Models => self.selected_part().map(ToString::to_string),
            Pane::Decisions | Pane::Requests => self.selected_row().and_then(|number| {
                let Kind::Request(row) = &self.feed.get(number)?.kind else { return None };
                serde_json::to_string_pretty(&*row.decision).ok()
            }),
            Pane::Compare => {
                let turn = self.comparison.selected(&self.session).and_then(|key| self.session.turn(key));
                turn.map(|turn| turn.answer.clone()).filter(|answer| !answer.is_empty())
            }
            Pane::Log => {
                let lines = self.log_pane.matching(&self.log).into_iter();
                let lines = lines.map(|line| format!("{} {}", line.level, line.text)).collect::<Vec<_>>();
                Some(lines.join("\n")).filter(|text| !text.is_empty())
            }
            _ => self.session.last_answer().map(str::to_owned),
        };
        match text {
            Some(text) => self.effect(Effect::Copy(text)),
            None => self.toasts.say("nothing to copy yet", self.now),
        }
    }

    fn toggle_mouse(&mut self) {
        self.mouse = !self.mouse;
        let words = if self.mouse { "mouse on: clicks choose a pane" } else { "mouse off: the terminal selects text" };
        self.toasts.say(words, self.now);
        self.effect(Effect::Mouse(self.mouse));
    }
}
