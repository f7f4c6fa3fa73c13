//! What follows from a task and the words by rule.

use super::super::task::Task;
use super::features::Features;
use super::markers::Group;

/// Five steps of difficulty from complexity. What takes thought of its own is never below the fourth.
pub fn difficulty(complexity: f32, demanding: bool) -> u8 {
    let steps = [0.2, 0.4, 0.6, 0.8];
    let step = 1 + steps.iter().filter(|limit| complexity > **limit).count() as u8;
    if demanding { step.max(4) } else { step }
}

/// Whether an answer will be long: the task's usual length, unless the prompt asks for another.
pub fn long_answer(task: Task, choices: bool, features: &Features) -> bool {
    let count = |group: Group| features.evidence.iter().filter(|(found, _)| *found == group).count();
    let usual = match task {
        Task::Planning | Task::Creative | Task::Code | Task::Reasoning | Task::Explanation => 1,
        Task::Mathematics | Task::Bulk | Task::General => 0,
        Task::Question | Task::Context | Task::Summary | Task::Extraction | Task::Reward => -1,
    };
    let wished = count(Group::Long).min(2) as i32 - 2 * count(Group::Brief).min(2) as i32;
    !choices && usual + wished > 0
}

/// Most pieces of evidence that are told.
const EVIDENCE: usize = 6;

/// What spoke for the task, for people to read.
pub fn evidence(task: Task, choices: bool, features: &Features) -> Vec<&'static str> {
    let mut told: Vec<&'static str> = Vec::new();
    let words = features.evidence.iter().filter(|(group, _)| *group == Group::Of(task)).map(|(_, text)| *text);
    let shapes = [(choices && features.reading.options >= 2, "answers to pick from")];
    for text in words.chain(shapes.into_iter().filter(|(is, _)| *is).map(|(_, text)| text)) {
        if told.len() < EVIDENCE && !told.contains(&text) {
            told.push(text);
        }
    }
    told
}
