//! When readings were taken and results became visible, measured from intended times: the later input's, of a
//! row.
//!
//! Enters: each record's intended time by its place in the log (from the sender, before anyone can read it),
//! records as the engine here takes them, and rows by the places of their inputs. Leaves: histograms. Drops:
//! all but the first record of each batch taken, and all but one row in `sample`; a row whose later input's
//! time is no longer known is counted instead.
//!
//! ```
//! use wellstream_core::record::{PartitionId, Side};
//! use wellstream_replay::observe::IntendedTimes;
//! let wells = PartitionId { side: Side::Well, number: 0 };
//! let times = IntendedTimes::new([1, 1], 4);
//! for offset in 0..6 {
//!     times.note(wells, offset, 1_000 * offset.unsigned_abs());
//! }
//! assert_eq!(times.of(wells, 5), Some(5_000));
//! assert_eq!(times.of(wells, 1), None); // four places: the first two are taken again
//! ```

mod source;
mod sink;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use wellstream_core::record::{Input, PartitionId, Record, Side};

pub use sink::{Observation, ObservedSink};
pub use source::ObservedSource;

/// The intended times of the newest records of each partition, in flat memory.
#[derive(Debug)]
pub struct IntendedTimes {
    /// Wells' partitions, then tanks'.
    partitions: Vec<Ring>,
    tanks_from: usize,
}

#[derive(Debug)]
struct Ring {
    /// The offset behind the newest record noted. Written by the sender before the place itself (relaxed: the
    /// place's release covers it), read after it.
    end: AtomicI64,
    /// The offset behind the last record taken. Written and read by the one lane that reads the partition, so
    /// relaxed; a lane that takes it over reads it again from a commit on.
    taken_end: AtomicI64,
    /// By offset, modulo their count. Written by the sender (release), read by the observer (acquire).
    places: Box<[AtomicU64]>,
}

impl IntendedTimes {
    /// For so many partitions of wells and tanks, with room for at least so many records each.
    pub fn new([wells, tanks]: [u32; 2], records: usize) -> IntendedTimes {
        let ring = || Ring {
            end: AtomicI64::new(0),
            taken_end: AtomicI64::new(0),
            places: (0..records.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
        };
        IntendedTimes { partitions: (0..wells + tanks).map(|_| ring()).collect(), tanks_from: wells as usize }
    }

    /// The sender tells a record's intended time, ns, before the record can be read. Offsets of a partition
    /// rise.
    pub fn note(&self, partition: PartitionId, offset: i64, intended_ns: u64) {
        let ring = self.ring(partition);
        ring.end.store(offset + 1, Ordering::Relaxed);
        ring.places[ring.place(offset)].store(intended_ns, Ordering::Release);
    }

    /// The intended time of a record; `None` if newer ones have taken its place.
    pub fn of(&self, partition: PartitionId, offset: i64) -> Option<u64> {
        let ring = self.ring(partition);
        let intended_ns = ring.places[ring.place(offset)].load(Ordering::Acquire);
        let end = ring.end.load(Ordering::Relaxed);
        let is_kept = offset < end && (end - offset).unsigned_abs() <= ring.places.len() as u64;
        is_kept.then_some(intended_ns)
    }

    /// The later intended time of a row's inputs. An input whose time is no longer known is far older than
    /// one that is still known, so one is enough.
    pub fn of_inputs(&self, well: Option<Input>, tank: Option<Input>) -> Option<u64> {
        let of = |side, input: Option<Input>| {
            input.and_then(|input| self.of(PartitionId { side, number: input.partition }, input.offset))
        };
        of(Side::Well, well).max(of(Side::Tank, tank))
    }

    /// A lane took these records, in offset order: the intended time of the first that nobody had taken
    /// before. None if all had been (they are read again after an epoch that was not committed), or if it is
    /// no longer known: rows with such a record are not known either, and are counted.
    pub fn of_first_taken(&self, partition: PartitionId, taken: &[Record<'_>]) -> Option<u64> {
        let taken_end = &self.ring(partition).taken_end;
        let end = taken_end.load(Ordering::Relaxed);
        let fresh = &taken[taken.partition_point(|record| record.offset < end)..];
        let (first, last) = (fresh.first()?, fresh.last()?);
        taken_end.store(last.offset + 1, Ordering::Relaxed);
        self.of(partition, first.offset)
    }

    fn ring(&self, partition: PartitionId) -> &Ring {
        let from = if partition.side == Side::Well { 0 } else { self.tanks_from };
        &self.partitions[from + partition.number as usize]
    }
}

impl Ring {
    fn place(&self, offset: i64) -> usize {
        // The length is a power of two, so the low bits are the remainder.
        usize::try_from(offset.unsigned_abs() & (self.places.len() as u64 - 1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_right_or_unknown_while_it_is_written() {
        let wells = PartitionId { side: Side::Well, number: 0 };
        let times = IntendedTimes::new([1, 1], 64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..200_000).for_each(|offset| times.note(wells, offset, offset.unsigned_abs() * 7))
            });
            for offset in (0..200_000).step_by(3) {
                if let Some(ns) = times.of(wells, offset) {
                    assert_eq!(ns, offset.unsigned_abs() * 7);
                }
            }
        });
        assert_eq!(times.of(wells, 199_999), Some(199_999 * 7));
        assert_eq!(times.of(wells, 200_000), None, "not sent yet");
    }
}
