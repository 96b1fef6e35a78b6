//! Which batches a reader of committed records leaves out.
//!
//! A fetch with read_committed ends at the last stable offset and brings, beside the records, the
//! transactions among them that were aborted: producer and first offset. Its batches from there on, up to the
//! marker that ends it, are not to be seen (KIP-98).

use std::collections::HashSet;

use super::Batch;

/// The aborted transactions of one partition's part of a response.
#[derive(Clone, Debug, Default)]
pub struct Aborted {
    /// Producer and first offset, by offset, the last first.
    coming: Vec<(i64, i64)>,
    /// Producers in the middle of one.
    open: HashSet<i64>,
}

/// What a batch is to a reader of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its records count.
    Read,
    /// Part of an aborted transaction, or the marker of an end: only its offsets count.
    Skip,
}

impl Aborted {
    /// From the (producer id, first offset) that a response tells, in any order.
    pub fn new(transactions: impl IntoIterator<Item = (i64, i64)>) -> Aborted {
        let mut coming: Vec<_> = transactions.into_iter().collect();
        coming.sort_unstable_by_key(|(_, first_offset)| std::cmp::Reverse(*first_offset));
        Aborted { coming, open: HashSet::new() }
    }

    /// What to do with the next batch, in offset order.
    ///
    /// # Errors
    /// As `Batch::commits`: a control batch that holds no marker.
    pub fn judge(&mut self, batch: &Batch<'_>) -> Result<Verdict, super::BatchError> {
        let last_offset = batch.next_offset() - 1;
        while let Some((producer_id, _)) =
            self.coming.pop_if(|(_, first_offset)| *first_offset <= last_offset)
        {
            self.open.insert(producer_id);
        }
        let producer_id = batch.stamp().producer_id;
        if batch.is_control() {
            // Compaction may have emptied it; then its transaction's records are gone as well.
            if !batch.is_empty() && !batch.commits()? {
                self.open.remove(&producer_id);
            }
            return Ok(Verdict::Skip);
        }
        let is_aborted = batch.stamp().transactional && self.open.contains(&producer_id);
        Ok(if is_aborted { Verdict::Skip } else { Verdict::Read })
    }
}
