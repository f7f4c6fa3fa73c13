use std::time::Duration;

use proptest::prelude::*;

use super::super::id::ModelId;
use super::super::task::Task;
use super::super::tier::Tier;
use super::super::time::Timestamp;
use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);
const CODE: &str = "Write a python function that returns the sum of a list.";
const CHAT: &str = "hello, how are you today my friend";

fn kind(task: Task, text: &str) -> Kind {
    Kind::of(task, offers_choices(text), text)
}

fn outcome(kind: Kind, model: &str, quality: f32) -> Outcome {
    Outcome {
        kind,
        tier: Tier::Local,
        model: model.into(),
        served: Served::Ok,
        quality: Some(quality),
        first_token_ms: None,
        total_ms: None,
        output_tokens: None,
        forecast_tokens: None,
        at: START,
    }
}

fn ended(served: Served, kind: Kind, model: &str) -> Outcome {
    Outcome { served, quality: None, ..outcome(kind, model, 0.0) }
}

fn quality(learned: &Learned, kind: &Kind, model: &str) -> f32 {
    learned.expect(kind, Tier::Local, &model.into(), START).quality
}

fn taught(outcomes: &[(Kind, &str, f32)]) -> Learned {
    let mut learned = Learned::default();
    for (kind, model, quality) in outcomes {
        learned.observe(&outcome(*kind, model, *quality));
    }
    learned
}

#[test]
fn few_outcomes_are_drawn_towards_what_is_usual_and_many_are_not() {
    let code = kind(Task::Code, CODE);
    let usual = quality(&Learned::default(), &code, "a");
    let one = quality(&taught(&[(code, "a", 0.0)]), &code, "a");
    let many = quality(&taught(&[(code, "a", 0.0); 200]), &code, "a");
    assert!(one < usual && one > usual / 2.0, "one failure: {one} of {usual}");
    assert!(many < 0.05, "two hundred: {many}");
}

#[test]
fn a_model_nobody_asked_is_expected_to_be_like_its_tier() {
    let code = kind(Task::Code, CODE);
    let learned = taught(&[(code, "a", 0.0); 50]);
    let stranger = |tier| learned.expect(&code, tier, &"new".into(), START);
    assert!(stranger(Tier::Local).quality < 0.2);
    assert_eq!(stranger(Tier::Local).evidence, 0.0);
}

#[test]
fn each_kind_is_learnt_apart() {
    let (code, chat) = (kind(Task::Code, CODE), kind(Task::General, CHAT));
    let one = [(code, "a", 1.0), (chat, "a", 0.0), (code, "b", 0.0), (chat, "b", 1.0)];
    let learned = taught(&one.repeat(40));
    assert!(quality(&learned, &code, "a") > quality(&learned, &code, "b") + 0.3);
    assert!(quality(&learned, &chat, "b") > quality(&learned, &chat, "a") + 0.3);
}

#[test]
fn what_ended_badly_counts_against_a_model_and_silence_hardly_for_it() {
    let code = kind(Task::Code, CODE);
    let after = |served| {
        let mut learned = Learned::default();
        (0..10).for_each(|_| drop(learned.observe(&ended(served, code, "a"))));
        learned.expect(&code, Tier::Local, &"a".into(), START)
    };
    let [ok, failed, refused, cut] = [Served::Ok, Served::Failed, Served::Refused, Served::Cut].map(after);
    assert!(failed.quality < cut.quality && cut.quality < ok.quality);
    assert!(refused.success < 0.5 && ok.success > 0.9);
    let praised = quality(&taught(&[(code, "a", 1.0); 10]), &code, "a");
    assert!(ok.quality < praised, "nothing said is less than praise");
}

#[test]
fn a_judgement_replaces_what_was_counted_and_a_change_of_mind_the_judgement() {
    let code = kind(Task::Code, CODE);
    let mut learned = taught(&[(code, "a", 1.0); 5]);
    let before = learned.clone();
    let silent = learned.observe(&ended(Served::Ok, code, "a"));
    let bad = learned.judge(&silent, 0.0, START).expect("still known");
    let good = learned.judge(&bad, 1.0, START).expect("still known");
    let said_at_once = {
        let mut other = before;
        other.observe(&outcome(code, "a", 1.0));
        quality(&other, &code, "a")
    };
    assert!((quality(&learned, &code, "a") - said_at_once).abs() < 1e-4);
    let row = |learned: &Learned| learned.rows(START).first().expect("a row").outcomes;
    assert_eq!(row(&learned), 6.0, "one outcome, however often it was judged");
    assert!(learned.judge(&good, 0.5, START).is_some());
}

#[test]
fn a_judgement_that_comes_late_replaces_what_is_left_of_the_outcome() {
    let code = kind(Task::Code, CODE);
    let mut learned = Learned::default();
    let first = learned.observe(&outcome(code, "a", 0.0));
    let late = START.after(HALF_LIFE);
    learned.judge(&first, 1.0, late).expect("still known");
    let row = learned.rows(late).into_iter().next().expect("a row");
    assert!((row.worth - 1.0).abs() < 1e-3, "nothing of the old value is left: {}", row.worth);
}

#[test]
fn a_judgement_of_something_forgotten_changes_nothing() {
    let code = kind(Task::Code, CODE);
    let mut learned = Learned::default();
    let counted = learned.observe(&outcome(code, "a", 1.0));
    learned.forget(&Forget::default());
    assert_eq!(learned.judge(&counted, 0.0, START), None);
    let later = START.after(Duration::from_secs(1));
    learned.observe(&Outcome { at: later, ..outcome(code, "a", 1.0) });
    assert_eq!(learned.judge(&counted, 0.0, later), None, "a new record of the same name is not the old one");
}

#[test]
fn outcomes_fade_by_half_in_a_half_life() {
    let code = kind(Task::Code, CODE);
    let learned = taught(&[(code, "a", 0.0); 10]);
    let evidence =
        |days: u64| learned.expect(&code, Tier::Local, &"a".into(), START.after(HALF_LIFE * days as u32)).evidence;
    assert!((evidence(0) - 10.0).abs() < 1e-3);
    assert!((evidence(1) - 5.0).abs() < 1e-3);
    assert!((evidence(2) - 2.5).abs() < 1e-3);
    let late = learned.expect(&code, Tier::Local, &"a".into(), START.after(HALF_LIFE * 20)).quality;
    assert!(late > 0.6, "after twenty half-lives it is a stranger again: {late}");
}

#[test]
fn a_model_that_changes_is_noticed_within_a_window() {
    let code = kind(Task::Code, CODE);
    let mut learned = taught(&[(code, "a", 1.0); 500]);
    for _ in 0..40 {
        learned.observe(&outcome(code, "a", 0.0));
    }
    assert!(quality(&learned, &code, "a") < 0.5, "five hundred good ones do not outvote what it is now");
}

#[test]
fn steady_luck_is_no_change() {
    let code = kind(Task::Code, CODE);
    let mut learned = Learned::default();
    for n in 0..2_000_u32 {
        // Seven in ten are good, in an order without pattern.
        let good = n.wrapping_mul(2_654_435_761) >> 16 & 1_023 < 717;
        learned.observe(&outcome(code, "a", f32::from(u8::from(good))));
    }
    let row = learned.rows(START).into_iter().next().expect("a row");
    assert!((row.outcomes - 2_000.0).abs() < 1.0, "nothing was thrown away: {}", row.outcomes);
}

#[test]
fn a_filter_forgets_what_it_names_and_nothing_else() {
    let (code, chat) = (kind(Task::Code, CODE), kind(Task::General, CHAT));
    let all = taught(&[(code, "a", 0.0), (chat, "a", 1.0), (code, "b", 0.0)].repeat(10));
    let rows = |what: Forget| {
        let mut learned = all.clone();
        learned.forget(&what);
        let name = |row: Row| format!("{} {}", row.model, row.task.map_or("all", Task::name));
        learned.rows(START).into_iter().map(name).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        rows(Forget { tier: Some(Tier::Claude), ..Forget::default() }),
        "a all, a code, a general, b all, b code"
    );
    assert_eq!(rows(Forget { model: Some("a".into()), ..Forget::default() }), "b all, b code");
    assert_eq!(rows(Forget { task: Some(Task::Code), ..Forget::default() }), "a all, a general, b all");
    assert_eq!(rows(Forget::default()), "");
}

#[test]
fn it_is_the_same_after_it_was_kept() {
    let (code, chat) = (kind(Task::Code, CODE), kind(Task::General, CHAT));
    let learned = taught(&[(code, "a", 0.3), (chat, "a", 1.0), (code, "b", 0.0)].repeat(7));
    let text = serde_json::to_string(&learned).expect("it can be written");
    let back: Learned = serde_json::from_str(&text).expect("and read");
    for model in ["a", "b"] {
        assert!((quality(&back, &code, model) - quality(&learned, &code, model)).abs() < 0.002, "{model}");
    }
    assert_eq!(serde_json::to_string(&back).expect("again"), text);
}

#[test]
fn the_model_not_asked_for_longest_makes_room() {
    let code = kind(Task::Code, CODE);
    let mut learned = Learned::default();
    for n in 0..=MOST_MODELS {
        let at = START.after(Duration::from_secs(n as u64));
        learned.observe(&Outcome { at, ..outcome(code, &format!("model-{n}"), 1.0) });
    }
    assert_eq!(learned.models().count(), MOST_MODELS);
    assert!(learned.models().all(|(_, model)| model.as_str() != "model-0"));
}

#[test]
fn lengths_are_learnt_as_a_ratio_to_the_forecast() {
    let code = kind(Task::Code, CODE);
    let mut learned = Learned::default();
    assert_eq!(learned.expect(&code, Tier::Local, &"a".into(), START).length, None);
    for _ in 0..100 {
        let told = Outcome { output_tokens: Some(400), forecast_tokens: Some(100), ..outcome(code, "a", 1.0) };
        learned.observe(&told);
    }
    let length = learned.expect(&code, Tier::Local, &"a".into(), START).length.expect("lengths were seen");
    assert!(length.log_median.exp() > 1.4, "the middle moves as far as one answer may move it: {length:?}");
    assert!((3.0..6.0).contains(&length.log_ninetieth.exp()), "{length:?}");
}

#[test]
fn a_changed_routing_is_explained() {
    let reward = kind(Task::Reward, "Rate this action: move left");
    let mut learned = Learned::default();
    for n in 0..50 {
        let served = if n % 5 == 0 { Served::Failed } else { Served::Ok };
        learned.observe(&ended(served, reward, "mistral"));
        learned.observe(&ended(Served::Ok, reward, "llama3"));
    }
    let (mistral, llama): (ModelId, ModelId) = ("mistral".into(), "llama3".into());
    let (passed, preferred) = ((Tier::Local, &mistral), (Tier::Local, &llama));
    let said = compare(&learned, Task::Reward, passed, preferred, START).map(|compared| compared.to_string());
    assert_eq!(
        said.as_deref(),
        Some("mistral on local fails 20 % of reward prompts (10 of 50); preferring llama3 (0 %)")
    );
    assert_eq!(compare(&learned, Task::Reward, preferred, passed, START), None, "nothing speaks for the other way");
    assert_eq!(compare(&learned, Task::Code, passed, preferred, START), None, "no outcomes, no words");
}

#[test]
fn a_log_line_becomes_an_outcome() {
    let line =
        log::Line::parse(r#"{"prompt":"Rate this action: jump","model":"m","quality":0.5,"ok":false,"task":"mmlu"}"#);
    let told = line.expect("a line").outcome(Tier::Gpu, START);
    assert_eq!((told.tier, told.model.as_str(), told.served), (Tier::Gpu, "m", Served::Failed));
    assert_eq!((told.kind.task, told.worth()), (Task::Reward, (0.5, 1.0)));
    assert!(log::Line::parse("[]").is_err());
}

#[test]
fn the_online_protocol_learns_which_model_is_good() {
    let mut online = online::Online::new(Exploration { share: 0.2 });
    let mut say = |line: String, chance: f32| online.line(&line, chance, START).expect("understood");
    assert!(
        say(r#"{"op":"init","models":[{"name":"bad","price":1},{"name":"good","price":1}],"lambda":0}"#.into(), 0.0)
            .is_none()
    );
    let mut good = 0;
    for n in 0..200 {
        let chance = (n * 37 % 100) as f32 / 100.0;
        let answer = say(format!(r#"{{"op":"decide","id":{n},"prompt":"{CHAT}"}}"#), chance).expect("an answer");
        let model =
            serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")["model"].as_str().map(str::to_owned);
        let model = model.expect("a model");
        let quality = f32::from(u8::from(model == "good"));
        good += u32::from(n >= 100 && model == "good");
        say(format!(r#"{{"op":"outcome","id":{n},"model":"{model}","quality":{quality},"ok":true}}"#), 0.0);
    }
    assert!(good > 75, "{good} of the last hundred");
    assert!(online::Online::default().line(r#"{"op":"decide","id":1,"prompt":"x"}"#, 0.0, START).is_err());
}

fn contenders() -> impl Strategy<Value = Vec<Contender>> {
    let one = (-1.0_f32..1.0, 0.0_f32..1.0, 0.0_f32..0.5).prop_map(|(score, quality, half)| Contender {
        score,
        per_quality: 1.0,
        expected: Expectation {
            quality,
            success: 1.0,
            evidence: 1.0,
            interval: ((quality - half).max(0.0), (quality + half).min(1.0)),
            length: None,
            first_token_ms: None,
            total_ms: None,
        },
    });
    proptest::collection::vec(one, 1..8)
}

proptest! {
    #[test]
    fn no_more_is_explored_than_the_share(all in contenders(), share in 0.0_f32..=1.0, chance in 0.0_f32..1.0) {
        let choice = Exploration { share }.choose(&all, chance).expect("there are contenders");
        let best = all.iter().map(|c| c.score).fold(f32::MIN, f32::max);
        prop_assert!(!choice.explored || chance < share);
        if choice.explored {
            let could = all[choice.index].score + all[choice.index].expected.interval.1 - all[choice.index].expected.quality;
            prop_assert!(could > best, "only what could be better is explored");
        } else {
            prop_assert_eq!(all[choice.index].score, best);
        }
    }

    #[test]
    fn switched_off_nothing_is_explored(all in contenders(), chance in 0.0_f32..1.0) {
        let off = Exploration { share: 0.0 };
        prop_assert!(!off.choose(&all, chance).expect("there are contenders").explored);
    }

    #[test]
    fn outcomes_of_one_time_may_come_in_any_order(mut seen in proptest::collection::vec((0..2_usize, 0..2_usize, 0.0_f32..1.0), 1..25)) {
        // Too few for a change of a model to show: such a change is the one thing that has an order.
        let kinds = [kind(Task::Code, CODE), kind(Task::General, CHAT)];
        let learn = |seen: &[(usize, usize, f32)]| {
            let all: Vec<_> = seen.iter().map(|(k, m, q)| (kinds[*k], ["a", "b"][*m], *q)).collect();
            quality(&taught(&all), &kinds[0], "a")
        };
        let forwards = learn(&seen);
        seen.reverse();
        prop_assert!((forwards - learn(&seen)).abs() < 1e-4);
    }

    #[test]
    fn any_text_has_a_kind(text in ".{0,400}", task in 0..13_usize) {
        let found = Kind::of(Task::ALL[task], false, &text);
        prop_assert!(found.drawers.places().all(|place| place < views::VIEWS * views::DRAWERS));
    }

    #[test]
    fn expectations_stay_within_their_ranges(qualities in proptest::collection::vec(-2.0_f32..3.0, 0..40)) {
        let code = kind(Task::Code, CODE);
        let all: Vec<_> = qualities.iter().map(|q| (code, "a", *q)).collect();
        let expected = taught(&all).expect(&code, Tier::Local, &"a".into(), START);
        prop_assert!((0.0..=1.0).contains(&expected.quality));
        prop_assert!(expected.interval.0 <= expected.quality && expected.quality <= expected.interval.1);
    }
}
