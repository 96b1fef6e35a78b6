//! One batch from one lane to one shard.

use crate::encode;

/// An accepted reading on its way to its shard: numbers only; what a row needs of it lies in the batch's
/// `parts`.
#[derive(Clone, Copy, Debug)]
pub struct PartReading {
    /// Event time, epoch ms.
    pub time_ms: i64,
    /// Offset in its partition.
    pub offset: i64,
    /// The record's Kafka timestamp, epoch ms, -1 if it has none.
    pub sent_ms: i64,
    /// The facility, by the lane's numbering for this shard.
    pub facility: u32,
    /// Where its row part begins in `parts`; there are none where no sink wants rows encoded.
    pub part_start: u32,
    /// Risk points of its class.
    pub points: u16,
    /// Its quality.
    pub quality: u16,
    /// Its partition, as the domain's dense index.
    pub partition: u16,
    /// Read again below the committed offset: it rebuilds, it is not new.
    pub reread: bool,
}

/// The news of one partition behind a batch's readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionTail {
    /// The domain's dense index.
    pub partition: u16,
    /// The partition's watermark behind these readings.
    pub watermark_ms: i64,
    /// The lane has reached the committed offset: the partition's rebuild is complete.
    pub reached: bool,
    /// The partition has been read to its end (bounded runs).
    pub ended: bool,
}

/// A lane's mark: everything before it belongs to the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The epoch that ends here.
    pub epoch: u64,
    /// Who is idle from this cut on, by dense index.
    pub idle: Box<[bool]>,
    /// The end of a bounded run: W moves here, and everything is decided.
    pub end_w_ms: Option<i64>,
    /// Too many facilities are known: behind this mark each lane numbers them anew, and at the cut each shard
    /// drops those without a reading or an alarm.
    pub forget_facilities: bool,
}

/// What follows the readings of a batch, in this order: partition news, then the mark.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// Watermarks, reached and ended partitions.
    pub partitions: Vec<PartitionTail>,
    /// The mark, if the lane was cut here.
    pub mark: Option<Mark>,
}

/// Readings of one lane for one shard, with the facilities that the shard hears of for the first time.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Names of facilities that get the lane's next numbers for this shard, in order.
    pub facilities: Vec<Box<str>>,
    /// The readings, partitions mixed, each partition in offset order.
    pub readings: Vec<PartReading>,
    /// The readings' row parts.
    pub parts: Vec<u8>,
    /// What follows them.
    pub tail: Tail,
    /// When the first of the readings was staged, ns of the run's clock.
    pub staged_ns: i64,
}

impl Batch {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.facilities.is_empty()
            && self.readings.is_empty()
            && self.tail.partitions.is_empty()
            && self.tail.mark.is_none()
    }

    /// The row part of one of its readings; empty where no sink wants rows encoded.
    pub fn part(&self, reading: &PartReading) -> &[u8] {
        let from = self.parts.get(reading.part_start as usize..).unwrap_or_default();
        &from[..encode::part_bytes(from)]
    }

    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.facilities.clear();
        self.readings.clear();
        self.parts.clear();
        self.tail.partitions.clear();
        self.tail.mark = None;
    }
}
