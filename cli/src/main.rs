//! The program `wellstream`. A table of contents: what is typed becomes settings, settings become a command.

mod args;
mod settings;
mod logs;
mod signals;
mod kafka;
mod schemas;
mod cache;
mod feed;
mod stopwatch;
mod console;

mod summary;
mod progress;
mod exit;
mod commands;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "sabotage")]
    take_burden();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    match commands::dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The burden that scripts/gate --prove asks for: thousandths of the CPU time it takes otherwise.
#[cfg(feature = "sabotage")]
fn take_burden() {
    let per_mille = std::env::var("WELLSTREAM_TEST_BURDEN").ok().and_then(|text| text.parse().ok());
    wellstream_connectors::set_burden(per_mille.unwrap_or(0));
}
