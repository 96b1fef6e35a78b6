//! `wellstream gate`: the runs of two builds, and whether the second is slower.

use std::io::Write;

use wellstream_replay::gate::{Limits, gate as compare, gate_markdown, gate_text, read};
use wellstream_replay::report::Outcome;

use super::report::{failure, glyphs, painted};
use crate::args::GateArgs;
use crate::exit::Failure;

/// Compares, and says so on standard output. A slower build is a verdict; runs that cannot tell are invalid.
pub(crate) fn gate(args: &GateArgs) -> Result<(), Failure> {
    let (base, head) = (read(&args.base).map_err(failure)?, read(&args.head).map_err(failure)?);
    let limits = Limits {
        cpu: args.limit,
        time: args.limit_time.0,
        memory: args.limit_memory.0,
        latency: args.limit_latency.0,
    };
    let told = compare(&base, &head, &limits);
    let mut out = anstream::stdout().lock();
    match (args.json, args.markdown) {
        (true, _) => {
            let json = serde_json::to_string(&told).map_err(|error| Failure::Runtime(error.into()))?;
            writeln!(out, "{json}")?;
        }
        (_, true) => write!(out, "{}", gate_markdown(&told))?,
        _ => write!(out, "{}", painted(&gate_text(&told, glyphs())))?,
    }
    let says = || format!("{}: {}", told.outcome, told.reasons.join("; "));
    match told.outcome {
        Outcome::Ok => Ok(()),
        Outcome::Fail => Err(Failure::Verdict(says())),
        Outcome::Invalid => Err(Failure::Invalid(says())),
    }
}
