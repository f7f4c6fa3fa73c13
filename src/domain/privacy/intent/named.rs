//! Intents that the operator names: phrases that make a prompt private.

use std::collections::BTreeSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Serialize;

use crate::domain::privacy::Handling;

/// The most intents that are taken: each is one more name on the screens.
const MOST_INTENTS: usize = 256;
/// The most phrases over all: a dictionary of them would take the memory of one.
const MOST_PHRASES: usize = 10_000;
/// The longest name, in characters: it stands in columns.
const LONGEST_NAME: usize = 40;
/// The longest phrase, in bytes: what is longer is a text, and nobody writes it twice in the same way.
const LONGEST_PHRASE: usize = 200;

/// What the operator calls private.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// Its name, as the screens show it.
    pub name: String,
    /// Texts that show it, in any case, as whole words.
    pub phrases: Vec<String>,
    /// What to do about it.
    pub handling: Handling,
}

/// Why intents cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("an intent needs a name")]
    NoName,
    #[error("the name `{0}` is longer than {LONGEST_NAME} characters, or has line breaks in it")]
    BadName(String),
    #[error("two intents are called `{0}`")]
    DuplicateName(String),
    #[error("the intent `{0}` has no phrases, so that it can never be found")]
    NoPhrases(String),
    #[error("the intent `{0}` has an empty phrase")]
    EmptyPhrase(String),
    #[error("the intent `{0}` has a phrase without a letter or a digit")]
    NoWord(String),
    #[error("the intent `{name}` has a phrase of {bytes} bytes; the most is {LONGEST_PHRASE}")]
    LongPhrase { name: String, bytes: usize },
    #[error("more than {MOST_INTENTS} intents")]
    TooManyIntents,
    #[error("more than {MOST_PHRASES} phrases")]
    TooManyPhrases,
    #[error("the phrases are too many for one table")]
    TooLarge,
}

/// The operator's intents, ready to be looked for.
#[derive(Clone, Default)]
pub struct Named {
    intents: Vec<Arc<Intent>>,
    /// By pattern, its intent.
    owners: Vec<usize>,
    automaton: Option<AhoCorasick>,
}

impl Named {
    /// Makes them ready.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn compile(intents: Vec<Intent>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        for intent in &intents {
            problems.extend(intent.problems());
            if !intent.name.trim().is_empty() && !names.insert(intent.name.to_lowercase()) {
                problems.push(Problem::DuplicateName(intent.name.clone()));
            }
        }
        if intents.len() > MOST_INTENTS {
            problems.push(Problem::TooManyIntents);
        }
        if intents.iter().map(|intent| intent.phrases.len()).sum::<usize>() > MOST_PHRASES {
            problems.push(Problem::TooManyPhrases);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let phrases = intents
            .iter()
            .enumerate()
            .flat_map(|(owner, intent)| intent.phrases.iter().map(move |phrase| (owner, folded(phrase).0)));
        let (owners, phrases): (Vec<usize>, Vec<String>) = phrases.unzip();
        let automaton = if phrases.is_empty() {
            None
        } else {
            let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&phrases);
            Some(built.map_err(|_| vec![Problem::TooLarge])?)
        };
        Ok(Self { intents: intents.into_iter().map(Arc::new).collect(), owners, automaton })
    }

    /// The intents.
    #[must_use]
    pub fn intents(&self) -> &[Arc<Intent>] {
        &self.intents
    }

    /// Calls `found` with each intent that a text shows, and the start and end (bytes) of the phrase.
    pub fn scan(&self, text: &str, mut found: impl FnMut(&Arc<Intent>, usize, usize)) {
        let Some(automaton) = &self.automaton else { return };
        let (folded, origins) = folded(text);
        let origin = |at: usize| origins.get(at).map_or(text.len(), |from| *from as usize);
        for hit in automaton.find_overlapping_iter(&folded) {
            let owner = self.owners.get(hit.pattern().as_usize()).and_then(|owner| self.intents.get(*owner));
            if let Some(owner) = owner
                && is_word(&folded, hit.start(), hit.end())
            {
                found(owner, origin(hit.start()), origin(hit.end()));
            }
        }
    }
}

impl Intent {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let name = self.name.clone();
        if name.trim().is_empty() {
            problems.push(Problem::NoName);
        } else if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            problems.push(Problem::BadName(name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()));
        }
        if self.phrases.is_empty() {
            problems.push(Problem::NoPhrases(name.clone()));
        }
        for phrase in &self.phrases {
            if phrase.trim().is_empty() {
                problems.push(Problem::EmptyPhrase(name.clone()));
            } else if phrase.len() > LONGEST_PHRASE {
                problems.push(Problem::LongPhrase { name: name.clone(), bytes: phrase.len() });
            } else if !phrase.chars().any(char::is_alphanumeric) {
                problems.push(Problem::NoWord(name.clone()));
            }
        }
        problems
    }
}

/// Small letters, and one space for any run of white space: "Project  FALCON" is "project falcon". With it, for each of its bytes,
/// where the character that made it stands in the text.
fn folded(text: &str) -> (String, Vec<u32>) {
    let mut out = String::with_capacity(text.len());
    let mut origins = Vec::with_capacity(text.len());
    fold(text, |from, piece| {
        out.push(piece);
        origins.resize(out.len(), u32::try_from(from).unwrap_or(u32::MAX));
        true
    });
    (out, origins)
}

/// Calls `each` with every character of the folded form and where it came from, until it says `false`.
fn fold(text: &str, mut each: impl FnMut(usize, char) -> bool) {
    let mut was_space = true;
    let end = text.trim_end().len();
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < end) {
        if c.is_whitespace() {
            if !std::mem::replace(&mut was_space, true) && !each(at, ' ') {
                return;
            }
            continue;
        }
        was_space = false;
        for small in c.to_lowercase() {
            if !each(at, small) {
                return;
            }
        }
    }
}

/// Whether a match begins and ends where words do. Scripts without spaces have no such places.
fn is_word(text: &str, start: usize, end: usize) -> bool {
    let joins = |one: Option<char>, other: Option<char>| {
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && c < '\u{2E80}');
        is_letter(one) && is_letter(other)
    };
    let (Some(before), Some(inside), Some(after)) = (text.get(..start), text.get(start..end), text.get(end..)) else {
        return false;
    };
    !joins(before.chars().next_back(), inside.chars().next())
        && !joins(inside.chars().next_back(), after.chars().next())
}

/// Two are the same if they were made from the same.
impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.intents == other.intents
    }
}

impl Eq for Named {}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.intents.iter().map(|intent| &intent.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(name: &str, phrases: &[&str]) -> Intent {
        let phrases = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        Intent { name: name.to_owned(), phrases, handling: Handling::Refuse }
    }

    fn found(named: &Named, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        named.scan(text, |intent, start, end| found.push(format!("{}:{}", intent.name, &text[start..end])));
        found
    }

    #[test]
    fn phrases_are_found_as_whole_words_in_any_case_and_spacing() {
        let named = Named::compile(vec![intent("falcon", &["Project Falcon", "猎鹰计划"]), intent("gdr", &["gdr"])])
            .expect("fine");
        for (text, expected) in [
            ("about PROJECT  falcon today", vec!["falcon:PROJECT  falcon"]),
            ("project\nFalcon", vec!["falcon:project\nFalcon"]),
            ("İ Project Falcon", vec!["falcon:Project Falcon"]),
            ("请看猎鹰计划的进度", vec!["falcon:猎鹰计划"]),
            ("GDR, and Project Falcon.", vec!["gdr:GDR", "falcon:Project Falcon"]),
            ("subproject falcons and kgdrx", vec![]),
            ("project-falcon", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(found(&named, text), expected, "{text}");
        }
        assert_eq!(found(&Named::default(), "Project Falcon"), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_said_all_at_once() {
        let long = "x".repeat(LONGEST_PHRASE + 1);
        let wrong = vec![
            intent("", &["a"]),
            intent("a\nb", &["a"]),
            intent("one", &["a", " ", "--", &long]),
            intent("ONE", &[]),
        ];
        let words: Vec<String> = Named::compile(wrong).expect_err("wrong").iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "an intent needs a name",
                "the name `ab` is longer than 40 characters, or has line breaks in it",
                "the intent `one` has an empty phrase",
                "the intent `one` has a phrase without a letter or a digit",
                "the intent `one` has a phrase of 201 bytes; the most is 200",
                "the intent `ONE` has no phrases, so that it can never be found",
                "two intents are called `ONE`",
            ]
        );
    }
}
