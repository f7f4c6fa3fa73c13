//! What models cost: a dated table that is shipped, and a newer one that the operator may put over it.
//!
//! Both have the form of LiteLLM's public price map, an object of models by name with prices in dollars per token. To
//! that form `assets/prices.json` adds two things. Keys that begin with an underscore are no models; `_about.date` is
//! the day on which the table was written. And an entry may have `rows`, a list of spans of time with `valid_from`
//! and `valid_to` (days in UTC, both included) whose price fields replace those of the entry: promotions end on a day
//! that is known beforehand.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::domain::fleet::Protocol;
use crate::domain::price::{PerToken, PriceRow, Rates, SizeTier};
use crate::domain::time::Timestamp;

/// The table that was current when this program was built.
const SHIPPED: &str = include_str!("../../assets/prices.json");

/// What the table says of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its prices, by time.
    pub rows: Vec<PriceRow>,
    /// The longest prompt, in tokens.
    pub context: Option<u32>,
    /// The longest answer, in tokens.
    pub max_output: Option<u32>,
    /// Takes pictures.
    pub images: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
}

/// A price table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    models: BTreeMap<String, Listed>,
    date: Option<String>,
    rejected: Vec<String>,
}

/// The text is no price table at all.
#[derive(Debug, thiserror::Error)]
pub enum NotAPriceBook {
    /// Not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but not an object of models.
    #[error("not a price map: expected an object of models by name")]
    Shape,
}

impl PriceBook {
    /// The table that comes with the program.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static BOOK: OnceLock<PriceBook> = OnceLock::new();
        // A test holds that the shipped table parses whole, so that the default is never met.
        BOOK.get_or_init(|| Self::parse(SHIPPED).unwrap_or_default())
    }

    /// Reads a table. An entry that cannot be right is left out and named in [`PriceBook::rejected`]: one slip among
    /// thousands of models must not cost the others their prices.
    ///
    /// # Errors
    ///
    /// The text is not JSON, or not an object.
    pub fn parse(json: &str) -> Result<Self, NotAPriceBook> {
        let Value::Object(entries) = serde_json::from_str(json)? else {
            return Err(NotAPriceBook::Shape);
        };
        let mut book = Self::default();
        for (name, entry) in entries {
            let Value::Object(entry) = entry else {
                book.rejected.push(format!("{name}: not an object"));
                continue;
            };
            if name == "_about" {
                book.date = entry.get("date").and_then(Value::as_str).map(str::to_owned);
            }
            if name.starts_with('_') || name == "sample_spec" || !is_text_model(&entry) {
                continue;
            }
            match listed(&entry) {
                Ok(listed) => {
                    book.models.insert(name, listed);
                }
                Err(problem) => book.rejected.push(format!("{name}: {problem}")),
            }
        }
        Ok(book)
    }

    /// This table with another one over it: the other's word counts for every model that it has.
    #[must_use]
    pub fn overlaid(&self, newer: Self) -> Self {
        let mut models = self.models.clone();
        models.extend(newer.models);
        Self { models, date: newer.date, rejected: newer.rejected }
    }

    /// The day on which the table was written, `2026-11-22`, where it says so.
    #[must_use]
    pub fn date(&self) -> Option<&str> {
        self.date.as_deref()
    }

    /// The entries that were left out, each with the reason.
    #[must_use]
    pub fn rejected(&self) -> &[String] {
        &self.rejected
    }

    /// The number of models.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether the table has no models.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// What the table says of a model of a hosted service; `None` where it has no such model, and for services that
    /// are not paid by the token.
    #[must_use]
    pub fn lookup(&self, protocol: Protocol, id: &str) -> Option<&Listed> {
        let prefix = match protocol {
            Protocol::Anthropic => "anthropic/",
            Protocol::Openai => "openai/",
            Protocol::Gemini => "gemini/",
            Protocol::Litellm => "",
            Protocol::Ollama | Protocol::RunpodOpenai | Protocol::RunpodQueue | Protocol::RunpodBalancer => {
                return None;
            }
        };
        // A gateway names models `provider/model`, while the table has most of them bare.
        let bare = id.strip_prefix("models/").unwrap_or(id);
        let tail = bare.split_once('/').filter(|_| protocol == Protocol::Litellm).map(|(_, tail)| tail);
        [Some(bare), tail].into_iter().flatten().find_map(|name| {
            [Some(name), undated(name)].into_iter().flatten().find_map(|name| {
                self.models.get(&format!("{prefix}{name}")).or_else(|| self.models.get(name)).or_else(|| {
                    (protocol == Protocol::Litellm).then(|| self.models.get(&format!("gemini/{name}"))).flatten()
                })
            })
        })
    }
}

/// `claude-haiku-4-5` for `claude-haiku-4-5-20251001`, `gpt-4o` for `gpt-4o-2024-08-06`, and likewise for `-latest`.
fn undated(id: &str) -> Option<&str> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(bare) = id.strip_suffix("-latest") {
        return Some(bare);
    }
    let (head, last) = id.rsplit_once(['-', '@'])?;
    if digits(last, 8) {
        return Some(head);
    }
    let (head, month) = head.rsplit_once('-')?;
    let (head, year) = head.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(head)
}

fn is_text_model(entry: &Map<String, Value>) -> bool {
    entry.get("mode").and_then(Value::as_str).is_none_or(|mode| matches!(mode, "chat" | "responses" | "completion"))
}

fn listed(entry: &Map<String, Value>) -> Result<Listed, String> {
    let tokens = |keys: &[&str]| {
        // Some maps write limits as floating-point numbers.
        let number = keys.iter().find_map(|key| entry.get(*key)).and_then(Value::as_f64)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
        (1.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
    };
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool);
    let rows = match entry.get("rows") {
        None => vec![row(entry)?],
        Some(Value::Array(spans)) => spans.iter().map(|span| dated(entry, span)).collect::<Result<_, _>>()?,
        Some(_) => return Err("`rows` is not a list".to_owned()),
    };
    // Entries of the public map without any price are there for their limits.
    let rows = rows.into_iter().flatten().collect();
    Ok(Listed {
        rows,
        context: tokens(&["max_input_tokens", "max_tokens"]),
        max_output: tokens(&["max_output_tokens", "max_tokens"]),
        images: flag("supports_vision"),
        tools: flag("supports_function_calling"),
    })
}

/// A row that holds for some days.
fn dated(entry: &Map<String, Value>, span: &Value) -> Result<Option<PriceRow>, String> {
    let Value::Object(span) = span else {
        return Err("a row is not an object".to_owned());
    };
    let mut merged = entry.clone();
    merged.extend(span.clone());
    let Some(row) = row(&merged)? else { return Err("a row without prices".to_owned()) };
    Ok(Some(PriceRow { from: day(span, "valid_from", 0)?, until: day(span, "valid_to", 1)?, ..row }))
}

/// The first moment of a day, or of a day some days later.
fn day(span: &Map<String, Value>, key: &str, later: i64) -> Result<Option<Timestamp>, String> {
    let Some(value) = span.get(key) else { return Ok(None) };
    let date: Option<jiff::civil::Date> = value.as_str().and_then(|text| text.parse().ok());
    date.and_then(|date| date.checked_add(jiff::Span::new().try_days(later).ok()?).ok())
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|start| Some(Timestamp(start.timestamp().as_millisecond())))
        .ok_or_else(|| format!("`{key}` is not a day such as 2026-12-31"))
}

/// The prices of one size tier as the table has them: what a tier leaves out is the base's.
#[derive(Default)]
struct Fields {
    input: Option<PerToken>,
    output: Option<PerToken>,
    cache_read: Option<PerToken>,
    cache_write: Option<PerToken>,
    cache_write_1h: Option<PerToken>,
}

fn row(entry: &Map<String, Value>) -> Result<Option<PriceRow>, String> {
    let mut by_size: BTreeMap<u64, Fields> = BTreeMap::new();
    for (key, value) in entry {
        let Some((field, above)) = price_key(key) else { continue };
        if value.is_null() {
            continue;
        }
        let price = value
            .as_f64()
            .and_then(PerToken::from_usd)
            .ok_or_else(|| format!("`{key}` = {value} is not a price between $0 and $1 a token"))?;
        let fields = by_size.entry(above).or_default();
        let slot = match field {
            "input_cost_per_token" => &mut fields.input,
            "output_cost_per_token" => &mut fields.output,
            "cache_read_input_token_cost" => &mut fields.cache_read,
            "cache_creation_input_token_cost" => &mut fields.cache_write,
            "cache_creation_input_token_cost_above_1hr" => &mut fields.cache_write_1h,
            // DeepSeek's older spelling; the newer one wins.
            "input_cost_per_token_cache_hit" if fields.cache_read.is_none() => &mut fields.cache_read,
            _ => continue,
        };
        *slot = Some(price);
    }
    let base = by_size.remove(&0).unwrap_or_default();
    let (Some(input), Some(output)) = (base.input, base.output) else {
        return Ok(None);
    };
    let base = Rates {
        input,
        output,
        cache_read: base.cache_read,
        cache_write: base.cache_write,
        cache_write_1h: base.cache_write_1h,
    };
    let tiers = by_size
        .into_iter()
        .map(|(above, fields)| SizeTier {
            above,
            rates: Rates {
                input: fields.input.unwrap_or(base.input),
                output: fields.output.unwrap_or(base.output),
                cache_read: fields.cache_read.or(base.cache_read),
                cache_write: fields.cache_write.or(base.cache_write),
                cache_write_1h: fields.cache_write_1h.or(base.cache_write_1h),
            },
        })
        .collect();
    Ok(Some(PriceRow { base, tiers, ..PriceRow::default() }))
}

/// A price field without its size suffix, and the size: `_above_200k_tokens` is 200,000, no suffix is 0. `None` for
/// fields of other service classes (`_batches`, `_priority`), which end in something else.
fn price_key(key: &str) -> Option<(&str, u64)> {
    let (field, above) = match key.strip_suffix("k_tokens").and_then(|head| head.rsplit_once("_above_")) {
        Some((field, thousands)) => (field, thousands.parse::<u64>().ok()?.checked_mul(1000)?),
        None => (key, 0),
    };
    matches!(
        field,
        "input_cost_per_token"
            | "output_cost_per_token"
            | "cache_read_input_token_cost"
            | "cache_creation_input_token_cost"
            | "cache_creation_input_token_cost_above_1hr"
            | "input_cost_per_token_cache_hit"
    )
    .then_some((field, above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Money;
    use crate::domain::usage::Usage;

    fn at(day: &str) -> Timestamp {
        Timestamp(day.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    fn cost(protocol: Protocol, id: &str, day: &str, usage: Usage) -> Money {
        let listed = PriceBook::shipped().lookup(protocol, id).expect("listed");
        listed.rows.iter().find(|row| row.holds_at(at(day))).expect("a row").cost(&usage)
    }

    const NOON: &str = "2026-11-22T12:00:00Z";

    #[test]
    fn the_shipped_table_is_whole() {
        let book = PriceBook::parse(SHIPPED).expect("parses");
        assert_eq!(book.rejected(), &[] as &[String]);
        assert_eq!(book.len(), 66);
        assert_eq!(book.date(), Some("2026-11-22"));
        for (name, listed) in &book.models {
            let now = listed.rows.iter().filter(|row| row.holds_at(at(NOON))).count();
            assert_eq!(now, 1, "{name} has one price today");
        }
    }

    #[test]
    fn figures_worked_out_by_hand() {
        let usage = |input, output| Usage { input, output, ..Usage::default() };
        let cases = [
            // 100,000 × $0.10 + 1,000 × $0.50 per million, and the whole request at the higher tier one token later.
            (Protocol::Anthropic, "claude-haiku-5-5", NOON, usage(100_000, 1_000), 10_500_000),
            (Protocol::Anthropic, "claude-haiku-5-5", NOON, usage(100_001, 1_000), 52_500_500),
            (Protocol::Anthropic, "claude-opus-5-5", NOON, usage(1_000, 1_000), 24_000_000),
            (Protocol::Openai, "gpt-6-sol", NOON, usage(272_000, 100), 545_000_000),
            (Protocol::Openai, "gpt-6-sol", NOON, usage(300_000, 100), 1_201_500_000),
            (Protocol::Openai, "gpt-5.4-mini", NOON, usage(300_000, 0), 225_000_000),
            (Protocol::Gemini, "gemini-3.1-pro-preview", NOON, usage(200_001, 0), 800_004_000),
            (Protocol::Gemini, "gemini-4-argon", "2026-11-30T23:59:59Z", usage(1_000, 1_000), 12_000_000),
            (Protocol::Gemini, "gemini-4-argon", "2026-12-01T00:00:00Z", usage(1_000, 1_000), 24_000_000),
            (Protocol::Gemini, "gemini-3.8-flash", "2026-12-31T12:00:00Z", usage(1_000, 0), 750_000),
            (Protocol::Gemini, "gemini-3.8-flash", "2027-01-01T00:00:00Z", usage(1_000, 0), 1_500_000),
        ];
        for (protocol, id, day, usage, nano) in cases {
            assert_eq!(cost(protocol, id, day, usage), Money(nano), "{id} {day} {usage:?}");
        }
    }

    #[test]
    fn caches_have_their_own_prices_in_every_size() {
        let cached = |read| Usage { cache_read: read, cache_write: 1_000, cache_write_1h: 1_000, ..Usage::default() };
        let haiku = |usage| cost(Protocol::Anthropic, "claude-haiku-5-5", NOON, usage);
        assert_eq!(haiku(cached(10_000)), Money(10_000 * 10 + 1_000 * 125 + 1_000 * 200));
        assert_eq!(haiku(cached(200_000)), Money(200_000 * 50 + 1_000 * 625 + 1_000 * 1_000));
        let sol = Usage { input: 1, cache_read: 299_999, ..Usage::default() };
        assert_eq!(cost(Protocol::Openai, "gpt-6-sol", NOON, sol), Money(4_000 + 299_999 * 400));
        let sonnet = Usage { cache_read: 1_000, ..Usage::default() };
        assert_eq!(cost(Protocol::Anthropic, "claude-sonnet-5-5", NOON, sonnet), Money(100_000));
        assert_eq!(cost(Protocol::Anthropic, "claude-sonnet-5-5", "2026-10-06T12:00:00Z", sonnet), Money(200_000));
    }

    #[test]
    fn a_model_is_found_under_the_names_that_services_use() {
        let book = PriceBook::shipped();
        for (protocol, id, found) in [
            (Protocol::Anthropic, "claude-haiku-4-5-20251001", true),
            (Protocol::Anthropic, "claude-opus-5-5-latest", true),
            (Protocol::Openai, "gpt-4o-2024-08-06", true),
            (Protocol::Openai, "deepseek-v4-pro", true),
            (Protocol::Gemini, "gemini-2.5-pro", true),
            (Protocol::Gemini, "models/gemini-2.5-pro", true),
            (Protocol::Litellm, "gemini/gemini-2.5-pro", true),
            (Protocol::Litellm, "gemini-2.5-pro", true),
            (Protocol::Litellm, "anthropic/claude-opus-5-5", true),
            (Protocol::Litellm, "my-own-group", false),
            (Protocol::Openai, "gpt-99", false),
            (Protocol::Ollama, "gpt-4o", false),
            (Protocol::RunpodOpenai, "gpt-4o", false),
        ] {
            assert_eq!(book.lookup(protocol, id).is_some(), found, "{protocol:?} {id}");
        }
        let opus = book.lookup(Protocol::Anthropic, "claude-opus-5-5").expect("listed");
        assert_eq!((opus.context, opus.max_output), (Some(1_000_000), Some(128_000)));
        assert_eq!((opus.images, opus.tools), (Some(true), Some(true)));
    }

    #[test]
    fn what_cannot_be_a_price_is_left_out_and_named() {
        let book = PriceBook::parse(
            r#"{"sample_spec": {"input_cost_per_token": "a word"},
                "negative": {"mode": "chat", "input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6},
                "dear": {"input_cost_per_token": 2, "output_cost_per_token": 1e-6},
                "picture": {"mode": "image_generation", "input_cost_per_token": 9},
                "odd": 3,
                "sound": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
                          "input_cost_per_token_priority": 5e-6, "input_cost_per_token_above_200k_tokens_priority": 7,
                          "output_cost_per_token_above_512k_tokens": 4e-6},
                "unpriced": {"max_input_tokens": 4096.0}}"#,
        )
        .expect("parses");
        let names: Vec<&str> = book.rejected().iter().filter_map(|text| text.split(':').next()).collect();
        assert_eq!(names, ["negative", "dear", "odd"]);
        let sound = book.lookup(Protocol::Openai, "sound").expect("kept");
        assert_eq!(sound.rows[0].tiers.len(), 1);
        assert_eq!(sound.rows[0].tiers[0].above, 512_000);
        assert_eq!(sound.rows[0].tiers[0].rates.input, sound.rows[0].base.input);
        let unpriced = book.lookup(Protocol::Openai, "unpriced").expect("kept");
        assert_eq!((unpriced.rows.len(), unpriced.context), (0, Some(4096)));
        assert!(PriceBook::parse("[]").is_err());
        assert!(PriceBook::parse("{").is_err());
    }

    #[test]
    fn a_newer_table_has_the_last_word() {
        let newer = r#"{"_about": {"date": "2027-01-01"},
            "gpt-4o": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}"#;
        let book = PriceBook::shipped().overlaid(PriceBook::parse(newer).expect("parses"));
        assert_eq!(book.date(), Some("2027-01-01"));
        assert_eq!(book.len(), PriceBook::shipped().len());
        let input = |id| book.lookup(Protocol::Openai, id).map(|listed| listed.rows[0].base.input.0);
        assert_eq!(input("gpt-4o"), Some(1_000_000));
        assert_eq!(input("o3"), Some(2_000_000));
    }
}
