//! The words that give a task away, and what each task usually takes.

use super::super::task::Task;
use super::super::usage::TokenRange;

/// Marker words by task. A marker ending in `*` matches the beginning of a word. The first table wins a tie, so the
/// narrow tasks stand before the wide ones.
const MARKERS: &[(Task, &[&str])] = &[
    (
        Task::Reward,
        &["reward", "rate this action", "rate the action", "score this", "score the", "on a scale of", "grade this"],
    ),
    (
        Task::Code,
        &[
            "code",
            "function",
            "implement*",
            "refactor*",
            "debug*",
            "bug",
            "compile*",
            "python",
            "rust",
            "javascript",
            "typescript",
            "sql",
            "regex",
            "unit test",
            "stack trace",
            "api endpoint",
            "class",
            "```",
            "fn ",
            "def ",
            "traceback",
            "script",
        ],
    ),
    (
        Task::Planning,
        &[
            "plan",
            "roadmap",
            "architecture",
            "architect*",
            "design a",
            "design the",
            "milestone*",
            "strategy",
            "migrat*",
        ],
    ),
    (
        Task::Mathematics,
        &["calculate", "compute", "solve", "equation", "integral", "derivative", "probability", "theorem", "how many"],
    ),
    (
        Task::Reasoning,
        &[
            "prove",
            "step by step",
            "reason about",
            "why does",
            "trade-off*",
            "tradeoff*",
            "analyse",
            "analyze",
            "compare",
            "deduce",
            "implications",
            "root cause",
            "evaluate whether",
            "think through",
        ],
    ),
    (
        Task::Extraction,
        &["extract", "classify", "classification", "categor*", "label", "parse", "sentiment", "list all the", "tag"],
    ),
    (Task::Summary, &["summar*", "tl;dr", "shorten", "condense", "key points", "abstract of"]),
    (Task::Bulk, &["for each of the following", "each of these", "the following records", "all rows", "batch"]),
    (
        Task::Context,
        &["based on the text", "according to the", "given the passage", "in the following text", "from the context"],
    ),
    (Task::Creative, &["poem", "story", "haiku", "slogan", "lyrics", "novel", "brainstorm*", "name ideas", "tagline"]),
    (Task::Explanation, &["explain", "describe how", "how does", "how do", "teach me", "what happens when", "walk me"]),
    (Task::Question, &["what is", "who is", "who was", "when did", "where is", "which", "capital of", "how old"]),
];

/// The task whose markers weigh most, and the markers found. Longer markers weigh more: a phrase says more than a word.
pub fn classify(question: &str) -> (Task, Vec<&'static str>) {
    // A task shows in its first lines; a pasted document after them must not outvote the request.
    let head: String = question.chars().take(2_000).collect::<String>().to_lowercase();
    let mut best = (0, Task::General, Vec::new());
    for (task, markers) in MARKERS {
        let found: Vec<&'static str> = markers.iter().copied().filter(|marker| stands_in(&head, marker)).collect();
        let weight: usize = found.iter().map(|marker| 1 + marker.matches(' ').count()).sum();
        if weight > best.0 {
            best = (weight, *task, found);
        }
    }
    (best.1, best.2)
}

fn stands_in(text: &str, marker: &str) -> bool {
    let (stem, open_end) = marker.strip_suffix('*').map_or((marker, false), |stem| (stem, true));
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(stem).any(|(at, found)| {
        let starts = !is_word(text[..at].chars().next_back()) || !is_word(stem.chars().next());
        let ends = open_end || !is_word(text[at + found.len()..].chars().next()) || !is_word(stem.chars().next_back());
        starts && ends
    })
}

/// How hard the work looks, from the task and the length and shape of what is asked.
pub fn complexity(task: Task, question: &str) -> f32 {
    let base = match task {
        Task::General | Task::Question | Task::Reward => 0.15,
        Task::Extraction | Task::Context | Task::Summary | Task::Bulk => 0.3,
        Task::Creative | Task::Explanation => 0.45,
        Task::Mathematics | Task::Code => 0.6,
        Task::Planning | Task::Reasoning => 0.75,
    };
    // Two thousand characters of request, or half a dozen separate demands, are as far as length alone can speak.
    let length = (question.len().min(2_000) as f32) / 2_000.0;
    let demands = (question.matches(['?', ';']).count() + question.matches("\n-").count()).min(6) as f32 / 6.0;
    (base + 0.15 * length + 0.1 * demands).min(1.0)
}

/// Output lengths by task: a reward is a number, a plan is pages.
pub const fn output_tokens(task: Task) -> TokenRange {
    let (p50, p90) = match task {
        Task::Reward => (8, 48),
        Task::Extraction => (80, 300),
        Task::Question => (90, 350),
        Task::Context => (120, 400),
        Task::Summary => (180, 500),
        Task::General => (150, 600),
        Task::Bulk => (250, 800),
        Task::Mathematics => (300, 1_000),
        Task::Explanation => (420, 1_000),
        Task::Creative => (450, 1_300),
        Task::Code => (500, 1_600),
        Task::Reasoning => (600, 2_000),
        Task::Planning => (800, 2_200),
    };
    TokenRange { p50, p90 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_examples_are_understood() {
        for (prompt, task) in [
            ("Explain quantum computing", Task::Explanation),
            ("Calculate reward for action", Task::Reward),
            ("Rate this action: move left", Task::Reward),
            ("Write a Python function that merges two sorted lists", Task::Code),
            ("Design a migration plan to microservices", Task::Planning),
            ("Summarize the following article", Task::Summary),
            ("Extract all e-mail addresses", Task::Extraction),
            ("hello there", Task::General),
            ("What is the capital of France?", Task::Question),
        ] {
            assert_eq!(classify(prompt).0, task, "{prompt}");
        }
    }

    #[test]
    fn a_marker_inside_a_longer_word_is_no_marker() {
        assert_eq!(classify("the planet was codenamed Rustic").0, Task::General);
    }
}
