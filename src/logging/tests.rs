use std::fs;

use tracing::Level;

use super::*;

fn parse(text: &str) -> EnvFilter {
    filter(None, None, text).unwrap()
}

#[test]
fn the_file_takes_what_the_filter_lets_through_and_the_ring_takes_the_warnings() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("deep/er");
    let (subscriber, guard) = with_file(&folder, parse("llm_call=info"), true).unwrap();
    let recent = guard.recent();
    tracing::subscriber::with_default(subscriber, || {
        tracing::debug!("too much");
        tracing::info!("started");
        tracing::warn!(backend = "ollama", retry = 3, "down\u{1b}[2J");
        tracing::error!(target: "elsewhere", "not in the file");
        for number in 0..300 {
            tracing::warn!("warning {number}");
        }
    });
    let path = guard.path().unwrap().to_owned();
    assert_eq!((guard.dropped_lines(), recent.seen(), recent.lines().len()), (0, 302, 200));
    drop(guard);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("INFO llm_call::logging::tests: started"), "{text}");
    assert!(text.contains("backend=\"ollama\"") && !text.contains("too much") && !text.contains("not in the file"));
    assert!(!text.contains('\u{1b}'));
    assert_eq!(recent.lines()[199].message, "warning 299");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
}

#[test]
fn lines_in_memory_hold_the_fields_and_no_control_characters() {
    let recent = Recent::default();
    tracing::subscriber::with_default(subscriber(&recent, true), || {
        tracing::info!("not a warning");
        tracing::warn!(backend = "ollama", retry = 3, "down\u{1b}[2J");
        tracing::error!("{}", "long ".repeat(1000));
    });
    let lines = recent.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].level, lines[0].target), (Level::WARN, "llm_call::logging::tests"));
    assert_eq!(lines[0].message, "down [2J backend=ollama retry=3");
    assert!(lines[0].time.0 > 0);
    assert_eq!(lines[1].message.chars().count(), 400);
}

#[test]
fn the_flag_is_heard_before_the_environment_and_that_before_the_configuration() {
    for (flag, variable, expected) in
        [(Some("trace"), Some("debug"), "trace"), (None, Some("debug"), "debug"), (Some(" "), None, "info")]
    {
        assert_eq!(filter(flag, variable, "info").unwrap().to_string(), expected);
    }
    let error = filter(None, Some("llm_call=loud"), "info").unwrap_err();
    assert!(error.to_string().contains("LLM_CALL_LOG"), "{error}");
    let error = filter(Some("verbose"), None, "info").unwrap_err();
    assert!(error.to_string().contains("use off, error, warn"), "{error}");
    for fine in ["WARN", "llm_call", "llm_call::provider", "hyper=trace", "warn,llm_call=debug", "off"] {
        assert!(filter(None, None, fine).is_ok(), "{fine}");
    }
}

#[test]
fn the_environments_folder_is_heard_before_the_configured_one() {
    let configured = LogConfig { folder: Some(PathBuf::from("/c")), ..LogConfig::default() };
    assert_eq!(folder(&configured, Some(PathBuf::from("/e"))), Some(PathBuf::from("/e")));
    assert_eq!(folder(&configured, Some(PathBuf::new())), Some(PathBuf::from("/c")));
    assert!(folder(&LogConfig::default(), None).is_none_or(|path| path.ends_with("llm-call")));
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = with_file(&file, parse("info"), true).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("llm-call.log cannot be written: "), "{error}");
}

#[test]
fn a_new_day_is_a_new_file_and_a_week_is_kept() {
    use std::cell::Cell;
    use std::io::Write;

    use jiff::civil::{Date, date};

    thread_local!(static TODAY: Cell<Date> = const { Cell::new(date(2026, 1, 1)) });
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("llm-call.notes.log"), "somebody else's").unwrap();
    let mut log = file::Daily::open_on(state.path(), || TODAY.get()).unwrap();
    for day in 1..=10 {
        TODAY.set(date(2026, 1, day));
        writeln!(log, "day {day}").unwrap();
    }
    let mut names: Vec<String> =
        fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut expected: Vec<String> = (4..=9).map(|day| format!("llm-call.2026-01-{day:02}.log")).collect();
    expected.extend(["llm-call.log".to_owned(), "llm-call.notes.log".to_owned()]);
    assert_eq!(names, expected);
    assert_eq!(fs::read_to_string(state.path().join("llm-call.log")).unwrap(), "day 10\n");
    assert_eq!(fs::read_to_string(state.path().join("llm-call.2026-01-09.log")).unwrap(), "day 9\n");
}
