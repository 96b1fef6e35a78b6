//! Where time goes between a record's sending and its row's commit: a histogram per stage.
//!
//! Enters: durations, in ns, one per batch or duty cycle and never one per event. Leaves: histograms that can
//! be merged. Drops: nothing; what is longer than ten minutes counts as that.
//!
//! ```
//! use wellstream_core::telemetry::{Stage, StageTimes};
//! let mut lane = StageTimes::default();
//! lane.record(Stage::Decode, 150_000);
//! let mut all = StageTimes::default();
//! all.merge(&lane);
//! let decode = all.get(Stage::Decode).unwrap();
//! assert_eq!((decode.len(), decode.max() / 1_000), (1, 150));
//! assert!(all.get(Stage::Join).is_none());
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::limits;

/// A part of the way from a record's sending to its row's commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the record's Kafka timestamp to its lane's poll: the oldest record of each batch. To the ms.
    Ingest,
    /// A lane's duty cycle that took records: decode, validate, score.
    Decode,
    /// From the first reading of a batch in its lane to its shard's taking it.
    Exchange,
    /// A shard's duty cycle that took batches: join, enrich.
    Join,
    /// From a shard's handing rows on to the sink's taking them, to a duty cycle of the committer.
    Emit,
    /// From asking for a cut to the epoch's commit.
    Commit,
}

impl Stage {
    /// All of them, in the order of the flow.
    pub const ALL: [Stage; 6] =
        [Stage::Ingest, Stage::Decode, Stage::Exchange, Stage::Join, Stage::Emit, Stage::Commit];

    /// Its name, as metrics and reports give it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Ingest => "ingest",
            Stage::Decode => "decode",
            Stage::Exchange => "exchange",
            Stage::Join => "join",
            Stage::Emit => "emit",
            Stage::Commit => "commit",
        }
    }

    /// What its histogram holds, for people.
    pub fn what(self) -> &'static str {
        match self {
            Stage::Ingest => "sent to read by the engine",
            Stage::Decode => "decoding, judging and scoring a batch",
            Stage::Exchange => "a batch on its way to its shard",
            Stage::Join => "joining some batches",
            Stage::Emit => "rows waiting for the sink",
            Stage::Commit => "asking for a cut to its commit",
        }
    }
}

/// A histogram of ns for each stage that was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageTimes {
    histograms: [Option<Box<Histogram<u64>>>; Stage::ALL.len()],
}

impl StageTimes {
    /// Records one duration, ns.
    pub fn record(&mut self, stage: Stage, ns: u64) {
        self.histograms[stage as usize].get_or_insert_with(|| Box::new(empty())).saturating_record(ns);
    }

    /// The durations of a stage, ns; `None` if it was never seen.
    pub fn get(&self, stage: Stage) -> Option<&Histogram<u64>> {
        self.histograms[stage as usize].as_deref()
    }

    /// Adds what another thread recorded.
    pub fn merge(&mut self, other: &StageTimes) {
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            let Some(theirs) = theirs else { continue };
            // All have the same bounds and precision, so adding cannot fail.
            let added = mine.get_or_insert_with(|| Box::new(empty())).add(&**theirs);
            debug_assert!(added.is_ok());
        }
    }
}

/// One thread's stage times, which others may look at. Its thread locks it once a batch; a reader does so for
/// as long as a copy takes, some times a second at most.
#[derive(Clone, Debug, Default)]
pub struct StageRecorder(Arc<Mutex<StageTimes>>);

impl StageRecorder {
    /// Records one duration, ns; a clock that another thread read a moment earlier may make it negative:
    /// zero.
    pub fn record(&self, stage: Stage, ns: i64) {
        self.lock().record(stage, u64::try_from(ns).unwrap_or(0));
    }

    /// Adds what was recorded so far to `all`.
    pub fn add_to(&self, all: &mut StageTimes) {
        all.merge(&self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StageTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From 1 us to ten minutes, two significant digits: 20 KB.
fn empty() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constant bounds that the library accepts: held by a test")]
    Histogram::new_with_bounds(1_000, limits::STAGE_NS_MAX, 2).expect("valid bounds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_merged_and_extremes_are_kept() {
        let [one, other] = [StageRecorder::default(), StageRecorder::default()];
        one.record(Stage::Commit, -5);
        other.record(Stage::Commit, i64::MAX);
        let mut all = StageTimes::default();
        one.add_to(&mut all);
        other.add_to(&mut all);
        let commit = all.get(Stage::Commit).unwrap();
        assert_eq!(commit.len(), 2);
        assert_eq!(commit.min(), 0);
        assert!(commit.max() >= limits::STAGE_NS_MAX);
    }
}
