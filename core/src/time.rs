//! Event time: what each partition's log has reached, and what that lets the whole domain decide (DESIGN 4).
//!
//! Enters: the event times of readable records, partition by partition, in offset order. Leaves: the verdict
//! "late", the watermark W of the domain, the offset to rewind to, and which lane has to wait for which.
//! Drops nothing.
//!
//! ```
//! use wellstream_core::time::PartitionClock;
//! let mut clock = PartitionClock::new(None);
//! // sent at 20.0 s with an event time of 19.0 s, then one 11 s older: with L = 10 s it is late
//! clock.observe(19_000, 20_000, 1_000);
//! assert_eq!(clock.watermark(10_000), 9_000);
//! assert!(clock.is_late(8_000, 10_000) && !clock.is_late(9_000, 10_000));
//! ```

mod clock;
mod watermark;
mod rewind;
mod align;
mod span;

pub use align::{Alignment, Gauge};
pub use clock::{NEVER, PartitionClock};
pub use rewind::{RewindTrack, Segment, SegmentBuilder};
pub use span::Spans;
pub use watermark::DomainWatermark;

/// The time of one duty cycle, taken once and handed down: nothing in the core reads a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds on a clock that never goes back, from an origin that all threads of a run share.
    pub mono_ns: i64,
    /// Epoch milliseconds, for latencies against Kafka's timestamps only: no result depends on it.
    pub wall_ms: i64,
}

impl Now {
    /// A scripted time: both clocks at so many milliseconds.
    pub fn at_ms(ms: i64) -> Now {
        Now { mono_ns: ms * NS_PER_MS, wall_ms: ms }
    }

    /// Whole milliseconds on the clock that never goes back.
    pub fn mono_ms(self) -> i64 {
        self.mono_ns / NS_PER_MS
    }

    /// Whole milliseconds since an earlier time on the clock that never goes back, ns.
    pub fn ms_since(self, mono_ns: i64) -> i64 {
        (self.mono_ns - mono_ns) / NS_PER_MS
    }

    /// How long ago a Kafka timestamp is, ns.
    pub(crate) fn since_sent(self, sent_ms: i64) -> i64 {
        self.wall_ms.saturating_sub(sent_ms).saturating_mul(NS_PER_MS)
    }
}

const NS_PER_MS: i64 = 1_000_000;
