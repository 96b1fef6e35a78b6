//! What the oracle says of a log that exists as bytes: a trace, or topics that were read back.
//!
//! ```
//! use wellstream_core::rules::Rules;
//! use wellstream_replay::oracle::WriterSchemas;
//! use wellstream_replay::verify::{Topics, verify_trace};
//! let output = verify_trace(&[], &Topics::default(), &WriterSchemas::default(), &Rules::default())?;
//! assert_eq!(output.events_in, [0, 0]);
//! # Ok::<(), wellstream_replay::verify::VerifyError>(())
//! ```

use std::collections::BTreeMap;

use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::Rules;

use crate::oracle::{self, Judge, Judged, OracleOutput, OracleRecord, RawDecoder, WriterSchemas};
use crate::trace::TraceRecord;

/// Which topic is which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// The topic of well readings.
    pub wells: String,
    /// The topic of tank readings.
    pub tanks: String,
}

impl Default for Topics {
    fn default() -> Self {
        Topics { wells: "well-sensor-data".to_owned(), tanks: "tank-sensor-data".to_owned() }
    }
}

impl Topics {
    /// The side whose readings a topic has; `None` for any other topic.
    pub fn side(&self, topic: &str) -> Option<Side> {
        match topic {
            topic if topic == self.wells => Some(Side::Well),
            topic if topic == self.tanks => Some(Side::Tank),
            _ => None,
        }
    }
}

/// Why a log cannot be judged. No retry helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A record of neither topic.
    #[error("a record of topic {topic}, which is neither the wells' nor the tanks'")]
    OtherTopic {
        /// The topic.
        topic: String,
    },
    /// Offsets of a partition must rise.
    #[error("{partition}: offset {offset} stands behind offset {before}")]
    OutOfOrder {
        /// The partition.
        partition: PartitionId,
        /// The record's offset.
        offset: i64,
        /// The one before it.
        before: i64,
    },
}

/// What a run over these records to their end must report. A partition's records stand in the order of their
/// offsets; how partitions are interleaved does not matter.
///
/// # Errors
/// The records are no log.
pub fn verify_trace(
    records: &[TraceRecord],
    topics: &Topics,
    schemas: &WriterSchemas,
    rules: &Rules,
) -> Result<OracleOutput, VerifyError> {
    Ok(oracle::output(&judge_trace(records, topics, schemas, rules)?, rules))
}

/// What becomes of each record.
///
/// # Errors
/// The records are no log.
pub fn judge_trace(
    records: &[TraceRecord],
    topics: &Topics,
    schemas: &WriterSchemas,
    rules: &Rules,
) -> Result<Judged, VerifyError> {
    let mut raw = RawJudge::new(schemas, rules);
    for record in records {
        let other = || VerifyError::OtherTopic { topic: record.topic.to_string() };
        let side = topics.side(&record.topic).ok_or_else(other)?;
        let partition = PartitionId { side, number: record.partition };
        raw.record(partition, record.offset, record.timestamp_ms, record.value.as_deref())?;
    }
    Ok(raw.finish())
}

/// Judges records as bytes, one by one, whatever they come from.
#[derive(Debug)]
pub struct RawJudge<'s> {
    rules: &'s Rules,
    decoder: RawDecoder<'s>,
    /// By partition: its judge, and the offset of its last record.
    partitions: BTreeMap<PartitionId, (Judge, i64)>,
}

impl<'s> RawJudge<'s> {
    /// Before the first record.
    pub fn new(schemas: &'s WriterSchemas, rules: &'s Rules) -> Self {
        RawJudge { rules, decoder: RawDecoder::new(schemas), partitions: BTreeMap::new() }
    }

    /// Judges a partition's next record.
    ///
    /// # Errors
    /// Its offset is not above that of the partition's last one.
    pub fn record(
        &mut self,
        partition: PartitionId,
        offset: i64,
        timestamp_ms: i64,
        value: Option<&[u8]>,
    ) -> Result<(), VerifyError> {
        let body = self.decoder.body(partition.side, value);
        let (judge, before) =
            self.partitions.entry(partition).or_insert_with(|| (Judge::new(partition), i64::MIN));
        if offset <= *before {
            return Err(VerifyError::OutOfOrder { partition, offset, before: *before });
        }
        *before = offset;
        judge.record(OracleRecord { offset, timestamp_ms, body }, self.rules);
        Ok(())
    }

    /// What became of them.
    pub fn finish(self) -> Judged {
        let mut judged = Judged::default();
        self.partitions.into_values().for_each(|(judge, _)| judged.merge(judge.finish()));
        judged
    }
}
