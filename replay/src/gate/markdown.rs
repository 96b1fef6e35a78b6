//! The gate's word as Markdown, for a pull request.

use std::fmt::Write;

use super::text::{meaning, side};
use super::{Gate, percent};
use crate::report::figures::three_digits;

/// What the gate says: a heading, its reasons, a table. Ends with a line break.
pub fn gate_markdown(gate: &Gate) -> String {
    let mut out = format!("### Performance gate: {}\n\n{}.\n", gate.outcome, clean(&meaning(gate)));
    if !gate.reasons.is_empty() {
        out.push('\n');
        for reason in &gate.reasons {
            let _ = writeln!(out, "- {}", clean(reason));
        }
    }
    if !gate.metrics.is_empty() {
        let _ = writeln!(
            out,
            "\n| | base | head | change | {:.0} % interval | width | limit | |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
            gate.confidence * 100.0
        );
    }
    for metric in &gate.metrics {
        let shown = |value| metric.name.shown(value);
        let (change, interval, width) = match metric.estimate {
            Some(told) => (
                percent(told.ratio),
                format!("{} to {}", percent(told.low), percent(told.high)),
                format!("{} %", three_digits(told.width * 100.0)),
            ),
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let cells = [
            metric.name.label().to_owned(),
            shown(metric.base),
            shown(metric.head),
            change,
            interval,
            width,
            metric.limit_text(),
            metric.word.name().to_owned(),
        ];
        let _ = writeln!(out, "| {} |", cells.map(|cell| clean(&cell)).join(" | "));
    }
    let (base, head) = (clean(&side(&gate.base)), clean(&side(&gate.head)));
    let _ = writeln!(out, "\nBase {base}; head {head}. {}; {}.", clean(&gate.load), clean(&gate.machine));
    out
}

/// Text in which nothing is markup: names of processors and files come from outside.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '\\' | '@' | '#' | '!' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
