//! What the same tokens would have cost on one model: the yardstick that savings are measured with, named wherever they
//! are shown.

use super::fleet::{Fleet, Model};
use super::id::ModelId;
use super::money::Money;
use super::price::Pricing;
use super::tier::Tier;
use super::time::Timestamp;
use super::usage::Usage;

/// The yardstick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// The model.
    pub model: ModelId,
    /// What all reported tokens would have cost there, at its list price.
    pub amount: Money,
}

/// What every token reported since counting began would have cost on the dearest offered Claude model: what one pays who
/// sends everything to the best there is. `None` where no such model has a price per token.
#[must_use]
pub fn baseline(fleet: &Fleet, now: Timestamp) -> Option<Baseline> {
    let priced = |model: &Model| match &model.spec.pricing {
        Pricing::PerToken { .. } => model.spec.pricing.row(now).map(|row| row.base),
        Pricing::Free | Pricing::PerHour { .. } | Pricing::Rented | Pricing::Unknown => None,
    };
    let models = fleet.of_tier(Tier::Claude).flat_map(|backend| backend.models.iter());
    let offered = models.filter(|model| model.offered).filter_map(|model| Some((model, priced(model)?)));
    let (model, _) = offered.max_by_key(|(_, rates)| (rates.output, rates.input))?;
    let row = model.spec.pricing.row(now)?;
    let spend = &fleet.spend;
    let sum = |of: fn(&super::spend::Book) -> u64| spend.session.iter().map(of).sum();
    // Size tiers are left out: they go by the single prompt, and these are sums.
    let usage =
        Usage { input: sum(|book| book.input_tokens), output: sum(|book| book.output_tokens), ..Usage::default() };
    let flat = super::price::PriceRow { tiers: Vec::new(), ..row.clone() };
    Some(Baseline { model: model.id.clone(), amount: flat.cost(&usage) })
}

#[cfg(test)]
mod tests {
    use super::super::fleet::{Backend, BackendSpec, KeyState, ModelSpec, Protocol, Timeouts, Timer};
    use super::super::money::Cost;
    use super::super::price::{PerToken, PriceRow, Rates};
    use super::super::privacy::Reach;
    use super::super::spend::{Day, Spend};
    use super::*;
    use std::time::Duration;

    fn model(id: &str, output: f64) -> (ModelId, ModelSpec) {
        let price = |usd| PerToken::from_usd_per_million(usd).expect("a price");
        let base = Rates { input: price(output / 5.0), output: price(output), ..Rates::default() };
        let rows = vec![PriceRow { base, ..PriceRow::default() }];
        (id.into(), ModelSpec { pricing: Pricing::PerToken { rows }, ..ModelSpec::default() })
    }

    fn fleet(models: Vec<(ModelId, ModelSpec)>) -> Fleet {
        let second = Duration::from_secs(1);
        let spec = BackendSpec {
            id: "anthropic".into(),
            tier: Tier::Claude,
            protocol: Protocol::Anthropic,
            url: "http://127.0.0.1:1".into(),
            reach: Reach::Outside,
            key: KeyState::Present,
            max_in_flight: None,
            timeouts: Timeouts {
                connect: Timer::Set(second),
                first_token: Timer::Set(second),
                stall: Timer::Set(second),
            },
            default_pricing: Pricing::Unknown,
            memory: None,
            warm_up: false,
        };
        let mut spend = Spend::new(Timestamp(0), Day(0), None);
        let usage = Usage { input: 1_000_000, output: 100_000, ..Usage::default() };
        spend.book(Tier::Local, Cost::UNKNOWN, Some(&usage), Timestamp(1));
        Fleet::new(vec![Backend::new(spec, models)], spend)
    }

    #[test]
    fn the_yardstick_is_the_dearest_claude_model_over_all_tokens() {
        let found = baseline(&fleet(vec![model("haiku", 5.0), model("opus", 25.0)]), Timestamp(2)).expect("priced");
        assert_eq!((found.model.as_str(), found.amount), ("opus", Money::from_usd(7.5).expect("a sum")));
    }

    #[test]
    fn without_a_price_there_is_no_yardstick() {
        assert_eq!(baseline(&fleet(vec![("opus".into(), ModelSpec::default())]), Timestamp(2)), None);
    }
}
