//! The plots of a report: each takes one run, with all there is to see of it, or several on the same axes.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::ReportError;
use super::distribution::{P50, P90, P99, P99_9, P99_99, P99_999, Quantile, percentile};
use super::figures::{duration, told};
use super::model::{Interval, Outcome, Report, Stage};
use super::plot::{Frame, Plot};
use super::scale::Scale;
use super::svg::Anchor;

/// A run as the plots see it.
#[derive(Debug)]
pub(super) struct Run<'r> {
    /// Its name beside lines: a letter, or nothing where it is alone.
    pub(super) letter: String,
    /// Class of its colour and dashes.
    pub(super) class: String,
    /// What it reported.
    pub(super) report: &'r Report,
    /// Its latencies, decoded.
    pub(super) samples: BTreeMap<Stage, Histogram<u64>>,
}

impl<'r> Run<'r> {
    /// A run on its own.
    ///
    /// # Errors
    /// A histogram cannot be read.
    pub(super) fn alone(report: &'r Report) -> Result<Run<'r>, ReportError> {
        Run::new(report, String::new(), 0)
    }

    /// One of several. One that does not count says so beside its lines.
    ///
    /// # Errors
    /// A histogram cannot be read.
    pub(super) fn among(report: &'r Report, index: usize) -> Result<Run<'r>, ReportError> {
        let letter = match report.outcome {
            Outcome::Ok => letter(index),
            outcome => format!("{} {outcome}", letter(index)),
        };
        Run::new(report, letter, index)
    }

    fn new(report: &'r Report, letter: String, index: usize) -> Result<Run<'r>, ReportError> {
        let decoded = report.latencies.iter().map(|series| Ok((series.name, series.ns.histogram()?)));
        let class = format!("s{} d{}", index % COLOURS, (index / COLOURS) % DASHES);
        Ok(Run { letter, class, report, samples: decoded.collect::<Result<_, ReportError>>()? })
    }
}

/// A, B … Z, then numbers.
pub(super) fn letter(index: usize) -> String {
    u8::try_from(index)
        .ok()
        .filter(|i| *i < 26)
        .map_or_else(|| (index + 1).to_string(), |i| char::from(b'A' + i).to_string())
}

/// Latency by percentile, end to end; of a run alone the instrument's own slip too.
pub(super) fn by_percentile(runs: &[Run<'_>]) -> String {
    let alone = runs.len() == 1;
    let mut curves = Vec::new();
    for run in runs {
        let slip = run.samples.get(&Stage::Slip).filter(|_| alone);
        let slip = slip.map(|samples| (format!("line ref {}", run.class), "slip".to_owned(), samples));
        let end = run.samples.get(&Stage::EndToEnd);
        let name = if alone { "end to end".to_owned() } else { run.letter.clone() };
        let end = end.map(|samples| (format!("line {}", run.class), name, samples));
        curves.extend(
            slip.into_iter().chain(end).map(|(class, name, samples)| (class, name, curve(samples), samples)),
        );
    }
    // The slip's low end would take half of the axis and tell nothing.
    let shown = |name: &str, q: f64| name != "slip" || q >= P99.fraction();
    let all =
        || curves.iter().flat_map(|(_, name, curve, _)| curve.iter().map(move |(q, ms)| (name, *q, *ms)));
    let y = Scale::automatic(all().filter(|(name, q, _)| shown(name, *q)).map(|(_, _, ms)| ms));
    let mut plot = Plot::new(&Frame {
        id: "percentiles",
        title: "Latency by percentile",
        description: &described(runs),
        width: WIDE,
        height: 340.0,
        margin_right: if alone { 90.0 } else { room(runs) },
        x: Scale::Percentile,
        x_name: "percentile",
        y,
        y_name: &with_log("milliseconds", y),
    });
    let mut names = Vec::new();
    for (class, name, curve, samples) in &curves {
        let on_axis = |ms: &f64| y.place(*ms) > 0.0;
        let points: Vec<_> = curve.iter().map(|(q, ms)| (*q, Some(*ms).filter(on_axis))).collect();
        plot.line(&points, class);
        if let Some((_, last)) = curve.last() {
            names.push((*last, class.replace("line", ""), name.clone()));
        }
        if alone && name != "slip" {
            marks(&mut plot, samples, class);
        }
    }
    plot.names(&names);
    plot.finish()
}

/// Dots and figures at the percentiles that people speak of.
fn marks(plot: &mut Plot, samples: &Histogram<u64>, class: &str) {
    for quantile in [P50, P90, P99, P99_9, P99_99, P99_999] {
        if let Some(ns) = percentile(samples, quantile) {
            let (at, ms) = (quantile.fraction(), in_ms(ns));
            plot.dot(at, ms, 3.5, &class.replace("line", "dot"));
            // The first one would stand on the axis' own figures.
            let (away, anchor) = match quantile {
                P50 => ((6.0, 17.0), Anchor::Start),
                _ => ((-7.0, -8.0), Anchor::End),
            };
            plot.label(at, ms, away, anchor, "value", &duration(ns));
        }
    }
}

/// Latency over time: bands of a run alone, the 99th percentile of several.
pub(super) fn over_time(runs: &[Run<'_>]) -> String {
    let alone = runs.len() == 1;
    let shown = |interval: &Interval| {
        let ns = &interval.end_to_end_ns;
        if alone { vec![ns.p50, ns.p90, ns.p99, highest(interval)] } else { vec![ns.p99] }
    };
    let values = intervals(runs).flat_map(shown).flatten().map(in_ms);
    let y = Scale::automatic(values);
    let mut plot = Plot::new(&Frame {
        id: "over-time",
        title: if alone { "Latency over time" } else { "99th percentile of latency over time" },
        description: &described(runs),
        width: WIDE,
        height: 300.0,
        margin_right: room(runs),
        x: time_axis(runs),
        x_name: "seconds from the start",
        y,
        y_name: &with_log("milliseconds", y),
    });
    match runs {
        [run] => bands(&mut plot, run),
        runs => {
            let p99 = |interval: &Interval| interval.end_to_end_ns.p99.map(in_ms);
            lines(&mut plot, runs, p99);
        }
    }
    plot.finish()
}

fn bands(plot: &mut Plot, run: &Run<'_>) {
    warm_up(plot, run);
    type Pick = fn(&Interval) -> Option<u64>;
    let lines: [(&str, &str, Pick); 4] = [
        ("max", "line hair", highest),
        ("p99", "line", |i| i.end_to_end_ns.p99),
        ("p90", "line thin", |i| i.end_to_end_ns.p90),
        ("p50", "line", |i| i.end_to_end_ns.p50),
    ];
    let timeline = &run.report.timeline;
    for (between, pair) in lines.windows(2).enumerate() {
        let points: Vec<_> = timeline
            .iter()
            .map(|i| (middle(i), (pair[1].2)(i).map(in_ms), (pair[0].2)(i).map(in_ms)))
            .collect();
        plot.band(&points, &format!("band band{between}"));
    }
    let mut names = Vec::new();
    for (name, class, pick) in lines {
        let points: Vec<_> = timeline.iter().map(|i| (middle(i), pick(i).map(in_ms))).collect();
        plot.line(&points, &format!("{class} {}", run.class));
        if let Some(ms) = points.iter().rev().find_map(|(_, ms)| *ms) {
            names.push((ms, run.class.clone(), name.to_owned()));
        }
    }
    plot.names(&names);
}

/// Offered (dashed) and achieved rate over time.
pub(super) fn rates(runs: &[Run<'_>]) -> String {
    let per_s = |count: u64, interval: &Interval| count as f64 / interval.span_s.max(1e-9);
    let achieved = move |interval: &Interval| Some(per_s(interval.achieved, interval));
    let offered = move |interval: &Interval| interval.offered.map(|count| per_s(count, interval));
    let high = intervals(runs).flat_map(|i| [achieved(i), offered(i)]).flatten().fold(0.0, f64::max);
    let (divisor, word) = thousand_or_more(high);
    let mut plot =
        over_time_frame(runs, "rates", "Rate over time", 220.0, &format!("{word}readings/s"), high / divisor);
    for run in runs {
        let points: Vec<_> =
            run.report.timeline.iter().map(|i| (middle(i), offered(i).map(|v| v / divisor))).collect();
        plot.line(&points, if runs.len() == 1 { "line ref" } else { "line ref faint" });
    }
    lines(&mut plot, runs, |interval| achieved(interval).map(|v| v / divisor));
    plot.finish()
}

/// What was due and not yet through, over time.
pub(super) fn backlog(runs: &[Run<'_>]) -> String {
    let high = intervals(runs).map(|i| i.backlog as f64).fold(0.0, f64::max);
    let (divisor, word) = thousand_or_more(high);
    let mut plot = over_time_frame(
        runs,
        "backlog",
        "Backlog over time",
        150.0,
        &format!("{word}readings behind"),
        high / divisor,
    );
    lines(&mut plot, runs, |interval| Some(interval.backlog as f64 / divisor));
    plot.finish()
}

/// Resident memory over time.
pub(super) fn memory(runs: &[Run<'_>]) -> String {
    let mib = |interval: &Interval| interval.rss_bytes as f64 / 1_048_576.0;
    let high = intervals(runs).map(mib).fold(0.0, f64::max);
    let mut plot = over_time_frame(runs, "memory", "Memory over time", 180.0, "MiB resident", high);
    lines(&mut plot, runs, |interval| Some(mib(interval)));
    plot.finish()
}

/// How late the instrument itself was, over time: its greatest slip.
pub(super) fn slip(runs: &[Run<'_>]) -> String {
    let values =
        intervals(runs).flat_map(|i| [i.slip_ns.p99, Some(i.slip_ns.max).filter(|_| i.slip_ns.count > 0)]);
    let y = Scale::automatic(values.flatten().map(in_ms));
    let mut plot = Plot::new(&Frame {
        id: "slip",
        title: "Slip over time",
        description: "How late readings were sent: the greatest of each interval, and of a run alone the 99th percentile.",
        width: WIDE,
        height: 180.0,
        margin_right: room(runs),
        x: time_axis(runs),
        x_name: "seconds from the start",
        y,
        y_name: &with_log("milliseconds late", y),
    });
    let most = |interval: &Interval| Some(in_ms(interval.slip_ns.max)).filter(|_| interval.slip_ns.count > 0);
    let [run] = runs else {
        lines(&mut plot, runs, most);
        return plot.finish();
    };
    warm_up(&mut plot, run);
    let p99 = |interval: &Interval| interval.slip_ns.p99.map(in_ms);
    let mut names = Vec::new();
    for (name, class, points) in [
        ("max", "line hair", run.report.timeline.iter().map(|i| (middle(i), most(i))).collect::<Vec<_>>()),
        ("p99", "line", run.report.timeline.iter().map(|i| (middle(i), p99(i))).collect()),
    ] {
        plot.line(&points, &format!("{class} {}", run.class));
        names.extend(
            points.iter().rev().find_map(|(_, ms)| *ms).map(|ms| (ms, run.class.clone(), name.to_owned())),
        );
    }
    plot.names(&names);
    plot.finish()
}

fn over_time_frame(runs: &[Run<'_>], id: &str, title: &str, height: f64, y_name: &str, high: f64) -> Plot {
    let mut plot = Plot::new(&Frame {
        id,
        title,
        description: &format!("{title}: {y_name}, at most {}.", super::figures::three_digits(high)),
        width: WIDE,
        height,
        margin_right: room(runs),
        x: time_axis(runs),
        x_name: "seconds from the start",
        y: Scale::from_zero([high]),
        y_name,
    });
    if let [run] = runs {
        warm_up(&mut plot, run);
    }
    plot
}

/// One line a run, with its letter at its end.
fn lines(plot: &mut Plot, runs: &[Run<'_>], pick: impl Fn(&Interval) -> Option<f64>) {
    let mut names = Vec::new();
    for run in runs {
        let points: Vec<_> = run.report.timeline.iter().map(|i| (middle(i), pick(i))).collect();
        plot.line(&points, &format!("line {}", run.class));
        let last = points.iter().rev().find_map(|(_, value)| *value);
        names.extend(last.map(|value| (value, run.class.clone(), run.letter.clone())));
    }
    plot.names(&names);
}

/// For names at the right of a plot over time.
fn room(runs: &[Run<'_>]) -> f64 {
    let longest = runs.iter().map(|run| run.letter.len()).max().unwrap_or(0);
    26.0 + 8.0 * longest.max(3) as f64
}

fn warm_up(plot: &mut Plot, run: &Run<'_>) {
    plot.stretch(0.0, run.report.load.warmup_s, "warm-up");
}

fn time_axis(runs: &[Run<'_>]) -> Scale {
    Scale::exactly(0.0, intervals(runs).map(|i| i.at_s + i.span_s).fold(0.0, f64::max))
}

fn intervals<'a>(runs: &'a [Run<'_>]) -> impl Iterator<Item = &'a Interval> {
    runs.iter().flat_map(|run| &run.report.timeline)
}

fn middle(interval: &Interval) -> f64 {
    interval.at_s + interval.span_s / 2.0
}

fn highest(interval: &Interval) -> Option<u64> {
    Some(interval.end_to_end_ns.max).filter(|_| interval.end_to_end_ns.count > 0)
}

/// Fractions and milliseconds, as far as ten samples lie beyond.
fn curve(samples: &Histogram<u64>) -> Vec<(f64, f64)> {
    let nines = (0..=CURVE_POINTS).map(|i| f64::from(i) * 5.0 / f64::from(CURVE_POINTS));
    let quantiles = nines.filter_map(|nines| Quantile::of_percentile(100.0 - 100.0 * 10_f64.powf(-nines)));
    quantiles.map_while(|q| Some((q.fraction(), in_ms(percentile(samples, q)?)))).collect()
}

/// The figures of the plots, for those who cannot see them.
fn described(runs: &[Run<'_>]) -> String {
    let figures = runs.iter().filter_map(|run| {
        let ns = &run.report.series(Stage::EndToEnd)?.ns;
        let figures: Vec<_> = ns.told().map(|(q, ns)| format!("{} {}", q.label(), told(ns, duration))).into();
        Some(format!("{} {}, max {}.", run.letter, figures.join(", "), duration(ns.max)))
    });
    format!("Intended time to visible. {}", figures.collect::<Vec<_>>().join(" "))
}

fn with_log(name: &str, scale: Scale) -> String {
    if matches!(scale, Scale::Log { .. }) { format!("{name}, logarithmic") } else { name.to_owned() }
}

fn thousand_or_more(high: f64) -> (f64, &'static str) {
    match high {
        high if high >= 2e6 => (1e6, "million "),
        high if high >= 2e3 => (1e3, "thousand "),
        _ => (1.0, ""),
    }
}

pub(super) fn in_ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Width of a plot, its own units; about pixels on a wide screen.
pub(super) const WIDE: f64 = 860.0;
const COLOURS: usize = 6;
const DASHES: usize = 3;
const CURVE_POINTS: u32 = 400;
