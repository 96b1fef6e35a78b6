//! How a command ends: the exit code, and one clear line on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::settings::SettingsError;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was checked does not hold, and the output has said so: exit code 1.
    Verdict(String),
    /// What was measured may not be used, and the output has said why: exit code 4.
    Invalid(String),
    /// What was asked for makes no sense: exit code 2.
    Usage(anyhow::Error),
    /// It made sense and went wrong: exit code 3.
    Runtime(anyhow::Error),
}

impl Failure {
    /// A usage error with this message.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(anyhow::Error::msg(message.into()))
    }

    /// What happened, as one line.
    pub(crate) fn message(self) -> String {
        match self {
            Failure::Verdict(text) | Failure::Invalid(text) => text,
            Failure::Usage(error) | Failure::Runtime(error) => one_line(&error),
        }
    }

    /// Says what happened and gives the exit code. A closed pipe is no failure.
    pub(crate) fn report(self) -> ExitCode {
        let (error, code) = match self {
            Failure::Verdict(verdict) => (anyhow::Error::msg(verdict), VERDICT),
            Failure::Invalid(why) => (anyhow::Error::msg(why), INVALID),
            Failure::Usage(error) => (error, USAGE),
            Failure::Runtime(error) => (error, RUNTIME),
        };
        if error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        let mut stderr = io::stderr().lock();
        // Nothing is left to do if standard error is closed too.
        let _ = writeln!(stderr, "error: {}", one_line(&error));
        ExitCode::from(code)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Failure {
        Failure::Usage(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Runtime(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Runtime(error)
    }
}

/// The message and its causes, each only where it says something new.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
    }
    line
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A check says no.
const VERDICT: u8 = 1;
/// The command line or the settings are wrong.
const USAGE: u8 = 2;
/// Something failed while running.
pub(crate) const RUNTIME: u8 = 3;

/// A measurement does not hold.
const INVALID: u8 = 4;

/// Prints clap's message or help; its exit codes are ours: 0 for help, 2 for usage.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}
