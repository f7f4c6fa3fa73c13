//! The dashboard as a command: logging, engine, screen, and a summary on the ordinary terminal when it ends.

use std::process::ExitCode;

use super::Global;
use super::output::{Failure, Output};

/// Opens the dashboard.
///
/// # Errors
///
/// If the configuration is wrong or there is no terminal.
pub async fn run(_global: &Global, _output: &Output) -> Result<ExitCode, Failure> {
    std::future::pending().await
}
