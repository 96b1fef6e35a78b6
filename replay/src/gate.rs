//! The performance gate: runs of two builds, measured next to one another, and whether the second is slower.
//!
//! Enters: two [`RunSet`]s, in the order measured (run i of one stands beside run i of the other), and
//! [`Limits`]. Leaves: a [`Gate`]: OK, FAIL or INVALID, its reasons, and each metric's ratio head to base
//! with its interval. It reads no clock and draws from a fixed seed: the same runs get the same answer.
//!
//! ```
//! use wellstream_replay::gate::{Estimate, Limits, Metric, Word};
//! // Ten pairs, the second build 10 % slower, one run in ten disturbed.
//! let noise = [0.99, 1.02, 1.0, 1.31, 0.98, 1.01, 1.0, 0.97, 1.03, 1.0];
//! let pairs: Vec<[f64; 2]> = noise.iter().map(|n| [500.0, 550.0 * n]).collect();
//! let told = Estimate::of(&pairs).unwrap();
//! assert!((told.ratio - 1.10).abs() < 0.01 && told.low > 1.07, "{told:?}");
//! assert_eq!(Limits::default().word(Metric::Cpu, &told), Word::Fail);
//! assert!(Estimate::of(&pairs[..5]).is_none(), "five pairs tell no interval");
//! ```

mod runs;
mod estimate;
mod metric;
mod alike;
mod text;
mod markdown;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::report::figures::three_digits;
use crate::report::{Outcome, Report};

pub use estimate::{Estimate, PAIRS_MIN};
pub use markdown::gate_markdown;
pub use metric::{Limits, Metric, Word};
pub use runs::{FORMAT, RunSet, read};
pub use text::gate_text;

/// What the gate says. This is also what `wellstream gate --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// Name and version of this format.
    pub format: &'static str,
    /// OK: not slower than the limits allow. FAIL: slower, or the output is another one. INVALID: nobody can
    /// tell from these runs.
    pub outcome: Outcome,
    /// Why the outcome is not OK: one sentence each.
    pub reasons: Vec<String>,
    /// Whether it is INVALID only for want of pairs.
    pub more_pairs_may_tell: bool,
    /// Pairs compared.
    pub pairs: usize,
    /// How sure the intervals are.
    pub confidence: f64,
    /// What the first build is.
    pub base: Side,
    /// What the second build is.
    pub head: Side,
    /// On what both ran, in a line.
    pub machine: String,
    /// What both ran, in a line.
    pub load: String,
    /// Readings of each run.
    pub readings: u64,
    /// The metrics; none where the runs cannot be compared.
    pub metrics: Vec<Judged>,
}

/// One of the two builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Its version.
    pub version: String,
    /// The commit it was built from, where its reports tell.
    pub commit: Option<String>,
    /// Runs of it.
    pub runs: usize,
}

/// One metric of both builds. Less is better in all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Which.
    pub name: Metric,
    /// Median over the runs of the base.
    pub base: f64,
    /// Median over the runs of the head.
    pub head: f64,
    /// Head to base, with its interval; none with too few pairs.
    #[serde(flatten)]
    pub estimate: Option<Estimate>,
    /// How much more is allowed, as a part of one; none where the metric is only told.
    pub limit: Option<f64>,
    /// What it comes to.
    pub word: Word,
}

/// Compares the runs of two builds.
pub fn gate(base: &RunSet, head: &RunSet, limits: &Limits) -> Gate {
    let mut gate = Gate::begun(base, head);
    let pairs: Vec<[&Report; 2]> = base.runs().iter().zip(head.runs()).map(|(b, h)| [b, h]).collect();
    gate.pairs = pairs.len();
    let of = |outcome| broken_runs(base, "base", outcome).chain(broken_runs(head, "head", outcome));
    let failed: Vec<String> = of(Outcome::Fail).collect();
    if !failed.is_empty() {
        return gate.ended(Outcome::Fail, failed);
    }
    let unlike = alike::differences(base, head);
    if !unlike.is_empty() {
        return gate.ended(Outcome::Invalid, unlike);
    }
    let outputs = alike::output_differences(base, head);
    if !outputs.is_empty() {
        return gate.ended(Outcome::Fail, outputs);
    }
    let invalid: Vec<String> = of(Outcome::Invalid).collect();
    if !invalid.is_empty() {
        return gate.ended(Outcome::Invalid, invalid);
    }
    gate.metrics = Metric::ALL.iter().filter_map(|metric| judged(*metric, &pairs, limits)).collect();
    for judged in &mut gate.metrics {
        if judged.too_coarse(gate.readings).is_some() {
            judged.word = Word::Unsure;
        }
    }
    gate.conclude(limits)
}

impl Gate {
    fn begun(base: &RunSet, head: &RunSet) -> Gate {
        let side = |set: &RunSet| Side {
            version: set.first().version.clone(),
            commit: set.first().commit.clone(),
            runs: set.runs().len(),
        };
        Gate {
            format: GATE_FORMAT,
            outcome: Outcome::Ok,
            reasons: Vec::new(),
            more_pairs_may_tell: false,
            pairs: 0,
            confidence: estimate::CONFIDENCE,
            base: side(base),
            head: side(head),
            machine: alike::machine(base.first()),
            load: alike::load(base.first()),
            readings: base.first().result.events_sent,
            metrics: Vec::new(),
        }
    }

    fn ended(mut self, outcome: Outcome, reasons: Vec<String>) -> Gate {
        self.outcome = outcome;
        self.reasons = reasons;
        self
    }

    /// From what each metric comes to, to what all come to: one that fails decides, whatever cannot be told.
    fn conclude(self, limits: &Limits) -> Gate {
        let with = |word: Word| self.metrics.iter().filter(move |judged| judged.word == word);
        let slower: Vec<String> = with(Word::Fail).map(Judged::slower).collect();
        if !slower.is_empty() {
            return self.ended(Outcome::Fail, slower);
        }
        let wanted = limits.wanted().filter(|metric| !self.metrics.iter().any(|told| told.name == *metric));
        let mut short: Vec<String> = wanted
            .map(|metric| format!("{}: not told by these runs, and so not gated", metric.label()))
            .collect();
        let coarse = self.metrics.iter().filter_map(|judged| judged.too_coarse(self.readings));
        short.extend(coarse);
        if !short.is_empty() {
            return self.ended(Outcome::Invalid, short);
        }
        if self.pairs < PAIRS_MIN {
            let why = format!(
                "{} {} of runs: an interval needs {PAIRS_MIN} at least, and some 10 to 20 to tell {} %",
                self.pairs,
                if self.pairs == 1 { "pair" } else { "pairs" },
                three_digits(limits.cpu * 100.0)
            );
            return Gate { more_pairs_may_tell: true, ..self.ended(Outcome::Invalid, vec![why]) };
        }
        let unsure: Vec<String> = with(Word::Unsure)
            .filter(|judged| judged.name.must_tell())
            .map(|judged| judged.too_wide(self.pairs))
            .collect();
        if !unsure.is_empty() {
            return Gate { more_pairs_may_tell: true, ..self.ended(Outcome::Invalid, unsure) };
        }
        self
    }
}

impl Judged {
    fn slower(&self) -> String {
        let told = self.estimate.map_or_else(String::new, |told| {
            format!("{} (interval {} to {})", percent(told.ratio), percent(told.low), percent(told.high))
        });
        format!("{}: {told}, limit {}", self.name.label(), self.limit_text())
    }

    fn too_wide(&self, pairs: usize) -> String {
        let (Some(told), Some(limit)) = (self.estimate, self.limit) else { return String::new() };
        let width_max = limit * metric::WIDTH_MAX;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some dozens, rounded up"
        )]
        let wanted = (pairs as f64 * (told.width / width_max).powi(2)).ceil() as u64;
        format!(
            "{}: the interval, {} to {}, is {} points wide, and {} at most can tell a limit of {}: some {wanted} \
             pairs might, or a quieter machine",
            self.name.label(),
            percent(told.low),
            percent(told.high),
            three_digits(told.width * 100.0),
            three_digits(width_max * 100.0),
            self.limit_text()
        )
    }

    /// Why nothing can be told of what a clock counted whose steps are large beside it.
    fn too_coarse(&self, readings: u64) -> Option<String> {
        let limit = self.limit.filter(|_| self.name == Metric::Cpu)?;
        let (least, step) = (self.base.min(self.head) * readings as f64 / 1e9, metric::CPU_STEP_S);
        (step > least * limit / 2.0).then(|| {
            format!(
                "{}: runs of {} s are too short, since CPU time is counted in steps of {step} s: {} s at least",
                self.name.label(),
                three_digits(least),
                three_digits(2.0 * step / limit)
            )
        })
    }

    fn limit_text(&self) -> String {
        self.limit.map_or_else(|| "none".to_owned(), |limit| format!("{} %", three_digits(limit * 100.0)))
    }
}

fn judged(metric: Metric, pairs: &[[&Report; 2]], limits: &Limits) -> Option<Judged> {
    let values: Option<Vec<[f64; 2]>> =
        pairs.iter().map(|[base, head]| Some([metric.value(base)?, metric.value(head)?])).collect();
    let values = values?;
    let estimate = Estimate::of(&values);
    let side = |side: usize| estimate::median(values.iter().map(|pair| pair[side]).collect());
    let word = estimate.map_or(Word::Unsure, |told| limits.word(metric, &told));
    let limit = limits.of(metric);
    let word = if limit.is_none() { Word::Told } else { word };
    Some(Judged { name: metric, base: side(0)?, head: side(1)?, estimate, limit, word })
}

/// A sentence for each run with this outcome.
fn broken_runs<'s>(
    set: &'s RunSet,
    name: &'s str,
    outcome: Outcome,
) -> impl Iterator<Item = String> + use<'s> {
    let broken = set.runs().iter().enumerate().filter(move |(_, run)| run.outcome == outcome);
    broken.map(move |(index, run)| {
        let why = if run.reasons.is_empty() { "no reason given".to_owned() } else { run.reasons.join("; ") };
        format!("run {} of the {name} is {outcome}: {why}", index + 1)
    })
}

/// A ratio as what is more or less: `+4.2 %`.
fn percent(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

const GATE_FORMAT: &str = "wellstream-gate/1";
