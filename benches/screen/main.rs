//! The screen as a terminal gets it: frames, bytes, processor, memory, and how long a key takes to be seen. The parent
//! opens a pseudo-terminal and starts itself in it as a child, which runs the real loop over an engine that plays.
//!
//! `cargo bench --bench screen -- [--seconds 20] [--size 200x60]... [--only busy]... [--against btop btm]`
//!
//! Frames are a promise, and breaking it fails; times depend on the machine and on what else it does, and are only told.
#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]

mod fleet;
mod load;
mod watch;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::Load;
use watch::{LETTER, Rates, Sign, Watched};

/// The cap, with what a count over seconds may be off by.
const FRAMES: f64 = 30.5;
/// While keys are pressed some frames are drawn on credit, and the last of them may not be paid back yet.
const FRAMES_WITH_KEYS: f64 = 31.0;
/// A terminal on which there is no room for the time since the start, which changes every second.
const STILL: (u16, u16) = (40, 10);
/// Keys are pressed about so far apart.
const KEYS_APART: Duration = Duration::from_millis(150);

struct Arguments {
    time: Duration,
    sizes: Vec<(u16, u16)>,
    only: Vec<String>,
    against: Vec<String>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found =
        Arguments { time: Duration::from_secs(20), sizes: Vec::new(), only: Vec::new(), against: Vec::new() };
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => found.time = Duration::from_secs_f64(arguments.next().ok_or("--seconds N")?.parse()?),
            "--size" => {
                let size = arguments.next().ok_or("--size COLUMNSxROWS")?;
                let (columns, rows) = size.split_once('x').ok_or("--size COLUMNSxROWS")?;
                found.sizes.push((columns.parse()?, rows.parse()?));
            }
            "--only" => found.only.push(arguments.next().ok_or("--only busy, idle, still or demo")?),
            "--against" => {
                while let Some(program) = arguments.next_if(|argument| !argument.starts_with("--")) {
                    found.against.push(program);
                }
            }
            // Cargo's own.
            "--bench" => {}
            other => return Err(format!("`{other}` is not known").into()),
        }
    }
    if found.sizes.is_empty() {
        found.sizes = vec![(200, 60), (120, 40)];
    }
    Ok(found)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut first = std::env::args().skip(1);
    if first.next().as_deref() == Some("--child") {
        let load = first.next().as_deref().and_then(Load::of).ok_or("there is no such load")?;
        load::child(load)?;
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = arguments()?;
    let me = std::env::current_exe()?;
    let cores = std::thread::available_parallelism()?;
    println!("over {:.0?} each, on {cores} cores; load of the machine: {}", arguments.time, machine_load());
    println!("frames a second, kB a second, % of a core, of another thread's, MB resident,");
    println!("and ms from a key to the screen (median, 99th percentile, longest) in the tiers and in the prompt, with");
    println!("the frames a second meanwhile");
    println!("{HEAD}");
    println!("{WANTED}");
    let mut broken = Vec::new();
    for size in arguments.sizes {
        for load in [Load::Busy, Load::Idle] {
            if arguments.only.is_empty() || arguments.only.iter().any(|name| name == load.name()) {
                let me = me.to_string_lossy();
                let row = dashboard(load.name(), &[&me, "--child", load.name()], size, arguments.time, Some(load))?;
                broken.extend(row.broken(load));
            }
        }
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == "demo") {
            match program(&me) {
                Some(path) => {
                    let command = [&*path.to_string_lossy(), "demo"];
                    dashboard("demo (its tiers too)", &command, size, arguments.time, None)?;
                }
                None => println!("demo: no release binary; `cargo build --release` first"),
            }
        }
        for name in &arguments.against {
            if let Err(error) = other(name, size, arguments.time) {
                println!("{name}: not measured: {error}");
            }
        }
    }
    if arguments.only.is_empty() || arguments.only.iter().any(|name| name == Load::Still.name()) {
        let name = Load::Still.name();
        let row = dashboard(name, &[&me.to_string_lossy(), "--child", name], STILL, arguments.time, Some(Load::Still))?;
        broken.extend(row.broken(Load::Still));
    }
    println!("load of the machine afterwards: {}", machine_load());
    for words in &broken {
        println!("BROKEN: {words}");
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const HEAD: &str = "                      size    frames     kB/s    cpu %  other %     MB  tiers p50   p99   max  prompt p50   p99   max  frames";
const WANTED: &str = "wanted                           <=30           <10/<0.5             <30              <16                     <16           <=30";

fn machine_load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("not known").to_owned()
}

/// The program that was built beside this benchmark.
fn program(me: &Path) -> Option<PathBuf> {
    let path = me.parent()?.parent()?.join("llm-call");
    path.is_file().then_some(path)
}

struct Row {
    name: String,
    quiet: Rates,
    with_keys: f64,
}

impl Row {
    /// The promises that it breaks.
    fn broken(&self, load: Load) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |holds: bool, words: String| {
            if !holds {
                broken.push(format!("{}: {words}", self.name));
            }
        };
        hold(self.quiet.frames <= FRAMES, format!("{:.1} frames a second", self.quiet.frames));
        hold(self.with_keys <= FRAMES_WITH_KEYS, format!("{:.1} frames a second with keys", self.with_keys));
        if load == Load::Still {
            hold(
                self.quiet.frames == 0.0,
                format!("{:.2} frames a second although nothing changes", self.quiet.frames),
            );
        }
        broken
    }
}

fn dashboard(
    name: &str,
    command: &[&str],
    size: (u16, u16),
    time: Duration,
    load: Option<Load>,
) -> Result<Row, Box<dyn Error>> {
    let mut child = Watched::start(command, size)?;
    child.first_frame()?;
    pass(Duration::from_millis(700));
    if load == Some(Load::Busy) {
        for number in 1..=4 {
            child.press(&format!("Tell me about {number}\r"))?;
            pass(Duration::from_millis(250));
        }
        // The rows fill up to as many as are kept, which takes twenty seconds; memory is looked at in the end.
    }
    pass(Duration::from_secs(1));
    let from = child.count(load::THREAD)?;
    pass(time);
    let quiet = child.count(load::THREAD)?.since(&from);
    let from = child.count(load::THREAD)?;
    let letter = LETTER.to_string();
    // On the smallest screen there are no rows to select.
    let tiers = match load {
        Some(Load::Still) => format!("{:>10} {:>5} {:>5}", "-", "-", "-"),
        _ => keys(&mut child, "\x1b2", ["j", "k"], Sign::Mark, time / 2)?,
    };
    let prompt = keys(&mut child, "\x1b1", [&letter, "\x7f"], Sign::Letter, time / 2)?;
    let with_keys = child.count(load::THREAD)?.since(&from).frames;
    println!(
        "{name:<20} {:>7} {:>8.1} {:>8.1} {:>8.2} {:>8.2} {:>6.1} {tiers} {prompt} {with_keys:>7.1}",
        format!("{}x{}", size.0, size.1),
        quiet.frames,
        quiet.bytes / 1000.0,
        quiet.cpu,
        quiet.beside,
        child.resident()?,
    );
    if std::env::var_os("SCREEN_SHOW").is_some() {
        println!("{}", child.screen());
    }
    Ok(Row { name: format!("{name} at {}x{}", size.0, size.1), quiet, with_keys })
}

/// Presses two keys in turn for a while, and tells how long they took to be seen.
fn keys(
    child: &mut Watched,
    focus: &str,
    pair: [&str; 2],
    sign: Sign,
    time: Duration,
) -> Result<String, Box<dyn Error>> {
    child.press(focus)?;
    pass(Duration::from_millis(300));
    let until = Instant::now() + time;
    let (mut times, mut lost) = (Vec::new(), 0);
    for number in 0_u64.. {
        let now = Instant::now();
        if now >= until && number % 2 == 0 {
            break;
        }
        let key = pair[number as usize % 2];
        match child.time(key, sign)? {
            Some(took) => times.push(took.as_secs_f64() * 1000.0),
            None => lost += 1,
        }
        // Never in step with the frames.
        pass((KEYS_APART + Duration::from_millis(number * 7 % 34)).saturating_sub(now.elapsed()));
    }
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    let [middle, most, longest] = [50, 99, 100].map(|share| at(share).copied().unwrap_or(f64::NAN));
    let lost = if lost > 0 { format!(" ({lost} lost)") } else { String::new() };
    Ok(format!("{middle:>10.1} {most:>5.1} {longest:>5.1}{lost}"))
}

/// Another program at rest.
fn other(name: &str, size: (u16, u16), time: Duration) -> Result<(), Box<dyn Error>> {
    let child = Watched::start(&[name], size)?;
    child.first_frame()?;
    pass(Duration::from_secs(3));
    let from = child.count("")?;
    pass(time);
    let rates = child.count("")?.since(&from);
    let size = format!("{}x{}", size.0, size.1);
    let (kilobytes, memory) = (rates.bytes / 1000.0, child.resident()?);
    println!("{name:<20} {size:>7} {:>8} {kilobytes:>8.1} {:>8.2} {:>8} {memory:>6.1}", "-", rates.cpu, "-");
    Ok(())
}

/// Lets time pass.
fn pass(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
