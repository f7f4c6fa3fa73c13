//! Street addresses: a number, a name and a word for a road, in the order of several languages.

use super::super::FindingKind as Kind;
use super::Hits;
use super::words::{Page, Word, cue, shape};

/// Words for roads that are hardly anything else after a number and a name.
const SURE: [&str; 18] = [
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "drive",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "terrace",
    "crescent",
    "turnpike",
];
/// Endings of road names that are written in one word.
const ENDINGS: [&str; 22] = [
    "straße", "strasse", "straat", "gasse", "gade", "gatan", "gata", "vej", "veien", "vei", "vägen", "väg", "weg",
    "platz", "laan", "allee", "gracht", "plein", "katu", "kuja", "utca", "stræde",
];

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    let mut past = 0;
    for (index, word) in page.notable() {
        if word.start < past {
            continue;
        }
        let found = if word.is(cue::ROAD_AFTER | cue::ROAD_BEFORE) {
            numbered(page, index).or_else(|| led(page, index))
        } else if word.is(cue::UNIT) {
            boxed(page, index)
        } else if word.is(cue::POST) {
            posted(page, index)
        } else if word.is_capitalised() && word.len() > 5 {
            glued(page, index)
        } else {
            None
        };
        if let Some((start, last, why)) = found
            && start >= past
        {
            let end = extended(page, last);
            hits.add(Kind::Address, start, end, why, "");
            past = end;
        }
    }
}

fn text<'t>(page: &Page<'t>, word: Word) -> &'t str {
    page.slice(word.start, word.end)
}

/// Whether a word is a house's number: 12, 12a, 4B.
fn is_house(page: &Page<'_>, word: Word) -> bool {
    let bytes = text(page, word).as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=6).contains(&digits)
        && bytes.len() <= digits + 1
        && !bytes.starts_with(b"0")
        && !matches!(page.byte_before(word.start), b'.' | b'$' | b'-' | b'=' | b'+' | b'*' | b'^')
        && !matches!(page.byte(word.end), b'.' | b'%' | b')' | b'=' | b'+' | b'*' | b'-')
}

/// "12 Old Mill Road": number, names, road.
fn numbered(page: &Page<'_>, road: usize) -> Option<(usize, usize, &'static str)> {
    let word = page.word(road);
    let small = text(page, word).to_lowercase();
    let sure = SURE.contains(&small.as_str());
    for back in 1..=5 {
        let index = road.checked_sub(back)?;
        let here = page.word(index);
        if page.word(index + 1).shape & (shape::BREAK | shape::LINE) != 0 || page.word(index + 1).start > here.end + 2 {
            return None;
        }
        if is_house(page, here) && page.byte(here.end) != b' ' {
            return None;
        }
        if is_house(page, here) && back >= 2 {
            let names = page.words.get(index + 1..road)?;
            let capital = names.iter().all(|name| name.is_capitalised() || is_ordinal(page, *name));
            let lower = back == 2
                && sure
                && text(page, here).len() <= 5
                && names.iter().all(|name| {
                    !name.is(cue::MEASURE | cue::AT | cue::IS | cue::WHOSE | cue::MONTH | cue::ROAD_AFTER)
                        && name.len() > 4
                        && name.shape & shape::DIGIT == 0
                });
            let followed = matches!(page.byte(word.end), b',' | b'\n' | b'.' | 0);
            let fits = (capital && (sure || followed) && (word.is_capitalised() || sure)) || (lower && word.len() > 2);
            return (fits && names.iter().any(|name| !name.is(cue::MONTH | cue::MEASURE))).then_some((
                here.start,
                road,
                "a number, a name and a word for a road",
            ));
        }
        let foreign = word.is(cue::ROAD_BEFORE)
            && (word.is_capitalised()
                || matches!(
                    text(page, word),
                    "rue" | "avenue" | "boulevard" | "calle" | "chemin" | "quai" | "impasse" | "rua"
                ));
        if is_house(page, here) && back == 1 && foreign {
            // "12 rue de la Paix": names follow.
            let next = page.word(road + 1);
            let named = next.is_capitalised()
                || (next.len() <= 3 && page.word(road + 2).is_capitalised())
                || (page.word(road + 2).len() <= 3 && page.word(road + 3).is_capitalised());
            let last = (road + 1..=road + 4)
                .take_while(|at| {
                    page.word(*at).shape & (shape::BREAK | shape::LINE) == 0
                        && (page.word(*at).is_capitalised() || page.word(*at).len() <= 3)
                })
                .last();
            return last
                .filter(|_| named && word.len() >= 3)
                .map(|last| (here.start, last, "a number, a word for a road and a name"));
        }
    }
    None
}

fn is_ordinal(page: &Page<'_>, word: Word) -> bool {
    let text = text(page, word);
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.ends_with(['t', 'd', 'h'])
}

/// "Rua Augusta 1500", "Calle Mayor, 12": road, names, number.
fn led(page: &Page<'_>, road: usize) -> Option<(usize, usize, &'static str)> {
    let word = page.word(road);
    if !word.is(cue::ROAD_BEFORE) || !word.is_capitalised() {
        return None;
    }
    for ahead in 1..=5 {
        let here = page.word(road + ahead);
        let gap = page.slice(page.word(road + ahead - 1).end, here.start);
        if here.len() == 0 || gap.contains('\n') || gap.len() > 3 {
            return None;
        }
        if ahead >= 2 && is_house(page, here) {
            return Some((word.start, road + ahead, "a word for a road, a name and a number"));
        }
        if !here.is_capitalised() && here.len() > 3 {
            return None;
        }
    }
    None
}

/// "Hauptstraße 12", "Kongensgade 4", "Storgatan 5B".
fn glued(page: &Page<'_>, index: usize) -> Option<(usize, usize, &'static str)> {
    let word = page.word(index);
    let small = text(page, word).to_lowercase();
    let next = page.word(index + 1);
    let beside = next.start == word.end + 1 && page.byte(word.end) == b' ' && is_house(page, next);
    (beside && small.len() > 6 && ENDINGS.iter().any(|ending| small.ends_with(ending))).then_some((
        word.start,
        index + 1,
        "the name of a road and a number",
    ))
}

/// "P.O. Box 255".
fn boxed(page: &Page<'_>, index: usize) -> Option<(usize, usize, &'static str)> {
    let word = page.word(index);
    let is_box = text(page, word).eq_ignore_ascii_case("box") && page.word(index + 1).is_number();
    let office = index.checked_sub(1).map(|last| page.word(last))?;
    let two = text(page, office);
    if !is_box || page.word(index + 1).start > word.end + 2 {
        return None;
    }
    if two.eq_ignore_ascii_case("po") {
        return Some((office.start, index + 1, "a post office box"));
    }
    let first = page.word(index.checked_sub(2)?);
    (two.eq_ignore_ascii_case("o") && text(page, first).eq_ignore_ascii_case("p")).then_some((
        first.start,
        index + 1,
        "a post office box",
    ))
}

/// "APO AP 27815": a military post.
fn posted(page: &Page<'_>, index: usize) -> Option<(usize, usize, &'static str)> {
    let area = page.word(index + 1);
    let code = page.word(index + 2);
    (area.len() == 2 && code.is_number() && code.len() == 5).then_some((
        page.word(index).start,
        index + 2,
        "a military post",
    ))
}

/// Where the parts that follow a street end: flat, town, state, postal code.
fn extended(page: &Page<'_>, last: usize) -> usize {
    let mut end = page.word(last).end;
    for (parts, index) in (last + 1..last + 12).enumerate() {
        let word = page.word(index);
        let gap = page.slice(end, word.start);
        let close = gap.len() <= 3
            && gap.bytes().all(|byte| matches!(byte, b' ' | b',' | b'\n' | b'.' | b'#' | b'-'))
            && !gap.starts_with(". ");
        if word.len() == 0 || !close {
            break;
        }
        let separated = gap.contains([',', '\n']);
        let number = word.shape & shape::DIGIT != 0 && word.len() <= 10;
        let unit = word.is(cue::UNIT | cue::PLACE);
        let name = word.is_capitalised() && (separated || parts > 0 || unit);
        if !(number || unit || name) {
            break;
        }
        if gap.contains('\n') && page.byte(word.end) == b':' {
            break;
        }
        end = word.end;
    }
    end
}
