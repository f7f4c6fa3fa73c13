//! What all simulated upstreams share: the door with its key and faults, and the time that an answer takes. Protocols
//! only add what they say.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures::stream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::answer::{Ask, Script};
use super::catalog::{Card, Site};
use super::dialect::{Dialect, Frame, Refusal, Turn, json_response, respond};
use super::fault::{Fault, FaultKind, Faults};
use super::log::{Entry, Log};
use super::rng::Chance;
use super::socket::Line;
use crate::domain::id::BackendId;
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
    key: Option<&'static str>,
    in_flight: AtomicU32,
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
}

impl Upstream {
    pub(super) fn new(site: &Site, dialect: impl Dialect, seed: u64, world: World) -> Arc<Self> {
        Arc::new(Self {
            id: BackendId::from(site.id),
            cards: site.cards,
            dialect: Box::new(dialect),
            chance: Chance::new(seed),
            world,
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
    async fn forever(&self) {
        self.world.stop.cancelled().await;
    }

    /// Answers a prompt. `cold` is how long a model or a worker takes to get ready, in simulated time.
    pub(super) async fn answer(self: &Arc<Self>, visit: &Visit, ask: Ask, cold: Duration) -> Response {
        match self.prepare(visit, ask, cold) {
            Ok(play) => play.perform().await,
            Err(refusal) => self.dialect.refuse(&refusal),
        }
    }

    /// Chooses the answer and the time that it takes.
    pub(super) fn prepare(self: &Arc<Self>, visit: &Visit, ask: Ask, cold: Duration) -> Result<Play, Refusal> {
        let card = self.card(&ask.model);
        let limit = card.map_or(8_192, |card| card.context);
        let kind = visit.fault.map(|fault| fault.kind);
        let number = visit.fault.map_or(0.0, |fault| fault.number);
        if let Some(refusal) = visit.fault.and_then(|fault| refusal(fault, &ask.model, limit)) {
            return Err(refusal);
        }
        let Some(card) = card else { return Err(Refusal::ModelMissing { model: ask.model }) };
        if ask.input_tokens > card.context {
            return Err(Refusal::ContextTooLong { tokens: ask.input_tokens, limit: card.context });
        }

        let script = if kind == Some(FaultKind::Empty) {
            Script::empty()
        } else {
            Script::write(&ask, card.reasons, &self.chance)
        };
        let input = u64::from(ask.input_tokens);
        let mut usage = Usage { input, output: script.output_tokens().into(), ..Usage::default() };
        usage.reasoning = script.reasoning_tokens().into();
        if let Some(beginning) = &ask.cacheable {
            let known = !self.cached.lock().unwrap_or_else(PoisonError::into_inner).insert(beginning.clone());
            let shared = u64::from(super::answer::tokens(beginning)).min(input) / 128 * 128;
            usage.input = input - shared;
            *if known { &mut usage.cache_read } else { &mut usage.cache_write } = shared;
        }

        let slow = if kind == Some(FaultKind::Slow) { number.max(1.0) } else { 1.0 };
        let cold = if kind == Some(FaultKind::ColdStart) { cold + seconds(number) } else { cold };
        // A busy machine is a slower one, and a long prompt takes its time to read.
        let crowd = 1.0 + 0.06 * f32::from(u16::try_from(self.load()).unwrap_or(u16::MAX).min(64));
        let reading = Duration::from_micros(u64::from(ask.input_tokens) * if card.gigabytes > 0 { 120 } else { 12 });
        let first = (self.chance.millis(card.first_ms) + reading).mul_f32(slow * crowd);
        let per_token = Duration::from_secs_f32(slow * crowd / (card.rate * self.chance.between(0.88, 1.12)));
        let answer_time = per_token * u32::try_from(usage.output).unwrap_or(u32::MAX).min(200_000);
        visit.entry.edit(|seen| seen.input_tokens = usage.prompt());
        self.in_flight.fetch_add(1, Ordering::Relaxed);
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
        Ok(Play {
            flight: Flight { upstream: Arc::clone(self), entry: visit.entry.clone(), sent: 0 },
            turn,
            fault: visit.fault,
            cold,
            first,
            per_token,
        })
    }
}

/// How a service refuses under a fault; `None` for the faults that are no refusals.
fn refusal(fault: Fault, model: &str, limit: u32) -> Option<Refusal> {
    match fault.kind {
        FaultKind::RateLimited => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds, clamped first")]
            let seconds = fault.number.clamp(0.0, 1e6) as u32;
            Some(Refusal::RateLimited { retry_after: (seconds > 0).then_some(seconds) })
        }
        FaultKind::Overloaded => Some(Refusal::Overloaded),
        FaultKind::ServerError => Some(Refusal::ServerError),
        FaultKind::OutOfCredit => Some(Refusal::OutOfCredit),
        FaultKind::ModelMissing => Some(Refusal::ModelMissing { model: model.to_owned() }),
        FaultKind::ContextTooLong => Some(Refusal::ContextTooLong { tokens: limit + 1_000, limit }),
        _ => None,
    }
}

fn seconds(number: f32) -> Duration {
    Duration::from_secs_f32(number.clamp(0.0, 86_400.0))
}

/// Counts a request in flight, and bills what was produced when it ends, however it ends.
struct Flight {
    upstream: Arc<Upstream>,
    entry: Entry,
    sent: u64,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
        let sent = self.sent;
        self.entry.edit(|seen| seen.output_tokens = sent);
    }
}

/// An answer that is about to be given.
pub(super) struct Play {
    pub(super) turn: Turn,
    flight: Flight,
    fault: Option<Fault>,
    /// Simulated times: getting ready, reading the prompt, each token.
    pub(super) cold: Duration,
    pub(super) first: Duration,
    pub(super) per_token: Duration,
}

/// How a streamed body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    Proper,
    Cut,
    Stall,
}

impl Play {
    /// How long the answer itself takes, in simulated time.
    pub(super) fn length(&self) -> Duration {
        self.first + self.per_token * u32::try_from(self.turn.usage.output).unwrap_or(u32::MAX).min(200_000)
    }

    /// Gives the answer as its protocol does, all at once or piece by piece.
    pub(super) async fn perform(self) -> Response {
        if self.turn.ask.stream { self.streamed().await } else { self.whole().await }
    }

    /// The exchange alone, for services that keep the answer until it is fetched. Bills it.
    pub(super) fn into_turn(self) -> Turn {
        let Self { turn, mut flight, .. } = self;
        flight.sent = turn.usage.output;
        turn
    }

    async fn pause(&self, simulated: Duration) {
        sleep(self.flight.upstream.world.scaled(simulated)).await;
    }

    fn kind(&self) -> Option<FaultKind> {
        self.fault.map(|fault| fault.kind)
    }

    async fn whole(mut self) -> Response {
        self.pause(self.cold + self.length()).await;
        self.flight.sent = self.turn.usage.output;
        let upstream = Arc::clone(&self.flight.upstream);
        let dialect = &upstream.dialect;
        let headers = dialect.headers(&self.turn);
        let body = dialect.whole(&self.turn);
        let text = body.to_string();
        let half = text[..text.floor_char_boundary(text.len() / 2)].to_owned();
        match self.kind() {
            Some(FaultKind::HalfJson) => respond(200, "application/json", &headers, Body::from(half)),
            Some(FaultKind::WrongContentType) => respond(200, "text/plain", &headers, Body::from(text)),
            Some(FaultKind::Garbage) => respond(200, "application/json", &headers, Body::from(garbage())),
            Some(FaultKind::ErrorInsideStream) => {
                let mut response = dialect.refuse(&Refusal::ServerError);
                *response.status_mut() = axum::http::StatusCode::OK;
                response
            }
            Some(FaultKind::CutMidStream) => self.send("application/json", vec![Frame::around(half)], Close::Cut),
            Some(FaultKind::StallMidStream) => self.send("application/json", vec![Frame::around(half)], Close::Stall),
            _ => json_response(200, &headers, &body),
        }
    }

    async fn streamed(self) -> Response {
        // A service sends its head when the model has begun, and the first words a little later.
        self.pause(self.cold + self.first.mul_f32(0.8)).await;
        let upstream = Arc::clone(&self.flight.upstream);
        let dialect = &upstream.dialect;
        let mut frames = dialect.frames(&self.turn);
        let kind = dialect.stream_type();
        // Where the answer breaks: before the frame that would follow so many pieces.
        let pieces = self.fault.map_or(0, Fault::pieces);
        let content: Vec<usize> = frames.iter().enumerate().filter(|(_, f)| f.tokens > 0).map(|(at, _)| at).collect();
        let breaks = match pieces.min(content.len()).checked_sub(1).and_then(|last| content.get(last)) {
            Some(last) => last + 1,
            None => content.first().copied().unwrap_or(0),
        };
        match self.kind() {
            Some(FaultKind::CutMidStream) => {
                frames.truncate(breaks);
                self.send(kind, frames, Close::Cut)
            }
            Some(FaultKind::StallMidStream) => {
                frames.truncate(breaks);
                self.send(kind, frames, Close::Stall)
            }
            Some(FaultKind::ErrorInsideStream) => {
                frames.truncate(breaks);
                frames.push(Frame::around(dialect.error_frame()));
                self.send(kind, frames, Close::Proper)
            }
            Some(FaultKind::HalfJson) => {
                // Broken off within the first piece of the answer.
                let first = frames.iter().position(|frame| frame.tokens > 0).unwrap_or(0);
                frames.truncate(first + 1);
                if let Some(frame) = frames.last_mut() {
                    frame.text.truncate(frame.text.floor_char_boundary(frame.text.len() / 2));
                }
                self.send(kind, frames, Close::Proper)
            }
            Some(FaultKind::WrongContentType) => self.send("text/plain", frames, Close::Proper),
            Some(FaultKind::Garbage) => respond(200, kind, &[], Body::from(garbage())),
            _ => self.send(kind, frames, Close::Proper),
        }
    }

    fn send(self, kind: &'static str, frames: Vec<Frame>, close: Close) -> Response {
        let headers = self.flight.upstream.dialect.headers(&self.turn);
        let state = (self, frames.into_iter(), false);
        let body = stream::unfold(state, move |(mut play, mut frames, mut began)| async move {
            let upstream = Arc::clone(&play.flight.upstream);
            let stop = &upstream.world.stop;
            let Some(frame) = frames.next() else {
                return match close {
                    Close::Proper => None,
                    Close::Stall => {
                        upstream.forever().await;
                        None
                    }
                    Close::Cut => {
                        // What was sent so far must get out before the connection breaks.
                        sleep(Duration::from_millis(5)).await;
                        Some((Err(broken()), (play, frames, began)))
                    }
                };
            };
            if frame.tokens > 0 {
                let pause = if began { play.per_token * frame.tokens } else { play.first.mul_f32(0.2) };
                began = true;
                tokio::select! {
                    () = play.pause(pause) => {}
                    () = stop.cancelled() => return Some((Err(broken()), (play, Vec::new().into_iter(), began))),
                }
                play.flight.sent += u64::from(frame.tokens);
            } else if frames.len() == 0 {
                // The end: what was never shown is billed all the same.
                play.flight.sent = play.turn.usage.output;
            }
            Some((Ok(Bytes::from(frame.text)), (play, frames, began)))
        });
        respond(200, kind, &headers, Body::from_stream(body))
    }
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

fn garbage() -> Vec<u8> {
    let chance = Chance::new(7);
    (0..64).flat_map(|_| chance.bits().to_le_bytes()).collect()
}

/// Whether a request is a prompt, rather than a probe or a listing.
fn is_prompt(method: &Method, path: &str) -> bool {
    let ends = ["/v1/messages", "/api/chat", "/chat/completions", "/run", "/runsync"];
    *method == Method::POST && (ends.iter().any(|end| path.ends_with(end)) || path.contains("enerateContent"))
}

/// The door of every upstream: writes the log, checks the key, and plays the faults that concern the whole connection.
pub(super) async fn door(
    State(upstream): State<Arc<Upstream>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return upstream.dialect.refuse(&Refusal::BadRequest { message: "request body too large".to_owned() });
    };
    let path = parts.uri.path().to_owned();
    let is_prompt = is_prompt(&parts.method, &path);
    let shown = parts.uri.path_and_query().map_or(path.clone(), ToString::to_string);
    let entry = upstream.world.log.begin(&upstream.id, shown, is_prompt, &body);
    // An account has no prompts: there every request is the real thing.
    let is_account = upstream.cards.is_empty();
    let mut fault = upstream.world.faults.draw(&upstream.id, is_prompt || is_account);
    if upstream.off.load(Ordering::Relaxed) {
        fault = Some(FaultKind::Down.into());
    }
    entry.edit(|seen| seen.fault = fault.map(|fault| fault.kind));

    let bad_key = match upstream.key {
        Some(key) => !upstream.dialect.is_open(&path) && !upstream.dialect.knows(&parts.headers, key),
        None => false,
    };
    let refused = fault.filter(|_| is_account).and_then(|fault| refusal(fault, "", 0));
    let response = match fault.map(|fault| fault.kind) {
        Some(FaultKind::Down) => {
            line.cut();
            return Response::new(Body::empty());
        }
        Some(FaultKind::Silent) => {
            upstream.forever().await;
            line.cut();
            return Response::new(Body::empty());
        }
        Some(FaultKind::Html) => {
            let page = "<!doctype html><html><head><title>Just a moment...</title></head><body></body></html>";
            respond(200, "text/html; charset=utf-8", &[], Body::from(page))
        }
        Some(FaultKind::KeyRefused) => upstream.dialect.refuse(&Refusal::BadKey),
        _ if bad_key => upstream.dialect.refuse(&Refusal::BadKey),
        _ if let Some(refusal) = &refused => upstream.dialect.refuse(refusal),
        _ => {
            parts.extensions.insert(Visit { fault, entry: entry.clone() });
            let request = Request::from_parts(parts, Body::from(body));
            tokio::select! {
                response = next.run(request) => response,
                () = upstream.world.stop.cancelled() => {
                    line.cut();
                    return Response::new(Body::empty());
                }
            }
        }
    };
    entry.edit(|seen| seen.status = Some(response.status().as_u16()));
    response
}
