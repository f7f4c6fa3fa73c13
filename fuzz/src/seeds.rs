//! Writes seeds for both targets: `cargo run --bin seeds`. They are made here, so that none is copied from anywhere.

use std::fs;
use std::io;

fn main() -> io::Result<()> {
    let key = "aB3xY9Qz".repeat(5);
    let seeds = [
        "mail ada@example.org, user%40example.org, ada [at] example [dot] org".to_owned(),
        "card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, ssn 123-45-6789".to_owned(),
        "call +44 20 7946 0958 or (212) 555-0147 x12; Fax: 345-899-3560".to_owned(),
        "93.184.216.34/24 and 2607:f8b0::200e; http://[2001:db8::1]/x".to_owned(),
        format!("API_TOKEN={key}\npassword: 'hunter22!'\n--token {key}\nthe key is {key} (API_KEY)"),
        format!("postgres://app:hunter22@db/app https://example.org/?sig={key}"),
        format!("-----BEGIN {0}-----\n{key}\n-----END {0}-----", "RSA PRIVATE KEY"),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.sig".to_owned(),
        "12 Old Mill Road, Springfield; Rua Augusta 1500; P.O. Box 12; DOB: 04/12/1984".to_owned(),
        "Dr. Ada Lovelace, aged 36 years old, Acme Inc., Iceland, 2024-03-15".to_owned(),
        "卡号４１１１１１１１１１１１１１１１。 电话 ０３－１２３４－５６７８".to_owned(),
    ];
    for target in ["guard_scan", "guard_pieces"] {
        fs::create_dir_all(format!("corpus/{target}"))?;
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(format!("corpus/{target}/{index}"), seed)?;
        }
    }
    Ok(())
}
