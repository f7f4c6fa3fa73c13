//! Numbers under which states, tax offices and insurers know a person: form, checksum and the words beside.

use super::super::FindingKind as Kind;
use super::Hits;
use super::checks::{at, is_date, luhn, mod_11_10, number, verhoeff, weighted};
use super::number::{Between, Sequence};
use super::words::{Page, cue};

/// One kind of number made of digits.
struct Row {
    kind: Kind,
    detail: &'static str,
    /// How many digits.
    digits: usize,
    /// Groupings that say enough by themselves, if the check holds.
    telling: &'static [&'static [u8]],
    /// Whether the bare digits say enough by themselves, if the check holds.
    solid: bool,
    check: fn(&[u32]) -> bool,
    /// Words beside it that say what it is, small letters.
    words: &'static [&'static str],
}

const ID: Kind = Kind::NationalId;
const HEALTH: Kind = Kind::HealthId;

const fn row(detail: &'static str, digits: usize, check: fn(&[u32]) -> bool, words: &'static [&'static str]) -> Row {
    Row { kind: ID, detail, digits, telling: &[], solid: false, check, words }
}

const fn telling(row: Row, groups: &'static [&'static [u8]]) -> Row {
    Row { telling: groups, ..row }
}

const fn solid(row: Row) -> Row {
    Row { solid: true, ..row }
}

const fn health(row: Row) -> Row {
    Row { kind: HEALTH, ..row }
}

const ROWS: &[Row] = &[
    telling(
        row("US social security number", 9, is_ssn, &["ssn", "social", "security", "ssns", "socialsecurity"]),
        &[&[3, 2, 4]],
    ),
    telling(row("US taxpayer number", 9, is_itin, &["itin", "taxpayer", "tin", "tax"]), &[&[3, 2, 4]]),
    row("US employer number", 9, any, &["ein"]),
    health(telling(row("UK NHS number", 10, is_nhs, &["nhs", "patient", "health"]), &[&[3, 3, 4]])),
    solid(telling(
        row("French social security number", 15, is_nir, &["nir", "insee", "sécurité", "sociale", "vitale"]),
        &[&[1, 2, 2, 2, 3, 3, 2]],
    )),
    row(
        "German tax number",
        11,
        is_german_tax,
        &["steuer", "steuernummer", "identifikationsnummer", "steueridentifikationsnummer", "tin", "idnr", "tax"],
    ),
    row("Dutch citizen number", 9, is_bsn, &["bsn", "burgerservicenummer", "sofinummer"]),
    row("Polish personal number", 11, is_pesel, &["pesel"]),
    telling(row("Swedish personal number", 10, is_swedish, &["personnummer", "personal", "pnr"]), &[&[6, 4]]),
    telling(
        row(
            "Swedish personal number",
            12,
            |d| is_swedish(d.get(2..).unwrap_or_default()) && matches!(number(d, 0, 2), 19 | 20),
            &["personnummer", "pnr"],
        ),
        &[&[8, 4]],
    ),
    row("Norwegian birth number", 11, is_norwegian, &["fødselsnummer", "personnummer", "fnr"]),
    row("Danish personal number", 10, |d| is_date(d, "DMY"), &["cpr", "personnummer", "cprnr"]),
    telling(
        row("Belgian national number", 11, is_belgian, &["rijksregisternummer", "national", "niss", "insz", "rrn"]),
        &[&[2, 2, 2, 3, 2]],
    ),
    telling(row("Swiss social security number", 13, is_swiss, &["ahv", "avs", "oasi"]), &[&[3, 4, 4, 2]]),
    row(
        "Austrian insurance number",
        10,
        |d| is_date(d.get(4..).unwrap_or_default(), "DMY"),
        &["svnr", "sozialversicherungsnummer", "versicherungsnummer"],
    ),
    row("Portuguese tax number", 9, is_portuguese, &["nif", "contribuinte"]),
    telling(row("Brazilian taxpayer number", 11, is_cpf, &["cpf", "cadastro"]), &[&[3, 3, 3, 2]]),
    telling(
        row("Indian Aadhaar number", 12, |d| at(d, 0) >= 2 && verhoeff(d), &["aadhaar", "aadhar", "uid", "uidai"]),
        &[&[4, 4, 4]],
    ),
    row("Canadian insurance number", 9, |d| luhn(d) && at(d, 0) != 0, &["sin", "insurance", "social"]),
    row("Australian tax file number", 9, is_tfn, &["tfn", "tax"]),
    row("Australian tax file number", 8, is_tfn_short, &["tfn"]),
    health(row("Australian Medicare number", 10, is_medicare_au, &["medicare"])),
    row("Japanese individual number", 12, is_my_number, &["my", "マイナンバー", "個人番号", "mynumber", "individual"]),
    telling(row("Korean resident number", 13, is_rrn, &["rrn", "resident", "주민", "주민등록번호"]), &[&[6, 7]]),
    solid(row("Chinese resident number", 18, is_chinese, &["身份证", "resident", "identity", "id"])),
    telling(row("Malaysian identity number", 12, |d| is_date(d, "YMD"), &["nric", "mykad", "ic"]), &[&[6, 2, 4]]),
    row(
        "Indonesian identity number",
        16,
        |d| matches!(number(d, 6, 8) % 40, 1..=31) && (1..=12).contains(&number(d, 8, 10)),
        &["nik", "ktp"],
    ),
    telling(row("Thai citizen number", 13, is_thai, &["thai", "บัตรประชาชน", "citizen"]), &[&[1, 4, 5, 2, 1]]),
    row("Turkish identity number", 11, is_turkish, &["tckn", "tc", "kimlik", "turkish"]),
    row("South African identity number", 13, |d| luhn(d) && is_date(d, "YMD"), &["id", "identity", "rsa", "african"]),
    telling(row("Argentine taxpayer number", 11, is_cuit, &["cuit", "cuil"]), &[&[2, 8, 1]]),
    row("Argentine identity number", 8, any, &["dni", "documento"]),
    row("Israeli identity number", 9, luhn, &["teudat", "zehut", "israeli"]),
    row("Romanian personal number", 13, is_cnp, &["cnp", "cod", "personal"]),
    row("Bulgarian civil number", 10, is_egn, &["egn", "егн"]),
    telling(
        row(
            "Czech or Slovak birth number",
            10,
            |d| number(d, 0, 10).is_multiple_of(11) && is_czech_date(d),
            &["rodné", "rodne", "rč"],
        ),
        &[&[6, 4]],
    ),
    row("Greek insurance number", 11, |d| luhn(d) && is_date(d, "DMY"), &["amka", "αμκα"]),
    row("Croatian personal number", 11, mod_11_10, &["oib"]),
    row("Hungarian insurance number", 9, any, &["taj"]),
    row("Yugoslav personal number", 13, |d| is_date(d, "DM"), &["jmbg", "emšo", "emso"]),
    row(
        "Baltic personal code",
        11,
        |d| is_date(d.get(1..).unwrap_or_default(), "YMD"),
        &["isikukood", "asmens", "personas", "kood"],
    ),
    telling(row("Russian insurance number", 11, is_snils, &["snils", "снилс"]), &[&[3, 3, 3, 2]]),
    row("Russian taxpayer number", 12, any, &["inn", "инн"]),
    row("Ukrainian taxpayer number", 10, any, &["рнокпп", "ипн", "rnokpp"]),
    telling(row("Pakistani identity number", 13, |d| matches!(at(d, 0), 1..=7), &["cnic", "nic"]), &[&[5, 7, 1]]),
    telling(row("Emirati identity number", 15, |d| number(d, 0, 3) == 784, &["emirates", "eid"]), &[&[3, 4, 7, 1]]),
    row("Nigerian identity number", 11, any, &["nin"]),
    row("Colombian identity number", 10, any, &["cédula", "cedula"]),
    row("Egyptian national number", 14, |d| matches!(at(d, 0), 2 | 3), &["national", "القومي"]),
];

const fn any(_: &[u32]) -> bool {
    true
}

/// Looks whether a sequence is such a number; gives back how many groups it has.
pub fn numbers(page: &Page<'_>, hits: &mut Hits, sequence: &Sequence) -> Option<usize> {
    let groups = sequence.groups();
    let first = groups.first()?;
    let before = page.byte_before(first.start);
    if matches!(before, b'.' | b'$' | b'+' | b'_' | b'(' | b'%') || before.is_ascii_alphanumeric() {
        return None;
    }
    let mut total = 0;
    for (place, group) in groups.iter().enumerate() {
        total += group.len();
        let count = place + 1;
        if total > 18 {
            break;
        }
        if total < 8 || (count == groups.len() && sequence.is_open) {
            continue;
        }
        let whole = count == groups.len();
        if let Some((row, why)) = row_of(page, sequence, count, total, whole) {
            hits.add(row.kind, first.start, sequence.end(count), why, row.detail);
            return Some(count);
        }
    }
    None
}

fn row_of(
    page: &Page<'_>,
    sequence: &Sequence,
    count: usize,
    total: usize,
    whole: bool,
) -> Option<(&'static Row, &'static str)> {
    let end = sequence.end(count);
    let next = page.word_at(end);
    let mut digits = Vec::new();
    for row in ROWS.iter().filter(|row| row.digits == total) {
        let formed = whole
            && ((count > 1 && row.telling.iter().any(|groups| groups.len() == count && sequence.has_lengths(groups)))
                || (count == 1 && row.solid));
        // Groups with spaces between them are also parts of addresses.
        let spaced = sequence.groups().get(1).is_some_and(|group| group.before == Between::Space);
        let formed = formed
            && !(spaced && (page.cues_before(sequence.index, 2) & cue::UNIT != 0 || page.word(next).is_capitalised()));
        // A telephone's word beside it outweighs a form that both can have.
        let formed = formed && page.cues_before(sequence.index, 5) & (cue::PHONE | cue::ORDER) == 0;
        let named = || page.is_beside(sequence.index, next, 6, row.words);
        if !formed && !named() {
            continue;
        }
        if digits.is_empty() {
            digits = sequence.digits(count, page);
        }
        if digits.iter().all(|digit| Some(digit) == digits.first()) || !(row.check)(&digits) {
            continue;
        }
        return Some((
            row,
            if formed { "its form, and the checksum or date in it holds" } else { "beside a word that names it" },
        ));
    }
    None
}

/// Area 000, 666 and 900 and above, group 00 and serial 0000 are never issued.
fn is_ssn(d: &[u32]) -> bool {
    let (area, group, serial) = (number(d, 0, 3), number(d, 3, 5), number(d, 5, 9));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

fn is_itin(d: &[u32]) -> bool {
    at(d, 0) == 9 && matches!(number(d, 3, 5), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

fn is_nhs(d: &[u32]) -> bool {
    let check = 11 - weighted(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check % 11 == at(d, 9) && check != 10
}

fn is_nir(d: &[u32]) -> bool {
    matches!(at(d, 0), 1 | 2)
        && 97 - number(d, 0, 13) % 97 == number(d, 13, 15)
        && matches!(number(d, 3, 5), 1..=12 | 20..=42)
}

fn is_german_tax(d: &[u32]) -> bool {
    at(d, 0) != 0 && mod_11_10(d)
}

fn is_bsn(d: &[u32]) -> bool {
    let sum = weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2]);
    (sum + 10 * 11 - at(d, 8)).is_multiple_of(11)
}

fn is_pesel(d: &[u32]) -> bool {
    weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10) && matches!(number(d, 2, 4) % 20, 1..=12)
}

fn is_swedish(d: &[u32]) -> bool {
    luhn(d) && is_date(d, "YM") && matches!(number(d, 4, 6) % 60, 1..=31)
}

fn is_norwegian(d: &[u32]) -> bool {
    weighted(d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

fn is_belgian(d: &[u32]) -> bool {
    let serial = number(d, 0, 9);
    let check = number(d, 9, 11);
    97 - serial % 97 == check || 97 - (2_000_000_000 + serial) % 97 == check
}

fn is_swiss(d: &[u32]) -> bool {
    number(d, 0, 3) == 756 && weighted(d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

fn is_portuguese(d: &[u32]) -> bool {
    let rest = weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    at(d, 8) == if rest < 2 { 0 } else { 11 - rest }
}

fn is_cpf(d: &[u32]) -> bool {
    let check = |sum: u32| sum * 10 % 11 % 10;
    check(weighted(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == at(d, 9)
        && check(weighted(d, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == at(d, 10)
}

fn is_tfn(d: &[u32]) -> bool {
    weighted(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

fn is_tfn_short(d: &[u32]) -> bool {
    weighted(d, &[10, 7, 8, 4, 6, 3, 5, 1]).is_multiple_of(11)
}

fn is_medicare_au(d: &[u32]) -> bool {
    matches!(at(d, 0), 2..=6) && weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == at(d, 8)
}

fn is_my_number(d: &[u32]) -> bool {
    let rest = weighted(d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    at(d, 11) == if rest <= 1 { 0 } else { 11 - rest }
}

fn is_rrn(d: &[u32]) -> bool {
    is_date(d, "YMD") && matches!(at(d, 6), 1..=8)
}

fn is_chinese(d: &[u32]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let check = (12 - weighted(d, &WEIGHTS) % 11) % 11;
    check == at(d, 17) && is_chinese_date(d)
}

fn is_chinese_date(d: &[u32]) -> bool {
    matches!(number(d, 6, 8), 18..=20) && is_date(d.get(8..).unwrap_or_default(), "YMD")
}

/// A Chinese number that ends in X, which stands for ten.
pub fn is_chinese_x(d: &[u32]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    (12 - weighted(d, &WEIGHTS) % 11) % 11 == 10 && is_chinese_date(d)
}

fn is_thai(d: &[u32]) -> bool {
    (11 - weighted(d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10 == at(d, 12)
}

fn is_turkish(d: &[u32]) -> bool {
    let odd = at(d, 0) + at(d, 2) + at(d, 4) + at(d, 6) + at(d, 8);
    let even = at(d, 1) + at(d, 3) + at(d, 5) + at(d, 7);
    at(d, 0) != 0 && (odd * 7 + 90 - even) % 10 == at(d, 9) && d.iter().take(10).sum::<u32>() % 10 == at(d, 10)
}

fn is_cuit(d: &[u32]) -> bool {
    let check = 11 - weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(number(d, 0, 2), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34) && check % 11 == at(d, 10)
}

fn is_cnp(d: &[u32]) -> bool {
    let rest = weighted(d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    at(d, 12) == (if rest == 10 { 1 } else { rest }) && is_date(d.get(1..).unwrap_or_default(), "YMD")
}

fn is_egn(d: &[u32]) -> bool {
    weighted(d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == at(d, 9)
}

fn is_czech_date(d: &[u32]) -> bool {
    matches!(number(d, 2, 4) % 50 % 20, 1..=12) && matches!(number(d, 4, 6), 1..=31)
}

fn is_snils(d: &[u32]) -> bool {
    weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == u32::try_from(number(d, 9, 11)).unwrap_or(0)
}
