//! What an operator types, and what becomes of it: the preview, slash commands, demands, comparisons, through the real loop.

use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::fake::{Asked, Stage};
use super::{ending, fixture, scene};
use crate::config::UiConfig;
use crate::domain::fleet::{Admin, AdminState};
use crate::domain::judgement::Judgement;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::tier::Tier;
use crate::engine::{Command, Progress, Snapshot};

fn stage() -> Stage {
    Stage::new(fixture::working(), UiConfig::default(), 120, 40)
}

fn drained(tier: Tier) -> Snapshot {
    let mut snapshot = fixture::working();
    Arc::make_mut(&mut snapshot.fleet).tiers[tier.index()].admin =
        Admin { state: AdminState::Drain, ..Admin::default() };
    snapshot
}

#[tokio::test(start_paused = true)]
async fn the_preview_says_where_and_why_then_the_price_the_time_and_who_stands_in() {
    let stage = stage();
    stage.settle().await;
    stage.type_text("Write a function that sorts").await;
    let first = stage.line("→ claude");
    assert!(first.contains("code"), "the reason stands in the first row: {first}");
    let second = stage.line(" to $");
    for words in ["~$", "ttft 1.27s p95", "then "] {
        assert!(second.contains(words), "{words} in {second}");
    }
    assert!(stage.text().find(&first) < stage.text().find(&second));
}

#[tokio::test(start_paused = true)]
async fn the_preview_tells_what_the_guard_found_and_what_follows() {
    let stage = stage();
    stage.settle().await;
    stage.type_text("Write to ada@example.org").await;
    stage.shows("found email: stays on this machine");
    stage.shows("→ local");
}

#[tokio::test(start_paused = true)]
async fn the_preview_follows_a_drain_that_happens_while_the_text_stands_there() {
    let stage = stage();
    stage.settle().await;
    stage.type_text("Write a function that sorts").await;
    stage.shows("→ claude");
    // Two snapshots on each other's heels, and then none: the second one counts all the same.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.sees(fixture::working()).await;
    stage.sees(drained(Tier::Claude)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.hides("→ claude");
    stage.shows("code: tier drained");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_keys_at_once_are_foreseen_once_a_frame() {
    use std::sync::atomic::Ordering;

    let stage = stage();
    stage.settle().await;
    let frames = |stage: &Stage| stage.seen.lock().expect("no panic").frames;
    let before = (stage.engine.explained.load(Ordering::Relaxed), frames(&stage));
    stage.type_text(&"words and ".repeat(20)).await;
    let after = (stage.engine.explained.load(Ordering::Relaxed), frames(&stage));
    assert!(after.0 > before.0, "it was foreseen");
    assert!(
        after.0 - before.0 <= after.1 - before.1,
        "{} forecasts in {} frames",
        after.0 - before.0,
        after.1 - before.1
    );
}

#[tokio::test(start_paused = true)]
async fn tab_completes_commands_and_their_values_and_a_demand_before_a_text_is_for_that_text_alone() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("/ti").await;
    stage.shows("› /tier");
    stage.press("tab").await;
    stage.shows("› claude");
    stage.type_text("lo").await;
    stage.press("tab").await;
    stage.shows("› /tier local");
    stage.type_text("Hello there").await;
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    assert_eq!((&*asked.prompt.question(), asked.constraints.tier), ("Hello there", Some(Tier::Local)));
    stage.type_text("Hello again").await;
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").constraints, Constraints::default());
}

#[tokio::test(start_paused = true)]
async fn the_arrows_choose_among_proposals_and_esc_closes_them_and_nothing_else() {
    let stage = stage();
    stage.settle().await;
    stage.type_text("/tier ").await;
    stage.press("down down").await;
    stage.shows("› gpu");
    stage.press("up tab").await;
    stage.shows("› /tier local");
    stage.type_text("x").await;
    stage.press("ctrl-c").await;
    stage.type_text("/ti").await;
    stage.shows("only this tier");
    stage.press("esc").await;
    stage.hides("only this tier");
    stage.shows("┏ 1 prompt");
    stage.shows("› /ti");
}

#[tokio::test(start_paused = true)]
async fn demands_alone_on_the_line_stay_until_they_are_cleared() {
    let mut stage = stage();
    stage.settle().await;
    for line in ["/tier local", "/optimize cost", "/max-latency 500"] {
        stage.type_text(line).await;
        stage.press("enter").await;
    }
    stage.shows("for cost, tier local, under 500ms");
    assert!(stage.asked.try_recv().is_err(), "a demand is nothing to send");
    for _ in 0..2 {
        stage.type_text("Hello").await;
        stage.press("enter").await;
        let demands = stage.asked.recv().await.expect("a request").constraints;
        assert_eq!((demands.tier, demands.optimize), (Some(Tier::Local), Optimize::Cost));
    }
    stage.type_text("/clear").await;
    stage.press("enter").await;
    stage.shows("the next prompts demand nothing");
    stage.type_text("Hello").await;
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").constraints, Constraints::default());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_none_is_not_sent_and_its_text_is_kept() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("/privat my diary").await;
    stage.shows("/privat is no command");
    stage.press("enter").await;
    stage.shows("did you mean `private`?");
    stage.shows("› /privat my diary");
    assert!(stage.asked.try_recv().is_err());
    assert_eq!(stage.commands(), []);
    // So it is for a comparison.
    stage.press("alt-c").await;
    stage.shows("› /privat my diary");
    assert!(stage.asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_keys_for_demands_show_what_they_did_and_go_along() {
    let mut stage = stage();
    stage.settle().await;
    stage.press("alt-p alt-t alt-t alt-o").await;
    stage.shows("private, for quality, tier local");
    stage.type_text("Hello").await;
    stage.press("enter").await;
    let demands = stage.asked.recv().await.expect("a request").constraints;
    assert_eq!((demands.privacy, demands.tier), (Privacy::High, Some(Tier::Local)));
    stage.press("alt-0").await;
    stage.hides("private, for quality");
}

/// The requests of a comparison, as they reach the engine.
async fn requests(stage: &mut Stage, count: usize) -> Vec<Asked> {
    let mut asked = Vec::new();
    for _ in 0..count {
        asked.push(stage.asked.recv().await.expect("a request"));
    }
    asked.sort_by_key(|one| one.constraints.tier.map(Tier::index));
    asked
}

async fn answers(one: &Asked, text: &str) {
    one.answer.send(Progress::Text(text.to_owned())).await.expect("the screen listens");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_streams_side_by_side_and_the_talk_goes_on_with_the_chosen_answer() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("Why is the sky blue?").await;
    stage.press("alt-c").await;
    // The third tier is drained: nobody waits for it.
    let asked = requests(&mut stage, 3).await;
    let tiers: Vec<_> = asked.iter().map(|one| (one.constraints.tier, one.constraints.fallback)).collect();
    assert_eq!(tiers, [Tier::Claude, Tier::Local, Tier::Frontier].map(|tier| (Some(tier), false)));
    stage.shows("c compare Why is the sky blue?");
    for (one, text) in asked.iter().zip(["of scattering", "of the ocean", "of the air"]) {
        answers(one, text).await;
    }
    stage.settle().await;
    let row = stage.line("of scattering");
    assert!(row.contains("of the ocean") && row.contains("of the air"), "{row}");
    stage.press("b").await;
    stage.shows("that answer is not whole yet");
    assert_eq!(stage.commands(), []);
    for one in &asked[..2] {
        one.answer.send(scene::ending(&one.decision)).await.expect("the screen listens");
    }
    stage.settle().await;
    stage.press("right b").await;
    let judged = |one: &Asked, judgement| Command::Judge { request: one.decision.request, judgement };
    let expected = [judged(&asked[1], Judgement::Better), judged(&asked[0], Judgement::Worse)];
    assert_eq!(stage.commands(), expected, "what is not whole is not judged");
    stage.shows("chosen: the talk goes on with this answer");
    stage.shows("◆ local");
    stage.press("alt-1").await;
    stage.shows("of the ocean");
    stage.hides("of scattering");
    stage.type_text("And at night?").await;
    stage.press("enter").await;
    let next = stage.asked.recv().await.expect("a request");
    assert_eq!(next.prompt.messages.len(), 3, "the question, the chosen answer, the next question");
    assert!(stage.asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_comparison_can_name_its_tiers_and_keeps_its_demands() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("/max-cost 1 /compare claude local Why?").await;
    stage.press("enter").await;
    let asked = requests(&mut stage, 2).await;
    assert!(asked.iter().all(|one| one.constraints.max_cost == Some(fixture::usd(1.0))));
    assert_eq!(asked[0].prompt.question(), "Why?");
    // Whoever waits for the answers sees how far each of them is.
    stage.shows("claude");
    stage.shows("local");
    // Esc goes back to the prompt, and the answers go on.
    stage.press("esc").await;
    stage.shows("┏ 1 prompt");
    stage.shows("2 in flight");
    assert!(!asked[0].answer.is_closed());
}

#[tokio::test(start_paused = true)]
async fn where_one_tier_alone_can_serve_there_is_nothing_to_compare() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("/private /compare Why?").await;
    stage.press("enter").await;
    stage.shows("nothing to compare, only local can serve this: the request is private");
    stage.shows("› /private /compare Why?");
    assert!(stage.asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_pasted_command_is_foreseen_and_a_path_is_a_text() {
    let mut stage = stage();
    stage.settle().await;
    stage.send(Event::Paste("/etc/hosts explained".to_owned()));
    stage.settle().await;
    stage.shows("→ ");
    stage.send(Event::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    assert_eq!(stage.asked.recv().await.expect("a request").prompt.question(), "/etc/hosts explained");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_in_private_keeps_the_talk_private_until_it_ends() {
    let mut stage = stage();
    stage.type_text("/private my diary").await;
    stage.press("enter").await;
    let first = stage.asked.recv().await.expect("a request");
    assert_eq!(first.constraints.privacy, Privacy::High);
    first.answer.send(Progress::Text("dear diary".to_owned())).await.expect("the screen listens");
    first.answer.send(ending(&first.decision)).await.expect("the screen listens");
    stage.settle().await;
    stage.shows("private talk");
    // Neither a plain question nor a comparison lets out what goes along with it.
    stage.type_text("And in one sentence?").await;
    stage.shows("private as asked");
    stage.press("enter").await;
    let second = stage.asked.recv().await.expect("a request");
    assert_eq!((second.constraints.privacy, second.prompt.messages.len()), (Privacy::High, 3));
    stage.type_text("/compare claude local Which is better?").await;
    stage.press("enter").await;
    stage.shows("nothing to compare, only local can serve this");
    stage.press("ctrl-c ctrl-n").await;
    stage.type_text("Hello").await;
    stage.press("enter").await;
    let third = stage.asked.recv().await.expect("a request");
    assert_eq!((third.constraints.privacy, third.prompt.messages.len()), (Privacy::Standard, 1));
}

fn careful(limit: Option<f64>) -> Stage {
    let ui = UiConfig { confirm_cost: limit.map(fixture::usd), ..UiConfig::default() };
    Stage::new(fixture::working(), ui, 120, 40)
}

#[tokio::test(start_paused = true)]
async fn what_may_cost_much_is_said_first_and_enter_again_sends_it() {
    let mut stage = careful(Some(0.0001));
    stage.settle().await;
    // In one go, so that no frame has foreseen it.
    stage.send(Event::Paste("Write a function that sorts".to_owned()));
    stage.press("enter").await;
    stage.shows("this may cost $");
    stage.shows(": enter again sends it");
    stage.shows("› Write a function that sorts");
    assert!(stage.asked.try_recv().is_err());
    // Any edit takes it back.
    stage.type_text("!").await;
    stage.hides("again sends it");
    stage.press("enter").await;
    stage.shows("again sends it");
    assert!(stage.asked.try_recv().is_err());
    // So does another demand.
    stage.press("alt-o").await;
    stage.hides("again sends it");
    stage.press("alt-0 enter").await;
    stage.shows("again sends it");
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").prompt.question(), "Write a function that sorts!");
    stage.hides("again sends it");
    assert!(stage.asked.try_recv().is_err(), "it is sent once");
}

#[tokio::test(start_paused = true)]
async fn what_is_cheap_or_free_is_sent_at_once_and_nothing_is_asked_where_that_is_not_wanted() {
    for (limit, text, sent) in [
        (Some(0.25), "Write a function that sorts", true),
        (Some(0.0001), "/tier local Hello", true),
        (None, "Write a function that sorts", true),
        (Some(0.0), "/tier local Hello", false),
    ] {
        let mut stage = careful(limit);
        stage.settle().await;
        stage.type_text(text).await;
        stage.press("enter").await;
        assert_eq!(stage.asked.try_recv().is_ok(), sent, "{limit:?} {text}");
        if !sent {
            stage.shows("this may cost $0.00: enter again sends it");
            stage.shows("› /tier local Hello");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_is_asked_about_by_the_sum_of_its_answers() {
    let mut stage = careful(Some(0.0001));
    stage.settle().await;
    stage.type_text("/compare claude local Why is the sky blue?").await;
    stage.press("enter").await;
    stage.shows("again sends it");
    assert!(stage.asked.try_recv().is_err());
    stage.press("enter").await;
    assert_eq!(requests(&mut stage, 2).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn on_the_smallest_screen_the_question_stands_in_the_inputs_place() {
    let ui = UiConfig { confirm_cost: Some(fixture::usd(0.0)), ..UiConfig::default() };
    let mut stage = Stage::new(fixture::working(), ui, 60, 5);
    stage.settle().await;
    stage.type_text("Hello").await;
    stage.press("enter").await;
    stage.shows("again sends it");
    stage.press("enter").await;
    assert!(stage.asked.recv().await.is_some());
}
