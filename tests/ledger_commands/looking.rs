//! What was kept is looked up: which rows, of when, and what is not known.

use std::io::Read;

use llm_call::Money;
use llm_call::domain::failure::FailureClass;
use llm_call::domain::id::ModelId;
use llm_call::domain::judgement::Judgement;
use llm_call::domain::money::{Cost, CostBasis};
use llm_call::domain::spend::Day;
use llm_call::domain::tier::Tier;
use llm_call::domain::time::Timestamp;
use llm_call::engine::{Clock, Outcome};
use llm_call::store::files::Files;
use llm_call::store::keeper;
use llm_call::store::record::{AuditKind, AuditRow, Opened, Record, RequestRow, Result as End, Settled};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;

use super::{
    ended, file, folder, json, llm_call, opened, options, paid, ran, request, rows, run, settled, told, write, write_to,
};

const HOUR: i64 = 3_600_000;

fn now() -> Timestamp {
    Clock::system().now()
}

fn today() -> Day {
    Clock::system().day(now())
}

fn ids(state: &std::path::Path, filters: &[&str]) -> Vec<String> {
    let history = json(state, &[&["history", "--json"], filters].concat());
    let id = |one: &Value| one["request"].as_str().map(|id| id[id.len() - 1..].to_owned());
    rows(&history["requests"]).iter().filter_map(id).collect()
}

/// Four requests: two hours ago one to claude that was answered; an hour ago one that went on from claude to gpu; a moment ago
/// one of the caller `web` that failed; and one that is still on its way.
async fn four(state: &std::path::Path) {
    let (now, day) = (now(), today());
    let ago = |hours: i64| Timestamp(now.0 - hours * HOUR);
    let failed = End::Failed(FailureClass::Overloaded);
    let second = Opened {
        number: 2,
        tier: Tier::Gpu,
        backend: "pod".into(),
        model: ModelId::from("llama"),
        ..opened(2, ago(1))
    };
    let web = RequestRow { caller: "web".into(), ..request(3, now) };
    let estimated = Cost::known(Money(300), CostBasis::Estimated);
    write(
        state,
        vec![
            Record::Request(request(1, ago(2))),
            Record::Settled(paid(1, ago(2), day, 1_000)),
            Record::Ended(ended(1, ago(2), Outcome::Answered, None)),
            Record::Request(request(2, ago(1))),
            Record::Settled(settled(opened(2, ago(1)), day, failed, Cost::UNKNOWN, Money(2_000_000))),
            Record::Settled(settled(
                second,
                day,
                End::Answered(llm_call::provider::Finish::Stop),
                estimated,
                Money(400),
            )),
            Record::Ended(ended(2, ago(1), Outcome::Answered, None)),
            Record::Judged {
                request: request(2, now).request,
                backend: "pod".into(),
                model: "llama".into(),
                judgement: Judgement::Good,
                quality: None,
                at: now,
            },
            Record::Request(web),
            Record::Ended(ended(3, now, Outcome::Failed, Some("claude: the key is refused"))),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_filter_keeps_what_it_names_and_nothing_else() {
    let state = folder();
    four(state.path()).await;
    for (filters, expected) in [
        (&[][..], &["1", "2", "3"][..]),
        (&["--limit", "2"], &["2", "3"]),
        (&["--since", "90m"], &["2", "3"]),
        (&["--until", "90m"], &["1"]),
        (&["--failed"], &["3"]),
        (&["--caller", "web"], &["3"]),
        // It went on to there, though it was to go elsewhere first.
        (&["--tier", "runpod"], &["2"]),
        (&["--backend", "pod", "--model", "llama"], &["2"]),
        (&["--tier", "claude", "--caller", "nightly"], &["1", "2"]),
        (&["--task", "reward"], &[]),
    ] {
        assert_eq!(ids(state.path(), filters), expected, "{filters:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_never_told_as_nothing_and_an_estimate_is_marked() {
    let state = folder();
    four(state.path()).await;
    let out = told(state.path(), &["history", "--attempts"]);
    let line = |part: &str| out.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {out}"));
    // Together they cost an estimate, and something that nobody knows.
    assert!(line("000002").contains("<$0.0001 +1?"), "{out}");
    assert!(line("overloaded").contains(" — "), "{out}");
    assert!(line("000003").contains("the key is refused"), "{out}");
    let one = told(state.path(), &["history", "000002"]);
    for part in [
        "overloaded after 5 ms",
        "—, nobody knows",
        "limits are charged with $0.0020",
        "estimated, since its usage never came; limits are charged with",
        "judged      good",
    ] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let spend = json(state.path(), &["spend", "--by", "tier", "--since", "yesterday", "--json"]);
    let [gpu, claude] = ["gpu", "claude"].map(|tier| {
        let found = rows(&spend["sums"]).iter().find(|sum| sum["of"] == tier);
        found.cloned().unwrap_or_else(|| panic!("{tier}: {spend}"))
    });
    assert_eq!(
        (&claude["settled_nano_usd"], &claude["unknown"], &claude["failed"]),
        (&1000.into(), &1.into(), &1.into())
    );
    assert_eq!(claude["charged_nano_usd"], 2_001_000);
    assert_eq!((&gpu["estimated_nano_usd"], &gpu["settled_nano_usd"]), (&300.into(), &0.into()));
    let attempts = told(state.path(), &["export", "attempts", "--failed"]);
    let failed: Value = serde_json::from_str(attempts.trim_end()).expect("one line");
    assert_eq!(
        (&failed["cost_nano_usd"], &failed["cost_usd"], &failed["input_tokens"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&failed["failure"], &failed["cost_basis"]), (&"overloaded".into(), &"unknown".into()));
}

#[tokio::test]
async fn sums_are_of_the_operators_own_days() {
    let state = folder();
    // An hour before midnight in UTC it is the next day on an island far in the east.
    let late = Timestamp(20_000 * 24 * HOUR - HOUR);
    write(state.path(), vec![Record::Request(request(1, late)), Record::Settled(paid(1, late, Day(20_000), 700))])
        .await;
    let of = |zone: &str, args: &[&str]| {
        let mut command = llm_call(state.path(), &[args, &["--json", "--demo"]].concat());
        let (code, out, err) = ran(command.env("TZ", zone));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).expect("JSON")
    };
    let east = "XXX-14";
    let spend = |zone: &str, day: &str| of(zone, &["spend", "--by", "day", "--since", day, "--until", day]);
    // The day is the one that it was booked on, and is asked for by its name.
    let told = spend(east, "2024-10-04");
    assert_eq!((&told["sums"][0]["of"], &told["all"]["settled_nano_usd"]), (&"2024-10-04".into(), &700.into()));
    assert_eq!(spend(east, "2024-10-03")["all"]["settled_nano_usd"], 0);
    let history = |zone: &str, day: &str| {
        of(zone, &["history", "--since", day, "--until", day])["requests"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((history(east, "2024-10-04"), history(east, "2024-10-03")), (1, 0));
    assert_eq!((history("UTC", "2024-10-04"), history("UTC", "2024-10-03")), (0, 1));
    let mut command = llm_call(state.path(), &["history", "000001", "--demo"]);
    let (_, out, _) = ran(command.env("TZ", east));
    assert!(out.contains("asked       2024-10-04 13:00:00 by nightly"), "{out}");
}

#[tokio::test]
async fn rented_machines_have_a_row_of_their_own_and_count_against_the_limits_that_cover_them() {
    let state = folder();
    let day = today();
    let rented = Record::Rented { minute: now().0 / 60_000, day, amount: Money(440_000_000) };
    write(state.path(), vec![rented, Record::Settled(paid(1, now(), day, 60_000_000))]).await;
    let out = told(state.path(), &["spend", "--by", "model"]);
    assert!(out.lines().any(|line| line.starts_with("rented") && line.ends_with("~$0.440")), "{out}");
    let spend = json(state.path(), &["spend", "--json"]);
    assert_eq!(
        (&spend["today"]["rented_nano_usd"], &spend["today"]["settled_nano_usd"]),
        (&440_000_000.into(), &60_000_000.into())
    );
    let limit = &spend["limits"][0];
    assert_eq!((&limit["name"], &limit["charged_nano_usd"]), (&"today's limit".into(), &500_000_000.into()));
    assert_eq!(limit["left_nano_usd"], 24_500_000_000_i64);
    for (tier, amount) in [("gpu", 440_000_000), ("claude", 0)] {
        let spend = json(state.path(), &["spend", "--by", "day", "--tier", tier, "--json"]);
        assert_eq!(spend["all"]["rented_nano_usd"], amount, "{tier}");
    }
}

#[tokio::test]
async fn budgets_of_the_configuration_are_told_with_what_is_charged_and_left() {
    let state = folder();
    let config = state.path().join("config.toml");
    let text = "[[budgets]]\nlimit = 0.001\nper = \"month\"\ncaller = \"nightly\"\naction = \"warn\"\n\
                [[budgets]]\nlimit = 1\ntier = \"gpu\"\n";
    std::fs::write(&config, text).expect("written");
    let real = keeper::Options { file: state.path().join(keeper::FILE_NAME), ..options(state.path()) };
    write_to(real, vec![Record::Settled(paid(1, now(), today(), 3_000_000))]).await;
    let config = ["--config", config.to_str().expect("UTF-8")];
    let (code, out, err) = ran(&mut llm_call(state.path(), &[&["spend"][..], &config].concat()));
    assert_eq!(code, 0, "{err}");
    let line = |part: &str| {
        let line = out.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {out}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("caller nightly"), "this month's limit of caller nightly $0.0010 $0.0030 -$0.0020 warns");
    assert_eq!(line("of gpu"), "today's limit of gpu $1.00 $0.00 $1.00 refuses");
}

#[tokio::test]
async fn the_audit_is_kept_to_a_kind_a_person_and_a_number() {
    let state = folder();
    let row = |kind, by: &str, what: &str| {
        Record::Audit(AuditRow { at: now(), kind, by: by.into(), target: None, what: what.into(), request: None })
    };
    write(
        state.path(),
        vec![
            row(AuditKind::Operator, "ada", "drain tier gpu"),
            row(AuditKind::Engine, "engine", "up to down"),
            row(AuditKind::Operator, "ben", "make ready tier gpu"),
        ],
    )
    .await;
    for (filters, expected) in [
        (&[][..], &["drain tier gpu", "up to down", "make ready tier gpu"][..]),
        (&["--kind", "operator"], &["drain tier gpu", "make ready tier gpu"]),
        (&["--by", "ben"], &["make ready tier gpu"]),
        (&["--limit", "1"], &["make ready tier gpu"]),
        (&["--until", "1h"], &[]),
    ] {
        let audit = json(state.path(), &[&["audit", "--json"], filters].concat());
        let what: Vec<&str> = rows(&audit["audit"]).iter().filter_map(|row| row["what"].as_str()).collect();
        assert_eq!(what, expected, "{filters:?}");
    }
}

#[tokio::test]
async fn what_a_killed_program_had_on_its_way_is_told_as_lost() {
    let state = folder();
    write(state.path(), Vec::new()).await;
    // As when the process is killed: the journal stays behind, and its lock is free.
    let files = Files::begin(&file(state.path()).with_extension("journal")).expect("the folder can be written to");
    let (journal, _) = files.write().expect("the thread starts");
    journal.write(Record::Request(request(1, now())));
    let _place = journal.open(Record::Opened(opened(1, now())), None, None).expect("there is room");
    journal.flush().await;
    drop(files);
    let history = json(state.path(), &["history", "--json", "--failed"]);
    let [lost] = rows(&history["requests"]) else { panic!("{history}") };
    assert_eq!((&lost["outcome"], &lost["attempts"][0]["outcome"]), (&"lost".into(), &"lost".into()));
    assert_eq!(
        (&lost["attempts"][0]["cost_nano_usd"], &lost["attempts"][0]["charged_nano_usd"]),
        (&Value::Null, &2_000_000.into())
    );
    let spend = told(state.path(), &["spend", "--by", "tier", "--since", "yesterday"]);
    let claude = spend.lines().find(|line| line.starts_with("claude")).unwrap_or_else(|| panic!("{spend}"));
    // One attempt, failed, no tokens, no known cost, one unknown, charged with all that was set aside.
    let fields: Vec<&str> = claude.split_whitespace().collect();
    assert_eq!(fields, ["claude", "1", "1", "0", "0", "—", "1", "$0.0020"]);
}

#[test]
fn where_nothing_is_kept_it_says_where_it_would_be_and_makes_nothing() {
    let state = folder();
    for args in [&["history"][..], &["spend"], &["audit"], &["export", "attempts"]] {
        let (code, out, err) = run(state.path(), args);
        assert!(code == 0 && out.is_empty(), "{args:?}: {code} {out}");
        assert!(err.contains("nothing is kept yet") && err.contains("llm-call-simulated.db"), "{err}");
    }
    assert!(!file(state.path()).exists());
    assert_eq!(json(state.path(), &["history", "--json"])["requests"], Value::Array(Vec::new()));
}

#[test]
fn a_store_that_is_switched_off_is_told_and_no_command_pretends() {
    let state = folder();
    for args in
        [&["history"][..], &["spend"], &["audit"], &["export", "audit"], &["drain", "claude"], &["unpin", "gpu"]]
    {
        let (code, _, err) = ran(llm_call(state.path(), args).env("LLM_CALL_STORE", "false"));
        assert!(code == 2 && err.contains("the store is switched off"), "{args:?}: {code} {err}");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_by_every_command() {
    use sqlx::Connection;
    let state = folder();
    write(state.path(), Vec::new()).await;
    let url = format!("sqlite://{}", file(state.path()).display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("it opens");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (99, 'newer', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.expect("it is written");
    connection.close().await.expect("it closes");
    for args in [&["history"][..], &["spend"], &["audit"], &["export", "requests"], &["drain", "claude"]] {
        let (code, out, err) = run(state.path(), args);
        assert!(code == 1 && out.is_empty(), "{args:?}: {code} {out}");
        assert!(err.contains("written by a newer llm-call (its form is 99"), "{err}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let state = folder();
    told(state.path(), &["ask", "hi"]);
    for (args, words) in [
        (&["history", "--since", "soon"][..], "not a time: give 2h or 7d"),
        (&["history", "--since", "1h", "--until", "2h"], "--until is before --since"),
        (&["history", "--limit", "0"], "0 is not in 1"),
        (&["history", "--tier", "moon"], "is not a tier"),
        (&["history", "xyz"], "is no end of an id"),
        (&["history", "ffffffffffff"], "no request is known whose id ends in"),
        (&["spend", "--by", "moon"], "possible values: day, tier"),
        (&["audit", "--kind", "moon"], "there are: operator, guard, engine"),
        (&["export", "--format", "xml"], "unexpected argument"),
        (&["export", "attempts", "--format", "xml"], "possible values: jsonl, csv"),
        (&["drain"], "required"),
        (&["drain", "cluade"], "did you mean `claude`?"),
        (&["drain", "nowhere/model"], "there is no tier and no backend `nowhere/model`"),
        (&["drain", "claude", "--for", "0m"], "not a length of time"),
        (&["pin", "gpu", "--task", "code", "--caller", "web"], "cannot be used with"),
        (&["unpin", "gpu"], "nothing is pinned to tier gpu"),
    ] {
        let (code, _, err) = run(state.path(), args);
        assert!(code == 2 && err.contains(words), "{args:?}: {code} {err}");
    }
}

/// Runs the program on a terminal of so many columns.
fn on_terminal(state: &std::path::Path, columns: u16, args: &[&str]) -> String {
    let size = PtySize { rows: 40, cols: columns, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("llm-call"));
    command.args(args);
    command.env_clear();
    for (name, value) in [("TERM", "dumb"), ("XDG_CONFIG_HOME", "/nonexistent")] {
        command.env(name, value);
    }
    command.env("HOME", state);
    command.env("LLM_CALL_STATE", state);
    let mut child = pair.slave.spawn_command(command).expect("the program starts");
    drop(pair.slave);
    let mut bytes = Vec::new();
    // Linux tells the end of a pseudo-terminal as an error.
    drop(pair.master.try_clone_reader().expect("a reader").read_to_end(&mut bytes));
    assert!(child.wait().expect("it ends").success());
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

#[tokio::test]
async fn nothing_is_wider_than_the_terminal() {
    let state = folder();
    four(state.path()).await;
    let long = RequestRow {
        caller: "a caller with a very long name".into(),
        model: Some("a".repeat(80).as_str().into()),
        why: "why ".repeat(40),
        ..request(9, now())
    };
    write(state.path(), vec![Record::Request(long)]).await;
    for columns in [60, 80, 120] {
        for args in [
            &["history", "--attempts", "--demo"][..],
            &["history", "000002", "--demo"],
            &["history", "000009", "--demo"],
            &["spend", "--demo"],
            &["spend", "--by", "model", "--demo"],
            &["audit", "--demo"],
        ] {
            let screen = on_terminal(state.path(), columns, args);
            // What stands before it is a note, or comes from the notes.
            for line in screen.lines().filter(|line| !line.starts_with("DEMO")) {
                assert!(line.chars().count() <= usize::from(columns), "{args:?} at {columns}: {line}");
            }
            assert!(screen.lines().count() > 1, "{args:?}: {screen}");
        }
    }
}

#[tokio::test]
async fn performance_tells_of_what_failed_and_of_times_and_leaves_out_what_a_caller_ended() {
    let state = folder();
    four(state.path()).await;
    let (now, day) = (now(), today());
    let mut left = settled(opened(9, now), day, End::Failed(FailureClass::Cancelled), Cost::UNKNOWN, Money(1));
    left.counts = false;
    write(state.path(), vec![Record::Settled(left)]).await;
    let found = json(state.path(), &["performance", "--by", "tier", "--since", "yesterday", "--json"]);
    let claude = rows(&found["rows"]).iter().find(|row| row["of"] == "claude").expect("a row").clone();
    assert_eq!((&claude["attempts"], &claude["failed"]), (&3.into(), &1.into()));
    assert!(claude["total_ms"]["p50"].is_u64(), "{claude}");
    let shown = told(state.path(), &["performance", "--by", "model"]);
    assert!(shown.contains("llama") && shown.contains("1 (33 %)"), "{shown}");
    let nothing = told(state.path(), &["performance", "--tier", "frontier"]);
    assert!(nothing.contains("nothing was asked"), "{nothing}");
}

#[test]
fn what_was_asked_and_answered_is_kept_where_the_configuration_says_so_and_shown_where_it_is_asked_for() {
    let state = folder();
    // The simulated backends stand on this machine, so that what is private is answered there.
    let secret = "Rate this action: write to ada.lovelace@example.org";
    told(state.path(), &["ask", secret]);
    let holds = |what: &str| {
        let files = std::fs::read_dir(state.path()).expect("it is read").flatten().map(|entry| entry.path());
        files.filter(|path| path.is_file()).any(|path| {
            let bytes = std::fs::read(path).expect("it is read");
            bytes.windows(what.len()).any(|window| window == what.as_bytes())
        })
    };
    assert!(!holds("ada.lovelace"), "no text is kept unasked");

    let config = state.path().join("keep.toml");
    std::fs::write(&config, "[store]\nkeep_text = true\n").expect("it is written");
    let config = config.to_str().expect("its name is text").to_owned();
    told(state.path(), &["--config", &config, "ask", secret]);
    let history = json(state.path(), &["history", "--json"]);
    let rows = rows(&history["requests"]);
    assert!(!history.to_string().contains("ada.lovelace"), "it is not shown unasked");
    let id = rows.last().expect("two were asked")["request"].as_str().expect("it has an id").to_owned();
    let shown = told(state.path(), &["history", &id, "--text"]);
    assert!(shown.contains(&format!("user: {secret}")), "{shown}");
    let one = json(state.path(), &["history", &id, "--text", "--json"]);
    let answer = one["requests"][0]["answer"].as_str().expect("the answer was kept");
    assert!(!answer.is_empty() && shown.contains(answer), "{shown}");
    let first = rows.first().expect("two were asked")["request"].as_str().expect("it has an id").to_owned();
    let none = json(state.path(), &["history", &first, "--text", "--json"]);
    assert_eq!(none["requests"][0].get("answer"), None, "nothing was kept of the first");
}

#[tokio::test]
async fn forecasts_are_compared_with_what_was_settled_per_model_and_said_where_they_are_known() {
    let state = folder();
    let (now, day) = (now(), today());
    let foreseen = |id, predicted: Option<i64>, row: Settled| {
        let opened = Opened { model: ModelId::from(if id > 4 { "haiku" } else { "opus" }), ..row.opened };
        Record::Settled(Settled { predicted: predicted.map(Money), opened, ..row })
    };
    let broken = settled(opened(4, now), day, End::Failed(FailureClass::Truncated), Cost::UNKNOWN, Money(9_000));
    let rows_of = vec![
        foreseen(1, Some(800_000), paid(1, now, day, 1_000_000)),
        foreseen(2, Some(1_100_000), paid(2, now, day, 1_000_000)),
        // Without a forecast, and not ended whole.
        foreseen(3, None, paid(3, now, day, 5_000_000)),
        foreseen(4, Some(7_000_000), broken),
        foreseen(5, None, paid(5, now, day, 1_000_000)),
    ];
    write(state.path(), rows_of).await;
    let spend = json(state.path(), &["spend", "--by", "model", "--json"]);
    let of = |model: &str| rows(&spend["sums"]).iter().find(|sum| sum["of"] == model).cloned().unwrap_or_default();
    let figures =
        |sum: &Value| ["foreseen", "forecast_error_percent", "forecast_bias_percent"].map(|name| sum[name].clone());
    assert_eq!(figures(&of("opus")), [2.into(), 15.0.into(), Value::from(-5.0)]);
    assert_eq!(figures(&of("haiku")), [0.into(), Value::Null, Value::Null], "not known is not nothing");
    let out = told(state.path(), &["spend", "--by", "model"]);
    let line = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("MODEL").ends_with("FORESEEN") && line("opus").ends_with("within 15 %, 5 % low"), "{out}");
    assert!(!line("haiku").contains("within"), "{out}");
    let out = told(state.path(), &["export", "attempts"]);
    let exported: Vec<Value> = out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let predicted: Vec<&Value> = exported.iter().map(|row| &row["predicted_nano_usd"]).collect();
    assert_eq!(predicted, [&Value::from(800_000), &1_100_000.into(), &Value::Null, &7_000_000.into(), &Value::Null]);
    let other = folder();
    write(other.path(), vec![Record::Settled(paid(1, now, day, 1_000_000))]).await;
    assert!(!told(other.path(), &["spend", "--by", "model"]).contains("FORESEEN"), "nothing was foreseen");
}
