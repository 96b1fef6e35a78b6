//! Logs: human lines on standard error, from the level that `--log` names.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

/// Starts logging. The filter is a level, or a filter in the syntax of tracing.
pub(crate) fn start(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|e| Failure::usage(format!("--log: {filter:?} is not a level or filter: {e}")))?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .try_init()
        .map_err(|e| Failure::Runtime(anyhow::anyhow!("cannot start logging: {e}")))
}
