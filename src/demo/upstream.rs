//! What all simulated upstreams share: the door with its key and faults, and the time that an answer takes. Protocols
//! only add what they say.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Ask, End, Script};
use super::catalog::{Card, Site};
use super::dialect::{Dialect, Refusal, Turn, respond};
use super::fault::{Fault, FaultKind};
use super::faults::Faults;
use super::log::{Ended, Entry, Log};
use super::play::{Flight, Play};
use super::rng::Chance;
use super::socket::Line;
use crate::domain::id::BackendId;
use crate::domain::tier::Tier;
use crate::domain::usage::Usage;

/// The largest request body that is read.
const BODY_LIMIT: usize = 32 << 20;

/// What all upstreams of one simulation share.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) faults: Faults,
    pub(super) log: Log,
    /// How much faster than believable.
    pub(super) speed: f32,
    pub(super) started: Instant,
    pub(super) stop: CancellationToken,
    /// Every task of the simulation: its shutdown waits for them.
    pub(super) tasks: TaskTracker,
}

impl World {
    /// A simulated time as it passes here.
    pub(super) fn scaled(&self, time: Duration) -> Duration {
        time.div_f32(self.speed)
    }

    /// Simulated seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * f64::from(self.speed)
    }
}

/// One simulated upstream.
pub(super) struct Upstream {
    pub(super) id: BackendId,
    pub(super) cards: &'static [Card],
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) chance: Chance,
    pub(super) world: World,
    tier: Tier,
    key: Option<&'static str>,
    pub(super) in_flight: AtomicU32,
    /// The machine is switched off: like a standing `Down`, but a part of the simulation.
    off: AtomicBool,
    /// Beginnings of prompts that the service has in its cache.
    cached: Mutex<HashSet<String>>,
}

/// What the door found out about a request, for the handler behind it.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) fault: Option<Fault>,
    pub(super) entry: Entry,
    pub(super) line: Line,
}

impl Upstream {
    pub(super) fn new(site: &Site, dialect: impl Dialect, seed: u64, world: World) -> Arc<Self> {
        Arc::new(Self {
            id: BackendId::from(site.id),
            cards: site.cards,
            dialect: Box::new(dialect),
            chance: Chance::new(seed),
            world,
            tier: site.tier,
            key: site.key,
            in_flight: AtomicU32::new(0),
            off: AtomicBool::new(false),
            cached: Mutex::default(),
        })
    }

    /// Requests being answered.
    pub(super) fn load(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Switches the machine off or on.
    pub(super) fn switch(&self, on: bool) {
        self.off.store(!on, Ordering::Relaxed);
    }

    /// The model of this name.
    pub(super) fn card(&self, model: &str) -> Option<Card> {
        self.cards.iter().find(|card| card.id == model || card.aliases.contains(&model)).copied()
    }

    /// Waits until the simulation ends: what silent and stalled services do.
    pub(super) async fn forever(&self) {
        self.world.stop.cancelled().await;
    }

    /// The response to a request that is refused, with limit headers where they are a part of it.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let mut response = self.dialect.refuse(refusal);
        if let Refusal::RateLimited { limits: Some(seconds), .. } = refusal {
            for (name, value) in self.dialect.limits(*seconds) {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }

    /// Answers a prompt. `cold` is how long a model or a worker takes to get ready, in simulated time.
    pub(super) async fn answer(self: &Arc<Self>, visit: &Visit, ask: Ask, cold: Duration) -> Response {
        match self.prepare(visit, ask, cold) {
            Ok(play) => play.perform().await,
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Chooses the answer and the time that it takes.
    pub(super) fn prepare(self: &Arc<Self>, visit: &Visit, ask: Ask, cold: Duration) -> Result<Play, Refusal> {
        let prepared = self.considered(visit, ask, cold);
        if prepared.is_err() {
            // Some services refuse under a status of 200.
            visit.entry.end(Ended::Refused);
        }
        prepared
    }

    fn considered(self: &Arc<Self>, visit: &Visit, ask: Ask, cold: Duration) -> Result<Play, Refusal> {
        let card = self.card(&ask.model);
        let limit = card.map_or(8_192, |card| card.context);
        let kind = visit.fault.map(|fault| fault.kind);
        if let Some(refusal) = visit.fault.and_then(|fault| refusal(fault, &ask.model, limit))
            && !(kind == Some(FaultKind::ContentRefused) && self.dialect.refuses_in_answer())
        {
            return Err(refusal);
        }
        let Some(card) = card else { return Err(Refusal::ModelMissing { model: ask.model }) };
        if ask.input_tokens > card.context {
            return Err(Refusal::ContextTooLong { tokens: ask.input_tokens, limit: card.context });
        }
        let script = self.script(&ask, &card, kind);
        let usage = self.usage(&ask, &card, &script);
        let slow = visit.fault.filter(|fault| fault.kind == FaultKind::Slow).map_or(1.0, |fault| fault.number.max(1.0));
        let starts = visit.fault.filter(|fault| fault.kind == FaultKind::ColdStart);
        let cold = cold + starts.map_or(Duration::ZERO, Fault::time);
        // A busy machine is a slower one, and a long prompt takes its time to read.
        let crowd = 1.0 + 0.06 * f32::from(u16::try_from(self.load()).unwrap_or(u16::MAX).min(64));
        let reading = Duration::from_micros(u64::from(ask.input_tokens) * if card.gigabytes > 0 { 120 } else { 12 });
        let first = (self.chance.millis(card.first_ms) + reading).mul_f32(slow * crowd);
        let per_token = Duration::from_secs_f32(slow * crowd / (card.rate * self.chance.between(0.88, 1.12)));
        let answer_time = per_token * u32::try_from(usage.output).unwrap_or(u32::MAX).min(200_000);
        let turn = Turn {
            id: self.chance.id(""),
            card,
            usage,
            load_seconds: cold.as_secs_f64(),
            first_seconds: first.as_secs_f64(),
            answer_seconds: answer_time.as_secs_f64(),
            script,
            ask,
        };
        let flight = Flight::new(self, &visit.entry, &turn);
        Ok(Play { flight, turn, fault: visit.fault, line: visit.line.clone(), cold, first, per_token })
    }

    fn script(&self, ask: &Ask, card: &Card, kind: Option<FaultKind>) -> Script {
        let script = || Script::write(ask, card.reasons, &self.chance);
        match kind {
            Some(FaultKind::Empty) => Script::empty(End::Stop),
            Some(FaultKind::ContentRefused) => Script::empty(End::Refused),
            Some(FaultKind::SlowDrip) => script().by_character(),
            Some(
                FaultKind::SplitTokens
                | FaultKind::SplitCharacters
                | FaultKind::BadUtf8
                | FaultKind::CutInCharacter
                | FaultKind::ByteOrderMark,
            ) => script().with_long_characters(),
            _ => script(),
        }
    }

    fn usage(&self, ask: &Ask, card: &Card, script: &Script) -> Usage {
        let input = u64::from(ask.input_tokens);
        let output = script.output_tokens().into();
        let mut usage = Usage { input, output, reasoning: script.reasoning_tokens().into(), ..Usage::default() };
        // Only who charges by the token tells of a cache.
        if let Some(beginning) = ask.cacheable.as_ref().filter(|_| card.price().is_some()) {
            let known = !self.cached.lock().unwrap_or_else(PoisonError::into_inner).insert(beginning.clone());
            let shared = u64::from(super::answer::tokens(beginning)).min(input) / 128 * 128;
            usage.input = input - shared;
            *if known { &mut usage.cache_read } else { &mut usage.cache_write } = shared;
        }
        usage
    }
}

/// How a service refuses under a fault; `None` for the faults that are no refusals.
fn refusal(fault: Fault, model: &str, limit: u32) -> Option<Refusal> {
    match fault.kind {
        FaultKind::RateLimited => {
            let seconds = fault.count();
            Some(Refusal::RateLimited { retry_after: (seconds > 0).then_some(seconds), limits: None })
        }
        FaultKind::RateLimitHeaders => Some(Refusal::RateLimited { retry_after: None, limits: Some(fault.count()) }),
        FaultKind::Overloaded => Some(Refusal::Overloaded),
        FaultKind::ServerError => Some(Refusal::ServerError),
        FaultKind::Status => Some(Refusal::Status(status(fault))),
        FaultKind::Forbidden => Some(Refusal::Forbidden),
        FaultKind::OutOfCredit => Some(Refusal::OutOfCredit),
        FaultKind::ModelMissing => Some(Refusal::ModelMissing { model: model.to_owned() }),
        FaultKind::ContextTooLong => Some(Refusal::ContextTooLong { tokens: limit + 1_000, limit }),
        FaultKind::ContentRefused => Some(Refusal::ContentRefused),
        FaultKind::BadRequest => Some(Refusal::BadRequest { message: "messages.0: Input should be valid".to_owned() }),
        _ => None,
    }
}

fn status(fault: Fault) -> u16 {
    u16::try_from(fault.count()).unwrap_or(500)
}

/// Whether a request is a prompt, rather than a probe or a listing.
fn is_prompt(method: &Method, path: &str) -> bool {
    let ends = ["/v1/messages", "/api/chat", "/chat/completions", "/run", "/runsync"];
    *method == Method::POST && (ends.iter().any(|end| path.ends_with(end)) || path.contains("enerateContent"))
}

/// What a proxy shows in place of the service behind it.
const PAGE: &str = "<!doctype html><html><head><title>Just a moment...</title></head><body></body></html>";

/// The door of every upstream: writes the log, checks the key, and plays the faults that concern the whole connection.
pub(super) async fn door(
    State(upstream): State<Arc<Upstream>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return upstream.refuse(&Refusal::BadRequest { message: "request body too large".to_owned() });
    };
    let path = parts.uri.path().to_owned();
    let is_prompt = is_prompt(&parts.method, &path);
    let shown = parts.uri.path_and_query().map_or(path.clone(), ToString::to_string);
    let entry = upstream.world.log.begin(&upstream.id, shown, is_prompt, &body);
    let fault = upstream.fault_of(&entry, is_prompt);
    entry.edit(|seen| seen.fault = fault.map(|fault| fault.kind));

    let bad_key = match upstream.key {
        Some(key) => !upstream.dialect.is_open(&path) && !upstream.dialect.knows(&parts.headers, key),
        None => false,
    };
    // An account has no prompts that could be prepared and then refused.
    let refused = fault.filter(|_| upstream.is_account()).and_then(|fault| refusal(fault, "", 0));
    let response = match fault.map(|fault| (fault.kind, fault)) {
        Some((FaultKind::Down | FaultKind::NoListener, _)) => None,
        Some((FaultKind::Reset, _)) => {
            line.reset();
            None
        }
        Some((FaultKind::Silent, _)) => {
            entry.end(Ended::Broken);
            upstream.forever().await;
            None
        }
        Some((FaultKind::Html, fault)) => {
            entry.end(Ended::Refused);
            Some(respond(status(fault), "text/html; charset=utf-8", &[], Body::from(PAGE)))
        }
        Some((FaultKind::Redirect, fault)) => {
            let to = [("location", "http://127.0.0.1:9/elsewhere".to_owned())];
            Some(respond(status(fault), "text/plain", &to, Body::empty()))
        }
        Some((FaultKind::KeyRefused, _)) => Some(upstream.refuse(&Refusal::BadKey)),
        _ if bad_key => Some(upstream.refuse(&Refusal::BadKey)),
        _ if let Some(refusal) = &refused => Some(upstream.refuse(refusal)),
        _ => {
            parts.extensions.insert(Visit { fault, entry: entry.clone(), line: line.clone() });
            let request = Request::from_parts(parts, Body::from(body));
            tokio::select! {
                response = next.run(request) => Some(response),
                () = upstream.world.stop.cancelled() => None,
            }
        }
    };
    let Some(response) = response else {
        entry.end(Ended::Broken);
        line.cut();
        return Response::new(Body::empty());
    };
    let status = response.status();
    entry.edit(|seen| seen.status = Some(status.as_u16()));
    if !status.is_success() {
        entry.end(Ended::Refused);
    }
    response
}

impl Upstream {
    const fn is_account(&self) -> bool {
        self.cards.is_empty()
    }

    /// The fault that a request meets. At an account every request is the real thing, though none is a prompt.
    fn fault_of(&self, entry: &Entry, is_prompt: bool) -> Option<Fault> {
        if self.off.load(Ordering::Relaxed) {
            return Some(FaultKind::Down.into());
        }
        let faults = &self.world.faults;
        match is_prompt {
            true => faults.draw(&self.id, self.tier, Some(&entry.prompt_text())),
            false if self.is_account() => faults.draw(&self.id, self.tier, None),
            false => faults.of_probes(&self.id),
        }
    }
}
