//! Promise: what the store keeps can be looked up, summed, exported and changed from a shell, and every command tells the same.
#![expect(clippy::expect_used, clippy::panic, reason = "what cannot go on fails")]

mod exporting;
mod learning;
mod looking;
mod operating;
mod telling;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use llm_call::Money;
use llm_call::domain::id::RequestId;
use llm_call::domain::money::{Cost, CostBasis};
use llm_call::domain::privacy::Ruling;
use llm_call::domain::spend::Day;
use llm_call::domain::task::Task;
use llm_call::domain::tier::Tier;
use llm_call::domain::time::Timestamp;
use llm_call::engine::{Clock, Outcome};
use llm_call::provider::Finish;
use llm_call::store::keeper::{self, Store};
use llm_call::store::record::{Ended, Opened, Record, RequestRow, Result as End, Settled};
use serde_json::Value;

/// The program with its state in a folder. Nothing of the developer's own set-up may leak into a test.
fn llm_call(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("llm-call"));
    command
        .args(args)
        .env_clear()
        .env("HOME", state)
        .env("USER", "ada")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("LLM_CALL_STATE", state)
        .stdin(Stdio::null());
    command
}

fn ran(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs the program over the simulated store.
fn run(state: &Path, args: &[&str]) -> (i32, String, String) {
    ran(&mut llm_call(state, &[args, &["--demo"]].concat()))
}

/// What it prints, where all goes well.
fn told(state: &Path, args: &[&str]) -> String {
    let (code, out, err) = run(state, args);
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

/// The same as JSON.
fn json(state: &Path, args: &[&str]) -> Value {
    let out = told(state, args);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn file(state: &Path) -> PathBuf {
    state.join(keeper::SIMULATED_FILE_NAME)
}

fn options(state: &Path) -> keeper::Options {
    keeper::Options {
        file: file(state),
        keep: Duration::from_secs(90 * 86_400),
        keep_text: false,
        clock: Clock::system(),
    }
}

/// Puts records into the simulated store, as a program does that ends in order.
async fn write(state: &Path, records: Vec<Record>) {
    write_to(options(state), records).await;
}

async fn write_to(options: keeper::Options, records: Vec<Record>) {
    let store = Store::open(options).await.expect("the store opens");
    store.write(records).await.expect("they are written");
}

fn request(id: u128, at: Timestamp) -> RequestRow {
    RequestRow {
        request: RequestId(uuid::Uuid::from_u128(id)),
        at,
        caller: "nightly".into(),
        task: Task::Code,
        complexity: 0.42,
        input_tokens: 10,
        ruling: Ruling::Free,
        found: Vec::new(),
        tier: Some(Tier::Claude),
        backend: Some("anthropic".into()),
        model: Some("opus".into()),
        why: "code goes to claude".into(),
        predicted: Some(Money(100)),
    }
}

fn opened(id: u128, at: Timestamp) -> Opened {
    Opened {
        request: RequestId(uuid::Uuid::from_u128(id)),
        number: 1,
        at,
        caller: "nightly".into(),
        task: Task::Code,
        kind: None,
        forecast: None,
        tier: Tier::Claude,
        backend: "anthropic".into(),
        model: "opus".into(),
        reserved: Money(2_000_000),
        prices: "2026-11-22".into(),
    }
}

fn settled(opened: Opened, day: Day, result: End, cost: Cost, charged: Money) -> Settled {
    Settled {
        ended: Timestamp(opened.at.0 + 5),
        day,
        result,
        status: None,
        delivered: true,
        counts: true,
        first_token_ms: Some(2),
        total_ms: 5,
        longest_pause_ms: None,
        usage: None,
        served: None,
        cost,
        charged,
        predicted: None,
        opened,
    }
}

/// An answered attempt that cost so much.
fn paid(id: u128, at: Timestamp, day: Day, amount: i64) -> Settled {
    let cost = Cost::known(Money(amount), CostBasis::Priced);
    settled(opened(id, at), day, End::Answered(Finish::Stop), cost, Money(amount))
}

fn ended(id: u128, at: Timestamp, outcome: Outcome, why: Option<&str>) -> Ended {
    Ended {
        request: RequestId(uuid::Uuid::from_u128(id)),
        at,
        outcome,
        why: why.map(str::to_owned),
        total_ms: 5,
        attempts: 1,
    }
}

fn sum(rows: &[Value], field: &str) -> i64 {
    rows.iter().filter_map(|row| row[field].as_i64()).sum()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
