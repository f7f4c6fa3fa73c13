//! Promise: money is set aside before it is spent, settled afterwards, and never lost track of.

use std::future::IntoFuture;

use super::{ANSWER_COST, Bench};
use crate::domain::failure::FailureClass;
use crate::domain::money::Money;
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::spend::Forecasts;
use crate::domain::tier::Tier;
use crate::engine::CallError;
use crate::provider::Event;
use crate::provider::scripted::{Play, Scripted, Step};

fn ok() -> Scripted {
    Scripted::new([Play::answer("ok")])
}

async fn settled(bench: &Bench, done: impl Fn(&crate::domain::spend::Spend) -> bool) {
    let mut snapshots = bench.engine.snapshots();
    snapshots.wait_for(|snapshot| done(&snapshot.fleet.spend)).await.expect("the engine lives");
}

#[tokio::test(start_paused = true)]
async fn an_answer_costs_its_usage_times_its_price() {
    let bench = Bench::answering();
    let reply = bench.engine.claude("hi").await.expect("claude answers");
    assert_eq!(reply.ending.cost.amount, Some(ANSWER_COST));
    settled(&bench, |spend| spend.session_total() == ANSWER_COST && spend.reserved == Money::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_predicted_is_compared_with_what_was_settled_for_whole_answers_alone() {
    let cut = vec![Step::Yield(Event::Text("12345678".into())), Step::Fail(FailureClass::Truncated)];
    let claude = Scripted::new([Play::answer("ok"), Play::Steps(cut)]);
    let bench = Bench::new(claude, ok(), ok(), ok());
    let (prompt, demands) = (Prompt::user("hi"), Constraints { tier: Some(Tier::Claude), ..Constraints::default() });
    let predicted = bench.engine.explain(&prompt, &demands, &"test".into()).chosen().and_then(|one| one.estimate.cost);
    bench.engine.claude("hi").await.expect("claude answers");
    assert!(bench.engine.claude("hi").await.is_err());
    settled(&bench, |spend| spend.session[Tier::Claude.index()].attempts == 2).await;
    let snapshot = bench.engine.snapshot();
    let mut claude = snapshot.fleet.of_tier(Tier::Claude).flat_map(|backend| &backend.models);
    let forecasts = claude.find(|model| model.book.attempts > 0).expect("it was used").book.forecasts;
    let predicted = predicted.expect("its price is known");
    let off = Money((predicted.0 - ANSWER_COST.0).abs());
    assert_eq!(forecasts, Forecasts { attempts: 1, predicted, settled: ANSWER_COST, off });
}

#[tokio::test(start_paused = true)]
async fn the_gateways_own_figure_is_preferred() {
    let steps = vec![
        Step::Yield(Event::Text("x".into())),
        Step::Yield(Event::Cost(Money(77))),
        Step::Yield(Event::Done(crate::provider::Finish::Stop)),
    ];
    let bench = Bench::new(ok(), ok(), ok(), Scripted::new([Play::Steps(steps)]));
    let reply = bench.engine.frontier("hi").await.expect("frontier answers");
    assert_eq!(reply.ending.cost.amount, Some(Money(77)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_usage_has_an_unknown_cost_not_a_zero_one() {
    let steps = vec![Step::Yield(Event::Text("x".into())), Step::Yield(Event::Done(crate::provider::Finish::Stop))];
    let bench = Bench::new(Scripted::new([Play::Steps(steps)]), ok(), ok(), ok());
    let reply = bench.engine.claude("hi").await.expect("claude answers");
    assert_eq!(reply.ending.cost.amount, None);
    settled(&bench, |spend| spend.session[Tier::Claude.index()].unknown == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_booked_as_an_estimate() {
    let cut = vec![Step::Yield(Event::Text("12345678".into())), Step::Fail(FailureClass::Truncated)];
    let bench = Bench::new(Scripted::new([Play::Steps(cut)]), ok(), ok(), ok());
    assert!(bench.engine.claude("hi").await.is_err());
    settled(&bench, |spend| {
        let claude = spend.session[Tier::Claude.index()];
        claude.amount > Money::ZERO && claude.estimated == claude.amount && spend.reserved == Money::ZERO
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn near_the_limit_the_router_takes_what_still_fits() {
    let bench = Bench::with(ok(), ok(), ok(), ok(), |config| config.cost_limit_daily = Some(Money(1_000)));
    let reply = bench.engine.call("Explain quantum computing").await.expect("local is free");
    assert_eq!(reply.ending.tier, Tier::Local);
    let Err(CallError::NoRoute(decision)) = bench.engine.claude("hi").await else { panic!("over budget") };
    let claude = decision.rejected.iter().find(|one| one.tier == Tier::Claude).expect("it was considered");
    assert_eq!(claude.reason.code(), "over_budget");
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_cannot_pass_the_limit_together() {
    // Room for the upper bound of one request, but not of two.
    let bench = Bench::answering();
    let bound = bench.engine.claude("hi").explain().candidates[0].estimate.cost_upper.expect("priced");
    let bench = Bench::with(ok(), ok(), ok(), ok(), |config| {
        config.cost_limit_daily = Some(bound + Money(1));
    });
    let calls = (0..8).map(|_| bench.engine.claude("hi").into_future());
    let replies = futures::future::join_all(calls).await;
    let answered = replies.iter().filter(|reply| reply.is_ok()).count();
    assert_eq!(answered, 1);
    settled(&bench, |spend| spend.reserved == Money::ZERO).await;
    assert!(bench.engine.snapshot().fleet.spend.today_total() <= bound);
}

#[tokio::test(start_paused = true)]
async fn what_a_cut_answer_had_reported_so_far_is_not_taken_for_its_whole_usage() {
    // Anthropic reports the prompt and the first token at the start, and the rest at the end that never came.
    let early = crate::domain::usage::Usage { input: 100, output: 1, ..crate::domain::usage::Usage::default() };
    let cut = vec![
        Step::Yield(Event::Usage(early)),
        Step::Yield(Event::Text("x".repeat(400))),
        Step::Fail(FailureClass::Truncated),
    ];
    let bench = Bench::new(Scripted::new([Play::Steps(cut)]), ok(), ok(), ok());
    assert!(bench.engine.claude("hi").await.is_err());
    settled(&bench, |spend| {
        let claude = spend.session[Tier::Claude.index()];
        claude.attempts == 1 && claude.estimated == claude.amount && claude.amount == Money(100 * 1_000 + 100 * 10_000)
    })
    .await;
}
