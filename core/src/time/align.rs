//! Alignment: a partition that is far ahead of the others waits, so that state is bounded while catching up.
//! While all of them are fed, they are also kept close together: what lies between the first and the last is
//! state that nobody needs, and state that fits the caches costs half ([decision 14]). Results never depend
//! on either.
//!
//! [decision 14]: ../../../docs/decisions/0014-partitions-kept-close.md

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::limits;
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
    /// When records of it were last taken, ms of the monotonic clock; same writers, readers and ordering.
    fed_ms: AtomicI64,
}

impl Gauge {
    /// A partition that has not been read yet.
    pub fn new(unread: bool) -> Gauge {
        Gauge {
            watermark_ms: AtomicI64::new(NEVER),
            unread: AtomicBool::new(unread),
            counts: AtomicBool::new(true),
            fed_ms: AtomicI64::new(NEVER),
        }
    }

    /// Records of it were taken just now.
    pub fn feed(&self, now_ms: i64) {
        self.fed_ms.store(now_ms, Ordering::Relaxed);
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

    fn is_fed(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.fed_ms.load(Ordering::Relaxed)) < limits::FED_MS
    }
}

/// Who may go on, computed once per duty cycle from all gauges.
#[derive(Clone, Copy, Debug)]
pub struct Alignment {
    /// The smallest watermark of a partition with unread records.
    behind_ms: Option<i64>,
    /// The same of those that are being fed: one whose broker is slow is not waited for so closely.
    fed_behind_ms: Option<i64>,
    /// The smallest watermark of any partition that counts.
    minimum_ms: Option<i64>,
}

impl Alignment {
    /// Reads the gauges of all partitions of the domain.
    pub fn of(gauges: &[Gauge], now_ms: i64) -> Alignment {
        let counting = || gauges.iter().filter(|gauge| gauge.counts());
        let unread = || counting().filter(|gauge| gauge.unread());
        let fed = unread().filter(|gauge| gauge.is_fed(now_ms));
        Alignment {
            behind_ms: unread().map(Gauge::watermark_ms).min(),
            fed_behind_ms: fed.map(Gauge::watermark_ms).min(),
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

    /// Whether a partition at this watermark had better let those catch up that are being read, too.
    pub fn runs_ahead(&self, watermark_ms: i64) -> bool {
        self.fed_behind_ms.is_some_and(|behind| watermark_ms > behind.saturating_add(limits::CLOSE_MS))
    }

    /// Whether a partition at this watermark only adds to state that is already over its bound: those that
    /// hold the minimum go on, since only they can let state be freed.
    pub fn only_adds_state(&self, watermark_ms: i64) -> bool {
        self.minimum_ms.is_some_and(|minimum| watermark_ms > minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_is_fed_is_waited_for_closely() {
        let gauges = [(100_000, 0), (90_000, 0), (10_000, 900)].map(|(watermark_ms, fed_ms)| {
            let gauge = Gauge::new(true);
            gauge.tell(watermark_ms, true);
            gauge.feed(fed_ms);
            gauge
        });
        // The last one was fed just now: both others run ahead of it, and too far by 60 s.
        let alignment = Alignment::of(&gauges, 900);
        assert_eq!([100_000, 90_000, 10_000].map(|ms| alignment.runs_ahead(ms)), [true, true, false]);
        assert!(alignment.must_wait(90_000, 60_000, 0));
        // Nothing has come for it since: it is waited for by `max_ahead` only.
        gauges[0].feed(2_000);
        gauges[1].feed(2_000);
        let alignment = Alignment::of(&gauges, 2_000);
        assert_eq!([100_000, 90_000, 10_000].map(|ms| alignment.runs_ahead(ms)), [true, false, false]);
        assert!(alignment.must_wait(90_000, 60_000, 0) && !alignment.must_wait(70_000, 60_000, 0));
        // Read to its end, it is not waited for at all.
        gauges[2].tell(10_000, false);
        let alignment = Alignment::of(&gauges, 2_000);
        assert!(!alignment.must_wait(100_000, 60_000, 0));
    }
}
