//! What is kept from run to run: the ledger, the audit, operators' wishes, what was measured.
//!
//! Everything goes the same way. A [`Record`](record::Record) is written into the [`journal`], which is quick and holds up
//! nobody; the [`keeper`] folds the journal into the [`Database`](database::Database), a batch in a transaction together with
//! how far it has come, so that each record counts once. A program that was killed left a journal behind, and whoever comes
//! next folds it the same way: there is no second path for recovery.

pub mod database;
pub mod files;
pub(crate) mod folding;
pub mod journal;
pub mod keeper;
pub mod recent;
pub mod record;
mod slate;
pub mod sqlite;

use std::io;
use std::path::PathBuf;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a journal in it.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The database.
    #[error("{}: {source}{}", path.display(), remedy(source))]
    Database {
        /// Where.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::Error,
    },
    /// A newer program has been at work on it.
    #[error(
        "{} was written by a newer llm-call (its form is {found}, this one knows up to {known}): use that one, or name another file with [store] file",
        path.display()
    )]
    TooNew {
        /// Where.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form that this program knows.
        known: i64,
    },
}

/// What to do about what a database says in its own words, where those do not tell.
fn remedy(source: &sqlx::Error) -> &'static str {
    let words = source.to_string();
    if words.contains("disk") {
        "; is the disk full, or not to be written to?"
    } else if words.contains("locked") {
        "; another program holds it"
    } else if words.contains("not a database") {
        "; name another file in the configuration's store section, or move this one away"
    } else {
        ""
    }
}
