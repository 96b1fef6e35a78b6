//! The rows and alarms in which two outputs differ, one by one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use wellstream_core::record::{Alarm, Input};

use crate::oracle::{CellId, Listed, RowFacts, Sum};

use super::Comparison;
use super::compare::Difference;
use super::explain::explain;

/// Differences by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Rows that must have come and did not, by their ids; in `latest` the well's, without a partner.
    pub missing: Names<String>,
    /// Rows that came too often.
    pub repeated: Names<Repeated>,
    /// Rows that must not have come at all.
    pub unexpected: Names<String>,
    /// Rows that came as often as they must, but say something else.
    pub wrong: Names<WrongRow>,
    /// Alarms that must have come and did not.
    pub alarms_missing: Names<Alarm>,
    /// Alarms that must not have come, or not again.
    pub alarms_unexpected: Names<Alarm>,
    /// Cells whose difference has no name: more than two rows were lost there or came twice, or a row says
    /// something else, and there was no second run, or it did not show the same again.
    pub unexplained: u64,
    /// Cells that differ and were not looked at, as lists are bounded.
    pub left_out: u64,
}

/// The first ones, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Names<T> {
    /// At most 1,000.
    pub first: Vec<T>,
    /// How many there are.
    pub count: u64,
}

/// A row that came too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its id.
    pub row: String,
    /// How often it came.
    pub times: u64,
}

/// A row whose time, risk or status is not what it must be, or whose inputs' times are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// Its id.
    pub row: String,
    /// What it must say.
    pub expected: RowFacts,
    /// What it says.
    pub found: RowFacts,
}

impl Listing {
    /// Names the differences of a comparison. `expected` is what the oracle lists of its suspects; `again`,
    /// if there was a second run, what that listed of them.
    ///
    /// One or two rows of a cell that were lost or repeated are found from the sums of the first run.
    /// Whatever else must come again in the second one.
    pub fn new(comparison: &Comparison, expected: Listed, again: Option<Listed>) -> Listing {
        let Listed { rows: found_rows, alarms: found_alarms, .. } = again.unwrap_or_default();
        let mut listing = Listing::default();
        let mut rows =
            Sorted::new(&comparison.rows, [expected.rows, found_rows], CellId::of_row, &mut listing);
        rows.missing.drain(..).for_each(|row| listing.missing.add(row.id()));
        for row in rows.repeated.drain(..) {
            listing.repeated.add(Repeated { row: row.id(), times: 2 });
        }
        let [expected_rows, found_rows] = rows.shown_again;
        listing.rows(expected_rows, found_rows);
        let mut alarms =
            Sorted::new(&comparison.alarms, [expected.alarms, found_alarms], CellId::of_alarm, &mut listing);
        alarms.missing.drain(..).for_each(|alarm| listing.alarms_missing.add(alarm));
        alarms.repeated.drain(..).for_each(|alarm| listing.alarms_unexpected.add(alarm));
        let [expected_alarms, found_alarms] = alarms.shown_again;
        listing.alarms(expected_alarms, found_alarms);
        listing
    }

    /// Whether every difference has its name, so that no second run is needed.
    pub fn is_complete(&self) -> bool {
        self.unexplained + self.left_out == 0
    }

    fn rows(&mut self, mut expected: Vec<RowFacts>, mut found: Vec<RowFacts>) {
        let order = |row: &RowFacts| (id(row), *row);
        expected.sort_unstable_by_key(order);
        found.sort_unstable_by_key(order);
        let mut expected = expected.chunk_by(|a, b| id(a) == id(b)).peekable();
        let mut found = found.chunk_by(|a, b| id(a) == id(b)).peekable();
        loop {
            let next = match (expected.peek(), found.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(expected), Some(found)) => id(&expected[0]).cmp(&id(&found[0])),
            };
            let expected = if next.is_le() { expected.next() } else { None }.unwrap_or_default();
            let found = if next.is_ge() { found.next() } else { None }.unwrap_or_default();
            self.one_row(expected, found);
        }
    }

    /// All rows of one id.
    fn one_row(&mut self, expected: &[RowFacts], found: &[RowFacts]) {
        let Some(row) = expected.first().or(found.first()).map(RowFacts::id) else { return };
        match (expected, found) {
            ([], found) => found.iter().for_each(|_| self.unexpected.add(row.clone())),
            (expected, found) if expected.len() < found.len() => {
                self.repeated.add(Repeated { row, times: found.len() as u64 });
            }
            (expected, found) => {
                expected[found.len()..].iter().for_each(|_| self.missing.add(row.clone()));
                for (expected, found) in expected.iter().zip(found).filter(|(a, b)| a != b) {
                    self.wrong.add(WrongRow { row: row.clone(), expected: *expected, found: *found });
                }
            }
        }
    }

    fn alarms(&mut self, mut expected: Vec<Alarm>, mut found: Vec<Alarm>) {
        expected.sort_unstable();
        found.sort_unstable();
        let (mut expected, mut found) = (expected.into_iter().peekable(), found.into_iter().peekable());
        loop {
            let next = match (expected.peek(), found.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(expected), Some(found)) => expected.cmp(found),
            };
            let missing = expected.next_if(|_| next.is_le());
            let unexpected = found.next_if(|_| next.is_ge());
            if next.is_ne() {
                missing.into_iter().for_each(|alarm| self.alarms_missing.add(alarm));
                unexpected.into_iter().for_each(|alarm| self.alarms_unexpected.add(alarm));
            }
        }
    }
}

/// The items of cells that differ, by how they are told.
struct Sorted<T> {
    /// Told by the sums of the first run.
    missing: Vec<T>,
    repeated: Vec<T>,
    /// Of cells that hold in the second run what they held in the first: expected and found.
    shown_again: [Vec<T>; 2],
}

impl<T: Clone> Sorted<T> {
    fn new<S: Sum<Item = T>>(
        differences: &[Difference<S>],
        [expected, found]: [Vec<T>; 2],
        cell: impl Fn(&T) -> CellId,
        listing: &mut Listing,
    ) -> Sorted<T> {
        let mut sorted =
            Sorted { missing: Vec::new(), repeated: Vec::new(), shown_again: [Vec::new(), Vec::new()] };
        let by_cell = |items: Vec<T>| {
            let mut cells: BTreeMap<CellId, Vec<T>> = BTreeMap::new();
            items.into_iter().for_each(|item| cells.entry(cell(&item)).or_default().push(item));
            cells
        };
        let (mut expected, mut found) = (by_cell(expected), by_cell(found));
        for difference in differences {
            let expected = expected.remove(&difference.cell).unwrap_or_default();
            let found = found.remove(&difference.cell).unwrap_or_default();
            if sum::<S>(&expected) != difference.expected {
                listing.left_out += 1;
            } else if sum::<S>(&found) == difference.found {
                sorted.shown_again[0].extend(expected);
                sorted.shown_again[1].extend(found);
            } else if let Some(explanation) = explain(difference, &expected) {
                sorted.missing.extend(explanation.missing.iter().map(|place| expected[*place].clone()));
                sorted.repeated.extend(explanation.repeated.iter().map(|place| expected[*place].clone()));
            } else {
                listing.unexplained += 1;
            }
        }
        sorted
    }
}

fn sum<S: Sum>(items: &[S::Item]) -> S {
    let mut sum = S::default();
    items.iter().for_each(|item| sum.add(item));
    sum
}

impl<T> Names<T> {
    fn add(&mut self, name: T) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(name);
        }
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names { first: Vec::new(), count: 0 }
    }
}

/// (Partition, offset) of both inputs.
fn id(row: &RowFacts) -> [Option<(u32, i64)>; 2] {
    [row.well, row.tank].map(|input| input.map(|Input { partition, offset, .. }| (partition, offset)))
}

/// More names than this help nobody.
const NAMED_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use wellstream_core::record::Status;
    use wellstream_core::rules::JoinMode;

    use super::*;
    use crate::oracle::{Expected, Partners, Tally};
    use crate::verdict::{Found, compare};

    fn row(well: i64, tank: i64, risk: u32) -> RowFacts {
        let input = |offset| Some(Input { time_ms: 1_700_000_000_000, partition: 2, offset });
        let time_ms = 1_700_000_000_000;
        RowFacts { well: input(well), tank: input(tank), time_ms, risk, status: Status::Normal }
    }

    fn compared(expected: &[RowFacts], found: &[RowFacts]) -> Comparison {
        let tally = |rows: &[RowFacts]| {
            let mut tally = Tally::new(JoinMode::All);
            rows.iter().for_each(|row| {
                tally.add_row(row);
            });
            tally
        };
        let (counts, not_partners) = Default::default();
        let expected = Expected { counts, tally: tally(expected), not_partners };
        let partners = Partners::default();
        compare(&expected, &Found { tally: tally(found), partners, epochs_dropped: 0 }, None)
    }

    fn listed(rows: &[RowFacts]) -> Listed {
        Listed { rows: rows.to_vec(), ..Listed::default() }
    }

    #[test]
    fn each_difference_that_comes_again_has_its_name() {
        let expected = [row(1, 1, 10), row(2, 2, 10), row(3, 3, 10), row(4, 4, 10)];
        let found = [row(4, 4, 20), row(2, 2, 10), row(5, 5, 10), row(3, 3, 10), row(2, 2, 10)];
        let listing = Listing::new(&compared(&expected, &found), listed(&expected), Some(listed(&found)));
        assert_eq!(listing.missing.first, ["w:2:1|t:2:1"]);
        assert_eq!(listing.repeated.first, [Repeated { row: "w:2:2|t:2:2".to_owned(), times: 2 }]);
        assert_eq!(listing.unexpected.first, ["w:2:5|t:2:5"]);
        assert_eq!((listing.wrong.count, listing.wrong.first[0].found.risk), (1, 20));
        assert!(listing.is_complete());
    }

    #[test]
    fn a_difference_that_does_not_come_again_is_told_by_its_sums_or_counted() {
        let expected = [row(1, 1, 10), row(2, 2, 10), row(3, 3, 10), row(4, 4, 10)];
        let found = [row(1, 1, 10), row(2, 2, 10), row(3, 3, 10), row(3, 3, 10), row(4, 4, 99)];
        for again in [None, Some(listed(&expected))] {
            let listing = Listing::new(&compared(&expected, &found), listed(&expected), again);
            assert_eq!(listing.repeated.first, [Repeated { row: "w:2:3|t:2:3".to_owned(), times: 2 }]);
            assert_eq!((listing.repeated.count, listing.unexplained, listing.left_out), (1, 1, 0));
        }
        // Cells of which the oracle listed nothing were not looked at.
        let listing = Listing::new(&compared(&expected, &found), Listed::default(), None);
        assert_eq!((listing.repeated.count, listing.unexplained, listing.left_out), (0, 0, 2));
    }

    #[test]
    fn what_is_not_named_is_counted() {
        let expected: Vec<_> = (0..1_500).map(|offset| row(offset, 0, 10)).collect();
        let listing = Listing::new(&compared(&expected, &[]), listed(&expected), Some(Listed::default()));
        assert_eq!((listing.missing.first.len(), listing.missing.count), (1_000, 1_500));
    }
}
