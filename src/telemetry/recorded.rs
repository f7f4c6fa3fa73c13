//! Readings that were written down before: for tests, and for showing cards that a machine does not have.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{GpuSource, Reading};
use crate::domain::machine::GpuSample;

/// Plays readings from JSON lines, in their order, and stays at the last one.
///
/// A line is one of `{"gpus":[…]}` with the fields of a sample (what is missing was not known), `{"absent":"why"}` and `{"failed":"why"}`.
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

impl Recorded {
    /// Takes the lines of a recording.
    ///
    /// # Errors
    ///
    /// The first line that is none, with its number.
    pub fn parse(lines: &str) -> Result<Self, String> {
        let mut readings = Vec::new();
        for (index, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed: Line<GpuSample> =
                serde_json::from_str(line).map_err(|cause| format!("line {}: {cause}", index + 1))?;
            readings.push(match parsed {
                Line::Gpus(gpus) => Reading::Samples(gpus),
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
    use crate::domain::money::Money;

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
