//! What the engine itself costs a request, without a network: time with and without a store, and memory of a thousand streams
//! at once. `--minutes N` keeps it under load instead and prints its memory as it goes.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "what cannot go on fails; it prints what it measured")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use llm_call::config::{Config, load_text};
use llm_call::engine::{Clock, Delivery, Engine, Options, Progress};
use llm_call::provider::instant;
use llm_call::store::keeper::{self, Store};
use llm_call::{Constraints, Prompt};
use tokio::runtime::Runtime;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests measured one after the other.
const REQUESTS: usize = 20_000;
/// Requests before that, so that everything is warm.
const WARM: usize = 500;
/// Streams at once.
const STREAMS: usize = 1_000;
/// Requests at once under load.
const AT_ONCE: usize = 64;

fn config() -> Config {
    let text = "default_backends = false\n[[backends]]\nid = \"near\"\ntier = \"local\"\nprotocol = \"openai\"\n\
                url = \"http://127.0.0.1:1/v1\"\nmodels = [{ id = \"model\", free = true }]\n";
    load_text(text, &Default::default()).expect("a good configuration").config
}

fn engine(wire: instant::Instant, store: Option<Store>) -> Engine {
    let options = Options { telemetry: false, store, ..Options::default() };
    Engine::start_over(config(), options, HashMap::from([("near".into(), wire.client())]))
}

async fn store(folder: &Path) -> Store {
    let options = keeper::Options {
        file: folder.join(keeper::FILE_NAME),
        keep: Duration::from_secs(86_400),
        keep_text: false,
        clock: Clock::system(),
    };
    Store::open(options).await.expect("the store opens")
}

/// Sends one request. Returns how long its first piece took, and how long all of it.
async fn request(engine: &Engine, caller: &Arc<str>) -> (Duration, Duration) {
    let prompt = Prompt::from("Rate this action: wait");
    let began = Instant::now();
    let mut answer =
        engine.submit(prompt, Constraints::default(), caller, Delivery::Streamed).expect("there is a route");
    let mut first = None;
    while let Some(progress) = answer.next().await {
        match progress {
            Progress::Text(_) => _ = first.get_or_insert_with(|| began.elapsed()),
            Progress::Ended(end) => {
                end.expect("it answers");
                break;
            }
            _ => {}
        }
    }
    (first.expect("it says something"), began.elapsed())
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[times.len() * percent / 100]
}

async fn overhead(name: &str, store: Option<Store>, pace: Option<Duration>) {
    let engine = engine(instant::Instant { pieces: 1, pause: Duration::ZERO }, store);
    let caller = Arc::from("bench");
    for _ in 0..WARM {
        request(&engine, &caller).await;
    }
    let mut first = Vec::with_capacity(REQUESTS);
    let mut whole = Vec::with_capacity(REQUESTS);
    let mut next = Instant::now();
    for _ in 0..REQUESTS / if pace.is_some() { 4 } else { 1 } {
        next = Instant::now().max(next + pace.unwrap_or_default());
        // Awake all the time: what it takes to wake a core up is not the engine's.
        while Instant::now() < next {
            tokio::task::yield_now().await;
        }
        let (to_first, to_end) = request(&engine, &caller).await;
        first.push(to_first);
        whole.push(to_end);
    }
    println!(
        "{name:<38} to the first piece p50 {:>6.1?} p99 {:>6.1?}    to the end p50 {:>6.1?} p99 {:>6.1?}",
        percentile(&mut first, 50),
        percentile(&mut first, 99),
        percentile(&mut whole, 50),
        percentile(&mut whole, 99),
    );
    engine.shutdown(Duration::from_secs(5)).await;
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

async fn streams(folder: &Path) {
    let wire = instant::Instant { pieces: 40, pause: Duration::from_millis(50) };
    let engine = engine(wire, Some(store(folder).await));
    let caller = Arc::from("bench");
    let before = resident();
    let mut most = before;
    let all = stream::iter(0..STREAMS).map(|_| request(&engine, &caller)).buffer_unordered(STREAMS).count();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    tokio::pin!(all);
    let answered = loop {
        tokio::select! {
            answered = &mut all => break answered,
            _ = tick.tick() => most = most.max(resident()),
        }
    };
    println!(
        "{answered} streams at once: {:.1} MB resident at most, {:.1} MB before",
        megabytes(most),
        megabytes(before)
    );
    engine.shutdown(Duration::from_secs(5)).await;
}

async fn soak(folder: &Path, minutes: u64) {
    let wire = instant::Instant { pieces: 4, pause: Duration::from_millis(2) };
    let engine = engine(wire, Some(store(folder).await));
    let caller: Arc<str> = Arc::from("bench");
    let began = Instant::now();
    let until = began + Duration::from_secs(minutes * 60);
    let mut next = began;
    let mut sent = 0_u64;
    let mut answers = stream::iter(0..u64::MAX)
        .take_while(|_| std::future::ready(Instant::now() < until))
        .map(|_| request(&engine, &caller))
        .buffer_unordered(AT_ONCE);
    while answers.next().await.is_some() {
        sent += 1;
        if Instant::now() >= next {
            next += Duration::from_secs(30);
            let journal: u64 = std::fs::read_dir(folder.join("llm-call.journal"))
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
                .sum();
            println!(
                "{:>4} s  {sent:>9} requests  {:>6.1} MB resident  {:>6.1} MB of journal",
                began.elapsed().as_secs(),
                megabytes(resident()),
                megabytes(journal)
            );
        }
    }
    drop(answers);
    engine.shutdown(Duration::from_secs(30)).await;
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let minutes =
        arguments.iter().position(|one| one == "--minutes").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(minutes) = minutes {
        return runtime.block_on(soak(folder.path(), minutes));
    }
    // On one thread it is the work alone; on several, an idle machine adds what it takes to wake a core up, again and again.
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (threads, runtime) in [("one thread", &one), ("several", &runtime)] {
        runtime.block_on(async {
            overhead(&format!("{threads}, no store"), None, None).await;
            for (how, pace) in [("as fast as it goes", None), ("1,000 a second", Some(Duration::from_millis(1)))] {
                let folder = tempfile::tempdir().expect("a folder");
                let store = store(folder.path()).await;
                overhead(&format!("{threads}, a store, {how}"), Some(store), pace).await;
            }
        });
    }
    runtime.block_on(streams(folder.path()));
}
