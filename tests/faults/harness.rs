//! Simulated upstreams, an engine that reaches them under many names, and what one request came to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use llm_call::config::{BackendConfig, Config};
use llm_call::demo::{self, Seen, Simulation};
use llm_call::domain::decision::Decision;
use llm_call::domain::fleet::{Protocol, Timer};
use llm_call::domain::id::{BackendId, RequestId};
use llm_call::domain::money::{CostBasis, Money};
use llm_call::domain::task::Task;
use llm_call::engine::{Answer, Attempt, Delivery, Fact, Finished, Options, Reply};
use llm_call::{CallError, Constraints, Engine, Progress, Prompt, Tier};
use tokio::sync::broadcast;

/// How much faster than believable: an answer takes some ten milliseconds.
const SPEED: f32 = 200.0;
/// What nothing that is well comes near to, however busy the machine is.
pub const LONG: Duration = Duration::from_secs(20);
/// What silence is waited out with.
pub const SHORT: Duration = Duration::from_millis(300);
/// Who may stand in.
pub const PARTNER: &str = "mac-studio";

/// A wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Anthropic,
    Ollama,
    Openai,
    Litellm,
    Gemini,
    /// vLLM's route of a RunPod endpoint.
    Worker,
    /// Jobs of a RunPod endpoint.
    Queue,
    /// A RunPod load balancer; in the simulation it is the pod's server that is balanced to.
    Balancer,
}

impl Wire {
    pub const ALL: [Self; 8] = [
        Self::Anthropic,
        Self::Ollama,
        Self::Openai,
        Self::Litellm,
        Self::Gemini,
        Self::Worker,
        Self::Queue,
        Self::Balancer,
    ];

    /// The simulated upstream that speaks it.
    pub const fn upstream(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Ollama => "rtx-4090",
            Self::Openai => "openai",
            Self::Litellm => "litellm",
            Self::Gemini => "gemini",
            Self::Worker => "runpod-llama-70b",
            Self::Queue => "runpod-tune",
            Self::Balancer => "pod-vllm",
        }
    }

    /// The backend that reaches it under a name of its own, with its first model. It is not in the partner's tier, so that
    /// a request falls back to the partner first.
    pub fn backend(self, simulation: &Simulation, name: &str) -> BackendConfig {
        let mut backend = configured(simulation, self.upstream());
        backend.spec.id = BackendId::from(name);
        backend.models.truncate(1);
        if self == Self::Ollama {
            backend.spec.tier = Tier::Frontier;
        }
        if self == Self::Balancer {
            backend.spec.protocol = Protocol::RunpodBalancer;
        }
        backend
    }
}

pub fn configured(simulation: &Simulation, id: &str) -> BackendConfig {
    let mut backends = simulation.config().backends.into_iter();
    let mut backend = backends.find(|one| one.spec.id.as_str() == id).expect("the simulation has it");
    backend.probe_every = Duration::from_secs(3_600);
    backend.spec.timeouts.first_token = Timer::Set(LONG);
    backend.spec.timeouts.stall = Timer::Set(LONG);
    backend
}

pub async fn simulation() -> Simulation {
    let options = demo::Options { speed: SPEED, log: usize::MAX, ..demo::Options::default() };
    Simulation::start(options).await.expect("loopback ports are to be had")
}

/// The configuration of an engine that knows these backends, and a partner that is the first to stand in.
pub fn config(simulation: &Simulation, backends: Vec<BackendConfig>) -> Config {
    let mut config = simulation.config();
    let mut partner = configured(simulation, PARTNER);
    partner.models.retain(|(id, _)| id.as_str() == "mistral:7b");
    partner.spec.max_in_flight = None;
    config.backends = backends;
    config.backends.push(partner);
    config.cost_limit_daily = None;
    config.runpod = None;
    config.policy.rules.clear();
    // Nobody but the partner stands in.
    config.policy.fallback_chain = vec![Tier::Local];
    for assumed in &mut config.policy.assumed {
        // A whole answer may take twice its expected time beyond the first token's: in this simulation that is no time.
        assumed.tokens_per_second = 20_000;
    }
    config
}

pub fn engine(config: Config) -> Engine {
    let options = Options { telemetry: false, simulated: true, ..Options::default() };
    Engine::start(config, options).expect("the simulation's configuration is good")
}

/// A name that no other prompt has.
pub fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("case-{:05}.", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A request that is under way.
pub struct Sent {
    pub id: RequestId,
    pub name: String,
    pub answer: Answer,
    pub decision: Arc<Decision>,
    facts: broadcast::Receiver<Fact>,
}

/// What a request came to.
pub struct Ran {
    pub end: Result<Reply, CallError>,
    /// The text that was delivered and is not to be discarded, whole or not.
    pub delivered: String,
    pub finished: Arc<Finished>,
    pub decision: Arc<Decision>,
    /// Its prompts, as the upstreams saw them.
    pub seen: Vec<Seen>,
}

/// Sends a prompt with these words in it.
pub fn send(engine: &Engine, words: &str, constraints: Constraints, delivery: Delivery) -> Sent {
    try_send(engine, words, constraints, delivery).expect("there is a route")
}

/// The same, where there may be no route.
pub fn try_send(engine: &Engine, words: &str, constraints: Constraints, delivery: Delivery) -> Option<Sent> {
    let name = unique();
    // A name ahead and a wish behind are no prompt that anybody writes: what the work is has to be said.
    let task = if words.starts_with("Rate") { Task::Reward } else { Task::Explanation };
    let constraints = Constraints { task: constraints.task.or(Some(task)), ..constraints };
    let facts = engine.facts();
    let prompt = Prompt::user(format!("{name} {words}"));
    let answer = engine.submit(prompt, constraints, &Arc::from("faults"), delivery).ok()?;
    let decision = Arc::clone(answer.decision());
    Some(Sent { id: answer.id(), name, answer, decision, facts })
}

/// Waits for the fact that a request has ended.
pub async fn finished(facts: &mut broadcast::Receiver<Fact>, id: RequestId) -> Arc<Finished> {
    let end = async {
        loop {
            match facts.recv().await.expect("no fact is missed") {
                Fact::Finished(finished) if finished.request == id => return finished,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LONG, end).await.expect("every request ends")
}

impl Sent {
    /// Lets it run to its end, and until every upstream is done with it.
    pub async fn run(mut self, simulation: &Simulation) -> Ran {
        let (mut delivered, mut tool_calls) = (String::new(), Vec::new());
        let end = loop {
            let next = tokio::time::timeout(2 * LONG, self.answer.next()).await.expect("something happens");
            match next.expect("an end comes") {
                Progress::Text(piece) => delivered.push_str(&piece),
                Progress::ToolCall(call) => tool_calls.push(call),
                Progress::AttemptFailed(_) => {
                    delivered.clear();
                    tool_calls.clear();
                }
                Progress::Ended(end) => break end,
                _ => {}
            }
        };
        let decision = Arc::clone(&self.decision);
        let end =
            end.map(|ending| Reply { text: delivered.clone(), tool_calls, ending, decision: Arc::clone(&decision) });
        let finished = finished(&mut self.facts, self.id).await;
        let seen = settled(simulation, &self.name).await;
        Ran { end, delivered, finished, decision, seen }
    }

    /// Goes away, and waits until the engine and every upstream are done with it.
    pub async fn cancel(self, simulation: &Simulation) -> (Arc<Finished>, Vec<Seen>) {
        let Self { id, name, answer, mut facts, .. } = self;
        answer.cancel();
        let finished = finished(&mut facts, id).await;
        (finished, settled(simulation, &name).await)
    }
}

/// The prompts of a name, once every upstream is done with them.
pub async fn settled(simulation: &Simulation, name: &str) -> Vec<Seen> {
    tokio::time::timeout(LONG, simulation.prompts_with(name)).await.expect("every exchange ends")
}

/// Where the ledger and the upstreams' books disagree over a request; nothing where they do not. The attempts at one
/// upstream are its prompts, in their order; `upstream_of` says whom a backend reaches.
pub fn disagreements(
    attempts: &[Arc<Attempt>],
    decision: &Decision,
    seen: &[Seen],
    upstream_of: impl Fn(&BackendId) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<&Seen> = seen.iter().collect();
    for attempt in attempts {
        let upstream = upstream_of(&attempt.backend);
        let Some(at) = left.iter().position(|seen| seen.backend.as_str() == upstream) else {
            // Only who could not be reached has seen nothing.
            continue;
        };
        let seen = left.remove(at);
        let mut candidates = decision.candidates.iter();
        let reserve = candidates.find(|one| one.backend == attempt.backend && one.model == attempt.model);
        let reserve = reserve.map(|one| &one.estimate);
        found.extend(disagreement(attempt, seen, reserve.and_then(|estimate| estimate.cost_upper)));
    }
    found.extend(left.iter().map(|seen| format!("{} saw a prompt that no attempt accounts for", seen.backend)));
    found
}

fn disagreement(attempt: &Attempt, seen: &Seen, reserve: Option<Money>) -> Option<String> {
    let at = format!("{} at {}: ", attempt.number, attempt.backend);
    let amount = attempt.cost.amount.unwrap_or(Money::ZERO);
    let told = format!("{at}{:?} booked, {:?} billed, {reserve:?} reserved", attempt.cost, seen.billed);
    let agrees = match attempt.cost.basis {
        CostBasis::Reported | CostBasis::Priced => amount == seen.billed,
        // A job tells how long it took; elsewhere whoever waits has the longer clock.
        CostBasis::Timed if seen.path.ends_with("/run") => amount == seen.billed,
        CostBasis::Timed => amount >= seen.billed,
        CostBasis::Estimated | CostBasis::Unknown => amount.max(reserve.unwrap_or(Money::ZERO)) >= seen.billed,
    };
    if !agrees {
        return Some(told);
    }
    match (&attempt.outcome, attempt.usage) {
        (Ok(_), Some(usage)) if usage != seen.usage => {
            Some(format!("{at}{usage:?} in the ledger, {:?} at the upstream", seen.usage))
        }
        _ => None,
    }
}
