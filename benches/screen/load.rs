//! The child's side: the real dashboard over the engine that plays, and the load that a thread of its own puts on it.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_call::config::UiConfig;
use llm_call::domain::decision::Decision;
use llm_call::domain::fleet::{Ask, AttemptResult, Permit, Turn};
use llm_call::domain::health::{Health, ProbeReport};
use llm_call::domain::latency::Sample;
use llm_call::domain::limits::Size;
use llm_call::domain::money::{Cost, CostBasis, Money};
use llm_call::domain::prompt::Prompt;
use llm_call::domain::request::Constraints;
use llm_call::domain::spend::Day;
use llm_call::domain::time::Timestamp;
use llm_call::domain::usage::Usage;
use llm_call::engine::{Attempt, Dispatched, Fact, Finished, Outcome, Progress, Snapshot};
use llm_call::provider::Finish;
use llm_call::tui::{Backing, Options, run};

use super::fleet::{Stage, decided, loading, telemetry, working};

/// The thread that makes the load: what it takes is no work of the screen's.
pub const THREAD: &str = "load";
/// Two hundred tokens a second for each answer, and every other time a request: a hundred a second.
const TICK: Duration = Duration::from_millis(5);
/// From a decision to its answer's first token, and from there to its end, in ticks.
const FIRST: usize = 20;
const END: usize = 40;

/// What the fleet does while it is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Four answers, a hundred requests a second, machines read every two seconds.
    Busy,
    /// A probe a second.
    Idle,
    /// Nothing.
    Still,
}

impl Load {
    pub fn of(name: &str) -> Option<Self> {
        [Self::Busy, Self::Idle, Self::Still].into_iter().find(|load| load.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Still => "still",
        }
    }
}

/// Runs until it is killed. The runtime is the program's.
pub fn child(load: Load) -> Result<(), Box<dyn Error>> {
    let clock = Stage::new(loading(Timestamp(0)));
    let now = clock.now();
    let stage = Arc::new(Stage::new(if load == Load::Still { loading(now) } else { working(now) }));
    let shown = Arc::clone(&stage);
    std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || match load {
        Load::Busy => busy(&stage),
        Load::Idle => idle(&stage),
        Load::Still => {}
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = run(shown, UiConfig::default(), Options::default(), std::future::pending());
    runtime.block_on(Box::pin(ended))?;
    Ok(())
}

/// Waits for the next of evenly spaced times.
fn pass(next: &mut Instant, every: Duration) {
    *next += every;
    while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

fn publish(stage: &Stage, snapshot: &Snapshot) {
    stage.snapshots.send_replace(Arc::new(snapshot.clone()));
}

fn idle(stage: &Stage) {
    let mut snapshot = (**stage.snapshots.borrow()).clone();
    let mut next = Instant::now();
    for second in 0_usize.. {
        pass(&mut next, Duration::from_secs(1));
        probe(&mut snapshot, second, stage.now());
        publish(stage, &snapshot);
    }
}

/// What the engine does once a second, and what one probe tells it.
fn probe(snapshot: &mut Snapshot, number: usize, now: Timestamp) {
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    fleet.advance(now, Day(1));
    let id = fleet.backends.get(number % fleet.backends.len()).map(|backend| backend.spec.id.clone());
    if let Some(id) = id {
        let took = Duration::from_millis(40 + number as u64 % 9);
        let report = ProbeReport { health: Health::Up, detail: String::new(), key_refused: false, took, models: None };
        fleet.observe(&id, report, now);
    }
    snapshot.at = now;
}

/// A request under way.
struct Open {
    decision: Arc<Decision>,
    sent: Dispatched,
    permit: Permit,
    begun: usize,
    first: bool,
}

const PROMPTS: [&str; 6] = [
    "Write a function that sorts a list of names",
    "Extract the invoice's number, date and sum as JSON",
    "Explain step by step why the sky is blue",
    "Translate this into French: the ship leaves at noon",
    "Prove that there are infinitely many primes",
    "Summarise what the four of us agreed upon yesterday",
];

fn busy(stage: &Stage) {
    let prompts: Vec<Arc<Prompt>> = PROMPTS.into_iter().map(|text| Arc::new(Prompt::user(text))).collect();
    let mut snapshot = (**stage.snapshots.borrow()).clone();
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut next = Instant::now();
    for tick in 0_usize.. {
        pass(&mut next, TICK);
        let now = stage.now();
        let second = 1000 / TICK.as_millis() as usize;
        if tick % second == 0 {
            probe(&mut snapshot, tick / second, now);
        }
        if tick % (2 * second) == 0 {
            snapshot.telemetry = Arc::new(telemetry(now));
        }
        stream(stage, tick);
        for one in open.iter_mut().filter(|one| !one.first && tick - one.begun >= FIRST) {
            one.first = true;
            let after = TICK * FIRST as u32;
            tell(stage, Fact::FirstToken { request: one.decision.request, attempt: 1, after });
        }
        if tick % 2 == 0 {
            if open.front().is_some_and(|one| tick - one.begun >= END)
                && let Some(one) = open.pop_front()
            {
                end(stage, &mut snapshot, one, now);
            }
            open.extend(begin(stage, &mut snapshot, &prompts[tick / 2 % prompts.len()], tick, now));
            snapshot.in_flight = open.len() as u32;
            publish(stage, &snapshot);
        }
    }
}

fn tell(stage: &Stage, fact: Fact) {
    // Before the screen is there, nobody listens.
    drop(stage.facts.send(fact));
}

/// A token of every answer.
fn stream(stage: &Stage, tick: usize) {
    let token = match tick % 400 {
        0 => "\n\n",
        at => ["word ", "and ", "the ", "answer ", "goes ", "on "][at % 6],
    };
    if let Ok(mut answers) = stage.answers.lock() {
        answers.retain(|answer| {
            !matches!(
                answer.try_send(Progress::Text(token.to_owned())),
                Err(tokio::sync::mpsc::error::TrySendError::Closed(_))
            )
        });
    }
}

fn begin(stage: &Stage, snapshot: &mut Snapshot, prompt: &Arc<Prompt>, tick: usize, now: Timestamp) -> Option<Open> {
    let decision = Arc::new(decided(snapshot, Arc::clone(prompt), &Constraints::default(), now));
    tell(stage, Fact::Decided(Arc::clone(&decision)));
    let sent = dispatched(&decision, now)?;
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    let ask = Ask {
        backend: sent.backend.clone(),
        model: sent.model.clone(),
        caller: Arc::clone(&decision.caller),
        reserve: Money::ZERO,
        last_resort: false,
        size: Size::default(),
        turn: Turn::First,
    };
    let permit = fleet.admit(&ask, now).ok()?;
    tell(stage, Fact::Dispatched(sent.clone()));
    snapshot.accepted += 1;
    snapshot.at = now;
    Some(Open { decision, sent, permit, begun: tick, first: false })
}

fn end(stage: &Stage, snapshot: &mut Snapshot, one: Open, now: Timestamp) {
    let first_token = Some(TICK * FIRST as u32);
    let total = TICK * END as u32;
    let usage = Usage { input: 310, output: 214, ..Usage::default() };
    let cost = Cost::known(Money::from_usd(0.0001).unwrap_or(Money::ZERO), CostBasis::Priced);
    let sample = Sample {
        at: now,
        ok: true,
        first_token_ms: Some(100),
        total_ms: 200,
        tokens_per_second: Some(200.0),
        longest_pause_ms: None,
    };
    let result = AttemptResult { sample: Some(sample), failure: None, usage: Some(&usage), cost };
    Arc::make_mut(&mut snapshot.fleet).settle(one.permit, &result, now);
    let attempt = Arc::new(Attempt {
        request: one.decision.request,
        number: 1,
        tier: one.sent.tier,
        backend: one.sent.backend,
        model: one.sent.model,
        last_resort: false,
        started: one.sent.at,
        first_token,
        total,
        outcome: Ok(Finish::Stop),
        delivered: true,
        usage: Some(usage),
        cost,
        predicted: None,
    });
    tell(stage, Fact::Attempted(Arc::clone(&attempt)));
    let finished = Finished {
        request: one.decision.request,
        at: now,
        outcome: Outcome::Answered,
        why: None,
        total,
        attempts: vec![attempt],
    };
    tell(stage, Fact::Finished(Arc::new(finished)));
    snapshot.at = now;
    publish(stage, snapshot);
}

/// An attempt at the first candidate.
pub fn dispatched(decision: &Decision, at: Timestamp) -> Option<Dispatched> {
    let chosen = decision.chosen()?;
    Some(Dispatched {
        request: decision.request,
        attempt: 1,
        tier: chosen.tier,
        backend: chosen.backend.clone(),
        model: chosen.model.clone(),
        at,
    })
}
