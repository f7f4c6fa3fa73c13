//! Where the money went and where it is going: hours, days, tiers and models as bars, a forecast, and what the same tokens
//! would have cost on the best model there is.

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, forecasts, put};
use crate::domain::baseline::{Baseline, baseline};
use crate::domain::money::Money;
use crate::domain::spend::{self, Book, Budget, Hour, Spend};
use crate::domain::tier::Tier;
use crate::domain::time::Timestamp;
use crate::engine::{Snapshot, midnight_after};
use crate::tui::action::Action;
use crate::tui::layout::{Pane, split_across};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::meter::usage_role;

/// Hours with a bar each.
const HOURS: usize = 24;
/// Models with a bar each.
const MODELS: usize = 12;

/// The screen.
#[derive(Clone, Debug, Default)]
pub struct SpendPane {
    /// Rows scrolled away.
    pub scroll: usize,
}

impl SpendPane {
    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else {
            let inner = ctx.frame(Pane::Spend, Line::default(), Line::default(), area, buf);
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        let spend = &*snapshot.fleet.spend;
        let since = Line::from(ctx.span(Role::Dim, format!(" since {} ", ctx.moment(spend.since))));
        let inner = ctx.frame(Pane::Spend, Line::default(), since, area, buf);
        // Side by side where there is room, otherwise one below the other.
        if inner.width >= 100 {
            let (left, right) = split_across(inner, inner.width / 2);
            let half = usize::from(right.width);
            let shares = [tiers(ctx, spend, half), vec![Line::default()], models(ctx, snapshot, half)];
            let (outlook, hours) = (outlook(ctx, snapshot, usize::from(left.width)), hours(ctx, spend, half));
            let left_lines = [outlook, vec![Line::default()], hours].concat();
            let right_lines = [shares.concat(), foreseen(ctx, snapshot, half)].concat();
            let longest = left_lines.len().max(right_lines.len());
            self.scroll = self.scroll.min(longest.saturating_sub(usize::from(inner.height)));
            column(&left_lines, self.scroll, left, buf);
            column(&right_lines, self.scroll, right, buf);
            ctx.more_below(longest.saturating_sub(self.scroll + usize::from(inner.height)), area, buf);
            return;
        }
        let width = usize::from(inner.width);
        let (outlook, hours) = (outlook(ctx, snapshot, width), hours(ctx, spend, width));
        let (tiers, models) = (tiers(ctx, spend, width), models(ctx, snapshot, width));
        let gap = vec![Line::default()];
        let foreseen = foreseen(ctx, snapshot, width);
        let lines = [outlook, gap.clone(), tiers, gap.clone(), models, foreseen, gap, hours].concat();
        self.scroll = self.scroll.min(lines.len().saturating_sub(usize::from(inner.height)));
        column(&lines, self.scroll, inner, buf);
        ctx.more_below(lines.len().saturating_sub(self.scroll + usize::from(inner.height)), area, buf);
    }
}

fn column(lines: &[Line<'_>], scroll: usize, area: Rect, buf: &mut Buffer) {
    for (row, line) in lines.iter().skip(scroll).take(usize::from(area.height)).enumerate() {
        put(buf, area, row as u16, line);
    }
}

fn title(ctx: &Ctx<'_>, words: &str) -> Line<'static> {
    Line::from(ctx.span(Role::Title, format!(" {words}")))
}

/// A named amount with a note. A note that is too long for the row goes on in the next one.
struct Fact {
    name: &'static str,
    value: String,
    role: Role,
    note: String,
}

const fn fact(name: &'static str, value: String, role: Role, note: String) -> Fact {
    Fact { name, value, role, note }
}

impl Fact {
    fn lines(self, ctx: &Ctx<'_>, width: usize) -> Vec<Line<'static>> {
        const NAME: usize = 13;
        const VALUE: usize = 9;
        let mut rows = text::wrap(&self.note, width.saturating_sub(NAME + VALUE + 4)).into_iter();
        let mut lines = vec![Line::from(vec![
            ctx.span(Role::Dim, format!(" {}", text::pad(self.name, NAME))),
            ctx.span(self.role, text::pad_left(&self.value, VALUE)),
            ctx.span(Role::Dim, format!("  {}", rows.next().unwrap_or_default())),
        ])];
        let indent = " ".repeat(NAME + VALUE + 3);
        lines.extend(rows.map(|row| Line::from(ctx.span(Role::Dim, format!("{indent}{row}")))));
        lines
    }
}

/// Sums, pace and forecast.
fn outlook(ctx: &Ctx<'_>, snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let spend = &*snapshot.fleet.spend;
    let sum = |books: &[Book; 4], rented: Money| {
        let estimated = books.iter().any(|book| book.estimated > Money::ZERO) || rented > Money::ZERO;
        text::money(books.iter().map(|book| book.amount).sum::<Money>() + rented, estimated)
    };
    let unknown: u32 = spend.session.iter().map(|book| book.unknown).sum();
    let not_in_it = match unknown {
        0 => String::new(),
        1 => "and 1 attempt of unknown cost".to_owned(),
        many => format!("and {many} attempts of unknown cost"),
    };
    let mut so_far = vec![
        fact("today", sum(&spend.today(), spend.rented_today()), Role::Text, String::new()),
        fact("since start", sum(&spend.session, spend.rented), Role::Text, not_in_it),
        fact("in flight", spend.reserved.to_string(), Role::Text, "set aside, at most".to_owned()),
    ];
    let unsettled = spend.today_charged() - spend.today_total();
    if unsettled > Money::ZERO {
        let note = "more today, at most, for attempts that broke off".to_owned();
        so_far.push(fact("unsettled", unsettled.to_string(), Role::Text, note));
    }
    if spend.rented_per_hour > Money::ZERO {
        let note = "an hour for rented machines, used or idle".to_owned();
        so_far.push(fact("rented", spend.rented_per_hour.to_string(), Role::Text, note));
    }
    let burn = spend.burn_per_hour(ctx.now);
    let next_hour = 3_600_000 - u64::try_from(ctx.now.0.rem_euclid(3_600_000)).unwrap_or(0);
    ctx.changes_in(Duration::from_millis(next_hour));
    if let Some(known_in) =
        [30, 300].into_iter().map(Duration::from_secs).find(|after| ctx.now.since(spend.since) < *after)
    {
        ctx.changes_in(known_in.saturating_sub(ctx.now.since(spend.since)));
    }
    // Where nothing is spent, nothing changes either.
    if burn.is_some_and(|burn| burn > Money::ZERO) {
        ctx.changes_in(Duration::from_secs(10));
    }
    let words = burn.map_or_else(|| "-".to_owned(), |burn| format!("~{burn}"));
    let note = if burn.is_some() { "an hour, as in the last 5 min" } else { "known after the first 30 s" };
    let mut ahead = vec![fact("burn", words, Role::Text, note.to_owned())];
    let midnight = midnight_after(ctx.now, ctx.zone);
    let forecast = spend.forecast(midnight, ctx.now);
    let words = forecast.map_or_else(|| "-".to_owned(), |forecast| format!("~{forecast}"));
    let note = if forecast.is_some() { "today, if it goes on like this" } else { "known after the first 5 min" };
    ahead.push(fact("forecast", words, Role::Text, note.to_owned()));
    ahead.push(limit(ctx, spend, midnight));
    ahead.extend(spend.budgets.iter().map(budget));
    ahead.extend(saved(ctx, snapshot));
    let lines = |facts: Vec<Fact>| facts.into_iter().flat_map(|fact| fact.lines(ctx, width)).collect();
    let gap = Line::default();
    [vec![title(ctx, "so far")], lines(so_far), vec![gap, title(ctx, "ahead")], lines(ahead)].concat()
}

fn limit(ctx: &Ctx<'_>, spend: &Spend, midnight: Timestamp) -> Fact {
    let Some(limit) = spend.daily_limit else {
        let key = ctx.keymap.key_of(Action::Limit, Pane::Spend);
        let note = key.map_or_else(String::new, |key| format!("{key} sets one for today"));
        return fact("limit", "none".to_owned(), Role::Dim, note);
    };
    let percent = text::percent(spend.today_charged().0, limit.0).unwrap_or(0.0);
    let role = match usage_role(percent) {
        Role::Ok => Role::Text,
        role => role,
    };
    let when = spend.used_up_at(ctx.now).filter(|at| *at < midnight);
    let note = match when {
        Some(at) if at <= ctx.now => format!("{percent:.0} % used"),
        Some(at) => format!("{percent:.0} % used; used up at {} like this", ctx.clock_short(at)),
        None => format!("{percent:.0} % used"),
    };
    fact("limit", limit.to_string(), role, note)
}

fn budget(budget: &Budget) -> Fact {
    let percent = text::percent(budget.charged().0, budget.limit.0).unwrap_or(0.0);
    let role = match usage_role(percent) {
        Role::Ok => Role::Text,
        role => role,
    };
    let flight = match budget.reserved {
        Money::ZERO => String::new(),
        held => format!(", {held} in flight"),
    };
    let warns = if budget.action == spend::Action::Warn { "; a warning only" } else { "" };
    fact("budget", budget.limit.to_string(), role, format!("{percent:.0} % of {budget} used{flight}{warns}"))
}

/// What routing saved, against the named baseline. Nothing is said where there is no baseline, or nothing was spent.
fn saved(ctx: &Ctx<'_>, snapshot: &Snapshot) -> Option<Fact> {
    // What is not known cannot have been saved.
    let unknown: u32 = snapshot.fleet.spend.session.iter().map(|book| book.unknown).sum();
    if unknown > 0 {
        let note = format!("{unknown} attempts have no known cost to compare");
        return Some(fact("saved", ctx.glyphs.none.to_owned(), Role::Dim, note));
    }
    let Baseline { model, amount } = baseline(&snapshot.fleet, ctx.now).filter(|found| found.amount > Money::ZERO)?;
    let spent = snapshot.fleet.spend.session_total();
    let saved = Money(amount.0.saturating_sub(spent.0));
    let share = text::percent(saved.0, amount.0).unwrap_or(0.0).abs();
    let note = format!("{share:.0} % against always {model}: ~{amount}");
    Some(if saved < Money::ZERO {
        fact("dearer by", format!("~{}", Money(saved.0.saturating_neg())), Role::Warn, note)
    } else {
        fact("saved", format!("~{saved}"), Role::Ok, note)
    })
}

/// A bar of money: its share of the largest, never nothing for something.
fn bar(ctx: &Ctx<'_>, amount: Money, most: Money, cells: usize, role: Role) -> Span<'static> {
    let full = i128::try_from(cells).unwrap_or(0) * 8;
    let eighths = (i128::from(amount.0.max(0)) * full).checked_div(i128::from(most.0)).unwrap_or(0);
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(amount > Money::ZERO));
    let mut text = ctx.glyphs.across[7].repeat(eighths / 8);
    if eighths % 8 > 0 {
        text.push_str(ctx.glyphs.across[eighths % 8 - 1]);
    }
    Span::styled(text::pad(&text, cells), ctx.style(role))
}

struct Entry {
    name: String,
    amount: Money,
    words: String,
    role: Role,
    note: String,
}

fn bars(ctx: &Ctx<'_>, entries: Vec<Entry>, name_width: usize, width: usize) -> Vec<Line<'static>> {
    let most = entries.iter().map(|entry| entry.amount).max().unwrap_or(Money::ZERO);
    let notes = entries.iter().map(|entry| text::width(&entry.note)).max().unwrap_or(0);
    let cells = width.saturating_sub(name_width + 9 + notes + 6).min(60);
    entries
        .into_iter()
        .map(|entry| {
            Line::from(vec![
                ctx.span(entry.role, format!(" {}", text::pad(&entry.name, name_width))),
                ctx.span(Role::Text, format!("{} ", text::pad_left(&entry.words, 9))),
                bar(ctx, entry.amount, most, cells, entry.role),
                ctx.span(Role::Dim, format!(" {}", entry.note)),
            ])
        })
        .collect()
}

fn share(amount: Money, whole: Money) -> String {
    format!("{:>3.0}%", text::percent(amount.0, whole.0).unwrap_or(0.0))
}

fn tiers(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Vec<Line<'static>> {
    let whole = spend.session_total();
    let mut entries: Vec<Entry> = Tier::ALL
        .into_iter()
        .map(|tier| {
            let book = &spend.session[tier.index()];
            let unknown = if book.unknown > 0 { format!(" +{} unknown", book.unknown) } else { String::new() };
            Entry {
                name: tier.name().to_owned(),
                amount: book.amount,
                words: text::money(book.amount, book.estimated > Money::ZERO),
                role: Role::Series(tier),
                note: format!("{} {}{unknown}", share(book.amount, whole), text::calls(book.attempts)),
            }
        })
        .collect();
    if spend.rented > Money::ZERO {
        entries.push(Entry {
            name: "rented".to_owned(),
            amount: spend.rented,
            words: text::money(spend.rented, true),
            role: Role::Text,
            note: share(spend.rented, whole),
        });
    }
    [vec![title(ctx, "by tier, since start")], bars(ctx, entries, 10, width)].concat()
}

fn models(ctx: &Ctx<'_>, snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let mut used: Vec<(Tier, String, Book)> = Vec::new();
    for backend in &snapshot.fleet.backends {
        let models = backend.models.iter().filter(|model| model.book.attempts > 0);
        used.extend(models.map(|model| (backend.spec.tier, model.id.to_string(), model.book)));
    }
    used.sort_by_key(|(_, _, book)| std::cmp::Reverse((book.amount, book.attempts)));
    let mut lines = vec![title(ctx, "by model, since start")];
    if used.is_empty() {
        lines.push(Line::from(ctx.span(Role::Dim, " nothing was sent yet")));
        return lines;
    }
    let more = used.len().saturating_sub(MODELS);
    let name_width = (width / 3).clamp(12, 28);
    let entries = used
        .into_iter()
        .take(MODELS)
        .map(|(tier, name, book)| Entry {
            name: text::fit_middle(&text::sanitise_line(&name), name_width - 1, ctx.glyphs.ellipsis),
            amount: book.amount,
            words: text::money(book.amount, book.estimated > Money::ZERO),
            role: Role::Series(tier),
            note: text::calls(book.attempts),
        })
        .collect();
    lines.extend(bars(ctx, entries, name_width, width));
    if more > 0 {
        let key = ctx.keymap.key_of(Action::Focus(Pane::Models), Pane::Spend);
        let all = key.map_or_else(String::new, |key| format!(": {key} lists all"));
        lines.push(Line::from(ctx.span(Role::Dim, format!(" and {more} more{all}"))));
    }
    lines
}

/// How forecasts compare with what was settled, below an empty row; nothing where there is nothing to compare.
fn foreseen(ctx: &Ctx<'_>, snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let mut lines = forecasts::by_model(ctx, &snapshot.fleet, width);
    if !lines.is_empty() {
        lines.insert(0, Line::default());
    }
    lines
}

/// Days and hours of the clock, latest first. An hour in which nothing was spent is told as such.
fn hours(ctx: &Ctx<'_>, spend: &Spend, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title(ctx, "by day and hour, rented machines included")];
    let day_of = |at: Timestamp| day(at, ctx.zone);
    let today = day_of(ctx.now);
    for (name, wanted) in [("today", today), ("yesterday", today - 1)] {
        // Hours are the clock's, and may lie across midnight; what today cost is booked apart.
        let of_hours = || spend.hours.iter().filter(|hour| day_of(hour.began()) == wanted).map(Hour::total).sum();
        let amount: Money = if wanted == today { spend.today_total() } else { of_hours() };
        // Nothing is known of a day before the program ran.
        if wanted == today || day_of(spend.since) <= wanted {
            let words = text::money(amount, estimated(spend));
            lines.extend(fact(name, words, Role::Text, String::new()).lines(ctx, width));
        }
    }
    let (first, last) = (Hour::of(spend.since), Hour::of(ctx.now));
    let from = first.max(last - HOURS as i64 + 1);
    let entries = (from..=last)
        .rev()
        .map(|number| {
            let hour = spend.hours.iter().find(|hour| hour.number == number).copied();
            let hour = hour.unwrap_or(Hour { number, ..Hour::default() });
            Entry {
                name: ctx.clock_short(hour.began()),
                amount: hour.total(),
                words: text::money(hour.total(), estimated(spend) && hour.total() > Money::ZERO),
                role: Role::Accent,
                note: String::new(),
            }
        })
        .collect();
    lines.extend(bars(ctx, entries, 13, width));
    lines
}

/// Whether any of it rests on estimates. Which hour that was in is not kept.
fn estimated(spend: &Spend) -> bool {
    spend.rented > Money::ZERO || spend.session.iter().any(|book| book.estimated > Money::ZERO)
}

/// The number of the day that a time falls into, in a zone.
fn day(at: Timestamp, zone: &TimeZone) -> i64 {
    let offset = jiff::Timestamp::from_millisecond(at.0).map_or(0, |stamp| i64::from(zone.to_offset(stamp).seconds()));
    (at.0.div_euclid(1000) + offset).div_euclid(86_400)
}
