//! A lane's desk: judges the records of its partitions and stages the accepted readings for the shards.

use std::hash::RandomState;
use std::sync::Arc;

use crate::decode::Schemas;
use crate::encode;
use crate::exchange::{Batch, Dictionary, PartReading, PartitionTail, Sender};
use crate::record::{Input, PartitionId, Record, Reject};
use crate::rules::{Rules, ScoreRules};
use crate::score;
use crate::telemetry::LaneCounts;
use crate::time::{NEVER, PartitionClock, SegmentBuilder};
use crate::{limits, record};

use super::judge::{Accepted, PartitionSchemas, Verdict, judge};
use super::resume::PartitionPlan;

/// One partition as its lane reads it.
#[derive(Debug)]
pub(super) struct LanePartition {
    pub(super) index: u16,
    pub(super) id: PartitionId,
    pub(super) clock: PartitionClock,
    pub(super) segments: SegmentBuilder,
    pub(super) schemas: PartitionSchemas,
    pub(super) committed: i64,
    /// The rewind point is never below this: where history was lost, open results below the committed offset
    /// are taken as decided, and must not be met again by a later restart.
    rewind_from: i64,
    pub(super) end: Option<i64>,
    pub(super) offset_next: i64,
    pub(super) log_end: i64,
    pub(super) reached: bool,
    pub(super) ended: bool,
    /// The last poll stopped at a record whose schema is not known yet.
    pub(super) waits_for_schema: bool,
    pub(super) progress_ms: Option<i64>,
    pub(super) newest_ms: i64,
    told: Option<PartitionTail>,
}

impl LanePartition {
    pub(super) fn new(index: u16, plan: &PartitionPlan, decided_below_commit: bool) -> LanePartition {
        LanePartition {
            index,
            id: plan.partition,
            clock: PartitionClock::new(plan.clock),
            segments: SegmentBuilder::new(limits::REWIND_SEGMENT_MS),
            schemas: PartitionSchemas::new(plan.schemas_given_up.clone()),
            committed: plan.committed,
            rewind_from: if decided_below_commit { plan.committed } else { i64::MIN },
            end: plan.end,
            offset_next: plan.rewind,
            log_end: plan.log_end,
            reached: false,
            ended: false,
            waits_for_schema: false,
            progress_ms: None,
            newest_ms: NEVER,
            told: None,
        }
    }

    /// Whether records wait in the log behind the position.
    pub(super) fn unread(&self) -> bool {
        !self.ended && self.offset_next < self.end.unwrap_or(self.log_end)
    }

    /// What its position says: at the committed offset the rebuild is done, at the end a bounded run is.
    pub(super) fn settle(&mut self) {
        self.reached |= self.offset_next >= self.committed;
        self.ended |= self.end.is_some_and(|end| self.offset_next >= end);
    }

    /// The news for the shards, if there are any.
    fn news(&mut self, lateness_ms: i64) -> Option<PartitionTail> {
        let tail = PartitionTail {
            partition: self.index,
            watermark_ms: self.clock.watermark(lateness_ms),
            reached: self.reached,
            ended: self.ended,
        };
        let news = self.told != Some(tail);
        self.told = Some(tail);
        news.then_some(tail)
    }
}

/// What a lane shares with no other thread, besides its source.
#[derive(Debug)]
pub(super) struct Desk {
    rules: Arc<Rules>,
    schemas: SchemaBook,
    /// 0: the common rules; then those of facilities with their own.
    scores: Vec<ScoreRules>,
    dictionary: Dictionary,
    senders: Vec<Sender>,
    staged: Vec<Batch>,
    encoded: bool,
    wants_rejects: bool,
    pub(super) rejects: Vec<Reject>,
    pub(super) reject_bytes: usize,
    pub(super) counts: LaneCounts,
    /// The duty cycle's time, ns of the run's clock.
    pub(super) now_ns: i64,
}

/// The schemas that all lanes ask.
#[derive(Clone)]
pub(super) struct SchemaBook(pub(super) Arc<dyn Schemas>);

impl std::fmt::Debug for SchemaBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SchemaBook")
    }
}

impl Desk {
    pub(super) fn new(
        rules: Arc<Rules>,
        schemas: SchemaBook,
        senders: Vec<Sender>,
        placing: RandomState,
        wants: super::Wants,
    ) -> Desk {
        let mut scores = vec![rules.score.clone()];
        scores.extend(rules.facilities.values().cloned());
        Desk {
            dictionary: Dictionary::new(senders.len(), placing),
            staged: senders.iter().map(|_| Batch::default()).collect(),
            rules,
            schemas,
            scores,
            senders,
            encoded: wants.encoded_rows,
            wants_rejects: wants.rejects,
            rejects: Vec::new(),
            reject_bytes: 0,
            counts: LaneCounts::default(),
            now_ns: 0,
        }
    }

    /// Takes records of one partition, from the front; returns how many. Stops at the partition's end and at
    /// a record whose schema is not known yet.
    pub(super) fn take(
        &mut self,
        partition: &mut LanePartition,
        records: &[Record<'_>],
        w_ms: &dyn Fn() -> i64,
    ) -> usize {
        partition.waits_for_schema = false;
        for (taken, record) in records.iter().enumerate() {
            if partition.end.is_some_and(|end| record.offset >= end) {
                partition.offset_next = partition.offset_next.max(record.offset);
                return taken;
            }
            if !self.take_one(partition, record, w_ms) {
                partition.waits_for_schema = true;
                return taken;
            }
            partition.offset_next = record.offset + 1;
        }
        records.len()
    }

    fn take_one(
        &mut self,
        partition: &mut LanePartition,
        record: &Record<'_>,
        w_ms: &dyn Fn() -> i64,
    ) -> bool {
        let clock_before_ms = partition.clock.at_ms();
        let LanePartition { clock, schemas, id, index, committed, segments, newest_ms, rewind_from, .. } =
            partition;
        let verdict = judge(*id, record, clock, schemas, &*self.schemas.0, &self.rules, w_ms);
        if matches!(verdict, Verdict::Wait) {
            return false;
        }
        let reread = record.offset < *committed;
        if record.offset >= *rewind_from {
            segments.record(record.offset, clock_before_ms);
        }
        if reread {
            self.counts.reread += 1;
        } else {
            self.counts.events[id.side.index()] += 1;
            self.counts.bytes += record.value.map_or(0, |value| value.len() as u64);
        }
        let on_time_ms = match verdict {
            Verdict::Accepted(time_ms, _) => Some(time_ms),
            Verdict::Rejected(_, _, on_time_ms) => on_time_ms,
            Verdict::Wait => None,
        };
        if let Some(time_ms) = on_time_ms {
            segments.on_time(time_ms);
            *newest_ms = (*newest_ms).max(time_ms);
        }
        match verdict {
            Verdict::Wait => {}
            Verdict::Rejected(reason, schema_id, _) if !reread => self.reject(reason, *id, schema_id, record),
            Verdict::Rejected(..) => {}
            Verdict::Accepted(time_ms, reading) => {
                if !reread {
                    self.counts.accepted[id.side.index()] += 1;
                }
                self.stage((*index, *id), record, time_ms, reread, &reading);
            }
        }
        true
    }

    fn reject(
        &mut self,
        reason: record::Reason,
        partition: PartitionId,
        schema_id: Option<u32>,
        record: &Record<'_>,
    ) {
        self.counts.reasons[reason as usize] += 1;
        if self.wants_rejects && reason.fate() != record::Fate::Dropped {
            self.rejects.push(Reject::new(reason, partition, schema_id, record));
            self.reject_bytes += record.value.map_or(0, <[u8]>::len);
        }
    }

    /// Classifies an accepted reading and stages it for its facility's shard.
    fn stage(
        &mut self,
        (index, id): (u16, PartitionId),
        record: &Record<'_>,
        time_ms: i64,
        reread: bool,
        reading: &Accepted<'_>,
    ) {
        let facility = match reading {
            Accepted::Well(well) => well.facility_id.unwrap_or_default(),
            Accepted::Tank(tank) => tank.facility_id.unwrap_or_default(),
        };
        let own = &self.rules.facilities;
        let (route, new) = self.dictionary.route(facility, |name| {
            own.keys().position(|key| key == name).map_or(0, |at| u32::try_from(at + 1).unwrap_or(0))
        });
        let batch = &mut self.staged[route.shard as usize];
        if new {
            batch.facilities.push(facility.into());
        }
        let rules = &self.scores[route.score as usize];
        let input = Input { time_ms, partition: id.number, offset: record.offset };
        if batch.readings.is_empty() {
            batch.staged_ns = self.now_ns;
        }
        let start = batch.parts.len();
        let (points, quality) = match reading {
            Accepted::Well(well) => {
                let class = score::well(well.methane_ppm.unwrap_or_default(), rules);
                if self.encoded {
                    encode::put_well_part(&mut batch.parts, well, input, class);
                }
                (class.points, class.quality)
            }
            Accepted::Tank(tank) => {
                let class = score::tank(tank.vapor_concentration_ppm.unwrap_or_default(), rules);
                if self.encoded {
                    encode::put_tank_part(&mut batch.parts, tank, input, class);
                }
                (class.points, class.quality)
            }
        };
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        batch.readings.push(PartReading {
            time_ms,
            offset: record.offset,
            sent_ms: record.timestamp_ms,
            facility: route.number,
            part_start: narrow(start),
            part_len: narrow(batch.parts.len() - start),
            points: short(points),
            quality: short(quality),
            partition: index,
            reread,
        });
    }

    /// Whether a batch has gathered enough to be passed on.
    pub(super) fn is_full(&self) -> bool {
        let full = |batch: &Batch| {
            batch.readings.len() >= limits::BATCH_READINGS || batch.parts.len() >= limits::BATCH_PART_BYTES
        };
        self.staged.iter().any(full)
    }

    /// Puts the partitions' news behind what is staged.
    pub(super) fn tell(&mut self, partitions: &mut [LanePartition]) {
        for partition in partitions {
            if let Some(tail) = partition.news(self.rules.lateness_ms) {
                for batch in &mut self.staged {
                    batch.tail.partitions.push(tail);
                }
            }
        }
    }

    /// Puts a mark behind everything staged, in every shard's batch.
    pub(super) fn mark(&mut self, mark: &crate::exchange::Mark) {
        for batch in &mut self.staged {
            batch.tail.mark = Some(mark.clone());
        }
        if mark.forget_facilities {
            self.dictionary.forget();
        }
    }

    /// Passes the staged batches on. False if a queue is full: nothing may be staged before they are gone.
    pub(super) fn push(&mut self) -> bool {
        let mut clear = true;
        for (batch, sender) in self.staged.iter_mut().zip(&mut self.senders) {
            if batch.is_empty() {
                continue;
            }
            let full = std::mem::take(batch);
            match sender.push(full) {
                Ok(()) => *batch = sender.empty_batch(),
                Err(kept) => {
                    *batch = kept;
                    clear = false;
                }
            }
        }
        clear
    }
}

/// Points and qualities as readings carry them: `Rules::check` refuses larger ones.
fn short(points: u32) -> u16 {
    u16::try_from(points).unwrap_or(u16::MAX)
}
