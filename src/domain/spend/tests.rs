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
