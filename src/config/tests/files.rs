//! Files as a whole: where they are found, what the example says, and that no text makes the reader panic.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../assets/example.toml");

#[test]
fn files_are_found_where_they_were_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.toml"), "max_attempts = 2").expect("written");
    std::fs::write(path("named.toml"), "max_attempts = 3").expect("written");
    std::fs::write(path("broken.toml"), b"\xff\xfe").expect("written");
    let attempts = |file: Option<PathBuf>, variable: Option<&str>, folder: Option<PathBuf>| {
        let environment = variable.map(|file| (FILE.to_owned(), path(file).display().to_string()));
        let sources = Sources { file, environment: environment.into_iter().collect::<BTreeMap<_, _>>(), folder };
        load(&sources).map(|loaded| loaded.config.policy.max_attempts)
    };
    const FILE: &str = "LLM_CALL_CONFIG";
    let here = || Some(folder.path().to_owned());
    assert_eq!(attempts(None, None, None), Ok(4));
    assert_eq!(attempts(None, None, Some(path("missing"))), Ok(4));
    assert_eq!(attempts(None, None, here()), Ok(2));
    assert_eq!(attempts(None, Some("named.toml"), here()), Ok(3));
    assert_eq!(attempts(Some(path("config.toml")), Some("named.toml"), here()), Ok(2));
    for (file, variable) in
        [(Some(path("missing.toml")), None), (None, Some("missing.toml")), (Some(path("broken.toml")), None)]
    {
        let errors = attempts(file, variable, here()).expect_err("refused");
        assert!(errors.to_string().contains("cannot be read"), "{errors}");
    }
    let named = load(&Sources { file: Some(path("named.toml")), ..Sources::default() }).expect("loads");
    assert!(named.render().contains("(named.toml:1)"), "{}", named.render());
}

/// The lines of the example with their marks taken away: what holds anyway, and what is only an example.
fn example(text: &str, also_examples: bool) -> String {
    let line = |line: &str| {
        let bare = match line.strip_prefix("# e.g. ") {
            Some(example) if also_examples => example,
            None => line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(""),
            Some(_) => "",
        };
        format!("{bare}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_says_what_holds_anyway() {
    let (settings, _) = EXAMPLE.split_once("# ---- Backends").expect("a part about backends");
    let settings = example(settings, false);
    let shown = good(&settings, &[]);
    let default = good("", &[]);
    let values = |loaded: &Loaded| -> BTreeMap<String, String> {
        loaded.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    assert_eq!(values(&shown), values(&default));
    // And it shows all of it: nothing but backends and what has no default is left to the defaults.
    for entry in shown.entries() {
        let own = ["backends.", "cost_limit_daily", "prices.date", "runpod.api_key"]
            .iter()
            .any(|start| entry.key.starts_with(start));
        let own = own && entry.key != "runpod.api_key_env";
        assert!(own || entry.origin != Origin::Default, "{} is missing from the example", entry.key);
    }
}

#[test]
fn every_key_of_the_example_is_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, example(EXAMPLE, true)).expect("written");
    std::fs::write(folder.path().join("model_prices_and_context_window.json"), "{}").expect("written");
    let loaded = load(&Sources { file: Some(path), ..Sources::default() }).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(ids(&loaded), ["anthropic", "ollama", "workstation", "runpod-qwen", "runpod-pod", "deepseek"]);
    assert_eq!(loaded.config.cost_limit_daily, Some(Money(100_000_000_000)));
    assert_eq!(loaded.config.ui.keys["drain"], ["d"]);
    assert_eq!(loaded.config.log.folder, Some(folder.path().join("logs")));
    assert_eq!(backend(&loaded, "workstation").spec.reach, Reach::Inside);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = load_text(&text, &env(&[("OLLAMA_HOST", &text), ("LLM_CALL_MAX_ATTEMPTS", &text)]))
            .map_err(|errors| errors.to_string());
        let _ = PriceBook::parse(&text);
    }

    #[test]
    fn no_mixture_of_known_lines_makes_it_panic(
        picks in proptest::collection::vec((0usize..300, 0usize..40, any::<char>()), 0..30),
    ) {
        let example = example(EXAMPLE, true);
        let lines: Vec<&str> = example.lines().filter(|line| !line.is_empty()).collect();
        let mixed = picks.iter().fold(String::new(), |mut text, (line, at, char)| {
            let mut line: Vec<char> = lines[line % lines.len()].chars().collect();
            if *at < line.len() && at % 3 == 0 {
                line[*at] = *char;
            }
            text.extend(line);
            text.push('\n');
            text
        });
        let _ = load_text(&mixed, &env(&[])).map(|loaded| loaded.render()).map_err(|errors| errors.to_string());
    }
}
