//! Numbers with letters in them: bank accounts, wallets, papers.

use super::super::FindingKind as Kind;
use super::words::{Page, Word, cue, shape as look};
use super::{Hits, checks, national, shape};

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    for (index, word) in page.notable() {
        let letters = word.shape & (look::LOWER | look::UPPER) != 0;
        let digits = word.shape & look::DIGIT != 0;
        let before = page.byte_before(word.start);
        if before == b'_' || word.len() > 64 {
            continue;
        }
        if letters && digits {
            mixed(page, hits, index, *word);
        } else if letters && word.len() <= 2 {
            insurance_in_groups(page, hits, index, *word);
        }
        if digits && word.len() >= 4 {
            named(page, hits, index, *word);
        }
    }
}

fn mixed(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) {
    let text = page.slice(word.start, word.end);
    if word.len() >= 4 && word.len() <= 34 {
        iban(page, hits, word);
        if let Some(detail) = paper(page, index, word, text) {
            let kind = if detail == "US Medicare number" { Kind::HealthId } else { Kind::NationalId };
            let end = if detail == "Hong Kong identity number" { word.end + 3 } else { word.end };
            hits.add(kind, word.start, end, "its form, and the letter that checks it", detail);
        }
    }
    wallet(page, hits, index, word, text);
    // A Finnish code has its sign in the middle: 131052-308T.
    if word.len() == 4
        && matches!(page.byte_before(word.start), b'-' | b'+')
        && let Some(date) = index.checked_sub(1).map(|last| page.word(last))
        && date.is_number()
        && date.len() == 6
        && date.end + 1 == word.start
    {
        let digits: Vec<u32> = checks::digits(page.slice(date.start, word.start + 3 + 1));
        let check = b"0123456789ABCDEFHJKLMNPRSTUVWXY".get((checks::number(&digits, 0, 9) % 31) as usize);
        if checks::is_date(&digits, "DMY") && check == page.bytes.get(word.end - 1) {
            hits.add(
                Kind::NationalId,
                date.start,
                word.end,
                "its form, and the letter that checks it",
                "Finnish personal code",
            );
        }
    }
}

/// An IBAN that begins with this word, in one piece or in groups.
fn iban(page: &Page<'_>, hits: &mut Hits, word: Word) {
    let (Some(a), Some(b)) = (page.bytes.get(word.start), page.bytes.get(word.start + 1)) else { return };
    let begins = a.is_ascii_alphabetic()
        && b.is_ascii_alphabetic()
        && page.byte(word.start + 2).is_ascii_digit()
        && page.byte(word.start + 3).is_ascii_digit();
    let Some(length) = checks::iban_length([*a, *b]).filter(|_| begins) else { return };
    let mut signs = Vec::with_capacity(length);
    let mut at = word.start;
    while signs.len() < length {
        let byte = page.byte(at);
        if byte.is_ascii_alphanumeric() {
            signs.push(byte);
        } else if !(matches!(byte, b' ' | b'-') && page.byte(at + 1).is_ascii_alphanumeric()) {
            return;
        }
        at += 1;
    }
    if !page.byte(at).is_ascii_alphanumeric() && checks::iban(&signs) {
        hits.add(Kind::Iban, word.start, at, "the checksum holds, in the length of its country", "");
    }
}

/// The detail of a national number in one word of digits and letters.
fn paper(page: &Page<'_>, index: usize, word: Word, text: &str) -> Option<&'static str> {
    // Words in small letters may be anything; only numbers are written in capitals, or beside a word that names them.
    let capitals = word.shape & look::LOWER == 0;
    let beside = page.cues_before(index, 5) & cue::PAPERS != 0;
    if !capitals && !beside {
        return None;
    }
    if matches!(page.byte_before(word.start), b'-' | b'.' | b'/' | b'=') && !beside {
        return None;
    }
    let large = text.to_ascii_uppercase();
    let bytes = large.as_bytes();
    let form: String = bytes.iter().map(|byte| if byte.is_ascii_digit() { '9' } else { 'A' }).collect();
    let digits = checks::digits(text);
    let first = bytes.first().copied()?;
    let last = bytes.last().copied()?;
    match form.as_str() {
        "99999999A" | "A9999999A" if matches!(first, b'0'..=b'9' | b'X' | b'Y' | b'Z') => {
            let lead = match first {
                b'Y' => 10_000_000,
                b'Z' => 20_000_000,
                _ => 0,
            };
            let place = (lead + checks::number(&digits, 0, digits.len())) % 23;
            (b"TRWAGMYFPDXBNJZSQVHLCKE".get(place as usize) == Some(&last)).then_some("Spanish identity number")
        }
        "A9999999A" if matches!(first, b'S' | b'T' | b'F' | b'G') => {
            let sum =
                checks::weighted(&digits, &[2, 7, 6, 5, 4, 3, 2]) + if matches!(first, b'T' | b'G') { 4 } else { 0 };
            let letters: &[u8] = if matches!(first, b'S' | b'T') { b"JZIHGFEDCBA" } else { b"XWUTRQPNMLK" };
            (letters.get((sum % 11) as usize) == Some(&last)).then_some("Singaporean identity number")
        }
        "AA999999A" if is_insurance(bytes) => Some("UK national insurance number"),
        "AAAAA9999A"
            if matches!(bytes.get(3), Some(b'A' | b'B' | b'C' | b'F' | b'G' | b'H' | b'L' | b'J' | b'P' | b'T')) =>
        {
            Some("Indian PAN")
        }
        "AAAAAA99A99A999A" => is_fiscal(bytes).then_some("Italian tax code"),
        "99999999999999999A" if last == b'X' => national::is_chinese_x(&digits).then_some("Chinese resident number"),
        "A999999" | "AA999999" => {
            let tail = page.slice(word.end, word.end + 3).as_bytes();
            matches!(tail, [b'(', b'0'..=b'9' | b'A', b')']).then_some("Hong Kong identity number")
        }
        "A999999999" if beside && matches!(digits.first(), Some(1 | 2)) => Some("Taiwanese identity number"),
        "9999999A" | "9999999AA" if page.is_beside(index, index + 1, 4, &["pps", "ppsn"]) => Some("Irish PPS number"),
        _ if bytes.len() == 18 && form.get(..10) == Some("AAAA999999") && form.get(10..16) == Some("AAAAAA") => {
            (checks::is_date(&digits, "YMD") && matches!(bytes.get(10), Some(b'H' | b'M' | b'X')))
                .then_some("Mexican CURP")
        }
        _ if bytes.len() == 11 && is_medicare(&form) && digits.first() != Some(&0) => {
            (beside || page.is_beside(index, index + 1, 5, &["medicare", "mbi"])).then_some("US Medicare number")
        }
        _ => None,
    }
}

/// 1EG4TE5MK73: digit, letter, either, digit, letter, either, digit, two letters, two digits.
fn is_medicare(form: &str) -> bool {
    form.bytes().zip(*b"9A?9A?9AA99").all(|(is, wanted)| wanted == b'?' || is == wanted)
}

fn is_insurance(bytes: &[u8]) -> bool {
    let (Some(first), Some(second), Some(last)) = (bytes.first(), bytes.get(1), bytes.last()) else { return false };
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && !never.iter().any(|pair| bytes.starts_with(*pair))
        && matches!(last, b'A'..=b'D')
}

/// "AA 12 34 56 B".
fn insurance_in_groups(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) {
    if word.len() != 2 {
        return;
    }
    let end = page.word(index + 4).end;
    let text = page.slice(word.start, end);
    let lengths = [2, 2, 2, 2, 1];
    let fits = lengths.iter().enumerate().all(|(place, length)| page.word(index + place).len() == *length);
    if !fits || text.len() != 13 || page.byte(end).is_ascii_alphanumeric() {
        return;
    }
    let joined: Vec<u8> =
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    let numbers = joined.get(2..8).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
    if joined.len() == 9 && numbers && is_insurance(&joined) {
        hits.add(Kind::NationalId, word.start, end, "its form", "UK national insurance number");
    }
}

/// The last letter of an Italian tax code checks the fifteen before it.
fn is_fiscal(bytes: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let sum: u32 = bytes
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, byte)| {
            let value = value(*byte);
            if place % 2 == 0 { ODD.get(value as usize).copied().unwrap_or(0) } else { value }
        })
        .sum();
    bytes.get(15).is_some_and(|last| u32::from(last - b'A') == sum % 26)
}

fn wallet(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word, text: &str) {
    if !(25..=64).contains(&word.len())
        || matches!(page.byte_before(word.start), b'/' | b'-' | b'+' | b'.')
        || matches!(page.byte(word.end), b'-' | b'_' | b'+' | b'/' | b'=')
    {
        return;
    }
    let bytes = text.as_bytes();
    let base58 = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() && !b"0OIl".contains(byte));
    let near = || (page.cues_before(index, 8) | page.cues_from(index + 1, 4)) & cue::CRYPTO != 0;
    let detail = match bytes {
        [b'1' | b'3', ..]
            if word.len() <= 35
                && base58
                && word.shape & look::LOWER != 0
                && word.shape & look::UPPER != 0
                && shape::is_random(text) =>
        {
            "Bitcoin"
        }
        [b'b', b'c', b'1', rest @ ..]
            if matches!(word.len(), 42 | 62)
                && rest.iter().all(|b| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(b)) =>
        {
            "Bitcoin"
        }
        [b'0', b'x', rest @ ..] if rest.len() == 40 && rest.iter().all(u8::is_ascii_hexdigit) && near() => "Ethereum",
        [b'L' | b'M' | b'D' | b'T' | b'r', ..]
            if (33..=35).contains(&word.len()) && base58 && shape::is_random(text) && near() =>
        {
            ""
        }
        _ if (43..=44).contains(&word.len()) && base58 && shape::is_random(text) && near() => "Solana",
        _ => return,
    };
    hits.add(Kind::CryptoWallet, word.start, word.end, "the form of a wallet's address", detail);
}

/// Numbers that only the words beside them tell: passports, licences, accounts, records.
fn named(page: &Page<'_>, hits: &mut Hits, index: usize, word: Word) {
    let near = page.cues_before(index, 6);
    if near & (cue::PASSPORT | cue::DRIVER | cue::BANK | cue::PAPERS) == 0 {
        return;
    }
    let text = page.slice(word.start, word.end);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let before = page.byte_before(word.start);
    if matches!(before, b'$' | b'.' | b'+' | b'-')
        || page.byte(word.end) == b'%'
        || page.cues_from(index + 1, 1) & cue::MEASURE != 0
    {
        return;
    }
    let close = page.cues_before(index, 4);
    if close & cue::PASSPORT != 0
        && (6..=9).contains(&word.len())
        && digits >= 5
        && (digits < word.len() || word.len() >= 8)
    {
        hits.add(Kind::Passport, word.start, word.end, "beside “passport”", "");
        return;
    }
    // Some states set hyphens: S123-4567-8901.
    let mut end = word.end;
    let mut next = index + 1;
    while page.byte(end) == b'-'
        && page.word(next).start == end + 1
        && page.word(next).shape & look::DIGIT != 0
        && next < index + 4
    {
        end = page.word(next).end;
        next += 1;
    }
    let all_digits = page.slice(word.start, end).bytes().filter(u8::is_ascii_digit).count();
    let licence = near & cue::DRIVER != 0
        && (near & cue::LICENCE != 0 || page.is_beside(index, index, 2, &["dl", "dlno", "dln"]));
    if licence
        && (5..=20).contains(&(end - word.start))
        && all_digits >= 4
        && close & (cue::LICENCE | cue::NUMBER | cue::DRIVER) != 0
    {
        hits.add(Kind::DrivingLicence, word.start, end, "beside “driving licence”", "");
        return;
    }
    let right_before = page.cues_before(index, 1);
    let told = right_before & (cue::NUMBER | cue::IS) != 0
        || matches!(before, b'#' | b':' | b'"')
        || page.byte_before(word.start.saturating_sub(1)) == b':';
    if word.is_number()
        && told
        && close & cue::BANK != 0
        && (6..=17).contains(&digits)
        && near & (cue::PHONE | cue::CARD) == 0
    {
        let routing =
            digits == 9 && checks::weighted(&checks::digits(text), &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10);
        let detail = if routing { "US routing number" } else { "" };
        hits.add(Kind::BankAccount, word.start, word.end, "beside a word for a bank account", detail);
    } else if told
        && (6..=12).contains(&word.len())
        && digits >= 5
        && page.is_beside(index, index, 4, &["mrn", "patient", "medical", "nhs"])
    {
        hits.add(Kind::HealthId, word.start, word.end, "beside a word for a patient's record", "");
    }
}
