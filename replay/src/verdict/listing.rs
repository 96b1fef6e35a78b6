//! The rows and alarms in which two outputs differ, one by one.

use std::cmp::Ordering;

use wellstream_core::record::{Alarm, Input};

use crate::oracle::{Listed, RowFacts};

/// Differences by name. All empty: the second run did not show what the first one did.
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
    /// Rows and alarms that were not looked at, as lists are bounded.
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
    /// Names the differences of what two looks at the same cells listed.
    pub fn new(expected: Listed, found: Listed) -> Listing {
        let mut listing = Listing { left_out: expected.left_out + found.left_out, ..Listing::default() };
        listing.rows(expected.rows, found.rows);
        listing.alarms(expected.alarms, found.alarms);
        listing
    }

    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        let rows = self.missing.count + self.repeated.count + self.unexpected.count + self.wrong.count;
        rows + self.alarms_missing.count + self.alarms_unexpected.count == 0
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

    use super::*;

    fn row(well: i64, tank: i64, risk: u32) -> RowFacts {
        let input = |offset| Some(Input { time_ms: 1_700_000_000_000, partition: 2, offset });
        let time_ms = 1_700_000_000_000;
        RowFacts { well: input(well), tank: input(tank), time_ms, risk, status: Status::Normal }
    }

    #[test]
    fn each_difference_has_its_name() {
        let expected = vec![row(1, 1, 10), row(2, 2, 10), row(3, 3, 10), row(4, 4, 10)];
        let found = vec![row(4, 4, 20), row(2, 2, 10), row(5, 5, 10), row(3, 3, 10), row(2, 2, 10)];
        let listed = |rows| Listed { rows, ..Listed::default() };
        let listing = Listing::new(listed(expected), listed(found));
        assert_eq!(listing.missing.first, ["w:2:1|t:2:1"]);
        assert_eq!(listing.repeated.first, [Repeated { row: "w:2:2|t:2:2".to_owned(), times: 2 }]);
        assert_eq!(listing.unexpected.first, ["w:2:5|t:2:5"]);
        assert_eq!((listing.wrong.count, listing.wrong.first[0].found.risk), (1, 20));
        assert!(!listing.is_empty());
        assert!(Listing::new(listed(vec![row(1, 1, 10)]), listed(vec![row(1, 1, 10)])).is_empty());
    }

    #[test]
    fn what_is_not_named_is_counted() {
        let expected = (0..1_500).map(|offset| row(offset, 0, 10)).collect();
        let listing = Listing::new(Listed { rows: expected, ..Listed::default() }, Listed::default());
        assert_eq!((listing.missing.first.len(), listing.missing.count), (1_000, 1_500));
    }
}
