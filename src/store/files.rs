//! The files of a journal: whose they are, what stands in them, and who takes them over.
//!
//! Each process writes files of its own, and holds a lock for as long as it lives. Files whose lock is free belong to nobody
//! any more: whoever comes first takes them over.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use super::journal::{self, Journal, Progress};
use super::record::Record;
use super::slate::{self, Slate};
use crate::logging::{append_private, create_private_folder};

/// As much as is read of a file in one go, in bytes. No line is longer: kept texts, the longest there are, come to 3 MiB.
const CHUNK: u64 = 4 << 20;

/// The files of one process.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    owner: Uuid,
    /// Held for as long as the process lives. It says where the process has its slate, if it has one.
    _lock: File,
    slate: Option<Arc<Slate>>,
    /// Where the slate is of a process that is no more.
    left: Option<PathBuf>,
}

impl Files {
    fn lock_path(folder: &Path, owner: Uuid) -> PathBuf {
        folder.join(format!("{}.lock", owner.simple()))
    }

    /// Begins a set of files in a folder, which is made where there is none.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        create_private_folder(folder)?;
        loop {
            let owner = Uuid::now_v7();
            let path = Self::lock_path(folder, owner);
            let mut lock = append_private(&path)?;
            lock.lock()?;
            // Somebody may have taken it for an orphan in the moment before it was locked.
            if path.exists() {
                let slate = Slate::begin(owner).filter(|slate| {
                    let place = slate.path().to_str();
                    place.is_some_and(|place| lock.write_all(place.as_bytes()).is_ok())
                });
                return Ok(Self { folder: folder.to_owned(), owner, _lock: lock, slate, left: None });
            }
        }
    }

    /// Takes over what processes have left behind that are no more.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn orphans(folder: &Path) -> io::Result<Vec<Self>> {
        let mut orphans = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(owner) = owner_of(&path, "lock") else { continue };
            let mut lock = match File::open(&path) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match lock.try_lock() {
                Ok(()) if path.exists() => {
                    let mut left = String::new();
                    let is_told = lock.read_to_string(&mut left).is_ok() && !left.is_empty();
                    let left = is_told.then(|| PathBuf::from(left));
                    orphans.push(Self { folder: folder.to_owned(), owner, _lock: lock, slate: None, left });
                }
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        orphans.sort_by_key(|files| files.owner);
        Ok(orphans)
    }

    /// How many processes write into a folder at present.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn held(folder: &Path) -> io::Result<usize> {
        let mut held = 0;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // What has gone away since is held by nobody. A lock that was had here is let go of at once.
            if let (Some(_), Ok(lock)) = (owner_of(&path, "lock"), File::open(&path)) {
                held += usize::from(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            }
        }
        Ok(held)
    }

    /// The name of the process that wrote them, unique in the store.
    #[must_use]
    pub fn owner(&self) -> String {
        self.owner.simple().to_string()
    }

    fn path(&self, number: u32) -> PathBuf {
        path(&self.folder, self.owner, number)
    }

    /// What a process that is no more had on its slate, and not in its journal yet. It has to be folded before what is left of
    /// the journal, which may say that an attempt was never sent.
    #[must_use]
    pub fn left(&self) -> Vec<Record> {
        self.left.as_deref().map(slate::left_on).unwrap_or_default()
    }

    /// The numbers of the files there are, in order.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        let prefix = format!("{}-", self.owner.simple());
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number: Option<u32> =
                name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".jsonl")?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The whole lines of a file from an offset on, at most a chunk of them, and the offset after them. What cannot be read
    /// is left out and told to the log: one bad line must not keep the others from being counted.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn read(&self, number: u32, from: u64) -> io::Result<(Vec<Record>, u64)> {
        let path = self.path(number);
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut records = Vec::new();
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(record) => records.push(record),
                Err(error) => tracing::error!(file = %path.display(), %error, "a line of the journal cannot be read"),
            }
        }
        Ok((records, from + whole as u64))
    }

    /// Deletes a file that was folded. One that is gone already is no error.
    ///
    /// # Errors
    ///
    /// If it stays: then it must be remembered how much of it was folded.
    pub fn delete(&self, number: u32) -> io::Result<()> {
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Deletes the slate and the lock: nothing is left.
    pub fn end(self) {
        if let Some(path) = self.slate.as_deref().map(Slate::path).or(self.left.as_deref()) {
            slate::wipe(path);
        }
        drop(fs::remove_file(Self::lock_path(&self.folder, self.owner)));
    }

    /// Sets a thread to write into these files.
    ///
    /// # Errors
    ///
    /// If the first file or the thread cannot be had.
    pub fn write(&self) -> io::Result<(Journal, watch::Receiver<Progress>)> {
        journal::begin(&self.folder, self.owner, self.slate.clone())
    }
}

/// Where the file of a number is that a process writes.
pub(super) fn path(folder: &Path, owner: Uuid, number: u32) -> PathBuf {
    folder.join(format!("{}-{number}.jsonl", owner.simple()))
}

fn owner_of(path: &Path, extension: &str) -> Option<Uuid> {
    let named = path.extension().is_some_and(|found| found == extension);
    path.file_stem()?.to_str().filter(|_| named)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_torn_last_line_and_a_bad_one_cost_nothing_but_themselves() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::begin(folder.path()).expect("the folder can be written to");
        let good = serde_json::to_string(&Record::Pins { pins: Vec::new(), at: Timestamp(1) }).expect("it is JSON");
        let text = format!("{good}\n{{\"is\":\"unheard of\"}}\n{good}\n{}", &good[..10]);
        fs::write(files.path(0), &text).expect("it is written");
        let (records, upto) = files.read(0, 0).expect("it is read");
        assert_eq!((records.len(), upto), (2, text.len() as u64 - 10));
        assert_eq!(files.read(0, upto).expect("it is read"), (Vec::new(), upto));
    }

    #[test]
    fn what_a_living_process_writes_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::begin(folder.path()).expect("the folder can be written to");
        assert!(Files::orphans(folder.path()).expect("it is read").is_empty());
        let owner = files.owner();
        drop(files);
        let orphans = Files::orphans(folder.path()).expect("it is read");
        assert_eq!(orphans.iter().map(Files::owner).collect::<Vec<_>>(), [owner]);
        assert!(Files::orphans(folder.path()).expect("it is read").is_empty(), "whoever comes first has them");
    }
}
