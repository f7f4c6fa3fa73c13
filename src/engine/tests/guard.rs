//! Promise: no text with a finding of a kind that is kept reaches an outside upstream, under any pin, drain, failure or
//! fallback. Every kind that the guard knows is planted, in every place of a prompt and in every writing that it claims to
//! see through, and what outside upstreams were sent is looked through whole.

mod fleet;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use self::fleet::{Fleet, Told};
use crate::config::Config;
use crate::domain::failure::FailureClass;
use crate::domain::fleet::{AdminState, PinScope};
use crate::domain::money::Money;
use crate::domain::privacy::planted::{Chance, Place, Planted, Writing, conversation, named, plant, strings};
use crate::domain::privacy::{FindingKind, GuardPolicy, Handling, Ruling};
use crate::domain::prompt::{Format, Prompt};
use crate::domain::request::{Constraints, Optimize};
use crate::domain::task::Task;
use crate::domain::tier::{Target, Tier};
use crate::engine::{Command, Delivery};
use crate::provider::scripted::{Play, Scripted, Step, told};
use crate::provider::{Event, Finish};

const HANDLINGS: [Handling; 5] =
    [Handling::KeepLocal, Handling::Redact, Handling::Refuse, Handling::Warn, Handling::Allow];

/// A prompt with findings to be.
#[derive(Clone, Debug)]
struct Sowing {
    /// Each with what must not leave of it, as it is written.
    plants: Vec<(Planted, String)>,
    prompt: Prompt,
}

impl Sowing {
    fn of(question: &str) -> Self {
        Self { plants: Vec::new(), prompt: conversation(question) }
    }

    /// Plants something of a kind, written in a way that is claimed for it.
    fn plant(&mut self, kind: FindingKind, place: Place, writing: Writing, chance: &mut Chance) {
        let planted = plant(kind, chance);
        let escaped = matches!(place, Place::JsonInText | Place::JsonInToolResult);
        let twice = escaped && matches!(writing, Writing::Unicode | Writing::Hexadecimal);
        let writing = if writing.is_for(&planted) && !twice { writing } else { Writing::Plain };
        let place = if place.is_for(kind) { place } else { Place::LastQuestion };
        let (text, trace) = writing.write(&planted);
        place.put(&mut self.prompt, &text);
        self.plants.push((planted, trace));
    }

    /// What a text tells of the findings of so many bytes that are handled in one of these ways.
    fn told_by(&self, text: &str, guard: &GuardPolicy, how: &[Handling], least: usize) -> Option<String> {
        let bad = |(planted, trace): &&(Planted, String)| {
            how.contains(&handling(guard, planted.kind))
                && planted.value.len() >= least
                && (text.contains(trace.as_str()) || text.contains(&planted.trace))
        };
        self.plants.iter().find(bad).map(|(planted, trace)| format!("{}: {trace}", planted.kind))
    }
}

/// What is to be done about a kind, by the operator's word and not by what the guard makes of it.
fn handling(guard: &GuardPolicy, kind: FindingKind) -> Handling {
    match guard.handling.get(&kind).expect("there is a word on every kind") {
        Handling::Redact if !kind.is_a_value() => Handling::KeepLocal,
        word => *word,
    }
}

/// A policy with a word on every kind.
fn policy(of: impl Fn(FindingKind) -> Handling) -> GuardPolicy {
    let handling: BTreeMap<_, _> = FindingKind::ALL.into_iter().map(|kind| (kind, of(kind))).collect();
    GuardPolicy { handling, named: named(of(FindingKind::Named)) }
}

/// Looks at one kind and nothing else.
fn only(kind: FindingKind, handling: Handling) -> GuardPolicy {
    policy(|one| if one == kind { handling } else { Handling::Allow })
}

/// What must hold of a request that has ended, whatever became of it.
fn judge(sowing: &Sowing, guard: &GuardPolicy, told_of: &Told) -> Result<(), String> {
    let handled = |how| sowing.plants.iter().any(|(planted, _)| handling(guard, planted.kind) == how);
    let Told { outside, inside, reply, words, .. } = told_of;
    if handled(Handling::Refuse) && !(outside.is_empty() && inside.is_empty()) {
        return Err("a refused prompt was sent".to_owned());
    }
    if handled(Handling::KeepLocal) && !outside.is_empty() {
        return Err("a kept prompt left".to_owned());
    }
    for text in outside.iter().flat_map(strings) {
        if let Some(what) = sowing.told_by(&text, guard, &[Handling::KeepLocal, Handling::Refuse, Handling::Redact], 1)
        {
            return Err(format!("{what} left"));
        }
    }
    if handled(Handling::Redact) {
        let bare = |prompt: &&Prompt| !strings(prompt).iter().any(|text| text.contains("_1]"));
        if outside.iter().any(|prompt| bare(&prompt)) {
            return Err("no placeholder stands for a value".to_owned());
        }
    }
    for word in words {
        // Two digits or a form of address say nothing by themselves.
        let found = [Handling::KeepLocal, Handling::Refuse, Handling::Redact, Handling::Warn];
        if let Some(what) = sowing.told_by(word, guard, &found, 4) {
            return Err(format!("{what} is told in {word}"));
        }
    }
    // All that answers here answers with what it was given: the values are back in their places.
    match reply {
        Some(reply) if sowing.prompt.sampling.format == Format::Text && *reply != told(&sowing.prompt) => {
            Err(format!("the answer is another one: {reply}"))
        }
        _ => Ok(()),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

async fn pin_outside(fleet: &Fleet) {
    let pin = Command::Pin {
        target: Target::Tier(Tier::Claude),
        scope: PinScope::All,
        only: true,
        lasts: None,
        reason: Arc::from(""),
    };
    fleet.command(pin).await;
}

/// One kind in one place at a time, and Claude the only way: what is kept is not sent, what is redacted is sent without it,
/// and the rest is sent as it is.
async fn table(kind: FindingKind, how: Handling, cells: &[(Place, Writing)]) -> usize {
    let guard = only(kind, how);
    let fleet = Fleet::new(false, |config| config.policy.guard = guard.clone(), |_| Scripted::new([Play::Echo]));
    pin_outside(&fleet).await;
    let mut sent = 0;
    for (number, (place, writing)) in cells.iter().enumerate() {
        let mut sowing = Sowing::of("The tides are high today.");
        let mut chance = Chance::new(number as u64 * 64 + kind as u64);
        sowing.plant(kind, *place, *writing, &mut chance);
        let told = fleet.ask(&sowing.prompt, Constraints::default(), Delivery::Streamed, None).await;
        judge(&sowing, &guard, &told)
            .unwrap_or_else(|what| panic!("{kind} in {place:?} as {writing:?}, {how:?}: {what}"));
        sent += told.outside.len();
        let is_kept = match handling(&guard, kind) {
            Handling::KeepLocal | Handling::Refuse => true,
            // A key in another writing is found by its first line and kept whole.
            Handling::Redact => {
                place.keeps_what_is_redacted() || kind == FindingKind::PrivateKey && told.outside.is_empty()
            }
            Handling::Warn | Handling::Allow => false,
        };
        assert_eq!(told.outside.is_empty(), is_kept, "{kind} in {place:?} as {writing:?}, {how:?}");
    }
    let harmless = conversation("The tides are high today.");
    let harmless = fleet.ask(&harmless, Constraints::default(), Delivery::Whole, None).await;
    assert_eq!(harmless.outside.len(), 1, "nothing else is in the way");
    sent
}

/// The cells of the table for one kind: every place, and every writing at least once.
fn cells(kind: FindingKind) -> Vec<(Place, Writing)> {
    let places = Place::ALL.into_iter().filter(|place| place.is_for(kind)).enumerate();
    places.map(|(number, place)| (place, Writing::ALL[(number + kind as usize) % Writing::ALL.len()])).collect()
}

#[test]
fn a_kept_kind_is_never_sent_out_wherever_it_stands_and_however_it_is_written() {
    runtime().block_on(async {
        for kind in FindingKind::ALL {
            assert_eq!(table(kind, Handling::KeepLocal, &cells(kind)).await, 0);
            assert_eq!(table(kind, Handling::Refuse, &cells(kind)[..2]).await, 0);
        }
    });
}

#[test]
fn a_redacted_kind_is_sent_without_its_value_and_comes_back_with_it() {
    runtime().block_on(async {
        for kind in FindingKind::ALL {
            let cells = cells(kind);
            // A third of the places each, another third for the next kind.
            let some: Vec<_> = cells.into_iter().skip(kind as usize % 3).step_by(3).collect();
            let sent = table(kind, Handling::Redact, &some).await;
            assert_eq!(sent > 0, kind.is_a_value(), "{kind}");
            let sent = table(kind, Handling::Warn, &some[..1]).await + table(kind, Handling::Allow, &some[..1]).await;
            assert_eq!(sent, 2, "{kind} may go");
        }
    });
}

#[test]
fn every_kind_can_be_planted_in_many_ways() {
    for kind in FindingKind::ALL {
        let values: BTreeSet<String> = (0..64).map(|seed| plant(kind, &mut Chance::new(seed)).value).collect();
        assert!(values.len() >= 2, "{kind}");
        let writings: BTreeSet<Writing> = cells(kind).into_iter().map(|(_, writing)| writing).collect();
        assert!(!kind.is_a_value() || writings.len() == Writing::ALL.len(), "{kind}");
    }
}

#[test]
fn a_hedge_gets_no_value_either() {
    runtime().block_on(async {
        let guard = only(FindingKind::Email, Handling::Redact);
        let adjust = |config: &mut Config| {
            config.policy.guard = guard.clone();
            config.policy.hedge = true;
            config.policy.learning.enabled = false;
        };
        let quick = || (0..20).map(|_| Play::answer("quick"));
        let fleet = Fleet::new(false, adjust, |id| match id {
            "claude" => Scripted::new(quick().chain([Play::Steps(vec![Step::Hang])])),
            _ => Scripted::new([Play::Echo]),
        });
        let mut sowing = Sowing::of("Explain quantum computing.");
        for _ in 0..20 {
            fleet.ask(&sowing.prompt, Constraints::default(), Delivery::Streamed, None).await;
        }
        sowing.plant(FindingKind::Email, Place::System, Writing::Plain, &mut Chance::new(1));
        let told = fleet.ask(&sowing.prompt, Constraints::default(), Delivery::Streamed, None).await;
        assert_eq!(judge(&sowing, &guard, &told), Ok(()));
        assert_eq!((told.outside.len(), told.reply.is_some()), (2, true), "it was hedged");
    });
}

fn plays() -> impl Strategy<Value = Play> {
    let begun = |last| Play::Steps(vec![Step::Yield(Event::Text("half".to_owned())), last]);
    let class = || proptest::sample::select(FailureClass::ALL.to_vec());
    // These two are the engine's own: no upstream breaks off with them.
    let is_ours = |class: &FailureClass| matches!(class, FailureClass::Overtaken | FailureClass::Cancelled);
    let breaks = class().prop_filter("an upstream's", move |class| !is_ours(class));
    prop_oneof![
        3 => Just(Play::Echo),
        2 => class().prop_map(Play::refuse),
        1 => breaks.prop_map(move |class| begun(Step::Fail(class))),
        1 => Just(Play::Steps(vec![Step::Hang])),
        1 => Just(begun(Step::Hang)),
        1 => Just(begun(Step::Panic)),
        1 => Just(Play::Steps(vec![Step::Yield(Event::Done(Finish::Stop))])),
    ]
}

fn targets() -> impl Strategy<Value = Target> {
    let backends = fleet::BACKENDS.map(|(id, tier)| (id, tier)).to_vec();
    (proptest::sample::select(backends), 0..3_u8).prop_map(|((id, tier), which)| match which {
        0 => Target::Tier(tier),
        1 => Target::Backend(id.into()),
        _ => Target::Model(id.into(), "model".into()),
    })
}

fn commands() -> impl Strategy<Value = Command> {
    let reason = || Arc::from("");
    let state = proptest::sample::select(vec![AdminState::Ready, AdminState::Drain, AdminState::Maint]);
    let scope = proptest::sample::select(vec![
        PinScope::All,
        PinScope::Caller(Arc::from("tester")),
        PinScope::Caller(Arc::from("somebody else")),
        PinScope::Task(Task::Question),
    ]);
    let lasts = || proptest::option::of(Just(Duration::from_secs(30)));
    prop_oneof![
        4 => (targets(), state, lasts()).prop_map(move |(target, state, lasts)| Command::SetAdmin { target, state, lasts, reason: reason() }),
        4 => (targets(), scope, any::<bool>(), lasts()).prop_map(move |(target, scope, only, lasts)| Command::Pin { target, scope, only, lasts, reason: reason() }),
        1 => targets().prop_map(|target| Command::Unpin { target }),
        1 => targets().prop_map(|target| Command::Kill { target }),
        1 => proptest::option::of(0_i64..1_000_000).prop_map(|limit| Command::SetDailyLimit(limit.map(Money))),
        1 => Just(Command::Probe(None)),
    ]
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let aims = vec![Optimize::Balanced, Optimize::Quality, Optimize::Latency, Optimize::Cost, Optimize::Throughput];
    let backend = proptest::option::weighted(0.2, proptest::sample::select(fleet::BACKENDS.map(|(id, _)| id).to_vec()));
    let tier = proptest::option::weighted(0.2, proptest::sample::select(Tier::ALL.to_vec()));
    let latency = proptest::option::weighted(0.1, 1_u32..20_000);
    (tier, backend, any::<bool>(), proptest::sample::select(aims), latency).prop_map(
        |(tier, backend, fallback, optimize, max_latency_ms)| Constraints {
            tier,
            backend: backend.map(Into::into),
            fallback,
            optimize,
            max_latency_ms,
            ..Constraints::default()
        },
    )
}

/// One request among others: what the operator did before and does meanwhile, and what is asked for.
#[derive(Clone, Debug)]
struct Round {
    before: Vec<Command>,
    meanwhile: Option<Command>,
    constraints: Constraints,
    delivery: Delivery,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let delivery = proptest::sample::select(vec![Delivery::Streamed, Delivery::Revocable, Delivery::Whole]);
    let meanwhile = proptest::option::weighted(0.3, commands());
    let round = (proptest::collection::vec(commands(), 0..3), meanwhile, constraints(), delivery)
        .prop_map(|(before, meanwhile, constraints, delivery)| Round { before, meanwhile, constraints, delivery });
    proptest::collection::vec(round, 1..3)
}

/// Words that mean nothing, in several scripts.
const HARMLESS: [&str; 6] = [
    "The moon pulls the water and the water follows.",
    "Salt, wind and light make a coast what it is.",
    "Das Meer ist ruhig, und die Möwen sind laut.",
    "潮水每天来两次。",
    "let mut sum = 0; for wave in waves { sum += wave; }",
    "🌊 The boats are small, and the harbour is large.",
];

#[derive(Clone, Debug)]
struct Case {
    /// Kind, place and writing of each plant, by their numbers.
    plants: Vec<(usize, usize, usize)>,
    handlings: Vec<Handling>,
    /// Whether kinds that are not planted have their own handling, or are allowed.
    default_rest: bool,
    seed: u64,
    /// How many harmless sentences stand before and behind.
    around: (usize, usize),
    scripts: Vec<Vec<Play>>,
    rounds: Vec<Round>,
    limit: Option<i64>,
    /// Whether the GPU is as good as this machine, whether the local model runs elsewhere, and whether errors quote.
    flags: (bool, bool, bool, bool),
}

fn cases() -> impl Strategy<Value = Case> {
    let plant = (0..FindingKind::ALL.len(), 0..Place::ALL.len(), 0..Writing::ALL.len());
    let handling = || proptest::sample::select(HANDLINGS.to_vec());
    let scripts = proptest::collection::vec(proptest::collection::vec(plays(), 1..4), fleet::BACKENDS.len());
    let flags = (proptest::bool::weighted(0.3), proptest::bool::weighted(0.2), any::<bool>(), any::<bool>());
    (
        proptest::collection::vec(plant, 1..4),
        proptest::collection::vec(handling(), 3),
        any::<bool>(),
        any::<u64>(),
        (0..6_usize, 0..6_usize),
        scripts,
        rounds(),
        proptest::option::weighted(0.3, 0_i64..2_000_000),
        flags,
    )
        .prop_map(|(plants, handlings, default_rest, seed, around, scripts, rounds, limit, flags)| Case {
            plants,
            handlings,
            default_rest,
            seed,
            around,
            scripts,
            rounds,
            limit,
            flags,
        })
}

/// How often what was seen, so that a test that proves nothing is noticed.
#[derive(Default)]
struct Seen {
    harmless_outside: Cell<usize>,
    redacted_outside: Cell<usize>,
    kept_inside: Cell<usize>,
    errors: Cell<usize>,
}

fn count(cell: &Cell<usize>, more: usize) {
    cell.set(cell.get() + more);
}

async fn play(case: Case, seen: &Seen) -> Result<(), String> {
    let (gpu_inside, local_is_remote, quotes, hedge) = case.flags;
    let mut chance = Chance::new(case.seed);
    let planted: Vec<(FindingKind, Handling)> =
        case.plants.iter().zip(&case.handlings).map(|((kind, ..), how)| (FindingKind::ALL[*kind], *how)).collect();
    let guard = policy(|kind| {
        let word = planted.iter().rev().find(|(one, _)| *one == kind).map(|(_, how)| *how);
        let rest =
            if case.default_rest && kind != FindingKind::Named { kind.default_handling() } else { Handling::Allow };
        word.unwrap_or(rest)
    });
    let sentences = |chance: &mut Chance, count| (0..count).map(|_| chance.of(&HARMLESS)).collect::<Vec<_>>().join(" ");
    let mut sowing = Sowing::of(&sentences(&mut chance, case.around.0 + 1));
    let mut places = BTreeSet::new();
    for (kind, place, writing) in &case.plants {
        let place = Place::ALL[*place];
        // One in each place: most places hold one text.
        if places.insert(place) {
            sowing.plant(FindingKind::ALL[*kind], place, Writing::ALL[*writing], &mut chance);
        }
    }
    Place::LastQuestion.put(&mut sowing.prompt, &sentences(&mut chance, case.around.1));
    let quoted = sowing.plants.first().map(|(_, trace)| trace.clone()).unwrap_or_default();
    let quoting = |play: Play| match play {
        Play::Refuse(failure) if quotes => Play::Quote(failure.class, quoted.clone()),
        other => other,
    };
    let adjust = |config: &mut Config| {
        config.policy.guard = guard.clone();
        config.policy.deadline = Duration::from_secs(25);
        config.policy.hedge = hedge;
        config.cost_limit_daily = case.limit.map(Money);
    };
    let mut scripts = case.scripts.into_iter();
    let fleet = Fleet::new(gpu_inside, adjust, |_| {
        Scripted::new(scripts.next().unwrap_or_default().into_iter().map(quoting).collect::<Vec<_>>())
    });
    if local_is_remote {
        fleet.local_is_remote().await;
    }
    for round in case.rounds {
        for command in round.before {
            fleet.command(command).await;
        }
        let Round { meanwhile, constraints, delivery, .. } = round;
        let told = fleet.ask(&sowing.prompt, constraints.clone(), delivery, meanwhile).await;
        judge(&sowing, &guard, &told)?;
        let ruling = told.ruling;
        count(&seen.redacted_outside, usize::from(ruling == Ruling::FreeRedacted) * told.outside.len());
        count(&seen.kept_inside, usize::from(ruling == Ruling::KeepAsFound) * told.inside.len());
        count(&seen.errors, usize::from(told.reply.is_none()));
        let harmless = conversation("The tides are high today.");
        count(&seen.harmless_outside, fleet.ask(&harmless, constraints, delivery, None).await.outside.len());
    }
    Ok(())
}

#[test]
fn no_kept_finding_reaches_an_outside_upstream_whatever_happens() {
    let seen = Seen::default();
    // A quarter of what is usual: each of them is several requests. PROPTEST_CASES makes it more.
    let usual = ProptestConfig::with_source_file(file!());
    let config = ProptestConfig { cases: usual.cases / 4, ..usual };
    let outcome = TestRunner::new(config)
        .run(&cases(), |case| runtime().block_on(play(case, &seen)).map_err(TestCaseError::fail));
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
    let counts = [&seen.harmless_outside, &seen.redacted_outside, &seen.kept_inside, &seen.errors].map(Cell::get);
    assert!(counts.iter().all(|count| *count > 0), "nothing was tried: {counts:?}");
}
