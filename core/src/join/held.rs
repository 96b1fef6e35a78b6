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
    pub points: u16,
    /// Its quality.
    pub quality: u16,
    /// Its partition, as the domain's dense index.
    pub partition: u16,
    /// Read again below the committed offset.
    pub reread: bool,
}

/// What a slot holds of a reading besides its time: half a cache line, since a probe that finds it at a
/// random place pays for each line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub struct Held {
    /// Offset in its partition.
    pub offset: i64,
    /// The record's Kafka timestamp, epoch ms.
    pub sent_ms: i64,
    /// Its row part.
    pub part: PartRef,
    /// Risk points of its class.
    pub points: u16,
    /// Its quality.
    pub quality: u16,
    /// Its partition, as the domain's dense index.
    pub partition: u16,
    /// Read again below the committed offset.
    pub reread: bool,
}

/// One side of a row: a reading with its time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half {
    /// Event time, epoch ms.
    pub time_ms: i64,
    /// The rest of it.
    pub held: Held,
}

impl Half {
    /// The reading, with its part put away.
    pub fn new(arrival: &Arrival, part: PartRef) -> Half {
        let Arrival { time_ms, offset, sent_ms, points, quality, partition, reread } = *arrival;
        Half { time_ms, held: Held { offset, sent_ms, part, points, quality, partition, reread } }
    }
}

/// What is still open of a reading, in the modes in which W decides results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// The partner so far (wells in nearest, asof and latest).
    pub partner: Option<Half>,
    /// Which of its closings is the valid one; 0 when nothing is open.
    pub closing: u64,
    /// It appears in a row (all with outer).
    pub paired: bool,
}

const _: () = assert!(size_of::<Held>() == 32);
