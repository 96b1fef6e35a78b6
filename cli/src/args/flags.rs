//! Flags of a command that are settings, made from the table of keys.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::settings::{KEYS, Kind, LATER};

/// The settings that a command's flags give, as typed. `USES` says which keys the command has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags<const USES: u16> {
    /// Key and what was given, in the order given.
    pub(crate) given: Vec<(&'static str, Vec<String>)>,
}

impl<const USES: u16> Args for Flags<USES> {
    fn augment_args(command: Command) -> Command {
        let command = KEYS.iter().filter(|key| key.uses & USES != 0).fold(command, |command, key| {
            let help = match (key.default, key.kind) {
                (Some(_), Kind::Switch) | (None, _) => key.help.to_owned(),
                (Some(default), _) => format!("{} [default: {default}]", key.help),
            };
            let flag = key.flag().trim_start_matches('-').to_owned();
            let arg = Arg::new(key.name).long(flag).help(help).value_name(key.value);
            let arg = match key.kind {
                Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                Kind::Properties => arg.short('X').action(ArgAction::Append),
                Kind::List => arg.action(ArgAction::Append),
                _ => arg,
            };
            let (heading, hidden) = match key.name.split_once('.') {
                Some(("rules", _)) => (Some("Rules"), true),
                Some(("embedded", _)) => (Some("Embedded source"), true),
                _ => (None, false),
            };
            command.arg(arg.help_heading(heading).hide_short_help(hidden))
        });
        LATER.iter().fold(command, |command, name| {
            let arg = Arg::new(*name).long(name.replace('_', "-")).hide(true).num_args(0..=1);
            command.arg(arg.action(ArgAction::Append))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const USES: u16> FromArgMatches for Flags<USES> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        for name in LATER {
            if matches.try_contains_id(name).unwrap_or(false) && matches.value_source(name).is_some() {
                let flag = name.replace('_', "-");
                return Err(Error::raw(
                    ErrorKind::UnknownArgument,
                    format!("--{flag} is not in this version yet\n"),
                ));
            }
        }
        let mut given = Vec::new();
        for key in KEYS.iter().filter(|key| key.uses & USES != 0) {
            if let Some(values) = matches.get_many::<String>(key.name) {
                given.push((key.name, values.cloned().collect()));
            }
        }
        Ok(Flags { given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
