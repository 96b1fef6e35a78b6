//! The committer: asks for cuts, gives the sink what lanes and shards put out, epoch by epoch, and commits
//! the offsets that go with it (DESIGN section 6).

use std::sync::Arc;

use crate::exchange::Mark;
use crate::limits;
use crate::record::News;
use crate::sabotage::{Rule, broken};
use crate::telemetry::{Stage, StageRecorder, Totals};
use crate::time::Now;

use super::epoch::{Epoch, Latencies};
use super::follower::Follower;
use super::messages::{LaneCut, LaneOutput, Marks, Queue, ShardCut, ShardOutput, ShardOutputs, Shared};
use super::offsets::DomainOffsets;
use super::sink::{CommitOutcome, EpochOffsets, Output, Sink};
use super::{EngineError, EngineSettings};

/// How a duty cycle of the committer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It did this much.
    Working(usize),
    /// The run is over: everything that was to be committed is.
    Finished,
    /// The epoch was aborted, or nobody knows: everything starts again from the committed offsets.
    Restart,
}

/// The committer with its sink.
#[derive(Debug)]
pub struct Committer<K> {
    sink: K,
    seat: CommitterSeat,
}

/// Nobody follows.
struct Nobody;

impl Follower for Nobody {
    fn tell(&mut self, _news: News) {}

    fn untold_ms(&self) -> Option<i64> {
        None
    }
}

/// The committer before it has its sink.
#[derive(Debug)]
pub struct CommitterSeat {
    lanes: Vec<Queue<LaneOutput>>,
    shards: Vec<Arc<ShardOutputs>>,
    marks: Vec<Marks>,
    shared: Arc<Shared>,
    settings: EngineSettings,
    offsets: DomainOffsets,
    number: u64,
    epoch: Epoch,
    requested: bool,
    requested_ns: Option<i64>,
    /// The cut in progress is the last one.
    last: bool,
    /// Offsets of the last commit: an epoch that adds nothing to them is not committed.
    committed: Option<EpochOffsets>,
    latencies: Latencies,
    /// An epoch was committed in the last duty cycle: when its cut was asked for, ns.
    unsettled_ns: Option<i64>,
    recorder: StageRecorder,
    totals: Totals,
    /// Facilities known to the shards at the last cut.
    facilities: usize,
    /// Above this many, those without state are forgotten.
    forget_above: usize,
}

impl CommitterSeat {
    pub(super) fn new(
        lanes: Vec<Queue<LaneOutput>>,
        shards: Vec<Arc<ShardOutputs>>,
        marks: Vec<Marks>,
        shared: Arc<Shared>,
        settings: EngineSettings,
        offsets: DomainOffsets,
    ) -> CommitterSeat {
        CommitterSeat {
            epoch: Epoch::new(lanes.len(), shards.len()),
            lanes,
            shards,
            marks,
            recorder: shared.committer_recorder(),
            shared,
            offsets,
            number: 1,
            requested: false,
            requested_ns: None,
            last: false,
            committed: None,
            latencies: Latencies::default(),
            unsettled_ns: None,
            totals: Totals::default(),
            facilities: 0,
            forget_above: settings.facilities_max,
            settings,
        }
    }

    /// Takes the seat with a sink.
    pub fn with<K: Sink>(self, sink: K) -> Committer<K> {
        Committer { sink, seat: self }
    }
}

impl<K: Sink> Committer<K> {
    /// One duty cycle.
    ///
    /// # Errors
    /// Only what ends the run: the sink cannot go on.
    pub fn poll(&mut self, now: Now) -> Result<Progress, EngineError> {
        self.poll_followed(now, &mut Nobody)
    }

    /// One duty cycle, with somebody who follows the commits.
    ///
    /// # Errors
    /// As [`Committer::poll`].
    pub fn poll_followed(&mut self, now: Now, follower: &mut dyn Follower) -> Result<Progress, EngineError> {
        self.settle(now);
        if self.seat.shared.stopping() && !self.seat.shared.is_rebuilt() {
            // Stopped before anything could be committed: nothing is, and nothing is lost.
            return Ok(Progress::Finished);
        }
        self.request(now);
        let mut done = 0;
        for lane in 0..self.seat.lanes.len() {
            done += self.drain_lane(lane)?;
        }
        for shard in 0..self.seat.shards.len() {
            done += self.drain_shard(shard, now)?;
        }
        if self.seat.requested && self.seat.epoch.is_complete() {
            return self.finish_epoch(follower);
        }
        Ok(Progress::Working(done))
    }

    /// The last epoch is visible by now: its rows' latencies and its own time end here, not before the commit
    /// that a duty cycle may wait for. Each duty cycle begins with it; behind the last one, the caller does
    /// it.
    pub fn settle(&mut self, now: Now) {
        let seat = &mut self.seat;
        if let Some(requested_ns) = seat.unsettled_ns.take() {
            seat.recorder.record(Stage::Commit, now.mono_ns - requested_ns);
            seat.latencies.commit(now.wall_ms, &mut seat.totals.latency_ms);
        }
    }

    /// What was committed so far.
    pub fn totals(&self) -> &Totals {
        &self.seat.totals
    }

    /// The sink, back from the committer.
    pub fn into_sink(self) -> K {
        self.sink
    }

    /// Asks the lanes for a cut when it is time, and none is under way.
    fn request(&mut self, now: Now) {
        let seat = &mut self.seat;
        let rebuilt = seat.shared.is_rebuilt() || broken(Rule::NoCutInRebuild);
        if seat.requested || !rebuilt {
            return;
        }
        let since_ms = seat.requested_ns.map(|ns| now.ms_since(ns));
        let ended = seat.offsets.all_ended();
        let stopping = seat.shared.stopping();
        if !ended && !stopping && since_ms.is_some_and(|ms| ms < seat.settings.commit_interval_ms) {
            return;
        }
        seat.last = ended || stopping;
        let idle = match seat.settings.idle_after_ms {
            Some(idle_after_ms) if !seat.last => seat.offsets.idle(now.mono_ms(), idle_after_ms),
            _ => seat.offsets.idle_now().into(),
        };
        for (partition, idle) in idle.iter().enumerate() {
            seat.shared.gauges[partition].set_counts(!idle && !seat.offsets.has_ended(partition));
        }
        seat.offsets.set_idle(&idle);
        let end_w_ms = if ended { seat.offsets.end_w_ms(seat.settings.rules.score.bound_ms) } else { None };
        let forget_facilities = seat.facilities > seat.forget_above;
        let mark = Mark { epoch: seat.number, idle, end_w_ms, forget_facilities };
        for marks in &seat.marks {
            let pushed = marks.push(mark.clone());
            debug_assert!(pushed.is_ok(), "one cut at a time");
        }
        seat.requested = true;
        seat.requested_ns = Some(now.mono_ns);
    }

    /// Takes a lane's output up to its cut, but no more than its queue holds: while the sink is slow it is
    /// filled again meanwhile, and the next cut must be asked for between two rounds.
    fn drain_lane(&mut self, lane: usize) -> Result<usize, EngineError> {
        let mut done = 0;
        while done < limits::LANE_OUTPUTS && !self.seat.epoch.has_lane(lane) {
            let Some(output) = self.seat.lanes[lane].pop() else { break };
            done += 1;
            match output {
                LaneOutput::Rejects(rejects) => self.append(Output::Rejects(&rejects))?,
                LaneOutput::Newest(newest) => self.seat.epoch.news.readings.push(newest),
                LaneOutput::Cut(cut) => self.seat.epoch.lane_cut(lane, self.seat.check_lane(*cut)),
            }
        }
        Ok(done)
    }

    /// Takes a shard's output up to its cut, bounded in the same way.
    fn drain_shard(&mut self, shard: usize, now: Now) -> Result<usize, EngineError> {
        let mut done = 0;
        while done < self.seat.settings.output_batches && !self.seat.epoch.has_shard(shard) {
            let Some(output) = self.seat.shards[shard].pop() else { break };
            done += 1;
            match output {
                ShardOutput::Rows(batch, handed_on_ns) => {
                    self.seat.recorder.record(Stage::Emit, now.mono_ns - handed_on_ns);
                    self.seat.latencies.sample(&batch.sampled_sent_ms);
                    self.append(Output::Rows(&batch))?;
                    self.seat.shards[shard].give_back(batch);
                }
                ShardOutput::Alarms(alarms) => self.append(Output::Alarms(&alarms))?,
                ShardOutput::Newest(newest) => self.seat.epoch.news.rows.push(newest),
                ShardOutput::Cut(cut) => self.seat.epoch.shard_cut(shard, self.seat.check_shard(cut)),
            }
        }
        Ok(done)
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), EngineError> {
        self.begin()?;
        self.sink.append(output).map_err(EngineError::Sink)
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        if !self.seat.epoch.begun {
            self.sink.begin(self.seat.number).map_err(EngineError::Sink)?;
            self.seat.epoch.begun = true;
        }
        Ok(())
    }

    /// All parts of the cut are here: commits, or says that everything must start again.
    fn finish_epoch(&mut self, follower: &mut dyn Follower) -> Result<Progress, EngineError> {
        let untold_ms = follower.untold_ms().into_iter().chain(self.seat.epoch.news.oldest_ms()).min();
        let untold_ms = untold_ms.filter(|_| !broken(Rule::RewindCoversCache));
        let offsets = self.seat.offsets.at_cut(&self.seat.epoch, untold_ms);
        let adds = self.seat.epoch.begun || self.seat.committed.as_ref() != Some(&offsets);
        if adds {
            self.begin()?;
            self.sink.offsets(&offsets).map_err(EngineError::Sink)?;
            let outcome = self.sink.commit().map_err(EngineError::Sink)?;
            let taken_as_committed = outcome == CommitOutcome::Unknown && broken(Rule::UnknownNotCommitted);
            if outcome != CommitOutcome::Committed && !taken_as_committed {
                return Ok(Progress::Restart);
            }
        }
        let seat = &mut self.seat;
        seat.committed = Some(offsets);
        seat.count_facilities();
        let mut epoch = std::mem::replace(&mut seat.epoch, Epoch::new(seat.lanes.len(), seat.shards.len()));
        if !epoch.news.is_empty() {
            follower.tell(std::mem::take(&mut epoch.news));
        }
        seat.shared.tell_watermark(epoch.w_ms());
        epoch.add_to(&mut seat.totals, adds);
        seat.unsettled_ns = seat.requested_ns;
        assert!(
            seat.totals.lanes.balances(),
            "events_in = accepted + dropped + late + quarantined: {:?}",
            seat.totals
        );
        seat.number += 1;
        seat.requested = false;
        Ok(if seat.last { Progress::Finished } else { Progress::Working(1) })
    }
}

impl CommitterSeat {
    /// Where all the facilities that are known are in use, the bound doubles: forgetting at every cut would
    /// be all that is done.
    fn count_facilities(&mut self) {
        let known = self.epoch.facilities();
        let forgot = self.facilities > self.forget_above;
        if forgot {
            self.forget_above = self.settings.facilities_max.max(known.saturating_mul(2));
        }
        self.facilities = if forgot { 0 } else { known };
    }

    fn check_lane(&self, cut: LaneCut) -> LaneCut {
        assert_eq!(cut.epoch, self.number, "a lane answered another cut");
        cut
    }

    fn check_shard(&self, cut: ShardCut) -> ShardCut {
        assert_eq!(cut.epoch, self.number, "a shard answered another cut");
        cut
    }
}
