//! What must come out of a trace that was sent: the oracle reads the file once more.

use wellstream_core::record::PartitionId;
use wellstream_core::rules::Rules;

use super::expect::{Look, RawStream};
use crate::load::{Load, LoadBlock, LoadError, RecordedLoad, RecordedPace, Recording, RecordingError};
use crate::oracle::{Expected, StreamError, WriterSchemas};

/// The records of a trace as they are stored where the engine reads them.
#[derive(Clone, Copy)]
pub struct RecordedRun<'a> {
    /// What was sent, all of it.
    pub recording: &'a Recording,
    /// Partitions of the wells' and the tanks' topic, those without any record included.
    pub partitions: [u32; 2],
    /// The writers' schemas, by the ids in the trace.
    pub schemas: &'a WriterSchemas,
    /// The Kafka timestamp that every record got, epoch ms; `None` where each kept its own.
    pub stamp_ms: Option<i64>,
    /// The offset of a partition's n-th record, from 0.
    pub offset: &'a dyn Fn(PartitionId, i64) -> i64,
}

/// Why the oracle cannot say anything. No retry helps.
#[derive(Debug, thiserror::Error)]
pub enum RecordedRunError {
    /// The file.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The file has changed meanwhile.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The records are no log.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl std::fmt::Debug for RecordedRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedRun").field("recording", self.recording).finish_non_exhaustive()
    }
}

impl RecordedRun<'_> {
    /// What a run over these records to their end must put out.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, RecordedRunError> {
        let records = self.recording.records(self.partitions);
        let mut stream = RawStream::new(self.schemas, rules, &records).looking_at(look);
        let mut nth: Vec<(PartitionId, i64)> = records.keys().map(|partition| (*partition, 0)).collect();
        let mut load = RecordedLoad::start(self.recording, RecordedPace::AtOnce)?;
        let mut block = LoadBlock::default();
        loop {
            block.clear();
            load.fill(&mut block)?;
            if block.records.is_empty() {
                return Ok(stream.finish()?);
            }
            for record in block.records.records() {
                let place = nth.binary_search_by_key(&record.partition, |(partition, _)| *partition);
                let Ok(place) = place else {
                    return Err(LoadError(format!("the trace has changed: {}", record.partition)).into());
                };
                let offset = (self.offset)(record.partition, nth[place].1);
                nth[place].1 += 1;
                let timestamp_ms = self.stamp_ms.unwrap_or(record.timestamp_ms);
                stream.record(record.partition, offset, timestamp_ms, record.value)?;
            }
        }
    }
}
