//! The models of a backend: what the file says, completed from the price table.

use std::collections::BTreeSet;

use super::backends::Surroundings;
use super::prices::Listed;
use super::report::Origin;
use super::section::Section;
use crate::domain::fleet::{ModelSpec, Protocol};
use crate::domain::id::ModelId;
use crate::domain::price::{PerToken, PriceRow, Pricing, Rates};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;

/// The highest price per million tokens that is taken at its word: a dollar a token.
const DEAREST: f64 = 1e6;

/// Reads the models of a backend.
pub fn read(
    backend: &Section<'_>,
    tier: Option<Tier>,
    protocol: Option<Protocol>,
    default_pricing: &Pricing,
    around: &Surroundings<'_>,
) -> Vec<(ModelId, ModelSpec)> {
    let mut names = BTreeSet::new();
    let mut models = Vec::new();
    for mut section in backend.sections("models").unwrap_or_default() {
        let id = section.text("id").filter(|id| !id.trim().is_empty());
        match &id {
            None if section.node("id").is_none_or(|node| matches!(node.value, super::tree::Value::Text(_))) => {
                section.problem("id", "missing: every model needs an `id`");
            }
            None => {}
            Some(id) => {
                around.report.forget(section.path());
                section.rename(format!("{}.models.{id}", backend.path()));
                if !names.insert(id.clone()) {
                    section.problem("id", format!("the model `{id}` is given twice"));
                }
            }
        }
        let mut aliases = Vec::new();
        for (alias, origin) in section.texts("aliases").unwrap_or_default() {
            if !names.insert(alias.clone()) {
                let message = format!("another model of this backend is called `{alias}` already");
                around.report.problem(&origin, &section.key("aliases"), message);
            }
            aliases.push(ModelId::from(alias));
        }
        let roles = section.parsed_list("roles").unwrap_or_default();
        let context = section.integer("context", 1..=u32::MAX);
        let max_output = section.integer("max_output", 1..=u32::MAX);
        let (images, tools) = (section.flag("images"), section.flag("tools"));
        let own = own_pricing(&section);
        section.finish();

        let (Some(id), Some(protocol)) = (id, protocol) else { continue };
        // Ollama lists models that run in its cloud beside those that run here.
        let remote = protocol == Protocol::Ollama && (id.ends_with("-cloud") || id.ends_with(":cloud"));
        let listed = match tier {
            Some(Tier::Claude | Tier::Frontier) => around.prices.lookup(protocol, &id),
            Some(Tier::Local | Tier::Gpu) | None => None,
        };
        let known = listed.cloned().unwrap_or_default();
        let (pricing, origin) = match own {
            Some(pricing) => (pricing, section.origin_of("input_price").clone()),
            None if remote => (Pricing::Unknown, Origin::Default),
            None => (from_table(default_pricing, &known), Origin::Default),
        };
        section.entry("price", shown(&pricing), &origin);
        let spec = ModelSpec {
            aliases,
            roles,
            context: context.or(known.context),
            max_output: max_output.or(known.max_output),
            images: images.or(known.images),
            tools: tools.or(known.tools),
            pricing,
            remote,
        };
        models.push((ModelId::from(id), spec));
    }
    models
}

/// The price that the file states.
fn own_pricing(section: &Section<'_>) -> Option<Pricing> {
    let price = |key| section.number(key, 0.0..=DEAREST).and_then(PerToken::from_usd_per_million);
    let (input, output, cache_read) = (price("input_price"), price("output_price"), price("cache_read_price"));
    let free = section.flag("free").unwrap_or(false);
    let given = |key| section.has(key);
    if free && (given("input_price") || given("output_price") || given("cache_read_price")) {
        section.problem("free", "a free model has no prices; take out one or the other");
    }
    for (key, other) in [("input_price", "output_price"), ("output_price", "input_price")] {
        if given(key) && !given(other) {
            section.problem(key, format!("a price needs both sides; add `{other}`"));
        }
    }
    if given("cache_read_price") && !given("input_price") {
        section.problem("cache_read_price", "needs `input_price` and `output_price` beside it");
    }
    if free {
        return Some(Pricing::Free);
    }
    let base = Rates { input: input?, output: output?, cache_read, ..Rates::default() };
    Some(Pricing::PerToken { rows: vec![PriceRow { base, ..PriceRow::default() }] })
}

/// The backend's own way of paying, or else the price table's word.
fn from_table(default_pricing: &Pricing, listed: &Listed) -> Pricing {
    match default_pricing {
        Pricing::Unknown if !listed.rows.is_empty() => Pricing::PerToken { rows: listed.rows.clone() },
        known => known.clone(),
    }
}

/// A price in a few words.
fn shown(pricing: &Pricing) -> String {
    match pricing {
        Pricing::Free => "free".to_owned(),
        Pricing::PerToken { rows } => {
            let mut spans: Vec<String> = Vec::new();
            for row in rows.iter().rev() {
                let price = shown_row(row);
                // Spans that differ only in what is not shown read as one.
                match row.until.map(day) {
                    Some(_) if spans.last().is_some_and(|later| later.starts_with(&price)) => {}
                    Some(day) => spans.push(format!("{price} before {day}")),
                    None => spans.push(price),
                }
            }
            spans.reverse();
            spans.join(", then ")
        }
        Pricing::PerHour { rate } => format!("{rate} an hour while a request runs"),
        Pricing::Rented => "by the hour of the machine".to_owned(),
        Pricing::Unknown => "unknown".to_owned(),
    }
}

fn shown_row(row: &PriceRow) -> String {
    let (input, output) = (row.base.input.usd_per_million(), row.base.output.usd_per_million());
    let more = if row.tiers.is_empty() { "" } else { ", more for long prompts" };
    format!("${input} in, ${output} out per million tokens{more}")
}

/// The day of a time, in UTC.
fn day(time: Timestamp) -> String {
    let day = |time: jiff::Timestamp| time.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| "an unknown day".to_owned(), day)
}
