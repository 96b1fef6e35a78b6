//! Small logs, written by hand or drawn from a seed.

use std::sync::Arc;

use wellstream_core::record::{Input, PartitionId, Side};
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};
use wellstream_replay::oracle::{Accepted, Body, Observed, OracleRecord, PartitionLog};

/// An event time that every rule accepts.
pub(crate) const T0: i64 = 1_700_000_000_000;

/// The modes with and without outer.
pub(crate) const MODES: [(JoinMode, bool); 7] = [
    (JoinMode::All, false),
    (JoinMode::All, true),
    (JoinMode::Nearest, false),
    (JoinMode::Nearest, true),
    (JoinMode::Asof, false),
    (JoinMode::Asof, true),
    (JoinMode::Latest, false),
];

pub(crate) fn partition(side: Side, number: u32) -> PartitionId {
    PartitionId { side, number }
}

/// A reading of facility `f` sent at its event time.
pub(crate) fn record(offset: i64, time_ms: i64, ppm: f64) -> OracleRecord {
    OracleRecord {
        offset,
        timestamp_ms: time_ms,
        body: Body::Reading(Observed {
            facility: Some(Arc::from("f")),
            time_ms: Some(time_ms),
            ppm,
            null: None,
        }),
    }
}

/// Accepted readings of facility `f` in partition 0, at these times after T0.
pub(crate) fn accepted(times: &[i64], ppm: f64) -> Vec<Accepted> {
    let inputs =
        times.iter().zip(0..).map(|(time, offset)| Input { time_ms: T0 + time, partition: 0, offset });
    inputs.map(|input| Accepted { facility: Arc::from("f"), input, ppm }).collect()
}

/// Few facilities, few distinct times: ties, bounds and one-sided facilities are common.
pub(crate) fn random_accepted(rng: &mut fastrand::Rng) -> [Vec<Accepted>; 2] {
    let facilities = rng.i64(1..4);
    let span_ms = *rng.choice(&[3, 12, 40_000]).unwrap();
    Side::BOTH.map(|side| {
        let count = rng.i64(0..25);
        (0..count)
            .map(|offset| {
                // The last facility has only wells in half of the cases.
                let last = if side == Side::Tank && rng.bool() { facilities - 1 } else { facilities };
                let facility = Arc::from(format!("f{}", rng.i64(0..last.max(1))));
                let step_ms = *rng.choice(&[1, 1_000, 5_000]).unwrap();
                let time_ms = T0 + rng.i64(0..span_ms) * step_ms;
                let ppm = rng.f64() * if side == Side::Well { 800.0 } else { 15_000.0 };
                Accepted { facility, input: Input { time_ms, partition: rng.u32(0..3), offset }, ppm }
            })
            .collect()
    })
}

/// Rules of this mode; in half of the cases with a facility of its own bound and thresholds.
pub(crate) fn random_rules(rng: &mut fastrand::Rng, (join, outer): (JoinMode, bool)) -> Rules {
    let mut rules = Rules { join, outer, ..Rules::default() };
    rules.score.bound_ms = *rng.choice(&[0, 2, 5_000]).unwrap();
    if rng.bool() {
        let bound_ms = rng.i64(0..=rules.score.bound_ms);
        let own = ScoreRules { bound_ms, methane_high_ppm: 100.0, ..ScoreRules::default() };
        rules.facilities.insert("f0".to_owned(), own);
    }
    rules
}

pub(crate) fn log(side: Side, number: u32, records: Vec<OracleRecord>) -> PartitionLog {
    PartitionLog { partition: partition(side, number), records }
}
