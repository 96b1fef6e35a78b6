//! One epoch as the committer gathers it: the parts of its cut, what it amounts to, and how old its rows are.

use hdrhistogram::Histogram;

use crate::limits;
use crate::record::News;
use crate::sabotage::{Rule, broken};
use crate::telemetry::Totals;

use super::messages::{LaneCut, ShardCut};

/// The parts of a cut.
#[derive(Debug)]
pub(super) struct Epoch {
    lanes: Vec<Option<LaneCut>>,
    shards: Vec<Option<ShardCut>>,
    /// The sink knows of it.
    pub(super) begun: bool,
    /// What a cache is told once it is committed.
    pub(super) news: News,
}

impl Epoch {
    pub(super) fn new(lanes: usize, shards: usize) -> Epoch {
        Epoch {
            lanes: (0..lanes).map(|_| None).collect(),
            shards: vec![None; shards],
            begun: false,
            news: News::default(),
        }
    }

    pub(super) fn has_lane(&self, lane: usize) -> bool {
        self.lanes[lane].is_some()
    }

    pub(super) fn has_shard(&self, shard: usize) -> bool {
        self.shards[shard].is_some()
    }

    pub(super) fn lane_cut(&mut self, lane: usize, cut: LaneCut) {
        self.lanes[lane] = Some(cut);
    }

    /// Shards heard the same clocks up to the marks, so they stand at the same W.
    pub(super) fn shard_cut(&mut self, shard: usize, cut: ShardCut) {
        let others = self.shards.iter().flatten();
        let rules_hold =
            !broken(Rule::ClockBehindRows) && !broken(Rule::IdleAtCut) && !broken(Rule::StopAtMark);
        for other in others.filter(|_| rules_hold) {
            assert_eq!((other.w_ms, other.end_w_ms), (cut.w_ms, cut.end_w_ms), "shards stand at different W");
        }
        self.shards[shard] = Some(cut);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.lanes.iter().all(Option::is_some) && self.shards.iter().all(Option::is_some)
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = &LaneCut> {
        self.lanes.iter().flatten()
    }

    /// W at the marks.
    pub(super) fn w_ms(&self) -> i64 {
        self.shards.iter().flatten().map(|cut| cut.w_ms).max().unwrap_or(crate::time::NEVER)
    }

    /// Facilities that the shards know.
    pub(super) fn facilities(&self) -> usize {
        self.shards.iter().flatten().map(|cut| cut.facilities).sum()
    }

    /// W as it is stored: after the end of a bounded run.
    pub(super) fn stored_w_ms(&self) -> i64 {
        if broken(Rule::EndStoresWatermark) {
            return self.w_ms();
        }
        self.shards.iter().flatten().map(|cut| cut.end_w_ms).max().unwrap_or(crate::time::NEVER)
    }

    /// The epoch is committed: it counts.
    pub(super) fn add_to(self, totals: &mut Totals, committed: bool) {
        for cut in self.lanes.into_iter().flatten() {
            totals.lanes.merge(&cut.counts);
        }
        let mut state_bytes = 0;
        for cut in self.shards.into_iter().flatten() {
            totals.rows.merge(&cut.rows);
            totals.alarms.merge(cut.alarms);
            totals.join.merge(cut.counts);
            state_bytes += cut.state_bytes as u64;
        }
        totals.peak_state_bytes = totals.peak_state_bytes.max(state_bytes);
        totals.epochs += u64::from(committed);
    }
}

/// When a sample of the epoch's rows was sent.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    sent_ms: Vec<i64>,
}

impl Latencies {
    /// The rows of one more batch, as far as there is room.
    pub(super) fn sample(&mut self, sent_ms: &[i64]) {
        let room = limits::LATENCIES_PER_EPOCH - self.sent_ms.len();
        self.sent_ms.extend_from_slice(&sent_ms[..sent_ms.len().min(room)]);
    }

    /// The epoch is visible now.
    pub(super) fn commit(&mut self, wall_ms: i64, histogram: &mut Histogram<u64>) {
        for sent_ms in self.sent_ms.drain(..) {
            let latency = u64::try_from(wall_ms - sent_ms).unwrap_or(0);
            histogram.saturating_record(latency);
        }
    }
}
