//! Readings that were written down before: for tests, and for showing cards that a machine does not have.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{GpuSource, Reading};
use crate::domain::machine::GpuSample;
use crate::domain::money::Money;

/// Plays readings from JSON lines, in their order, and stays at the last one.
///
/// A line is one of `{"gpus":[…]}` with the fields of a sample, `{"absent":"why"}` and `{"failed":"why"}`.
#[derive(Clone, Debug)]
pub struct Recorded {
    readings: Vec<Reading>,
    next: usize,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<S> {
    Gpus(Vec<S>),
    Absent(Arc<str>),
    Failed(Arc<str>),
}

/// A sample as it is written down. What is missing was not known.
#[derive(Deserialize)]
#[serde(default)]
struct Sample {
    name: Arc<str>,
    model: Option<Arc<str>>,
    utilisation: Option<u8>,
    memory_used: Option<u64>,
    memory_total: Option<u64>,
    memory_percent: Option<u8>,
    temperature: Option<u32>,
    slowdown_temperature: Option<u32>,
    power: Option<u32>,
    power_limit: Option<u32>,
    fan: Option<u8>,
    hourly: Option<Money>,
    state: Option<Arc<str>>,
    billed: bool,
    uptime_seconds: Option<u64>,
}

impl Default for Sample {
    fn default() -> Self {
        Self::from(GpuSample::default())
    }
}

/// Writes one direction of the conversion for both, so that a new field cannot be forgotten in one of them.
macro_rules! same_fields {
    ($from:ty => $to:ty) => {
        impl From<$from> for $to {
            fn from(sample: $from) -> Self {
                Self {
                    name: sample.name,
                    model: sample.model,
                    utilisation: sample.utilisation,
                    memory_used: sample.memory_used,
                    memory_total: sample.memory_total,
                    memory_percent: sample.memory_percent,
                    temperature: sample.temperature,
                    slowdown_temperature: sample.slowdown_temperature,
                    power: sample.power,
                    power_limit: sample.power_limit,
                    fan: sample.fan,
                    hourly: sample.hourly,
                    state: sample.state,
                    billed: sample.billed,
                    uptime_seconds: sample.uptime_seconds,
                }
            }
        }
    };
}
same_fields!(GpuSample => Sample);
same_fields!(Sample => GpuSample);

impl Recorded {
    /// Takes the lines of a recording.
    ///
    /// # Errors
    ///
    /// The first line that is none, with its number.
    pub fn parse(lines: &str) -> Result<Self, String> {
        let mut readings = Vec::new();
        for (index, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed: Line<Sample> =
                serde_json::from_str(line).map_err(|cause| format!("line {}: {cause}", index + 1))?;
            readings.push(match parsed {
                Line::Gpus(gpus) => Reading::Samples(gpus.into_iter().map(GpuSample::from).collect()),
                Line::Absent(why) => Reading::Absent(why),
                Line::Failed(why) => Reading::Failed(why),
            });
        }
        Ok(Self { readings, next: 0 })
    }

    /// Writes a reading down as one line, without the line's end.
    #[must_use]
    pub fn line(reading: &Reading) -> String {
        let line = match reading {
            Reading::Samples(gpus) => Line::Gpus(gpus.iter().collect()),
            Reading::Absent(why) => Line::Absent(Arc::clone(why)),
            Reading::Failed(why) => Line::Failed(Arc::clone(why)),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl GpuSource for Recorded {
    fn read(&mut self) -> Reading {
        let Some(last) = self.readings.len().checked_sub(1) else {
            return Reading::Absent(Arc::from("an empty recording"));
        };
        let reading = self.readings.get(self.next.min(last)).cloned();
        self.next = (self.next + 1).min(last);
        reading.unwrap_or_else(|| Reading::Samples(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_last_line_stays() {
        let card = GpuSample {
            name: Arc::from("RTX 4090"),
            utilisation: Some(63),
            hourly: Some(Money(440_000_000)),
            billed: true,
            ..GpuSample::default()
        };
        let readings = [Reading::Samples(vec![card]), Reading::Failed(Arc::from("lost"))];
        let text = readings.iter().map(Recorded::line).collect::<Vec<_>>().join("\n");
        let mut recorded = Recorded::parse(&text).unwrap();
        for expected in [&readings[0], &readings[1], &readings[1]] {
            assert_eq!(&recorded.read(), expected);
        }
        assert!(Recorded::parse("\n{\"gpus\":").unwrap_err().starts_with("line 2:"));
    }
}
