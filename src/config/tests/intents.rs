//! What the operator calls private.

use super::*;
use crate::domain::privacy::intent::Intent;

#[test]
fn named_intents_and_redaction_are_taken_over() {
    let file = r#"
[guard]
email = "redact"
attack = "refuse"

[[privacy.intents]]
name = "falcon"
phrases = ["Project Falcon", "falcon launch"]
handling = "refuse"

[[privacy.intents]]
name = "board"
phrases = "board minutes"
"#;
    let guard = good(file, &[]).config.policy.guard;
    assert_eq!(guard.of(FindingKind::Email), Handling::Redact);
    assert_eq!(guard.of(FindingKind::Attack), Handling::Refuse);
    assert_eq!(guard.of(FindingKind::Confidential), Handling::KeepLocal);
    let intents: Vec<Intent> = guard.named.intents().iter().map(|intent| (**intent).clone()).collect();
    let phrases = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    assert_eq!(
        intents,
        [
            Intent {
                name: "falcon".to_owned(),
                phrases: phrases(&["Project Falcon", "falcon launch"]),
                handling: Handling::Refuse
            },
            Intent { name: "board".to_owned(), phrases: phrases(&["board minutes"]), handling: Handling::KeepLocal },
        ]
    );
}

#[test]
fn every_mistake_in_an_intent_has_its_place() {
    let file = r#"[guard]
stay_local = "redact"
named = "allow"

[[privacy.intents]]
phrases = ["a"]

[[privacy.intents]]
name = "falcon"
phrases = ["a", " "]
handling = "hide"

[[privacy.intents]]
name = "two"
phrases = ["b"]

[[privacy.intents]]
name = "Two"
phrases = ["c"]
color = "red"
"#;
    let errors = load_text(file, &env(&[])).expect_err("refused");
    let found: Vec<String> =
        errors.problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect();
    for expected in [
        "guard.stay_local: has no value that could be redacted: keep_local, refuse, warn or allow",
        "guard.named: unknown key",
        "privacy.intents[0]: an intent needs a name",
        "privacy.intents.falcon: the intent `falcon` has an empty phrase",
        "privacy.intents.falcon.handling: `hide` is none of keep_local, redact, refuse, warn, allow",
        "privacy.intents.Two.color: unknown key",
        "privacy.intents: two intents are called `Two`",
    ] {
        assert!(found.iter().any(|one| one.starts_with(expected)), "no `{expected}` in {found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
}
