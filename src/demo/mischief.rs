//! What faults do to an answer that is ready to be sent: to its bytes, to its order, to its end.

use std::time::Duration;

use serde_json::Value;

use super::dialect::{Dialect, Frame};
use super::fault::{Fault, FaultKind};
use super::rng::Chance;

/// How the body of a response ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Close {
    Proper,
    Cut,
    Reset,
    /// Nothing more comes, and the connection stays.
    Silence,
    /// The same again and again, each after a simulated pause.
    Again(Vec<u8>, Duration),
}

/// A response that is ready to be sent.
pub(super) struct Sending {
    pub(super) kind: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) frames: Vec<Frame>,
    pub(super) close: Close,
}

/// Whether the body is one document, or comes in frames of which some bring a part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Frames,
}

/// Fields in which protocols tell what was used.
const USAGE: [&str; 7] = [
    "usage",
    "usageMetadata",
    "prompt_eval_count",
    "eval_count",
    "prompt_eval_duration",
    "eval_duration",
    "total_duration",
];
/// As much as an endless answer says at a time: many times, it must not take long to reach any bound.
const ENDLESS_BYTES: usize = 256 << 10;

impl Sending {
    /// A whole JSON document.
    pub(super) fn document(headers: Vec<(&'static str, String)>, body: &Value) -> Self {
        let frames = vec![Frame::around(body.to_string())];
        Self { kind: "application/json", headers, frames, close: Close::Proper }
    }

    /// Lets a fault have its way. The kinds that are no matter of bytes change nothing here.
    pub(super) fn twisted(mut self, fault: Fault, form: Form, dialect: &dyn Dialect) -> Self {
        match fault.kind {
            FaultKind::CutMidStream => self.breaks_off(fault, form, Close::Cut),
            FaultKind::ResetMidStream => self.breaks_off(fault, form, Close::Reset),
            FaultKind::StallMidStream => self.breaks_off(fault, form, Close::Silence),
            FaultKind::Truncated => self.breaks_off(fault, form, Close::Proper),
            FaultKind::ErrorInsideStream => {
                self.breaks_off(fault, form, Close::Proper);
                self.frames.push(Frame::around(dialect.error_frame()));
            }
            FaultKind::SilentAfterHead => {
                self.frames.clear();
                self.close = Close::Silence;
            }
            FaultKind::PingsOnly => {
                self.frames.truncate(if form == Form::Whole { 0 } else { self.first_piece() });
                let ping = if form == Form::Whole { " " } else { dialect.ping() };
                self.close = Close::Again(ping.into(), fault.time());
            }
            FaultKind::Endless => self.goes_on(form),
            FaultKind::HalfJson => {
                let at = if form == Form::Whole { 0 } else { self.first_piece() };
                self.frames.truncate(at + 1);
                self.halve_last();
            }
            FaultKind::NoEndMark if form == Form::Frames => drop(self.frames.pop()),
            FaultKind::DoubleEnd if form == Form::Frames => {
                let last = self.frames.last().map(|frame| Frame::around(frame.bytes.clone()));
                self.frames.extend(last);
            }
            FaultKind::WrongContentType => self.kind = "text/plain",
            FaultKind::Garbage => self.frames = vec![Frame::around(garbage())],
            FaultKind::LimitReached => {
                let limits = dialect.limits(fault.count());
                self.headers.retain(|(name, _)| limits.iter().all(|(other, _)| name != other));
                self.headers.extend(limits);
            }
            FaultKind::NoUsage => self.frames.iter_mut().for_each(|frame| frame.edit(without_usage)),
            FaultKind::HugeLine => {
                let at = if form == Form::Whole { 0 } else { self.first_piece() };
                let padding = format!("{{\"padding\":\"{}\",", "x".repeat((fault.count() as usize) << 20));
                if let Some(frame) = self.frames.get_mut(at) {
                    frame.edit(|text| text.replacen('{', &padding, 1));
                }
            }
            FaultKind::ByteOrderMark => {
                if let Some(frame) = self.frames.first_mut() {
                    frame.bytes.splice(..0, "\u{feff}".bytes());
                }
            }
            FaultKind::CrlfLines => {
                if form == Form::Whole {
                    self.frames.push(Frame::around("\n"));
                }
                let crlf = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
                self.frames.iter_mut().for_each(|frame| frame.edit(crlf));
            }
            FaultKind::SplitTokens => self.split(|_| true),
            FaultKind::SplitCharacters => self.split(|next| next & 0xC0 == 0x80),
            FaultKind::SlowDrip if form == Form::Whole => {
                self.split(|_| true);
                self.frames.iter_mut().for_each(|frame| frame.pause = fault.time());
            }
            FaultKind::SlowDrip => {
                self.frames.iter_mut().filter(|frame| frame.tokens > 0).for_each(|frame| frame.pause = fault.time());
            }
            FaultKind::BadUtf8 => {
                if let Some((frame, at)) = self.first_long_character() {
                    self.frames[frame].bytes[at] = 0xFF;
                }
            }
            FaultKind::CutInCharacter => {
                if let Some((frame, at)) = self.first_long_character() {
                    self.frames.truncate(frame + 1);
                    self.frames[frame].bytes.truncate(at + 1);
                }
                self.close = Close::Cut;
            }
            _ => {}
        }
        self
    }

    /// The frame with the first piece of the answer.
    fn first_piece(&self) -> usize {
        self.frames.iter().position(|frame| frame.tokens > 0).unwrap_or(0)
    }

    /// Breaks off after the fault's pieces, or in the middle of a whole document.
    fn breaks_off(&mut self, fault: Fault, form: Form, close: Close) {
        self.close = close;
        if form == Form::Whole {
            return self.halve_last();
        }
        let pieces: Vec<usize> =
            self.frames.iter().enumerate().filter(|(_, frame)| frame.tokens > 0).map(|(at, _)| at).collect();
        // With no piece at all, before the frame that would bring the first one.
        let last = fault.pieces().unwrap_or(0).min(pieces.len()).checked_sub(1);
        let keep = match last.and_then(|last| pieces.get(last)) {
            Some(last) => last + 1,
            None => self.first_piece(),
        };
        self.frames.truncate(keep);
    }

    fn halve_last(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.edit(|text| text[..text.floor_char_boundary(text.len() / 2)].to_owned());
        }
    }

    /// Never ends. What goes beyond the answer is billed to nobody.
    fn goes_on(&mut self, form: Form) {
        let more = "on and on ".repeat(ENDLESS_BYTES / 10);
        if form == Form::Whole {
            self.halve_last();
            self.close = Close::Again(more.into(), Duration::ZERO);
            return;
        }
        // The last piece again and again, with more in it than it had.
        let pieces = self.frames.iter().rposition(|frame| frame.tokens > 0).unwrap_or(0);
        self.frames.truncate(pieces + 1);
        let last = self.frames.last().map(|frame| String::from_utf8_lossy(&frame.bytes).into_owned());
        self.close = Close::Again(lengthened(&last.unwrap_or_default(), &more).into(), Duration::ZERO);
    }

    /// Cuts every frame before each byte of which this is true.
    fn split(&mut self, before: impl Fn(u8) -> bool) {
        let frames = std::mem::take(&mut self.frames);
        self.frames = frames
            .into_iter()
            .flat_map(|frame| {
                let mut parts: Vec<Vec<u8>> = Vec::new();
                for byte in frame.bytes {
                    match parts.last_mut() {
                        Some(part) if !before(byte) => part.push(byte),
                        _ => parts.push(vec![byte]),
                    }
                }
                let mut tokens = frame.tokens;
                parts.into_iter().map(move |part| Frame { tokens: std::mem::take(&mut tokens), ..Frame::around(part) })
            })
            .collect();
    }

    /// The frame and the place of the first character of several bytes.
    fn first_long_character(&self) -> Option<(usize, usize)> {
        let found = |frame: &Frame| frame.bytes.iter().position(|byte| !byte.is_ascii());
        self.frames.iter().enumerate().find_map(|(at, frame)| Some((at, found(frame)?)))
    }
}

impl Frame {
    fn edit(&mut self, change: impl FnOnce(&str) -> String) {
        self.bytes = change(&String::from_utf8_lossy(&self.bytes)).into();
    }
}

/// The texts of a frame without what its JSON tells of the use.
fn without_usage(text: &str) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !USAGE.contains(&name.as_str()));
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    in_its_json(text, strip)
}

/// A frame with more text in its piece.
fn lengthened(text: &str, more: &str) -> String {
    fn lengthen(value: &mut Value, more: &str) {
        let places = [
            "/delta/text",
            "/message/content",
            "/choices/0/delta/content",
            "/candidates/0/content/parts/0/text",
            "/stream/0/output/choices/0/tokens/0",
        ];
        if let Some(place) = places.iter().find(|place| value.pointer(place).is_some_and(Value::is_string))
            && let Some(said) = value.pointer_mut(place)
        {
            *said = Value::from(more);
        }
    }
    in_its_json(text, |value| lengthen(value, more))
}

/// Changes the JSON in each line of a frame.
fn in_its_json(text: &str, change: impl Fn(&mut Value)) -> String {
    let line = |line: &str| {
        let Some(at) = line.find('{') else { return line.to_owned() };
        let Ok(mut value) = serde_json::from_str(line[at..].trim_end()) else { return line.to_owned() };
        change(&mut value);
        let end = &line[line.trim_end().len()..];
        format!("{}{value}{end}", &line[..at])
    };
    text.split_inclusive('\n').map(line).collect()
}

fn garbage() -> Vec<u8> {
    let chance = Chance::new(7);
    (0..64).flat_map(|_| chance.bits().to_le_bytes()).collect()
}
