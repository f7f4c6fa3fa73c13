use proptest::prelude::*;

use super::super::analysis::analyse;
use super::super::id::ModelId;
use super::super::learning::LengthRatio;
use super::super::prompt::{Message, Part, Prompt, Role};
use super::*;

fn tokens(text: &str, model: &str) -> TokenCount {
    count(&Prompt::user(text), &model.into())
}

#[test]
fn known_texts_have_known_counts() {
    // From OpenAI's own tokenizer, without the seven tokens around a single message.
    for (vocabulary, text, expected) in [
        (Vocabulary::O200k, "hello world", 2),
        (Vocabulary::Cl100k, "hello world", 2),
        (Vocabulary::Cl100k, "tiktoken is great!", 6),
        (Vocabulary::O200k, "", 0),
    ] {
        assert_eq!(vocabulary.count(text), Tally { tokens: expected, exact: true }, "{text}");
    }
    assert_eq!(tokens("hello world", "gpt-4o"), TokenCount { tokens: 9, exact: true });
    assert_eq!(tokens("hello world", "mistral-medium"), TokenCount { tokens: 5, exact: true });
}

#[test]
fn the_short_way_counts_what_the_coder_counts() {
    for text in [
        "",
        " ",
        "  a   b\t\tc \n\n  d\r\n e\n",
        "I'll say it's HELLOworld's, don't 'SAY' IT'S x'é y'",
        "fn f(x: &[u8]) -> bool {\n    // a/b///\n\n    x[0]==12345678\n}\n\n\n",
        "(hello) ((hello \"quoted\" -- ... !!!\n/path/to ?/\n",
        "café naïve 12é 3² ½ x\u{a0}y\u{3000}z “quoted” – so… ,é !é",
        "数字123和字母abc 混在一起\u{0}nought\u{b}\u{c} end  ",
        "antidisestablishmentarianism pneumonoultramicroscopic zzxqj",
    ] {
        assert_eq!(Vocabulary::ranked(text)[0], Vocabulary::O200k.count(text).tokens, "{text:?}");
    }
}

#[test]
fn what_is_not_public_is_an_estimate() {
    for model in ["claude-opus-5-5", "gemini-3.6-flash", "llama3:8b", "never-heard-of"] {
        assert!(!tokens("hello world", model).exact, "{model}");
    }
}

#[test]
fn pictures_are_counted_and_make_it_an_estimate() {
    let picture = Part::Image { media_type: "image/png".into(), data: "AAAA".repeat(1_000) };
    let mut prompt = Prompt::user("what is this?");
    prompt.messages.push(Message { role: Role::User, parts: vec![picture] });
    let counted = count(&prompt, &"gpt-4o".into());
    assert!(!counted.exact && (1_600..1_650).contains(&counted.tokens), "{counted:?}");
}

#[test]
fn an_endless_run_is_estimated_by_its_beginning() {
    for (text, least, most) in
        [("a", 20_000, 30_000), ("[", 20_000, 120_000), (" ", 1_000, 4_000), ("é", 20_000, 210_000)]
    {
        let tally = Vocabulary::O200k.count(&text.repeat(200_000));
        assert!(!tally.exact && (least..most).contains(&tally.tokens), "{text:?}: {tally:?}");
    }
}

#[test]
fn a_long_text_of_words_is_counted_to_the_last() {
    let text = "one two three four ".repeat(10_000);
    let tally = Vocabulary::O200k.count(&text);
    assert!(tally.exact && tally.tokens >= 40_000, "{tally:?}");
}

const TEXTS: [&str; 4] = [
    "Explain why the sky is blue.",
    "def add(a, b):\n    return a + b\n\nFix the bug in this function.",
    "Přelož tuto větu do angličtiny: Dnes je krásný den.",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
];

#[test]
fn bills_correct_an_estimate_and_leave_an_exact_count_alone() {
    let (claude, gpt): (ModelId, ModelId) = ("claude-haiku-4-5".into(), "gpt-4o".into());
    let mut calibration = Calibration::default();
    for _ in 0..50 {
        for text in TEXTS {
            let prompt = Prompt::user(text);
            let measured = Measured::of(&prompt);
            let features = measured.learnable().expect("no pictures");
            // A provider that counts a fifth more than OpenAI does, and ten around a message.
            let billed = (measured.tokens(&gpt).tokens - 7) as f32 * 1.2 + 10.0;
            calibration.observe(&claude, &features, billed.round() as u32);
            calibration.observe(&gpt, &features, 1_000);
        }
    }
    let unseen = Prompt::user("Write a short letter to a friend who has moved to another town.");
    let measured = Measured::of(&unseen);
    let base = measured.tokens(&gpt);
    let expected = (base.tokens - 7) as f32 * 1.2 + 10.0;
    let found = measured.calibrated(&claude, &calibration);
    assert!((found.tokens as f32 - expected).abs() <= 2.0, "{} of {expected}", found.tokens);
    assert_eq!(measured.calibrated(&gpt, &calibration), base);
}

#[test]
fn an_absurd_bill_teaches_nothing() {
    let model: ModelId = "claude-haiku-4-5".into();
    let prompt = Prompt::user(TEXTS[0]);
    let measured = Measured::of(&prompt);
    let features = measured.learnable().expect("no pictures");
    let mut calibration = Calibration::default();
    calibration.observe(&model, &features, 50_000);
    assert_eq!(calibration.bills(&model), 0.0);
    assert_eq!(measured.calibrated(&model, &calibration).tokens, measured.tokens(&model).tokens);
}

#[test]
fn a_calibration_survives_being_kept() {
    let model: ModelId = "claude-haiku-4-5".into();
    let prompt = Prompt::user(TEXTS[1]);
    let features = Measured::of(&prompt).learnable().expect("no pictures");
    let mut calibration = Calibration::default();
    (0..20).for_each(|_| calibration.observe(&model, &features, 40));
    let text = serde_json::to_string(&calibration).expect("written");
    let back: Calibration = serde_json::from_str(&text).expect("read");
    assert_eq!(back.estimate(&model, &features, 30), calibration.estimate(&model, &features, 30));
}

fn range(text: &str, learned: Option<LengthRatio>) -> (u32, u32) {
    let range = forecast(&analyse(&Prompt::user(text), None), text, learned);
    (range.p50, range.p90)
}

#[test]
fn an_answer_is_as_long_as_was_asked_for() {
    let (story, _) = range("Write a 400-word story about a fox.", None);
    assert!((400..800).contains(&story), "{story}");
    let (sentences, _) = range("Say in two sentences why it rains.", None);
    assert!((25..100).contains(&sentences), "{sentences}");
    let (bare, _) = range("Is the sky blue? Answer with yes or no.", None);
    assert!(bare < 20, "{bare}");
    let (open, most) = range("Explain how vaccines work", None);
    assert!(open > 100 && most > 2 * open, "{open} {most}");
}

#[test]
fn what_was_learnt_moves_the_forecast() {
    let plain = range(TEXTS[0], None);
    let twice = LengthRatio { log_median: 2.0_f32.ln(), log_ninetieth: 2.6_f32.ln() };
    let (p50, p90) = range(TEXTS[0], Some(twice));
    assert!(p50.abs_diff(2 * plain.0) <= 1 && p90 < p50 * 3 / 2, "{p50} {p90} after {plain:?}");
}

#[test]
fn nobody_answers_longer_than_they_may() {
    let mut prompt = Prompt::user(TEXTS[0]);
    prompt.sampling.max_tokens = Some(16);
    let range = forecast(&analyse(&prompt, None), TEXTS[0], None);
    assert!(range.p50 <= 16 && range.p90 <= 16);
}

proptest! {
    // Encoders are slow without optimisation.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_counted_the_same_in_both_ways(text in "([a-zA-Z]{1,12}| {1,3}|[0-9]{1,5}|[.,'/(-]{1,3}|[\r\n\t]|'s|.){0,60}") {
        prop_assert_eq!(Vocabulary::ranked(&text)[0], Vocabulary::O200k.count(&text).tokens);
    }

    #[test]
    fn any_text_can_be_counted(text in ".{0,300}", run in 0..3_000_usize, model in "[a-z0-9/:.-]{0,20}") {
        let text = format!("{text}{}{text}", "ü".repeat(run));
        let prompt = Prompt::user(text.as_str());
        let measured = Measured::of(&prompt);
        let model: ModelId = model.as_str().into();
        let mut calibration = Calibration::default();
        if let Some(features) = measured.learnable() {
            calibration.observe(&model, &features, 100);
        }
        prop_assert!(measured.calibrated(&model, &calibration).tokens as usize <= 4 * text.len() + 100);
        let range = forecast(&analyse(&prompt, None), &text, None);
        prop_assert!(range.p50 <= range.p90);
    }
}
