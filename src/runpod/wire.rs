//! What the API says, as far as we need it. Every field may be missing, and what is not named here is not read: the
//! environment of a pod holds other people's secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::money::Money;

#[derive(Debug, Deserialize)]
pub(crate) struct Pods {
    #[serde(deserialize_with = "each")]
    pub pods: Vec<Pod>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Endpoints {
    #[serde(deserialize_with = "each")]
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub gpu: Option<Gpu>,
    #[serde(deserialize_with = "lenient")]
    pub cpu: Option<Cpu>,
    #[serde(deserialize_with = "dollars")]
    pub cost: Option<Money>,
    #[serde(deserialize_with = "lenient")]
    pub runtime: Option<Runtime>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gpu {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub count: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    pub pools: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cpu {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Runtime {
    #[serde(deserialize_with = "lenient")]
    pub uptime: Option<f64>,
    #[serde(deserialize_with = "each")]
    pub gpus: Vec<Load>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Load {
    #[serde(deserialize_with = "lenient")]
    pub util: Option<f64>,
    #[serde(rename = "memoryUtil", deserialize_with = "lenient")]
    pub memory: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub gpu: Option<Gpu>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Workers {
    pub summary: Summary,
    #[serde(default, deserialize_with = "each")]
    pub workers: Vec<Worker>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub running: u32,
    pub idle: u32,
    pub initializing: u32,
    pub throttled: u32,
    pub unhealthy: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Worker {
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(rename = "gpuCount", deserialize_with = "lenient")]
    pub gpu_count: Option<u32>,
    #[serde(rename = "gpuTypeId", deserialize_with = "lenient")]
    pub gpu_type: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Catalog {
    #[serde(deserialize_with = "each")]
    gpus: Vec<CatalogGpu>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CatalogGpu {
    id: String,
    #[serde(deserialize_with = "lenient")]
    price: Option<Prices>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Prices {
    #[serde(deserialize_with = "dollars")]
    serverless: Option<Money>,
}

impl Catalog {
    /// Zero stands for types that serverless does not offer, so it is no price.
    pub(crate) fn prices(self) -> BTreeMap<String, Money> {
        self.gpus
            .into_iter()
            .filter_map(|gpu| Some((gpu.id, gpu.price?.serverless.filter(|price| *price > Money::ZERO)?)))
            .collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GraphQl {
    data: Option<Value>,
}

impl GraphQl {
    /// An account may be in debt.
    pub(crate) fn balance(&self) -> Option<Money> {
        let balance = self.data.as_ref()?.pointer("/myself/clientBalance")?.as_f64()?;
        let amount = Money::from_usd(balance.abs())?;
        Some(if balance < 0.0 { Money(-amount.0) } else { amount })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    #[serde(deserialize_with = "lenient")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub detail: Option<String>,
}

/// A value of the wrong kind is a missing one: one odd field must not hide all machines.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

/// The entries that can be read; `null` is an empty list.
fn each<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let entries: Option<Vec<Value>> = Option::deserialize(from)?;
    Ok(entries.into_iter().flatten().filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}

/// Dollars as a number, or as text as earlier versions of the API wrote them.
fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    let value = Value::deserialize(from)?;
    let usd = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    Ok(usd.and_then(Money::from_usd))
}
