//! What a candidate's score is made of.

use serde::Serialize;

use super::super::fleet::{Backend, Model};
use super::super::health::Health;
use super::super::request::Optimize;
use super::{Estimate, Judge};

/// What a term of a score judges. Its number is its term's place among the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// How early its tier comes for this task.
    Tier,
    /// Whether the model is one for this task.
    Fit,
    /// What was learnt of its answers.
    Learnt,
    /// How soon an answer begins.
    Speed,
    /// How soon it ends.
    Whole,
    /// How little it costs.
    Thrift,
    /// How much of its room is free.
    Headroom,
    /// Whether the model is in memory.
    Memory,
    /// How well the backend is.
    Health,
}

impl Part {
    /// Its name on screens and in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Fit => "fit",
            Self::Learnt => "learnt",
            Self::Speed => "speed",
            Self::Whole => "whole",
            Self::Thrift => "thrift",
            Self::Headroom => "headroom",
            Self::Memory => "memory",
            Self::Health => "health",
        }
    }
}

/// One part of a candidate's score: its value from 0 to 1, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// What is judged.
    #[serde(rename = "name")]
    pub part: Part,
    /// From 0, the worst, to 1.
    pub value: f32,
    /// How much it counts.
    pub weight: f32,
}

/// The parts of a score, always in this order.
pub type Terms = [Term; 9];

/// What being asked for by name adds to a tier's term: no other term, whatever was learnt, may outweigh a caller's word.
const ASKED_FOR: f32 = 20.0;

impl Judge<'_> {
    /// The terms of the score. The order of tiers is what is known beforehand: in a balanced request its steps (0.25) outweigh
    /// all other terms together but one, so that a task goes to its own tier as long as that one can serve and serves well.
    /// The one is what was learnt: a model whose answers were worth a quarter less than those of the next tier gives way to
    /// it. An aim shifts the weights. Where a model is in memory outweighs how busy its host is and how fast it was, so that
    /// a request goes where its model is already.
    pub(super) fn terms(&self, backend: &Backend, model: &Model, estimate: &Estimate, quality: f32) -> Terms {
        let constraints = self.constraints;
        let (order, speed, whole, thrift, learnt) = match constraints.optimize {
            Optimize::Balanced | Optimize::Throughput => (1.0, 0.02, 0.01, 0.02, 1.0),
            Optimize::Quality => (1.0, 0.02, 0.01, 0.02, 2.0),
            Optimize::Latency => (0.2, 1.5, 0.5, 0.02, 0.5),
            Optimize::Cost => (0.2, 0.02, 0.01, 2.0, 0.5),
        };
        let learnt = if self.policy.learning.enabled { learnt } else { 0.0 };
        let rank = f32::from(self.order.rank(backend.spec.tier).unwrap_or(3));
        let asked_for = self.asks_for(backend, model);
        let cost = estimate.cost.map_or(f32::INFINITY, |cost| cost.as_usd() as f32);
        let term = |part, value, weight| Term { part, value, weight };
        [
            term(Part::Tier, 1.0 - 0.25 * rank + if asked_for { ASKED_FOR } else { 0.0 }, order),
            term(Part::Fit, self.fit(model, asked_for), 0.09),
            // A second halves the value; one cent halves the other.
            term(Part::Learnt, quality, learnt),
            term(Part::Speed, 1.0 / (1.0 + estimate.first_token_ms as f32 / 1000.0), speed),
            // Ten seconds to the end halve it.
            term(Part::Whole, 1.0 / (1.0 + estimate.total_ms as f32 / 10_000.0), whole),
            term(Part::Thrift, 1.0 / (1.0 + cost * 100.0), thrift),
            term(Part::Headroom, headroom(backend), 0.02),
            term(Part::Memory, backend.memory_fit(model), 0.04),
            term(Part::Health, health(backend), 0.05),
        ]
    }

    fn fit(&self, model: &Model, asked_for: bool) -> f32 {
        let named = self.policy.preferred_model(self.analysis.task).is_some_and(|wanted| model.is_named(wanted));
        match &model.spec.roles[..] {
            _ if named || asked_for => 1.0,
            [] => 0.4,
            roles if roles.contains(&self.analysis.task) => 0.8,
            _ => 0.0,
        }
    }
}

fn headroom(backend: &Backend) -> f32 {
    let load = match backend.spec.max_in_flight {
        Some(limit) => backend.in_flight() as f32 / limit.max(1) as f32,
        None => backend.in_flight() as f32 / 4.0,
    };
    1.0 / (1.0 + load)
}

const fn health(backend: &Backend) -> f32 {
    match backend.health {
        Health::Up => 1.0,
        Health::Unknown => 0.6,
        Health::Degraded | Health::Warming => 0.3,
        Health::Down => 0.0,
    }
}
