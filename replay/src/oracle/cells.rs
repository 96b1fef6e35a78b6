//! What rows and alarms amount to, cell by cell, in the same memory whatever their number.
//!
//! Enters: rows and alarms in any order. Leaves: per cell their count, ALERT rows, risk sum, a digest of ids
//! and a sum of times. A cell is a group of readings in 10 s of row time; both follow from the row alone, so
//! whoever gathers the same rows gets the same cells. A row's group comes from the place of its well reading
//! (of its tank reading where it has none), an alarm's from its facility: a row does not carry its facility
//! where no sink wants it encoded. Times lie on a ring of some three hours: a longer run meets the same cells
//! again, so that memory stays as it is and a cell only gets fuller.
//!
//! ```
//! use wellstream_core::record::{Input, Status};
//! use wellstream_core::rules::JoinMode;
//! use wellstream_replay::oracle::{RowFacts, Tally};
//!
//! let at = |partition, offset| Some(Input { time_ms: 1_700_000_000_000, partition, offset });
//! let row = |tank| RowFacts {
//!     well: at(0, 7), tank, time_ms: 1_700_000_000_000, risk: 40, status: Status::Alert,
//! };
//! let (mut expected, mut found) = (Tally::new(JoinMode::All), Tally::new(JoinMode::All));
//! for tank in [at(1, 3), at(1, 4), at(1, 4)] {
//!     found.add_row(&row(tank));
//! }
//! for tank in [at(1, 4), at(1, 3)] {
//!     expected.add_row(&row(tank));
//! }
//! assert_eq!(found.rows.differing(&expected.rows).len(), 1); // row w:0:7|t:1:4 came twice
//! assert_eq!(found.row_totals().risk_sum, 120);
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use wellstream_core::record::{Alarm, AlarmKind, Input, RowTotals, Side, Status, splitmix64};
use wellstream_core::rules::JoinMode;

use super::RowFacts;

/// Which cell: a group, and 10 s of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(u32);

impl CellId {
    /// The cell of a row. In `latest`, that of the row without its partner.
    #[inline]
    pub fn of_row(row: &RowFacts) -> CellId {
        let (side, input) = match (row.well, row.tank) {
            (Some(well), _) => (Side::Well, Some(well)),
            (None, tank) => (Side::Tank, tank),
        };
        let place = input.map_or(u64::MAX, |Input { partition, offset, .. }| {
            (u64::from(partition) << 1 | side.index() as u64).rotate_right(16) ^ offset.cast_unsigned()
        });
        CellId::at(splitmix64(place), row.time_ms)
    }

    /// The cell of an alarm, by the time of the step that decided it.
    pub fn of_alarm(alarm: &Alarm) -> CellId {
        CellId::at(hash_text(&alarm.facility), alarm.time_ms)
    }

    /// The group, 0 to 63.
    pub fn group(self) -> u32 {
        self.0 % GROUPS
    }

    /// The cell's place on the ring of times, in steps of 10 s.
    pub fn slot(self) -> u32 {
        self.0 / GROUPS
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both are remainders of small numbers")]
    fn at(hash: u64, time_ms: i64) -> CellId {
        let slot = time_ms.div_euclid(SLOT_MS).rem_euclid(i64::from(SLOTS)) as u32;
        CellId(slot * GROUPS + (hash >> 32) as u32 % GROUPS)
    }
}

/// What can be added up in a cell.
pub trait Sum: Copy + Default + PartialEq {
    /// What is added.
    type Item;
    /// Adds one.
    fn add(&mut self, item: &Self::Item);
    /// Adds another sum.
    fn merge(&mut self, other: &Self);
    /// How many were added.
    fn count(&self) -> u64;
    /// The wrapping sum of their hashes.
    fn digest(&self) -> u64;
}

/// The rows of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCell {
    /// Count, ALERT rows, risk sum, digest of ids.
    pub totals: RowTotals,
    /// A wrapping sum of the times of rows and of their inputs: ids alone would not show a wrong time.
    pub times: u64,
}

impl Sum for RowCell {
    type Item = RowFacts;

    #[inline]
    fn add(&mut self, row: &RowFacts) {
        self.totals.add(row.well, row.tank, row.risk, row.status);
        let time = |input: Option<Input>| input.map_or(0, |input| input.time_ms.cast_unsigned());
        let times = [row.time_ms.cast_unsigned(), time(row.well), time(row.tank)];
        for (time, weight) in times.into_iter().zip([1, 3, 5]) {
            self.times = self.times.wrapping_add(time.wrapping_mul(weight));
        }
    }

    fn merge(&mut self, other: &RowCell) {
        self.totals.merge(&other.totals);
        self.times = self.times.wrapping_add(other.times);
    }

    fn count(&self) -> u64 {
        self.totals.rows
    }

    fn digest(&self) -> u64 {
        self.totals.digest.0
    }
}

/// The alarms of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmCell {
    /// Raised, escalated, cleared.
    pub by_kind: [u64; 3],
    /// A wrapping sum of hashes of all that they say.
    pub digest: u64,
}

impl Sum for AlarmCell {
    type Item = Alarm;

    fn add(&mut self, alarm: &Alarm) {
        self.by_kind[alarm.kind as usize] += 1;
        let times = [alarm.time_ms, alarm.first_ms, alarm.last_ms].map(i64::cast_unsigned);
        let words = times.into_iter().chain([alarm.kind as u64, u64::from(alarm.highest)]);
        let hash = words.fold(hash_text(&alarm.facility), |hash, word| splitmix64(hash ^ word));
        self.digest = self.digest.wrapping_add(hash);
    }

    fn merge(&mut self, other: &AlarmCell) {
        self.by_kind.iter_mut().zip(other.by_kind).for_each(|(mine, theirs)| *mine += theirs);
        self.digest = self.digest.wrapping_add(other.digest);
    }

    fn count(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

/// All cells, some 2 MiB.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid<S> {
    cells: Vec<S>,
}

impl<S: Sum> Default for Grid<S> {
    fn default() -> Self {
        Grid { cells: vec![S::default(); CELLS] }
    }
}

impl<S: Sum> Grid<S> {
    /// What a cell holds.
    #[inline]
    pub fn cell(&self, id: CellId) -> &S {
        &self.cells[id.0 as usize]
    }

    /// What a cell holds, to add to it.
    #[inline]
    fn cell_mut(&mut self, id: CellId) -> &mut S {
        &mut self.cells[id.0 as usize]
    }

    /// What all cells hold together.
    pub fn total(&self) -> S {
        let mut total = S::default();
        self.cells.iter().for_each(|cell| total.merge(cell));
        total
    }

    /// The cells that are not the same in another grid, in the order of (time, group).
    pub fn differing(&self, other: &Grid<S>) -> Vec<CellId> {
        let pairs = (0..).zip(self.cells.iter().zip(&other.cells));
        pairs.filter(|(_, (mine, theirs))| mine != theirs).map(|(id, _)| CellId(id)).collect()
    }

    fn merge(&mut self, other: &Grid<S>) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(mine, theirs)| mine.merge(theirs));
    }

    /// Moves one cell's sum to another grid.
    fn hand_over(&mut self, id: CellId, to: &mut Grid<S>) {
        let sum = std::mem::take(self.cell_mut(id));
        to.cell_mut(id).merge(&sum);
    }
}

/// Cells whose rows and alarms are to be listed one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspects {
    /// Cells of rows.
    pub rows: BTreeSet<CellId>,
    /// Cells of alarms.
    pub alarms: BTreeSet<CellId>,
}

/// The rows and alarms of suspect cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Rows; in `latest` without their partners.
    pub rows: Vec<RowFacts>,
    /// Alarms.
    pub alarms: Vec<Alarm>,
    /// Rows and alarms that did not fit: lists are bounded too.
    pub left_out: u64,
}

/// Rows and alarms by cell; those of suspect cells one by one besides.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Rows.
    pub rows: Grid<RowCell>,
    /// Alarms.
    pub alarms: Grid<AlarmCell>,
    /// What suspect cells hold.
    pub listed: Listed,
    mode: JoinMode,
    suspects: Option<Arc<Suspects>>,
}

impl Tally {
    /// Nothing yet. In `latest` rows are told by their well readings, since partners are not a function of
    /// the log.
    pub fn new(mode: JoinMode) -> Tally {
        Tally {
            rows: Grid::default(),
            alarms: Grid::default(),
            listed: Listed::default(),
            mode,
            suspects: None,
        }
    }

    /// The same, which lists what suspect cells get.
    #[must_use]
    pub fn looking_at(mode: JoinMode, suspects: Arc<Suspects>) -> Tally {
        Tally { suspects: Some(suspects), ..Tally::new(mode) }
    }

    /// Adds a row; returns its cell, and whether it is the first one there.
    #[inline]
    pub fn add_row(&mut self, row: &RowFacts) -> (CellId, bool) {
        match self.mode {
            JoinMode::Latest => self.put_row(&without_partner(row)),
            JoinMode::All | JoinMode::Nearest | JoinMode::Asof => self.put_row(row),
        }
    }

    /// Adds an alarm; returns its cell, and whether it is the first one there.
    pub fn add_alarm(&mut self, alarm: &Alarm) -> (CellId, bool) {
        let id = CellId::of_alarm(alarm);
        let cell = self.alarms.cell_mut(id);
        let is_first = cell.count() == 0;
        cell.add(alarm);
        if self.suspects.as_ref().is_some_and(|suspects| suspects.alarms.contains(&id)) {
            self.listed.push_alarm(alarm.clone());
        }
        (id, is_first)
    }

    /// Adds all of another tally.
    pub fn merge(&mut self, other: Tally) {
        self.rows.merge(&other.rows);
        self.alarms.merge(&other.alarms);
        self.listed.append(other.listed);
    }

    /// Moves what these cells hold to another tally, with all that is listed.
    pub(crate) fn hand_over(&mut self, rows: &[CellId], alarms: &[CellId], to: &mut Tally) {
        rows.iter().for_each(|id| self.rows.hand_over(*id, &mut to.rows));
        alarms.iter().for_each(|id| self.alarms.hand_over(*id, &mut to.alarms));
        to.listed.append(std::mem::take(&mut self.listed));
    }

    /// Empties these cells, and what is listed.
    pub(crate) fn forget(&mut self, rows: &[CellId], alarms: &[CellId]) {
        rows.iter().for_each(|id| *self.rows.cell_mut(*id) = RowCell::default());
        alarms.iter().for_each(|id| *self.alarms.cell_mut(*id) = AlarmCell::default());
        self.listed = Listed::default();
    }

    /// What all rows amount to. In `latest`: how many, and the digest of their well readings as if each stood
    /// alone.
    pub fn row_totals(&self) -> RowTotals {
        self.rows.total().totals
    }

    /// How many alarms were raised, escalated and cleared.
    pub fn alarms_by_kind(&self) -> [u64; AlarmKind::ALL.len()] {
        self.alarms.total().by_kind
    }

    /// The join mode whose rows these are.
    pub fn mode(&self) -> JoinMode {
        self.mode
    }

    #[inline]
    fn put_row(&mut self, row: &RowFacts) -> (CellId, bool) {
        let id = CellId::of_row(row);
        let cell = self.rows.cell_mut(id);
        let is_first = cell.count() == 0;
        cell.add(row);
        if self.suspects.as_ref().is_some_and(|suspects| suspects.rows.contains(&id)) {
            self.listed.push_row(*row);
        }
        (id, is_first)
    }
}

impl Listed {
    fn push_row(&mut self, row: RowFacts) {
        if self.rows.len() < LISTED_MAX { self.rows.push(row) } else { self.left_out += 1 }
    }

    fn push_alarm(&mut self, alarm: Alarm) {
        if self.alarms.len() < LISTED_MAX { self.alarms.push(alarm) } else { self.left_out += 1 }
    }

    fn append(&mut self, other: Listed) {
        self.left_out += other.left_out;
        other.rows.into_iter().for_each(|row| self.push_row(row));
        other.alarms.into_iter().for_each(|alarm| self.push_alarm(alarm));
    }
}

/// A row of `latest` as far as it is a function of the log: the well reading, and that it has a row.
fn without_partner(row: &RowFacts) -> RowFacts {
    let time_ms = row.well.map_or(row.time_ms, |well| well.time_ms);
    RowFacts { well: row.well, tank: None, time_ms, risk: 0, status: Status::Normal }
}

fn hash_text(text: &str) -> u64 {
    let mut hash = splitmix64(text.len() as u64);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = splitmix64(hash ^ u64::from_le_bytes(word));
    }
    hash
}

/// Groups of readings, and of facilities.
const GROUPS: u32 = 64;

/// Places on the ring of times.
const SLOTS: u32 = 1_024;

/// The time that a place on the ring stands for, ms.
const SLOT_MS: i64 = 10_000;

const CELLS: usize = GROUPS as usize * SLOTS as usize;

/// Rows (80 bytes each) and alarms that are listed at most; suspects are chosen so that this is enough.
const LISTED_MAX: usize = 1_000_000;
