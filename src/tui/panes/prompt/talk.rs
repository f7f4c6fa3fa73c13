//! The talk: each turn's question, what became of it, its answer.

use ratatui::text::{Line, Span};

use crate::tui::panes::Ctx;
use crate::tui::panes::decisions::cost_text;
use crate::tui::session::{Phase, Turn};
use crate::tui::text;
use crate::tui::theme::Role;

/// Bytes of a question that are shown again above its answer.
const QUESTION: usize = 4 * 1024;

/// What stands between two conversations.
pub(super) fn divider(ctx: &Ctx<'_>, columns: usize) -> Line<'static> {
    let words = " a new talk ";
    let rule = ctx.glyphs.border.horizontal_top.repeat(columns.saturating_sub(words.len() + 3).min(40));
    Line::from(ctx.span(Role::Dim, format!("   {words}{rule}")))
}

/// A turn in rows: the question, what became of it, the answer, of which only the last `needed` rows are to be seen.
pub(super) fn turn_lines(
    ctx: &Ctx<'_>,
    turn: &mut Turn,
    columns: usize,
    conversation: u32,
    needed: usize,
) -> Vec<Line<'static>> {
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
        // Of the last one a part still stands, where nobody could begin anew.
        let is_replaced = turn.at_work.current().is_some_and(|current| current.attempt != attempt.number);
        let anew = if attempt.delivered && is_replaced { ", begun anew" } else { "" };
        lines.push(Line::from(vec![
            ctx.span(Role::Bad, format!(" {} ", ctx.glyphs.failed)),
            ctx.span(Role::Series(attempt.tier), attempt.tier.name()),
            ctx.span(Role::Dim, format!(" {}: ", attempt.backend)),
            ctx.span(Role::Bad, failure),
            ctx.span(Role::Dim, format!("{anew} after {}", text::duration(attempt.total))),
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
    let rows = turn.rows(columns);
    // Rows out of sight are counted and not made.
    lines.extend(rows.iter().enumerate().map(|(at, row)| {
        if at.saturating_add(needed) < rows.len() {
            return Line::default();
        }
        Line::from(vec![Span::raw("   "), Span::styled(row.clone(), ctx.style(answered))])
    }));
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
pub(super) fn place_words(ctx: &Ctx<'_>, backend: &str, model: &str, room: usize) -> String {
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
        turn.at_work.current().map(|attempt| (attempt.tier, attempt.backend.clone(), attempt.model.clone())).or_else(
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
    if let Some(other) = turn.at_work.beside() {
        numbers.push(ctx.span(Role::Dim, format!("beside {}", other.tier)));
    }
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
