//! How far the whole batches of a response reach, from their headers alone: what the next fetch asks for is
//! known before a record is looked at.

use super::error::{BatchError, damaged};
use super::header::{FORMAT, HEAD_BYTES, Head, LENGTH, MAGIC, PREFIX_BYTES};

/// The whole batches of a partition's part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many bytes they are.
    pub bytes: usize,
    /// The offset behind the last of them; where reading was, if there is none.
    pub next_offset: i64,
    /// The leader's epoch when the last of them was written, -1 if there is none.
    pub leader_epoch: i32,
    /// How many bytes the batch takes that the response ends in the middle of; 0 if there is none, or nothing
    /// of it that tells.
    pub cut_bytes: usize,
    /// What ends the walk before the response does.
    pub error: Option<BatchError>,
}

impl Extent {
    /// Of these bytes, read from this offset on. The first batch may begin before it, and ends behind it;
    /// each batch begins where the one before ends or later.
    pub fn of(bytes: &[u8], offset: i64) -> Extent {
        let mut extent =
            Extent { bytes: 0, next_offset: offset, leader_epoch: -1, cut_bytes: 0, error: None };
        let mut floor = 0;
        while let Some(rest) = bytes.get(extent.bytes..).filter(|rest| rest.len() >= PREFIX_BYTES) {
            match extent.step(rest, floor) {
                Ok(true) => floor = extent.next_offset,
                Ok(false) => break,
                Err(error) => {
                    extent.error = Some(error);
                    break;
                }
            }
        }
        extent
    }

    /// Takes one batch; false if the bytes end in the middle of it.
    fn step(&mut self, rest: &[u8], floor: i64) -> Result<bool, BatchError> {
        let mut length = [0; 4];
        length.copy_from_slice(&rest[LENGTH..LENGTH + 4]);
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| damaged("a batch's length"))?;
        let Some(magic) = rest.get(MAGIC) else {
            self.cut_bytes = PREFIX_BYTES + length;
            return Ok(false);
        };
        let magic = magic.cast_signed();
        if magic != FORMAT {
            return Err(BatchError::Format { magic });
        }
        if length < HEAD_BYTES - PREFIX_BYTES {
            return Err(damaged("a batch's length"));
        }
        let Some(batch) = rest.get(..PREFIX_BYTES + length) else {
            self.cut_bytes = PREFIX_BYTES + length;
            return Ok(false);
        };
        let head = batch.first_chunk::<HEAD_BYTES>().ok_or(damaged("a batch's header"))?;
        let mut epoch = [0; 4];
        epoch.copy_from_slice(&head[PREFIX_BYTES..MAGIC]);
        let head = Head::read(head)?;
        let next_offset = head.base_offset + i64::from(head.last_offset_delta) + 1;
        if head.base_offset < floor || next_offset <= self.next_offset {
            return Err(damaged("the order of the batches"));
        }
        (self.bytes, self.next_offset) = (self.bytes + batch.len(), next_offset);
        self.leader_epoch = i32::from_be_bytes(epoch);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchWriter, Compression, Stamp};
    use super::*;

    fn batch(base_offset: i64, records: usize) -> Vec<u8> {
        let mut writer = BatchWriter::default();
        for _ in 0..records {
            writer.push(1, None, Some(b"value"), &[]);
        }
        let mut bytes = Vec::new();
        writer.finish(Compression::None, Stamp::default(), &mut bytes).unwrap();
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&7_i32.to_be_bytes());
        bytes
    }

    #[test]
    fn whole_batches_are_counted_and_a_cut_one_says_how_long_it_is() {
        let bytes = [batch(10, 5), batch(20, 1), batch(21, 3)].concat();
        let whole = Extent::of(&bytes, 12);
        assert_eq!((whole.bytes, whole.next_offset, whole.leader_epoch), (bytes.len(), 24, 7));
        assert_eq!((whole.cut_bytes, whole.error), (0, None));
        let last = batch(21, 3).len();
        for cut in 1..last {
            let extent = Extent::of(&bytes[..bytes.len() - cut], 12);
            assert_eq!((extent.bytes, extent.next_offset), (bytes.len() - last, 21));
            assert_eq!(extent.cut_bytes, if last - cut < PREFIX_BYTES { 0 } else { last }, "{cut}");
            assert_eq!(extent.error, None);
        }
        assert_eq!(Extent::of(&[], 12).next_offset, 12);
    }

    #[test]
    fn batches_that_go_back_or_lie_below_the_offset_are_an_error_behind_those_before() {
        let order = Some(damaged("the order of the batches"));
        let back = Extent::of(&[batch(10, 5), batch(14, 1)].concat(), 10);
        assert_eq!((back.next_offset, back.error), (15, order));
        let below = Extent::of(&batch(10, 5), 15);
        assert_eq!((below.next_offset, below.bytes, below.error), (15, 0, order));
        let mut old = batch(10, 5);
        old[MAGIC] = 1;
        assert_eq!(Extent::of(&old, 10).error, Some(BatchError::Format { magic: 1 }));
    }
}
