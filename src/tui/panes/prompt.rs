//! The conversation and the input. The input keeps what was typed whatever else happens on the screen.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use super::decisions::cost_text;
use super::{Ctx, put};
use crate::domain::decision::Decision;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::tui::layout::{Pane, Size, split_down};
use crate::tui::session::{Phase, Session, Turn};
use crate::tui::text;
use crate::tui::theme::Role;

/// Bytes of a question that are shown again above its answer.
const QUESTION: usize = 4 * 1024;
/// Prompts kept for the arrow keys.
const HISTORY: usize = 200;

/// The pane.
pub struct PromptPane {
    input: TextArea<'static>,
    history: Vec<String>,
    /// Where in the history the input stands; `None` while it is a text of its own.
    recalled: Option<usize>,
    /// The text of its own that was there before the history was looked through.
    draft: String,
    /// Rows scrolled up from the end of the conversation.
    scroll: usize,
    /// What is demanded of the next answers.
    pub constraints: Constraints,
    /// Where the text as it stands would go.
    pub forecast: Option<Arc<Decision>>,
}

impl Default for PromptPane {
    fn default() -> Self {
        Self {
            input: fresh(&[]),
            history: Vec::new(),
            recalled: None,
            draft: String::new(),
            scroll: 0,
            constraints: Constraints::default(),
            forecast: None,
        }
    }
}

fn fresh(lines: &[String]) -> TextArea<'static> {
    let mut input = TextArea::new(if lines.is_empty() { vec![String::new()] } else { lines.to_vec() });
    input.set_wrap_mode(WrapMode::WordOrGlyph);
    input.set_cursor_line_style(ratatui::style::Style::new());
    input.move_cursor(CursorMove::Bottom);
    input.move_cursor(CursorMove::End);
    input
}

impl PromptPane {
    /// The text as it stands.
    #[must_use]
    pub fn text(&self) -> String {
        self.input.lines().join("\n")
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.input.lines().iter().all(|line| line.trim().is_empty())
    }

    /// Replaces the text.
    pub fn set_text(&mut self, text: &str) {
        let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        self.input = fresh(&lines);
    }

    /// A key that means text. Up and down reach for the history at the edges of the text.
    pub fn key(&mut self, key: KeyEvent) {
        use ratatui::crossterm::event::{KeyCode, KeyModifiers};
        let plain = key.modifiers.is_empty();
        let row = self.input.cursor().0;
        match key.code {
            KeyCode::Up if plain && row == 0 => self.recall(true),
            KeyCode::Down if plain && row + 1 == self.input.lines().len() => self.recall(false),
            // These would be undone by the next key of the widget's own emacs set, or clash with ours.
            KeyCode::Char('m') if key.modifiers.contains(KeyModifiers::CONTROL) => {}
            _ => {
                self.input.input(key);
            }
        }
    }

    /// Pasted text: one piece, whatever line ends it has, and never a submission.
    pub fn paste(&mut self, pasted: &str) {
        self.input.insert_str(text::sanitise(pasted));
    }

    /// A new line.
    pub fn newline(&mut self) {
        self.input.insert_newline();
    }

    /// Takes the text out to send it, and remembers it.
    pub fn take(&mut self) -> String {
        let text = self.text();
        self.remember(&text);
        self.input = fresh(&[]);
        self.scroll = 0;
        text
    }

    /// Clears the text; the history has it.
    pub fn clear(&mut self) {
        let text = self.text();
        self.remember(&text);
        self.input = fresh(&[]);
    }

    fn remember(&mut self, text: &str) {
        self.recalled = None;
        if text.trim().is_empty() || self.history.last().is_some_and(|last| last == text) {
            return;
        }
        if self.history.len() == HISTORY {
            self.history.remove(0);
        }
        self.history.push(text.to_owned());
    }

    fn recall(&mut self, older: bool) {
        let next = match (self.recalled, older) {
            (None, true) => {
                self.draft = self.text();
                self.history.len().checked_sub(1)
            }
            (Some(index), true) => Some(index.saturating_sub(1)),
            (Some(index), false) if index + 1 < self.history.len() => Some(index + 1),
            (Some(_), false) => {
                self.recalled = None;
                let draft = std::mem::take(&mut self.draft);
                self.set_text(&draft);
                return;
            }
            (None, false) => None,
        };
        if let Some(text) = next.and_then(|index| self.history.get(index)).cloned() {
            self.set_text(&text);
            self.recalled = next;
        }
    }

    /// Scrolls the conversation.
    pub const fn scroll(&mut self, rows: isize) {
        self.scroll = self.scroll.saturating_add_signed(rows);
    }

    /// Draws.
    pub fn render(&mut self, ctx: &Ctx<'_>, session: &mut Session, area: Rect, buf: &mut Buffer) {
        if ctx.size == Size::Tiny {
            let (talk, input) = split_down(area, area.height.saturating_sub(1));
            self.render_talk(ctx, session, talk, buf);
            self.render_input(ctx, input, buf);
            return;
        }
        let inner = ctx.frame(Pane::Prompt, self.note(ctx, session), facts(ctx, session), area, buf);
        let wanted = u16::try_from(self.visual_rows(inner.width)).unwrap_or(6);
        let most = (inner.height / 3).clamp(1, 6);
        let input_rows = wanted.clamp(1, most);
        let forecast_rows = u16::from(inner.height >= 6);
        let (talk, rest) = split_down(inner, inner.height.saturating_sub(input_rows + forecast_rows));
        let (rule, input) = split_down(rest, forecast_rows);
        self.render_talk(ctx, session, talk, buf);
        put(buf, rule, 0, &self.forecast_line(ctx, rule.width));
        self.render_input(ctx, input, buf);
    }

    fn visual_rows(&self, columns: u16) -> usize {
        let columns = usize::from(columns.saturating_sub(3).max(1));
        self.input.lines().iter().map(|line| text::width(line) / columns + 1).sum()
    }

    fn note(&self, ctx: &Ctx<'_>, session: &Session) -> Line<'static> {
        let mut spans = Vec::new();
        let turns = session.context();
        if turns > 0 {
            let s = if turns == 1 { "" } else { "s" };
            spans.push(ctx.span(Role::Dim, format!("talk {}, {turns} turn{s} ", session.conversation() + 1)));
        }
        let words = constraint_words(&self.constraints);
        if !words.is_empty() {
            spans.push(ctx.span(Role::Accent, format!("{} ", words.join(", "))));
        }
        Line::from(spans)
    }

    /// Where the text as it stands would go, and at what price: the decision before the fact.
    fn forecast_line(&self, ctx: &Ctx<'_>, width: u16) -> Line<'static> {
        let Some(decision) = self.forecast.as_ref().filter(|_| !self.is_blank()) else {
            return Line::from(ctx.span(Role::Border, "─".repeat(0)));
        };
        let Some(chosen) = decision.chosen() else {
            let words = text::sanitise_line(&decision.headline());
            return Line::from(ctx.span(Role::Bad, format!(" {} {words}", ctx.glyphs.warning)));
        };
        let cost = chosen.estimate.cost.map_or_else(|| "price unknown".to_owned(), |cost| format!("~{cost}"));
        let wait = text::millis(u64::from(chosen.estimate.first_token_ms));
        let head = format!(" {} ", ctx.glyphs.arrow);
        let tail = format!("  {cost}  ttft ~{wait}");
        let room =
            usize::from(width).saturating_sub(text::width(&head) + text::width(&tail) + chosen.tier.name().len() + 1);
        let place = place_words(ctx, chosen.backend.as_str(), chosen.model.as_str(), room);
        let mut spans = vec![
            ctx.span(Role::Dim, head),
            ctx.span(Role::Series(chosen.tier), chosen.tier.name()),
            ctx.span(Role::Dim, place),
            ctx.span(Role::Dim, tail),
        ];
        let used: usize = spans.iter().map(Span::width).sum();
        let room = usize::from(width).saturating_sub(used + 2);
        if room > 12 {
            let why = text::fit(&text::sanitise_line(&decision.headline()), room, ctx.glyphs.ellipsis);
            spans.push(ctx.span(Role::Dim, format!("  {why}")));
        }
        Line::from(spans)
    }

    fn render_input(&mut self, ctx: &Ctx<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.width < 4 || area.height == 0 {
            return;
        }
        let focused = ctx.focus == Pane::Prompt;
        let role = if focused { Role::Focus } else { Role::Dim };
        put(buf, area, 0, &Line::from(ctx.span(role, format!(" {}", ctx.glyphs.pointer))));
        let cursor = if focused { ctx.style(Role::Selected) } else { ratatui::style::Style::new() };
        self.input.set_cursor_style(cursor);
        self.input.set_placeholder_style(ctx.style(Role::Dim));
        self.input.set_placeholder_text(if focused { "ask anything" } else { "press 1 to type" });
        let body = Rect { x: area.x + 3, width: area.width - 3, ..area };
        (&self.input).render(body, buf);
    }

    fn render_talk(&mut self, ctx: &Ctx<'_>, session: &mut Session, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        if session.turns.is_empty() {
            if area.height > 2 {
                ctx.say("ask, and see where it goes and why", area, buf);
            }
            return;
        }
        let columns = usize::from(area.width.saturating_sub(3));
        let height = usize::from(area.height);
        let needed = height + self.scroll;
        // Only as many turns from the end as can be seen are laid out.
        let mut blocks: Vec<Vec<Line<'static>>> = Vec::new();
        let mut count = 0;
        let conversation = session.conversation();
        for turn in session.turns.iter_mut().rev() {
            let block = turn_lines(ctx, turn, columns, conversation);
            count += block.len();
            blocks.push(block);
            if count > needed {
                break;
            }
        }
        let lines: Vec<Line<'static>> = blocks.into_iter().rev().flatten().collect();
        self.scroll = self.scroll.min(lines.len().saturating_sub(height));
        let top = lines.len().saturating_sub(height + self.scroll);
        for (row, line) in lines.iter().skip(top).take(height).enumerate() {
            put(buf, area, row as u16, line);
        }
        if self.scroll > 0 {
            let note = Line::from(ctx.span(Role::Accent, format!(" {} more below ", self.scroll)));
            let width = note.width() as u16;
            put(buf, Rect { x: area.right().saturating_sub(width), ..area }, area.height - 1, &note);
        }
    }
}

/// What is demanded, in words; nothing where nothing is.
#[must_use]
pub fn constraint_words(constraints: &Constraints) -> Vec<String> {
    let optimize = match constraints.optimize {
        Optimize::Balanced => None,
        Optimize::Quality => Some("quality"),
        Optimize::Latency => Some("latency"),
        Optimize::Cost => Some("cost"),
        Optimize::Throughput => Some("throughput"),
    };
    [
        (constraints.privacy == Privacy::High).then(|| "private".to_owned()),
        optimize.map(|aim| format!("for {aim}")),
        constraints.tier.map(|tier| format!("tier {tier}")),
        constraints.backend.as_ref().map(|backend| format!("backend {backend}")),
        constraints.model.as_ref().map(|model| format!("model {model}")),
        constraints.max_latency_ms.map(|ms| format!("under {}", text::millis(u64::from(ms)))),
        constraints.max_cost.map(|cost| format!("at most {cost}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn facts(ctx: &Ctx<'_>, session: &Session) -> Line<'static> {
    match session.open_count() {
        0 => Line::default(),
        n => Line::from(ctx.span(Role::Accent, format!(" {n} in flight, esc interrupts "))),
    }
}

/// A turn in rows: the question, what became of it, the answer.
fn turn_lines(ctx: &Ctx<'_>, turn: &mut Turn, columns: usize, conversation: u32) -> Vec<Line<'static>> {
    let current = turn.conversation == conversation;
    let (asked, answered) = if current { (Role::Title, Role::Text) } else { (Role::Dim, Role::Dim) };
    let mut lines = Vec::new();
    // A book that was pasted in is recognised by its beginning.
    let shown = &turn.question[..turn.question.floor_char_boundary(QUESTION)];
    let question = text::sanitise(shown);
    let mut rows: Vec<String> = question.split('\n').flat_map(|line| text::wrap(line, columns)).collect();
    if shown.len() < turn.question.len() {
        rows.push(format!("{} more bytes", turn.question.len() - shown.len()));
    }
    for (index, row) in rows.iter().enumerate() {
        let mark = if index == 0 { ctx.glyphs.pointer } else { " " };
        lines.push(Line::from(vec![ctx.span(Role::Accent, format!(" {mark} ")), ctx.span(asked, row.clone())]));
    }
    for attempt in &turn.failed {
        let failure = attempt.outcome.as_ref().err().map(|failure| failure.class.words()).unwrap_or_default();
        lines.push(Line::from(vec![
            ctx.span(Role::Bad, format!(" {} ", ctx.glyphs.failed)),
            ctx.span(Role::Series(attempt.tier), attempt.tier.name()),
            ctx.span(Role::Dim, format!(" {}: ", attempt.backend)),
            ctx.span(Role::Bad, failure),
            ctx.span(Role::Dim, format!(" after {}", text::duration(attempt.total))),
        ]));
    }
    lines.push(meta_line(ctx, turn, columns));
    let streaming = matches!(turn.phase, Phase::Streaming);
    if turn.thinking > 0 && turn.answer.is_empty() {
        lines.push(Line::from(
            ctx.span(Role::Dim, format!("   thinking, ~{} tokens", text::count(turn.thinking as u64 / 4))),
        ));
    }
    let before = lines.len();
    lines.extend(
        turn.rows(columns)
            .iter()
            .map(|row| Line::from(vec![Span::raw("   "), Span::styled(row.clone(), ctx.style(answered))])),
    );
    if streaming {
        match lines.len() {
            n if n > before => lines[n - 1].push_span(ctx.span(Role::Accent, ctx.glyphs.caret)),
            _ => lines.push(Line::from(ctx.span(Role::Accent, format!("   {}", ctx.glyphs.caret)))),
        }
    }
    if !turn.tools.is_empty() {
        lines.push(Line::from(ctx.span(Role::Dim, format!("   asks for tools: {}", turn.tools.join(", ")))));
    }
    let tail = match &turn.phase {
        Phase::Broken(why) => Some((Role::Bad, format!("{} {why}", ctx.glyphs.down))),
        Phase::Interrupted => Some((Role::Warn, "interrupted: not the whole answer".to_owned())),
        Phase::Whole(ending) if ending.finish == crate::provider::Finish::Length => {
            Some((Role::Warn, "the model's token limit ended the answer here".to_owned()))
        }
        Phase::Whole(ending) if ending.finish == crate::provider::Finish::ContentFilter => {
            Some((Role::Warn, "the provider's filter ended the answer here".to_owned()))
        }
        _ => None,
    };
    if let Some((role, words)) = tail {
        lines.extend(
            text::wrap(&words, columns)
                .into_iter()
                .map(|row| Line::from(vec![Span::raw("   "), Span::styled(row, ctx.style(role))])),
        );
    }
    lines.push(Line::default());
    lines
}

/// Backend and model; on little room the model alone, which says more than the backend that serves it.
fn place_words(ctx: &Ctx<'_>, backend: &str, model: &str, room: usize) -> String {
    let both = format!(" {backend} {model}");
    match room {
        room if room >= text::width(&both) => both,
        8.. => format!(" {}", text::fit_middle(model, room - 1, ctx.glyphs.ellipsis)),
        _ => String::new(),
    }
}

/// Who answers, how fast, at what cost: live, and as it was in the end.
fn meta_line(ctx: &Ctx<'_>, turn: &Turn, columns: usize) -> Line<'static> {
    let Some((tier, backend, model)) =
        turn.attempt.as_ref().map(|attempt| (attempt.tier, attempt.backend.clone(), attempt.model.clone())).or_else(
            || {
                let chosen = turn.decision.as_ref()?.chosen()?;
                Some((chosen.tier, chosen.backend.clone(), chosen.model.clone()))
            },
        )
    else {
        let waiting = if turn.is_open() { format!("{} deciding", ctx.spinner()) } else { "no route".to_owned() };
        return Line::from(ctx.span(Role::Dim, format!("   {waiting}")));
    };
    let mut numbers = Vec::new();
    match turn.first_token {
        Some(after) => numbers.push(ctx.span(Role::Dim, format!("ttft {}", text::duration(after)))),
        None if turn.is_open() => {
            numbers.push(ctx.span(Role::Accent, format!("{} {}", ctx.spinner(), text::age(turn.elapsed(ctx.now)))));
        }
        None => {}
    }
    let mark = |estimated| if estimated { "~" } else { "" };
    if let Some((rate, estimated)) = turn.rate(ctx.now) {
        numbers.push(ctx.span(Role::Dim, format!("{}{rate:.0} tok/s", mark(estimated))));
    }
    let (tokens, estimated) = turn.tokens();
    if tokens > 0 && columns >= 70 {
        numbers.push(ctx.span(Role::Dim, format!("{}{} tok", mark(estimated), text::count(tokens))));
    }
    if turn.first_token.is_some() || !turn.is_open() {
        numbers.push(ctx.span(Role::Text, cost_text(ctx, turn.cost(ctx.snapshot, ctx.now))));
    }
    if turn.ended.is_some() {
        numbers.push(ctx.span(Role::Dim, text::duration(turn.elapsed(ctx.now))));
    }
    let taken: usize = numbers.iter().map(|span| span.width() + 2).sum();
    let room = columns.saturating_sub(taken + tier.name().len() + 3);
    let place = place_words(ctx, backend.as_str(), model.as_str(), room);
    let mut spans = vec![
        ctx.span(Role::Dim, format!(" {} ", ctx.glyphs.arrow)),
        ctx.span(Role::Series(tier), tier.name()),
        ctx.span(Role::Dim, place),
    ];
    for number in numbers {
        spans.push(Span::raw("  "));
        spans.push(number);
    }
    Line::from(spans)
}
