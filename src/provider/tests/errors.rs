//! The table of errors.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::super::errors::{drop_refused, refusal, retry_after, told};
use crate::domain::failure::FailureClass::{self, *};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).parse().expect("a name"), HeaderValue::from_str(value).expect("a value")))
        .collect()
}

/// Bodies as the providers document them.
#[test]
fn every_documented_refusal_has_its_class() {
    let anthropic = |kind: &str, message: &str| {
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
    };
    let openai = |message: &str, kind: &str, code: Value| {
        json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
    };
    let google = |message: &str, status: &str, details: Value| {
        json!({"error": {"code": 400, "message": message, "status": status, "details": details}}).to_string()
    };
    let ollama = |message: &str| json!({"error": message}).to_string();
    let litellm = |message: &str, kind: &str, code: &str| openai(message, kind, json!(code));
    let cases: Vec<(u16, String, FailureClass)> = vec![
        // Anthropic
        (400, anthropic("invalid_request_error", "max_tokens: must be positive"), BadRequest),
        (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), ContextTooLong),
        (400, anthropic("invalid_request_error", "You have reached your specified API usage limits."), OutOfCredit),
        (400, anthropic("invalid_request_error", "Your credit balance is too low to access the API."), OutOfCredit),
        (401, anthropic("authentication_error", "invalid x-api-key"), KeyRefused),
        (402, anthropic("billing_error", "billing"), OutOfCredit),
        (403, anthropic("permission_error", "no access"), KeyRefused),
        (404, anthropic("not_found_error", "model: claude-none"), ModelMissing),
        (409, anthropic("conflict_error", "conflict"), Busy),
        (413, "<html>413</html>".to_owned(), ContextTooLong),
        (429, anthropic("rate_limit_error", "slow"), RateLimited),
        (
            429,
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "limit",
                "details": {"error_code": "enforced_spend_limit_reached"}}})
            .to_string(),
            OutOfCredit,
        ),
        (500, anthropic("api_error", "oops"), ServerError),
        (504, anthropic("timeout_error", "late"), ServerError),
        (529, anthropic("overloaded_error", "Overloaded"), Overloaded),
        // OpenAI and its like
        (
            400,
            openai("This model's maximum context length is 8192 tokens.", "invalid_request_error", json!("context_length_exceeded")),
            ContextTooLong,
        ),
        (400, openai("Unsupported parameter", "invalid_request_error", json!("unsupported_parameter")), BadRequest),
        (400, openai("policy", "invalid_request_error", json!("content_policy_violation")), ContentRefused),
        (401, openai("Incorrect API key", "invalid_request_error", json!("invalid_api_key")), KeyRefused),
        (404, openai("The model `x` does not exist", "invalid_request_error", json!("model_not_found")), ModelMissing),
        (429, openai("slow down", "requests", json!("rate_limit_exceeded")), RateLimited),
        (429, openai("quota", "insufficient_quota", json!("insufficient_quota")), OutOfCredit),
        (429, openai("spent", "x", json!("project_spend_limit_exceeded")), OutOfCredit),
        (500, openai("The server had an error", "server_error", Value::Null), ServerError),
        (503, openai("busy", "service_unavailable_error", json!("server_is_overloaded")), Overloaded),
        (
            400,
            json!({"error": {"type": "exceed_context_size_error", "code": 400, "message": "request (9 tokens) exceeds the available context size (4 tokens)"}}).to_string(),
            ContextTooLong,
        ),
        (404, json!({"object": "error", "message": "The model `x` does not exist.", "code": 404}).to_string(), ModelMissing),
        (404, json!({"detail": "Not Found"}).to_string(), ServerError),
        (422, json!({"detail": [{"loc": ["body"], "msg": "missing"}]}).to_string(), BadRequest),
        (402, openai("pay", "x", Value::Null), OutOfCredit),
        // Gemini
        (400, google("API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", json!([{"reason": "API_KEY_INVALID"}])), KeyRefused),
        (400, google("The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", "INVALID_ARGUMENT", json!([])), ContextTooLong),
        (400, google("Function call is missing a thought_signature", "INVALID_ARGUMENT", json!([])), BadRequest),
        (400, google("User location is not supported for the API use.", "FAILED_PRECONDITION", json!([])), KeyRefused),
        (403, google("Permission denied", "PERMISSION_DENIED", json!([])), KeyRefused),
        (404, google("models/x is not found for API version v1beta", "NOT_FOUND", json!([])), ModelMissing),
        (429, google("You exceeded your current quota", "RESOURCE_EXHAUSTED", json!([])), RateLimited),
        (500, google("Internal", "INTERNAL", json!([])), ServerError),
        (503, google("The model is overloaded.", "UNAVAILABLE", json!([])), Overloaded),
        (400, format!("[{}]", google("API key not valid.", "INVALID_ARGUMENT", json!([]))), KeyRefused),
        // Ollama
        (400, ollama("the prompt is longer than the context length currently available to the model; ..."), ContextTooLong),
        (400, ollama("\"m\" does not support tools"), BadRequest),
        (401, ollama("unauthorized"), KeyRefused),
        (403, String::new(), KeyRefused),
        (404, ollama("model 'x' not found"), ModelMissing),
        (500, ollama("model requires more system memory (9 GiB) than is available (4 GiB)"), ServerError),
        (503, ollama("server busy, please try again.  maximum pending requests exceeded"), Overloaded),
        // LiteLLM
        (400, litellm("litellm.ContextWindowExceededError: x", "invalid_request_error", "400"), ContextTooLong),
        (400, litellm("/chat/completions: Invalid model name passed in model=nope.", "invalid_request_error", "400"), ModelMissing),
        (400, litellm("litellm.ContentPolicyViolationError: x", "None", "400"), ContentRefused),
        (400, litellm("Budget has been exceeded! Current cost: 2", "budget_exceeded", "400"), OutOfCredit),
        (401, litellm("Authentication Error, No api key passed in.", "auth_error", "401"), KeyRefused),
        (401, litellm("litellm.AuthenticationError: AnthropicException - invalid x-api-key", "None", "401"), ServerError),
        (400, litellm("No connected db.", "no_db_connection", "400"), KeyRefused),
        (408, litellm("litellm.Timeout: x", "None", "408"), ServerError),
        (429, litellm("No deployments available for selected model, Try again in 20 seconds.", "None", "429"), RateLimited),
        // RunPod
        (200, openai("vLLM returned HTTP 400: {\"error\":{\"message\":\"This model's maximum context length is 4096 tokens.\"}}", "worker_error", Value::Null), ContextTooLong),
        (500, openai("vLLM returned HTTP 404: {\"error\":{\"message\":\"The model `x` does not exist.\"}}", "worker_error", Value::Null), ModelMissing),
        (500, openai("vLLM returned HTTP 503: overloaded", "worker_error", Value::Null), Overloaded),
        (401, String::new(), KeyRefused),
        (429, "Too many requests".to_owned(), RateLimited),
        (502, "<html>Bad gateway</html>".to_owned(), ServerError),
        (524, "<html>timeout</html>".to_owned(), Silent),
        (302, String::new(), Garbled),
    ];
    for (status, body, class) in cases {
        let failure = if status == 200 {
            told(&serde_json::from_str(&body).expect("JSON")).expect("an error")
        } else {
            refusal(status, &HeaderMap::new(), &body)
        };
        assert_eq!(failure.class, class, "{status} {body}");
    }
}

#[test]
fn errors_inside_a_stream_are_told_apart_without_a_status() {
    for (error, class) in [
        (json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}), Overloaded),
        (json!({"error": {"type": "rate_limit_error", "message": "slow"}}), RateLimited),
        (json!({"error": {"type": "api_error", "message": "oops"}}), ServerError),
        (json!({"error": {"message": "upstream", "code": "500"}}), ServerError),
        (json!({"error": {"message": "late", "code": 429}}), RateLimited),
        (json!({"error": "an Ollama error"}), ServerError),
        (json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}), Overloaded),
    ] {
        assert_eq!(told(&error).expect("an error").class, class, "{error}");
    }
    assert!(told(&json!({"error": null, "choices": []})).is_none());
}

#[test]
fn a_402_that_names_a_pause_will_pass() {
    let failure = refusal(402, &headers(&[("retry-after", "3")]), "{}");
    assert_eq!((failure.class, failure.retry_after), (RateLimited, Some(Duration::from_secs(3))));
}

#[test]
fn a_429_without_a_pause_lasts_until_the_limit_that_is_used_up_is_there_again() {
    let told = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m2s")];
    assert_eq!(refusal(429, &headers(&told), "{}").retry_after, Some(Duration::from_secs(62)));
    let with_pause = [told[0], told[1], ("retry-after", "3")];
    assert_eq!(refusal(429, &headers(&with_pause), "{}").retry_after, Some(Duration::from_secs(3)));
    let left = [("x-ratelimit-remaining-requests", "8"), told[1]];
    assert_eq!(refusal(429, &headers(&left), "{}").retry_after, None);
    assert_eq!(refusal(500, &headers(&told), "{}").retry_after, None, "another failure has nothing to do with it");
}

#[test]
fn pauses_are_read_in_every_form() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_470);
    for (pairs, expected) in [
        (vec![("retry-after", "7")], Some(7_000)),
        (vec![("retry-after", "1.5")], Some(1_500)),
        (vec![("retry-after-ms", "250"), ("retry-after", "7")], Some(250)),
        (vec![("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], Some(10_000)),
        (vec![("retry-after", "Wed, 21 Oct 2015 07:20:00 GMT")], Some(0)),
        (vec![("llm_provider-retry-after", "9")], Some(9_000)),
        (vec![("retry-after", "-3")], None),
        (vec![("retry-after", "soon")], None),
        (vec![], None),
    ] {
        assert_eq!(retry_after(&headers(&pairs), now), expected.map(Duration::from_millis), "{pairs:?}");
    }
    for (error, expected) in [
        (json!({"code": 429, "message": "quota", "details": [{"retryDelay": "57.5s"}]}), 57_500),
        (json!({"code": 429, "message": "Please try again in 6m0s."}), 360_000),
        (json!({"code": 429, "message": "Rate limit. Please try again in 120ms. Visit"}), 120),
        (json!({"code": 429, "message": "Try again in 20 seconds. Passed model=x"}), 20_000),
    ] {
        let failure = told(&json!({"error": error})).expect("an error");
        assert_eq!(failure.retry_after, Some(Duration::from_millis(expected)), "{error}");
    }
}

#[test]
fn a_daily_quota_is_left_alone_until_it_refills() {
    let body = json!({"error": {"code": 429, "message": "quota", "details": [
        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"retryDelay": "2s"}]}});
    let pause = refusal(429, &HeaderMap::new(), &body.to_string()).retry_after.expect("a pause");
    assert!(pause > Duration::from_secs(2) && pause <= Duration::from_secs(86_400));
}

#[test]
fn only_an_optional_parameter_that_is_refused_by_name_is_dropped() {
    let mut body = json!({"model": "m", "temperature": 0.5, "max_tokens": 5});
    assert!(!drop_refused(&mut body, "messages: roles must alternate"));
    assert!(!drop_refused(&mut body, "`model` is not supported"));
    assert!(drop_refused(&mut body, "`temperature` is deprecated for this model"));
    assert!(drop_refused(
        &mut body,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    ));
    assert_eq!(body, json!({"model": "m", "max_completion_tokens": 5}));
}

#[test]
fn a_wrapped_error_shows_the_words_inside() {
    let body = json!({"error": {"message": "vLLM returned HTTP 404: {\"error\":{\"message\":\"no model `x`\",\"code\":404}}"}});
    let failure = refusal(500, &HeaderMap::new(), &body.to_string());
    assert_eq!((failure.class, failure.message.as_str()), (ModelMissing, "no model `x`"));
}
