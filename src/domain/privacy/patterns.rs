//! What sensitive text looks like. Regular expressions find candidates in time linear to the text; checksums decide
//! where a kind has one.

use std::sync::LazyLock;

use regex::Regex;

use super::FindingKind;

struct Pattern {
    kind: FindingKind,
    regex: Regex,
    /// The group that is the finding; 0 for the whole match.
    group: usize,
    check: fn(&str) -> bool,
}

const fn always(_: &str) -> bool {
    true
}

/// The table of patterns: kind, expression, group, check.
type Row = (FindingKind, &'static str, usize, fn(&str) -> bool);

const TABLE: &[Row] = &[
    (FindingKind::Email, r"(?i)\b[a-z0-9._%+-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b", 0, always),
    (FindingKind::Card, r"\b[2-6]\d{3}(?:[ -]?\d{2,4}){2,4}\b", 0, is_card),
    (FindingKind::Iban, r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", 0, is_iban),
    (FindingKind::NationalId, r"\b\d{3}-\d{2}-\d{4}\b", 0, is_us_ssn),
    (FindingKind::NationalId, r"\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", 0, always),
    (FindingKind::Phone, r"\+\d{1,3}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b", 0, always),
    (FindingKind::Phone, r"(?:\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b", 0, always),
    (FindingKind::IpAddress, r"\b(?:\d{1,3}\.){3}\d{1,3}\b", 0, is_public_ip),
    (FindingKind::PrivateKey, r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----", 0, always),
    // The prefixes under which the providers issue their keys and tokens.
    (
        FindingKind::Key,
        r"\b(?:sk-(?:ant-|proj-|or-|svcacct-)?[A-Za-z0-9_-]{16,}|rpa_[A-Za-z0-9]{20,}|AIza[A-Za-z0-9_-]{35}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20}|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|gsk_[A-Za-z0-9]{30,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
        0,
        always,
    ),
    (FindingKind::Key, r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", 0, always),
    (FindingKind::Password, r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:([^\s/@]{3,128})@", 1, always),
    (
        FindingKind::Password,
        r#"(?i)\b(?:password|passwd|passphrase|pwd|secret|api[_ -]?key|access[_ -]?token)\b["']?\s*(?:is|[:=])\s*["']?([^\s"',;]{6,128})"#,
        1,
        looks_secret,
    ),
];

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    TABLE
        .iter()
        .filter_map(|(kind, expression, group, check)| {
            // Word boundaries of ASCII alone: those of Unicode take ten times as long on text with accents. A letter with
            // an accent then bounds a word, which finds more rather than less.
            // Telephone numbers alone may be written in digits of another script.
            let boundary = if *kind == FindingKind::Phone { r"\b" } else { r"(?-u:\b)" };
            let expression = expression.replace(r"\b", boundary);
            // A test holds that every expression compiles, so nothing is ever left out here.
            Regex::new(&expression).ok().map(|regex| Pattern { kind: *kind, regex, group: *group, check: *check })
        })
        .collect()
});

/// Calls `found` with kind, start and end (bytes) of everything sensitive in a text.
pub fn scan(text: &str, mut found: impl FnMut(FindingKind, usize, usize)) {
    for pattern in PATTERNS.iter() {
        for captures in pattern.regex.captures_iter(text) {
            if let Some(hit) = captures.get(pattern.group)
                && (pattern.check)(hit.as_str())
            {
                found(pattern.kind, hit.start(), hit.end());
            }
        }
    }
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// ISO/IEC 7812: thirteen to nineteen digits that satisfy Luhn's checksum.
fn is_card(text: &str) -> bool {
    let digits = digits(text);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != digits[0])
}

/// ISO 13616: the remainder of the rearranged number by 97 is 1.
fn is_iban(text: &str) -> bool {
    let compact: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !(15..=34).contains(&compact.len()) {
        return false;
    }
    let (head, rest) = compact.split_at(4);
    let remainder = rest.iter().chain(head).fold(0_u32, |remainder, c| match c.to_digit(36) {
        Some(value) if value >= 10 => (remainder * 100 + value) % 97,
        Some(value) => (remainder * 10 + value) % 97,
        None => remainder,
    });
    remainder == 1
}

/// Area 000, 666 and 900 and above, group 00 and serial 0000 are never issued.
fn is_us_ssn(text: &str) -> bool {
    let parts: Vec<u32> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    matches!(parts[..], [area, group, serial] if area != 0 && area != 666 && area < 900 && group != 0 && serial != 0)
}

fn is_public_ip(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| {
        // A version number such as 1.2.3.4 looks the same; addresses below 11 in every part are far rarer than those.
        !(ip.is_private()
            || ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_documentation()
            || ip.is_broadcast()
            || ip.is_link_local()
            || ip.octets().iter().all(|octet| *octet < 11))
    })
}

/// A value rather than a word of prose ("the password is required"): it mixes letters with digits or signs.
fn looks_secret(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit() || "!@#$%^&*+_~".contains(c)) && !text.starts_with(['<', '$', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<FindingKind> {
        let mut kinds = Vec::new();
        scan(text, |kind, _, _| kinds.push(kind));
        kinds
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), TABLE.len());
    }

    #[test]
    fn sensitive_text_is_found() {
        // Key-shaped strings are put together here, so that no scanner takes this file for a leak.
        let anthropic = format!("key {}{}", "sk-ant-", "a1".repeat(20));
        let aws = format!("{}{}", "AKIA", "ABCDEFGHIJKLMNOP");
        for (text, kind) in [
            ("mail ada@example.org today", FindingKind::Email),
            ("card 4111 1111 1111 1111", FindingKind::Card),
            ("IBAN DE89 3704 0044 0532 0130 00", FindingKind::Iban),
            ("ssn 123-45-6789", FindingKind::NationalId),
            ("call +44 20 7946 0958", FindingKind::Phone),
            ("call (212) 555-0147 now", FindingKind::Phone),
            ("from 93.184.216.34", FindingKind::IpAddress),
            (anthropic.as_str(), FindingKind::Key),
            (aws.as_str(), FindingKind::Key),
            ("-----BEGIN RSA PRIVATE KEY-----", FindingKind::PrivateKey),
            ("postgres://app:hunter22@db/app", FindingKind::Password),
            ("my password is hunter22!", FindingKind::Password),
        ] {
            assert!(kinds(text).contains(&kind), "{kind} in {text}: {:?}", kinds(text));
        }
    }

    #[test]
    fn an_accent_or_another_script_hides_nothing() {
        for (text, kind) in [
            ("für éada@example.org", FindingKind::Email),
            ("卡号4111111111111111。", FindingKind::Card),
            ("é123-45-6789", FindingKind::NationalId),
            ("電話 ２１２-５５５-０１４７", FindingKind::Phone),
        ] {
            assert!(kinds(text).contains(&kind), "{kind} in {text}");
        }
    }

    #[test]
    fn harmless_text_is_let_through() {
        for text in [
            "Explain quantum computing",
            "card 4111 1111 1111 1112",
            "version 1.2.3.4 is out",
            "192.168.1.10 is my router",
            "the password is required",
            "call fn at line 1234567890",
            "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            "timestamp 1795372244",
        ] {
            assert_eq!(kinds(text), vec![], "{text}");
        }
    }
}
