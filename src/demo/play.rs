//! An answer being given: its time, its bytes, its bill.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::catalog::Card;
use super::dialect::{Dialect, Frame, Refusal, Turn, respond};
use super::fault::{Fault, FaultKind, Nature};
use super::log::{Ended, Entry};
use super::mischief::{Close, Form, Sending};
use super::socket::Line;
use super::upstream::{Upstream, Visit};
use crate::domain::usage::Usage;

/// What was sent must get out before the connection breaks.
const BEFORE_A_BREAK: Duration = Duration::from_millis(5);

/// An exchange that a model is at work on. Counts it in flight, and bills it when it ends, however it ends.
pub(super) struct Flight {
    upstream: Arc<Upstream>,
    entry: Entry,
    card: Card,
    /// What the whole answer uses.
    usage: Usage,
    /// Tokens that come before the first one that is shown.
    hidden: u64,
    /// When the model had the prompt, once it is known.
    began: Option<Instant>,
    /// When the last of the answer so far was produced.
    until: Option<Instant>,
    sent: u64,
    ended: Ended,
    in_hand: bool,
}

impl Flight {
    pub(super) fn new(upstream: &Arc<Upstream>, entry: &Entry, turn: &Turn) -> Self {
        upstream.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            upstream: Arc::clone(upstream),
            entry: entry.clone(),
            card: turn.card,
            usage: turn.usage,
            hidden: turn.script.hidden_tokens.into(),
            began: None,
            until: None,
            sent: 0,
            ended: Ended::Gone,
            in_hand: true,
        }
    }

    fn produced(&mut self, tokens: u64) {
        if self.sent == 0 && tokens > 0 {
            self.sent = self.hidden;
        }
        self.sent = (self.sent + tokens).min(self.usage.output);
        self.until = Some(Instant::now());
    }
}

/// The bill of an exchange that used so much of a model and held it for so long.
pub(super) fn bill(entry: &Entry, card: &Card, usage: Usage, held: Duration, ended: Ended) {
    let held = card.billed_time(held);
    let billed = card.bill(&usage, held);
    entry.edit(|seen| (seen.usage, seen.held, seen.billed) = (usage, held, billed));
    entry.end(ended);
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.in_hand {
            return;
        }
        match self.began.filter(|began| *began <= Instant::now()) {
            Some(began) => {
                let output = self.sent;
                let usage = Usage { output, reasoning: self.usage.reasoning.min(output), ..self.usage };
                let held = self.until.unwrap_or_else(Instant::now).saturating_duration_since(began);
                bill(&self.entry, &self.card, usage, held, self.ended);
            }
            // Nobody had read the prompt yet.
            None => self.entry.end(self.ended),
        }
    }
}

/// An answer that is about to be given.
pub(super) struct Play {
    pub(super) turn: Turn,
    pub(super) flight: Flight,
    pub(super) fault: Option<Fault>,
    pub(super) line: Line,
    /// Simulated times: getting ready, reading the prompt, each token.
    pub(super) cold: Duration,
    pub(super) first: Duration,
    pub(super) per_token: Duration,
}

impl Play {
    /// How long the answer itself takes, in simulated time.
    pub(super) fn length(&self) -> Duration {
        self.first + self.per_token * u32::try_from(self.turn.usage.output).unwrap_or(u32::MAX).min(200_000)
    }

    /// The exchange alone, for services that keep the answer until it is fetched and bill it then.
    pub(super) fn into_job(self) -> (Turn, Entry) {
        let Self { turn, mut flight, .. } = self;
        flight.in_hand = false;
        (turn, flight.entry.clone())
    }

    /// Gives the answer as its protocol does, all at once or piece by piece.
    pub(super) async fn perform(mut self) -> Response {
        let upstream = Arc::clone(&self.flight.upstream);
        self.flight.began = Some(Instant::now() + upstream.world.scaled(self.cold));
        if self.turn.ask.stream { self.streamed(&upstream).await } else { self.whole(&upstream).await }
    }

    async fn pause(&self, simulated: Duration) {
        sleep(self.flight.upstream.world.scaled(simulated)).await;
    }

    /// How the exchange ends when all is sent that there is to send.
    fn end(&self) -> Ended {
        match self.fault.map(|fault| fault.kind.nature()) {
            None | Some(Nature::Answers) => Ended::Whole,
            Some(Nature::Refuses) => Ended::Refused,
            Some(Nature::Breaks) => Ended::Broken,
        }
    }

    async fn whole(mut self, upstream: &Arc<Upstream>) -> Response {
        // Token by token, in as few steps as show what there is to bill if the client goes away.
        self.pause(self.cold + self.first).await;
        let visible = self.turn.usage.output.saturating_sub(self.flight.hidden);
        let steps = 8;
        for step in 0..steps {
            self.pause(self.per_token * u32::try_from(self.turn.usage.output).unwrap_or(u32::MAX).min(200_000) / 8)
                .await;
            self.flight.produced(visible * (step + 1) / steps - visible * step / steps);
        }
        self.flight.produced(self.turn.usage.output);
        let dialect = &*upstream.dialect;
        if self.fault.is_some_and(|fault| fault.kind == FaultKind::ErrorInsideStream) {
            // An error in place of an answer is charged to nobody.
            (self.flight.ended, self.flight.began) = (Ended::Broken, None);
            let mut response = dialect.refuse(&Refusal::ServerError);
            *response.status_mut() = axum::http::StatusCode::OK;
            return response;
        }
        let sending = Sending::document(dialect.headers(&self.turn), &dialect.whole(&self.turn));
        self.send(sending, Form::Whole, dialect)
    }

    async fn streamed(self, upstream: &Arc<Upstream>) -> Response {
        // A service sends its head when the model has begun, and the first words a little later.
        self.pause(self.cold + self.first.mul_f32(0.8)).await;
        let dialect = &*upstream.dialect;
        let sending = Sending {
            kind: dialect.stream_type(),
            headers: dialect.headers(&self.turn),
            frames: dialect.frames(&self.turn),
            close: Close::Proper,
        };
        self.send(sending, Form::Frames, dialect)
    }

    fn send(mut self, sending: Sending, form: Form, dialect: &dyn Dialect) -> Response {
        let tokens = sending.frames.iter().map(|frame| frame.tokens).sum();
        let sending = match self.fault {
            Some(fault) => sending.twisted(fault, form, dialect),
            None => sending,
        };
        if form == Form::Whole && sending.close == Close::Proper && sending.frames.len() == 1 {
            self.flight.ended = self.end();
            let body = sending.frames.into_iter().map(|frame| frame.bytes).next().unwrap_or_default();
            return respond(200, sending.kind, &sending.headers, Body::from(body));
        }
        let (upstream, line) = (Arc::clone(&self.flight.upstream), self.line.clone());
        respond_with(sending, &upstream, line, Some((self, tokens)))
    }
}

/// A response whose body is sent frame by frame: at the pace of a play of so many tokens, or as fast as it goes.
fn respond_with(sending: Sending, upstream: &Arc<Upstream>, line: Line, play: Option<(Play, u32)>) -> Response {
    let Sending { kind, headers, frames, close } = sending;
    let (play, left) = play.map_or((None, 0), |(play, tokens)| (Some(play), tokens));
    let (upstream, frames) = (Arc::clone(upstream), frames.into_iter());
    let sender = Sender { upstream, line, play, frames, close, began: false, left };
    let body = stream::unfold(sender, |mut sender| async move { sender.next().await.map(|item| (item, sender)) });
    respond(200, kind, &headers, Body::from_stream(body))
}

struct Sender {
    upstream: Arc<Upstream>,
    line: Line,
    play: Option<Play>,
    frames: std::vec::IntoIter<Frame>,
    close: Close,
    began: bool,
    /// Tokens of the answer that are yet to come.
    left: u32,
}

impl Sender {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        let Some(frame) = self.frames.next() else { return self.close().await };
        if self.wait(self.pause(&frame)).await.is_err() {
            return Some(Err(broken()));
        }
        if let Some(play) = &mut self.play {
            self.began |= frame.tokens > 0;
            self.left = self.left.saturating_sub(frame.tokens);
            // With the last piece everything is produced, what is never shown included.
            let more = if self.left == 0 { play.turn.usage.output } else { frame.tokens.into() };
            play.flight.produced(more);
            if self.frames.len() == 0 && self.close == Close::Proper {
                // Whoever has the last piece has all of it, even if the connection is gone before its end is sent.
                play.flight.ended = play.end();
            }
        }
        Some(Ok(Bytes::from(frame.bytes)))
    }

    /// The simulated pause before a frame.
    fn pause(&self, frame: &Frame) -> Duration {
        let of_tokens = match &self.play {
            Some(play) if frame.tokens > 0 && self.began => play.per_token * frame.tokens,
            Some(play) if frame.tokens > 0 => play.first.mul_f32(0.2),
            Some(_) | None => Duration::ZERO,
        };
        of_tokens + frame.pause
    }

    /// Waits for so long in simulated time; an error if the simulation ends meanwhile.
    async fn wait(&self, simulated: Duration) -> Result<(), ()> {
        let stop = &self.upstream.world.stop;
        if simulated.is_zero() {
            return if stop.is_cancelled() { Err(()) } else { Ok(()) };
        }
        tokio::select! {
            () = sleep(self.upstream.world.scaled(simulated)) => Ok(()),
            () = stop.cancelled() => Err(()),
        }
    }

    async fn close(&mut self) -> Option<std::io::Result<Bytes>> {
        if let Some(play) = &mut self.play {
            play.flight.ended = play.end();
            if play.flight.sent == 0 && play.fault.is_some_and(|fault| fault.kind == FaultKind::ErrorInsideStream) {
                // An error in place of an answer is charged to nobody.
                play.flight.began = None;
            }
        }
        match &self.close {
            Close::Proper => None,
            Close::Silence => {
                self.upstream.forever().await;
                Some(Err(broken()))
            }
            Close::Cut | Close::Reset => {
                sleep(BEFORE_A_BREAK).await;
                if self.close == Close::Reset {
                    self.line.reset();
                }
                Some(Err(broken()))
            }
            Close::Again(bytes, pause) => {
                let bytes = Bytes::from(bytes.clone());
                Some(self.wait(*pause).await.map(|()| bytes).map_err(|()| broken()))
            }
        }
    }
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

impl Upstream {
    /// A document under a fault, sent at once: for services whose answers are fetched.
    pub(super) fn document(self: &Arc<Self>, visit: &Visit, fault: Fault, body: &Value) -> Response {
        let sending = Sending::document(Vec::new(), body).twisted(fault, Form::Whole, &*self.dialect);
        respond_with(sending, self, visit.line.clone(), None)
    }
}
