//! Telephone numbers: by their form where it says enough, else by the words beside them.

use super::super::FindingKind as Kind;
use super::number::{Between, Group, Sequence};
use super::words::{Page, cue};
use super::{Hits, checks};

/// Finds one that begins with this sequence; gives back how many groups it has.
pub fn find(page: &Page<'_>, hits: &mut Hits, sequence: &Sequence) -> Option<usize> {
    let first = *sequence.groups().first()?;
    let mut start = first.start;
    let mut opened = false;
    // A bracket around the whole is prose's; one around the first group is the number's.
    let closes = sequence
        .groups()
        .get(1)
        .map_or(page.byte(first.end) == b')', |group| group.before == Between::Bracket && page.byte(first.end) == b')');
    if page.byte_before(start) == b'(' && closes {
        start -= 1;
        opened = true;
    }
    let plus = page.byte_before(start) == b'+';
    if plus {
        start -= 1;
        if page.byte_before(start) == b'(' {
            start -= 1;
        }
    }
    let before = page.byte_before(start);
    if before.is_ascii_alphanumeric()
        || matches!(before, b'_' | b'$' | b'%' | b'^' | b'*' | b'.' | b'<' | b'/' | b'~' | b'&' | b'@')
    {
        return None;
    }
    if matches!(before, b'-' | b'#') && !plus {
        return None;
    }
    let call = Call { page, sequence, plus, opened };
    let (mut count, why) = call.by_form().or_else(|| call.by_words())?;
    let mut end = sequence.end(count);
    // "x123", "ext. 123".
    let next = page.word(page.word_at(end.saturating_sub(first.len().min(1))));
    if count == sequence.groups().len() && sequence.is_open {
        let word = page.words.get(page.word_at(sequence.groups().last()?.start)).copied().unwrap_or(next);
        let tail = page.slice(end, word.end);
        if let Some(extension) = tail.strip_prefix(['x', 'X'])
            && !extension.is_empty()
            && extension.bytes().all(|b| b.is_ascii_digit())
        {
            end = word.end;
        } else if !tail.is_empty() {
            return None;
        }
    } else {
        let index = page.word_at(end);
        let word = page.word_text(index);
        if matches!(word, "x" | "ext" | "Ext" | "extension" | "EXT")
            && page.word(index + 1).is_number()
            && page.word(index).start <= end + 3
        {
            end = page.word(index + 1).end;
        } else if let Some(extension) = word.strip_prefix('x')
            && !extension.is_empty()
            && extension.bytes().all(|b| b.is_ascii_digit())
            && page.word(index).start == end + 1
        {
            end = page.word(index).end;
        }
    }
    if page.byte(end) == b'%'
        || (page.byte(end) == b'_')
        || (page.byte(end) == b'.' && page.byte(end + 1).is_ascii_digit())
    {
        return None;
    }
    if page.byte(end) == b')' && opened && count == 1 {
        count = 1;
    }
    hits.add(Kind::Phone, start, end, why, "");
    Some(count)
}

struct Call<'p, 't> {
    page: &'p Page<'t>,
    sequence: &'p Sequence,
    plus: bool,
    opened: bool,
}

impl Call<'_, '_> {
    fn total(&self, count: usize) -> usize {
        self.sequence.groups().iter().take(count).map(Group::len).sum()
    }

    /// As many groups as fit a number of this many digits.
    fn groups_within(&self, most: usize) -> usize {
        let mut count = self.sequence.groups().len();
        while count > 0 && self.total(count) > most {
            count -= 1;
        }
        count
    }

    fn length(&self, group: usize) -> usize {
        self.sequence.groups().get(group).map_or(0, Group::len)
    }

    fn text(&self, group: usize) -> &str {
        self.sequence.groups().get(group).map_or("", |group| self.page.slice(group.start, group.end))
    }

    fn before(&self, group: usize) -> Between {
        self.sequence.groups().get(group).map_or(Between::Nothing, |group| group.before)
    }

    /// Numbers that nothing else is written like.
    fn by_form(&self) -> Option<(usize, &'static str)> {
        let count = self.groups_within(15);
        let total = self.total(count);
        if self.plus {
            let code = checks::number(&checks::digits(self.text(0)), 0, self.length(0).min(3));
            let plausible = is_country(code) && (count >= 2 || total >= 10) && (8..=15).contains(&total);
            return plausible.then_some((count, "a plus and the code of a country"));
        }
        let (area, exchange) = (self.text(0).as_bytes().first().copied()?, self.text(1).as_bytes().first().copied());
        let signs = self.sequence.groups().iter().take(count).skip(1).all(|group| group.before != Between::Slash);
        let whole = count == self.sequence.groups().len() && signs;
        let american = |at: usize| {
            self.length(at) == 3
                && self.length(at + 1) == 3
                && self.length(at + 2) == 4
                && self.text(at).as_bytes().first() >= Some(&b'2')
        };
        let american_and_more =
            count > 3 && american(0) && self.before(1) != Between::Space && self.before(3) == Between::Space;
        if american_and_more {
            return Some((3, "the form of an American number"));
        }
        if whole && count == 3 && american(0) {
            let spaced = self.before(1) == Between::Space && !self.opened;
            if !spaced || (area >= b'2' && exchange >= Some(b'2') && self.before(2) != Between::Dot) {
                return Some((3, "the form of an American number"));
            }
        }
        if whole
            && count == 4
            && self.length(0) <= 2
            && american(1)
            && is_country(checks::number(&checks::digits(self.text(0)), 0, self.length(0)))
        {
            return Some((4, "the form of an American number"));
        }
        if whole && self.text(0).starts_with("00") && self.length(0) <= 5 && count >= 3 && (11..=16).contains(&total) {
            return Some((count, "the prefix of a call abroad"));
        }
        if self.opened
            && self.before(1) == Between::Bracket
            && self.length(0) <= 5
            && whole
            && (9..=12).contains(&total)
            && (count >= 3 || self.length(1) >= 6 || self.length(0) >= 3)
        {
            return Some((count, "an area code in brackets"));
        }
        if whole && area == b'0' && !self.text(0).starts_with("00") && (2..=5).contains(&self.length(0)) {
            let binary = (0..count).all(|group| self.text(group).bytes().all(|byte| byte <= b'1'));
            let grouped = !binary && count >= 3 && (9..=12).contains(&total) && self.length(count - 1) >= 2;
            let halved =
                count == 2 && (10..=11).contains(&total) && self.before(1) != Between::Dot && self.length(1) >= 5;
            if grouped || halved {
                return Some((count, "a leading zero and groups"));
            }
        }
        None
    }

    /// Numbers that only the words beside them tell.
    fn by_words(&self) -> Option<(usize, &'static str)> {
        let page = self.page;
        let count = self.groups_within(15);
        let total = self.total(count);
        if !(6..=15).contains(&total) || (count == 1 && total < 7) {
            return None;
        }
        // Two groups with a full stop are a decimal number; with a slash, a fraction.
        if count <= 2 && matches!(self.before(1), Between::Dot | Between::Slash) && total < 9 {
            return None;
        }
        let index = self.sequence.index;
        let next = page.word_at(self.sequence.end(count));
        let close = page.cues_before(index, 2);
        let near = page.cues_before(index, 5);
        let after = page.cues_from(next, 3);
        if close & (cue::ORDER | cue::CARD | cue::BANK | cue::PAPERS | cue::DIGEST | cue::PASSWORD | cue::TOKEN) != 0
            && close & cue::PHONE == 0
        {
            return None;
        }
        let years = (0..count).all(|group| self.length(group) == 4 && self.text(group).starts_with(['1', '2']));
        if page.cues_from(next, 1) & (cue::MEASURE | cue::MONTH) != 0 || (years && count > 1) {
            return None;
        }
        // Bare digits are anything; those of a telephone come right after a word or a sign that announces them.
        let announced = page.cues_before(index, 1) & (cue::PHONE | cue::CALL | cue::IS | cue::NUMBER | cue::AT) != 0
            || page
                .bytes
                .get(..self.sequence.groups().first()?.start)?
                .iter()
                .rev()
                .find(|byte| **byte != b' ')
                .is_some_and(|byte| b":=\"'(#>|".contains(byte));
        let announced = count > 1 || announced;
        if (announced && near & cue::PHONE != 0)
            || (after & cue::PHONE != 0 && page.cues_from(next, 1) & (cue::IS | cue::WHOSE | cue::PHONE | cue::AT) != 0)
        {
            return Some((count, "beside a word for a telephone"));
        }
        let right_before = page.cues_before(index, 1);
        // "federal tax identification number is …"
        if near & cue::PAPERS != 0 {
            return None;
        }
        let called = page.cues_before(index, 4) & cue::CALL != 0
            && right_before & (cue::AT | cue::CALL | cue::IS | cue::NUMBER) != 0;
        let owned =
            right_before & cue::IS != 0 && close & cue::NUMBER != 0 && page.cues_before(index, 6) & cue::WHOSE != 0;
        let zero = self.text(0).starts_with('0') || total >= 10;
        let mine = owned && zero && near & (cue::ORDER | cue::CARD | cue::BANK | cue::PAPERS) == 0;
        (called || mine).then_some((count, "after words that ask for a call"))
    }
}

/// Whether a country's calling code begins so: three digits, or fewer where the group has fewer.
const fn is_country(code: u64) -> bool {
    let one = if code >= 100 {
        code / 100
    } else if code >= 10 {
        code / 10
    } else {
        code
    };
    let two = if code >= 100 { code / 10 } else { code };
    if one == 1 || one == 7 {
        return true;
    }
    matches!(two, 20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98)
        || matches!(code, 211..=269 | 290..=299 | 350..=389 | 420..=423 | 500..=509 | 590..=599 | 670..=692)
        || matches!(code, 800 | 808 | 850..=856 | 870..=888 | 960..=979 | 992..=998)
}
