use super::super::money::CostBasis;
use super::*;

fn purpose(tier: Tier) -> Purpose<'static> {
    static MODEL: std::sync::LazyLock<ModelId> = std::sync::LazyLock::new(|| "model".into());
    Purpose { tier, model: &MODEL, caller: "test" }
}

fn spend(limit: i64) -> Spend {
    Spend::new(Timestamp(0), Day(1), Some(Money(limit)))
}

#[test]
fn reservations_count_against_the_limit_until_they_settle() {
    let mut spend = spend(100);
    assert_eq!(spend.reserve(Money(60), &purpose(Tier::Claude)), Ok(()));
    assert_eq!(spend.reserve(Money(60), &purpose(Tier::Claude)), Err(Short { limit: TODAY.into(), left: Money(40) }));
    spend.settle(&purpose(Tier::Claude), Money(60), Cost::known(Money(10), CostBasis::Priced), None, Timestamp(1));
    assert_eq!(spend.headroom(), Some(Money(90)));
    assert_eq!(spend.reserved, Money::ZERO);
}

#[test]
fn forecasts_are_compared_with_what_was_settled_and_with_nothing_else() {
    let priced = |amount| Cost::known(Money(amount), CostBasis::Priced);
    let mut forecasts = Forecasts::default();
    // What had no forecast, what is not settled, and what was free on both sides say nothing.
    forecasts.add(None, priced(100));
    forecasts.add(Some(Money(100)), Cost::known(Money(70), CostBasis::Estimated));
    forecasts.add(Some(Money(100)), Cost::UNKNOWN);
    forecasts.add(Some(Money::ZERO), priced(0));
    assert_eq!((forecasts, forecasts.words()), (Forecasts::default(), None));
    forecasts.add(Some(Money(80)), priced(100));
    forecasts.add(Some(Money(110)), Cost::known(Money(100), CostBasis::Timed));
    assert_eq!(forecasts, Forecasts { attempts: 2, predicted: Money(190), settled: Money(200), off: Money(30) });
    assert_eq!(forecasts.words().as_deref(), Some("within 15 %, 5 % low"));
    let twice = forecasts.with(&forecasts);
    assert_eq!((twice.attempts, twice.words()), (4, forecasts.words()));
    forecasts.add(Some(Money(200)), Cost::known(Money(100), CostBasis::Reported));
    assert_eq!(forecasts.words().as_deref(), Some("within 43 %, 30 % high"));
    // What was thought to cost something and cost nothing has no percentage.
    let mut free = Forecasts::default();
    free.add(Some(Money(5)), priced(0));
    assert_eq!((free.attempts, free.words()), (1, None));
}

#[test]
fn an_unknown_cost_is_counted_as_unknown_not_as_nothing() {
    let mut spend = spend(100);
    spend.settle(&purpose(Tier::Frontier), Money::ZERO, Cost::UNKNOWN, None, Timestamp(1));
    assert_eq!(spend.today()[Tier::Frontier.index()].unknown, 1);
    assert_eq!(spend.today_total(), Money::ZERO);
}

#[test]
fn a_rented_machine_costs_while_it_idles_and_a_new_day_starts_from_nothing() {
    let mut spend = spend(1_000_000);
    spend.rent(Money(3_600), Money::ZERO, Timestamp(0));
    spend.advance(Timestamp(1_000_000), Day(1));
    assert_eq!((spend.rented, spend.rented_today()), (Money(1_000), Money(1_000)));
    spend.advance(Timestamp(1_000_000), Day(2));
    assert_eq!((spend.rented, spend.rented_today()), (Money(1_000), Money::ZERO));
}

#[test]
fn burn_is_unknown_at_first_and_then_the_pace_of_five_minutes() {
    let mut spend = spend(1_000_000);
    let cost = Cost::known(Money(500), CostBasis::Priced);
    spend.settle(&purpose(Tier::Claude), Money::ZERO, cost, None, Timestamp(1_000));
    assert_eq!(spend.burn_per_hour(Timestamp(10_000)), None);
    assert_eq!(spend.burn_per_hour(Timestamp(60_000)), Some(Money(30_000)));
    assert_eq!(spend.burn_per_hour(Timestamp(300_000)), Some(Money(6_000)));
    assert_eq!(spend.burn_per_hour(Timestamp(900_000)), Some(Money::ZERO));
}

const HOUR: i64 = 3_600_000;

fn spent(spend: &mut Spend, amount: i64, at: i64) {
    let cost = Cost::known(Money(amount), CostBasis::Priced);
    spend.settle(&purpose(Tier::Claude), Money::ZERO, cost, None, Timestamp(at));
}

#[test]
fn each_hour_of_the_clock_has_its_own_sum_by_tier_and_for_rent() {
    let mut spend = spend(1_000_000);
    spent(&mut spend, 5, HOUR - 1);
    spent(&mut spend, 7, HOUR);
    spend.rent(Money(60), Money::ZERO, Timestamp(HOUR));
    spend.advance(Timestamp(HOUR + HOUR / 2), Day(1));
    spent(&mut spend, 8, 3 * HOUR);
    let hours: Vec<(i64, Money, Money)> =
        spend.hours.iter().map(|hour| (hour.number, hour.tiers[Tier::Claude.index()], hour.rented)).collect();
    // Nothing fell into the hour between: it is left out.
    assert_eq!(hours, [(0, Money(5), Money(0)), (1, Money(7), Money(30)), (3, Money(8), Money(0))]);
    assert_eq!((spend.hours[1].began(), spend.hours[1].total()), (Timestamp(HOUR), Money(37)));
}

#[test]
fn two_days_of_hours_are_kept_and_a_clock_set_back_loses_nothing() {
    let mut spend = spend(1_000_000);
    (0..60).for_each(|hour| spent(&mut spend, 1, hour * HOUR));
    assert_eq!((spend.hours.len(), spend.hours[0].number), (48, 12));
    spent(&mut spend, 4, 10 * HOUR);
    assert_eq!(spend.hours.back().map(|hour| (hour.number, hour.total())), Some((59, Money(5))));
}

#[test]
fn a_forecast_takes_five_minutes_of_trend_and_goes_on_to_midnight() {
    let mut spend = spend(1_000_000);
    spent(&mut spend, 600, 60_000);
    assert_eq!(spend.forecast(Timestamp(2 * HOUR), Timestamp(299_999)), None);
    // 600 in five minutes are 7,200 an hour, for the hour that is left of the day.
    assert_eq!(spend.forecast(Timestamp(300_000 + HOUR), Timestamp(300_000)), Some(Money(600 + 7_200)));
    assert_eq!(spend.forecast(Timestamp(0), Timestamp(300_000)), Some(Money(600)), "midnight is past");
}

#[test]
fn a_limit_is_used_up_when_the_pace_says_so_and_only_where_there_is_one() {
    let mut spend = spend(600 + 7_200);
    spent(&mut spend, 600, 60_000);
    assert_eq!(spend.used_up_at(Timestamp(200_000)), None, "less than five minutes are no trend");
    assert_eq!(spend.used_up_at(Timestamp(300_000)), Some(Timestamp(300_000 + HOUR)));
    spend.daily_limit = Some(Money(600));
    assert_eq!(spend.used_up_at(Timestamp(300_000)), Some(Timestamp(300_000)), "it is used up now");
    spend.daily_limit = None;
    assert_eq!(spend.used_up_at(Timestamp(300_000)), None);
    spend.daily_limit = Some(Money(1_000_000));
    assert_eq!(spend.used_up_at(Timestamp(HOUR)), None, "nothing is being spent any more");
}

fn budget(scope: Scope, per: Period, limit: i64) -> Budget {
    Budget::new(scope, per, Money(limit), Action::Refuse)
}

fn priced(amount: i64) -> Cost {
    Cost::known(Money(amount), CostBasis::Priced)
}

#[test]
fn a_budget_speaks_for_its_own_tier_model_or_caller_and_for_no_other() {
    let (opus, haiku) = (ModelId::from("opus"), ModelId::from("haiku"));
    let of = |tier, model, caller| Purpose { tier, model, caller };
    for (scope, within, beyond) in [
        (Scope::Tier(Tier::Claude), of(Tier::Claude, &opus, "a"), of(Tier::Gpu, &opus, "a")),
        (Scope::Model(opus.clone()), of(Tier::Claude, &opus, "a"), of(Tier::Claude, &haiku, "a")),
        (Scope::Caller("a".into()), of(Tier::Claude, &opus, "a"), of(Tier::Claude, &opus, "b")),
    ] {
        let mut spend = Spend::new(Timestamp(0), Day(1), None).with_budgets(vec![budget(scope, Period::Day, 100)]);
        assert_eq!(spend.reserve(Money(80), &within), Ok(()));
        let short = spend.reserve(Money(30), &within).expect_err("20 are left");
        assert_eq!(short.left, Money(20));
        assert_eq!(spend.reserve(Money(30), &beyond), Ok(()), "{}", short.limit);
    }
}

#[test]
fn the_tightest_of_several_limits_refuses_and_a_warning_never_does() {
    let month = budget(Scope::All, Period::Month, 60);
    let warning = Budget::new(Scope::All, Period::Day, Money(1), Action::Warn);
    let mut spend = spend(100).with_budgets(vec![warning, month]);
    let short = spend.reserve(Money(70), &purpose(Tier::Claude)).expect_err("60 are left of the month");
    assert_eq!((&*short.limit, short.left), ("this month's limit", Money(60)));
    assert_eq!(spend.reserve(Money(60), &purpose(Tier::Claude)), Ok(()));
}

#[test]
fn a_settled_cost_gives_the_rest_back_and_one_that_is_not_settled_gives_nothing() {
    for (cost, charged) in [
        (priced(10), 10),
        (Cost::known(Money(10), CostBasis::Reported), 10),
        (Cost::known(Money(10), CostBasis::Timed), 10),
        (Cost::known(Money(10), CostBasis::Estimated), 60),
        (Cost::known(Money(90), CostBasis::Estimated), 90),
        (Cost::UNKNOWN, 60),
    ] {
        let mut spend = spend(100);
        spend.reserve(Money(60), &purpose(Tier::Claude)).expect("there is room");
        spend.settle(&purpose(Tier::Claude), Money(60), cost, None, Timestamp(1));
        assert_eq!(spend.headroom(), Some(Money(100 - charged)), "{cost:?}");
        assert_eq!(spend.today_total(), cost.amount.unwrap_or_default(), "what is shown is what is known");
    }
}

#[test]
fn a_new_day_leaves_the_month_as_it_is_and_a_new_month_begins_it_anew() {
    // 31 October 1970 is day 303.
    let mut spend = Spend::new(Timestamp(0), Day(302), None)
        .with_budgets(vec![budget(Scope::All, Period::Day, 100), budget(Scope::All, Period::Month, 100)]);
    spend.book(Tier::Claude, priced(30), None, Timestamp(1));
    let charged = |spend: &Spend| spend.budgets.iter().map(|budget| budget.charged().0).collect::<Vec<_>>();
    assert_eq!(charged(&spend), [30, 30]);
    spend.advance(Timestamp(2), Day(303));
    assert_eq!(charged(&spend), [0, 30]);
    spend.advance(Timestamp(3), Day(304));
    assert_eq!(charged(&spend), [0, 0]);
}

#[test]
fn a_limit_that_is_set_for_today_ends_with_the_day() {
    let mut spend = spend(100);
    spend.daily_limit = None;
    spend.advance(Timestamp(1), Day(1));
    assert_eq!(spend.headroom(), None);
    spend.advance(Timestamp(2), Day(2));
    assert_eq!(spend.headroom(), Some(Money(100)));
}

#[test]
fn a_clock_that_is_set_back_and_forth_forgets_nothing_of_a_month() {
    let mut spend =
        Spend::new(Timestamp(0), Day(300), Some(Money(100))).with_budgets(vec![budget(Scope::All, Period::Month, 100)]);
    spend.book(Tier::Claude, priced(30), None, Timestamp(1));
    let book = |amount| Book { amount: Money(amount), charged: Money(amount), attempts: 1, ..Book::default() };
    // What the store tells after each change: what this process booked on other days is among it.
    for (day, today) in [(299, 0), (300, 30)] {
        spend.advance(Timestamp(2), Day(day));
        assert_eq!(spend.budgets[0].charged(), Money(30), "day {day}, before the store has told");
        let one = Elsewhere {
            tier: Tier::Claude,
            model: "model".into(),
            caller: "test".into(),
            today: book(today),
            month: book(30),
        };
        spend.set_others(&Others { day: Day(day), attempts: vec![one], ..Others::default() });
        assert_eq!((spend.headroom(), spend.budgets[0].charged()), (Some(Money(100 - today)), Money(30)), "day {day}");
    }
}

#[test]
fn what_others_spent_counts_and_is_replaced_not_added_when_it_is_told_again() {
    let mut spend = spend(100).with_budgets(vec![
        budget(Scope::Caller("b".into()), Period::Month, 100),
        budget(Scope::Tier(Tier::Gpu), Period::Day, 100),
    ]);
    let book = |amount| Book { amount: Money(amount), charged: Money(amount), attempts: 1, ..Book::default() };
    let others = Others {
        day: Day(1),
        attempts: vec![Elsewhere {
            tier: Tier::Claude,
            model: "model".into(),
            caller: "b".into(),
            today: book(20),
            month: book(50),
        }],
        rented_today: Money(5),
        rented_month: Money(7),
    };
    spend.set_others(&others);
    spend.set_others(&others);
    assert_eq!(spend.headroom(), Some(Money(75)));
    let charged: Vec<Money> = spend.budgets.iter().map(Budget::charged).collect();
    assert_eq!(charged, [Money(50), Money(5)]);
    spend.set_others(&Others { day: Day(2), ..Others::default() });
    assert_eq!(spend.headroom(), Some(Money(75)), "news of another day change nothing today");
}

#[test]
fn a_workers_time_that_no_request_was_charged_for_is_part_of_the_bill() {
    let mut spend = spend(1_000_000);
    spend.rent(Money::ZERO, Money(3_600_000), Timestamp(0));
    spend.occupy(Money(400));
    // 1,000 have accrued, of which the request in flight may claim 400.
    spend.advance(Timestamp(1_000), Day(1));
    assert_eq!(spend.rented, Money(600));
    spend.vacate(Money(400), Money(300));
    spend.advance(Timestamp(1_000), Day(1));
    assert_eq!(spend.rented, Money(700), "it claimed 300");
    // Two requests that shared a second are charged for two of it; that must not pay for the next idle second.
    spend.occupy(Money(2_000));
    spend.advance(Timestamp(2_000), Day(1));
    spend.vacate(Money(2_000), Money(2_000));
    spend.advance(Timestamp(2_000), Day(1));
    spend.advance(Timestamp(3_000), Day(1));
    assert_eq!(spend.rented, Money(1_700));
}

mod whatever_the_order {
    use proptest::prelude::*;

    use super::*;

    /// What may become of an attempt.
    #[derive(Clone, Debug)]
    enum End {
        Settled(i64),
        Estimated(i64),
        Unknown,
        Released,
    }

    fn end() -> impl Strategy<Value = End> {
        prop_oneof![
            (0..200_i64).prop_map(End::Settled),
            (0..200_i64).prop_map(End::Estimated),
            Just(End::Unknown),
            Just(End::Released),
        ]
    }

    proptest! {
        /// Attempts of several tiers and callers begin and end in any order, days pass in between.
        #[test]
        fn reservations_never_leak_and_no_limit_is_passed_by_more_than_true_ups(
            attempts in proptest::collection::vec((0..4_usize, 0..3_usize, 1..100_i64, end(), any::<u16>()), 1..40),
            days in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let callers = ["a", "b", "c"];
            let model = ModelId::from("model");
            let mut spend = spend(500).with_budgets(vec![
                budget(Scope::All, Period::Month, 900),
                budget(Scope::Caller("a".into()), Period::Day, 150),
                budget(Scope::Tier(Tier::Claude), Period::Day, 200),
            ]);
            let mut open: Vec<(Purpose<'_>, Money, End)> = Vec::new();
            let (mut day, mut true_ups) = (1, 0);
            for ((tier, caller, amount, end, pick), next_day) in attempts.into_iter().zip(days) {
                let purpose = Purpose { tier: Tier::ALL[tier], model: &model, caller: callers[caller] };
                if spend.reserve(Money(amount), &purpose).is_ok() {
                    open.push((purpose, Money(amount), end));
                }
                if pick % 2 == 0 && !open.is_empty() {
                    let (purpose, reserved, end) = open.swap_remove(usize::from(pick) % open.len());
                    finish(&mut spend, &purpose, reserved, &end, &mut true_ups);
                }
                if next_day {
                    day += 1;
                    spend.advance(Timestamp(1), Day(day));
                }
                let held: Money = open.iter().map(|(_, reserved, _)| *reserved).sum();
                prop_assert_eq!(spend.reserved, held);
                prop_assert!(spend.headroom().is_some_and(|left| left.0 >= -true_ups), "{:?}", spend.headroom());
                for budget in &spend.budgets {
                    prop_assert!(budget.left().left.0 >= -true_ups, "{}: {:?}", budget, budget.left());
                }
            }
            for (purpose, reserved, end) in open.drain(..) {
                finish(&mut spend, &purpose, reserved, &end, &mut true_ups);
            }
            prop_assert_eq!(spend.reserved, Money::ZERO);
            prop_assert!(spend.budgets.iter().all(|budget| budget.reserved == Money::ZERO));
        }
    }

    fn finish(spend: &mut Spend, purpose: &Purpose<'_>, reserved: Money, end: &End, true_ups: &mut i64) {
        let cost = match end {
            End::Released => return spend.release(reserved, purpose),
            End::Settled(amount) => priced(*amount),
            End::Estimated(amount) => Cost::known(Money(*amount), CostBasis::Estimated),
            End::Unknown => Cost::UNKNOWN,
        };
        *true_ups += (charge(reserved, cost).0 - reserved.0).max(0);
        spend.settle(purpose, reserved, cost, None, Timestamp(1));
    }
}
