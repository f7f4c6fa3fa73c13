//! The journal: records as lines of a file, written before anything is sent, and folded into the database later.
//!
//! A thread of its own writes, so that no request waits for the disk. What it takes in is bounded: an attempt is admitted only
//! when there is room for its end as well, so that a settled cost always has a place. The beginning of an attempt is on the
//! slate or in the journal before it is sent: either way in the operating system's hands, where `kill -9` cannot take it.
//!
//! Each process writes files of its own, and holds a lock for as long as it lives. Files whose lock is free belong to nobody
//! any more: whoever comes first takes them over.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::record::{Record, TextRow};
use super::slate::{self, Slate};
use crate::logging::{append_private, create_private_folder};

/// Records that may wait for the disk: some seconds of a very busy engine, and some tens of megabytes at worst.
const QUEUE: usize = 16_384;
/// Records that are written in one go.
const BATCH: usize = 512;
/// A file that has grown larger than this is followed by a new one, so that what was folded can be deleted. In bytes.
const LARGEST: u64 = 8 << 20;
/// The pause before the disk is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the thread looks for records, where what must not be lost is on the slate: being woken for each of them would
/// cost every request more than all else that the journal does.
const GATHER: Duration = Duration::from_millis(5);
/// Looks in vain after which the thread sleeps until it is woken: a second.
const LOOKS: u32 = 200;
/// Tries to write what is left when the program ends: it must end, whatever the disk does.
const LAST_TRIES: u32 = 4;
/// As much as is read of a file in one go, in bytes. No line is longer: kept texts, the longest there are, come to 3 MiB.
const CHUNK: u64 = 4 << 20;
/// Kept texts that may wait for the disk, in bytes. They are no costs: beyond that they are dropped.
const MOST_TEXT: usize = 32 << 20;

/// What waits for the disk.
enum Entry {
    Record(Box<Record>),
    /// A beginning: whether it counts on the slate, and who waits for it.
    Opened(Box<Record>, bool, Option<oneshot::Sender<()>>),
    /// Somebody waits until everything before it is written.
    Flush(oneshot::Sender<()>),
    Close,
}

/// How far the thread has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the file that is being written.
    pub file: u32,
    /// Its length, in bytes.
    pub length: u64,
    /// Why nothing can be written at present.
    pub stuck: Option<String>,
    /// Whether the thread has ended.
    pub closed: bool,
}

/// The way into the journal. Clones lead into the same one.
#[derive(Clone, Debug)]
pub struct Journal {
    sender: mpsc::Sender<Entry>,
    /// Whether the program ends. Not in the queue alone: a disk that takes nothing keeps the thread from reading that.
    closing: Arc<AtomicBool>,
    /// Bytes of kept texts that wait for the disk.
    texts: Arc<AtomicUsize>,
    slate: Option<Arc<Slate>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Record(_) => "Record",
            Self::Opened(..) => "Opened",
            Self::Flush(_) => "Flush",
            Self::Close => "Close",
        })
    }
}

/// A place in the journal for a record that is still to come.
#[derive(Debug)]
pub struct Place(OwnedPermit<Entry>);

impl Place {
    /// Writes the record that the place was kept for.
    pub fn write(self, record: Record) {
        self.0.send(Entry::Record(Box::new(record)));
    }
}

/// The journal has no room: the disk takes nothing, and as much waits as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Journal {
    /// Writes a record, if there is room; what cannot be written is told to the log.
    pub fn write(&self, record: Record) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Entry::Record(Box::new(record))) {
            tracing::error!("the journal is full: a record is lost that is no cost");
        }
    }

    /// Writes what was asked and answered, unless more of such texts waits than memory is there for.
    pub fn keep(&self, row: TextRow) {
        let bytes = row.bytes();
        if self.texts.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_TEXT {
            self.texts.fetch_sub(bytes, Ordering::Relaxed);
            tracing::warn!("the disk is too slow: the text of a request is not kept");
            return;
        }
        self.write(Record::Text(row));
    }

    /// Writes the beginning of an attempt, and keeps a place for its end. `request` is what was written of its request, with
    /// which nothing may happen either; it is in the queue already. What is returned with it, if anything, comes when the
    /// beginning is safe from the end of this process; nothing, where it is already. Only one task may open attempts.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for both.
    pub fn open(
        &self,
        record: Record,
        request: Option<&Record>,
    ) -> Result<(Place, Option<oneshot::Receiver<()>>), Full> {
        let place = Place(self.sender.clone().try_reserve_owned().map_err(|_| Full)?);
        let room = self.sender.try_reserve().map_err(|_| Full)?;
        if self.slate.as_ref().is_some_and(|slate| slate.note(request.into_iter().chain([&record]))) {
            room.send(Entry::Opened(Box::new(record), true, None));
            return Ok((place, None));
        }
        let (written, when) = oneshot::channel();
        room.send(Entry::Opened(Box::new(record), self.slate.is_some(), Some(written)));
        Ok((place, Some(when)))
    }

    /// Waits until everything that was written so far is in the operating system's hands.
    pub async fn flush(&self) {
        let (written, when) = oneshot::channel();
        if self.sender.send(Entry::Flush(written)).await.is_ok() {
            drop(when.await);
        }
    }

    /// Writes what waits, and ends the thread.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(self.sender.send(Entry::Close).await);
    }
}

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
        self.folder.join(format!("{}-{number}.jsonl", self.owner.simple()))
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
        let (sender, entries) = mpsc::channel(QUEUE);
        let (progress, seen) = watch::channel(Progress::default());
        let (closing, texts) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let writer = Writer {
            folder: self.folder.clone(),
            owner: self.owner,
            file: append_private(&self.path(0))?,
            progress,
            closing: Arc::clone(&closing),
            texts: Arc::clone(&texts),
            slate: self.slate.clone(),
            last_tries: 0,
        };
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(entries))?;
        Ok((Journal { sender, closing, texts, slate: self.slate.clone() }, seen))
    }
}

fn owner_of(path: &Path, extension: &str) -> Option<Uuid> {
    let named = path.extension().is_some_and(|found| found == extension);
    path.file_stem()?.to_str().filter(|_| named)?.parse().ok()
}

fn write_line(lines: &mut Vec<u8>, record: &Record) {
    if serde_json::to_writer(&mut *lines, record).is_ok() {
        lines.push(b'\n');
    }
}

/// The thread that writes.
struct Writer {
    folder: PathBuf,
    owner: Uuid,
    file: File,
    progress: watch::Sender<Progress>,
    closing: Arc<AtomicBool>,
    texts: Arc<AtomicUsize>,
    slate: Option<Arc<Slate>>,
    /// Tries that failed since the program began to end.
    last_tries: u32,
}

impl Writer {
    fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let (mut last, mut is_behind) = (false, false);
        while !last {
            let Some(first) = self.first(&mut entries, is_behind) else { break };
            let mut lines = Vec::new();
            let mut waiting = Vec::new();
            let (mut texts, mut noted) = (0, 0);
            let mut next = Some(first);
            is_behind = true;
            for _ in 0..BATCH {
                match next.take().or_else(|| entries.try_recv().ok()) {
                    Some(Entry::Record(record)) => {
                        write_line(&mut lines, &record);
                        if let Record::Text(row) = &*record {
                            texts += row.bytes();
                        }
                    }
                    Some(Entry::Opened(record, counts, written)) => {
                        write_line(&mut lines, &record);
                        noted += u64::from(counts);
                        waiting.extend(written);
                    }
                    Some(Entry::Flush(written)) => waiting.push(written),
                    Some(Entry::Close) => last = true,
                    None => {
                        is_behind = false;
                        break;
                    }
                }
            }
            self.persist(&lines, noted);
            self.texts.fetch_sub(texts, Ordering::Relaxed);
            // Whoever waited may have gone on without.
            for written in waiting {
                let _ = written.send(());
            }
        }
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// The next record, when there is one; `None` when there will be none any more. Lets some gather, unless there are more
    /// than are written in one go.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, and what gathers meanwhile waits for nothing")]
    fn first(&self, entries: &mut mpsc::Receiver<Entry>, is_behind: bool) -> Option<Entry> {
        let looks = if self.slate.is_some() && !is_behind { LOOKS } else { 0 };
        for _ in 0..looks {
            std::thread::sleep(GATHER);
            match entries.try_recv() {
                Ok(entry) => return Some(entry),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
        }
        entries.blocking_recv()
    }

    /// Writes lines, however long the disk refuses: they wait here, and what comes after them in the queue. At the end of the
    /// program the patience is bounded.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, and nothing tells when a disk has room again")]
    fn persist(&mut self, lines: &[u8], noted: u64) {
        while let Err(error) = self.append(lines, noted) {
            self.last_tries += u32::from(self.closing.load(Ordering::Relaxed));
            let new = self.progress.send_if_modified(|progress| {
                let before = progress.stuck.replace(error.to_string());
                before.is_none()
            });
            if new {
                tracing::error!(%error, folder = %self.folder.display(), "the journal cannot be written; what is booked waits");
            }
            if self.last_tries >= LAST_TRIES {
                tracing::error!(bytes = lines.len(), "the program ends, and the last records could not be written");
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn append(&mut self, lines: &[u8], noted: u64) -> io::Result<()> {
        let Progress { file: number, length, .. } = *self.progress.borrow();
        if length > LARGEST {
            let next = self.folder.join(format!("{}-{}.jsonl", self.owner.simple(), number + 1));
            self.file = append_private(&next)?;
            self.progress.send_modify(|progress| (progress.file, progress.length) = (number + 1, 0));
            return self.append(lines, noted);
        }
        if let Err(error) = self.file.write_all(lines) {
            // A part of a line must not stand before the next try's.
            self.file.set_len(length)?;
            return Err(error);
        }
        // Before anybody can fold these lines: what they say of an attempt must not be undone by its beginning on the slate.
        if let Some(slate) = self.slate.as_ref().filter(|_| noted > 0) {
            slate.wrote(noted);
        }
        self.progress.send_modify(|progress| {
            progress.length += lines.len() as u64;
            progress.stuck = None;
        });
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[tokio::test]
    async fn a_full_disk_is_told_and_what_costs_money_finds_no_place_once_the_queue_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files::begin(folder.path()).expect("the folder can be written to");
        let (progress, mut seen) = watch::channel(Progress::default());
        let (sender, entries) = mpsc::channel(4);
        // A file into which nothing fits.
        let file = File::options().write(true).open("/dev/full").expect("Linux has it");
        let closing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            folder: folder.path().to_owned(),
            owner: files.owner,
            file,
            progress,
            closing: Arc::clone(&closing),
            texts: Arc::default(),
            slate: None,
            last_tries: 0,
        };
        let thread = std::thread::spawn(move || writer.run(entries));
        let journal = Journal { sender, closing, texts: Arc::default(), slate: None };
        let record = || Record::Pins { pins: Vec::new(), at: Timestamp(1) };
        journal.write(record());
        let stuck = seen.wait_for(|progress| progress.stuck.is_some()).await.expect("the thread lives").clone();
        assert!(stuck.stuck.is_some_and(|why| !why.is_empty()));
        let mut places = Vec::new();
        while let Ok((place, _)) = journal.open(record(), None) {
            places.push(place);
        }
        assert!(places.len() <= 2, "two records for each of them, and four fit");
        assert_eq!(journal.open(record(), None).err(), Some(Full));
        // The program ends all the same.
        drop(places);
        journal.close().await;
        tokio::task::spawn_blocking(move || thread.join()).await.expect("it is joined").expect("it has not panicked");
        assert!(seen.borrow().closed);
    }

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
