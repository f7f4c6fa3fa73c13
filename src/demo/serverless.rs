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
use super::fault::{Fault, FaultKind, Nature};
use super::log::{Ended, Entry};
use super::upstream::{Upstream, Visit};
use super::workers::Workers;
use super::{openai, play};
use crate::domain::usage::Usage;

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
    fault: Option<Fault>,
    /// Its line in the log, until it is over or cancelled.
    entry: Option<Entry>,
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
        Err(refusal) => {
            visit.entry.end(Ended::Refused);
            upstream.refuse(&refusal)
        }
    }
}

/// Takes a job in; its id, or why it is not taken.
fn submit(endpoint: &Arc<Endpoint>, visit: &Visit, body: &str, sync: bool) -> Result<String, Box<Response>> {
    let upstream = &endpoint.upstream;
    let refuse = |refusal: Refusal| {
        visit.entry.end(Ended::Refused);
        Box::new(upstream.refuse(&refusal))
    };
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
    let (turn, entry) = play.into_job();
    let job = Job {
        openai,
        worker: place.worker,
        submitted: now,
        begins,
        ends: begins + upstream.world.scaled(length),
        drained: 0,
        cancelled: false,
        fault: visit.fault,
        entry: Some(entry),
        turn,
    };
    let mut jobs = endpoint.jobs();
    if jobs.len() >= KEPT {
        let oldest = jobs.iter().min_by_key(|(_, job)| job.submitted).map(|(id, _)| id.clone());
        oldest.map(|id| jobs.remove(&id));
    }
    let ends = job.ends;
    jobs.insert(id.clone(), job);
    drop(jobs);
    upstream.world.tasks.spawn(see_off(Arc::clone(endpoint), id.clone(), ends));
    Ok(id)
}

/// Closes a job's line when the work is done, whether or not anybody ever asks for it: who lost its id cannot.
async fn see_off(endpoint: Arc<Endpoint>, id: String, ends: Instant) {
    tokio::select! {
        () = sleep_until(ends) => {}
        () = endpoint.upstream.world.stop.cancelled() => return,
    }
    if let Some(job) = endpoint.jobs().get_mut(&id)
        && !job.never_ends()
    {
        job.close(Instant::now());
    }
}

impl Job {
    fn kind(&self) -> Option<FaultKind> {
        self.fault.map(|fault| fault.kind)
    }

    fn never_ends(&self) -> bool {
        matches!(self.kind(), Some(FaultKind::StallMidStream | FaultKind::PingsOnly))
    }

    /// Pieces that there will ever be to fetch.
    fn pieces(&self) -> usize {
        let all = self.turn.script.pieces.len();
        match self.fault {
            Some(Fault { kind: FaultKind::PingsOnly, .. }) => 0,
            Some(fault) => fault.pieces().unwrap_or(all).min(all),
            None => all,
        }
    }

    /// Pieces that exist by now.
    fn produced(&self, now: Instant) -> usize {
        let pieces = &self.turn.script.pieces;
        if now >= self.ends {
            return self.pieces();
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
        produced.min(self.pieces())
    }

    fn state(&self, now: Instant) -> &'static str {
        if self.cancelled {
            "CANCELLED"
        } else if now < self.begins {
            "IN_QUEUE"
        } else if now < self.ends || self.never_ends() {
            "IN_PROGRESS"
        } else if self.kind() == Some(FaultKind::ErrorInsideStream) {
            "FAILED"
        } else {
            "COMPLETED"
        }
    }

    /// Closes its line in the log: the worker is paid for the time that it was at it.
    fn close(&mut self, now: Instant) {
        let Some(entry) = self.entry.take() else { return };
        let breaks = self.fault.is_some_and(|fault| fault.kind.nature() == Nature::Breaks);
        let how = match (breaks, self.cancelled) {
            (true, _) => Ended::Broken,
            (false, true) => Ended::Gone,
            (false, false) => Ended::Whole,
        };
        if now < self.begins {
            entry.end(how);
            return;
        }
        let pieces = self.turn.script.pieces.iter().take(self.produced(now));
        let so_far = Usage { output: pieces.map(|piece| u64::from(tokens(piece))).sum(), ..self.turn.usage };
        let usage = if now >= self.ends { self.turn.usage } else { so_far };
        play::bill(&entry, &self.turn.card, usage, self.ends.min(now) - self.begins, how);
    }

    /// What comes back to whoever looks: `body`, or what a fault makes of it. `bare` says that it brings nothing new of
    /// the answer.
    fn told(&self, body: &Value, bare: bool, over: bool, endpoint: &Endpoint, visit: &Visit) -> Response {
        let plain = || json_response(200, &[], body);
        let Some(fault) = self.fault else { return plain() };
        match fault.kind {
            FaultKind::StallMidStream | FaultKind::ErrorInsideStream | FaultKind::PingsOnly => plain(),
            FaultKind::Truncated | FaultKind::NoEndMark if over => missing("job"),
            FaultKind::Truncated | FaultKind::NoEndMark => plain(),
            FaultKind::CutMidStream | FaultKind::ResetMidStream if !over => plain(),
            _ if bare && !over => plain(),
            _ => endpoint.upstream.document(visit, fault, body),
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
        let state = self.state(now);
        let mut body = json!({ "id": id, "status": state });
        // Times as a clock on the wall has them: they are billed, and whoever waited measured the same.
        if now >= self.begins && !self.cancelled {
            body["delayTime"] = millis(self.begins - self.submitted);
            body["workerId"] = json!(self.worker);
        }
        if matches!(state, "COMPLETED" | "FAILED") {
            body["executionTime"] = millis(self.ends - self.begins);
        }
        match state {
            "FAILED" => body["error"] = json!(FAILURE),
            "COMPLETED" => {
                let whole = self.output(&self.turn.script.text(), self.turn.script.output_tokens());
                let openai = || endpoint.upstream.dialect.whole(&self.turn);
                body["output"] = json!([if self.openai { openai() } else { whole }]);
            }
            _ => {}
        }
        body
    }

    /// Looks at the job as a whole.
    fn look(&mut self, id: &str, endpoint: &Endpoint, visit: &Visit) -> Response {
        let body = self.describe(id, endpoint);
        let over = matches!(body["status"].as_str(), Some("COMPLETED" | "FAILED"));
        self.told(&body, !over, over, endpoint, visit)
    }

    /// Fetches the pieces that nobody has fetched yet.
    fn fetch(&mut self, endpoint: &Endpoint, visit: &Visit) -> Response {
        let now = Instant::now();
        let produced = if self.cancelled { self.drained } else { self.produced(now) };
        let mut sum: u32 = self.turn.script.pieces.iter().take(self.drained).map(|piece| tokens(piece)).sum();
        let mut parts = Vec::new();
        for piece in self.turn.script.pieces.iter().take(produced).skip(self.drained) {
            sum += tokens(piece);
            let output = if self.openai {
                json!({ "choices": [{ "index": 0, "delta": { "content": piece }, "finish_reason": null }] })
            } else {
                self.output(piece, sum)
            };
            parts.push(json!({ "output": output }));
        }
        self.drained = produced.max(self.drained);
        let bare = parts.is_empty();
        // A job that fails after some pieces tells of it when they are fetched.
        let state = match self.state(now) {
            "FAILED" if !bare => "IN_PROGRESS",
            state => state,
        };
        let mut body = json!({ "status": state, "stream": parts });
        if state == "FAILED" {
            body["error"] = json!(FAILURE);
        }
        // A fault in the middle shows once the pieces before it have been fetched, and there were some or none to fetch.
        let begun = now >= self.begins;
        self.told(&body, bare, begun && bare && self.drained >= self.pieces(), endpoint, visit)
    }
}

/// A job's error, as a worker words it: JSON in a string.
const FAILURE: &str =
    "{\"error_type\":\"RuntimeError\",\"error_message\":\"CUDA error: device-side assert triggered\"}";

fn millis(time: Duration) -> Value {
    json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
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
    let mut jobs = endpoint.jobs();
    jobs.get_mut(&id).map_or_else(|| missing("job"), |job| job.look(&id, &endpoint, &visit))
}

async fn status(
    State(endpoint): State<Arc<Endpoint>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response {
    let mut jobs = endpoint.jobs();
    jobs.get_mut(&id).map_or_else(|| missing("job"), |job| job.look(&id, &endpoint, &visit))
}

async fn stream(
    State(endpoint): State<Arc<Endpoint>>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Response {
    let mut jobs = endpoint.jobs();
    jobs.get_mut(&id).map_or_else(|| missing("job"), |job| job.fetch(&endpoint, &visit))
}

async fn cancel(State(endpoint): State<Arc<Endpoint>>, Path(id): Path<String>) -> Response {
    let now = Instant::now();
    let mut jobs = endpoint.jobs();
    let Some(job) = jobs.get_mut(&id) else { return missing("job") };
    // What stalls is under way for as long as nobody cancels it.
    job.cancelled |= now < job.ends || job.state(now) == "IN_PROGRESS";
    job.close(now);
    let body = json!({ "id": id, "status": job.state(now) });
    drop(jobs);
    json_response(200, &[], &body)
}
