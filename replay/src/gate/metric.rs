//! What is compared, what is allowed, and the rule. Less is better in every metric.

use serde::{Serialize, Serializer};

use super::Estimate;
use crate::report::figures::{bytes, three_digits};
use crate::report::{Report, Stage};

/// A figure that two builds are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// User and system time per reading, ns.
    Cpu,
    /// Time per reading of a load that goes as fast as it can, ns: the inverse of its rate.
    Time,
    /// The most memory that was resident, bytes.
    Memory,
    /// Percentile 99 from the intended time to visible, ns; where there was a schedule.
    Latency,
}

/// What a metric comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Word {
    /// Within the limit.
    Ok,
    /// Beyond it.
    Fail,
    /// The interval is too wide to tell.
    Unsure,
    /// Not gated.
    Told,
}

impl Metric {
    /// All of them, the one that counts most first.
    pub const ALL: [Metric; 4] = [Metric::Cpu, Metric::Time, Metric::Memory, Metric::Latency];

    /// As it stands in JSON, unit last.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "cpu_ns_per_reading",
            Metric::Time => "elapsed_ns_per_reading",
            Metric::Memory => "max_rss_bytes",
            Metric::Latency => "end_to_end_p99_ns",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Metric::Cpu => "CPU per reading",
            Metric::Time => "time per reading",
            Metric::Memory => "memory at most",
            Metric::Latency => "latency p99",
        }
    }

    /// Whether the gate is INVALID where this metric, gated, cannot be told. The time and the memory of a run
    /// that goes as fast as it can swing by tens of per cent with whatever else runs on the machine: they
    /// fail the gate where they are sure to be worse, and do not hold it up where they are not.
    pub fn must_tell(self) -> bool {
        matches!(self, Metric::Cpu | Metric::Latency)
    }

    /// A run's value; none where it does not tell.
    pub fn value(self, report: &Report) -> Option<f64> {
        let result = &report.result;
        let value = match self {
            Metric::Cpu => result.cpu_s * 1e9 / result.events_sent as f64,
            Metric::Time if report.load.offered_per_s.is_some() => return None,
            Metric::Time => 1e9 / result.achieved_per_s,
            Metric::Memory => result.max_rss_bytes as f64,
            Metric::Latency => report.series(Stage::EndToEnd)?.ns.p99? as f64,
        };
        (value.is_finite() && value > 0.0).then_some(value)
    }

    /// A value as people read it.
    pub(super) fn shown(self, value: f64) -> String {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, above zero")]
        let whole = value as u64;
        match self {
            Metric::Cpu | Metric::Time => format!("{} ns", three_digits(value)),
            Metric::Memory => bytes(whole),
            Metric::Latency => format!("{} ms", three_digits(value / 1e6)),
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How much more is allowed, as a part of one: 0.05 is 5 %. None: only told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Of [`Metric::Cpu`], which is always gated.
    pub cpu: f64,
    /// Of [`Metric::Time`].
    pub time: Option<f64>,
    /// Of [`Metric::Memory`].
    pub memory: Option<f64>,
    /// Of [`Metric::Latency`].
    pub latency: Option<f64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { cpu: 0.05, time: Some(0.10), memory: Some(0.25), latency: None }
    }
}

impl Limits {
    /// That of a metric.
    pub fn of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Cpu => Some(self.cpu),
            Metric::Time => self.time,
            Metric::Memory => self.memory,
            Metric::Latency => self.latency,
        }
    }

    /// Metrics without which there is no verdict.
    pub(super) fn wanted(&self) -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().filter(|metric| metric.must_tell() && self.of(*metric).is_some())
    }

    /// What an estimate comes to. An interval that lies on one side of the limit decides. One that holds the
    /// limit leaves it to the ratio, if it is narrow (`WIDTH_MAX`) and the metric must be told.
    pub fn word(&self, metric: Metric, told: &Estimate) -> Word {
        let Some(limit) = self.of(metric) else { return Word::Told };
        let bound = 1.0 + limit;
        let narrow = metric.must_tell() && told.width <= limit * WIDTH_MAX;
        match told {
            told if told.low > bound => Word::Fail,
            told if told.high <= bound => Word::Ok,
            told if narrow && told.ratio > bound => Word::Fail,
            _ if narrow => Word::Ok,
            _ => Word::Unsure,
        }
    }
}

impl Word {
    /// As it stands in a table.
    pub fn name(self) -> &'static str {
        match self {
            Word::Ok => "OK",
            Word::Fail => "FAIL",
            Word::Unsure => "UNSURE",
            Word::Told => "told",
        }
    }
}

/// How wide an interval may be that the ratio alone decides in, in limits. At 1.5 no change lies some two and
/// a half standard errors below the limit, and twice the limit as far above (see the simulation in
/// `tests.rs`).
pub(super) const WIDTH_MAX: f64 = 1.5;
/// Linux counts a process' time in hundredths of a second.
pub(super) const CPU_STEP_S: f64 = 0.01;
