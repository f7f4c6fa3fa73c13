//! Names of people, as far as lists and the words beside them tell; and forms of address, companies, places and ages.

use super::super::FindingKind as Kind;
use super::Hits;
use super::words::{Page, Word, cue, shape};

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut past = 0;
    for (index, word) in page.words.iter().enumerate() {
        if word.start < past {
            continue;
        }
        if word.is(cue::TITLE) && word.is_capitalised() {
            past = titled(page, hits, index, *word).unwrap_or(past);
        } else if word.is(cue::COMPANY) && word.is_capitalised() {
            company(page, hits, index, *word);
        } else if word.is(cue::MEASURE) {
            age(page, hits, index);
        } else if word.is(cue::NAME) {
            past = introduced(page, hits, index).unwrap_or(past);
        } else if word.is_capitalised() && word.is(cue::GIVEN | cue::FAMILY) {
            past = listed(page, hits, index, *word).unwrap_or(past);
        }
        if word.is(cue::PLACE) && word.is_capitalised() && word.start >= past {
            hits.add(Kind::Place, word.start, word.end, "on a list of places", "");
        }
    }
}

/// Whether a word goes on the name that the word before it is a part of.
fn goes_on(page: &Page<'_>, index: usize) -> bool {
    let (last, word) = (page.word(index.saturating_sub(1)), page.word(index));
    let gap = page.slice(last.end, word.start);
    matches!(gap, " " | "-" | "'" | ". ")
        && word.is_capitalised()
        && (gap != ". " || last.len() == 1)
        && !word.is(cue::MONTH | cue::WEEKDAY)
}

/// The index of the last word of a name that begins here, of at most four words.
fn last_of(page: &Page<'_>, first: usize) -> usize {
    let mut last = first;
    while last < first + 3 && goes_on(page, last + 1) {
        last += 1;
    }
    last
}

/// "Dr. Ada Lovelace".
fn titled(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) -> Option<usize> {
    let next = page.word(index + 1);
    let gap = page.slice(word.end, next.start);
    if !matches!(gap, " " | ". ") || !next.is_capitalised() || page.word_text(index).len() > 9 {
        return None;
    }
    let end = word.end + usize::from(gap == ". ");
    hits.add(Kind::Title, word.start, end, "a form of address before a name", "");
    let last = page.word(last_of(page, index + 1));
    hits.add(Kind::Name, next.start, last.end, "after a form of address", "");
    Some(last.end)
}

/// "my name is Ada Lovelace", "Name: Ada Lovelace".
fn introduced(page: &Page<'_>, hits: &mut Hits, index: usize) -> Option<usize> {
    let word = page.word(index);
    let is = page.word(index + 1).is(cue::IS);
    let colon = page.byte(word.end) == b':' || (page.byte(word.end) == b'"' && page.byte(word.end + 1) == b':');
    let owned = page.cues_before(index, 2) & cue::WHOSE != 0;
    let first = if is && owned {
        index + 2
    } else if colon {
        index + 1
    } else {
        return None;
    };
    let start = page.word(first);
    if !start.is_capitalised() || start.len() < 2 || start.shape & shape::BREAK != 0 {
        return None;
    }
    let last = last_of(page, first);
    // "Name: Acme" may be anything; a first and a last name, or a known one, are a person's.
    if !(is || last > first || start.is(cue::GIVEN)) {
        return None;
    }
    let end = page.word(last).end;
    hits.add(Kind::Name, start.start, end, "after “name”", "");
    Some(end)
}

/// A name from the lists.
fn listed(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) -> Option<usize> {
    let last = last_of(page, index);
    let next = page.word(index + 1);
    let common = word.is(cue::EVERYDAY | cue::PLACE | cue::MONTH);
    let joined = last > index;
    let sure = if word.is(cue::GIVEN) {
        if joined { !common || next.is(cue::FAMILY) } else { !common && !word.is(cue::FAMILY) }
    } else {
        false
    };
    // "Xiomara Martinez": a family name after a name that is on no list.
    let before = index.checked_sub(1).map(|last| page.word(last));
    let behind = before.filter(|before| {
        !common
            && word.is(cue::FAMILY)
            && before.is_capitalised()
            && before.len() > 2
            && before.cues & !(cue::GIVEN | cue::FAMILY) == 0
            && before.shape & (shape::LOWER | shape::OTHER) != 0
            && goes_on(page, index)
            && before.shape & (shape::BREAK | shape::LINE) == 0
            && index > 1
    });
    let company = page.word(last + 1).is(cue::COMPANY) || page.word(last).is(cue::COMPANY | cue::ROAD_AFTER);
    if company {
        return None;
    }
    let end = page.word(last).end;
    if sure {
        hits.add(Kind::Name, word.start, end, "a given name from a list", "");
        Some(end)
    } else if let Some(before) = behind {
        hits.add(Kind::Name, before.start, end, "a family name from a list", "");
        Some(end)
    } else {
        None
    }
}

/// "Acme Widgets Inc."
fn company(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) {
    let mut first = index;
    while first > 0 && index - first < 4 {
        let (before, here) = (page.word(first - 1), page.word(first));
        let gap = page.slice(before.end, here.start);
        if !before.is_capitalised() || !matches!(gap, " " | ", " | "-" | " & ") {
            break;
        }
        first -= 1;
    }
    if first < index {
        hits.add(Kind::Organisation, page.word(first).start, word.end, "the legal form of a company", "");
    }
}

/// "47 years old", "a 38-year-old".
fn age(page: &Page<'_>, hits: &mut Hits, index: usize) {
    let text = page.word_text(index);
    let old = page.word_text(index + 1).eq_ignore_ascii_case("old");
    let Some(number) = index.checked_sub(1).map(|last| page.word(last)) else { return };
    if old && matches!(text, "year" | "years" | "Year" | "Years") && number.is_number() && number.len() <= 3 {
        hits.add(Kind::Age, number.start, number.end, "before “years old”", "");
    }
}
