//! A RunPod serverless endpoint without an OpenAI route: a job is queued, its pieces are fetched, and it is cancelled when
//! nobody wants it any more, be it before its id is known.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::connect::{self, ConnectError, Sighting};
use super::events::{self, Decoder, Frames, count, text};
use super::http::{Auth, Http};
use super::openai_answer::usage;
use super::{Call, Event, Events, Finish, Wire, errors, openai, runpod_health};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::prompt::{Format, Prompt};

/// The first pause between two looks at a job; each look without news makes it longer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: the endpoint's quota is far above it, and a piece waits no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long one look may take: an endpoint may hold it back until there is something to see.
const LOOK_WAIT: Duration = Duration::from_secs(60);
/// How long a submission that nobody waits for any more may still take: without its id a job cannot be cancelled.
const UNWANTED_WAIT: Duration = Duration::from_secs(10);
/// How long a cancellation may take.
const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// Looks that fail in a row before the job is given up: a job that runs is worth more than one lost answer.
const MISSES: u32 = 3;
/// Waits in the queue above this count as a cold start.
const COLD: Duration = Duration::from_millis(500);
/// A job that nobody fetched is dropped after this time, in milliseconds: what a cancellation that was lost costs.
const TIME_TO_LIVE_MS: u64 = 1_800_000;

/// The RunPod queue wire.
pub(super) struct RunpodQueue {
    http: Arc<Http>,
    /// The submissions and cancellations under way.
    tasks: TaskTracker,
}

impl RunpodQueue {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, ConnectError> {
        let base = connect::base_without(config, &["/runsync", "/run"]);
        let http = Arc::new(Http::new(config, base, Auth::Bearer, &[])?);
        Ok(Self { http, tasks: TaskTracker::new() })
    }

    /// Submits a job in a task of its own: whoever asks may go away before its id has come, and then it is cancelled as
    /// soon as that has.
    fn submit(&self, body: Value) -> oneshot::Receiver<Result<Job, Failure>> {
        let (mut reply, submitted) = oneshot::channel();
        let (http, tasks) = (Arc::clone(&self.http), self.tasks.clone());
        self.tasks.spawn(async move {
            if reply.is_closed() {
                return;
            }
            let mut job = pin!(Job::submitted(http, tasks, body));
            let unwanted = async {
                reply.closed().await;
                tokio::time::sleep(UNWANTED_WAIT).await;
            };
            let job = tokio::select! {
                job = &mut job => job,
                () = unwanted => return,
            };
            // Given back where nobody waits for it, and cancelled as it is dropped.
            drop(reply.send(job));
        });
        submitted
    }
}

impl Wire for RunpodQueue {
    fn start<'a>(&'a self, prompt: &'a Prompt, call: &'a Call) -> BoxFuture<'a, Result<Events, Failure>> {
        async move {
            let body = json!({"input": input(prompt, call), "policy": {"ttl": TIME_TO_LIVE_MS}});
            let lost = |_| Failure::new(FailureClass::Truncated, "the job was lost on its way");
            let job = self.submit(body).await.map_err(lost)??;
            Ok(events::read(None, looks(job, call.stream), Answer::default(), self.http.secrets()))
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<Sighting, Failure>> {
        runpod_health::look(&self.http, "/health").boxed()
    }
}

/// The job's input, as RunPod's own workers read it.
fn input(prompt: &Prompt, call: &Call) -> Value {
    let sampling = &prompt.sampling;
    let mut drawn = Map::new();
    if let Some(limit) = sampling.max_tokens {
        drawn.insert("max_tokens".into(), json!(limit));
    }
    if let Some(temperature) = sampling.temperature {
        drawn.insert("temperature".into(), json!(temperature));
    }
    if let Some(top_p) = sampling.top_p {
        drawn.insert("top_p".into(), json!(top_p));
    }
    if let Some(seed) = sampling.seed {
        drawn.insert("seed".into(), json!(seed));
    }
    if !sampling.stop.is_empty() {
        drawn.insert("stop".into(), json!(sampling.stop));
    }
    let mut input = json!({
        "model": call.model,
        "messages": openai::messages(prompt),
        "sampling_params": drawn,
        "stream": call.stream,
    });
    if !prompt.tools.is_empty() {
        input["tools"] = json!(openai::tools(prompt));
    }
    match &sampling.format {
        Format::Text => {}
        Format::Json => input["response_format"] = json!({"type": "json_object"}),
        Format::Schema { schema, .. } => input["guided_json"] = schema.clone(),
    }
    input
}

/// A job under way. Dropping it cancels it, unless it is over.
struct Job {
    id: String,
    http: Arc<Http>,
    tasks: TaskTracker,
    over: bool,
}

impl Drop for Job {
    fn drop(&mut self) {
        // At the very end of the program there is nobody left to send it; the job's time to live ends it then.
        let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !self.over) else { return };
        let (http, path) = (Arc::clone(&self.http), format!("/cancel/{}", self.id));
        let cancel = async move { tokio::time::timeout(CANCEL_WAIT, http.post(&path, json!({}))).await };
        self.tasks.spawn_on(
            async move {
                if let Ok(Err(failure)) = cancel.await {
                    tracing::debug!(class = %failure.class, "a job could not be cancelled");
                }
            },
            &runtime,
        );
    }
}

/// What is seen of a job, one frame for each look that brings news, until there is no more to see.
fn looks(job: Job, streams: bool) -> Frames {
    stream::unfold(Some(job), move |job| async move {
        let mut job = job?;
        let mut seen = job.news(if streams { "stream" } else { "status" }).await;
        job.over |= matches!(seen, Ok((Seen { over: true, .. }, _)));
        let is_last = match &seen {
            Ok((Seen { over, news }, _)) => *over && !(streams && *news),
            Err(_) => true,
        };
        if is_last && streams && seen.is_ok() {
            // The stream is drained. How it ended, and for how long it held a worker, stands in the status.
            seen = job.news("status").await;
        }
        Some((seen.map(|(_, body)| body), (!is_last).then_some(job)))
    })
    .boxed()
}

struct Seen {
    over: bool,
    news: bool,
}

impl Job {
    async fn submitted(http: Arc<Http>, tasks: TaskTracker, body: Value) -> Result<Self, Failure> {
        let response = http.post("/run", body).await?;
        let queued = http.json(response).await?;
        if let Some(failure) = errors::told(&queued) {
            return Err(failure);
        }
        let id = text(&queued, "id")
            .filter(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
            .ok_or_else(|| Failure::new(FailureClass::Garbled, "the job has no id"))?
            .to_owned();
        Ok(Self { id, http, tasks, over: false })
    }

    /// Looks until there is something to tell. What tells nothing makes no frame: it would count as a sign of life.
    async fn news(&self, at: &str) -> Result<(Seen, String), Failure> {
        let (mut pause, mut misses) = (FIRST_PAUSE, 0);
        loop {
            match self.look(at).await {
                Ok(found) if found.0.over || found.0.news => return Ok(found),
                Ok(_) => misses = 0,
                // Looking at a stream takes its pieces away. Where an answer to a look was lost, so may pieces be, and
                // only a look that was turned away is made again.
                Err(failure)
                    if misses + 1 < MISSES
                        && failure.class.may_retry()
                        && (at == "status" || failure.class != FailureClass::ServerError) =>
                {
                    misses += 1;
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    async fn look(&self, at: &str) -> Result<(Seen, String), Failure> {
        let (_, body) = self.http.get_within(&format!("/{at}/{}", self.id), LOOK_WAIT).await?;
        let told = events::parse(&body)?;
        let over = matches!(text(&told, "status"), Some("COMPLETED" | "FAILED" | "CANCELLED" | "TIMED_OUT"));
        let news = told.get("stream").and_then(Value::as_array).is_some_and(|pieces| !pieces.is_empty());
        Ok((Seen { over, news }, body))
    }
}

/// An answer as it comes together.
#[derive(Default)]
struct Answer {
    /// Whether pieces came: then the status repeats them.
    streamed: bool,
    finish: Option<Finish>,
    completed: bool,
}

impl Answer {
    /// Takes in what a worker put out. Workers are anybody's: text, or one of the shapes that are common.
    fn output(&mut self, output: &Value, out: &mut Vec<Event>) -> Result<(), Failure> {
        match output {
            // The vLLM worker hands on its own events as they are.
            Value::String(lines) if lines.starts_with("data: ") => {
                for line in lines.lines().filter_map(|line| line.strip_prefix("data: ")) {
                    if line.trim() != "[DONE]" {
                        self.output(&events::parse(line)?, out)?;
                    }
                }
            }
            Value::String(said) => out.push(Event::Text(said.clone())),
            Value::Array(pieces) => {
                for piece in pieces {
                    self.output(piece, out)?;
                }
            }
            Value::Object(_) => {
                if let Some(failure) = errors::told(output) {
                    return Err(failure);
                }
                for choice in output.get("choices").and_then(Value::as_array).into_iter().flatten().take(1) {
                    self.choice(choice, out);
                }
                let plain = ["text", "content", "response", "generated_text", "token", "output"];
                out.extend(plain.iter().find_map(|field| text(output, field)).map(|said| Event::Text(said.to_owned())));
                if let Some(counts) = output.get("usage").filter(|counts| counts.is_object()) {
                    out.push(Event::Usage(usage(counts)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Value, out: &mut Vec<Event>) {
        let tokens = choice.get("tokens").and_then(Value::as_array).into_iter().flatten();
        out.extend(tokens.filter_map(Value::as_str).map(|said| Event::Text(said.to_owned())));
        let said = choice.pointer("/delta/content").or_else(|| choice.pointer("/message/content"));
        let said = said.or_else(|| choice.get("text")).and_then(Value::as_str);
        out.extend(said.map(|said| Event::Text(said.to_owned())));
        if text(choice, "finish_reason") == Some("length") {
            self.finish = Some(Finish::Length);
        }
    }

    fn times(told: &Value, out: &mut Vec<Event>) {
        let time = |pointer| count(told, pointer).map(Duration::from_millis);
        out.extend(time("/delayTime").filter(|waited| *waited >= COLD).map(Event::ColdStart));
        out.extend(time("/executionTime").map(Event::Held));
    }
}

impl Decoder for Answer {
    fn frame(&mut self, frame: &str, out: &mut Vec<Event>) -> Result<(), Failure> {
        let told = events::parse(frame)?;
        Self::times(&told, out);
        match text(&told, "status") {
            Some("FAILED") => {
                let error = told.get("error").or_else(|| told.get("output")).unwrap_or(&Value::Null);
                return Err(failed(error));
            }
            Some("TIMED_OUT") => return Err(Failure::new(FailureClass::ServerError, "the job ran out of time")),
            Some("CANCELLED") => {
                return Err(Failure::new(FailureClass::ServerError, "the job was cancelled at the endpoint"));
            }
            Some("COMPLETED") => self.completed = true,
            Some(_) => {}
            None => return Err(Failure::new(FailureClass::Garbled, "the answer is not a job's state")),
        }
        let before = out.len();
        for piece in told.get("stream").and_then(Value::as_array).into_iter().flatten() {
            self.streamed = true;
            self.output(piece.get("output").unwrap_or(piece), out)?;
        }
        if let Some(output) = told.get("output") {
            self.output(output, out)?;
            if self.streamed {
                // The status puts together what the stream gave in pieces; only its figures are new.
                let repeated = out.split_off(before);
                out.extend(repeated.into_iter().filter(|event| !event.is_content()));
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Failure> {
        if !self.completed {
            return Err(Failure::new(FailureClass::Truncated, "the job was lost before it was over"));
        }
        out.push(Event::Done(self.finish.unwrap_or(Finish::Stop)));
        Ok(())
    }
}

/// A job's error: JSON in a string, mostly.
fn failed(error: &Value) -> Failure {
    let parsed = error.as_str().and_then(|error| serde_json::from_str::<Value>(error).ok());
    let wrapped = json!({"error": parsed.as_ref().unwrap_or(error)});
    errors::told(&wrapped).unwrap_or_else(|| Failure::new(FailureClass::ServerError, "the job failed without a word"))
}

#[cfg(test)]
#[path = "tests/runpod_queue.rs"]
mod tests;
