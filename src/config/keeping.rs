//! What may be spent beside the limit of the day, and what is kept from run to run.

use std::path::Path;
use std::sync::Arc;

use super::StoreConfig;
use super::section::Section;
use super::settings::resolve;
use crate::domain::id::ModelId;
use crate::domain::money::Money;
use crate::domain::spend::{Action, Budget, Period, Scope};

/// The limits beside the limit of the day.
pub fn budgets(root: &Section<'_>) -> Vec<Budget> {
    root.sections("budgets").unwrap_or_default().iter().filter_map(budget).collect()
}

fn budget(section: &Section<'_>) -> Option<Budget> {
    let limit = section.number("limit", 0.0..=1e9).and_then(Money::from_usd);
    if section.node("limit").is_none() {
        section.problem("limit", "a budget needs a limit, in US dollars");
    }
    let per = section.choice("per", &[("day", Period::Day), ("month", Period::Month)]).unwrap_or(Period::Day);
    let actions = [("refuse", Action::Refuse), ("warn", Action::Warn)];
    let action = section.choice("action", &actions).unwrap_or(Action::Refuse);
    let scopes = [
        section.parsed("tier").map(Scope::Tier),
        section.text("model").map(|model| Scope::Model(ModelId::from(model))),
        section.text("caller").map(|caller| Scope::Caller(Arc::from(caller))),
    ];
    let mut scopes = scopes.into_iter().flatten();
    let scope = scopes.next().unwrap_or(Scope::All);
    if scopes.next().is_some() {
        section.problem("limit", "a budget is for one of `tier`, `model` and `caller`, or for everything");
    }
    section.finish();
    Some(Budget::new(scope, per, limit?, action))
}

/// What is kept from run to run. A relative file lies beside the configuration's.
pub fn store(root: &Section<'_>, beside: Option<&Path>) -> StoreConfig {
    let mut store = StoreConfig::default();
    let Some(section) = root.section("store") else { return store };
    store.enabled = section.flag("enabled").unwrap_or(store.enabled);
    store.file = section.text("file").map(|file| resolve(&file, beside));
    // The limits of a month are worked out from sums that stay; what can be looked up goes with the rows.
    store.keep_days = section.integer("keep_days", 1..=36_500).unwrap_or(store.keep_days);
    store.keep_text = section.flag("keep_text").unwrap_or(store.keep_text);
    section.finish();
    store
}
