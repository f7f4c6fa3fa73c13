//! Dates, and which of them are days of birth.

use super::super::FindingKind as Kind;
use super::Hits;
use super::words::{Page, Word, cue, shape};

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut past = 0;
    for (index, word) in page.notable() {
        if word.start < past {
            continue;
        }
        let end = if page.byte(word.start).is_ascii_digit() {
            numeric(page, index, *word)
        } else if word.is(cue::MONTH) && word.is_capitalised() {
            written(page, index, *word)
        } else if word.is(cue::WEEKDAY) && word.is_capitalised() {
            Some((word.start, word.end, false))
        } else {
            None
        };
        let Some((start, end, exact)) = end else { continue };
        let at = page.word_at(start);
        let birth = exact && page.cues_before(at, 5) & cue::BIRTH != 0 && is_personal(page, at);
        if birth {
            hits.add(Kind::BirthDate, start, end, "a date beside a word for birth", "");
        } else {
            hits.add(Kind::Date, start, end, "the form of a date", "");
        }
        past = end;
    }
}

/// Encyclopaedias say when somebody "was born on 17 February 1828"; forms and people say it in other words, or in
/// numbers.
fn is_personal(page: &Page<'_>, at: usize) -> bool {
    if page.word(at).is_number() && !page.word(at + 1).is(cue::MONTH) {
        return true;
    }
    let from = at.saturating_sub(6);
    (from..at).any(|index| {
        let word = page.word(index);
        let text = page.word_text(index);
        (word.is(cue::BIRTH) && !text.eq_ignore_ascii_case("born"))
            || text == "I"
            || text == "my"
            || text.eq_ignore_ascii_case("patient")
    })
}

/// The value of a short number; `None` for anything else.
fn value(page: &Page<'_>, word: Word) -> Option<u32> {
    let text = page.slice(word.start, word.end);
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// 2024-03-15, 15.03.2024, 3/15/24, perhaps with a time.
fn numeric(page: &Page<'_>, index: usize, word: Word) -> Option<(usize, usize, bool)> {
    let (second, third) = (page.word(index + 1), page.word(index + 2));
    let sign = page.byte(word.end);
    if !matches!(sign, b'-' | b'/' | b'.') || second.start != word.end + 1 {
        return day_first(page, index, word);
    }
    if matches!(page.byte_before(word.start), b'-' | b'/' | b'.' | b'_' | b'+' | b'=') {
        return None;
    }
    let (a, b) = (value(page, word)?, value(page, second)?);
    if page.byte(second.end) != sign || third.start != second.end + 1 {
        return None;
    }
    let digits = page.bytes.get(third.start..third.end)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let c: u32 = page.slice(third.start, third.start + digits.min(4)).parse().ok()?;
    if matches!(page.byte(third.start + digits), b'-' | b'/') {
        return None;
    }
    let year_first =
        word.len() == 4 && (1800..2200).contains(&a) && (1..=12).contains(&b) && (1..=31).contains(&c) && digits == 2;
    let year_last = (digits == 4 && (1800..2200).contains(&c)
        || digits == 2 && sign == b'/' && third.end == third.start + digits)
        && (1..=31).contains(&a)
        && (1..=31).contains(&b)
        && (a <= 12 || b <= 12)
        && word.len() <= 2
        && second.len() <= 2;
    if !(year_first || year_last) {
        return None;
    }
    // A time that follows belongs to it.
    let mut end = third.start + digits;
    let bytes = page.bytes.get(end..)?;
    let time = bytes
        .iter()
        .take(32)
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b' ' | b':' | b'.' | b'+' | b'-' | b'Z'))
        .count();
    let tail = page.slice(end, end + time);
    if tail.contains(':') {
        end += tail.trim_end_matches([' ', '.', ':', '-', '+']).len();
    }
    Some((word.start, end, true))
}

/// "15 March 1980".
fn day_first(page: &Page<'_>, index: usize, word: Word) -> Option<(usize, usize, bool)> {
    let month = page.word(index + 1);
    let day: u32 = page.slice(word.start, word.end).trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
    let close = month.start <= word.end + 2 && month.is(cue::MONTH) && month.is_capitalised();
    if !close || !(1..=31).contains(&day) {
        return None;
    }
    let year = page.word(index + 2);
    let with_year = year.is_number() && year.len() == 4 && year.start <= month.end + 2;
    Some((word.start, if with_year { year.end } else { month.end }, true))
}

/// "March 15, 1980", "May 2021".
fn written(page: &Page<'_>, index: usize, word: Word) -> Option<(usize, usize, bool)> {
    let next = page.word(index + 1);
    if next.shape & shape::DIGIT == 0 || next.start > word.end + 2 {
        return None;
    }
    let year = page.word(index + 2);
    let with_year = year.is_number() && year.len() == 4 && year.start <= next.end + 2;
    let day =
        page.slice(next.start, next.end).trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<u32>().ok()?;
    let plausible = (1..=31).contains(&day) || (1800..2200).contains(&day);
    plausible.then_some((word.start, if with_year { year.end } else { next.end }, with_year || day <= 31))
}
