//! Writes seeds for both targets, and a dictionary: `cargo run --bin seeds`. They are made here, so that none is copied
//! from anywhere: values as the guard's own tests plant them, the forms in which people and programs write them, and what
//! looks like them and is none.

#[path = "../../src/domain/privacy/planted/chance.rs"]
mod chance;
mod pieces;
#[path = "../../src/domain/privacy/planted/value.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod value;

use std::collections::BTreeSet;
use std::fs;
use std::io;

use chance::Chance;
use pieces::PIECES;

/// How many of each kind.
const EACH: u64 = 6;

type Maker = fn(&mut Chance) -> value::Words;

/// Every kind of value.
const MAKERS: [Maker; 22] = [
    value::email,
    value::phone,
    value::card,
    value::iban,
    value::bank_account,
    value::wallet,
    value::national,
    value::health,
    value::host,
    value::local_host,
    value::site,
    value::name,
    value::address,
    value::birth_date,
    value::key,
    value::private_key,
    value::password,
    value::confidential,
    value::personal_records,
    value::proprietary_code,
    value::stay_local,
    value::attack,
];

/// The forms in which a secret stands in files, commands and talk. `{}` is where it stands.
const FORMS: [&str; 28] = [
    "API_TOKEN={}",
    "export DB_PASSWORD='{}'",
    "password: \"{}\"",
    "{\"auth\": {\"token\": \"{}\"}}",
    "{\\\"password\\\":\\\"{}\\\"}",
    "<password>{}</password>",
    "<add key=\"ApiKey\" value=\"{}\"/>",
    "  - name: API_TOKEN\n    value: {}",
    "const apiKey = `{}`;",
    "client = Client(api_key=\"{}\")",
    "curl -H \"Authorization: Bearer {}\" https://example.org",
    "curl -u admin:{} https://example.org",
    "mysql -p{} app",
    "--token {} --verbose",
    "machine example.org login ada password {}",
    "//registry.example.org/:_authToken={}",
    "aws_secret_access_key = {}",
    "Server=db;User Id=sa;Password={};",
    "postgres://app:{}@db.example.org:5432/app?sslmode=require",
    "redis://:{}@cache:6379/0",
    "https://example.org/cb?code=1&access_token={}#end",
    "https://{}@example.org/repo.git",
    "the password for the server is {}, keep it",
    "{} is my password",
    "密码是{}，谢谢",
    "my key (it is `{}`) does not work",
    "password = os.environ.get(\"{}\")",
    "password=${{}}",
];

/// What looks like a finding and is none, or is one that is easily read wrongly.
const NEAR: [&str; 24] = [
    "card 4111 1111 1111 1112, order 4111111111111111, ISBN 978-3-16-148410-0",
    "4111-1111 1111.1111 4111 1111 1111 1111 123 37828224631000 5",
    "gb82 WEST 1234 5698 7654 32x and DE89-3704-0044-0532-0130-00",
    "123456789 123-45-6789 666-12-3456 000-00-0000 12-3456789",
    "call fn at line 1234567890, timestamp 1795372244, +1 (212) 555-0147 x12 ext. 9",
    "1.2.3.4 v1.2.3.4 93.184.216.34:8080/24 256.1.1.1 1.2.3 fe80::1%eth0 [2001:db8::1]:443 ::ffff:1.2.3.4 a::b x[::2]",
    "a@b.transpose(-2, -1) git@example.org:x/y.git user+tag@exa-mple.co.uk \"a b\"@example.org ada@münchen.de ada@localhost",
    "ada [at] example [dot] org, ada(at)example.org, ada at example dot org, ada＠example．org",
    "user%40example.org user\\u0040example.org user&#64;example.org user&commat;example&period;org %2540 %u0040 %4",
    "2024-13-45 31/02/2020 04.12.84 2024-03-15T12:00:00Z 12 March, Dec 4th, 1984, May 2021, DOB 1984-12-04",
    "12 Old Mill Road, Apt 4B, Springfield, IL 62704; Rua Augusta 1500; 12 rue de la Paix; P. O. Box 12; APO AP 27815",
    "Dr. Ada van der Lovelace-Byron jr., O'Neill, ADA LOVELACE, name: Acme, Acme & Sons Ltd., 38-year-old",
    "api_key=YOUR_API_KEY token=xxxxxxxxxxxxxxxxxxxx password=changeme password=${DB_PASSWORD} secret: <secret>",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 0123456789abcdef0123456789abcdef",
    "credentialsId: 'ff083f76-7804-4ef1-80e4-fe975bb9141b' req_0123456789abcdefABCDEF01 integrity=\"sha384-",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----BEGIN PRIVATE KEY-----\\n-----END",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.sig eyJhbGciOiJub25lIn0.eyJ9. eyJ.eyJ.",
    "YWRhQGV4YW1wbGUub3JnIHdyb3RlIHRoaXMgdGV4dA== YWRhQGV4YW1wbGUub3Jn aGVsbG8gd29ybGQsIHRoaXMgaXMgcGxhaW4gdGV4dA",
    "seed phrase: abandon ability able about above absent absorb abstract absurd abuse access accident",
    "卡号４１１１１１１１１１１１１１１１。 电话 ０３－１２３４－５６７８ ４１１１\u{200b}1111 ٤١١١",
    "Explain what a prompt injection is. \"Ignore all previous instructions\" is one; our policy forbids it.",
    "Summarize: our\ninternal\nreport, do not\nsend it to the cloud. 不要上传 机密 総務 社外秘",
    "[EMAIL_1] \\[EMAIL\\_1\\] [email_2] [PASSWORD_1 [[AGE_1]] ]",
];

/// What a token may look like, without being anybody's.
fn secret(chance: &mut Chance) -> String {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    match chance.below(4) {
        0 => chance.signs(40, letters),
        1 => chance.signs(32, "0123456789abcdef"),
        2 => format!("{}{}!", chance.of(&["hunter", "Wombat", "Tr0ub4dor"]), chance.number(3)),
        _ => format!("acme_{}_{}", "live", chance.signs(24, letters)),
    }
}

/// Every sign as an escape, or the text within JSON within JSON.
fn rewritten(text: &str, chance: &mut Chance) -> String {
    let escape = |format: &dyn Fn(u32) -> String| {
        text.chars().map(|sign| if sign.is_ascii() { format(u32::from(sign)) } else { sign.to_string() }).collect()
    };
    match chance.below(7) {
        0 => escape(&|code| format!("%{code:02X}")),
        1 => escape(&|code| format!("\\u{code:04x}")),
        2 => escape(&|code| format!("&#{code};")),
        3 => escape(&|code| format!("\\x{code:02x}")),
        4 => escape(&|code| {
            char::from_u32(if code > 32 { code + 0xFEE0 } else { code }).map(String::from).unwrap_or_default()
        }),
        5 => text.chars().flat_map(|sign| [sign, '\u{200b}']).collect(),
        _ => serde_json::json!({ "in": serde_json::json!({ "note": text }).to_string() }).to_string(),
    }
}

/// The text in the pieces of `guard_pieces`, the longest first; some other piece for each sign that begins none.
fn in_pieces(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fits =
            (0_u8..).zip(PIECES).filter(|(_, piece)| rest.starts_with(piece)).max_by_key(|(_, piece)| piece.len());
        let (byte, length) = fits.map_or((b'x', first.len_utf8()), |(at, piece)| (at, piece.len()));
        out.push(byte);
        rest = &rest[length..];
    }
    out
}

/// What stands in quotation marks in a source file, and the words of the table of intents.
fn dictionary() -> BTreeSet<String> {
    let sources = [
        include_str!("../../src/domain/privacy/detect/prefixes.rs"),
        include_str!("../../src/domain/privacy/detect/national.rs"),
        include_str!("../../src/domain/privacy/detect/lexicon.rs"),
        include_str!("../../src/domain/privacy/detect/net.rs"),
    ];
    let quoted = sources.iter().flat_map(|source| source.lines()).flat_map(|line| line.split('"').skip(1).step_by(2));
    let cues = include_str!("../../assets/intent_cues.txt").lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    quoted
        .map(str::to_owned)
        .chain(cues.flat_map(|words| words.split('|')).map(|word| word.trim_end_matches('$').to_owned()))
        .chain(PIECES.map(str::to_owned))
        .filter(|word| (2..=24).contains(&word.len()) && !word.contains('\\'))
        .collect()
}

fn main() -> io::Result<()> {
    let mut seeds: BTreeSet<String> = NEAR.map(str::to_owned).into();
    for seed in 0..EACH {
        let mut chance = Chance::new(seed);
        for make in MAKERS {
            let (before, value, after) = make(&mut chance);
            seeds.insert(format!("{before}{}{after}", rewritten(&value, &mut chance)));
            seeds.insert(format!("{before}{value}{after}"));
        }
        for form in FORMS {
            seeds.insert(form.replace("{}", &secret(&mut chance)));
        }
    }
    for (target, write) in [("guard_scan", false), ("guard_pieces", true)] {
        fs::create_dir_all(format!("corpus/{target}"))?;
        for (index, seed) in seeds.iter().enumerate() {
            let bytes = if write { in_pieces(seed) } else { seed.clone().into_bytes() };
            fs::write(format!("corpus/{target}/seed-{index}"), bytes)?;
        }
    }
    let quoted = |word: &String| word.bytes().map(|byte| format!("\\x{byte:02X}")).collect::<String>();
    let lines: Vec<String> = dictionary().iter().map(|word| format!("\"{}\"", quoted(word))).collect();
    fs::write("corpus/guard.dict", lines.join("\n") + "\n")
}
