//! The join by definition, facility by facility over sorted readings (DESIGN section 3).

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use wellstream_core::record::{Input, Side, Status};
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};

use super::{Accepted, OracleRow, RowFacts};

/// All rows of a log to its end, sorted by facility, then by inputs. In `latest`: the rows of `asof`.
pub fn join(accepted: &[Vec<Accepted>; 2], rules: &Rules) -> Vec<OracleRow> {
    let facilities = by_facility(accepted);
    let mut rows: Vec<OracleRow> = facilities
        .iter()
        .flat_map(|facility| {
            let mut rows = Vec::new();
            facility.join(rules, &mut |facts, closes_ms| {
                rows.push(OracleRow { facility: facility.id.clone(), facts, closes_ms });
            });
            rows
        })
        .collect();
    rows.sort_unstable();
    rows
}

/// One reading of a known facility and side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) input: Input,
    pub(super) ppm: f64,
}

/// A facility's readings, each side sorted by (time, partition, offset).
#[derive(Debug)]
pub(super) struct Facility {
    pub(super) id: Arc<str>,
    events: [Vec<Event>; 2],
}

/// Readings by facility, in the order of facility ids.
pub(super) fn by_facility(accepted: &[Vec<Accepted>; 2]) -> Vec<Facility> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut facilities: Vec<Facility> = Vec::new();
    for side in Side::BOTH {
        for reading in &accepted[side.index()] {
            let place = *places.entry(&reading.facility).or_insert_with(|| {
                facilities.push(Facility { id: reading.facility.clone(), events: Default::default() });
                facilities.len() - 1
            });
            facilities[place].events[side.index()].push(Event { input: reading.input, ppm: reading.ppm });
        }
    }
    let sort = |facility: &mut Facility| {
        facility.events.iter_mut().for_each(|events| events.sort_unstable_by_key(|event| event.input));
    };
    if accepted.iter().map(Vec::len).sum::<usize>() < EVENTS_WORTH_THREADS {
        facilities.iter_mut().for_each(sort);
    } else {
        facilities.par_iter_mut().for_each(sort);
    }
    facilities.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    facilities
}

/// Below this many readings, handing work to other threads costs more than the work.
pub(super) const EVENTS_WORTH_THREADS: usize = 50_000;

impl Facility {
    /// Calls `emit` with each row and the time that W must pass for it.
    pub(super) fn join(&self, rules: &Rules, emit: &mut impl FnMut(RowFacts, Option<i64>)) {
        let score = rules.of(&self.id);
        match rules.join {
            JoinMode::All => self.join_all(score, rules.outer, emit),
            JoinMode::Nearest => self.join_wells(score, rules, nearest, emit),
            JoinMode::Asof | JoinMode::Latest => self.join_wells(score, rules, asof, emit),
        }
    }

    fn join_all(&self, score: &ScoreRules, outer: bool, emit: &mut impl FnMut(RowFacts, Option<i64>)) {
        let [wells, tanks] = &self.events;
        let mut tank_is_paired = vec![false; tanks.len()];
        let mut first = 0;
        for well in wells {
            let time_ms = well.input.time_ms;
            while tanks.get(first).is_some_and(|t| t.input.time_ms < time_ms.saturating_sub(score.bound_ms)) {
                first += 1;
            }
            let last_ms = time_ms.saturating_add(score.bound_ms);
            let mut is_paired = false;
            for (place, tank) in tanks.iter().enumerate().skip(first) {
                if tank.input.time_ms > last_ms {
                    break;
                }
                is_paired = true;
                tank_is_paired[place] = true;
                emit(facts(Some(well), Some(tank), score), None);
            }
            if outer && !is_paired {
                emit(facts(Some(well), None, score), Some(last_ms));
            }
        }
        for (tank, _) in tanks.iter().zip(tank_is_paired).filter(|(_, is_paired)| outer && !is_paired) {
            let closes_ms = tank.input.time_ms.saturating_add(score.bound_ms);
            emit(facts(None, Some(tank), score), Some(closes_ms));
        }
    }

    /// One row per well, with the partner that `choose` finds among the sorted tanks.
    fn join_wells(
        &self,
        score: &ScoreRules,
        rules: &Rules,
        choose: impl Fn(&[Event], i64) -> Option<&Event>,
        emit: &mut impl FnMut(RowFacts, Option<i64>),
    ) {
        let [wells, tanks] = &self.events;
        let is_nearest = rules.join == JoinMode::Nearest;
        for well in wells {
            let time_ms = well.input.time_ms;
            let distance = |tank: &Event| time_ms.abs_diff(tank.input.time_ms);
            match choose(tanks, time_ms).filter(|tank| distance(tank) <= score.bound_ms.unsigned_abs()) {
                Some(tank) => {
                    let wait = if is_nearest { distance(tank) } else { 0 };
                    emit(facts(Some(well), Some(tank), score), Some(time_ms.saturating_add_unsigned(wait)));
                }
                None if rules.outer => {
                    let wait = if is_nearest { score.bound_ms } else { 0 };
                    emit(facts(Some(well), None, score), Some(time_ms.saturating_add(wait)));
                }
                None => {}
            }
        }
    }
}

/// Smallest by (distance, time, partition, offset): either the first reading of the newest time before the
/// well's, or the first one at or after it.
pub(super) fn nearest(tanks: &[Event], time_ms: i64) -> Option<&Event> {
    let (before, after) = tanks.split_at(tanks.partition_point(|tank| tank.input.time_ms < time_ms));
    let newest_before = before
        .last()
        .map(|newest| &before[before.partition_point(|tank| tank.input.time_ms < newest.input.time_ms)]);
    let order = |tank: &&Event| (time_ms.abs_diff(tank.input.time_ms), tank.input);
    newest_before.into_iter().chain(after.first()).min_by_key(order)
}

/// The newest not after the well, of equal times the largest (partition, offset): the last in the sorted
/// order.
pub(super) fn asof(tanks: &[Event], time_ms: i64) -> Option<&Event> {
    tanks[..tanks.partition_point(|tank| tank.input.time_ms <= time_ms)].last()
}

/// A row of one or two readings: its time is the later input's, its risk the sum of both sides' points.
pub(super) fn facts(well: Option<&Event>, tank: Option<&Event>, score: &ScoreRules) -> RowFacts {
    let emission = well.map_or(0, |well| {
        points(well.ppm, [score.methane_high_ppm, score.methane_medium_ppm], score.emission_points)
    });
    let vapor = tank.map_or(0, |tank| {
        points(tank.ppm, [score.vapor_critical_ppm, score.vapor_high_ppm], score.vapor_points)
    });
    let [well, tank] = [well, tank].map(|event| event.map(|event| event.input));
    let risk = emission.saturating_add(vapor);
    RowFacts {
        well,
        tank,
        time_ms: [well, tank].into_iter().flatten().map(|input| input.time_ms).max().unwrap_or_default(),
        risk,
        status: if risk > score.alert_above { Status::Alert } else { Status::Normal },
    }
}

/// The points of the first threshold that the value is above, the last ones if it is above none.
fn points(ppm: f64, thresholds: [f64; 2], points: [u32; 3]) -> u32 {
    let class = thresholds.iter().position(|threshold| ppm > *threshold).unwrap_or(2);
    points[class]
}
