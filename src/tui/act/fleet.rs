//! Actions that change the fleet. All of them ask first.

use crate::domain::fleet::AdminState;
use crate::domain::judgement::Judgement;
use crate::domain::tier::Target;
use crate::engine::Command;
use crate::tui::action::Action;
use crate::tui::app::{App, Effect, Overlay};
use crate::tui::feed::Kind;
use crate::tui::layout::Pane;
use crate::tui::overlay::confirm::{Confirm, Matter, Verb};

impl App {
    pub(super) fn ask_selected(&mut self, verb: Verb) {
        match self.selected_part().cloned() {
            Some(target) => self.ask(verb, target),
            // From the palette without a part: the one that is selected may be out of sight, so show it first.
            None => {
                self.go(Pane::Tiers);
                self.toasts.say(format!("select what to {} and press its key", verb.word()), self.now);
            }
        }
    }

    pub(super) fn ask(&mut self, verb: Verb, target: Target) {
        if self.refuses_changes() {
            return;
        }
        let Some(snapshot) = self.live.clone() else { return };
        let pinned = snapshot.fleet.pins.iter().any(|pin| *pin.target == target);
        // A pin set a moment ago may not be in the snapshot yet.
        let undone = self.undo == Some(Matter::Part(verb, target.clone()));
        if verb == Verb::Unpin && !pinned && !undone {
            self.toasts.say(format!("nothing is pinned to {target}"), self.now);
            return;
        }
        if verb == Verb::Kill && snapshot.fleet.in_flight(&target) == 0 {
            self.toasts.say(format!("nothing is in flight on {target}"), self.now);
            return;
        }
        self.overlay = Some(Overlay::Confirm(Box::new(Confirm::new(verb, target))));
    }

    pub(super) fn ask_limit(&mut self) {
        if self.refuses_changes() {
            return;
        }
        let Some(snapshot) = &self.live else { return };
        self.overlay = Some(Overlay::Confirm(Box::new(Confirm::limit(snapshot.fleet.spend.daily_limit))));
    }

    /// Asks whether the last change of the fleet shall be turned around.
    pub(super) fn ask_to_undo(&mut self) {
        match self.undo.clone() {
            Some(Matter::Part(verb, target)) => self.ask(verb, target),
            Some(Matter::Limit) => self.ask_limit(),
            None => self.toasts.say("nothing was changed from here yet", self.now),
        }
    }

    fn refuses_changes(&mut self) -> bool {
        if self.read_only {
            self.toasts.error("read-only: the fleet is not changed from here", self.now);
        }
        self.read_only
    }

    /// Sends a command, and remembers how to turn it around.
    pub fn order(&mut self, command: Command) {
        let part = |verb, target: &Target| Some(Matter::Part(verb, target.clone()));
        let undo = match &command {
            Command::SetAdmin { target, state: AdminState::Ready, .. } => {
                let before = self.live.as_ref().and_then(|one| one.fleet.admin(target)).map(|admin| admin.state);
                match before {
                    Some(AdminState::Drain) => part(Verb::Drain, target),
                    Some(AdminState::Maint) => part(Verb::Maint, target),
                    Some(AdminState::Ready) | None => None,
                }
            }
            Command::SetAdmin { target, .. } => part(Verb::Ready, target),
            Command::Pin { target, .. } => part(Verb::Unpin, target),
            Command::Unpin { target } => part(Verb::Pin, target),
            Command::SetDailyLimit(_) => Some(Matter::Limit),
            Command::Kill { .. } | Command::Judge { .. } | Command::Probe(_) | Command::Cancel(_) => None,
        };
        if undo.is_some() {
            self.undo = undo;
        }
        if let Command::SetAdmin { target, .. } = &command {
            self.requested.push(target.clone());
        }
        self.effect(Effect::Command(command));
    }

    /// The engine had its say about a command.
    pub fn answered(&mut self, command: &Command) {
        if let Command::SetAdmin { target, .. } = command
            && let Some(index) = self.requested.iter().position(|one| one == target)
        {
            self.requested.remove(index);
        }
    }

    /// A command was carried out.
    pub fn done(&mut self, command: &Command) {
        // What was said of compared answers shows where they are compared.
        if matches!(command, Command::Judge { judgement: Judgement::Better | Judgement::Worse, .. }) {
            return;
        }
        self.answered(command);
        let mut words = format!("done: {}", command.words());
        let key = self.keymap.key_of(Action::Undo, Pane::Tiers).filter(|_| self.undo.is_some());
        let changes = matches!(command, Command::SetAdmin { .. } | Command::Pin { .. } | Command::Unpin { .. });
        if let Some(key) = key.filter(|_| changes) {
            words.push_str(&format!(" ({key} turns it around)"));
        }
        self.toasts.say(words, self.now);
    }

    pub(super) fn cancel_selected(&mut self) {
        let row = self.selected_row().and_then(|number| self.feed.get(number));
        let Some(Kind::Request(request)) = row.map(|row| &row.kind) else { return };
        if request.finished.is_some() {
            self.toasts.say("that request has ended already", self.now);
            return;
        }
        let id = request.id;
        self.order(Command::Cancel(id));
    }

    pub(super) fn probe(&mut self) {
        let backend = match self.selected_part() {
            Some(Target::Backend(id) | Target::Model(id, _)) => Some(id.clone()),
            Some(Target::Tier(_)) | None => None,
        };
        self.order(Command::Probe(backend));
    }
}
