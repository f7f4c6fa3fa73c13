//! `decide` alone, for a fleet of four tiers with eight backends each. Wanted: under 10 µs. And one decision, whole, for
//! prompts of exactly 1 KiB that are all different. Wanted: half of them within 50 µs, 99 of a hundred within 300 µs.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod varied;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_call::domain::analysis::features::features;
use llm_call::domain::analysis::{Analysis, analyse};
use llm_call::domain::decision::{Decision, decide};
use llm_call::domain::fleet::{Backend, BackendSpec, Fleet, KeyState, ModelSpec, Protocol, Timeouts, Timer};
use llm_call::domain::id::{BackendId, ModelId, RequestId};
use llm_call::domain::learning::Kind;
use llm_call::domain::policy::Policy;
use llm_call::domain::price::{PerToken, PriceRow, Pricing, Rates};
use llm_call::domain::privacy::{GuardPolicy, Guarded, Handling, Kinds, Reach, detect, intent};
use llm_call::domain::prompt::Prompt;
use llm_call::domain::request::{Constraints, Request};
use llm_call::domain::spend::{Day, Spend};
use llm_call::domain::task::Task;
use llm_call::domain::tier::Tier;
use llm_call::domain::time::Timestamp;
use llm_call::domain::tokens::Measured;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // With a filter, or only to be listed, nobody asked for this.
    if arguments.iter().all(|one| one == "--bench") && !arguments.is_empty() {
        one_kibibyte();
    }
}

/// How many prompts are measured in turn: their words and what they touch are far more than the nearest caches hold.
const PROMPTS: usize = 1_200;
/// How often; the first time is not counted.
const ROUNDS: usize = 6;

/// Half of all times, and 99 of a hundred, of a decision on varied prompts and of its parts.
fn one_kibibyte() {
    let case = Case::new("Explain quantum computing");
    let texts = varied::prompts(PROMPTS, 1 << 10);
    let prompts: Vec<(String, Arc<Prompt>)> =
        texts.into_iter().map(|text| (text.clone(), Arc::new(Prompt::user(text)))).collect();
    println!("\n{PROMPTS} varied prompts of 1 KiB in turn   p50 µs   p99 µs");
    let row = |name: &str, part: &dyn Fn(&str, &Arc<Prompt>)| {
        let mut times: Vec<Duration> = Vec::with_capacity(PROMPTS * (ROUNDS - 1));
        for round in 0..ROUNDS {
            for (text, prompt) in &prompts {
                let began = Instant::now();
                part(text, prompt);
                let took = began.elapsed();
                if round > 0 {
                    times.push(took);
                }
            }
        }
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        println!("{name:<36} {:>8.1} {:>8.1}", at(50), at(99));
    };
    row("whole", &|_, prompt| drop(black_box(case.whole(prompt))));
    row("analysis", &|_, prompt| drop(black_box(analyse(prompt, None))));
    row("guard", &|_, prompt| {
        drop(black_box(Guarded::inspect(Arc::clone(prompt), Default::default(), &case.policy.guard)));
    });
    row("tokens", &|_, prompt| {
        black_box(Measured::of(prompt).features());
    });
    row("features", &|text, _| drop(black_box(features(text))));
    row("kind", &|text, _| {
        black_box(Kind::of(Task::Code, false, text));
    });
    row("detectors", &|text, _| {
        black_box(detected(text));
    });
    row("intents", &|text, _| {
        black_box(intended(text));
    });
    row("decide", &|_, _| drop(black_box(case.decide())));
}

fn detected(text: &str) -> usize {
    let mut found = 0;
    detect::scan(text, GuardPolicy::default().kinds(Handling::KeepLocal), |_| found += 1);
    found
}

fn intended(text: &str) -> usize {
    let mut found = 0;
    intent::scan(text, &[Kinds::all()], |_, _, _, _| found += 1);
    found
}

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn backend(tier: Tier, number: usize) -> Backend {
    let rates = Rates { input: PerToken(2_000_000), output: PerToken(10_000_000), ..Rates::default() };
    let spec = BackendSpec {
        id: BackendId::from(format!("{tier}-{number}")),
        tier,
        protocol: Protocol::Openai,
        url: Arc::from("http://127.0.0.1:1"),
        reach: if tier == Tier::Local { Reach::Inside } else { Reach::Outside },
        key: KeyState::NotNeeded,
        max_in_flight: Some(8),
        timeouts: Timeouts {
            connect: Timer::Set(Duration::from_secs(1)),
            first_token: Timer::Set(Duration::from_secs(10)),
            stall: Timer::Set(Duration::from_secs(10)),
        },
        default_pricing: Pricing::Unknown,
        memory: None,
        warm_up: false,
    };
    let pricing = Pricing::PerToken { rows: vec![PriceRow { base: rates, ..PriceRow::default() }] };
    let model = ModelSpec { pricing, context: Some(128_000), ..ModelSpec::default() };
    Backend::new(spec, vec![(ModelId::from("model"), model)])
}

struct Case {
    fleet: Fleet,
    policy: Policy,
    request: Request,
    analysis: Analysis,
    guarded: Guarded,
}

impl Case {
    fn new(prompt: &str) -> Self {
        let backends = Tier::ALL.into_iter().flat_map(|tier| (0..8).map(move |number| backend(tier, number))).collect();
        let policy = Policy::default();
        let prompt = Arc::new(Prompt::user(prompt));
        let guarded = Guarded::inspect(Arc::clone(&prompt), Default::default(), &policy.guard);
        Self {
            fleet: Fleet::new(backends, Spend::new(NOW, Day(0), None)),
            analysis: analyse(&prompt, None),
            request: Request {
                id: RequestId(uuid::Uuid::nil()),
                prompt,
                constraints: Constraints::default(),
                caller: Arc::from("bench"),
                chance: 1.0,
            },
            policy,
            guarded,
        }
    }

    /// One decision, whole: what the prompt is, what it holds, how many tokens it has, where it goes.
    fn whole(&self, prompt: &Arc<Prompt>) -> (Decision, Analysis, Guarded) {
        let analysis = analyse(prompt, None);
        let guarded = Guarded::inspect(Arc::clone(prompt), Default::default(), &self.policy.guard);
        let decision = decide(self.request.matter(&analysis, guarded.verdict()), &self.fleet, &self.policy, NOW);
        (decision, analysis, guarded)
    }

    fn decide(&self) -> Decision {
        decide(self.request.matter(&self.analysis, self.guarded.verdict()), &self.fleet, &self.policy, NOW)
    }
}

#[divan::bench]
fn four_tiers_of_eight_backends(bencher: divan::Bencher<'_, '_>) {
    let case = Case::new("Explain quantum computing");
    bencher.bench(|| divan::black_box(&case).decide());
}

#[divan::bench]
fn the_same_for_a_private_prompt(bencher: divan::Bencher<'_, '_>) {
    let case = Case::new("Write to ada@example.org about the 4111 1111 1111 1111 payment");
    bencher.bench(|| divan::black_box(&case).decide());
}

/// Prose, numbers and a list: what people paste, so that no word repeats itself to the end.
fn text(kibibytes: usize) -> String {
    let (places, things) =
        (["Lisbon", "the harbour", "a laboratory", "our kitchen"], ["tide", "engine", "letter", "proof"]);
    let mut text = String::from("Explain in a few sentences what follows from this report, and why.\n");
    let mut number = 17_u64;
    while text.len() < kibibytes << 10 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = |from: u32, of: [&'static str; 4]| of[(number >> from) as usize % 4];
        let (place, thing) = (pick(40, places), pick(50, things));
        text.push_str(&format!("On day {}, the {thing} near {place} moved {} units; ", number >> 56, number >> 52));
        text.push_str(if number >> 63 == 0 {
            "nobody had expected that.\n"
        } else {
            "it was (as planned) measured twice.\n- "
        });
    }
    text.truncate(kibibytes << 10);
    text
}

/// One decision, whole, again and again for the same prompt: how it grows with the text.
#[divan::bench(args = [1, 4, 16, 64, 256])]
fn whole(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let prompt = Arc::new(Prompt::user(text(kibibytes)));
    let case = Case::new("Explain quantum computing");
    bencher.bench(|| case.whole(divan::black_box(&prompt)));
}

#[divan::bench(args = [1, 64])]
fn analysis(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let prompt = Prompt::user(text(kibibytes));
    bencher.bench(|| analyse(divan::black_box(&prompt), None));
}

#[divan::bench(args = [1, 64])]
fn tokens(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let prompt = Prompt::user(text(kibibytes));
    bencher.bench(|| Measured::of(divan::black_box(&prompt)).features());
}

#[divan::bench(args = [1, 64])]
fn kind(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let text = text(kibibytes);
    bencher.bench(|| Kind::of(Task::Code, false, divan::black_box(&text)));
}

#[divan::bench(args = [1, 64])]
fn detectors(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let text = text(kibibytes);
    bencher.bench(|| detected(divan::black_box(&text)));
}

#[divan::bench(args = [1, 64])]
fn intents(bencher: divan::Bencher<'_, '_>, kibibytes: usize) {
    let text = text(kibibytes);
    bencher.bench(|| intended(divan::black_box(&text)));
}
