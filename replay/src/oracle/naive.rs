//! The join once more, as a nested loop that looks at every well and every tank: the twin that checks `join`.

use wellstream_core::record::Input;
use wellstream_core::rules::{JoinMode, Rules};

use super::join::{Event, facts};
use super::{Accepted, OracleRow};

/// The same rows as `join`, in quadratic time.
pub fn join_naive(accepted: &[Vec<Accepted>; 2], rules: &Rules) -> Vec<OracleRow> {
    let [wells, tanks] = accepted;
    let mut rows = Vec::new();
    let mut emit = |well: Option<&Accepted>, tank: Option<&Accepted>, closes_ms| {
        let Some(facility) = well.or(tank).map(|reading| reading.facility.clone()) else { return };
        let [well, tank] = [well, tank].map(|r| r.map(|r| Event { input: r.input, ppm: r.ppm }));
        let facts = facts(well.as_ref(), tank.as_ref(), rules.of(&facility));
        rows.push(OracleRow { facility, facts, closes_ms });
    };
    for well in wells {
        let bound_ms = rules.of(&well.facility).bound_ms;
        let time_ms = well.input.time_ms;
        let partners = || tanks.iter().filter(|tank| is_pair(well, tank, rules));
        let before = || partners().filter(|tank| tank.input.time_ms <= time_ms);
        let distance = |tank: &Accepted| (tank.input.time_ms - time_ms).abs();
        let is_nearest = rules.join == JoinMode::Nearest;
        let chosen = match rules.join {
            JoinMode::All => {
                partners().for_each(|tank| emit(Some(well), Some(tank), None));
                if rules.outer && partners().next().is_none() {
                    emit(Some(well), None, Some(time_ms + bound_ms));
                }
                continue;
            }
            JoinMode::Nearest => partners().min_by_key(|tank| (distance(tank), tank.input)),
            JoinMode::Asof | JoinMode::Latest => before().max_by_key(|tank| tank.input),
        };
        match chosen {
            Some(tank) => {
                let wait_ms = if is_nearest { distance(tank) } else { 0 };
                emit(Some(well), Some(tank), Some(time_ms + wait_ms));
            }
            None if rules.outer => {
                emit(Some(well), None, Some(time_ms + if is_nearest { bound_ms } else { 0 }));
            }
            None => {}
        }
    }
    if rules.join == JoinMode::All && rules.outer {
        for tank in tanks.iter().filter(|tank| !wells.iter().any(|well| is_pair(well, tank, rules))) {
            let Input { time_ms, .. } = tank.input;
            emit(None, Some(tank), Some(time_ms + rules.of(&tank.facility).bound_ms));
        }
    }
    rows.sort_unstable();
    rows
}

fn is_pair(well: &Accepted, tank: &Accepted, rules: &Rules) -> bool {
    well.facility == tank.facility
        && (well.input.time_ms - tank.input.time_ms).abs() <= rules.of(&well.facility).bound_ms
}
