//! What is expected of a fault, and the check that it comes so: on every protocol, streamed and whole, with the faulty
//! backend named and with a partner to fall back to.

use futures::stream::{self, StreamExt};
use llm_call::demo::{Ended, Fault, FaultKind, Simulation};
use llm_call::domain::failure::FailureClass;
use llm_call::domain::fleet::Timer;
use llm_call::domain::money::CostBasis;
use llm_call::engine::{Delivery, Outcome};
use llm_call::{CallError, Constraints, Engine};

use crate::harness::{self, PARTNER, Ran, SHORT, Wire, disagreements};

/// What an attempt at the faulty backend comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// A whole answer.
    Well,
    /// A failure before anything was delivered.
    Nothing(FailureClass),
    /// A failure after a part was delivered.
    Part(FailureClass),
}

/// Where the wire makes a difference: these protocols, these deliveries.
pub type Exception = (&'static [Wire], &'static [Delivery], Comes);

/// One fault, and what comes of it.
#[derive(Clone, Copy)]
pub struct Row {
    pub fault: &'static str,
    pub streamed: Comes,
    pub whole: Comes,
    pub but: &'static [Exception],
}

/// A row for a fault that comes to the same streamed and whole.
pub const fn row(fault: &'static str, comes: Comes, but: &'static [Exception]) -> Row {
    Row { fault, streamed: comes, whole: comes, but }
}

pub const STREAMED: &[Delivery] = &[Delivery::Streamed];
pub const WHOLE: &[Delivery] = &[Delivery::Whole];
pub const BOTH: &[Delivery] = &[Delivery::Streamed, Delivery::Whole];

/// One request that meets a fault.
#[derive(Clone, Copy)]
struct Case {
    row: Row,
    wire: Wire,
    delivery: Delivery,
    falls_back: bool,
}

impl Case {
    /// The backend that it goes to.
    fn backend(self) -> String {
        format!("{:?} {:?}{}", self.wire, self.delivery, if self.falls_back { " with a partner" } else { "" })
    }

    fn comes(self) -> Comes {
        let of =
            |(wires, deliveries, _): &&Exception| wires.contains(&self.wire) && deliveries.contains(&self.delivery);
        let plain = if self.delivery == Delivery::Streamed { self.row.streamed } else { self.row.whole };
        self.row.but.iter().find(of).map_or(plain, |(_, _, comes)| *comes)
    }

    /// Whether nothing but a timer ends it.
    fn waits(self) -> bool {
        let fault: Fault = self.row.fault.parse().expect("it is a fault");
        // What never ends, and never pauses, ends at a bound.
        !fault.kind.ends_by_itself() && fault.kind != FaultKind::Endless
    }

    fn constraints(self) -> Constraints {
        let backend = Some(self.backend().as_str().into());
        Constraints { backend, fallback: self.falls_back, ..Constraints::default() }
    }

    async fn run(self, engine: &Engine, simulation: &Simulation) -> Vec<String> {
        let words = format!("Rate this action: wait. [[fault {} {}]]", self.wire.upstream(), self.row.fault);
        // A score is over at once; what has to break in the middle needs one.
        let words =
            if self.needs_length() { words.replace("Rate this action: wait.", "Explain tides.") } else { words };
        let ran = harness::send(engine, &words, self.constraints(), self.delivery).run(simulation).await;
        self.complaints(&ran)
    }

    fn needs_length(self) -> bool {
        [self.row.streamed, self.row.whole].iter().any(|comes| matches!(comes, Comes::Part(_)))
    }

    /// Everything that is not as it must be.
    fn complaints(self, ran: &Ran) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |what: &str, holds: bool| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        let attempts = &ran.finished.attempts;
        let here: Vec<_> = attempts.iter().filter(|one| one.backend.as_str() == self.backend()).collect();
        let partner = attempts.iter().filter(|one| one.backend.as_str() == PARTNER).count();
        let saw = |upstream: &str| ran.seen.iter().filter(|seen| seen.backend.as_str() == upstream).count();
        let class = here.last().and_then(|last| last.outcome.as_ref().err()).map(|failure| failure.class);
        let answered = ran.finished.outcome == Outcome::Answered;

        must("every prompt is an attempt", saw(self.wire.upstream()) == here.len() && saw(PARTNER) == partner);
        must("nobody else is asked", ran.seen.len() == here.len() + partner && attempts.len() == ran.seen.len());
        must("the ending tells what the ledger tells", ran.end.is_ok() == answered);
        match self.comes() {
            Comes::Well => {
                must("the answer is whole", answered && here.len() == 1 && partner == 0);
                must("the answer says something", !ran.delivered.is_empty());
                let through = |ended| matches!(ended, Some(Ended::Whole | Ended::Broken));
                must("the upstream saw it through", ran.seen.iter().all(|seen| through(seen.ended)));
            }
            Comes::Nothing(expected) => {
                let retried = if expected.may_retry() { 2 } else { 1 };
                must("it is tried once, and once more at most", (1..=retried).contains(&here.len()));
                must("its class", class == Some(expected) && here.iter().all(|one| !one.delivered));
                if self.falls_back && expected.may_move_on() {
                    must("the partner answers", answered && partner == 1 && !ran.delivered.is_empty());
                } else {
                    must("a clear error", matches!(ran.end, Err(CallError::AllFailed { .. })));
                    must("an end as failed", ran.finished.outcome == Outcome::Failed && partner == 0);
                    must("nothing is delivered", ran.delivered.is_empty());
                }
            }
            Comes::Part(expected) => {
                must("its class", class == Some(expected) && here.iter().all(|one| one.delivered));
                must("an answer that broke off is told as such", matches!(ran.end, Err(CallError::Cut(_))));
                must("an end as cut", ran.finished.outcome == Outcome::Cut);
                must("nothing is glued on", here.len() == 1 && partner == 0);
                must("a part was delivered", !ran.delivered.is_empty());
            }
        }
        for attempt in attempts {
            let known = attempt.cost.amount.is_some() == (attempt.cost.basis != CostBasis::Unknown);
            must("an amount is there exactly when it is known", known);
        }
        let upstream = |id: &llm_call::domain::id::BackendId| {
            if id.as_str() == PARTNER { PARTNER.to_owned() } else { self.wire.upstream().to_owned() }
        };
        wrong.extend(disagreements(attempts, &ran.decision, &ran.seen, upstream));
        if !wrong.is_empty() {
            let one = |one: &std::sync::Arc<llm_call::engine::Attempt>| {
                let outcome = one.outcome.as_ref().map_err(ToString::to_string);
                format!("{} {outcome:?} delivered={} {:?}", one.backend, one.delivered, one.cost)
            };
            let attempts: Vec<String> = attempts.iter().map(one).collect();
            let seen: Vec<_> = ran.seen.iter().map(|seen| (seen.backend.as_str(), seen.status, seen.ended)).collect();
            wrong
                .push(format!("{attempts:?} {seen:?} {:?}", ran.end.as_ref().map(|_| ()).map_err(ToString::to_string)));
        }
        wrong
    }
}

/// The cases of a row.
fn cases(row: Row) -> impl Iterator<Item = Case> {
    // What never ends keeps a processor busy until a bound is reached: once on each protocol is enough.
    let with_partner: &[bool] = if row.fault == "endless" { &[false] } else { &[false, true] };
    Wire::ALL.into_iter().flat_map(move |wire| {
        [Delivery::Streamed, Delivery::Whole].into_iter().flat_map(move |delivery| {
            with_partner.iter().map(move |falls_back| Case { row, wire, delivery, falls_back: *falls_back })
        })
    })
}

/// Engines at a time: what waits for timers waits side by side.
const ENGINES: usize = 4;
/// Requests at a time on each of them.
const REQUESTS: usize = 16;

/// Checks every row on every protocol. Each row has an engine of its own, on which each case has a backend of its own:
/// no breaker carries over.
pub async fn check(rows: &[Row]) {
    checked(rows.iter().map(|row| vec![*row]).collect()).await;
}

/// Checks rows that say nothing about a backend's health, on one engine.
pub async fn check_together(rows: &[Row]) {
    checked(vec![rows.to_vec()]).await;
}

async fn checked(groups: Vec<Vec<Row>>) {
    let found: Vec<(Case, Vec<String>)> =
        stream::iter(groups).map(found).buffer_unordered(ENGINES).collect::<Vec<_>>().await.concat();
    let wrong = |(case, wrong): &(Case, Vec<String>)| {
        format!("{} {}:\n    {}", case.row.fault, case.backend(), wrong.join("\n    "))
    };
    let wrong: Vec<String> = found.iter().filter(|(_, complaints)| !complaints.is_empty()).map(wrong).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs the rows of a group, on an engine and a simulation of their own.
async fn found(rows: Vec<Row>) -> Vec<(Case, Vec<String>)> {
    let simulation = &harness::simulation().await;
    let backends = rows.first().into_iter().flat_map(|row| cases(*row)).map(|case| {
        let mut backend = case.wire.backend(simulation, &case.backend());
        match case.comes() {
            Comes::Nothing(_) if case.waits() => backend.spec.timeouts.first_token = Timer::Set(SHORT),
            Comes::Part(_) if case.waits() => backend.spec.timeouts.stall = Timer::Set(SHORT),
            _ => {}
        }
        backend
    });
    let engine = &harness::engine(harness::config(simulation, backends.collect()));
    let found = stream::iter(rows.iter().flat_map(|row| cases(*row)))
        .map(|case| async move { (case, case.run(engine, simulation).await) })
        .buffer_unordered(REQUESTS)
        .collect()
        .await;
    engine.shutdown(SHORT).await;
    found
}
