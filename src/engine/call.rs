//! Calls as a program writes them: `engine.claude("…").model("…").await`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};

use super::answer::{Answer, CallError, Reply};
use super::{Delivery, Engine};
use crate::domain::decision::Decision;
use crate::domain::id::{BackendId, ModelId};
use crate::domain::money::Money;
use crate::domain::prompt::{Message, Prompt, Role};
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

/// A call in the making. Awaiting it gives the whole answer; [`Call::stream`] gives it as it arrives.
#[derive(Clone)]
#[must_use = "a call does nothing until it is awaited or streamed"]
pub struct Call {
    engine: Engine,
    prompt: Prompt,
    constraints: Constraints,
    caller: Arc<str>,
}

impl Engine {
    /// A call that the router sends to whichever tier is right for it.
    ///
    /// ```no_run
    /// # async fn example(engine: llm_call::Engine) -> Result<(), llm_call::CallError> {
    /// let reply = engine.call("Explain quantum computing").await?;
    /// println!("{} answered: {}", reply.ending.tier, reply.text);
    /// # Ok(()) }
    /// ```
    pub fn call(&self, prompt: impl Into<Prompt>) -> Call {
        Call {
            engine: self.clone(),
            prompt: prompt.into(),
            constraints: Constraints::default(),
            caller: Arc::from("library"),
        }
    }

    /// A call to the Claude tier.
    pub fn claude(&self, prompt: impl Into<Prompt>) -> Call {
        self.call(prompt).tier(Tier::Claude)
    }

    /// A call to the local tier.
    ///
    /// ```no_run
    /// # async fn example(engine: llm_call::Engine) -> Result<(), llm_call::CallError> {
    /// let reward = engine.local("Rate this action: wait").model("llama3:8b").await?;
    /// # Ok(()) }
    /// ```
    pub fn local(&self, prompt: impl Into<Prompt>) -> Call {
        self.call(prompt).tier(Tier::Local)
    }

    /// A call to the GPU tier.
    pub fn gpu(&self, prompt: impl Into<Prompt>) -> Call {
        self.call(prompt).tier(Tier::Gpu)
    }

    /// A call to the frontier tier.
    pub fn frontier(&self, prompt: impl Into<Prompt>) -> Call {
        self.call(prompt).tier(Tier::Frontier)
    }

    /// Many calls at once, under the same constraints.
    ///
    /// ```no_run
    /// # async fn example(engine: llm_call::Engine) {
    /// use llm_call::Optimize;
    /// let replies = engine.batch(["one", "two"]).optimize(Optimize::Throughput).await;
    /// # }
    /// ```
    pub fn batch<P: Into<Prompt>>(&self, prompts: impl IntoIterator<Item = P>) -> Batch {
        let prompts = prompts.into_iter().map(Into::into).collect();
        Batch { template: self.call(Prompt::default()), prompts, concurrency: DEFAULT_CONCURRENCY }
    }
}

macro_rules! constraint_setters {
    ($($path:ident).+) => {
        /// Only this tier.
        pub fn tier(mut self, tier: Tier) -> Self {
            self.$($path).+.tier = Some(tier);
            self
        }

        /// Only this backend.
        pub fn backend(mut self, backend: impl Into<BackendId>) -> Self {
            self.$($path).+.backend = Some(backend.into());
            self
        }

        /// Only this model.
        pub fn model(mut self, model: impl Into<ModelId>) -> Self {
            self.$($path).+.model = Some(model.into());
            self
        }

        /// With a tier, backend or model named: let the others stand in if it fails.
        pub fn or_fallback(mut self) -> Self {
            self.$($path).+.fallback = true;
            self
        }

        /// The first token must be expected within so many milliseconds.
        pub fn max_latency_ms(mut self, milliseconds: u32) -> Self {
            self.$($path).+.max_latency_ms = Some(milliseconds);
            self
        }

        /// The predicted cost must stay below this.
        pub fn max_cost(mut self, cost: Money) -> Self {
            self.$($path).+.max_cost = Some(cost);
            self
        }

        /// Whether the prompt may leave this machine.
        pub fn privacy(mut self, privacy: Privacy) -> Self {
            self.$($path).+.privacy = privacy;
            self
        }

        /// What to weigh most.
        pub fn optimize(mut self, optimize: Optimize) -> Self {
            self.$($path).+.optimize = optimize;
            self
        }

        /// The task, where the caller knows it.
        pub fn task(mut self, task: Task) -> Self {
            self.$($path).+.task = Some(task);
            self
        }

        /// All constraints at once.
        pub fn constraints(mut self, constraints: Constraints) -> Self {
            self.$($path).+ = constraints;
            self
        }
    };
}

impl Call {
    constraint_setters!(constraints);

    /// Off: the default tier answers, whatever the prompt asks for. On, as it is unless said otherwise: the router chooses.
    pub fn auto_route(mut self, on: bool) -> Self {
        self.constraints.tier = (!on).then(|| self.engine.policy().default_tier);
        self
    }

    /// Instructions that stand above the conversation.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.prompt.messages.insert(0, Message::text(Role::System, text));
        self
    }

    /// The longest answer, in tokens.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.prompt.sampling.max_tokens = Some(tokens);
        self
    }

    /// How freely the answer is drawn, from 0 to 2.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.prompt.sampling.temperature = Some(temperature);
        self
    }

    /// The name under which operators see the caller.
    pub fn caller(mut self, name: impl Into<Arc<str>>) -> Self {
        self.caller = name.into();
        self
    }

    /// Where the call would go, without sending anything.
    #[must_use]
    pub fn explain(&self) -> Decision {
        self.engine.explain(&self.prompt, &self.constraints, &self.caller)
    }

    /// Sends the call; the answer arrives piece by piece.
    ///
    /// # Errors
    ///
    /// [`CallError::NoRoute`] if nobody may serve it; [`CallError::ShuttingDown`].
    pub fn stream(self) -> Result<Answer, CallError> {
        self.engine.submit(self.prompt, self.constraints, &self.caller, Delivery::Streamed)
    }
}

impl IntoFuture for Call {
    type Output = Result<Reply, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.engine.submit(self.prompt, self.constraints, &self.caller, Delivery::Whole)?.whole().await
        })
    }
}

/// Requests of a batch in flight at once, unless said otherwise: enough to fill a vLLM worker's batch.
const DEFAULT_CONCURRENCY: usize = 16;

/// Many calls in the making.
#[must_use = "a batch does nothing until it is awaited or run"]
pub struct Batch {
    template: Call,
    prompts: Vec<Prompt>,
    concurrency: usize,
}

impl Batch {
    constraint_setters!(template.constraints);

    /// Requests in flight at once, at least one.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// The name under which operators see the caller.
    pub fn caller(mut self, name: impl Into<Arc<str>>) -> Self {
        self.template.caller = name.into();
        self
    }

    /// Sends the calls. Replies come as they are ready, each with the index of its prompt.
    pub fn run(self) -> impl Stream<Item = (usize, Result<Reply, CallError>)> + Send {
        let Self { template, prompts, concurrency } = self;
        stream::iter(prompts.into_iter().enumerate())
            .map(move |(index, prompt)| {
                let call = Call { prompt, ..template.clone() };
                async move { (index, call.await) }
            })
            .buffer_unordered(concurrency)
    }
}

impl IntoFuture for Batch {
    type Output = Vec<Result<Reply, CallError>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// All replies, in the order of the prompts.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut replies: Vec<(usize, Result<Reply, CallError>)> = self.run().collect().await;
            replies.sort_by_key(|(index, _)| *index);
            replies.into_iter().map(|(_, reply)| reply).collect()
        })
    }
}
