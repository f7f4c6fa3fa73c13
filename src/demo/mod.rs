//! Simulated tiers: real HTTP servers on loopback that speak the real protocols, with faults that can be dialled in.
//!
//! Nothing else in the program knows that they are not real. They are the demonstration mode, and the servers that the
//! tests of the whole project run against.

mod answer;
mod anthropic;
mod catalog;
mod dialect;
mod fault;
mod faults;
mod gemini;
mod gpu;
mod log;
mod management;
mod mischief;
mod ollama;
mod openai;
mod play;
mod rng;
mod serverless;
mod socket;
mod traffic;
mod upstream;
mod workers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::catalog::{LLAMA_ENDPOINT, RUNPOD_ACCOUNT, RUNPOD_KEY, SITES, Site, TUNE_ENDPOINT};
use self::management::Account;
use self::ollama::Memory;
use self::openai::Openai;
use self::serverless::Endpoint;
use self::socket::{Door, Line};
use self::upstream::{Upstream, World};
use self::workers::{Scaling, Workers};
use crate::config::Config;
use crate::domain::fleet::Protocol;
use crate::domain::privacy::Reach;
use crate::domain::tier::Tier;

pub use fault::{Fault, FaultKind, UnknownFault};
pub use faults::{Faults, Storm};
pub use gpu::SimulatedGpu;
pub use log::{Ended, Seen};
pub use rng::Chance;
pub use traffic::{Arrival, Traffic};

/// How a simulation runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What chance starts from: the same seed gives the same answers to the same requests in the same order.
    pub seed: u64,
    /// 1 for believable times, more for faster ones; tests take 50 or so.
    pub speed: f32,
    /// Requests that the log keeps, the latest of them; `usize::MAX` for all.
    pub log: usize,
}

impl Default for Options {
    /// Believable times, and a log of 4,096 requests: enough to look at, and no more memory after a week than after an
    /// hour.
    fn default() -> Self {
        Self { seed: 1, speed: 1.0, log: 4_096 }
    }
}

/// A running simulation. [`Simulation::shutdown`] ends it; dropping it ends it too, without waiting.
pub struct Simulation {
    world: World,
    config: Config,
    addresses: BTreeMap<String, SocketAddr>,
    gpu: SimulatedGpu,
    _stop: tokio_util::sync::DropGuard,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("speed", &self.world.speed).finish_non_exhaustive()
    }
}

impl Simulation {
    /// Starts every upstream on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// A port could not be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let world = World {
            faults: Faults::default(),
            log: log::Log::new(options.log),
            speed: options.speed.clamp(0.01, 10_000.0),
            started: Instant::now(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        let chance = Chance::new(options.seed);
        let mut street = Street { world: world.clone(), addresses: BTreeMap::new() };
        let mut gpu = None;
        let mut endpoints = BTreeMap::new();
        let mut tenant = None;

        for site in &SITES {
            let seed = chance.bits();
            let new = |flavour: Openai| Upstream::new(site, flavour, seed, world.clone());
            match site.protocol {
                Protocol::Anthropic => {
                    let upstream = Upstream::new(site, anthropic::Anthropic, seed, world.clone());
                    street.open(site.id, anthropic::router().with_state(Arc::clone(&upstream)), upstream).await?;
                }
                Protocol::Gemini => {
                    let upstream = Upstream::new(site, gemini::Gemini, seed, world.clone());
                    street.open(site.id, gemini::router().with_state(Arc::clone(&upstream)), upstream).await?;
                }
                Protocol::Ollama => {
                    let upstream = Upstream::new(site, ollama::Ollama, seed, world.clone());
                    let memory = Arc::new(Memory::default());
                    if gpu.is_none() {
                        // The first host has its small model in memory, as somebody who uses it daily has.
                        if let Some(card) = upstream.cards.first() {
                            memory.preload(card);
                        }
                        gpu = Some(SimulatedGpu::new(Arc::clone(&upstream), Arc::clone(&memory)));
                    }
                    street.open(site.id, ollama::router(&upstream, &memory), upstream).await?;
                }
                Protocol::Openai | Protocol::Litellm => {
                    let flavour = match (site.protocol, site.tier) {
                        (Protocol::Litellm, _) => Openai::Litellm,
                        (_, Tier::Gpu) => Openai::Vllm,
                        _ => Openai::Hosted,
                    };
                    let upstream = new(flavour);
                    if flavour == Openai::Vllm {
                        tenant = Some(Arc::clone(&upstream));
                    }
                    let router = openai::router(flavour).with_state(Arc::clone(&upstream));
                    street.open(site.id, router, upstream).await?;
                }
                Protocol::RunpodOpenai | Protocol::RunpodQueue | Protocol::RunpodBalancer => {
                    let (id, scaling) = scaling(site.protocol);
                    let upstream = new(Openai::Worker);
                    let workers = Workers::new(scaling);
                    if site.protocol == Protocol::RunpodOpenai {
                        workers.start(&world, &upstream.chance, Duration::ZERO);
                    }
                    let endpoint = Endpoint::new(Arc::clone(&upstream), workers);
                    let router = Router::new().nest(&format!("/v2/{id}"), serverless::router(&endpoint));
                    endpoints.insert(id, endpoint);
                    street.open(site.id, router, upstream).await?;
                }
            }
        }

        let missing = || io::Error::other("the simulated fleet is incomplete");
        let site = Site {
            id: RUNPOD_ACCOUNT,
            tier: Tier::Gpu,
            protocol: Protocol::RunpodQueue,
            reach: Reach::Outside,
            key: Some(RUNPOD_KEY),
            path: "",
            cards: &[],
        };
        let upstream = Upstream::new(&site, management::Problems, chance.bits(), world.clone());
        let account = Account::new(
            Arc::clone(&upstream),
            tenant.ok_or_else(missing)?,
            endpoints.remove(LLAMA_ENDPOINT).ok_or_else(missing)?,
            endpoints.remove(TUNE_ENDPOINT).ok_or_else(missing)?,
        );
        street.open(site.id, management::router(&account), upstream).await?;
        world.tasks.close();

        Ok(Self {
            config: catalog::config(&street.addresses),
            addresses: street.addresses.iter().map(|(id, address)| ((*id).to_owned(), *address)).collect(),
            gpu: gpu.ok_or_else(missing)?,
            world,
            _stop: stop.drop_guard(),
        })
    }

    /// The configuration that reaches the simulated fleet: default policy, loopback addresses, simulated keys.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// Where each upstream listens, for a process that is to reach it from outside: see [`reach`].
    #[must_use]
    pub const fn addresses(&self) -> &BTreeMap<String, SocketAddr> {
        &self.addresses
    }

    /// The dials of the faults. The RunPod account itself is `runpod-account` among the backends.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.world.faults.clone()
    }

    /// The latest requests that any upstream saw, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.world.log.all()
    }

    /// The prompts that hold a text, by whomever they were seen, oldest first: once every one of them has ended, so that
    /// their bills are final.
    pub async fn prompts_with(&self, text: &str) -> Vec<Seen> {
        self.world.log.ended(text).await
    }

    /// Forgets the requests seen so far.
    pub fn clear_log(&self) {
        self.world.log.clear();
    }

    /// The graphics card of the simulated local host.
    #[must_use]
    pub fn gpu(&self) -> SimulatedGpu {
        self.gpu.clone()
    }

    /// Ends all upstreams: what is being answered is cut, and every task has ended when this returns.
    pub async fn shutdown(self) {
        self.world.stop.cancel();
        self.world.tasks.wait().await;
    }
}

/// The configuration that reaches a simulation which another process runs, at its [`Simulation::addresses`].
#[must_use]
pub fn reach(addresses: &BTreeMap<String, SocketAddr>) -> Config {
    let known = SITES.iter().map(|site| site.id).chain([RUNPOD_ACCOUNT]);
    let at = known.filter_map(|id| addresses.get(id).map(|address| (id, *address))).collect();
    catalog::config(&at)
}

/// The endpoint id and the scaling of each kind of endpoint.
fn scaling(protocol: Protocol) -> (&'static str, Scaling) {
    if protocol == Protocol::RunpodOpenai {
        let idle = Duration::from_secs(240);
        let gpu = "NVIDIA H100 80GB HBM3";
        (LLAMA_ENDPOINT, Scaling { max: 3, each: 16, start: (18_000.0, 30_000.0), idle, gpu })
    } else {
        let idle = Duration::from_secs(60);
        let gpu = "NVIDIA GeForce RTX 4090";
        (TUNE_ENDPOINT, Scaling { max: 2, each: 4, start: (6_000.0, 12_000.0), idle, gpu })
    }
}

/// Where the upstreams live.
struct Street {
    world: World,
    addresses: BTreeMap<&'static str, SocketAddr>,
}

impl Street {
    async fn open(&mut self, id: &'static str, router: Router, upstream: Arc<Upstream>) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        self.addresses.insert(id, listener.local_addr()?);
        let door = Door::new(listener, &upstream.id, &self.world.faults);
        // A layer around all routes, unknown ones included: a service that is down is down everywhere.
        let router = router.layer(from_fn_with_state(upstream, upstream::door));
        let service = router.into_make_service_with_connect_info::<Line>();
        let stop = self.world.stop.clone();
        self.world.tasks.spawn(async move {
            let _ = axum::serve(door, service).with_graceful_shutdown(stop.cancelled_owned()).await;
        });
        Ok(())
    }
}
