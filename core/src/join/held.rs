//! Readings as the windows hold them.

use super::PartRef;

/// A reading that reaches its shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// Event time, epoch ms.
    pub time_ms: i64,
    /// Offset in its partition.
    pub offset: i64,
    /// The record's Kafka timestamp, epoch ms, -1 if it has none.
    pub sent_ms: i64,
    /// Risk points of its class.
    pub points: u32,
    /// Its quality.
    pub quality: u32,
    /// Its partition, as the domain's dense index.
    pub partition: u16,
    /// Read again below the committed offset.
    pub reread: bool,
}

/// What a row needs of one reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// Event time, epoch ms.
    pub time_ms: i64,
    /// Offset in its partition.
    pub offset: i64,
    /// The record's Kafka timestamp, epoch ms.
    pub sent_ms: i64,
    /// Risk points of its class.
    pub points: u32,
    /// Its quality.
    pub quality: u32,
    /// Its row part.
    pub part: PartRef,
    /// Its partition, as the domain's dense index.
    pub partition: u16,
    /// Read again below the committed offset.
    pub reread: bool,
}

impl Half {
    /// The reading, with its part put away.
    pub fn new(arrival: &Arrival, part: PartRef) -> Half {
        let Arrival { time_ms, offset, sent_ms, points, quality, partition, reread } = *arrival;
        Half { time_ms, offset, sent_ms, points, quality, part, partition, reread }
    }
}

/// One slot of a ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// The reading.
    pub half: Half,
    /// The partner so far (wells in nearest, asof and latest).
    pub partner: Option<Half>,
    /// Which of its closings is the valid one; 0 when nothing is open.
    pub closing: u64,
    /// It appears in a row (all with outer).
    pub paired: bool,
}
