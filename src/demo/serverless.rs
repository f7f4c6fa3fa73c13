//! RunPod's serverless endpoints: health, the vLLM worker's OpenAI route, and queue jobs.
//!
//! A job is worked out when it is submitted; every later look only asks how much of it has happened by now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::tokens;
use super::dialect::{Refusal, Turn, json_response};
use super::fault::FaultKind;
use super::openai;
use super::upstream::{Upstream, Visit};
use super::workers::Workers;

/// Jobs whose results are kept.
const KEPT: usize = 512;

/// One simulated endpoint.
pub(super) struct Endpoint {
    pub(super) upstream: Arc<Upstream>,
    pub(super) workers: Workers,
    jobs: Mutex<BTreeMap<String, Job>>,
}

struct Job {
    turn: Turn,
    /// The prompt came in OpenAI's form, and so goes the answer.
    openai: bool,
    worker: String,
    submitted: Instant,
    begins: Instant,
    ends: Instant,
    /// Tokens per piece are produced evenly between the beginning and the end.
    drained: usize,
    cancelled: bool,
    fault: Option<FaultKind>,
}

impl Endpoint {
    pub(super) fn new(upstream: Arc<Upstream>, workers: Workers) -> Arc<Self> {
        Arc::new(Self { upstream, workers, jobs: Mutex::default() })
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn router(endpoint: &Arc<Endpoint>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/openai/v1/chat/completions", post(chat))
        .route("/openai/v1/models", get(models))
        .route("/run", post(run))
        .route("/runsync", post(runsync))
        .route("/status/{job}", get(status))
        .route("/stream/{job}", get(stream))
        .route("/cancel/{job}", post(cancel))
        .with_state(Arc::clone(endpoint))
}

/// The body of `/health`.
pub(super) fn health_body(endpoint: &Endpoint) -> Value {
    let world = &endpoint.upstream.world;
    let count = endpoint.workers.count(world);
    let now = Instant::now();
    let jobs = endpoint.jobs();
    let is = |test: fn(&Job, Instant) -> bool| jobs.values().filter(|job| test(job, now)).count();
    // Prompts over the OpenAI route are jobs as well.
    let direct = usize::try_from(endpoint.upstream.load()).unwrap_or(0);
    let running = is(|job, now| job.begins <= now && now < job.ends && !job.cancelled) + direct;
    json!({
        "jobs": {
            "completed": is(|job, now| job.ends <= now && !job.cancelled), "failed": 0,
            "inProgress": running,
            "inQueue": is(|job, now| now < job.begins && !job.cancelled), "retried": 0,
        },
        "workers": {
            "idle": count.idle, "ready": count.idle, "running": count.running, "initializing": count.initializing,
            "throttled": 0, "unhealthy": 0,
        },
    })
}

async fn health(State(endpoint): State<Arc<Endpoint>>) -> Response {
    json_response(200, &[], &health_body(&endpoint))
}

async fn models(State(endpoint): State<Arc<Endpoint>>) -> Response {
    // Not a free probe: this too is a job that wakes a worker.
    let upstream = &endpoint.upstream;
    let place = endpoint.workers.place(&upstream.world, &upstream.chance, Duration::from_millis(50));
    sleep(upstream.world.scaled(place.wait)).await;
    let data: Vec<Value> =
        upstream.cards.iter().map(|card| json!({ "id": card.id, "object": "model", "owned_by": "vllm" })).collect();
    json_response(200, &[], &json!({ "object": "list", "data": data }))
}

async fn chat(State(endpoint): State<Arc<Endpoint>>, Extension(visit): Extension<Visit>, body: String) -> Response {
    let upstream = &endpoint.upstream;
    let ask = serde_json::from_str::<Value>(&body)
        .map_err(|error| error.to_string())
        .and_then(|body| openai::read(&body))
        .map_err(|message| Refusal::BadRequest { message });
    match ask.and_then(|ask| upstream.prepare(&visit, ask, Duration::ZERO)) {
        Ok(mut play) => {
            let place = endpoint.workers.place(&upstream.world, &upstream.chance, play.length());
            play.cold += place.wait;
            play.perform().await
        }
        Err(refusal) => upstream.dialect.refuse(&refusal),
    }
}

/// Takes a job in; its id, or why it is not taken.
fn submit(endpoint: &Endpoint, visit: &Visit, body: &str, sync: bool) -> Result<String, Box<Response>> {
    let upstream = &endpoint.upstream;
    let refuse = |refusal: Refusal| Box::new(upstream.dialect.refuse(&refusal));
    let bad = |text: &str| Box::new(json_response(400, &[], &json!({ "error": format!("Bad Request: {text}") })));
    let body: Value = serde_json::from_str(body).map_err(|_| bad("invalid JSON"))?;
    let input = &body["input"];
    if input.is_null() {
        return Err(bad("input is required"));
    }
    let openai = input.get("openai_route").is_some();
    let mut ask = if openai { input["openai_input"].clone() } else { input.clone() };
    if let Some(prompt) = ask["prompt"].as_str() {
        ask["messages"] = json!([{ "role": "user", "content": prompt }]);
    }
    if let Some(limit) = ask.pointer("/sampling_params/max_tokens").cloned() {
        ask["max_tokens"] = limit;
    }
    // A queue worker serves one model; a job need not name it.
    if ask["model"].is_null() {
        ask["model"] = json!(upstream.cards.first().map(|card| card.id));
    }
    let ask = openai::read(&ask).map_err(|message| refuse(Refusal::BadRequest { message }))?;
    let play = upstream.prepare(visit, ask, Duration::ZERO).map_err(refuse)?;
    let length = play.length();
    let place = endpoint.workers.place(&upstream.world, &upstream.chance, length);
    let now = Instant::now();
    let begins = now + upstream.world.scaled(place.wait + play.cold);
    let id = format!("{}{}-u1", if sync { "sync-" } else { "" }, play.turn.id);
    let job = Job {
        openai,
        worker: place.worker,
        submitted: now,
        begins,
        ends: begins + upstream.world.scaled(length),
        drained: 0,
        cancelled: false,
        fault: visit.fault.map(|fault| fault.kind),
        turn: play.into_turn(),
    };
    let mut jobs = endpoint.jobs();
    if jobs.len() >= KEPT {
        let oldest = jobs.iter().min_by_key(|(_, job)| job.submitted).map(|(id, _)| id.clone());
        oldest.map(|id| jobs.remove(&id));
    }
    jobs.insert(id.clone(), job);
    Ok(id)
}

impl Job {
    /// Pieces that exist by now.
    fn produced(&self, now: Instant) -> usize {
        let pieces = &self.turn.script.pieces;
        if now >= self.ends {
            return if self.fault == Some(FaultKind::StallMidStream) { pieces.len() / 2 } else { pieces.len() };
        }
        let total = (self.ends - self.begins).as_secs_f64().max(f64::EPSILON);
        // The first part of the time goes into reading the prompt.
        let reading = self.turn.first_seconds / (self.turn.first_seconds + self.turn.answer_seconds).max(f64::EPSILON);
        let share = now.saturating_duration_since(self.begins).as_secs_f64() / total;
        let share = ((share - reading) / (1.0 - reading).max(f64::EPSILON)).clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a small count"
        )]
        let produced = (share * pieces.len() as f64) as usize;
        if self.fault == Some(FaultKind::StallMidStream) { produced.min(pieces.len() / 2) } else { produced }
    }

    fn failure(&self) -> Option<&'static str> {
        match self.fault {
            Some(FaultKind::CutMidStream | FaultKind::ErrorInsideStream) => {
                Some("{\"error_type\":\"RuntimeError\",\"error_message\":\"CUDA error: device-side assert triggered\"}")
            }
            _ => None,
        }
    }

    fn state(&self, now: Instant) -> &'static str {
        if self.cancelled {
            "CANCELLED"
        } else if now < self.begins {
            "IN_QUEUE"
        } else if now < self.ends || self.fault == Some(FaultKind::StallMidStream) {
            "IN_PROGRESS"
        } else if self.failure().is_some() {
            "FAILED"
        } else {
            "COMPLETED"
        }
    }

    /// An output in the vLLM worker's own form.
    fn output(&self, text: &str, produced: u32) -> Value {
        json!({
            "choices": [{ "tokens": [text] }],
            "usage": { "input": self.turn.usage.prompt(), "output": produced },
        })
    }

    fn describe(&self, id: &str, endpoint: &Endpoint) -> Value {
        let now = Instant::now();
        let speed = endpoint.upstream.world.speed;
        let millis = |time: Duration| time.mul_f32(speed).as_millis();
        let state = self.state(now);
        let mut body = json!({ "id": id, "status": state });
        if now >= self.begins && !self.cancelled {
            body["delayTime"] = json!(millis(self.begins - self.submitted));
            body["workerId"] = json!(self.worker);
        }
        if matches!(state, "COMPLETED" | "FAILED") {
            body["executionTime"] = json!(millis(self.ends - self.begins));
        }
        match (state, self.failure()) {
            ("FAILED", Some(error)) => body["error"] = json!(error),
            ("COMPLETED", _) => {
                let whole = self.output(&self.turn.script.text(), self.turn.script.output_tokens());
                let openai = || endpoint.upstream.dialect.whole(&self.turn);
                body["output"] = json!([if self.openai { openai() } else { whole }]);
            }
            _ => {}
        }
        body
    }
}

fn missing(kind: &str) -> Response {
    json_response(404, &[], &json!({ "error": format!("{kind} not found") }))
}

async fn run(State(endpoint): State<Arc<Endpoint>>, Extension(visit): Extension<Visit>, body: String) -> Response {
    match submit(&endpoint, &visit, &body, false) {
        Ok(id) => json_response(200, &[], &json!({ "id": id, "status": "IN_QUEUE" })),
        Err(refused) => *refused,
    }
}

async fn runsync(State(endpoint): State<Arc<Endpoint>>, Extension(visit): Extension<Visit>, body: String) -> Response {
    let id = match submit(&endpoint, &visit, &body, true) {
        Ok(id) => id,
        Err(refused) => return *refused,
    };
    let ends = endpoint.jobs().get(&id).map(|job| job.ends);
    let patience = Instant::now() + endpoint.upstream.world.scaled(Duration::from_secs(90));
    sleep_until(ends.map_or(patience, |ends| ends.min(patience))).await;
    let body = endpoint.jobs().get(&id).map(|job| job.describe(&id, &endpoint));
    body.map_or_else(|| missing("job"), |body| json_response(200, &[], &body))
}

async fn status(State(endpoint): State<Arc<Endpoint>>, Path(id): Path<String>) -> Response {
    let body = endpoint.jobs().get(&id).map(|job| job.describe(&id, &endpoint));
    body.map_or_else(|| missing("job"), |body| json_response(200, &[], &body))
}

async fn stream(State(endpoint): State<Arc<Endpoint>>, Path(id): Path<String>) -> Response {
    let now = Instant::now();
    let mut jobs = endpoint.jobs();
    let Some(job) = jobs.get_mut(&id) else { return missing("job") };
    let produced = if job.cancelled { job.drained } else { job.produced(now) };
    let mut sum: u32 = job.turn.script.pieces.iter().take(job.drained).map(|piece| tokens(piece)).sum();
    let mut parts = Vec::new();
    for piece in job.turn.script.pieces.iter().take(produced).skip(job.drained) {
        sum += tokens(piece);
        let output = if job.openai {
            json!({ "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }] })
        } else {
            job.output(piece, sum)
        };
        parts.push(json!({ "output": output }));
    }
    job.drained = produced.max(job.drained);
    let mut body = json!({ "status": job.state(now), "stream": parts });
    if let ("FAILED", Some(error)) = (job.state(now), job.failure()) {
        body["error"] = json!(error);
    }
    drop(jobs);
    json_response(200, &[], &body)
}

async fn cancel(State(endpoint): State<Arc<Endpoint>>, Path(id): Path<String>) -> Response {
    let mut jobs = endpoint.jobs();
    let Some(job) = jobs.get_mut(&id) else { return missing("job") };
    if Instant::now() < job.ends {
        job.cancelled = true;
    }
    let body = json!({ "id": id, "status": job.state(Instant::now()) });
    drop(jobs);
    json_response(200, &[], &body)
}
