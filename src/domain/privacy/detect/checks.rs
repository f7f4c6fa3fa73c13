//! Checksums and dates inside numbers. Each takes digits as values 0 to 9.

/// The values of the ASCII digits of a text, at most 34; what else stands in it is skipped.
#[must_use]
pub fn digits(text: &str) -> Vec<u32> {
    text.bytes().filter(u8::is_ascii_digit).take(34).map(|byte| u32::from(byte - b'0')).collect()
}

/// ISO/IEC 7812, Luhn: the last digit makes the sum of all, every second one doubled, a multiple of ten.
#[must_use]
pub fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// The sum of the digits, each times its weight.
#[must_use]
pub fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The digits of this range as one number; 0 where the range is not there.
#[must_use]
pub fn number(digits: &[u32], from: usize, to: usize) -> u64 {
    digits.get(from..to).unwrap_or_default().iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

/// The digit at a place; 0 where there is none.
#[must_use]
pub fn at(digits: &[u32], place: usize) -> u32 {
    digits.get(place).copied().unwrap_or(0)
}

/// Verhoeff's checksum over all digits, the check digit last.
#[must_use]
pub fn verhoeff(digits: &[u32]) -> bool {
    /// Multiplication in the dihedral group of order ten.
    const fn times(a: u32, b: u32) -> u32 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b - 5) % 5,
            (false, true) => 5 + (a - 5 + 5 - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    const STEP: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turned = |digit: u32, times: usize| {
        (0..times % 8).fold(digit, |digit, _| STEP.get(digit as usize).copied().unwrap_or(0))
    };
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| times(sum, turned(*digit, place))) == 0
}

/// ISO 7064, mod 11,10: German tax numbers, Croatian personal numbers.
#[must_use]
pub fn mod_11_10(digits: &[u32]) -> bool {
    let Some((check, rest)) = digits.split_last() else { return false };
    let product = rest.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// Whether these digits can be a day: `order` says where year (Y), month (M) and day (D) stand, two digits each.
#[must_use]
pub fn is_date(digits: &[u32], order: &str) -> bool {
    let mut month = 1;
    let mut day = 1;
    let mut place = 0;
    for part in order.bytes() {
        let value = at(digits, place) * 10 + at(digits, place + 1);
        match part {
            b'M' => month = value,
            b'D' => day = value,
            _ => {}
        }
        place += 2;
    }
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// ISO 7064, mod 97-10, over letters and digits: the number moved round by four places leaves 1.
#[must_use]
pub fn iban(text: &[u8]) -> bool {
    let Some((head, rest)) = text.split_at_checked(4) else { return false };
    let remainder = rest.iter().chain(head).fold(0_u32, |remainder, byte| match (*byte as char).to_digit(36) {
        Some(value) if value >= 10 => (remainder * 100 + value) % 97,
        Some(value) => (remainder * 10 + value) % 97,
        None => remainder,
    });
    remainder == 1
}

/// How long the IBANs of a country are; `None` for countries without.
#[must_use]
pub fn iban_length(country: [u8; 2]) -> Option<usize> {
    Some(match &country.map(|byte| byte.to_ascii_uppercase()) {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FO" | b"GL" | b"NL" | b"SD" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" | b"MN" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"TL" | b"OM" | b"SO" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BI" | b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// Whether a number of this length and beginning can be a payment card's, by the ranges given to the networks.
/// `Some(true)` where a network has exactly this length; `Some(false)` for the odd lengths of some debit cards.
#[must_use]
pub fn card_network(digits: &[u32]) -> Option<bool> {
    let two = number(digits, 0, 2);
    let three = number(digits, 0, 3);
    let four = number(digits, 0, 4);
    let known = match digits.len() {
        13 => at(digits, 0) == 4,
        14 => two == 36 || two == 38 || two == 39 || (300..=305).contains(&three),
        15 => two == 34 || two == 37 || four == 2131 || four == 1800,
        16 => {
            at(digits, 0) == 4
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || (2200..=2204).contains(&four)
                || (3528..=3589).contains(&four)
                || four == 9792
                || matches!(two, 50 | 56..=69 | 81 | 82)
        }
        17..=19 => at(digits, 0) == 4 || matches!(two, 50 | 56..=69 | 81),
        _ => false,
    };
    if known {
        return Some(digits.len() <= 16);
    }
    // Other ranges of the financial industry, and debit cards of some banks: they count beside a word for a card.
    ((12..=19).contains(&digits.len()) && (matches!(two, 20..=69) || four == 604)).then_some(false)
}
