//! The prompts to learn from: of the benchmark's folder the sets that are permissively licensed, and the templates.

use std::collections::HashMap;
use std::path::Path;

use llm_call::domain::task::Task;
use serde_json::Value;

use crate::grammar::{Fillers, disturb, templates};
use crate::train::Chance;

/// Prompts made of each template.
const EACH: usize = 48;

/// One prompt and what is known of it.
#[derive(Clone, Default)]
pub struct Example {
    pub text: String,
    /// Where it comes from, for holding out whole sources.
    pub source: String,
    /// Sources that are alike, for holding out all of them; empty for those that are always learnt from.
    pub group: String,
    pub task: Option<Task>,
    pub choices: Option<bool>,
    /// How hard, 0 to 1.
    pub open: Option<f32>,
    pub demanding: Option<bool>,
    /// What the strong model gained, on a question with answers to pick from.
    pub picking: Option<Outcome>,
    /// The same on a mathematical problem.
    pub mathematics: Option<Outcome>,
    pub weight: f32,
}

/// How two models did.
#[derive(Clone)]
pub struct Outcome {
    pub group: String,
    pub strong: f32,
    pub weak: f32,
    /// How much it counts beside others.
    pub weight: f32,
    /// Whether figures are taken on it.
    pub counts: bool,
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn set(folder: &Path, name: &str) -> Vec<(String, Value)> {
    let side = folder.join("data/dev");
    let prompts: HashMap<String, String> = lines(&side.join(format!("{name}.prompts.jsonl")))
        .into_iter()
        .map(|line| (text(&line, "id"), text(&line, "prompt")))
        .collect();
    lines(&side.join(format!("{name}.labels.jsonl")))
        .into_iter()
        .filter_map(|label| Some((prompts.get(&text(&label, "id"))?.clone(), label)))
        .collect()
}

fn text(line: &Value, field: &str) -> String {
    line[field].as_str().unwrap_or_default().to_owned()
}

fn number(line: &Value, field: &str) -> f32 {
    line[field].as_f64().unwrap_or_default() as f32
}

fn example(text: &str, source: &str) -> Example {
    Example { text: text.to_owned(), source: source.to_owned(), weight: 1.0, ..Example::default() }
}

pub fn examples(folder: &Path) -> Vec<Example> {
    let mut chance = Chance::new(11);
    let mut fillers = Fillers::new();
    let mut all = Vec::new();
    mmlu(folder, &mut fillers, &mut all);
    gsm8k(folder, &mut fillers, &mut all);
    multi9(folder, &mut fillers, &mut all);
    picked(&fillers, &mut chance, &mut all);
    tier(folder, &mut chance, &mut all);
    graded(&mut chance, &mut all);
    for (line, template) in templates().iter().enumerate() {
        for _ in 0..EACH {
            let text = disturb(&template.prompt(&fillers, &mut chance), &mut chance);
            let mut made = example(&text, &format!("template {line}"));
            made.group.clone_from(&template.group);
            made.task = Some(template.task);
            // What is asked about a text may name candidates or labels, which lies between the two.
            made.choices = template.kinds.is_empty().then_some(false);
            made.demanding = template.demanding;
            made.open = Some(worth(template.task, template.difficulty));
            made.weight = 16.0 / EACH as f32;
            all.push(made);
        }
    }
    all
}

/// What a strong model is worth on a task of some difficulty, 0 to 1: most where each step has to be right.
fn worth(task: Task, difficulty: u8) -> f32 {
    let level = f32::from(difficulty - 1) / 4.0;
    let exact = match task {
        Task::Mathematics | Task::Code | Task::Reasoning | Task::Planning => 1.0,
        Task::Extraction | Task::Bulk | Task::Context => 0.5,
        Task::Question | Task::Explanation => 0.35,
        Task::Creative | Task::Summary => 0.2,
        Task::General | Task::Reward => 0.0,
    };
    0.7 * level + 0.3 * exact
}

fn graded(chance: &mut Chance, all: &mut Vec<Example>) {
    for line in include_str!("graded.txt").lines().filter(|line| !line.starts_with("# ")) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().expect("task, difficulty, demanding, prompt");
        let task: Task = word().parse().expect("a task");
        let difficulty: u8 = word().parse().expect("a number");
        let demanding = match word() {
            "+" => Some(true),
            "-" => Some(false),
            _ => None,
        };
        let prompt = word();
        for copy in 0..4 {
            let text = if copy == 0 { prompt.to_owned() } else { disturb(prompt, chance) };
            let mut made = example(&text, &format!("graded {prompt}"));
            made.group.clone_from(&made.source);
            made.task = Some(task);
            made.choices = Some(false);
            made.demanding = demanding;
            made.open = Some(worth(task, difficulty));
            made.weight = 2.0;
            all.push(made);
        }
    }
}

/// Splits a multiple-choice question into what is asked and its answers.
fn split(prompt: &str) -> (String, Vec<String>) {
    let Some(at) = prompt.find("\nA. ") else { return (prompt.to_owned(), Vec::new()) };
    let options = prompt[at..]
        .lines()
        .filter_map(|line| {
            let (letter, option) = line.split_once(". ")?;
            (letter.len() == 1).then(|| option.trim().to_owned())
        })
        .collect();
    (prompt[..at].trim().to_owned(), options)
}

fn sentences(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_inclusive(['.', '\n'])
        .map(str::trim)
        .filter(|sentence| {
            sentence.len() > 30 && sentence.len() < 300 && sentence.ends_with('.') && !sentence.contains('_')
        })
        .map(str::to_owned)
}

fn mmlu(folder: &Path, fillers: &mut Fillers, all: &mut Vec<Example>) {
    for (prompt, label) in set(folder, "route2_mmlu") {
        let group = text(&label, "group");
        let (stem, options) = split(&prompt);
        let calculates = ["mathematics", "algebra", "statistics"].iter().any(|word| group.contains(word));
        if stem.len() > 350 {
            fillers.add("passage", stem.clone());
        }
        if group.contains("history") || group.contains("security") || stem.len() > 350 {
            sentences(&stem).for_each(|sentence| fillers.add("loose", sentence));
        }
        let mut level = example(&stem, &group);
        level.open = Some(schooling(&group));
        level.weight = 0.4;
        all.push(level);
        if stem.ends_with('?') && stem.len() < 120 && !calculates && !stem.contains("following") {
            fillers.add("question", stem.clone());
            let mut bare = example(&stem, "mmlu stem");
            bare.choices = Some(false);
            bare.weight = 0.5;
            bare.task = Some(Task::Question);
            all.push(bare);
        }
        if stem.len() < 400 && options.len() == 4 {
            fillers.add("mcq", format!("{stem}\t{}", options.join("\t")));
        }
        let mut question = example(&prompt, "mmlu");
        question.choices = Some(true);
        question.weight = 0.3;
        question.task = Some(if calculates { Task::Mathematics } else { Task::Question });
        question.picking = Some(Outcome {
            group,
            strong: number(&label, "strong"),
            weak: number(&label, "weak"),
            weight: 1.0,
            counts: true,
        });
        all.push(question);
    }
}

/// How much schooling a subject takes, 0 to 1.
fn schooling(group: &str) -> f32 {
    match group {
        "abstract_algebra" => 0.95,
        "econometrics" => 0.9,
        "machine_learning" => 0.85,
        "formal_logic" | "electrical_engineering" => 0.8,
        "clinical_knowledge" | "international_law" | "jurisprudence" | "medical_genetics" => 0.75,
        "anatomy" | "computer_security" | "philosophy" | "security_studies" | "virology" => 0.7,
        "astronomy" => 0.65,
        "us_foreign_policy" | "moral_disputes" | "logical_fallacies" | "business_ethics" | "prehistory" => 0.6,
        "conceptual_physics" | "sociology" => 0.55,
        "marketing" | "management" | "nutrition" | "public_relations" => 0.5,
        "human_aging" | "world_religions" => 0.45,
        "global_facts" | "human_sexuality" => 0.4,
        "elementary_mathematics" | "miscellaneous" | "moral_scenarios" => 0.3,
        _ if group.starts_with("college") || group.starts_with("professional") => 0.8,
        _ => 0.55,
    }
}

/// Multiple choice in forms of our own, so that the form of one data set is not what is learnt.
fn picked(fillers: &Fillers, chance: &mut Chance, all: &mut Vec<Example>) {
    for _ in 0..3_000 {
        let drawn = fillers.expand("<mcq>", chance);
        let mut parts = drawn.split('\t');
        let stem = parts.next().unwrap_or_default();
        let options: Vec<&str> = parts.collect();
        let wanted = 2 + chance.below(3);
        // Those in one line are the hardest to see.
        let style = *chance.pick(&[0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        let mut listed = String::new();
        for (at, option) in options.iter().take(wanted).enumerate() {
            let (upper, lower) = (char::from(b'A' + at as u8), char::from(b'a' + at as u8));
            listed.push_str(&match style {
                0 => format!("{upper}) {option}\n"),
                1 => format!("({upper}) {option} "),
                2 => format!("{lower}) {option}\n"),
                8 => format!("{lower}) {option} "),
                3 => format!("{}. {option}\n", at + 1),
                4 => format!("{}) {option}\n", at + 1),
                5 => format!("- {option}\n"),
                6 => format!("{upper}: {option}\n"),
                _ => format!("{upper}. {option}\n"),
            });
        }
        let head = chance.pick(&[
            "",
            "",
            "",
            "Question: ",
            "Q: ",
            "Multiple choice: ",
            "Choose the right answer. ",
            "Please answer with the letter of the correct answer.\n\n",
            "Pick the best option.\n",
            "Answer the following multiple choice question.\n",
            "Select the correct option: ",
        ]);
        let middle =
            chance.pick(&["\n", "\n", "\n\n", "\nOptions:\n", "\nChoices:\n", "\nAnswers: ", "\nAnswer choices: "]);
        let tail = chance.pick(&[
            "",
            "",
            "",
            "Answer:",
            "\nThe correct answer is",
            "\nAnswer with one letter.",
            "\nExplain your choice.",
            "\nWhich one is it?",
            "\nPrint only the letter.",
        ]);
        let lead = if chance.one_in(6) { fillers.expand("<passage>\n", chance) } else { String::new() };
        let text = disturb(&format!("{lead}{head}{stem}{middle}{listed}{tail}"), chance);
        let mut made = example(&text, &format!("picked {style}"));
        made.choices = Some(true);
        made.task = Some(if lead.is_empty() { Task::Question } else { Task::Context });
        made.weight = 0.5;
        all.push(made);
    }
}

fn gsm8k(folder: &Path, fillers: &mut Fillers, all: &mut Vec<Example>) {
    for (prompt, label) in set(folder, "route2_gsm8k") {
        fillers.add("problem", prompt.clone());
        let mut problem = example(&prompt, "gsm8k");
        problem.task = Some(Task::Mathematics);
        problem.choices = Some(false);
        problem.demanding = Some(false);
        problem.mathematics = Some(Outcome {
            group: String::new(),
            strong: number(&label, "strong"),
            weak: number(&label, "weak"),
            weight: 1.0,
            counts: true,
        });
        all.push(problem);
    }
}

/// The models of the set that stand for a strong one.
const STRONG: [&str; 5] = [
    "qwen2.5-7b-instruct",
    "gemma-2-9b-it",
    "llama-3.1-8b-instruct",
    "llama-3.1-nemotron-51b-instruct",
    "llama-3.3-nemotron-super-49b-v1",
];
/// And those that stand for a weak one.
const WEAK: [&str; 3] = ["mistral-7b-instruct-v0.3", "codegemma-7b", "llama3-chatqa-1.5-70b"];

fn multi9(folder: &Path, fillers: &mut Fillers, all: &mut Vec<Example>) {
    for (prompt, label) in set(folder, "multi9") {
        let kind = text(&label, "task");
        let mean = |models: &[&str]| {
            models.iter().map(|model| number(&label["scores"], model)).sum::<f32>() / models.len() as f32
        };
        let (task, level) = match kind.as_str() {
            "natural_qa" | "trivia_qa" => (Some(Task::Question), Some(0.2)),
            "mbpp" => (Some(Task::Code), Some(0.5)),
            "human_eval" => (Some(Task::Code), Some(0.6)),
            "math" => (Some(Task::Mathematics), Some(0.7)),
            "gsm8k" | "agentverse-mgsm" => (Some(Task::Mathematics), Some(0.55)),
            "gpqa" => (None, Some(0.9)),
            "openbook_qa" | "arc_challenge" | "commonsense_qa" => (Some(Task::Question), Some(0.15)),
            _ => (None, None),
        };
        match kind.as_str() {
            "natural_qa" | "trivia_qa" => fillers.add("question", prompt.clone()),
            "math" | "gsm8k" => fillers.add("problem", prompt.clone()),
            "human_eval" => fillers.add("code", prompt.trim().to_owned()),
            "mmlu" => sentences(&prompt).for_each(|sentence| fillers.add("loose", sentence)),
            _ => {}
        }
        let mut asked = example(&prompt, &kind);
        asked.task = task;
        asked.choices = task.map(|_| false);
        asked.open = level;
        asked.demanding = task.map(|_| false);
        asked.weight = 0.6;
        if matches!(kind.as_str(), "gsm8k" | "agentverse-mgsm") {
            asked.mathematics = Some(Outcome {
                group: String::new(),
                strong: mean(&STRONG),
                weak: mean(&WEAK),
                weight: 1.0,
                counts: false,
            });
        }
        all.push(asked);
    }
}

fn tier(folder: &Path, chance: &mut Chance, all: &mut Vec<Example>) {
    for (prompt, label) in set(folder, "tier") {
        let demanding = match text(&label, "tier").as_str() {
            "frontier" => true,
            "local_simple" => false,
            _ => continue,
        };
        // The same prompt with and without errors counts as one.
        for copy in 0..4 {
            let text_now = if copy == 0 { prompt.clone() } else { disturb(&prompt, chance) };
            let mut asked = example(&text_now, &format!("tier {}", text(&label, "label")));
            asked.demanding = Some(demanding);
            asked.open = Some(if demanding { 0.75 } else { 0.25 });
            asked.weight = 0.5;
            all.push(asked);
        }
    }
}
