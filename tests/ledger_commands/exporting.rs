//! Everything that is kept can be written for other programs.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use llm_call::domain::time::Timestamp;
use llm_call::engine::Clock;
use llm_call::store::record::{AuditKind, AuditRow, Record, RequestRow};
use serde_json::Value;

use super::{folder, paid, request, run, told, write};

/// Reads CSV as RFC 4180 has it.
fn fields(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            (_, '"') => quoted = !quoted,
            (false, ',') => row.push(std::mem::take(&mut field)),
            (false, '\r') => {}
            (false, '\n') => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            (_, c) => field.push(c),
        }
    }
    rows
}

#[tokio::test]
async fn every_row_is_written_once_in_its_order_however_many_there_are() {
    let state = folder();
    let now = Clock::system().now();
    let day = Clock::system().day(now);
    let mut records = Vec::new();
    // More than two pages of what is read in one go.
    for id in 1..=2_345_u32 {
        let at = Timestamp(now.0 + i64::from(id));
        records.push(Record::Request(request(u128::from(id), at)));
        records.push(Record::Settled(paid(u128::from(id), at, day, i64::from(id))));
        let what = format!("act {id}");
        records.push(Record::Audit(AuditRow {
            at,
            kind: AuditKind::Engine,
            by: "engine".into(),
            target: None,
            what,
            request: None,
        }));
    }
    write(state.path(), records).await;
    let lines = |what: &str, field: &str| {
        let out = told(state.path(), &["export", what]);
        let one = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")[field].to_string();
        out.lines().map(one).collect::<Vec<_>>()
    };
    for what in ["requests", "attempts"] {
        let ids = lines(what, "request");
        assert_eq!((ids.len(), ids.is_sorted()), (2_345, true), "{what}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 2_345);
    }
    let acts: Vec<String> = (1..=2_345).map(|id| format!("\"act {id}\"")).collect();
    assert_eq!(lines("audit", "what"), acts);
    let cost: i64 = lines("attempts", "cost_nano_usd").iter().filter_map(|cost| cost.parse::<i64>().ok()).sum();
    assert_eq!(cost, (1..=2_345).sum::<i64>());
}

#[tokio::test]
async fn csv_has_the_same_rows_and_what_stands_in_a_field_stays_in_it() {
    let state = folder();
    let now = Clock::system().now();
    let hostile = "a \"caller\", with\r\na line";
    let asked = RequestRow { caller: hostile.into(), ..request(1, now) };
    write(state.path(), vec![Record::Request(asked)]).await;
    let csv = told(state.path(), &["export", "requests", "--format", "csv"]);
    let table = fields(&csv);
    let json: Value = serde_json::from_str(&told(state.path(), &["export", "requests"])).expect("one line");
    let row = json.as_object().expect("an object");
    assert_eq!(table.len(), 2, "a header and a row: {csv}");
    assert_eq!(table[0], row.keys().cloned().collect::<Vec<_>>(), "the header has the names of the fields");
    for (value, field) in row.values().zip(&table[1]) {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!(text, *field);
    }
    // Where there are no rows, the header stands alone.
    let csv = told(state.path(), &["export", "attempts", "--format", "csv"]);
    assert!(csv.starts_with("request,number,at,caller,") && csv.ends_with("\r\n") && csv.lines().count() == 1, "{csv}");
}

#[tokio::test]
async fn a_file_is_for_its_owner_alone_and_is_replaced_only_where_that_is_asked_for() {
    let state = folder();
    write(state.path(), vec![Record::Request(request(1, Clock::system().now()))]).await;
    let path = state.path().join("out.jsonl");
    let to = ["export", "requests", "--output", path.to_str().expect("UTF-8")];
    let (code, out, err) = run(state.path(), &to);
    assert!(code == 0 && out.is_empty() && err.contains("1 row written to "), "{code} {out} {err}");
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read_to_string(&path).expect("readable");
    assert_eq!(first, told(state.path(), &["export", "requests"]));

    write(state.path(), vec![Record::Request(request(2, Clock::system().now()))]).await;
    let (code, _, err) = run(state.path(), &to);
    assert!(code == 2 && err.contains("is there already; --force replaces it"), "{code} {err}");
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), first);
    assert_eq!(run(state.path(), &[&to[..], &["--force"]].concat()).0, 0);
    assert_eq!(std::fs::read_to_string(&path).expect("readable").lines().count(), 2);
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(state.path()).expect("readable").filter_map(Result::ok).collect();
    assert!(names.iter().all(|entry| !entry.file_name().to_string_lossy().contains(".part")), "{names:?}");
    let (code, _, err) = run(state.path(), &["export", "audit", "--force", "--output", "/dev/null"]);
    assert!(code == 2 && err.contains("/dev/null is no file"), "{code} {err}");
    let nowhere = state.path().join("nowhere/out.jsonl");
    let (code, _, err) = run(state.path(), &["export", "audit", "--output", nowhere.to_str().expect("UTF-8")]);
    assert!(code == 1 && err.contains("cannot write"), "{code} {err}");
}
