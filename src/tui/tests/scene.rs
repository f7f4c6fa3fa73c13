//! Screens with much on them: a day of money, models with books, charts of GPUs, judged requests, a comparison.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{self, NOW, ago, usd};
use super::screens::{app_on, talking};
use crate::domain::decision::Decision;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::health::Health;
use crate::domain::judgement::{Judged, Judgement};
use crate::domain::machine::GpuReadings;
use crate::domain::money::{Cost, CostBasis, Money};
use crate::domain::prompt::Prompt;
use crate::domain::request::Constraints;
use crate::domain::spend::{Action, Book, Budget, Day, Forecasts, Period, Scope, Spend};
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::domain::usage::Usage;
use crate::engine::{CallError, Dispatched, Drained, Ending, Fact, OperatorAction, Progress, Snapshot};
use crate::provider::Finish;
use crate::tui::app::App;
use crate::tui::backing::LogLine;
use crate::tui::panes::gpu::GpuPane;
use crate::tui::session::TurnEvent;

/// The fleet at work, with the books of a day and a half.
pub fn busy() -> Snapshot {
    let mut snapshot = fixture::working();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    fleet.spend = Arc::new(day_of_spending());
    let books = [
        ("anthropic", 0, 31, 4.886, 0.0, 0),
        ("anthropic", 1, 4, 0.214, 0.0, 0),
        ("workstation", 0, 20, 0.0, 0.0, 0),
        ("workstation", 1, 3, 0.0, 0.0, 0),
        ("litellm", 0, 23, 0.541, 0.541, 0),
        ("litellm", 1, 1, 0.0, 0.0, 1),
    ];
    for (id, model, attempts, amount, estimated, unknown) in books {
        let model = &mut fixture::backend(fleet, id).models[model];
        model.book = Book {
            amount: usd(amount),
            estimated: usd(estimated),
            charged: usd(amount),
            unknown,
            attempts,
            input_tokens: u64::from(attempts) * 1_830,
            output_tokens: u64::from(attempts) * 612,
            forecasts: Forecasts::default(),
        };
    }
    let models = &mut fixture::backend(fleet, "anthropic").models;
    models[0].book.forecasts = Forecasts { attempts: 29, predicted: usd(4.52), settled: usd(4.66), off: usd(0.56) };
    models[1].book.forecasts = Forecasts { attempts: 4, predicted: usd(0.251), settled: usd(0.214), off: usd(0.037) };
    fixture::backend(fleet, "anthropic").models[0].judged = Judged { good: 31, bad: 4, better: 12, worse: 3 };
    fixture::backend(fleet, "litellm").models[0].judged = Judged { better: 3, worse: 12, ..Judged::default() };
    fixture::backend(fleet, "workstation").models[0].judged = Judged { good: 2, ..Judged::default() };
    snapshot
}

fn day_of_spending() -> Spend {
    let start = ago(30 * 3_600);
    let day = |at: Timestamp| Day(i32::try_from(at.0.div_euclid(86_400_000)).expect("a day"));
    let budgets = vec![
        Budget::new(Scope::Tier(Tier::Claude), Period::Month, usd(40.0), Action::Refuse),
        Budget::new(Scope::Caller("test".into()), Period::Day, usd(4.0), Action::Warn),
    ];
    let mut spend = Spend::new(start, day(start), Some(usd(25.0))).with_budgets(budgets);
    let usage = Usage { input: 1_830, output: 612, ..Usage::default() };
    for hour in (0..=30_i64).rev() {
        let at = ago(hour * 3_600 + 60);
        spend.advance(at, day(at));
        if hour == 3 {
            spend.rent(usd(1.64), Money::ZERO, at);
        }
        // Nobody works at night.
        if (5..13).contains(&hour) {
            continue;
        }
        let dollars = 0.05 + 0.35 * ((hour * 7 % 11) as f64 / 11.0);
        let usage = Usage { input: 96_000 + 4_000 * hour.unsigned_abs(), output: 21_000, ..Usage::default() };
        spend.book(Tier::Claude, Cost::known(usd(dollars), CostBasis::Priced), Some(&usage), at);
        spend.book(Tier::Local, Cost::known(Money::ZERO, CostBasis::Priced), Some(&usage), at);
        let estimate = Cost::known(usd(dollars / 9.0), CostBasis::Estimated);
        spend.book(Tier::Frontier, estimate, Some(&usage), at);
    }
    for second in 0..12 {
        let cost = Cost::known(usd(0.019), CostBasis::Priced);
        spend.book(Tier::Claude, cost, Some(&usage), ago(240 - second * 20));
    }
    spend.book(Tier::Frontier, Cost::UNKNOWN, Some(&usage), ago(30));
    spend.advance(NOW, day(NOW));
    // An answer broke off for which more had been set aside than is known to have been used.
    let purpose = fixture::purpose(Tier::Claude);
    spend.reserve(usd(0.25), &purpose).expect("within the limit");
    let broken = Cost::known(usd(0.02), CostBasis::Estimated);
    spend.settle(&purpose, usd(0.25), broken, Some(&usage), ago(10));
    spend.reserve(usd(0.084), &fixture::purpose(Tier::Claude)).expect("within the limit");
    spend
}

/// A fleet that is all up and was never asked anything.
pub fn idle() -> Snapshot {
    let mut snapshot = fixture::loading();
    let fleet = Arc::make_mut(&mut snapshot.fleet);
    for one in &mut fleet.backends {
        let one = Arc::make_mut(one);
        (one.health, one.probed_at) = (Health::Up, Some(ago(2)));
        one.probe_took = Some(Duration::from_millis(42));
    }
    let telemetry = Arc::make_mut(&mut snapshot.telemetry);
    telemetry.local = GpuReadings::Absent { why: "no NVIDIA driver (NVML not found)".into() };
    telemetry.runpod = GpuReadings::Ok { gpus: Vec::new(), at: ago(3) };
    snapshot
}

/// The same screen with everything on it that a long day brings.
pub fn normal() -> App {
    let mut app = talking();
    // The readings that it has seen already are newer than those to come.
    app.gpu = GpuPane::default();
    remember_gpus(&mut app);
    app.see(Arc::new(busy()));
    judge(&mut app);
    compare(&mut app);
    app.log = log();
    app
}

/// A fleet in trouble, five minutes after its last word.
pub fn failing() -> App {
    let mut app = app_on(fixture::failing());
    app.log = log();
    app.now = NOW.after(Duration::from_secs(300));
    app
}

/// A quarter of an hour of readings, a minute missing.
pub fn remember_gpus(app: &mut App) {
    let base = fixture::working();
    for back in (0..90_i64).rev().filter(|back| !(30..36).contains(back)) {
        let mut telemetry = (*base.telemetry).clone();
        for (readings, offset) in [(&mut telemetry.local, 40), (&mut telemetry.runpod, 70)] {
            let GpuReadings::Ok { gpus, at } = readings else { continue };
            *at = ago(back * 10 + 2);
            for gpu in gpus {
                gpu.utilisation = u8::try_from((offset + back * 13 % 47) % 101).ok();
            }
        }
        app.gpu.remember(&telemetry);
    }
}

/// What an operator said of the answers so far, and the end of a drain.
pub fn judge(app: &mut App) {
    let kind = |row: &crate::tui::feed::Row| match &row.kind {
        crate::tui::feed::Kind::Request(request) => Some(request.id),
        _ => None,
    };
    let ids: Vec<_> = app.feed.rows().filter_map(kind).collect();
    for (id, judgement) in ids.into_iter().zip([Judgement::Good, Judgement::Bad, Judgement::Better]) {
        app.feed.take(Fact::Operator(Arc::new(OperatorAction {
            at: ago(2),
            by: "operator".into(),
            target: None,
            state: None,
            judged: Some((id, judgement)),
            words: format!("judge {} {}", id.short(), judgement.name()),
        })));
    }
    app.feed.take(Fact::Drained(Arc::new(Drained {
        at: ago(1),
        target: Target::Tier(Tier::Gpu),
        after: Duration::from_secs(38),
    })));
}

/// The end of an answer by the first candidate of its decision.
pub fn ending(decision: &Decision) -> Progress {
    let one = decision.chosen().expect("a candidate").clone();
    Progress::Ended(Ok(Arc::new(Ending {
        request: decision.request,
        tier: one.tier,
        backend: one.backend,
        model: one.model,
        finish: Finish::Stop,
        first_token: Some(Duration::from_millis(300)),
        total: Duration::from_millis(900),
        usage: Some(Usage { input: 12, output: 40, ..Usage::default() }),
        cost: Cost::known(usd(0.0042), CostBasis::Priced),
        attempts: Vec::new(),
    })))
}

/// Four answers side by side: chosen, whole, broken, streaming.
pub fn compare(app: &mut App) {
    let mut snapshot = fixture::working();
    Arc::make_mut(&mut snapshot.fleet).tiers[Tier::Gpu.index()].admin = crate::domain::fleet::Admin::default();
    let question = "Why is the sky blue, and why is it red in the evening?";
    let keys = app.session.open_comparison(question, 4, ago(9));
    for (tier, key) in Tier::ALL.into_iter().zip(&keys) {
        let demands = Constraints { tier: Some(tier), fallback: false, ..Constraints::default() };
        let number = 40 + tier.index() as u128;
        let decision = fixture::demanding(&snapshot, number, Prompt::user(question), demands, ago(9));
        let sent = Dispatched { at: ago(9), ..fixture::dispatched(&decision) };
        let events = [
            TurnEvent::Decided(Arc::clone(&decision)),
            TurnEvent::Progress(Progress::Attempting(sent)),
            TurnEvent::Progress(Progress::FirstToken { attempt: 1, after: Duration::from_millis(300 + 240 * tier.index() as u64) }),
            TurnEvent::Progress(Progress::Text(
                "Short waves are scattered more than long ones by what the air is made of.\n\nIn the evening the light \
                 comes a longer way, and what arrives is what was not scattered: "
                    .to_owned(),
            )),
        ];
        for event in events {
            app.session.take(*key, event, ago(8));
        }
        let end = match tier {
            Tier::Claude | Tier::Local => ending(&decision),
            Tier::Gpu => Progress::Ended(Err(CallError::Cut(Failure::new(
                FailureClass::Overloaded,
                "the worker was taken away",
            )))),
            Tier::Frontier => continue,
        };
        app.session.take(*key, TurnEvent::Progress(end), ago(3));
    }
    app.session.comparisons.last_mut().expect("a comparison").better = Some(keys[0]);
}

/// A few lines of the program's log.
pub fn log() -> Vec<LogLine> {
    [
        (95, "INFO", "the engine has started: 6 backends"),
        (61, "WARN", "openai: OPENAI_API_KEY is not set, so it takes no requests"),
        (20, "ERROR", "runpod: HTTP 401: key refused"),
        (4, "DEBUG", "laptop: probed in 2.1 s"),
    ]
    .map(|(back, level, words)| LogLine { at: ago(back), level, text: words.to_owned() })
    .to_vec()
}
