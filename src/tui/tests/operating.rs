//! What an operator does to the fleet, and to requests: the dialogs with their outlook, the phases of a drain, undoing,
//! judging, sending again, through the real loop.

use std::sync::Arc;
use std::time::Duration;

use super::fake::Stage;
use super::{fixture, scene};
use crate::config::UiConfig;
use crate::domain::fleet::{Admin, AdminState};
use crate::domain::judgement::Judgement;
use crate::domain::request::Privacy;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Command, Drained, Fact, OperatorAction, Snapshot};

fn stage() -> Stage {
    Stage::new(fixture::working(), UiConfig::default(), 120, 40)
}

fn drained(in_flight: bool) -> Snapshot {
    let mut snapshot = fixture::working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    fleet.tiers[Tier::Claude.index()].admin =
        Admin { state: AdminState::Drain, by: "operator".into(), since: fixture::NOW, ..Admin::default() };
    if !in_flight {
        fixture::backend(fleet, "anthropic").models[0].sent.clear();
    }
    snapshot
}

/// Six decisions of the last ten minutes, four of which went to the first tier.
fn decisions() -> Vec<Fact> {
    let snapshot = fixture::working();
    let texts = ["Write a function", "Write a parser", "Hi", "Write a test", "Write a lexer", "Hi"];
    let decide = |(index, text): (usize, &&str)| {
        Fact::Decided(fixture::decision(&snapshot, 200 + index as u128, text, fixture::ago(600 - index as i64 * 100)))
    };
    texts.iter().enumerate().map(decide).collect()
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_foreseen_asked_confirmed_counted_down_and_turned_around() {
    let stage = stage();
    stage.settle().await;
    stage.hears(decisions()).await;
    stage.engine.hold.send_replace(true);
    stage.press("alt-2 d").await;
    stage.shows("of 6 requests of the last 10 min would move:");
    stage.shows("claude to ");
    stage.shows("first token p95");
    stage.shows("2 requests in flight will finish, oldest 12s");
    stage.press("y y").await;
    assert!(matches!(&stage.commands()[..], [Command::SetAdmin { state: AdminState::Drain, .. }]));
    assert!(stage.line("● claude").contains("ASKED"), "the engine has not answered yet");
    stage.sees(drained(true)).await;
    stage.engine.hold.send_replace(false);
    stage.settle().await;
    stage.shows("done: drain tier claude (U undoes the last change)");
    let row = stage.line("◌ claude");
    assert!(row.contains("DRAIN 2") && row.contains("oldest 12s"), "{row}");
    stage.sees(drained(false)).await;
    let row = stage.line("○ claude");
    assert!(row.contains("DRAINED") && !row.contains("oldest"), "{row}");
    let end = Drained { at: fixture::NOW, target: Target::Tier(Tier::Claude), after: Duration::from_secs(38) };
    stage.hears([Fact::Drained(Arc::new(end))]).await;
    stage.shows("tier claude after 38s: nothing in flight");
    stage.press("U").await;
    stage.shows("undo: make ready tier claude?");
    stage.press("y y").await;
    let last = stage.commands().pop();
    assert!(matches!(last, Some(Command::SetAdmin { state: AdminState::Ready, .. })), "{last:?}");
    // An undo is no change to be undone: it would only go back and forth.
    stage.press("U").await;
    stage.shows("there is nothing to undo");
}

#[tokio::test(start_paused = true)]
async fn undo_goes_back_change_by_change_to_what_was_before() {
    let stage = stage();
    stage.press("alt-2 d y y").await;
    stage.press("j p y y").await;
    stage.press("$").await;
    stage.press("ctrl-u").await;
    stage.type_text("0.5").await;
    stage.press("enter y").await;
    assert_eq!(stage.commands().len(), 3);
    stage.press("U").await;
    stage.shows("undo: set today's limit to $10.00?");
    stage.press("y y U").await;
    stage.shows("undo: unpin backend anthropic?");
    stage.press("y y U").await;
    stage.shows("undo: make ready tier claude?");
    stage.press("y y").await;
    stage.press("U").await;
    stage.shows("there is nothing to undo");
    let words: Vec<String> = stage.commands()[3..].iter().map(Command::words).collect();
    assert_eq!(words, ["set today's limit to $10.00", "unpin backend anthropic", "make ready tier claude"]);
}

#[tokio::test(start_paused = true)]
async fn undoing_is_said_to_be_impossible_where_nothing_was_done() {
    let stage = stage();
    stage.press("alt-2 U").await;
    stage.shows("there is nothing to undo");
}

#[tokio::test(start_paused = true)]
async fn an_undo_of_a_pin_takes_the_pin_away() {
    let stage = stage();
    stage.press("alt-2 j p y y").await;
    assert!(matches!(&stage.commands()[..], [Command::Pin { .. }]));
    stage.press("U").await;
    // Also before a snapshot shows the pin.
    stage.shows("unpin backend anthropic?");
    stage.press("y y").await;
    assert!(matches!(&stage.commands()[1..], [Command::Unpin { .. }]));
    // What is not pinned and was not pinned from here has nothing to take away.
    stage.press("k P").await;
    stage.shows("nothing is pinned to tier claude");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_ended_only_where_something_is() {
    let stage = stage();
    stage.press("alt-2 K").await;
    stage.shows("end what is in flight on tier claude?");
    stage.shows("2 in flight, oldest 12s");
    stage.shows("answers under way are cut off");
    stage.press("y y").await;
    assert_eq!(stage.commands(), [Command::Kill { target: Target::Tier(Tier::Claude) }]);
    stage.press("G K").await;
    stage.shows("nothing is in flight on");
    assert_eq!(stage.commands().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_no_amount_is_refused_in_the_dialog() {
    let stage = stage();
    stage.press("alt-5 $").await;
    stage.shows("what may be spent today?");
    stage.shows("10.00");
    stage.press("ctrl-u").await;
    stage.type_text("much").await;
    stage.shows("`much` is no amount of dollars");
    stage.press("enter y y").await;
    assert_eq!(stage.commands(), [], "the button does nothing, and the amount has the focus again");
    stage.press("ctrl-u").await;
    stage.shows("no limit");
    stage.type_text("25").await;
    stage.shows("$25.00 a day");
    stage.press("enter y y").await;
    assert_eq!(stage.commands(), [Command::SetDailyLimit(Some(fixture::usd(25.0)))]);
}

#[tokio::test(start_paused = true)]
async fn a_judgement_given_in_the_details_shows_there() {
    let stage = stage();
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    stage.press("esc 7 g enter G").await;
    stage.shows("in the end");
    stage.shows("predicted ~");
    stage.press("+").await;
    let [Command::Judge { request, judgement: Judgement::Good }] = stage.commands()[..] else {
        panic!("{:?}", stage.commands())
    };
    let said = OperatorAction {
        at: fixture::NOW,
        by: "operator".into(),
        target: None,
        state: None,
        judged: Some((request, Judgement::Good)),
        words: "judge".into(),
    };
    stage.hears([Fact::Operator(Arc::new(said))]).await;
    assert!(stage.line("judged ").contains("good"), "{}", stage.text());
    stage.press("esc").await;
    assert!(stage.line("11:56:50").contains("good"), "{}", stage.text());
}

#[tokio::test(start_paused = true)]
async fn the_details_say_where_the_request_would_go_now() {
    let stage = stage();
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    stage.press("esc 7 g enter G").await;
    stage.shows("it would go the same way");
    stage.sees(drained(true)).await;
    stage.press("G").await;
    stage.shows("it would go to ");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_goes_elsewhere_with_its_privacy_and_without_its_first_answer() {
    let mut stage = stage();
    stage.settle().await;
    stage.type_text("/private Tell me of my diary").await;
    stage.press("enter").await;
    let asked = stage.asked.recv().await.expect("a request");
    stage.hears([Fact::Decided(Arc::clone(&asked.decision))]).await;
    asked.answer.send(crate::engine::Progress::Text("It is thick.".to_owned())).await.expect("the screen listens");
    asked.answer.send(scene::ending(&asked.decision)).await.expect("the screen listens");
    stage.settle().await;
    stage.press("alt-7 e").await;
    stage.shows("┏ send it again to ━");
    // What was kept on this machine is not offered to others.
    stage.shows("the best of this tier for it");
    stage.hides("litellm/");
    stage.type_text("laptop").await;
    stage.press("enter").await;
    let again = stage.asked.recv().await.expect("a request");
    assert_eq!(again.constraints.backend, Some(fixture::id("laptop")));
    assert_eq!(again.constraints.privacy, Privacy::High);
    assert_eq!(again.prompt.messages.len(), 1, "as it was asked the first time");
    stage.shows("┏ 1 prompt");
}

#[tokio::test(start_paused = true)]
async fn what_others_asked_cannot_be_sent_again() {
    let stage = stage();
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    stage.press("esc 7 g e").await;
    stage.shows("only prompts typed here can be sent again");
}

#[tokio::test(start_paused = true)]
async fn read_only_keeps_everything_that_changes_something_away_on_every_screen() {
    let stage = Stage::new(fixture::working(), UiConfig { read_only: true, ..UiConfig::default() }, 120, 40);
    stage.settle().await;
    stage.hears(fixture::facts(&fixture::working())).await;
    for keys in ["esc 8 d", "u", "t", "p", "P", "K", "$", "U", "7 x", "+", "-", "c b"] {
        stage.press(keys).await;
        stage.hides("?  ━");
        stage.hides("[ cancel ]");
    }
    assert_eq!(stage.commands(), []);
}
