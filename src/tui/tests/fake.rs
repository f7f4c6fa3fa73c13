//! An engine and a terminal that do as the test says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use super::fixture;
use super::screens::text_of;
use crate::config::UiConfig;
use crate::domain::decision::Decision;
use crate::domain::fleet::CommandError;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::time::Timestamp;
use crate::engine::{CallError, Command, Fact, Progress, Snapshot};
use crate::tui::clipboard::Copied;
use crate::tui::job::Whom;
use crate::tui::terminal::Surface;
use crate::tui::{Backing, ExitSummary, Faults, Options, Submitted, TuiError, run_on};

/// A request that the fake engine took: the test plays the model.
pub struct Asked {
    pub prompt: Prompt,
    pub constraints: Constraints,
    pub decision: Arc<Decision>,
    pub answer: mpsc::Sender<Progress>,
}

pub struct FakeEngine {
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    pub facts: broadcast::Sender<Fact>,
    pub commands: Mutex<Vec<Command>>,
    pub faults: Mutex<Vec<(String, Option<String>)>>,
    /// Whether commands wait for their reply.
    pub hold: watch::Sender<bool>,
    /// How often it was asked where something would go.
    pub explained: AtomicUsize,
    numbers: AtomicUsize,
    asked: mpsc::Sender<Asked>,
    started: tokio::time::Instant,
}

impl Backing for FakeEngine {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    fn facts(&self) -> broadcast::Receiver<Fact> {
        self.facts.subscribe()
    }

    fn submit(&self, prompt: Prompt, constraints: Constraints) -> BoxFuture<'static, Result<Submitted, CallError>> {
        // Every request has an id of its own.
        let number = 1_000 + self.numbers.fetch_add(1, Ordering::Relaxed) as u128;
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let decision = fixture::demanding(&snapshot, number, prompt.clone(), constraints.clone(), self.now());
        let asked = self.asked.clone();
        async move {
            if decision.chosen().is_none() {
                return Err(CallError::NoRoute(decision));
            }
            let (answer, progress) = mpsc::channel(16);
            let _ = asked.send(Asked { prompt, constraints, decision: Arc::clone(&decision), answer }).await;
            let progress = futures::stream::unfold(progress, async |mut progress| {
                let next = progress.recv().await?;
                Some((next, progress))
            });
            Ok(Submitted { decision, progress: progress.boxed() })
        }
        .boxed()
    }

    fn explain(&self, prompt: &Prompt, constraints: &Constraints) -> Decision {
        self.explained.fetch_add(1, Ordering::Relaxed);
        let snapshot = Arc::clone(&self.snapshots.borrow());
        (*fixture::demanding(&snapshot, 77, prompt.clone(), constraints.clone(), self.now())).clone()
    }

    fn command(&self, command: Command) -> BoxFuture<'static, Result<(), CommandError>> {
        self.commands.lock().expect("no panic").push(command);
        let mut held = self.hold.subscribe();
        async move {
            let _ = held.wait_for(|held| !held).await;
            Ok(())
        }
        .boxed()
    }

    fn faults(&self) -> Option<Faults> {
        Some(Faults { upstreams: vec!["anthropic".to_owned()], kinds: vec!["down".to_owned(), "slow".to_owned()] })
    }

    fn set_fault(&self, upstream: &str, fault: Option<&str>) -> Result<(), String> {
        self.faults.lock().expect("no panic").push((upstream.to_owned(), fault.map(str::to_owned)));
        Ok(())
    }

    fn now(&self) -> Timestamp {
        fixture::NOW.after(self.started.elapsed())
    }
}

/// A screen that a test can read.
#[derive(Default)]
pub struct Seen {
    pub text: String,
    pub frames: usize,
    /// Frames that looked like the one before.
    pub wasted: usize,
    pub copied: Vec<String>,
    pub mouse: bool,
    pub suspended: usize,
}

struct FakeScreen {
    terminal: Terminal<TestBackend>,
    seen: Arc<Mutex<Seen>>,
}

impl Surface for FakeScreen {
    fn draw(&mut self, paint: &mut dyn FnMut(&mut ratatui::Frame<'_>)) -> std::io::Result<()> {
        self.terminal.draw(|frame| paint(frame)).expect("infallible");
        let mut seen = self.seen.lock().expect("no panic");
        seen.frames += 1;
        let text = text_of(self.terminal.backend().buffer());
        seen.wasted += usize::from(text == seen.text);
        seen.text = text;
        Ok(())
    }

    fn clear(&mut self) -> std::io::Result<()> {
        self.terminal.clear().expect("infallible");
        Ok(())
    }

    fn mouse(&mut self, on: bool) -> std::io::Result<()> {
        self.seen.lock().expect("no panic").mouse = on;
        Ok(())
    }

    fn copy(&mut self, text: &str) -> std::io::Result<Copied> {
        self.seen.lock().expect("no panic").copied.push(text.to_owned());
        Ok(Copied::Clipboard)
    }

    async fn suspend(&mut self, _: Whom) -> std::io::Result<bool> {
        self.seen.lock().expect("no panic").suspended += 1;
        Ok(true)
    }
}

/// An engine that a test or a person can look at.
pub fn engine(snapshot: Snapshot) -> (Arc<FakeEngine>, mpsc::Receiver<Asked>) {
    let (asked_in, asked) = mpsc::channel(16);
    let engine = FakeEngine {
        snapshots: watch::channel(Arc::new(snapshot)).0,
        facts: broadcast::channel(64).0,
        commands: Mutex::default(),
        faults: Mutex::default(),
        hold: watch::channel(false).0,
        explained: AtomicUsize::new(0),
        numbers: AtomicUsize::new(0),
        asked: asked_in,
        started: tokio::time::Instant::now(),
    };
    (Arc::new(engine), asked)
}

/// Terminal events that come as crossterm's do: it wakes the first one who asked, and does not listen to a second
/// until then. A loop that polls with another waker in between would sleep through the next key.
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<(VecDeque<Event>, Option<Waker>)>>);

impl Keys {
    fn send(&self, event: Event) {
        let mut inner = self.0.lock().expect("no panic");
        inner.0.push_back(event);
        if let Some(waker) = inner.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Event>>> {
        let mut inner = self.0.lock().expect("no panic");
        if let Some(event) = inner.0.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        inner.1.get_or_insert_with(|| context.waker().clone());
        Poll::Pending
    }
}

/// A running dashboard with the test on both of its ends.
pub struct Stage {
    pub engine: Arc<FakeEngine>,
    pub asked: mpsc::Receiver<Asked>,
    pub seen: Arc<Mutex<Seen>>,
    keys: Keys,
    pub stop: tokio::sync::oneshot::Sender<()>,
    pub running: JoinHandle<Result<ExitSummary, TuiError>>,
}

impl Stage {
    pub fn new(snapshot: Snapshot, ui: UiConfig, width: u16, height: u16) -> Self {
        let (engine, asked) = engine(snapshot);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend");
        let screen = FakeScreen { terminal, seen: Arc::clone(&seen) };
        let keys = Keys::default();
        // The stream is asked for anew after a suspension: it goes on where it was.
        let source = {
            let keys = keys.clone();
            move || {
                let keys = keys.clone();
                futures::stream::poll_fn(move |context| keys.poll(context)).boxed()
            }
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let backing: Arc<dyn Backing> = Arc::clone(&engine) as Arc<dyn Backing>;
        let log = Box::new(super::scene::log);
        let options = Options { log, zone: jiff::tz::TimeZone::UTC, ..Options::default() };
        let ui = UiConfig { ascii: Some(false), ..ui };
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            run_on(backing, &ui, options, screen, source, shutdown).await
        });
        #[expect(clippy::disallowed_methods, reason = "the test awaits it")]
        let running = tokio::spawn(async move { tasks.join_next().await.expect("one task").expect("no panic") });
        Self { engine, asked, seen, keys, stop, running }
    }

    pub fn send(&self, event: Event) {
        self.keys.send(event);
    }

    /// Presses keys, named as in the configuration, apart by blanks.
    pub async fn press(&self, keys: &str) {
        for key in keys.split(' ') {
            let (modifiers, name) = match key.split_once('-') {
                Some(("ctrl", name)) => (KeyModifiers::CONTROL, name),
                Some(("alt", name)) => (KeyModifiers::ALT, name),
                _ => (KeyModifiers::NONE, key),
            };
            let code = match name {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "space" => KeyCode::Char(' '),
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "pageup" => KeyCode::PageUp,
                "pagedown" => KeyCode::PageDown,
                "backspace" => KeyCode::Backspace,
                "backtab" => KeyCode::BackTab,
                "minus" => KeyCode::Char('-'),
                name => KeyCode::Char(name.chars().next().expect("a key")),
            };
            self.send(Event::Key(KeyEvent::new(code, modifiers)));
        }
        self.settle().await;
    }

    pub async fn type_text(&self, text: &str) {
        for c in text.chars() {
            self.send(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self.settle().await;
    }

    /// Lets everything run that can, up to the next frame.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(60)).await;
    }

    /// The commands that the engine was given so far.
    pub fn commands(&self) -> Vec<Command> {
        self.engine.commands.lock().expect("no panic").clone()
    }

    /// What the engine sees of the fleet from now on.
    pub async fn sees(&self, snapshot: Snapshot) {
        self.engine.snapshots.send(Arc::new(snapshot)).expect("the screen listens");
        self.settle().await;
    }

    /// Something happened.
    pub async fn hears(&self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            self.engine.facts.send(fact).expect("the screen listens");
        }
        self.settle().await;
    }

    /// The line of the screen with a text.
    pub fn line(&self, words: &str) -> String {
        let text = self.text();
        let found = text.lines().find(|line| line.contains(words)).map(str::to_owned);
        found.unwrap_or_else(|| panic!("`{words}` is not on the screen:\n{text}"))
    }

    pub fn text(&self) -> String {
        self.seen.lock().expect("no panic").text.clone()
    }

    pub fn shows(&self, words: &str) {
        let text = self.text();
        assert!(text.contains(words), "`{words}` is not on the screen:\n{text}");
    }

    pub fn hides(&self, words: &str) {
        let text = self.text();
        assert!(!text.contains(words), "`{words}` is on the screen:\n{text}");
    }
}
