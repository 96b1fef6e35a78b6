//! `wellstream config`: what is in force, and why.

use std::io::{self, Write};
use std::path::Path;

use super::collect;
use crate::args::ConfigArgs;
use crate::exit::Failure;
use crate::settings::{effective, reference};

/// Prints the effective settings or the reference.
pub(crate) fn config(args: &ConfigArgs, file: Option<&Path>) -> Result<(), Failure> {
    let text = match args.reference {
        true => reference(),
        false => effective(&collect(file, &args.flags.given)?),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
