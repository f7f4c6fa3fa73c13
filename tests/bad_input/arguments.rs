//! Arguments and prompts.

use super::fake::{DONE, Fake, piece, sse};
use super::{bare, fed, ran, run};
use std::io::Write;

#[test]
fn without_a_terminal_the_dashboard_names_the_alternatives() {
    for args in [&[][..], &["demo"], &["--demo"], &["demo", "--read-only"]] {
        let ran = run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        for part in ["needs a terminal", "llm-call ask", "llm-call tiers", "--help"] {
            assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
        }
    }
}

#[test]
fn flags_for_every_command_may_stand_anywhere() {
    for args in [&["--demo", "route", "hi"][..], &["route", "--demo", "hi"], &["route", "hi", "--demo"]] {
        let ran = run(args);
        assert_eq!(ran.code, 0, "{args:?} {}", ran.err);
    }
}

#[test]
fn a_prompt_comes_from_arguments_from_a_pipe_or_from_both() {
    let fake = Fake::start(|_, stream| drop(stream.write_all(sse(&(piece("yes") + DONE)).as_bytes())));
    for (args, input, expected) in [
        (&["ask", "one", "two"][..], "unread", "one two"),
        (&["ask"], "from a pipe", "from a pipe"),
        (&["ask", "-"], "from a pipe", "from a pipe"),
        (&["ask", "Review this:", "-"], "a diff", "Review this:\\n\\na diff"),
        (&["ask", "--", "-5 + 3?"], "", "-5 + 3?"),
        (&["ask", "3 - 5?"], "", "3 - 5?"),
    ] {
        let ran = fed(&mut fake.llm_call(args), input.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, "yes\n"), "{args:?} {}", ran.err);
        let asked = fake.asked.lock().expect("no panic under this lock").pop().expect("asked");
        assert!(asked.contains(&format!("\"{expected}\"")), "{args:?}: {asked}");
    }
}

#[test]
fn prompts_that_cannot_be_sent_are_usage_errors() {
    for (input, why) in
        [(&b""[..], "the prompt is empty"), (b" \n", "the prompt is empty"), (b"\xff\xfe", "it is not UTF-8")]
    {
        let ran = fed(&mut bare(&["ask", "--demo"]), input);
        assert!(ran.code == 2 && ran.err.contains(why), "{ran:?}");
    }
    let ran = run(&["ask", "--demo", ""]);
    assert!(ran.code == 2 && ran.err.contains("empty"), "{ran:?}");
}

#[test]
fn a_huge_prompt_is_routed_or_turned_down_with_the_reason() {
    let ran = fed(&mut bare(&["route", "--demo", "--tier", "local"]), "word ".repeat(1_000_000).as_bytes());
    assert!(ran.code == 3 && ran.err.contains("window"), "{ran:?}");
}

#[test]
fn numbers_that_make_no_sense_are_refused_with_what_would() {
    for (args, why) in [
        (["--max-cost", "-1"], "not an amount of dollars"),
        (["--max-cost", "NaN"], "not an amount of dollars"),
        (["--temperature", "9"], "from 0 to 2"),
        (["--temperature", "NaN"], "from 0 to 2"),
        (["--temperature", "-1"], "from 0 to 2"),
        (["--max-tokens", "0"], "not in 1.."),
        (["--max-latency-ms", "soon"], "invalid digit"),
        (["--task", "rewrad"], "did you mean `reward`?"),
        (["--privacy", "hihg"], "standard, high"),
        (["--optimize", "fast"], "throughput"),
        (["--tier", "moon"], "claude, local"),
        (["--log-level", "verbose"], "error, warn, info"),
    ] {
        let ran = ran(bare(&["ask", "--demo", "hi"]).args(args));
        assert!(ran.code == 2 && ran.err.contains(why) && ran.out.is_empty(), "{args:?} {ran:?}");
    }
}

#[test]
fn names_that_nobody_has_come_with_those_that_were_meant() {
    for (args, part) in [
        (["--model", "sonnet"], "did you mean `claude-sonnet"),
        (["--model", "llama3:8c"], "did you mean `llama3:8b`"),
        (["--model", "qqqq"], "there are: "),
        (["--backend", "antropic"], "did you mean `anthropic`"),
    ] {
        let ran = ran(bare(&["ask", "--demo", "hi"]).args(args));
        assert!(ran.code == 3 && ran.err.contains(part), "{args:?} {}", ran.err);
        assert!(ran.err.lines().count() < 4, "no more than helps: {}", ran.err);
    }
    let ran = run(&["ask", "--tier", "gpu", "hi"]);
    assert!(ran.code == 3 && ran.err.contains("no backend is configured in the tier gpu"), "{ran:?}");
}

#[test]
fn a_prompt_in_place_of_a_command_is_told_about_ask() {
    let ran = run(&["why is the sky blue"]);
    assert!(ran.code == 2 && ran.err.contains("llm-call ask \"why is the sky blue\""), "{ran:?}");
    let ran = run(&["doctr"]);
    assert!(ran.code == 2 && ran.err.contains("`doctor`"), "{ran:?}");
}

#[test]
fn where_nothing_is_set_up_the_first_error_says_where_to_look() {
    for args in [&["ask", "hi"][..], &["route", "hi"]] {
        let ran = run(args);
        assert!(ran.code == 3 && ran.err.contains("llm-call doctor") && ran.err.contains("--demo"), "{ran:?}");
    }
}

#[test]
fn help_and_manual_hold_the_exit_codes_and_every_shell_gets_completions() {
    for args in
        [&["--help"][..], &["ask", "--help"], &["batch", "--help"], &["doctor", "-h"], &["man"], &["man", "ask"]]
    {
        let ran = run(args);
        assert_eq!(ran.code, 0, "{args:?}");
        assert!(ran.out.to_lowercase().contains("exit codes"), "{args:?} {}", ran.out);
    }
    assert_eq!(run(&["man", "moon"]).code, 2);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("max-cost"), "{shell}");
    }
}
