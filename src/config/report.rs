//! Where values come from, and what is wrong with them: every problem at once, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Origin {
    /// Nobody configured it.
    Default,
    /// The configuration file.
    File {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Env {
        /// Its name.
        variable: String,
    },
}

impl Origin {
    /// A place in a text.
    #[must_use]
    pub fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self::File { line, column: before[start..].chars().count() + 1 }
    }

    /// As screens write it.
    #[must_use]
    pub fn label(&self, file: Option<&Path>) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File { line, .. } => {
                let name = file.and_then(Path::file_name).map_or_else(|| "file".into(), |name| name.to_string_lossy());
                format!("{name}:{line}")
            }
            Self::Env { variable } => format!("env {variable}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// The key, with the tables that it lies in: `backends.ollama.url`. Empty where the whole file is meant.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigErrors {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// The problems, in the order of the file; those of the environment come last.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  ")?;
            match (&problem.origin, &self.file) {
                (Origin::File { line, column }, Some(file)) => write!(f, "{}:{line}:{column}: ", file.display())?,
                (Origin::File { line, column }, None) => write!(f, "{line}:{column}: ")?,
                (Origin::Env { variable }, _) => write!(f, "environment variable {variable}: ")?,
                (Origin::Default, Some(file)) => write!(f, "{}: ", file.display())?,
                (Origin::Default, None) => {}
            }
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            write!(f, "{}", problem.message.trim_end().replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One effective value, as shown: keys are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The key, with the tables that it lies in.
    pub key: String,
    /// The value, as TOML writes it; keys are masked.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What of a key may be shown: two characters of either end, and nothing of a short one, of which that would be too
/// large a part.
#[must_use]
pub fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() < 16 {
        return "••••".to_owned();
    }
    let text = |part: &[char]| part.iter().collect::<String>();
    format!("{}…{}", text(&chars[..2]), text(&chars[chars.len() - 2..]))
}

/// `; did you mean …?` where one of the known names is close to the given one.
#[must_use]
pub fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let given = given.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_ascii_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_of_a_key_is_shown_and_nothing_of_a_short_one() {
        assert_eq!(masked("sk-ant-api03-abcdefgh19f"), "sk…9f");
        assert_eq!(masked("sk-short"), "••••");
        assert_eq!(masked(""), "••••");
        assert_eq!(masked("ключключключключключ"), "кл…юч");
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["default_tier", "fallback_chain", "url"];
        assert_eq!(suggestion("defualt_tier", known), "; did you mean `default_tier`?");
        assert_eq!(suggestion("fallback", known), "");
        assert_eq!(suggestion("ulr", known), "; did you mean `url`?");
        assert_eq!(suggestion("colour", known), "");
    }

    #[test]
    fn places_count_characters_from_one() {
        let text = "a = 1\nпривет = 2\n";
        assert_eq!(Origin::at(text, 0), Origin::File { line: 1, column: 1 });
        assert_eq!(Origin::at(text, text.find('2').expect("there")), Origin::File { line: 2, column: 10 });
        assert_eq!(Origin::at(text, 999), Origin::File { line: 3, column: 1 });
    }
}
