//! Prompts made from templates: `[a|b]` is one of several, `<name>` is filled in.

use std::collections::BTreeMap;

use llm_call::domain::task::Task;

use crate::frames::framed;
use crate::train::Chance;

/// One line of the templates.
pub struct Template {
    pub task: Task,
    pub difficulty: u8,
    pub demanding: Option<bool>,
    pub text: &'static str,
    /// The kinds of text that it is asked of; none where it is a whole prompt.
    pub kinds: Vec<&'static str>,
    /// What is alike: held out together. A line of its own where the block names no group.
    pub group: String,
}

impl Template {
    pub fn prompt(&self, fillers: &Fillers, chance: &mut Chance) -> String {
        if self.kinds.is_empty() {
            fillers.expand(self.text, chance)
        } else {
            framed(fillers, self.text, &self.kinds, chance)
        }
    }
}

pub fn templates() -> Vec<Template> {
    [include_str!("templates.txt"), include_str!("asks.txt"), include_str!("writing.txt"), include_str!("freeform.txt")]
        .into_iter()
        .flat_map(blocks)
        .collect()
}

fn blocks(text: &'static str) -> Vec<Template> {
    let mut all = Vec::new();
    let mut block = (Task::General, 1, None, None, Vec::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("== ") {
            let mut words = head.split(' ');
            let task = words.next().and_then(|word| word.parse().ok()).expect("a block names a task");
            let difficulty = words.next().and_then(|word| word.parse().ok()).expect("a block says how hard");
            let demanding = match words.next() {
                Some("+") => Some(true),
                Some("-") => Some(false),
                _ => None,
            };
            let group = words.next();
            let kinds = words.next().map(|kinds| kinds.split(',').collect()).unwrap_or_default();
            block = (task, difficulty, demanding, group, kinds);
        } else if !line.is_empty() && !line.starts_with("# ") {
            let (task, difficulty, demanding, group, ref kinds) = block;
            let group = group.map_or_else(|| line.to_owned(), |group| format!("{task:?} {group}"));
            all.push(Template { task, difficulty, demanding, text: line, kinds: kinds.clone(), group });
        }
    }
    all
}

/// What fills the names.
pub struct Fillers {
    lists: BTreeMap<String, Vec<String>>,
    /// Lists whose lines are templates themselves.
    texts: BTreeMap<String, Vec<&'static str>>,
}

impl Fillers {
    pub fn new() -> Self {
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut name = String::new();
        for line in include_str!("words.txt").lines() {
            if let Some(head) = line.strip_prefix("== ") {
                name = head.to_owned();
            } else if !line.is_empty() && !line.starts_with("# ") {
                lists.entry(name.clone()).or_default().push(line.replace("\\n", "\n").replace("\\t", "\t"));
            }
        }
        let mut texts: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for line in include_str!("texts.txt").lines() {
            if let Some(head) = line.strip_prefix("== ") {
                name = head.to_owned();
            } else if !line.is_empty() && !line.starts_with("# ") {
                texts.entry(name.clone()).or_default().push(line);
            }
        }
        Self { lists, texts }
    }

    pub fn add(&mut self, name: &str, text: String) {
        self.lists.entry(name.to_owned()).or_default().push(text);
    }

    fn pick(&self, name: &str, chance: &mut Chance) -> String {
        self.lists.get(name).map_or_else(String::new, |list| chance.pick(list).clone())
    }

    fn fill(&self, name: &str, chance: &mut Chance) -> String {
        if let Some(lines) = self.texts.get(name) {
            let line = *chance.pick(lines);
            return self.expand(line, chance);
        }
        match name {
            "n" => {
                let limit = *chance.pick(&[10, 20, 100, 1_000]);
                (2 + chance.below(limit)).to_string()
            }
            "short" => self.pick("sentence", chance),
            "passage" => self.passage(chance),
            "review" => {
                let count = 1 + chance.below(7);
                (0..count).map(|_| self.pick("review", chance)).collect::<Vec<_>>().join(" ")
            }
            "opinion" => {
                // People tell what they saw and did before they say what they think of it.
                let count = 1 + chance.below(12);
                (0..count)
                    .map(|_| {
                        let kind = *chance.pick(&["review", "review", "loose", "sentence"]);
                        self.pick(kind, chance)
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            "dialogue" => {
                let names = ["Anna", "Tom", "Customer", "Agent", "A", "B", "Maria", "Person 1"];
                let (one, two) = (*chance.pick(&names), *chance.pick(&names));
                let turns = 2 + chance.below(8);
                (0..turns)
                    .map(|turn| {
                        let kind = *chance.pick(&["sentence", "question", "review"]);
                        format!("{}: {}\n", if turn % 2 == 0 { one } else { two }, self.pick(kind, chance))
                    })
                    .collect()
            }
            "list" => {
                let count = 4 + chance.below(12);
                let kind = *chance.pick(&["noun", "sentence", "review", "topic", "place"]);
                let mark = *chance.pick(&["- ", "* ", "", "1. "]);
                (0..count).map(|_| format!("{mark}{}\n", self.pick(kind, chance))).collect()
            }
            "table" => {
                let count = 4 + chance.below(20);
                let row = |at: usize, chance: &mut Chance| {
                    format!("{at},{},{},{}\n", self.pick("noun", chance), self.pick("place", chance), chance.below(500))
                };
                (0..count).map(|at| row(at, chance)).collect()
            }
            "problem" => self.pick("problem", chance),
            "pquestion" if chance.one_in(4) => self.pick("question", chance),
            "pquestion" if chance.one_in(2) => self.fill("aquestion", chance),
            _ => self.pick(name, chance),
        }
    }

    fn passage(&self, chance: &mut Chance) -> String {
        if chance.one_in(4) {
            return self.pick("passage", chance);
        }
        if chance.one_in(2) {
            let kind =
                *chance.pick(&["encyclopedia", "encyclopedia", "news", "story", "plot", "policy", "paper", "letter"]);
            let count = 1 + chance.below(4);
            let space = *chance.pick(&[" ", " ", "\n", "\n\n"]);
            return (0..count).map(|_| self.fill(kind, chance)).collect::<Vec<_>>().join(space);
        }
        let most = *chance.pick(&[4, 8, 16, 40]);
        let count = 2 + chance.below(most);
        let space = *chance.pick(&[" ", " ", " ", "\n", "\n\n"]);
        (0..count)
            .map(|_| {
                let kind = *chance.pick(&["sentence", "loose", "loose", "loose"]);
                self.pick(kind, chance)
            })
            .collect::<Vec<_>>()
            .join(space)
    }

    /// One prompt of a template.
    pub fn expand(&self, template: &str, chance: &mut Chance) -> String {
        let text = alternatives(template, chance);
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(open) = rest.find('<') {
            let (before, after) = rest.split_at(open);
            out.push_str(before);
            let name = after[1..].split('>').next().unwrap_or_default();
            if !name.is_empty() && name.len() < 16 && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
                out.push_str(&self.fill(name, chance));
                rest = &after[name.len() + 2..];
            } else {
                out.push('<');
                rest = &after[1..];
            }
        }
        out.push_str(rest);
        out.replace("\\n", "\n")
    }
}

fn alternatives(template: &str, chance: &mut Chance) -> String {
    let Some(open) = template.find('[') else { return template.to_owned() };
    let mut depth = 0;
    let mut cuts = vec![open + 1];
    let mut close = template.len();
    for (at, byte) in template.bytes().enumerate().skip(open) {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    close = at;
                    break;
                }
            }
            b'|' if depth == 1 => cuts.push(at + 1),
            _ => {}
        }
    }
    let chosen = chance.below(cuts.len());
    let end = cuts.get(chosen + 1).map_or(close, |next| next - 1);
    let inner = alternatives(&template[cuts[chosen]..end], chance);
    let after = template.get(close + 1..).unwrap_or_default();
    format!("{}{inner}{}", &template[..open], alternatives(after, chance))
}

/// The same prompt as people also write it: with courtesy, without care.
pub fn disturb(text: &str, chance: &mut Chance) -> String {
    let mut text = text.to_owned();
    match chance.below(10) {
        0 => {
            text = format!(
                "{}{text}",
                chance.pick(&["Please ", "Hi! ", "Hello, ", "Can you help me with this: ", "Hey, "])
            );
        }
        1 => {
            text.push_str(chance.pick::<&str>(&[
                "\n\nThanks!",
                " Thank you.",
                " please",
                "\n\nMany thanks in advance",
            ]));
        }
        2..=4 => {
            let characters: Vec<char> = text.chars().collect();
            let mut out = String::new();
            let mut at = 0;
            while let Some(character) = characters.get(at) {
                if character.is_alphabetic() && chance.one_in(40) {
                    match (chance.below(3), characters.get(at + 1)) {
                        (0, Some(next)) if next.is_alphabetic() => {
                            out.push(*next);
                            out.push(*character);
                            at += 1;
                        }
                        (1, _) => {}
                        _ => out.extend([*character, *character]),
                    }
                } else {
                    out.push(*character);
                }
                at += 1;
            }
            text = out;
        }
        _ => {}
    }
    text
}
