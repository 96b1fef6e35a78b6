//! A history: rules with small spans, and a few partitions with a few records each.

use std::fmt;
use std::sync::Arc;

use fastrand::Rng;
use wellstream_core::encode;
use wellstream_core::record::{PartitionId, Reason, Side, TankReading, WellReading};
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};

use crate::oracle::{Body, Observed, OracleRecord, PartitionLog};

/// What a history is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// All modes, crashes and unknown commits; no partition is ever idle: the output must be exact.
    Exact,
    /// One partition falls silent until the others have left its re-reading span behind, and comes back with
    /// a late record: only the restored clock still knows that it is late.
    Clocks,
    /// Partitions fall idle and come back: nothing twice, nothing invented, and exact unless a reading was
    /// counted as `window_incomplete`.
    Idle,
    /// Bounded runs one after the other, new records between them.
    Ends,
    /// Retention deletes what a restart would read again.
    Lost,
}

/// One random history.
pub struct History {
    /// The rules, with spans of a few ms.
    pub rules: Arc<Rules>,
    /// The log, as the oracle reads it.
    pub logs: Vec<PartitionLog>,
    /// The same as bytes, partition by partition.
    pub values: Vec<Vec<Vec<u8>>>,
    pub(super) lanes: usize,
    pub(super) shards: usize,
    pub(super) max_ahead_ms: i64,
    pub(super) crashes: u32,
    pub(super) family: Family,
}

impl History {
    /// The history of a seed.
    pub fn new(family: Family, seed: u64) -> History {
        let mut random = Rng::with_seed(seed ^ 0x5eed_0000_0000 ^ (family as u64) << 56);
        let rules = rules(&mut random, family);
        let mut partitions = Vec::new();
        for side in Side::BOTH {
            partitions.extend((0..random.u32(1..=2)).map(|number| PartitionId { side, number }));
        }
        let shape = Shape::new(&mut random, family);
        let mut logs: Vec<_> = partitions.iter().map(|id| shape.partition(&mut random, *id)).collect();
        if family == Family::Clocks {
            come_back_late(&mut random, &mut logs[0]);
        }
        let values =
            logs.iter().map(|log| log.records.iter().map(|r| value(log.partition.side, r)).collect());
        History {
            values: values.collect(),
            lanes: random.usize(1..=3),
            shards: random.usize(1..=2),
            max_ahead_ms: if random.bool() { 60_000 } else { random.i64(0..=6) },
            crashes: random.u32(0..=4),
            rules: Arc::new(rules),
            logs,
            family,
        }
    }
}

/// The record behind the silence is late by its partition's own clock.
fn come_back_late(random: &mut Rng, log: &mut PartitionLog) {
    let half = silent_from(log);
    let times = log.records[..half].iter().filter_map(|record| match &record.body {
        Body::Reading(reading) => reading.time_ms,
        Body::Unreadable(_) => None,
    });
    let Some(newest) = times.max() else { return };
    if let Some(OracleRecord { body: Body::Reading(reading), timestamp_ms, .. }) = log.records.get_mut(half) {
        reading.time_ms = Some(newest - random.i64(5..=8));
        *timestamp_ms = newest;
    }
}

/// Where the silence of the aimed partition begins.
pub(super) fn silent_from(log: &PartitionLog) -> usize {
    log.records.len() / 2
}

/// B = 2, L = 4, gap = 5: small enough that a dozen records reach every span.
fn rules(random: &mut Rng, family: Family) -> Rules {
    let join = match (family, random.u32(0..8)) {
        (_, 0..2) => JoinMode::Nearest,
        (Family::Clocks, _) => JoinMode::Nearest,
        (_, 2..5) => JoinMode::All,
        (_, 5..7) => JoinMode::Asof,
        _ => JoinMode::Latest,
    };
    let mut rules = Rules {
        score: ScoreRules { bound_ms: 2, ..ScoreRules::default() },
        join,
        outer: join != JoinMode::Latest && random.bool(),
        lateness_ms: 4,
        alarm_gap_ms: 5,
        future_ms_max: 50,
        clock_ahead_ms_max: 1,
        time_ms_min: 0,
        ..Rules::default()
    };
    if random.u32(0..6) == 0 {
        let own = ScoreRules { bound_ms: 1, methane_high_ppm: 340.0, ..rules.score.clone() };
        rules.facilities.insert("F0".to_owned(), own);
    }
    rules
}

/// How likely what is, in one history.
struct Shape {
    facilities: u32,
    records_max: usize,
    step_max: i64,
    disorder: i64,
    late_in: u32,
    null_in: u32,
    poison_in: u32,
    ahead_in: u32,
    gap_in: u32,
}

impl Shape {
    fn new(random: &mut Rng, family: Family) -> Shape {
        let aimed = family == Family::Clocks;
        Shape {
            facilities: random.u32(1..=3),
            records_max: random.usize(3..=14),
            step_max: if aimed { random.i64(4..=6) } else { random.i64(1..=4) },
            disorder: random.i64(0..=4),
            late_in: random.u32(4..=20),
            null_in: if aimed { 3 } else { random.u32(4..=30) },
            poison_in: random.u32(10..=40),
            ahead_in: random.u32(5..=40),
            gap_in: random.u32(5..=40),
        }
    }

    fn partition(&self, random: &mut Rng, partition: PartitionId) -> PartitionLog {
        let mut log = PartitionLog { partition, records: Vec::new() };
        // Partitions start apart, so that alignment and a slow one have work.
        let mut at = 1_000 + random.i64(-3..=3) * random.i64(0..=2);
        let mut offset = random.i64(0..=2);
        let one_in = |random: &mut Rng, n: u32| random.u32(0..n) == 0;
        for _ in 0..random.usize(0..=self.records_max) {
            at += random.i64(0..=self.step_max);
            at += if one_in(random, 25) { random.i64(5..=15) } else { 0 };
            let null = one_in(random, self.null_in);
            let mut time_ms = at - random.i64(0..=self.disorder);
            time_ms -= if one_in(random, self.late_in) { random.i64(3..=9) } else { 0 };
            time_ms += if null && one_in(random, 2) { random.i64(1..=6) } else { 0 };
            let ahead = one_in(random, self.ahead_in);
            let timestamp_ms = match random.u32(0..20) {
                0 => -1,
                _ if ahead => time_ms - random.i64(0..=8),
                _ => time_ms + random.i64(0..=3),
            };
            let body = if one_in(random, self.poison_in) {
                Body::Unreadable(Reason::BadMagic)
            } else {
                Body::Reading(self.reading(random, partition.side, time_ms, null))
            };
            log.records.push(OracleRecord { offset, timestamp_ms, body });
            offset += 1 + if one_in(random, self.gap_in) { random.i64(1..=3) } else { 0 };
        }
        log
    }

    fn reading(&self, random: &mut Rng, side: Side, time_ms: i64, null: bool) -> Observed {
        let levels = match side {
            Side::Well => [100.0, 350.0, 600.0],
            Side::Tank => [100.0, 6_000.0, 12_000.0],
        };
        let required = match side {
            Side::Well => Reason::NullMethane,
            Side::Tank => Reason::NullVapor,
        };
        Observed {
            facility: Some(Arc::from(format!("F{}", random.u32(0..self.facilities)))),
            time_ms: Some(time_ms),
            ppm: levels[random.usize(0..3)],
            null: null.then_some(required),
        }
    }
}

/// The sensor of a record: some of each side, on all partitions, so that the newest lies anywhere.
pub(super) fn sensor(side: Side, offset: i64) -> &'static str {
    let which = offset.rem_euclid(3);
    match (side, which) {
        (Side::Well, 0) => "W-0",
        (Side::Well, 1) => "W-1",
        (Side::Well, _) => "a well with a long name",
        (Side::Tank, 0) => "T-0",
        (Side::Tank, _) => "a tank with a long name",
    }
}

/// The record's value, by the schemas in which every field may be null.
fn value(side: Side, record: &OracleRecord) -> Vec<u8> {
    let mut out = Vec::new();
    let Body::Reading(observed) = &record.body else { return vec![9, 9] };
    encode::put_frame(&mut out, 1);
    let facility_id = observed.facility.as_deref();
    let ppm = observed.null.is_none().then_some(observed.ppm);
    let (timestamp, some) = (observed.time_ms, Some(1.0));
    match side {
        Side::Well => encode::well_reading_nullable(
            &mut out,
            &WellReading {
                well_id: Some(sensor(side, record.offset)),
                facility_id,
                timestamp,
                methane_ppm: ppm,
                co2_ppm: some,
                pressure_psi: some,
                temperature_f: some,
                ..WellReading::default()
            },
        ),
        Side::Tank => encode::tank_reading_nullable(
            &mut out,
            &TankReading {
                tank_id: Some(sensor(side, record.offset)),
                facility_id,
                timestamp,
                level_percentage: some,
                vapor_concentration_ppm: ppm,
                internal_pressure_psi: some,
                ..TankReading::default()
            },
        ),
    }
    out
}

impl fmt::Debug for History {
    /// The story, short enough to be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { join, outer, .. } = &*self.rules;
        writeln!(f, "{} outer={outer} lanes={} shards={}", join.name(), self.lanes, self.shards)?;
        writeln!(f, "max_ahead={} crashes={}", self.max_ahead_ms, self.crashes)?;
        for log in &self.logs {
            write!(f, "{}:", log.partition)?;
            for record in &log.records {
                match &record.body {
                    Body::Unreadable(_) => write!(f, "  #{} poison", record.offset)?,
                    Body::Reading(reading) => {
                        let facility = reading.facility.as_deref().unwrap_or("-");
                        let time = reading.time_ms.unwrap_or(-1);
                        let null = if reading.null.is_some() { " null" } else { "" };
                        let (offset, sent, ppm) = (record.offset, record.timestamp_ms, reading.ppm);
                        write!(f, "  #{offset} {facility} t={time} sent={sent} {ppm}{null}")?;
                    }
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
