//! Folds the journal into the database, and tells what others wrote there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::database::{Database, Kept, Said, Wish};
use super::files::Files;
use super::folding::Folding;
use super::journal::{Journal, Progress};
use super::record::Record;
use super::sqlite::Sqlite;
use crate::domain::id::ModelId;
use crate::domain::spend::{Book, Day, Elsewhere, Others};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::engine::Clock;

/// The database's name in the folder.
pub const FILE_NAME: &str = "llm-call.db";
/// Its name where the tiers are simulated: a demonstration's money is not to be mixed with the real one.
pub const SIMULATED_FILE_NAME: &str = "llm-call-simulated.db";
/// The folder of the journals, beside the database.
const JOURNALS: &str = "journal";

/// How often the journal is folded. A batch of a quarter of a second costs one transaction.
const FOLD_EVERY: Duration = Duration::from_millis(250);
/// How often others' changes are looked for: what a shell drains, a dashboard shows a second later.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks after the end of a day: what was settled in its last moments may still be on its way into the database.
const STRAGGLERS: u32 = 10;
/// How often the journals of processes that are no more are looked for, and old rows are deleted.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How long the journal's thread is waited for when the program ends: a disk that hangs must not keep it from ending.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// Tries to fold the rest when the program ends. What is left then is in the journal, for the next one.
const LAST_TRIES: u32 = 3;

/// Where the store is, and what is kept for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database's file. The journals lie beside it.
    pub file: PathBuf,
    /// How long the ledger's rows are kept; sums by the day stay.
    pub keep: Duration,
    /// Whether prompts and answers are kept as well.
    pub keep_text: bool,
    /// Where the time comes from.
    pub clock: Clock,
}

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Why the journal cannot be written; as much waits in memory as may, and then nothing that costs money is sent.
    pub stuck: Option<Arc<str>>,
    /// Why the database cannot be written; the journal keeps everything meanwhile.
    pub behind: Option<Arc<str>>,
}

/// What is new in the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// What earlier runs and other processes have spent.
    pub others: Others,
    /// What operators want and what is held back, in the order in which it was said.
    pub wishes: Vec<Wish>,
    /// What people have said of answers since this process began.
    pub judged: Vec<Said>,
    /// How the store is.
    pub status: Status,
}

/// An open store.
pub struct Store {
    /// Where records go.
    pub journal: Journal,
    /// What earlier runs left.
    pub kept: Kept,
    /// What is new: what there was when it was opened, to begin with.
    pub news: watch::Receiver<Arc<News>>,
    /// This process's name in the store.
    pub owner: String,
    /// Whether prompts and answers are kept as well.
    pub keep_text: bool,
    folding: Folding,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// A key of what this process has booked: when, and for what.
type Booked = BTreeMap<(Day, Tier, ModelId, Arc<str>), Book>;

/// What folds.
pub(super) struct Keeper {
    database: Box<dyn Database>,
    folder: PathBuf,
    files: Files,
    progress: watch::Receiver<Progress>,
    /// The file that is being folded, and how far it is.
    at: (u32, u64),
    /// Whether the last fold failed, so that it is not certain how far it is.
    is_unsure: bool,
    /// Whether others have written something that was not taken in yet.
    is_dirty: bool,
    /// What this process has booked and folded, so that it can be told from what others have.
    own: Booked,
    /// When this process began.
    started: Timestamp,
    /// The minute of the clock in which this process began to count rent.
    began: i64,
    day: Day,
    /// Looks that are due after a day has ended, whether or not anybody else has written.
    stragglers: u32,
    keep: Duration,
    clock: Clock,
    news: watch::Sender<Arc<News>>,
}

/// Opens the database of a file alone, to look things up in it.
///
/// # Errors
///
/// As [`Sqlite::open`], and if the journals of ended processes cannot be read.
pub async fn look_up(options: &Options) -> Result<Box<dyn Database>, StoreError> {
    let mut database: Box<dyn Database> = Box::new(Sqlite::open(&options.file).await?);
    let folder = journals(options)?;
    adopt(&mut *database, &folder, &options.clock).await?;
    Ok(database)
}

/// How many programs have a store open at present.
///
/// # Errors
///
/// If the folder of the journals cannot be read.
pub fn in_use(options: &Options) -> Result<usize, StoreError> {
    let folder = journals(options)?;
    Files::held(&folder).map_err(|source| StoreError::Io { path: folder, source })
}

fn journals(options: &Options) -> Result<PathBuf, StoreError> {
    let folder = options.file.with_extension(JOURNALS);
    match crate::logging::create_private_folder(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(StoreError::Io { path: folder, source }),
    }
}

impl Store {
    /// Opens a store, which is made where there is none. What programs left behind that were killed is folded first.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to, or the database cannot be opened: see [`StoreError`].
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        Folding::open(options).await
    }

    /// Writes a few records, no more than the journal takes at once, and closes the store: what is said at a shell. When this
    /// returns, other programs see them.
    ///
    /// # Errors
    ///
    /// If they could not be written, or could not be folded: then they are in the journal, for whoever comes next.
    pub async fn write(self, records: Vec<Record>) -> Result<(), StoreError> {
        records.into_iter().for_each(|record| self.journal.write(record));
        self.journal.close().await;
        self.folding.end().await
    }

    /// The parts that an engine needs: the way in, what was kept, what is new, and the folding.
    pub(crate) fn into_parts(self) -> (Journal, Kept, watch::Receiver<Arc<News>>, String, Folding) {
        (self.journal, self.kept, self.news, self.owner, self.folding)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(60_000)
}

/// Folds what processes left behind that are no more, and ends what they had open.
async fn adopt(database: &mut dyn Database, folder: &std::path::Path, clock: &Clock) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { path: folder.to_owned(), source };
    for files in Files::orphans(folder).map_err(failed)? {
        let owner = files.owner();
        let left = files.left();
        if !left.is_empty() {
            let file = format!("{owner}-slate");
            database.fold(&owner, &file, 0, &left).await?;
            database.forget(&file).await?;
        }
        for number in files.numbers().map_err(failed)? {
            let file = name(&owner, number);
            let mut at = database.folded(&file).await?;
            loop {
                let (records, upto) = files.read(number, at).map_err(failed)?;
                if upto == at {
                    break;
                }
                database.fold(&owner, &file, upto, &records).await?;
                at = upto;
            }
        }
        let now = clock.now();
        let lost = database.close(&owner, now, clock.day(now)).await?;
        if lost > 0 {
            tracing::warn!(attempts = lost, "a program was ended in the middle of attempts; they are booked as lost");
        }
        for number in files.numbers().map_err(failed)? {
            // In this order: a file that is gone can never be folded twice.
            files.delete(number).map_err(failed)?;
            database.forget(&name(&owner, number)).await?;
        }
        files.end();
    }
    Ok(())
}

fn name(owner: &str, number: u32) -> String {
    format!("{owner}-{number}")
}

impl Keeper {
    /// Opens a store, with what is to fold it.
    pub(super) async fn open(options: Options, folding: Folding) -> Result<(Self, Store), StoreError> {
        if let Some(parent) = options.file.parent() {
            crate::logging::create_private_folder(parent)
                .map_err(|source| StoreError::Io { path: parent.to_owned(), source })?;
        }
        let mut database = look_up(&options).await?;
        let folder = journals(&options)?;
        let failed = |source| StoreError::Io { path: folder.clone(), source };
        let files = Files::begin(&folder).map_err(failed)?;
        let (journal, progress) = files.write().map_err(failed)?;
        let clock = options.clock;
        let now = clock.now();
        let kept = database.kept(now).await?;
        let (news, heard) = watch::channel(Arc::new(News::default()));
        let owner = files.owner();
        let mut keeper = Self {
            database,
            folder,
            files,
            progress,
            at: (0, 0),
            is_unsure: false,
            is_dirty: true,
            own: Booked::new(),
            started: now,
            began: minute(now),
            day: clock.day(now),
            stragglers: 0,
            keep: options.keep,
            clock,
            news,
        };
        keeper.look(true).await?;
        let store = Store { journal, kept, news: heard, owner, keep_text: options.keep_text, folding };
        Ok((keeper, store))
    }

    /// Folds until `stop`, and then what is left: the journal has to be closed before.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut fold = tokio::time::interval(FOLD_EVERY);
        fold.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looked, mut tidied) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                _ = fold.tick() => {}
                () = stop.cancelled() => break,
            }
            let folded = self.fold().await;
            self.tell_status(folded.err().as_ref());
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.try_to("look for others' changes", |keeper| Box::pin(keeper.look(false))).await;
            }
            if tidied.elapsed() >= TIDY_EVERY {
                tidied = Instant::now();
                self.try_to("tidy up", |keeper| Box::pin(keeper.tidy())).await;
            }
        }
        if let Err(error) = self.end().await {
            tracing::warn!(%error, "the journal could not be folded; the next program will");
        }
    }

    async fn try_to(
        &mut self,
        what: &str,
        work: impl for<'a> FnOnce(&'a mut Self) -> futures::future::BoxFuture<'a, Result<(), StoreError>>,
    ) {
        if let Err(error) = work(self).await {
            tracing::warn!(%error, "the store could not {what}");
        }
    }

    /// The journal is closed: folds the rest. What cannot be folded is left to whoever comes next.
    pub(super) async fn end(mut self) -> Result<(), StoreError> {
        let closed = self.progress.wait_for(|progress| progress.closed);
        if tokio::time::timeout(LAST_PATIENCE, closed).await.is_err() {
            let source = std::io::Error::other("the disk does not answer; what waited for it is lost");
            return Err(StoreError::Io { path: self.folder.clone(), source });
        }
        let mut tries = 0;
        while let Err(error) = self.fold().await {
            tries += 1;
            if tries == LAST_TRIES {
                return Err(error);
            }
            tokio::time::sleep(FOLD_EVERY).await;
        }
        if let Some(why) = self.progress.borrow().stuck.clone() {
            return Err(StoreError::Io { path: self.folder.clone(), source: std::io::Error::other(why) });
        }
        // Whatever is open still never came to an end that anybody heard of.
        let now = self.clock.now();
        let owner = self.files.owner();
        let (number, _) = self.at;
        self.database.close(&owner, now, self.clock.day(now)).await?;
        let failed = |source| StoreError::Io { path: self.folder.clone(), source };
        self.files.delete(number).map_err(failed)?;
        drop(self.database.forget(&name(&owner, number)).await);
        self.files.end();
        Ok(())
    }

    /// Folds what the journal has gained.
    async fn fold(&mut self) -> Result<(), StoreError> {
        if self.is_unsure {
            // A transaction that failed may have come through all the same: the database itself tells how far it is.
            self.at.1 = self.database.folded(&name(&self.files.owner(), self.at.0)).await?;
        }
        let folded = self.fold_on().await;
        self.is_unsure = folded.is_err();
        folded
    }

    async fn fold_on(&mut self) -> Result<(), StoreError> {
        let owner = self.files.owner();
        loop {
            let (number, at) = self.at;
            let Progress { file: newest, length, .. } = *self.progress.borrow();
            if number == newest && at >= length {
                return Ok(());
            }
            let failed = |source| StoreError::Io { path: self.folder.clone(), source };
            let (records, upto) = self.files.read(number, at).map_err(failed)?;
            if upto > at {
                self.database.fold(&owner, &name(&owner, number), upto, &records).await?;
                self.remember(&records);
                self.at.1 = upto;
            } else if number < newest {
                self.files.delete(number).map_err(failed)?;
                self.at = (number + 1, 0);
                // What stays behind of a file that is gone is a row that nobody asks for.
                drop(self.database.forget(&name(&owner, number)).await);
            } else {
                return Ok(());
            }
        }
    }

    fn remember(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Settled(row) = record {
                let key = (row.day, row.opened.tier, row.opened.model.clone(), Arc::clone(&row.opened.caller));
                self.own.entry(key).or_default().add(row.cost, row.usage.as_ref(), row.charged);
            }
        }
    }

    /// Looks for what others have changed, and tells it.
    async fn look(&mut self, first: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let day = self.clock.day(now);
        if std::mem::replace(&mut self.day, day) != day {
            // What this process booked on another day counts like anybody else's from now on.
            self.own.retain(|(of, ..), _| *of == day);
            // And so does the rent that it has counted until now.
            self.began = minute(now);
            self.stragglers = STRAGGLERS;
        }
        self.is_dirty |= self.database.touched().await? || first || self.stragglers > 0;
        self.stragglers = self.stragglers.saturating_sub(1);
        if !self.is_dirty {
            return Ok(());
        }
        let mut attempts = self.database.booked(day, &self.files.owner()).await?;
        attempts.iter_mut().for_each(|sum| self.take_own_off(sum, day));
        attempts.retain(|sum| sum.month != Book::default());
        let (rented_today, rented_month) = self.database.rented(day, self.began).await?;
        let others = Others { day, attempts, rented_today, rented_month };
        let wishes = self.database.wishes().await?;
        let judged = self.database.judged(self.started).await?;
        self.is_dirty = false;
        self.news.send_if_modified(|shared| {
            let news = News { others, wishes, judged, status: shared.status.clone() };
            let changed = **shared != news;
            if changed {
                *shared = Arc::new(news);
            }
            changed
        });
        Ok(())
    }

    fn take_own_off(&self, sum: &mut Elsewhere, day: Day) {
        let own = self.own.iter().filter(|((of, tier, model, caller), _)| {
            *of == day && *tier == sum.tier && *model == sum.model && *caller == sum.caller
        });
        for (_, book) in own {
            sum.month = sum.month.without(book);
            sum.today = sum.today.without(book);
        }
    }

    async fn tidy(&mut self) -> Result<(), StoreError> {
        adopt(&mut *self.database, &self.folder, &self.clock).await?;
        self.database.prune(self.clock.now(), self.keep).await.map(drop)
    }

    fn tell_status(&self, error: Option<&StoreError>) {
        let stuck = self.progress.borrow().stuck.as_deref().map(Arc::from);
        let status = Status { stuck, behind: error.map(|error| Arc::from(error.to_string())) };
        self.news.send_if_modified(|shared| {
            let changed = shared.status != status;
            if changed {
                if let Some(behind) = &status.behind {
                    tracing::warn!(%behind, "the ledger is kept in the journal for now");
                }
                *shared = Arc::new(News { status, ..(**shared).clone() });
            }
            changed
        });
    }
}
