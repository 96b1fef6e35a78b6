//! Enriched rows: what the join emits, in batches, with the encoded bytes beside the numbers.

use std::fmt;
use std::ops::Range;

use super::Side;

/// The place and time of one reading that is part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Input {
    /// Event time, epoch ms.
    pub time_ms: i64,
    /// Kafka's partition number in the side's topic.
    pub partition: u32,
    /// Offset in that partition.
    pub offset: i64,
}

/// NORMAL or ALERT (risk above the threshold, by default 30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Risk at or below the threshold.
    Normal,
    /// Risk above it.
    Alert,
}

impl Status {
    /// `NORMAL` or `ALERT`.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Normal => "NORMAL",
            Status::Alert => "ALERT",
        }
    }
}

/// One enriched row: a pair, or in outer mode a lone reading. The encoded row lies in its batch's `bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The well reading, absent in an outer row of a tank.
    pub well: Option<Input>,
    /// The tank reading, absent in an outer row of a well.
    pub tank: Option<Input>,
    /// Row time: the later input's event time, epoch ms.
    pub time_ms: i64,
    /// Risk score: the sum of the points of both sides.
    pub risk: u32,
    /// NORMAL or ALERT.
    pub status: Status,
    /// Where its Avro body (no frame) lies in the batch's `bytes`; empty where no sink wants encoded rows.
    pub value: Range<u32>,
    /// Where its facility id (UTF-8, the record's key) lies in the batch's `bytes`; empty likewise.
    pub key: Range<u32>,
}

impl Row {
    /// The row id: `w:PARTITION:OFFSET|t:PARTITION:OFFSET`, a missing side `-`.
    pub fn id(&self) -> String {
        self.to_string()
    }

    /// The input of a side, if the row has it.
    pub fn input(&self, side: Side) -> Option<Input> {
        match side {
            Side::Well => self.well,
            Side::Tank => self.tank,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.well {
            Some(well) => write!(f, "w:{}:{}|", well.partition, well.offset)?,
            None => f.write_str("-|")?,
        }
        match self.tank {
            Some(tank) => write!(f, "t:{}:{}", tank.partition, tank.offset),
            None => f.write_str("-"),
        }
    }
}

/// Rows on their way to the sinks, with the bytes that they point into.
#[derive(Clone, Debug, Default)]
pub struct RowBatch {
    /// The rows, in the order in which they were decided.
    pub rows: Vec<Row>,
    /// Encoded rows, one behind the other.
    pub bytes: Vec<u8>,
    /// When the later record of a row was sent (its Kafka timestamp), epoch ms; of one row in
    /// `limits::LATENCY_SAMPLE`, where it is known.
    pub sampled_sent_ms: Vec<i64>,
    /// Rows that were only counted, since no sink wants them.
    pub counted: u64,
}

impl RowBatch {
    /// The Avro body of a row of this batch.
    pub fn value(&self, row: &Row) -> &[u8] {
        &self.bytes[row.value.start as usize..row.value.end as usize]
    }

    /// The facility id of a row of this batch, as bytes.
    pub fn key(&self, row: &Row) -> &[u8] {
        &self.bytes[row.key.start as usize..row.key.end as usize]
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.counted == 0
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.sampled_sent_ms.clear();
        self.counted = 0;
    }
}

/// The digest of a multiset of rows: the wrapping sum of a hash of each row's id.
///
/// ```
/// use wellstream_core::record::RowDigest;
/// let mut one = RowDigest::default();
/// one.add(Some((0, 7)), Some((2, 9)));
/// one.add(Some((1, 1)), None);
/// let mut other = RowDigest::default();
/// other.add(Some((1, 1)), None);
/// other.add(Some((0, 7)), Some((2, 9)));
/// assert_eq!(one, other);
/// assert_eq!(one.to_string().len(), 16);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowDigest(pub u64);

impl RowDigest {
    /// Adds one row by the (partition, offset) of its inputs.
    pub fn add(&mut self, well: Option<(u32, i64)>, tank: Option<(u32, i64)>) {
        let mut hash = 0;
        for side in [well, tank] {
            let (partition, offset) = match side {
                Some((partition, offset)) => (u64::from(partition), offset.cast_unsigned()),
                None => (u64::MAX, u64::MAX),
            };
            hash = splitmix64(hash ^ partition);
            hash = splitmix64(hash ^ offset);
        }
        self.0 = self.0.wrapping_add(hash);
    }

    /// Adds all rows of another digest.
    pub fn merge(&mut self, other: RowDigest) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One step of splitmix64: the increment, then the finalizer.
pub const fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a set of rows amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowTotals {
    /// How many rows.
    pub rows: u64,
    /// How many of them are ALERT.
    pub alert_rows: u64,
    /// The sum of their risks.
    pub risk_sum: u64,
    /// The digest of their ids.
    pub digest: RowDigest,
}

impl RowTotals {
    /// Adds one row.
    pub fn add(&mut self, well: Option<Input>, tank: Option<Input>, risk: u32, status: Status) {
        self.rows += 1;
        self.alert_rows += u64::from(status == Status::Alert);
        self.risk_sum += u64::from(risk);
        self.digest.add(well.map(|w| (w.partition, w.offset)), tank.map(|t| (t.partition, t.offset)));
    }

    /// Adds all rows of another set.
    pub fn merge(&mut self, other: &RowTotals) {
        self.rows += other.rows;
        self.alert_rows += other.alert_rows;
        self.risk_sum += other.risk_sum;
        self.digest.merge(other.digest);
    }
}
