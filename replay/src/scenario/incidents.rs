//! What befalls facilities, topics and the way to them, as data.

use serde::{Deserialize, Serialize};
use wellstream_core::record::Side;

/// Phases in which a facility's readings stay below what raises alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calm {
    /// Share of the phases that are calm.
    pub share: f64,
    /// How long a phase lasts, ms of event time.
    pub phase_ms: u32,
}

/// Facilities that leak, one after another: a seep (vapor HIGH, methane MEDIUM), then a burst (CRITICAL and
/// HIGH), once each. Times are those of the readings, before disorder and skew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// How many, spread over all.
    pub facilities: u32,
    /// When the first one begins, ms after the start.
    pub from_ms: u32,
    /// How much later each next one begins, ms.
    pub stagger_ms: u32,
    /// How long the seep lasts, ms.
    pub seep_ms: u32,
    /// How long the burst lasts, ms.
    pub burst_ms: u32,
}

/// A partition that falls silent: its sensors' readings are replaced by those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silent {
    /// Which topic.
    pub side: Side,
    /// Which partition of it.
    pub partition: u32,
    /// From when on, ms of event time after the start.
    pub from_ms: u32,
}

/// Nothing gets through from the start on; what was read meanwhile is kept by the sites, and then sent in
/// order, faster than it was read, before anything newer. A consumer that was away itself meets no other
/// records than usual, only all at once: any load that is sent with `--max` is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backlog {
    /// How long nothing gets through, ms.
    pub outage_ms: u32,
    /// How many times faster the backlog is sent than it was read.
    pub drain_speed: u32,
}

impl Backlog {
    /// When a reading is sent, for when it was read; both ms after the start.
    pub(crate) fn sent_after_ms(self, read_after_ms: i64) -> i64 {
        let drained = i64::from(self.outage_ms) + read_after_ms / i64::from(self.drain_speed.max(1));
        read_after_ms.max(drained)
    }
}
