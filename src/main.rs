//! The `llm-call` program: arguments, runtime, exit code.

use std::process::ExitCode;

/// What one thread writes down another frees: with the system's allocator requests wait for the journal's thread to let go
/// of a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = llm_call::cli::Cli::of_process();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(llm_call::cli::run(cli)),
        Err(error) => {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "llm-call: cannot start the runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}
