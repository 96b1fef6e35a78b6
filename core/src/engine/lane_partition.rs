//! One partition in its lane: its position, its clock, and what is known of its end.

use crate::encode::PartEncoder;
use crate::exchange::PartitionTail;
use crate::limits;
use crate::record::PartitionId;
use crate::time::{NEVER, PartitionClock, SegmentBuilder};

use super::judge::PartitionSchemas;
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
    pub(super) rewind_from: i64,
    pub(super) end: Option<i64>,
    pub(super) offset_next: i64,
    pub(super) log_end: i64,
    pub(super) reached: bool,
    pub(super) ended: bool,
    /// The last poll stopped at a record whose schema is not known yet.
    pub(super) waits_for_schema: bool,
    pub(super) progress_ms: Option<i64>,
    pub(super) newest_ms: i64,
    pub(super) parts: PartEncoder,
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
            parts: PartEncoder::new(plan.partition),
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

    /// The record just read is on time, also if a filter drops it.
    pub(super) fn on_time(&mut self, time_ms: i64) {
        self.segments.on_time(time_ms);
        self.newest_ms = self.newest_ms.max(time_ms);
    }

    /// The news for the shards, if there are any.
    pub(super) fn news(&mut self, lateness_ms: i64) -> Option<PartitionTail> {
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
