//! Traces: Kafka records as they were, in an Avro object container file that any Avro tool reads.
//!
//! Enters: records in any order of topics and partitions. Leaves: the same records. Drops: nothing; a file
//! that is cut off, even between two blocks, is an error, since its header tells how many records it has. The
//! schemas that the values were written with travel in the file's metadata: `ws.schema.ID`.
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

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, OnceLock};

use apache_avro::types::Value;
use apache_avro::{Codec, Reader, Schema, Writer, ZstandardSettings};
use wellstream_core::schemas::TRACE_RECORD;

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

/// Why a trace cannot be written or read. No retry helps, but for `Io`.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file system, or whatever the trace is written to.
    #[error("trace: {0}")]
    Io(#[from] io::Error),
    /// Not an Avro file, or a damaged one.
    #[error("trace: {0}")]
    Avro(#[from] Box<apache_avro::Error>),
    /// An Avro file, but not of such records.
    #[error("trace: record {record} has no valid {field}; is this a trace?")]
    NotATrace {
        /// Which record, from 0.
        record: u64,
        /// What is missing or of another type.
        field: &'static str,
    },
    /// The header tells another number of records than there are.
    #[error("trace: {found} records, but its header says {told}: the file is cut off, or was never finished")]
    Incomplete {
        /// What the header says.
        told: String,
        /// How many there are.
        found: u64,
    },
}

impl From<apache_avro::Error> for TraceError {
    fn from(error: apache_avro::Error) -> Self {
        TraceError::Avro(Box::new(error))
    }
}

/// Writes a trace.
pub struct TraceWriter<W: Write + Seek> {
    avro: Writer<'static, Whole<W>>,
    /// Where the header has room for the number of records.
    count_at: u64,
    records: u64,
}

impl<W: Write + Seek> TraceWriter<W> {
    /// Begins a trace at the writer's position, with the schemas of its values by their ids.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(mut out: W, schemas: &[(u32, String)]) -> Result<Self, TraceError> {
        let schema = schema()?;
        let codec = Codec::Zstandard(ZstandardSettings::default());
        let mut header = Writer::with_codec(schema, Vec::new(), codec)?;
        for (id, text) in schemas {
            header.add_user_metadata(format!("{SCHEMA_KEY}{id}"), text)?;
        }
        header.add_user_metadata(COUNT_KEY.to_owned(), COUNT_UNKNOWN)?;
        let header = header.into_inner()?;
        let place = header.windows(COUNT_UNKNOWN.len()).position(|window| window == COUNT_UNKNOWN.as_bytes());
        let place = place.ok_or_else(|| io::Error::other("the header has no room for the count"))?;
        let count_at = out.stream_position()? + place as u64;
        out.write_all(&header)?;
        let avro = Writer::builder()
            .schema(schema)
            .writer(Whole(out))
            .codec(codec)
            .block_size(BLOCK_BYTES)
            .marker(apache_avro::read_marker(&header))
            .has_header(true)
            .build()?;
        Ok(TraceWriter { avro, count_at, records: 0 })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// The writer's.
    pub fn append(&mut self, record: &TraceRecord) -> Result<(), TraceError> {
        let bytes = |bytes: &Option<Vec<u8>>| match bytes {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(bytes) => Value::Union(1, Box::new(Value::Bytes(bytes.clone()))),
        };
        let field = |name: &str, value| (name.to_owned(), value);
        let headers = record.headers.iter().map(|(key, value)| {
            Value::Record(vec![field("key", Value::String(key.clone())), field("value", bytes(value))])
        });
        let partition =
            i32::try_from(record.partition).map_err(|_| io::Error::other("a partition above 2^31"))?;
        self.avro.append_value(Value::Record(vec![
            field("topic", Value::String(record.topic.to_string())),
            field("partition", Value::Int(partition)),
            field("offset", Value::Long(record.offset)),
            field("timestamp", Value::Long(record.timestamp_ms)),
            field("key", bytes(&record.key)),
            field("value", bytes(&record.value)),
            field("headers", Value::Array(headers.collect())),
        ]))?;
        self.records += 1;
        Ok(())
    }

    /// Ends the trace: only now can it be read.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> Result<W, TraceError> {
        let Whole(mut out) = self.avro.into_inner()?;
        out.seek(SeekFrom::Start(self.count_at))?;
        write!(out, "{:020}", self.records)?;
        out.seek(SeekFrom::End(0))?;
        out.flush()?;
        Ok(out)
    }
}

/// Reads a whole trace.
///
/// # Errors
/// It is none, it is damaged or cut off, or it cannot be read.
pub fn read_trace(input: impl Read) -> Result<Trace, TraceError> {
    let reader = Reader::new(input)?;
    let mut trace = Trace::default();
    let mut told = None;
    for (key, value) in reader.user_metadata() {
        let text = String::from_utf8_lossy(value).into_owned();
        if key == COUNT_KEY {
            told = Some(text);
        } else if let Some(id) = key.strip_prefix(SCHEMA_KEY).and_then(|id| id.parse().ok()) {
            trace.schemas.insert(id, text);
        }
    }
    let mut topics: HashSet<Arc<str>> = HashSet::new();
    for value in reader {
        let record = record(value?, &mut topics);
        let at = trace.records.len() as u64;
        trace.records.push(record.map_err(|field| TraceError::NotATrace { record: at, field })?);
    }
    let found = trace.records.len() as u64;
    match told {
        // A trace of another tool tells no count.
        Some(told) if told.parse() != Ok(found) => Err(TraceError::Incomplete { told, found }),
        _ => Ok(trace),
    }
}

/// One record, or the field that it lacks.
fn record(value: Value, topics: &mut HashSet<Arc<str>>) -> Result<TraceRecord, &'static str> {
    let Value::Record(fields) = value else { return Err("fields") };
    let mut fields: BTreeMap<String, Value> = fields.into_iter().collect();
    let mut take = |name: &'static str| fields.remove(name).ok_or(name);
    let topic = match take("topic")? {
        Value::String(topic) => match topics.get(topic.as_str()) {
            Some(known) => known.clone(),
            None => {
                let topic: Arc<str> = topic.into();
                topics.insert(topic.clone());
                topic
            }
        },
        _ => return Err("topic"),
    };
    let long = |value| match value {
        Value::Long(long) | Value::TimestampMillis(long) => Some(long),
        Value::Int(int) => Some(i64::from(int)),
        _ => None,
    };
    let partition = long(take("partition")?).and_then(|number| u32::try_from(number).ok());
    let headers = match take("headers")? {
        Value::Array(headers) => headers.into_iter().map(header).collect::<Option<_>>().ok_or("headers")?,
        _ => return Err("headers"),
    };
    Ok(TraceRecord {
        topic,
        partition: partition.ok_or("partition")?,
        offset: long(take("offset")?).ok_or("offset")?,
        timestamp_ms: long(take("timestamp")?).ok_or("timestamp")?,
        key: bytes(take("key")?).ok_or("key")?,
        value: bytes(take("value")?).ok_or("value")?,
        headers,
    })
}

fn header(value: Value) -> Option<(String, Option<Vec<u8>>)> {
    let Value::Record(fields) = value else { return None };
    let mut fields = fields.into_iter();
    match (fields.next()?, fields.next()?) {
        ((_, Value::String(key)), (_, value)) => Some((key, bytes(value)?)),
        _ => None,
    }
}

/// Bytes or null, in a union or not.
fn bytes(value: Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Union(_, inner) => bytes(*inner),
        Value::Null => Some(None),
        Value::Bytes(bytes) => Some(Some(bytes)),
        _ => None,
    }
}

fn schema() -> Result<&'static Schema, TraceError> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    match SCHEMA.get() {
        Some(schema) => Ok(schema),
        None => {
            let schema = Schema::parse_str(TRACE_RECORD)?;
            Ok(SCHEMA.get_or_init(|| schema))
        }
    }
}

/// The Avro library takes it for granted that a write writes all; here it does.
struct Whole<W>(W);

impl<W: Write> Write for Whole<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Metadata keys of the values' schemas begin so; the id follows.
const SCHEMA_KEY: &str = "ws.schema.";

/// Metadata key of the number of records, in 20 digits.
const COUNT_KEY: &str = "ws.records";

/// Stands there until the trace is finished; as long as the number will be.
const COUNT_UNKNOWN: &str = "-not-yet-finished!!-";

/// Uncompressed bytes of a block: enough for zstd to find what repeats.
const BLOCK_BYTES: usize = 1 << 18;
