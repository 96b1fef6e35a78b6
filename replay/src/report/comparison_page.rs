//! Several runs on one HTML page: the same axes, a table of ratios, and what else differs.

use super::ReportError;
use super::charts::{self, Run};
use super::comparison::{Comparison, Figure};
use super::figures::{NONE, bytes, duration, ms, short, times};
use super::html::{Cell, Table, document, figure, section};
use super::model::{Outcome, Report};
use super::page::footer;
use super::stages;
use super::svg::escape;

/// The page that compares runs with the first of them.
///
/// # Errors
/// A histogram of a report cannot be read.
pub fn comparison_page(reports: &[Report]) -> Result<String, ReportError> {
    let runs = reports.iter().enumerate().map(|(index, report)| Run::among(report, index));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let Some(comparison) = Comparison::of(reports) else { return Ok(document("No runs", "")) };
    let mut body = String::from("<header>\n<p class=\"brand\">WellStream replay report</p>\n");
    body += &format!("<h1>{} runs compared</h1>\n", runs.len());
    for (run, report) in comparison.runs.iter().zip(reports).filter(|(run, _)| run.outcome != Outcome::Ok) {
        let reasons =
            if run.reasons.is_empty() { String::new() } else { format!(": {}", run.reasons.join("; ")) };
        let says = format!("Run {}: {}{reasons}", run.letter, run.outcome.meaning(report.verdict.is_some()));
        body += &format!(
            "<div class=\"outcome {0}\"><b>{0}</b><span>{1}</span></div>\n",
            run.outcome,
            escape(&says)
        );
    }
    body += "</header>\n";
    body += &section("Runs", "", &runs_table(&runs));
    body += &section("Figures", FIGURES, &figures_table(&comparison, &runs));
    if reports.iter().any(|report| !report.latencies.is_empty()) {
        body += &section("Latency by percentile", LATENCY, &figure(&charts::by_percentile(&runs)));
    }
    if reports.iter().any(|report| !report.timeline.is_empty()) {
        body += &section("Latency over time", OVER_TIME, &figure(&charts::over_time(&runs)));
        let both = figure(&charts::rates(&runs)) + &figure(&charts::backlog(&runs));
        body += &section("Rate and backlog", RATE, &both);
    }
    if reports.iter().any(|report| !report.latencies.is_empty()) {
        body += &section("Where the time goes", "", &figure(&stages::stages(&runs)));
    }
    if reports.iter().any(|report| !report.timeline.is_empty()) {
        body += &section("Slip", SLIP, &figure(&charts::slip(&runs)));
        body += &section("Memory", "", &figure(&charts::memory(&runs)));
    }
    body += &differences(&comparison, &runs);
    body += &footer();
    Ok(document(&format!("{} runs compared", runs.len()), &body))
}

fn runs_table(runs: &[Run<'_>]) -> String {
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"text\">\n<thead><tr><th scope=\"col\">run</th>\
         <th scope=\"col\">outcome</th><th scope=\"col\">what</th><th scope=\"col\">started</th></tr></thead>\n<tbody>\n",
    );
    for run in runs {
        let report = run.report;
        html += &format!(
            "<tr><th scope=\"row\">{}</th><td><span class=\"badge {3}\">{3}</span></td><td>{1}<br/>\
             <span class=\"mono under\">{2}</span></td><td class=\"whole\">{4}</td></tr>\n",
            named(run),
            escape(&report.title),
            escape(&report.command_line()),
            report.outcome,
            escape(&report.started_utc)
        );
    }
    html + "</tbody>\n</table></div>\n"
}

/// A run's letter behind a piece of its line.
fn named(run: &Run<'_>) -> String {
    let letter = run.letter.split(' ').next().unwrap_or_default();
    format!("<span class=\"key {}\"></span>{letter}", run.class)
}

fn figures_table(comparison: &Comparison, runs: &[Run<'_>]) -> String {
    let mut head = vec![Cell::Text(String::new())];
    for (index, run) in runs.iter().enumerate() {
        head.push(Cell::Html(named(run)));
        if index > 0 {
            head.push(Cell::Text("to A".to_owned()));
        }
    }
    let mut table = Table::with_head(&head);
    for figure in &comparison.figures {
        let mut cells = Vec::new();
        for (index, value) in figure.values.iter().enumerate() {
            cells.push(Cell::Text(shown(figure, *value)));
            if index > 0 {
                cells.push(Cell::Html(ratio(figure, index)));
            }
        }
        table.row(figure.label, &cells);
    }
    table.finish()
}

/// A ratio in words and figures; struck where one of the two runs does not count.
fn ratio(figure: &Figure, run: usize) -> String {
    let (Some(ratio), Some(word)) = (figure.ratios[run], figure.word(run)) else { return NONE.to_owned() };
    let ratio = times(ratio);
    match (figure.counts[run], word) {
        (false, _) => format!("<s>{ratio}</s>"),
        (true, "same") => format!("{ratio} <span class=\"under\">same</span>"),
        (true, word) => format!("<b>{ratio}</b> <span class=\"under\">{word}</span>"),
    }
}

/// A value in the unit that its name ends with.
pub(super) fn shown(figure: &Figure, value: Option<f64>) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times and bytes; a float saturates"
    )]
    let whole = value.map(|value| value as u64);
    match (value, whole) {
        (Some(value), _) if figure.name.ends_with("_per_s") => short(value),
        (_, Some(whole)) if figure.name.ends_with("_ns_per_reading") => duration(whole),
        (_, Some(whole)) if figure.name.ends_with("_ns") => format!("{} ms", ms(whole)),
        (_, Some(whole)) => bytes(whole),
        _ => NONE.to_owned(),
    }
}

fn differences(comparison: &Comparison, runs: &[Run<'_>]) -> String {
    if comparison.differences.is_empty() {
        return section("What else differs", "Nothing that the reports know of.", "");
    }
    let mut head = vec![Cell::Text(String::new())];
    head.extend(runs.iter().map(|run| Cell::Html(named(run))));
    let mut table = Table::with_head(&head);
    for difference in &comparison.differences {
        table.texts(&difference.name, difference.values.iter().cloned());
    }
    section("What else differs", "", &table.finish())
}

const FIGURES: &str = "Ratios are to run A: 2.00× is twice as much. Struck where a run does not count. Each run was \
                       made once: a ratio smaller than the spread of repeated runs says nothing.";
const LATENCY: &str = "Intended time to visible. A curve ends where fewer than ten samples lie beyond.";
const OVER_TIME: &str = "The 99th percentile of each interval.";
const RATE: &str = "Dashed: offered; solid: achieved. Backlog: readings due and not yet through.";
const SLIP: &str = "The greatest of each interval: how late readings left the instrument.";
