//! Which partner each well of a run in `latest` was given, in four bytes a well.
//!
//! The partner is not a function of the log, so no sum over rows can be compared; but for each well there are
//! only a few partners that could be one, and the streaming oracle has them at hand. A mark is a hash: a row
//! that breaks the rule goes unnoticed with a chance of some 1 in 10^9.

use std::collections::HashMap;

use wellstream_core::record::{Input, Status, splitmix64};

use super::RowFacts;

/// Marks of rows, by the place of their well readings.
#[derive(Clone, Debug, Default)]
pub struct Partners {
    /// By (partition, offset / page).
    pages: HashMap<(u32, i64), Box<[u32]>>,
    not_marked: u64,
}

/// The mark of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    partition: u32,
    offset: i64,
    mark: u32,
}

impl Mark {
    /// `None` for a row without a well reading, which `latest` does not have.
    #[inline]
    pub(crate) fn of(row: &RowFacts) -> Option<Mark> {
        let Input { partition, offset, .. } = row.well?;
        Some(Mark { partition, offset, mark: hash(row) })
    }
}

impl Partners {
    /// Notes a row.
    pub(crate) fn set(&mut self, mark: Mark) {
        let page = (mark.partition, page_of(mark.offset));
        if self.pages.len() >= PAGES_MAX && !self.pages.contains_key(&page) {
            self.not_marked += 1;
            return;
        }
        let page = self.pages.entry(page).or_insert_with(|| vec![0; PAGE_WELLS].into());
        page[place(mark.offset)] = mark.mark;
    }

    /// Rows that were not noted, as there is no more room: of them only their wells are checked.
    pub fn not_marked(&self) -> u64 {
        self.not_marked
    }

    /// Whether the run's row of this well reading may be this one; also if the run has no such row, which is
    /// noticed elsewhere.
    pub(crate) fn may_be(&self, row: &RowFacts) -> bool {
        let Some(Input { partition, offset, .. }) = row.well else { return false };
        let page = self.pages.get(&(partition, page_of(offset)));
        let mark = page.map_or(0, |page| page[place(offset)]);
        mark == 0 || mark == hash(row)
    }
}

fn page_of(offset: i64) -> i64 {
    offset >> PAGE_BITS
}

fn place(offset: i64) -> usize {
    usize::try_from(offset & ((1 << PAGE_BITS) - 1)).unwrap_or_default()
}

/// All that a row of a given well says, never 0.
#[expect(clippy::cast_possible_truncation, reason = "a mark is half of a hash")]
fn hash(row: &RowFacts) -> u32 {
    let input = |input: Option<Input>| {
        input.map_or([u64::MAX; 3], |input| {
            [input.time_ms.cast_unsigned(), u64::from(input.partition), input.offset.cast_unsigned()]
        })
    };
    let alert = u64::from(row.status == Status::Alert);
    let rest = [row.time_ms.cast_unsigned(), u64::from(row.risk) << 1 | alert];
    let words = input(row.tank).into_iter().chain(input(row.well)).chain(rest);
    (words.fold(0, |hash, word| splitmix64(hash ^ word)) as u32).max(1)
}

/// Wells of a page.
const PAGE_WELLS: usize = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 12;

/// 256 MiB of marks, for 67 million wells.
const PAGES_MAX: usize = 16_384;
