//! Where records come from. A source hands over borrowed records, partition by partition, and keeps its
//! buffers
//! until the visitor is done: nothing is copied on the way in.

use crate::record::{PartitionId, Record};

/// What one poll of a partition found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// How many records the visitor took.
    pub taken: usize,
    /// All records of the partition below this offset have been taken (gaps and markers included), as far as
    /// the source knows; `None` before anything was heard of the partition.
    pub offset_next: Option<i64>,
    /// The log's end offset as last heard from the broker, if known: at or past it nothing is unread.
    pub log_end: Option<i64>,
}

/// A source of records. Each lane owns one; a poll never blocks for longer than a millisecond.
pub trait Source: Send {
    /// Shows the next records of one partition, at most `records_max`, in offset order. The visitor returns
    /// how
    /// many it takes from the front of the slice; the source offers the others again at the next poll. A
    /// source
    /// may call the visitor several times in one poll, but not again once it took fewer than it was shown.
    ///
    /// # Errors
    /// Only what ends the run. A broker that is away is retried inside the source, and reported by it.
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError>;

    /// Where a partition ends for good, once that is known: nothing will ever be written behind it. Kafka's
    /// partitions never end; a finished embedded one, or a trace's, does.
    fn end(&self, partition: PartitionId) -> Option<i64> {
        let _ = partition;
        None
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        (**self).poll(partition, records_max, visit)
    }

    fn end(&self, partition: PartitionId) -> Option<i64> {
        (**self).end(partition)
    }
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("reading {partition}: {message}")]
pub struct SourceError {
    /// The partition that was read.
    pub partition: PartitionId,
    /// What happened, and what the operator can do.
    pub message: String,
}
