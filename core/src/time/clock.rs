//! A partition's clock: the largest min(event time, record timestamp + 1 s) seen, in offset order.

use crate::sabotage::{Rule, broken};

/// No clock yet: before every time.
pub const NEVER: i64 = i64::MIN;

/// The clock of one input partition. A function of the partition's log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionClock {
    at_ms: i64,
}

impl PartitionClock {
    /// A clock that stands where a commit left it, or has not started.
    pub fn new(restored: Option<i64>) -> PartitionClock {
        PartitionClock { at_ms: restored.unwrap_or(NEVER) }
    }

    /// Takes a readable record's event time into account. A sensor whose clock runs ahead moves the
    /// partition's clock at most `ahead_ms_max` beyond the time of sending, so that it does not make its
    /// neighbours late.
    pub fn observe(&mut self, event_time_ms: i64, record_timestamp_ms: i64, ahead_ms_max: i64) {
        let sent = if record_timestamp_ms < 0 { event_time_ms } else { record_timestamp_ms };
        let bounded = event_time_ms.min(sent.saturating_add(ahead_ms_max));
        let bounded = if broken(Rule::ClockBounded) { event_time_ms } else { bounded };
        self.at_ms = self.at_ms.max(bounded);
    }

    /// Whether a reading of this time is late at this point of the log.
    pub fn is_late(&self, event_time_ms: i64, lateness_ms: i64) -> bool {
        event_time_ms < self.watermark(lateness_ms)
    }

    /// Clock less lateness; `NEVER` before the first record.
    pub fn watermark(&self, lateness_ms: i64) -> i64 {
        if self.at_ms == NEVER { NEVER } else { self.at_ms - lateness_ms }
    }

    /// The clock, epoch ms; `NEVER` before the first record.
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// The clock as it is committed.
    pub fn stored(&self) -> Option<i64> {
        (self.at_ms != NEVER).then_some(self.at_ms)
    }
}
