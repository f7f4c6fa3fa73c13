//! The slate: beginnings of attempts that the journal's thread has not written yet, in memory that outlives the process.
//!
//! An attempt may only be sent once its beginning is where `kill -9` cannot take it. Waiting for the journal's thread costs
//! two wake-ups of a thread, a hundred microseconds; a file in a memory file system costs one system call, and no disk can
//! make it wait. The slate is such a file: a ring of slots, and ahead of them how many records have reached the journal. What
//! lies beyond that is taken from the slate by whoever takes over the journal of a process that is no more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::record::Record;
use crate::logging::create_private_folder;

/// Slots: as many beginnings as may wait for the journal's thread before the next attempts wait for it too.
const SLOTS: u64 = 2_048;
/// The size of a slot, in bytes. A beginning is names, numbers and a sentence; one that is longer is waited for.
const SLOT: usize = 2_048;
/// Ahead of the lines, in bytes: the number of the note, and how long they are.
const NUMBER: usize = 8;
const LENGTH: usize = 4;

/// The slate of this process.
#[derive(Debug)]
pub struct Slate {
    path: PathBuf,
    file: File,
    /// Notes that were put on the slate.
    noted: AtomicU64,
    /// Those among them that are in the journal.
    written: AtomicU64,
}

impl Slate {
    /// A slate for a process; `None` where this machine has no memory file system.
    #[must_use]
    pub fn begin(owner: Uuid) -> Option<Arc<Self>> {
        let folder = folder()?;
        wipe_forgotten(&folder);
        let path = folder.join(format!("{}.slate", owner.simple()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).ok()?;
        Some(Arc::new(Self { path, file, noted: AtomicU64::new(0), written: AtomicU64::new(0) }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a few records as one; only one thread may. Returns whether they are safe there: if not, the journal has to be
    /// waited for.
    pub fn note<'a>(&self, records: impl IntoIterator<Item = &'a Record>) -> bool {
        // From the first, so that the numbers are those of the journal's own count.
        let number = self.noted.fetch_add(1, Ordering::Relaxed) + 1;
        if number - self.written.load(Ordering::Acquire) > SLOTS {
            return false;
        }
        let mut slot = Vec::with_capacity(SLOT);
        slot.extend_from_slice(&number.to_le_bytes());
        slot.extend_from_slice(&[0; LENGTH]);
        for record in records {
            if serde_json::to_writer(&mut slot, record).is_err() {
                return false;
            }
            slot.push(b'\n');
        }
        let Ok(length) = u32::try_from(slot.len()) else { return false };
        if let Some(place) = slot.get_mut(NUMBER..NUMBER + LENGTH) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        slot.len() <= SLOT && write_at(&self.file, &slot, place(number)).is_ok()
    }

    /// Counts a record that is not noted, so that the journal is waited for. Always `false`, as of one that could not be.
    pub fn pass(&self) -> bool {
        self.noted.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// So many more of the notes are in the journal.
    pub fn wrote(&self, more: u64) {
        let written = self.written.load(Ordering::Relaxed) + more;
        // What stays behind in the file is folded twice at worst, which the database takes for once.
        drop(write_at(&self.file, &written.to_le_bytes(), 0));
        self.written.store(written, Ordering::Release);
    }
}

/// What was on the slate of a process that is no more, and had not reached its journal.
#[must_use]
pub fn left_on(path: &Path) -> Vec<Record> {
    let mut bytes = Vec::new();
    let longest = (SLOTS + 1) * SLOT as u64;
    match File::open(path).map(|file| file.take(longest).read_to_end(&mut bytes)) {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Vec::new(),
    }
    let mut slots = bytes.chunks(SLOT);
    let written = slots.next().and_then(number_of).unwrap_or(0);
    let mut left: Vec<(u64, Vec<Record>)> = slots
        .filter_map(|slot| {
            let number = number_of(slot).filter(|number| *number > written)?;
            let length = u32::from_le_bytes(slot.get(NUMBER..NUMBER + LENGTH)?.try_into().ok()?);
            let lines = slot.get(NUMBER + LENGTH..length as usize)?.split(|byte| *byte == b'\n');
            // A slot that was being written is none: its attempt was not sent.
            let records: Result<_, _> = lines.filter(|line| !line.is_empty()).map(serde_json::from_slice).collect();
            Some((number, records.ok()?))
        })
        .collect();
    left.sort_by_key(|(number, _)| *number);
    left.into_iter().flat_map(|(_, records)| records).collect()
}

/// Wipes a slate away, if it is one.
pub fn wipe(path: &Path) {
    if path.extension().is_some_and(|extension| extension == "slate") {
        drop(fs::remove_file(path));
    }
}

/// After so long nobody comes back to the store of a process that was killed: its slate only takes memory.
const FORGOTTEN: Duration = Duration::from_secs(30 * 86_400);

/// Wipes away what nobody has written to for long. A process that lives and is idle for a month loses nothing: its slate
/// goes on without a name.
fn wipe_forgotten(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).map(|modified| modified.elapsed());
        if matches!(age, Ok(Ok(age)) if age > FORGOTTEN) {
            wipe(&entry.path());
        }
    }
}

fn number_of(slot: &[u8]) -> Option<u64> {
    slot.get(..NUMBER)?.try_into().ok().map(u64::from_le_bytes)
}

/// Where a record's slot begins. The first slot holds the count.
const fn place(number: u64) -> u64 {
    (1 + number % SLOTS) * SLOT as u64
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// A folder of this user's in a memory file system.
#[cfg(target_os = "linux")]
fn folder() -> Option<PathBuf> {
    // What `statfs` says of tmpfs (linux/magic.h). The name alone proves nothing: in some containers these are disks.
    const TMPFS: i128 = 0x0102_1994;
    let user = rustix::process::getuid();
    let shared = PathBuf::from(format!("/dev/shm/llm-call-{}", user.as_raw()));
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("llm-call"));
    own.into_iter().chain([shared]).find(|folder| {
        let is_private = create_private_folder(folder).is_ok()
            && fs::symlink_metadata(folder).is_ok_and(|found| {
                use std::os::unix::fs::MetadataExt;
                found.is_dir() && found.uid() == user.as_raw() && found.mode() & 0o077 == 0
            });
        is_private && rustix::fs::statfs(folder).is_ok_and(|found| i128::from(found.f_type) == TMPFS)
    })
}

#[cfg(not(target_os = "linux"))]
fn folder() -> Option<PathBuf> {
    None
}

#[cfg(all(test, target_os = "linux"))]
pub(super) mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn record(at: i64) -> Record {
        Record::Pins { pins: Vec::new(), at: Timestamp(at) }
    }

    pub fn slate(folder: &Path) -> io::Result<Slate> {
        let path = folder.join("test.slate");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(Slate { path, file, noted: AtomicU64::new(0), written: AtomicU64::new(0) })
    }

    #[test]
    fn what_has_not_reached_the_journal_is_left_on_the_slate_in_its_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let slate = slate(folder.path()).expect("it is made");
        assert!((1..=4).all(|at| slate.note([&record(at)])) && slate.note([&record(5), &record(6)]));
        assert_eq!(left_on(slate.path()), (1..=6).map(record).collect::<Vec<_>>());
        slate.wrote(3);
        assert_eq!(left_on(slate.path()), (4..=6).map(record).collect::<Vec<_>>());
        slate.wrote(2);
        assert!(left_on(slate.path()).is_empty());
    }

    #[test]
    fn a_slate_that_is_full_says_so_and_loses_nothing_that_it_took() {
        let folder = tempfile::tempdir().expect("a folder");
        let slate = slate(folder.path()).expect("it is made");
        let most = i64::try_from(SLOTS).expect("it fits");
        assert!((1..=most).all(|at| slate.note([&record(at)])));
        assert!(!slate.note([&record(most + 1)]));
        assert_eq!(left_on(slate.path()).len(), 2_048);
        slate.wrote(SLOTS + 1);
        assert!(slate.note([&record(most + 2)]));
        assert_eq!(left_on(slate.path()), [record(most + 2)]);
    }

    #[test]
    fn a_record_that_is_too_long_is_not_taken_and_takes_no_others_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let slate = slate(folder.path()).expect("it is made");
        let long = Record::Audit(super::super::record::AuditRow {
            at: Timestamp(1),
            kind: super::super::record::AuditKind::Engine,
            by: "test".into(),
            target: None,
            what: "x".repeat(2 * SLOT),
            request: None,
        });
        assert!(slate.note([&record(1)]) && !slate.note([&long]) && slate.note([&record(3)]));
        assert_eq!(left_on(slate.path()), [record(1), record(3)]);
    }

    #[test]
    fn what_is_no_slate_holds_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(left_on(&folder.path().join("none.slate")).is_empty());
        let path = folder.path().join("other.slate");
        for bytes in [&b""[..], b"\x01", &[0xff; 5_000]] {
            fs::write(&path, bytes).expect("it is written");
            assert!(left_on(&path).is_empty());
        }
    }
}
