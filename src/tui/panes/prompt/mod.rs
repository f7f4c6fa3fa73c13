//! The conversation and the input. The input keeps what was typed whatever else happens on the screen.

mod preview;
mod talk;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use super::{Ctx, put};
use crate::domain::decision::Decision;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::tui::layout::{Pane, Size, split_down};
use crate::tui::session::Session;
use crate::tui::slash::Completion;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::weigh::Asking;

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
    /// Messages that the talk before the text as it stands has: what is found in those was said earlier.
    pub asked: usize,
    /// Why the text as it stands would not be sent.
    pub wrong: Option<String>,
    /// That the text as it stands may cost much was said: enter sends it all the same.
    pub asking: Option<Asking>,
    /// Ways to go on with a slash command.
    proposals: Vec<Completion>,
    proposed: usize,
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
            asked: 0,
            wrong: None,
            asking: None,
            proposals: Vec::new(),
            proposed: 0,
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

    /// How long it is, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.input.lines().iter().map(|line| line.len() + 1).sum()
    }

    /// The ways to go on with a slash command.
    #[must_use]
    pub fn proposals(&self) -> &[Completion] {
        &self.proposals
    }

    /// Works out the ways to go on with what is typed.
    pub fn propose(&mut self, complete: impl FnOnce(&str) -> Vec<Completion>) {
        let one_line = matches!(self.input.lines(), [line] if line.starts_with('/'));
        self.proposals = if one_line { complete(&self.input.lines()[0]) } else { Vec::new() };
        self.proposed = 0;
    }

    /// A key for the proposals, where there are any: tab takes one, the arrows choose, Esc closes them. Returns whether it
    /// was one.
    pub fn proposal_key(&mut self, key: KeyEvent) -> bool {
        let last = self.proposals.len().saturating_sub(1);
        match key.code {
            _ if self.proposals.is_empty() || !key.modifiers.is_empty() => return false,
            KeyCode::Tab => {
                let input = self.proposals[self.proposed.min(last)].input.clone();
                self.set_text(&input);
            }
            // Above the first one is the history.
            KeyCode::Up if self.proposed > 0 => self.proposed -= 1,
            KeyCode::Down => self.proposed = (self.proposed + 1).min(last),
            KeyCode::Esc => self.proposals.clear(),
            _ => return false,
        }
        true
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
        let plain = key.modifiers.is_empty();
        let row = self.input.cursor().0;
        match key.code {
            KeyCode::Up if plain && row == 0 => self.recall(true),
            KeyCode::Down if plain && row + 1 == self.input.lines().len() => self.recall(false),
            // These would be undone by the next key of the widget's own emacs set, or clash with ours.
            // As in a shell; the widget's own meaning would be to undo.
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.input.delete_line_by_head();
            }
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
            // There is no row above the input: what enter would do stands in its place.
            match self.asking_line(ctx, usize::from(area.width)) {
                Some(line) => put(buf, input, 0, &line),
                None => self.render_input(ctx, input, buf),
            }
            return;
        }
        let inner = ctx.frame(Pane::Prompt, self.note(ctx, session), facts(ctx, session), area, buf);
        let wanted = u16::try_from(self.visual_rows(inner.width)).unwrap_or(6);
        let most = (inner.height / 3).clamp(1, 6);
        let input_rows = wanted.clamp(1, most);
        let preview = self.preview(ctx, inner.width, inner.height.saturating_sub(input_rows));
        let preview_rows = u16::try_from(preview.len()).unwrap_or(u16::MAX);
        let (talk, rest) = split_down(inner, inner.height.saturating_sub(input_rows + preview_rows));
        let (above, input) = split_down(rest, preview_rows);
        self.render_talk(ctx, session, talk, buf);
        for (row, line) in preview.iter().enumerate() {
            put(buf, above, row as u16, line);
        }
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
        if session.is_private() {
            spans.push(ctx.span(Role::Pinned, "private talk "));
        }
        let words = constraint_words(&self.constraints);
        if !words.is_empty() {
            spans.push(ctx.span(Role::Accent, format!("{} ", words.join(", "))));
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
                let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
                ctx.say("/private, /tier local, /max-cost 0.01 say how", below, buf);
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
        // After ctrl-n, a rule says at once that what follows starts from nothing.
        let mut later = conversation;
        let told: Vec<bool> = session.turns.iter().map(|turn| session.is_told(turn)).collect();
        for (turn, _) in session.turns.iter_mut().zip(told).rev().filter(|(_, told)| *told) {
            let mut block = talk::turn_lines(ctx, turn, columns, conversation, needed);
            if later != turn.conversation {
                block.extend([talk::divider(ctx, columns), Line::default()]);
                later = turn.conversation;
            }
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
            let width = (note.width() as u16).min(area.width);
            put(buf, Rect { x: area.right() - width, width, ..area }, area.height - 1, &note);
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
