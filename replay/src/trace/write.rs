//! Writes a trace as a stream. Enters: records in any order of topics and partitions. Leaves: blocks of some
//! 256 KiB, compressed, behind a header that is mended at the end. Drops: nothing.

use std::io::{Seek, SeekFrom, Write};

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::bytes::{put_bytes, put_long, put_optional};
use super::header::{HeaderText, MARKER_BYTES, Told};
use super::{TraceError, TraceHeader, TraceRecord};
use crate::limits::{TRACE_BLOCK_BYTES, TRACE_BLOCK_BYTES_MAX};

/// A record to be written, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct BorrowedRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: &'a [TraceHeader<'a>],
}

/// Writes a trace.
pub struct TraceWriter<W: Write + Seek> {
    out: W,
    header: HeaderText,
    /// Where the header begins.
    begins_at: u64,
    /// Records of the block that is not written yet.
    plain: Vec<u8>,
    in_block: i64,
    packed: Vec<u8>,
    compressor: Compressor<'static>,
    records: u64,
    bytes: u64,
}

impl<W: Write + Seek> TraceWriter<W> {
    /// Begins a trace at the writer's position, with the schemas of its values by their ids.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(out: W, schemas: &[(u32, String)]) -> Result<Self, TraceError> {
        TraceWriter::with_room(out, schemas, 0)
    }

    /// The same, with room in the header for schemas that are not known yet, in bytes.
    ///
    /// # Errors
    /// The writer's.
    pub fn with_room(mut out: W, schemas: &[(u32, String)], room_bytes: usize) -> Result<Self, TraceError> {
        let mut rng = fastrand::Rng::new();
        let marker: [u8; MARKER_BYTES] = std::array::from_fn(|_| rng.u8(..));
        let mut header = HeaderText::new(schemas, marker, room_bytes);
        let begins_at = out.stream_position()?;
        let text = header.encode(Told::Unfinished);
        out.write_all(&text)?;
        let mut compressor = Compressor::new(LEVEL)?;
        // Without it, a flipped bit in a block may pass for another record; every zstd reader checks it.
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(TraceWriter {
            out,
            header,
            begins_at,
            plain: Vec::with_capacity(TRACE_BLOCK_BYTES),
            in_block: 0,
            packed: Vec::new(),
            compressor,
            records: 0,
            bytes: text.len() as u64,
        })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// The writer's, or a record that no reader would take; it is left out then.
    pub fn append(&mut self, record: &TraceRecord) -> Result<(), TraceError> {
        with_borrowed(record, |record| self.append_borrowed(record))
    }

    /// The same with a borrowed record: no allocation per record.
    ///
    /// # Errors
    /// See [`TraceWriter::append`].
    pub fn append_borrowed(&mut self, record: &BorrowedRecord<'_>) -> Result<(), TraceError> {
        let before = self.plain.len();
        put_record(&mut self.plain, record)?;
        let bytes = self.plain.len() - before;
        if bytes > TRACE_BLOCK_BYTES_MAX / 2 {
            self.plain.truncate(before);
            return Err(TraceError::TooLarge { bytes });
        }
        self.in_block += 1;
        self.records += 1;
        if self.plain.len() >= TRACE_BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Adds the schema of an id that values have; false if the header has no room left for it.
    ///
    /// # Errors
    /// The writer's.
    pub fn add_schema(&mut self, id: u32, schema_json: &str) -> Result<bool, TraceError> {
        let has_room = self.header.add(id, schema_json);
        if has_room {
            self.write_header(Told::Unfinished)?;
        }
        Ok(has_room)
    }

    /// Records appended so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes written so far; those of the open block are not yet.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes what has been appended, as a block: from now on it can be salvaged.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> Result<(), TraceError> {
        self.end_block()?;
        Ok(self.out.flush()?)
    }

    /// Ends the trace: only now can it be read.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> Result<W, TraceError> {
        self.end_block()?;
        self.write_header(Told::Records(self.records))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> Result<(), TraceError> {
        if self.in_block == 0 {
            return Ok(());
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.plain.len()));
        self.compressor.compress_to_buffer(&self.plain, &mut self.packed)?;
        let mut head = Vec::with_capacity(20);
        put_long(&mut head, self.in_block);
        put_long(&mut head, self.packed.len() as i64);
        self.out.write_all(&head)?;
        self.out.write_all(&self.packed)?;
        self.out.write_all(self.header.marker())?;
        self.bytes += (head.len() + self.packed.len() + MARKER_BYTES) as u64;
        self.in_block = 0;
        self.plain.clear();
        // One large record must not keep its memory for ever.
        self.plain.shrink_to(TRACE_BLOCK_BYTES * 2);
        Ok(())
    }

    /// Over the header that stands there, which is as long.
    fn write_header(&mut self, told: Told) -> Result<(), TraceError> {
        let text = self.header.encode(told);
        self.out.seek(SeekFrom::Start(self.begins_at))?;
        self.out.write_all(&text)?;
        self.out.seek(SeekFrom::Start(self.begins_at + self.bytes))?;
        Ok(())
    }
}

/// As [`put_record`].
pub(super) fn put_owned(out: &mut Vec<u8>, record: &TraceRecord) -> Result<(), TraceError> {
    with_borrowed(record, |record| put_record(out, record))
}

fn with_borrowed<T>(record: &TraceRecord, take: impl FnOnce(&BorrowedRecord<'_>) -> T) -> T {
    let headers: Vec<_> =
        record.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    take(&BorrowedRecord {
        topic: &record.topic,
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    })
}

/// Appends a record as avro-schemas/trace-record.avsc lays it out.
fn put_record(out: &mut Vec<u8>, record: &BorrowedRecord<'_>) -> Result<(), TraceError> {
    let partition = record.partition;
    let partition = i32::try_from(partition).map_err(|_| TraceError::Partition { partition })?;
    put_bytes(out, record.topic.as_bytes());
    put_long(out, i64::from(partition));
    put_long(out, record.offset);
    put_long(out, record.timestamp_ms);
    put_optional(out, record.key);
    put_optional(out, record.value);
    if !record.headers.is_empty() {
        put_long(out, record.headers.len() as i64);
        for (key, value) in record.headers {
            put_bytes(out, key.as_bytes());
            put_optional(out, *value);
        }
    }
    out.push(0);
    Ok(())
}

/// zstd's level.
const LEVEL: i32 = 1;
