//! Records of a sender on their way to its carrier: written straight into batches, by partition.
//!
//! Enters: records, in order. Leaves: batches, taken all at once, each partition's in its order. Drops:
//! nothing; beyond a bound in bytes nothing more is taken until the carrier has got rid of some.
//!
//! Each side takes the lock for moments only: the sender for a record, the carrier to exchange what is
//! written for empty memory. No record has memory of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use wellstream_wire::batch::BatchWriter;

use crate::limits::SEND_SPARE_BATCHES;

/// What sender and carrier share.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The batch being written, by place.
    open: Vec<BatchWriter>,
    /// Those that were full, before the open ones of their places, in order.
    full: Vec<(usize, BatchWriter)>,
    /// Emptied ones, whose memory serves others.
    spares: Vec<BatchWriter>,
    /// Of all that was not taken yet.
    bytes: usize,
    records: u64,
    /// What the carrier has and no broker has acknowledged, as it told last.
    pub(super) carried_bytes: usize,
    /// The same in records.
    pub(super) carried_records: u64,
    /// Why nothing goes any more.
    pub(super) failure: Option<String>,
    /// The carrier is to end.
    pub(super) stop: bool,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [(&'a str, Option<&'a [u8]>)],
}

impl Gathered {
    /// Nothing, for so many places.
    pub(super) fn new(places: usize) -> Gathered {
        Gathered { open: vec![BatchWriter::default(); places], ..Gathered::default() }
    }

    /// Records that no broker has acknowledged.
    pub(super) fn records_left(&self) -> u64 {
        self.records + self.carried_records
    }

    /// Bytes that no broker has acknowledged.
    pub(super) fn bytes_left(&self) -> usize {
        self.bytes + self.carried_bytes
    }

    /// Writes a record; its batch is full at `batch_bytes`.
    #[inline]
    pub(super) fn put(&mut self, place: usize, record: &Written<'_>, batch_bytes: usize) {
        let size = record.size();
        let writer = &mut self.open[place];
        if !writer.is_empty() && writer.bytes() + size > batch_bytes {
            let empty = self.spares.pop().unwrap_or_default();
            self.full.push((place, std::mem::replace(writer, empty)));
        }
        let writer = &mut self.open[place];
        let before = writer.bytes();
        writer.push(record.timestamp_ms, record.key, record.value, record.headers);
        self.bytes += writer.bytes() - before;
        self.records += 1;
    }

    /// Takes all that is written, places apart that are `held` up, and leaves the emptied memory that `taken`
    /// has: what it held must be gone.
    pub(super) fn take(&mut self, taken: &mut Gathered, held: impl Fn(usize) -> bool) {
        debug_assert!(taken.batches().next().is_none(), "what was taken before is gone");
        for (_, writer) in taken.full.drain(..) {
            if self.spares.len() < SEND_SPARE_BATCHES {
                self.spares.push(writer);
            }
        }
        taken.full.extend(self.full.extract_if(.., |(place, _)| !held(*place)));
        let open = self.open.iter_mut().zip(&mut taken.open).enumerate();
        open.filter(|(place, _)| !held(*place)).for_each(|(_, (mine, theirs))| std::mem::swap(mine, theirs));
        let moved = taken.batches().map(|(_, writer)| (writer.bytes(), writer.len() as u64));
        let (bytes, records) = moved.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        self.bytes -= bytes;
        self.records -= records;
        self.carried_bytes += bytes;
        self.carried_records += records;
    }

    /// What was taken, each place's batches in order, to be emptied.
    pub(super) fn batches(&mut self) -> impl Iterator<Item = (usize, &mut BatchWriter)> {
        let full = self.full.iter_mut().map(|(place, writer)| (*place, writer));
        full.chain(self.open.iter_mut().enumerate()).filter(|(_, writer)| !writer.is_empty())
    }
}

impl Written<'_> {
    /// What it takes in a batch, generously.
    #[inline]
    pub(super) fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + 10);
        let (key, value) = (self.key.map_or(0, <[u8]>::len), self.value.map_or(0, <[u8]>::len));
        key + value + headers.sum::<usize>() + RECORD_BYTES
    }
}

/// The other side may have panicked: it says so itself, and numbers are whole all the same.
pub(super) fn lock(shared: &Mutex<Gathered>) -> MutexGuard<'_, Gathered> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lengths, times and offsets of a record, rounded up.
const RECORD_BYTES: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use wellstream_wire::batch::{Batches, Compression, Crc, Stamp, Unpacker};

    fn record(value: &[u8]) -> Written<'_> {
        Written { timestamp_ms: 5, key: Some(b"k"), value: Some(value), headers: &[] }
    }

    /// The values of a batch, in order; empties it, as the producer does.
    fn values(writer: &mut BatchWriter) -> Vec<u8> {
        let bytes = writer.take(Compression::None, Stamp::default(), Vec::new()).unwrap();
        let batch = Batches::new(&bytes, Crc::Checked).next().unwrap().unwrap();
        let mut unpacker = Unpacker::default();
        batch.records(&mut unpacker).unwrap().map(|record| record.unwrap().value.unwrap()[0]).collect()
    }

    #[test]
    fn each_partition_keeps_its_order_over_full_and_open_batches() {
        let (mut shared, mut mine) = (Gathered::new(2), Gathered::new(2));
        for number in 0..100_u8 {
            shared.put(usize::from(number % 2), &record(&[number; 30]), 400);
        }
        assert_eq!((shared.records_left(), shared.carried_records), (100, 0));
        let bytes = shared.bytes_left();
        shared.take(&mut mine, |_| false);
        assert_eq!((shared.records_left(), shared.carried_records), (100, 100));
        assert_eq!(shared.bytes_left(), bytes, "what is carried is not acknowledged");
        let mut found = [Vec::new(), Vec::new()];
        for (place, writer) in mine.batches() {
            assert!(writer.bytes() <= 400);
            found[place].extend(values(writer));
        }
        let expected = |odd: u8| (0..100).filter(|number| number % 2 == odd).collect::<Vec<_>>();
        assert_eq!(found, [expected(0), expected(1)]);
        assert_eq!(mine.batches().count(), 0);
    }

    /// Its order is kept over what was left behind, and what is not taken is not carried.
    #[test]
    fn a_place_that_is_held_up_keeps_what_it_has() {
        let (mut shared, mut mine) = (Gathered::new(2), Gathered::new(2));
        let mut found = Vec::new();
        for round in 0..4_u8 {
            for number in 0..20 {
                shared.put(usize::from(number % 2), &record(&[round * 20 + number; 30]), 400);
            }
            shared.take(&mut mine, |place| place == 1 && round < 3);
            if round < 3 {
                assert_eq!((shared.records, mine.batches().count() > 0), (10 * (u64::from(round) + 1), true));
                assert!(mine.batches().all(|(place, _)| place == 0));
            }
            found.extend(mine.batches().filter(|(place, _)| *place == 1).flat_map(|(_, it)| values(it)));
            mine.batches().for_each(|(_, writer)| drop(values(writer)));
        }
        assert_eq!(found, (0..80).filter(|number| number % 2 == 1).collect::<Vec<_>>());
        assert_eq!((shared.records, shared.bytes, shared.carried_records), (0, 0, 80));
    }

    #[test]
    fn a_record_larger_than_a_batch_goes_alone() {
        let (mut shared, mut mine) = (Gathered::new(1), Gathered::new(1));
        for (number, length) in [(0, 10), (1, 5_000), (2, 10)] {
            shared.put(0, &record(&vec![number; length]), 1_000);
        }
        shared.take(&mut mine, |_| false);
        let batches: Vec<_> = mine.batches().map(|(_, writer)| values(writer)).collect();
        assert_eq!(batches, [[0], [1], [2]]);
    }
}
