//! Promise: bad input, from whoever it comes, ends in a clear error and the documented exit code: wrong arguments, broken
//! files, odd environments, services that answer nonsense, pipes and terminals that go away. No key and no prompt is told.
#![expect(clippy::expect_used, reason = "what cannot go on fails")]

mod arguments;
mod batches;
mod endings;
mod fake;
mod surroundings;
mod upstreams;

use std::io::Write;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;

/// How a run of the program ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs with this on standard input.
fn fed(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // Whoever does not read it to the end may close it.
    let feeder = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    feeder.join().expect("fed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The program on a machine where nothing is set up.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("llm-call"));
    let nowhere = std::env::temp_dir().join("llm-call-bad-input");
    command.env_clear().env("HOME", &nowhere).env("XDG_CONFIG_HOME", "/nonexistent").env("LLM_CALL_STATE", &nowhere);
    // A port that nobody listens on, whatever runs on the developer's machine.
    command.env("OLLAMA_HOST", "127.0.0.1:9").stdin(Stdio::null()).args(args);
    command
}

fn run(args: &[&str]) -> Ran {
    ran(&mut bare(args))
}
