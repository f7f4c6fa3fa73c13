//! RunPod's management: REST v2 for pods, endpoints and the catalogue, GraphQL for the balance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::catalog::{LLAMA_ENDPOINT, POD, TUNE_ENDPOINT};
use super::dialect::{Dialect, Frame, Refusal, Turn, json_response, respond};
use super::gpu::drift;
use super::serverless::{self, Endpoint};
use super::upstream::Upstream;

/// How the account answers when it refuses: problem documents.
pub(super) struct Problems;

#[derive(Clone, Debug)]
struct Pod {
    id: String,
    name: String,
    gpu: String,
    status: &'static str,
    /// Dollars per hour while it runs.
    hourly: f64,
    /// When a starting pod is there.
    ready_at: Instant,
    started: Instant,
}

/// The simulated account.
pub(super) struct Account {
    pub(super) upstream: Arc<Upstream>,
    /// The server in the pod: switched off and on with it.
    pub(super) tenant: Arc<Upstream>,
    pub(super) endpoints: [(&'static str, Arc<Endpoint>); 2],
    pods: Mutex<Vec<Pod>>,
    /// Dollars at the start.
    balance: f64,
}

impl Account {
    pub(super) fn new(
        upstream: Arc<Upstream>,
        tenant: Arc<Upstream>,
        llama: Arc<Endpoint>,
        tune: Arc<Endpoint>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let pod = |id: &str, name: &str, gpu: &str, hourly| Pod {
            id: id.to_owned(),
            name: name.to_owned(),
            gpu: gpu.to_owned(),
            status: "RUNNING",
            hourly,
            ready_at: now,
            started: now,
        };
        let pods = vec![
            pod(POD, "pod-vllm", "NVIDIA L40S", 0.86),
            pod("demotrainqlora", "unsloth-qlora", "NVIDIA A100 80GB PCIe", 1.39),
        ];
        let endpoints = [(LLAMA_ENDPOINT, llama), (TUNE_ENDPOINT, tune)];
        Arc::new(Self { upstream, tenant, endpoints, pods: Mutex::new(pods), balance: 87.40 })
    }

    fn pods(&self) -> MutexGuard<'_, Vec<Pod>> {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        for pod in pods.iter_mut().filter(|pod| matches!(pod.status, "PROVISIONING" | "STARTING")) {
            if now >= pod.ready_at {
                pod.status = "RUNNING";
                pod.started = pod.ready_at;
            }
        }
        // The server of the pod answers exactly while the pod runs.
        self.tenant.switch(pods.iter().any(|pod| pod.id == POD && pod.status == "RUNNING"));
        pods
    }

    fn hourly(&self) -> f64 {
        let pods: f64 = self.pods().iter().filter(|pod| pod.status == "RUNNING").map(|pod| pod.hourly).sum();
        let workers: f64 = self
            .endpoints
            .iter()
            .map(|(_, endpoint)| {
                let busy = endpoint.workers.count(&self.upstream.world).running;
                let hourly = GPUS.iter().find(|gpu| gpu.0 == endpoint.workers.scaling.gpu).map_or(0.0, |gpu| gpu.4);
                f64::from(u32::try_from(busy).unwrap_or(0)) * hourly
            })
            .sum();
        pods + workers
    }

    fn describe(&self, pod: &Pod) -> Value {
        let running = pod.status == "RUNNING";
        let actions: &[&str] = match pod.status {
            "RUNNING" => &["stop", "restart", "terminate"],
            "PROVISIONING" | "STARTING" => &["stop", "terminate"],
            _ => &["start", "terminate"],
        };
        let world = &self.upstream.world;
        let seconds = world.seconds();
        let load = if pod.id == POD { self.tenant.load() } else { 0 };
        // The one serves what it is sent, the other trains all day.
        let (base, memory) = if pod.id == POD { (3.0, 88.0) } else { (96.0, 71.0) };
        let busy = f64::from(load.min(6)) * 16.0;
        let wave = drift(seconds, pod.name.len() as u64);
        let percent = |value: f64| value.clamp(0.0, 100.0).round();
        let up = Instant::now().saturating_duration_since(pod.started).mul_f32(world.speed).as_secs();
        let runtime = running.then(|| {
            json!({
                "uptime": up + 3_600,
                "gpus": [{ "util": percent(base + busy + wave * 3.0), "memoryUtil": percent(memory + wave * 2.0) }],
                "cpu": { "util": percent(12.0 + busy / 4.0 + wave * 4.0) }, "memory": { "util": 31 },
                "ports": [{ "private": 8000, "public": 34446, "type": "tcp", "ip": "203.0.113.3" }],
            })
        });
        json!({
            "id": pod.id, "name": pod.name, "image": "vllm/vllm-openai:demo", "args": "", "disk": 40,
            "ports": ["8000/http"], "env": {}, "registry": null, "status": pod.status, "actions": actions,
            "mounts": {}, "gpu": { "id": pod.gpu, "count": 1 }, "cloud": "SECURE", "dataCenterId": "EU-SE-1",
            "cudaVersion": "12.8", "template": null, "cost": if running { pod.hourly } else { 0.0 }, "locked": false,
            "runtime": runtime, "createdAt": "2026-11-22T09:00:00Z", "startedAt": "2026-11-22T09:01:10Z",
        })
    }
}

/// Id, pool, gigabytes, dollars per hour in a pod and of serverless use.
const GPUS: [(&str, &str, u32, f64, f64); 4] = [
    ("NVIDIA GeForce RTX 4090", "ADA_24", 24, 0.44, 1.11),
    ("NVIDIA L40S", "ADA_48_PRO", 48, 0.86, 1.90),
    ("NVIDIA A100 80GB PCIe", "AMPERE_80", 80, 1.39, 2.72),
    ("NVIDIA H100 80GB HBM3", "HOPPER_80", 80, 2.69, 4.18),
];

type Site = State<Arc<Account>>;

pub(super) fn router(account: &Arc<Account>) -> Router {
    Router::new()
        .route("/v2/pods", get(pods).post(create))
        .route("/v2/pods/{id}", get(pod).delete(terminate))
        .route("/v2/pods/{id}/action", post(action))
        .route("/v2/serverless", get(endpoints))
        .route("/v2/serverless/{id}", get(endpoint))
        .route("/v2/serverless/{id}/workers", get(workers))
        .route("/v2/catalog/gpus", get(gpus))
        .route("/graphql", post(graphql))
        .route("/serverless/v2/{id}/health", get(health))
        .with_state(Arc::clone(account))
}

fn quota() -> [(&'static str, String); 2] {
    [
        ("ratelimit-policy", "\"minute\";q=60;w=60, \"hour\";q=3000;w=3600, \"day\";q=50000;w=86400".to_owned()),
        ("ratelimit", "\"minute\";r=57;t=12, \"hour\";r=2800;t=1812, \"day\";r=49500;t=45012".to_owned()),
    ]
}

fn ok(status: u16, body: &Value) -> Response {
    json_response(status, &quota(), body)
}

fn problem(status: u16, title: &str, detail: &str) -> Response {
    let body = json!({ "title": title, "status": status, "detail": detail });
    respond(status, "application/problem+json", &quota(), Body::from(body.to_string()))
}

async fn pods(State(account): Site) -> Response {
    let pods = account.pods().clone();
    let pods: Vec<Value> = pods.iter().map(|pod| account.describe(pod)).collect();
    ok(200, &json!({ "pods": pods }))
}

async fn pod(State(account): Site, Path(id): Path<String>) -> Response {
    let found = account.pods().iter().find(|pod| pod.id == id).cloned();
    found.map_or_else(|| problem(404, "Not Found", "pod not found"), |pod| ok(200, &account.describe(&pod)))
}

async fn create(State(account): Site, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let (Some(name), Some(gpu)) = (body["name"].as_str(), body.pointer("/gpu/id").and_then(Value::as_str)) else {
        return problem(422, "Unprocessable Entity", "name and gpu.id are required");
    };
    let Some(kind) = GPUS.iter().find(|known| known.0 == gpu) else {
        return problem(400, "Bad Request", "unknown gpu id");
    };
    let now = Instant::now();
    let pod = Pod {
        id: account.upstream.chance.id("p"),
        name: name.to_owned(),
        gpu: gpu.to_owned(),
        status: "PROVISIONING",
        hourly: kind.3,
        ready_at: now + account.upstream.world.scaled(Duration::from_secs(25)),
        started: now,
    };
    account.pods().push(pod.clone());
    ok(201, &account.describe(&pod))
}

async fn terminate(State(account): Site, Path(id): Path<String>) -> Response {
    let before = account.pods().len();
    account.pods().retain(|pod| pod.id != id);
    // Reading once more switches the server with its pod.
    if account.pods().len() == before {
        return problem(404, "Not Found", "pod not found");
    }
    respond(204, "application/json", &quota(), Body::empty())
}

async fn action(state: Site, Path(id): Path<String>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let action = body["action"].as_str().unwrap_or_default();
    if action == "terminate" {
        return terminate(state, Path(id)).await;
    }
    let State(account) = &state;
    let allowed = account.pods().iter_mut().find(|pod| pod.id == id).is_none_or(|pod| match (action, pod.status) {
        ("start", "EXITED" | "ERROR") | ("restart", "RUNNING") => {
            pod.status = "STARTING";
            pod.ready_at = Instant::now() + account.upstream.world.scaled(Duration::from_secs(20));
            true
        }
        ("stop", "RUNNING" | "STARTING" | "PROVISIONING") => {
            pod.status = "EXITED";
            true
        }
        _ => false,
    });
    if !allowed {
        return problem(409, "Conflict", "action is not allowed in the pod's current state");
    }
    pod(state, Path(id)).await
}

fn describe_endpoint(id: &str, endpoint: &Endpoint) -> Value {
    let scaling = endpoint.workers.scaling;
    let pool = GPUS.iter().find(|gpu| gpu.0 == scaling.gpu).map_or("", |gpu| gpu.1);
    json!({
        "id": id, "name": endpoint.upstream.id.as_str(), "type": "QUEUE", "image": "runpod/worker-v1-vllm:demo", "env": {},
        "gpu": { "pools": [pool], "count": 1 },
        "workers": { "min": 0, "max": scaling.max, "idleTimeout": scaling.idle.as_secs() },
        "scaling": { "type": "QUEUE_DELAY", "queueDelay": 4 }, "timeout": 600_000, "flashboot": "FLASHBOOT",
        "createdAt": "2026-11-01T09:00:00Z",
    })
}

async fn endpoints(State(account): Site) -> Response {
    let endpoints: Vec<Value> =
        account.endpoints.iter().map(|(id, endpoint)| describe_endpoint(id, endpoint)).collect();
    ok(200, &json!({ "endpoints": endpoints }))
}

fn find<'a>(account: &'a Account, id: &str) -> Option<&'a Arc<Endpoint>> {
    account.endpoints.iter().find(|(known, _)| *known == id).map(|(_, endpoint)| endpoint)
}

async fn endpoint(State(account): Site, Path(id): Path<String>) -> Response {
    let found = find(&account, &id);
    found.map_or_else(|| problem(404, "Not Found", "endpoint not found"), |e| ok(200, &describe_endpoint(&id, e)))
}

async fn workers(State(account): Site, Path(id): Path<String>) -> Response {
    let found = find(&account, &id);
    let body = found.map(|endpoint| endpoint.workers.describe(&account.upstream.world));
    body.map_or_else(|| problem(404, "Not Found", "endpoint not found"), |body| ok(200, &body))
}

/// The endpoint's own health, under the account's serverless base as well as under the backend's URL.
async fn health(State(account): Site, Path(id): Path<String>) -> Response {
    let found = find(&account, &id).map(|endpoint| serverless::health_body(endpoint));
    found.map_or_else(|| problem(404, "Not Found", "endpoint not found"), |body| json_response(200, &[], &body))
}

async fn gpus() -> Response {
    let gpus: Vec<Value> = GPUS
        .iter()
        .map(|(id, pool, memory, pod, serverless)| {
            json!({
                "id": id, "name": id, "pool": pool, "manufacturer": "NVIDIA", "memory": memory, "secure": true,
                "community": true, "price": { "secure": pod, "community": pod * 0.75, "serverless": serverless },
                "maxCount": { "secure": 8, "community": 8 }, "availability": "MEDIUM", "dataCenters": ["EU-SE-1"],
            })
        })
        .collect();
    ok(200, &json!({ "gpus": gpus }))
}

async fn graphql(State(account): Site, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    if !body["query"].as_str().is_some_and(|query| query.contains("myself")) {
        let errors = json!([{ "message": "Cannot query field on type \"Query\".", "extensions": {} }]);
        return json_response(200, &[], &json!({ "errors": errors, "data": null }));
    }
    let hourly = account.hourly();
    let spent = hourly * account.upstream.world.seconds() / 3_600.0;
    let myself = json!({
        "id": "user_demo", "email": "demo@example.org", "clientBalance": (account.balance - spent).max(0.0),
        "currentSpendPerHr": hourly, "spendLimit": 80,
    });
    json_response(200, &[], &json!({ "data": { "myself": myself } }))
}

impl Dialect for Problems {
    fn whole(&self, _: &Turn) -> Value {
        Value::Null
    }

    fn frames(&self, _: &Turn) -> Vec<Frame> {
        Vec::new()
    }

    fn headers(&self, _: &Turn) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn knows(&self, headers: &HeaderMap, key: &str) -> bool {
        super::dialect::bearer(headers) == Some(key)
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        match refusal {
            Refusal::BadKey => problem(401, "Unauthorized", "missing bearer token"),
            Refusal::RateLimited { retry_after, .. } => {
                let mut response = problem(429, "Too Many Requests", "rate limit exceeded");
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert("retry-after", HeaderValue::from(*seconds));
                }
                response
            }
            Refusal::Overloaded => problem(503, "Service Unavailable", "try again later"),
            _ => problem(500, "Internal Server Error", "something went wrong"),
        }
    }

    fn error_frame(&self) -> String {
        String::new()
    }
}
