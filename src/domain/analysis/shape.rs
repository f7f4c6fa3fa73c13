//! The shape of a prompt in numbers: how long, how much of it asks, what it consists of.

use std::sync::LazyLock;

use super::features::{Counts, Manner, Outline, Role};
use super::markers::Group;
use super::reading::{Reading, Shape};

/// How many measures there are.
pub const MEASURES: usize = 2 * Group::COUNT + OTHERS;
/// Measures that count no markers.
const OTHERS: usize = 69;

/// Logarithms of small numbers and one: more than two hundred are asked for.
#[derive(Clone, Copy)]
struct Logarithms<'a>(&'a [f32]);

impl Logarithms<'_> {
    fn get() -> Self {
        static SMALL: LazyLock<Vec<f32>> = LazyLock::new(|| (0..512).map(Logarithms::of).collect());
        Self(&SMALL)
    }

    fn of(number: usize) -> f32 {
        (1.0 + number as f32).log2()
    }

    fn at(self, number: usize) -> f32 {
        self.0.get(number).copied().unwrap_or_else(|| Self::of(number))
    }

    /// Grows fast at first, then slowly, and is 1 from `full` on.
    fn grows(self, count: usize, full: f32) -> f32 {
        (self.at(count) / self.at(full as usize)).min(1.0)
    }
}

fn share(part: usize, whole: usize) -> f32 {
    part as f32 / whole.max(1) as f32
}

fn is(fact: bool) -> f32 {
    f32::from(u8::from(fact))
}

/// All measures of a text, each from 0 to 1. The order is part of the weights' form.
pub fn measures(reading: &Reading, outline: &Outline) -> [f32; MEASURES] {
    let mut all = [0.0; MEASURES];
    let mut values = markers(&outline.asked, 3.0).chain(markers(&outline.given, 15.0)).chain(others(reading, outline));
    for (slot, value) in all.iter_mut().zip(&mut values) {
        *slot = value.clamp(0.0, 1.0);
    }
    debug_assert!(values.next().is_none(), "a measure has no place");
    all
}

fn markers(counts: &Counts, full: f32) -> impl Iterator<Item = f32> + use<'_> {
    let logarithms = Logarithms::get();
    counts.iter().map(move |count| logarithms.grows(usize::from(*count), full))
}

/// How much of the first words has been said before.
fn repeated(reading: &Reading) -> f32 {
    // A bit for each word, some shared by chance: exact enough, and no table to build.
    let mut bits = [0u64; 64];
    let (mut read, mut new) = (0, 0);
    for token in reading.tokens.iter().take(256) {
        let place = token.hash.wrapping_mul(0x9e37_79b1) >> 20;
        if let Some(word) = bits.get_mut(place as usize / 64) {
            new += usize::from(*word >> (place % 64) & 1 == 0);
            *word |= 1 << (place % 64);
        }
        read += 1;
    }
    1.0 - share(new, read)
}

fn others(reading: &Reading, outline: &Outline) -> impl Iterator<Item = f32> + use<> {
    let logarithms = Logarithms::get();
    let grows = |count: usize, full: f32| logarithms.grows(count, full);
    let symbol = |byte: u8| reading.symbols.get(usize::from(byte)).copied().unwrap_or(0) as usize;
    let symbols = |bytes: &[u8]| bytes.iter().map(|byte| symbol(*byte)).sum::<usize>();
    let tokens = &reading.tokens;
    let count = |fits: &dyn Fn(&super::reading::Token) -> bool| tokens.iter().filter(|token| fits(token)).count();
    let numbers = count(&|token| token.shape == Shape::Number);
    let words = count(&|token| token.shape == Shape::Word).max(1);
    let ideographs = count(&|token| token.shape == Shape::Ideograph);
    let letters: usize = tokens.iter().map(|token| usize::from(token.length)).sum();
    let long_words = count(&|token| token.shape == Shape::Word && token.length > 8);
    let repeated = repeated(reading);
    let first = 0;
    let last = outline.roles.len().saturating_sub(1);
    let role = |at: usize, wanted: Role| is(outline.roles.get(at) == Some(&wanted));
    let sentence = |at: usize| reading.sentences.get(at).copied().unwrap_or_default();
    let tokens_of = |at: usize| sentence(at).end - sentence(at).first;
    let asks = outline.roles.iter().filter(|role| **role == Role::Question).count();
    let orders = outline.roles.iter().filter(|role| **role == Role::Order).count();
    let marks = reading.sentences.iter().filter(|sentence| sentence.asks).count();
    let longest = reading.sentences.iter().map(|sentence| sentence.end - sentence.first).max().unwrap_or(0);
    let whole = outline.asked_tokens + outline.given_tokens;
    let manner = |at: usize, wanted: Manner| outline.manners.get(at) == Some(&wanted);
    let given_long = grows(outline.given_tokens, 400.0);
    let options = usize::from(reading.options);
    // The tokens of the question and, on average, of an answer on offer.
    let from = if options >= 2 { reading.options_from.min(tokens.len()) } else { tokens.len() };
    let offered = tokens.len() - from;
    let numbers_offered = tokens.iter().skip(from).filter(|token| token.shape == Shape::Number).count();
    let operators = symbols(b"=+*/^<>");
    let values: [f32; OTHERS] = [
        grows(whole, 2_000.0),
        grows(letters, 8_000.0),
        grows(outline.asked_tokens, 120.0),
        given_long,
        share(outline.given_tokens, whole),
        grows(reading.sentences.len(), 60.0),
        grows(reading.lines, 60.0),
        grows(reading.bullets, 12.0),
        grows(reading.numbered, 12.0),
        grows(reading.rows, 20.0),
        grows(reading.code_lines, 20.0),
        grows(options, 6.0),
        is(options >= 2),
        grows(reading.quoted, 1_000.0),
        share(reading.quoted, letters),
        grows(reading.labels.len(), 6.0),
        grows(marks, 6.0),
        grows(asks, 6.0),
        grows(orders, 6.0),
        role(first, Role::Question),
        role(first, Role::Order),
        role(last, Role::Question),
        role(last, Role::Order),
        is(sentence(last).open && !sentence(last).asks),
        is(sentence(first).asks),
        is(sentence(last).asks),
        is(first == last),
        grows(tokens_of(first), 60.0),
        grows(tokens_of(last), 60.0),
        grows(longest, 80.0),
        grows(numbers, 20.0),
        share(numbers * 4, tokens.len()),
        ((letters as f32 / tokens.len().max(1) as f32) - 2.5) / 4.5,
        share(long_words * 3, words),
        repeated,
        share(ideographs, tokens.len()),
        grows(operators, 20.0),
        share(operators * 8, letters),
        grows(symbols(b"$"), 10.0),
        grows(symbol(b'\\'), 10.0),
        grows(symbols(b"{}[]"), 20.0),
        grows(symbols(b"()"), 20.0),
        grows(symbol(b'`'), 8.0),
        grows(symbols(b"_;"), 20.0),
        grows(symbol(b','), 30.0),
        grows(symbol(b'%'), 4.0),
        // A question about something long, at its end or before it, is the shape of reading with understanding.
        given_long * is(sentence(last).asks),
        given_long * is(sentence(first).asks),
        given_long * role(first, Role::Order),
        given_long * grows(reading.bullets, 12.0),
        if options >= 2 { grows(from, 300.0) } else { 0.0 },
        if options >= 2 { grows(offered / options.max(1), 30.0) } else { 0.0 },
        share(numbers_offered * 2, offered),
        share(offered, tokens.len()),
        grows(symbol(b'.'), 20.0),
        grows(symbols(b"'\""), 12.0),
        is(manner(0, Manner::Thing)),
        is(manner(0, Manner::YesOrNo)),
        is(manner(1, Manner::Thing)),
        is(manner(1, Manner::YesOrNo)),
        // What is asked of something long, by how it is asked.
        given_long * is(manner(0, Manner::Thing)),
        given_long * is(manner(0, Manner::YesOrNo)),
        given_long * is(manner(1, Manner::Thing)),
        given_long * is(manner(1, Manner::YesOrNo)),
        outline.depth,
        is(outline.alternatives),
        given_long * is(outline.alternatives),
        given_long * is(sentence(last).open && !sentence(last).asks),
        given_long * role(last, Role::Order),
    ];
    values.into_iter()
}
