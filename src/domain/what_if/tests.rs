//! What a change would do to traffic, over a fleet of one backend per tier.

mod replay;

use proptest::prelude::*;
use uuid::Uuid;

use super::super::analysis::{Analysis, analyse};
use super::super::fleet::{Backend, BackendSpec, KeyState, ModelSpec, Protocol, Timeouts, Timer};
use super::super::id::RequestId;
use super::super::price::{PerToken, PriceRow, Pricing, Rates};
use super::super::privacy::{Guarded, Reach, Verdict};
use super::super::prompt::Prompt;
use super::super::request::{Constraints, Privacy};
use super::super::spend::{Day, Spend};
use super::super::task::Task;
use super::super::tier::Tier;
use super::*;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const EXPLAIN: &str = "Explain tides";
const REWARD: &str = "Rate this action: wait";

fn backend(tier: Tier) -> Backend {
    let wait = Duration::from_secs(5);
    let spec = BackendSpec {
        id: format!("{tier}-1").into(),
        tier,
        protocol: Protocol::Openai,
        url: Arc::from("http://test"),
        reach: if tier == Tier::Local { Reach::Inside } else { Reach::Outside },
        key: KeyState::NotNeeded,
        max_in_flight: None,
        timeouts: Timeouts { connect: Timer::Set(wait), first_token: Timer::Set(wait), stall: Timer::Set(wait) },
        default_pricing: Pricing::Unknown,
        memory: None,
        warm_up: false,
    };
    let base = Rates { input: PerToken(1_000_000), output: PerToken(10_000_000), ..Rates::default() };
    let pricing = match tier {
        Tier::Local => Pricing::Free,
        Tier::Gpu => Pricing::Unknown,
        Tier::Claude | Tier::Frontier => Pricing::PerToken { rows: vec![PriceRow { base, ..PriceRow::default() }] },
    };
    Backend::new(spec, vec![("model".into(), ModelSpec { pricing, ..ModelSpec::default() })])
}

fn fleet() -> Fleet {
    Fleet::new(Tier::ALL.into_iter().map(backend).collect(), Spend::new(NOW, Day(0), None))
}

/// What was asked, and when.
#[derive(Clone, Debug)]
struct Asked {
    at: Timestamp,
    caller: Arc<str>,
    constraints: Constraints,
    analysis: Analysis,
    verdict: Arc<Verdict>,
}

impl Asked {
    fn new(text: &str, privacy: Privacy, seconds_ago: i64) -> Self {
        let prompt = Arc::new(Prompt::user(text));
        let analysis = analyse(&prompt, None);
        let guarded = Guarded::inspect(prompt, privacy, &Policy::default().guard);
        Self {
            at: Timestamp(NOW.0 - seconds_ago * 1_000),
            caller: Arc::from("test"),
            constraints: Constraints { privacy, ..Constraints::default() },
            analysis,
            verdict: Arc::clone(guarded.verdict()),
        }
    }

    fn matter(&self) -> Matter<'_> {
        let Self { caller, constraints, analysis, verdict, .. } = self;
        Matter { request: RequestId(Uuid::nil()), caller, constraints, analysis, verdict, chance: 1.0 }
    }
}

/// As many requests of a kind, one a second, newest first.
fn asked(text: &str, privacy: Privacy, count: i64) -> Vec<Asked> {
    (0..count).map(|second| Asked::new(text, privacy, second)).collect()
}

fn ahead(recent: &[Asked], change: &Change, fleet: &Fleet) -> Foreseen {
    foresee(recent.iter().map(|one| (one.at, one.matter())), change, fleet, &Policy::default(), NOW)
}

fn admin(tier: Tier, state: AdminState) -> Change {
    Change::Admin { target: Target::Tier(tier), state }
}

fn way(from: Tier, to: Tier, requests: u32) -> Move {
    Move { from: from.to_string(), to: to.to_string(), requests }
}

#[test]
fn a_drain_moves_the_traffic_of_its_target_and_no_other() {
    let recent = [asked(EXPLAIN, Privacy::Standard, 3), asked(REWARD, Privacy::Standard, 2)].concat();
    let foreseen = ahead(&recent, &admin(Tier::Claude, AdminState::Drain), &fleet());
    assert_eq!((foreseen.requests, foreseen.moved(), foreseen.failing()), (5, 3, 0));
    assert_eq!(foreseen.moves, [way(Tier::Claude, Tier::Frontier, 3)]);
    assert_eq!((foreseen.before.served, foreseen.after.served), (5, 5));
}

#[test]
fn private_prompts_without_their_last_candidate_are_lost_and_the_reason_is_told() {
    let recent = [asked("hi", Privacy::High, 2), asked(REWARD, Privacy::Standard, 1)].concat();
    let foreseen = ahead(&recent, &admin(Tier::Local, AdminState::Drain), &fleet());
    let lost = |why: &str, requests| Loss { why: why.to_owned(), requests };
    assert_eq!(foreseen.lost, [lost("private, and tier drained", 2)]);
    assert_eq!(foreseen.moves, [way(Tier::Local, Tier::Gpu, 1)]);
    assert_eq!((foreseen.before.served, foreseen.after.served), (3, 1));
}

#[test]
fn what_nobody_serves_now_and_somebody_would_is_gained() {
    let drained = admin(Tier::Local, AdminState::Drain).applied(&fleet(), NOW);
    let foreseen = ahead(&asked("hi", Privacy::High, 2), &admin(Tier::Local, AdminState::Ready), &drained);
    assert_eq!((foreseen.gained, foreseen.moved(), foreseen.failing()), (2, 0, 0));
}

#[test]
fn an_only_pin_takes_all_it_can_and_loses_the_rest() {
    let pin = |only| Change::Pin { target: Target::Tier(Tier::Gpu), scope: PinScope::All, only };
    let recent = [asked(EXPLAIN, Privacy::Standard, 2), asked("hi", Privacy::High, 1)].concat();
    let foreseen = ahead(&recent, &pin(true), &fleet());
    assert_eq!((foreseen.moves.as_slice(), foreseen.failing()), ([way(Tier::Claude, Tier::Gpu, 2)].as_slice(), 1));
    assert_eq!(foreseen.after.unpriced, 2, "nobody knows what these would cost");
    assert_eq!(ahead(&recent, &pin(false), &fleet()).failing(), 0, "the others stand in");
}

#[test]
fn a_pin_for_one_task_leaves_the_others_alone_and_unpinning_undoes_it() {
    let target = Target::Tier(Tier::Gpu);
    let pin = Change::Pin { target: target.clone(), scope: PinScope::Task(Task::Explanation), only: false };
    let recent = [asked(EXPLAIN, Privacy::Standard, 2), asked(REWARD, Privacy::Standard, 2)].concat();
    assert_eq!(ahead(&recent, &pin, &fleet()).moves, [way(Tier::Claude, Tier::Gpu, 2)]);
    let pinned = pin.applied(&fleet(), NOW);
    assert_eq!(ahead(&recent, &Change::Unpin { target }, &pinned).moves, [way(Tier::Gpu, Tier::Claude, 2)]);
}

#[test]
fn a_daily_limit_of_nothing_sends_what_costs_to_what_does_not() {
    let limit = |limit| Change::DailyLimit { limit };
    let recent = asked(EXPLAIN, Privacy::Standard, 4);
    let foreseen = ahead(&recent, &limit(Some(Money::ZERO)), &fleet());
    assert_eq!(foreseen.moves, [way(Tier::Claude, Tier::Local, 4)]);
    assert!(foreseen.before.cost > Money::ZERO && foreseen.after.cost == Money::ZERO);
    let limited = limit(Some(Money::ZERO)).applied(&fleet(), NOW);
    assert_eq!(ahead(&recent, &limit(None), &limited).moves, [way(Tier::Local, Tier::Claude, 4)]);
}

#[test]
fn cost_per_hour_follows_the_span_and_too_short_a_span_has_none() {
    let unchanged = admin(Tier::Claude, AdminState::Ready);
    let short = ahead(&asked(EXPLAIN, Privacy::Standard, 30), &unchanged, &fleet());
    assert_eq!((short.span, short.before.cost_per_hour), (Duration::from_secs(29), None));
    let long = ahead(&asked(EXPLAIN, Privacy::Standard, 61), &unchanged, &fleet());
    assert_eq!(long.span, Duration::from_secs(60));
    assert_eq!(long.before.cost_per_hour, Some(Money(long.before.cost.0 * 60)));
}

#[test]
fn the_expected_first_token_changes_with_the_tier() {
    let foreseen = ahead(&asked(EXPLAIN, Privacy::Standard, 3), &admin(Tier::Claude, AdminState::Drain), &fleet());
    let [claude, .., frontier] = Policy::default().assumed.map(|assumed| Some(assumed.first_token_ms));
    assert_eq!((foreseen.before.first_token_p95_ms, foreseen.after.first_token_p95_ms), (claude, frontier));
}

#[test]
fn what_is_too_old_or_too_much_is_left_out() {
    let unchanged = admin(Tier::Claude, AdminState::Ready);
    let edge = i64::try_from(WINDOW.as_secs()).expect("it fits");
    let recent: Vec<Asked> = [edge, edge + 1].map(|ago| Asked::new(EXPLAIN, Privacy::Standard, ago)).into();
    assert_eq!(ahead(&recent, &unchanged, &fleet()).requests, 1);
    let one = Asked::new(EXPLAIN, Privacy::Standard, 1);
    let many = std::iter::repeat_with(|| (one.at, one.matter())).take(REQUESTS + 1);
    let foreseen = foresee(many, &unchanged, &fleet(), &Policy::default(), NOW);
    assert_eq!(foreseen.requests as usize, REQUESTS);
}

#[test]
fn backends_and_models_are_named_where_the_tier_stays() {
    let mut two = backend(Tier::Claude);
    Arc::make_mut(&mut two.spec).id = "claude-2".into();
    let mut fleet = fleet();
    fleet.backends.push(Arc::new(two));
    let drain = Change::Admin { target: Target::Backend("claude-1".into()), state: AdminState::Drain };
    let foreseen = ahead(&asked(EXPLAIN, Privacy::Standard, 1), &drain, &fleet);
    assert_eq!(foreseen.moves, [Move { from: "claude-1".into(), to: "claude-2".into(), requests: 1 }]);
}

fn tiers() -> impl Strategy<Value = Tier> {
    proptest::sample::select(Tier::ALL.as_slice())
}

fn targets() -> impl Strategy<Value = Target> {
    (tiers(), 0..3).prop_map(|(tier, part)| match part {
        0 => Target::Tier(tier),
        1 => Target::Backend(format!("{tier}-1").into()),
        _ => Target::Model(format!("{tier}-1").into(), "model".into()),
    })
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let texts = proptest::sample::select([EXPLAIN, REWARD, "hi", "write to ada@example.org", "Prove it"].as_slice());
    let wanted = (proptest::option::of(tiers()), any::<bool>(), proptest::option::of(0_i64..1_000_000_000));
    (texts, any::<bool>(), 0_i64..900, wanted).prop_map(|(text, private, ago, (tier, fallback, cost))| {
        let privacy = if private { Privacy::High } else { Privacy::Standard };
        let mut asked = Asked::new(text, privacy, ago);
        asked.constraints = Constraints { tier, fallback, max_cost: cost.map(Money), ..asked.constraints };
        asked
    })
}

proptest! {
    #[test]
    fn a_change_that_changes_nothing_moves_nothing(
        recent in proptest::collection::vec(any_asked(), 0..12),
        target in targets(),
        limit in proptest::option::of(0_i64..1_000_000_000),
    ) {
        let fleet = Change::DailyLimit { limit: limit.map(Money) }.applied(&fleet(), NOW);
        for change in [
            Change::Admin { target: target.clone(), state: AdminState::Ready },
            Change::Admin { target: Target::Backend("nobody".into()), state: AdminState::Drain },
            Change::Unpin { target },
            Change::DailyLimit { limit: limit.map(Money) },
        ] {
            let foreseen = ahead(&recent, &change, &fleet);
            prop_assert_eq!((foreseen.moved(), foreseen.failing(), foreseen.gained), (0, 0, 0));
            prop_assert_eq!(foreseen.before, foreseen.after);
        }
    }

    #[test]
    fn nothing_goes_to_what_is_drained_and_nobody_is_forgotten(
        recent in proptest::collection::vec(any_asked(), 0..12),
        target in targets(),
        maint in any::<bool>(),
    ) {
        let state = if maint { AdminState::Maint } else { AdminState::Drain };
        let change = Change::Admin { target: target.clone(), state };
        let (fleet, policy) = (fleet(), Policy::default());
        let drained = change.applied(&fleet, NOW);
        for asked in &recent {
            let decision = decide(asked.matter(), &drained, &policy, NOW);
            let outside = decision.candidates.iter().all(|one| !target.covers(one.tier, &one.backend, &one.model));
            prop_assert!(outside);
        }
        let foreseen = ahead(&recent, &change, &fleet);
        prop_assert_eq!(foreseen.before.served, foreseen.after.served + foreseen.failing());
        prop_assert_eq!(foreseen.gained, 0);
    }
}
