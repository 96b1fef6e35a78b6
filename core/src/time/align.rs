//! Alignment: a lane that is far ahead of the others waits, so that state is bounded while catching up.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::sabotage::{Rule, broken};

use super::clock::NEVER;

/// What a lane tells the other lanes about one of its partitions. A hint: results never depend on it.
#[derive(Debug)]
pub struct Gauge {
    /// Written by the partition's lane, read by all lanes; relaxed, since a stale value only shifts a pause.
    watermark_ms: AtomicI64,
    /// Whether records wait in the log behind the lane's position; same writers, readers and ordering.
    unread: AtomicBool,
    /// Whether the partition takes part at all (not ended, not idle). Written by its lane (end) and by the
    /// committer (idle); relaxed likewise.
    counts: AtomicBool,
}

impl Gauge {
    /// A partition that has not been read yet.
    pub fn new(unread: bool) -> Gauge {
        Gauge {
            watermark_ms: AtomicI64::new(NEVER),
            unread: AtomicBool::new(unread),
            counts: AtomicBool::new(true),
        }
    }

    /// Tells the watermark and whether records wait.
    pub fn tell(&self, watermark_ms: i64, unread: bool) {
        self.watermark_ms.store(watermark_ms, Ordering::Relaxed);
        self.unread.store(unread, Ordering::Relaxed);
    }

    /// Takes the partition out of (or back into) the comparison.
    pub fn set_counts(&self, counts: bool) {
        self.counts.store(counts, Ordering::Relaxed);
    }

    /// The watermark last told.
    pub fn watermark_ms(&self) -> i64 {
        self.watermark_ms.load(Ordering::Relaxed)
    }

    /// Whether records were waiting when last told.
    pub fn unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether it was taken out of the comparison.
    pub fn is_idle(&self) -> bool {
        !self.counts()
    }

    fn counts(&self) -> bool {
        self.counts.load(Ordering::Relaxed)
    }
}

/// Who may go on, computed once per duty cycle from all gauges.
#[derive(Clone, Copy, Debug)]
pub struct Alignment {
    /// The smallest watermark of a partition with unread records.
    behind_ms: Option<i64>,
    /// The smallest watermark of any partition that counts.
    minimum_ms: Option<i64>,
}

impl Alignment {
    /// Reads the gauges of all partitions of the domain.
    pub fn of(gauges: &[Gauge]) -> Alignment {
        let counting = || gauges.iter().filter(|gauge| gauge.counts());
        Alignment {
            behind_ms: counting().filter(|gauge| gauge.unread()).map(Gauge::watermark_ms).min(),
            minimum_ms: counting().map(Gauge::watermark_ms).min(),
        }
    }

    /// Whether a partition at this watermark is too far ahead of one that has records to read.
    pub fn must_wait(&self, watermark_ms: i64, max_ahead_ms: i64, lateness_ms: i64) -> bool {
        // Sabotaged: the own clock against W, which pauses even the slowest lane when max_ahead is small.
        let own = if broken(Rule::AlignByWatermark) {
            watermark_ms.saturating_add(lateness_ms)
        } else {
            watermark_ms
        };
        self.behind_ms.is_some_and(|behind| own > behind.saturating_add(max_ahead_ms))
    }

    /// Whether a partition at this watermark only adds to state that is already over its bound: those that
    /// hold the minimum go on, since only they can let state be freed.
    pub fn only_adds_state(&self, watermark_ms: i64) -> bool {
        self.minimum_ms.is_some_and(|minimum| watermark_ms > minimum)
    }
}
