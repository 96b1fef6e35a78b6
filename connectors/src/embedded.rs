//! Partitions in memory: a generator appends, lanes read, nothing else is needed to run the whole job.
//!
//! Enters: keys and values as bytes, with a timestamp. Leaves: borrowed [`Record`]s with rising offsets.
//! Drops:
//! nothing; a full partition refuses the record, and its writer tries again (back-pressure). Records travel
//! in
//! batches of some 1,000 through a lock-free queue, so a record costs neither a lock nor an atomic operation;
//! a batch that was read goes back to its writer, so in the steady state nothing is allocated either.
//!
//! ```
//! use wellstream_connectors::embedded::EmbeddedLog;
//! use wellstream_core::engine::Source;
//! use wellstream_core::record::{PartitionId, Side};
//! let (log, mut writers) = EmbeddedLog::new(1, 1, 1 << 20);
//! writers[0].push(1_700_000_000_000, Some(b"WELL-1"), Some(b"value")).unwrap();
//! writers[0].flush().unwrap();
//! let wells = PartitionId { side: Side::Well, number: 0 };
//! let mut source = log.source(&[wells]).unwrap();
//! let polled = source.poll(wells, 100, &mut |records| records.len()).unwrap();
//! assert_eq!((polled.taken, polled.offset_next, polled.log_end), (1, Some(1), Some(1)));
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record, Side};

use crate::limits::{EMBEDDED_BATCH_BYTES, EMBEDDED_BATCH_RECORDS, EMBEDDED_BATCHES, EMBEDDED_SPARE_BATCHES};
use crate::scratch::Scratch;

/// The partitions of both topics, in memory. A clone is the same log.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    partitions: Arc<Vec<Arc<PartitionLog>>>,
}

impl EmbeddedLog {
    /// A log with so many partitions per side, that holds at most `bytes_max` in all; and the writers of its
    /// partitions, wells first, to be shared out among generator threads.
    #[must_use]
    pub fn new(wells: u32, tanks: u32, bytes_max: usize) -> (EmbeddedLog, Vec<EmbeddedWriter>) {
        let ids = [(Side::Well, wells), (Side::Tank, tanks)]
            .into_iter()
            .flat_map(|(side, count)| (0..count).map(move |number| PartitionId { side, number }));
        let bytes_max = (bytes_max / (wells + tanks).max(1) as usize).max(1);
        let partitions: Vec<_> = ids.map(|id| Arc::new(PartitionLog::new(id, bytes_max))).collect();
        let writers = partitions.iter().map(|log| EmbeddedWriter::new(Arc::clone(log))).collect();
        (EmbeddedLog { partitions: Arc::new(partitions) }, writers)
    }

    /// All partitions, wells first.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.partitions.iter().map(|log| log.id)
    }

    /// A source of these partitions. Each partition can be read by one source only, once.
    ///
    /// # Errors
    /// A partition that the log does not have, or that another source reads.
    pub fn source(&self, partitions: &[PartitionId]) -> Result<EmbeddedSource, SourceError> {
        let mut readers = Vec::with_capacity(partitions.len());
        for &id in partitions {
            let refuse = |message: &str| SourceError { partition: id, message: message.to_owned() };
            let log = self
                .partitions
                .iter()
                .find(|log| log.id == id)
                .ok_or_else(|| refuse("the embedded log has no such partition"))?;
            if log.claimed.swap(true, Ordering::Relaxed) {
                return Err(refuse("another source reads this embedded partition"));
            }
            readers.push(Reader { log: Arc::clone(log), batch: None, cursor: 0, offset_next: 0 });
        }
        Ok(EmbeddedSource { readers, scratch: Scratch::default() })
    }

    /// The end offset of a partition whose writer has finished: a bounded run ends there.
    #[must_use]
    pub fn finished_at(&self, partition: PartitionId) -> Option<i64> {
        let log = self.partitions.iter().find(|log| log.id == partition)?;
        log.finished.load(Ordering::Acquire).then(|| log.end.load(Ordering::Acquire))
    }

    /// Bytes that are held now, over all partitions.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.partitions.iter().map(|log| log.bytes.load(Ordering::Relaxed)).sum()
    }
}

/// One partition, between its writer and its reader.
#[derive(Debug)]
struct PartitionLog {
    id: PartitionId,
    bytes_max: usize,
    /// Batches on their way to the reader.
    full: ArrayQueue<Batch>,
    /// Batches on their way back.
    empty: ArrayQueue<Batch>,
    /// Bytes in `full` and in the reader's batch. The writer adds, the reader subtracts; a bound only, so
    /// relaxed.
    bytes: AtomicUsize,
    /// The offset behind the last record handed on. The writer stores it before it pushes the batch
    /// (release); the
    /// reader loads it (acquire) and may see an end that it cannot read yet, never one below what it has
    /// read.
    end: AtomicI64,
    /// Set once by the writer, behind its last `end` (release); read by whoever bounds the run (acquire).
    finished: AtomicBool,
    /// Set once by `source`; two readers would each see half of the records.
    claimed: AtomicBool,
}

impl PartitionLog {
    fn new(id: PartitionId, bytes_max: usize) -> PartitionLog {
        PartitionLog {
            id,
            bytes_max,
            full: ArrayQueue::new(EMBEDDED_BATCHES),
            empty: ArrayQueue::new(EMBEDDED_SPARE_BATCHES),
            bytes: AtomicUsize::new(0),
            end: AtomicI64::new(0),
            finished: AtomicBool::new(false),
            claimed: AtomicBool::new(false),
        }
    }
}

/// Records one behind the other, their bytes in one piece.
#[derive(Debug, Default)]
struct Batch {
    offset_first: i64,
    records: Vec<Place>,
    bytes: Vec<u8>,
}

/// Where one record lies in its batch: its key, and behind it its value.
#[derive(Clone, Copy, Debug)]
struct Place {
    timestamp_ms: i64,
    key: u32,
    value: u32,
    end: u32,
    has_key: bool,
    has_value: bool,
}

impl Batch {
    fn put(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let (has_key, has_value) = (key.is_some(), value.is_some());
        let begin = self.position();
        self.bytes.extend_from_slice(key.unwrap_or_default());
        let middle = self.position();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let end = self.position();
        self.records.push(Place { timestamp_ms, key: begin, value: middle, end, has_key, has_value });
    }

    #[inline]
    fn position(&self) -> u32 {
        let position = u32::try_from(self.bytes.len());
        assert!(position.is_ok(), "a batch ends at some 256 KiB, and no record of Kafka has 4 GiB");
        position.unwrap_or_default()
    }

    /// Its records from this one on, at most so many.
    fn records(&self, from: usize, count_max: usize) -> impl Iterator<Item = Record<'_>> {
        let offsets = self.offset_first + index_i64(from)..;
        self.records[from..].iter().take(count_max).zip(offsets).map(|(place, offset)| {
            let bytes = |from: u32, to: u32| &self.bytes[from as usize..to as usize];
            Record {
                offset,
                timestamp_ms: place.timestamp_ms,
                key: place.has_key.then(|| bytes(place.key, place.value)),
                value: place.has_value.then(|| bytes(place.value, place.end)),
            }
        })
    }

    fn is_full(&self) -> bool {
        self.records.len() >= EMBEDDED_BATCH_RECORDS || self.bytes.len() >= EMBEDDED_BATCH_BYTES
    }
}

/// Appends to one partition.
#[derive(Debug)]
pub struct EmbeddedWriter {
    log: Arc<PartitionLog>,
    open: Batch,
    offset_next: i64,
}

/// The partition holds as much as it may: its reader is behind. Try again once it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the embedded partition is full")]
pub struct Full;

impl EmbeddedWriter {
    fn new(log: Arc<PartitionLog>) -> EmbeddedWriter {
        EmbeddedWriter { log, open: Batch::default(), offset_next: 0 }
    }

    /// Which partition.
    #[must_use]
    pub fn partition(&self) -> PartitionId {
        self.log.id
    }

    /// Batches that wait for the reader. While there are some, handing on a small one gains nothing.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.log.full.len()
    }

    /// Appends a record and returns its offset. The reader sees it once its batch is full, or on `flush`.
    ///
    /// # Errors
    /// [`Full`]: nothing was appended.
    pub fn push(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<i64, Full> {
        if self.open.is_full() {
            self.flush()?;
        }
        self.open.put(timestamp_ms, key, value);
        let offset = self.offset_next;
        self.offset_next += 1;
        Ok(offset)
    }

    /// Hands what was appended to the reader.
    ///
    /// # Errors
    /// [`Full`]: it stays with the writer; call again.
    pub fn flush(&mut self) -> Result<(), Full> {
        if self.open.records.is_empty() {
            return Ok(());
        }
        let bytes = self.open.bytes.len();
        let held = self.log.bytes.load(Ordering::Relaxed);
        // A batch larger than the whole bound still passes, alone.
        if self.log.full.is_full() || (held > 0 && held + bytes > self.log.bytes_max) {
            return Err(Full);
        }
        let batch = std::mem::replace(&mut self.open, self.log.empty.pop().unwrap_or_default());
        self.open.records.clear();
        self.open.bytes.clear();
        self.open.offset_first = self.offset_next;
        self.log.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.log.end.store(self.offset_next, Ordering::Release);
        let refused = self.log.full.push(batch).is_err();
        assert!(!refused, "only this writer pushes, and it saw a free place");
        Ok(())
    }

    /// Hands on what is left and marks the end: the log will not grow.
    ///
    /// # Errors
    /// [`Full`]: not finished yet; call again.
    pub fn finish(&mut self) -> Result<(), Full> {
        self.flush()?;
        self.log.finished.store(true, Ordering::Release);
        Ok(())
    }
}

/// Reads some of a log's partitions, in place.
#[derive(Debug)]
pub struct EmbeddedSource {
    readers: Vec<Reader>,
    scratch: Scratch,
}

#[derive(Debug)]
struct Reader {
    log: Arc<PartitionLog>,
    batch: Option<Batch>,
    cursor: usize,
    offset_next: i64,
}

impl Source for EmbeddedSource {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        let EmbeddedSource { readers, scratch } = self;
        let reader = readers.iter_mut().find(|reader| reader.log.id == partition).ok_or_else(|| {
            SourceError { partition, message: "this embedded source does not read it".to_owned() }
        })?;
        let taken = reader.poll(records_max, visit, scratch);
        let log_end = reader.log.end.load(Ordering::Acquire);
        Ok(Polled { taken, offset_next: Some(reader.offset_next), log_end: Some(log_end) })
    }

    fn end(&self, partition: PartitionId) -> Option<i64> {
        let log = &self.readers.iter().find(|reader| reader.log.id == partition)?.log;
        log.finished.load(Ordering::Acquire).then(|| log.end.load(Ordering::Acquire))
    }
}

impl Reader {
    fn poll(
        &mut self,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
        scratch: &mut Scratch,
    ) -> usize {
        let mut taken = 0;
        while taken < records_max {
            if self.batch.is_none() {
                self.batch = self.log.full.pop();
                self.cursor = 0;
            }
            let Some(batch) = &self.batch else { break };
            let shown = (batch.records.len() - self.cursor).min(records_max - taken);
            let mut records = scratch.take();
            records.extend(batch.records(self.cursor, shown));
            let took = visit(&records);
            scratch.give_back(records);
            assert!(took <= shown, "a visitor takes at most what it was shown");
            taken += took;
            self.cursor += took;
            self.offset_next += index_i64(took);
            if self.cursor == batch.records.len() {
                self.recycle();
            }
            if took < shown {
                break;
            }
        }
        taken
    }

    fn recycle(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.log.bytes.fetch_sub(batch.bytes.len(), Ordering::Relaxed);
            // No place for it: then it is freed, which costs time but loses nothing.
            drop(self.log.empty.push(batch));
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "an index into a batch is far below 2^63")]
fn index_i64(index: usize) -> i64 {
    index as i64
}

#[cfg(test)]
mod tests;
