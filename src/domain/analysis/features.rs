//! What the model sees of a prompt: the words of the part that asks, all its words, and its shape.
//!
//! Whoever asks about a long text asks at its beginning or its end, in a sentence that begins with a verb or ends with a
//! question mark. The words of such sentences say what is wanted; the words of the rest only what it is about.

use super::hash::{hash, pair};
use super::markers::{self, Group};
use super::reading::{Reading, Sentence, Shape, Token, read};
use super::shape;

/// Buckets for the words of the part that asks.
pub const ASK_BUCKETS: usize = 1 << 14;
/// Buckets for all words.
pub const ALL_BUCKETS: usize = 1 << 17;
/// Points between which a measure's worth runs straight.
pub const KNOTS: usize = 8;
/// Sentences that ask are looked at up to this many at the beginning, and as many at the end.
const ASKING_SENTENCES: usize = 4;
/// Of a sentence that asks, the words at its beginning, and as many at its end.
const SENTENCE_WORDS: usize = 14;
/// What comes with the request is nothing, a line, a paragraph or a page: tokens between these sizes.
const GIVEN_SIZES: [usize; 3] = [12, 60, 240];
/// Words beyond this many add nothing about how hard a prompt is.
const ALL_WORDS: usize = 600;

/// How a sentence stands to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It asks something.
    Question,
    /// It tells what to do.
    Order,
    /// Neither, as far as its form goes.
    Statement,
    /// Courtesy.
    Courtesy,
}

/// A prompt as numbers.
#[derive(Clone, Debug)]
pub struct Features {
    /// Buckets of the words of the part that asks; each weighs `ask_value`.
    pub ask: Vec<u32>,
    /// Buckets of all words; each weighs `all_value`.
    pub all: Vec<u32>,
    /// Measures of the shape, each from 0 to 1.
    pub measures: [f32; shape::MEASURES],
    /// The markers in the part that asks.
    pub evidence: Vec<(Group, &'static str)>,
    /// What the pass saw.
    pub reading: Reading,
}

impl Features {
    /// The weight of one word of the part that asks.
    pub fn ask_value(&self) -> f32 {
        1.0 / (self.ask.len().max(4) as f32).sqrt()
    }

    /// The weight of one word among all.
    pub fn all_value(&self) -> f32 {
        1.0 / (self.all.len().max(8) as f32).sqrt()
    }
}

/// The markers found in a part of the text, by group.
pub type Counts = [u16; Group::COUNT];

/// What the sentences are to each other.
pub struct Outline {
    /// A role for each sentence.
    pub roles: Vec<Role>,
    /// Whether its words count as asking.
    pub asking: Vec<bool>,
    /// Markers in the part that asks.
    pub asked: Counts,
    /// Markers in the rest.
    pub given: Counts,
    /// Tokens of the part that asks.
    pub asked_tokens: usize,
    /// Tokens of the rest.
    pub given_tokens: usize,
    /// How the first and the last sentence that asks begin.
    pub manners: [Manner; 2],
    /// How far into the text the last sentence that asks begins, 0 to 1.
    pub depth: f32,
    /// Whether a sentence that asks names alternatives: "this or that".
    pub alternatives: bool,
    /// The groups of markers in each sentence that asks, one bit each.
    pub groups: Vec<u32>,
}

/// How a sentence that asks begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// With a word that asks for a thing: who, what, when.
    Thing,
    /// With a verb that asks for yes or no: is, does, can.
    YesOrNo,
    /// With anything else.
    #[default]
    Other,
}

/// Takes a text apart.
pub fn features(text: &str) -> Features {
    let mut reading = read(text);
    let roles = roles(&mut reading);
    let (outline, evidence) = outline(&reading, roles);
    let mut ask = Vec::with_capacity(160);
    for (sentence, (role, asking)) in reading.sentences.iter().zip(outline.roles.iter().zip(&outline.asking)) {
        if *asking {
            asking_words(&reading, *sentence, *role, &mut ask);
        }
    }
    for label in reading.labels.iter().take(4).chain(reading.labels.iter().skip(4).rev().take(2)) {
        ask.push(bucket(*label, 5, ASK_BUCKETS));
    }
    // The same marker asks for something else of a line than of a page.
    let size = GIVEN_SIZES.iter().filter(|limit| outline.given_tokens > **limit).count() as u32;
    for groups in &outline.groups {
        let mut left = *groups;
        while left != 0 {
            ask.push(bucket(pair(left.trailing_zeros(), size), 10, ASK_BUCKETS));
            left &= left - 1;
        }
    }
    let measures = shape::measures(&reading, &outline);
    let all = all_words(&reading);
    Features { ask, all, measures, evidence, reading }
}

/// The roles of the sentences. Courtesy is taken out of what was read, unless there is nothing else.
fn roles(reading: &mut Reading) -> Vec<Role> {
    let mut roles: Vec<Role> = reading.sentences.iter().map(|sentence| role(reading, *sentence)).collect();
    if !roles.contains(&Role::Courtesy) {
        return roles;
    }
    if roles.iter().all(|role| *role == Role::Courtesy) {
        roles.fill(Role::Statement);
        return roles;
    }
    let tokens = std::mem::take(&mut reading.tokens);
    let sentences = std::mem::take(&mut reading.sentences);
    let mut begins_line = false;
    for (sentence, role) in sentences.iter().zip(&roles) {
        begins_line |= sentence.begins_line;
        if *role == Role::Courtesy {
            continue;
        }
        let first = reading.tokens.len();
        reading.tokens.extend_from_slice(tokens.get(sentence.first..sentence.end).unwrap_or_default());
        if (sentence.first..sentence.end).contains(&reading.options_from) {
            reading.options_from = first + reading.options_from - sentence.first;
        }
        reading.sentences.push(Sentence { first, end: reading.tokens.len(), begins_line, ..*sentence });
        begins_line = false;
    }
    // A line of thanks at the end is no line of the prompt.
    reading.lines = reading.lines.saturating_sub(usize::from(roles.last() == Some(&Role::Courtesy) && begins_line));
    roles.retain(|role| *role != Role::Courtesy);
    roles
}

fn outline(reading: &Reading, roles: Vec<Role>) -> (Outline, Vec<(Group, &'static str)>) {
    let sentences = &reading.sentences;
    let asking = asking(sentences, &roles);

    let mut evidence = Vec::new();
    let mut outline = Outline {
        roles,
        asking,
        asked: [0; Group::COUNT],
        given: [0; Group::COUNT],
        asked_tokens: 0,
        given_tokens: 0,
        manners: [Manner::Other; 2],
        depth: 0.0,
        alternatives: false,
        groups: Vec::new(),
    };
    for (index, sentence) in sentences.iter().enumerate() {
        let asking = outline.asking.get(index) == Some(&true);
        let counts = if asking { &mut outline.asked } else { &mut outline.given };
        *(if asking { &mut outline.asked_tokens } else { &mut outline.given_tokens }) += sentence.end - sentence.first;
        let tokens = reading.tokens.get(..sentence.end).unwrap_or_default();
        if asking {
            let own = tokens.get(sentence.first..).unwrap_or_default();
            let manner = manner(own);
            if outline.asked_tokens == sentence.end - sentence.first {
                outline.manners[0] = manner;
            }
            outline.manners[1] = manner;
            outline.depth = sentence.first as f32 / reading.tokens.len().max(1) as f32;
            outline.alternatives |= own.len() <= 2 * SENTENCE_WORDS && own.iter().any(|token| token.hash == OR);
        }
        let mut groups = 0u32;
        for at in sentence.first..sentence.end {
            // The middle of a long sentence is matter, not request.
            let inside = at >= sentence.first + SENTENCE_WORDS && at + SENTENCE_WORDS < sentence.end;
            if asking && inside {
                continue;
            }
            markers::at(tokens.get(at..).unwrap_or_default(), |found| {
                if let Some(count) = counts.get_mut(found.group.index()) {
                    *count = count.saturating_add(1);
                }
                groups |= 1 << found.group.index();
                if asking && evidence.len() < 32 {
                    evidence.push((found.group, found.text));
                }
            });
        }
        if asking {
            outline.groups.push(groups);
        }
    }
    (outline, evidence)
}

/// The word between alternatives.
const OR: u32 = hash("or");

const THINGS: [u32; 9] = hashes(["who", "whom", "whose", "what", "which", "when", "where", "why", "how"]);
const YES_OR_NO: [u32; 16] = hashes([
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "has", "have", "had",
    "must",
]);

fn manner(tokens: &[Token]) -> Manner {
    // After "please", "question:" or a preposition: "in which year".
    tokens
        .iter()
        .take(3)
        .find_map(|token| {
            if THINGS.contains(&token.hash) {
                Some(Manner::Thing)
            } else {
                YES_OR_NO.contains(&token.hash).then_some(Manner::YesOrNo)
            }
        })
        .unwrap_or_default()
}

/// Which sentences ask: those that ask or order by their form, at the edges of the text or at the beginning of a line;
/// and the edges themselves, where the request has another form.
fn asking(sentences: &[Sentence], roles: &[Role]) -> Vec<bool> {
    let mut asking = vec![false; roles.len()];
    let Some(last) = roles.len().checked_sub(1) else { return asking };
    let first = 0;
    let is_request = |at: usize| matches!(roles.get(at), Some(Role::Question | Role::Order));
    let sentence = |at: usize| sentences.get(at).copied().unwrap_or_default();
    let requests: Vec<usize> = (first..=last)
        .filter(|at| is_request(*at))
        .filter(|at| *at <= first + 1 || *at + 1 >= last || sentence(*at).begins_line)
        .collect();
    let mut mark = |at: usize| {
        if let Some(asking) = asking.get_mut(at) {
            *asking = true;
        }
    };
    requests.iter().take(ASKING_SENTENCES).for_each(|at| mark(*at));
    requests.iter().rev().take(ASKING_SENTENCES).for_each(|at| mark(*at));
    if !is_request(last) || !is_request(first) {
        if requests.is_empty() {
            mark(first);
        }
        // "The sentiment of the review is", "In short:", "TL;DR": an end that waits to be completed asks.
        let end = sentence(last);
        if requests.is_empty() || (end.open && end.end - end.first <= SENTENCE_WORDS) {
            mark(last);
        }
    }
    asking
}

/// Words of courtesy that are none by themselves: "a lot in advance", "for your help".
const FILLERS: [u32; 17] = hashes([
    "me", "with", "this", "a", "lot", "in", "you", "so", "very", "much", "for", "your", "help", "can", "could", "i",
    "am",
]);

/// Words that a request begins with before it says what it is.
const OPENERS: [u32; 23] = hashes([
    "please",
    "would",
    "i'd",
    "like",
    "want",
    "need",
    "to",
    "we",
    "let's",
    "kindly",
    "now",
    "then",
    "also",
    "and",
    "just",
    "hi",
    "hello",
    "hey",
    "id",
    "q",
    "task",
    "question",
    "instruction",
]);

/// The hashes of words.
const fn hashes<const N: usize>(words: [&str; N]) -> [u32; N] {
    let mut hashes = [0; N];
    let mut at = 0;
    while at < N {
        hashes[at] = hash(words[at]);
        at += 1;
    }
    hashes
}

fn role(reading: &Reading, sentence: Sentence) -> Role {
    let tokens = reading.tokens.get(sentence.first..sentence.end).unwrap_or_default();
    if is_courtesy(tokens) {
        return Role::Courtesy;
    }
    let before = courtesy_before(tokens);
    let opening = tokens.get(before..).unwrap_or_default();
    let (mut verb, mut asks) = (false, false);
    markers::at(opening, |found| {
        verb |= found.group == Group::Verb;
        asks |= found.group == Group::Asking;
    });
    // "Could you write a poem?" is an order for all its question mark; "Do birds write?" is none.
    if verb && (before > 0 || !sentence.asks) {
        Role::Order
    } else if asks || sentence.asks {
        Role::Question
    } else {
        Role::Statement
    }
}

fn is_filler(token: &Token) -> bool {
    FILLERS.contains(&token.hash)
}

fn polite(tokens: &[Token]) -> usize {
    let mut span = 0;
    markers::at(tokens, |found| {
        if found.group == Group::Polite {
            span = span.max(found.tokens);
        }
    });
    span
}

fn is_courtesy(tokens: &[Token]) -> bool {
    // No thanks are longer than that.
    if tokens.len() > 10 {
        return false;
    }
    let (mut at, mut polite_words) = (0, 0);
    while let Some(token) = tokens.get(at) {
        let span = polite(tokens.get(at..).unwrap_or_default());
        polite_words += span;
        if span == 0 && !is_filler(token) {
            return false;
        }
        at += span.max(1);
    }
    polite_words > 0
}

/// How many tokens stand before the request proper: "could you please", "I want you to".
fn courtesy_before(tokens: &[Token]) -> usize {
    let mut at = 0;
    while at < 5 && tokens.get(at).is_some_and(|token| is_opener(token) || is_filler(token)) {
        at += 1;
    }
    if at < tokens.len() { at } else { 0 }
}

fn is_opener(token: &Token) -> bool {
    OPENERS.contains(&token.hash)
}

fn asking_words(reading: &Reading, sentence: Sentence, role: Role, out: &mut Vec<u32>) {
    let tokens = reading.tokens.get(sentence.first..sentence.end).unwrap_or_default();
    let start = courtesy_before(tokens);
    let tokens = tokens.get(start..).unwrap_or_default();
    let mut before = 1;
    for (at, token) in tokens.iter().enumerate() {
        if at >= SENTENCE_WORDS && at + SENTENCE_WORDS < tokens.len() {
            before = 2;
            continue;
        }
        // Which number it is says nothing; that there is one does.
        let word = if token.shape == Shape::Number { 3 } else { token.hash };
        out.push(bucket(word, 1, ASK_BUCKETS));
        out.push(bucket(pair(before, word), 2, ASK_BUCKETS));
        if token.length > 5 {
            out.push(bucket(token.stem, 3, ASK_BUCKETS));
        }
        if at < 2 {
            out.push(bucket(pair(word, role as u32), 4, ASK_BUCKETS));
        }
        before = word;
    }
    out.push(bucket(pair(before, 7), 2, ASK_BUCKETS));
}

fn all_words(reading: &Reading) -> Vec<u32> {
    let mut out = Vec::with_capacity(reading.tokens.len().min(ALL_WORDS) * 3 + 3);
    let mut words = 0;
    // An answer on offer is something else than a word of the question.
    let from = if reading.options >= 2 { reading.options_from } else { usize::MAX };
    for sentence in &reading.sentences {
        let mut before = 1;
        for (at, token) in reading.tokens.get(sentence.first..sentence.end).unwrap_or_default().iter().enumerate() {
            let word =
                if token.shape == Shape::Number && token.length > 1 { u32::from(token.length) } else { token.stem };
            let space = if sentence.first + at >= from { 8 } else { 6 };
            out.push(bucket(word, space, ALL_BUCKETS));
            out.push(bucket(pair(before, word), 7, ALL_BUCKETS));
            if token.mark != 0 {
                out.push(bucket(pair(u32::from(token.mark), word), 9, ALL_BUCKETS));
            }
            before = word;
        }
        words += sentence.end - sentence.first;
        if words > ALL_WORDS {
            break;
        }
    }
    out
}

/// A bucket for a hash in one of several spaces.
fn bucket(hash: u32, space: u32, buckets: usize) -> u32 {
    // Multiplying by an odd constant spreads what FNV leaves in the low bits; the top bits are the best.
    let mixed = (hash ^ space.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)) & (buckets as u32 - 1)
}
