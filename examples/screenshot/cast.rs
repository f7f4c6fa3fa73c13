//! A recording as an asciicast, version 2: a line of JSON about it, then one for each piece of output.

use std::time::Duration;

use serde_json::json;

use crate::Fallible;
use crate::player::Shown;

/// Nobody watches a still picture for longer.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// Pieces closer than this are one: a frame often comes in several.
const ONE_PIECE: Duration = Duration::from_millis(15);
/// Nobody watches for longer than this.
const LONGEST: Duration = Duration::from_secs(90);
/// Nobody waits for more than this to load.
const LARGEST: usize = 1_500_000;

/// The recording, if it is short enough.
pub fn cast(shown: &[Shown], (columns, rows): (u16, u16)) -> Fallible<String> {
    let about = json!({
        "version": 2,
        "width": columns,
        "height": rows,
        "idle_time_limit": LONGEST_GAP.as_secs(),
        "title": "llm-call demo",
        "env": { "TERM": "xterm-256color" },
    });
    let mut text = format!("{about}\n");
    let mut length = Duration::ZERO;
    for (at, data) in pieces(shown) {
        text.push_str(&format!("{}\n", json!([(at.as_secs_f64() * 1000.0).round() / 1000.0, "o", data])));
        length = at;
    }
    if length > LONGEST || text.len() > LARGEST {
        return Err(format!("a tour of {length:.1?} with {} bytes is too long", text.len()).into());
    }
    Ok(text)
}

/// The output in whole characters, with the gaps between as long as they are to be.
fn pieces(shown: &[Shown]) -> Vec<(Duration, String)> {
    let mut pieces: Vec<(Duration, String)> = Vec::new();
    let (mut before, mut now) = (Duration::ZERO, Duration::ZERO);
    // The first bytes of a character whose others are still to come.
    let mut open = Vec::new();
    for one in shown {
        now += one.at.saturating_sub(before).min(LONGEST_GAP);
        before = one.at;
        open.extend_from_slice(&one.bytes);
        let whole = whole_characters(&open);
        let rest = open.split_off(whole);
        let data = String::from_utf8_lossy(&std::mem::replace(&mut open, rest)).into_owned();
        match pieces.last_mut() {
            _ if data.is_empty() => {}
            Some((at, so_far)) if now.saturating_sub(*at) < ONE_PIECE => so_far.push_str(&data),
            _ => pieces.push((now, data)),
        }
    }
    pieces
}

/// How many bytes make whole characters.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => bytes.len(),
    }
}
