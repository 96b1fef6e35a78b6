//! Reports as a run would fill them, with latencies drawn from a seed: log-normal stages, a stall, a warm-up.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use fastrand::Rng;
use hdrhistogram::Histogram;
use wellstream_replay::report::{
    AlarmCounts, Distribution, FORMAT, Load, Machine, Outcome, Outputs, Report, RunResult, Sample, Search,
    SearchStep, Series, Stage, Timeline, Verdict, nanos_histogram,
};

/// A valid run of 60 s at 250,000 readings a second, with a stall of some 200 ms at 35 s.
pub fn sample_report(seed: u64) -> Report {
    slower_report(seed, 1.0)
}

/// The same, with every stage so much slower.
pub fn slower_report(seed: u64, factor: f64) -> Report {
    let mut run = Drawn::new(seed, factor);
    (0..SECONDS).for_each(|second| run.second(second));
    let outputs = outputs(11_953_027);
    Report {
        format: FORMAT.to_owned(),
        outcome: Outcome::Ok,
        reasons: Vec::new(),
        title: format!("normal, 250k/s for {SECONDS} s, memory, seed {seed}"),
        started_utc: "2026-05-01T12:00:00.000Z".to_owned(),
        started_ms: 1_777_636_800_000,
        command: ["wellstream", "replay", "--rate", "250k/s", "--title", "it's <b>", "--report", "out"]
            .map(str::to_owned)
            .into(),
        version: "0.1.0".to_owned(),
        commit: Some("0123456789abcdef".to_owned()),
        machine: Machine {
            cpu_model: "AMD EPYC 9B14 <\"sample\">".to_owned(),
            cores: 2,
            memory_bytes: 24 << 30,
            kernel: "Linux 6.1.0".to_owned(),
            os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        },
        configuration: BTreeMap::from(
            [("commit_interval", "100ms"), ("join", "all"), ("threads", "2")]
                .map(|(k, v)| (k.to_owned(), v.to_owned())),
        ),
        load: Load {
            source: "scenario normal".to_owned(),
            seed: Some(seed),
            target: "memory".to_owned(),
            engine: "here".to_owned(),
            profile: "constant".to_owned(),
            offered_per_s: Some(RATE),
            events: 15_000_000,
            duration_s: Some(f64::from(SECONDS)),
            warmup_s: f64::from(WARM_UP_S),
        },
        result: RunResult {
            events_sent: 15_000_000,
            achieved_per_s: 249_870.0,
            elapsed_s: 60.03,
            cpu_s: 41.5 * factor,
            max_rss_bytes: 412 << 20,
            drained: true,
            outputs: Some(outputs.clone()),
            dropped: BTreeMap::from([("null_methane_ppm".to_owned(), 1_204)]),
            late: 310,
            quarantined: BTreeMap::new(),
        },
        verdict: Some(Verdict { ok: true, expected: outputs.clone(), found: outputs, ..Verdict::default() }),
        latencies: run.series(),
        timeline: run.timeline.finish(),
        search: None,
    }
}

/// A run whose output is wrong.
pub fn failed_report(seed: u64) -> Report {
    let mut report = sample_report(seed);
    let missing: Vec<String> = (0..4).map(|i| format!("w:{i}:{}|t:0:{}", 1_000 + i, 77 * i)).collect();
    report.outcome = Outcome::Fail;
    report.reasons = vec!["4 rows are missing and 1 came twice".to_owned()];
    let found = outputs(11_953_024);
    report.result.outputs = Some(found.clone());
    report.verdict = Some(Verdict {
        ok: false,
        expected: outputs(11_953_027),
        found,
        missing_count: 4,
        missing,
        repeated_count: 1,
        repeated: vec!["w:1:4|t:2:9".to_owned()],
    });
    report
}

/// A run that missed its rate, and says so; nothing verified.
pub fn invalid_report(seed: u64) -> Report {
    let mut report = slower_report(seed, 2.4);
    report.outcome = Outcome::Invalid;
    report.reasons = vec![
        "the rate was missed: 181k/s of 250k/s offered".to_owned(),
        "slip p99 of 9.6 ms is more than a tenth of the latency's".to_owned(),
    ];
    report.verdict = None;
    report.result.achieved_per_s = 181_000.0;
    report
}

/// The search for the highest rate.
pub fn search_report(seed: u64) -> Report {
    let step = |rate: f64, p99_ms: f64, why: &str| SearchStep {
        rate_per_s: rate,
        achieved_per_s: rate * 0.999,
        p50_ns: Some(1_400_000),
        p99_ns: Some(ns(p99_ms * 1e6)),
        slo_ns: Some(ns(p99_ms * 1e6)),
        held: why.is_empty(),
        why: why.to_owned(),
    };
    Report {
        search: Some(Search {
            slo: "p99<10ms".to_owned(),
            slo_percentile: 99.0,
            slo_max_ns: 10_000_000,
            steps: vec![
                step(100e3, 3.1, ""),
                step(200e3, 3.4, ""),
                step(400e3, 5.2, ""),
                step(800e3, 410.0, "p99 410 ms"),
                step(600e3, 38.0, "p99 38 ms"),
                step(500e3, 7.7, ""),
                step(550e3, 11.2, "p99 11.2 ms"),
            ],
            best_per_s: Some(500e3),
            confirmed: true,
        }),
        title: "normal, highest rate with p99<10ms, memory".to_owned(),
        ..sample_report(seed)
    }
}

fn outputs(rows: u64) -> Outputs {
    Outputs {
        rows,
        alert_rows: 902_115,
        alarms: AlarmCounts { raised: 8_120, escalated: 512, cleared: 8_007 },
        risk_sum: 211_340_220,
        digest: format!("{:016x}", rows.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
    }
}

/// A run being drawn: a few samples a second, each counted several times, stand for all.
struct Drawn {
    random: Rng,
    factor: f64,
    totals: BTreeMap<Stage, Histogram<u64>>,
    timeline: Timeline,
}

impl Drawn {
    fn new(seed: u64, factor: f64) -> Drawn {
        let totals = Stage::ALL.map(|stage| (stage, nanos_histogram()));
        Drawn { random: Rng::with_seed(seed), factor, totals: totals.into(), timeline: Timeline::new() }
    }

    fn second(&mut self, second: u32) {
        let (mut end, mut slip) = (nanos_histogram(), nanos_histogram());
        let warm = second >= WARM_UP_S;
        for sample in 0..DRAWS_A_SECOND {
            let mut sum = 0;
            for (stage, median_us, spread) in STAGES {
                let cold = if warm { 1.0 } else { 3.0 };
                let us = median_us * self.factor * cold * (spread * self.normal()).exp();
                let value = ns(us * 1e3);
                if warm {
                    self.record(stage, value);
                }
                if stage == Stage::Slip {
                    slip.saturating_record_n(value, WEIGHT);
                }
                sum += value;
                if warm && stage == Stage::Ingest {
                    // Behind the broker: all that it took until here.
                    self.record(Stage::BrokerIn, sum);
                }
            }
            // In the stall all that was due waits until its end.
            if second == STALL_AT_S && sample < DRAWS_A_SECOND / 5 {
                sum += ns(f64::from(DRAWS_A_SECOND / 5 - sample) / f64::from(DRAWS_A_SECOND) * 1e9);
            }
            end.saturating_record_n(sum, WEIGHT);
            if warm {
                self.record(Stage::EndToEnd, sum);
            }
        }
        let stalled = second == STALL_AT_S;
        let wobble = ns(self.random.f64() * 900.0);
        self.timeline.push(&Sample {
            at_s: f64::from(second),
            span_s: 1.0,
            offered: Some(250_000),
            achieved: if stalled { 228_000 } else { 249_500 + wobble },
            backlog: if stalled { 22_000 } else { 180 + wobble },
            rss_bytes: (300 << 20) + (u64::from(second.min(12)) << 23) + (wobble << 12),
            end_to_end_ns: &end,
            slip_ns: &slip,
        });
    }

    fn record(&mut self, stage: Stage, ns: u64) {
        let samples = self.totals.entry(stage).or_insert_with(nanos_histogram);
        samples.saturating_record_n(ns, WEIGHT);
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (u, v) = (self.random.f64().max(1e-12), self.random.f64());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn series(&self) -> Vec<Series> {
        let what = |stage| match stage {
            Stage::Slip => "intended time to the actual sending",
            Stage::BrokerIn => "intended time to taken by its lane",
            Stage::Ingest => "sent to read by its lane",
            Stage::Decode => "read to decoded and judged",
            Stage::Exchange => "decoded to taken by its facility's shard",
            Stage::Join => "taken to joined",
            Stage::Emit => "joined to handed to the sink",
            Stage::Commit => "handed to the sink to committed",
            Stage::EndToEnd => "intended time to visible at the sink",
        };
        let series = |(name, ns): (&Stage, &Histogram<u64>)| Series {
            name: *name,
            what: what(*name).to_owned(),
            ns: Distribution::of(ns),
        };
        self.totals.iter().map(series).collect()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::allow_attributes,
    reason = "drawn in range"
)]
fn ns(value: f64) -> u64 {
    value as u64
}

/// Median in microseconds and spread of each stage's logarithm.
const STAGES: [(Stage, f64, f64); 7] = [
    (Stage::Slip, 12.0, 0.9),
    (Stage::Ingest, 240.0, 0.4),
    (Stage::Decode, 35.0, 0.3),
    (Stage::Exchange, 310.0, 0.5),
    (Stage::Join, 48.0, 0.4),
    (Stage::Emit, 60.0, 0.5),
    (Stage::Commit, 900.0, 0.6),
];
const RATE: f64 = 250_000.0;
const SECONDS: u32 = 60;
const WARM_UP_S: u32 = 5;
const STALL_AT_S: u32 = 35;
/// Odd, so that no percentile that is told lies exactly between two samples.
const DRAWS_A_SECOND: u32 = 2_003;
/// So that even p99.999 has its ten samples.
const WEIGHT: u64 = 11;
