//! What was committed against what the oracle says.

use std::collections::BTreeMap;
use std::fmt::Debug;

use wellstream_core::record::{Fate, Row};
use wellstream_core::rules::JoinMode;

use crate::oracle::{self, RowFacts};

use super::history::{Family, History};
use super::world::World;

pub(super) fn compare(history: &History, world: &World) -> Result<(), String> {
    let rules = &*history.rules;
    let judged = oracle::judge(&history.logs, rules);
    let rows: Vec<RowFacts> = world.rows.iter().map(RowFacts::from).collect();
    let expected: Vec<RowFacts> =
        oracle::join(&judged.accepted, rules).into_iter().map(|row| row.facts).collect();
    // Late and quarantined records depend on their own partition's log alone: exact in every family.
    let late = judged.rejected.iter().filter(|(_, _, reason)| reason.fate() != Fate::Dropped).copied();
    same("late copies and quarantine", late.collect(), world.rejects.clone())?;
    never_twice(&world.rows, rules.join)?;
    let exact = match history.family {
        Family::Exact => true,
        Family::Idle | Family::Ends | Family::Clocks => world.counted == 0,
        Family::Lost => false,
    };
    super::cache::compare(history, world, &judged, exact)?;
    if !exact {
        return if rules.join == JoinMode::All && !rules.outer {
            none_invented(expected, rows)
        } else {
            Ok(())
        };
    }
    if rules.join == JoinMode::Latest {
        oracle::check_latest(&world.rows, &judged.accepted, rules).map_err(|fault| fault.to_string())?;
    } else {
        same("rows", expected, rows)?;
    }
    same("alarms", oracle::output(&judged, rules).alarms, world.alarms.clone())
}

/// Two multisets are equal; else what is missing and what is too much.
fn same<T: Ord + Debug + Clone>(what: &str, expected: Vec<T>, found: Vec<T>) -> Result<(), String> {
    let mut balance: BTreeMap<T, i64> = BTreeMap::new();
    for item in expected {
        *balance.entry(item).or_default() -= 1;
    }
    for item in found {
        *balance.entry(item).or_default() += 1;
    }
    let lost: Vec<_> = balance.iter().filter(|(_, n)| **n < 0).collect();
    let extra: Vec<_> = balance.iter().filter(|(_, n)| **n > 0).collect();
    if lost.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(format!("{what}: missing {lost:#?}, too many {extra:#?}"))
}

/// No row id comes twice; in the modes with one row per well, no well does; and no reading is both paired and
/// alone.
fn never_twice(rows: &[Row], mode: JoinMode) -> Result<(), String> {
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows {
        let id = match (mode, row.well) {
            (JoinMode::All, _) | (_, None) => row.id(),
            (_, Some(well)) => format!("w:{}:{}", well.partition, well.offset),
        };
        *ids.entry(id).or_default() += 1;
    }
    match ids.iter().find(|(_, n)| **n > 1) {
        Some((id, n)) => Err(format!("{id} came {n} times")),
        None => Ok(()),
    }
}

/// Every row is one that the oracle has too.
fn none_invented(expected: Vec<RowFacts>, rows: Vec<RowFacts>) -> Result<(), String> {
    let expected: std::collections::BTreeSet<_> = expected.into_iter().collect();
    match rows.into_iter().find(|row| !expected.contains(row)) {
        Some(row) => Err(format!("a row that is none: {row:?}")),
        None => Ok(()),
    }
}
