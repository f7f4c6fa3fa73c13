//! The store in one SQLite file.
//!
//! One connection per process. Readers never wait for the writer (the write-ahead log), and a second process waits its turn
//! for some seconds: then the keeper tries again later, and the journal keeps what is to come.

mod fold;
mod list;
mod paces;
mod read;
mod sums;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};

use super::StoreError;
use super::database::{Asked, By, Database, Each, Filter, Kept, KeptAttempt, KeptRequest, Paced, Said, Sum, Wish};
use super::record::{AuditRow, Record, TextRow};
use crate::domain::id::RequestId;
use crate::domain::money::Money;
use crate::domain::spend::{Day, Elsewhere};
use crate::domain::time::Timestamp;
use crate::logging::append_private;

/// How long another process may hold the file before a transaction is given up for now.
const PATIENCE: Duration = Duration::from_secs(5);
/// The forms of the file, oldest first. A form that was released never changes: a new one is added.
const FORMS: [(&str, &str); 2] =
    [("the ledger", include_str!("schema-1.sql")), ("kept texts and forecasts", include_str!("schema-2.sql"))];

/// A store in a SQLite file.
pub struct Sqlite {
    path: PathBuf,
    connection: SqliteConnection,
    /// What SQLite last said of changes by other connections.
    version: i64,
    /// A transaction failed, and may hang in the connection for good: a full disk leaves it so.
    broken: bool,
}

impl Sqlite {
    /// Opens a file, which is made where there is none, and brings it into the present form.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooNew`] where a newer program wrote it; [`StoreError::Database`] where it cannot be opened, or is none.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = connect(path).await?;
        let broken = |source| StoreError::Database { path: path.to_owned(), source };
        let forms = FORMS.iter().zip(1..).map(|((name, sql), number)| {
            Migration::new(number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        match Migrator::with_migrations(forms.collect()).run(&mut connection).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _)) => {
                return Err(StoreError::TooNew { path: path.to_owned(), found, known: FORMS.len() as i64 });
            }
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => return Err(broken(error)),
            Err(other) => return Err(broken(sqlx::Error::Migrate(Box::new(other)))),
        }
        Ok(Self { path: path.to_owned(), connection, version: 0, broken: false })
    }

    /// A connection that can be written to: a new one, where a transaction failed on the last.
    async fn writing(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.broken {
            self.connection = connect(&self.path).await?;
            self.broken = false;
            // A new connection counts others' changes anew.
            self.version = 0;
        }
        Ok(&mut self.connection)
    }

    /// What became of a transaction.
    fn wrote<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        self.broken = result.is_err();
        result.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    // SQLite would let everybody read it.
    append_private(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A power failure may take the last moments with it, a crash of the program nothing.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let connection = SqliteConnection::connect_with(&options).await;
    connection.map_err(|source| StoreError::Database { path: path.to_owned(), source })
}

/// A value as its one word: how kinds and classes stand in the tables.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// The value of a word.
fn of_word<T: DeserializeOwned>(word: String) -> Result<T, sqlx::Error> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A count that fits, whatever the database holds.
fn count<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}

impl Database for Sqlite {
    fn folded<'a>(&'a mut self, file: &'a str) -> Asked<'a, u64> {
        Box::pin(async move {
            let found = sqlx::query_scalar::<_, i64>("SELECT folded FROM journals WHERE file = $1").bind(file);
            let found = found.fetch_optional(self.writing().await?).await;
            self.wrote(found).map(|found| count(found.unwrap_or(0)))
        })
    }

    fn fold<'a>(&'a mut self, owner: &'a str, file: &'a str, upto: u64, records: &'a [Record]) -> Asked<'a, ()> {
        Box::pin(async move {
            let done = fold::fold(self.writing().await?, owner, file, upto, records).await;
            self.wrote(done)
        })
    }

    fn close<'a>(&'a mut self, owner: &'a str, now: Timestamp, day: Day) -> Asked<'a, u64> {
        Box::pin(async move {
            let lost = fold::close(self.writing().await?, owner, now, day).await;
            self.wrote(lost)
        })
    }

    fn forget<'a>(&'a mut self, file: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let gone = sqlx::query("DELETE FROM journals WHERE file = $1").bind(file);
            let gone = gone.execute(self.writing().await?).await;
            self.wrote(gone).map(drop)
        })
    }

    fn kept(&mut self, now: Timestamp) -> Asked<'_, Kept> {
        Box::pin(async move { read::kept(&mut self.connection, now).await.map_err(|error| self.failed(error)) })
    }

    fn booked<'a>(&'a mut self, day: Day, owner: &'a str) -> Asked<'a, Vec<Elsewhere>> {
        Box::pin(async move {
            let booked = read::booked(&mut self.connection, day, owner).await;
            booked.map_err(|error| self.failed(error))
        })
    }

    fn rented(&mut self, day: Day, before: i64) -> Asked<'_, (Money, Money)> {
        Box::pin(async move {
            let sums = read::rented(&mut self.connection, day, before).await;
            sums.map_err(|error| self.failed(error))
        })
    }

    fn wishes(&mut self) -> Asked<'_, Vec<Wish>> {
        Box::pin(async move { read::wishes(&mut self.connection).await.map_err(|error| self.failed(error)) })
    }

    fn judged(&mut self, since: Timestamp) -> Asked<'_, Vec<Said>> {
        Box::pin(async move {
            let said = read::judged(&mut self.connection, since).await;
            said.map_err(|error| self.failed(error))
        })
    }

    fn touched(&mut self) -> Asked<'_, bool> {
        Box::pin(async move {
            let version = sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(&mut self.connection).await;
            let version = version.map_err(|error| self.failed(error))?;
            Ok(std::mem::replace(&mut self.version, version) != version)
        })
    }

    fn prune(&mut self, now: Timestamp, keep: Duration) -> Asked<'_, u64> {
        Box::pin(async move {
            let gone = fold::prune(self.writing().await?, now, keep).await;
            self.wrote(gone)
        })
    }

    fn requests<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<KeptRequest>> {
        Box::pin(async move {
            let rows = list::requests(&mut self.connection, filter).await;
            rows.map_err(|error| self.failed(error))
        })
    }

    fn attempts<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<KeptAttempt>> {
        Box::pin(async move {
            let rows = list::attempts(&mut self.connection, filter).await;
            rows.map_err(|error| self.failed(error))
        })
    }

    fn text(&mut self, request: RequestId) -> Asked<'_, Option<TextRow>> {
        Box::pin(async move {
            let row = list::text(&mut self.connection, request).await;
            row.map_err(|error| self.failed(error))
        })
    }

    fn audit<'a>(&'a mut self, filter: &'a Filter) -> Asked<'a, Vec<AuditRow>> {
        Box::pin(async move { list::audit(&mut self.connection, filter).await.map_err(|error| self.failed(error)) })
    }

    fn each_request<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, KeptRequest>) -> Asked<'a, ()> {
        Box::pin(async move {
            let done = list::each_request(&mut self.connection, filter, each).await;
            done.map_err(|error| self.failed(error))
        })
    }

    fn each_attempt<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, KeptAttempt>) -> Asked<'a, ()> {
        Box::pin(async move {
            let done = list::each_attempt(&mut self.connection, filter, each).await;
            done.map_err(|error| self.failed(error))
        })
    }

    fn each_audit<'a>(&'a mut self, filter: &'a Filter, each: Each<'a, AuditRow>) -> Asked<'a, ()> {
        Box::pin(async move {
            let done = list::each_audit(&mut self.connection, filter, each).await;
            done.map_err(|error| self.failed(error))
        })
    }

    fn sums<'a>(&'a mut self, days: RangeInclusive<Day>, filter: &'a Filter, by: By) -> Asked<'a, Vec<Sum>> {
        Box::pin(async move {
            let sums = sums::sums(&mut self.connection, &days, filter, by).await;
            sums.map_err(|error| self.failed(error))
        })
    }

    fn paces<'a>(&'a mut self, days: RangeInclusive<Day>, filter: &'a Filter, by: By) -> Asked<'a, Vec<Paced>> {
        Box::pin(async move {
            let paces = paces::paces(&mut self.connection, &days, filter, by).await;
            paces.map_err(|error| self.failed(error))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::record::AuditKind;

    fn audit(count: usize) -> Vec<Record> {
        let row = AuditRow {
            at: Timestamp(1),
            kind: AuditKind::Engine,
            by: Arc::from("test"),
            target: None,
            what: "x".repeat(500),
            request: None,
        };
        vec![Record::Audit(row); count]
    }

    #[tokio::test]
    async fn a_full_disk_takes_nothing_of_a_batch_and_room_on_it_takes_all_of_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut database = Sqlite::open(&folder.path().join("test.db")).await.expect("it opens");
        // As full as a disk can be made for one connection.
        sqlx::query("PRAGMA max_page_count = 40").execute(&mut database.connection).await.expect("it is set");
        let full = database.fold("owner", "file", 10, &audit(2_000)).await.expect_err("it does not fit");
        assert!(full.to_string().contains("is the disk full"), "{full}");
        assert_eq!(database.folded("file").await.expect("it answers"), 0);
        database.fold("owner", "file", 20, &audit(3)).await.expect("there is room");
        assert_eq!(database.folded("file").await.expect("it answers"), 20);
        let all = Filter { most: 5_000, ..Filter::default() };
        assert_eq!(database.audit(&all).await.expect("it answers").len(), 3);
    }
}
