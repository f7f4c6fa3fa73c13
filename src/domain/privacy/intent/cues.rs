//! The words that give an intent away, by what they stand for.
//!
//! Words are stems: `review` also stands for "reviewing". A `$` marks a whole word. All are in plain form: no capitals, no
//! accents, no hyphens, no apostrophes ("dont"). Scripts without spaces are found anywhere.

use std::sync::LazyLock;

use super::super::super::bytes::{Marks, beginning};

/// What a cue stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Group {
    /// Working on something that is given: review, summarise.
    Handle,
    /// Making something anew: create, draft.
    Make,
    /// Said to be private: confidential, internal, proprietary.
    Private,
    /// Ours.
    Ours,
    /// Given with the prompt: this, these, attached.
    Given,
    /// A working paper.
    Paper,
    /// A matter of business.
    Business,
    /// The running systems.
    Systems,
    /// An invention.
    Invention,
    /// Source code.
    Code,
    /// Records on people.
    People,
    /// Not a real thing but a kind of thing: generic, public, fictional.
    Generic,
    /// A question about a notion: what is, explain.
    About,
    /// Not.
    Not,
    /// Not, as German and French say it: after the verb.
    NotAfter,
    /// Letting something out: send, upload.
    Send,
    /// Where it must not go.
    Out,
    /// Where it must stay.
    Here,
    /// Staying or being worked on.
    Stay,
    /// Only, must.
    Must,
    /// What must stay: the data, the content.
    Matter,
    /// Doing away with rules: ignore, bypass.
    Override,
    /// Rules that were done away with: suspended, turned off.
    Lifted,
    /// Rules.
    Rules,
    /// Which rules: previous, system, safety.
    Which,
    /// Obeying what a text says.
    Obey,
    /// Where a hidden order stands.
    Planted,
    /// Playing a part.
    Part,
    /// Without bounds.
    Unbound,
    /// For a story.
    Story,
    /// What does harm.
    Harm,
    /// Giving away.
    Reveal,
    /// Showing.
    Show,
    /// The instructions of a model.
    Instructions,
    /// Whose instructions: yours, hidden, given to you.
    Yours,
    /// What opens doors.
    Credential,
    /// From where, how much of it.
    Extent,
}

/// How many groups there are.
pub const GROUPS: usize = 37;

/// A cue in a text's plain form.
#[derive(Clone, Copy, Debug)]
pub struct Cue {
    /// What it stands for.
    pub group: Group,
    /// How much it says, 1 to 3.
    pub weight: u8,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The cues, a few to a line.
const TABLE: &str = include_str!("../../../../assets/intent_cues.txt");

impl Group {
    /// Every group, with its name in the table.
    const NAMED: [(&'static str, Self); GROUPS] = [
        ("Handle", Self::Handle),
        ("Make", Self::Make),
        ("Private", Self::Private),
        ("Ours", Self::Ours),
        ("Given", Self::Given),
        ("Paper", Self::Paper),
        ("Business", Self::Business),
        ("Systems", Self::Systems),
        ("Invention", Self::Invention),
        ("Code", Self::Code),
        ("People", Self::People),
        ("Generic", Self::Generic),
        ("About", Self::About),
        ("Not", Self::Not),
        ("NotAfter", Self::NotAfter),
        ("Send", Self::Send),
        ("Out", Self::Out),
        ("Here", Self::Here),
        ("Stay", Self::Stay),
        ("Must", Self::Must),
        ("Matter", Self::Matter),
        ("Override", Self::Override),
        ("Lifted", Self::Lifted),
        ("Rules", Self::Rules),
        ("Which", Self::Which),
        ("Obey", Self::Obey),
        ("Planted", Self::Planted),
        ("Part", Self::Part),
        ("Unbound", Self::Unbound),
        ("Story", Self::Story),
        ("Harm", Self::Harm),
        ("Reveal", Self::Reveal),
        ("Show", Self::Show),
        ("Instructions", Self::Instructions),
        ("Yours", Self::Yours),
        ("Credential", Self::Credential),
        ("Extent", Self::Extent),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, group)| *group)
    }
}

/// A line of the table: what its words stand for, how much they say, and the words.
fn row(line: &'static str) -> Option<(Group, u8, &'static str)> {
    let mut parts = line.splitn(3, ' ');
    Some((Group::named(parts.next()?)?, parts.next()?.parse().ok()?, parts.next()?))
}

#[derive(Clone, Copy)]
struct Pattern {
    group: Group,
    weight: u8,
    stem: &'static [u8],
    /// Its first eight bytes as a number, and which bits of it count: one comparison tells almost always.
    begins: (u64, u64),
    /// Whether the word must end where the cue does.
    whole: bool,
}

/// The patterns by how they begin: one look tells of most words that they are none.
struct Lexicon {
    /// In the order of the table.
    patterns: Vec<Pattern>,
    /// Indices of patterns; those that begin alike stand together, and a short stem in several places.
    places: Vec<u16>,
    /// By [`heads`], the range of places.
    heads: Vec<(u16, u16)>,
    /// By [`heads`], a bit where any pattern begins so: small enough to be always at hand.
    any: Vec<u64>,
}

/// Places for beginnings. There are some 3,000 different ones, so that most words of no interest fall on an empty place.
const HEADS: usize = 1 << 16;

/// Where the patterns stand that could begin at a word, by whether their stems are long: a hash of its first four letters
/// (or of its first character in scripts without spaces), and of six, which few words share. Those that share a place are
/// told apart by comparing them.
fn heads(word: &[u8]) -> [usize; 2] {
    let number = eight(word);
    let is_wide = number & 0xFF >= 0xE0;
    let four = if is_wide { number & 0x00FF_FFFF } else { u64::from(until_its_end(number as u32)) };
    // What the length is has to tell apart what begins alike.
    [four, number & 0xFFFF_FFFF_FFFF | 1 << 48]
        .map(|number| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize % HEADS)
}

/// Four letters, with noughts from the first on that ends a word: a space, a stop or a line break. Their bytes are below
/// that of `0`, and no others in a plain form are; so one addition tells for all four.
fn until_its_end(four: u32) -> u32 {
    const TOPS: u32 = 0x8080_8080;
    let letters = ((four & !TOPS) + 0x5050_5050) | four;
    let ends = !letters & TOPS;
    // All bits below the lowest of those, and of these the bytes that are whole.
    let before = (u64::from(ends) | 1 << 39).wrapping_sub(1) & !(u64::from(ends) | 1 << 39);
    four & (before >> 7) as u32
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let words = TABLE
        .lines()
        .filter_map(row)
        .flat_map(|(group, weight, words)| words.split('|').map(move |word| (group, weight, word)));
    let patterns = words.map(|(group, weight, word)| {
        let stem = word.trim_end_matches('$');
        let mask = u64::MAX >> (64 - 8 * stem.len().clamp(1, 8));
        let begins = (eight(stem.as_bytes()) & mask, mask);
        Pattern { group, weight, stem: stem.as_bytes(), begins, whole: stem.len() < word.len() }
    });
    let patterns: Vec<Pattern> = patterns.collect();
    let mut placed: Vec<(usize, u16)> = Vec::new();
    for (index, pattern) in (0_u16..).zip(&patterns) {
        let [four, six] = heads(pattern.stem);
        let mut own: Vec<usize> = match (pattern.stem, pattern.stem.len()) {
            ([0xE0..=0xFF, ..], _) | (_, 4..=5) => vec![four],
            (_, 6..) => vec![six],
            _ if pattern.whole => vec![four],
            // What the word goes on with is not known.
            (stem, _) => (0..=u8::MAX).map(|next| heads(&[stem, &[next][..], b"  "].concat())[0]).collect(),
        };
        own.sort_unstable();
        own.dedup();
        placed.extend(own.into_iter().map(|head| (head, index)));
    }
    placed.sort_by_key(|(head, _)| *head);
    let mut heads = vec![(0, 0); HEADS];
    for (at, (head, _)) in (0_u16..).zip(&placed) {
        if let Some(range) = heads.get_mut(*head) {
            if range.1 == 0 {
                range.0 = at;
            }
            range.1 = at + 1;
        }
    }
    let any =
        heads.chunks(64).map(|chunk| chunk.iter().rev().fold(0, |bits, range| bits << 1 | u64::from(range.1 > 0)));
    let any = any.collect();
    Lexicon { patterns, places: placed.into_iter().map(|(_, index)| index).collect(), heads, any }
});

/// The first eight bytes, with noughts after the end.
fn eight(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(beginning(bytes))
}

/// Every cue in a text's plain form, in the order of their beginnings, and of the table where they begin together.
#[must_use]
pub fn find(plain: &[u8]) -> Vec<Cue> {
    let lexicon = &*LEXICON;
    // First all that may begin a cue, then each of them: so no look waits for another.
    let mut candidates = Vec::with_capacity(plain.len() / 8);
    for at in beginnings(plain).places() {
        let [four, six] = heads(plain.get(at..).unwrap_or_default());
        for head in [Some(four), (six != four).then_some(six)].into_iter().flatten() {
            if lexicon.any.get(head / 64).is_some_and(|bits| bits >> (head % 64) & 1 == 1) {
                candidates.push((at, head));
            }
        }
    }
    let mut found: Vec<(usize, u16)> = Vec::with_capacity(plain.len() / 32);
    for (at, head) in candidates {
        let began = found.len();
        lexicon.at(plain, at, head, &mut found);
        // Of stems of different lengths the one that stands first in the table comes first.
        let is_same = found.get(began.saturating_sub(1)).is_some_and(|before| before.0 == at);
        if is_same && found.len() > began.max(1) {
            let together = found.iter().rposition(|before| before.0 != at).map_or(0, |last| last + 1);
            found[together..].sort_unstable();
        }
    }
    let cue = |(start, index): (usize, u16)| {
        let Pattern { group, weight, stem, .. } = lexicon.patterns.get(usize::from(index))?;
        Some(Cue { group: *group, weight: *weight, start, end: start + stem.len() })
    };
    found.into_iter().filter_map(cue).collect()
}

/// Where words begin, or characters of a script without spaces.
fn beginnings(plain: &[u8]) -> Marks {
    Marks::of_pairs(plain, |before, byte| (byte >= 0xE3) | ((before == b' ') & (byte != b' ')))
}

impl Lexicon {
    /// The patterns with this head that stand at a place.
    fn at(&self, plain: &[u8], at: usize, head: usize, found: &mut Vec<(usize, u16)>) {
        let (Some(rest), Some((first, last))) = (plain.get(at..), self.heads.get(head)) else { return };
        let eight = eight(rest);
        for index in self.places.get(usize::from(*first)..usize::from(*last)).unwrap_or_default() {
            let Some(pattern) = self.patterns.get(usize::from(*index)) else { continue };
            let (begins, mask) = pattern.begins;
            if eight & mask != begins || (pattern.stem.len() > 8 && !rest.starts_with(pattern.stem)) {
                continue;
            }
            let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(*byte, 0x80..0xE0));
            if !pattern.whole || rest.get(pattern.stem.len()).is_none_or(ends) {
                found.push((at, *index));
            }
        }
    }
}

/// The stems that could never be found: they are not in plain form.
#[cfg(test)]
pub fn misspelt() -> Vec<String> {
    let stems = LEXICON.patterns.iter().map(|pattern| String::from_utf8_lossy(pattern.stem).into_owned());
    stems
        .filter(|stem| {
            super::plain::plain(stem) != format!(" {stem}").as_bytes() && !stem.starts_with(|c| c >= '\u{3040}')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read_and_every_group_has_words() {
        let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rows: Vec<_> = lines.map(|line| row(line).unwrap_or_else(|| panic!("not a row: {line}"))).collect();
        for (name, group) in Group::NAMED {
            assert!(rows.iter().any(|(of, weight, _)| *of == group && (1..=3).contains(weight)), "{name}");
        }
    }
}
