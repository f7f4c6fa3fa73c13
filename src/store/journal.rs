//! The journal: records as lines of a file, written before anything is sent, and folded into the database later.
//!
//! A thread of its own writes, so that no request waits for the disk. What it takes in is bounded: an attempt is admitted only
//! when there is room for its end as well, so that a settled cost always has a place. The beginning of an attempt is on the
//! slate or in the journal before it is sent: either way in the operating system's hands, where `kill -9` cannot take it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::files;
use super::record::{Record, TextRow};
use super::slate::Slate;
use crate::domain::money::Money;
use crate::logging::append_private;

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
/// Kept texts that may wait for the disk, in bytes. They are no costs: beyond that they are dropped.
const MOST_TEXT: usize = 32 << 20;

/// What waits for the disk.
enum Entry {
    Record(Box<Record>),
    /// An end, and what it frees of the money that had been set aside.
    Ended(Box<Record>, Money),
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
    /// What ends that wait for the disk have freed of limits, in nano-dollars.
    freed: Arc<AtomicI64>,
    slate: Option<Arc<Slate>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Record(_) => "Record",
            Self::Ended(..) => "Ended",
            Self::Opened(..) => "Opened",
            Self::Flush(_) => "Flush",
            Self::Close => "Close",
        })
    }
}

/// A place in the journal for the end of an attempt.
#[derive(Debug)]
pub struct Place {
    room: OwnedPermit<Entry>,
    /// What was set aside for the attempt.
    reserved: Money,
    freed: Arc<AtomicI64>,
}

impl Place {
    /// Writes the end that the place was kept for.
    pub fn write(self, end: Record) {
        let frees = match &end {
            Record::Settled(row) => row.opened.reserved - row.charged,
            Record::Released { .. } => self.reserved,
            _ => Money::ZERO,
        };
        let frees = frees.max(Money::ZERO);
        self.freed.fetch_add(frees.0, Ordering::Relaxed);
        self.room.send(Entry::Ended(Box::new(end), frees));
    }
}

/// What an attempt waits for before it is sent.
#[derive(Debug)]
pub struct Wait {
    /// Comes when its beginning is in the journal's file.
    pub written: oneshot::Receiver<()>,
    /// Whether it may not be sent before. Otherwise it may go ahead where the disk hangs, since no request is to wait for a
    /// disk; but what takes money that others have only just freed would then be on no book at all.
    pub binds: bool,
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
    /// `left` is what is left of the limit that has least left, this attempt taken off; `None` without one. An attempt that
    /// takes what others have just freed waits for the file, in which their ends stand before it: were they lost and it not,
    /// they would be booked with all that was set aside, and the limit passed.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for both.
    pub fn open(
        &self,
        record: Record,
        request: Option<&Record>,
        left: Option<Money>,
    ) -> Result<(Place, Option<Wait>), Full> {
        let room = self.sender.clone().try_reserve_owned().map_err(|_| Full)?;
        let reserved = if let Record::Opened(opened) = &record { opened.reserved } else { Money::ZERO };
        let place = Place { room, reserved, freed: Arc::clone(&self.freed) };
        let room = self.sender.try_reserve().map_err(|_| Full)?;
        let takes_freed = left.is_some_and(|left| left.0 < self.freed.load(Ordering::Relaxed));
        let note = |slate: &Arc<Slate>| {
            if takes_freed { slate.pass() } else { slate.note(request.into_iter().chain([&record])) }
        };
        if self.slate.as_ref().is_some_and(note) {
            room.send(Entry::Opened(Box::new(record), true, None));
            return Ok((place, None));
        }
        let (written, when) = oneshot::channel();
        room.send(Entry::Opened(Box::new(record), self.slate.is_some(), Some(written)));
        Ok((place, Some(Wait { written: when, binds: takes_freed })))
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

/// Sets a thread to write the files of a process.
///
/// # Errors
///
/// If the first file or the thread cannot be had.
pub(super) fn begin(
    folder: &Path,
    owner: Uuid,
    slate: Option<Arc<Slate>>,
) -> io::Result<(Journal, watch::Receiver<Progress>)> {
    let (sender, entries) = mpsc::channel(QUEUE);
    let (progress, seen) = watch::channel(Progress::default());
    let (closing, texts, freed) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let writer = Writer {
        folder: folder.to_owned(),
        owner,
        file: append_private(&files::path(folder, owner, 0))?,
        progress,
        closing: Arc::clone(&closing),
        texts: Arc::clone(&texts),
        freed: Arc::clone(&freed),
        slate: slate.clone(),
        is_behind: false,
        last_tries: 0,
    };
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(entries))?;
    Ok((Journal { sender, closing, texts, freed, slate }, seen))
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
    freed: Arc<AtomicI64>,
    slate: Option<Arc<Slate>>,
    /// Whether there were more records than were written in one go.
    is_behind: bool,
    /// Tries that failed since the program began to end.
    last_tries: u32,
}

impl Writer {
    fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        while self.step(&mut entries) {}
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// Waits for records and writes them, a batch at most; `false` after the last.
    fn step(&mut self, entries: &mut mpsc::Receiver<Entry>) -> bool {
        let mut next = self.first(entries);
        if next.is_none() {
            return false;
        }
        let (mut lines, mut waiting) = (Vec::new(), Vec::new());
        let (mut texts, mut noted, mut freed, mut last) = (0, 0, Money::ZERO, false);
        self.is_behind = true;
        for _ in 0..BATCH {
            match next.take().or_else(|| entries.try_recv().ok()) {
                Some(Entry::Record(record)) => {
                    write_line(&mut lines, &record);
                    if let Record::Text(row) = &*record {
                        texts += row.bytes();
                    }
                }
                Some(Entry::Ended(record, frees)) => {
                    write_line(&mut lines, &record);
                    freed += frees;
                }
                Some(Entry::Opened(record, counts, written)) => {
                    write_line(&mut lines, &record);
                    noted += u64::from(counts);
                    waiting.extend(written);
                }
                Some(Entry::Flush(written)) => waiting.push(written),
                Some(Entry::Close) => last = true,
                None => {
                    self.is_behind = false;
                    break;
                }
            }
        }
        self.persist(&lines, noted);
        self.texts.fetch_sub(texts, Ordering::Relaxed);
        self.freed.fetch_sub(freed.0, Ordering::Relaxed);
        // Whoever waited may have gone on without.
        for written in waiting {
            let _ = written.send(());
        }
        !last
    }

    /// The next record, when there is one; `None` when there will be none any more. Lets some gather, unless there are more
    /// than are written in one go.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, and what gathers meanwhile waits for nothing")]
    fn first(&self, entries: &mut mpsc::Receiver<Entry>) -> Option<Entry> {
        let looks = if self.slate.is_some() && !self.is_behind { LOOKS } else { 0 };
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
            self.file = append_private(&files::path(&self.folder, self.owner, number + 1))?;
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
    use super::super::slate;
    use super::*;
    use crate::domain::id::RequestId;
    use crate::domain::time::Timestamp;

    fn record(at: i64) -> Record {
        Record::Pins { pins: Vec::new(), at: Timestamp(at) }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_what_costs_money_finds_no_place_once_the_queue_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let (progress, mut seen) = watch::channel(Progress::default());
        let (sender, entries) = mpsc::channel(4);
        // A file into which nothing fits.
        let file = File::options().write(true).open("/dev/full").expect("Linux has it");
        let closing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            folder: folder.path().to_owned(),
            owner: Uuid::now_v7(),
            file,
            progress,
            closing: Arc::clone(&closing),
            texts: Arc::default(),
            freed: Arc::default(),
            slate: None,
            is_behind: false,
            last_tries: 0,
        };
        let thread = std::thread::spawn(move || writer.run(entries));
        let journal = Journal { sender, closing, texts: Arc::default(), freed: Arc::default(), slate: None };
        journal.write(record(1));
        let stuck = seen.wait_for(|progress| progress.stuck.is_some()).await.expect("the thread lives").clone();
        assert!(stuck.stuck.is_some_and(|why| !why.is_empty()));
        let mut places = Vec::new();
        while let Ok((place, _)) = journal.open(record(1), None, None) {
            places.push(place);
        }
        assert!(places.len() <= 2, "two records for each of them, and four fit");
        assert_eq!(journal.open(record(1), None, None).err(), Some(Full));
        // The program ends all the same.
        drop(places);
        journal.close().await;
        tokio::task::spawn_blocking(move || thread.join()).await.expect("it is joined").expect("it has not panicked");
        assert!(seen.borrow().closed);
    }

    #[test]
    fn an_attempt_that_takes_what_was_just_freed_waits_for_the_file_and_others_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let slate = Arc::new(slate::tests::slate(folder.path()).expect("it is made"));
        let (sender, mut entries) = mpsc::channel(64);
        let (closing, texts, freed) = (Arc::default(), Arc::default(), Arc::new(AtomicI64::new(0)));
        let journal = Journal { sender, closing, texts, freed: Arc::clone(&freed), slate: Some(Arc::clone(&slate)) };
        let open = |at: i64, left: i64| journal.open(record(at), None, Some(Money(left))).expect("there is room");
        let (mut place, written) = open(1, 0);
        place.reserved = Money(10);
        assert!(written.is_none(), "nothing was freed yet");
        place.write(Record::Released { request: RequestId(Uuid::nil()), number: 1 });
        assert!(open(3, 10).1.is_none(), "as much is left without what was freed");
        assert!(open(4, 9).1.is_some_and(|wait| wait.binds));
        assert!(journal.open(record(5), None, None).expect("there is room").1.is_none(), "nothing limits it");
        assert_eq!(slate::left_on(slate.path()), [1, 3, 5].map(record), "what waits must not be found on the slate");
        // Once the end is in the file, what it freed is there for everybody.
        let (progress, _seen) = watch::channel(Progress::default());
        let file = append_private(&folder.path().join("journal")).expect("it is made");
        let mut writer = Writer {
            folder: folder.path().to_owned(),
            owner: Uuid::now_v7(),
            file,
            progress,
            closing: Arc::default(),
            texts: Arc::default(),
            freed,
            slate: Some(Arc::clone(&slate)),
            is_behind: false,
            last_tries: 0,
        };
        drop(journal);
        while writer.step(&mut entries) {}
        assert_eq!(writer.freed.load(Ordering::Relaxed), 0);
        assert!(slate::left_on(slate.path()).is_empty());
    }
}
