//! What people read of a record: one page of tables, and plots.

use std::fmt::Write;

use serde_json::Value;
use wellstream_replay::report::{GrowthPlot, GrowthPoint};

use super::runs::{Record, Rung, Spread, cpu_ns, latency, number};

/// The page, as Markdown.
pub(super) fn page(record: &Record) -> String {
    let about = &record.about;
    let machine = &record.machine;
    let mut out = format!(
        "# Record of {}, commit {}\n\nMade by `scripts/record {}` on {} hardware threads of {}, {:.0} GiB, {}, {}; load \
         average\nbefore it: {}. A small record shows that it works; its figures say nothing.\n\n\
         Each figure is the median of the runs behind it, least and greatest in brackets; the raw results are in\n\
         [record.json](record.json). Every run of a load put out the same rows (digest of row ids), and where it says so\n\
         the oracle's; else there would be no record. CPU time and memory are the whole process's: in memory the\n\
         generator and the sender are in them; at a rate the sender spins, so no CPU time is told there. A latency is told\n\
         only at a rate. \"State\" is what the engine holds to join.\n\n",
        about.date,
        about.commit,
        about.size,
        machine.cores,
        machine.cpu_model,
        machine.memory_bytes as f64 / GIB,
        machine.kernel,
        about.rustc,
        about.load_before,
    );
    in_short(record, &mut out);
    hot_path(record, &mut out);
    for (group, title, x_name) in GROUPS {
        table(record, group, title, x_name, &mut out);
    }
    memory(record, &mut out);
    hot_facility(record, &mut out);
    commands(record, &mut out);
    out
}

/// The plots, by file name; none of a group without two rungs.
pub(super) fn plots(record: &Record) -> Vec<(&'static str, String)> {
    let plot = |(name, title, group, x_name, y_name, figure): &PlotOf| {
        let rungs = record.group(group);
        let points: Vec<_> = rungs
            .iter()
            .filter_map(|rung| {
                let Spread { median, low, high } = rung.spread(figure)?;
                Some(GrowthPoint { x: rung.x, low, y: median, high })
            })
            .collect();
        let svg = GrowthPlot { title, x_name, y_name, points: &points }.svg();
        (points.len() > 1).then_some((*name, svg))
    };
    PLOTS.iter().filter_map(plot).collect()
}

/// The figures that are asked for first: lines for the project's README.
fn in_short(record: &Record, out: &mut String) {
    let of = |group: &str, x: Option<f64>, figure: &dyn Fn(&Value) -> Option<f64>| {
        let rungs = record.group(group);
        rungs.into_iter().find(|rung| x.is_none_or(|x| rung.x == x))?.spread(figure)
    };
    let per_s = number("events_per_s");
    let rss = number("max_rss_bytes");
    let millions = |per_s: f64| format!("{:.2}M readings/s", per_s / 1e6);
    let megabytes = |bytes: f64| format!("{:.0} MB", bytes / MB);
    let milliseconds = |ms: f64| format!("{ms:.1} ms");
    let lines = [
        (
            "10,000 facilities in memory, as fast as it goes",
            of("facilities", Some(1e4), &per_s).map(|s| told(Some(s), millions)),
        ),
        ("a backlog drained from Kafka", of("drain-native", None, &per_s).map(|s| told(Some(s), millions))),
        ("its peak memory", of("drain-native", None, &rss).map(|s| told(Some(s), megabytes))),
        ("the same through librdkafka", of("drain-rdkafka", None, &per_s).map(|s| told(Some(s), millions))),
        (
            "drained to Kafka exactly once, every row written",
            of("drain-rows", Some(1.0), &per_s).map(|s| told(Some(s), millions)),
        ),
        (
            "p99 at a rate, from intended time to durable",
            of("rate", None, &latency("p99")).map(|s| told(Some(s), milliseconds)),
        ),
        ("the highest rate with p99 < 250 ms", of("search", None, &per_s).map(|s| told(Some(s), millions))),
        (
            "peak memory at 10,000 facilities at a steady rate, generator included",
            of("steady-facilities", Some(1e4), &rss).map(|s| told(Some(s), megabytes)),
        ),
        (
            "peak memory at 1,000,000 facilities and wells, generator included",
            of("facilities", Some(1e6), &rss).map(|s| told(Some(s), megabytes)),
        ),
    ];
    out.push_str("## In short\n\n");
    for (what, figure) in lines.iter().filter_map(|(what, figure)| Some((what, figure.as_ref()?))) {
        let _ = writeln!(out, "- {what}: {figure}");
    }
    out.push('\n');
}

/// What the bench printed.
fn hot_path(record: &Record, out: &mut String) {
    for rung in record.group("hot-path") {
        let _ = writeln!(out, "## The engine alone, one core\n\n    {}\n", rung.command);
        let lines = rung.runs.iter().filter_map(|run| run.get("lines")?.as_array()).flatten();
        for line in lines.filter_map(Value::as_str) {
            let _ = writeln!(out, "- {line}");
        }
        out.push('\n');
    }
}

fn table(record: &Record, group: &str, title: &str, x_name: &str, out: &mut String) {
    let rungs = record.group(group);
    if rungs.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "## {title}\n\n| {x_name} | readings | rows per reading | readings/s | ns CPU per reading | peak RSS, MB | \
         state, MB | p99, ms | runs | oracle |\n| {}",
        "--- | ".repeat(10).trim_end()
    );
    for rung in rungs {
        let rows = rung.runs.first().and_then(number("rows")).unwrap_or_default();
        let per_s = rung.spread(number("events_per_s"));
        let cells = [
            plain(rung.x),
            grouped(rung.events()),
            format!("{:.2}", rows / rung.events().max(1.0)),
            told(per_s, |per_s| format!("{:.2}M", per_s / 1e6)),
            told(rung.spread(cpu_ns).filter(|_| rung.is_unpaced()), |ns| format!("{ns:.0}")),
            told(rung.spread(number("max_rss_bytes")), |bytes| format!("{:.0}", bytes / MB)),
            told(rung.spread(number("peak_state_bytes")), |bytes| format!("{:.1}", bytes / MB)),
            told(rung.spread(latency("p99")).filter(|_| !rung.is_unpaced()), |ms| format!("{ms:.1}")),
            rung.runs.len().to_string(),
            if rung.verified { "equal".to_owned() } else { "no verdict".to_owned() },
        ];
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
    for (name, title, ..) in PLOTS.iter().filter(|plot| plot.2 == group && record.group(group).len() > 1) {
        let _ = writeln!(out, "![{title}]({name})\n");
    }
}

/// What a facility and a reading in flight cost, by difference between rungs at a steady rate.
fn memory(record: &Record, out: &mut String) {
    let state = |group: &str, x: f64| {
        let rungs = record.group(group);
        rungs.into_iter().find(|rung| rung.x == x)?.spread(number("peak_state_bytes"))
    };
    let per_facility = state("steady-facilities", 100_000.0)
        .zip(state("steady-facilities", 10_000.0))
        .map(|(large, small)| (large.median - small.median) / 90_000.0);
    // 10 pairs per reading are 4,000 readings a second of event time at these facilities, 1 pair is 400.
    let in_flight = (4_000.0 - 400.0) * IN_FLIGHT_S;
    let per_reading = state("steady-density", 10.0)
        .zip(state("steady-density", 1.0))
        .map(|(dense, usual)| (dense.median - usual.median) / in_flight);
    if let (Some(facility), Some(reading)) = (per_facility, per_reading) {
        let _ = writeln!(
            out,
            "## What a facility and a reading cost\n\n- A facility with the six readings that it has in flight at the \
             default density: {facility:.0} bytes of state\n  (100,000 facilities less 10,000, at a steady rate).\n- A \
             reading in flight: {reading:.0} bytes of state (10 pairs per reading less 1, over the readings of the\n  \
             last {IN_FLIGHT_S:.0} s of event time: the bound and the lateness). Windows double, so up to half of their places are free.\n- \
             Sent as fast as they go, partitions run apart by up to `--max-ahead` (60 s), so that up to five times as\n  many \
             readings are in flight; `--state-bytes-max` bounds all of it.\n"
        );
    }
}

/// Whether a dense facility slows the readings of others.
fn hot_facility(record: &Record, out: &mut String) {
    let rungs = record.group("hot-facility");
    let [without, with] = &rungs[..] else { return };
    let p99 = without.spread(latency("p99"));
    let p999 = with.spread(latency("p999"));
    if let (Some(p99), Some(p999)) = (p99, p999) {
        let _ = writeln!(
            out,
            "The hot facility (1) makes about half of all rows, so the p99 of all other rows is at most the p99.5 of all, \
             and\nthat at most the p99.9 of all: {:.1} ms, {:.2} times the p99 without it (0), {:.1} ms.\n",
            p999.median,
            p999.median / p99.median,
            p99.median
        );
    }
}

fn commands(record: &Record, out: &mut String) {
    out.push_str("## Commands\n\nWith `--summary json`; loads that the oracle judged also ran once with `--verify`, which is no figure.\n\n");
    for Rung { command, .. } in record.rungs.iter().filter(|rung| rung.group != "hot-path") {
        let _ = writeln!(out, "    {command}");
    }
}

/// Median, least and greatest; a dash where it does not count or was not measured.
fn told(spread: Option<Spread>, show: impl Fn(f64) -> String) -> String {
    let Some(Spread { median, low, high }) = spread else { return "–".to_owned() };
    let (middle, ends) = (show(median), (show(low), show(high)));
    if ends.0 == ends.1 { middle } else { format!("{middle} ({} to {})", ends.0, ends.1) }
}

fn plain(x: f64) -> String {
    if x < 1_000.0 { format!("{x}") } else { grouped(x) }
}

/// `1234567` as `1,234,567`.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// File, title, group, what grows, what is measured, and how.
type PlotOf =
    (&'static str, &'static str, &'static str, &'static str, &'static str, fn(&Value) -> Option<f64>);

const PLOTS: &[PlotOf] = &[
    ("cpu-facilities.svg", "CPU over facilities", "facilities", "facilities", "ns CPU per reading", cpu_ns),
    ("rss-facilities.svg", "Memory over facilities", "facilities", "facilities", "peak RSS, MB", |run| {
        number("max_rss_bytes")(run).map(|bytes| bytes / MB)
    }),
    ("cpu-density.svg", "CPU over density", "density", "pairs per reading", "ns CPU per reading", cpu_ns),
    ("rate-threads.svg", "Rate over threads", "threads", "lanes and shards", "M readings/s", |run| {
        number("events_per_s")(run).map(|per_s| per_s / 1e6)
    }),
];

/// Group, title, what grows.
const GROUPS: &[(&str, &str, &str)] = &[
    ("drain-native", "Drain of a backlog on Kafka: 3 + 3 partitions, counted", "drain"),
    ("drain-rdkafka", "The same through librdkafka", "drain"),
    ("drain-rows", "Drain to Kafka, every row written: at least once (0), exactly once (1)", "promise"),
    ("rate", "At a rate, under the oracle's eye", "offered/s"),
    ("search", "The highest rate that holds p99 < 250 ms", "search"),
    ("facilities", "Growth in facilities", "facilities"),
    ("density", "Growth in density, at 1,000 facilities", "pairs per reading"),
    ("disorder", "Growth in disorder; the lateness is 10 s", "disorder, s"),
    ("threads", "Growth in lanes and shards, over 16 + 16 partitions", "lanes and shards"),
    ("steady-facilities", "Memory at a steady rate, over facilities", "facilities"),
    ("steady-density", "Memory at a steady rate, over density", "pairs per reading"),
    ("hot-facility", "A facility with 100 pairs per reading beside 10,000 usual ones", "with it"),
];

/// Event time of the readings that may still meet another: the bound and the lateness, s.
const IN_FLIGHT_S: f64 = 15.0;
const MB: f64 = 1e6;
const GIB: f64 = (1_u64 << 30) as f64;
