//! One partition: what was fetched and not taken yet, and how far each has come.

use std::collections::VecDeque;

use bytes::Bytes;

use super::run::{Run, RunEnd};
use crate::batch::{Aborted, BatchError, Crc, Extent, Place, Unpacker};
use crate::cluster::{Backoff, Leader};
use crate::error::WireError;
use crate::limits::{FETCH_CHUNKS_MAX, FRAME_BYTES_MAX, UNPACKED_BYTES_KEPT};

/// A partition that is read.
pub(super) struct Partition {
    /// Its topic's place in the fetcher's list.
    pub(super) topic: usize,
    pub(super) number: i32,
    pub(super) leader: Option<Leader>,
    /// All below it has been taken.
    pub(super) position: i64,
    /// The next fetch asks for it: the end of what is buffered.
    pub(super) fetch_offset: i64,
    /// The leader's epoch when the last fetched batch was written: the broker tells if its log parts there.
    pub(super) fetched_epoch: i32,
    /// How many bytes a fetch asks for: more for a while where not even one batch fits.
    pub(super) fetch_bytes: usize,
    /// Last stable offset, once it was heard of.
    pub(super) end: Option<i64>,
    /// In a fetch on its way.
    pub(super) asked: bool,
    /// Not asked for again before.
    pub(super) retry_at_ns: u64,
    pub(super) backoff: Backoff,
    /// Since when the brokers say that there is no such partition.
    pub(super) missing_since_ns: Option<u64>,
    /// What ends it, behind all that is buffered.
    pub(super) failed: Option<WireError>,
    chunks: VecDeque<Chunk>,
    unpacker: Unpacker,
}

/// The whole batches of one answer, as far as they are not taken.
struct Chunk {
    bytes: Bytes,
    /// Where the next batch to look at begins.
    at: usize,
    /// Where the walk stands inside it; it is read then, and unpacked.
    inside: Option<Place>,
    aborted: Aborted,
    next_offset: i64,
}

/// What one answer holds of a partition.
pub(super) struct Fetched {
    pub(super) records: Bytes,
    pub(super) aborted: Vec<(i64, i64)>,
    pub(super) end: i64,
}

impl Partition {
    pub(super) fn new(
        topic: usize,
        number: i32,
        offset: i64,
        fetch_bytes: usize,
        unpacker: Unpacker,
    ) -> Partition {
        Partition {
            topic,
            number,
            leader: None,
            position: offset,
            fetch_offset: offset,
            fetched_epoch: -1,
            fetch_bytes,
            end: None,
            asked: false,
            retry_at_ns: 0,
            backoff: Backoff::default(),
            missing_since_ns: None,
            failed: None,
            chunks: VecDeque::new(),
            unpacker,
        }
    }

    /// Bytes that are buffered.
    pub(super) fn buffered(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.len() - chunk.at).sum()
    }

    /// Whether more may be fetched.
    pub(super) fn has_room(&self, queued_bytes: usize) -> bool {
        self.chunks.is_empty() || self.chunks.len() < FETCH_CHUNKS_MAX && self.buffered() < queued_bytes
    }

    pub(super) fn is_drained(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Takes in an answer to a fetch from `fetch_offset` on.
    pub(super) fn put(&mut self, fetched: Fetched, fetch_bytes: usize) -> Result<(), BatchError> {
        self.end = Some(fetched.end);
        let extent = Extent::of(&fetched.records, self.fetch_offset);
        if extent.bytes > 0 {
            self.chunks.push_back(Chunk {
                bytes: fetched.records.slice(..extent.bytes),
                at: 0,
                inside: None,
                aborted: Aborted::new(fetched.aborted),
                next_offset: extent.next_offset,
            });
            self.fetch_offset = extent.next_offset;
            self.fetched_epoch = extent.leader_epoch;
            self.fetch_bytes = fetch_bytes;
        } else if !fetched.records.is_empty() {
            // Not even one batch fitted.
            let wanted = extent.cut_bytes.max(self.fetch_bytes * 2);
            if extent.cut_bytes > FRAME_BYTES_MAX {
                let bytes_max = FRAME_BYTES_MAX;
                return Err(BatchError::Unpack { what: "a batch", bytes_max });
            }
            self.fetch_bytes = wanted.min(FRAME_BYTES_MAX);
        }
        extent.error.map_or(Ok(()), Err)
    }

    /// Shows what comes next: `show` says how many records it takes of the run, from its front, and the
    /// offset behind the last of them. `None` where nothing is buffered.
    pub(super) fn show(
        &mut self,
        crc: Crc,
        show: &mut dyn FnMut(&mut Run<'_>) -> (usize, i64),
    ) -> Option<Result<usize, BatchError>> {
        let Partition { chunks, unpacker, position, .. } = self;
        let chunk = chunks.front_mut()?;
        let before = chunk.aborted.clone();
        let mut run =
            Run::new(&chunk.bytes, (chunk.at, chunk.inside), &mut chunk.aborted, unpacker, *position, crc);
        let (taken, offset_next) = show(&mut run);
        let end = run.end();
        assert!(taken <= end.shown, "at most what was shown is taken");
        if taken < end.shown {
            // The same walk again, without what was taken.
            chunk.aborted = before;
            if taken > 0 {
                *position = offset_next.max(*position);
            }
            return Some(Ok(taken));
        }
        self.advance(end).map_or(Some(Ok(taken)), |error| Some(Err(error)))
    }

    fn advance(&mut self, end: RunEnd) -> Option<BatchError> {
        self.position = end.reached.max(self.position);
        let chunk = self.chunks.front_mut()?;
        (chunk.at, chunk.inside) = (end.at, end.inside);
        if end.error.is_some() {
            return end.error;
        }
        if chunk.at == chunk.bytes.len() {
            self.position = chunk.next_offset.max(self.position);
            self.chunks.pop_front();
            if self.unpacker.bytes() > UNPACKED_BYTES_KEPT {
                self.unpacker.shrink();
            }
        }
        None
    }

    /// Copies what is buffered, so that the answers it came in can go.
    pub(super) fn compact(&mut self) {
        for chunk in &mut self.chunks {
            chunk.bytes = Bytes::copy_from_slice(&chunk.bytes[chunk.at..]);
            chunk.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchWriter, Compression, Stamp};

    /// Three batches of four records each, one offset for each.
    fn fetched() -> Fetched {
        let mut records = Vec::new();
        for base in [0_i64, 4, 8] {
            let begin = records.len();
            let mut writer = BatchWriter::default();
            (0..4).for_each(|_| writer.push(0, None, Some(b"x"), &[]));
            writer.finish(Compression::None, Stamp::default(), &mut records).unwrap();
            records[begin..begin + 8].copy_from_slice(&base.to_be_bytes());
        }
        Fetched { records: Bytes::from(records), aborted: Vec::new(), end: 12 }
    }

    /// What is shown of at most `shown_max` records, of which `take` are taken.
    fn shown(partition: &mut Partition, shown_max: usize, take: usize) -> Vec<i64> {
        let mut offsets = Vec::new();
        let taken = partition.show(Crc::Checked, &mut |run| {
            offsets.extend(run.map(|record| record.unwrap().offset).take(shown_max));
            let taken = take.min(offsets.len());
            (taken, taken.checked_sub(1).map_or(0, |last| offsets[last] + 1))
        });
        assert_eq!(taken.map(Result::unwrap).unwrap_or_default(), take.min(offsets.len()));
        offsets
    }

    /// Whatever was taken of what was shown, however often: nothing taken is shown again.
    #[test]
    fn what_was_taken_never_comes_again() {
        for (first, second) in (1..12).flat_map(|first| (0..12).map(move |second| (first, second))) {
            let mut partition = Partition::new(0, 0, 0, 1 << 20, Unpacker::new(1 << 20));
            partition.put(fetched(), 1 << 20).unwrap();
            // All of it, which ends inside a batch; then a part; then, twice, nothing.
            assert_eq!(shown(&mut partition, first, first), (0..).take(first).collect::<Vec<_>>());
            let taken = (first + second).min(12);
            let rest = |from: usize| (from..12).map(|offset| offset as i64).collect::<Vec<_>>();
            assert_eq!(shown(&mut partition, 12, second), rest(first));
            for take in [0, 0, 12] {
                assert_eq!(shown(&mut partition, 12, take), rest(taken), "{first}, then {second}");
            }
            assert_eq!(partition.position, 12);
        }
    }
}
