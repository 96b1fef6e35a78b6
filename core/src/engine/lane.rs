//! A lane: the thread of some partitions. Polls its source, has the records judged and staged, passes them
//! on, and answers cuts. Never blocks: a full queue sends it back to the duty cycle.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::exchange::Mark;
use crate::limits;
use crate::record::Record;
use crate::sabotage::{Rule, broken};
use crate::telemetry::{Stage, StageRecorder};
use crate::time::{Alignment, Now};

use super::desk::Desk;
use super::lane_partition::LanePartition;
use super::messages::{LaneCut, LaneOutput, Marks, PartitionCut, Queue, Shared};
use super::{EngineError, EngineSettings, Source};

/// A lane with its source.
#[derive(Debug)]
pub struct Lane<S> {
    source: S,
    seat: LaneSeat,
}

/// A lane before it has its source.
#[derive(Debug)]
pub struct LaneSeat {
    partitions: Vec<LanePartition>,
    desk: Desk,
    marks: Marks,
    out: Queue<LaneOutput>,
    outbox: VecDeque<LaneOutput>,
    shared: Arc<Shared>,
    recorder: StageRecorder,
    settings: EngineSettings,
    reached: bool,
    /// Partitions are polled in turn: this one is next.
    turn: usize,
    flushed_ms: i64,
    /// Sabotage only: a cut whose offsets are taken later than its mark.
    late_cut: Option<LaneCut>,
}

impl LaneSeat {
    pub(super) fn new(
        partitions: Vec<LanePartition>,
        desk: Desk,
        marks: Marks,
        out: Queue<LaneOutput>,
        (shared, recorder): (Arc<Shared>, StageRecorder),
        settings: EngineSettings,
    ) -> LaneSeat {
        let outbox = VecDeque::new();
        LaneSeat {
            partitions,
            desk,
            marks,
            out,
            outbox,
            shared,
            recorder,
            settings,
            reached: false,
            turn: 0,
            flushed_ms: i64::MIN / 2,
            late_cut: None,
        }
    }

    /// The partitions that its source must serve, and where each starts to be read.
    pub fn starts(&self) -> Vec<(crate::record::PartitionId, i64)> {
        self.partitions.iter().map(|partition| (partition.id, partition.offset_next)).collect()
    }

    /// Takes the seat with a source.
    pub fn with<S: Source>(self, source: S) -> Lane<S> {
        Lane { source, seat: self }
    }
}

impl<S: Source> Lane<S> {
    /// One duty cycle; returns how much it did.
    ///
    /// # Errors
    /// Only what ends the run: the source cannot go on.
    pub fn poll(&mut self, now: Now) -> Result<usize, EngineError> {
        self.seat.desk.now_ns = now.mono_ns;
        if !self.seat.flush() {
            return Ok(0);
        }
        if let Some(mark) = self.seat.marks.pop() {
            self.seat.cut(&mark, now);
            self.seat.flush();
            return Ok(1);
        }
        let taken = if self.seat.shared.stopping() { 0 } else { self.read(now)? };
        self.seat.send_late_cut();
        let timer = now.mono_ms() - self.seat.flushed_ms >= self.seat.settings.flush_ms;
        if timer || self.seat.desk.is_full() {
            self.seat.flushed_ms = now.mono_ms();
            self.seat.desk.tell(&mut self.seat.partitions);
            self.seat.flush();
        }
        Ok(taken)
    }

    /// Tells how long the last duty cycle took, if it took records: the lane itself reads no clock.
    pub fn worked(&self, ns: i64) {
        self.seat.recorder.record(Stage::Decode, ns);
    }

    /// Polls each partition once, as far as it may go on.
    fn read(&mut self, now: Now) -> Result<usize, EngineError> {
        let LaneSeat { partitions, desk, shared, recorder, settings, turn, reached, .. } = &mut self.seat;
        let alignment = Alignment::of(&shared.gauges, now.mono_ms());
        let aligned = shared.is_rebuilt() || broken(Rule::NoAlignInRebuild);
        let state_bytes = shared.state_bytes();
        let over_bound = state_bytes > settings.state_bytes_max;
        let close = state_bytes > limits::STATE_BYTES_CLOSE;
        let lateness_ms = settings.rules.lateness_ms;
        let w_ms = || shared.watermark_ms().unwrap_or(crate::time::NEVER);
        let mut taken = 0;
        for step in 0..partitions.len() {
            let at = (*turn + step) % partitions.len();
            let partition = &mut partitions[at];
            let watermark_ms = partition.clock.watermark(lateness_ms);
            // At its committed offset a partition waits for those that are still rebuilding: nothing may be
            // cut before they are done, so what it read on would be one epoch, as long as the slowest of
            // them.
            let wait = match aligned {
                false => partition.reached,
                true => {
                    alignment.must_wait(watermark_ms, settings.max_ahead_ms, lateness_ms)
                        || (close && alignment.runs_ahead(watermark_ms))
                        || (over_bound && alignment.only_adds_state(watermark_ms))
                }
            };
            if partition.ended || wait {
                continue;
            }
            let id = partition.id;
            let is_new = *reached;
            let mut visit = |records: &[Record<'_>]| {
                let oldest = records.first().filter(|record| is_new && record.timestamp_ms >= 0);
                if let Some(oldest) = oldest {
                    recorder.record(Stage::Ingest, now.since_sent(oldest.timestamp_ms));
                }
                desk.take(partition, records, &w_ms)
            };
            let polled =
                self.source.poll(id, settings.poll_records, &mut visit).map_err(EngineError::Source)?;
            if let Some(offset_next) = polled.offset_next.filter(|_| !partition.waits_for_schema) {
                partition.offset_next = partition.offset_next.max(offset_next);
            }
            partition.log_end = polled.log_end.unwrap_or(partition.log_end).max(partition.offset_next);
            if polled.taken > 0 || partition.progress_ms.is_none() {
                partition.progress_ms = Some(now.mono_ms());
            }
            if polled.taken == 0 && partition.end.is_none() {
                partition.end = self.source.end(id);
            }
            partition.settle();
            let gauge = &shared.gauges[usize::from(partition.index)];
            gauge.tell(partition.clock.watermark(lateness_ms), partition.unread());
            if partition.ended {
                gauge.set_counts(false);
            }
            if polled.taken > 0 {
                gauge.feed(now.mono_ms());
            }
            if polled.taken > 0 || partition.waits_for_schema {
                shared.progressed();
            }
            taken += polled.taken;
            if desk.is_full() {
                break;
            }
        }
        *turn = (*turn + 1) % partitions.len().max(1);
        if !*reached && partitions.iter().all(|partition| partition.reached) {
            *reached = true;
            shared.lane_reached();
        }
        Ok(taken)
    }
}

impl LaneSeat {
    /// Hands on what is staged and what the committer is to get. False if a queue is full.
    fn flush(&mut self) -> bool {
        let clear = self.desk.push();
        if self.desk.rejects.len() >= limits::REJECTS_PER_BATCH
            || self.desk.reject_bytes >= limits::REJECT_BYTES
        {
            self.hand_on_rejects();
        }
        while let Some(output) = self.outbox.pop_front() {
            if let Err(kept) = self.out.push(output) {
                self.outbox.push_front(kept);
                return false;
            }
        }
        clear
    }

    fn hand_on_rejects(&mut self) {
        if !self.desk.rejects.is_empty() {
            self.outbox.push_back(LaneOutput::Rejects(std::mem::take(&mut self.desk.rejects)));
            self.desk.reject_bytes = 0;
        }
    }

    /// Puts the mark behind everything read so far, and tells the committer where that is.
    fn cut(&mut self, mark: &Mark, now: Now) {
        self.desk.tell(&mut self.partitions);
        self.desk.mark(mark);
        self.hand_on_rejects();
        self.outbox.extend(self.desk.take_newest().map(LaneOutput::Newest));
        let partitions = self.partitions.iter_mut().map(|partition| PartitionCut {
            partition: partition.index,
            offset_next: partition.offset_next,
            clock_ms: partition.clock.at_ms(),
            segments: partition.segments.cut(),
            ended: partition.ended,
            unread: partition.unread() || partition.waits_for_schema,
            progress_ms: partition.progress_ms.unwrap_or(now.mono_ms()),
            newest_ms: partition.newest_ms,
            schemas_given_up: partition.schemas.given_up.clone(),
        });
        let cut = LaneCut {
            epoch: mark.epoch,
            partitions: partitions.collect(),
            counts: std::mem::take(&mut self.desk.counts),
        };
        if broken(Rule::OffsetsAtMark) {
            self.late_cut = Some(cut);
        } else {
            self.outbox.push_back(LaneOutput::Cut(Box::new(cut)));
        }
    }

    /// Sabotage only: sends a cut with the offsets of now.
    fn send_late_cut(&mut self) {
        if let Some(mut cut) = self.late_cut.take() {
            for (at, partition) in cut.partitions.iter_mut().zip(&self.partitions) {
                at.offset_next = partition.offset_next;
            }
            self.outbox.push_back(LaneOutput::Cut(Box::new(cut)));
        }
    }
}
