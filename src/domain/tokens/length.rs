//! How long an answer will be: from the task, from what the prompt asks for in so many words, and from how long answers
//! have been.

use std::sync::LazyLock;

use super::super::analysis::Analysis;
use super::super::bytes::Marks;
use super::super::learning::LengthRatio;
use super::super::task::Task;
use super::super::usage::TokenRange;

/// Bytes of the beginning and of the end that are searched for wishes. They stand in front of what is pasted or behind it.
const HEAD: usize = 600;
const TAIL: usize = 600;

/// Tokens of an English word, with the space and the signs around it.
const PER_WORD: f32 = 1.35;
/// Words, in tokens, of what one can ask a number of.
const PER_SENTENCE: f32 = 25.0;
const PER_PARAGRAPH: f32 = 110.0;
const PER_LINE: f32 = 12.0;
const PER_ITEM: f32 = 35.0;

/// Logarithmic spread of lengths around a forecast from the task alone, and around a length that was asked for. Nine in
/// ten stay below the median times 3.4, and times 1.9.
const SPREAD: f32 = 0.95;
const ASKED_SPREAD: f32 = 0.5;
/// The normal distribution's ninetieth percentile, in standard deviations.
const NINETIETH: f32 = 1.2816;

/// Words that ask for the bare answer.
const BARE: &[&str] = &[
    "without explanation",
    "no explanation",
    "without any explanation",
    "only the letter",
    "only a single",
    "only one word",
    "one word",
    "single word",
    "single letter",
    "single choice",
    "yes or no",
    "true or false",
    "just the number",
    "only the number",
    "only the answer",
    "just the answer",
    "answer only",
    "letter of the correct",
];
/// A bare answer, and one that explains itself a little all the same.
const BARE_TOKENS: TokenRange = TokenRange { p50: 6, p90: 60 };

/// Things that one can ask a number of, with what one of them takes.
const UNITS: &[(&str, f32)] = &[
    ("word", PER_WORD),
    ("sentence", PER_SENTENCE),
    ("paragraph", PER_PARAGRAPH),
    ("line", PER_LINE),
    ("bullet", PER_ITEM),
    ("idea", PER_ITEM),
    ("example", PER_ITEM),
    ("tip", PER_ITEM),
    ("way", PER_ITEM),
    ("question", PER_ITEM),
    ("reason", PER_ITEM),
    ("step", PER_ITEM),
    ("point", PER_ITEM),
    ("item", PER_ITEM),
    ("title", PER_LINE),
    ("name", PER_LINE),
];

/// Small numbers in words.
const NUMBERS: &[(&str, f32)] = &[
    ("one", 1.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("twenty", 20.0),
];

/// Work whose answer is about as long as the text that it is done to.
const ECHOES: &[&str] =
    &["translate", "rewrite", "paraphrase", "proofread", "correct the", "rephrase", "reword", "convert the following"];

/// What one of the words and phrases stands for.
#[derive(Clone, Copy)]
enum Wish {
    Bare,
    Echo,
    /// A thing to ask a number of, with the tokens that one of them takes.
    Thing(f32),
}

/// Every word and phrase by its first three letters, of which few words have any.
struct Phrases {
    /// A bit for each hash of three letters.
    any: [u64; Self::HASHES / 64],
    list: Vec<(u32, &'static str, Wish)>,
}

impl Phrases {
    const HASHES: usize = 1 << 12;

    /// The first three letters of a text, small ones.
    fn beginning(text: &[u8]) -> u32 {
        match text {
            [first, second, third, ..] => u32::from_le_bytes([first | 0x20, second | 0x20, third | 0x20, 0]),
            _ => 0,
        }
    }

    const fn hash(beginning: u32) -> usize {
        (beginning.wrapping_mul(0x9E37_79B1) >> 20) as usize % Self::HASHES
    }

    /// Calls `found` with everything that a text wishes at a place where a word begins, and where the words for it end.
    fn at(&self, text: &[u8], place: usize, mut found: impl FnMut(Wish, usize)) {
        let rest = text.get(place..).unwrap_or_default();
        let beginning = Self::beginning(rest);
        let hash = Self::hash(beginning);
        if self.any.get(hash / 64).is_none_or(|bits| bits >> (hash % 64) & 1 == 0) {
            return;
        }
        for (_, phrase, wish) in self.list.iter().filter(|(begins, _, _)| *begins == beginning) {
            if rest.get(..phrase.len()).is_some_and(|words| words.eq_ignore_ascii_case(phrase.as_bytes())) {
                found(*wish, place + phrase.len());
            }
        }
    }
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    let bare = BARE.iter().map(|phrase| (*phrase, Wish::Bare));
    let echoes = ECHOES.iter().map(|phrase| (*phrase, Wish::Echo));
    let things = UNITS.iter().map(|(thing, each)| (*thing, Wish::Thing(*each)));
    let phrases = bare.chain(echoes).chain(things);
    let list: Vec<_> = phrases.map(|(phrase, wish)| (Phrases::beginning(phrase.as_bytes()), phrase, wish)).collect();
    let mut any = [0; Phrases::HASHES / 64];
    for (beginning, _, _) in &list {
        let hash = Phrases::hash(*beginning);
        any[hash / 64] |= 1 << (hash % 64);
    }
    Phrases { any, list }
});

/// Forecasts an answer's tokens. `learned` is how answers of the model in question compared to this forecast without it,
/// see `Expectation::length`; without it, the forecast is of no model in particular.
#[must_use]
pub fn forecast(analysis: &Analysis, text: &str, learned: Option<LengthRatio>) -> TokenRange {
    adjusted(before_learning(analysis, text), learned, analysis.needs.max_tokens)
}

/// A forecast of no model in particular, for a model of which something was learnt, and within the caller's own limit.
#[must_use]
pub fn adjusted(plain: TokenRange, learned: Option<LengthRatio>, most: Option<u32>) -> TokenRange {
    let range = learned.map_or(plain, |ratio| {
        let median = plain.p50.max(1) as f32;
        range(median * ratio.log_median.exp(), median * ratio.log_ninetieth.max(ratio.log_median).exp())
    });
    most.map_or(range, |cap| TokenRange { p50: range.p50.min(cap), p90: range.p90.min(cap) })
}

fn range(p50: f32, p90: f32) -> TokenRange {
    TokenRange { p50: p50.round().max(1.0) as u32, p90: p90.round().max(1.0) as u32 }
}

fn before_learning(analysis: &Analysis, text: &str) -> TokenRange {
    let wishes = ends_of(text).into_iter().fold(Wishes::default(), Wishes::read);
    if wishes.bare {
        return BARE_TOKENS;
    }
    if let Some(asked) = wishes.length {
        return range(asked, asked * (NINETIETH * ASKED_SPREAD).exp());
    }
    let tokens_of_text = text.len() as f32 / 4.0;
    let median = if wishes.echo {
        tokens_of_text.clamp(20.0, 4_000.0)
    } else if analysis.choices {
        CHOICE
    } else {
        usual(analysis.task)
    };
    range(median, median * (NINETIETH * SPREAD).exp())
}

/// A choice among options, with a sentence or two of reasons.
const CHOICE: f32 = 60.0;

/// Median tokens of an answer by task. Hosted models explain themselves: what could be said in a line takes a paragraph.
const fn usual(task: Task) -> f32 {
    match task {
        Task::Reward => 12.0,
        Task::Extraction => 80.0,
        Task::Question | Task::Context => 120.0,
        Task::Summary => 130.0,
        Task::General => 170.0,
        Task::Bulk | Task::Mathematics => 220.0,
        Task::Reasoning => 260.0,
        Task::Explanation | Task::Code => 300.0,
        Task::Creative => 330.0,
        Task::Planning => 420.0,
    }
}

/// The parts that are searched for wishes: the whole, or its beginning and its end.
fn ends_of(text: &str) -> [&str; 2] {
    if text.len() <= HEAD + TAIL {
        return [text, ""];
    }
    let head = text.get(..text.floor_char_boundary(HEAD)).unwrap_or_default();
    let tail = text.get(text.ceil_char_boundary(text.len() - TAIL)..).unwrap_or_default();
    [head, tail]
}

/// What a text asks for in so many words.
#[derive(Default)]
struct Wishes {
    /// The bare answer.
    bare: bool,
    /// An answer about as long as the text.
    echo: bool,
    /// The least length, in tokens, that it asks for in numbers: `in 3 sentences`, `a 200-word story`, `five ideas`.
    length: Option<f32>,
}

impl Wishes {
    fn read(mut self, text: &str) -> Self {
        let (bytes, phrases) = (text.as_bytes(), &*PHRASES);
        for start in Marks::of(bytes, |byte| byte.is_ascii_alphanumeric()).beginnings().places() {
            phrases.at(bytes, start, |wish, end| match wish {
                Wish::Bare => self.bare = true,
                Wish::Echo => self.echo = true,
                Wish::Thing(each) => {
                    let asked = number_of_things(text, start, end).map(|number| number * each);
                    self.length = asked.into_iter().chain(self.length).reduce(f32::max);
                }
            });
        }
        self
    }
}

/// How many of the thing that is named here are asked for: the word before it is a number, and it is a word of its own.
fn number_of_things(text: &str, start: usize, end: usize) -> Option<f32> {
    let after = text.get(end..)?;
    let after = after.strip_prefix(['s', 'S']).unwrap_or(after);
    let before = text.get(..start)?;
    let gap = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    if gap.len() == before.len() || after.starts_with(char::is_alphanumeric) {
        return None;
    }
    let word = gap.rsplit(|c: char| !c.is_alphanumeric()).next()?;
    number_of(word).filter(|number| (1.0..=5_000.0).contains(number))
}

fn number_of(word: &str) -> Option<f32> {
    let in_words = NUMBERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    in_words.map(|(_, number)| *number).or_else(|| word.parse().ok())
}
