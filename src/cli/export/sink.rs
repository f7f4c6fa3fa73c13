//! Where an export goes: a file that is whole or not there, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Format, To};
use crate::cli::flat::Row;
use crate::cli::output::Failure;

/// The name of standard output.
const STANDARD: &str = "-";

enum Way {
    File(BufWriter<File>, Part),
    Standard(BufWriter<Stdout>),
}

/// Writes rows.
pub(super) struct Sink {
    way: Way,
    format: Format,
    rows: u64,
}

/// A file that is being written, under another name until it is whole: a part must not be taken for the whole.
struct Part {
    /// Where it is written.
    at: PathBuf,
    /// What it is to be.
    is: PathBuf,
    /// Whether it may take the place of another.
    replaces: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Once it is finished there is nothing of this name any more.
        drop(fs::remove_file(&self.at));
    }
}

impl Part {
    /// Whether it may become what it is to be. Only a file is ever replaced: a device is none.
    fn check(&self) -> Result<(), Failure> {
        match fs::metadata(&self.is) {
            Ok(about) if !about.is_file() => Err(Failure::Usage(format!("{} is no file", self.is.display()))),
            Ok(_) if !self.replaces => {
                Err(Failure::Usage(format!("{} is there already; --force replaces it", self.is.display())))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A failure to write, with the file's name.
fn unwritten(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::Other(format!("cannot write {}: {error}", path.display()))
}

impl Sink {
    /// # Errors
    ///
    /// If the file cannot be had, or is there already and is not to be replaced.
    pub(super) fn open(to: &To) -> Result<Self, Failure> {
        let To { format, output: path, force } = to;
        if path.as_os_str() == STANDARD {
            return Ok(Self { way: Way::Standard(BufWriter::new(io::stdout())), format: *format, rows: 0 });
        }
        let part = Part {
            at: path.with_added_extension(format!("{}.part", std::process::id())),
            is: path.clone(),
            replaces: *force,
        };
        part.check()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part.at).map_err(unwritten(path))?;
        Ok(Self { way: Way::File(BufWriter::new(file), part), format: *format, rows: 0 })
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        match &mut self.way {
            Way::Standard(out) => out.write_all(line.as_bytes()).map_err(Failure::Output),
            Way::File(file, part) => file.write_all(line.as_bytes()).map_err(unwritten(&part.is)),
        }
    }

    /// Writes the names of the columns, where the form has them.
    pub(super) fn head(&mut self, names: &[String]) -> Result<(), Failure> {
        match self.format {
            Format::Jsonl => Ok(()),
            Format::Csv => self.line(&record(names.iter().map(String::as_str))),
        }
    }

    /// Writes a row.
    pub(super) fn write(&mut self, row: &Row) -> Result<(), Failure> {
        self.rows += 1;
        let line = match self.format {
            Format::Jsonl => {
                let json = serde_json::to_string(row).map_err(|error| Failure::Other(error.to_string()))?;
                format!("{json}\n")
            }
            Format::Csv => {
                let fields: Vec<String> = row.values().map(field).collect();
                record(fields.iter().map(String::as_str))
            }
        };
        self.line(&line)
    }

    /// All is written. Returns what to tell of a file.
    pub(super) fn finish(mut self) -> Result<Option<String>, Failure> {
        match &mut self.way {
            Way::Standard(out) => out.flush().map(|()| None).map_err(Failure::Output),
            Way::File(file, part) => {
                file.flush().and_then(|()| file.get_ref().sync_all()).map_err(unwritten(&part.is))?;
                part.check()?;
                fs::rename(&part.at, &part.is).map_err(unwritten(&part.is))?;
                let s = if self.rows == 1 { "" } else { "s" };
                Ok(Some(format!("{} row{s} written to {}", self.rows, part.is.display())))
            }
        }
    }
}

/// A value as a field of CSV.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A line of CSV as RFC 4180 has it, with its end.
fn record<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let quoted = fields.map(|field| {
        if field.contains([',', '"', '\r', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    });
    format!("{}\r\n", quoted.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_would_be_taken_for_more_than_one() {
        let fields = ["plain", "a, b", "say \"hi\"", "two\nlines", "", "tab\tand 'quote'"];
        let line = record(fields.into_iter());
        assert_eq!(line, "plain,\"a, b\",\"say \"\"hi\"\"\",\"two\nlines\",,tab\tand 'quote'\r\n");
    }
}
