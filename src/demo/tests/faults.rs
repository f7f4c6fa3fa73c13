//! Each fault on each chat protocol, as a client meets it.

use super::*;
use crate::domain::money::Money;

/// What a client meets: the response, or none.
async fn meet(bench: &Bench, id: &str, speaks: Speaks, fault: Fault, stream: bool) -> Option<Got> {
    bench.simulation.faults().set_for_next(&BackendId::from(id), fault, 1);
    let sent = bench.ask(id, speaks, "Explain how a scheduler decides", stream).send();
    match tokio::time::timeout(Duration::from_millis(700), sent).await {
        Ok(Ok(response)) => Some(read(response).await),
        Ok(Err(_)) | Err(_) => None,
    }
}

#[tokio::test]
async fn every_fault_shows_on_every_protocol() {
    let bench = Bench::new().await;
    let one = async |id, speaks| {
        // Warm, so that no cold start is mistaken for silence.
        read(bench.ask(id, speaks, "hello", false).send().await.unwrap()).await;
        for kind in FaultKind::ALL {
            for stream in [false, true] {
                let fault = match kind {
                    FaultKind::HugeLine => Fault::new(kind, 1.0),
                    // A whole answer in one byte after the other takes its time.
                    FaultKind::SlowDrip => Fault::new(kind, 0.01),
                    // Rarely enough for the reader to lose its patience.
                    FaultKind::PingsOnly => Fault::new(kind, 120.0),
                    _ => Fault::from(kind),
                };
                let got = meet(&bench, id, speaks, fault, stream).await;
                check(id, speaks, kind, stream, got.as_ref());
            }
        }
        let got = read(bench.ask(id, speaks, "hello", true).send().await.unwrap()).await;
        assert!(events(speaks, &got.text).1, "{id} is well again");
    };
    // Side by side: most of the time goes into waiting for what never comes.
    futures::future::join_all(CHATS.map(|(id, speaks)| one(id, speaks))).await;
    assert!(bench.simulation.faults().current().is_empty());
}

fn check(id: &str, speaks: Speaks, kind: FaultKind, stream: bool, got: Option<&Got>) {
    let shown = |got: &Got| (got.status, got.proper, got.text.chars().take(2_000).collect::<String>());
    let at = format!("{id} {kind} stream={stream}: {:?}", got.map(shown));
    if matches!(kind, FaultKind::Down | FaultKind::NoListener | FaultKind::Reset | FaultKind::Silent) {
        assert!(got.is_none(), "{at}");
        return;
    }
    let got = got.unwrap_or_else(|| panic!("{at}"));
    let (events, ended) = events(speaks, &got.text);
    let ended = stream && ended;
    let parses = serde_json::from_str::<Value>(got.text.trim_start_matches('\u{feff}')).is_ok();
    let worker = id == "runpod-llama-70b";
    let status = |plain: u16| assert!(got.status == plain || worker && got.text.contains("worker_error"), "{at}");
    let is_one_of = |known: &[u16]| assert!(known.contains(&got.status), "{at}");
    let pieces = events.iter().filter(|event| !text_of(speaks, event).is_empty()).count();
    match kind {
        FaultKind::DoubleEnd if stream => {
            let last = got.text.trim_end().lines().last();
            assert!(got.proper && got.text.lines().filter(|line| Some(*line) == last).count() == 2, "{at}");
        }
        _ if kind.nature() == fault::Nature::Answers => assert!(got.proper && (ended || parses), "{at}"),
        FaultKind::RateLimited | FaultKind::RateLimitHeaders => assert_eq!(got.status, 429, "{at}"),
        FaultKind::Overloaded => status(if speaks == Speaks::Anthropic { 529 } else { 503 }),
        FaultKind::ServerError => status(500),
        FaultKind::Status => assert_eq!(got.status, 502, "{at}"),
        FaultKind::Redirect => assert_eq!(got.status, 307, "{at}"),
        FaultKind::KeyRefused => is_one_of(&[400, 401]),
        FaultKind::Forbidden => assert_eq!(got.status, 403, "{at}"),
        FaultKind::OutOfCredit => is_one_of(&[400, 402, 429]),
        FaultKind::ModelMissing => status(if id == "litellm" { 400 } else { 404 }),
        FaultKind::ContextTooLong | FaultKind::BadRequest => status(400),
        FaultKind::ContentRefused => {
            let marks = ["\"refusal\"", "SAFETY", "content_policy_violation", "ContentPolicyViolation"];
            assert!(pieces == 0 && marks.iter().any(|mark| got.text.contains(mark)), "{at}");
        }
        FaultKind::CutMidStream | FaultKind::ResetMidStream | FaultKind::StallMidStream => {
            assert!(!got.proper && !ended && !got.text.is_empty(), "{at}");
            assert!(!stream || pieces == 2, "{at}");
        }
        FaultKind::Truncated => assert!(got.proper && !ended && !parses && (!stream || pieces == 2), "{at}"),
        FaultKind::NoEndMark => assert!(got.proper && !ended && (!stream || pieces > 2), "{at}"),
        FaultKind::CutInCharacter => assert!(!got.proper && got.text.ends_with('\u{fffd}'), "{at}"),
        FaultKind::BadUtf8 => assert!(got.proper && got.text.contains('\u{fffd}'), "{at}"),
        FaultKind::SilentAfterHead => assert!(got.status == 200 && !got.proper && got.text.is_empty(), "{at}"),
        FaultKind::PingsOnly => assert!(got.status == 200 && !got.proper && !ended && pieces == 0, "{at}"),
        FaultKind::Endless => assert!(!got.proper && got.text.len() > TOO_MUCH, "{at}"),
        FaultKind::ErrorInsideStream => {
            assert!(got.status == 200 && got.proper && !ended && got.text.contains("\"error\""), "{at}");
        }
        FaultKind::Html => assert!(got.status == 200 && got.kind.starts_with("text/html"), "{at}"),
        FaultKind::HalfJson => assert!(got.status == 200 && got.proper && !ended && !parses, "{at}"),
        FaultKind::Empty => {
            assert!(got.status == 200 && got.proper && (ended || parses) && pieces == 0, "{at}");
        }
        FaultKind::WrongContentType => assert!(got.status == 200 && got.kind.starts_with("text/plain"), "{at}"),
        FaultKind::Garbage => assert!(got.status == 200 && events.is_empty() && !parses, "{at}"),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn a_standing_fault_stays_and_probes_meet_only_some() {
    let bench = Bench::new().await;
    let id = BackendId::from("rtx-4090");
    let faults = bench.simulation.faults();
    let probe = || bench.client.get(bench.url("rtx-4090", "/api/version")).send();
    faults.set(&id, Some(Fault::from(FaultKind::ServerError)));
    assert_eq!(probe().await.unwrap().status(), 200);
    for _ in 0..2 {
        let got = read(bench.ask("rtx-4090", Speaks::Ollama, "hi", false).send().await.unwrap()).await;
        assert_eq!(got.status, 500);
    }
    faults.set(&id, Some(Fault::from(FaultKind::Down)));
    assert!(probe().await.is_err());
    assert_eq!(faults.current(), [(id.clone(), Fault::from(FaultKind::Down))]);
    faults.set(&id, None);
    assert_eq!(probe().await.unwrap().status(), 200);
    assert!(bench.simulation.log().iter().any(|seen| seen.fault == Some(FaultKind::Down) && seen.status.is_none()));
}

#[tokio::test]
async fn retry_after_is_stated_unless_it_is_zero() {
    let bench = Bench::new().await;
    for (number, stated) in [(7.0, Some("7")), (0.0, None)] {
        bench.simulation.faults().set_for_next(&BackendId::from("anthropic"), Fault::rate_limited(number), 1);
        let response = bench.ask("anthropic", Speaks::Anthropic, "hi", true).send().await.unwrap();
        assert_eq!(response.headers().get("retry-after").map(|value| value.to_str().unwrap()), stated);
    }
}

#[tokio::test]
async fn a_cut_answer_is_billed_for_what_was_produced() {
    let bench = Bench::new().await;
    for (id, speaks, hidden) in [("anthropic", Speaks::Anthropic, false), ("openai", Speaks::Openai, true)] {
        let whole = read(bench.ask(id, speaks, "Explain schedulers", true).send().await.unwrap()).await;
        let got = meet(&bench, id, speaks, Fault::cut_after(3.0), true).await.unwrap();
        assert!(whole.proper && !got.proper, "{id}");
        let seen = bench.simulation.prompts_with("scheduler").await;
        let [whole, cut] = [&seen[0], &seen[1]];
        seen.iter().for_each(|seen| assert_eq!(seen.backend.as_str(), id));
        assert_eq!([whole.ended, cut.ended], [Some(Ended::Whole), Some(Ended::Broken)], "{id}");
        assert!(Money::ZERO < cut.billed && cut.billed < whole.billed, "{id}: {cut:?}");
        // Three pieces of two to four words each, and what was thought before them.
        assert_eq!(cut.usage.reasoning > 0, hidden, "{id}");
        assert!((1..30).contains(&(cut.usage.output - cut.usage.reasoning)), "{id}: {}", cut.usage.output);
        bench.simulation.clear_log();
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_apart_and_billed_for_what_was_produced_by_then() {
    let simulation = Simulation::start(Options { speed: 20.0, ..Options::default() }).await.unwrap();
    let bench = Bench { simulation, ..Bench::new().await };
    for stream in [false, true] {
        let asked = bench.ask("anthropic", Speaks::Anthropic, "Explain how a scheduler decides", stream).send();
        // The answer takes some seconds at this speed's rate of a twentieth.
        let early = tokio::time::timeout(Duration::from_millis(90), async {
            let mut response = asked.await.unwrap();
            while response.chunk().await.unwrap().is_some() {}
        });
        assert!(early.await.is_err(), "stream={stream}");
        let seen = bench.simulation.prompts_with("scheduler").await.pop().unwrap();
        assert_eq!(seen.ended, Some(Ended::Gone), "stream={stream}");
        assert!(seen.usage.input > 0 && seen.billed > Money::ZERO, "{seen:?}");
        bench.simulation.clear_log();
    }
}

#[tokio::test]
async fn nobody_listens_while_the_fault_stands_and_the_same_port_serves_again_afterwards() {
    let bench = Bench::new().await;
    let id = BackendId::from("anthropic");
    let ask = || bench.ask("anthropic", Speaks::Anthropic, "hi", false).send();
    let address = bench.url("anthropic", "").replace("http://", "");
    assert_eq!(ask().await.unwrap().status(), 200);
    bench.simulation.faults().set(&id, Some(FaultKind::NoListener.into()));
    // A connection that was open already is closed at its next request.
    assert!(ask().await.is_err());
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        tokio::net::TcpStream::connect(&address).await.unwrap_err().kind()
    };
    let kind = tokio::time::timeout(Duration::from_secs(5), refused).await.expect("the port closes");
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    bench.simulation.faults().set(&id, None);
    let back = async {
        while ask().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.expect("the port opens");
}

#[tokio::test]
async fn the_log_keeps_what_it_was_told_to() {
    for (capacity, kept) in [(2, 2), (usize::MAX, 5)] {
        let simulation =
            Simulation::start(Options { speed: 200.0, log: capacity, ..Options::default() }).await.unwrap();
        let bench = Bench { simulation, ..Bench::new().await };
        for number in 0..5 {
            read(bench.ask("gemini", Speaks::Gemini, &format!("hi {number}"), false).send().await.unwrap()).await;
        }
        let log = bench.simulation.log();
        assert_eq!(log.len(), kept);
        assert!(log.last().unwrap().prompt_text.contains("hi 4"));
    }
}

#[tokio::test]
async fn shutdown_ends_even_what_stalls() {
    let bench = Bench::new().await;
    bench.simulation.faults().set(&BackendId::from("gemini"), Some(Fault::from(FaultKind::StallMidStream)));
    bench.simulation.faults().set(&BackendId::from("anthropic"), Some(Fault::from(FaultKind::Silent)));
    let stalled = bench.ask("gemini", Speaks::Gemini, "Explain schedulers", true).send().await.unwrap();
    let silent = tokio::task::JoinSet::from_iter([bench.ask("anthropic", Speaks::Anthropic, "hi", true).send()]);
    tokio::time::timeout(Duration::from_secs(5), bench.simulation.shutdown()).await.expect("everything ends");
    drop((stalled, silent));
}

#[test]
fn faults_are_named_as_they_are_written() {
    for kind in FaultKind::ALL {
        assert_eq!(kind.name().parse::<FaultKind>().unwrap(), kind);
        assert_eq!(kind.name().parse::<Fault>().unwrap(), Fault::from(kind));
    }
    assert_eq!("slow 4".parse::<Fault>().unwrap(), Fault::slow(4.0));
    assert!("sideways".parse::<FaultKind>().unwrap_err().to_string().contains("rate-limited"));
}
