//! Promise: in a storm of failures, with tiers that come and go, an operator who drains and pins at random, and a program that
//! is killed ten times, every request comes to an end, the ledger agrees with the upstreams' own books attempt by attempt, no
//! limit is passed, and nothing private leaves.
#![cfg(unix)]
#![expect(clippy::expect_used, clippy::panic, reason = "what cannot go on fails")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream};
use llm_call::demo::{self, Chance, Ended, Fault, FaultKind, Seen, Simulation, Storm};
use llm_call::domain::fleet::{AdminState, PinScope, Timer};
use llm_call::domain::money::CostBasis;
use llm_call::domain::spend::{Action, Budget, Period, Scope};
use llm_call::domain::task::Task;
use llm_call::domain::tier::Target;
use llm_call::engine::{Clock, Command, Delivery, Options, Progress};
use llm_call::store::database::{Filter, KeptAttempt};
use llm_call::store::keeper::{self, Store};
use llm_call::store::record::{Result as End, Settled};
use llm_call::{Constraints, Engine, Money, Privacy, Prompt, Tier};

const REQUESTS: usize = 10_000;
const KILLS: usize = 10;
const AT_ONCE: usize = 48;
/// What Claude may cost in all: reached in the midst of it, so that the limit is put to the test.
const CLAUDE_LIMIT: Money = Money(2_500_000_000);
const PRIVATE: &str = "diagnosis of patient";
/// The variable that makes this program the one that is killed. Its value is what it needs to know, as JSON.
const VICTIM: &str = "LLM_CALL_TEST_VICTIM";

#[derive(serde::Serialize, serde::Deserialize)]
struct Orders {
    addresses: BTreeMap<String, SocketAddr>,
    store: PathBuf,
    /// One line per request that has come to an end.
    ends: PathBuf,
    /// The requests that are to be made.
    requests: Vec<usize>,
    /// Which life of the program this is.
    life: usize,
}

fn store(file: &Path) -> keeper::Options {
    keeper::Options {
        file: file.to_owned(),
        keep: Duration::from_secs(90 * 86_400),
        keep_text: false,
        clock: Clock::system(),
    }
}

/// The name under which a request is in the prompt and, as its caller, in the ledger.
fn name(life: usize, number: usize) -> String {
    format!("life-{life}-request-{number}.")
}

// ---- The program that is killed ----

#[test]
fn victim() {
    let Ok(orders) = std::env::var(VICTIM) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders are JSON");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(live(orders));
}

async fn live(orders: Orders) {
    let mut config = demo::reach(&orders.addresses);
    config.budgets = vec![Budget::new(Scope::Tier(Tier::Claude), Period::Day, CLAUDE_LIMIT, Action::Refuse)];
    config.policy.deadline = Duration::from_secs(4);
    config.policy.hedge = true;
    for backend in &mut config.backends {
        backend.spec.timeouts.first_token = Timer::Set(Duration::from_millis(400));
        backend.spec.timeouts.stall = Timer::Set(Duration::from_millis(400));
        backend.probe_every = Duration::from_secs(2);
    }
    let kept = Store::open(store(&orders.store)).await.expect("the store opens");
    let options = Options { telemetry: false, store: Some(kept), ..Options::default() };
    let engine = Engine::start(config, options).expect("the simulation's configuration is good");
    engine.first_probes(Duration::from_secs(5)).await;
    let chance = Chance::new(orders.life as u64);
    let ends = Mutex::new(File::options().append(true).create(true).open(&orders.ends).expect("ends can be told"));
    let life = orders.life;
    stream::iter(orders.requests)
        .for_each_concurrent(AT_ONCE, |number| {
            let (engine, chance, ends) = (&engine, &chance, &ends);
            async move {
                operate(engine, chance).await;
                let how = request(engine, life, number).await;
                let line = format!("{number} {how}\n");
                ends.lock().expect("no panic under this lock").write_all(line.as_bytes()).expect("the end is told");
            }
        })
        .await;
    engine.shutdown(Duration::from_secs(20)).await;
}

/// An operator who drains and pins without reason.
async fn operate(engine: &Engine, chance: &Chance) {
    let pick = |count: u64| usize::try_from(chance.bits() % count).expect("small");
    let target = Target::Tier(Tier::ALL[pick(4)]);
    let (lasts, reason) = (Some(Duration::from_millis(60)), Arc::from("chaos"));
    let command = match pick(400) {
        0 => Command::SetAdmin { target, state: AdminState::Drain, lasts, reason },
        1 => Command::SetAdmin { target, state: AdminState::Maint, lasts, reason },
        2 => Command::Pin { target, scope: PinScope::All, only: pick(2) == 0, lasts, reason },
        3 => Command::Kill { target },
        _ => return,
    };
    engine.command(command, &Arc::from("chaos")).await.expect("tiers always exist");
}

async fn request(engine: &Engine, life: usize, number: usize) -> &'static str {
    let private = number.is_multiple_of(5);
    let words = if private { PRIVATE } else { "Explain the tides to a sailor" };
    let prompt = Prompt::from(format!("{} {words}", name(life, number)));
    let privacy = if private { Privacy::High } else { Privacy::Standard };
    // Each tier in its turn, with the others to stand in.
    let tier = (!number.is_multiple_of(3) && !private).then(|| Tier::ALL[number % 4]);
    // A name ahead is no prompt that anybody writes: what the work is has to be said.
    let task = Some(if private { Task::Reward } else { Task::Explanation });
    let constraints = Constraints { privacy, tier, task, fallback: true, ..Constraints::default() };
    let delivery = [Delivery::Streamed, Delivery::Whole, Delivery::Revocable][number % 7 % 3];
    let Ok(mut answer) = engine.submit(prompt, constraints, &Arc::from(name(life, number)), delivery) else {
        return "refused";
    };
    let leaves = number.is_multiple_of(11);
    loop {
        match answer.next().await.expect("an end comes") {
            Progress::Text(_) if leaves => return "left",
            Progress::Ended(Ok(_)) => return "answered",
            Progress::Ended(Err(_)) => return "failed",
            _ => {}
        }
    }
}

// ---- The one that kills it ----

fn begin(simulation: &Simulation, folder: &Path, requests: Vec<usize>, life: usize) -> Child {
    let orders = Orders {
        addresses: simulation.addresses().clone(),
        store: folder.join(keeper::FILE_NAME),
        ends: folder.join("ends"),
        requests,
        life,
    };
    Process::new(std::env::current_exe().expect("this program is a file"))
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env(VICTIM, serde_json::to_string(&orders).expect("orders are JSON"))
        .stdout(Stdio::null())
        .spawn()
        .expect("this program starts")
}

/// The requests that have come to an end, with how. The last line may be half of one.
fn ended(folder: &Path) -> HashMap<usize, String> {
    let text = std::fs::read_to_string(folder.join("ends")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let end = |line: &str| {
        let (number, how) = line.split_once(' ')?;
        Some((number.parse().ok()?, how.to_owned()))
    };
    whole.lines().filter_map(end).collect()
}

/// Tiers that come and go.
fn flap(simulation: &Simulation, chance: &Chance) {
    let backends = simulation.config().backends;
    let pick = |count: usize| usize::try_from(chance.bits() % count as u64).expect("small");
    let backend = &backends[pick(backends.len())].spec.id;
    let fault = [Some(FaultKind::Down), Some(FaultKind::ServerError), None, None, None][pick(5)];
    simulation.faults().set(backend, fault.map(Fault::from));
}

fn storm() -> Storm {
    use FaultKind as Kind;
    // What lasts for minutes after it has happened once (no credit, a refused key) would leave nobody to ask.
    let kinds = [
        Kind::ServerError,
        Kind::Overloaded,
        Kind::CutMidStream,
        Kind::StallMidStream,
        Kind::Silent,
        Kind::Empty,
        Kind::Garbage,
        Kind::HalfJson,
        Kind::Html,
        Kind::ErrorInsideStream,
    ];
    Storm { share: 0.3, faults: kinds.into_iter().map(Fault::from).collect(), seed: 11 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_ten_times_in_a_storm_loses_no_request_and_no_nanodollar() {
    if std::env::var(VICTIM).is_ok() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let options = demo::Options { speed: 2_000.0, log: usize::MAX, ..demo::Options::default() };
    let simulation = Simulation::start(options).await.expect("loopback ports are to be had");
    simulation.faults().storm(Some(storm()));
    let chance = Chance::new(5);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    for life in 0..=KILLS {
        let done = ended(folder.path());
        let requests = (0..REQUESTS).filter(|number| !done.contains_key(number)).collect();
        let mut child = begin(&simulation, folder.path(), requests, life);
        let enough = REQUESTS * (life + 1) / (KILLS + 1);
        loop {
            look.tick().await;
            flap(&simulation, &chance);
            if let Some(status) = child.try_wait().expect("it can be asked") {
                assert!(life == KILLS && status.success(), "life {life} ended by itself: {status}");
                break;
            }
            if life < KILLS && ended(folder.path()).len() >= enough {
                child.kill().expect("it is killed");
                child.wait().expect("it is gone");
                break;
            }
        }
    }
    let ends = ended(folder.path());
    assert_eq!(ends.len(), REQUESTS);
    let count = |how: &str| ends.values().filter(|end| *end == how).count();
    let told = format!("{} answered, {} failed, {} refused", count("answered"), count("failed"), count("refused"));
    assert!(count("answered") > REQUESTS / 2 && count("failed") > 0, "the storm is too mild or too wild: {told}");
    simulation.faults().storm(None);
    // The jobs of a queue that a killed program has begun may go on for ever: nobody is left to cancel them.
    let under_way = |seen: &Seen| seen.is_prompt && seen.ended.is_none() && !seen.path.ends_with("/run");
    while simulation.log().iter().any(under_way) {
        look.tick().await;
    }
    let rows = rows(folder.path()).await;
    let log: Vec<Seen> = simulation.log().into_iter().filter(|seen| seen.is_prompt).collect();
    agree(&rows, &log);
    within_the_limit(&rows);
    let inside = inside(&simulation);
    let leaked = log.iter().find(|seen| seen.prompt_text.contains(PRIVATE) && !inside.contains(seen.backend.as_str()));
    assert!(leaked.is_none(), "{leaked:?}");
    simulation.shutdown().await;
}

fn inside(simulation: &Simulation) -> HashSet<String> {
    let backends = simulation.config().backends.into_iter();
    backends.filter(|one| one.spec.tier == Tier::Local).map(|one| one.spec.id.to_string()).collect()
}

/// The ledger, in which nothing is open any more.
async fn rows(folder: &Path) -> Vec<Settled> {
    let mut database = keeper::look_up(&store(&folder.join(keeper::FILE_NAME))).await.expect("the store opens");
    let filter = Filter { most: 1_000_000, ..Filter::default() };
    let rows = database.attempts(&filter).await.expect("the ledger is read");
    let settled = rows.into_iter().map(|row| match row {
        KeptAttempt::Settled(row) => row,
        KeptAttempt::Open(row) => panic!("{row:?} is open"),
    });
    settled.collect()
}

/// Lays the ledger beside the upstreams' books, request by request and backend by backend.
fn agree(rows: &[Settled], log: &[Seen]) {
    let mut booked: BTreeMap<(String, String), Vec<&Settled>> = BTreeMap::new();
    for row in rows {
        booked.entry((row.opened.caller.to_string(), row.opened.backend.to_string())).or_default().push(row);
    }
    let mut billed: BTreeMap<(String, String), Vec<&Seen>> = BTreeMap::new();
    for seen in log {
        let caller = seen.prompt_text.split_whitespace().find(|word| word.starts_with("life-")).expect("it is named");
        billed.entry((caller.to_owned(), seen.backend.to_string())).or_default().push(seen);
    }
    let mut exact = 0;
    for (key, seen) in &billed {
        let rows = booked.get(key).map_or(&[][..], Vec::as_slice);
        assert!(rows.len() >= seen.len(), "{key:?}: the upstream saw {seen:?}, the ledger has {rows:?}");
        let bill: Money = seen.iter().map(|seen| seen.billed).sum();
        let charged: Money = rows.iter().map(|row| row.charged).sum();
        assert!(charged >= bill, "{key:?}: billed {bill:?}, charged {charged:?}: {seen:?} {rows:?}");
        // What was answered whole is settled to the nano-dollar, where tokens are paid.
        let answered = rows.iter().filter(|row| matches!(row.result, End::Answered(_)));
        let mut costs: Vec<Money> = answered
            .filter(|row| matches!(row.cost.basis, CostBasis::Priced | CostBasis::Reported))
            .map(|row| row.cost.amount.expect("known"))
            .collect();
        let mut bills: Vec<Money> =
            seen.iter().filter(|seen| seen.ended == Some(Ended::Whole)).map(|seen| seen.billed).collect();
        costs.sort_unstable();
        bills.sort_unstable();
        for cost in &costs {
            let at = bills.iter().position(|bill| bill == cost);
            assert!(at.is_some(), "{key:?}: {cost:?} is booked, and billed are {bills:?}");
            bills.remove(at.expect("it was found"));
        }
        exact += costs.len();
    }
    assert!(exact > REQUESTS / 4, "only {exact} attempts could be compared to the nano-dollar");
    // And nothing is booked as answered of which no upstream knows.
    for (key, rows) in &booked {
        let whole =
            billed.get(key).map_or(0, |seen| seen.iter().filter(|seen| seen.ended == Some(Ended::Whole)).count());
        let answered = rows.iter().filter(|row| matches!(row.result, End::Answered(_))).count();
        let seen = billed.get(key);
        assert!(answered <= whole, "{key:?}: {answered} answers booked, {whole} given: {rows:?} {seen:?}");
    }
}

/// What is charged to a limit may pass it only by what attempts turned out to cost beyond what was set aside for them.
fn within_the_limit(rows: &[Settled]) {
    let claude = || rows.iter().filter(|row| row.opened.tier == Tier::Claude);
    let charged: Money = claude().map(|row| row.charged).sum();
    let true_ups: i64 = claude().map(|row| (row.charged.0 - row.opened.reserved.0).max(0)).sum();
    assert!(charged.0 <= CLAUDE_LIMIT.0 + true_ups, "{charged:?} charged, of which {true_ups} beyond reservations");
    assert!(charged.0 > CLAUDE_LIMIT.0 * 9 / 10, "{charged:?}: the limit was never reached, so nothing was shown");
}
