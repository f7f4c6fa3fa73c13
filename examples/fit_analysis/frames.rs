//! How people put a text and what they ask about it together: the same ways for every task, so that the way says nothing.

use crate::grammar::Fillers;
use crate::train::Chance;

/// What a text of a kind is called.
fn names(kind: &str) -> &'static [&'static str] {
    match kind {
        "news" => &["article", "news story", "report", "piece", "text"],
        "letter" => &["email", "message", "letter", "mail"],
        "story" => &["story", "tale", "text", "chapter"],
        "plot" => &["plot", "story", "outline", "synopsis"],
        "script" => &["conversation", "dialogue", "chat", "transcript", "call"],
        "opinionpiece" | "review" => &["review", "comment", "feedback", "opinion", "text", "post"],
        "comment" => &["comment", "message", "post", "text", "reply"],
        "post" => &["post", "thread", "message", "text"],
        "policy" => &["policy", "manual", "document", "text", "notice"],
        "encyclopedia" => &["text", "entry", "paragraph", "article", "passage"],
        "paper" => &["abstract", "paper", "study", "text"],
        "minutes" => &["minutes", "notes", "record"],
        "statement" => &["sentence", "statement", "line"],
        "question" => &["question", "query", "text"],
        "facts" => &["story", "text", "facts", "paragraph"],
        "list" => &["list", "items", "entries"],
        "lines" => &["lines", "data"],
        "verse" => &["verses", "poem", "lyrics", "song"],
        "sheet" => &["notes", "outline", "idea", "setting"],
        _ => &["text", "passage", "paragraph", "article", "document", "excerpt"],
    }
}

/// Labels that stand before a text, besides its name.
const LABELS: &[&str] = &["Text", "Input", "Content", "Source", "Material", "Here it is", "Quote"];

/// A cue at the end that an answer is to follow.
const CUES: &[&str] = &["Answer:", "A:", "Response:", "Output:", "Your answer:", "Result:", "Reply:", "->"];

/// What people say before they come to the matter.
const LEADS: &[&str] = &[
    "I found this <name>.",
    "Here is a <name> I got today.",
    "This <name> is from last week.",
    "Have a look at this <name>.",
    "See the <name> below.",
    "A friend sent me this <name>:",
    "I have a <name> here.",
    "Please read this <name>.",
    "The following <name> is given.",
    "Consider this <name>.",
    "You get a <name>.",
];

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A text of one of several lists.
fn text(fillers: &Fillers, kind: &str, chance: &mut Chance) -> String {
    let one = match kind {
        // Longer than one piece, as pasted texts are.
        "article" | "passage" => fillers.expand("<passage>", chance),
        "news" | "story" | "encyclopedia" | "policy" | "opinionpiece" if chance.one_in(3) => {
            fillers.expand(&format!("<{kind}> <{kind}> <{kind}>"), chance)
        }
        _ => fillers.expand(&format!("<{kind}>"), chance),
    };
    let one = one.trim();
    // What is pasted often brings its heading along.
    let heads = [
        "Title: <heading>\n",
        "Headline: <heading>\n",
        "<heading>\n\n",
        "<heading>\n",
        "By <first> <surname>, <month> 20<nn>\n",
        "Title: <heading>\nText: ",
    ];
    match kind {
        "statement" | "comment" | "question" | "facts" | "lines" | "list" | "verse" | "sheet" => one.to_owned(),
        _ if chance.one_in(5) => format!("{}{one}", fillers.expand(chance.pick::<&str>(&heads), chance)),
        _ => one.to_owned(),
    }
}

/// A prompt that asks `ask` about a text of one of these kinds.
pub fn framed(fillers: &Fillers, ask: &str, kinds: &[&str], chance: &mut Chance) -> String {
    let kind = *chance.pick(kinds);
    let name = *chance.pick(names(kind));
    let text = text(fillers, kind, chance);
    let way = chance.below(16);
    let before = !matches!(way, 4..=8 | 11..=13 | 15);
    let reference = match (before, chance.below(5)) {
        (_, 0) => format!("the {name}"),
        (true, 1) => format!("the following {name}"),
        (true, 2) => format!("the {name} below"),
        (false, 1) => format!("the {name} above"),
        (false, 2) => "it".to_owned(),
        _ => format!("this {name}"),
    };
    let ask = fillers.expand(&ask.replace("<this>", &reference), chance);
    let ask = ask.trim();
    let ends = ask.ends_with(['?', '.', '!', ':', '…']);
    // Half of all people begin a sentence with a capital.
    let ask = if chance.one_in(2) { capital(ask) } else { ask.to_owned() };
    let stopped = |stop: &str| if ends { ask.clone() } else { format!("{ask}{stop}") };
    let label = if chance.one_in(4) { (*chance.pick(LABELS)).to_owned() } else { capital(name) };
    let cue = if chance.one_in(3) { format!("\n{}", chance.pick(CUES)) } else { String::new() };
    match way {
        0 | 1 => format!("{}\n\n{text}{cue}", stopped(chance.pick::<&str>(&[":", ".", "", ""]))),
        2 => format!("{}\n{label}: {text}{cue}", stopped(chance.pick::<&str>(&[".", ""]))),
        3 => format!("{} {text}", stopped(":")),
        4 | 5 => format!("{text}\n\n{}{cue}", stopped(chance.pick::<&str>(&[".", "", ":"]))),
        6 => format!("{label}: {text}\n{}{cue}", stopped(chance.pick::<&str>(&[".", ""]))),
        7 => format!("{text} {}", stopped(chance.pick::<&str>(&[".", ""]))),
        8 => format!(
            "{label}:\n{text}\n\n{}: {ask}{cue}",
            chance.pick(&["Question", "Task", "Q", "Request", "Instruction"])
        ),
        9 => format!("{} \"{text}\"{cue}", stopped(chance.pick::<&str>(&[":", ""]))),
        10 => format!(
            "{}: {ask}\n\n{label}: {text}{cue}",
            chance.pick(&["Question", "Task", "Q", "Instruction", "Query"])
        ),
        11 => format!(
            "{}\n\n{text}\n\n{}",
            chance.pick(LEADS).replace("<name>", name),
            stopped(chance.pick::<&str>(&[".", ""]))
        ),
        12 => format!(
            "{} \"{text}\" {}",
            chance.pick(LEADS).replace("<name>", name),
            stopped(chance.pick::<&str>(&[".", ""]))
        ),
        13 => format!("\"{text}\"\n{}{cue}", stopped(chance.pick::<&str>(&[".", ""]))),
        14 => {
            let (open, close) = *chance.pick(&[
                ("\"\"\"", "\"\"\""),
                ("---", "---"),
                ("<text>", "</text>"),
                ("```", "```"),
                ("###", ""),
            ]);
            format!("{}\n{open}\n{text}\n{close}{cue}", stopped(chance.pick::<&str>(&[".", ":", ""])))
        }
        _ => format!("{}: {text}\n\n{}", label, stopped(chance.pick::<&str>(&[".", ""]))),
    }
}
