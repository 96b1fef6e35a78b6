//! What a report says. `report.json` is this model: every key is documented in docs/REPORT.md, and a test
//! holds that none is missing there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use wellstream_core::telemetry::Totals;

use super::distribution::Distribution;

/// One run, or one search for the highest rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// Whether the figures may be used.
    pub outcome: Outcome,
    /// Why the outcome is not OK: one sentence each.
    pub reasons: Vec<String>,
    /// A line that tells this run from others.
    pub title: String,
    /// Start of the run, RFC 3339.
    pub started_utc: String,
    /// Start of the run, epoch milliseconds.
    pub started_ms: i64,
    /// The command line, word by word, without secrets.
    pub command: Vec<String>,
    /// Version of WellStream.
    pub version: String,
    /// Commit it was built from, where that is known.
    pub commit: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Settings in force that are not the default, or that decide; without secrets.
    pub configuration: BTreeMap<String, String>,
    /// What was asked for.
    pub load: Load,
    /// What happened.
    pub result: RunResult,
    /// The oracle's word, where it was asked.
    pub verdict: Option<Verdict>,
    /// Latencies, nanoseconds, in the order of the flow; without the warm-up.
    pub latencies: Vec<Series>,
    /// The run over time, warm-up included, in the order of time.
    pub timeline: Vec<Interval>,
    /// The search for the highest rate, where there was one.
    pub search: Option<Search>,
}

/// What a report's figures are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The output is right (where it was verified) and the measurement holds.
    Ok,
    /// The output is wrong: no figure counts.
    Fail,
    /// The measurement does not hold: the rate was missed, or the run did not drain.
    Invalid,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 3] = [Outcome::Ok, Outcome::Fail, Outcome::Invalid];

    /// As it stands in file names and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "OK",
            Outcome::Fail => "FAIL",
            Outcome::Invalid => "INVALID",
        }
    }

    /// What it means, in a sentence's part.
    pub fn meaning(self, verified: bool) -> &'static str {
        match (self, verified) {
            (Outcome::Ok, true) => "output equal to the oracle's, measurement valid",
            (Outcome::Ok, false) => "measurement valid; output not verified",
            (Outcome::Fail, _) => "output is wrong: no figure here counts",
            (Outcome::Invalid, _) => "measurement does not hold: do not use these figures",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The machine of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// As the processor calls itself.
    pub cpu_model: String,
    /// Hardware threads that the process may use.
    pub cores: u32,
    /// Memory of the machine, bytes.
    pub memory_bytes: u64,
    /// Kernel and its release.
    pub kernel: String,
    /// Name of the distribution.
    pub os: String,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// `scenario NAME` or `trace FILE`.
    pub source: String,
    /// Seed of the scenario.
    pub seed: Option<u64>,
    /// Where the load went: `memory` or `kafka`.
    pub target: String,
    /// Where the engine ran: `here` or `external`.
    pub engine: String,
    /// Shape of the rate over time: constant, poisson, ramp, step, spike, sine, or max.
    pub profile: String,
    /// Rate asked for, the schedule's mean; none where it went as fast as it could.
    pub offered_per_s: Option<f64>,
    /// Readings to send, both kinds together.
    pub events: u64,
    /// Length of the schedule, seconds; none where there was no schedule.
    pub duration_s: Option<f64>,
    /// Seconds from the start that no latency counts from.
    pub warmup_s: f64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Readings sent, both kinds together.
    pub events_sent: u64,
    /// Readings taken per second, from the first sent to the last visible.
    pub achieved_per_s: f64,
    /// First sent to last visible, seconds.
    pub elapsed_s: f64,
    /// User and system time of the process, seconds.
    pub cpu_s: f64,
    /// The most memory that was resident, bytes.
    pub max_rss_bytes: u64,
    /// Whether everything sent had come out at the end.
    pub drained: bool,
    /// What came out, where that was observed.
    pub outputs: Option<Outputs>,
    /// Readings dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Late readings.
    pub late: u64,
    /// Records quarantined, by reason.
    pub quarantined: BTreeMap<String, u64>,
}

/// What came out, or should have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// Rows.
    pub rows: u64,
    /// Rows with status ALERT.
    pub alert_rows: u64,
    /// Alarm records by kind.
    pub alarms: AlarmCounts,
    /// Sum of the rows' risk.
    pub risk_sum: u64,
    /// Digest of the row ids, 16 hex digits.
    pub digest: String,
}

impl From<&Totals> for Outputs {
    /// What an engine put out.
    fn from(totals: &Totals) -> Outputs {
        Outputs {
            rows: totals.rows.rows,
            alert_rows: totals.rows.alert_rows,
            alarms: AlarmCounts {
                raised: totals.alarms.raised,
                escalated: totals.alarms.escalated,
                cleared: totals.alarms.cleared,
            },
            risk_sum: totals.rows.risk_sum,
            digest: totals.rows.digest.to_string(),
        }
    }
}

/// Alarm records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmCounts {
    /// RAISED.
    pub raised: u64,
    /// ESCALATED.
    pub escalated: u64,
    /// CLEARED.
    pub cleared: u64,
}

/// The oracle's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether the output is what it must be.
    pub ok: bool,
    /// What the oracle expects.
    pub expected: Outputs,
    /// What came out.
    pub found: Outputs,
    /// Rows expected and not found.
    pub missing_count: u64,
    /// The first of their row ids.
    pub missing: Vec<String>,
    /// Rows found more often than expected.
    pub repeated_count: u64,
    /// The first of their row ids.
    pub repeated: Vec<String>,
}

/// Latencies of one part of the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Which part.
    pub name: Stage,
    /// From when to when, in a sentence.
    pub what: String,
    /// The samples, nanoseconds.
    pub ns: Distribution,
}

/// Parts of the way of a reading, in the order of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Intended time to the actual sending: the instrument's own lateness, part of every latency.
    Slip,
    /// Intended time to taken by its lane: slip, broker, and waiting for the lane.
    BrokerIn,
    /// Sent to read by its lane (through the broker, where there is one), by Kafka's timestamps.
    Ingest,
    /// Read to decoded and judged.
    Decode,
    /// Decoded to taken by its facility's shard.
    Exchange,
    /// Taken to joined.
    Join,
    /// Joined to handed to the sink.
    Emit,
    /// Handed to the sink to committed.
    Commit,
    /// Intended time to visible at the sink.
    EndToEnd,
}

impl Stage {
    /// All of them, in the order of the flow.
    pub const ALL: [Stage; 9] = [
        Stage::Slip,
        Stage::BrokerIn,
        Stage::Ingest,
        Stage::Decode,
        Stage::Exchange,
        Stage::Join,
        Stage::Emit,
        Stage::Commit,
        Stage::EndToEnd,
    ];

    /// As it stands in JSON and in file names.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Slip => "slip",
            Stage::BrokerIn => "broker_in",
            Stage::Ingest => "ingest",
            Stage::Decode => "decode",
            Stage::Exchange => "exchange",
            Stage::Join => "join",
            Stage::Emit => "emit",
            Stage::Commit => "commit",
            Stage::EndToEnd => "end_to_end",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Stage::BrokerIn => "broker in",
            Stage::EndToEnd => "end to end",
            stage => stage.name(),
        }
    }
}

/// Part of a run, about a second of it; longer in long runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its start, seconds from the start of the run.
    pub at_s: f64,
    /// Its length, seconds.
    pub span_s: f64,
    /// Readings whose intended time lies in it; none where there was no schedule.
    pub offered: Option<u64>,
    /// Readings sent in it.
    pub achieved: u64,
    /// Readings due and not yet sent, or sent and not yet read, at its end.
    pub backlog: u64,
    /// Resident memory at its end, bytes.
    pub rss_bytes: u64,
    /// Intended time to visible, nanoseconds, of what became visible in it.
    pub end_to_end_ns: Distribution,
    /// Intended time to sent, nanoseconds, of what was sent in it.
    pub slip_ns: Distribution,
}

/// The search for the highest rate that holds an objective.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The objective as given, such as `p99<10ms`.
    pub slo: String,
    /// The objective's percentile, such as 99.0.
    pub slo_percentile: f64,
    /// What it must stay below, nanoseconds.
    pub slo_max_ns: u64,
    /// The rates tried, in the order tried.
    pub steps: Vec<SearchStep>,
    /// The highest rate that held; none if none did.
    pub best_per_s: Option<f64>,
    /// Whether a second, longer run at that rate held too.
    pub confirmed: bool,
}

/// One rate tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchStep {
    /// Rate offered.
    pub rate_per_s: f64,
    /// Rate reached.
    pub achieved_per_s: f64,
    /// End to end, nanoseconds; none where too few samples lie beyond.
    pub p50_ns: Option<u64>,
    /// End to end, nanoseconds; none where too few samples lie beyond.
    pub p99_ns: Option<u64>,
    /// End to end at the objective's percentile, nanoseconds; none where too few samples lie beyond.
    pub slo_ns: Option<u64>,
    /// Whether the objective held.
    pub held: bool,
    /// Why not, or what is to be known of it.
    pub why: String,
}

impl Report {
    /// The latencies of one part of the way.
    pub fn series(&self, stage: Stage) -> Option<&Series> {
        self.latencies.iter().find(|series| series.name == stage)
    }

    /// The command line as one would type it.
    pub fn command_line(&self) -> String {
        let plain =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || PLAIN.contains(c));
        let quote = |word: &String| match plain(word) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        };
        self.command.iter().map(quote).collect::<Vec<_>>().join(" ")
    }
}

/// Name and version of the format.
pub const FORMAT: &str = "wellstream-report/1";

/// Characters that a shell takes as they are.
const PLAIN: &str = "-_=./:,@%+";
