//! A wire that plays a script, for tests of the engine: what an upstream does, without an upstream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};

use super::connect::Sighting;
use super::{Call, Client, Event, Events, Finish, Inside, Outside, Wire};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::Health;
use crate::domain::privacy::Reach;
use crate::domain::prompt::Prompt;
use crate::domain::usage::Usage;

/// What happens next on the wire.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Wait(Duration),
    Yield(Event),
    Fail(FailureClass),
    /// Nothing more, ever.
    Hang,
    /// A defect of ours.
    Panic,
}

/// What the upstream does when it is called: fails at once, or plays a script.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    Refuse(Failure),
    Steps(Vec<Step>),
    /// Answers with every text that it was given, a few characters at a time.
    Echo,
    /// Fails at once with words that quote this, if it stands in what was given.
    Quote(FailureClass, String),
}

impl Play {
    pub(crate) fn answer(text: &str) -> Self {
        Self::Steps(vec![
            Step::Wait(Duration::from_millis(50)),
            Step::Yield(Event::Text(text.to_owned())),
            Step::Yield(Event::Usage(Usage { input: 100, output: 10, ..Usage::default() })),
            Step::Yield(Event::Done(Finish::Stop)),
        ])
    }

    pub(crate) fn refuse(class: FailureClass) -> Self {
        Self::Refuse(Failure::new(class, "scripted"))
    }
}

/// A scripted upstream: plays in order, the last one for ever.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    plays: Arc<Mutex<VecDeque<Play>>>,
    received: Arc<Mutex<Vec<Prompt>>>,
    /// What probes find; `None` where they find nobody and wait in vain.
    health: Arc<Mutex<Option<Health>>>,
    open: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) fn new(plays: impl IntoIterator<Item = Play>) -> Self {
        Self {
            plays: Arc::new(Mutex::new(plays.into_iter().collect())),
            received: Arc::default(),
            health: Arc::new(Mutex::new(Some(Health::Up))),
            open: Arc::default(),
        }
    }

    pub(crate) fn client(&self, reach: Reach) -> Client {
        match reach {
            Reach::Inside => Client::Inside(Inside(Arc::new(self.clone()))),
            Reach::Outside => Client::Outside(Outside(Arc::new(self.clone()))),
        }
    }

    /// The questions of all prompts that reached this upstream.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.received
            .lock()
            .expect("no panic under this lock")
            .iter()
            .map(|prompt| prompt.question().into_owned())
            .collect()
    }

    /// Everything that reached this upstream.
    pub(crate) fn received(&self) -> Vec<Prompt> {
        self.received.lock().expect("no panic under this lock").clone()
    }

    /// How many answers are being given: begun, and neither ended nor let go of by their reader.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn set_health(&self, health: Health) {
        *self.health.lock().expect("no panic under this lock") = Some(health);
    }

    /// Probes get no answer from now on.
    pub(crate) fn swallow_probes(&self) {
        *self.health.lock().expect("no panic under this lock") = None;
    }

    /// What it does from now on, whatever it was going to do.
    pub(crate) fn set_plays(&self, plays: impl IntoIterator<Item = Play>) {
        *self.plays.lock().expect("no panic under this lock") = plays.into_iter().collect();
    }
}

impl Wire for Scripted {
    fn start<'a>(&'a self, prompt: &'a Prompt, _: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        self.received.lock().expect("no panic under this lock").push(prompt.clone());
        let play = {
            let mut plays = self.plays.lock().expect("no panic under this lock");
            if plays.len() > 1 { plays.pop_front() } else { plays.front().cloned() }
        };
        let open = Open::count(&self.open);
        let steps = match play.unwrap_or_else(|| Play::answer("ok")) {
            Play::Refuse(failure) => Err(failure),
            Play::Steps(steps) => Ok(steps),
            Play::Echo => Ok(echo(prompt)),
            Play::Quote(class, text) if told(prompt).contains(&text) => {
                Err(Failure::new(class, &format!("bad input: {text}")))
            }
            Play::Quote(class, _) => Err(Failure::new(class, "scripted")),
        };
        Box::pin(async move {
            // The stream holds it until it is dropped.
            let act = move |step| {
                let _ = &open;
                act(step)
            };
            Ok(stream::iter(steps?).filter_map(act).boxed())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        let health = *self.health.lock().expect("no panic under this lock");
        Box::pin(async move {
            match health {
                Some(health) => Ok(Sighting::new(health, "")),
                None => std::future::pending().await,
            }
        })
    }
}

/// All that an upstream was given, as it tells it.
pub(crate) fn told(prompt: &Prompt) -> String {
    prompt.every_text().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

fn echo(prompt: &Prompt) -> Vec<Step> {
    let told: Vec<char> = told(prompt).chars().collect();
    let pieces = told.chunks(11).map(|piece| Step::Yield(Event::Text(piece.iter().collect())));
    std::iter::once(Step::Wait(Duration::from_millis(50)))
        .chain(pieces)
        .chain([Step::Yield(Event::Usage(Usage { input: 100, output: 10, ..Usage::default() }))])
        .chain([Step::Yield(Event::Done(Finish::Stop))])
        .collect()
}

/// Counts an answer for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn act(step: Step) -> Option<Result<Event, Failure>> {
    match step {
        Step::Wait(pause) => {
            tokio::time::sleep(pause).await;
            None
        }
        Step::Yield(event) => Some(Ok(event)),
        Step::Fail(class) => Some(Err(Failure::new(class, "scripted"))),
        Step::Hang => std::future::pending().await,
        Step::Panic => panic!("scripted defect"),
    }
}
