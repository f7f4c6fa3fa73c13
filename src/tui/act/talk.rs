//! Actions of the talk with the models: foreseeing, sending, comparing, sending again, judging.

use crate::domain::id::RequestId;
use crate::domain::judgement::Judgement;
use crate::domain::privacy::Reach;
use crate::domain::prompt::Prompt;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::tier::{Target, Tier};
use crate::engine::Command;
use crate::tui::action::Action;
use crate::tui::app::{App, Effect, Overlay};
use crate::tui::feed::Kind;
use crate::tui::layout::Pane;
use crate::tui::overlay::palette::Palette;
use crate::tui::session::{Phase, Turn};
use crate::tui::slash::{self, Typed};
use crate::tui::weigh::Typing;

/// Longer texts are not foreseen while they are typed: looking through them would be felt.
const FORECAST_BYTES: usize = 64 * 1024;

impl App {
    /// The input or what is demanded changed: before the next frame it is worked out where it would go now.
    pub fn foresee(&mut self) {
        self.forecast_due = true;
        self.prompt.asking = None;
        let fleet = self.live.as_ref().map(|snapshot| &*snapshot.fleet);
        self.prompt.propose(|text| slash::complete(text, fleet));
    }

    /// What is to be foreseen, once for every change; `None` where there is nothing new to foresee.
    pub fn forecast_request(&mut self) -> Option<(Prompt, Constraints)> {
        if !self.take_forecast_due() {
            return None;
        }
        self.prompt.forecast = None;
        self.prompt.wrong = None;
        if self.prompt.is_blank() || self.prompt.bytes() > FORECAST_BYTES {
            return None;
        }
        match self.typed() {
            Typed::Text(text, demands) => Some((self.session.prompt(&text), self.kept(demands))),
            Typed::Compare(_, text, demands) if !text.is_empty() => {
                Some((self.session.prompt(&text), self.kept(demands)))
            }
            Typed::Wrong(words) => {
                // A command that is still being typed is not wrong yet.
                self.prompt.wrong = Some(words).filter(|_| self.prompt.proposals().is_empty());
                None
            }
            Typed::Compare(..) | Typed::Demands(_) | Typed::Do(_) => None,
        }
    }

    /// The demands on the next prompt. What was asked in private earlier in the talk goes along, so the privacy does too.
    fn kept(&self, demands: Constraints) -> Constraints {
        if self.session.is_private() { Constraints { privacy: Privacy::High, ..demands } } else { demands }
    }

    fn typed(&self) -> Typed {
        let fleet = self.live.as_ref().map(|snapshot| &*snapshot.fleet);
        slash::read(&self.prompt.text(), &self.prompt.constraints, fleet)
    }

    pub(super) fn send(&mut self) {
        if self.prompt.is_blank() {
            return;
        }
        let said = self.prompt.asking;
        match self.typed() {
            Typed::Text(text, demands) => {
                let typed = self.prompt.take();
                if self.confirm_cost.is_some() {
                    self.effect(Effect::Weigh(Typing { typed, text, demands, said }));
                } else {
                    self.submit(text, demands);
                }
            }
            Typed::Compare(tiers, text, demands) => self.start_comparison(&tiers, text, demands),
            Typed::Demands(demands) => {
                self.prompt.take();
                self.prompt.constraints = demands;
                let words = crate::tui::panes::prompt::constraint_words(&self.prompt.constraints);
                let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
                self.toasts.say(format!("the next prompts demand {words}"), self.now);
            }
            Typed::Do(action) => {
                self.prompt.take();
                self.act(action);
            }
            Typed::Wrong(words) => self.toasts.error(words, self.now),
        }
        self.foresee();
    }

    /// The prompt that a text makes in this talk, and what is demanded of its answer.
    pub fn prompt_for(&self, text: &str, demands: &Constraints) -> (Prompt, Constraints) {
        (self.session.prompt(text), self.kept(demands.clone()))
    }

    pub(in crate::tui) fn submit(&mut self, question: String, demands: Constraints) {
        let prompt = self.session.prompt(&question);
        let demands = self.kept(demands);
        let key = self.session.open(question, self.now);
        self.effect(Effect::Submit(key, prompt, demands));
    }

    /// Sends the input to several tiers; without one, shows the last comparison.
    pub(super) fn compare(&mut self) {
        if self.prompt.is_blank() {
            self.go(Pane::Compare);
            return;
        }
        match self.typed() {
            Typed::Text(text, demands) => self.start_comparison(&[], text, demands),
            Typed::Compare(tiers, text, demands) => self.start_comparison(&tiers, text, demands),
            Typed::Demands(_) | Typed::Do(_) => self.toasts.say("type what to compare after it", self.now),
            Typed::Wrong(words) => self.toasts.error(words, self.now),
        }
    }

    fn start_comparison(&mut self, tiers: &[Tier], text: String, demands: Constraints) {
        if text.is_empty() {
            self.toasts.say("type what to compare: /compare claude local Why is the sky blue?", self.now);
            return;
        }
        let tiers = if tiers.is_empty() { Tier::ALL.to_vec() } else { tiers.to_vec() };
        let demands = self.kept(demands);
        let said = self.prompt.asking.take();
        self.effect(Effect::Compare(text, tiers, demands, said));
    }

    /// Opens a comparison between tiers that can serve it; `unable` says why another one cannot.
    pub fn open_comparison(&mut self, text: &str, tiers: &[Tier], unable: Option<&str>, demands: &Constraints) {
        if tiers.len() < 2 {
            let able = tiers.first().map_or_else(|| "nobody can".to_owned(), |only| format!("only {only} can"));
            let why = unable.map_or_else(String::new, |why| format!(": {why}"));
            self.toasts.error(format!("nothing to compare, {able} serve this{why}"), self.now);
            return;
        }
        self.prompt.take();
        let prompt = self.session.prompt(text);
        let keys = self.session.open_comparison(text, tiers.len(), self.now);
        for (key, tier) in keys.into_iter().zip(tiers) {
            let demands = Constraints { tier: Some(*tier), fallback: false, ..demands.clone() };
            self.effect(Effect::Submit(key, prompt.clone(), demands));
        }
        self.comparison.restart();
        self.go(Pane::Compare);
    }

    pub(super) fn choose_better(&mut self) {
        let Some(chosen) = self.comparison.selected(&self.session) else { return };
        let Some(comparison) = self.session.comparisons.last().cloned() else { return };
        let whole = |key: u64| {
            let turn = self.session.turn(key).filter(|turn| matches!(turn.phase, Phase::Whole(_)));
            turn.and_then(Turn::request)
        };
        let Some(request) = whole(chosen) else {
            self.toasts.say("that answer is not whole yet", self.now);
            return;
        };
        let others: Vec<RequestId> =
            comparison.turns.iter().filter(|key| **key != chosen).filter_map(|key| whole(*key)).collect();
        self.order(Command::Judge { request, judgement: Judgement::Better });
        for request in others {
            self.order(Command::Judge { request, judgement: Judgement::Worse });
        }
        if let Some(last) = self.session.comparisons.last_mut() {
            last.better = Some(chosen);
        }
        self.toasts.say("chosen: the talk goes on with this answer", self.now);
    }

    pub(super) fn judge_selected(&mut self, judgement: Judgement) {
        let row = self.selected_row().and_then(|number| self.feed.get(number));
        let Some(Kind::Request(request)) = row.map(|row| &row.kind) else {
            self.toasts.say("select the request whose answer it is about", self.now);
            return;
        };
        let request = request.id;
        self.order(Command::Judge { request, judgement });
    }

    /// Offers every place that the selected request's prompt could be sent to instead.
    pub(super) fn choose_elsewhere(&mut self) {
        let row = self.selected_row().and_then(|number| self.feed.get(number));
        let Some(Kind::Request(request)) = row.map(|row| &row.kind) else {
            self.toasts.say("select the request to send again", self.now);
            return;
        };
        let Some(turn) = self.session.of_request(request.id) else {
            self.toasts.say("its text is not kept: only prompts typed here can be sent again", self.now);
            return;
        };
        let key = turn.key;
        let kept = turn.decision.as_ref().is_some_and(|decision| !decision.verdict.permits(Reach::Outside));
        let stays = kept || self.privacy_of(key) == Privacy::High;
        let Some(snapshot) = &self.live else { return };
        self.overlay = Some(Overlay::Palette(Palette::elsewhere(key, stays, &snapshot.fleet, self.now)));
    }

    pub(super) fn send_again(&mut self, turn: u64, target: &Target) {
        let Some(question) = self.session.turn(turn).map(|turn| turn.question.clone()) else { return };
        let demands = Constraints {
            tier: if let Target::Tier(tier) = target { Some(*tier) } else { None },
            backend: match target {
                Target::Backend(id) | Target::Model(id, _) => Some(id.clone()),
                Target::Tier(_) => None,
            },
            model: if let Target::Model(_, model) = target { Some(model.clone()) } else { None },
            // The demand for privacy goes along: sending again must not let out what was kept in.
            privacy: self.privacy_of(turn),
            ..Constraints::default()
        };
        // As it was asked the first time: with the talk before it, and without the answer that it had then.
        let prompt = self.session.prompt_of(turn);
        let key = self.session.open(question, self.now);
        self.effect(Effect::Submit(key, prompt, demands));
        self.go(Pane::Prompt);
    }

    fn privacy_of(&self, turn: u64) -> Privacy {
        let demanded = self.prompt.constraints.privacy == Privacy::High;
        if demanded || self.session.was_private(turn) { Privacy::High } else { Privacy::Standard }
    }

    pub(super) fn switch_privacy(&mut self) {
        let demands = &mut self.prompt.constraints;
        demands.privacy = if demands.privacy == Privacy::High { Privacy::Standard } else { Privacy::High };
        self.foresee();
    }

    pub(super) fn turn_tier(&mut self) {
        let demands = &mut self.prompt.constraints;
        let next = demands.tier.map_or(0, |tier| tier.index() + 1);
        demands.tier = Tier::ALL.get(next).copied();
        self.foresee();
    }

    pub(super) fn turn_aim(&mut self) {
        let demands = &mut self.prompt.constraints;
        demands.optimize = match demands.optimize {
            Optimize::Balanced => Optimize::Quality,
            Optimize::Quality => Optimize::Latency,
            Optimize::Latency => Optimize::Cost,
            Optimize::Cost => Optimize::Throughput,
            Optimize::Throughput => Optimize::Balanced,
        };
        self.foresee();
    }

    /// Whether an action can be taken from within the details of a request.
    #[must_use]
    pub const fn counts_in_details(action: Action) -> bool {
        matches!(action, Action::Good | Action::Bad | Action::Cancel | Action::Elsewhere | Action::Copy)
    }
}
