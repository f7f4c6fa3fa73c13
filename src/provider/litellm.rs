//! What a LiteLLM proxy tells for free: that it lives, which models it has, what they cost.

use serde_json::Value;

use super::connect::Sighting;
use super::events::{count, text};
use super::http::Http;
use super::openai;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::FoundModel;
use crate::domain::price::{PerToken, PriceRow, Rates, SizeTier};

/// Asks. `/health` is never asked: it calls every model for real.
pub(super) async fn look(http: &Http) -> Result<Sighting, Failure> {
    http.get_text("/health/liveliness").await?;
    match http.get("/v1/model/info").await {
        Ok(info) => Ok(Sighting::up(models(&info))),
        // Keys of limited rights may not ask that, but may list what they can use. A key that is refused there as well is.
        Err(failure) if failure.class != FailureClass::Unreachable => {
            let list = http.get("/v1/models").await?;
            Ok(Sighting::up(openai::models(&list, &[])))
        }
        Err(failure) => Err(failure),
    }
}

/// The chat models of `/model/info`. Several deployments under one name are one model: with the smallest window of them,
/// and the dearest price, since nobody knows which one will answer.
fn models(info: &Value) -> Option<Vec<FoundModel>> {
    let mut found: Vec<FoundModel> = Vec::new();
    for entry in info.get("data")?.as_array()? {
        let Some(name) = text(entry, "model_name") else { continue };
        let about = entry.get("model_info").unwrap_or(&Value::Null);
        if text(about, "mode").is_some_and(|mode| mode != "chat") {
            continue;
        }
        let context = count(about, "/max_input_tokens").and_then(|tokens| u32::try_from(tokens).ok());
        let price = price(about);
        match found.iter_mut().find(|model| model.id == name) {
            None => found.push(FoundModel {
                id: name.to_owned(),
                context,
                prices: price.into_iter().collect(),
                ..FoundModel::default()
            }),
            Some(model) => {
                model.context = model.context.into_iter().chain(context).min();
                // A deployment without a price makes the price of the name unknown.
                model.prices =
                    model.prices.pop().zip(price).map(|(one, other)| dearer(one, other)).into_iter().collect();
            }
        }
    }
    Some(found)
}

fn dearer(one: PriceRow, other: PriceRow) -> PriceRow {
    let weight = |row: &PriceRow| (row.base.output, row.base.input);
    if weight(&other) > weight(&one) { other } else { one }
}

fn price(about: &Value) -> Option<PriceRow> {
    let base = rates(about, "", None)?;
    let thousands = about.as_object()?.keys().filter_map(|key| {
        key.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?.parse::<u64>().ok()
    });
    let mut tiers: Vec<SizeTier> = thousands
        .filter_map(|thousands| {
            let rates = rates(about, &format!("_above_{thousands}k_tokens"), Some(base))?;
            Some(SizeTier { above: thousands * 1000, rates })
        })
        .collect();
    tiers.sort_by_key(|tier| tier.above);
    Some(PriceRow { base, tiers, ..PriceRow::default() })
}

/// The rates under one suffix. What a tier leaves out is as in the base; a tier without any price of its own is none.
fn rates(about: &Value, suffix: &str, base: Option<Rates>) -> Option<Rates> {
    let rate = |name: &str| about.get(format!("{name}{suffix}")).and_then(Value::as_f64).and_then(PerToken::from_usd);
    let input = rate("input_cost_per_token")?;
    Some(Rates {
        input,
        output: rate("output_cost_per_token").or(base.map(|base| base.output))?,
        cache_read: rate("cache_read_input_token_cost").or(base.and_then(|base| base.cache_read)),
        cache_write: rate("cache_creation_input_token_cost").or(base.and_then(|base| base.cache_write)),
        cache_write_1h: rate("cache_creation_input_token_cost_above_1hr").or(base.and_then(|base| base.cache_write_1h)),
    })
}
