//! Runs beside one another: the figures that count, each with its ratio to the first run's, and what else
//! differs.

use serde::Serialize;

use super::charts::letter;
use super::model::{Outcome, Report, Stage};

/// N runs compared. This is also what `wellstream report --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name and version of this format.
    pub format: &'static str,
    /// The runs, in the order given; the first is what the others are compared with.
    pub runs: Vec<ComparedRun>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// Circumstances that are not the same, by name: what they are in each run.
    pub differences: Vec<Difference>,
}

/// One of the runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Its name in the comparison.
    pub letter: String,
    /// Its title.
    pub title: String,
    /// When it began, RFC 3339.
    pub started_utc: String,
    /// What its figures are worth.
    pub outcome: Outcome,
    /// Why the outcome is not OK.
    pub reasons: Vec<String>,
}

/// One figure of each run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is, unit last.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// Which way is good.
    pub better: Better,
    /// By run; none where it is not told.
    pub values: Vec<Option<f64>>,
    /// By run, to the first run's; none where one of them is not told, or the first's is zero.
    pub ratios: Vec<Option<f64>>,
    /// By run: whether the ratio means anything. It does not unless both runs are OK.
    pub counts: Vec<bool>,
}

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Times, memory.
    Lower,
    /// Rates.
    Higher,
}

/// A circumstance that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What.
    pub name: String,
    /// By run.
    pub values: Vec<String>,
}

impl Comparison {
    /// Compares the runs with the first. None of nothing.
    pub fn of(reports: &[Report]) -> Option<Comparison> {
        let base = reports.first()?;
        let runs = reports.iter().enumerate().map(|(index, report)| ComparedRun {
            letter: letter(index),
            title: report.title.clone(),
            started_utc: report.started_utc.clone(),
            outcome: report.outcome,
            reasons: report.reasons.clone(),
        });
        let figures = FIGURES
            .iter()
            .map(|(name, label, better, pick)| figure(name, label, *better, reports, base, *pick));
        Some(Comparison {
            format: FORMAT,
            runs: runs.collect(),
            figures: figures.filter(|figure| figure.values.iter().any(Option::is_some)).collect(),
            differences: differences(reports),
        })
    }
}

impl Figure {
    /// What a run's ratio says: better, worse or the same within the width of a histogram's step.
    pub fn word(&self, run: usize) -> Option<&'static str> {
        let ratio = self.ratios.get(run).copied().flatten()?;
        let better = match self.better {
            Better::Lower => ratio < 1.0,
            Better::Higher => ratio > 1.0,
        };
        Some(match (ratio - 1.0).abs() < SAME_WITHIN {
            true => "same",
            false if better => "better",
            false => "worse",
        })
    }
}

fn figure(
    name: &'static str,
    label: &'static str,
    better: Better,
    reports: &[Report],
    base: &Report,
    pick: Pick,
) -> Figure {
    let first = pick(base).filter(|value| *value > 0.0);
    let values: Vec<Option<f64>> = reports.iter().map(pick).collect();
    let ratios = values.iter().map(|value| Some((*value)? / first?)).collect();
    let counts =
        reports.iter().map(|report| report.outcome == Outcome::Ok && base.outcome == Outcome::Ok).collect();
    Figure { name, label, better, values, ratios, counts }
}

fn differences(reports: &[Report]) -> Vec<Difference> {
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut all: Vec<Difference> = CIRCUMSTANCES
        .iter()
        .map(|(name, show)| Difference {
            name: (*name).to_owned(),
            values: reports.iter().map(show).collect(),
        })
        .collect();
    let mut keys: Vec<&String> = reports.iter().flat_map(|report| report.configuration.keys()).collect();
    keys.sort();
    keys.dedup();
    all.extend(keys.into_iter().map(|key| Difference {
        name: key.clone(),
        values: reports.iter().map(|report| optional(report.configuration.get(key).cloned())).collect(),
    }));
    all.retain(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]));
    all
}

type Pick = fn(&Report) -> Option<f64>;
type Show = fn(&Report) -> String;

const FIGURES: &[(&str, &str, Better, Pick)] = &[
    ("achieved_per_s", "achieved, readings/s", Better::Higher, |r| Some(r.result.achieved_per_s)),
    ("best_per_s", "highest rate held", Better::Higher, |r| r.search.as_ref()?.best_per_s),
    ("end_to_end_p50_ns", "end to end p50", Better::Lower, |r| Some(end_to_end(r)?.p50? as f64)),
    ("end_to_end_p90_ns", "p90", Better::Lower, |r| Some(end_to_end(r)?.p90? as f64)),
    ("end_to_end_p99_ns", "p99", Better::Lower, |r| Some(end_to_end(r)?.p99? as f64)),
    ("end_to_end_p99_9_ns", "p99.9", Better::Lower, |r| Some(end_to_end(r)?.p99_9? as f64)),
    ("end_to_end_p99_99_ns", "p99.99", Better::Lower, |r| Some(end_to_end(r)?.p99_99? as f64)),
    ("end_to_end_p99_999_ns", "p99.999", Better::Lower, |r| Some(end_to_end(r)?.p99_999? as f64)),
    ("end_to_end_max_ns", "max", Better::Lower, |r| {
        end_to_end(r).filter(|ns| ns.count > 0).map(|ns| ns.max as f64)
    }),
    ("slip_p99_ns", "slip p99", Better::Lower, |r| Some(r.series(Stage::Slip)?.ns.p99? as f64)),
    ("broker_in_p99_ns", "broker in p99", Better::Lower, |r| Some(r.series(Stage::BrokerIn)?.ns.p99? as f64)),
    ("cpu_ns_per_reading", "CPU per reading", Better::Lower, |r| {
        (r.result.events_sent > 0).then(|| r.result.cpu_s * 1e9 / r.result.events_sent as f64)
    }),
    ("max_rss_bytes", "memory at most", Better::Lower, |r| Some(r.result.max_rss_bytes as f64)),
];

const CIRCUMSTANCES: &[(&str, Show)] = &[
    ("processor", |r| format!("{}, {} cores", r.machine.cpu_model, r.machine.cores)),
    ("system", |r| format!("{}, {}", r.machine.os, r.machine.kernel)),
    ("version", |r| r.version.clone()),
    ("commit", |r| r.commit.clone().unwrap_or_else(|| "-".to_owned())),
    ("load", |r| r.load.source.clone()),
    ("seed", |r| r.load.seed.map_or_else(|| "-".to_owned(), |seed| seed.to_string())),
    ("target", |r| format!("{}, engine {}", r.load.target, r.load.engine)),
    ("offered", |r| r.load.offered_per_s.map_or_else(|| "max".to_owned(), super::figures::rate)),
    ("profile", |r| r.load.profile.clone()),
    ("readings", |r| super::figures::thousands(r.load.events)),
    ("output digest", |r| r.result.outputs.as_ref().map_or_else(|| "-".to_owned(), |o| o.digest.clone())),
];

fn end_to_end(report: &Report) -> Option<&super::Distribution> {
    Some(&report.series(Stage::EndToEnd)?.ns)
}

const FORMAT: &str = "wellstream-comparison/1";
/// A histogram's step is 0.1 %, and no two runs are equal: nothing within this is told as a change.
const SAME_WITHIN: f64 = 0.02;
