//! Traces: Kafka records as they were, in an Avro object container file that any Avro tool reads and writes.
//!
//! Enters: records in any order of topics and partitions. Leaves: the same records. Drops: nothing; a file
//! that is cut off, even between two blocks, is an error, since its header tells how many records it has. The
//! schemas that the values were written with travel in the file's metadata: `ws.schema.ID`.
//!
//! [`TraceReader`] is the fast way in, block by block; [`read_trace`] takes a whole trace into memory.
//!
//! ```
//! use std::io::Cursor;
//! use wellstream_replay::trace::{TraceRecord, TraceWriter, read_trace};
//!
//! let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[(7, r#""string""#.to_owned())])?;
//! let record = TraceRecord {
//!     topic: "well-sensor-data".into(),
//!     partition: 2,
//!     offset: 41,
//!     timestamp_ms: 1_700_000_000_000,
//!     key: Some(b"WELL-1".to_vec()),
//!     value: None,
//!     headers: vec![("source".to_owned(), Some(b"x".to_vec()))],
//! };
//! writer.append(&record)?;
//! let file = writer.finish()?.into_inner();
//! let trace = read_trace(file.as_slice())?;
//! assert_eq!(trace.records, [record]);
//! assert_eq!(trace.schemas[&7], r#""string""#);
//! # Ok::<(), wellstream_replay::trace::TraceError>(())
//! ```

mod error;
mod bytes;
mod header;
mod layout;
mod block;
mod raw;
mod unpack;
mod reader;
mod write;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

pub use block::{TraceBlock, TraceHeader, TraceHeaders, TraceRecordRef};
pub use error::TraceError;
pub use reader::{ReadOptions, TraceReader};
pub use write::{BorrowedRecord, TraceWriter};

use header::Told;
use raw::RawBlocks;
use unpack::Unpacker;

/// One Kafka record as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A whole trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The schemas of values by their ids.
    pub schemas: BTreeMap<u32, String>,
    /// The records, in the order of the file.
    pub records: Vec<TraceRecord>,
}

/// Reads a whole trace, on this thread.
///
/// # Errors
/// It is none, it is damaged or cut off, or it cannot be read.
pub fn read_trace(input: impl Read) -> Result<Trace, TraceError> {
    let (header, mut blocks) = RawBlocks::open(input)?;
    if header.told == Told::Unfinished {
        return Err(TraceError::NeverFinished);
    }
    let mut unpacker = Unpacker::new(header.codec, header.layout)?;
    let mut trace = Trace { schemas: header.schemas, records: Vec::new() };
    while let Some(raw) = blocks.next()? {
        let block = unpacker.unpack(raw)?;
        trace.records.extend(block.records().map(|record| record.to_record()));
    }
    reader::complete(header.told, trace.records.len() as u64)?;
    Ok(trace)
}
