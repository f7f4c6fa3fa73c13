//! Public vocabularies: which one a model reads with, and counting with them in time that a hostile text cannot stretch.

use std::sync::LazyLock;

use tiktoken::CoreBpe;

use super::pieces::Pieces;

/// The ranks beyond which a token counts as rare and as very rare: the sizes of small vocabularies.
const RARE: [u32; 2] = [16_000, 65_000];

/// The pieces that o200k knows as they stand.
static PIECES: LazyLock<Pieces> = LazyLock::new(|| {
    let coder = Vocabulary::O200k.coder();
    let tokens = coder.into_iter().flat_map(|coder| (0..coder.vocab_size() as u32).map(|rank| coder.decode(&[rank])));
    Pieces::of(tokens, RARE)
});

/// A vocabulary that ships inside the program. Those under licences that ask for more than attribution (Llama, DeepSeek)
/// are left out; their models are counted with a near relative and said to be estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vocabulary {
    /// OpenAI from GPT-4o on; also the base of every estimate.
    O200k,
    /// OpenAI's GPT-4 and GPT-3.5; Llama 3 extends it.
    Cl100k,
    /// Qwen 2 and later.
    Qwen,
    /// Mistral's `Tekken`, from Mistral Nemo on.
    Tekken,
}

impl Vocabulary {
    /// Every vocabulary.
    pub const ALL: [Self; 4] = [Self::O200k, Self::Cl100k, Self::Qwen, Self::Tekken];

    /// Position in [`Vocabulary::ALL`], for tables indexed by vocabulary.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::O200k => 0,
            Self::Cl100k => 1,
            Self::Qwen => 2,
            Self::Tekken => 3,
        }
    }

    const fn encoding(self) -> &'static str {
        match self {
            Self::O200k => "o200k_base",
            Self::Cl100k => "cl100k_base",
            Self::Qwen => "qwen2",
            Self::Tekken => "mistral_v3",
        }
    }

    /// The coder, unpacked at its first use and then kept.
    fn coder(self) -> Option<&'static CoreBpe> {
        tiktoken::get_encoding(self.encoding())
    }

    /// Unpacks the vocabulary now, so that the first request does not pay for it.
    pub fn warm(self) {
        let _ = (self.count("warm"), Self::ranked("warm"));
    }

    /// How many tokens the text makes.
    #[must_use]
    pub fn count(self, text: &str) -> Tally {
        let Some(coder) = self.coder() else {
            // Not reachable with the features that Cargo.toml names; the vendors' rule of thumb keeps it from being zero.
            return Tally { tokens: text.len().div_ceil(4), exact: false };
        };
        let Tallies { counts: [tokens], exact } = tally(text, |piece| [coder.count(piece)]);
        Tally { tokens, exact }
    }

    /// How many tokens the text makes in o200k, and how many of them are rare and very rare. A vocabulary lists its tokens
    /// from frequent to rare, and a smaller one has to split what only a larger one knows.
    #[must_use]
    pub fn ranked(text: &str) -> [usize; 3] {
        let Some(coder) = Self::O200k.coder() else { return [text.len().div_ceil(4), 0, 0] };
        let [rare, rarer] = RARE;
        let beyond = |tokens: &[u32], rank| tokens.iter().filter(|token| **token > rank).count();
        let coded = |stretch: &str| {
            let tokens = coder.encode(stretch);
            [tokens.len(), beyond(&tokens, rare), beyond(&tokens, rarer)]
        };
        tally(text, |piece| PIECES.count(piece, coded)).counts
    }
}

/// A count of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tokens.
    pub tokens: usize,
    /// Whether every byte was counted, none estimated.
    pub exact: bool,
}

/// The longest run of one kind of character, in bytes, that is given to the coder in one piece. Joining pairs within a
/// run takes longer than in proportion to its length; no word, indent or ruler in a real text is this long.
const WHOLE_RUN: usize = 1_024;
/// How much of an over-long run, in bytes, is counted; the rest of it is taken to be like that.
const SAMPLE: usize = 4 * WHOLE_RUN;

/// What keeps together when a text is cut into words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Space,
    Sign,
}

const fn class(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' => Class::Space,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => Class::Word,
        _ => Class::Sign,
    }
}

/// Several counts of one text.
struct Tallies<const N: usize> {
    counts: [usize; N],
    exact: bool,
}

impl<const N: usize> Tallies<N> {
    fn add(&mut self, counts: [usize; N]) {
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum += count;
        }
    }
}

/// Counts the text with `coder`, over-long runs by sample.
fn tally<const N: usize>(text: &str, coder: impl Fn(&str) -> [usize; N]) -> Tallies<N> {
    let mut total = Tallies { counts: [0; N], exact: true };
    let mut rest = 0;
    for (start, end) in long_runs(text.as_bytes()) {
        total.add(coder(text.get(rest..start).unwrap_or_default()));
        total.add(sampled(text.get(start..end).unwrap_or_default(), &coder));
        total.exact = false;
        rest = end;
    }
    total.add(coder(text.get(rest..).unwrap_or_default()));
    total
}

/// Where runs of one class stand that are longer than [`WHOLE_RUN`]. Both ends fall between characters: every byte of a
/// character outside ASCII is of the same class. So long a run covers a whole stretch of half its length, so that one look
/// at the border between two stretches tells of most texts that there is none.
fn long_runs(bytes: &[u8]) -> Vec<(usize, usize)> {
    const STRETCH: usize = WHOLE_RUN / 2;
    let mut runs = Vec::new();
    let mut border = STRETCH;
    while let Some(of) = bytes.get(border).map(|byte| class(*byte)) {
        let (before, after) = bytes.split_at(border);
        let differs = |byte: &u8| class(*byte) != of;
        let start = before.iter().rposition(differs).map_or(0, |last| last + 1);
        let end = after.iter().position(differs).map_or(bytes.len(), |length| border + length);
        if end - start > WHOLE_RUN {
            runs.push((start, end));
        }
        border = (end / STRETCH + 1) * STRETCH;
    }
    runs
}

/// A run's counts, from its first [`SAMPLE`] bytes.
fn sampled<const N: usize>(run: &str, coder: impl Fn(&str) -> [usize; N]) -> [usize; N] {
    let end = run.floor_char_boundary(SAMPLE);
    let mut counted = Tallies { counts: [0; N], exact: false };
    let mut from = 0;
    while from < end {
        let to = run.floor_char_boundary((from + WHOLE_RUN).min(end));
        counted.add(coder(run.get(from..to).unwrap_or_default()));
        from = to;
    }
    let scale = run.len() as f64 / end.max(1) as f64;
    counted.counts.map(|count| (count as f64 * scale).round() as usize)
}
