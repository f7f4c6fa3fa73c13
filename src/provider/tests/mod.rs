//! An upstream on loopback that speaks bytes, and the promises that hold for every protocol.

mod errors;
mod promises;
mod sse;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Call, Client, Event, Finish, connect};
use crate::config::BackendConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::{BackendSpec, KeyState, Protocol, Timeouts, Timer};
use crate::domain::health::ProbeReport;
use crate::domain::limits::Limits;
use crate::domain::price::Pricing;
use crate::domain::privacy::Reach;
use crate::domain::prompt::{Message, Part, Prompt, Role, Tool, ToolCall};
use crate::domain::tier::Tier;
use crate::domain::usage::Usage;

/// A key that must turn up nowhere.
pub const KEY: &str = "sk-secret-1234567890abcdef";

/// What the upstream writes.
#[derive(Clone)]
pub struct Reply {
    pieces: Vec<Vec<u8>>,
    /// Whether the connection stays open afterwards.
    hold: bool,
    /// What is waited for first.
    gate: Option<Arc<tokio::sync::Notify>>,
}

pub fn raw(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply { pieces: vec![bytes.into()], hold: false, gate: None }
}

pub fn reply(status: u16, content_type: &str, body: &str) -> Reply {
    raw(format!("HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}"))
}

pub fn json_reply(status: u16, body: &Value) -> Reply {
    reply(status, "application/json", &body.to_string())
}

pub fn sse(body: &str) -> Reply {
    reply(200, "text/event-stream", body)
}

/// A body that is written piece by piece.
pub fn pieces(content_type: &str, body: &[&[u8]]) -> Reply {
    let mut reply = reply(200, content_type, "");
    reply.pieces.extend(body.iter().map(|piece| piece.to_vec()));
    reply
}

/// A recorded answer of a LiteLLM proxy; its body as it was, its framing made plain.
pub fn recorded(file: &str) -> Reply {
    let path = format!("{}/tests/fixtures/litellm/{file}.http", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a fixture").replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").expect("a head and a body");
    let head: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("transfer-encoding") && !line.starts_with("content-length"))
        .collect();
    raw(format!("{}\r\nconnection: close\r\n\r\n{body}", head.join("\r\n")))
}

impl Reply {
    pub fn held(mut self) -> Self {
        self.hold = true;
        self
    }

    pub fn once(mut self, gate: &Arc<tokio::sync::Notify>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }
}

/// A request as it arrived.
#[derive(Clone)]
pub struct Seen {
    pub head: String,
    pub body: Value,
}

pub struct Upstream {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections that the client closed while the upstream still held them.
    pub dropped: Arc<tokio::sync::Notify>,
    _server: JoinSet<()>,
}

impl Upstream {
    /// Answers each request with what `answer` says to its first line and its number.
    pub async fn new(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (seen, dropped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tokio::sync::Notify::new()));
        let answer = Arc::new(answer);
        let mut server = JoinSet::new();
        let (log, gone) = (Arc::clone(&seen), Arc::clone(&dropped));
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, log, gone) = (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&gone));
                connections.spawn(async move { serve(socket, &*answer, &log, &gone).await });
            }
        });
        Self { url, seen, dropped, _server: server }
    }

    pub async fn always(reply: Reply) -> Self {
        Self::new(move |_, _| reply.clone()).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    pub fn client(&self, protocol: Protocol) -> Client {
        connect(&config(protocol, &self.url)).expect("a client")
    }

    pub async fn ask(&self, protocol: Protocol, prompt: &Prompt, stream: bool) -> Heard {
        ask(&self.client(protocol), prompt, &call(stream)).await
    }
}

async fn serve(
    mut socket: TcpStream,
    answer: &(dyn Fn(&str, usize) -> Reply + Send + Sync),
    log: &Mutex<Vec<Seen>>,
    gone: &tokio::sync::Notify,
) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.trim().parse::<usize>().ok())
        .unwrap_or(0);
    while bytes.len() < end + length {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    let body = serde_json::from_slice(&bytes[end..]).unwrap_or(Value::Null);
    let number = {
        let mut log = log.lock().expect("no panic");
        log.push(Seen { head: head.clone(), body });
        log.len() - 1
    };
    let reply = answer(head.lines().next().unwrap_or_default(), number);
    if let Some(gate) = reply.gate {
        gate.notified().await;
    }
    for piece in reply.pieces {
        if socket.write_all(&piece).await.is_err() {
            return;
        }
        let _ = socket.flush().await;
        tokio::task::yield_now().await;
    }
    if reply.hold {
        // Ends when the other side closes.
        while !matches!(socket.read(&mut buffer).await, Ok(0) | Err(_)) {}
        gone.notify_one();
    }
}

pub fn config(protocol: Protocol, url: &str) -> BackendConfig {
    BackendConfig {
        bearer: false,
        spec: BackendSpec {
            id: "one".into(),
            tier: Tier::Frontier,
            protocol,
            url: url.into(),
            reach: Reach::Inside,
            key: KeyState::Present,
            max_in_flight: None,
            timeouts: Timeouts {
                connect: Timer::Set(Duration::from_secs(2)),
                first_token: Timer::Set(Duration::from_secs(5)),
                stall: Timer::Set(Duration::from_secs(5)),
            },
            default_pricing: Pricing::Unknown,
            memory: None,
            warm_up: false,
        },
        key: Some(SecretString::from(KEY)),
        models: Vec::new(),
        probe_every: Duration::from_secs(5),
        num_ctx: None,
        keep_alive: Some("10m".to_owned()),
        headers: std::collections::BTreeMap::new(),
    }
}

pub fn call(stream: bool) -> Call {
    Call { model: "some-model".into(), stream, context: None, max_output: None, input_tokens: 20 }
}

/// A whole answer, in the words of a test.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub text: String,
    pub thinking: String,
    pub calls: Vec<(String, String, Value)>,
    /// Bytes by which tool calls grew before they were whole.
    pub grown: usize,
    pub usage: Option<Usage>,
    pub cost: Option<i64>,
    pub cold: Option<Duration>,
    pub held: Option<Duration>,
    pub limits: Option<Limits>,
    pub finish: Option<Finish>,
    pub failure: Option<Failure>,
}

impl Heard {
    pub fn class(&self) -> Option<FailureClass> {
        self.failure.as_ref().map(|failure| failure.class)
    }
}

pub async fn ask(client: &Client, prompt: &Prompt, call: &Call) -> Heard {
    let Client::Inside(client) = client else { panic!("tests are inside") };
    let mut answer = Heard::default();
    let mut events = match client.start(prompt, call).await {
        Ok(events) => events,
        Err(failure) => return Heard { failure: Some(failure), ..answer },
    };
    while let Some(item) = events.next().await {
        assert!(answer.finish.is_none() && answer.failure.is_none(), "something after the end");
        match item {
            Ok(Event::Text(text)) => answer.text.push_str(&text),
            Ok(Event::Thinking(text)) => answer.thinking.push_str(&text),
            Ok(Event::ToolCall(call)) => answer.calls.push((call.id, call.name, call.arguments)),
            Ok(Event::Growing(bytes)) => answer.grown += bytes,
            Ok(Event::Usage(usage)) => answer.usage = Some(usage),
            Ok(Event::Cost(cost)) => answer.cost = Some(cost.0),
            Ok(Event::ColdStart(time)) => answer.cold = Some(time),
            Ok(Event::Held(time)) => answer.held = Some(time),
            Ok(Event::Limits(limits)) => answer.limits = Some(limits),
            Ok(Event::Done(finish)) => answer.finish = Some(finish),
            Err(failure) => answer.failure = Some(failure),
        }
    }
    answer
}

pub async fn probe(upstream: &Upstream, protocol: Protocol) -> ProbeReport {
    upstream.client(protocol).probe().await
}

/// A prompt with everything that a prompt can have.
pub fn rich() -> Prompt {
    Prompt {
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message {
                role: Role::User,
                parts: vec![
                    Part::Text { text: "What is this?".to_owned() },
                    Part::Image { media_type: "image/png".to_owned(), data: "aGk=".to_owned() },
                ],
            },
            Message {
                role: Role::Assistant,
                parts: vec![Part::ToolCall(ToolCall {
                    id: "c1".to_owned(),
                    name: "weather".to_owned(),
                    arguments: json!({"city": "Oslo"}),
                    signature: None,
                })],
            },
            Message {
                role: Role::User,
                parts: vec![Part::ToolResult {
                    call: "c1".to_owned(),
                    name: "weather".to_owned(),
                    content: "4 C".to_owned(),
                    is_error: false,
                }],
            },
        ],
        tools: vec![Tool {
            name: "weather".to_owned(),
            description: "The weather".to_owned(),
            parameters: json!({"type": "object"}),
        }],
        ..Prompt::default()
    }
}

pub fn used(input: u64, cache_read: u64, cache_write: u64, output: u64, reasoning: u64) -> Usage {
    Usage { input, cache_read, cache_write, cache_write_1h: 0, output, reasoning }
}
