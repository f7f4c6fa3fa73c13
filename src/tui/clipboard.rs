//! Where a copied text goes: to the terminal's clipboard (OSC 52) or, where that would lose it without a word, to a file.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name, in the folder for state.
pub const FILE_NAME: &str = "copied.txt";

/// Base64 characters that terminals take at least; xterm and those after it cut what is longer.
const LONGEST: usize = 74_994;

/// Where a text went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// To the terminal, as OSC 52. Terminals do not say whether they took it.
    Clipboard,
    /// To this file, for this reason.
    File(PathBuf, Obstacle),
}

/// Why a text cannot go to the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The terminal is known not to have one.
    Terminal,
    /// tmux keeps what programs want to put there to itself.
    Tmux,
    /// The terminal would cut it.
    Length,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::File(path, obstacle) = self else { return f.write_str("copied to the clipboard") };
        write!(f, "copied to {}: {obstacle}", from_home(path, std::env::home_dir().as_deref()))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminal => "this terminal takes no OSC 52",
            Self::Tmux => "tmux passes no OSC 52 on (tmux set -s set-clipboard on)",
            Self::Length => "it is too long for OSC 52",
        })
    }
}

/// The part of the environment that speaks about the clipboard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClipboardEnv {
    /// `TERM`.
    pub term: String,
    /// `TERM_PROGRAM`.
    pub program: String,
    /// Within tmux: whether it takes what programs want to put on the clipboard.
    pub tmux: Option<bool>,
}

impl ClipboardEnv {
    /// What this process's environment says, and tmux where it runs within one.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let tmux = (!variable("TMUX").is_empty()).then(tmux_takes_it);
        Self { term: variable("TERM"), program: variable("TERM_PROGRAM"), tmux }
    }
}

/// By default tmux ignores the sequence; only it knows whether it was told otherwise.
fn tmux_takes_it() -> bool {
    let asked = std::process::Command::new("tmux").args(["show-options", "-sv", "set-clipboard"]).output();
    asked.is_ok_and(|answer| answer.stdout.trim_ascii() == b"on")
}

/// What stands between a text of so many bytes and the clipboard.
#[must_use]
pub fn obstacle(bytes: usize, env: &ClipboardEnv) -> Option<Obstacle> {
    let deaf = env.term == "linux" || env.term.starts_with("screen") || env.program == "Apple_Terminal";
    match env.tmux {
        Some(false) => Some(Obstacle::Tmux),
        // Within tmux the names are tmux's own.
        None if deaf => Some(Obstacle::Terminal),
        _ if bytes.div_ceil(3).saturating_mul(4) > LONGEST => Some(Obstacle::Length),
        _ => None,
    }
}

/// Writes a text into the file, in place of what was there: readable by its owner only, as the log beside it.
///
/// # Errors
///
/// There is no folder, or it cannot be written.
pub fn write(folder: Option<&Path>, text: &str) -> io::Result<PathBuf> {
    let missing = || io::Error::other("there is no folder for state (LLM_CALL_STATE), and this text needs a file");
    let path = folder.ok_or_else(missing)?.join(FILE_NAME);
    // Not written over: an old file could have other permissions, or be a link.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path)?.write_all(text.as_bytes())?;
    Ok(path)
}

/// A path as people write it.
fn from_home(path: &Path, home: Option<&Path>) -> String {
    let within = home.filter(|home| home.is_absolute()).and_then(|home| path.strip_prefix(home).ok());
    within.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_to_a_file_where_the_clipboard_would_lose_it() {
        /// The longest text that fits.
        const FITS: usize = LONGEST / 4 * 3;
        let cases = [
            ("xterm-256color", "", None, 12, None),
            ("xterm-kitty", "", None, FITS, None),
            ("xterm-kitty", "", None, FITS + 1, Some(Obstacle::Length)),
            ("xterm-256color", "", None, usize::MAX, Some(Obstacle::Length)),
            ("linux", "", None, 12, Some(Obstacle::Terminal)),
            ("xterm-256color", "Apple_Terminal", None, 12, Some(Obstacle::Terminal)),
            ("xterm-256color", "iTerm.app", None, 12, None),
            ("screen", "", None, 12, Some(Obstacle::Terminal)),
            ("screen.xterm-256color", "", None, FITS + 1, Some(Obstacle::Terminal)),
            ("screen-256color", "tmux", Some(true), 12, None),
            ("screen-256color", "tmux", Some(true), FITS + 1, Some(Obstacle::Length)),
            ("tmux-256color", "tmux", Some(false), 12, Some(Obstacle::Tmux)),
            ("tmux-256color", "", None, 12, None),
            ("", "", None, 12, None),
        ];
        for (term, program, tmux, bytes, wanted) in cases {
            let env = ClipboardEnv { term: term.to_owned(), program: program.to_owned(), tmux };
            assert_eq!(obstacle(bytes, &env), wanted, "{env:?} with {bytes} bytes");
        }
    }

    #[test]
    fn the_file_is_replaced_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "something longer that was copied before").expect("it can be written");
        assert_eq!(write(Some(folder.path()), "an answer").expect("it can be written"), path);
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "an answer");
        #[cfg(unix)]
        {
            let about = fs::metadata(&path).expect("it is there");
            let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn without_a_folder_it_says_what_is_missing() {
        let error = write(None, "an answer").expect_err("there is no folder");
        assert!(error.to_string().contains("LLM_CALL_STATE"), "{error}");
    }

    #[test]
    fn paths_are_told_from_the_home_folder() {
        let home = Some(Path::new("/home/ada"));
        assert_eq!(from_home(Path::new("/home/ada/.local/state/x"), home), "~/.local/state/x");
        assert_eq!(from_home(Path::new("/var/x"), home), "/var/x");
        assert_eq!(from_home(Path::new("/var/x"), Some(Path::new(""))), "/var/x");
    }
}
