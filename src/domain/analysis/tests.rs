use proptest::prelude::*;

use super::model::{SIZE, Weights, model};
use super::*;
use crate::domain::prompt::{Message, Role};

fn of(text: &str) -> Analysis {
    analyse(&Prompt::user(text), None)
}

/// Fails with every prompt whose task is another, so that one run tells all.
fn hold(table: &[(&str, Task)]) {
    let mut wrong = Vec::new();
    for (text, task) in table {
        let analysis = of(text);
        if analysis.task != *task {
            wrong.push((*text, analysis.task, *task));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_seeds_examples_are_understood() {
    hold(&[
        ("Explain quantum computing", Task::Explanation),
        ("Calculate reward for action", Task::Reward),
        ("Rate this action: move left", Task::Reward),
        ("Write a Python function that merges two sorted lists", Task::Code),
        ("Design a migration plan to microservices", Task::Planning),
        ("Summarize the following article", Task::Summary),
        ("Extract all e-mail addresses", Task::Extraction),
        ("hello there", Task::General),
        ("What is the capital of France?", Task::Question),
    ]);
    assert!(of("Explain quantum computing").complexity > of("Calculate reward for action").complexity);
}

#[test]
fn everyday_english_is_understood() {
    hold(&[
        ("who painted the girl with the pearl earring", Task::Question),
        ("When did the second world war end?", Task::Question),
        ("How tall is the Eiffel Tower?", Task::Question),
        ("Is Pluto a planet?", Task::Question),
        ("Explain how a heat pump works", Task::Explanation),
        ("Why do leaves fall in autumn?", Task::Explanation),
        ("How do I get red wine out of a carpet?", Task::Explanation),
        ("What are the pros and cons of buying a used car?", Task::Explanation),
        ("Write a poem about my bicycle", Task::Creative),
        ("Tell me a bedtime story about a brave snail", Task::Creative),
        ("Come up with five names for a bakery that sells only pies", Task::Creative),
        ("Can you write me a song about the rain?", Task::Creative),
        ("Implement quicksort in Go", Task::Code),
        ("My Java program throws a NullPointerException when I call save. How do I fix it?", Task::Code),
        ("Write a SQL query that lists customers without orders", Task::Code),
        ("def area(r):\n    return 3.14 * r * r\n\nAdd type hints.", Task::Code),
        ("Solve 3x + 5 = 20", Task::Mathematics),
        ("A baker makes 12 loaves an hour and sells 7 of them. How many are left after 6 hours?", Task::Mathematics),
        ("What is the derivative of x^3 - 4x?", Task::Mathematics),
        ("Prove that the sum of two even numbers is even", Task::Reasoning),
        (
            "Compare optimistic and pessimistic locking for a distributed cache and justify which is more robust",
            Task::Reasoning,
        ),
        ("Perform a root cause analysis of why our queue loses messages", Task::Reasoning),
        ("Design the architecture of a ticketing system for a million users", Task::Planning),
        ("Plan a three-day trip to Lisbon", Task::Planning),
        ("Summarize this email in two sentences: Dear all, the meeting is moved to Friday.", Task::Summary),
        ("tl;dr of the text below\nThe council met. It voted. The bridge stays closed.", Task::Summary),
        ("Is this review positive or negative? The soup was cold and the waiter rude.", Task::Extraction),
        ("Classify the sentiment of this tweet: best day ever!", Task::Extraction),
        ("List all the dates mentioned in this letter: We met on 3 May and again on 9 June.", Task::Extraction),
        ("Rate the response from 1 to 10: I think so.", Task::Reward),
        ("hi", Task::General),
        ("Good morning!", Task::General),
        ("Rewrite this sentence to be more polite: give me the file", Task::General),
    ]);
}

#[test]
fn a_question_about_a_text_is_told_from_a_question() {
    let text = "The mill was built in 1820 by two brothers. It burned down after a storm and was never rebuilt. \
                Today a small museum stands in its place, which is open in summer only.";
    hold(&[
        (&format!("{text}\n\nWho built the mill?"), Task::Context),
        (&format!("Answer the question from the text.\n\n{text}\n\nQuestion: When is the museum open?"), Task::Context),
        (&format!("According to the passage, why is there no mill today?\n\n{text}"), Task::Context),
        ("Who built the mill?", Task::Question),
        (&format!("Summarize the text.\n\n{text}"), Task::Summary),
        (&format!("{text}\n\nSummarize the text above."), Task::Summary),
        (&format!("{text}\n\nTL;DR:"), Task::Summary),
    ]);
}

#[test]
fn other_languages_are_understood() {
    for (text, task, language) in [
        ("Schreibe ein Gedicht über den Herbst", Task::Creative, Language::German),
        ("Wer hat das Telefon erfunden?", Task::Question, Language::German),
        ("Erkläre mir, wie ein Motor funktioniert", Task::Explanation, Language::German),
        ("Escribe una función en Python que ordene una lista", Task::Code, Language::Spanish),
        ("Escribe un cuento sobre dos amigos y el mar", Task::Creative, Language::Spanish),
        ("Quelle est la capitale de la France ?", Task::Question, Language::French),
        ("Explique pourquoi le ciel est bleu", Task::Explanation, Language::French),
        ("Scrivi una poesia sulla luna", Task::Creative, Language::Italian),
        ("Escreva uma história sobre o mar", Task::Creative, Language::Portuguese),
        ("Напиши стихотворение про осень", Task::Creative, Language::Russian),
        ("Объясни, как работает двигатель", Task::Explanation, Language::Russian),
        ("写一首关于春天的诗", Task::Creative, Language::Chinese),
        ("用Python写一个读取文件的函数", Task::Code, Language::Chinese),
        ("请解释什么是区块链", Task::Explanation, Language::Chinese),
        ("法国的首都是哪里？", Task::Question, Language::Chinese),
        ("猫についての物語を書いてください", Task::Creative, Language::Japanese),
        ("바다에 대한 시를 써 줘", Task::Creative, Language::Korean),
        ("اكتب قصيدة عن البحر", Task::Creative, Language::Arabic),
        ("Napisz wiersz o morzu", Task::Creative, Language::Polish),
        ("Viết một bài thơ về biển", Task::Creative, Language::Vietnamese),
    ] {
        let analysis = of(text);
        assert_eq!((analysis.task, analysis.language), (task, language), "{text}");
    }
}

#[test]
fn languages_are_told_apart() {
    for (text, code) in [
        ("What will the weather be like on the coast this weekend?", "en"),
        ("Kun je mij uitleggen hoe een fiets werkt en wat het kost?", "nl"),
        ("Jag vill veta hur man bakar bröd och vad det kostar", "sv"),
        ("Bana bu konu hakkında ne bildiğini yaz", "tr"),
        ("Jelaskan bagaimana cara membuat kue untuk pesta ini", "id"),
        ("Vysvětli mi, proč je nebe modré a kdo to zjistil", "cs"),
        ("Поясни, що це таке та як воно працює", "uk"),
        ("چگونه می‌توان یک زبان را در خانه یاد گرفت", "fa"),
        ("מה השעה עכשיו בתל אביב", "he"),
        ("तुम कैसे हो और क्या कर रहे हो", "hi"),
        ("Γράψε ένα ποίημα για τη θάλασσα", "el"),
        ("เขียนกลอนเกี่ยวกับทะเล", "th"),
        ("", "und"),
        ("12345 67890", "und"),
    ] {
        assert_eq!(of(text).language.code(), code, "{text}");
    }
}

#[test]
fn a_system_prompt_does_not_say_what_is_asked() {
    let mut prompt = Prompt::user("Who wrote Faust?");
    let alone = analyse(&prompt, None);
    let system = "You are a code assistant. Write Python functions, debug code, prove theorems, design architectures.";
    prompt.messages.insert(0, Message::text(Role::System, system));
    let with_system = analyse(&prompt, None);
    assert_eq!(with_system.task, Task::Question);
    assert_eq!((with_system.complexity, with_system.demanding), (alone.complexity, alone.demanding));
}

#[test]
fn answers_on_offer_are_seen_in_many_forms() {
    for (text, choices) in [
        ("What do bees make?\nA. honey\nB. silk\nC. milk\nD. wool", true),
        ("What do bees make?\n(A) honey (B) silk (C) milk", true),
        ("What do bees make?\na) honey\nb) silk\nc) milk\nAnswer:", true),
        ("What do bees make?", false),
        ("Vitamin A. helps the eyes. What else does it do?", false),
        ("Shopping:\n- honey\n- milk\nWhat can I cook?", false),
    ] {
        assert_eq!(of(text).choices, choices, "{text}");
    }
}

#[test]
fn what_takes_thought_is_told_from_what_does_not() {
    for (text, demanding) in [
        ("Analyze the trade-offs between sharding and read replicas under write-heavy load", true),
        ("Prove by induction that every tree with n nodes has n - 1 edges", true),
        ("Design a multi-region failover architecture with consistency and cost trade-offs", true),
        ("从第一原理分析分布式锁在网络分区下的故障模式", true),
        ("Convert this JSON to YAML", false),
        ("What is the time complexity of insertion sort?", false),
        ("Write a function that validates phone numbers", false),
        ("Summarize this email in three bullets", false),
        ("什么是二分查找？", false),
        ("把这段话翻译成英文", false),
        ("thanks, that helped", false),
    ] {
        assert_eq!(of(text).demanding, demanding, "{text}");
    }
}

#[test]
fn courtesy_and_capitals_change_nothing() {
    for text in
        ["Explain how a heat pump works", "Prove that there are infinitely many primes", "Write a poem about rain"]
    {
        let plain = of(text);
        for other in [
            text.to_uppercase(),
            format!("Hello! {text}"),
            format!("{text}\n\nMany thanks in advance!"),
            text.replace(' ', "  "),
        ] {
            let analysis = of(&other);
            assert_eq!((analysis.task, analysis.demanding), (plain.task, plain.demanding), "{other}");
            assert!((analysis.complexity - plain.complexity).abs() < 0.1, "{other}");
        }
    }
}

#[test]
fn a_named_task_overrides_what_the_words_say() {
    let analysis = analyse(&Prompt::user("Write a poem"), Some(Task::Reward));
    assert_eq!((analysis.task, analysis.certainty), (Task::Reward, 1.0));
}

#[test]
fn long_answers_are_foreseen() {
    for (text, long) in [
        ("Write a detailed essay about the history of tea", true),
        ("Design the architecture of a payment system", true),
        ("What is the capital of Peru?", false),
        ("Explain gravity in one sentence", false),
    ] {
        assert_eq!(of(text).long_answer, long, "{text}");
    }
}

#[test]
fn the_words_that_decided_are_told() {
    assert!(of("Write a poem about the sea").evidence.contains(&"poem"));
    assert!(of("hello there").evidence.is_empty());
}

#[test]
fn the_names_of_benchmarks_are_given() {
    for (text, name) in [
        ("What do bees make?\nA. honey\nB. silk\nC. milk\nD. wool", "mcq"),
        ("Who wrote Faust?", "qa_factual"),
        ("Write a poem about rain", "creative"),
        ("Solve 3x + 5 = 20", "math"),
        ("Is this review positive or negative? I loved it.", "classify"),
        ("Implement quicksort in Go", "code"),
    ] {
        assert_eq!(task_type(&of(text)), name, "{text}");
    }
}

#[test]
fn the_weights_fit_this_program() {
    let weights = &model().weights;
    assert_eq!(weights.to_bytes().len(), SIZE);
    assert!(weights.ask.iter().any(|weight| *weight != 0), "the weights of assets/analysis.bin have another form");
    assert_eq!(Weights::parse(&weights.to_bytes()).map(|again| again.to_bytes()), Some(weights.to_bytes()));
    assert!(Weights::parse(&weights.to_bytes()[1..]).is_none());
    assert!(Weights::parse(&[]).is_none());
}

#[test]
fn a_text_of_any_kind_costs_no_more_than_its_windows() {
    for text in [
        "a".repeat(1 << 20),
        "[".repeat(1 << 20),
        "e\u{301}".repeat(1 << 19),
        "\n".repeat(1 << 20),
        "? ".repeat(1 << 19),
    ] {
        let read = features::features(&text);
        assert!(read.reading.tokens.len() <= 8 * 1024 + 1, "tokens {}", read.reading.tokens.len());
        assert!(read.all.len() <= 32 * 1024, "words {}", read.all.len());
        assert!(read.ask.len() <= 1024, "asked {}", read.ask.len());
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_within_bounds(text in "\\PC{0,400}|[a-d?.:,)(\n \"-]{0,300}|(\\PC|\n){0,9000}") {
        let analysis = of(&text);
        prop_assert!((0.0..=1.0).contains(&analysis.complexity));
        prop_assert!((0.0..=1.0).contains(&analysis.certainty));
        prop_assert!((1..=5).contains(&analysis.difficulty));
    }
}
