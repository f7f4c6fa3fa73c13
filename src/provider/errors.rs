//! One table for everything that providers say when they refuse: their wordings do not contradict one another, so one
//! table serves all protocols, gateways that pass on another provider's words included.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::events::text;
use super::limits;
use crate::domain::failure::{Failure, FailureClass};

/// As much of an error as is searched for known wordings.
const SEARCHED_CHARS: usize = 4096;

/// Wordings of a prompt that does not fit.
const TOO_LONG: [&str; 10] = [
    "context_length_exceeded",
    "contextwindowexceedederror",
    "maximum context length",
    "prompt is too long",
    "exceeds the context window",
    "exceed_context_size_error",
    "exceeds the available context size",
    "longer than the context length",
    "exceeds the context length",
    "request_too_large",
];

/// Wordings of an account that waiting does not refill.
const NO_CREDIT: [&str; 13] = [
    "insufficient_quota",
    "insufficient credit",
    "insufficient balance",
    "credit_balance_exhausted",
    "credit balance is too low",
    "spend_limit_exceeded",
    "enforced_spend_limit_reached",
    "specified api usage limits",
    "specified workspace api usage limits",
    "budget_exceeded",
    "budget has been exceeded",
    "billing_error",
    "enable billing",
];

/// Wordings of a refused key that come with another status than 401.
const BAD_KEY: [&str; 7] = [
    "api_key_invalid",
    "api key not valid",
    "invalid_api_key",
    "authentication_error",
    "permission_error",
    // LiteLLM without a database, asked with a key that is not its master key.
    "no_db_connection",
    "user location is not supported",
];

/// Wordings of a model that is not there, whatever the status.
const NO_MODEL: [&str; 6] = [
    "model_not_found",
    "invalid model name",
    "key_model_access_denied",
    "not_found_error",
    "not found, try pulling",
    "is not found for api version",
];

/// Wordings of content that a policy refuses.
const REFUSED: [&str; 5] = [
    "contentpolicyviolationerror",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "content management policy",
    "\"content_filter\"",
];

/// Wordings of a service without capacity.
const OVERLOADED: [&str; 4] = ["overloaded", "slow_down", "no capacity", "\"unavailable\""];

/// Optional parameters without which a prompt is still the same prompt.
const OPTIONAL: [&str; 8] =
    ["temperature", "top_p", "seed", "stop", "stop_sequences", "stream_options", "parallel_tool_calls", "sampling"];

/// An error as its body tells it.
struct Told {
    message: String,
    /// Everything there is, in lower case.
    all: String,
    /// The status that the body names: errors in a stream have no other.
    status: Option<u16>,
    /// A pause that the body names.
    pause: Option<Duration>,
    is_json: bool,
}

/// The failure that a status, its headers and its body add up to.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &str) -> Failure {
    if (300..400).contains(&status) {
        return Failure::new(
            FailureClass::Garbled,
            "answered with a redirect, which is not followed: is the URL right?",
        )
        .with_status(status);
    }
    let told = Told::of_body(body);
    let now = SystemTime::now();
    // Without a pause of its own, a refusal for a limit that is used up lasts until that limit is there again.
    let reset = || limits::told(headers, now).filter(|_| status == 429)?.used_up_for();
    let pause = retry_after(headers, now).or_else(reset);
    told.failure(Some(status), pause)
}

/// The failure that a body or a piece of a stream tells, though the status was 200.
pub(super) fn told(value: &Value) -> Option<Failure> {
    let error = value.get("error").filter(|error| !error.is_null()).or_else(|| {
        let flat = text(value, "object") == Some("error") || text(value, "type") == Some("error");
        flat.then_some(value)
    })?;
    Some(Told::of_error(error).failure(None, None))
}

impl Told {
    fn of_body(body: &str) -> Self {
        let Ok(value) = serde_json::from_str::<Value>(body) else { return Self::of_text(body) };
        let value = value.get(0).unwrap_or(&value);
        let mut told = Self::of_error(value.get("error").filter(|error| !error.is_null()).unwrap_or(value));
        // Words beside the error count as well.
        told.all.extend(lowered(&value.to_string()).chars().take(SEARCHED_CHARS));
        told
    }

    fn of_error(error: &Value) -> Self {
        let message = match error {
            Value::String(message) => message.clone(),
            _ => ["message", "error_message", "detail", "title", "error"]
                .iter()
                .find_map(|field| error.get(field))
                .map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned))
                .unwrap_or_else(|| "the provider gave no reason".to_owned()),
        };
        let code = error.get("code");
        let named = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        let status = named.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
        Self {
            all: lowered(&error.to_string()),
            status: inner_status(&message).or(status),
            pause: retry_info(error).or_else(|| try_again_in(&message)),
            message,
            is_json: true,
        }
    }

    fn of_text(body: &str) -> Self {
        let body = body.trim();
        let message = if body.starts_with('<') {
            "an HTML page instead of JSON".to_owned()
        } else if body.is_empty() {
            "no reason given".to_owned()
        } else {
            body.to_owned()
        };
        Self { all: lowered(body), status: inner_status(body), pause: try_again_in(body), message, is_json: false }
    }

    fn failure(self, status: Option<u16>, pause: Option<Duration>) -> Failure {
        let inner = inner_status(&self.message);
        let class = self.class(inner.or(status).or(self.status), pause.is_some());
        let pause = match class {
            FailureClass::RateLimited if self.says("perday") => Some(until_pacific_midnight()),
            FailureClass::RateLimited | FailureClass::Overloaded | FailureClass::Busy => pause.or(self.pause),
            _ => pause,
        };
        let failure = Failure::new(class, &inner_message(&self.message)).with_retry_after(pause);
        match status.or(inner).or(self.status) {
            Some(status) => failure.with_status(status),
            None => failure,
        }
    }

    fn says(&self, words: &str) -> bool {
        self.all.contains(words)
    }

    fn says_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.says(words))
    }

    fn class(&self, status: Option<u16>, has_pause: bool) -> FailureClass {
        use FailureClass as Class;
        // An upstream's key, refused behind a gateway whose own key is good, concerns the gateway's one model only.
        let passed_on = self.says("exception -") || self.says("exception:");
        match status {
            Some(402) if has_pause => return Class::RateLimited,
            Some(402) => return Class::OutOfCredit,
            _ => {}
        }
        if self.says_one_of(&NO_CREDIT) {
            return Class::OutOfCredit;
        }
        if !matches!(status, Some(401 | 403 | 429))
            && (self.says_one_of(&TOO_LONG)
                || (self.says("input token count") && self.says("exceeds the maximum"))
                || (self.says("is too large") && self.says("context")))
        {
            return Class::ContextTooLong;
        }
        if self.says_one_of(&NO_MODEL) && !matches!(status, Some(429 | 500..)) {
            return Class::ModelMissing;
        }
        if self.says_one_of(&REFUSED) {
            return Class::ContentRefused;
        }
        if matches!(status, Some(401 | 403)) || (status != Some(429) && self.says_one_of(&BAD_KEY)) {
            return if passed_on && self.says("litellm") { Class::ServerError } else { Class::KeyRefused };
        }
        match status {
            Some(404) if self.is_json && self.says("model") => Class::ModelMissing,
            // Nothing at this path: a wrong URL, or a proxy whose service is still starting.
            Some(404 | 408) => Class::ServerError,
            Some(409) => Class::Busy,
            Some(413) => Class::ContextTooLong,
            Some(429) => Class::RateLimited,
            Some(503 | 529) => Class::Overloaded,
            // Cloudflare waited for the service in vain.
            Some(524) => Class::Silent,
            Some(499 | 500..) => {
                if self.says_one_of(&OVERLOADED) {
                    Class::Overloaded
                } else {
                    Class::ServerError
                }
            }
            Some(_) => Class::BadRequest,
            None => self.class_by_words(),
        }
    }

    /// For errors inside a stream, which have no status.
    fn class_by_words(&self) -> FailureClass {
        if self.says_one_of(&["rate_limit", "ratelimit", "throttling_error", "resource_exhausted", "too many requests"])
        {
            FailureClass::RateLimited
        } else if self.says_one_of(&OVERLOADED) || self.says("server busy") {
            FailureClass::Overloaded
        } else if self.says_one_of(&["invalid_request_error", "badrequesterror", "invalid_argument"]) {
            FailureClass::BadRequest
        } else {
            FailureClass::ServerError
        }
    }
}

fn lowered(text: &str) -> String {
    text.chars().take(SEARCHED_CHARS).flat_map(char::to_lowercase).collect()
}

/// The status that RunPod's vLLM worker wraps into its own error.
fn inner_status(message: &str) -> Option<u16> {
    let (_, rest) = message.split_once("vLLM returned HTTP ")?;
    rest.get(..3)?.parse().ok().filter(|status| (400..600).contains(status))
}

/// What vLLM itself said, without the worker's wrapping: `vLLM returned HTTP 400: {"error":{"message":"...`.
fn inner_message(message: &str) -> std::borrow::Cow<'_, str> {
    let inner =
        message.split_once("vLLM returned HTTP ").and_then(|(_, rest)| rest.split_once('{')).and_then(|(_, json)| {
            let body: Value = serde_json::from_str(&format!("{{{json}")).ok()?;
            text(body.get("error").unwrap_or(&body), "message").map(str::to_owned)
        });
    inner.map_or(message.into(), Into::into)
}

/// Google's pause: `{"@type": ".../google.rpc.RetryInfo", "retryDelay": "57.238747106s"}`.
fn retry_info(error: &Value) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| text(detail, "retryDelay")).and_then(duration)
}

/// The pause that a message names: `Please try again in 1.2s`, `Try again in 20 seconds`.
fn try_again_in(message: &str) -> Option<Duration> {
    let at = message.to_ascii_lowercase().find("try again in ")? + "try again in ".len();
    duration(message.get(at..)?)
}

/// The first duration of a text: `57.2s`, `12ms`, `6m0s`, `20 seconds`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim_start();
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Ok(number) = rest[..digits].trim_end_matches('.').parse::<f64>() else { break };
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" | "milliseconds" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => break,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        rest = &rest[letters..];
    }
    (!total.is_zero()).then_some(total)
}

/// The pause that headers name: milliseconds, seconds or a date; a gateway's own first, then the one it passes on.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = header("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let value = header("retry-after").or_else(|| header("llm_provider-retry-after"))?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let until = u64::try_from(date.timestamp().as_second()).ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(until).saturating_sub(now))
}

/// Google's daily quotas refill at midnight in California. Winter time is assumed: an hour too long in summer.
fn until_pacific_midnight() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Duration::from_secs(86_400 - now.saturating_sub(8 * 3600) % 86_400)
}

/// Takes one optional parameter out of a body if an error's message refuses it by name. Returns whether it did.
pub(super) fn drop_refused(body: &mut Value, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let refuses = [
        "unsupported",
        "not supported",
        "does not support",
        "deprecated",
        "unrecognized",
        "unknown",
        "extra",
        "cannot",
    ]
    .iter()
    .any(|words| message.contains(words));
    let Some(fields) = body.as_object_mut().filter(|_| refuses) else { return false };
    if message.contains("max_completion_tokens") && fields.contains_key("max_tokens") {
        return rename(fields, "max_tokens", "max_completion_tokens");
    }
    if message.contains("max_completion_tokens") && fields.contains_key("max_completion_tokens") {
        return rename(fields, "max_completion_tokens", "max_tokens");
    }
    if message.contains("set reasoning_effort to 'none'") {
        return fields.insert("reasoning_effort".to_owned(), json!("none")).is_none();
    }
    let words: Vec<&str> = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    OPTIONAL.iter().any(|name| words.contains(name) && fields.shift_remove(*name).is_some())
}

fn rename(fields: &mut serde_json::Map<String, Value>, from: &str, to: &str) -> bool {
    let value = fields.shift_remove(from);
    value.is_some_and(|value| fields.insert(to.to_owned(), value).is_none())
}
