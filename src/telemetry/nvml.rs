//! NVIDIA cards in this machine. Every value is optional: cards and drivers differ in what they tell.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use super::sysfs::{self, Card};
use super::{GpuSource, Reading};
use crate::domain::machine::{GpuProcess, GpuSample};

/// Where the library may be besides the loader's path: without its version number, and where WSL puts it.
const OTHER_PATHS: [&str; 3] = ["libnvidia-ml.so.1", "libnvidia-ml.so", "/usr/lib/wsl/lib/libnvidia-ml.so.1"];

const NOT_FOUND: &str = "no NVIDIA driver (NVML not found)";

/// Reads through the driver's library, which is loaded on the first reading that finds a card awake.
#[derive(Debug)]
pub struct NvmlSource {
    devices: PathBuf,
    library: Library,
}

#[derive(Debug)]
enum Library {
    Untried,
    Open(Box<Nvml>),
    /// It will not be there a moment later either; only the operator's request leads to another try.
    GivenUp(Arc<str>),
}

impl Default for NvmlSource {
    fn default() -> Self {
        Self { devices: PathBuf::from("/sys/bus/pci/devices"), library: Library::Untried }
    }
}

impl GpuSource for NvmlSource {
    fn read(&mut self) -> Reading {
        let cards = sysfs::cards(&self.devices);
        if !cards.is_empty() && cards.iter().all(|card| card.asleep) {
            // An open library keeps the card's device file open, and with it the card from deeper sleep.
            if matches!(self.library, Library::Open(_)) {
                self.library = Library::Untried;
            }
            return Reading::Absent(Arc::from("GPU asleep (not woken to be read)"));
        }
        if matches!(self.library, Library::Untried) {
            match open() {
                Ok(nvml) => self.library = Library::Open(Box::new(nvml)),
                Err(cause) => match lasting(&cause) {
                    Some(why) => self.library = Library::GivenUp(Arc::from(why)),
                    None => return Reading::Failed(Arc::from(format!("NVML: {cause}"))),
                },
            }
        }
        match &self.library {
            Library::Untried => Reading::Absent(Arc::from(NOT_FOUND)),
            Library::GivenUp(why) => Reading::Absent(Arc::clone(why)),
            Library::Open(nvml) => match read_all(nvml, &cards) {
                Ok(gpus) if gpus.is_empty() => Reading::Absent(Arc::from("no NVIDIA GPU")),
                Ok(gpus) => Reading::Samples(gpus),
                Err(cause) => {
                    // A lost card or a reloaded driver leaves a handle that never works again.
                    self.library = Library::Untried;
                    Reading::Failed(Arc::from(format!("NVML: {cause}")))
                }
            },
        }
    }

    fn retry(&mut self) {
        if matches!(self.library, Library::GivenUp(_)) {
            self.library = Library::Untried;
        }
    }
}

fn open() -> Result<Nvml, NvmlError> {
    let mut failed = match Nvml::init() {
        Ok(nvml) => return Ok(nvml),
        Err(cause) => cause,
    };
    for path in OTHER_PATHS {
        if !is_missing(&failed) {
            break;
        }
        match Nvml::builder().lib_path(OsStr::new(path)).init() {
            Ok(nvml) => return Ok(nvml),
            Err(cause) => failed = cause,
        }
    }
    Err(failed)
}

fn is_missing(cause: &NvmlError) -> bool {
    matches!(cause, NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound)
}

/// Why it makes no sense to try again by ourselves.
fn lasting(cause: &NvmlError) -> Option<&'static str> {
    match cause {
        cause if is_missing(cause) => Some(NOT_FOUND),
        NvmlError::DriverNotLoaded => Some("the NVIDIA driver is not loaded"),
        NvmlError::LibRmVersionMismatch => Some("NVIDIA driver and library differ in version (reboot)"),
        NvmlError::NoPermission => Some("no permission to read the GPU"),
        _ => None,
    }
}

fn read_all(nvml: &Nvml, cards: &[Card]) -> Result<Vec<GpuSample>, NvmlError> {
    if cards.iter().any(|card| card.asleep) {
        // Some sleep and some do not: only those awake are asked, by their address, since asking by number opens all
        // that come before.
        return cards
            .iter()
            .map(|card| {
                if card.asleep {
                    return Ok(GpuSample {
                        name: Arc::from(format!("GPU {}", card.address)),
                        state: Some(Arc::from("asleep")),
                        ..GpuSample::default()
                    });
                }
                nvml.device_by_pci_bus_id(card.address.as_str()).map(|device| read(&device))
            })
            .collect();
    }
    // A card that cannot be opened must not hide the others.
    let count = nvml.device_count()?;
    let mut failed = None;
    let mut gpus = Vec::new();
    for index in 0..count {
        match nvml.device_by_index(index) {
            Ok(device) => gpus.push(read(&device)),
            Err(cause) => failed = Some(cause),
        }
    }
    match failed {
        Some(cause) if gpus.is_empty() => Err(cause),
        _ => Ok(gpus),
    }
}

fn read(device: &Device<'_>) -> GpuSample {
    let memory = device.memory_info().ok();
    GpuSample {
        name: Arc::from(device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned())),
        utilisation: device.utilization_rates().ok().map(|rates| percent(rates.gpu)),
        memory_used: memory.as_ref().map(|memory| memory.used),
        memory_total: memory.as_ref().map(|memory| memory.total),
        temperature: device.temperature(TemperatureSensor::Gpu).ok(),
        slowdown_temperature: device.temperature_threshold(TemperatureThreshold::Slowdown).ok(),
        power: device.power_usage().ok().map(watts),
        power_limit: device.enforced_power_limit().or_else(|_| device.power_management_limit()).ok().map(watts),
        fan: device.fan_speed(0).ok().map(percent),
        core_clock: device.clock_info(Clock::Graphics).ok(),
        memory_clock: device.clock_info(Clock::Memory).ok(),
        pcie: device.current_pcie_link_gen().ok().zip(device.current_pcie_link_width().ok()),
        held_down_by: device.current_throttle_reasons().ok().map(held_down_by),
        memory_errors: device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile).ok(),
        processes: device.running_compute_processes().ok().map(|found| found.iter().map(process).collect()),
        ..GpuSample::default()
    }
}

/// What holds the clocks down, in words. An idle card and one whose clocks somebody set are as they should be.
fn held_down_by(reasons: ThrottleReasons) -> Vec<Arc<str>> {
    let words = [
        (ThrottleReasons::SW_POWER_CAP, "power limit"),
        (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat, hard limit"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
    ];
    words.into_iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, words)| Arc::from(words)).collect()
}

fn process(found: &ProcessInfo) -> GpuProcess {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", found.pid)).ok();
    GpuProcess {
        pid: found.pid,
        name: name.map(|name| Arc::from(name.trim())),
        memory: match found.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    }
}

fn percent(value: u32) -> u8 {
    u8::try_from(value.min(100)).unwrap_or(100)
}

const fn watts(milliwatts: u32) -> u32 {
    milliwatts / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_card_is_not_held_down_and_a_hot_one_says_so() {
        assert!(held_down_by(ThrottleReasons::GPU_IDLE).is_empty());
        let hot = ThrottleReasons::SW_THERMAL_SLOWDOWN | ThrottleReasons::SW_POWER_CAP;
        assert_eq!(held_down_by(hot), [Arc::from("power limit"), Arc::from("heat")]);
    }

    #[test]
    fn a_machine_without_a_driver_says_so_once_and_again_after_a_retry() {
        let mut source = NvmlSource { devices: PathBuf::from("/no/such/folder"), library: Library::Untried };
        let first = source.read();
        if !matches!(first, Reading::Absent(_)) {
            return; // a machine with a driver
        }
        assert_eq!(first, Reading::Absent(Arc::from(NOT_FOUND)));
        assert!(matches!(source.library, Library::GivenUp(_)));
        source.retry();
        assert!(matches!(source.library, Library::Untried));
        assert_eq!(source.read(), first);
    }

    #[test]
    fn sleeping_cards_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("0000:01:00.0");
        std::fs::create_dir_all(device.join("power")).unwrap();
        std::fs::write(device.join("vendor"), "0x10de").unwrap();
        std::fs::write(device.join("class"), "0x030000").unwrap();
        std::fs::write(device.join("power/runtime_status"), "suspended").unwrap();
        let mut source = NvmlSource { devices: folder.path().to_owned(), library: Library::Untried };
        assert!(matches!(source.read(), Reading::Absent(why) if why.starts_with("GPU asleep")));
        assert!(matches!(source.library, Library::Untried));
    }
}
