//! Answers and attempts as scripts get them: times in seconds, money in dollars, what is not known as null.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::money::{Cost, Money};
use crate::engine::{Attempt, Reply};

/// What `ask` and `batch` both tell of an answer.
pub fn answer(reply: &Reply) -> Map<String, Value> {
    let ending = &reply.ending;
    object(json!({
        "ok": true,
        "text": reply.text,
        "tier": ending.tier,
        "backend": ending.backend,
        "model": ending.model,
        "finish": ending.finish,
        "usage": ending.usage,
        "cost_usd": dollars(&ending.cost),
        "cost_basis": ending.cost.basis,
        "first_token_seconds": ending.first_token.map(seconds),
        "seconds": seconds(ending.total),
    }))
}

/// One attempt, failed or not.
pub fn attempt(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "tier": attempt.tier,
        "backend": attempt.backend,
        "model": attempt.model,
        "ok": attempt.outcome.is_ok(),
        "error": attempt.outcome.as_ref().err().map(ToString::to_string),
        "usage": attempt.usage,
        "cost_usd": dollars(&attempt.cost),
        "cost_basis": attempt.cost.basis,
        "first_token_seconds": attempt.first_token.map(seconds),
        "seconds": seconds(attempt.total),
    })
}

/// The fields of an object.
pub fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

fn dollars(cost: &Cost) -> Option<f64> {
    cost.amount.map(Money::as_usd)
}

/// To the millisecond: more is noise, and less cannot tell fast models apart.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
