//! The report as one HTML page, complete in itself: no script, no request, light, dark and on paper.

use std::fmt::Write;
use std::time::Duration;

use super::ReportError;
use super::charts::{self, Run};
use super::figures::{NONE, bytes, duration, ms, rate, thousands, three_digits, told};
use super::html::{Cell, Table, document, figure, section};
use super::model::{Outcome, Outputs, Report, Search, Stage, Verdict};
use super::stages;
use super::svg::escape;

/// The page of one report.
///
/// # Errors
/// A histogram of the report cannot be read.
pub fn page(report: &Report) -> Result<String, ReportError> {
    let run = Run::alone(report)?;
    let runs = std::slice::from_ref(&run);
    let mut body = head(report);
    // What is wrong comes before all figures; what is right need not.
    let verdict = report.verdict.as_ref().map(verdict_section).unwrap_or_default();
    let verdict_first = report.outcome != Outcome::Ok;
    if verdict_first {
        body += &verdict;
    }
    if let Some(search) = &report.search {
        body += &search_section(search);
    }
    if report.series(Stage::EndToEnd).is_some_and(|series| series.ns.count > 0) {
        body += &section("Latency by percentile", LATENCY, &figure(&charts::by_percentile(runs)));
    }
    if !report.timeline.is_empty() {
        body += &section("Latency over time", OVER_TIME, &figure(&charts::over_time(runs)));
        let lead = if report.load.offered_per_s.is_some() { RATE } else { RATE_MAX };
        let both = figure(&charts::rates(runs)) + &figure(&charts::backlog(runs));
        body += &section("Rate and backlog", lead, &both);
    }
    if !report.latencies.is_empty() {
        body += &section(
            "Where the time goes",
            STAGES,
            &(figure(&stages::stages(runs)) + &latency_table(report)),
        );
    }
    if !report.timeline.is_empty() {
        body += &section("Slip", SLIP, &figure(&charts::slip(runs)));
        body += &section("Memory", "", &figure(&charts::memory(runs)));
    }
    if !verdict_first {
        body += &verdict;
    }
    body += &section("Load and result", "", &(load_table(report) + &result_table(report)));
    body += &setup(report);
    Ok(document(&format!("{} {}", report.outcome, report.title), &body))
}

fn head(report: &Report) -> String {
    let commit = report.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    let machine = &report.machine;
    format!(
        "<header>\n<p class=\"brand\">WellStream replay report</p>\n<h1>{}</h1>\n<p class=\"lead\">{}, WellStream {}{}, \
         {}, {} cores</p>\n{}{}</header>\n",
        escape(&report.title),
        escape(&report.started_utc),
        escape(&report.version),
        escape(&commit),
        escape(&machine.cpu_model),
        machine.cores,
        outcome(report),
        tiles(report)
    )
}

fn outcome(report: &Report) -> String {
    let meaning = report.outcome.meaning(report.verdict.is_some());
    let reasons: String =
        report.reasons.iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
    let reasons = if reasons.is_empty() { reasons } else { format!("<ul>{reasons}</ul>") };
    format!(
        "<div class=\"outcome {0}\" role=\"status\"><b>{0}</b><span>{meaning}</span>{reasons}</div>\n",
        report.outcome
    )
}

/// The figures that most readers came for.
fn tiles(report: &Report) -> String {
    let result = &report.result;
    let void = if report.outcome == Outcome::Ok { "" } else { " void" };
    let mut html = format!("<dl class=\"tiles{void}\">\n");
    let mut tile = |name: &str, value: String, under: String| {
        let (name, value, under) = (escape(name), escape(&value), escape(&under));
        let _ = writeln!(
            html,
            "<div><dt>{name}</dt><dd><span>{value}</span><span class=\"under\">{under}</span></dd></div>"
        );
    };
    tile("achieved", rate(result.achieved_per_s), against_offer(report));
    if let Some(best) = report.search.as_ref().map(|search| search.best_per_s) {
        tile("best rate", best.map_or_else(|| NONE.to_owned(), rate), "held".to_owned());
    }
    if let Some(series) = report.series(Stage::EndToEnd) {
        let ns = &series.ns;
        tile("p50", told(ns.p50, duration), "end to end".to_owned());
        tile("p99", told(ns.p99, duration), String::new());
        tile("p99.9", told(ns.p99_9, duration), String::new());
        tile("max", duration(ns.max), format!("of {}", thousands(ns.count)));
    }
    let per_reading = Duration::try_from_secs_f64(result.cpu_s / result.events_sent.max(1) as f64);
    let per_reading = per_reading.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let cores = result.cpu_s / result.elapsed_s.max(1e-9);
    tile("CPU", duration(per_reading), format!("per reading, {cores:.2} cores busy"));
    tile("memory", bytes(result.max_rss_bytes), "at most".to_owned());
    html + "</dl>\n"
}

fn against_offer(report: &Report) -> String {
    match report.load.offered_per_s {
        Some(offered) if offered > 0.0 => {
            let share = 100.0 * report.result.achieved_per_s / offered;
            format!("{share:.1} % of {} offered", rate(offered))
        }
        _ => "as fast as it goes".to_owned(),
    }
}

fn verdict_section(verdict: &Verdict) -> String {
    let mut table = Table::of_numbers(&["", "expected", "found", ""]);
    for (name, expected, found) in compared(&verdict.expected, &verdict.found) {
        let word = if expected == found {
            Cell::Text("equal".to_owned())
        } else {
            Cell::Html("<span class=\"differs\">differs</span>".to_owned())
        };
        table.row(name, &[Cell::Text(expected), Cell::Text(found), word]);
    }
    let mut html = table.finish();
    for (what, count, ids) in [
        ("rows missing", verdict.missing_count, &verdict.missing),
        ("rows too many", verdict.repeated_count, &verdict.repeated),
    ] {
        if count > 0 {
            let ids = escape(&ids.join("\n"));
            let _ = write!(html, "<p>{} {what}, among them:</p>\n<pre>{ids}</pre>\n", thousands(count));
        }
    }
    let lead = if verdict.ok { VERDICT_OK } else { VERDICT_FAIL };
    section("Verdict", lead, &html)
}

/// Name, expected, found.
fn compared(expected: &Outputs, found: &Outputs) -> Vec<(&'static str, String, String)> {
    let figures = |o: &Outputs| {
        [
            thousands(o.rows),
            thousands(o.alert_rows),
            thousands(o.alarms.raised),
            thousands(o.alarms.escalated),
            thousands(o.alarms.cleared),
            thousands(o.risk_sum),
            o.digest.clone(),
        ]
    };
    let names = ["rows", "ALERT rows", "alarms raised", "escalated", "cleared", "sum of risk", "digest"];
    let both = figures(expected).into_iter().zip(figures(found));
    names.into_iter().zip(both).map(|(name, (expected, found))| (name, expected, found)).collect()
}

fn search_section(search: &Search) -> String {
    let lead = match search.best_per_s {
        Some(best) => format!(
            "{} is the highest rate tried that held {}; {}.",
            rate(best),
            search.slo,
            if search.confirmed {
                "a second run there confirmed it"
            } else {
                "no second run has confirmed it"
            }
        ),
        None => format!("No rate tried held {}.", search.slo),
    };
    let at = format!("p{}", search.slo_percentile);
    let mut head = vec!["offered", "achieved", "p50 ms", "p99 ms"];
    let beside = !["p50", "p99"].contains(&at.as_str());
    let named = format!("{at} ms");
    head.extend(beside.then_some(named.as_str()));
    head.extend(["held", "why"]);
    let mut table = Table::of_numbers(&head);
    for step in &search.steps {
        let slo = beside.then(|| told(step.slo_ns, ms));
        let held = if step.held { "yes" } else { "no" }.to_owned();
        let figures = [rate(step.achieved_per_s), told(step.p50_ns, ms), told(step.p99_ns, ms)];
        table.texts(&rate(step.rate_per_s), figures.into_iter().chain(slo).chain([held, step.why.clone()]));
    }
    section("Highest rate", &lead, &(figure(&stages::search(search)) + &table.finish()))
}

fn latency_table(report: &Report) -> String {
    let head = ["milliseconds", "p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max", "samples"];
    let mut table = Table::of_numbers(&head);
    for series in &report.latencies {
        let figures = series.ns.told().map(|(_, ns)| told(ns, ms)).into_iter();
        table.texts(series.name.label(), figures.chain([ms(series.ns.max), thousands(series.ns.count)]));
    }
    let mut whats = Table::of_texts();
    for series in &report.latencies {
        whats.texts(series.name.label(), [series.what.clone()]);
    }
    table.finish() + &whats.finish()
}

fn load_table(report: &Report) -> String {
    let load = &report.load;
    let seed = load.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    let mut table = Table::of_texts();
    table.texts("load", [format!("{}{seed}", load.source)]);
    table.texts("target", [format!("{}, engine {}", load.target, load.engine)]);
    let offered = load.offered_per_s.map_or_else(|| "as fast as it goes".to_owned(), rate);
    let duration = load.duration_s.map_or_else(String::new, |s| format!(", {} s", three_digits(s)));
    table.texts("rate", [format!("{offered}, {}{duration}", load.profile)]);
    table.texts("readings", [thousands(load.events)]);
    table.texts(
        "warm-up",
        [format!("{} s, left out of latencies, not of the verdict", three_digits(load.warmup_s))],
    );
    table.finish()
}

fn result_table(report: &Report) -> String {
    let result = &report.result;
    let counts = |counts: &std::collections::BTreeMap<String, u64>| match counts.len() {
        0 => "0".to_owned(),
        _ => {
            counts.iter().map(|(name, n)| format!("{name} {}", thousands(*n))).collect::<Vec<_>>().join(", ")
        }
    };
    let mut table = Table::of_texts();
    let drained = if result.drained {
        "all that was sent came out"
    } else {
        "not drained: something sent had not come out"
    };
    table.texts("sent", [format!("{} readings; {drained}", thousands(result.events_sent))]);
    if let Some(outputs) = &result.outputs {
        let alarms = outputs.alarms;
        table.texts(
            "rows",
            [format!("{}, {} of them ALERT", thousands(outputs.rows), thousands(outputs.alert_rows))],
        );
        let counts = [alarms.raised, alarms.escalated, alarms.cleared].map(thousands);
        table.texts(
            "alarms",
            [format!("{} raised, {} escalated, {} cleared", counts[0], counts[1], counts[2])],
        );
    }
    table.texts("dropped", [counts(&result.dropped)]);
    table.texts("late", [thousands(result.late)]);
    table.texts("quarantined", [counts(&result.quarantined)]);
    table.texts(
        "elapsed",
        [format!("{} s, {} s CPU", three_digits(result.elapsed_s), three_digits(result.cpu_s))],
    );
    table.finish()
}

fn setup(report: &Report) -> String {
    let machine = &report.machine;
    let mut table = Table::of_texts();
    table.texts("processor", [format!("{}, {} cores", machine.cpu_model, machine.cores)]);
    table.texts("memory", [bytes(machine.memory_bytes)]);
    table.texts("system", [format!("{}, {}", machine.os, machine.kernel)]);
    let machine = section("Machine", "", &table.finish());
    let command = format!("<pre><code>{}</code></pre>\n", escape(&report.command_line()));
    let mut table = Table::of_texts();
    for (key, value) in &report.configuration {
        table.texts(key, [value.clone()]);
    }
    let configuration = if report.configuration.is_empty() { String::new() } else { table.finish() };
    machine + &section("Command and configuration", "", &(command + &configuration)) + &footer()
}

/// How all pages end.
pub(super) fn footer() -> String {
    format!("<footer><p>{METHOD}</p></footer>\n")
}

const LATENCY: &str = "From the time a reading was due to be sent until its row was visible. A curve ends where fewer \
                       than ten samples lie beyond. Dashed: how late it was sent, which is part of it.";
const OVER_TIME: &str =
    "Bands between the median, the 90th and 99th percentile and the maximum of each interval.";
const RATE: &str = "Dashed: offered; solid: achieved. Backlog: readings due and not yet through.";
const RATE_MAX: &str = "As fast as it goes: nothing was offered at a time of its own.";
const STAGES: &str = "In the order of the flow. Percentiles of stages do not add up to those of the whole. Broker in \
                      counts from the intended time: slip, the way through the broker, the wait for the engine.";
const SLIP: &str = "How late readings left the instrument. It is part of every latency: a slip near the latency means \
                    that the instrument was measured.";
const VERDICT_OK: &str = "The output equals what the oracle, a program of its own, makes of the same input.";
const VERDICT_FAIL: &str = "The output is not what the oracle makes of the same input.";
const METHOD: &str = "Open loop: every reading has its intended time on an absolute schedule, and latency counts from \
                      there, so that a stall is charged to all that it delayed. Percentiles come from whole \
                      histograms (HdrHistogram, three digits); none is told with fewer than ten samples beyond it.";
