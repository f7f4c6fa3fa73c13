use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc as blocking;

use tokio::time::Instant;

use super::recorded::Recorded;
use super::*;

const PACE: Pace = Pace {
    every: Duration::from_secs(2),
    absent_every: Duration::from_secs(5),
    longest_backoff: Duration::from_secs(20),
    least_gap: Duration::from_secs(1),
};

type Log = Arc<Mutex<Vec<(u64, bool)>>>;

/// Answers from a script, and remembers when it was asked, in seconds.
struct Scripted {
    script: VecDeque<Taken>,
    start: Instant,
    log: Log,
}

impl pace::Sampler for Scripted {
    async fn sample(&mut self, asked: bool) -> Taken {
        self.log.lock().unwrap().push((self.start.elapsed().as_secs(), asked));
        self.script.pop_front().unwrap_or_else(|| taken(Reading::Samples(Vec::new())))
    }

    fn show(&mut self, _: Reading, _: Duration) {}
}

fn taken(reading: Reading) -> Taken {
    Taken { reading, not_before: None, rest: None }
}

fn failed() -> Reading {
    Reading::Failed(Arc::from("no"))
}

/// Runs a script, asking for a refresh at the given seconds, and tells when the source was read.
async fn reads(script: Vec<Taken>, seconds: u64, refresh_at: &[u64]) -> Vec<(u64, bool)> {
    let (stop, refresh, tasks) = (CancellationToken::new(), Refresh::default(), TaskTracker::new());
    let (log, start) = (Log::default(), Instant::now());
    let scripted = Scripted { script: script.into(), start, log: Arc::clone(&log) };
    tasks.spawn(pace::run(PACE, scripted, stop.clone(), refresh.0.subscribe()));
    for second in refresh_at {
        tokio::time::sleep_until(start + Duration::from_secs(*second)).await;
        refresh.request_refresh();
    }
    tokio::time::sleep_until(start + Duration::from_secs(seconds) + Duration::from_millis(1)).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    log.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_source_is_read_at_its_pace_and_less_often_while_there_is_nothing() {
    let script = vec![taken(Reading::Samples(Vec::new())), taken(Reading::Absent(Arc::from("none")))];
    assert_eq!(reads(script, 10, &[]).await, [(0, false), (2, false), (7, false), (9, false)]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_ever_more_rarely_up_to_a_bound() {
    let script = (0..5).map(|_| taken(failed())).collect();
    let at: Vec<u64> = reads(script, 70, &[]).await.into_iter().map(|(at, _)| at).take(7).collect();
    assert_eq!(at, [0, 4, 12, 28, 48, 68, 70]);
}

#[tokio::test(start_paused = true)]
async fn the_operator_shortens_our_back_off_but_not_the_pause_that_the_source_asked_for() {
    let rest = Some(Duration::from_secs(300));
    let ours = Taken { reading: failed(), not_before: None, rest };
    assert_eq!(reads(vec![ours], 10, &[8]).await, [(0, false), (8, true), (10, false)]);

    let theirs = Taken { reading: failed(), not_before: Some(Duration::from_secs(30)), rest: None };
    assert_eq!(reads(vec![theirs], 31, &[3, 4, 5]).await, [(0, false), (30, true), (31, true)]);
}

#[tokio::test(start_paused = true)]
async fn asking_often_does_not_read_often() {
    let log = reads(Vec::new(), 3, &[0, 0, 0, 1, 1, 1, 2, 2]).await;
    assert!(log.len() <= 5, "{log:?}");
}

async fn until(readings: &mut watch::Receiver<Arc<Telemetry>>, met: impl Fn(&Telemetry) -> bool) -> Arc<Telemetry> {
    let wait = readings.wait_for(|now| met(now));
    Arc::clone(&*tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap().unwrap())
}

#[tokio::test]
async fn samples_and_this_machine_arrive_and_a_failure_keeps_the_last_samples() {
    let recording = "{\"gpus\":[{\"name\":\"RTX 4090\",\"utilisation\":63}]}\n{\"failed\":\"GPU is lost\"}";
    let source = Recorded::parse(recording).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let sources = Sources { local: Some(Box::new(source)), host: true, ..Sources::default() };
    let refresh = sources.refresh.clone();
    let mut readings = spawn(sources, || Timestamp(1000), &tasks, stop.clone());

    let first = until(&mut readings, |now| matches!(now.local, GpuReadings::Ok { .. })).await;
    assert_eq!(first.local.samples()[0].utilisation, Some(63));
    assert!(matches!(&first.runpod, GpuReadings::Absent { why } if why.contains("not configured")));

    refresh.request_refresh();
    let second = until(&mut readings, |now| matches!(now.local, GpuReadings::Failed { .. })).await;
    let GpuReadings::Failed { why, retry_at, last, at } = &second.local else { panic!() };
    assert_eq!((&**why, last.len(), *at), ("GPU is lost", 1, Some(Timestamp(1000))));
    assert!(*retry_at > Timestamp(1000));

    let host = until(&mut readings, |now| now.host.is_some()).await.host.unwrap();
    assert!(host.memory_used > 0 && host.memory_used <= host.memory_total && host.cpu <= 100.0);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Hangs until the other end is dropped.
struct Hanging(blocking::Receiver<()>);

impl GpuSource for Hanging {
    fn read(&mut self) -> Reading {
        let _ = self.0.recv();
        Reading::Samples(Vec::new())
    }
}

#[tokio::test]
async fn a_driver_that_hangs_is_said_to_and_holds_up_neither_the_others_nor_the_end() {
    let (release, hang) = blocking::channel();
    let mut reader = local::Reader::start(Box::new(Hanging(hang)), Duration::from_millis(50)).unwrap();
    for _ in 0..2 {
        let taken = reader.read(false).await;
        assert_eq!(taken.reading, Reading::Failed(Arc::from("the GPU driver does not answer")));
    }
    drop(release);
    // It comes back once the driver does.
    let mut reading = reader.read(false).await.reading;
    while matches!(reading, Reading::Failed(_)) {
        reading = reader.read(false).await.reading;
    }
    assert_eq!(reading, Reading::Samples(Vec::new()));

    let (_release, hang) = blocking::channel();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let sources = Sources { local: Some(Box::new(Hanging(hang))), host: true, ..Sources::default() };
    let mut readings = spawn(sources, || Timestamp(1), &tasks, stop.clone());
    until(&mut readings, |now| now.host.is_some()).await;
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(2), tasks.wait()).await.unwrap();
}

struct Panicking;

impl GpuSource for Panicking {
    fn read(&mut self) -> Reading {
        panic!("as a driver's wrapper might")
    }
}

#[tokio::test]
async fn a_reader_that_dies_is_said_to_be_gone() {
    let mut reader = local::Reader::start(Box::new(Panicking), Duration::from_secs(5)).unwrap();
    for _ in 0..2 {
        assert!(matches!(reader.read(false).await.reading, Reading::Absent(why) if why.contains("stopped")));
    }
}

#[test]
fn only_what_is_billed_counts_as_rented() {
    let gpu = |billed, hourly| GpuSample { billed, hourly, ..GpuSample::default() };
    let gpus = vec![gpu(true, Some(Money(5))), gpu(false, Some(Money(7))), gpu(true, None)];
    let now = Telemetry { runpod: GpuReadings::Ok { gpus, at: Timestamp(0) }, ..Telemetry::default() };
    assert_eq!(now.rented_per_hour(), Money(5));
}
