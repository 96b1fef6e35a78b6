//! One partition's records on their way: gathered, sealed with their sequence numbers, sent, acknowledged.
//!
//! Enters: records, in order. Leaves: batches, in that order, with gapless sequence numbers. What failed goes
//! again, and all that stands behind it, with the numbers that it had.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::batch::{BatchError, BatchWriter, Batches, Compression, Crc, Stamp, Unpacker, restamp};

use super::call::ProducerIdentity;
use super::slot::Pauses;

/// A partition's queue.
#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    pub(super) writer: BatchWriter,
    /// When the first record of the open batch came.
    pub(super) opened_ns: u64,
    /// In order; the front is the oldest that is not acknowledged.
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) next_sequence: i32,
    next_ordinal: u64,
    /// The leader has acknowledged something of this epoch: it knows which number comes next. Before, it may
    /// take whatever comes first.
    pub(super) is_known: bool,
    pub(super) pauses: Pauses,
    /// Where what is in flight was sent to.
    pub(super) node: i32,
    /// How far it is a part of the transaction.
    pub(super) added: Added,
}

/// Whether the coordinator knows a partition as a part of the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Added {
    #[default]
    No,
    Asked,
    Yes,
}

/// A batch as it travels.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) bytes: Bytes,
    pub(super) records: i32,
    pub(super) sequence: i32,
    /// The how many-th batch of the partition.
    ordinal: u64,
    pub(super) sealed_ns: u64,
    pub(super) at: At,
    /// The error that it met last, 0 for none.
    pub(super) last_code: i16,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// To be sent.
    Waiting,
    /// Sent; `behind` others that were not acknowledged yet.
    InFlight {
        /// Of the request.
        ticket: u64,
        /// Whether one before it was open when it was sent.
        behind: bool,
    },
    /// One record that is too large for its topic: somebody must say what goes in its place.
    Refused,
}

impl PartitionQueue {
    /// Makes a batch of what was gathered; `spare` is what the next records are written to. With an error
    /// they are gone.
    pub(super) fn seal(
        &mut self,
        producer: ProducerIdentity,
        transactional: bool,
        compression: Compression,
        now_ns: u64,
        spare: Vec<u8>,
    ) -> Result<(), BatchError> {
        let records = i32::try_from(self.writer.len()).unwrap_or(i32::MAX);
        let stamp = stamp(producer, self.next_sequence, transactional);
        let bytes = Bytes::from(self.writer.take(compression, stamp, spare)?);
        let sequence = self.next_sequence;
        self.sealed.push_back(Sealed {
            bytes,
            records,
            sequence,
            ordinal: self.next_ordinal,
            sealed_ns: now_ns,
            at: At::Waiting,
            last_code: 0,
        });
        self.next_sequence = behind(sequence, records);
        self.next_ordinal += 1;
        Ok(())
    }

    /// Its first batch that waits, if it may be sent to this node: all before it are on their way there.
    pub(super) fn sendable(&self, node: i32, now_ns: u64) -> Option<usize> {
        if !self.pauses.over(now_ns) {
            return None;
        }
        let next = self.sealed.iter().position(|batch| batch.at == At::Waiting)?;
        let open = self.sealed.iter().take(next);
        let is_blocked = open.clone().any(|batch| batch.at == At::Refused);
        // Batches between the two that are acknowledged count: the broker must still remember the oldest.
        let span = self.sealed[next].ordinal - self.sealed[0].ordinal;
        let follows = next == 0 || (self.node == node && self.is_known);
        (!is_blocked && span < IN_FLIGHT_MAX && follows).then_some(next)
    }

    /// It is on its way.
    pub(super) fn sent(&mut self, index: usize, ticket: u64, node: i32) {
        self.node = node;
        self.sealed[index].at = At::InFlight { ticket, behind: index > 0 };
    }

    /// Where the batch of a request stands.
    pub(super) fn find(&self, ticket: u64) -> Option<usize> {
        let is_it = |batch: &Sealed| matches!(batch.at, At::InFlight { ticket: it, .. } if it == ticket);
        self.sealed.iter().position(is_it)
    }

    /// Whether anything is on its way.
    pub(super) fn in_flight(&self) -> bool {
        self.sealed.iter().any(|batch| matches!(batch.at, At::InFlight { .. }))
    }

    /// Whether batches wait for others that are on their way. What comes then had better go into one batch: a
    /// request takes one of each partition, so that small ones would stay behind for as long as more come.
    pub(super) fn is_backed_up(&self) -> bool {
        self.in_flight() && self.sealed.iter().any(|batch| batch.at == At::Waiting)
    }

    /// Nothing is left that is not acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.writer.is_empty() && self.sealed.is_empty()
    }

    /// Drops everything. Returns how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        let bytes = self.bytes();
        self.writer = BatchWriter::default();
        self.sealed.clear();
        self.added = Added::No;
        self.pauses = Pauses::default();
        bytes
    }

    fn bytes(&self) -> usize {
        self.writer.bytes() + self.sealed.iter().map(|batch| batch.bytes.len()).sum::<usize>()
    }

    /// All that is left gets numbers from 0 on, under another identity.
    pub(super) fn renumber(&mut self, producer: ProducerIdentity, transactional: bool) {
        (self.next_sequence, self.is_known) = (0, false);
        for batch in &mut self.sealed {
            let mut bytes = Vec::from(std::mem::take(&mut batch.bytes));
            restamp(&mut bytes, stamp(producer, self.next_sequence, transactional));
            batch.bytes = Bytes::from(bytes);
            batch.sequence = self.next_sequence;
            batch.at = if batch.at == At::Refused { At::Refused } else { At::Waiting };
            self.next_sequence = behind(batch.sequence, batch.records);
        }
    }

    /// A batch that is too large becomes two; one of a single record is refused. The numbers stay.
    pub(super) fn split(
        &mut self,
        index: usize,
        producer: ProducerIdentity,
        transactional: bool,
        compression: Compression,
    ) -> Result<(), BatchError> {
        let batch = &self.sealed[index];
        if batch.records == 1 {
            self.sealed[index].at = At::Refused;
            return Ok(());
        }
        let (first, sequence) = (batch.records / 2, batch.sequence);
        let mut halves = [BatchWriter::default(), BatchWriter::default()];
        let mut unpacker = Unpacker::default();
        for read in Batches::new(&batch.bytes, Crc::Trusted) {
            for (place, record) in (0..).zip(read?.records(&mut unpacker)?) {
                let record = record?;
                let mut headers = Vec::new();
                for header in record.headers.clone() {
                    let header = header?;
                    headers.push((std::str::from_utf8(header.key).unwrap_or_default(), header.value));
                }
                let half = &mut halves[usize::from(place >= first)];
                half.push(record.timestamp_ms, record.key, record.value, &headers);
            }
        }
        for later in self.sealed.iter_mut().skip(index + 1) {
            later.ordinal += 1;
        }
        self.next_ordinal += 1;
        let (mut whole, mut sequence_next) = (self.sealed[index].clone(), sequence);
        whole.at = At::Waiting;
        for (place, mut half) in halves.into_iter().enumerate() {
            let records = i32::try_from(half.len()).unwrap_or(i32::MAX);
            let stamp = stamp(producer, sequence_next, transactional);
            let bytes = Bytes::from(half.take(compression, stamp, Vec::new())?);
            let ordinal = whole.ordinal + place as u64;
            let part = Sealed { bytes, records, sequence: sequence_next, ordinal, ..whole.clone() };
            sequence_next = behind(sequence_next, records);
            match place {
                0 => self.sealed[index] = part,
                _ => self.sealed.insert(index + 1, part),
            }
        }
        Ok(())
    }
}

/// Who wrote a batch.
pub(super) fn stamp(producer: ProducerIdentity, sequence: i32, transactional: bool) -> Stamp {
    Stamp { producer_id: producer.id, producer_epoch: producer.epoch, base_sequence: sequence, transactional }
}

/// The sequence number behind a batch: behind the largest comes 0.
pub(super) fn behind(sequence: i32, records: i32) -> i32 {
    let next = (i64::from(sequence) + i64::from(records)) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).unwrap_or(0)
}

/// Batches of one partition on their way: a broker remembers the last five of each producer.
const IN_FLIGHT_MAX: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const ME: ProducerIdentity = ProducerIdentity { id: 7, epoch: 1 };

    fn queue(batches: usize, records: usize) -> PartitionQueue {
        let mut queue = PartitionQueue::default();
        for _ in 0..batches {
            for record in 0..records {
                queue.writer.push(1, None, Some(&[u8::try_from(record).unwrap()]), &[("h", Some(b"v"))]);
            }
            queue.seal(ME, true, Compression::None, 0, Vec::new()).unwrap();
        }
        queue
    }

    fn numbers(queue: &PartitionQueue) -> Vec<(i32, i32)> {
        let written = |bytes: &Bytes| {
            let batch = Batches::new(bytes, Crc::Checked).next().unwrap().unwrap();
            (batch.stamp().base_sequence, i32::try_from(batch.len()).unwrap())
        };
        let numbers: Vec<_> = queue.sealed.iter().map(|batch| (batch.sequence, batch.records)).collect();
        assert_eq!(numbers, queue.sealed.iter().map(|batch| written(&batch.bytes)).collect::<Vec<_>>());
        numbers
    }

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        assert_eq!(behind(0, 3), 3);
        assert_eq!(behind(i32::MAX, 1), 0);
        assert_eq!(behind(i32::MAX - 1, 4), 2);
    }

    #[test]
    fn five_are_on_their_way_and_what_failed_goes_before_what_stands_behind() {
        let mut queue = queue(7, 2);
        queue.sent(0, 9, 3);
        assert_eq!(queue.sendable(3, 0), None, "the first one goes alone");
        (queue.sealed[0].at, queue.is_known) = (At::Waiting, true);
        for ticket in 0..5 {
            let index = queue.sendable(3, 0).unwrap();
            queue.sent(index, ticket, 3);
        }
        assert_eq!(queue.sendable(3, 0), None);
        let (second, third) = (queue.find(1).unwrap(), queue.find(2).unwrap());
        queue.sealed[third].at = At::Waiting;
        queue.sealed[second].at = At::Waiting;
        assert_eq!(queue.sendable(3, 0), Some(second));
        // Elsewhere only once nothing is on its way here.
        assert_eq!(queue.sendable(4, 0), None);
    }

    #[test]
    fn a_batch_that_is_split_keeps_its_numbers_and_its_records() {
        let mut queue = queue(2, 5);
        queue.split(0, ME, true, Compression::None).unwrap();
        assert_eq!(numbers(&queue), [(0, 2), (2, 3), (5, 5)]);
        queue.split(0, ME, true, Compression::None).unwrap();
        queue.split(0, ME, true, Compression::None).unwrap();
        assert_eq!(numbers(&queue), [(0, 1), (1, 1), (2, 3), (5, 5)]);
        assert_eq!((queue.sealed[0].at, queue.sealed[1].at), (At::Refused, At::Waiting));
        let mut unpacker = Unpacker::default();
        let third = Batches::new(&queue.sealed[2].bytes, Crc::Checked).next().unwrap().unwrap();
        let values: Vec<_> = third.records(&mut unpacker).unwrap().map(|r| r.unwrap().value).collect();
        assert_eq!(values, [Some(&[2][..]), Some(&[3]), Some(&[4])]);
    }

    #[test]
    fn another_epoch_numbers_from_zero() {
        let mut queue = queue(3, 4);
        queue.sealed.pop_front();
        queue.renumber(ProducerIdentity { id: 7, epoch: 2 }, false);
        assert_eq!(numbers(&queue), [(0, 4), (4, 4)]);
        assert_eq!(queue.next_sequence, 8);
    }
}
