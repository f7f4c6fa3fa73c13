//! Takes the README's pictures and its tour: runs the real program in demo mode in a pseudo-terminal, plays a person, and
//! writes what the terminal shows as SVG, or all that it showed as an asciicast.
//!
//! ```text
//! cargo build --release && cargo run --release --example screenshot -- assets/dashboard.svg
//! ```
//!
//! Arguments: the file (`.svg` for a picture of the last moment, `.cast` for a recording), then optionally `--light`,
//! `--size COLUMNSxROWS`, `--steps FILE` (what the person does instead; see `steps.rs`).

#![expect(clippy::print_stdout, reason = "an example prints")]

mod cast;
mod player;
mod steps;
mod svg;

use std::process::ExitCode;

use player::Player;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What the person of the pictures does. The charts are of time itself, so that the traffic needs a while for its lines.
const PICTURE: &str = "
wait  DEMO
pause 40
type  Explain quantum computing
press enter
wait  factoring, and not for most
type  Write the plan to ada@example.org
wait  stays on this machine
pause 1
";

/// What the person of the tour does.
const TOUR: &str = "
wait  DEMO
skip  25
pause 2

# Where it would go and why, before it is sent.
type  Explain quantum computing
wait  ttft
pause 3
press enter
wait  factoring, and not for most
pause 2

# A demand before the text holds for it alone.
type  /pri
pause 1
press tab
type  Summarize: my doctor is ada@example.org
wait  stays on this machine
pause 3
press ctrl-c
pause 1

# What a drain would do, before it is done; its default is to cancel.
press alt-2
pause 1
press g
press d
wait  would move
pause 4
press right
pause 1
press enter
wait  DRAINED
pause 2
press U
wait  undo: make ready tier claude
pause 2
press right
press enter
gone  DRAINED
pause 1

# One prompt to several tiers, side by side.
press alt-1
type  /compare claude local frontier Explain tides
pause 2
press enter
wait  compare Explain
pause 6
press right
pause 1
press b
wait  chosen
pause 2

# Every request, every model, the money.
press 7
pause 2
press enter
wait  candidates
pause 4
press esc
pause 1
press 8
pause 3
press 9
pause 3

press q
press q
end
";

struct Options {
    file: String,
    light: bool,
    size: Option<(u16, u16)>,
    steps: Option<String>,
}

fn options() -> Fallible<Options> {
    let mut options = Options { file: "assets/dashboard.svg".into(), light: false, size: None, steps: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--light" => options.light = true,
            "--size" => {
                let size = arguments.next().ok_or("--size needs COLUMNSxROWS")?;
                let (columns, rows) = size.split_once('x').ok_or("--size needs COLUMNSxROWS")?;
                options.size = Some((columns.parse()?, rows.parse()?));
            }
            "--steps" => {
                let file = arguments.next().ok_or("--steps needs a file")?;
                options.steps = Some(std::fs::read_to_string(file)?);
            }
            file => options.file = file.to_owned(),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    // Not as `main`'s own error: an error may show a screen, and its lines are to be lines.
    let told = make();
    println!("{}", told.as_ref().map_or_else(ToString::to_string, Clone::clone));
    if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the name of the file that was made.
fn make() -> Fallible<String> {
    let options = options()?;
    let moving = options.file.ends_with(".cast");
    let (script, size) = if moving { (TOUR, (120, 36)) } else { (PICTURE, (150, 44)) };
    let steps = steps::parse(options.steps.as_deref().unwrap_or(script))?;
    let (columns, rows) = options.size.unwrap_or(size);
    let mut player = Player::start(columns, rows, options.light)?;
    for step in &steps {
        player.play(step)?;
    }
    let (screen, shown) = player.stop()?;
    let content = if moving { cast::cast(&shown, (columns, rows))? } else { svg::svg(&screen, options.light) };
    std::fs::write(&options.file, content)?;
    Ok(options.file)
}
