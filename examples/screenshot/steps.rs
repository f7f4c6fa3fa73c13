//! What a person does, one step a line:
//!
//! ```text
//! type  TEXT      letter by letter
//! press KEY       by name: enter, esc, tab, space, up, down, left, right, ctrl-c, alt-2, or the character itself
//! wait  TEXT      until the screen shows it, in whatever case
//! gone  TEXT      until the screen does not show it any more
//! pause SECONDS   so that whoever watches can read
//! skip  SECONDS   lets time pass that a recording leaves out
//! end             until the program has ended
//! ```
//!
//! Empty lines and lines that begin with `#` are for the reader.

use std::time::Duration;

use crate::Fallible;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Types a text.
    Type(String),
    /// Presses a key: its bytes.
    Press(String),
    /// Waits until the screen shows this.
    Wait(String),
    /// Waits until it does not.
    Gone(String),
    /// Lets time pass.
    Pause(Duration),
    /// The same, but nobody is to see it.
    Skip(Duration),
    /// Waits until the program has ended.
    End,
}

/// Reads steps; an error names its line.
pub fn parse(script: &str) -> Fallible<Vec<Step>> {
    let lines = script.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    told.map(|(at, line)| step(line).map_err(|error| format!("step on line {at}, {line:?}: {error}").into())).collect()
}

fn step(line: &str) -> Fallible<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    if rest.is_empty() != (verb == "end") {
        return Err("every step but `end` says what".into());
    }
    Ok(match verb {
        "type" => Step::Type(rest.to_owned()),
        "press" => Step::Press(bytes_of(rest)?),
        "wait" => Step::Wait(rest.to_lowercase()),
        "gone" => Step::Gone(rest.to_lowercase()),
        "pause" => Step::Pause(Duration::try_from_secs_f64(rest.parse()?)?),
        "skip" => Step::Skip(Duration::try_from_secs_f64(rest.parse()?)?),
        "end" => Step::End,
        _ => return Err("no such step".into()),
    })
}

/// What a terminal sends for a key.
fn bytes_of(key: &str) -> Fallible<String> {
    let named = match key {
        "enter" => "\r",
        "esc" => "\x1b",
        "tab" => "\t",
        "space" => " ",
        "up" => "\x1b[A",
        "down" => "\x1b[B",
        "right" => "\x1b[C",
        "left" => "\x1b[D",
        _ => "",
    };
    if !named.is_empty() {
        return Ok(named.to_owned());
    }
    if let Some(rest) = key.strip_prefix("alt-") {
        return Ok(format!("\x1b{}", bytes_of(rest)?));
    }
    let (control, name) = key.strip_prefix("ctrl-").map_or((false, key), |rest| (true, rest));
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(letter @ 'a'..='z'), None) if control => Ok(char::from(letter as u8 & 0x1f).to_string()),
        (Some(character), None) if !control => Ok(character.to_string()),
        _ => Err("no such key".into()),
    }
}
