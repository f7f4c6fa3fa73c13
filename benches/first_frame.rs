//! From the start of the process to its first whole frame on a pseudo-terminal: the median of ten. Wanted: under 100 ms.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::error::Error;
use std::io::Read;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const RUNS: usize = 10;
/// What ends a frame: the end of a synchronised update.
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

fn main() -> Result<(), Box<dyn Error>> {
    for (name, arguments) in [("real tiers, none configured", &[][..]), ("demo", &["demo"][..])] {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            times.push(first_frame(arguments)?);
        }
        times.sort_unstable();
        let [first, middle, last] = [0, RUNS / 2, RUNS - 1].map(|index| times.get(index).copied().unwrap_or_default());
        println!("first frame, {name}: median {middle:.1?}, fastest {first:.1?}, slowest {last:.1?}, {RUNS} runs");
    }
    Ok(())
}

fn first_frame(arguments: &[&str]) -> Result<Duration, Box<dyn Error>> {
    let size = PtySize { rows: 50, cols: 160, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size)?;
    let folder = tempfile::tempdir()?;
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_llm-call"));
    command.args(arguments);
    command.env_clear();
    for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")] {
        command.env(name, value);
    }
    command.env("HOME", folder.path());
    command.env("LLM_CALL_STATE", folder.path());
    let mut reader = pair.master.try_clone_reader()?;
    let started = Instant::now();
    let mut child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let mut seen = Vec::new();
    let mut buffer = [0_u8; 64 * 1024];
    while !seen.windows(FRAME_ENDS.len()).any(|window| window == FRAME_ENDS) {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Err("the program ended before its first frame".into());
        }
        seen.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    let took = started.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(took)
}
