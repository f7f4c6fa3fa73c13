//! Putting an engine together: clients, fleet, actor, probes, samplers.

use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actor::Actor;
use super::books::Books;
use super::clock::Clock;
use super::message::Counters;
use super::probe::Prober;
use super::snapshot::Snapshot;
use super::teacher::Teacher;
use super::{Engine, FACTS, INBOX, Keeping, Shared};
use crate::config::Config;
use crate::domain::analysis::analyse;
use crate::domain::fleet::{Backend, Fleet, KeyState};
use crate::domain::id::BackendId;
use crate::domain::privacy::{GuardPolicy, Guarded};
use crate::domain::prompt::Prompt;
use crate::domain::request::Privacy;
use crate::domain::spend::Spend;
use crate::provider::{Client, ConnectError, connect};
use crate::store::keeper::{Status, Store};
use crate::telemetry::nvml::NvmlSource;
use crate::telemetry::{self, GpuSource, Refresh, Sources, Telemetry};

/// What an engine is started with besides its configuration.
pub struct Options {
    /// Where it learns the time.
    pub clock: Clock,
    /// Whether the tiers are simulated, so that surfaces say so.
    pub simulated: bool,
    /// What reads the local GPUs, in place of NVML.
    pub local_gpu: Option<Box<dyn GpuSource>>,
    /// Whether the machines are read at all: a command that ends after one request has no use for it.
    pub telemetry: bool,
    /// Where everything is kept from run to run; nothing is, where absent.
    pub store: Option<Store>,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Clock::system(), simulated: false, local_gpu: None, telemetry: true, store: None }
    }
}

/// The parts that an engine is assembled from.
pub(super) struct Parts {
    pub config: Config,
    pub clients: HashMap<BackendId, Client>,
    pub telemetry: watch::Receiver<Arc<Telemetry>>,
    pub refresh: Refresh,
    pub background: TaskTracker,
    pub stop: CancellationToken,
    pub clock: Clock,
    pub simulated: bool,
    pub store: Option<Store>,
}

impl Engine {
    /// Starts an engine on a configuration. Nothing is sent but probes. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// A backend's URL, key or headers are of no use.
    pub fn start(config: Config, options: Options) -> Result<Self, ConnectError> {
        let Options { clock, simulated, local_gpu, telemetry, store } = options;
        let clients = config
            .backends
            .iter()
            .map(|one| Ok((one.spec.id.clone(), connect(one)?)))
            .collect::<Result<HashMap<_, _>, ConnectError>>()?;
        let background = TaskTracker::new();
        let stop = CancellationToken::new();
        let refresh = Refresh::default();
        let nvml = || Box::new(NvmlSource::default()) as Box<dyn GpuSource>;
        let sources = Sources {
            local: local_gpu.or_else(|| config.local_gpu.then(nvml)).filter(|_| telemetry),
            runpod: config.runpod.clone().filter(|_| telemetry),
            host: telemetry,
            refresh: refresh.clone(),
        };
        let now = clock.clone();
        let telemetry = telemetry::spawn(sources, move || now.now(), &background, stop.clone());
        Ok(Self::assemble(Parts { config, clients, telemetry, refresh, background, stop, clock, simulated, store }))
    }

    /// Starts an engine over clients of one's own, and without a look at the machines: for benchmarks.
    #[cfg(feature = "bench")]
    #[must_use]
    pub fn start_over(config: Config, options: Options, clients: HashMap<BackendId, Client>) -> Self {
        let Options { clock, simulated, store, .. } = options;
        let (_, telemetry) = watch::channel(Arc::new(Telemetry::default()));
        Self::assemble(Parts {
            config,
            clients,
            telemetry,
            refresh: Refresh::default(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
            clock,
            simulated,
            store,
        })
    }

    /// Assembles an engine and sets its actor and its probes to work.
    pub(super) fn assemble(parts: Parts) -> Self {
        let Parts { config, clients, telemetry, refresh, background, stop, clock, simulated, store } = parts;
        let now = clock.now();
        let backends = config.backends.iter().map(|one| Backend::new(one.spec.clone(), one.models.clone())).collect();
        let spend = Spend::new(now, clock.day(now), config.cost_limit_daily).with_budgets(config.budgets.clone());
        let mut fleet = Fleet::new(backends, spend);
        Arc::make_mut(&mut fleet.lessons).learned.set_half_life(config.policy.learning.half_life);
        let (books, store) = match store.map(|store| keep(store, &clock, &mut fleet)) {
            Some((books, keeping)) => (Some(books), Some(keeping)),
            None => (None, None),
        };
        let mut teacher = Teacher::default();
        teacher.follow(&fleet);
        let fleet = Arc::new(fleet);
        let policy = Arc::new(config.policy);
        let (snapshot_sender, snapshots) = watch::channel(Arc::new(Snapshot {
            at: now,
            started: now,
            simulated,
            fleet: Arc::clone(&fleet),
            policy: Arc::clone(&policy),
            telemetry: Arc::clone(&telemetry.borrow()),
            accepted: 0,
            in_flight: 0,
            store: Status::default(),
        }));
        let (facts, _) = broadcast::channel(FACTS);
        let (inbox, messages) = mpsc::channel(INBOX);
        let (probe_now, _) = broadcast::channel(16);
        let counters = Arc::new(Counters::default());
        let stop_actor = CancellationToken::new();
        let actor = Actor {
            fleet,
            policy: Arc::clone(&policy),
            telemetry,
            inbox: messages,
            snapshots: snapshot_sender,
            facts: facts.clone(),
            probe_now: probe_now.clone(),
            refresh,
            counters: Arc::clone(&counters),
            clock: clock.clone(),
            in_flight: HashMap::new(),
            kill: HashMap::new(),
            // What an earlier run drained has nothing in flight any more.
            draining: Vec::new(),
            answered: VecDeque::new(),
            teacher,
            books,
            store: Status::default(),
            prices: Arc::from(config.prices.date().unwrap_or_default()),
        };
        // Tables that are unpacked at their first use: no request shall wait for them.
        drop(tokio::task::spawn_blocking(warm));
        background.spawn(actor.run(stop_actor.clone()));
        for one in &config.backends {
            // Without a key every probe would only be refused.
            let keyless = matches!(one.spec.key, KeyState::Missing { .. });
            if let Some(client) = clients.get(&one.spec.id).filter(|_| !keyless) {
                let prober = Prober {
                    id: one.spec.id.clone(),
                    client: client.clone(),
                    protocol: one.spec.protocol,
                    every: one.probe_every,
                    prices: Arc::clone(&config.prices),
                    clock: clock.clone(),
                    inbox: inbox.clone(),
                    snapshots: snapshots.clone(),
                    probe_now: probe_now.subscribe(),
                };
                background.spawn(prober.run(stop.clone()));
            }
        }
        Self {
            shared: Arc::new(Shared {
                clients,
                policy,
                snapshots,
                facts,
                inbox,
                counters,
                clock,
                secret: RandomState::new(),
                log_performance: config.log_performance,
                requests: TaskTracker::new(),
                abort: CancellationToken::new(),
                background,
                stop,
                stop_actor,
                store,
            }),
        }
    }
}

/// Understands and guards a prompt once.
fn warm() {
    let prompt = Arc::new(Prompt::from("Write to ada@example.org: what is 6 times 7?"));
    drop(analyse(&prompt, None));
    drop(Guarded::inspect(prompt, Privacy::Standard, &GuardPolicy::default()));
}

/// Takes up what a store has kept, and sets its folding to work.
fn keep(store: Store, clock: &Clock, fleet: &mut Fleet) -> (Books, Keeping) {
    let keep_text = store.keep_text;
    let (journal, kept, news, owner, folding) = store.into_parts();
    let books = Books::begin(journal.clone(), kept, news, owner, clock.clone(), fleet);
    let stop = CancellationToken::new();
    let folded = folding.begin(stop.clone());
    (books, Keeping { journal, keep_text, stop, folded })
}
