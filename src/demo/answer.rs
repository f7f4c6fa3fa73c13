//! What a simulated model says: short texts that fit the prompt, cut into the pieces in which a stream brings them.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::rng::Chance;

/// A prompt, as far as a simulated model needs to understand it; every protocol fills it from its own request.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// The model asked for.
    pub(super) model: String,
    /// The last message of the user: what the answer is chosen by.
    pub(super) question: String,
    /// Prompt tokens, all of them.
    pub(super) input_tokens: u32,
    /// Whether the answer is wanted piece by piece.
    pub(super) stream: bool,
    /// The longest answer, in tokens.
    pub(super) max_tokens: Option<u32>,
    /// Tools on offer: name and parameter schema.
    pub(super) tools: Vec<(String, Value)>,
    /// Some tool must be used.
    pub(super) tool_required: bool,
    /// The last message is a tool's result.
    pub(super) tool_result: Option<String>,
    /// The answer must be JSON, of this schema where one is given (`Null` where not).
    pub(super) json: Option<Value>,
    /// Reasoning is to be shown.
    pub(super) think: bool,
    /// The beginning of the prompt, if the service may keep it in its cache.
    pub(super) cacheable: Option<String>,
    /// The request asked for usage in the stream; only OpenAI's protocol has the choice.
    pub(super) stream_usage: bool,
}

/// Why a simulated answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Length,
    Tool,
    /// A policy would have none of it.
    Refused,
}

/// A whole answer, before any protocol dresses it.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Reasoning that is shown.
    pub(super) thinking: Option<String>,
    /// The text, in pieces.
    pub(super) pieces: Vec<String>,
    /// A tool call: id, name, arguments.
    pub(super) tool: Option<(String, String, Value)>,
    pub(super) end: End,
    /// Output tokens that are billed and not shown.
    pub(super) hidden_tokens: u32,
}

/// Characters of two, three and four bytes.
const LONG_CHARACTERS: &str = "Größe: 5 µm – 日本 🙂. ";

/// About four characters to the token, as everybody estimates.
pub(super) fn tokens(text: &str) -> u32 {
    u32::try_from(text.chars().count().div_ceil(4)).unwrap_or(u32::MAX)
}

impl Script {
    /// The text as a whole.
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// Tokens of the answer, all of them.
    pub(super) fn output_tokens(&self) -> u32 {
        let thinking = self.thinking.as_deref().map_or(0, tokens);
        let tool = self.tool.as_ref().map_or(0, |(_, name, arguments)| tokens(name) + tokens(&arguments.to_string()));
        self.pieces.iter().map(|piece| tokens(piece)).sum::<u32>() + thinking + tool + self.hidden_tokens
    }

    /// The tokens of reasoning among them.
    pub(super) fn reasoning_tokens(&self) -> u32 {
        self.thinking.as_deref().map_or(0, tokens) + self.hidden_tokens
    }

    /// An answer without anything in it.
    pub(super) fn empty(end: End) -> Self {
        Self { thinking: None, pieces: Vec::new(), tool: None, end, hidden_tokens: 0 }
    }

    /// The same answer, with characters of several bytes in front.
    pub(super) fn with_long_characters(mut self) -> Self {
        self.pieces.insert(0, LONG_CHARACTERS.to_owned());
        self
    }

    /// The same answer, a character at a time.
    pub(super) fn by_character(mut self) -> Self {
        self.pieces = self.text().chars().map(String::from).collect();
        self
    }

    /// The answer to a prompt.
    pub(super) fn write(ask: &Ask, hidden_reasoning: bool, chance: &Chance) -> Self {
        let question = ask.question.to_lowercase();
        let named = ask.tools.iter().find(|(name, _)| question.contains(&name.to_lowercase()));
        let wanted = if ask.tool_required { named.or(ask.tools.first()) } else { named };
        let thinking = ask.think.then(|| "The request is clear; the short answer will do.".to_owned());
        if let (Some((name, schema)), None) = (wanted, &ask.tool_result) {
            let tool = Some((chance.id("call_"), name.clone(), instance(schema, &ask.question)));
            return Self { thinking, pieces: Vec::new(), tool, end: End::Tool, hidden_tokens: 0 };
        }
        let text = match (&ask.tool_result, &ask.json) {
            (Some(result), _) => format!("The tool answered: {result}."),
            (None, Some(Value::Null)) => {
                json!({ "answer": shorten(&choose(&question, chance)), "confidence": 0.87 }).to_string()
            }
            (None, Some(schema)) => instance(schema, &ask.question).to_string(),
            (None, None) => choose(&question, chance).to_string(),
        };
        let mut pieces = cut(&text, chance);
        let mut end = End::Stop;
        if let Some(limit) = ask.max_tokens {
            let mut used = 0;
            if let Some(over) = pieces.iter().position(|piece| {
                used += tokens(piece);
                used > limit
            }) {
                pieces.truncate(over);
                end = End::Length;
            }
        }
        // Reasoning models think longer about what they answer at length; a score needs next to none.
        let hidden_tokens = if hidden_reasoning { 24 + tokens(&text) / 2 } else { 0 };
        Self { thinking, pieces, tool: None, end, hidden_tokens }
    }
}

#[derive(Deserialize)]
struct Topic {
    when: Vec<String>,
    texts: Vec<Arc<str>>,
}

fn topics() -> &'static [Topic] {
    static TOPICS: OnceLock<Vec<Topic>> = OnceLock::new();
    // A test reads the same file; here a broken one only makes the models laconic.
    TOPICS.get_or_init(|| serde_json::from_str(include_str!("../../assets/demo/answers.json")).unwrap_or_default())
}

fn choose(question: &str, chance: &Chance) -> Arc<str> {
    let topic = topics()
        .iter()
        .find(|topic| topic.when.is_empty() || topic.when.iter().any(|word| question.contains(word.as_str())));
    topic.and_then(|topic| chance.pick(&topic.texts)).map_or_else(|| Arc::from("Understood."), Arc::clone)
}

fn shorten(text: &str) -> &str {
    text.split_inclusive(['.', '\n']).next().unwrap_or(text).trim()
}

/// Pieces of two to four words, whitespace kept.
fn cut(text: &str, chance: &Chance) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut words = 0;
    let mut want = 1;
    for word in text.split_inclusive([' ', '\n']) {
        piece.push_str(word);
        words += 1;
        if words == want {
            pieces.push(std::mem::take(&mut piece));
            words = 0;
            want = chance.pick(&[2, 3, 3, 4]).copied().unwrap_or(3);
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// A value that fits a JSON schema well enough for a demonstration.
fn instance(schema: &Value, question: &str) -> Value {
    if let Some(choice) = schema.pointer("/enum/0").or_else(|| schema.get("const")) {
        return choice.clone();
    }
    let kind = schema.get("type").map(|kind| kind.get(0).unwrap_or(kind));
    match kind.and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("string") => json!(topic_word(question)),
        Some("number") => json!(0.72),
        Some("integer") => json!(3),
        Some("boolean") => json!(true),
        Some("array") => schema.get("items").map_or_else(|| json!([]), |items| json!([instance(items, question)])),
        Some("null") => Value::Null,
        _ => {
            let mut fields = Map::new();
            for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                fields.insert(name.clone(), instance(field, question));
            }
            Value::Object(fields)
        }
    }
}

/// The last capitalised word of the question: in "get_weather for Oslo" it is what the question is about.
fn topic_word(question: &str) -> &str {
    let mut words = question.split(|c: char| !c.is_alphanumeric());
    words.rfind(|word| word.chars().next().is_some_and(char::is_uppercase)).unwrap_or("Oslo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_file_is_sound() {
        let topics: Vec<Topic> = serde_json::from_str(include_str!("../../assets/demo/answers.json")).unwrap();
        assert!(topics.iter().all(|topic| !topic.texts.is_empty()));
        assert!(topics.last().unwrap().when.is_empty(), "the last topic answers everything else");
        for score in topics[0].texts.iter() {
            assert!(score.parse::<f32>().is_ok());
        }
    }

    #[test]
    fn pieces_add_up_and_limits_cut() {
        let chance = Chance::new(1);
        let ask = Ask { question: "Explain schedulers".into(), ..Ask::default() };
        let whole = Script::write(&ask, false, &chance);
        assert!(whole.pieces.len() > 20 && whole.end == End::Stop);
        let cut = Script::write(&Ask { max_tokens: Some(10), ..ask }, false, &chance);
        assert!(cut.end == End::Length && cut.output_tokens() <= 10 && cut.output_tokens() > 0);
    }

    #[test]
    fn a_named_tool_is_called_with_arguments_that_fit_its_schema() {
        let schema =
            json!({ "type": "object", "properties": { "city": { "type": "string" }, "days": { "type": "integer" } } });
        let ask = Ask {
            question: "Use get_weather for Bergen please".into(),
            tools: vec![("get_weather".into(), schema)],
            ..Ask::default()
        };
        let script = Script::write(&ask, false, &Chance::new(1));
        let (_, name, arguments) = script.tool.unwrap();
        assert_eq!((name.as_str(), script.end), ("get_weather", End::Tool));
        assert_eq!(arguments, json!({ "city": "Bergen", "days": 3 }));
    }
}
