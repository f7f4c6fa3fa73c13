use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::privacy::{Cleared, GuardPolicy, Guarded, Handling, Ruling};
use crate::domain::prompt::{Message, Role, Tool, ToolCall};
use crate::domain::request::Privacy;

/// Redacts these kinds and looks for nothing else.
fn only(kinds: &[FindingKind]) -> GuardPolicy {
    let handling =
        FindingKind::ALL.map(|kind| (kind, if kinds.contains(&kind) { Handling::Redact } else { Handling::Allow }));
    GuardPolicy { handling: BTreeMap::from(handling), ..GuardPolicy::default() }
}

fn inspect(prompt: Prompt, policy: &GuardPolicy) -> Guarded {
    Guarded::inspect(Arc::new(prompt), Privacy::Standard, policy)
}

fn cleared(prompt: Prompt, kinds: &[FindingKind]) -> Cleared {
    inspect(prompt, &only(kinds)).clear().expect("nothing is kept")
}

fn restorer(cleared: &Cleared) -> Restorer {
    cleared.restorer().expect("something was redacted").clone()
}

/// Hands a text over in pieces of so many characters.
fn in_pieces(restorer: &Restorer, text: &str, size: usize) -> String {
    let mut restorer = restorer.clone();
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for piece in characters.chunks(size.max(1)) {
        out.push_str(&restorer.push(&piece.iter().collect::<String>()));
    }
    out.push_str(&restorer.finish());
    out
}

/// A prompt that has a value in every place where a text can stand.
fn everywhere(value: &str) -> Prompt {
    let mut prompt = Prompt::user(format!("write to {value} at once"));
    let call = ToolCall {
        id: "1".to_owned(),
        name: "send".to_owned(),
        arguments: json!({"to": [value], value: {"note": format!("for {value}")}}),
        signature: None,
    };
    let result = Part::ToolResult {
        call: "1".to_owned(),
        name: "send".to_owned(),
        content: format!("sent to {value}, done"),
        is_error: false,
    };
    prompt.messages.push(Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] });
    prompt.messages.push(Message { role: Role::User, parts: vec![result] });
    prompt.tools.push(Tool {
        name: "send".to_owned(),
        description: format!("like {value} does"),
        parameters: json!({"properties": {"to": {"enum": [value], "description": format!("such as {value}")}}}),
    });
    prompt.sampling.stop.push(value.to_owned());
    prompt.sampling.format = Format::Schema { name: "x".to_owned(), schema: json!({ value: {"const": value} }) };
    prompt
}

#[test]
fn a_value_is_replaced_wherever_it_stands() {
    let cleared = cleared(everywhere("ada@example.org"), &[FindingKind::Email]);
    let texts: Vec<String> = cleared.prompt().every_text().into_iter().map(|(_, text)| text.into_owned()).collect();
    assert!(texts.iter().all(|text| !text.contains("ada@")), "{texts:?}");
    assert_eq!(texts[0], "write to [EMAIL_1] at once");
    assert_eq!(texts[3], r#"{"to":["[EMAIL_1]",],"[EMAIL_1]":{"note":"for [EMAIL_1]",},}"#);
}

#[test]
fn one_value_has_one_number_and_what_looks_like_a_placeholder_has_none() {
    let text = "ada@example.org, bob@example.org, ada@example.org, x.ada@example.organic [EMAIL_2] [Email\\_3]";
    let cleared = cleared(Prompt::user(text), &[FindingKind::Email]);
    assert_eq!(cleared.prompt().question(), "[EMAIL_1], [EMAIL_4], [EMAIL_1], [EMAIL_5] [EMAIL_2] [Email\\_3]");
    assert_eq!(restorer(&cleared).restored(&cleared.prompt().question()), text);
}

#[test]
fn what_is_found_only_once_goes_everywhere() {
    // Found behind the word that gives it away, and not found where it stands alone.
    let text = "my password is hunter22! so I typed hunter22! and Xhunter22!X";
    let cleared = cleared(Prompt::user(text), &[FindingKind::Password]);
    assert_eq!(cleared.prompt().question(), "my password is [PASSWORD_1] so I typed [PASSWORD_1] and X[PASSWORD_1]X");
}

#[test]
fn a_private_key_goes_as_a_whole() {
    let line = "q7".repeat(20);
    let begin = format!("-----BEGIN {} KEY-----", "PRIVATE");
    let end = format!("-----END {} KEY-----", "PRIVATE");
    let (text, expected) = (format!("see {begin}\n{line}\n{end} there"), "see [PRIVATE_KEY_1] there");
    let cleared = cleared(Prompt::user(text.clone()), &[FindingKind::PrivateKey]);
    assert_eq!(cleared.prompt().question(), expected);
    assert_eq!(restorer(&cleared).restored(expected), text);
}

#[test]
fn a_number_in_arguments_becomes_a_placeholder() {
    let call = ToolCall {
        id: String::new(),
        name: "pay".to_owned(),
        arguments: json!({"card": 4_111_111_111_111_111_u64, "sum": 3}),
        signature: None,
    };
    let message = Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] };
    let prompt = Prompt { messages: vec![message], ..Prompt::default() };
    let cleared = cleared(prompt, &[FindingKind::Card]);
    let Part::ToolCall(call) = &cleared.prompt().messages[0].parts[0] else { panic!("a call") };
    assert_eq!(call.arguments, json!({"card": "[CARD_1]", "sum": 3}));
}

#[test]
fn the_strictest_kind_holds_for_the_whole_prompt() {
    let text = "ada@example.org has the card 4111 1111 1111 1111";
    for (card, ruling, redacted) in [
        (Handling::KeepLocal, Ruling::KeepAsFound, 0),
        (Handling::Refuse, Ruling::Refuse, 0),
        (Handling::Redact, Ruling::FreeRedacted, 2),
        (Handling::Warn, Ruling::FreeRedacted, 1),
    ] {
        let mut policy = only(&[FindingKind::Email]);
        policy.handling.insert(FindingKind::Card, card);
        let guarded = inspect(Prompt::user(text), &policy);
        assert_eq!((guarded.verdict().ruling, guarded.verdict().redacted()), (ruling, redacted), "{card:?}");
        assert_eq!(guarded.clear().is_ok(), ruling == Ruling::FreeRedacted);
    }
    let asked = Guarded::inspect(Arc::new(Prompt::user(text)), Privacy::High, &only(&[FindingKind::Email]));
    assert_eq!(asked.verdict().ruling, Ruling::KeepAsAsked);
    assert!(asked.clear().is_err());
}

#[test]
fn what_cannot_be_struck_out_keeps_the_prompt_here() {
    // A key whose lines stand in a list is one value to whoever reads it, and none of the texts holds it.
    let begin = format!("-----BEGIN {} KEY-----", "PRIVATE");
    let call = ToolCall {
        id: String::new(),
        name: "save".to_owned(),
        arguments: json!({"lines": [begin, "q7q7q7q7"]}),
        signature: None,
    };
    let message = Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)] };
    let prompt = Prompt { messages: vec![message], ..Prompt::default() };
    let guarded = inspect(prompt, &only(&[FindingKind::PrivateKey]));
    assert_eq!((guarded.verdict().ruling, guarded.verdict().redacted()), (Ruling::KeepAsFound, 0));
    assert!(guarded.clear().is_err());
}

#[test]
fn a_value_where_nothing_is_written_anew_keeps_the_prompt_here() {
    // Found behind the word that gives it away, and not found where it stands alone: the id of a call, which has to come
    // back as it was.
    let mut prompt = Prompt::user("my password is hunter22!");
    let result = Part::ToolResult {
        call: "hunter22!".to_owned(),
        name: "log_in".to_owned(),
        content: "done".to_owned(),
        is_error: false,
    };
    prompt.messages.push(Message { role: Role::User, parts: vec![result] });
    let guarded = inspect(prompt, &only(&[FindingKind::Password]));
    assert_eq!(guarded.verdict().ruling, Ruling::KeepAsFound);
    assert!(guarded.clear().is_err());
}

#[test]
fn the_number_of_a_placeholder_is_no_finding() {
    let cleared = cleared(Prompt::user("she is 47 years old"), &[FindingKind::Age]);
    assert_eq!(cleared.prompt().question(), "she is [AGE_1] years old");
    assert_eq!(restorer(&cleared).restored("at [AGE_1] years"), "at 47 years");
}

#[test]
fn models_write_placeholders_in_their_own_ways() {
    let cleared = cleared(Prompt::user("ada@example.org"), &[FindingKind::Email]);
    let restorer = restorer(&cleared);
    for (answer, expected) in [
        ("to [EMAIL_1].", "to ada@example.org."),
        ("to [email_1].", "to ada@example.org."),
        ("to [Email\\_1].", "to ada@example.org."),
        ("to \\[EMAIL\\_1\\].", "to ada@example.org."),
        ("`[EMAIL_1]`, **[EMAIL_1]**", "`ada@example.org`, **ada@example.org**"),
        ("[[EMAIL_1]](mailto:[EMAIL_1])", "[ada@example.org](mailto:ada@example.org)"),
        ("[EMAIL_2] [EMAIL_11] [EMAIL_] [PHONE_1]", "[EMAIL_2] [EMAIL_11] [EMAIL_] [PHONE_1]"),
        ("EMAIL_1 [EMAIL 1] a[0] [x](y) \\[z\\] [EMAIL_1", "EMAIL_1 [EMAIL 1] a[0] [x](y) \\[z\\] [EMAIL_1"),
        ("\\[EMAIL_1]", "\\ada@example.org"),
        ("[", "["),
        ("\\", "\\"),
    ] {
        for size in 1..12 {
            assert_eq!(in_pieces(&restorer, answer, size), expected, "{answer} in pieces of {size}");
        }
    }
}

#[test]
fn only_what_could_be_a_placeholder_waits() {
    let cleared = cleared(Prompt::user("ada@example.org"), &[FindingKind::Email]);
    let mut restorer = restorer(&cleared);
    for (piece, out) in [
        ("Dear [", "Dear "),
        ("EM", ""),
        ("ail_", ""),
        ("1], or [e", "ada@example.org, or "),
        ("xample], \\", "[example], "),
        ("n", "\\n"),
    ] {
        assert_eq!(restorer.push(piece), out, "{piece}");
    }
    assert_eq!(restorer.finish(), "");
}

#[test]
fn a_value_in_json_is_written_as_json() {
    let value = "say\"it\\now9!";
    let redacted = |format| {
        let mut prompt = Prompt::user(value);
        prompt.sampling.format = format;
        redact(&prompt, &[Secret { kind: FindingKind::Password, value }]).expect("one value")
    };
    let json = Restorer::new(&redacted(Format::Json));
    let answer = json.restored(r#"{"it": "[PASSWORD_1]"}"#);
    let parsed: Value = serde_json::from_str(&answer).expect("still JSON");
    assert_eq!(parsed, json!({ "it": value }));
    assert_eq!(Restorer::new(&redacted(Format::Text)).restored("[PASSWORD_1]"), value);
    // Arguments are texts already.
    let mut arguments = json!({"[password_1]": ["x [PASSWORD_1]", 3, null]});
    json.restore(&mut arguments);
    assert_eq!(arguments, json!({ value: [format!("x {value}"), 3, null] }));
}

#[test]
fn nothing_shows_a_value() {
    let cleared = cleared(Prompt::user("ada@example.org"), &[FindingKind::Email]);
    let guarded = inspect(Prompt::user("ada@example.org"), &only(&[FindingKind::Email]));
    let shown = format!("{cleared:?} {guarded:?} {:?}", restorer(&cleared));
    assert!(!shown.contains("ada"), "{shown}");
}

fn fragments() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => ".{0,12}",
        2 => proptest::sample::select(vec![
            "[", "]", "\\", "[EMAIL_1]", "[email_2]", "\\[EMAIL\\_1\\]", "[EMAIL_", "_1]", "\\_", "[[", "{\"a\":", "\n",
        ])
        .prop_map(str::to_owned),
    ]
}

fn planted() -> impl Strategy<Value = String> {
    ("[a-z]{1,6}", 0..3_u8).prop_map(|(name, host)| format!("{name}@host{host}.org"))
}

proptest! {
    #[test]
    fn no_planted_value_leaves_and_every_one_comes_back(
        pieces in proptest::collection::vec((fragments(), planted(), fragments()), 1..5),
        size in 1..20_usize,
    ) {
        let text: String = pieces.iter().map(|(before, value, after)| format!("{before} {value} {after}")).collect();
        let mut prompt = everywhere(&pieces[0].1);
        prompt.messages.insert(0, Message::text(Role::User, text));
        // An answer that is JSON would have its values written as JSON.
        prompt.sampling.format = Format::Text;
        let guarded = inspect(prompt, &only(&[FindingKind::Email]));
        let cleared = guarded.clear().expect("nothing is kept");
        let leaves = cleared.prompt().every_text();
        for (_, value, _) in &pieces {
            prop_assert!(leaves.iter().all(|(_, text)| !text.contains(value.as_str())), "{value} in {leaves:?}");
        }
        let restorer = restorer(&cleared);
        for ((_, original), (_, redacted)) in guarded.prompt().every_text().iter().zip(&leaves) {
            prop_assert_eq!(&in_pieces(&restorer, redacted, size), original);
        }
    }

    #[test]
    fn whatever_a_model_says_is_handed_on(answer in ".{0,80}", size in 1..9_usize) {
        let cleared = cleared(Prompt::user("ada@example.org"), &[FindingKind::Email]);
        let restorer = restorer(&cleared);
        let whole = restorer.restored(&answer);
        prop_assert_eq!(in_pieces(&restorer, &answer, size), whole);
    }
}
