//! The batches of a fetched partition, one behind the other.

use super::error::{BatchError, damaged};
use super::header::{
    ATTRIBUTES, CODEC_BITS, CONTROL, FORMAT, HEAD_BYTES, Head, LENGTH, LOG_APPEND_TIME, MAGIC, PREFIX_BYTES,
};
use super::records::{Place, Records};
use super::unpack::{Compression, Unpacker};
use super::{Record, Stamp};

/// Whether a batch's checksum is compared: some 2 ns a reading of 120 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crc {
    /// A batch whose bytes are not those that were written is an error.
    Checked,
    /// It is read as far as it can be.
    Trusted,
}

/// The whole batches of a response, in offset order. Behind an error nothing comes.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    crc: Crc,
}

impl<'a> Batches<'a> {
    /// The batches in the bytes of one partition of a response.
    pub fn new(bytes: &'a [u8], crc: Crc) -> Batches<'a> {
        Batches { rest: bytes, crc }
    }

    /// How many bytes of the last batch the response has: 0 where it ends with a whole one. Once the iterator
    /// is through.
    pub fn cut_bytes(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self) -> Option<Result<Batch<'a>, BatchError>> {
        let prefix = self.rest.first_chunk::<PREFIX_BYTES>()?;
        let [.., a, b, c, d] = *prefix;
        debug_assert_eq!(LENGTH + 4, PREFIX_BYTES);
        let Ok(length) = usize::try_from(i32::from_be_bytes([a, b, c, d])) else {
            return Some(Err(damaged("a batch's length")));
        };
        // The format's place is the same in all of them, and an old one may be short.
        let magic = self.rest.get(MAGIC)?.cast_signed();
        if magic != FORMAT {
            return Some(Err(BatchError::Format { magic }));
        }
        if length < HEAD_BYTES - PREFIX_BYTES {
            return Some(Err(damaged("a batch's length")));
        }
        let (bytes, rest) = self.rest.split_at_checked(PREFIX_BYTES + length)?;
        self.rest = rest;
        Some(Batch::new(bytes, self.crc))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.take();
        if let Some(Err(_)) = batch {
            self.rest = &[];
        }
        batch
    }
}

/// One batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    head: Head,
    compression: Compression,
    /// The records, packed or not.
    packed: &'a [u8],
}

impl<'a> Batch<'a> {
    fn new(bytes: &'a [u8], crc: Crc) -> Result<Batch<'a>, BatchError> {
        let (head_bytes, packed) =
            bytes.split_first_chunk::<HEAD_BYTES>().ok_or(damaged("a batch's header"))?;
        let head = Head::read(head_bytes)?;
        if crc == Crc::Checked && crc32c::crc32c(&bytes[ATTRIBUTES..]) != head.crc {
            return Err(BatchError::Checksum { base_offset: head.base_offset });
        }
        let [codec, _] = (head.attributes & CODEC_BITS).to_le_bytes();
        let compression = Compression::of(codec)?;
        Ok(Batch { head, compression, packed })
    }

    /// The offset of its first record, when it was written.
    pub fn base_offset(&self) -> i64 {
        self.head.base_offset
    }

    /// The offset behind its last record, when it was written: where reading goes on, also if compaction has
    /// taken records from its end.
    pub fn next_offset(&self) -> i64 {
        self.head.base_offset + i64::from(self.head.last_offset_delta) + 1
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        usize::try_from(self.head.records).unwrap_or(0)
    }

    /// It has none: compaction took them.
    pub fn is_empty(&self) -> bool {
        self.head.records == 0
    }

    /// Who wrote it.
    pub fn stamp(&self) -> Stamp {
        self.head.stamp
    }

    /// Whether it marks the end of a transaction, and holds no record of anybody's.
    pub fn is_control(&self) -> bool {
        self.head.attributes & CONTROL != 0
    }

    /// How its records are packed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Its records. Packed ones are unpacked into `unpacker`, and borrow from it.
    ///
    /// # Errors
    /// They cannot be unpacked, or are larger than is allowed. Errors of single records come from the
    /// iterator.
    pub fn records<'r>(&self, unpacker: &'r mut Unpacker) -> Result<Records<'r>, BatchError>
    where
        'a: 'r,
    {
        let bytes = match self.compression {
            Compression::None => self.packed,
            packed => unpacker.unpack(packed, self.packed)?,
        };
        Ok(self.records_in(bytes))
    }

    /// Its records as they stand there, if they are not packed; none otherwise.
    pub(crate) fn records_plain(&self) -> Records<'a> {
        self.records_in(if self.compression == Compression::None { self.packed } else { &[] })
    }

    /// Its records from a place on. What was unpacked last by `unpacker` must be this batch.
    pub fn records_at<'r>(&self, place: Place, unpacker: &'r Unpacker) -> Records<'r>
    where
        'a: 'r,
    {
        let bytes = match self.compression {
            Compression::None => self.packed,
            _ => unpacker.last(),
        };
        self.records_in(bytes).at(place)
    }

    fn records_in<'r>(&self, bytes: &'r [u8]) -> Records<'r> {
        let appended = self.head.attributes & LOG_APPEND_TIME != 0;
        Records::new(
            bytes,
            self.head.records,
            (self.head.base_offset, self.next_offset() - 1),
            self.head.base_timestamp_ms,
            appended.then_some(self.head.max_timestamp_ms),
        )
    }

    /// Whether a control batch says that its transaction was committed.
    ///
    /// # Errors
    /// It is no control batch, or holds no such marker.
    pub fn commits(&self) -> Result<bool, BatchError> {
        let mut unpacker = Unpacker::default();
        let record: Option<Record<'_>> = self.records(&mut unpacker)?.next().transpose()?;
        // Version, then type: 0 aborts, 1 commits.
        match record.and_then(|record| record.key) {
            Some([_, _, 0, kind @ (0 | 1), ..]) if self.is_control() => Ok(*kind == 1),
            _ => Err(damaged("a control batch")),
        }
    }
}
