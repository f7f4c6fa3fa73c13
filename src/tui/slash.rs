//! Slash commands at the head of a prompt: they say what is demanded of the answer. Alone on the line they hold for every
//! prompt to come, before a text for that text alone.

use super::action::Action;
use super::text;
use crate::config::suggestion;
use crate::domain::fleet::Fleet;
use crate::domain::id::{BackendId, ModelId};
use crate::domain::money::Money;
use crate::domain::request::{Constraints, Optimize, Privacy};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

/// What a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Tier,
    Backend,
    Model,
    Task,
    Aim,
    Millis,
    Usd,
    Tiers,
}

struct Slash {
    name: &'static str,
    takes: Takes,
    words: &'static str,
}

const fn slash(name: &'static str, takes: Takes, words: &'static str) -> Slash {
    Slash { name, takes, words }
}

const TABLE: [Slash; 14] = [
    slash("private", Takes::Nothing, "stays on this machine"),
    slash("standard", Takes::Nothing, "may leave this machine, unless something is found in it"),
    slash("tier", Takes::Tier, "only this tier; any lets go of it"),
    slash("backend", Takes::Backend, "only this backend; any lets go of it"),
    slash("model", Takes::Model, "only this model; any lets go of it"),
    slash("task", Takes::Task, "what kind of work it is; any leaves it to the analysis"),
    slash("optimize", Takes::Aim, "what to weigh most"),
    slash("max-latency", Takes::Millis, "first token within so many milliseconds; any lets go of it"),
    slash("max-cost", Takes::Usd, "predicted cost of at most so many dollars; any lets go of it"),
    slash("fallback", Takes::Nothing, "others may stand in for what is named"),
    slash("clear", Takes::Nothing, "let go of every demand"),
    slash("compare", Takes::Tiers, "ask two to four tiers at once, side by side"),
    slash("new", Takes::Nothing, "start a new conversation"),
    slash("help", Takes::Nothing, "show every key"),
];

const AIMS: [&str; 5] = ["balanced", "quality", "latency", "cost", "throughput"];
/// What lets go of a demand.
const ANY: &str = "any";

/// What an input means.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// A text to send, under these demands.
    Text(String, Constraints),
    /// A text to send to several tiers: the named ones, or all where none is named.
    Compare(Vec<Tier>, String, Constraints),
    /// Demands on all that follows.
    Demands(Constraints),
    /// Something to do.
    Do(Action),
    /// Not understood, with what to write instead.
    Wrong(String),
}

/// Reads an input. A word that begins with a slash and is no command is refused rather than sent: it may have been meant
/// to keep the text private. Two slashes begin a text with one; a path is a text.
#[must_use]
pub fn read(input: &str, demands: &Constraints, fleet: Option<&Fleet>) -> Typed {
    let mut demands = demands.clone();
    let mut rest = input.trim();
    let mut compared: Option<Vec<Tier>> = None;
    while let Some(word) = command_word(rest) {
        let Some(command) = TABLE.iter().find(|one| one.name == word) else {
            let nearest = suggestion(word, TABLE.iter().map(|one| one.name));
            return Typed::Wrong(format!("/{word} is no command{nearest}; // begins a text with a slash"));
        };
        rest = rest[word.len() + 1..].trim_start();
        match command.name {
            "new" => return Typed::Do(Action::NewConversation),
            "help" => return Typed::Do(Action::Help),
            "compare" => {
                // What follows the tiers is read on: it may be a demand for privacy.
                let tiers = compared.get_or_insert_with(Vec::new);
                while let Some((tier, after)) =
                    first_word(rest).and_then(|(word, after)| Some((word.parse().ok()?, after)))
                {
                    if !tiers.contains(&tier) {
                        tiers.push(tier);
                    }
                    rest = after;
                }
                continue;
            }
            _ => {}
        }
        if command.takes == Takes::Nothing {
            switch(command.name, &mut demands);
            continue;
        }
        let Some((value, after)) = first_word(rest) else {
            let choices = values(command.takes, fleet);
            let hint = if choices.is_empty() { command.words.to_owned() } else { choices.join(", ") };
            return Typed::Wrong(format!("/{word} needs a value: {}", text::fit(&hint, 120, "...")));
        };
        if let Err(words) = set(command, value, &mut demands, fleet) {
            return Typed::Wrong(words);
        }
        rest = after;
    }
    let text = rest.strip_prefix("//").map_or_else(|| rest.to_owned(), |text| format!("/{text}"));
    match compared {
        Some(tiers) => Typed::Compare(tiers, text, demands),
        None if rest.is_empty() && input.trim().starts_with('/') => Typed::Demands(demands),
        None => Typed::Text(text, demands),
    }
}

/// The name of the command that a text begins with; `None` for a text, a doubled slash or a path.
fn command_word(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('/')?;
    let word = rest.split(char::is_whitespace).next().unwrap_or_default();
    (!word.contains('/') && !word.is_empty()).then_some(word)
}

fn first_word(text: &str) -> Option<(&str, &str)> {
    let word = text.split(char::is_whitespace).next().filter(|word| !word.is_empty())?;
    Some((word, text[word.len()..].trim_start()))
}

fn switch(name: &str, demands: &mut Constraints) {
    match name {
        "private" => demands.privacy = Privacy::High,
        "standard" => demands.privacy = Privacy::Standard,
        "fallback" => demands.fallback = true,
        _ => *demands = Constraints::default(),
    }
}

fn set(command: &Slash, value: &str, demands: &mut Constraints, fleet: Option<&Fleet>) -> Result<(), String> {
    let any = value == ANY;
    let name = command.name;
    match command.takes {
        Takes::Tier => demands.tier = parsed(value)?,
        Takes::Task => demands.task = parsed(value)?,
        Takes::Aim => demands.optimize = parsed(value)?.unwrap_or(Optimize::Balanced),
        Takes::Backend => {
            let known = fleet.is_none_or(|fleet| fleet.backend(&BackendId::from(value)).is_some());
            demands.backend = named(command, value, known, fleet)?.map(BackendId::from);
        }
        Takes::Model => {
            let wanted = ModelId::from(value);
            let served =
                |fleet: &Fleet| fleet.backends.iter().any(|one| one.models.iter().any(|m| m.is_named(&wanted)));
            demands.model = named(command, value, fleet.is_none_or(served), fleet)?.map(ModelId::from);
        }
        Takes::Millis => {
            let millis =
                value.trim_end_matches("ms").parse().map_err(|_| format!("/{name} takes milliseconds: /{name} 500"));
            demands.max_latency_ms = if any { None } else { Some(millis?) };
        }
        Takes::Usd => {
            let usd = value.trim_start_matches('$').parse().ok().and_then(Money::from_usd);
            let usd = usd.ok_or_else(|| format!("/{name} takes dollars: /{name} 0.01"));
            demands.max_cost = if any { None } else { Some(usd?) };
        }
        Takes::Nothing | Takes::Tiers => {}
    }
    Ok(())
}

fn parsed<T: std::str::FromStr<Err: ToString>>(value: &str) -> Result<Option<T>, String> {
    if value == ANY { Ok(None) } else { value.parse().map(Some).map_err(|error: T::Err| error.to_string()) }
}

fn named<'a>(command: &Slash, value: &'a str, known: bool, fleet: Option<&Fleet>) -> Result<Option<&'a str>, String> {
    if value == ANY {
        return Ok(None);
    }
    let choices = values(command.takes, fleet);
    let nearest = || suggestion(value, choices.iter().map(String::as_str));
    if known { Ok(Some(value)) } else { Err(format!("there is no {} `{value}`{}", command.name, nearest())) }
}

/// The values that a command could take, where they can be listed.
fn values(takes: Takes, fleet: Option<&Fleet>) -> Vec<String> {
    let any = || std::iter::once(ANY.to_owned());
    let backends = || fleet.into_iter().flat_map(|fleet| &fleet.backends);
    match takes {
        Takes::Tier => Tier::ALL.iter().map(ToString::to_string).chain(any()).collect(),
        Takes::Tiers => Tier::ALL.iter().map(ToString::to_string).collect(),
        Takes::Task => Task::ALL.iter().map(ToString::to_string).chain(any()).collect(),
        Takes::Aim => AIMS.map(str::to_owned).to_vec(),
        Takes::Backend => backends().map(|one| one.spec.id.to_string()).chain(any()).collect(),
        Takes::Model => {
            let models = backends().flat_map(|one| one.models.iter().filter(|model| model.offered));
            let mut names: Vec<String> = models.map(|model| model.id.to_string()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().chain(any()).collect()
        }
        Takes::Nothing | Takes::Millis | Takes::Usd => Vec::new(),
    }
}

/// A way to go on typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is shown.
    pub shown: String,
    /// What it does.
    pub words: String,
    /// The input with it in place.
    pub input: String,
}

/// The ways to go on with an input: names of commands, or values of the command before. None where the last word is
/// a part of a text.
#[must_use]
pub fn complete(input: &str, fleet: Option<&Fleet>) -> Vec<Completion> {
    if !input.starts_with('/') || input.contains('\n') {
        return Vec::new();
    }
    let begun = input.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (before, last) = input.split_at(begun);
    let completion = |shown: String, words: &str| {
        let input = format!("{before}{shown} ");
        Completion { shown, words: words.to_owned(), input }
    };
    let previous = before.split_whitespace().next_back();
    let pending =
        previous.and_then(|word| word.strip_prefix('/')).and_then(|word| TABLE.iter().find(|one| one.name == word));
    let at_command = !before.trim().is_empty() || last.starts_with('/');
    let found: Vec<Completion> = if let Some(prefix) = last.strip_prefix('/').filter(|_| at_command) {
        let commands = TABLE.iter().filter(|one| one.name.starts_with(prefix));
        commands.map(|one| completion(format!("/{}", one.name), one.words)).collect()
    } else if let Some(command) = pending {
        let choices = values(command.takes, fleet).into_iter().filter(|value| value.starts_with(last));
        choices.map(|value| completion(value, "")).collect()
    } else {
        Vec::new()
    };
    // What stands there already needs no proposal.
    if found.len() == 1 && found[0].shown == last { Vec::new() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture;

    fn reads(input: &str) -> Typed {
        read(input, &Constraints::default(), Some(&fixture::working().fleet))
    }

    #[test]
    fn demands_alone_stay_and_before_a_text_they_hold_for_it() {
        let local = Constraints { tier: Some(Tier::Local), ..Constraints::default() };
        assert_eq!(reads("/tier ollama"), Typed::Demands(local.clone()));
        assert_eq!(reads("/tier local  How are you?"), Typed::Text("How are you?".to_owned(), local));
        let Typed::Text(text, demands) = reads("/private /max-cost 0.01 /max-latency 500ms /optimize cost hi") else {
            panic!("a text")
        };
        assert_eq!((text.as_str(), demands.privacy, demands.optimize), ("hi", Privacy::High, Optimize::Cost));
        assert_eq!((demands.max_latency_ms, demands.max_cost), (Some(500), Money::from_usd(0.01)));
    }

    #[test]
    fn what_is_no_command_is_not_sent_by_mistake() {
        for (input, said) in [
            ("/privat my diary", "/privat is no command; did you mean `private`?"),
            ("/tier", "/tier needs a value: claude, local"),
            ("/tier moon hi", "`moon` is not a tier"),
            ("/model opus-9 hi", "there is no model `opus-9`"),
            ("/backend laptpo hi", "did you mean `laptop`?"),
            ("/max-cost much hi", "/max-cost takes dollars"),
        ] {
            let Typed::Wrong(words) = reads(input) else { panic!("{input} is refused") };
            assert!(words.contains(said), "{words}");
        }
    }

    #[test]
    fn texts_with_slashes_are_texts() {
        for (input, text) in [
            ("/etc/passwd explained", "/etc/passwd explained"),
            ("//private is a command", "/private is a command"),
            ("1/2 of it", "1/2 of it"),
            ("what does /tier do?", "what does /tier do?"),
            ("/ is the root", "/ is the root"),
        ] {
            assert_eq!(reads(input), Typed::Text(text.to_owned(), Constraints::default()), "{input}");
        }
    }

    #[test]
    fn a_comparison_names_its_tiers_first() {
        assert_eq!(
            reads("/private /compare claude local Why is the sky blue?"),
            Typed::Compare(
                vec![Tier::Claude, Tier::Local],
                "Why is the sky blue?".to_owned(),
                Constraints { privacy: Privacy::High, ..Constraints::default() }
            )
        );
    }

    #[test]
    fn what_follows_a_comparison_is_read_too() {
        let private = Constraints { privacy: Privacy::High, ..Constraints::default() };
        let expected = Typed::Compare(vec![Tier::Claude, Tier::Local], "my diary".to_owned(), private);
        assert_eq!(reads("/compare claude local claude /private my diary"), expected);
        assert!(matches!(reads("/compare /privat my diary"), Typed::Wrong(_)));
    }

    #[test]
    fn completions_are_commands_or_their_values() {
        let fleet = fixture::working().fleet;
        let shown =
            |input: &str| -> Vec<String> { complete(input, Some(&fleet)).into_iter().map(|one| one.shown).collect() };
        assert_eq!(shown("/max"), ["/max-latency", "/max-cost"]);
        assert_eq!(shown("/tier l"), ["local"]);
        assert_eq!(shown("/backend "), ["anthropic", "workstation", "laptop", "vllm-a100", "litellm", "openai", "any"]);
        assert!(shown("/tier local").is_empty());
        assert!(shown("/tier local hello").is_empty());
        assert!(shown("hello").is_empty());
        let inputs: Vec<String> = complete("/private /ti", Some(&fleet)).into_iter().map(|one| one.input).collect();
        assert_eq!(inputs, ["/private /tier "]);
    }
}
