//! Promise: what was wanted, what was spent and what was on its way is known after any end, and counts once, however many
//! processes share a store.
#![expect(clippy::expect_used, clippy::panic, reason = "what cannot go on fails")]

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llm_call::demo::{self, Simulation};
use llm_call::domain::fleet::{Admin, AdminState, PinScope};
use llm_call::domain::id::RequestId;
use llm_call::domain::money::{Cost, CostBasis};
use llm_call::domain::spend::Day;
use llm_call::domain::task::Task;
use llm_call::domain::tier::Target;
use llm_call::domain::time::Timestamp;
use llm_call::engine::{Clock, Command, Options, Snapshot};
use llm_call::store::StoreError;
use llm_call::store::database::{By, Filter, KeptAttempt};
use llm_call::store::keeper::{self, Store};
use llm_call::store::record::{Opened, Record, Result as End, Settled};
use llm_call::{Engine, Money, Tier};

const DAY: u64 = 86_400;
/// Every day there is.
const ALWAYS: RangeInclusive<Day> = Day(i32::MIN)..=Day(i32::MAX);
const PATIENCE: Duration = Duration::from_secs(20);

fn options(folder: &Path) -> keeper::Options {
    let file = folder.join(keeper::FILE_NAME);
    keeper::Options { file, keep: Duration::from_secs(90 * DAY), keep_text: false, clock: Clock::system() }
}

async fn open(folder: &Path) -> Store {
    Store::open(options(folder)).await.expect("the store opens")
}

async fn start(simulation: &Simulation, folder: &Path) -> Engine {
    let options = Options { telemetry: false, store: Some(open(folder).await), ..Options::default() };
    let engine = Engine::start(simulation.config(), options).expect("the simulation's configuration is good");
    engine.first_probes(PATIENCE).await;
    engine
}

async fn simulate() -> Simulation {
    let options = demo::Options { speed: 400.0, ..demo::Options::default() };
    Simulation::start(options).await.expect("loopback ports are to be had")
}

async fn until(engine: &Engine, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    let mut snapshots = engine.snapshots();
    let seen = tokio::time::timeout(PATIENCE, snapshots.wait_for(|snapshot| holds(snapshot))).await;
    assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what} never came");
}

async fn attempts(folder: &Path) -> Vec<KeptAttempt> {
    let mut database = keeper::look_up(&options(folder)).await.expect("the store opens");
    database.attempts(&Filter { most: 10_000, ..Filter::default() }).await.expect("the ledger is read")
}

fn settled(rows: Vec<KeptAttempt>) -> Vec<Settled> {
    let settled = rows.into_iter().map(|row| match row {
        KeptAttempt::Settled(row) => row,
        KeptAttempt::Open(row) => panic!("{row:?} is open"),
    });
    settled.collect()
}

#[tokio::test]
async fn what_an_operator_wanted_and_what_was_spent_is_there_after_a_restart() {
    let (simulation, folder) = (simulate().await, tempfile::tempdir().expect("a folder"));
    let by = Arc::from("anna");
    let engine = start(&simulation, folder.path()).await;
    for number in 0..3 {
        engine.call(format!("Explain tides {number}")).await.expect("somebody answers");
    }
    let backend = Target::Backend("anthropic".into());
    let reason: Arc<str> = Arc::from("quota");
    for command in [
        Command::SetAdmin {
            target: backend.clone(),
            state: AdminState::Drain,
            lasts: None,
            reason: Arc::clone(&reason),
        },
        Command::Pin { target: Target::Tier(Tier::Local), scope: PinScope::All, only: false, lasts: None, reason },
        Command::SetDailyLimit(Some(Money(7_000_000_000))),
    ] {
        engine.command(command, &by).await.expect("it is carried out");
    }
    let before = engine.snapshot();
    engine.shutdown(PATIENCE).await;

    let engine = start(&simulation, folder.path()).await;
    let after = engine.snapshot();
    assert_eq!(after.fleet.admin(&backend), before.fleet.admin(&backend));
    assert_eq!(after.fleet.pins, before.fleet.pins);
    assert_eq!(after.fleet.spend.daily_limit, Some(Money(7_000_000_000)));
    assert!(before.fleet.spend.today_total() > Money::ZERO);
    assert_eq!(after.fleet.spend.today_total(), before.fleet.spend.today_total());
    assert_eq!(after.fleet.spend.session_total(), Money::ZERO, "this run has spent nothing");
    assert_eq!(after.fleet.tier(Tier::Claude).summary, before.fleet.tier(Tier::Claude).summary);
    engine.shutdown(PATIENCE).await;

    let rows = settled(attempts(folder.path()).await);
    assert_eq!(
        rows.iter().map(|row| row.cost.amount.expect("priced")).sum::<Money>(),
        before.fleet.spend.today_total()
    );
    let mut database = keeper::look_up(&options(folder.path())).await.expect("the store opens");
    let audit = database.audit(&Filter { most: 100, ..Filter::default() }).await.expect("the audit is read");
    let done: Vec<(&str, &str)> = audit.iter().rev().map(|row| (&*row.by, &*row.what)).collect();
    assert!(done.contains(&("anna", "drain backend anthropic (quota)")), "{done:?}");
}

#[tokio::test]
async fn two_engines_on_one_store_count_each_other_and_obey_the_same_operator() {
    let (simulation, folder) = (simulate().await, tempfile::tempdir().expect("a folder"));
    let (one, two) = (start(&simulation, folder.path()).await, start(&simulation, folder.path()).await);
    one.claude("Explain tides").await.expect("claude answers");
    two.claude("Explain rain").await.expect("claude answers");
    let sum = one.snapshot().fleet.spend.session_total() + two.snapshot().fleet.spend.session_total();
    until(&one, "what the other spent", |snapshot| snapshot.fleet.spend.today_total() == sum).await;
    until(&two, "what the other spent", |snapshot| snapshot.fleet.spend.today_total() == sum).await;
    let drain = |state| Command::SetAdmin {
        target: Target::Tier(Tier::Gpu),
        state,
        lasts: None,
        reason: Arc::from("maintenance window"),
    };
    let state = |snapshot: &Snapshot| snapshot.fleet.tier(Tier::Gpu).admin.state;
    one.command(drain(AdminState::Drain), &Arc::from("anna")).await.expect("it is carried out");
    until(&two, "the other's drain", |snapshot| state(snapshot) == AdminState::Drain).await;
    assert_eq!(&*two.snapshot().fleet.tier(Tier::Gpu).admin.by, "anna");
    two.command(drain(AdminState::Ready), &Arc::from("ben")).await.expect("it is carried out");
    until(&one, "the other's word", |snapshot| state(snapshot) == AdminState::Ready).await;
    one.shutdown(PATIENCE).await;
    two.shutdown(PATIENCE).await;
    assert_eq!(settled(attempts(folder.path()).await).len(), 2);
}

fn opened(request: u128, reserved: i64) -> Opened {
    Opened {
        request: RequestId(uuid::Uuid::from_u128(request)),
        number: 1,
        at: Clock::system().now(),
        caller: "test".into(),
        task: Task::Code,
        kind: None,
        forecast: None,
        tier: Tier::Claude,
        backend: "anthropic".into(),
        model: "opus".into(),
        reserved: Money(reserved),
        prices: "2026-11-22".into(),
    }
}

fn ended(opened: Opened, cost: i64) -> Settled {
    let at = Timestamp(opened.at.0 + 5);
    Settled {
        ended: at,
        day: Clock::system().day(at),
        result: End::Answered(llm_call::provider::Finish::Stop),
        status: None,
        delivered: true,
        counts: true,
        first_token_ms: Some(2),
        total_ms: 5,
        longest_pause_ms: None,
        usage: None,
        served: None,
        cost: Cost::known(Money(cost), CostBasis::Priced),
        charged: Money(cost),
        predicted: None,
        opened,
    }
}

#[tokio::test]
async fn an_attempt_that_a_killed_program_had_open_is_booked_as_lost_with_all_that_was_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (place, _) = store.journal.open(Record::Opened(opened(1, 50)), None, None).expect("there is room");
    store.journal.flush().await;
    let (done, _) = store.journal.open(Record::Opened(opened(2, 70)), None, None).expect("there is room");
    store.journal.flush().await;
    done.write(Record::Settled(ended(opened(2, 70), 30)));
    let (_, _) = store.journal.open(Record::Opened(opened(3, 10)), None, None).expect("there is room");
    store.journal.flush().await;
    drop(place);
    // As when the process is killed: nothing is folded and nothing is closed.
    drop(store);

    let store = open(folder.path()).await;
    let others = store.news.borrow().others.clone();
    let sum = others.attempts.iter().map(|one| one.today.charged).sum::<Money>();
    assert_eq!(sum, Money(50 + 30 + 10));
    assert_eq!(others.attempts.iter().map(|one| one.today.amount).sum::<Money>(), Money(30));
    drop(store);
    let mut lost: Vec<_> = settled(attempts(folder.path()).await)
        .into_iter()
        .filter(|row| row.result == End::Lost)
        .map(|row| (row.opened.request.0.as_u128(), row.cost.amount, row.charged))
        .collect();
    lost.sort_unstable();
    assert_eq!(lost, [(1, None, Money(50)), (3, None, Money(10))]);
}

#[tokio::test]
async fn however_often_programs_end_in_the_middle_each_record_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut expected = 0;
    for round in 0..6_u128 {
        let store = open(folder.path()).await;
        for number in 0..40 {
            let opened = opened(round << 32 | number, 5);
            let (place, _) = store.journal.open(Record::Opened(opened.clone()), None, None).expect("there is room");
            store.journal.flush().await;
            place.write(Record::Settled(ended(opened, 3)));
            expected += 3;
        }
        let (_, _) =
            store.journal.open(Record::Opened(opened(round << 32 | 99, 0)), None, None).expect("there is room");
        store.journal.flush().await;
        // Some programs end while another looks at the same store.
        if round % 2 == 0 {
            drop(keeper::look_up(&options(folder.path())).await.expect("the store opens"));
        }
        drop(store);
    }
    let rows = settled(attempts(folder.path()).await);
    assert_eq!(rows.len(), 6 * 41);
    let mut database = keeper::look_up(&options(folder.path())).await.expect("the store opens");
    let sums = database.sums(ALWAYS, &Filter::default(), By::Tier).await.expect("the sums are read");
    assert_eq!(sums.iter().map(|sum| sum.book.amount).sum::<Money>(), Money(expected));
    assert_eq!(sums.iter().map(|sum| sum.book.attempts).sum::<u32>(), 6 * 41);
}

#[tokio::test]
async fn old_rows_go_and_the_sums_of_their_days_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let old = Timestamp(Clock::system().now().0 - 100 * i64::try_from(DAY).expect("small") * 1000);
    let opened = Opened { at: old, ..opened(1, 50) };
    let row = Settled { ended: old, day: Day(Clock::system().day(old).0), ..ended(opened.clone(), 30) };
    let (place, _) = store.journal.open(Record::Opened(opened), None, None).expect("there is room");
    place.write(Record::Settled(row));
    let (_, _) = store.journal.open(Record::Opened(self::opened(2, 10)), None, None).expect("there is room");
    store.journal.flush().await;
    drop(store);
    let mut database = keeper::look_up(&options(folder.path())).await.expect("the store opens");
    let (now, keep) = (Clock::system().now(), Duration::from_secs(90 * DAY));
    assert!(database.prune(now, keep).await.expect("old rows go") > 0);
    let all = Filter { most: 10, ..Filter::default() };
    let left = database.attempts(&all).await.expect("the ledger is read");
    assert_eq!(left.len(), 1, "{left:?}");
    // A clock that has run ahead by a year makes nothing old.
    let ahead = now.after(Duration::from_secs(365 * DAY));
    assert_eq!(database.prune(ahead, keep).await.expect("it looks"), 0);
    let sums = database.sums(ALWAYS, &all, By::Day).await.expect("the sums are read");
    assert_eq!(sums.iter().map(|sum| sum.book.amount).sum::<Money>(), Money(30));
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_with_its_path_and_both_forms() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()).await);
    {
        use sqlx::Connection;
        let url = format!("sqlite://{}", folder.path().join(keeper::FILE_NAME).display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("it opens");
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (99, 'newer', 1, x'00', 0)";
        sqlx::query(newer).execute(&mut connection).await.expect("it is written");
    }
    let error = Store::open(options(folder.path())).await.expect_err("it is too new");
    assert!(matches!(error, StoreError::TooNew { found: 99, known: 2, .. }), "{error}");
    assert!(error.to_string().contains(keeper::FILE_NAME), "{error}");
}

#[tokio::test]
async fn a_word_that_was_spoken_while_the_clock_ran_ahead_binds_nobody() {
    let (simulation, folder) = (simulate().await, tempfile::tempdir().expect("a folder"));
    let target = Target::Tier(Tier::Gpu);
    let now = Clock::system().now();
    let word = |state, since| Record::Admin {
        target: target.clone(),
        admin: Admin { state, by: "anna".into(), since, until: None, reason: "".into() },
    };
    let ahead = now.after(Duration::from_secs(DAY));
    for (state, since) in [(AdminState::Drain, ahead), (AdminState::Maint, now)] {
        let store = open(folder.path()).await;
        store.journal.write(word(state, since));
        let (_, _) = store.journal.open(Record::Opened(opened(since.0 as u128, 0)), None, None).expect("there is room");
        store.journal.flush().await;
        drop(store);
    }
    let engine = start(&simulation, folder.path()).await;
    assert_eq!(engine.snapshot().fleet.tier(Tier::Gpu).admin.state, AdminState::Maint);
    engine.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_another_process_has_on_its_way_is_charged_with_what_it_has_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let (_place, _) = store.journal.open(Record::Opened(opened(1, 70)), None, None).expect("there is room");
    store.journal.flush().await;
    // Folded by the one process, while it lives, and looked at by another.
    let engine = {
        let options = Options { telemetry: false, store: Some(store), ..Options::default() };
        Engine::start(simulate().await.config(), options).expect("the simulation's configuration is good")
    };
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let charged = async {
        loop {
            look.tick().await;
            let mut database = keeper::look_up(&options(folder.path())).await.expect("the store opens");
            let booked =
                database.booked(Clock::system().day(Clock::system().now()), "another").await.expect("it tells");
            if let Some(one) = booked.first() {
                return one.today.charged;
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, charged).await.expect("it is folded"), Money(70));
    engine.shutdown(PATIENCE).await;
}

/// What was learnt of every model and task: how many outcomes, and what they were worth.
fn learned(engine: &Engine) -> Vec<(String, f32, f32)> {
    let snapshot = engine.snapshot();
    let rows = snapshot.fleet.lessons.learned.rows(snapshot.at).into_iter().filter(|row| row.task.is_some());
    rows.map(|row| (row.model.to_string(), row.outcomes, row.worth)).collect()
}

#[tokio::test]
async fn what_was_learnt_is_there_after_a_restart_until_somebody_wants_it_forgotten() {
    let (simulation, folder) = (simulate().await, tempfile::tempdir().expect("a folder"));
    let engine = start(&simulation, folder.path()).await;
    for number in 0..4 {
        engine.call(format!("Explain tides, part {number}")).await.expect("somebody answers");
    }
    until(&engine, "what was learnt", |snapshot| {
        snapshot.fleet.lessons.learned.rows(snapshot.at).iter().map(|row| row.outcomes).sum::<f32>() > 7.5
    })
    .await;
    let before = learned(&engine);
    let calibration = engine.snapshot().fleet.lessons.calibration.clone();
    engine.shutdown(PATIENCE).await;

    let engine = start(&simulation, folder.path()).await;
    let after = learned(&engine);
    assert_eq!(after.len(), before.len());
    for ((model, outcomes, worth), (again, same, alike)) in before.iter().zip(&after) {
        assert!(
            model == again && (outcomes - same).abs() < 0.1 && (worth - alike).abs() < 0.01,
            "{before:?} {after:?}"
        );
    }
    assert_eq!(engine.snapshot().fleet.lessons.calibration, calibration, "how providers count is known as well");
    engine.shutdown(PATIENCE).await;

    let forget = Record::Forget { tier: None, model: None, task: None, at: Clock::system().now() };
    open(folder.path()).await.write(vec![forget]).await.expect("it is written");
    let engine = start(&simulation, folder.path()).await;
    assert_eq!(learned(&engine), []);
    engine.call("Explain tides once more").await.expect("somebody answers");
    until(&engine, "what is learnt from now on", |snapshot| {
        !snapshot.fleet.lessons.learned.rows(snapshot.at).is_empty()
    })
    .await;
    engine.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_somebody_says_of_an_answer_elsewhere_is_heard_by_a_running_program() {
    let (simulation, folder) = (simulate().await, tempfile::tempdir().expect("a folder"));
    let engine = start(&simulation, folder.path()).await;
    let reply = engine.call("Explain tides to a sailor").await.expect("somebody answers");
    let worth = |snapshot: &Snapshot| {
        let rows = snapshot.fleet.lessons.learned.rows(snapshot.at);
        rows.iter().find(|row| row.model == reply.ending.model && row.task.is_some()).map(|row| row.worth)
    };
    until(&engine, "a first lesson", |snapshot| worth(snapshot).is_some_and(|worth| worth > 0.7)).await;
    let judged = Record::Judged {
        request: reply.ending.request,
        backend: reply.ending.backend.clone(),
        model: reply.ending.model.clone(),
        judgement: llm_call::domain::judgement::Judgement::Bad,
        quality: Some(0.1),
        at: Clock::system().now(),
    };
    open(folder.path()).await.write(vec![judged]).await.expect("it is written");
    until(&engine, "the judgement", |snapshot| worth(snapshot).is_some_and(|worth| worth < 0.2)).await;
    engine.shutdown(PATIENCE).await;
}
