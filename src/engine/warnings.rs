//! What an operator should look at: pure lints over a [`Snapshot`], the gravest first. Each says what is wrong and what
//! would mend it.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Snapshot, midnight_after};
use crate::domain::fleet::{AdminState, Backend, KeyState, Trouble};
use crate::domain::health::Health;
use crate::domain::money::Money;
use crate::domain::rejection::Rejection;
use crate::domain::spend::Action;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::store::keeper::Status;

/// How grave a warning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Requests fail, or are about to.
    Critical,
    /// Somebody should act.
    Warning,
    /// Worth knowing.
    Notice,
}

/// One warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// How grave.
    pub severity: Severity,
    /// Which part of the fleet, where it is about one.
    pub target: Option<Target>,
    /// What is wrong, in one line.
    pub words: String,
    /// What would mend it, in one line.
    pub remedy: String,
}

/// A drain that lasts longer than this and has no end was probably forgotten.
const FORGOTTEN: Duration = Duration::from_secs(2 * 3600);
/// A pin that ends within this time is announced.
const ENDING: Duration = Duration::from_secs(300);
/// Shares of the daily limit at which to warn, in percent.
const BUDGET_WARN: i128 = 80;

/// Looks at a snapshot. `probe_every` is the longest probe interval of the configuration: a probe older than three of them
/// means that nobody looks any more. Times of day, and the day that the limit is for, are those of the operator's `zone`.
#[must_use]
pub fn warnings(snapshot: &Snapshot, probe_every: Duration, zone: &TimeZone, now: Timestamp) -> Vec<Warning> {
    let mut found = Vec::new();
    for tier in Tier::ALL {
        tier_warnings(snapshot, tier, now, &mut found);
    }
    for backend in &snapshot.fleet.backends {
        backend_warnings(backend, probe_every, now, &mut found);
    }
    operator_warnings(snapshot, now, &mut found);
    money_warnings(snapshot, zone, now, &mut found);
    store_warnings(snapshot, &mut found);
    machine_warnings(snapshot, &mut found);
    found.sort_by_key(|warning| warning.severity);
    found
}

fn warn(
    found: &mut Vec<Warning>,
    severity: Severity,
    target: Option<Target>,
    words: impl Into<String>,
    remedy: impl Into<String>,
) {
    found.push(Warning { severity, target, words: words.into(), remedy: remedy.into() });
}

fn tier_warnings(snapshot: &Snapshot, tier: Tier, now: Timestamp, found: &mut Vec<Warning>) {
    let fleet = &snapshot.fleet;
    let backends: Vec<&Backend> = fleet.of_tier(tier).map(|backend| &**backend).collect();
    let wanted = fleet.tier(tier).admin.state_at(now) == AdminState::Ready;
    if backends.is_empty() || !wanted || backends.iter().any(|backend| backend.health == Health::Unknown) {
        return;
    }
    let reasons: Vec<Option<Rejection>> = backends.iter().map(|backend| fleet.routable(backend, now).err()).collect();
    let serving = reasons.iter().filter(|reason| reason.is_none()).count();
    let target = Some(Target::Tier(tier));
    match serving {
        0 => {
            // A tier that was never set up is no news; one that broke is.
            let broken = reasons.iter().flatten().find(|reason| !matches!(reason, Rejection::NoKey { .. }));
            if let Some(reason) = broken {
                let words = format!("tier {tier} takes no requests: {reason}");
                warn(found, Severity::Critical, target, words, reason.remedy());
            }
        }
        1 if backends.len() > 1 => {
            let words = format!("tier {tier} has one backend left of {}", backends.len());
            let remedy = reasons.iter().flatten().next().map(Rejection::remedy).unwrap_or_default();
            warn(found, Severity::Warning, target, words, remedy);
        }
        _ => {}
    }
}

fn backend_warnings(backend: &Backend, probe_every: Duration, now: Timestamp, found: &mut Vec<Warning>) {
    let id = &backend.spec.id;
    let target = || Some(Target::Backend(id.clone()));
    match backend.trouble {
        Some(Trouble::KeyRefused { .. }) => {
            warn(found, Severity::Critical, target(), format!("{id} refuses its key"), "replace the key and restart");
        }
        Some(Trouble::OutOfCredit { .. }) => {
            warn(found, Severity::Critical, target(), format!("{id} is out of credit"), "add credit at the provider");
        }
        None => {}
    }
    let probed =
        backend.admin.state_at(now) != AdminState::Maint && !matches!(backend.spec.key, KeyState::Missing { .. });
    if let Some(at) = backend.probed_at.filter(|_| probed)
        && now.since(at) > probe_every.saturating_mul(3)
    {
        let words = format!("{id} was last probed {} ago", coarse(now.since(at)));
        warn(found, Severity::Warning, target(), words, "probe it; if that does not help, see the log");
    }
}

fn operator_warnings(snapshot: &Snapshot, now: Timestamp, found: &mut Vec<Warning>) {
    let fleet = &snapshot.fleet;
    let tiers = Tier::ALL.into_iter().map(|tier| (Target::Tier(tier), &fleet.tier(tier).admin));
    let backends = fleet.backends.iter().map(|one| (Target::Backend(one.spec.id.clone()), &one.admin));
    for (target, admin) in tiers.chain(backends) {
        let held = admin.state_at(now) != AdminState::Ready && admin.until.is_none();
        if held && now.since(admin.since) > FORGOTTEN {
            let words = format!("{target} is in {} since {}", admin.state.name(), coarse(now.since(admin.since)));
            warn(found, Severity::Notice, Some(target), words, "make it ready, if the work on it is done");
        }
    }
    for pin in &fleet.pins {
        let target = || Some((*pin.target).clone());
        let holds = pin.until.is_none_or(|until| now < until);
        if let Some(until) = pin.until.filter(|until| holds && until.since(now) <= ENDING) {
            let words = format!("the pin of {} to {} ends in {}", pin.scope, pin.target, coarse(until.since(now)));
            warn(found, Severity::Notice, target(), words, "pin again, if it is still needed");
        }
        let serves = fleet.backends.iter().any(|backend| {
            fleet.routable(backend, now).is_ok()
                && backend.models.iter().any(|model| pin.target.covers(backend.spec.tier, &backend.spec.id, &model.id))
        });
        if holds && !serves {
            let (severity, effect) = if pin.only {
                (Severity::Critical, "its requests fail")
            } else {
                (Severity::Warning, "others stand in")
            };
            let words = format!("{} is pinned and cannot serve: {effect}", pin.target);
            warn(found, severity, target(), words, "unpin it, or bring it up");
        }
    }
}

fn money_warnings(snapshot: &Snapshot, zone: &TimeZone, now: Timestamp, found: &mut Vec<Warning>) {
    let spend = &snapshot.fleet.spend;
    if let Some(limit) = spend.daily_limit.filter(|limit| *limit > Money::ZERO) {
        let percent = i128::from(spend.today_charged().0) * 100 / i128::from(limit.0);
        if percent >= 100 {
            let words = format!("today's limit of {limit} is used up: only what costs nothing still serves");
            warn(found, Severity::Critical, None, words, "raise cost_limit_daily, or wait for tomorrow");
        } else if percent >= BUDGET_WARN {
            let words = format!("{percent} % of today's limit of {limit} is used");
            warn(found, Severity::Warning, None, words, "raise cost_limit_daily, or optimise for cost");
        }
        let midnight = midnight_after(now, zone);
        if let Some(at) = spend.used_up_at(now).filter(|at| now < *at && *at < midnight) {
            let words = format!("at this burn, today's limit of {limit} is used up at {}", time_of_day(at, zone));
            warn(found, Severity::Warning, None, words, "raise cost_limit_daily, or optimise for cost");
        }
    }
    for budget in &spend.budgets {
        let percent = i128::from(budget.charged().0) * 100 / i128::from(budget.limit.0.max(1));
        let (severity, words) = match (percent, budget.action) {
            (100.., Action::Refuse) => {
                (Severity::Critical, format!("{budget} of {} is used up: what falls under it is refused", budget.limit))
            }
            (100.., Action::Warn) => (Severity::Warning, format!("{budget} of {} is passed", budget.limit)),
            (BUDGET_WARN.., _) => (Severity::Warning, format!("{percent} % of {budget} of {} is used", budget.limit)),
            _ => continue,
        };
        warn(found, severity, None, words, "raise it in [[budgets]], or wait until it begins anew");
    }
    let unpriced: u32 = spend.session.iter().map(|tier| tier.unknown).sum();
    if unpriced > 0 && spend.daily_limit.is_some() {
        let words = format!("{unpriced} attempts have no known cost, so the daily limit does not see them");
        warn(found, Severity::Notice, None, words, "give their models a price");
    }
}

fn store_warnings(snapshot: &Snapshot, found: &mut Vec<Warning>) {
    let Status { stuck, behind } = &snapshot.store;
    if let Some(why) = stuck {
        let words = format!("the ledger cannot be written: {why}. What is booked waits in memory");
        warn(found, Severity::Critical, None, words, "make room on the disk, or mend its rights");
    } else if let Some(why) = behind {
        let words = format!("the database cannot be written, and the journal keeps everything: {why}");
        warn(found, Severity::Warning, None, words, "make room on the disk, or end what holds the database");
    }
}

fn machine_warnings(snapshot: &Snapshot, found: &mut Vec<Warning>) {
    let idle = snapshot.telemetry.runpod.samples().iter().filter(|gpu| {
        gpu.billed && gpu.utilisation == Some(0) && gpu.hourly.is_some_and(|hourly| hourly > Money::ZERO)
    });
    let in_flight = snapshot.fleet.in_flight(&Target::Tier(Tier::Gpu));
    for pod in idle.filter(|_| in_flight == 0) {
        let hourly = pod.hourly.unwrap_or_default();
        warn(
            found,
            Severity::Warning,
            Some(Target::Tier(Tier::Gpu)),
            format!("pod {} idles at {hourly}/h", pod.name),
            "stop it at RunPod, or send it work",
        );
    }
}

/// To the minute: `16:40`.
fn time_of_day(at: Timestamp, zone: &TimeZone) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    stamp.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

fn coarse(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::fleet::{Admin, BackendSpec, Fleet, ModelSpec, Pin, PinScope, Protocol, Timeouts, Timer};
    use crate::domain::machine::{GpuReadings, GpuSample};
    use crate::domain::money::{Cost, CostBasis};
    use crate::domain::policy::Policy;
    use crate::domain::price::Pricing;
    use crate::domain::privacy::Reach;
    use crate::domain::spend::{Day, Spend};
    use crate::telemetry::Telemetry;

    const NOW: Timestamp = Timestamp(100_000_000);
    const EVERY: Duration = Duration::from_secs(30);

    fn ago(seconds: i64) -> Timestamp {
        Timestamp(NOW.0 - seconds * 1000)
    }

    fn backend(id: &str) -> Backend {
        let wait = Duration::from_secs(5);
        let spec = BackendSpec {
            id: id.into(),
            tier: Tier::Local,
            protocol: Protocol::Ollama,
            url: "http://127.0.0.1:1".into(),
            reach: Reach::Inside,
            key: KeyState::NotNeeded,
            max_in_flight: None,
            timeouts: Timeouts { connect: Timer::Set(wait), first_token: Timer::Set(wait), stall: Timer::Set(wait) },
            default_pricing: Pricing::Free,
            memory: None,
            warm_up: false,
        };
        let mut backend = Backend::new(spec, vec![("m".into(), ModelSpec::default())]);
        (backend.health, backend.probed_at) = (Health::Up, Some(ago(10)));
        backend
    }

    fn snapshot(backends: Vec<Backend>) -> Snapshot {
        Snapshot {
            at: NOW,
            started: ago(9_000),
            simulated: false,
            fleet: Arc::new(Fleet::new(backends, Spend::new(ago(9_000), Day(1), Some(Money(1_000))))),
            policy: Arc::new(Policy::default()),
            telemetry: Arc::new(Telemetry::default()),
            accepted: 0,
            in_flight: 0,
            store: Default::default(),
        }
    }

    fn words(snapshot: &Snapshot) -> Vec<String> {
        warnings(snapshot, EVERY, &TimeZone::UTC, NOW).into_iter().map(|warning| warning.words).collect()
    }

    #[test]
    fn all_is_well_means_no_warning() {
        assert_eq!(words(&snapshot(vec![backend("one"), backend("two")])), Vec::<String>::new());
    }

    #[test]
    fn a_tier_that_fails_is_worse_than_one_that_is_thin() {
        let mut down = backend("two");
        (down.health, down.detail) = (Health::Down, "refused".into());
        let thin = snapshot(vec![backend("one"), down.clone()]);
        assert_eq!(words(&thin), ["tier local has one backend left of 2"]);
        let dead = snapshot(vec![down]);
        assert_eq!(words(&dead), ["tier local takes no requests: down: refused"]);
        assert_eq!(warnings(&dead, EVERY, &TimeZone::UTC, NOW)[0].severity, Severity::Critical);
    }

    #[test]
    fn what_an_operator_did_on_purpose_is_no_failure_until_it_looks_forgotten() {
        let mut drained = snapshot(vec![backend("one")]);
        let admin = Admin { state: AdminState::Drain, by: "operator".into(), since: ago(600), ..Admin::default() };
        Arc::make_mut(&mut drained.fleet).tiers[Tier::Local.index()].admin = admin.clone();
        assert_eq!(words(&drained), Vec::<String>::new());
        Arc::make_mut(&mut drained.fleet).tiers[Tier::Local.index()].admin = Admin { since: ago(8_000), ..admin };
        assert_eq!(words(&drained), ["tier local is in drain since 2 h"]);
    }

    #[test]
    fn keys_probes_and_pins() {
        let mut one = backend("one");
        one.trouble = Some(Trouble::KeyRefused { since: ago(5) });
        one.probed_at = Some(ago(91));
        let mut found = snapshot(vec![one, backend("two")]);
        Arc::make_mut(&mut found.fleet).pins.push(Pin {
            target: Arc::new(Target::Backend("one".into())),
            scope: PinScope::All,
            only: true,
            by: "operator".into(),
            since: ago(60),
            until: Some(Timestamp(NOW.0 + 240_000)),
            reason: "".into(),
        });
        let words = words(&found);
        for expected in [
            "one refuses its key",
            "backend one is pinned and cannot serve: its requests fail",
            "one was last probed 91 s ago",
            "tier local has one backend left of 2",
            "the pin of all requests to backend one ends in 4 min",
        ] {
            assert!(words.iter().any(|words| words == expected), "{expected} in {words:?}");
        }
    }

    #[test]
    fn money_that_runs_out_and_money_that_runs_away() {
        let mut found = snapshot(vec![backend("one")]);
        let spend = Arc::make_mut(&mut Arc::make_mut(&mut found.fleet).spend);
        spend.book(Tier::Claude, Cost::known(Money(850), CostBasis::Priced), None, NOW);
        assert!(words(&found)[0].starts_with("85 % of today's limit"));
        let pod = GpuSample {
            name: "pod".into(),
            utilisation: Some(0),
            hourly: Money::from_usd(2.0),
            billed: true,
            ..GpuSample::default()
        };
        Arc::make_mut(&mut found.telemetry).runpod = GpuReadings::Ok { gpus: vec![pod], at: NOW };
        assert!(words(&found).iter().any(|words| words == "pod pod idles at $2.00/h"));
    }

    #[test]
    fn a_limit_that_will_not_last_the_day_is_told_with_the_time() {
        let mut found = snapshot(vec![backend("one")]);
        let spend = Arc::make_mut(&mut Arc::make_mut(&mut found.fleet).spend);
        spend.daily_limit = Some(Money(10_000_000_000));
        // A dollar in the last five minutes: nine more last three quarters of an hour.
        let cost = Cost::known(Money(1_000_000_000), CostBasis::Priced);
        spend.book(Tier::Claude, cost, None, ago(10));
        let told = |zone: &TimeZone| {
            let all = warnings(&found, EVERY, zone, NOW).into_iter();
            all.map(|warning| (warning.severity, warning.words)).collect::<Vec<_>>()
        };
        // It is 03:46:40 UTC.
        let words = |time: &str| format!("at this burn, today's limit of $10.00 is used up at {time}");
        assert_eq!(told(&TimeZone::UTC), [(Severity::Warning, words("04:31"))]);
        let zone = |hours| TimeZone::fixed(jiff::tz::offset(hours));
        assert_eq!(told(&zone(5)), [(Severity::Warning, words("09:31"))]);
        assert_eq!(told(&zone(-4)), [], "tomorrow has a limit of its own");
    }
}
