//! Batches as a produce request carries them.

use super::error::{BatchError, damaged};
use super::header::{ATTRIBUTES, CRC, HEAD_BYTES, Head, LENGTH, PREFIX_BYTES, Stamp};
use super::unpack::Compression;
use super::varint::{length, long_bytes, put_length, put_long};

/// Gathers records, then writes them as one batch. Its memory is kept for the next.
#[derive(Clone, Debug, Default)]
pub struct BatchWriter {
    records: Vec<u8>,
    count: i32,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
}

impl BatchWriter {
    /// Adds a record. Headers are name and value.
    ///
    /// # Panics
    /// With 2^31 records in a batch.
    #[inline]
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        if self.count == 0 {
            (self.base_timestamp_ms, self.max_timestamp_ms) = (timestamp_ms, timestamp_ms);
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        let timestamp_delta_ms = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(self.count);
        let mut bytes = 1 + long_bytes(timestamp_delta_ms) + long_bytes(offset_delta);
        bytes += counted(key) + counted(value) + long_bytes(headers_count(headers));
        for (name, value) in headers {
            bytes += counted(Some(name.as_bytes())) + counted(*value);
        }
        let out = &mut self.records;
        put_long(out, (bytes as u64).cast_signed());
        // The attributes: none is in use.
        out.push(0);
        put_long(out, timestamp_delta_ms);
        put_long(out, offset_delta);
        put_bytes(out, key);
        put_bytes(out, value);
        put_long(out, headers_count(headers));
        for (name, value) in headers {
            put_bytes(out, Some(name.as_bytes()));
            put_bytes(out, *value);
        }
        assert!(self.count < i32::MAX, "a batch of 2^31 records");
        self.count += 1;
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(0)
    }

    /// It has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of its records, not packed.
    pub fn bytes(&self) -> usize {
        self.records.len()
    }

    /// Appends the batch to `out`, offsets from 0 on, as the broker wants it, and empties the writer.
    ///
    /// # Errors
    /// There is no record, or more than 2 GiB of them; nothing is appended then.
    pub fn finish(
        &mut self,
        compression: Compression,
        stamp: Stamp,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchError> {
        let begin = out.len();
        let finished = self.put(compression, stamp, out);
        if finished.is_err() {
            out.truncate(begin);
        }
        self.records.clear();
        self.count = 0;
        finished
    }

    fn put(&self, compression: Compression, stamp: Stamp, out: &mut Vec<u8>) -> Result<(), BatchError> {
        if self.count == 0 {
            return Err(damaged("a batch to send: it has no record"));
        }
        let begin = out.len();
        let head = Head {
            base_offset: 0,
            crc: 0,
            attributes: compression.number(),
            last_offset_delta: self.count - 1,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            stamp,
            records: self.count,
        };
        head.put(out);
        debug_assert_eq!(out.len() - begin, HEAD_BYTES);
        compression.pack(&self.records, out)?;
        let batch = &mut out[begin..];
        let length = i32::try_from(batch.len() - PREFIX_BYTES)
            .map_err(|_| damaged("a batch to send: it is larger than 2 GiB"))?;
        batch[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
        batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }
}

fn headers_count(headers: &[(&str, Option<&[u8]>)]) -> i64 {
    (headers.len() as u64).cast_signed()
}

/// How many bytes a length and as many bytes take.
#[inline]
fn counted(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| long_bytes(length(bytes)) + bytes.len())
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_length(out, bytes);
    out.extend_from_slice(bytes.unwrap_or_default());
}
