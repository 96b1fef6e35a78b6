//! A record as a broker (or a trace, or memory) hands it over: borrowed bytes and their place in the log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two topics a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// `well-sensor-data`, keyed by well.
    Well,
    /// `tank-sensor-data`, keyed by tank.
    Tank,
}

impl Side {
    /// Both sides, wells first (the order in which dense partition indexes are given).
    pub const BOTH: [Side; 2] = [Side::Well, Side::Tank];

    /// The other side: the one that this one is joined with.
    pub const fn other(self) -> Side {
        match self {
            Side::Well => Side::Tank,
            Side::Tank => Side::Well,
        }
    }

    /// 0 for wells, 1 for tanks: an index into arrays with one place per side.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// `well` or `tank`, as metric labels and headers name it.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Well => "well",
            Side::Tank => "tank",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One input partition: the side (which topic) and Kafka's partition number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// Which of the two topics.
    pub side: Side,
    /// Kafka's partition number, from 0.
    pub number: u32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.side, self.number)
    }
}

/// One record of an input partition. Key and value are borrowed from the source's fetch buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset in the partition; they rise, with gaps where a broker keeps markers.
    pub offset: i64,
    /// Kafka's timestamp (the time of sending), epoch ms; -1 where the record has none.
    pub timestamp_ms: i64,
    /// The record's key, if any.
    pub key: Option<&'a [u8]>,
    /// The record's value: Confluent frame and Avro body. `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}
