//! Batches as a produce request carries them.

use super::error::{BatchError, damaged};
use super::header::{ATTRIBUTES, CRC, HEAD_BYTES, Head, LENGTH, PREFIX_BYTES, Stamp, put_stamp};
use super::unpack::Compression;
use super::varint::{length, long_bytes, put_length, put_long};

/// Gathers records, then writes them as one batch. Its memory is kept for the next.
#[derive(Clone, Debug, Default)]
pub struct BatchWriter {
    /// Room for the header, then the records: what is not packed travels from where it was written.
    bytes: Vec<u8>,
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
        self.put_record(timestamp_ms, key, value.map(|value| [value, &[]]), headers);
    }

    /// Adds a record whose value lies in two pieces: a frame and what it frames.
    ///
    /// # Panics
    /// With 2^31 records in a batch.
    #[inline]
    pub fn push_framed(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: [&[u8]; 2]) {
        self.put_record(timestamp_ms, key, Some(value), &[]);
    }

    #[inline]
    fn put_record(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<[&[u8]; 2]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        if self.count == 0 {
            (self.base_timestamp_ms, self.max_timestamp_ms) = (timestamp_ms, timestamp_ms);
            self.bytes.resize(HEAD_BYTES, 0);
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        let timestamp_delta_ms = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(self.count);
        let value_length = value.map_or(-1, |[a, b]| length(a) + length(b));
        let mut bytes = 1 + long_bytes(timestamp_delta_ms) + long_bytes(offset_delta);
        bytes += counted(key) + long_bytes(value_length) + usize::try_from(value_length).unwrap_or(0);
        bytes += long_bytes(headers_count(headers));
        for (name, value) in headers {
            bytes += counted(Some(name.as_bytes())) + counted(*value);
        }
        let out = &mut self.bytes;
        put_long(out, (bytes as u64).cast_signed());
        // The attributes: none is in use.
        out.push(0);
        put_long(out, timestamp_delta_ms);
        put_long(out, offset_delta);
        put_bytes(out, key);
        put_long(out, value_length);
        for part in value.iter().flatten() {
            out.extend_from_slice(part);
        }
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
        self.bytes.len().saturating_sub(HEAD_BYTES)
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
        self.clear();
        finished
    }

    /// The batch as [`BatchWriter::finish`] would append it to `spare`, which it empties; without compression
    /// the records are not copied, and `spare` is what the next ones are written to.
    ///
    /// # Errors
    /// There is no record, or more than 2 GiB of them.
    pub fn take(
        &mut self,
        compression: Compression,
        stamp: Stamp,
        mut spare: Vec<u8>,
    ) -> Result<Vec<u8>, BatchError> {
        spare.clear();
        if compression != Compression::None {
            self.finish(compression, stamp, &mut spare)?;
            return Ok(spare);
        }
        if self.count == 0 {
            return Err(damaged(EMPTY));
        }
        let mut head = Vec::with_capacity(HEAD_BYTES);
        self.head(compression, stamp).put(&mut head);
        self.bytes[..HEAD_BYTES].copy_from_slice(&head);
        let sealed = seal(&mut self.bytes);
        let batch = std::mem::replace(&mut self.bytes, spare);
        self.clear();
        sealed.map(|()| batch)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    fn put(&self, compression: Compression, stamp: Stamp, out: &mut Vec<u8>) -> Result<(), BatchError> {
        if self.count == 0 {
            return Err(damaged(EMPTY));
        }
        let begin = out.len();
        self.head(compression, stamp).put(out);
        debug_assert_eq!(out.len() - begin, HEAD_BYTES);
        compression.pack(&self.bytes[HEAD_BYTES..], out)?;
        seal(&mut out[begin..])
    }

    fn head(&self, compression: Compression, stamp: Stamp) -> Head {
        Head {
            base_offset: 0,
            crc: 0,
            attributes: compression.number(),
            last_offset_delta: self.count - 1,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            stamp,
            records: self.count,
        }
    }
}

/// Another producer's epoch, or other sequence numbers, for a batch that was written before.
///
/// # Panics
/// On bytes that are no batch.
pub fn restamp(batch: &mut [u8], stamp: Stamp) {
    put_stamp(batch, stamp);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
}

/// Length and checksum of a whole batch.
fn seal(batch: &mut [u8]) -> Result<(), BatchError> {
    let length = i32::try_from(batch.len() - PREFIX_BYTES)
        .map_err(|_| damaged("a batch to send: it is larger than 2 GiB"))?;
    batch[LENGTH..LENGTH + 4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    Ok(())
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

const EMPTY: &str = "a batch to send: it has no record";

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> BatchWriter {
        let mut writer = BatchWriter::default();
        writer.push_framed(1_700_000_000_000, Some(b"key"), [b"frame", b" and body"]);
        writer.push(1_700_000_000_002, None, None, &[("why", Some(b"gone"))]);
        writer
    }

    #[test]
    fn a_batch_that_is_taken_is_the_one_that_is_finished() {
        for compression in Compression::ALL {
            let stamp = Stamp { producer_id: 7, producer_epoch: 2, base_sequence: 9, transactional: true };
            let (mut finished, mut writer) = (Vec::new(), filled());
            filled().finish(compression, stamp, &mut finished).unwrap();
            let taken = writer.take(compression, stamp, vec![1, 2, 3]).unwrap();
            assert_eq!(taken, finished, "{compression:?}");
            assert!(writer.is_empty() && writer.bytes() == 0);
            assert!(writer.take(compression, stamp, Vec::new()).is_err());
            // The same records in one piece, and with another stamp at first.
            let mut other = Vec::new();
            let mut plain = BatchWriter::default();
            plain.push(1_700_000_000_000, Some(b"key"), Some(b"frame and body"), &[]);
            plain.push(1_700_000_000_002, None, None, &[("why", Some(b"gone"))]);
            plain.finish(compression, Stamp::default(), &mut other).unwrap();
            restamp(&mut other, stamp);
            assert_eq!(other, finished, "{compression:?}");
        }
    }
}
