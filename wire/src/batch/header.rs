//! What stands before a batch's records: 61 bytes.

use super::error::{BatchError, damaged};

/// Who wrote a batch, for idempotence and transactions (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The producer's id; -1 if it is not idempotent.
    pub producer_id: i64,
    /// Its epoch; -1 likewise.
    pub producer_epoch: i16,
    /// The sequence number of the first record; -1 likewise.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub transactional: bool,
}

impl Default for Stamp {
    /// Neither idempotent nor transactional.
    fn default() -> Stamp {
        Stamp { producer_id: -1, producer_epoch: -1, base_sequence: -1, transactional: false }
    }
}

/// A batch's header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) base_offset: i64,
    pub(super) crc: u32,
    pub(super) attributes: u16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp_ms: i64,
    pub(super) max_timestamp_ms: i64,
    pub(super) stamp: Stamp,
    pub(super) records: i32,
}

impl Head {
    /// Reads a header; the caller has seen that format and length are right.
    pub(super) fn read(bytes: &[u8; HEAD_BYTES]) -> Result<Head, BatchError> {
        let attributes = u16::from_be_bytes(field(bytes, ATTRIBUTES));
        let head = Head {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            crc: u32::from_be_bytes(field(bytes, CRC)),
            attributes,
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp_ms: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp_ms: i64::from_be_bytes(field(bytes, 35)),
            stamp: Stamp {
                producer_id: i64::from_be_bytes(field(bytes, 43)),
                producer_epoch: i16::from_be_bytes(field(bytes, 51)),
                base_sequence: i32::from_be_bytes(field(bytes, 53)),
                transactional: attributes & TRANSACTIONAL != 0,
            },
            records: i32::from_be_bytes(field(bytes, 57)),
        };
        // Compaction may leave a batch without a record, with its offsets.
        let is_plausible = head.base_offset >= 0 && head.last_offset_delta >= 0 && head.records >= 0;
        let last = head.base_offset.checked_add(i64::from(head.last_offset_delta) + 1);
        if is_plausible && last.is_some() { Ok(head) } else { Err(damaged("a batch's header")) }
    }

    /// Appends a header whose length and checksum are patched in once the records stand behind it.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.base_offset.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        // The leader's epoch: the broker writes it.
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.push(FORMAT.cast_unsigned());
        out.extend_from_slice(&self.crc.to_be_bytes());
        let transactional = if self.stamp.transactional { TRANSACTIONAL } else { 0 };
        out.extend_from_slice(&(self.attributes | transactional).to_be_bytes());
        out.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        out.extend_from_slice(&self.base_timestamp_ms.to_be_bytes());
        out.extend_from_slice(&self.max_timestamp_ms.to_be_bytes());
        out.extend_from_slice(&self.stamp.producer_id.to_be_bytes());
        out.extend_from_slice(&self.stamp.producer_epoch.to_be_bytes());
        out.extend_from_slice(&self.stamp.base_sequence.to_be_bytes());
        out.extend_from_slice(&self.records.to_be_bytes());
    }
}

/// Patches the stamp of a whole batch; the checksum is the caller's.
pub(super) fn put_stamp(batch: &mut [u8], stamp: Stamp) {
    let [high, low] = [batch[ATTRIBUTES], batch[ATTRIBUTES + 1]];
    let attributes = u16::from_be_bytes([high, low]) & !TRANSACTIONAL;
    let transactional = if stamp.transactional { TRANSACTIONAL } else { 0 };
    batch[ATTRIBUTES..ATTRIBUTES + 2].copy_from_slice(&(attributes | transactional).to_be_bytes());
    batch[43..51].copy_from_slice(&stamp.producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&stamp.producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&stamp.base_sequence.to_be_bytes());
}

/// The bytes of a number at a place of the header.
#[inline]
pub(super) fn field<const N: usize>(bytes: &[u8; HEAD_BYTES], at: usize) -> [u8; N] {
    let mut number = [0; N];
    number.copy_from_slice(&bytes[at..at + N]);
    number
}

/// The whole header.
pub(super) const HEAD_BYTES: usize = 61;
/// Offset and length: what the length does not count.
pub(super) const PREFIX_BYTES: usize = 12;
/// Where the length stands.
pub(super) const LENGTH: usize = 8;
/// Where the format stands.
pub(super) const MAGIC: usize = 16;
/// Where the checksum stands; it covers all that follows it.
pub(super) const CRC: usize = 17;
/// Where the attributes stand, the first of what the checksum covers.
pub(super) const ATTRIBUTES: usize = 21;
/// The format that is read and written.
pub(super) const FORMAT: i8 = 2;

/// The codec's bits of the attributes.
pub(super) const CODEC_BITS: u16 = 0b111;
/// Records have the time at which the broker appended them.
pub(super) const LOG_APPEND_TIME: u16 = 1 << 3;
/// Part of a transaction.
pub(super) const TRANSACTIONAL: u16 = 1 << 4;
/// A control batch: the end of a transaction.
pub(super) const CONTROL: u16 = 1 << 5;
