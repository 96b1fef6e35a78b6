//! Where the time goes: a bar for each part of the way, and the rates a search has tried.

use super::charts::{Run, WIDE, in_ms};
use super::figures::{duration, rate, told};
use super::model::{Search, Series, Stage};
use super::plot::{Frame, Plot};
use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// For each part of the way a bar from the median to the 99th percentile, and on to the 99.9th.
pub(super) fn stages(runs: &[Run<'_>]) -> String {
    let present: Vec<Stage> = Stage::ALL
        .into_iter()
        .filter(|stage| runs.iter().any(|run| run.report.series(*stage).is_some()))
        .collect();
    let group = 16.0 * runs.len() as f64 + 14.0;
    let height = TOP + group * present.len() as f64 + BOTTOM;
    let all = runs.iter().flat_map(|run| &run.report.latencies);
    let values: Vec<f64> =
        all.flat_map(|series| [series.ns.p50, series.ns.p99, series.ns.p99_9]).flatten().map(in_ms).collect();
    let low = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let scale = Scale::log(low, values.iter().copied().fold(low, f64::max));
    let place = |ms: f64| LEFT + scale.place(ms) * (WIDE - LEFT - RIGHT);
    let description =
        "For each stage a bar from the median to the 99th percentile; the table holds the figures.";
    let mut svg = Svg::new(WIDE, height, "stages", "Latency by stage", description);
    svg.text((0.0, 13.0), Anchor::Start, "axis-name", "dot p50, bar to p99, line to p99.9");
    svg.text((WIDE, 13.0), Anchor::End, "axis-name", "p50 / p99");
    for tick in scale.ticks(STAGE_TICKS) {
        let x = place(tick.value);
        svg.line((x, TOP), (x, height - BOTTOM), "grid");
        svg.text((x, height - BOTTOM + 16.0), Anchor::Middle, "tick", &tick.label);
    }
    svg.text((WIDE - RIGHT, height - 4.0), Anchor::End, "axis-name", "milliseconds, logarithmic");
    for (index, stage) in present.iter().enumerate() {
        let top = TOP + group * index as f64 + 7.0;
        let class = if *stage == Stage::EndToEnd { "stage whole" } else { "stage" };
        let gap = if runs.len() > 1 { 28.0 } else { 14.0 };
        svg.text((LEFT - gap, top + group / 2.0 - 3.0), Anchor::End, class, stage.label());
        for (row, run) in runs.iter().enumerate() {
            if let Some(series) = run.report.series(*stage) {
                bar(&mut svg, run, series, top + 16.0 * row as f64 + 8.0, place);
            }
        }
    }
    svg.finish()
}

fn bar(svg: &mut Svg, run: &Run<'_>, series: &Series, y: f64, place: impl Fn(f64) -> f64) {
    let at = |ns: Option<u64>| ns.map(|ns| place(in_ms(ns)));
    let (p50, p99, p99_9) = (at(series.ns.p50), at(series.ns.p99), at(series.ns.p99_9));
    if let (Some(p99), Some(p99_9)) = (p99, p99_9) {
        svg.line((p99, y), (p99_9, y), &format!("line {}", run.class));
    }
    if let (Some(p50), Some(p99)) = (p50, p99) {
        svg.rectangle((p50, y - 4.0), (p99, y + 4.0), &format!("bar {}", run.class));
    }
    if let Some(p50) = p50 {
        svg.dot((p50, y), 4.5, &format!("dot {}", run.class));
    }
    let figures = format!("{} / {}", told(series.ns.p50, duration), told(series.ns.p99, duration));
    svg.text((WIDE, y + 4.0), Anchor::End, "value", &figures);
    if !run.letter.is_empty() {
        let letter = run.letter.split(' ').next().unwrap_or_default();
        svg.text((LEFT - 8.0, y + 4.0), Anchor::End, &format!("name {}", run.class), letter);
    }
}

/// The rates tried: what each gave at the objective's percentile.
pub(super) fn search(search: &Search) -> String {
    let bound = in_ms(search.slo_max_ns);
    let told_ms = || search.steps.iter().filter_map(|step| step.slo_ns).map(in_ms);
    let highest = search.steps.iter().map(|step| step.rate_per_s).fold(0.0, f64::max);
    let divisor = if highest >= 2e6 { 1e6 } else { 1e3 };
    let y = Scale::automatic(told_ms().chain([bound]));
    let held = search.steps.iter().filter(|step| step.held).count();
    let mut plot = Plot::new(&Frame {
        id: "search",
        title: "Search for the highest rate",
        description: &format!("{held} of {} rates tried held {}.", search.steps.len(), search.slo),
        width: WIDE,
        height: 260.0,
        margin_right: 40.0,
        x: Scale::from_zero([highest / divisor]),
        x_name: if divisor > 1e5 { "million readings/s offered" } else { "thousand readings/s offered" },
        y,
        y_name: &format!("p{} end to end, milliseconds", search.slo_percentile),
    });
    plot.level(bound, "line ref", &format!("objective {}", search.slo));
    for step in &search.steps {
        let (x, ms) = (step.rate_per_s / divisor, step.slo_ns.map_or(bound, in_ms));
        if step.held {
            plot.dot(x, ms, 5.0, "dot s0");
        } else {
            let at = (plot.at_x(x), plot.at_y(ms));
            for slope in [-4.5, 4.5] {
                plot.svg.line((at.0 - 4.5, at.1 - slope), (at.0 + 4.5, at.1 + slope), "line missed");
            }
        }
        if step.held && Some(step.rate_per_s) == search.best_per_s {
            plot.label(x, ms, (0.0, -11.0), Anchor::Middle, "value", &rate(step.rate_per_s));
        }
    }
    plot.finish()
}

const STAGE_TICKS: f64 = 6.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 38.0;
