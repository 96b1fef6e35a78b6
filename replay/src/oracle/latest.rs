//! `latest` is not a function of the log; what can be demanded of its rows is checked here.

use std::collections::{BTreeSet, HashMap};

use wellstream_core::record::{Input, Row, Side};
use wellstream_core::rules::Rules;

use super::join::{Event, facts};
use super::{Accepted, RowFacts};

/// Checks the rows of a run in `latest`: exactly one per accepted well reading; its partner, if any, an
/// accepted tank reading of the same facility, not after the well and within the bound; time, risk and status
/// as they follow.
///
/// # Errors
/// The first fault found.
pub fn check_latest(rows: &[Row], accepted: &[Vec<Accepted>; 2], rules: &Rules) -> Result<(), LatestFault> {
    let [wells, tanks] = Side::BOTH.map(|side| {
        accepted[side.index()].iter().map(|r| (r.input, r)).collect::<HashMap<Input, &Accepted>>()
    });
    let mut seen = BTreeSet::new();
    for row in rows {
        let input = row.well.ok_or_else(|| LatestFault::NoWell { row: row.id() })?;
        let well = wells.get(&input).ok_or_else(|| LatestFault::UnknownWell { row: row.id() })?;
        if !seen.insert(input) {
            return Err(LatestFault::Twice { row: row.id() });
        }
        let tank = match row.tank {
            None => None,
            Some(input) => Some(
                tanks
                    .get(&input)
                    .filter(|tank| is_partner(well, tank, rules))
                    .ok_or_else(|| LatestFault::NotAPartner { row: row.id() })?,
            ),
        };
        let event = |reading: &Accepted| Event { input: reading.input, ppm: reading.ppm };
        let expected = facts(Some(&event(well)), tank.map(|t| event(t)).as_ref(), rules.of(&well.facility));
        if RowFacts::from(row) != expected {
            return Err(LatestFault::Facts { row: row.id(), expected: Box::new(expected) });
        }
    }
    match accepted[Side::Well.index()].iter().find(|well| !seen.contains(&well.input)) {
        Some(well) => Err(LatestFault::Missing { well: well.input }),
        None => Ok(()),
    }
}

/// What is wrong with the rows of a run in `latest`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatestFault {
    /// `latest` has no rows of tanks alone.
    #[error("row {row} has no well reading")]
    NoWell {
        /// The row id.
        row: String,
    },
    /// The well reading was not accepted, or is not in the log.
    #[error("row {row}: no such well reading was accepted")]
    UnknownWell {
        /// The row id.
        row: String,
    },
    /// Two rows of one well reading.
    #[error("row {row}: its well reading has another row")]
    Twice {
        /// The row id.
        row: String,
    },
    /// The tank reading is none, or of another facility, or after the well, or outside the bound.
    #[error("row {row}: its tank reading cannot be the well's partner")]
    NotAPartner {
        /// The row id.
        row: String,
    },
    /// Time, risk or status do not follow from the inputs.
    #[error("row {row} should say {expected:?}")]
    Facts {
        /// The row id.
        row: String,
        /// What it should say.
        expected: Box<RowFacts>,
    },
    /// An accepted well reading without a row.
    #[error("no row for the well reading {well:?}")]
    Missing {
        /// The reading.
        well: Input,
    },
}

fn is_partner(well: &Accepted, tank: &Accepted, rules: &Rules) -> bool {
    let age_ms = well.input.time_ms.saturating_sub(tank.input.time_ms);
    well.facility == tank.facility && (0..=rules.of(&well.facility).bound_ms).contains(&age_ms)
}
