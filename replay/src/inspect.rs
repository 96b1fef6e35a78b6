//! What is in a trace. Enters: a trace, block by block. Leaves: an [`Inspection`]: counts, sizes, time spans,
//! rates, disorder, keys, schemas, per topic and partition. Drops: nothing; what cannot be read is counted by
//! the reason that the engine would give.
//!
//! ```
//! use std::io::Cursor;
//! use wellstream_replay::inspect::{InspectSettings, inspect};
//! use wellstream_replay::trace::{BorrowedRecord, ReadOptions, TraceReader, TraceWriter};
//!
//! let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[])?;
//! let tombstone = BorrowedRecord {
//!     topic: "well-sensor-data",
//!     partition: 2,
//!     offset: 41,
//!     timestamp_ms: 1_700_000_000_000,
//!     key: Some(b"WELL-1"),
//!     value: None,
//!     headers: &[],
//! };
//! writer.append_borrowed(&tombstone)?;
//! let file = Cursor::new(writer.finish()?.into_inner());
//! let mut reader = TraceReader::start(file, ReadOptions::default())?;
//! let found = inspect(&mut reader, &InspectSettings::default(), &mut |_| {})?;
//! assert_eq!((found.records, found.readable, found.unreadable["empty_value"]), (1, 0, 1));
//! assert_eq!(found.topics[0].partitions[0].offset_last, 41);
//! # Ok::<(), wellstream_replay::inspect::InspectError>(())
//! ```

mod judge;
mod gather;

use std::collections::BTreeMap;

use serde::Serialize;
use wellstream_core::decode::FixedSchemas;
use wellstream_core::rules::Rules;

use crate::trace::{TraceError, TraceReader};
use crate::verify::Topics;
use gather::Gathered;

/// What is needed to read the values.
#[derive(Clone, Debug)]
pub struct InspectSettings {
    /// Which topic is which. Values of other topics are read as what their schema says.
    pub topics: Topics,
    /// Bounds of event time, lateness.
    pub rules: Rules,
    /// How values are read where the trace has no schema at all.
    pub schemas: FixedSchemas,
}

impl Default for InspectSettings {
    fn default() -> Self {
        InspectSettings {
            topics: Topics::default(),
            rules: Rules::default(),
            schemas: FixedSchemas::built_in(),
        }
    }
}

/// What is in a trace. Its names are the keys of `wellstream inspect --json` (docs/TRACES.md).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// How many records.
    pub records: u64,
    /// How many blocks.
    pub blocks: u64,
    /// Bytes of the records, uncompressed.
    pub plain_bytes: u64,
    /// Bytes of the records in the file.
    pub packed_bytes: u64,
    /// What is wrong with the file, where it was salvaged; null if it is whole.
    pub damage: Option<String>,
    /// Records with an event time that the engine would accept.
    pub readable: u64,
    /// The others, by reason.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// The lateness by which `late` is counted, ms.
    pub lateness_ms: i64,
    /// Schemas in the file or named by a value, by id.
    pub schemas: Vec<SchemaUse>,
    /// In the order of the file.
    pub topics: Vec<TopicContents>,
}

/// A schema and how often it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SchemaUse {
    /// Its id.
    pub id: u32,
    /// The full name of its record; null if it is no record, or is not in the file.
    pub name: Option<String>,
    /// Whether the file has its text.
    pub in_file: bool,
    /// Values that name it.
    pub records: u64,
}

/// What is in a topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicContents {
    /// Its name.
    pub topic: String,
    /// How many records.
    pub records: u64,
    /// How many without a value.
    pub tombstones: u64,
    /// How many with headers.
    pub with_headers: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// Sizes of values, bytes.
    pub value_size: Quantiles,
    /// How many keys differ.
    pub keys: KeyCount,
    /// Kafka's timestamps.
    pub sent: Option<TimeSpan>,
    /// Event times, of readable records.
    pub event_time: Option<EventTimes>,
    /// By number.
    pub partitions: Vec<PartitionContents>,
}

/// What is in a partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionContents {
    /// Its number.
    pub partition: u32,
    /// How many records.
    pub records: u64,
    /// The smallest offset.
    pub offset_first: i64,
    /// The largest offset.
    pub offset_last: i64,
    /// Records whose offset is not above that of the record before it: such a trace cannot be replayed.
    pub out_of_order: u64,
    /// Bytes of all values.
    pub value_bytes: u64,
    /// Kafka's timestamps.
    pub sent: Option<TimeSpan>,
    /// Event times, of readable records.
    pub event_time: Option<EventTimes>,
}

/// Times of some records.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TimeSpan {
    /// The earliest, epoch ms.
    pub first_ms: i64,
    /// The latest, epoch ms.
    pub last_ms: i64,
    /// Records per second of it; null where all have the same time.
    pub records_per_s: Option<f64>,
}

/// Event times of some records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventTimes {
    /// When.
    #[serde(flatten)]
    pub span: TimeSpan,
    /// How far a record is behind the newest before it in its partition, ms; 0 where it is in order.
    pub disorder_ms: Quantiles,
    /// Records that the engine would call late.
    pub late: u64,
}

/// The distribution of something. A percentile with fewer than ten samples beyond it is null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: Option<u64>,
    /// 99 in 100 are at most this.
    pub p99: Option<u64>,
    /// The largest.
    pub max: u64,
}

/// How many keys differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyCount {
    /// So many.
    pub distinct: u64,
    /// Whether there are more: counting ends at a bound.
    pub or_more: bool,
    /// Records without a key.
    pub without: u64,
}

/// Why a trace cannot be inspected. No retry helps.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// More partitions than any cluster has.
    #[error("the trace names more than {max} partitions: is it one of Kafka records?")]
    Partitions {
        /// The bound.
        max: usize,
    },
}

/// Reads a trace to its end and says what is in it; tells `progress` the records read, block by block.
///
/// # Errors
/// It cannot be read, or is damaged and not salvaged.
pub fn inspect(
    reader: &mut TraceReader,
    settings: &InspectSettings,
    progress: &mut dyn FnMut(u64),
) -> Result<Inspection, InspectError> {
    let mut gathered = Gathered::new(settings, reader.schemas());
    while let Some(block) = reader.next_block()? {
        gathered.block(&block)?;
        progress(reader.records_found());
    }
    Ok(gathered.finish(reader.damage().map(ToString::to_string)))
}
