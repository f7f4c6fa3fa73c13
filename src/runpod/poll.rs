//! What is asked of RunPod and how often, within the account's 60 calls a minute: pods and endpoints at each poll, the
//! workers of endpoints in turn, prices and the balance now and then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{ApiError, Client, Workers, convert};
use crate::config::RunpodConfig;
use crate::domain::machine::GpuSample;
use crate::domain::money::Money;

const WORKERS_EVERY: Duration = Duration::from_secs(30);
/// Of the 60 calls that an account has, those that looks at workers may take.
const WORKER_CALLS_A_MINUTE: u32 = 20;
/// Once fewer calls than this are left, only the two lists are asked for.
const SPARE_CALLS: u32 = 12;
const BALANCE_EVERY: Duration = Duration::from_secs(300);
const PRICES_EVERY: Duration = Duration::from_secs(6 * 3600);
/// What failed beside the main matter is tried again after this.
const ASIDE_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Watches one account.
#[derive(Debug)]
pub(crate) struct Poller {
    client: Client,
    worker_calls: usize,
    workers: HashMap<String, (Instant, Option<Workers>)>,
    prices: BTreeMap<String, Money>,
    prices_due: Option<Instant>,
    balance: Option<Money>,
    balance_due: Option<Instant>,
    /// The key does not cover endpoints: not asked again until then.
    endpoints_due: Option<Instant>,
}

fn due(at: Option<Instant>) -> bool {
    at.is_none_or(|at| at <= Instant::now())
}

impl Poller {
    /// Watches an account. Without a key there is nothing to watch, which is said in one line.
    pub(crate) fn new(config: RunpodConfig) -> Result<Self, Arc<str>> {
        let Some(key) = config.key else { return Err(Arc::from("no RunPod key (RUNPOD_API_KEY)")) };
        let client = Client::new(&config.api_url, key).map_err(|cause| Arc::from(cause.to_string()))?;
        let a_minute = u64::from(WORKER_CALLS_A_MINUTE) * config.poll_every.as_secs().max(1) / 60;
        Ok(Self {
            client,
            worker_calls: usize::try_from(a_minute.clamp(1, u64::from(WORKER_CALLS_A_MINUTE))).unwrap_or(1),
            workers: HashMap::new(),
            prices: BTreeMap::new(),
            prices_due: None,
            balance: None,
            balance_due: None,
            endpoints_due: None,
        })
    }

    /// The balance as last told.
    pub(crate) const fn balance(&self) -> Option<Money> {
        self.balance
    }

    /// How long the account's quota asks to wait.
    pub(crate) fn leave_alone(&self) -> Option<Duration> {
        self.client.leave_alone()
    }

    /// Looks once. `asked` where the operator asked: what was given up is tried again.
    pub(crate) async fn poll(&mut self, asked: bool) -> Result<Vec<GpuSample>, ApiError> {
        if asked {
            (self.endpoints_due, self.prices_due, self.balance_due) = (None, None, None);
        }
        let pods = self.client.pods().await?;
        let mut samples: Vec<GpuSample> = pods.iter().map(convert::pod).collect();
        if due(self.endpoints_due) {
            match self.client.endpoints().await {
                Ok(endpoints) => {
                    self.refresh_workers(endpoints.iter().filter_map(|endpoint| endpoint.id.as_deref())).await;
                    if !endpoints.is_empty() {
                        self.refresh_prices().await;
                    }
                    samples.extend(endpoints.iter().map(|endpoint| {
                        let known = endpoint.id.as_ref().and_then(|id| self.workers.get(id));
                        convert::endpoint(endpoint, known.and_then(|(_, workers)| workers.as_ref()), &self.prices)
                    }));
                }
                // Keys can be restricted: one that may see pods only is not a bad key.
                Err(ApiError::KeyRefused | ApiError::Status { status: 404, .. }) => {
                    tracing::info!("this RunPod key shows no serverless endpoints");
                    self.endpoints_due = Some(Instant::now() + ASIDE_AGAIN_AFTER);
                }
                Err(error) => return Err(error),
            }
        }
        self.refresh_balance().await;
        Ok(samples)
    }

    fn has_calls_to_spare(&self) -> bool {
        self.client.calls_left().is_none_or(|left| left >= SPARE_CALLS)
    }

    /// Asks for the workers of those endpoints that were not looked at for longest.
    async fn refresh_workers(&mut self, endpoints: impl Iterator<Item = &str>) {
        let mut due: Vec<(Option<Instant>, String)> =
            endpoints.map(|id| (self.workers.get(id).map(|(at, _)| *at), id.to_owned())).collect();
        let now = Instant::now();
        self.workers.retain(|known, _| due.iter().any(|(_, id)| id == known));
        due.retain(|(at, _)| at.is_none_or(|at| now.duration_since(at) >= WORKERS_EVERY));
        due.sort();
        for (_, id) in due.into_iter().take(self.worker_calls) {
            if !self.has_calls_to_spare() {
                break;
            }
            let workers = match self.client.workers(&id).await {
                Ok(workers) => Some(workers),
                // What was known before is better than nothing; the poll as a whole did not fail.
                Err(ApiError::RateLimited { .. }) => return,
                Err(error) => {
                    tracing::debug!(endpoint = %id, %error, "no word on the workers");
                    None
                }
            };
            self.workers.insert(id, (Instant::now(), workers));
        }
    }

    async fn refresh_prices(&mut self) {
        if !due(self.prices_due) || !self.has_calls_to_spare() {
            return;
        }
        let wait = match self.client.serverless_prices().await {
            Ok(prices) => {
                self.prices = prices;
                PRICES_EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "no prices of GPUs");
                ASIDE_AGAIN_AFTER
            }
        };
        self.prices_due = Some(Instant::now() + wait);
    }

    async fn refresh_balance(&mut self) {
        if !due(self.balance_due) || !self.has_calls_to_spare() {
            return;
        }
        let wait = match self.client.balance().await {
            Ok(balance) => {
                self.balance = balance;
                BALANCE_EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "no word on the balance");
                // A broken connection says nothing about the balance; anything else says that it is not to be had.
                if !matches!(error, ApiError::Unreachable(_) | ApiError::RateLimited { .. }) {
                    self.balance = None;
                }
                ASIDE_AGAIN_AFTER
            }
        };
        self.balance_due = Some(Instant::now() + wait);
    }
}
