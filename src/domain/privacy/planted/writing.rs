//! Ways of writing a value that the guard claims to see through.

use super::super::FindingKind;
use super::Planted;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writing {
    Plain,
    /// `%40`
    Percent,
    /// `\u0040`
    Unicode,
    /// `\x40`
    Hexadecimal,
    /// `&#64;`
    Entity,
    /// `&#x40;`
    HexEntity,
    /// `&commat;`
    NamedEntity,
    /// `＠`
    FullWidth,
    /// Nothing visible between the signs.
    Invisible,
    /// Letters and digits of mathematics.
    Mathematical,
    /// Wide spaces and typographers' hyphens.
    Typographic,
    /// Digits of another script.
    ArabicDigits,
    /// The sentence in base64.
    Base64,
}

impl Writing {
    pub(crate) const ALL: [Self; 13] = [
        Self::Plain,
        Self::Percent,
        Self::Unicode,
        Self::Hexadecimal,
        Self::Entity,
        Self::HexEntity,
        Self::NamedEntity,
        Self::FullWidth,
        Self::Invisible,
        Self::Mathematical,
        Self::Typographic,
        Self::ArabicDigits,
        Self::Base64,
    ];

    /// Whether the guard claims to find this kind in this writing: values are seen through all of them, but what
    /// everybody may see is not looked for in base64; what a prompt is about is read as it stands.
    pub(crate) fn is_for(self, planted: &Planted) -> bool {
        use FindingKind as Kind;
        let is_public = matches!(
            planted.kind,
            Kind::Url
                | Kind::Name
                | Kind::Place
                | Kind::Organisation
                | Kind::Date
                | Kind::Age
                | Kind::Title
                | Kind::LocalIp
        );
        match self {
            Self::Plain => true,
            _ if !planted.kind.is_a_value() || planted.kind == Kind::Named => false,
            Self::Base64 => !is_public && planted.sentence().is_ascii(),
            _ => true,
        }
    }

    /// The sentence in this writing, and what of it must not leave.
    pub(crate) fn write(self, planted: &Planted) -> (String, String) {
        if self == Self::Base64 {
            let token = base64(&planted.sentence());
            return (format!("decode {token} for me"), token);
        }
        let value: String = planted.value.chars().map(|sign| self.sign(sign)).collect();
        let text = format!("{}{value}{}", planted.before, planted.after);
        // A value of a few signs is told by what stands around it.
        let trace = if planted.trace == planted.value { value } else { format!("{value}{}", planted.after) };
        (text, trace)
    }

    fn sign(self, sign: char) -> String {
        let code = u32::from(sign);
        match self {
            Self::Percent if sign.is_ascii() => format!("%{code:02X}"),
            Self::Unicode if sign.is_ascii() => format!("\\u{code:04x}"),
            Self::Hexadecimal if sign.is_ascii() => format!("\\x{code:02x}"),
            Self::Entity if sign.is_ascii() => format!("&#{code};"),
            Self::HexEntity if sign.is_ascii() => format!("&#x{code:X};"),
            Self::NamedEntity => match sign {
                '@' => "&commat;".to_owned(),
                '.' => "&period;".to_owned(),
                ' ' => "&nbsp;".to_owned(),
                ':' => "&colon;".to_owned(),
                '=' => "&equals;".to_owned(),
                '_' => "&lowbar;".to_owned(),
                _ => sign.to_string(),
            },
            Self::FullWidth if sign.is_ascii_graphic() => {
                char::from_u32(code + 0xFEE0).map(String::from).unwrap_or_default()
            }
            Self::Invisible => format!("{sign}\u{200B}"),
            Self::Mathematical if sign.is_ascii_uppercase() => shifted(sign, 'A', 0x1D400),
            Self::Mathematical if sign.is_ascii_lowercase() => shifted(sign, 'a', 0x1D41A),
            Self::Mathematical if sign.is_ascii_digit() => shifted(sign, '0', 0x1D7CE),
            Self::Typographic if sign == ' ' => "\u{2009}".to_owned(),
            Self::Typographic if sign == '-' => "\u{2011}".to_owned(),
            Self::ArabicDigits if sign.is_ascii_digit() => shifted(sign, '0', 0x660),
            _ => sign.to_string(),
        }
    }
}

fn shifted(sign: char, from: char, to: u32) -> String {
    char::from_u32(u32::from(sign) - u32::from(from) + to).map(String::from).unwrap_or_default()
}

fn base64(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let number = (0..3).fold(0_u32, |number, at| number << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
            (0..4_usize).map(move |at| {
                if at > chunk.len() { '=' } else { char::from(SIGNS[(number >> (18 - 6 * at)) as usize & 63]) }
            })
        })
        .collect()
}
