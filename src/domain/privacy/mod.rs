//! May this prompt leave this machine?
//!
//! The guard looks at every text that a prompt carries and says what it found and what follows. Its answer is a type:
//! a [`Guarded`] prompt gives out a [`Cleared`] one only if nothing stands against it, and a [`Cleared`] prompt is all
//! that clients of outside services accept. There is no other way to make one.

pub mod detect;
pub mod intent;
mod kind;
#[cfg(test)]
pub(crate) mod planted;
pub mod redact;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::prompt::{Prompt, Role};
use super::request::{Privacy, UnknownChoice};
use intent::Named;
use redact::{Redacted, Restorer, Secret};

pub use kind::{FindingKind, Kinds};

/// Where a backend runs, as far as privacy is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// On this machine, or on one that the configuration declares to be as good (`private = true`).
    Inside,
    /// Anywhere else.
    Outside,
}

/// Where something sensitive stands. Never what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// Which message; one past the last for a tool's description.
    pub message: usize,
    /// The first byte, within the text in which it stands.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What gave it away, in a few words.
    pub why: &'static str,
    /// What exactly it is, where that is known: whose key, which country's number. Otherwise empty.
    pub detail: &'static str,
    /// The operator's name for it, where they named the intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Whether a placeholder stands for it wherever the prompt leaves this machine.
    #[serde(skip_serializing_if = "is_false")]
    pub redacted: bool,
}

impl Finding {
    /// A finding of one of our own kinds.
    #[must_use]
    pub const fn new(kind: FindingKind, message: usize, start: usize, end: usize) -> Self {
        Self { kind, message, start, end, why: "", detail: "", name: None, redacted: false }
    }

    /// What to call it: the operator's name for it, or its kind.
    #[must_use]
    pub fn words(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind.name())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What to do about a kind of finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// The prompt stays on this machine.
    #[default]
    KeepLocal,
    /// The prompt may leave with a placeholder in the finding's place, which is put back in the answer.
    Redact,
    /// The prompt goes nowhere.
    Refuse,
    /// The prompt may leave, and the finding is shown.
    Warn,
    /// The prompt may leave, and the finding is not looked for.
    Allow,
}

impl FromStr for Handling {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text.trim() {
            "keep_local" => Ok(Self::KeepLocal),
            "redact" => Ok(Self::Redact),
            "refuse" => Ok(Self::Refuse),
            "warn" => Ok(Self::Warn),
            "allow" => Ok(Self::Allow),
            _ => Err(UnknownChoice { given: text.to_owned(), choices: "keep_local, redact, refuse, warn, allow" }),
        }
    }
}

/// The operator's word on each kind; what is not named has its kind's own handling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GuardPolicy {
    /// By kind.
    #[serde(flatten)]
    pub handling: BTreeMap<FindingKind, Handling>,
    /// The intents that the operator named.
    #[serde(skip)]
    pub named: Arc<Named>,
}

impl GuardPolicy {
    /// What to do about a kind. What has no value to replace is kept local rather than redacted.
    #[must_use]
    pub fn of(&self, kind: FindingKind) -> Handling {
        match self.handling.get(&kind).copied().unwrap_or(kind.default_handling()) {
            Handling::Redact if !kind.is_a_value() => Handling::KeepLocal,
            handling => handling,
        }
    }

    /// The kinds about which this is to be done.
    #[must_use]
    pub fn kinds(&self, handling: Handling) -> Kinds {
        let kinds = FindingKind::ALL.into_iter().filter(|kind| self.of(*kind) == handling);
        kinds.fold(Kinds::default(), Kinds::with)
    }
}

/// What follows from the findings and the request's own demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// May go anywhere.
    Free,
    /// May go anywhere, and outside this machine only with placeholders in place of what was found.
    FreeRedacted,
    /// Stays on this machine, because the request asked for privacy.
    KeepAsAsked,
    /// Stays on this machine, because of what was found.
    KeepAsFound,
    /// Goes nowhere.
    Refuse,
}

/// What the guard has to say about a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was found, in order.
    pub findings: Vec<Finding>,
    /// What follows.
    pub ruling: Ruling,
}

impl Verdict {
    /// Whether the prompt may go to a backend of this reach.
    #[must_use]
    pub const fn permits(&self, reach: Reach) -> bool {
        match (self.ruling, reach) {
            (Ruling::Free | Ruling::FreeRedacted, _) => true,
            (Ruling::KeepAsAsked | Ruling::KeepAsFound, Reach::Inside) => true,
            (Ruling::KeepAsAsked | Ruling::KeepAsFound, Reach::Outside) | (Ruling::Refuse, _) => false,
        }
    }

    /// How many findings a placeholder stands for outside this machine.
    #[must_use]
    pub fn redacted(&self) -> usize {
        self.findings.iter().filter(|finding| finding.redacted).count()
    }
}

/// A prompt together with the guard's verdict on exactly this prompt.
#[derive(Clone, Debug)]
pub struct Guarded {
    prompt: Arc<Prompt>,
    verdict: Arc<Verdict>,
    /// What leaves in its place, where something is redacted.
    redacted: Option<Redacted>,
}

/// A prompt that may leave this machine. Only [`Guarded::clear`] makes one.
#[derive(Clone, Debug)]
pub struct Cleared {
    prompt: Arc<Prompt>,
    restorer: Option<Restorer>,
}

/// The guard keeps the prompt from leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guard keeps this prompt on this machine")]
pub struct Withheld;

impl Guarded {
    /// Looks at every text of the prompt under a policy. `privacy` is what the request itself demands.
    #[must_use]
    pub fn inspect(prompt: Arc<Prompt>, privacy: Privacy, policy: &GuardPolicy) -> Self {
        let watch = Watch::of(policy);
        let mut findings = Vec::new();
        let mut handlings = Vec::new();
        for (message, text) in prompt.every_text() {
            watch.look(&prompt, message, &text, |finding, handling| {
                findings.push(finding);
                handlings.push(handling);
            });
        }
        let any = |handling| handlings.contains(&handling);
        let mut redacted = None;
        let ruling = if any(Handling::Refuse) {
            Ruling::Refuse
        } else if privacy == Privacy::High {
            Ruling::KeepAsAsked
        } else if any(Handling::KeepLocal) {
            Ruling::KeepAsFound
        } else if any(Handling::Redact) {
            redacted = without(&prompt, &watch);
            if redacted.is_some() { Ruling::FreeRedacted } else { Ruling::KeepAsFound }
        } else {
            Ruling::Free
        };
        for (finding, handling) in findings.iter_mut().zip(handlings) {
            finding.redacted = redacted.is_some() && handling == Handling::Redact;
        }
        Self { prompt, verdict: Arc::new(Verdict { findings, ruling }), redacted }
    }

    /// The prompt, for clients of backends that are inside.
    #[must_use]
    pub const fn prompt(&self) -> &Arc<Prompt> {
        &self.prompt
    }

    /// What the guard found and ruled.
    #[must_use]
    pub const fn verdict(&self) -> &Arc<Verdict> {
        &self.verdict
    }

    /// The prompt for a client of an outside backend, with placeholders where the policy wants them.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if the ruling keeps it on this machine.
    pub fn clear(&self) -> Result<Cleared, Withheld> {
        match (self.verdict.ruling, &self.redacted) {
            (Ruling::Free, None) => Ok(Cleared { prompt: Arc::clone(&self.prompt), restorer: None }),
            (Ruling::FreeRedacted, Some(redacted)) => {
                Ok(Cleared { prompt: Arc::clone(&redacted.prompt), restorer: Some(Restorer::new(redacted)) })
            }
            _ => Err(Withheld),
        }
    }
}

/// What to look for under a policy.
struct Watch<'p> {
    policy: &'p GuardPolicy,
    /// The kinds of each handling. Of findings that overlap only one is told: those of each handling are looked for by
    /// themselves, so that none hides a stricter one.
    kinds: [Kinds; 4],
}

impl<'p> Watch<'p> {
    fn of(policy: &'p GuardPolicy) -> Self {
        let handlings = [Handling::Refuse, Handling::KeepLocal, Handling::Redact, Handling::Warn];
        Self { policy, kinds: handlings.map(|handling| policy.kinds(handling)) }
    }

    /// Calls `found` with every finding in one text of a prompt, and what to do about it.
    fn look(&self, prompt: &Prompt, message: usize, text: &str, mut found: impl FnMut(Finding, Handling)) {
        let policy = self.policy;
        let mut tell = |kind, start, end, why, detail| match policy.of(kind) {
            Handling::Allow => {}
            handling => found(Finding { why, detail, ..Finding::new(kind, message, start, end) }, handling),
        };
        for wanted in self.kinds {
            detect::scan(text, wanted, |hit| tell(hit.kind, hit.start, hit.end, hit.why, hit.detail));
        }
        // What a prompt is about is said by whoever asks, and by what tools bring from outside. The instructions above a
        // conversation speak of such things to guard against them.
        if prompt.messages.get(message).is_some_and(|message| message.role == Role::User) {
            intent::scan(text, &self.kinds, |kind, start, end, why| {
                tell(kind, start, end, why, "");
            });
        }
        policy.named.scan(text, |intent, start, end| {
            if intent.handling != Handling::Allow {
                let name = Some(Arc::from(intent.name.as_str()));
                found(Finding { name, ..Finding::new(FindingKind::Named, message, start, end) }, intent.handling);
            }
        });
    }
}

/// The prompt without what is to be redacted. `None` if something that must not leave is still found in it: the prompt
/// then stays here.
fn without(prompt: &Prompt, watch: &Watch<'_>) -> Option<Redacted> {
    let texts = prompt.every_text();
    let mut spans: Vec<(usize, FindingKind, usize, usize)> = Vec::new();
    for (place, (message, text)) in texts.iter().enumerate() {
        watch.look(prompt, *message, text, |finding, handling| {
            if handling == Handling::Redact {
                let end = redact::whole_end(finding.kind, text, finding.start, finding.end);
                spans.push((place, finding.kind, finding.start, end));
            }
        });
    }
    let value = |(place, kind, start, end): &(usize, FindingKind, usize, usize)| {
        let value = texts.get(*place)?.1.get(*start..*end)?;
        Some(Secret { kind: *kind, value })
    };
    // Where findings overlap, what they cover together is one value, and each of them another that may stand elsewhere.
    let merged = redact::merged(&spans);
    let secrets: Vec<Secret<'_>> = merged.iter().chain(&spans).filter_map(value).collect();
    let size: usize = secrets.iter().map(|secret| secret.value.len()).sum();
    if size > redact::MOST_BYTES || secrets.iter().any(Secret::may_go_on) {
        return None;
    }
    let redacted = redact::redact(prompt, &secrets)?;
    let mut left = redact::is_left(&redacted.prompt, &secrets);
    for (message, text) in redacted.prompt.every_text() {
        watch.look(&redacted.prompt, message, &text, |finding, handling| {
            left |= handling != Handling::Warn
                && !redact::is_placeholder(&redacted.table, &text, finding.start, finding.end);
        });
    }
    (!left).then_some(redacted)
}

impl Cleared {
    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// What puts the values back into the answer, where something was redacted.
    #[must_use]
    pub const fn restorer(&self) -> Option<&Restorer> {
        self.restorer.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(text: &str, privacy: Privacy, policy: &GuardPolicy) -> Ruling {
        Guarded::inspect(Arc::new(Prompt::user(text)), privacy, policy).verdict().ruling
    }

    #[test]
    fn the_strictest_word_wins() {
        let mail = "write to ada@example.org";
        let default = GuardPolicy::default();
        assert_eq!(ruling("hello", Privacy::Standard, &default), Ruling::Free);
        assert_eq!(ruling("hello", Privacy::High, &default), Ruling::KeepAsAsked);
        assert_eq!(ruling(mail, Privacy::Standard, &default), Ruling::KeepAsFound);
        for (handling, expected) in [
            (Handling::Allow, Ruling::Free),
            (Handling::Warn, Ruling::Free),
            (Handling::Redact, Ruling::FreeRedacted),
            (Handling::Refuse, Ruling::Refuse),
        ] {
            let policy =
                GuardPolicy { handling: BTreeMap::from([(FindingKind::Email, handling)]), ..GuardPolicy::default() };
            assert_eq!(ruling(mail, Privacy::Standard, &policy), expected);
        }
    }

    #[test]
    fn whatever_leaves_with_a_prompt_is_looked_at() {
        use super::super::prompt::{Format, Message, Part, Role, Tool, ToolCall, ToolChoice};
        use serde_json::json;
        let mail = "ada@example.org";
        let with = |change: &dyn Fn(&mut Prompt)| {
            let mut prompt = Prompt::user("hello");
            change(&mut prompt);
            Guarded::inspect(Arc::new(prompt), Privacy::Standard, &GuardPolicy::default()).verdict().ruling
        };
        let part =
            |part: Part| with(&|prompt| prompt.messages.push(Message { role: Role::User, parts: vec![part.clone()] }));
        let call = |name: &str, arguments| {
            Part::ToolCall(ToolCall { id: "1".into(), name: name.into(), arguments, signature: None })
        };
        let signature = Some(mail.to_owned());
        let signed = Part::ToolCall(ToolCall { id: "1".into(), name: "find".into(), arguments: json!({}), signature });
        let tool = |name: &str, parameters: serde_json::Value| {
            with(&|prompt| {
                let parameters = parameters.clone();
                prompt.tools.push(Tool { name: name.into(), description: String::new(), parameters });
            })
        };
        // A line break is written as a backslash and an `n` in JSON, and an `n` before a number hides where it begins.
        let card = json!({"note": "my card:\n4111 1111 1111 1111"});
        for (what, ruling) in [
            ("a tool's name", tool(mail, json!({}))),
            ("a tool's parameters", tool("find", card.clone())),
            ("a key of a tool's parameters", tool("find", json!({mail: 1}))),
            ("a called tool's name", part(call(mail, json!({})))),
            ("a called tool's arguments", part(call("find", card))),
            ("a number", part(call("find", json!({"card": 4_111_111_111_111_111_u64})))),
            ("a password in a field", part(call("find", json!({"password": "hunter22!"})))),
            ("a tool that must be used", with(&|prompt| prompt.tool_choice = ToolChoice::Named(mail.into()))),
            ("a signature", part(signed)),
            ("a picture's type", part(Part::Image { media_type: mail.into(), data: String::new() })),
            ("a stop text", with(&|prompt| prompt.sampling.stop.push(mail.into()))),
            (
                "the answer's schema",
                with(&|prompt| {
                    let schema = json!({"enum": [mail]});
                    prompt.sampling.format = Format::Schema { name: "one".into(), schema };
                }),
            ),
        ] {
            assert_eq!(ruling, Ruling::KeepAsFound, "{what}");
        }
    }

    #[test]
    fn a_finding_that_is_only_shown_hides_none_that_must_stay() {
        let policy = GuardPolicy {
            handling: BTreeMap::from([(FindingKind::Password, Handling::Warn), (FindingKind::Key, Handling::Warn)]),
            ..GuardPolicy::default()
        };
        let text = "look at https://u:p4ss!x9@host.example/?card=4111111111111111&mail=ada@example.org";
        assert_eq!(ruling(text, Privacy::Standard, &policy), Ruling::KeepAsFound);
    }

    #[test]
    fn what_was_found_in_part_only_is_not_redacted() {
        let policy =
            |kind| GuardPolicy { handling: BTreeMap::from([(kind, Handling::Redact)]), ..GuardPolicy::default() };
        let long = format!("CREDENTIALS_TOKEN=\"{}\"", "aB3-xY9_kQ".repeat(200));
        assert_eq!(ruling(&long, Privacy::Standard, &policy(FindingKind::Key)), Ruling::KeepAsFound);
        let head = format!("-----BEGIN {}-----", "PRIVATE KEY");
        for text in [format!("{head}\nMIIEvQ"), format!("{head}\n").repeat(20_000)] {
            assert_eq!(ruling(&text, Privacy::Standard, &policy(FindingKind::PrivateKey)), Ruling::KeepAsFound);
        }
    }

    #[test]
    fn the_ids_of_tool_calls_are_looked_at_and_are_nothing_by_themselves() {
        use super::super::prompt::{Message, Part, Role};
        let with = |id: &str| {
            let mut prompt = Prompt::user("hello");
            let result =
                Part::ToolResult { call: id.into(), name: "find".into(), content: "none".into(), is_error: false };
            prompt.messages.push(Message { role: Role::User, parts: vec![result] });
            Guarded::inspect(Arc::new(prompt), Privacy::Standard, &GuardPolicy::default()).verdict().ruling
        };
        assert_eq!(with("lookup:ada@example.org"), Ruling::KeepAsFound);
        for id in [
            "call_9aQx3kLmZp0TrVwYb7Dn2HcE",
            "toolu_01A09q90qw90lq917835lq9",
            "chatcmpl-tool-5f0c8d1b2e3a4f6789ab0cde12345678",
            "0197f3a2-6c1e-7d42-9b1a-3f5e8c7d6a90",
            "function-call-7305821946031275508",
        ] {
            assert_eq!(with(id), Ruling::Free, "{id}");
        }
    }

    #[test]
    fn a_kept_prompt_cannot_be_cleared() {
        let guarded = Guarded::inspect(Arc::new(Prompt::user("hi")), Privacy::High, &GuardPolicy::default());
        assert!(guarded.clear().is_err());
    }
}
