//! A fleet of several backends a tier, inside and outside, over scripts; and all that can be learnt of a request to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::TryRecvError;

use crate::config::Config;
use crate::domain::health::{FoundModel, Health, ProbeReport};
use crate::domain::id::BackendId;
use crate::domain::privacy::{Reach, Ruling};
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::tier::Tier;
use crate::engine::message::Message;
use crate::engine::tests::{backend, config, engine};
use crate::engine::{CallError, Command, Delivery, Engine, Fact, books};
use crate::provider::scripted::Scripted;
use crate::store::record::{Ended, RequestRow};

/// The backends.
pub const BACKENDS: [(&str, Tier); 7] = [
    ("claude", Tier::Claude),
    ("local", Tier::Local),
    ("far", Tier::Local),
    ("gpu", Tier::Gpu),
    ("pod", Tier::Gpu),
    ("frontier", Tier::Frontier),
    ("other", Tier::Frontier),
];

/// What became of a request.
pub struct Told {
    /// What outside upstreams were sent, whole.
    pub outside: Vec<Prompt>,
    /// What inside ones were sent.
    pub inside: Vec<Prompt>,
    /// The answer's text, if there is one.
    pub reply: Option<String>,
    /// What the guard ruled.
    pub ruling: Ruling,
    /// Whatever is said of it: the decision, the error, the facts and the ledger's rows.
    pub words: Vec<String>,
}

/// An engine over scripts.
pub struct Fleet {
    engine: Engine,
    scripts: Vec<(Reach, Scripted)>,
}

impl Fleet {
    /// One in which `local` is inside, and `gpu` where that is wanted.
    pub fn new(gpu_inside: bool, adjust: impl FnOnce(&mut Config), mut script: impl FnMut(&str) -> Scripted) -> Self {
        let mut config = config();
        config.backends.clear();
        let (mut clients, mut scripts) = (HashMap::new(), Vec::new());
        for (id, tier) in BACKENDS {
            let reach = if id == "local" || id == "gpu" && gpu_inside { Reach::Inside } else { Reach::Outside };
            let mut one = backend(tier);
            one.spec.id = BackendId::from(id);
            one.spec.reach = reach;
            config.backends.push(one);
            let script = script(id);
            clients.insert(BackendId::from(id), script.client(reach));
            scripts.push((reach, script));
        }
        adjust(&mut config);
        Self { engine: engine(config, clients), scripts }
    }

    /// It comes out that the local model runs elsewhere.
    pub async fn local_is_remote(&self) {
        let report = ProbeReport {
            health: Health::Up,
            detail: String::new(),
            key_refused: false,
            took: Duration::ZERO,
            models: Some(vec![FoundModel { id: "model".into(), remote: true, ..FoundModel::default() }]),
        };
        let (reply, heard) = tokio::sync::oneshot::channel();
        let probed = Message::Probed { backend: "local".into(), report, reply };
        assert!(self.engine.shared.inbox.try_send(probed).is_ok(), "there is room");
        drop(heard.await);
    }

    /// Whether the command can be carried out is its own matter.
    pub async fn command(&self, command: Command) {
        drop(self.engine.command(command, &Arc::from("operator")).await);
    }

    /// What has been received, outside and inside.
    fn received(&self) -> (Vec<Vec<Prompt>>, Vec<Vec<Prompt>>) {
        // A model that is found to run elsewhere is outside, whatever its backend is.
        let snapshot = self.engine.snapshot();
        let is_outside = |at: usize, reach: Reach| {
            let backend = snapshot.fleet.backend(&BackendId::from(BACKENDS[at].0)).expect("it is there");
            reach == Reach::Outside || backend.models.iter().any(|model| backend.reach_of(model) == Reach::Outside)
        };
        let all =
            self.scripts.iter().enumerate().map(|(at, (reach, script))| (is_outside(at, *reach), script.received()));
        let (outside, inside): (Vec<_>, Vec<_>) = all.partition(|(outside, _)| *outside);
        let prompts = |some: Vec<(bool, Vec<Prompt>)>| some.into_iter().map(|(_, prompts)| prompts).collect();
        (prompts(outside), prompts(inside))
    }

    /// Sends a prompt and waits for its end; meanwhile the operator may do something.
    pub async fn ask(
        &self,
        prompt: &Prompt,
        constraints: Constraints,
        delivery: Delivery,
        meanwhile: Option<Command>,
    ) -> Told {
        let (outside_before, inside_before) = self.received();
        let mut facts = self.engine.facts();
        let submitted = self.engine.submit(prompt.clone(), constraints, &Arc::from("tester"), delivery);
        let decided = submitted.as_ref().ok().map(|answer| Arc::clone(answer.decision()));
        let whole = async {
            match submitted {
                Ok(answer) => answer.whole().await,
                Err(error) => Err(error),
            }
        };
        let acting = async {
            if let Some(command) = meanwhile {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.command(command).await;
            }
        };
        let (ended, ()) = tokio::join!(whole, acting);
        let mut words = Vec::new();
        let decision = match (&ended, decided) {
            (_, Some(decision)) => decision,
            (Err(CallError::NoRoute(decision)), None) => Arc::clone(decision),
            _ => panic!("it was neither taken nor refused for want of a route"),
        };
        words.push(serde_json::to_string(&*decision).expect("a decision is JSON"));
        words.push(format!("{:?} {:?}", RequestRow::of(&decision), books::findings(&decision)));
        if let Err(error) = &ended {
            words.push(format!("{error} {error:?}"));
        }
        loop {
            match facts.try_recv() {
                Ok(fact) => {
                    if let Fact::Finished(finished) = &fact {
                        words.push(format!("{:?}", Ended::of(finished)));
                    }
                    words.push(format!("{fact:?}"));
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let (outside, inside) = self.received();
        let new = |now: Vec<Vec<Prompt>>, before: Vec<Vec<Prompt>>| {
            now.into_iter().zip(before).flat_map(|(now, before)| now.into_iter().skip(before.len())).collect()
        };
        Told {
            outside: new(outside, outside_before),
            inside: new(inside, inside_before),
            reply: ended.ok().map(|reply| reply.text),
            ruling: decision.verdict.ruling,
            words,
        }
    }
}
