//! Tiers and their backends: what the operator wants of each, how it is, whether it takes requests, and why not.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ctx, Cursor, put};
use crate::domain::fleet::{AdminState, Backend, Fleet, Pin};
use crate::domain::health::Health;
use crate::domain::id::{BackendId, ModelId};
use crate::domain::latency::Series;
use crate::domain::rejection::Rejection;
use crate::domain::tier::{Target, Tier};
use crate::domain::time::Timestamp;
use crate::tui::layout::{Pane, Size};
use crate::tui::status::{self, Mark};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::widgets::spark::{self, Axis, Measure};
use crate::tui::widgets::table::{Column, Fitted, Table};

/// What the backends of a tier are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As configured.
    #[default]
    Configured,
    /// By name.
    Name,
    /// By requests in flight.
    InFlight,
    /// By the share of errors.
    Errors,
}

impl Order {
    const fn next(self) -> Self {
        match self {
            Self::Configured => Self::Name,
            Self::Name => Self::InFlight,
            Self::InFlight => Self::Errors,
            Self::Errors => Self::Configured,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Configured => "",
            Self::Name => "by name ",
            Self::InFlight => "by in flight ",
            Self::Errors => "by errors ",
        }
    }
}

/// How much of the fleet has rows of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Every tier, and as many backends as there are rows left, first those that need attention: on a small screen, while
    /// the pane is only looked at. A tier with a single backend shares one row with it.
    Overview(usize),
    /// The same with every backend.
    Merged,
    /// Tiers and backends.
    #[default]
    Backends,
    /// Models too.
    Models,
}

/// The pane.
#[derive(Clone, Debug, Default)]
pub struct TiersPane {
    /// The selected row.
    pub cursor: Cursor,
    /// Only rows with this text.
    pub filter: String,
    order: Order,
    reversed: bool,
    targets: Vec<Target>,
    detail: Detail,
    /// Backends without a row, because nothing is wrong with them or there is worse.
    left_out: usize,
}

const NAME: usize = 0;
const STATE: usize = 1;
const RUN: usize = 2;
const ERR: usize = 3;
const P50: usize = 4;
const PROBE: usize = 5;
const WHY: usize = 6;

const COLUMNS: [Column; 7] = [
    Column::left("", 20, 0),
    Column::left("state", 9, 0),
    Column::right("run", 4, 1),
    Column::right("err", 4, 2),
    Column::right("ttft", 6, 4),
    Column::right("probe", 5, 3),
    Column::growing("", 8, 5),
];

impl TiersPane {
    /// Works out which rows there are. Called before every frame, so that keys mean what is on the screen.
    pub fn prepare(&mut self, fleet: &Fleet, detail: Detail, now: Timestamp) {
        self.detail = detail;
        let selected = self.selected().cloned();
        self.targets.clear();
        let mut backends_known = 0;
        for tier in Tier::ALL {
            let mut backends: Vec<&Backend> = fleet.of_tier(tier).map(|backend| &**backend).collect();
            match self.order {
                Order::Configured => {}
                Order::Name => backends.sort_by_key(|backend| backend.spec.id.clone()),
                Order::InFlight => backends.sort_by_key(|backend| std::cmp::Reverse(backend.in_flight())),
                Order::Errors => {
                    let ratio = |backend: &Backend| backend.summary.error_ratio().unwrap_or(-1.0);
                    backends.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
                }
            }
            if self.reversed {
                backends.reverse();
            }
            let mut rows = Vec::new();
            for backend in backends {
                let id = &backend.spec.id;
                let mut inner = vec![Target::Backend(id.clone())];
                if detail == Detail::Models {
                    inner.extend(backend.models.iter().map(|model| Target::Model(id.clone(), model.id.clone())));
                }
                inner.retain(|target| self.matches(tier, target));
                rows.extend(inner);
            }
            if !rows.is_empty() || self.matches(tier, &Target::Tier(tier)) {
                self.targets.push(Target::Tier(tier));
                if matches!(detail, Detail::Merged | Detail::Overview(_)) && fleet.of_tier(tier).count() == 1 {
                    rows.clear();
                }
                backends_known += rows.len();
                self.targets.extend(rows);
            }
        }
        if let Detail::Overview(room) = detail {
            let tiers = self.targets.iter().filter(|target| matches!(target, Target::Tier(_))).count();
            while self.targets.len() > room.max(tiers) {
                let least = (0..self.targets.len())
                    .filter(|index| !matches!(self.targets[*index], Target::Tier(_)))
                    .min_by_key(|index| (attention(fleet, &self.targets[*index], now), std::cmp::Reverse(*index)));
                let Some(index) = least else { break };
                self.targets.remove(index);
            }
            self.left_out = backends_known + tiers - self.targets.len();
        } else {
            self.left_out = 0;
        }
        // The selection stays on its part of the fleet, wherever that part moved to.
        if let Some(index) = selected.and_then(|selected| self.targets.iter().position(|one| *one == selected)) {
            self.cursor.index = index;
        }
        self.cursor.index = self.cursor.index.min(self.targets.len().saturating_sub(1));
    }

    fn matches(&self, tier: Tier, target: &Target) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty() || format!("{tier} {target}").to_lowercase().contains(&wanted)
    }

    /// The selected part of the fleet.
    #[must_use]
    pub fn selected(&self) -> Option<&Target> {
        self.targets.get(self.cursor.index)
    }

    /// Selects a part of the fleet.
    pub fn select(&mut self, target: &Target) {
        if let Some(index) = self.targets.iter().position(|one| one == target) {
            self.cursor.index = index;
        }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Sorts by the next column.
    pub const fn sort_next(&mut self) {
        self.order = self.order.next();
    }

    /// Turns the order around.
    pub const fn sort_reverse(&mut self) {
        self.reversed = !self.reversed;
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let Some(snapshot) = ctx.snapshot else {
            let inner = ctx.frame(Pane::Tiers, Line::default(), Line::default(), area, buf);
            ctx.say("waiting for the engine", inner, buf);
            return;
        };
        let fleet = &*snapshot.fleet;
        let inner = ctx.frame(Pane::Tiers, self.note(ctx), facts(ctx, fleet), area, buf);
        if self.targets.is_empty() {
            ctx.say("nothing matches the filter", inner, buf);
            return;
        }
        // Where the latency pane is a narrow strip, the spark of each tier stands in its row.
        let mut columns = COLUMNS;
        columns[NAME].width = self.name_width(inner.width);
        let table = Table { ctx, pane: Pane::Tiers, columns: &columns, len: self.targets.len() };
        let below = table.draw(&mut self.cursor, inner, buf, |index, fitted, area, buf| {
            let Some(target) = self.targets.get(index) else { return };
            if let Some(content) = row_content(ctx, fleet, target, self.detail) {
                draw_row(ctx, fleet, target, &content, fitted, area, buf);
            }
        });
        ctx.more_below(below, area, buf);
    }

    /// Room for the longest name, as far as the pane can spare it.
    fn name_width(&self, width: u16) -> u16 {
        let wanted = self.targets.iter().map(|target| match target {
            Target::Tier(_) if matches!(self.detail, Detail::Merged | Detail::Overview(_)) => 22,
            Target::Tier(_) => 0,
            Target::Backend(id) => text::width(id.as_str()) + 6,
            Target::Model(_, model) => text::width(model.as_str()) + 8,
        });
        let wanted = u16::try_from(wanted.max().unwrap_or(0)).unwrap_or(u16::MAX);
        wanted.clamp(17, (width / 3).max(17))
    }

    fn note(&self, ctx: &Ctx<'_>) -> Line<'static> {
        let mut spans = Vec::new();
        if !self.order.name().is_empty() {
            spans.push(ctx.span(Role::Dim, self.order.name()));
        }
        if !self.filter.is_empty() {
            spans.push(ctx.span(Role::Accent, format!("/{} ", self.filter)));
        }
        if self.left_out > 0 {
            let s = if self.left_out == 1 { "" } else { "s" };
            spans.push(ctx.span(Role::Dim, format!("and {} backend{s} ", self.left_out)));
        }
        Line::from(spans)
    }
}

fn facts(ctx: &Ctx<'_>, fleet: &Fleet) -> Line<'static> {
    let pins = fleet.pins.iter().filter(|pin| pin.until.is_none_or(|until| ctx.now < until)).count();
    let mut spans = Vec::new();
    if let Some(pin) = fleet.pins.last().filter(|_| pins > 0) {
        let more = if pins > 1 { format!(" +{}", pins - 1) } else { String::new() };
        let only = if pin.only { " only" } else { "" };
        spans.push(ctx.span(
            Role::Pinned,
            format!(" {} {} {} {}{only}{more} ", ctx.glyphs.pin, pin.scope, ctx.glyphs.arrow, pin.target),
        ));
    }
    Line::from(spans)
}

/// What one row shows.
struct Row {
    indent: usize,
    name: String,
    mark: Mark,
    in_flight: u32,
    errors: Option<f32>,
    first_token: Option<u32>,
    probed: Option<Timestamp>,
    why: String,
    pinned: bool,
}

fn row_content(ctx: &Ctx<'_>, fleet: &Fleet, target: &Target, detail: Detail) -> Option<Row> {
    let pinned = fleet.pins.iter().any(|pin| *pin.target == *target && pin.until.is_none_or(|until| ctx.now < until));
    match target {
        Target::Tier(tier) => {
            let mut row = tier_row(ctx, fleet, *tier, pinned);
            let mut backends = fleet.of_tier(*tier);
            let merged = matches!(detail, Detail::Merged | Detail::Overview(_));
            if let (true, Some(only), None) = (merged, backends.next(), backends.next()) {
                let inner = backend_row(ctx, fleet, &only.spec.id, pinned)?;
                row.name = format!("{tier} {}", inner.name);
                row.pinned |= inner.pinned;
                row.probed = inner.probed;
                if row.why.is_empty() && inner.mark.reason.is_some() {
                    row.why = inner.why;
                    row.mark = inner.mark;
                }
            }
            Some(row)
        }
        Target::Backend(id) => backend_row(ctx, fleet, id, pinned),
        Target::Model(id, model) => model_row(ctx, fleet, id, model, pinned),
    }
}

fn tier_row(ctx: &Ctx<'_>, fleet: &Fleet, tier: Tier, pinned: bool) -> Row {
    let state = fleet.tier(tier);
    let none = fleet.of_tier(tier).next().is_none();
    let mut why = if none { "no backend configured".to_owned() } else { admin_words(ctx, fleet, &Target::Tier(tier)) };
    if why.is_empty() {
        why = pin_words(ctx, fleet, &Target::Tier(tier));
    }
    Row {
        indent: 0,
        name: tier.name().to_owned(),
        mark: status::of_tier(fleet, tier, ctx.now),
        in_flight: fleet.in_flight(&Target::Tier(tier)),
        errors: state.summary.error_ratio(),
        first_token: state.summary.first_token.map(|found| found.p50),
        probed: None,
        why,
        pinned,
    }
}

fn backend_row(ctx: &Ctx<'_>, fleet: &Fleet, id: &BackendId, pinned: bool) -> Option<Row> {
    let backend = fleet.backend(id)?;
    let mark = status::unless_stale(status::of_backend(fleet, backend, ctx.now), backend, ctx.probe_every, ctx.now);
    let pin = pin_words(ctx, fleet, &Target::Backend(id.clone()));
    let why = match &mark.reason {
        None if !pin.is_empty() => pin,
        // The tier's own row says it already.
        Some(Rejection::Admin { level: crate::domain::rejection::Level::Tier, .. }) => ill_words(ctx, backend),
        Some(Rejection::Admin { .. }) => {
            format!("{}{}", ill_words(ctx, backend), admin_words(ctx, fleet, &Target::Backend(id.clone())))
        }
        Some(reason) => why_words(ctx, reason),
        None => text::sanitise_line(&backend.detail),
    };
    Some(Row {
        indent: 1,
        name: id.to_string(),
        mark,
        in_flight: backend.in_flight(),
        errors: backend.summary.error_ratio(),
        first_token: backend.summary.first_token.map(|found| found.p50),
        probed: backend.probed_at,
        why,
        pinned,
    })
}

fn model_row(ctx: &Ctx<'_>, fleet: &Fleet, id: &BackendId, model: &ModelId, pinned: bool) -> Option<Row> {
    let backend = fleet.backend(id)?;
    let model = backend.model(model)?;
    let mark = status::of_model(fleet, backend, model, ctx.now);
    let mut why = admin_words(ctx, fleet, &Target::Model(id.clone(), model.id.clone()));
    if why.is_empty() {
        why = mark.reason.as_ref().map(|reason| why_words(ctx, reason)).unwrap_or_default();
    }
    if why.is_empty() {
        let facts = [
            (!model.offered).then(|| "only by name".to_owned()),
            model.loaded.map(|loaded| if loaded { "loaded" } else { "not loaded" }.to_owned()),
            model.memory.filter(|_| model.loaded == Some(true)).map(|bytes| format!("{}G", text::gib(bytes))),
            model.spec.context.map(|window| format!("{} window", text::count(u64::from(window)))),
            model.spec.remote.then(|| "runs elsewhere".to_owned()),
        ];
        why = facts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    }
    Some(Row {
        indent: 2,
        name: model.id.to_string(),
        mark,
        in_flight: model.in_flight(),
        errors: model.summary.error_ratio(),
        first_token: model.summary.first_token.map(|found| found.p50),
        probed: None,
        why,
        pinned,
    })
}

/// How much a backend deserves a row where there is no room for all of them.
fn attention(fleet: &Fleet, target: &Target, now: Timestamp) -> u8 {
    let Target::Backend(id) = target else { return u8::MAX };
    let pinned = fleet.pins.iter().any(|pin| *pin.target == *target && pin.until.is_none_or(|until| now < until));
    match fleet.backend(id).map(|backend| status::of_backend(fleet, backend, now).role) {
        Some(Role::Bad) => 4,
        Some(Role::Warn) => 3,
        Some(Role::Draining) => 2,
        _ => u8::from(pinned),
    }
}

/// Why something takes no requests, with the wait where there is one.
fn why_words(ctx: &Ctx<'_>, reason: &Rejection) -> String {
    match reason {
        Rejection::BreakerOpen { until } => format!("trial in {}", ctx.wait(*until)),
        Rejection::RateLimited { until } => format!("for {} more", ctx.wait(*until)),
        Rejection::NoKey { variable } => format!("set {variable}"),
        Rejection::Down { cause } if !cause.is_empty() => text::sanitise_line(cause),
        other => text::sanitise_line(&other.to_string()),
    }
}

/// What else would keep requests from a backend that was taken out: it may be ill as well.
fn ill_words(ctx: &Ctx<'_>, backend: &Backend) -> String {
    if backend.health == Health::Down {
        return format!("also down: {}; ", text::sanitise_line(&backend.detail));
    }
    match backend.breaker.allows(ctx.now) {
        Ok(()) => String::new(),
        Err(until) => format!("also failing, trial in {}; ", ctx.wait(until)),
    }
}

/// Who pinned what to a part of the fleet, for how long and why; nothing where nobody did.
fn pin_words(ctx: &Ctx<'_>, fleet: &Fleet, target: &Target) -> String {
    let holds = |pin: &&Pin| *pin.target == *target && pin.until.is_none_or(|until| ctx.now < until);
    let Some(pin) = fleet.pins.iter().rev().find(holds) else { return String::new() };
    let only = if pin.only { ", nowhere else" } else { "" };
    let left = pin.until.map_or_else(|| "until undone".to_owned(), |until| format!("{} left", ctx.wait(until)));
    let reason = if pin.reason.is_empty() { String::new() } else { format!(": {}", pin.reason) };
    text::sanitise_line(&format!("{} pinned{only} by {}, {left}{reason}", pin.scope, pin.by))
}

/// Who took a part of the fleet out, since when, for how long and why; and while its drain lasts, the oldest that still
/// runs there.
fn admin_words(ctx: &Ctx<'_>, fleet: &Fleet, target: &Target) -> String {
    let Some(admin) = fleet.admin(target).filter(|admin| admin.state_at(ctx.now) != AdminState::Ready) else {
        return String::new();
    };
    let oldest = fleet.oldest_in_flight(target).map(|at| format!("oldest {}, ", ctx.age(at))).unwrap_or_default();
    let until = admin.until.map_or_else(|| "until undone".to_owned(), |until| format!("{} left", ctx.wait(until)));
    let reason = if admin.reason.is_empty() { String::new() } else { format!(": {}", admin.reason) };
    let since = ctx.age(admin.since);
    text::sanitise_line(&format!("{oldest}by {} {since} ago, {until}{reason}", admin.by))
}

fn draw_row(ctx: &Ctx<'_>, fleet: &Fleet, target: &Target, row: &Row, fitted: &Fitted, area: Rect, buf: &mut Buffer) {
    let cut = ctx.glyphs.ellipsis;
    let whole_tier = matches!(target, Target::Tier(_));
    let name_role = if whole_tier { Role::Title } else { Role::Text };
    let room = fitted.width(NAME).saturating_sub(row.indent * 2 + 2 + if row.pinned { 2 } else { 0 });
    let mut name = vec![
        Span::raw("  ".repeat(row.indent)),
        ctx.span(row.mark.role, row.mark.sign.glyph(ctx.glyphs)),
        Span::raw(" "),
        ctx.span(name_role, text::fit_middle(&row.name, room, cut)),
    ];
    if row.pinned {
        name.push(ctx.span(Role::Pinned, format!(" {}", ctx.glyphs.pin)));
    }
    put(buf, fitted.area(area, NAME), 0, &Line::from(name));
    // Between the operator's word and the engine's.
    let (word, role) =
        if ctx.requested.contains(target) { ("ASKED", Role::Accent) } else { (row.mark.word.as_str(), row.mark.role) };
    fitted.put(buf, area, STATE, word, ctx.style(role), cut);
    let busy = if row.in_flight > 0 { Role::Text } else { Role::Dim };
    fitted.put(buf, area, RUN, &row.in_flight.to_string(), ctx.style(busy), cut);
    if let Some(errors) = row.errors {
        let role = match errors {
            e if e >= 0.3 => Role::Bad,
            e if e > 0.05 => Role::Warn,
            e if e > 0.0 => Role::Text,
            _ => Role::Dim,
        };
        fitted.put(buf, area, ERR, &format!("{:.0}%", errors * 100.0), ctx.style(role), cut);
    }
    if let Some(p50) = row.first_token {
        fitted.put(buf, area, P50, &text::millis(u64::from(p50)), ctx.style(Role::Text), cut);
    }
    if let Some(at) = row.probed {
        fitted.put(buf, area, PROBE, &ctx.age(at), ctx.style(Role::Dim), cut);
    }
    let serves = row.mark.reason.is_none();
    let role = if serves || row.mark.role == Role::Draining { Role::Dim } else { row.mark.role };
    match target {
        Target::Tier(tier) if ctx.size == Size::Medium && row.why.is_empty() && !ctx.zoomed => {
            let area = fitted.area(area, WHY);
            let series = &fleet.tier(*tier).history.hour;
            let (cells, stretch) = spark::cells(series, Measure::FirstToken, area.width, area.width, ctx.now);
            if cells.iter().any(|cell| cell.value.is_some()) {
                ctx.changes_in(Series::FINE);
            }
            let top = cells.iter().filter_map(|cell| cell.value).max().unwrap_or(1);
            spark::draw(ctx, &cells, stretch, Axis::linear(top), Role::Series(*tier), area, buf);
        }
        // Why something does not serve matters more than how fast it was when it did.
        _ if (!serves || row.mark.role == Role::Draining) && text::width(&row.why) > fitted.width(WHY) => {
            let from = fitted.area(area, ERR).x.max(area.x + 1);
            let wide = Rect { x: from, width: area.right().saturating_sub(from), ..area };
            let words = text::pad(&text::fit(&row.why, usize::from(wide.width), cut), usize::from(wide.width));
            put(buf, wide, 0, &Line::from(ctx.span(role, words)));
        }
        _ => fitted.put(buf, area, WHY, &row.why, ctx.style(role), cut),
    }
}
