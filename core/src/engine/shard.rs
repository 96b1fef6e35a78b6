//! A shard: the home of some facilities. Takes the lanes' batches in each lane's order, joins, and hands its
//! output on, epoch by epoch.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::exchange::{Batch, Mark, Receiver, Tail};
use crate::join::{Arrival, Join, PartRef};
use crate::limits;
use crate::prefetch::prefetch;
use crate::sabotage::{Rule, broken};
use crate::telemetry::{Stage, StageRecorder};
use crate::time::{DomainWatermark, Now};

use super::messages::{ShardCut, ShardOutput, ShardOutputs, Shared};

/// A shard.
#[derive(Debug)]
pub struct Shard {
    index: usize,
    join: Join,
    inputs: Vec<Input>,
    heard: DomainWatermark,
    reached: Vec<bool>,
    out: Arc<ShardOutputs>,
    outbox: VecDeque<ShardOutput>,
    shared: Arc<Shared>,
    recorder: StageRecorder,
    /// The duty cycle's time, ns of the run's clock.
    now_ns: i64,
}

/// What comes from one lane.
#[derive(Debug)]
struct Input {
    receiver: Receiver,
    /// The lane's number of a facility -> ours.
    facilities: Vec<u32>,
    /// A batch that was put aside in the middle, since the output was full.
    begun: Option<Begun>,
    /// The lane's mark: its queue is not read on until all marks are here.
    mark: Option<Mark>,
}

/// A batch on which some work may be done already.
#[derive(Debug)]
struct Begun {
    batch: Batch,
    /// The first reading that has not been joined.
    from: usize,
    /// The segment that its parts' memory has become, if it has.
    segment: Option<u32>,
}

impl Shard {
    pub(super) fn new(
        index: usize,
        join: Join,
        receivers: Vec<Receiver>,
        heard: DomainWatermark,
        partitions: usize,
        out: Arc<ShardOutputs>,
        shared: Arc<Shared>,
    ) -> Shard {
        let input = |receiver| Input { receiver, facilities: Vec::new(), begun: None, mark: None };
        Shard {
            index,
            join,
            inputs: receivers.into_iter().map(input).collect(),
            heard,
            reached: vec![false; partitions],
            out,
            outbox: VecDeque::new(),
            recorder: shared.shard_recorder(index),
            shared,
            now_ns: 0,
        }
    }

    /// One duty cycle; returns how much it did.
    pub fn poll(&mut self, now: Now) -> usize {
        self.now_ns = now.mono_ns;
        let mut done = 0;
        for lane in 0..self.inputs.len() {
            for _ in 0..limits::BATCHES_PER_TURN {
                if !self.flush() {
                    return done;
                }
                if self.inputs[lane].mark.is_some() && !broken(Rule::StopAtMark) {
                    break;
                }
                let input = &mut self.inputs[lane];
                let begun = match input.begun.take() {
                    Some(begun) => begun,
                    None => {
                        let Some(batch) = input.receiver.pop() else { break };
                        self.begin(lane, batch)
                    }
                };
                done += 1 + begun.batch.readings.len() - begun.from;
                self.work(lane, begun);
            }
        }
        if self.inputs.iter().all(|input| input.mark.is_some()) {
            self.cut();
            done += 1;
        }
        self.hand_on();
        self.flush();
        done
    }

    /// Tells how long the last duty cycle took, if it did anything: the shard itself reads no clock.
    pub fn worked(&self, ns: i64) {
        self.recorder.record(Stage::Join, ns);
    }

    /// Takes over what a batch brings besides readings.
    fn begin(&mut self, lane: usize, mut batch: Batch) -> Begun {
        let mut segment = None;
        if !batch.readings.is_empty() {
            self.recorder.record(Stage::Exchange, self.now_ns - batch.staged_ns);
            let newest_ms = batch.readings.iter().map(|reading| reading.time_ms).max();
            segment = self.join.adopt_parts(&mut batch.parts, newest_ms.unwrap_or(i64::MAX));
        }
        let input = &mut self.inputs[lane];
        for name in batch.facilities.drain(..) {
            input.facilities.push(self.join.facility(&name));
        }
        Begun { batch, from: 0, segment }
    }

    /// Joins a batch's readings from one on, then follows its tail.
    fn work(&mut self, lane: usize, begun: Begun) {
        let Begun { mut batch, from, segment } = begun;
        let input = &mut self.inputs[lane];
        for (at, reading) in batch.readings.iter().enumerate().skip(from) {
            if self.join.out.is_full() {
                input.begun = Some(Begun { batch, from: at, segment });
                self.hand_on();
                return;
            }
            if let Some(coming) = batch.readings.get(at + NUMBER_AHEAD) {
                prefetch(&input.facilities, coming.facility as usize);
            }
            if let Some(coming) = batch.readings.get(at + FACILITY_AHEAD) {
                self.join.expect_facility(input.facilities[coming.facility as usize]);
            }
            if let Some(coming) = batch.readings.get(at + RINGS_AHEAD) {
                self.join.expect_rings(input.facilities[coming.facility as usize], coming.partition);
            }
            let arrival = Arrival {
                time_ms: reading.time_ms,
                offset: reading.offset,
                sent_ms: reading.sent_ms,
                points: reading.points,
                quality: reading.quality,
                partition: reading.partition,
                reread: reading.reread,
            };
            let part = match segment {
                Some(segment) => PartRef::adopted(segment, reading.part_start),
                None => self.join.put_part(batch.part(reading), reading.time_ms),
            };
            self.join.arrive(input.facilities[reading.facility as usize], arrival, part);
        }
        self.follow(lane, &mut batch.tail);
        self.inputs[lane].receiver.give_back(batch);
    }

    /// The lane's clocks are heard behind its rows; then W may move.
    fn follow(&mut self, lane: usize, tail: &mut Tail) {
        for news in tail.partitions.drain(..) {
            let partition = usize::from(news.partition);
            self.heard.hear(partition, news.watermark_ms);
            self.reached[partition] |= news.reached;
            if news.ended {
                self.heard.end(partition);
            }
        }
        if tail.mark.is_some() {
            self.inputs[lane].mark = tail.mark.take();
        }
        if broken(Rule::ClockBehindRows) {
            for (partition, gauge) in self.shared.gauges.iter().enumerate() {
                self.heard.hear(partition, gauge.watermark_ms());
            }
        }
        if broken(Rule::IdleAtCut) {
            for (partition, gauge) in self.shared.gauges.iter().enumerate() {
                self.heard.set_idle_one(partition, gauge.is_idle());
            }
        }
        if self.join.is_rebuilding() && self.reached.iter().all(|reached| *reached) {
            self.join.finish_rebuild();
        }
        let w_ms = self.heard.advance();
        if w_ms > self.join.w_ms() || broken(Rule::WatermarkNeverBack) {
            self.join.advance(w_ms);
        }
        self.shared.tell_state_bytes(self.index, self.join.state_bytes());
    }

    /// All marks are here: what was decided up to them is the epoch's.
    fn cut(&mut self) {
        let marks: Vec<Mark> = self.inputs.iter_mut().filter_map(|input| input.mark.take()).collect();
        let Some(mark) = marks.first() else { return };
        debug_assert!(marks.iter().all(|other| other == mark), "lanes were cut differently");
        let w_ms = self.heard.advance();
        self.join.advance(w_ms);
        let end_w_ms = match mark.end_w_ms {
            Some(end_w_ms) => self.heard.advance_to(end_w_ms),
            None => w_ms,
        };
        if end_w_ms > w_ms {
            self.join.advance(end_w_ms);
        }
        self.hand_on();
        let newest = self.join.take_newest();
        if !newest.is_empty() {
            self.outbox.push_back(ShardOutput::Newest(newest));
        }
        self.outbox.push_back(ShardOutput::Cut(ShardCut {
            epoch: mark.epoch,
            w_ms,
            end_w_ms,
            rows: std::mem::take(&mut self.join.out.totals),
            alarms: std::mem::take(&mut self.join.out.alarm_totals),
            counts: std::mem::take(&mut self.join.counts),
            state_bytes: self.join.state_bytes(),
            facilities: self.join.facilities(),
        }));
        self.heard.set_idle(&mark.idle);
        if mark.forget_facilities {
            for input in &mut self.inputs {
                input.facilities.clear();
            }
            self.join.forget_facilities();
        }
    }

    /// Puts what has been decided into the outbox.
    fn hand_on(&mut self) {
        self.join.encode_rows();
        let out = &mut self.join.out;
        if !out.batch.is_empty() {
            let full = std::mem::replace(&mut out.batch, self.out.empty_batch());
            self.outbox.push_back(ShardOutput::Rows(full, self.now_ns));
        }
        if !out.alarms.is_empty() {
            let next = Vec::with_capacity(out.alarms.len());
            self.outbox.push_back(ShardOutput::Alarms(std::mem::replace(&mut out.alarms, next)));
        }
    }

    /// Passes the outbox on. False if the queue is full.
    fn flush(&mut self) -> bool {
        while let Some(output) = self.outbox.pop_front() {
            if let Err(kept) = self.out.push(output) {
                self.outbox.push_front(kept);
                return false;
            }
        }
        true
    }
}

/// How many readings ahead a facility's number is asked for, then its place, then its windows: far enough for
/// memory to answer, near enough for the nearest cache to hold what was asked for.
const NUMBER_AHEAD: usize = 24;
const FACILITY_AHEAD: usize = 16;
const RINGS_AHEAD: usize = 8;
