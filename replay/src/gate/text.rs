//! The gate's word for a terminal: at most 100 columns.

use std::fmt::Write;

use super::{Gate, Side};
use crate::report::figures::three_digits;
use crate::report::text::{plain, wrapped};
use crate::report::{Glyphs, Outcome};

/// What the gate says, with a line for each metric. Ends with a line break.
pub fn gate_text(gate: &Gate, glyphs: Glyphs) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", gate.outcome, meaning(gate));
    for reason in &gate.reasons {
        wrapped(&mut out, "  - ", reason);
    }
    let mut line = |name: &str, value: &str| wrapped(&mut out, &format!("  {name:<10} "), value);
    line("base", &side(&gate.base));
    line("head", &side(&gate.head));
    line("load", &gate.load);
    line("machine", &gate.machine);
    if gate.metrics.is_empty() {
        return plain(out, glyphs);
    }
    let interval = format!("{:.0} % interval", gate.confidence * 100.0);
    let _ = writeln!(
        out,
        "\n{:<17}{:>10}{:>10}{:>10}  {interval:<16}{:>7}{:>7}  word",
        "", "base", "head", "head/base", "width", "limit"
    );
    for metric in &gate.metrics {
        let shown = |value| metric.name.shown(value);
        let (ratio, interval, width) = match metric.estimate {
            Some(told) => (
                format!("{:.3}", told.ratio),
                format!("{:.3} to {:.3}", told.low, told.high),
                format!("{} %", three_digits(told.width * 100.0)),
            ),
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let _ = writeln!(
            out,
            "{:<17}{:>10}{:>10}{ratio:>10}  {interval:<16}{width:>7}{:>7}  {}",
            metric.name.label(),
            shown(metric.base),
            shown(metric.head),
            metric.limit_text(),
            metric.word.name()
        );
    }
    plain(out, glyphs)
}

/// What the outcome means, in a sentence's part.
pub(super) fn meaning(gate: &Gate) -> String {
    match (gate.outcome, gate.metrics.is_empty()) {
        (Outcome::Ok, _) => format!("not slower than the limits allow, by {} pairs of runs", gate.pairs),
        (Outcome::Fail, false) => format!("slower than the limits allow, by {} pairs of runs", gate.pairs),
        (Outcome::Fail, true) => "the output is not what it was, or not what it must be".to_owned(),
        (Outcome::Invalid, _) => "these runs cannot tell".to_owned(),
    }
}

/// One of the builds, in a few words.
pub(super) fn side(side: &Side) -> String {
    let commit = side.commit.as_deref().unwrap_or("of an unknown commit");
    format!("{commit} ({}), {} runs", side.version, side.runs)
}
