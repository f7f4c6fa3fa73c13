//! Whether a value looks like a secret, or like a word, a reference or a placeholder that stands where one would.

/// For each small letter, which letters follow it often in English: bit 0 is `a`. Pairs that make up at least one in
/// 1,250 of all pairs in the words of a large set of exam questions.
const PAIRS: [u32; 26] = [
    0x13e_bd4e, 0x12_4911, 0x11a_4d95, 0x16_4111, 0xae_f97d, 0x12_4931, 0x12_6991, 0x118_4111, 0x22e_f87f, 0x10_0000,
    0x110, 0x11c_4919, 0x14_d113, 0x3c_617d, 0x7e_f94f, 0x1e_c991, 0x10_0000, 0x13e_755d, 0x1c_d995, 0x11e_4991,
    0xe_b95f, 0x4111, 0x4111, 0x8000, 0x4_0000, 0x10,
];

/// The kinds of bytes in a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    /// Small letters.
    pub lower: usize,
    /// Capitals.
    pub upper: usize,
    /// Digits.
    pub digits: usize,
    /// Everything else.
    pub signs: usize,
    /// How many different bytes.
    pub different: u32,
    /// Whether all letters are from a to f.
    pub is_hex: bool,
}

/// Counts the bytes of a value; only its first 256 are looked at.
#[must_use]
pub fn mix(value: &str) -> Mix {
    let mut mix = Mix { is_hex: true, ..Mix::default() };
    let mut seen = [0_u64; 4];
    for byte in value.bytes().take(256) {
        match byte {
            b'a'..=b'z' => mix.lower += 1,
            b'A'..=b'Z' => mix.upper += 1,
            b'0'..=b'9' => mix.digits += 1,
            _ => mix.signs += 1,
        }
        mix.is_hex &= byte.is_ascii_hexdigit();
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    mix.different = seen.iter().map(|word| word.count_ones()).sum();
    mix
}

/// Shannon's entropy in bits per byte, of the first 256 bytes.
#[must_use]
pub fn entropy(value: &str) -> f32 {
    let mut counts = [0_u16; 256];
    let mut total = 0_u16;
    for byte in value.bytes().take(256) {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
        total += 1;
    }
    let total = f32::from(total);
    counts.iter().filter(|count| **count > 0).map(|count| f32::from(*count) / total).map(|p| -p * p.log2()).sum()
}

/// Whether letters follow each other as they do in no language: two fifths or more of the pairs are rare ones, where
/// two thirds are among random letters.
#[must_use]
pub fn is_gibberish(letters: &str) -> bool {
    let mut pairs = 0_u32;
    let mut rare = 0_u32;
    let bytes = letters.as_bytes();
    for pair in bytes.windows(2).take(256) {
        if let [a, b] = pair
            && a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
        {
            // A capital after a small letter begins a new word.
            if a.is_ascii_lowercase() && b.is_ascii_uppercase() {
                continue;
            }
            let follows = PAIRS.get(usize::from(a.to_ascii_lowercase() - b'a')).copied().unwrap_or(0);
            pairs += 1;
            rare += u32::from(follows >> (b.to_ascii_lowercase() - b'a') & 1 == 0);
        }
    }
    pairs >= 4 && rare * 5 >= pairs * 2
}

/// Whether a value is put together from words and small numbers: an identifier, a path, a title.
#[must_use]
pub fn is_wordy(value: &str) -> bool {
    if value.bytes().any(|byte| byte.is_ascii_digit()) && value.len() > 48 && !value.contains(' ') {
        return false;
    }
    value.split(|c: char| !c.is_ascii_alphanumeric()).all(|part| {
        let mix = mix(part);
        let letters = mix.lower + mix.upper;
        if letters == 0 {
            return mix.digits <= 4;
        }
        let tail = part.bytes().rev().take_while(u8::is_ascii_digit).count();
        let head = part.bytes().take_while(u8::is_ascii_digit).count();
        let humps = part
            .as_bytes()
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
        // Words keep their letters together: digits stand at an end, and capitals begin words.
        (mix.digits == 0 || (tail.max(head) == mix.digits && mix.digits <= 4 && letters >= mix.digits))
            && (letters <= 3 || !is_gibberish(part))
            && (mix.upper == 0 || mix.lower == 0 || humps.count() * 4 <= part.len())
    })
}

/// Whether a value stands for a secret and is none: "changeme", "xxxx", "your-key-here", "AKIA…EXAMPLE".
#[must_use]
pub fn is_placeholder(value: &str) -> bool {
    const TELLING: [&str; 22] = [
        "example",
        "xxxx",
        "your",
        "placeholder",
        "changeme",
        "change_me",
        "change-me",
        "replace",
        "insert",
        "dummy",
        "redacted",
        "sample",
        "_here",
        "-here",
        "put_",
        "todo",
        "fixme",
        "****",
        "....",
        "<",
        "my-secret",
        "not-a-real",
    ];
    let small = value.get(..value.len().min(96)).unwrap_or(value).to_ascii_lowercase();
    if TELLING.iter().any(|telling| small.contains(telling)) {
        return true;
    }
    let mix = mix(value);
    let len = value.len().min(256);
    // The same few signs over and over, or the alphabet.
    (len >= 8 && mix.different <= 3) || (len >= 20 && mix.different <= 5) || runs_on(value) * 2 > len
}

/// How many bytes belong to runs of six or more that count up, count down or repeat: "abcdef", "123456", "000000".
fn runs_on(value: &str) -> usize {
    let bytes = value.as_bytes();
    let mut total = 0;
    let mut run = 1;
    let mut last_step = 2_i16;
    for pair in bytes.windows(2).take(256) {
        let [a, b] = pair else { continue };
        let step = i16::from(*b) - i16::from(*a);
        if step.abs() <= 1 && (step == last_step || run == 1) {
            run += 1;
        } else {
            total += if run >= 6 { run } else { 0 };
            run = 1;
        }
        last_step = step;
    }
    total + if run >= 6 { run } else { 0 }
}

/// Whether a value points at a secret that is elsewhere, or is code: `${KEY}`, `{{ key }}`, `process.env.KEY`, `f(x)`.
#[must_use]
pub fn is_reference(value: &str) -> bool {
    let bytes = value.as_bytes();
    let Some(&first) = bytes.first() else { return true };
    if matches!(first, b'{' | b'<' | b'(' | b'[' | b'`' | b'>' | b'=' | b'|' | b'\\' | b',' | b')' | b'}' | b']') {
        return true;
    }
    // `$KEY`, `${KEY}`, `$(command)`, `%KEY%`, `@Value`, `&key`; a dollar before a digit begins a hash or a password.
    let second = bytes.get(1).copied().unwrap_or(0);
    if matches!(first, b'$' | b'&') && (second.is_ascii_uppercase() || matches!(second, b'{' | b'(' | b'_')) {
        return true;
    }
    if first == b'$' && bytes.iter().skip(1).all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return true;
    }
    if first == b'%' && bytes.last() == Some(&b'%') && value.len() > 2 {
        return true;
    }
    let small = value.get(..value.len().min(32)).unwrap_or(value).to_ascii_lowercase();
    const ELSEWHERE: [&str; 26] = [
        "process.env",
        "os.environ",
        "os.getenv",
        "getenv",
        "env(",
        "env[",
        "env.",
        "env:",
        "secrets.",
        "vault:",
        "ssm:",
        "var.",
        "self.",
        "this.",
        "config.",
        "settings.",
        "http://",
        "https://",
        "file:",
        "file://",
        "arn:",
        "../",
        "./",
        "~/",
        "c:\\",
        "!ref",
    ];
    if ELSEWHERE.iter().any(|start| small.starts_with(start)) || value.contains("${") || value.contains("{{") {
        return true;
    }
    is_code(value)
}

/// Whether a value is a call, an index or a path of names: `input("…")`, `form["x"]`, `form.password.value`, `a::b`.
fn is_code(value: &str) -> bool {
    let head = value.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let begins_with_letter = value.as_bytes().first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let after = value.get(head..).unwrap_or_default();
    if begins_with_letter && head >= 2 {
        if after.starts_with("::") || after.starts_with("->") || after.starts_with("()") {
            return true;
        }
        if (after.starts_with('(') && value.ends_with([')', '(', '"', '\'']))
            || after.starts_with("[\"")
            || after.starts_with("['")
        {
            return true;
        }
        let is_path = |part: &str| {
            part.as_bytes().first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && (part.len() <= 3 || !is_gibberish(part))
                && part.bytes().filter(u8::is_ascii_digit).count() <= 2
        };
        if after.starts_with('.') && value.trim_end_matches(['(', ')', ';']).split('.').all(is_path) {
            return true;
        }
    }
    // A regular expression or an escaped one.
    value.starts_with('^')
        || value.contains("(?")
        || value.contains("\\d")
        || value.contains(".*")
        || value.contains("[a-z")
}

/// Whether a value is a UUID.
#[must_use]
pub fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a token is as good as random: long, of mixed signs, and no words.
#[must_use]
pub fn is_random(value: &str) -> bool {
    let mix = mix(value);
    let letters = mix.lower + mix.upper;
    if value.len() < 16 || mix.different < 8 || is_wordy(value) || is_placeholder(value) {
        return false;
    }
    if mix.digits == 0 {
        // Letters alone: capitals in the middle of words, and pairs that no language has.
        return mix.upper >= 3 && mix.lower >= 3 && value.len() >= 20 && is_gibberish(value) && entropy(value) > 3.5;
    }
    let changes = value
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()))
        .count();
    letters >= 2 && (changes >= 4 || (mix.upper > 0 && mix.lower > 0 && is_gibberish(value))) && entropy(value) > 2.9
}

/// How sure the words around a value are that it is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The value of something called a password, in a file or in code.
    Password,
    /// What somebody calls a password in prose.
    Told,
    /// The value of something called a token, a secret or an API key.
    Token,
    /// The value of something that only has the name of a service.
    Service,
}

/// Whether a value that has a role can be a secret. `quoted` says that it stands between quotes.
#[must_use]
pub fn is_secret(value: &str, role: Role, quoted: bool) -> bool {
    if value.len() > 4096 || is_placeholder(value) || is_reference(value) {
        return false;
    }
    let mix = mix(value);
    let letters = mix.lower + mix.upper;
    match role {
        Role::Password => {
            let strong = mix.digits > 0 || mix.signs > 0;
            value.len() >= 5
                && strong
                && !value.contains(' ')
                && !(mix.digits == 0 && is_wordy(value))
                && !is_dull(value)
                && (letters > 0 || value.len() >= 6)
                || (value.len() >= 10 && letters == value.len() && is_gibberish(value) && quoted)
        }
        Role::Told => {
            value.len() >= 6
                && ((letters > 0 && (mix.digits > 0 || mix.signs > 0)) || mix.digits >= 6)
                && !(mix.digits == 0 && is_wordy(value))
                && !is_dull(value)
                && value.bytes().all(|byte| byte.is_ascii_graphic())
        }
        Role::Token => {
            if is_uuid(value) {
                return true;
            }
            let mixed = value.len() >= 8 && mix.digits > 0 && letters > 0 && mix.different >= 5 && !is_wordy(value);
            (mixed && value.bytes().all(|byte| byte.is_ascii_graphic()))
                || (value.len() >= 15 && mix.digits == value.len() && quoted)
                || (value.len() >= 16
                    && mix.digits == 0
                    && !is_wordy(value)
                    && !value.contains(' ')
                    && is_gibberish(value))
        }
        Role::Service => value.len() >= 16 && !is_uuid(value) && is_random(value) && !value.contains(['/', ' ']),
    }
}

/// Values that stand after a password's name in code and schemas and are none: types, limits, dates.
fn is_dull(value: &str) -> bool {
    const DULL: [&str; 24] = [
        "string",
        "str",
        "varchar",
        "text",
        "null",
        "none",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "char(",
        "nvarchar",
        "password1",
        "passw0rd",
        "option<",
        "vec<",
        "list[",
        "dict[",
        "sha256",
        "bcrypt",
        "base64",
        "utf-8",
        "admin/",
    ];
    let small = value.to_ascii_lowercase();
    DULL.iter().any(|dull| small.starts_with(dull) && small.len() <= dull.len() + 6)
        || small.contains("==")
        || small.contains("!=")
}
