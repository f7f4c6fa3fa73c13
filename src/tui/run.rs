//! The loop: one `select!`, in which only the state changes, and one place that draws.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::StreamExt;
use jiff::tz::TimeZone;
use ratatui::crossterm::event::Event;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::app::{App, Effect};
use super::backing::{Backing, LogLine};
use super::clipboard::Copied;
use super::frame::Pacer;
use super::input::{self, Events};
use super::job::{Upset, Whom};
use super::layout::Pane;
use super::session::TurnEvent;
use super::summary::ExitSummary;
use super::terminal::{Screen, Surface};
use super::theme::ColorEnv;
use super::{glyph, view};
use crate::config::UiConfig;
use crate::domain::request::Constraints;
use crate::engine::{Command, Fact, Snapshot};

/// What the dashboard is given besides its configuration.
pub struct Options {
    /// The latest lines of the program's log, newest last.
    pub log: Box<dyn Fn() -> Vec<LogLine> + Send>,
    /// The folder for what is kept from run to run, if there is one.
    pub state: Option<PathBuf>,
    /// The program's version.
    pub version: &'static str,
    /// The operator's time zone.
    pub zone: TimeZone,
    /// The longest probe interval of the configuration: what was probed three of them ago is warned about.
    pub probe_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: Box::new(Vec::new),
            state: None,
            version: env!("CARGO_PKG_VERSION"),
            zone: TimeZone::system(),
            probe_every: Duration::from_secs(60),
        }
    }
}

/// The dashboard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// There is no terminal, or it went away.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Takes the terminal and runs the dashboard until the operator leaves or `shutdown` ends.
///
/// # Errors
///
/// There is no terminal, or it went away. It is given back in every case.
pub async fn run(
    backing: Arc<dyn Backing>,
    ui: UiConfig,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<ExitSummary, TuiError> {
    // Whether there are colours is resolved here, by flag, file and environment in this order; crossterm looks at
    // `NO_COLOR` alone and would overrule an explicit choice. Without colours the theme never asks for one.
    ratatui::crossterm::style::force_color_output(true);
    let screen = Screen::take(options.state.clone())?;
    run_on(backing, &ui, options, screen, input::terminal_events, shutdown).await
}

/// What a task reports back.
enum Report {
    /// Of a turn.
    Turn(u64, TurnEvent),
    /// Of a command.
    Command(Command, Result<(), String>),
}

/// Reports that may wait for the screen. A full channel slows the tasks down, and so the answers' streams.
const REPORTS: usize = 256;
/// Events taken at once before a frame is considered.
const BATCH: usize = 128;
/// How long data is left alone once some was taken: what comes meanwhile is taken together, as one turn of the loop, and
/// well before the frame that shows it.
const REST: Duration = Duration::from_millis(10);
/// What a panic beside the loop is told as.
const TASK_FAILED: &str = "a task of the program failed: see the log";

/// The same on any surface, fed by any events.
///
/// # Errors
///
/// The terminal went away.
pub async fn run_on(
    backing: Arc<dyn Backing>,
    ui: &UiConfig,
    options: Options,
    mut surface: impl Surface,
    events: impl Fn() -> Events,
    shutdown: impl Future<Output = ()>,
) -> Result<ExitSummary, TuiError> {
    let mut app = App::new(ui, &ColorEnv::of_process(), glyph::utf8_locale(), options.zone.clone(), backing.now());
    app.version = options.version;
    app.probe_every = options.probe_every;
    let (reports, mut inbox) = mpsc::channel(REPORTS);
    let mut desk =
        Desk { app, backing, reports, tasks: JoinSet::new(), turns: HashMap::new(), quit: false, log: options.log };
    desk.app.log_file = options.state.map(|folder| folder.join("llm-call.log").display().to_string());
    desk.app.faults = desk.backing.faults();
    let mut snapshots = desk.backing.snapshots();
    let mut facts = desk.backing.facts();
    let mut terminal = events();
    let mut pacer = Pacer::new(ui.max_fps);
    desk.see(snapshots.borrow_and_update().clone());
    pacer.request(Instant::now());
    let mut engine_lives = true;
    let mut facts_live = true;
    let mut rest = None;
    #[cfg(debug_assertions)]
    let mut provoked = super::provoke::Provoked::of_process();
    tokio::pin!(shutdown);
    'screen: while !desk.quit {
        // Every branch can be dropped without losing anything. Each tells whether there is something new to show.
        let mut news = tokio::select! {
            biased;
            () = &mut shutdown => break,
            event = terminal.next() => {
                // The terminal is gone: nobody is there to ask what to do.
                let Some(event) = event else { break };
                desk.tick();
                let mut batch = vec![event?];
                while batch.len() < BATCH && let Some(event) = ready(&mut terminal).await {
                    batch.push(event?);
                }
                let typing = desk.app.focus == Pane::Prompt && desk.app.overlay.is_none();
                let batch = if typing { input::pasted(batch) } else { batch };
                batch.into_iter().for_each(|event| desk.input(event));
                pacer.request_now(Instant::now());
                true
            }
            upset = surface.upset() => {
                desk.tick();
                match upset {
                    // A shell that ends a stopped job lets it go on for that: the end comes before the terminal.
                    Upset::Stop => tokio::select! {
                        biased;
                        () = &mut shutdown => break 'screen,
                        reader = suspend(&mut surface, terminal, &events, Whom::Program, &mut desk) => terminal = reader?,
                    },
                    Upset::Continued => tokio::select! {
                        biased;
                        () = &mut shutdown => break 'screen,
                        retaken = surface.retake() => retaken?,
                    },
                    // The next frame takes the terminal again.
                    Upset::Lost => desk.app.toasts.error(TASK_FAILED, desk.app.now),
                }
                true
            }
            // Ahead of the data: however much of it comes, a frame that is due is drawn.
            () = pacer.wait() => {
                desk.tick();
                desk.catch_up(&mut snapshots, &mut facts, &mut inbox);
                desk.foresee();
                let began = Instant::now();
                surface.draw(&mut |frame| {
                    let area = frame.area();
                    view::draw(&mut desk.app, area, frame.buffer_mut());
                    #[cfg(debug_assertions)]
                    provoked.drawing(&mut desk.tasks);
                })?;
                pacer.drawn(began, Instant::now());
                if let Some(wait) = desk.next_change() {
                    pacer.request_at(Instant::now() + wait);
                }
                false
            }
            () = over(rest) => {
                rest = None;
                false
            }
            changed = snapshots.changed(), if engine_lives && rest.is_none() => {
                desk.tick();
                match changed {
                    Ok(()) => desk.see(snapshots.borrow_and_update().clone()),
                    Err(_) => {
                        engine_lives = false;
                        desk.app.toasts.error("the engine has stopped: what is shown is its last state", desk.app.now);
                    }
                }
                rest = desk.catch_up(&mut snapshots, &mut facts, &mut inbox);
                true
            }
            fact = facts.recv(), if facts_live && rest.is_none() => {
                desk.tick();
                facts_live = desk.fact(fact);
                rest = desk.catch_up(&mut snapshots, &mut facts, &mut inbox);
                true
            }
            Some(report) = inbox.recv(), if rest.is_none() => {
                desk.tick();
                desk.report(report);
                rest = desk.catch_up(&mut snapshots, &mut facts, &mut inbox);
                true
            }
        };
        while let Some(result) = desk.tasks.try_join_next() {
            if result.is_err_and(|error| error.is_panic()) {
                desk.app.toasts.error(TASK_FAILED, desk.app.now);
                news = true;
            }
        }
        while let Some(effect) = desk.app.next_effect() {
            news = true;
            match effect {
                Effect::Copy(text) => desk.copied(text.chars().count(), surface.copy(&text)),
                Effect::Mouse(on) => surface.mouse(on)?,
                Effect::Redraw => surface.clear()?,
                Effect::Suspend => tokio::select! {
                    biased;
                    () = &mut shutdown => break 'screen,
                    reader = suspend(&mut surface, terminal, &events, Whom::Job, &mut desk) => terminal = reader?,
                },
                other => desk.carry_out(other),
            }
        }
        if news {
            pacer.request(Instant::now());
        }
    }
    desk.see(snapshots.borrow().clone());
    // Dropping the tasks cancels what they carry.
    desk.tasks.abort_all();
    let last = desk.app.live.as_ref().map(|snapshot| ExitSummary::of(snapshot, desk.backing.now()));
    Ok(last.unwrap_or_default())
}

/// Waits for the end of the rest; for ever where there is none.
async fn over(rest: Option<Instant>) {
    match rest {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Stops, with the reader of keys gone meanwhile: the shell reads them now. Returns a new one.
async fn suspend(
    surface: &mut impl Surface,
    reader: Events,
    events: &impl Fn() -> Events,
    whom: Whom,
    desk: &mut Desk,
) -> std::io::Result<Events> {
    drop(reader);
    let stopped = surface.suspend(whom).await?;
    desk.tick();
    if !stopped {
        desk.app.toasts.say("there is no shell here to go back to", desk.app.now);
    }
    Ok(events())
}

/// The next event, if there is one already. Asks with the loop's own waker: crossterm wakes whoever asked first, so an
/// idle waker in between (`now_or_never`) would let the next key wait until something else wakes the loop.
async fn ready(events: &mut Events) -> Option<std::io::Result<Event>> {
    std::future::poll_fn(|context| match events.poll_next_unpin(context) {
        Poll::Ready(event) => Poll::Ready(event),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The state with what it takes to carry its effects out.
struct Desk {
    app: App,
    backing: Arc<dyn Backing>,
    reports: mpsc::Sender<Report>,
    tasks: JoinSet<()>,
    turns: HashMap<u64, AbortHandle>,
    quit: bool,
    log: Box<dyn Fn() -> Vec<LogLine> + Send>,
}

impl Desk {
    fn tick(&mut self) {
        self.app.now = self.backing.now();
        if self.app.focus == Pane::Log {
            self.app.log = (self.log)();
        }
    }

    /// Works out where what is typed would go: once a frame at the most, however fast the keys come.
    fn foresee(&mut self) {
        if let Some((prompt, demands)) = self.app.forecast_request() {
            self.app.prompt.asked = prompt.messages.len().saturating_sub(1);
            self.app.prompt.forecast = Some(Arc::new(self.backing.explain(&prompt, &demands)));
        }
    }

    fn see(&mut self, snapshot: Arc<Snapshot>) {
        self.app.see(snapshot);
    }

    fn input(&mut self, event: Event) {
        input::on_event(&mut self.app, event);
    }

    /// Returns whether more facts can come.
    fn fact(&mut self, fact: Result<Fact, RecvError>) -> bool {
        match fact {
            Ok(fact) => self.app.feed.take(fact),
            Err(RecvError::Lagged(count)) => self.app.feed.missed(count, self.app.now),
            Err(RecvError::Closed) => return false,
        }
        true
    }

    /// Takes what has come, of each kind as much as a batch. Returns until when the rest of it can be left alone: not at
    /// all where there may be more already.
    fn catch_up(
        &mut self,
        snapshots: &mut watch::Receiver<Arc<Snapshot>>,
        facts: &mut broadcast::Receiver<Fact>,
        inbox: &mut mpsc::Receiver<Report>,
    ) -> Option<Instant> {
        if snapshots.has_changed().unwrap_or(false) {
            self.see(snapshots.borrow_and_update().clone());
        }
        let (mut facts_left, mut reports_left) = (true, true);
        for _ in 0..BATCH {
            match facts.try_recv() {
                Ok(fact) => self.app.feed.take(fact),
                Err(TryRecvError::Lagged(count)) => self.app.feed.missed(count, self.app.now),
                Err(TryRecvError::Empty | TryRecvError::Closed) => {
                    facts_left = false;
                    break;
                }
            }
        }
        for _ in 0..BATCH {
            let Ok(report) = inbox.try_recv() else {
                reports_left = false;
                break;
            };
            self.report(report);
        }
        (!facts_left && !reports_left).then(|| Instant::now() + REST)
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Turn(key, event) => {
                self.app.session.take(key, event, self.app.now);
                if !self.app.session.turns.iter().any(|turn| turn.key == key && turn.is_open()) {
                    self.turns.remove(&key);
                }
            }
            Report::Command(command, Ok(())) => self.app.done(&command),
            Report::Command(command, Err(error)) => {
                self.app.answered(&command, false);
                self.app.toasts.error(format!("not done: {}: {error}", command.words()), self.app.now);
            }
        }
    }

    /// Says where a copy went; a terminal that is gone shows with the next frame.
    fn copied(&mut self, characters: usize, outcome: std::io::Result<Copied>) {
        match outcome {
            Ok(Copied::Clipboard) => self.app.toasts.say(format!("copied {characters} characters"), self.app.now),
            Ok(file @ Copied::File(..)) => self.app.toasts.say(file.to_string(), self.app.now),
            Err(error) => self.app.toasts.error(format!("not copied: {error}"), self.app.now),
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Quit => self.quit = true,
            Effect::Command(command) => {
                let (future, reports) = (self.backing.command(command.clone()), self.reports.clone());
                self.tasks.spawn(async move {
                    let result = future.await.map_err(|error| error.to_string());
                    // A closed channel means that the screen is gone, and with it whoever asked.
                    let _ = reports.send(Report::Command(command, result)).await;
                });
            }
            Effect::Weigh(typing) => {
                let (prompt, demands) = self.app.prompt_for(&typing.text, &typing.demands);
                let decision = self.backing.explain(&prompt, &demands);
                self.app.weighed(typing, &decision);
            }
            Effect::Submit(key, prompt, constraints) => {
                let (future, reports) = (self.backing.submit(prompt, constraints), self.reports.clone());
                let handle = self.tasks.spawn(async move {
                    let send = async |event| reports.send(Report::Turn(key, event)).await.is_ok();
                    match future.await {
                        Err(error) => {
                            send(TurnEvent::Refused(error)).await;
                        }
                        Ok(mut submitted) => {
                            let mut wanted = send(TurnEvent::Decided(submitted.decision)).await;
                            while wanted && let Some(progress) = submitted.progress.next().await {
                                wanted = send(TurnEvent::Progress(progress)).await;
                            }
                        }
                    }
                });
                self.turns.insert(key, handle);
            }
            Effect::CancelTurn(key) => {
                // Aborting drops the answer's stream, and that cancels the request.
                if let Some(handle) = self.turns.remove(&key) {
                    handle.abort();
                }
            }
            Effect::Fault(upstream, kind) => {
                let words = kind.as_deref().unwrap_or("no fault").to_owned();
                match self.backing.set_fault(&upstream, kind.as_deref()) {
                    Ok(()) => self.app.toasts.say(format!("{upstream}: {words}"), self.app.now),
                    Err(error) => self.app.toasts.error(error, self.app.now),
                }
            }
            Effect::Compare(text, tiers, demands, said) => {
                let prompt = self.app.session.prompt(&text);
                let (mut able, mut unable) = (Vec::new(), None);
                for tier in tiers {
                    let demands = Constraints { tier: Some(tier), fallback: false, ..demands.clone() };
                    let decision = self.backing.explain(&prompt, &demands);
                    match decision.chosen() {
                        Some(one) => able.push((tier, one.estimate.cost_upper)),
                        None => unable = unable.or_else(|| decision.obstacle().map(ToString::to_string)),
                    }
                }
                self.app.weighed_comparison(&text, &able, unable.as_deref(), &demands, said);
            }
            Effect::Copy(_) | Effect::Mouse(_) | Effect::Suspend | Effect::Redraw => {}
        }
    }

    /// When something on the screen changes by itself: the end of a toast, a second for ages, less for a spinner.
    fn next_change(&mut self) -> Option<Duration> {
        let now = self.app.now;
        let toast = self.app.toasts.expire(now).map(|at| at.since(now));
        let busy = self.app.session.open_count() > 0;
        let spins = (busy && self.app.animations).then(|| Duration::from_millis(250));
        // Ages change one after the other within a second; all of them are drawn on the full one.
        let second = Duration::from_millis(u64::try_from(1000 - now.0.rem_euclid(1000)).unwrap_or(1000));
        let running = busy.then_some(Duration::ZERO);
        let soon = |change| if change > Duration::from_secs(1) { change } else { second };
        let ages = [self.app.changes, running].into_iter().flatten().min().map(soon);
        [toast, spins, ages, self.app.foreseen_again_in()].into_iter().flatten().min()
    }
}
