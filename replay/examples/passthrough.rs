//! What the engine is measured against: a pass-through that fetches the same input and puts out as many bytes
//! in the same transactions, and does nothing else. `scripts/live` builds and calls it.
//!
//!     passthrough forward --brokers H:P --wells T --tanks T --output T --alerts T --quarantine T --group ID
//!         [--interval MS] [--every N]
//!     passthrough compare BINARY FOLDER small|full [--rate N] [--every N] [--seconds S] [--rounds N]
//!         [--interval MS] [--against pass-through|at-least-once]
//!     passthrough senders BROKERS RECORDS ROUNDS
//!
//! `forward` is the pass-through: a row for each N-th record, whose place it carries, so that `replay
//! --engine external` measures it as it measures the engine. `compare` runs engine and pass-through in turns
//! under the same load, at WELLSTREAM_TEST_BROKERS, and prints both; or the engine exactly once and at least
//! once. `senders` prints what a record costs each of the two clients that send.

#![expect(clippy::print_stdout, reason = "figures on standard output are what it is for")]

#[path = "passthrough/rows.rs"]
mod rows;
#[path = "passthrough/forward.rs"]
mod forward;
#[path = "passthrough/case.rs"]
mod case;
#[path = "passthrough/program.rs"]
mod program;
#[path = "passthrough/compare.rs"]
mod compare;
#[path = "passthrough/table.rs"]
mod table;
#[path = "passthrough/senders.rs"]
mod senders;

use std::process::ExitCode;

/// Whatever ends it before its time.
type Failed = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = args.split_first().ok_or(USAGE)?;
    match verb.as_str() {
        "forward" => forward::forward(&forward::Asked::read(rest)?),
        "compare" => compare::compare(&case::Asked::read(rest)?),
        "senders" => senders::senders(rest),
        _ => Err(USAGE.into()),
    }
}

/// `--name value` pairs.
fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg.strip_prefix("--") == Some(name))?;
    args.get(at + 1).map(String::as_str)
}

const USAGE: &str = "usage: passthrough forward|compare|senders ...; its head says how";
