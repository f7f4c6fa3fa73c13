use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::poll::Poller;
use super::*;
use crate::config::RunpodConfig;
use crate::domain::machine::{GpuReadings, GpuSample};
use crate::domain::time::Timestamp;
use crate::telemetry::{Sources, spawn};

const KEY: &str = "rpa_test-key-0123456789";

const PODS: &str = r#"{"pods":[
 {"id":"7h9k2m4n6p","name":"router\u001b[2J-ollama","image":"ollama/ollama","env":{"SECRET":"do-not-keep"},
  "status":"RUNNING","gpu":{"id":"NVIDIA GeForce RTX 4090","count":2},"cost":0.88,"someday":{"new":1},
  "runtime":{"uptime":3600,"gpus":[{"util":94,"memoryUtil":78},{"util":47,"memoryUtil":null}],"cpu":{"util":45}}},
 {"id":"stopped1","name":"","status":"EXITED","gpu":{"id":"NVIDIA A40","count":1},"cost":0,"runtime":null},
 {"id":"cpu1","name":"tools","status":"STARTING","cpu":{"id":"cpu5c","vcpuCount":4},"cost":"0.12"},
 "not a pod"]}"#;
const ENDPOINTS: &str =
    r#"{"endpoints":[{"id":"ep1","name":"qwen-vllm","type":"QUEUE","gpu":{"pools":["ADA_24"],"count":1}}]}"#;
const WORKERS: &str = r#"{"endpointVersion":4,
 "summary":{"running":1,"idle":1,"initializing":0,"throttled":0,"unhealthy":0,"total":2},
 "workers":[{"id":"a","status":"RUNNING","gpuCount":2,"gpuTypeId":"NVIDIA GeForce RTX 4090"},
            {"id":"b","status":"IDLE","gpuCount":2,"gpuTypeId":"NVIDIA GeForce RTX 4090"}]}"#;
const CATALOG: &str = r#"{"gpus":[{"id":"NVIDIA GeForce RTX 4090","price":{"secure":0.44,"serverless":1.1}},
 {"id":"NVIDIA A40","price":{"serverless":0.0}}]}"#;
const BALANCE: &str = r#"{"data":{"myself":{"clientBalance":-435.85}}}"#;

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    hang: bool,
}

fn ok(body: &str) -> Answer {
    Answer { status: 200, headers: Vec::new(), body: body.to_owned(), hang: false }
}

fn status(status: u16, body: &str) -> Answer {
    Answer { status, ..ok(body) }
}

type Routes = BTreeMap<&'static str, Answer>;

fn good() -> Routes {
    BTreeMap::from([
        ("/v2/pods", ok(PODS)),
        ("/v2/serverless", ok(ENDPOINTS)),
        ("/v2/serverless/ep1/workers", ok(WORKERS)),
        ("/v2/catalog/gpus", ok(CATALOG)),
        ("/graphql", ok(BALANCE)),
    ])
}

#[derive(Clone)]
struct Fake {
    routes: Arc<Mutex<Routes>>,
    calls: Arc<Mutex<Vec<String>>>,
    base: String,
    _server: Arc<JoinSet<()>>,
}

type Shared = (Arc<Mutex<Routes>>, Arc<Mutex<Vec<String>>>);

async fn answer(State((routes, calls)): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    calls.lock().unwrap().push(uri.path().to_owned());
    if headers.get("authorization").is_none_or(|value| value != format!("Bearer {KEY}").as_str()) {
        return (StatusCode::UNAUTHORIZED, "missing bearer token").into_response();
    }
    let Some(answer) = routes.lock().unwrap().get(uri.path()).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if answer.hang {
        std::future::pending::<()>().await;
    }
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

impl Fake {
    async fn start(routes: Routes) -> Self {
        let routes = Arc::new(Mutex::new(routes));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback(answer).with_state((Arc::clone(&routes), Arc::clone(&calls)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { routes, calls, base, _server: Arc::new(server) }
    }

    fn poller(&self) -> Poller {
        Poller::new(config(&self.base, Some(KEY))).unwrap()
    }

    fn set(&self, path: &'static str, answer: Answer) {
        self.routes.lock().unwrap().insert(path, answer);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn config(base: &str, key: Option<&str>) -> RunpodConfig {
    RunpodConfig {
        api_url: base.to_owned(),
        serverless_url: String::new(),
        key: key.map(SecretString::from),
        poll_every: Duration::from_secs(15),
    }
}

#[tokio::test]
async fn pods_and_endpoints_become_samples() {
    let fake = Fake::start(good()).await;
    let mut poller = fake.poller();
    let samples = poller.poll(false).await.unwrap();
    let expected = [
        GpuSample {
            name: "router[2J-ollama".into(),
            model: Some("2×RTX 4090".into()),
            utilisation: Some(71),
            memory_percent: Some(78),
            hourly: Some(Money(880_000_000)),
            state: Some("RUNNING".into()),
            billed: true,
            uptime_seconds: Some(3600),
            ..GpuSample::default()
        },
        GpuSample {
            name: "stopped1".into(),
            model: Some("A40".into()),
            state: Some("EXITED".into()),
            ..GpuSample::default()
        },
        GpuSample {
            name: "tools".into(),
            model: Some("CPU cpu5c".into()),
            state: Some("STARTING".into()),
            hourly: Some(Money(120_000_000)),
            billed: true,
            ..GpuSample::default()
        },
        GpuSample {
            name: "qwen-vllm".into(),
            model: Some("RTX 4090".into()),
            state: Some("1 running, 1 idle".into()),
            hourly: Some(Money(2_200_000_000)),
            billed: true,
            charged_per_request: true,
            ..GpuSample::default()
        },
    ];
    assert_eq!(samples, expected);
    assert_eq!(poller.balance(), Some(Money(-435_850_000_000)));
    assert!(!format!("{samples:?} {poller:?}").contains("do-not-keep"));
    assert!(!format!("{poller:?}").contains(KEY));

    // A second look costs two calls: the workers, the prices and the balance are fresh enough.
    fake.calls();
    assert_eq!(poller.poll(false).await.unwrap(), expected);
    assert_eq!(fake.calls(), ["/v2/pods", "/v2/serverless"]);
    poller.poll(true).await.unwrap();
    assert_eq!(fake.calls(), ["/v2/pods", "/v2/serverless", "/v2/catalog/gpus", "/graphql"]);
}

#[tokio::test]
async fn troubles_are_named_in_a_few_words_and_never_with_the_key() {
    let problem = format!(r#"{{"title":"Bad","status":500,"detail":"token {KEY} is \u0007odd"}}"#);
    for (answer, expected) in [
        (status(401, "missing bearer token"), "key refused"),
        (status(403, "{}"), "key refused"),
        (status(500, &problem), "500: token … is odd"),
        (status(502, "<html>"), "502"),
        (status(301, ""), "301"),
        (ok(" <!doctype html><title>RunPod</title>"), "a web page instead of the API"),
        (ok(r#"{"pods":[{"id":"7h9"#), "answer not understood"),
        (ok(r#"{"other":1}"#), "answer not understood"),
        (ok(""), "empty answer"),
        (ok("soon"), "not JSON"),
        (ok(&"x".repeat(LONGEST_ANSWER + 1)), "answer too long"),
    ] {
        let fake = Fake::start(good()).await;
        fake.set("/v2/pods", answer);
        let error = fake.poller().poll(false).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains(KEY));
        assert_eq!(fake.calls(), ["/v2/pods"], "nothing more is asked");
    }
    let error = Poller::new(config("http://127.0.0.1:9", Some(KEY))).unwrap().poll(false).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect");
    assert!(Poller::new(config("http://x", None)).unwrap_err().contains("RUNPOD_API_KEY"));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let fake = Fake::start(good()).await;
    fake.set("/v2/pods", Answer { hang: true, ..ok("") });
    let mut client = Client::new(&fake.base, SecretString::from(KEY)).unwrap();
    client.http = reqwest::Client::builder().timeout(Duration::from_millis(100)).build().unwrap();
    assert_eq!(client.pods().await.unwrap_err().to_string(), "no answer in time");
}

#[tokio::test]
async fn the_quota_is_kept() {
    let fake = Fake::start(good()).await;
    fake.set("/v2/pods", Answer { headers: vec![("retry-after", "17")], ..status(429, "slow down") });
    let error = fake.poller().poll(false).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.leave_alone()), ("rate limited", Some(Duration::from_secs(17))));

    // Few calls left: the lists only.
    fake.calls();
    let few = |left| Answer { headers: vec![("ratelimit", left)], ..ok(PODS) };
    fake.set("/v2/pods", few("\"minute\";r=5;t=40"));
    let mut poller = fake.poller();
    let samples = poller.poll(false).await.unwrap();
    assert_eq!(samples[3].state.as_deref(), Some("workers not known"));
    assert_eq!((samples[3].hourly, samples[3].billed), (None, false));
    assert_eq!(fake.calls(), ["/v2/pods", "/v2/serverless"]);

    // None left: not even those, until the window ends.
    fake.set("/v2/pods", few("\"minute\";r=0;t=40"));
    let error = poller.poll(false).await.unwrap_err();
    assert!(error.leave_alone().is_some_and(|pause| pause > Duration::from_secs(30)));
    fake.calls();
    poller.poll(true).await.unwrap_err();
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_lies_beside_the_matter_may_be_missing() {
    let fake = Fake::start(good()).await;
    fake.set("/graphql", ok(r#"{"errors":[{"message":"gone"}],"data":null}"#));
    fake.set("/v2/catalog/gpus", status(500, ""));
    fake.set("/v2/serverless/ep1/workers", status(500, ""));
    let mut poller = fake.poller();
    let samples = poller.poll(false).await.unwrap();
    assert_eq!((samples.len(), poller.balance()), (4, None));
    assert_eq!(samples[3].model.as_deref(), Some("ADA_24"));

    // A key for pods only is a good key.
    fake.set("/v2/serverless", status(403, ""));
    assert_eq!(poller.poll(false).await.unwrap().len(), 3);
    fake.calls();
    assert_eq!(poller.poll(false).await.unwrap().len(), 3);
    assert_eq!(fake.calls(), ["/v2/pods"]);
}

#[tokio::test]
async fn a_refusal_half_way_keeps_what_was_read_and_is_heeded() {
    let fake = Fake::start(good()).await;
    fake.set("/v2/serverless/ep1/workers", Answer { headers: vec![("retry-after", "17")], ..status(429, "") });
    let mut poller = fake.poller();
    let samples = poller.poll(false).await.unwrap();
    assert_eq!(samples[3].state.as_deref(), Some("workers not known"));
    assert!(poller.leave_alone().is_some_and(|pause| pause > Duration::from_secs(15)));
    assert_eq!(fake.calls(), ["/v2/pods", "/v2/serverless", "/v2/serverless/ep1/workers"]);
}

#[tokio::test]
async fn the_samplers_show_an_account_its_balance_and_its_troubles() {
    let fake = Fake::start(good()).await;
    let refused = Fake::start(Routes::from([("/v2/pods", status(401, ""))])).await;
    for (config, expected) in [
        (Some(config(&fake.base, Some(KEY))), "4 samples, balance -$435.85"),
        (Some(config(&refused.base, Some(KEY))), "key refused after 300 s"),
        (Some(config(&fake.base, None)), "no RunPod key (RUNPOD_API_KEY)"),
        (None, "RunPod is not configured"),
    ] {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let sources = Sources { runpod: config, ..Sources::default() };
        let mut readings = spawn(sources, || Timestamp(0), &tasks, stop.clone());
        let read = readings.wait_for(|now| now.runpod != GpuReadings::Loading);
        let now = Arc::clone(&*tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap());
        let shown = match &now.runpod {
            GpuReadings::Ok { gpus, .. } => format!("{} samples, balance {}", gpus.len(), now.runpod_balance.unwrap()),
            GpuReadings::Absent { why } => why.to_string(),
            GpuReadings::Failed { why, retry_at, .. } => format!("{why} after {} s", (retry_at.0 + 500) / 1000),
            GpuReadings::Loading => unreachable!(),
        };
        assert_eq!(shown, expected);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

#[tokio::test]
async fn odd_ids_do_not_become_paths() {
    let fake = Fake::start(good()).await;
    let mut client = Client::new(&fake.base, SecretString::from(KEY)).unwrap();
    assert!(client.workers("../pods").await.is_err());
    assert_eq!(fake.calls(), Vec::<String>::new());
}
