//! May this prompt leave this machine?
//!
//! The guard looks at every text that a prompt carries and says what it found and what follows. Its answer is a type:
//! a [`Guarded`] prompt gives out a [`Cleared`] one only if nothing stands against it, and a [`Cleared`] prompt is all
//! that clients of outside services accept. There is no other way to make one.

mod patterns;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::prompt::Prompt;
use super::request::{Privacy, UnknownChoice};

/// Where a backend runs, as far as privacy is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// On this machine, or on one that the configuration declares to be as good (`private = true`).
    Inside,
    /// Anywhere else.
    Outside,
}

/// What kind of sensitive text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A payment card number with a valid checksum.
    Card,
    /// An international bank account number with a valid checksum.
    Iban,
    /// A national identity or insurance number.
    NationalId,
    /// An IP address that is not a private or documentation one.
    IpAddress,
    /// A provider's key or token.
    Key,
    /// A private key.
    PrivateKey,
    /// A password in a URL, a connection string or an assignment.
    Password,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::NationalId,
        Self::IpAddress,
        Self::Key,
        Self::PrivateKey,
        Self::Password,
    ];

    /// The name used in configuration and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::NationalId => "national_id",
            Self::IpAddress => "ip_address",
            Self::Key => "key",
            Self::PrivateKey => "private_key",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where something sensitive stands. Never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// Which message; one past the last for a tool's description.
    pub message: usize,
    /// The first byte, within the text in which it stands.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What to do about a kind of finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// The prompt stays on this machine.
    #[default]
    KeepLocal,
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
            "refuse" => Ok(Self::Refuse),
            "warn" => Ok(Self::Warn),
            "allow" => Ok(Self::Allow),
            _ => Err(UnknownChoice { given: text.to_owned(), choices: "keep_local, refuse, warn, allow" }),
        }
    }
}

/// The operator's word on each kind; what is not named is kept local.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct GuardPolicy {
    /// By kind.
    pub handling: BTreeMap<FindingKind, Handling>,
}

impl GuardPolicy {
    /// What to do about a kind.
    #[must_use]
    pub fn of(&self, kind: FindingKind) -> Handling {
        self.handling.get(&kind).copied().unwrap_or_default()
    }
}

/// What follows from the findings and the request's own demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// May go anywhere.
    Free,
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
            (Ruling::Free, _) => true,
            (Ruling::KeepAsAsked | Ruling::KeepAsFound, Reach::Inside) => true,
            (Ruling::KeepAsAsked | Ruling::KeepAsFound, Reach::Outside) | (Ruling::Refuse, _) => false,
        }
    }
}

/// A prompt together with the guard's verdict on exactly this prompt.
#[derive(Clone, Debug)]
pub struct Guarded {
    prompt: Arc<Prompt>,
    verdict: Arc<Verdict>,
}

/// A prompt that may leave this machine. Only [`Guarded::clear`] makes one.
#[derive(Clone, Debug)]
pub struct Cleared(Arc<Prompt>);

/// The guard keeps the prompt from leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guard keeps this prompt on this machine")]
pub struct Withheld;

impl Guarded {
    /// Looks at every text of the prompt under a policy. `privacy` is what the request itself demands.
    #[must_use]
    pub fn inspect(prompt: Arc<Prompt>, privacy: Privacy, policy: &GuardPolicy) -> Self {
        let mut findings = Vec::new();
        for (message, text) in prompt.every_text() {
            patterns::scan(&text, |kind, start, end| {
                if policy.of(kind) != Handling::Allow {
                    findings.push(Finding { kind, message, start, end });
                }
            });
        }
        let any = |handling| findings.iter().any(|finding| policy.of(finding.kind) == handling);
        let ruling = if any(Handling::Refuse) {
            Ruling::Refuse
        } else if privacy == Privacy::High {
            Ruling::KeepAsAsked
        } else if any(Handling::KeepLocal) {
            Ruling::KeepAsFound
        } else {
            Ruling::Free
        };
        Self { prompt, verdict: Arc::new(Verdict { findings, ruling }) }
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

    /// The prompt for a client of an outside backend.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if the ruling keeps it on this machine.
    pub fn clear(&self) -> Result<Cleared, Withheld> {
        if self.verdict.permits(Reach::Outside) { Ok(Cleared(Arc::clone(&self.prompt))) } else { Err(Withheld) }
    }
}

impl Cleared {
    /// The prompt.
    #[must_use]
    pub fn prompt(&self) -> &Prompt {
        &self.0
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
        for (handling, expected) in
            [(Handling::Allow, Ruling::Free), (Handling::Warn, Ruling::Free), (Handling::Refuse, Ruling::Refuse)]
        {
            let policy = GuardPolicy { handling: BTreeMap::from([(FindingKind::Email, handling)]) };
            assert_eq!(ruling(mail, Privacy::Standard, &policy), expected);
        }
    }

    #[test]
    fn whatever_leaves_with_a_prompt_is_looked_at() {
        use super::super::prompt::{Format, Message, Part, Role, Tool, ToolCall};
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
    fn a_kept_prompt_cannot_be_cleared() {
        let guarded = Guarded::inspect(Arc::new(Prompt::user("hi")), Privacy::High, &GuardPolicy::default());
        assert!(guarded.clear().is_err());
    }
}
