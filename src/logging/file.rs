//! The file: one name for the day's log, the days before beside it, a week of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::FILE_NAME;

/// Days kept beside the current one.
const KEPT: usize = 6;

/// Writes into `llm-call.log`, and moves it to `llm-call.DATE.log` when the day (UTC) is over.
#[derive(Debug)]
pub(super) struct Daily {
    folder: PathBuf,
    day: Date,
    file: File,
    today: fn() -> Date,
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

impl Daily {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Self::open_on(folder, today)
    }

    pub(super) fn open_on(folder: &Path, today: fn() -> Date) -> io::Result<Self> {
        create_private_folder(folder)?;
        let day = today();
        let path = folder.join(FILE_NAME);
        if let Ok(modified) = fs::metadata(&path).and_then(|about| about.modified())
            && let Ok(modified) = Timestamp::try_from(modified)
            && modified.to_zoned(TimeZone::UTC).date() < day
        {
            put_aside(folder, modified.to_zoned(TimeZone::UTC).date());
        }
        Ok(Self { folder: folder.to_owned(), day, file: append_private(&path)?, today })
    }

    fn turn(&mut self) {
        let today = (self.today)();
        if today <= self.day {
            return;
        }
        put_aside(&self.folder, self.day);
        self.day = today;
        // Where a new file cannot be had, the old one goes on.
        if let Ok(file) = append_private(&self.folder.join(FILE_NAME)) {
            self.file = file;
        }
    }
}

impl Write for Daily {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.turn();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Moves the current file aside and drops what is older than a week. Several processes may write the same log: the first
/// to see the new day moves it, and its name being taken tells the others that this was done.
fn put_aside(folder: &Path, day: Date) {
    let aside = folder.join(format!("llm-call.{day}.log"));
    if !aside.exists() {
        let _ = fs::rename(folder.join(FILE_NAME), aside);
    }
    let mut old: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let day = name.to_str().and_then(|name| name.strip_prefix("llm-call.")?.strip_suffix(".log"));
            day.is_some_and(|day| day.parse::<Date>().is_ok())
        })
        .map(|entry| entry.path())
        .collect();
    old.sort();
    for path in old.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(path);
    }
}

/// Opens a file for appending, readable by its owner only: a log tells who asked what kind of thing of whom, if not in which words.
pub(crate) fn append_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder, and those above it, that only its owner can enter.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
