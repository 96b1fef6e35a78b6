//! A report for a terminal: at most 100 columns, plain ASCII where asked for.

use std::fmt::Write;

use super::comparison::Comparison;
use super::comparison_page::shown;
use super::figures::{bytes, duration, rate, thousands, three_digits};
use super::model::{Outcome, Report, Stage};
use super::scale::Scale;

/// Which characters may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Blocks and arrows.
    Unicode,
    /// For files, pipes and old terminals.
    Ascii,
}

/// What a run came to, with its latencies as bars. Ends with a line break.
pub fn summary_text(report: &Report, glyphs: Glyphs) -> String {
    let mut out = String::new();
    let meaning = report.outcome.meaning(report.verdict.is_some());
    let _ = writeln!(out, "{}: {meaning}", report.outcome);
    for reason in &report.reasons {
        wrapped(&mut out, "  - ", reason);
    }
    let mut line = |name: &str, value: &str| wrapped(&mut out, &format!("  {name:<10} "), value);
    line("run", &report.title);
    let result = &report.result;
    let offered = report
        .load
        .offered_per_s
        .map_or_else(|| "as fast as it goes".to_owned(), |offered| format!("of {} offered", rate(offered)));
    let sent = thousands(result.events_sent);
    line(
        "achieved",
        &format!(
            "{} {offered}; {sent} readings in {} s",
            rate(result.achieved_per_s),
            three_digits(result.elapsed_s)
        ),
    );
    if let Some(outputs) = &result.outputs {
        line(
            "rows",
            &format!(
                "{} ({} ALERT), digest {}",
                thousands(outputs.rows),
                thousands(outputs.alert_rows),
                outputs.digest
            ),
        );
    }
    let cores = result.cpu_s / result.elapsed_s.max(1e-9);
    line("used", &format!("{cores:.2} cores, {} at most", bytes(result.max_rss_bytes)));
    if let Some(slip) = report.series(Stage::Slip).filter(|slip| slip.ns.count > 0) {
        let p99 = slip.ns.p99.map_or_else(|| "-".to_owned(), duration);
        line("slip", &format!("p99 {p99}, max {}", duration(slip.ns.max)));
    }
    out += &bars(report, glyphs);
    plain(out, glyphs)
}

/// The end-to-end latency: one bar for each percentile that may be told.
fn bars(report: &Report, glyphs: Glyphs) -> String {
    let Some(series) = report.series(Stage::EndToEnd).filter(|series| series.ns.count > 0) else {
        return String::new();
    };
    let told = series.ns.told().map(|(quantile, ns)| (quantile.label(), ns));
    let all: Vec<(String, Option<u64>)> =
        told.into_iter().chain([("max".to_owned(), Some(series.ns.max))]).collect();
    let values = || all.iter().filter_map(|(_, ns)| *ns).map(|ns| ns as f64);
    let low = values().fold(f64::INFINITY, f64::min);
    // A bar of the least value must not vanish, so a logarithmic axis begins a step below it.
    let scale = match Scale::automatic(values()) {
        Scale::Log { high, .. } => Scale::log(low / 2.0, high),
        scale => scale,
    };
    let how = if matches!(scale, Scale::Log { .. }) { ", bars logarithmic" } else { "" };
    let mut out = format!("\n  latency, intended time to visible{how}\n");
    for (name, ns) in all {
        let _ = match ns {
            Some(ns) => {
                writeln!(out, "  {name:<8}{:>9}  {}", duration(ns), bar(scale.place(ns as f64), glyphs))
            }
            None => writeln!(out, "  {name:<8}{:>9}  too few samples", "-"),
        };
    }
    out
}

fn bar(share: f64, glyphs: Glyphs) -> String {
    let steps = match glyphs {
        Glyphs::Unicode => EIGHTHS.len(),
        Glyphs::Ascii => 1,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the bar's width")]
    let parts = (share * (BAR_COLUMNS * steps) as f64).round() as usize;
    match glyphs {
        Glyphs::Ascii => "#".repeat(parts),
        Glyphs::Unicode => {
            let mut bar = "\u{2588}".repeat(parts / steps);
            bar.push_str(EIGHTHS[parts % steps]);
            bar
        }
    }
}

/// Runs compared: figures and their ratios to the first run. Ends with a line break.
pub fn comparison_text(comparison: &Comparison, glyphs: Glyphs) -> String {
    let mut out = String::new();
    for run in &comparison.runs {
        wrapped(&mut out, &format!("{}  {:<8}", run.letter, run.outcome.name()), &run.title);
    }
    for run in comparison.runs.iter().filter(|run| run.outcome != Outcome::Ok) {
        let reasons =
            if run.reasons.is_empty() { String::new() } else { format!(": {}", run.reasons.join("; ")) };
        let says = format!("run {} does not count{reasons}. Ratios with it stand in brackets.", run.letter);
        wrapped(&mut out, &format!("{}: ", run.outcome), &says);
    }
    let others: Vec<usize> = (1..comparison.runs.len()).collect();
    let blocks: Vec<&[usize]> =
        if others.is_empty() { vec![&[]] } else { others.chunks(RUNS_A_BLOCK).collect() };
    for block in blocks {
        out.push('\n');
        out += &comparison_block(comparison, block);
    }
    if !comparison.differences.is_empty() {
        out += "\nwhat else differs\n";
        for difference in &comparison.differences {
            wrapped(&mut out, &format!("  {:<14} ", difference.name), &difference.values.join(" | "));
        }
    }
    plain(out, glyphs)
}

fn comparison_block(comparison: &Comparison, others: &[usize]) -> String {
    let mut out = format!("{:<22}{:>12}", "", comparison.runs[0].letter);
    for other in others {
        let _ = write!(out, "{:>12}{:>9}", comparison.runs[*other].letter, "to A");
    }
    out.push('\n');
    for figure in &comparison.figures {
        let _ = write!(out, "{:<22}{:>12}", figure.label, shown(figure, figure.values[0]));
        for other in others {
            let ratio = figure.ratios[*other].map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"));
            let ratio = if figure.counts[*other] { ratio } else { format!("({ratio})") };
            let _ = write!(out, "{:>12}{ratio:>9}", shown(figure, figure.values[*other]));
        }
        out.push('\n');
    }
    out
}

/// Text behind a head, broken between words; further lines stand under the first one's text.
pub(crate) fn wrapped(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    let clean: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let mut line = head.to_owned();
    let mut column = indent;
    for word in clean.split_whitespace().flat_map(|word| pieces(word, COLUMNS - indent)) {
        let width = word.chars().count();
        if column > indent && column + 1 + width > COLUMNS {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
            column = indent;
        }
        if column > indent {
            line.push(' ');
            column += 1;
        }
        line.push_str(&word);
        column += width;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// A word too long for a line, cut.
fn pieces(word: &str, columns: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(columns.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// Without what old terminals cannot show.
pub(crate) fn plain(text: String, glyphs: Glyphs) -> String {
    match glyphs {
        Glyphs::Unicode => text,
        Glyphs::Ascii => text
            .replace('\u{b5}', "u")
            .replace(super::figures::NONE, "-")
            .chars()
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect(),
    }
}

const COLUMNS: usize = 100;
const BAR_COLUMNS: usize = 60;
const EIGHTHS: [&str; 8] =
    ["", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}"];
/// Besides the first: three stand in 100 columns.
const RUNS_A_BLOCK: usize = 3;
