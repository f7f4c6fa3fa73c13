//! What RunPod tells for free of a serverless endpoint: its workers and its queue. Asking wakes no worker.

use serde_json::Value;

use super::connect::Sighting;
use super::events::count;
use super::http::Http;
use crate::domain::failure::Failure;
use crate::domain::health::Health;

/// Where a load balancer's workers can be asked after. Every path of the balancer itself is routed to a worker, `/ping`
/// included, and so would wake one; the serverless API tells the same of the endpoint by its id, and wakes none. A
/// balancer under another name than RunPod's can only be asked itself.
pub(super) fn of_balancer(base: &str) -> String {
    let host = base.strip_prefix("https://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    match host.strip_suffix(".api.runpod.ai") {
        Some(endpoint) if !endpoint.contains('.') => format!("https://api.runpod.ai/v2/{endpoint}/health"),
        _ => "/ping".to_owned(),
    }
}

/// Asks.
pub(super) async fn look(http: &Http, path: &str) -> Result<Sighting, Failure> {
    if path == "/ping" {
        let (status, _) = http.get_text(path).await?;
        return Ok(match status {
            204 => Sighting::new(Health::Warming, "worker starting"),
            _ => Sighting::up(None),
        });
    }
    Ok(judge(&http.get(path).await?))
}

/// What the counts mean. The documentation names only `idle` and `running`; live answers carry the others as well.
fn judge(told: &Value) -> Sighting {
    let workers = |name: &str| count(told, &format!("/workers/{name}")).unwrap_or(0);
    // `ready` counts workers that `idle` counts too.
    let awake = workers("running") + workers("idle").max(workers("ready"));
    let (starting, throttled, ill) = (workers("initializing"), workers("throttled"), workers("unhealthy"));
    let queued = count(told, "/jobs/inQueue").unwrap_or(0);
    let (health, mut detail) = match awake {
        0 if throttled > 0 => (Health::Degraded, format!("no worker running, {throttled} throttled")),
        0 if ill > 0 => (Health::Degraded, format!("no worker running, {ill} unhealthy")),
        0 if starting > 0 => (Health::Warming, "worker starting".to_owned()),
        0 => (Health::Warming, "no worker running: cold start ahead".to_owned()),
        _ if throttled + ill > 0 => {
            (Health::Degraded, format!("{awake} running or idle, {throttled} throttled, {ill} unhealthy"))
        }
        1 => (Health::Up, "1 worker".to_owned()),
        _ => (Health::Up, format!("{awake} workers")),
    };
    if queued > 0 {
        detail.push_str(&format!(", {queued} queued"));
    }
    Sighting::new(health, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn worker_counts_become_health() {
        for (workers, queued, health, detail) in [
            (json!({"idle": 0, "running": 0}), 0, Health::Warming, "no worker running: cold start ahead"),
            (json!({"initializing": 1}), 2, Health::Warming, "worker starting, 2 queued"),
            (json!({"throttled": 2}), 1, Health::Degraded, "no worker running, 2 throttled, 1 queued"),
            (json!({"unhealthy": 1}), 0, Health::Degraded, "no worker running, 1 unhealthy"),
            (json!({"idle": 1, "ready": 1, "running": 1}), 0, Health::Up, "2 workers"),
            (json!({"running": 1, "throttled": 1}), 0, Health::Degraded, "1 running or idle, 1 throttled, 0 unhealthy"),
        ] {
            let told = judge(&json!({"jobs": {"inQueue": queued}, "workers": workers}));
            assert_eq!((told.health, told.detail.as_str()), (health, detail));
        }
    }

    #[test]
    fn a_balancer_is_asked_after_without_waking_a_worker() {
        assert_eq!(of_balancer("https://abc123.api.runpod.ai"), "https://api.runpod.ai/v2/abc123/health");
        assert_eq!(of_balancer("https://abc123.api.runpod.ai.evil.test"), "/ping");
        assert_eq!(of_balancer("http://127.0.0.1:9000"), "/ping");
    }
}
