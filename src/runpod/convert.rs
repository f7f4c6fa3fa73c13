//! Pods and endpoints as the rows of a pane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::wire::{Endpoint, Gpu, Load, Pod, Workers};
use crate::domain::machine::GpuSample;
use crate::domain::money::Money;

/// Text of somebody else's for a line of the screen: no control characters, and not without end.
pub(super) fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect::<String>().trim().to_owned()
}

/// `NVIDIA GeForce RTX 4090` is `RTX 4090` to its friends.
fn short(gpu_type: &str) -> String {
    let text = label(gpu_type);
    let text = text.strip_prefix("NVIDIA ").unwrap_or(&text);
    text.strip_prefix("GeForce ").unwrap_or(text).to_owned()
}

fn counted(count: Option<u32>, kind: &str) -> Arc<str> {
    match count {
        Some(count) if count > 1 => Arc::from(format!("{count}×{kind}")),
        _ => Arc::from(kind),
    }
}

fn name(name: Option<&String>, id: Option<&String>, kind: &str) -> Arc<str> {
    let given = [name, id].into_iter().flatten().map(|text| label(text)).find(|text| !text.is_empty());
    Arc::from(given.unwrap_or_else(|| kind.to_owned()))
}

/// The mean of what is known, 0 to 100.
fn mean(loads: &[Load], value: impl Fn(&Load) -> Option<f64>) -> Option<u8> {
    let known: Vec<f64> = loads.iter().filter_map(value).filter(|load| load.is_finite()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of cards")]
    let count = known.len() as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped in the same breath")]
    (!known.is_empty()).then(|| (known.iter().sum::<f64>() / count).round().clamp(0.0, 100.0) as u8)
}

pub(super) fn pod(pod: &Pod) -> GpuSample {
    let status = pod.status.as_deref().map(label);
    let ended = matches!(status.as_deref(), Some("EXITED" | "TERMINATED"));
    let runtime = pod.runtime.clone().unwrap_or_default();
    let model = match (&pod.gpu, &pod.cpu) {
        (Some(Gpu { id: Some(id), count, .. }), _) => Some(counted(*count, &short(id))),
        (_, Some(cpu)) => Some(Arc::from(format!("CPU {}", label(cpu.id.as_deref().unwrap_or_default())).trim())),
        _ => None,
    };
    GpuSample {
        name: name(pod.name.as_ref(), pod.id.as_ref(), "pod"),
        model,
        utilisation: mean(&runtime.gpus, |gpu| gpu.util),
        memory_percent: mean(&runtime.gpus, |gpu| gpu.memory),
        // A stopped pod reports a cost of zero, but its disk goes on costing what nobody says.
        hourly: pod.cost.filter(|cost| !(ended && *cost == Money::ZERO)),
        billed: !ended && (status.as_deref() == Some("RUNNING") || pod.cost.is_some_and(|cost| cost > Money::ZERO)),
        state: status.map(Arc::from),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
        uptime_seconds: runtime.uptime.map(|seconds| seconds as u64),
        ..GpuSample::default()
    }
}

pub(super) fn endpoint(endpoint: &Endpoint, workers: Option<&Workers>, prices: &BTreeMap<String, Money>) -> GpuSample {
    GpuSample {
        name: name(endpoint.name.as_ref(), endpoint.id.as_ref(), "endpoint"),
        model: endpoint_model(endpoint, workers),
        state: Some(Arc::from(workers.map_or_else(|| "workers not known".to_owned(), state))),
        billed: workers.is_some_and(|workers| workers.summary.running > 0),
        hourly: workers.and_then(|workers| hourly(workers, prices)),
        charged_per_request: true,
        ..GpuSample::default()
    }
}

fn endpoint_model(endpoint: &Endpoint, workers: Option<&Workers>) -> Option<Arc<str>> {
    let gpu = endpoint.gpu.as_ref();
    let types: BTreeSet<String> = workers
        .into_iter()
        .flat_map(|w| &w.workers)
        .filter_map(|worker| worker.gpu_type.as_deref())
        .map(short)
        .collect();
    let kinds: Vec<String> = if types.is_empty() {
        gpu.and_then(|gpu| gpu.pools.as_ref()).into_iter().flatten().map(|pool| label(pool)).collect()
    } else {
        types.into_iter().collect()
    };
    (!kinds.is_empty()).then(|| counted(gpu.and_then(|gpu| gpu.count), &kinds.join(", ")))
}

fn state(workers: &Workers) -> String {
    let counts = workers.summary;
    let parts: Vec<String> = [
        (counts.running, "running"),
        (counts.idle, "idle"),
        (counts.initializing, "starting"),
        (counts.throttled, "throttled"),
        (counts.unhealthy, "unhealthy"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if parts.is_empty() { "no workers".to_owned() } else { parts.join(", ") }
}

/// What the running workers cost together; not known unless it is known of each.
fn hourly(workers: &Workers, prices: &BTreeMap<String, Money>) -> Option<Money> {
    let mut sum = Money::ZERO;
    let mut counted = 0;
    for worker in workers.workers.iter().filter(|worker| worker.status.as_deref() == Some("RUNNING")) {
        let price = prices.get(worker.gpu_type.as_ref()?)?;
        sum += Money(price.0.saturating_mul(i64::from(worker.gpu_count.unwrap_or(1))));
        counted += 1;
    }
    (counted > 0 && counted == workers.summary.running).then_some(sum)
}
