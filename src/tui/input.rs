//! From terminal events to actions: overlays first, then the keymap, then text for the prompt.

use futures::StreamExt;
use futures::stream::BoxStream;
use ratatui::crossterm::event::{
    Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::action::Action;
use super::app::{App, Effect, Overlay};
use super::keymap::Key;
use super::layout::Pane;
use super::overlay::{confirm, palette};
use super::text;

/// Terminal events as they come.
pub type Events = BoxStream<'static, std::io::Result<Event>>;

/// The real terminal's events. Dropping the stream stops its reader: while the terminal is given back, it must not
/// steal keys from the shell.
#[must_use]
pub fn terminal_events() -> Events {
    EventStream::new().boxed()
}

/// Keys that come in one burst with a line end among them are a paste by a terminal that does not mark pastes: nobody types
/// so fast. As keys, every line of it would be sent.
#[must_use]
pub fn pasted(events: Vec<Event>) -> Vec<Event> {
    /// Fewer keys may be a slow line that delivers what was typed in the meantime.
    const BURST: usize = 16;
    let mut seen: Vec<Event> = Vec::with_capacity(events.len());
    let mut run = String::new();
    let mut keys: Vec<Event> = Vec::new();
    let close = |run: &mut String, keys: &mut Vec<Event>, seen: &mut Vec<Event>| {
        let ended = run.strip_suffix('\n').unwrap_or(run);
        if keys.len() >= BURST && ended.contains('\n') {
            seen.push(Event::Paste(std::mem::take(run)));
            keys.clear();
        } else {
            run.clear();
            seen.append(keys);
        }
    };
    for event in events {
        match text_of(&event) {
            Some(c) => {
                run.push(c);
                keys.push(event);
            }
            None => {
                close(&mut run, &mut keys, &mut seen);
                seen.push(event);
            }
        }
    }
    close(&mut run, &mut keys, &mut seen);
    seen
}

/// The character that a key would type.
fn text_of(event: &Event) -> Option<char> {
    let Event::Key(key) = event else { return None };
    let plain = (key.modifiers - KeyModifiers::SHIFT).is_empty() && key.kind != KeyEventKind::Release;
    match key.code {
        KeyCode::Char(c) if plain => Some(c),
        KeyCode::Enter if plain => Some('\n'),
        KeyCode::Tab if plain => Some('\t'),
        _ => None,
    }
}

/// An event of the terminal.
pub fn on_event(app: &mut App, event: Event) {
    match event {
        // Some terminals report releases too: acting on them would do everything twice.
        Event::Key(key) if key.kind != KeyEventKind::Release => on_key(app, key),
        Event::Paste(pasted) => on_paste(app, &pasted),
        Event::Mouse(mouse) => on_mouse(app, mouse),
        // The size is asked for when a frame is drawn, and may be the old one again: the terminal has cut the frame all
        // the same, on the way there and back.
        Event::Resize(..) => app.effect(Effect::Redraw),
        Event::Key(_) | Event::FocusGained | Event::FocusLost => {}
    }
}

fn on_key(app: &mut App, event: KeyEvent) {
    super::view::prepare(app);
    let key = Key::from(event);
    let action = app.keymap.action(key, app.focus);
    let leaves = event.code == KeyCode::Char('d') && event.modifiers.contains(KeyModifiers::CONTROL);
    if !matches!(action, Some(Action::Interrupt | Action::Quit)) && !leaves {
        app.armed = None;
    }
    app.toasts.acknowledge(app.now);
    if let Some(overlay) = app.overlay.take() {
        on_overlay_key(app, overlay, event, action);
        return;
    }
    // Tab completes a command. Where there is nothing to complete it must not lead away: what is typed next would be keys.
    if app.focus == Pane::Prompt && event.code == KeyCode::Tab && app.prompt.text().starts_with('/') {
        app.prompt.proposal_key(event);
        app.foresee();
        return;
    }
    if app.focus == Pane::Prompt && app.prompt.proposal_key(event) {
        // To propose anew is to begin with the first one again: only a new text does that.
        if event.code == KeyCode::Tab {
            app.foresee();
        }
        app.forecast_due = true;
        return;
    }
    if let Some(action) = action {
        app.act(action);
        return;
    }
    if app.focus == Pane::Prompt {
        prompt_key(app, event);
    }
}

fn prompt_key(app: &mut App, event: KeyEvent) {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    let empty = app.prompt.text().is_empty();
    match event.code {
        KeyCode::Char('d') if control && empty => app.act(Action::Quit),
        // Nothing is typed yet, so it can only be a question about the program.
        KeyCode::Char('?') if empty => app.act(Action::Help),
        _ => {
            app.prompt.key(event);
            app.foresee();
        }
    }
}

fn on_paste(app: &mut App, pasted: &str) {
    match &mut app.overlay {
        Some(Overlay::Palette(palette)) => palette.paste(pasted),
        Some(Overlay::Confirm(confirm)) => confirm.paste(pasted),
        Some(Overlay::Filter(pane, _)) => {
            let pane = *pane;
            if let Some(filter) = app.filter_of(pane) {
                filter.push_str(&text::sanitise_line(pasted));
            }
        }
        Some(_) => {}
        None => {
            // A paste is text, wherever the focus is; it never becomes keys.
            app.go(Pane::Prompt);
            app.prompt.paste(pasted);
            app.foresee();
        }
    }
}

fn on_overlay_key(app: &mut App, overlay: Overlay, event: KeyEvent, action: Option<Action>) {
    if action == Some(Action::Interrupt) {
        if let Overlay::Filter(pane, before) = overlay
            && let Some(filter) = app.filter_of(pane)
        {
            *filter = before;
        }
        return;
    }
    match overlay {
        Overlay::Palette(mut palette) => match palette.key(event) {
            palette::Answer::Stay => app.overlay = Some(Overlay::Palette(palette)),
            palette::Answer::Close => {}
            palette::Answer::Run(run) => app.run(run),
        },
        Overlay::Confirm(mut confirm) => {
            let Some(snapshot) = app.live.clone() else { return };
            match confirm.key(event, &snapshot.fleet, app.now) {
                confirm::Answer::Stay => app.overlay = Some(Overlay::Confirm(confirm)),
                confirm::Answer::No => {}
                confirm::Answer::Yes(command) => app.order(command),
                confirm::Answer::Undo(commands) => app.turn_around(commands),
            }
        }
        Overlay::Filter(pane, before) => filter_key(app, pane, before, event),
        Overlay::Help(scroll) => scroll_key(app, event, scroll, Overlay::Help),
        Overlay::Warnings(scroll) => scroll_key(app, event, scroll, Overlay::Warnings),
        Overlay::Detail(subject, scroll) => {
            // What can be done to a request can be done where its story is read.
            let rows = matches!(app.focus, Pane::Decisions | Pane::Requests);
            if let Some(action) = action.filter(|action| rows && App::counts_in_details(*action)) {
                app.overlay = Some(Overlay::Detail(subject, scroll));
                app.act(action);
                return;
            }
            scroll_key(app, event, scroll, |scroll| Overlay::Detail(subject, scroll));
        }
    }
}

/// Overlays that are only read: they scroll, and anything that closes closes them.
fn scroll_key(app: &mut App, event: KeyEvent, scroll: usize, back: impl FnOnce(usize) -> Overlay) {
    let by: isize = match event.code {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | '?') | KeyCode::F(1) => return,
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -15,
        KeyCode::PageDown | KeyCode::Char(' ') => 15,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN / 2,
        KeyCode::End | KeyCode::Char('G') => isize::MAX / 2,
        _ => 0,
    };
    app.overlay = Some(back(scroll.saturating_add_signed(by)));
}

fn filter_key(app: &mut App, pane: Pane, before: String, event: KeyEvent) {
    let Some(filter) = app.filter_of(pane) else { return };
    match event.code {
        KeyCode::Enter => return,
        KeyCode::Esc => {
            filter.clear();
            return;
        }
        KeyCode::Backspace => {
            filter.pop();
        }
        KeyCode::Char(c) if !event.modifiers.contains(KeyModifiers::CONTROL) => filter.push(c),
        _ => {}
    }
    app.overlay = Some(Overlay::Filter(pane, before));
}

fn on_mouse(app: &mut App, mouse: MouseEvent) {
    if app.overlay.is_some() {
        return;
    }
    let Some(pane) = app.layout.at(mouse.column, mouse.row) else { return };
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => app.go(pane),
        MouseEventKind::ScrollUp => {
            app.go(pane);
            app.act(if pane == Pane::Prompt { Action::ScrollUp } else { Action::Up });
        }
        MouseEventKind::ScrollDown => {
            app.go(pane);
            app.act(if pane == Pane::Prompt { Action::ScrollDown } else { Action::Down });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Vec<Event> {
        let code = |c| if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        text.chars().map(|c| Event::Key(KeyEvent::new(code(c), KeyModifiers::NONE))).collect()
    }

    #[test]
    fn a_burst_of_lines_is_a_paste_and_what_a_person_types_is_not() {
        let lines = "first line\nsecond line\n";
        assert_eq!(pasted(typed(lines)), [Event::Paste(lines.to_owned())]);
        for keys in ["a long sentence without an end", "a long sentence, then sent\n", "hi\nyou\n"] {
            assert_eq!(pasted(typed(keys)), typed(keys), "{keys}");
        }
        let up = || Event::Key(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE));
        let mixed = [typed("one"), vec![up()], typed(lines)].concat();
        assert_eq!(pasted(mixed), [typed("one"), vec![up(), Event::Paste(lines.to_owned())]].concat());
    }
}
