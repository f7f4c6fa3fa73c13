//! Which NVIDIA cards the kernel has put to sleep. Asking NVML would wake them, looking here does not.

use std::fs;
use std::path::Path;

/// A card as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Its address on the bus, as NVML takes it.
    pub address: String,
    /// Whether it is suspended.
    pub asleep: bool,
}

const NVIDIA: &str = "0x10de";
/// Display controllers; the same card's audio and USB functions have other classes.
const DISPLAY: &str = "0x03";

/// The cards below a `/sys/bus/pci/devices`. None where there is no such folder: another system, WSL, a container.
pub(super) fn cards(devices: &Path) -> Vec<Card> {
    let Ok(entries) = fs::read_dir(devices) else { return Vec::new() };
    let mut cards: Vec<Card> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let field = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let is_card = field("vendor").trim() == NVIDIA && field("class").trim().starts_with(DISPLAY);
            is_card.then(|| Card {
                address: entry.file_name().to_string_lossy().into_owned(),
                asleep: field("power/runtime_status").trim() == "suspended",
            })
        })
        .collect();
    cards.sort_by(|a, b| a.address.cmp(&b.address));
    cards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nvidia_display_controllers_count_and_sleep_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        for (address, vendor, class, status) in [
            ("0000:02:00.0", "0x10de\n", "0x030200\n", "active\n"),
            ("0000:01:00.0", "0x10de\n", "0x030000\n", "suspended\n"),
            ("0000:01:00.1", "0x10de\n", "0x040300\n", "active\n"),
            ("0000:00:02.0", "0x8086\n", "0x030000\n", "active\n"),
        ] {
            let device = folder.path().join(address);
            fs::create_dir_all(device.join("power")).unwrap();
            fs::write(device.join("vendor"), vendor).unwrap();
            fs::write(device.join("class"), class).unwrap();
            fs::write(device.join("power/runtime_status"), status).unwrap();
        }
        assert_eq!(
            cards(folder.path()),
            [
                Card { address: "0000:01:00.0".to_owned(), asleep: true },
                Card { address: "0000:02:00.0".to_owned(), asleep: false },
            ]
        );
        assert!(cards(Path::new("/no/such/folder")).is_empty());
    }
}
