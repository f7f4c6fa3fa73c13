//! The words that give an intent away, by what they stand for.
//!
//! Words are stems: `review` also stands for "reviewing". A `$` marks a whole word. All are in plain form: no capitals, no
//! accents, no hyphens, no apostrophes ("dont"). Scripts without spaces are found anywhere.

use std::sync::LazyLock;

use super::super::super::bytes::Marks;

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
    /// Those that begin alike stand together; a short stem stands in several places.
    patterns: Vec<Pattern>,
    /// By [`head`], the range of patterns that begin so.
    heads: Vec<(u16, u16)>,
    /// By [`head`], a bit where any pattern begins so: small enough to be always at hand.
    any: Vec<u64>,
}

/// Places for beginnings. There are some 2,000 different ones, so that most words of no interest fall on an empty place.
const HEADS: usize = 1 << 15;

/// Where the patterns stand that could begin at a word: a hash of its first four letters, or of its first character in
/// scripts without spaces. Those that share a place are told apart by comparing them.
fn head(word: &[u8]) -> usize {
    let [first, second, third, fourth] = match word.first_chunk::<4>() {
        Some(four) => *four,
        None => [0, 1, 2, 3].map(|at| word.get(at).copied().unwrap_or(b' ')),
    };
    let number = if first < 0xE0 {
        let class = |byte: u8| u32::from(CLASS[usize::from(byte)]);
        let (third, fourth) = if class(third) == END { (END, END) } else { (class(third), class(fourth)) };
        class(first) << 24 | class(second) << 16 | third << 8 | fourth
    } else {
        u32::from(first) << 16 | u32::from(second) << 8 | u32::from(third)
    };
    (number.wrapping_mul(0x9E37_79B1) >> 17) as usize
}

/// The class of what ends a word.
const END: u32 = 1;

/// Each byte for itself, but for those that end a word, which are one.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if matches!(byte as u8, b' ' | b'.' | b'\n') { END as u8 } else { byte as u8 };
        byte += 1;
    }
    table
};

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
    let mut placed: Vec<(usize, Pattern)> = Vec::new();
    for pattern in patterns {
        let mut places: Vec<usize> = match pattern.stem {
            [first, ..] if *first >= 0xE0 => vec![head(pattern.stem)],
            [_, _, _, _, ..] => vec![head(pattern.stem)],
            stem if pattern.whole => vec![head(stem)],
            // What the word goes on with is not known.
            stem => (0..=u8::MAX).map(|next| head(&[stem, &[next][..], b"  "].concat())).collect(),
        };
        places.sort_unstable();
        places.dedup();
        placed.extend(places.into_iter().map(|place| (place, pattern)));
    }
    placed.sort_by_key(|(place, _)| *place);
    let mut heads = vec![(0, 0); HEADS];
    for (at, (place, _)) in (0_u16..).zip(&placed) {
        if let Some(range) = heads.get_mut(*place) {
            if range.1 == 0 {
                range.0 = at;
            }
            range.1 = at + 1;
        }
    }
    let any =
        heads.chunks(64).map(|chunk| chunk.iter().rev().fold(0, |bits, range| bits << 1 | u64::from(range.1 > 0)));
    let any = any.collect();
    Lexicon { patterns: placed.into_iter().map(|(_, pattern)| pattern).collect(), heads, any }
});

/// The first eight bytes, with noughts after the end.
fn eight(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Every cue in a text's plain form, in the order of their beginnings.
#[must_use]
pub fn find(plain: &[u8]) -> Vec<Cue> {
    let lexicon = &*LEXICON;
    let mut cues = Vec::with_capacity(plain.len() / 32);
    for at in beginnings(plain).places() {
        lexicon.at(plain, at, &mut cues);
    }
    cues
}

/// Where words begin, or characters of a script without spaces.
fn beginnings(plain: &[u8]) -> Marks {
    Marks::of_pairs(plain, |before, byte| (byte >= 0xE3) | ((before == b' ') & (byte != b' ')))
}

impl Lexicon {
    fn at(&self, plain: &[u8], at: usize, cues: &mut Vec<Cue>) {
        let Some(rest) = plain.get(at..) else { return };
        let head = head(rest);
        if self.any.get(head / 64).is_none_or(|bits| bits >> (head % 64) & 1 == 0) {
            return;
        }
        let Some((first, last)) = self.heads.get(head) else { return };
        let eight = eight(rest);
        for pattern in self.patterns.get(usize::from(*first)..usize::from(*last)).unwrap_or_default() {
            let (begins, mask) = pattern.begins;
            if eight & mask != begins || (pattern.stem.len() > 8 && !rest.starts_with(pattern.stem)) {
                continue;
            }
            let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(*byte, 0x80..0xE0));
            if !pattern.whole || rest.get(pattern.stem.len()).is_none_or(ends) {
                cues.push(Cue {
                    group: pattern.group,
                    weight: pattern.weight,
                    start: at,
                    end: at + pattern.stem.len(),
                });
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
