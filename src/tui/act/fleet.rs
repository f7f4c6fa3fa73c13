//! Actions that change the fleet. All of them ask first.

use crate::domain::judgement::Judgement;
use crate::domain::tier::Target;
use crate::engine::Command;
use crate::tui::action::Action;
use crate::tui::app::{App, Effect, Overlay};
use crate::tui::feed::Kind;
use crate::tui::layout::Pane;
use crate::tui::overlay::confirm::{Confirm, Verb};
use crate::tui::undo::Undo;

/// Changes that can be undone one after the other.
const UNDO: usize = 32;

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
        if verb == Verb::Unpin && !pinned {
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

    /// Asks whether the last change that is not undone yet shall be turned around.
    pub(super) fn ask_to_undo(&mut self) {
        if self.refuses_changes() {
            return;
        }
        match self.undo.last() {
            Some(undo) => {
                let commands = undo.commands(self.now);
                self.overlay = Some(Overlay::Confirm(Box::new(Confirm::undo(commands))));
            }
            None => self.toasts.say("there is nothing to undo: no change was made from here", self.now),
        }
    }

    fn refuses_changes(&mut self) -> bool {
        if self.read_only {
            self.toasts.error("read-only: the fleet is not changed from here", self.now);
        }
        self.read_only
    }

    /// Sends a command. Once it is carried out, it can be undone.
    pub fn order(&mut self, command: Command) {
        let fleet = self.live.as_ref().map(|snapshot| &snapshot.fleet);
        if let Some(undo) = fleet.and_then(|fleet| Undo::of(&command, fleet)) {
            self.asked.push((command.clone(), undo));
        }
        self.send_command(command);
    }

    /// Sends the commands that turn the last change around; the change before it is then the last one.
    pub fn turn_around(&mut self, commands: Vec<Command>) {
        self.undoing = self.undo.pop();
        for command in commands {
            self.send_command(command);
        }
    }

    fn send_command(&mut self, command: Command) {
        if let Command::SetAdmin { target, .. } = &command {
            self.requested.push(target.clone());
        }
        self.effect(Effect::Command(command));
    }

    /// The engine had its say about a command: what was refused changed nothing, so there is nothing to undo, and what
    /// was to be undone still is.
    pub fn answered(&mut self, command: &Command, done: bool) {
        if let Command::SetAdmin { target, .. } = command
            && let Some(index) = self.requested.iter().position(|one| one == target)
        {
            self.requested.remove(index);
        }
        let undoing = self.undoing.take();
        if let Some(index) = self.asked.iter().position(|(one, _)| one == command) {
            let (_, undo) = self.asked.remove(index);
            if done {
                if self.undo.len() == UNDO {
                    self.undo.remove(0);
                }
                self.undo.push(undo);
            }
        } else if !done && let Some(undo) = undoing {
            self.undo.push(undo);
        }
    }

    /// A command was carried out.
    pub fn done(&mut self, command: &Command) {
        // What was said of compared answers shows where they are compared.
        if matches!(command, Command::Judge { judgement: Judgement::Better | Judgement::Worse, .. }) {
            return;
        }
        self.answered(command, true);
        let mut words = format!("done: {}", command.words());
        let key = self.keymap.key_of(Action::Undo, Pane::Tiers).filter(|_| !self.undo.is_empty());
        let changes = matches!(
            command,
            Command::SetAdmin { .. } | Command::Pin { .. } | Command::Unpin { .. } | Command::SetDailyLimit(_)
        );
        if let Some(key) = key.filter(|_| changes) {
            words.push_str(&format!(" ({key} undoes the last change)"));
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
