//! Getting around: the screens and the way back from them, filters and orders, windows, freezing, and that nothing is drawn
//! for nothing.

use std::time::Duration;

use super::fake::Stage;
use super::{fixture, scene};
use crate::config::UiConfig;
use crate::domain::tier::Target;
use crate::engine::Fact;
use crate::tui::layout::Pane;

fn stage() -> Stage {
    Stage::new(fixture::working(), UiConfig::default(), 120, 40)
}

fn title(pane: Pane) -> String {
    format!("┏ {} {} ", pane.key(), pane.name())
}

#[tokio::test(start_paused = true)]
async fn every_key_of_a_title_leads_to_its_pane_and_the_fleets_state_stays_in_sight() {
    let stage = stage();
    stage.press("alt-2").await;
    for pane in Pane::ALL.into_iter().skip(1).chain([Pane::Tiers]) {
        stage.press(&pane.key().to_string()).await;
        stage.shows(&title(pane));
        let header = stage.text().lines().next().expect("a header").to_owned();
        for words in ["3/4 tiers", "6 in flight", "burn"] {
            assert!(header.contains(words), "{words} with {pane:?}: {header}");
        }
    }
    stage.press("1").await;
    stage.shows(&title(Pane::Prompt));
    // The same while typing.
    for pane in Pane::ALL.into_iter().skip(1).take(8) {
        stage.press(&format!("alt-1 alt-{}", pane.key())).await;
        stage.shows(&title(pane));
    }
}

#[tokio::test(start_paused = true)]
async fn esc_leads_from_a_screen_back_to_where_it_was_entered_from() {
    let stage = stage();
    stage.settle().await;
    for (from, keys) in [(Pane::Prompt, "alt-1"), (Pane::Tiers, "alt-2"), (Pane::Cost, "alt-5")] {
        stage.press(keys).await;
        stage.press("alt-7").await;
        stage.press("8 9 0 c esc").await;
        stage.shows(&title(from));
    }
    // Tab stays among the screens, and the way back is the same.
    stage.press("alt-3 7 tab tab backtab").await;
    stage.shows(&title(Pane::Models));
    stage.press("esc").await;
    stage.shows(&title(Pane::Latency));
}

#[tokio::test(start_paused = true)]
async fn esc_does_one_visible_thing_at_a_time() {
    let stage = stage();
    stage.press("alt-2 z").await;
    stage.shows("zoomed, esc leaves");
    stage.press("8 /").await;
    stage.type_text("opus").await;
    stage.press("enter space").await;
    stage.shows("FROZEN");
    stage.press("esc").await;
    stage.hides("/opus");
    stage.shows("FROZEN");
    stage.press("esc").await;
    stage.hides("FROZEN");
    stage.shows(&title(Pane::Models));
    stage.press("esc").await;
    stage.shows("tiers zoomed, esc leaves");
    stage.press("esc").await;
    stage.hides("zoomed");
    stage.shows(&title(Pane::Tiers));
}

/// The rows of a screen that hold one of some words, in their order.
fn order<'a>(stage: &Stage, words: &[&'a str]) -> Vec<&'a str> {
    stage.text().lines().filter_map(|line| words.iter().find(|word| line.contains(**word)).copied()).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_are_narrowed_and_sorted() {
    let stage = stage();
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    stage.press("alt-7 /").await;
    stage.type_text("failed").await;
    stage.press("enter").await;
    stage.shows("/failed");
    stage.shows("11:59:48");
    stage.hides("11:56:50");
    stage.press("esc").await;
    stage.shows("11:56:50");
    let times = ["11:56:50", "11:58:00", "11:58:40", "11:59:48", "11:59:57"];
    assert_eq!(order(&stage, &times), times);
    stage.press("s").await;
    stage.shows("by cost, dearest last");
    assert_eq!(order(&stage, &times), ["11:59:48", "11:59:57", "11:56:50", "11:58:00", "11:58:40"]);
    stage.press("s S").await;
    stage.shows("by total time, slowest first");
    assert_eq!(order(&stage, &times).last(), Some(&"11:59:57"), "what is not done has no time yet");
    // Health and operators are no requests.
    stage.hides("drain tier gpu");
    stage.press("/").await;
    stage.type_text("nonsense").await;
    stage.shows("nothing matches the filter");
}

#[tokio::test(start_paused = true)]
async fn models_are_narrowed_and_sorted_within_their_tier() {
    let stage = Stage::new(scene::busy(), UiConfig::default(), 120, 40);
    stage.press("alt-8").await;
    let names = ["claude-opus-5-5", "claude-sonnet-5", "llama3.3:70b", "qwen3-coder:30b", "llama3:8b", "gemini-3-pro"];
    assert_eq!(order(&stage, &names), names);
    stage.press("s").await;
    stage.shows("by calls");
    stage.press("S").await;
    let reversed =
        ["claude-sonnet-5", "claude-opus-5-5", "llama3:8b", "qwen3-coder:30b", "llama3.3:70b", "gemini-3-pro"];
    assert_eq!(order(&stage, &names), reversed);
    stage.press("S s s s s").await;
    assert_eq!(order(&stage, &names), names, "the last order leads back to the first");
    stage.press("/").await;
    stage.type_text("LITELLM").await;
    assert_eq!(order(&stage, &names), ["gemini-3-pro"]);
    // What is selected is what the keys mean.
    stage.press("enter G d").await;
    stage.shows("drain model gemini-3-pro on litellm?");
}

#[tokio::test(start_paused = true)]
async fn the_log_is_narrowed_and_says_that_it_cannot_be_sorted() {
    let stage = stage();
    stage.press("alt-2 0").await;
    stage.shows("the engine has started");
    stage.press("/").await;
    stage.type_text("warn").await;
    stage.press("enter").await;
    stage.shows("OPENAI_API_KEY is not set");
    stage.hides("the engine has started");
    stage.press("y").await;
    let copied = stage.seen.lock().expect("no panic").copied.clone();
    assert_eq!(copied, ["WARN openai: OPENAI_API_KEY is not set, so it takes no requests"]);
    stage.press("s").await;
    stage.shows("this pane has no rows to sort");
    stage.press("/ ctrl-c").await;
    stage.shows("/warn");
}

#[tokio::test(start_paused = true)]
async fn the_window_of_the_latency_goes_from_a_minute_to_a_day() {
    let stage = stage();
    stage.press("alt-3").await;
    for window in ["15m", "1h", "6h", "24h", "24h"] {
        stage.press("-").await;
        stage.shows(&format!("last {window} "));
    }
    for window in ["6h", "1h", "15m", "5m", "1m", "1m"] {
        stage.press("+").await;
        stage.shows(&format!("last {window} "));
    }
    stage.press("z").await;
    stage.shows("-30s");
    stage.press("- - - - -").await;
    stage.shows("-12h");
}

#[tokio::test(start_paused = true)]
async fn freezing_holds_the_screens_too() {
    let stage = stage();
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    stage.press("alt-8 space").await;
    let mut later = fixture::failing();
    later.at = fixture::NOW.after(Duration::from_secs(1));
    stage.sees(later.clone()).await;
    let decision = fixture::decision(&later, 300, "Hello", fixture::NOW.after(Duration::from_secs(2)));
    stage.hears([Fact::Decided(decision)]).await;
    stage.hides("KEY BAD");
    stage.press("9").await;
    stage.hides("98 %");
    stage.press("7").await;
    stage.hides("12:00:02");
    stage.press("space").await;
    stage.shows("12:00:02");
    stage.press("9").await;
    stage.shows("98 %");
    stage.press("8").await;
    stage.shows("KEY BAD");
}

#[tokio::test(start_paused = true)]
async fn new_requests_do_not_move_what_is_read_on_their_screen() {
    let stage = stage();
    stage.settle().await;
    let snapshot = fixture::working();
    let decide = |number| Fact::Decided(fixture::decision(&snapshot, number, "hello", fixture::ago(100)));
    stage.hears((400..460).map(decide)).await;
    stage.press("alt-7 g j j").await;
    let before = stage.text();
    stage.hears((500..503).map(decide)).await;
    stage.shows("3 new, G to follow");
    let rows = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("11:58:20")).map(|line| line.chars().take(40).collect()).collect()
    };
    assert_eq!(rows(&stage.text()), rows(&before));
    stage.press("G").await;
    stage.hides("to follow");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_drawn_where_nothing_changes() {
    for pane in Pane::ALL {
        let stage = Stage::new(fixture::loading(), UiConfig::default(), 40, 10);
        stage.press("esc").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.press(&pane.key().to_string()).await;
        // What is only known after half a minute may be drawn once it is.
        tokio::time::sleep(Duration::from_secs(400)).await;
        let before = stage.seen.lock().expect("no panic").frames;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        let drawn = stage.seen.lock().expect("no panic").frames - before;
        assert!(drawn <= 1, "{drawn} frames in half an hour with {pane:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_frame_is_like_the_one_before_it() {
    for (width, height) in [(60, 20), (120, 40), (200, 60)] {
        for pane in Pane::ALL {
            let stage = Stage::new(fixture::loading(), UiConfig::default(), width, height);
            stage.press("esc").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            stage.press(&pane.key().to_string()).await;
            let before = stage.seen.lock().expect("no panic").wasted;
            tokio::time::sleep(Duration::from_secs(600)).await;
            let wasted = stage.seen.lock().expect("no panic").wasted - before;
            assert!(wasted <= 1, "{wasted} frames for nothing with {pane:?} at {width}x{height}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_selected_model_opens_and_goes_into_the_palettes_commands() {
    let stage = stage();
    stage.press("alt-8 j enter").await;
    stage.shows("┏ model claude-sonnet-5 on anthropic");
    stage.press("esc y").await;
    let copied = stage.seen.lock().expect("no panic").copied.clone();
    assert_eq!(copied, [Target::Model(fixture::id("anthropic"), "claude-sonnet-5".into()).to_string()]);
}
