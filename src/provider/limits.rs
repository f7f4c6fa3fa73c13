//! Limits as the heads of answers tell them.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

use super::errors;
use crate::domain::limits::{Allowance, Limits};

/// A longer time until a reset is a date, or nonsense.
const LONGEST_RESET: f64 = 86_400.0;

/// What the headers of an answer tell; `None` where that is nothing.
pub(super) fn told(headers: &HeaderMap, now: SystemTime) -> Option<Limits> {
    let told = |kind: &str| tighter(anthropic(headers, kind, now), openai(headers, kind));
    let limits = Limits {
        requests: told("requests"),
        tokens: told("tokens"),
        input_tokens: told("input-tokens"),
        output_tokens: told("output-tokens"),
    };
    (!limits.is_empty()).then_some(limits)
}

/// Anthropic's: `anthropic-ratelimit-requests-remaining`, and a date in `anthropic-ratelimit-requests-reset`.
fn anthropic(headers: &HeaderMap, kind: &str, now: SystemTime) -> Option<Allowance> {
    let remaining = number(headers, &format!("anthropic-ratelimit-{kind}-remaining"))?;
    let reset: jiff::Timestamp = header(headers, &format!("anthropic-ratelimit-{kind}-reset"))?.parse().ok()?;
    let resets_in = SystemTime::from(reset).duration_since(now).ok()?;
    Some(Allowance { remaining, resets_in })
}

/// OpenAI's and their like: `x-ratelimit-remaining-requests`, and a duration in `x-ratelimit-reset-requests`.
fn openai(headers: &HeaderMap, kind: &str) -> Option<Allowance> {
    let remaining = number(headers, &format!("x-ratelimit-remaining-{kind}"))?;
    let reset = header(headers, &format!("x-ratelimit-reset-{kind}"))?;
    let seconds = |text: &str| text.parse().ok().filter(|seconds| (0.0..=LONGEST_RESET).contains(seconds));
    let resets_in = match seconds(reset) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => errors::duration(reset)?,
    };
    Some(Allowance { remaining, resets_in })
}

/// A gateway may have limits of its own beside those of the provider behind it.
fn tighter(one: Option<Allowance>, other: Option<Allowance>) -> Option<Allowance> {
    one.into_iter().chain(other).min_by_key(|allowance| allowance.remaining)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header(headers, name)?.parse().ok()
}

/// A header, or the same of the provider behind a LiteLLM proxy.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let found = headers.get(name).or_else(|| headers.get(format!("llm_provider-{name}")))?;
    found.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            let name = HeaderName::try_from(*name).expect("a header's name");
            (name, HeaderValue::try_from(*value).expect("a header's value"))
        };
        pairs.iter().map(header).collect()
    }

    fn allowance(remaining: u64, millis: u64) -> Option<Allowance> {
        Some(Allowance { remaining, resets_in: Duration::from_millis(millis) })
    }

    /// 2026-11-22T10:00:00Z.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_341_600)
    }

    #[test]
    fn anthropic_tells_dates_and_each_kind_of_token_apart() {
        let told = told(
            &headers(&[
                ("anthropic-ratelimit-requests-remaining", "7"),
                ("anthropic-ratelimit-requests-reset", "2026-11-22T10:00:12Z"),
                ("anthropic-ratelimit-output-tokens-remaining", "80000"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T10:01:00Z"),
                ("anthropic-ratelimit-tokens-remaining", "5"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-22T09:59:00Z"),
            ]),
            now(),
        );
        let limits = told.expect("limits");
        assert_eq!((limits.requests, limits.output_tokens), (allowance(7, 12_000), allowance(80_000, 60_000)));
        assert_eq!((limits.tokens, limits.input_tokens), (None, None), "what has been reset is over");
    }

    #[test]
    fn openai_tells_durations_and_a_gateway_passes_them_on() {
        for prefix in ["", "llm_provider-"] {
            let named = |name: &str| format!("{prefix}{name}");
            let told = told(
                &headers(&[
                    (&named("x-ratelimit-remaining-requests"), "3"),
                    (&named("x-ratelimit-reset-requests"), "6m0s"),
                    (&named("x-ratelimit-remaining-tokens"), "1200"),
                    (&named("x-ratelimit-reset-tokens"), "12ms"),
                ]),
                now(),
            );
            let limits = told.expect("limits");
            assert_eq!((limits.requests, limits.tokens), (allowance(3, 360_000), allowance(1_200, 12)));
        }
    }

    #[test]
    fn of_two_limits_the_tighter_one_counts() {
        let told = told(
            &headers(&[
                ("x-ratelimit-remaining-requests", "90"),
                ("x-ratelimit-reset-requests", "60"),
                ("llm_provider-anthropic-ratelimit-requests-remaining", "2"),
                ("llm_provider-anthropic-ratelimit-requests-reset", "2026-11-22T10:00:30Z"),
            ]),
            now(),
        );
        assert_eq!(told.expect("limits").requests, allowance(2, 30_000));
    }

    #[test]
    fn what_says_nothing_of_a_reset_says_nothing() {
        for pairs in [
            vec![("x-ratelimit-remaining-requests", "0")],
            vec![("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1795341600")],
            vec![("x-ratelimit-remaining-requests", "-1"), ("x-ratelimit-reset-requests", "1s")],
            vec![("content-type", "application/json")],
        ] {
            assert_eq!(told(&headers(&pairs), now()), None, "{pairs:?}");
        }
    }
}
