//! From the command line to the command: settings are collected, logging starts, the command runs.

mod config;
pub(crate) mod run;
mod replay;
mod record;
mod inspect;
mod report;
mod gate;
mod topics;
mod schema;
mod quarantine;
mod query;
mod txn;

use std::path::{Path, PathBuf};

use wellstream_core::record::Side;

use crate::args::{Cli, Command, QuarantineCommand, QueryCommand, SchemaCommand, TopicsCommand, TxnCommand};
use crate::exit::Failure;
use crate::logs;
use crate::settings::{FILE_VARIABLE, Loaded};

/// Runs what the command line asks for.
pub(crate) fn dispatch(cli: Cli) -> Result<(), Failure> {
    let file = cli
        .config
        .or_else(|| std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
    let prepare = |flags: &[_]| prepare(file.as_deref(), flags);
    match cli.command {
        Command::Run(flags) => run::run(&prepare(&flags.given)?.settings),
        Command::Replay(args) => replay::replay(&prepare(&args.flags.given)?, args.trace.as_deref()),
        Command::Record(args) => record::record(&prepare(&args.flags.given)?.settings, &args),
        Command::Inspect(args) => inspect::inspect(&prepare(&args.flags.given)?.settings, &args),
        Command::Config(args) => config::config(&args, file.as_deref()),
        Command::Report(args) => report::report(&args),
        Command::Gate(args) => gate::gate(&args),
        Command::Topics(TopicsCommand::Create(flags)) => topics::create(&prepare(&flags.given)?.settings),
        Command::Schema(SchemaCommand::Register(flags)) => schema::register(&prepare(&flags.given)?.settings),
        Command::Schema(SchemaCommand::Check(flags)) => schema::check(&prepare(&flags.given)?.settings),
        Command::Quarantine(QuarantineCommand::List(args)) => {
            quarantine::list(&prepare(&args.flags.given)?.settings, &args.filter, args.json)
        }
        Command::Quarantine(QuarantineCommand::Replay(args)) => {
            quarantine::replay(&prepare(&args.flags.given)?.settings, &args.filter, args.yes)
        }
        Command::Query(QueryCommand::Well(args)) => {
            query::sensor(&prepare(&args.flags.given)?.settings, Side::Well, &args)
        }
        Command::Query(QueryCommand::Tank(args)) => {
            query::sensor(&prepare(&args.flags.given)?.settings, Side::Tank, &args)
        }
        Command::Query(QueryCommand::Facility(args)) => {
            query::facility(&prepare(&args.flags.given)?.settings, &args)
        }
        Command::Query(QueryCommand::Riskiest(args)) => {
            query::riskiest(&prepare(&args.flags.given)?.settings, &args)
        }
        Command::Txn(TxnCommand::List(args)) => txn::list(&prepare(&args.flags.given)?.settings, &args),
        Command::Txn(TxnCommand::Abort(args)) => txn::abort(&prepare(&args.flags.given)?.settings, args.yes),
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
