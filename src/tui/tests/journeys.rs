//! What an operator does, from key to screen, through the real loop.

use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::fake::Stage;
use super::{ending, fixture};
use crate::config::UiConfig;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::request::Privacy;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Attempt, Command, Dispatched, Fact, Progress};

fn stage() -> Stage {
    Stage::new(fixture::working(), UiConfig::default(), 120, 40)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_gives_way_to_the_next_one_and_the_pane_says_so() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("Write a function that sorts").await;
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    let first = fixture::attempt(&asked.decision, 1, Err(Failure::new(FailureClass::Truncated, "the wire broke")));
    let second = fixture::attempt(&asked.decision, 2, Ok(crate::provider::Finish::Stop));
    let sent = fixture::dispatched(&asked.decision);
    let next = Dispatched {
        attempt: 2,
        tier: second.tier,
        backend: second.backend.clone(),
        model: second.model.clone(),
        ..sent.clone()
    };
    for progress in [
        Progress::Attempting(sent),
        Progress::FirstToken { attempt: 1, after: Duration::from_millis(300) },
        Progress::Text("half of an ans".to_owned()),
        Progress::AttemptFailed(Arc::new(Attempt { delivered: true, ..(*first).clone() })),
    ] {
        asked.answer.send(progress).await.expect("the screen listens");
    }
    stage.settle().await;
    // As long as nobody has begun anew, a part is better than nothing.
    stage.shows("half of an ans");
    stage.shows(&format!("{}: cut off mid-answer after", first.backend));
    asked.answer.send(Progress::Attempting(next)).await.expect("the screen listens");
    stage.settle().await;
    stage.hides("half of an ans");
    stage.shows("cut off mid-answer, begun anew");
    stage.shows(&format!("{} {}", second.tier, second.backend));
    asked.answer.send(Progress::Text("a whole one".to_owned())).await.expect("the screen listens");
    asked.answer.send(ending(&asked.decision)).await.expect("the screen listens");
    stage.settle().await;
    stage.shows("a whole one");
    stage.hides("half of an ans");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_is_foreseen_sent_streamed_and_settled() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("Write a function that sorts").await;
    stage.shows("→ claude anthropic claude-opus-5-5  code");
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    assert_eq!(asked.prompt.question(), "Write a function that sorts");
    let sent =
        Dispatched { at: fixture::NOW.after(Duration::from_millis(100)), ..fixture::dispatched(&asked.decision) };
    for progress in [
        Progress::Attempting(sent),
        Progress::FirstToken { attempt: 1, after: Duration::from_millis(300) },
        Progress::Text("def sort(xs): \u{1b}[31m".to_owned()),
    ] {
        asked.answer.send(progress).await.expect("the screen listens");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.shows("def sort(xs):▍");
    stage.shows("ttft 300ms");
    stage.shows("1 in flight, esc interrupts");
    stage.hides("[31m");
    asked.answer.send(Progress::Text("\n    return sorted(xs)".to_owned())).await.expect("the screen listens");
    asked.answer.send(ending(&asked.decision)).await.expect("the screen listens");
    stage.settle().await;
    stage.shows("return sorted(xs)");
    stage.shows("$0.0042");
    stage.hides("in flight, esc");
    // The next prompt carries the conversation; after ctrl-n it does not.
    stage.type_text("And reversed?").await;
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").prompt.messages.len(), 3);
    stage.press("ctrl-n").await;
    stage.type_text("Hello").await;
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").prompt.messages.len(), 1);
    stage.shows("2 in flight");
}

#[tokio::test(start_paused = true)]
async fn esc_interrupts_and_the_request_is_dropped() {
    let mut stage = stage();
    stage.type_text("Tell me a long story").await;
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    asked.answer.send(Progress::Text("Once upon".to_owned())).await.expect("the screen listens");
    stage.settle().await;
    stage.press("esc").await;
    stage.shows("interrupted: not the whole answer");
    assert!(asked.answer.is_closed(), "dropping the stream is what cancels");
    // One that follows at once was meant for the answer too, and what is typed then stays text.
    stage.press("esc q").await;
    assert!(!stage.running.is_finished());
    stage.shows("› q");
    stage.press("ctrl-c").await;
    // The next Esc leaves the prompt, and a `q` on its heels is asked about.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.press("esc q").await;
    stage.shows("again to quit; 1 goes back to the prompt");
    assert!(!stage.running.is_finished());
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.press("d").await;
    stage.shows("drain tier claude?");
}

#[tokio::test(start_paused = true)]
async fn draining_takes_a_dialog_whose_default_is_cancel() {
    let stage = stage();
    stage.press("alt-2 d").await;
    stage.shows("drain tier claude?");
    stage.shows("2 requests in flight will finish");
    stage.shows("2 tiers are left to serve");
    stage.press("enter").await;
    stage.hides("drain tier claude?");
    assert!(stage.engine.commands.lock().expect("no panic").is_empty());
    stage.press("d y up up up right enter").await;
    assert!(stage.engine.commands.lock().expect("no panic").is_empty(), "enter on a choice is no yes");
    // It went on to the reason, where letters are text.
    stage.type_text("new keys").await;
    stage.press("enter y y").await;
    let commands = stage.engine.commands.lock().expect("no panic").clone();
    assert_eq!(
        commands,
        [Command::SetAdmin {
            target: Target::Tier(Tier::Claude),
            state: AdminState::Drain,
            lasts: Some(Duration::from_secs(900)),
            reason: "new keys".into(),
        }]
    );
    stage.shows("done: drain tier claude for 15 min (new keys)");
}

#[tokio::test(start_paused = true)]
async fn the_last_tier_is_not_drained_without_typing_its_name() {
    let stage = Stage::new(fixture::failing(), UiConfig::default(), 120, 40);
    stage.press("alt-2 j j d").await;
    stage.shows("drain tier local?");
    stage.shows("no tier is left: every request fails");
    stage.press("y enter").await;
    assert!(stage.engine.commands.lock().expect("no panic").is_empty());
    stage.type_text("local").await;
    // The button goes on only now: Enter leads to it, and another key presses it.
    stage.press("enter").await;
    assert!(stage.engine.commands.lock().expect("no panic").is_empty());
    stage.shows("y/enter drain");
    stage.press("y").await;
    assert_eq!(stage.engine.commands.lock().expect("no panic").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_under_way_are_not_lost_by_one_key() {
    let mut stage = stage();
    stage.type_text("Tell me a long story").await;
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    stage.press("alt-2 q").await;
    stage.shows("again to quit: an answer is still under way");
    assert!(!stage.running.is_finished());
    // Any other key lets go of the question.
    stage.press("j q").await;
    assert!(!stage.running.is_finished());
    stage.press("q").await;
    assert!(stage.running.await.expect("no panic").is_ok());
    assert!(asked.answer.is_closed());
}

#[tokio::test(start_paused = true)]
async fn pins_can_be_the_only_way() {
    let stage = stage();
    stage.press("alt-2 j p").await;
    stage.shows("pin backend anthropic?");
    stage.press("up up space").await;
    stage.shows("[x] nowhere else");
    stage.press("y enter").await;
    let commands = stage.engine.commands.lock().expect("no panic").clone();
    assert!(
        matches!(&commands[..], [Command::Pin { only: true, lasts: None, scope: PinScope::All, .. }]),
        "{commands:?}"
    );
    // Of one task alone: the field before says which.
    stage.press("p up up up right").await;
    stage.shows("requests go there first");
    stage.press("y y").await;
    let commands = stage.engine.commands.lock().expect("no panic").clone();
    assert!(matches!(&commands[1..], [Command::Pin { only: false, scope: PinScope::Task(_), .. }]), "{commands:?}");
}

#[tokio::test(start_paused = true)]
async fn the_palette_finds_actions_parts_and_faults() {
    let mut stage = stage();
    stage.press("ctrl-p").await;
    stage.type_text("fault anth down").await;
    stage.shows("make the simulated anthropic fail: down");
    stage.press("enter").await;
    let faults = stage.engine.faults.lock().expect("no panic").clone();
    assert_eq!(faults, [("anthropic".to_owned(), Some("down".to_owned()))]);
    stage.press("ctrl-p").await;
    stage.type_text("private on").await;
    stage.press("enter alt-1").await;
    stage.shows("private");
    stage.type_text("secret").await;
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").constraints.privacy, Privacy::High);
    stage.press("ctrl-p").await;
    stage.type_text("drain litellm").await;
    stage.press("enter").await;
    stage.shows("drain backend litellm?");
    stage.press("esc ctrl-p").await;
    stage.type_text("quit").await;
    stage.press("enter").await;
    let summary = stage.running.await.expect("no panic").expect("no error").to_string();
    assert!(summary.starts_with("159 requests in 66m"), "{summary}");
    assert!(summary.contains("claude"), "{summary}");
}

#[tokio::test(start_paused = true)]
async fn filters_narrow_and_esc_clears_them() {
    let stage = stage();
    stage.press("alt-2 /").await;
    stage.type_text("litellm").await;
    stage.press("enter").await;
    stage.shows("litellm");
    stage.hides("anthropic    ");
    stage.press("esc").await;
    stage.shows("anthropic    ");
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_climbs_a_ladder_and_loses_no_text() {
    let stage = stage();
    stage.type_text("precious").await;
    stage.press("ctrl-c").await;
    stage.hides("precious");
    stage.press("up").await;
    stage.shows("precious");
    stage.press("ctrl-c ctrl-c").await;
    stage.shows("ctrl-c again to quit");
    // Too late: it only arms again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.press("ctrl-c").await;
    assert!(!stage.running.is_finished());
    stage.press("ctrl-c").await;
    assert!(stage.running.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_paste_is_text_and_never_a_submission() {
    let mut stage = stage();
    stage.press("alt-2").await;
    stage.send(Event::Paste("first\r\nsecond\u{1b}[0m\r\nq".to_owned()));
    stage.settle().await;
    stage.shows("first");
    stage.shows("second");
    assert!(stage.asked.try_recv().is_err());
    assert!(!stage.running.is_finished());
    stage.press("enter").await;
    assert_eq!(stage.asked.recv().await.expect("a request").prompt.question(), "first\nsecond\nq");
}

#[tokio::test(start_paused = true)]
async fn facts_become_rows_and_reading_them_is_not_disturbed() {
    let stage = stage();
    stage.settle().await;
    let snapshot = fixture::working();
    for fact in fixture::facts(&snapshot) {
        stage.engine.facts.send(fact).expect("the screen listens");
    }
    stage.press("alt-6").await;
    stage.shows("drain tier gpu for 15 min");
    stage.press("g").await;
    for number in 100..103 {
        let decision = fixture::decision(&snapshot, number, "hello", fixture::NOW);
        stage.engine.facts.send(Fact::Decided(decision)).expect("the screen listens");
    }
    stage.settle().await;
    stage.shows("3 new, G to follow");
    stage.press("enter").await;
    stage.shows("candidates, in the order in which they are tried");
    stage.press("esc G").await;
    stage.hides("G to follow");
    stage.press("x").await;
    let commands = stage.engine.commands.lock().expect("no panic").clone();
    assert!(matches!(&commands[..], [Command::Cancel(_)]), "{commands:?}");
}

#[tokio::test(start_paused = true)]
async fn freezing_holds_the_fleet_and_not_the_work() {
    let stage = stage();
    stage.press("alt-2 space").await;
    stage.shows("FROZEN");
    let mut later = fixture::failing();
    later.at = fixture::NOW.after(Duration::from_secs(1));
    stage.engine.snapshots.send(Arc::new(later)).expect("the screen listens");
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.shows("FROZEN 5s");
    stage.hides("KEY BAD");
    stage.press("space").await;
    stage.shows("KEY BAD");
}

#[tokio::test(start_paused = true)]
async fn read_only_takes_the_dangerous_keys_away() {
    let stage = Stage::new(fixture::working(), UiConfig { read_only: true, ..UiConfig::default() }, 120, 40);
    stage.press("alt-2 d").await;
    stage.shows("READ-ONLY");
    stage.hides("drain tier claude?");
    stage.press(":").await;
    stage.type_text("drain").await;
    stage.shows("no such action");
}

#[tokio::test(start_paused = true)]
async fn an_idle_screen_draws_once_a_second_and_no_more() {
    let stage = stage();
    stage.settle().await;
    let before = stage.seen.lock().expect("no panic").frames;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let drawn = stage.seen.lock().expect("no panic").frames - before;
    assert!((55..=61).contains(&drawn), "{drawn} frames in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_drawn_ahead_of_the_cap_that_holds_for_data() {
    let stage = stage();
    stage.settle().await;
    let snapshot = Arc::new(fixture::working());
    for number in 0..20 {
        // Data keeps the frames at their cap, so that without credit a key would wait for up to 33 ms.
        for _ in 0..50 {
            stage.engine.snapshots.send_replace(Arc::clone(&snapshot));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        stage.send(Event::Key(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE)));
        tokio::time::sleep(Duration::from_millis(10)).await;
        stage.shows(&"x".repeat(number + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_has_an_age_nothing_is_drawn() {
    let stage = Stage::new(fixture::loading(), UiConfig::default(), 40, 10);
    stage.settle().await;
    let before = stage.seen.lock().expect("no panic").frames;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(stage.seen.lock().expect("no panic").frames, before);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_capped_and_keys_get_through() {
    let stage = stage();
    stage.settle().await;
    let snapshot = fixture::working();
    let before = stage.seen.lock().expect("no panic").frames;
    for number in 0..500 {
        let decision = fixture::decision(&snapshot, number, "hello", fixture::NOW);
        stage.engine.facts.send(Fact::Decided(decision)).expect("the screen listens");
        stage.engine.snapshots.send(Arc::new(snapshot.clone())).expect("the screen listens");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let drawn = stage.seen.lock().expect("no panic").frames - before;
    assert!(drawn <= 32, "{drawn} frames in a second");
    stage.press("alt-2 w").await;
    stage.shows("give their models a price");
}

#[tokio::test(start_paused = true)]
async fn small_things() {
    let stage = stage();
    stage.press("alt-2 m").await;
    assert!(stage.seen.lock().expect("no panic").mouse);
    stage.press("m y ctrl-z r").await;
    {
        let seen = stage.seen.lock().expect("no panic");
        assert!(!seen.mouse);
        assert_eq!((seen.copied.clone(), seen.suspended), (vec!["tier claude".to_owned()], 1));
    }
    assert_eq!(stage.engine.commands.lock().expect("no panic").clone(), [Command::Probe(None)]);
    // A terminal that reports releases must not do everything twice.
    let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE) };
    stage.send(Event::Key(release));
    stage.settle().await;
    assert!(!stage.running.is_finished());
    stage.press("?").await;
    stage.shows("in tiers");
    stage.press("esc 3 - t a").await;
    stage.shows("total, last 15m");
    stage.shows("own scales");
    stage.stop.send(()).expect("it runs");
    assert!(stage.running.await.expect("no panic").is_ok());
}

/// The README's table tells keys that exist, each where it counts.
#[test]
fn the_readme_tells_the_keys_as_they_are() {
    use crate::tui::action::Action;
    use crate::tui::app::App;
    use crate::tui::keymap::Key;
    use crate::tui::layout::Pane;

    let app = App::plain(fixture::NOW);
    let readme = include_str!("../../../README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with("| key | where")).skip(2);
    let mut told = Vec::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let panes: Vec<Pane> = match cells[2] {
            "everywhere" => Pane::ALL.to_vec(),
            place if place.contains("not in the prompt") => {
                Pane::ALL.into_iter().filter(|p| *p != Pane::Prompt).collect()
            }
            places => Pane::ALL.into_iter().filter(|pane| places.split(", ").any(|one| one == pane.name())).collect(),
        };
        assert!(!panes.is_empty(), "{row}");
        for name in cells[1].split('`').skip(1).step_by(2) {
            let name = match name {
                capital if capital.len() == 1 && capital.chars().all(|c| c.is_ascii_uppercase()) => {
                    format!("shift-{}", capital.to_lowercase())
                }
                other => other.to_lowercase(),
            };
            let key: Key = name.parse().expect("a key");
            for pane in &panes {
                let action = app.keymap.action(key, *pane);
                // In the empty prompt a question mark asks for help too, although it is text there.
                let asks = name == "?" && *pane == Pane::Prompt;
                assert!(action.is_some() || asks, "`{name}` does nothing in {pane:?}: {row}");
                told.extend(action);
            }
        }
    }
    for action in [Action::Drain, Action::Pin, Action::Freeze, Action::Focus(Pane::Decisions), Action::Quit] {
        assert!(told.contains(&action), "{action:?} is not told");
    }
}

/// The real terminal with a fake engine, for looking at it by hand:
/// `cargo test --lib tui::tests::journeys::by_hand -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "takes the terminal"]
async fn by_hand() {
    let (engine, mut asked) = super::fake::engine(fixture::working());
    let facts = engine.facts.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        for fact in fixture::facts(&fixture::working()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = facts.send(fact);
        }
        while let Some(request) = asked.recv().await {
            let sent = fixture::dispatched(&request.decision);
            let mut script = vec![
                Progress::Attempting(sent),
                Progress::FirstToken { attempt: 1, after: Duration::from_millis(300) },
            ];
            script.extend(
                "Words that come one by one, as from a model. "
                    .split_inclusive(' ')
                    .cycle()
                    .take(90)
                    .map(|word| Progress::Text(word.to_owned())),
            );
            script.push(ending(&request.decision));
            for progress in script {
                tokio::time::sleep(Duration::from_millis(30)).await;
                if request.answer.send(progress).await.is_err() {
                    break;
                }
            }
        }
    });
    let summary =
        crate::tui::run(engine, UiConfig::default(), crate::tui::Options::default(), std::future::pending()).await;
    println!("{}", summary.expect("a terminal"));
}
