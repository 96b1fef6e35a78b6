//! A trace's records as a load, read while they are sent; once, or again and again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wellstream_core::record::{PartitionId, Side};

use crate::generate::GeneratedRecord;
use crate::schedule::{Schedule, Times};
use crate::trace::{ReadOptions, TraceBlock, TraceError, TraceReader, TraceRecordRef};
use crate::verify::Topics;

use super::rebase::Rebase;
use super::recording::RecordedTimes;
use super::{Load, LoadBlock, LoadError, Pass, Recording, RecordingError};

/// The first records of a trace, with their intended times. Partition, key and value stay as they are;
/// offsets are new ones, headers are left out.
pub struct RecordedLoad {
    path: PathBuf,
    reader: TraceReader,
    /// Where the trace is sent more than once; and how much later this pass is than the first, ms.
    again: Option<(Pass, Rebase)>,
    shift_ms: i64,
    topics: Topics,
    /// The reader's topics, by their numbers.
    sides: Vec<Option<Side>>,
    block: Option<TraceBlock>,
    /// The next record of the block, and of all.
    at: usize,
    next: u64,
    end: u64,
    times: When,
    stamp_ms: Option<i64>,
    new_ids: BTreeMap<u32, u32>,
}

/// When the records of a trace are due.
#[derive(Clone, Debug)]
pub enum RecordedPace<'a> {
    /// By a schedule that knows nothing of them.
    Schedule(&'a Schedule),
    /// As they were sent, so many times as fast; none before the one in front of it.
    Speed(f64),
    /// As soon as there is room.
    AtOnce,
}

#[derive(Debug)]
enum When {
    Schedule(Box<Times>),
    Recorded(RecordedTimes),
    AtOnce,
}

impl RecordedLoad {
    /// The records of a recording.
    ///
    /// # Errors
    /// The file cannot be opened any more.
    pub fn start(recording: &Recording, pace: RecordedPace<'_>) -> Result<RecordedLoad, RecordingError> {
        let times = match pace {
            RecordedPace::Schedule(schedule) => When::Schedule(Box::new(schedule.times())),
            RecordedPace::Speed(speed) => When::Recorded(RecordedTimes::new(speed)),
            RecordedPace::AtOnce => When::AtOnce,
        };
        let pass = recording.pass().filter(|pass| recording.events() > pass.records);
        let again = match pass {
            // The file was read by these schemas before.
            Some(pass) => Some((pass, Rebase::new(recording).map_err(|error| LoadError(error.to_string()))?)),
            None => None,
        };
        Ok(RecordedLoad {
            path: recording.path().to_owned(),
            reader: open(recording.path())?,
            again,
            shift_ms: 0,
            topics: recording.topics().clone(),
            sides: Vec::new(),
            block: None,
            at: 0,
            next: 0,
            end: recording.events(),
            times,
            stamp_ms: None,
            new_ids: BTreeMap::new(),
        })
    }

    /// With this Kafka timestamp on every record instead of its own, epoch ms.
    #[must_use]
    pub fn stamped(self, stamp_ms: i64) -> RecordedLoad {
        RecordedLoad { stamp_ms: Some(stamp_ms), ..self }
    }

    /// With other schema ids in the frames of values, from old to new; nothing else of a value changes.
    #[must_use]
    pub fn with_ids(self, new_ids: BTreeMap<u32, u32>) -> RecordedLoad {
        RecordedLoad { new_ids, ..self }
    }

    /// The next block; `None` if the next pass begins.
    fn next_block(&mut self) -> Result<Option<TraceBlock>, LoadError> {
        let failed = |error| LoadError(format!("the trace: {error}"));
        if let Some(next) = self.reader.next_block().map_err(failed)? {
            return Ok(Some(next));
        }
        match &self.again {
            Some((pass, _)) if self.next > 0 && self.next.is_multiple_of(pass.records) => {
                self.shift_ms = self.shift_ms.saturating_add(pass.shift_ms);
                self.reader = open(&self.path).map_err(failed)?;
                self.sides.clear();
                Ok(None)
            }
            _ => Err(LoadError("the trace has become shorter".to_owned())),
        }
    }

    fn put(&mut self, record: &TraceRecordRef<'_>, block: &mut LoadBlock) -> Result<(), LoadError> {
        let side = self.sides.get(record.topic_number as usize).copied().flatten();
        let Some(side) = side else {
            return Err(LoadError(format!("the trace has changed: a record of topic {}", record.topic)));
        };
        let (mut timestamp_ms, mut value) = (record.timestamp_ms, record.value);
        if let Some((_, rebase)) = self.again.as_mut().filter(|_| self.shift_ms != 0) {
            value = rebase.shifted(side, value, self.shift_ms);
            if timestamp_ms >= 0 {
                timestamp_ms = timestamp_ms.saturating_add(self.shift_ms);
            }
        }
        match &mut self.times {
            When::Schedule(times) => block.due_ns.extend(times.next()),
            When::Recorded(times) => block.due_ns.push(times.due_ns(timestamp_ms)),
            When::AtOnce => {}
        }
        let value = block.records.push(&GeneratedRecord {
            event: self.next,
            partition: PartitionId { side, number: record.partition },
            timestamp_ms: self.stamp_ms.unwrap_or(timestamp_ms),
            key: record.key.unwrap_or_default(),
            has_key: record.key.is_some(),
            value,
        });
        if !self.new_ids.is_empty()
            && let Some([0, id @ ..]) = value.first_chunk_mut::<5>()
            && let Some(new) = self.new_ids.get(&u32::from_be_bytes(*id))
        {
            *id = new.to_be_bytes();
        }
        self.next += 1;
        Ok(())
    }
}

impl std::fmt::Debug for RecordedLoad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedLoad")
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Load for RecordedLoad {
    fn fill(&mut self, block: &mut LoadBlock) -> Result<(), LoadError> {
        while self.next < self.end
            && block.records.len() < BLOCK_RECORDS
            && block.records.bytes_len() < BLOCK_BYTES
        {
            let current = match self.block.take() {
                Some(current) => current,
                None => {
                    self.at = 0;
                    match self.next_block()? {
                        Some(next) => next,
                        None => continue,
                    }
                }
            };
            let known = self.sides.len();
            let new = self.reader.topics()[known..].iter().map(|topic| self.topics.side(topic));
            self.sides.extend(new);
            if let Some(record) = current.get(self.at) {
                self.at += 1;
                self.put(&record, block)?;
                self.block = Some(current);
            }
        }
        Ok(())
    }
}

/// One thread unpacks several times as fast as anything here can send.
fn open(path: &Path) -> Result<TraceReader, TraceError> {
    TraceReader::open(path, ReadOptions { threads: Some(1), ..Default::default() })
}

/// Records in a block.
const BLOCK_RECORDS: usize = 4_096;
/// Bytes in a block, but for the last record: values may be large, and many blocks are made ahead.
const BLOCK_BYTES: usize = 2 << 20;
