//! What the engine counts. Each thread counts for itself; the committer adds up what an epoch committed, so
//! that the totals are those of the output, not of the attempts.

mod stages;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::join::{AlarmTotals, JoinCounts};
use crate::record::{Fate, Reason, RowTotals, Side};

pub use stages::{Stage, StageRecorder, StageTimes};

/// What one lane has read since its last mark. New records only: what is read again was counted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Records read, by side.
    pub events: [u64; 2],
    /// Readings accepted, by side.
    pub accepted: [u64; 2],
    /// Records that were not, by reason.
    pub reasons: [u64; Reason::ALL.len()],
    /// Records read again for a rebuild.
    pub reread: u64,
    /// Bytes of values read.
    pub bytes: u64,
}

impl LaneCounts {
    /// Adds another count.
    pub fn merge(&mut self, other: &LaneCounts) {
        for (to, from) in self.events.iter_mut().zip(other.events) {
            *to += from;
        }
        for (to, from) in self.accepted.iter_mut().zip(other.accepted) {
            *to += from;
        }
        for (to, from) in self.reasons.iter_mut().zip(other.reasons) {
            *to += from;
        }
        self.reread += other.reread;
        self.bytes += other.bytes;
    }

    /// Records read, both sides.
    pub fn events_in(&self) -> u64 {
        self.events.iter().sum()
    }

    /// events_in = accepted + dropped + late + quarantined.
    pub fn balances(&self) -> bool {
        self.events_in() == self.accepted.iter().sum::<u64>() + self.reasons.iter().sum::<u64>()
    }

    /// Records of one fate, by reason name, without the zeros.
    pub fn by_reason(&self, fate: Fate) -> BTreeMap<&'static str, u64> {
        let named = Reason::ALL.iter().zip(self.reasons);
        named
            .filter(|(reason, n)| reason.fate() == fate && *n > 0)
            .map(|(reason, n)| (reason.name(), n))
            .collect()
    }

    /// Late records.
    pub fn late(&self) -> u64 {
        self.reasons[Reason::Late as usize]
    }

    /// Records read of one side.
    pub fn side(&self, side: Side) -> u64 {
        self.events[side.index()]
    }
}

/// What the committed epochs of a run amount to.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Records read.
    pub lanes: LaneCounts,
    /// Rows committed.
    pub rows: RowTotals,
    /// Alarms committed.
    pub alarms: AlarmTotals,
    /// What the join noticed.
    pub join: JoinCounts,
    /// Epochs committed with content.
    pub epochs: u64,
    /// The most state held at a cut, all shards, bytes.
    pub peak_state_bytes: u64,
    /// Sent (Kafka timestamp) to committed, ms, of a sample of rows: one in `limits::LATENCY_SAMPLE`.
    pub latency_ms: Histogram<u64>,
    /// Where the time went, all threads; of attempts too, since time that an aborted epoch took is gone.
    pub stages: StageTimes,
}

impl Default for Totals {
    fn default() -> Self {
        Totals {
            lanes: LaneCounts::default(),
            rows: RowTotals::default(),
            alarms: AlarmTotals::default(),
            join: JoinCounts::default(),
            epochs: 0,
            peak_state_bytes: 0,
            latency_ms: latency_histogram(),
            stages: StageTimes::default(),
        }
    }
}

impl Totals {
    /// Adds what another part of the run (before an in-process restart) committed.
    pub fn merge(&mut self, other: &Totals) {
        self.lanes.merge(&other.lanes);
        self.rows.merge(&other.rows);
        self.alarms.merge(other.alarms);
        self.join.merge(other.join);
        self.epochs += other.epochs;
        self.peak_state_bytes = self.peak_state_bytes.max(other.peak_state_bytes);
        // Both have the same bounds and precision, so adding cannot fail.
        let same_bounds = self.latency_ms.add(&other.latency_ms);
        debug_assert!(same_bounds.is_ok());
        self.stages.merge(&other.stages);
    }
}

/// A histogram of milliseconds up to ten minutes, three significant digits; longer latencies count as that.
pub fn latency_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constant bounds that the library accepts: held by a test")]
    Histogram::new_with_bounds(1, crate::limits::LATENCY_MS_MAX, 3).expect("valid bounds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_can_be_made_and_the_counts_balance() {
        assert_eq!(latency_histogram().len(), 0);
        let mut counts = LaneCounts { events: [3, 1], accepted: [2, 1], ..LaneCounts::default() };
        assert!(!counts.balances());
        counts.reasons[Reason::NullWellId as usize] = 1;
        assert!(counts.balances());
        assert_eq!(counts.by_reason(Fate::Dropped), BTreeMap::from([("null_well_id", 1)]));
    }
}
