//! Key-shaped strings are put together here, so that no scanner takes this file for a leak.

use proptest::prelude::*;

use super::super::FindingKind as Kind;
use super::super::{GuardPolicy, Handling};
use super::*;

fn all(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    scan(text, Kinds::all(), |hit| hits.push(hit));
    hits
}

/// What the guard would keep on this machine, as it stands in the text.
fn kept(text: &str) -> Vec<(Kind, &str)> {
    let mut hits = Vec::new();
    let wanted = GuardPolicy::default().kinds(Handling::KeepLocal);
    scan(text, wanted, |hit| hits.push((hit.kind, text.get(hit.start..hit.end).unwrap())));
    hits
}

/// Signs as good as random, always the same ones; letters of both sizes and digits.
fn random(length: usize) -> String {
    const SIGNS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut state = 88_172_645_463_325_252_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(SIGNS[(state >> 20) as usize % SIGNS.len()])
        })
        .collect()
}

fn hex(length: usize) -> String {
    random(length * 4)
        .bytes()
        .map(|byte| char::from(b"0123456789abcdef"[usize::from(byte) * 7 % 16]))
        .take(length)
        .collect()
}

#[test]
fn personal_data_is_found_where_it_stands() {
    for (text, kind, what) in [
        ("mail ada@example.org today", Kind::Email, "ada@example.org"),
        ("für éada@example.org", Kind::Email, "éada@example.org"),
        ("ada [at] example [dot] org", Kind::Email, "ada [at] example [dot] org"),
        ("user%40example.org", Kind::Email, "user%40example.org"),
        (r#"{"to":"user\u0040example.org"}"#, Kind::Email, r"user\u0040example.org"),
        ("write user&#64;example.org", Kind::Email, "user&#64;example.org"),
        ("card 4111 1111 1111 1111", Kind::Card, "4111 1111 1111 1111"),
        ("卡号4111111111111111。", Kind::Card, "4111111111111111"),
        (
            "pay with 4111\u{200b}1111\u{200b}1111\u{200b}1111 now",
            Kind::Card,
            "4111\u{200b}1111\u{200b}1111\u{200b}1111",
        ),
        ("amex 3782-822463-10005", Kind::Card, "3782-822463-10005"),
        ("IBAN DE89 3704 0044 0532 0130 00.", Kind::Iban, "DE89 3704 0044 0532 0130 00"),
        ("my iban is gb82west12345698765432", Kind::Iban, "gb82west12345698765432"),
        ("account number: 12345678901", Kind::BankAccount, "12345678901"),
        ("routing number 021000021", Kind::BankAccount, "021000021"),
        (
            "pay bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            Kind::CryptoWallet,
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        ),
        ("my passport is C01X00T47", Kind::Passport, "C01X00T47"),
        ("driver's license number S123-4567-8901", Kind::DrivingLicence, "S123-4567-8901"),
        ("from 93.184.216.34", Kind::IpAddress, "93.184.216.34"),
        ("from 2607:f8b0:4005:805::200e now", Kind::IpAddress, "2607:f8b0:4005:805::200e"),
        ("lives at 12 Old Mill Road, Springfield", Kind::Address, "12 Old Mill Road, Springfield"),
        ("wohnt Hauptstraße 12, 10115 Berlin", Kind::Address, "Hauptstraße 12, 10115 Berlin"),
        ("DOB: 04/12/1984", Kind::BirthDate, "04/12/1984"),
        ("I was born on 4 December 1984.", Kind::BirthDate, "4 December 1984"),
    ] {
        assert!(kept(text).contains(&(kind, what)), "{kind} in {text}: {:?}", kept(text));
    }
}

#[test]
fn telephone_numbers_are_told_by_form_or_by_the_words_beside_them() {
    for text in [
        "call +44 20 7946 0958",
        "call (212) 555-0147 now",
        "電話 ２１２-５５５-０１４７",
        "+49 (0)30 901820",
        "06 12 34 56 78",
        "+55 (11) 98765-4321",
        "345-899-3560x4587",
        "mobile: 3471234567",
        "手机号13812345678",
        r#""phone":"4155550132","#,
        "you can reach me on 9472 7916",
        "0044 20 7946 0958",
        "My number is 07911 123456",
    ] {
        assert!(kept(text).iter().any(|(kind, _)| *kind == Kind::Phone), "{text}: {:?}", kept(text));
    }
    for text in [
        "call fn at line 1234567890",
        "timestamp 1795372244",
        "The answer is 1234567890",
        "12 34 56 78",
        "x = 3.14159265358979",
        "ISBN 978-3-16-148410-0",
        "a phone with 12345678 transistors",
        "the phone was sold in 2010 2011 2012",
        "0110 1001 1100",
    ] {
        assert_eq!(kept(text), vec![], "{text}");
    }
}

#[test]
fn national_numbers_are_checked() {
    for (text, detail) in [
        ("ssn 123-45-6789", "US social security number"),
        ("é123-45-6789", "US social security number"),
        ("911-70-1234", "US taxpayer number"),
        ("AA 12 34 56 B", "UK national insurance number"),
        ("NHS number 943 476 5919", "UK NHS number"),
        ("1 84 12 76 451 089 46", "French social security number"),
        ("NIR 184127645108946", "French social security number"),
        ("DNI 12345678Z", "Spanish identity number"),
        ("RSSMRA85T10A562S", "Italian tax code"),
        ("BSN 111222333", "Dutch citizen number"),
        ("PESEL 44051401359", "Polish personal number"),
        ("811218-9876", "Swedish personal number"),
        ("CPF 529.982.247-25", "Brazilian taxpayer number"),
        ("PAN ABCPE1234F", "Indian PAN"),
        ("SIN 130 692 544", "Canadian insurance number"),
        ("TFN 123 456 782", "Australian tax file number"),
        ("11010519491231002X", "Chinese resident number"),
        ("S1234567D", "Singaporean identity number"),
        ("131052-308T", "Finnish personal code"),
        ("AHV 756.9217.0769.85", "Swiss social security number"),
        ("900101-1234567", "Korean resident number"),
    ] {
        let found =
            all(text).iter().any(|hit| matches!(hit.kind, Kind::NationalId | Kind::HealthId) && hit.detail == detail);
        assert!(found, "{detail}: {:?}", all(text));
    }
    for text in ["12345678A", "666-12-3456", "part 123456789", "CPF 529.982.247-26", "PESEL 44051401358"] {
        assert!(!all(text).iter().any(|hit| hit.kind == Kind::NationalId), "{text}");
    }
}

#[test]
fn keys_are_found_whole() {
    let (long, digits) = (random(40), hex(40));
    for (before, key, after) in [
        ("key ", format!("{}{long}", "sk-ant-"), " please"),
        ("", format!("{}{}", "AKIA", "Q3EGRXJ2M5TVK7ZD"), ""),
        ("use ", format!("{}{}", "ghp_", random(36)), "."),
        ("{\"t\": \"", format!("{}{}", "glpat-", random(20)), "\"}"),
        ("bot ", format!("{}:AA{}", "7213808860", random(33)), ""),
        ("", format!("{}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", random(43)), ""),
        ("WANDB_API_KEY=", digits.clone(), "\n"),
        ("the key i got is ", digits.clone(), " (WANDB_API_KEY), what now?"),
        ("curl -H \"Authorization: Bearer ", long.clone(), "\""),
        ("here is my api key: ", long.clone(), ""),
        ("Can you use ", digits.clone(), " as the token?"),
        ("  - name: API_TOKEN\n    value: ", digits, "\n"),
        ("some_new_service ", format!("{}{}", "acme_live_", random(32)), " fails"),
        ("client = Client(api_key=\"", long, "\")"),
        ("https://acct.example.net/c?sv=1&sig=", random(43), ""),
        ("hook ", format!("https://{}/services/T0/B0/{}", "hooks.slack.com", random(24)), ""),
    ] {
        let text = format!("{before}{key}{after}");
        let (start, end) = (before.len(), before.len() + key.len());
        let found = all(&text).iter().any(|hit| hit.kind == Kind::Key && hit.start <= start && hit.end >= end);
        assert!(found, "{before}…: {:?}", all(&text));
    }
}

#[test]
fn private_keys_are_found_to_their_last_line() {
    let body = format!("{}\n{}", random(64), random(50));
    for line in ["\n", "\\n"] {
        let key =
            format!("-----BEGIN {0}-----{line}{1}{line}-----END {0}-----", "RSA PRIVATE KEY", body.replace('\n', line));
        let text = format!("my key:\n{key} ok");
        assert_eq!(kept(&text), vec![(Kind::PrivateKey, key.as_str())]);
    }
    assert!(!kept("-----BEGIN RSA PRIVATE KEY-----").is_empty());
    assert!(kept("-----BEGIN PUBLIC KEY-----").is_empty());
}

#[test]
fn passwords_are_found_in_code_and_in_prose() {
    for (text, what) in [
        ("postgres://app:hunter22@db/app", "postgres://app:hunter22@db/app"),
        ("my password is hunter22!", "hunter22!"),
        ("DB_PASSWORD=Abc9558!nm", "Abc9558!nm"),
        ("password: 'Tr0ub4dor&3'", "Tr0ub4dor&3"),
        ("The password for the server is Tr0ub4dor3.", "Tr0ub4dor3"),
        ("My boss sent me the password (Summer374?) today", "Summer374?"),
        ("rotate this password for me `monkey602$`", "monkey602$"),
        ("hunter2x9 is my password", "hunter2x9"),
        ("密码是hunter22", "hunter22"),
        ("\"password\":\"hunter22!\",", "hunter22!"),
        ("curl -u admin:d2LkV78zL https://example.org", "admin:d2LkV78zL"),
        ("mysqlPassword = \"s3cretPass\"", "s3cretPass"),
    ] {
        assert!(kept(text).contains(&(Kind::Password, what)), "{text}: {:?}", kept(text));
    }
}

#[test]
fn a_look_through_base64() {
    // "ada@example.org wrote this text"
    let encoded = "YWRhQGV4YW1wbGUub3JnIHdyb3RlIHRoaXMgdGV4dA==";
    assert_eq!(kept(&format!("decode {encoded} for me")), vec![(Kind::Email, encoded)]);
    // "hello world, this is plain text"
    assert_eq!(kept("aGVsbG8gd29ybGQsIHRoaXMgaXMgcGxhaW4gdGV4dA=="), vec![]);
}

#[test]
fn harmless_text_is_let_through() {
    let (sha, md5, digest) = (hex(40), hex(32), hex(64));
    let owned = [
        format!("commit {sha}"),
        format!("Why would the cache key {md5} never be hit?"),
        format!("app@sha256:{digest}"),
        format!("Convert: checksum = \"{digest}\""),
        format!("integrity=\"sha384-{}\"", random(64)),
        format!("ghp_{}", "x".repeat(36)),
        format!("{}{}", "AKIA", "IOSFODNN7EXAMPLE"),
    ];
    for text in owned.iter().map(String::as_str).chain([
        "Explain quantum computing",
        "card 4111 1111 1111 1112",
        "version 1.2.3.4 is out",
        "192.168.1.10 is my router",
        "the password is required",
        "password: string",
        "def check(password: str = None) -> bool:",
        "api_key = os.environ.get(\"API_KEY\")",
        "api_key=YOUR_API_KEY",
        "password=${DB_PASSWORD}",
        "if password == user.password:",
        "const token = await getToken(user.id);",
        "The password must contain at least 8 characters, 1 number and 1 symbol.",
        "max_tokens: 1024",
        "credentialsId: 'ff083f76-7804-4ef1-80e4-fe975bb9141b'",
        "git@github.com:rust-lang/rust.git",
        "x = a[::2] + std::cout",
        "invoice 462728231904",
        "order 39683008593765",
        "My website is https://example.org/page?id=12",
        "Ada Lovelace was born on 10 December 1815.",
        "curl -u \"${USER}:${PASSWORD}\" https://example.org",
        "The secret to success is hard work.",
        "q@k.transpose(-2, -1)",
    ]) {
        assert_eq!(kept(text), vec![], "{text}");
    }
}

#[test]
fn what_nobody_keeps_is_told_when_asked_for() {
    for (text, kind) in [
        ("see https://example.org/a.", Kind::Url),
        ("Dr. Ada Lovelace wrote", Kind::Name),
        ("Dr. Ada Lovelace wrote", Kind::Title),
        ("my name is Xiomara Quill", Kind::Name),
        ("ask Jennifer Olesen", Kind::Name),
        ("moved to Iceland", Kind::Place),
        ("Acme Widgets Inc. sells", Kind::Organisation),
        ("she is 47 years old", Kind::Age),
        ("on 2024-03-15", Kind::Date),
        ("192.168.1.10", Kind::LocalIp),
    ] {
        assert!(all(text).iter().any(|hit| hit.kind == kind), "{kind} in {text}: {:?}", all(text));
    }
}

#[test]
fn of_findings_that_overlap_one_is_told() {
    let text = format!("see https://user:{}@example.org/x and ada@example.org", "hunter22x");
    let hits = all(&text);
    assert_eq!(hits.iter().map(|hit| hit.kind).collect::<Vec<_>>(), vec![Kind::Password, Kind::Email]);
    assert!(hits.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

#[test]
fn only_wanted_kinds_are_told() {
    let mut kinds = Vec::new();
    let text = "ada@example.org, 4111 1111 1111 1111";
    scan(text, Kinds::of(&[Kind::Card]), |hit| kinds.push(hit.kind));
    assert_eq!(kinds, vec![Kind::Card]);
}

/// How many bytes all searches ask for, for each byte of the text.
fn work(text: &str) -> usize {
    let page = Page::read(text);
    let mut hits = Hits { wanted: Kinds::all(), list: Vec::new() };
    search(&page, &mut hits);
    encoded::find(&page, &mut hits);
    page.touched.get() / text.len().max(1)
}

#[test]
fn no_text_costs_more_than_its_size() {
    // Each of these begins something again and again that never ends.
    for unit in [
        "a",
        "1",
        "1 ",
        "@",
        "a@",
        "a.",
        "a_",
        "4111 ",
        "key=",
        "key=\"",
        "password ",
        "token is ",
        "+1",
        "(",
        "http://",
        "eyJa.",
        "::",
        "1.1.1.",
        "a1B2c3D4",
        "Street 1 ",
        "John ",
        "电话",
        "curl -u ",
        "passwordA",
        "sk-a",
        "seed: abc ",
        "<password>",
        "token (",
        "-----BEGIN PRIVATE KEY-----",
        "a at b dot ",
        "box 1 ",
        "https://a?key=",
        "eyJhbGciOiJIUzI1NiJ9.",
        "name: value: ",
    ] {
        let (short, long) = (work(&unit.repeat(4_000 / unit.len())), work(&unit.repeat(64_000 / unit.len())));
        assert!(long <= 600, "{unit}: {long} for each byte");
        assert!(long <= short * 2 + 40, "{unit}: {short} for each byte of a short text, {long} of a long one");
    }
}

proptest! {
    #[test]
    fn findings_lie_on_characters_and_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        check(&text)?;
    }

    #[test]
    fn pieces_of_what_is_looked_for_break_nothing(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
    ) {
        check(&pieces.concat())?;
    }

    #[test]
    fn any_characters_break_nothing(text in "\\PC{0,200}") {
        check(&text)?;
    }
}

const PIECES: &[&str] = &[
    "@",
    ".",
    ":",
    "://",
    " ",
    "\n",
    "-",
    "+",
    "(",
    ")",
    "=",
    "\"",
    "'",
    "4111",
    "1111 ",
    "0",
    "12",
    "é",
    "电话",
    "\u{200b}",
    "％",
    "１",
    "%40",
    "\\u0040",
    "&#64;",
    "\\n",
    "password",
    "token",
    "key",
    "api_",
    " is ",
    "my ",
    "sk-",
    "eyJ",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "-----END ",
    "Street",
    "Rue ",
    "Box",
    "Dr. ",
    "Ada ",
    "http",
    "user",
    "example.org",
    "GB82WEST",
    "::1",
    "/24",
    "x12",
    "curl -u ",
    "seed phrase: ",
    "abc ",
    "name: ",
    "value: ",
    "DOB ",
    "12/12/2001",
    "AKIA",
    "Q~",
    "|",
    "~",
    "<",
    ">",
    "{",
    "}",
    "$",
    "born ",
];

fn check(text: &str) -> Result<(), TestCaseError> {
    let mut last = 0;
    for hit in all(text) {
        prop_assert!(hit.start < hit.end && hit.end <= text.len());
        prop_assert!(text.is_char_boundary(hit.start) && text.is_char_boundary(hit.end));
        prop_assert!(hit.start >= last, "findings overlap");
        last = hit.end;
        prop_assert!(!hit.why.is_empty());
    }
    Ok(())
}
