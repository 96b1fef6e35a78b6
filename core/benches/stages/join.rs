//! Readings arrive at their shard and meet the other side's window.

use std::sync::Arc;

use fastrand::Rng;
use wellstream_core::encode::RowTail;
use wellstream_core::join::{Arrival, Join, JoinStart, PartRef, RowForm};
use wellstream_core::record::{PartitionId, RowDigest, Side, Status};
use wellstream_core::rules::Rules;

use super::codec::naive_part;
use super::{Stage, sample};
use crate::load::{Load, READINGS};

/// The stage of this name, if it is one of these.
pub(super) fn stage<'l>(load: &'l Load, name: &str) -> Option<Stage<'l>> {
    Some(match name {
        "join_counted" => join(load, RowForm::Counted),
        "join_rows" => join(load, RowForm::Encoded),
        "naive_join_counted" => naive(load, false),
        "naive_join_rows" => naive(load, true),
        _ => return None,
    })
}

/// Readings in the order of their arrival, again and again, each time as much later as all of them last.
struct Arrivals<'l> {
    of: Vec<(u32, Arrival, &'l [u8])>,
    next: usize,
}

impl<'l> Arrivals<'l> {
    /// The default density: 0.2 readings of each side a second and facility, up to two seconds out of order.
    fn new(load: &'l Load) -> Arrivals<'l> {
        let mut rng = Rng::with_seed(6);
        let mut offsets = [0; 2 * PARTITIONS as usize];
        let of = (0..ARRIVALS).map(|n| {
            let side = n % 2;
            let partition = u16::try_from(side).unwrap() * PARTITIONS + rng.u16(..PARTITIONS);
            let offset = offsets[usize::from(partition)];
            offsets[usize::from(partition)] += 1;
            let time_ms = BEGIN_MS + i64::try_from(n).unwrap() * STEP_MS - rng.i64(0..2_000);
            let (part, [points, quality]) =
                (&load.parts[n % READINGS][side], load.classes[n % READINGS][side]);
            let arrival =
                Arrival { time_ms, offset, sent_ms: time_ms, points, quality, partition, reread: false };
            (rng.u32(..FACILITIES), arrival, part.as_slice())
        });
        Arrivals { of: of.collect(), next: 0 }
    }

    #[inline]
    fn next(&mut self) -> (u32, Arrival, &'l [u8]) {
        let (facility, mut arrival, part) = self.of[self.next % ARRIVALS];
        let lap = i64::try_from(self.next / ARRIVALS).unwrap();
        arrival.time_ms += lap * LAP_MS;
        arrival.offset += lap * OFFSETS_A_LAP;
        self.next += 1;
        (facility, arrival, part)
    }
}

fn join(load: &Load, form: RowForm) -> Stage<'_> {
    let mut arrivals = Arrivals::new(load);
    let rules = Rules::default();
    let lateness_ms = rules.lateness_ms;
    let partitions = [Side::Well, Side::Tank]
        .into_iter()
        .flat_map(|side| (0..u32::from(PARTITIONS)).map(move |number| PartitionId { side, number }));
    let mut join = Join::new(Arc::new(rules), partitions.collect(), &JoinStart::default(), form);
    join.finish_rebuild();
    let facilities: Vec<u32> = (0..FACILITIES).map(|number| join.facility(&facility(number))).collect();
    let mut newest_ms = i64::MIN;
    Box::new(move |turns| {
        let mut written = 0_u64;
        for turn in 1..=turns {
            let (facility, arrival, part) = arrivals.next();
            newest_ms = newest_ms.max(arrival.time_ms);
            let part = match form {
                RowForm::Encoded => join.put_part(part, arrival.time_ms),
                _ => PartRef::default(),
            };
            join.arrive(facilities[facility as usize], arrival, part);
            if turn % BATCH == 0 || turn == turns {
                join.advance(newest_ms - lateness_ms);
            }
            if join.out.is_full() || turn == turns {
                join.encode_rows();
                let batch = &join.out.batch;
                let rows = batch.rows.iter().filter(|_| form == RowForm::Encoded);
                written = rows.fold(written, |sum, row| sum.wrapping_add(sample(batch.value(row))));
                join.out.batch.clear();
                join.out.alarms.clear();
            }
        }
        join.out.totals.digest.0 ^ written
    })
}

/// Readings of one side with their parts.
type Window<'l> = Vec<(Arrival, &'l [u8])>;

/// Every reading against all of the other side that its facility has had in the last half minute.
fn naive(load: &Load, rows: bool) -> Stage<'_> {
    let mut arrivals = Arrivals::new(load);
    let rules = Rules::default();
    let mut kept: Vec<[Window<'_>; 2]> = Vec::new();
    kept.resize_with(FACILITIES as usize, Default::default);
    let hash = rules.hash().to_string();
    let mut digest = RowDigest::default();
    let mut out = Vec::new();
    Box::new(move |turns| {
        let mut written = 0_u64;
        for _ in 0..turns {
            let (number, arrival, part) = arrivals.next();
            let side = usize::from(arrival.partition / PARTITIONS);
            let sides = &mut kept[number as usize];
            for other in &sides[1 - side] {
                if (other.0.time_ms - arrival.time_ms).abs() > rules.score.bound_ms {
                    continue;
                }
                let (well, tank) =
                    if side == 0 { (&(arrival, part), other) } else { (other, &(arrival, part)) };
                let id = |of: &Arrival| (u32::from(of.partition % PARTITIONS), of.offset);
                digest.add(Some(id(&well.0)), Some(id(&tank.0)));
                if rows {
                    out.clear();
                    let tail = tail(&rules, &well.0, &tank.0);
                    let (value, _) = naive_part::put_row(&mut out, well.1, tank.1, tail, &hash);
                    written = written.wrapping_add(sample(&out[value.start as usize..value.end as usize]));
                }
            }
            sides[side].push((arrival, part));
            sides[side].retain(|(old, _)| old.time_ms > arrival.time_ms - 30_000);
        }
        digest.0 ^ written
    })
}

fn tail(rules: &Rules, well: &Arrival, tank: &Arrival) -> RowTail {
    let risk = u32::from(well.points + tank.points);
    RowTail {
        time_ms: well.time_ms.max(tank.time_ms),
        quality: u32::from(well.quality.min(tank.quality)),
        risk,
        status: if risk > rules.score.alert_above { Status::Alert } else { Status::Normal },
    }
}

fn facility(number: u32) -> String {
    format!("FAC-{number:05}")
}

const FACILITIES: u32 = 500;
/// Of each side.
const PARTITIONS: u16 = 3;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// Event time from one reading to the next: 500 facilities with 0.4 a second.
const STEP_MS: i64 = 5;
/// Different arrivals: 100 s of event time, three times what is kept.
const ARRIVALS: usize = 20_000;
const LAP_MS: i64 = ARRIVALS as i64 * STEP_MS;
/// No partition has more of them.
const OFFSETS_A_LAP: i64 = ARRIVALS as i64;
/// Readings after which W is told.
const BATCH: usize = 256;
