//! Which partner each well of a run in `latest` was given, in four bytes a well.
//!
//! The partner is not a function of the log, so no sum over rows can be compared; but for each well there are
//! only a few partners that could be one, and the streaming oracle has them at hand. A mark is a hash: a row
//! that breaks the rule goes unnoticed with a chance of some 1 in 10^9.

use wellstream_core::record::{Input, Status, splitmix64};

use super::RowFacts;

/// Marks of rows, by the place of their well readings.
#[derive(Clone, Debug, Default)]
pub struct Partners {
    /// By partition.
    partitions: Vec<Pages>,
    pages: usize,
    not_marked: u64,
}

/// A partition's marks, in pages of offsets.
#[derive(Clone, Debug, Default)]
struct Pages {
    /// Which page the first one is.
    first: i64,
    pages: Vec<Option<Box<[u32]>>>,
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
        let has_room = self.pages < PAGES_MAX;
        match self.page_mut(mark.partition, page_of(mark.offset)) {
            Some(Some(page)) => page[place(mark.offset)] = mark.mark,
            Some(page) if has_room => {
                let mut new: Box<[u32]> = vec![0; PAGE_WELLS].into();
                new[place(mark.offset)] = mark.mark;
                *page = Some(new);
                self.pages += 1;
            }
            Some(None) | None => self.not_marked += 1,
        }
    }

    /// Where a page is or can be put; nowhere if it lies too far from the others.
    #[inline]
    fn page_mut(&mut self, partition: u32, page: i64) -> Option<&mut Option<Box<[u32]>>> {
        let partition = usize::try_from(partition).ok().filter(|number| *number < PARTITIONS_MAX)?;
        if partition >= self.partitions.len() {
            self.partitions.resize_with(partition + 1, Pages::default);
        }
        let Pages { first, pages } = &mut self.partitions[partition];
        if pages.is_empty() {
            *first = page;
        }
        if page < *first {
            // Seldom: the first rows of a run are not in order.
            let before =
                usize::try_from(*first - page).ok().filter(|before| pages.len() + before < PAGES_MAX)?;
            pages.splice(0..0, std::iter::repeat_with(|| None).take(before));
            *first = page;
        }
        let place = usize::try_from(page - *first).ok().filter(|place| *place < PAGES_MAX)?;
        if place >= pages.len() {
            pages.resize_with(place + 1, || None);
        }
        Some(&mut pages[place])
    }

    fn mark(&self, partition: u32, offset: i64) -> u32 {
        let page = |pages: &Pages| {
            let page = page_of(offset).checked_sub(pages.first)?;
            pages.pages.get(usize::try_from(page).ok()?)?.as_ref().map(|page| page[place(offset)])
        };
        let pages = usize::try_from(partition).ok().and_then(|number| self.partitions.get(number));
        pages.and_then(page).unwrap_or(0)
    }

    /// Rows that were not noted, as there is no more room: of them only their wells are checked.
    pub fn not_marked(&self) -> u64 {
        self.not_marked
    }

    /// Whether the run's row of this well reading may be this one; also if the run has no such row, which is
    /// noticed elsewhere.
    pub(crate) fn may_be(&self, row: &RowFacts) -> bool {
        let Some(Input { partition, offset, .. }) = row.well else { return false };
        let mark = self.mark(partition, offset);
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

/// Kafka topics have fewer.
const PARTITIONS_MAX: usize = 1 << 16;

/// 256 MiB of marks, for 67 million wells.
const PAGES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: u32, offset: i64, risk: u32) -> RowFacts {
        let time_ms = 1_700_000_000_000;
        let well = Some(Input { time_ms, partition, offset });
        RowFacts { well, tank: None, time_ms, risk, status: Status::Normal }
    }

    #[test]
    fn marks_are_kept_whatever_the_order_of_offsets() {
        let mut partners = Partners::default();
        let offsets = [1_000_000_i64, 999_999, 0, 4_095, 4_096, 60_000_000];
        for offset in offsets {
            partners.set(Mark::of(&row(3, offset, 10)).unwrap());
        }
        for offset in offsets {
            assert!(
                partners.may_be(&row(3, offset, 10)) && !partners.may_be(&row(3, offset, 11)),
                "{offset}"
            );
        }
        // Of these there is no row: nothing can be said.
        assert!(partners.may_be(&row(3, 1, 11)) && partners.may_be(&row(2, 0, 11)));
        assert_eq!(partners.not_marked(), 0);
    }

    #[test]
    fn what_lies_too_far_off_is_counted() {
        let mut partners = Partners::default();
        for (partition, offset) in [(0, 0), (0, 1 << 40), (u32::MAX, 0), (0, 1)] {
            partners.set(Mark::of(&row(partition, offset, 10)).unwrap());
        }
        assert_eq!(partners.not_marked(), 2);
        assert!(!partners.may_be(&row(0, 1, 11)));
    }
}
