//! One attempt: one call of one backend's model, from dispatch to the last token, with its timers.

use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::Progress;
use super::pace::Pace;
use super::race::Race;
use super::report::Report;
use super::restoring::Restoring;
use super::transcript::Transcript;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits::Limits;
use crate::domain::privacy::{Cleared, Guarded, Reach, Withheld};
use crate::provider::{Call, Client, Event, Events, Finish};

/// How long an attempt may take to what.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// To its first token.
    pub first_token: Duration,
    /// In the middle of its answer, until that has moved on.
    pub stall: Duration,
    /// To an answer that comes all at once, beyond the time for its first token; nothing, where it is streamed.
    pub whole: Duration,
    /// The end of the whole request's time for a first token.
    pub deadline: Instant,
    /// Whether it may take all of that time: nobody else could make use of it.
    pub to_the_last: bool,
}

/// What an attempt needs.
pub(super) struct Errand<'a> {
    pub client: &'a Client,
    /// Where the model runs: an inside backend may list one that is not there.
    pub reach: Reach,
    pub guarded: &'a Guarded,
    pub call: &'a Call,
    pub patience: Patience,
    /// Its number among the request's attempts. Before the later ones, others have had some of the request's time.
    pub number: u32,
    /// What it has to win before it may deliver anything.
    pub race: &'a Race,
    pub cancel: &'a CancellationToken,
    /// Cancelled when an operator takes what is in flight off this model.
    pub kill: &'a CancellationToken,
    pub progress: &'a mpsc::Sender<Progress>,
    /// Where the answer is noted down, if texts are kept.
    pub transcript: Option<&'a Transcript>,
    /// Called when the first meaningful token has arrived.
    pub on_first_token: &'a (dyn Fn(Duration) + Send + Sync),
    /// Called when the provider has told what is left of its limits.
    pub on_limits: &'a (dyn Fn(Limits) + Send + Sync),
}

impl Errand<'_> {
    /// Makes the attempt.
    pub async fn run(&self) -> Report {
        let started = Instant::now();
        let mut report = Report::blank();
        let outcome = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::new(FailureClass::Cancelled, "cancelled")),
            () = self.race.lost(self.number) => Err(overtaken()),
            () = self.kill.cancelled() => Err(Failure::new(FailureClass::Withdrawn, "taken off by an operator")),
            outcome = self.exchange(started, &mut report) => outcome,
        };
        report.total = started.elapsed();
        if let Err(failure) = &outcome {
            report.usage = report.usage.or(failure.usage);
            let hurried = self.number > 1 && self.patience.deadline < started + self.patience.first_token;
            report.blameless = hurried && failure.class == FailureClass::Silent;
        }
        report.outcome = outcome;
        report
    }

    async fn exchange(&self, started: Instant, report: &mut Report) -> Result<Finish, Failure> {
        let Patience { first_token, stall, whole, deadline, to_the_last } = self.patience;
        let first_by = if to_the_last { deadline } else { deadline.min(started + first_token) } + whole;
        let silent = |_| {
            let waited = started.elapsed().as_secs_f32();
            Failure::new(FailureClass::Silent, &format!("no first token within {waited:.1} s"))
        };
        let (mut events, mut restoring) = timeout_at(first_by, self.start()).await.map_err(silent)??;
        report.taken = true;
        let mut pace = Pace::new(stall);
        loop {
            let next = if report.begun {
                pace.next(&mut events).await?
            } else {
                timeout_at(first_by, events.next()).await.map_err(silent)?
            };
            let Some(event) = next.transpose()? else {
                return Err(Failure::new(FailureClass::Truncated, "the connection ended before the answer did"));
            };
            if event.is_content() && !report.begun {
                self.begin(started, report).await?;
            }
            let bytes = event.content_bytes();
            pace.bring(bytes);
            report.longest_pause = pace.longest_pause();
            if let Some(finish) = self.take(event, bytes, restoring.as_mut(), report).await? {
                return self.finish(finish, report);
            }
        }
    }

    /// The first meaningful piece is there: from here on the answer is this attempt's to give.
    async fn begin(&self, started: Instant, report: &mut Report) -> Result<(), Failure> {
        self.claim()?;
        report.begun = true;
        // The pieces of an answer that was asked for whole come all at once, and say nothing about its beginning.
        if self.call.stream {
            let after = started.elapsed();
            report.first_token = Some(after);
            (self.on_first_token)(after);
            self.deliver(Progress::FirstToken { attempt: self.number, after }).await?;
        }
        Ok(())
    }

    fn finish(&self, finish: Finish, report: &Report) -> Result<Finish, Failure> {
        if !report.delivered && finish == Finish::Stop {
            return Err(Failure::new(FailureClass::Empty, "the answer was empty"));
        }
        self.claim()?;
        Ok(finish)
    }

    fn claim(&self) -> Result<(), Failure> {
        if self.race.claim(self.number) { Ok(()) } else { Err(overtaken()) }
    }

    /// The only way out of the engine: an outside client gets a cleared prompt or nothing, and so does an inside one for
    /// a model that runs elsewhere. The answer to a prompt that was redacted comes with what puts its values back.
    async fn start(&self) -> Result<(Events, Option<Restoring>), Failure> {
        let withheld = |withheld: Withheld| Failure::new(FailureClass::BadRequest, &withheld.to_string());
        let restoring = |cleared: &Cleared| cleared.restorer().map(Restoring::new);
        match (self.client, self.reach) {
            (Client::Inside(client), Reach::Inside) => {
                Ok((client.start(self.guarded.prompt(), self.call).await?, None))
            }
            (Client::Inside(client), Reach::Outside) => {
                let cleared = self.guarded.clear().map_err(withheld)?;
                Ok((client.start(cleared.prompt(), self.call).await?, restoring(&cleared)))
            }
            (Client::Outside(client), _) => {
                let cleared = self.guarded.clear().map_err(withheld)?;
                Ok((client.start(&cleared, self.call).await?, restoring(&cleared)))
            }
        }
    }

    async fn take(
        &self,
        event: Event,
        bytes: usize,
        restoring: Option<&mut Restoring>,
        report: &mut Report,
    ) -> Result<Option<Finish>, Failure> {
        match event {
            Event::Text(_) | Event::Thinking(_) if bytes == 0 => {}
            Event::Text(_) | Event::Thinking(_) | Event::ToolCall(_) | Event::Done(_) if restoring.is_some() => {
                if let Some(restoring) = restoring {
                    return self.restore(event, bytes, restoring, report).await;
                }
            }
            Event::Text(text) => self.hand_on(Progress::Text(text), bytes, report).await?,
            Event::Thinking(text) => self.hand_on(Progress::Thinking(text), bytes, report).await?,
            Event::ToolCall(call) => {
                // Of a call that grew piece by piece, the pieces were counted already.
                report.growing = report.growing.saturating_sub(bytes);
                self.hand_on(Progress::ToolCall(call), bytes, report).await?;
            }
            Event::Growing(more) => report.growing += more,
            Event::Usage(usage) => report.usage = Some(usage),
            Event::Cost(cost) => report.reported_cost = Some(cost),
            Event::Held(held) => report.held = Some(held),
            Event::ColdStart(_) => {}
            Event::Limits(limits) => (self.on_limits)(limits),
            Event::Done(finish) => return Ok(Some(finish)),
        }
        Self::check_length(report.produced())?;
        Ok(None)
    }

    /// Takes a piece of an answer to a redacted prompt: its values are put back, and the beginning of a placeholder waits
    /// for its end.
    async fn restore(
        &self,
        event: Event,
        bytes: usize,
        restoring: &mut Restoring,
        report: &mut Report,
    ) -> Result<Option<Finish>, Failure> {
        report.received += bytes;
        let mut finish = None;
        let mut pieces = Vec::new();
        match event {
            Event::Text(text) => pieces.extend(restoring.text(&text)),
            Event::Thinking(text) => pieces.extend(restoring.thinking(&text)),
            Event::ToolCall(call) => {
                report.growing = report.growing.saturating_sub(bytes);
                pieces.extend(restoring.rest());
                pieces.push(Progress::ToolCall(restoring.call(call)));
            }
            Event::Done(end) => {
                pieces.extend(restoring.rest());
                finish = Some(end);
            }
            _ => {}
        }
        for piece in pieces {
            report.restored += piece.bytes();
            report.delivered = true;
            self.deliver(piece).await?;
        }
        // A short placeholder may stand for a long value, as often as the model likes.
        Self::check_length(report.produced().max(report.restored))?;
        Ok(finish)
    }

    fn check_length(bytes: usize) -> Result<(), Failure> {
        if bytes > LONGEST_ANSWER {
            let limit = LONGEST_ANSWER >> 20;
            return Err(Failure::new(FailureClass::Garbled, &format!("the answer did not end within {limit} MiB")));
        }
        Ok(())
    }

    async fn hand_on(&self, piece: Progress, bytes: usize, report: &mut Report) -> Result<(), Failure> {
        report.received += bytes;
        report.delivered = true;
        self.deliver(piece).await
    }

    /// A caller that reads slowly slows the upstream down; one that has gone away ends the attempt.
    async fn deliver(&self, progress: Progress) -> Result<(), Failure> {
        if let Some(transcript) = self.transcript {
            transcript.note(self.number, &progress);
        }
        self.progress.send(progress).await.map_err(|_| Failure::new(FailureClass::Cancelled, "the caller went away"))
    }
}

fn overtaken() -> Failure {
    Failure::new(FailureClass::Overtaken, "another candidate began to answer sooner")
}

/// No model gives so long an answer (the longest limit in the price table is 384,000 tokens): who sends more does not end,
/// and must not fill a caller's memory.
const LONGEST_ANSWER: usize = 16 << 20;
