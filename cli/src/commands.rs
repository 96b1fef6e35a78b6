//! From the command line to the command: settings are collected, logging starts, the command runs.

mod config;

use std::path::{Path, PathBuf};

use crate::args::{Cli, Command, QuarantineCommand, SchemaCommand, TopicsCommand};
use crate::exit::Failure;
use crate::logs;
use crate::settings::{FILE_VARIABLE, Loaded};

/// Runs what the command line asks for.
pub(crate) fn dispatch(cli: Cli) -> Result<(), Failure> {
    let file = cli
        .config
        .or_else(|| std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
    let file = file.as_deref();
    match cli.command {
        Command::Config(args) => config::config(&args, file),
        other => {
            prepare(file, given(&other))?;
            Err(Failure::usage("this command is still being built"))
        }
    }
}

/// The settings among a command's flags.
fn given(command: &Command) -> &[(&'static str, Vec<String>)] {
    match command {
        Command::Run(flags) => &flags.given,
        Command::Replay(flags) => &flags.given,
        Command::Topics(TopicsCommand::Create(flags)) => &flags.given,
        Command::Schema(SchemaCommand::Register(flags) | SchemaCommand::Check(flags)) => &flags.given,
        Command::Quarantine(QuarantineCommand::List(args)) => &args.flags.given,
        Command::Quarantine(QuarantineCommand::Replay(args)) => &args.flags.given,
        Command::Config(args) => &args.flags.given,
    }
}

/// Settings ready for use: collected, checked, logging started.
fn prepare(file: Option<&Path>, flags: &[(&'static str, Vec<String>)]) -> Result<Loaded, Failure> {
    let loaded = collect(file, flags)?;
    loaded.check_secrets()?;
    logs::start(&loaded.settings.log)?;
    Ok(loaded)
}

fn collect(file: Option<&Path>, flags: &[(&'static str, Vec<String>)]) -> Result<Loaded, Failure> {
    // A variable that is not UTF-8 cannot be one of ours with a sensible value; its name may still be.
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    Ok(Loaded::collect(file, variables, flags)?)
}
