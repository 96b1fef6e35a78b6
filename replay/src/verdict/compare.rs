//! What came out against what must have.

use std::sync::Arc;

use wellstream_core::record::{Reason, RowDigest};
use wellstream_core::rules::JoinMode;
use wellstream_core::telemetry::LaneCounts;

use crate::oracle::{AlarmCell, CellId, Counts, Expected, Grid, NotPartners, RowCell, Sum, Suspects, Tally};

use super::Found;

/// Compares cell by cell. `counts` are the run's own, where they are known.
pub fn compare(expected: &Expected, found: &Found, counts: Option<&Counts>) -> Comparison {
    Comparison {
        expected: Summary::new(&expected.tally, Some(&expected.counts)),
        found: Summary::new(&found.tally, counts),
        rows: differing(&expected.tally.rows, &found.tally.rows),
        alarms: differing(&expected.tally.alarms, &found.tally.alarms),
        not_partners: expected.not_partners.clone(),
        partners_not_checked: found.partners.not_marked(),
        epochs_dropped: found.epochs_dropped,
    }
}

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What must have come.
    pub expected: Summary,
    /// What came.
    pub found: Summary,
    /// Cells of rows that differ, in the order of (time, group).
    pub rows: Vec<Difference<RowCell>>,
    /// Cells of alarms that differ.
    pub alarms: Vec<Difference<AlarmCell>>,
    /// In `latest`, if the expectation was computed with the run's partners: rows that break its rule.
    pub not_partners: NotPartners,
    /// In `latest`: rows of which only the well was checked, as marks have run out.
    pub partners_not_checked: u64,
    /// Epochs whose output is not in `found`, since they were aborted, or nobody knows how their commit
    /// ended.
    pub epochs_dropped: u64,
}

impl Comparison {
    /// Whether all is as it must be.
    pub fn is_ok(&self) -> bool {
        self.rows.is_empty()
            && self.alarms.is_empty()
            && self.not_partners.count == 0
            && self.count_faults().is_empty()
    }

    /// Counts of records that differ: what, expected, found. Empty where the run's own are not known.
    pub fn count_faults(&self) -> Vec<(String, u64, u64)> {
        let (Some(expected), Some(found)) = (&self.expected.counts, &self.found.counts) else {
            return Vec::new();
        };
        let sides = |counts: &Counts| [counts.events_in, counts.accepted];
        let names = [["well records", "tank records"], ["accepted wells", "accepted tanks"]];
        let sides = names.into_iter().zip(sides(expected).into_iter().zip(sides(found)));
        let sides = sides.flat_map(|(names, (expected, found))| {
            names
                .into_iter()
                .zip(expected.into_iter().zip(found))
                .map(|(name, counts)| (name.to_owned(), counts))
        });
        let of = |counts: &Counts, reason| counts.rejected.get(&reason).copied().unwrap_or(0);
        let reasons = Reason::ALL.into_iter().map(|r| (r.name().to_owned(), (of(expected, r), of(found, r))));
        let all = sides.chain(reasons).map(|(name, (expected, found))| (name, expected, found));
        all.filter(|(_, expected, found)| expected != found).collect()
    }

    /// The cells whose rows and alarms a second look should list: as many of those that differ as memory
    /// holds, the earliest first.
    pub fn suspects(&self) -> Arc<Suspects> {
        Arc::new(Suspects { rows: first(&self.rows), alarms: first(&self.alarms) })
    }
}

/// A cell that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<S> {
    /// Which.
    pub cell: CellId,
    /// What it should hold.
    pub expected: S,
    /// What it holds.
    pub found: S,
}

/// What an output amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What became of the records, if that is known.
    pub counts: Option<Counts>,
    /// How many rows.
    pub rows: u64,
    /// How many of them are ALERT. `None` in `latest`, where that is not a function of the log.
    pub alert_rows: Option<u64>,
    /// The sum of their risks. `None` in `latest`.
    pub risk_sum: Option<u64>,
    /// The digest of row ids; in `latest` of the wells', as if each stood alone.
    pub digest: RowDigest,
    /// Alarms raised, escalated, cleared.
    pub alarms: [u64; 3],
}

impl Summary {
    fn new(tally: &Tally, counts: Option<&Counts>) -> Summary {
        let rows = tally.row_totals();
        let is_function = tally.mode() != JoinMode::Latest;
        Summary {
            counts: counts.cloned(),
            rows: rows.rows,
            alert_rows: is_function.then_some(rows.alert_rows),
            risk_sum: is_function.then_some(rows.risk_sum),
            digest: rows.digest,
            alarms: tally.alarms_by_kind(),
        }
    }
}

impl From<&LaneCounts> for Counts {
    fn from(lanes: &LaneCounts) -> Counts {
        let rejected = Reason::ALL.into_iter().zip(lanes.reasons).filter(|(_, count)| *count > 0);
        Counts { events_in: lanes.events, accepted: lanes.accepted, rejected: rejected.collect() }
    }
}

fn differing<S: Sum>(expected: &Grid<S>, found: &Grid<S>) -> Vec<Difference<S>> {
    let difference = |cell| Difference { cell, expected: *expected.cell(cell), found: *found.cell(cell) };
    expected.differing(found).into_iter().map(difference).collect()
}

/// The first cells, up to what a list holds; at least one.
fn first<S: Sum, B: FromIterator<CellId>>(differences: &[Difference<S>]) -> B {
    let mut room = LISTED_AT_A_TIME;
    let fits = |difference: &&Difference<S>| {
        let has_room = room > 0;
        room = room.saturating_sub(difference.expected.count().max(difference.found.count()));
        has_room
    };
    differences.iter().take_while(fits).map(|difference| difference.cell).collect()
}

/// Rows that a second run lists, but for those of its last cell. Twice this (expected and found) are some
/// 64 MiB.
const LISTED_AT_A_TIME: u64 = 400_000;
