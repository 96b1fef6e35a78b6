//! The domain's partitions as the committer knows them at a cut: what to commit for each, and who is idle.

use crate::limits;
use crate::record::PartitionId;
use crate::rules::RulesHash;
use crate::sabotage::{Rule, broken};
use crate::time::{NEVER, RewindTrack, Spans};

use super::epoch::Epoch;
use super::messages::PartitionCut;
use super::resume::{PartitionPlan, Resume};
use super::sink::{EpochOffsets, GroupMetadata, PartitionOffset};
use super::{CommitMetadata, EngineSettings};

/// Every partition of the domain at the last cut.
#[derive(Debug)]
pub(super) struct DomainOffsets {
    partitions: Vec<Partition>,
    spans: Spans,
    /// Of all that decides: made once, since it walks every facility's rules.
    rules: RulesHash,
    /// W for the rewind points: at the end of a bounded run they stay as they were.
    rewind_w_ms: i64,
}

#[derive(Debug)]
struct Partition {
    id: PartitionId,
    topic_id: String,
    partitions: u32,
    track: RewindTrack,
    cut: Option<PartitionCut>,
    idle: bool,
}

impl DomainOffsets {
    pub(super) fn new(resume: &Resume, settings: &EngineSettings) -> DomainOffsets {
        let partition = |plan: &PartitionPlan| Partition {
            id: plan.partition,
            topic_id: plan.topic_id.clone(),
            partitions: plan.partitions,
            track: RewindTrack::default(),
            cut: None,
            idle: false,
        };
        DomainOffsets {
            partitions: resume.partitions.iter().map(partition).collect(),
            spans: Spans::new(&settings.rules),
            rules: settings.rules.hash(),
            rewind_w_ms: NEVER,
        }
    }

    /// The offsets of a complete cut, with all that a restart needs: also the readings that a cache has not
    /// been told of, from `untold_ms` on.
    pub(super) fn at_cut(&mut self, epoch: &Epoch, untold_ms: Option<i64>) -> EpochOffsets {
        let mut moved = vec![false; self.partitions.len()];
        for cut in epoch.lanes().flat_map(|lane| &lane.partitions) {
            let partition = &mut self.partitions[usize::from(cut.partition)];
            let before = partition.cut.as_ref().map(|before| before.offset_next);
            moved[usize::from(cut.partition)] = before != Some(cut.offset_next);
            partition.track.extend(cut.segments.iter().copied());
            partition.cut = Some(cut.clone());
        }
        self.rewind_w_ms = self.rewind_w_ms.max(epoch.w_ms());
        let (rewind_w_ms, spans) = (self.rewind_w_ms, self.spans);
        let stored = |ms: i64| (ms != NEVER).then_some(ms);
        let newest_ms = epoch.lanes().flat_map(|lane| &lane.partitions).map(|cut| cut.newest_ms).max();
        // What is older than that a cache has forgotten by itself.
        let forgotten_ms = newest_ms.map_or(NEVER, |newest| newest.saturating_sub(limits::CACHE_SPAN_MS_MAX));
        let untold_ms = untold_ms.map_or(i64::MAX, |untold| untold.max(forgotten_ms));
        let watermark = stored(epoch.stored_w_ms());
        let rules = self.rules;
        let mut offsets = EpochOffsets { partitions: Vec::new(), group: GroupMetadata::default() };
        for (partition, moved) in self.partitions.iter_mut().zip(moved) {
            let Some(cut) = partition.cut.as_ref().filter(|_| moved || !broken(Rule::CommitAllPartitions))
            else {
                continue;
            };
            let end = (cut.offset_next, cut.clock_ms);
            let span_ms = spans.rewind(partition.id.side);
            let (rewind, clock_before_ms) = partition.track.rewind((rewind_w_ms, span_ms), untold_ms, end);
            let metadata = CommitMetadata {
                topic_id: partition.topic_id.clone(),
                partitions: partition.partitions,
                rewind,
                clock_before_rewind: stored(clock_before_ms),
                clock: stored(cut.clock_ms),
                watermark,
                rules,
                schemas_given_up: cut.schemas_given_up.clone(),
            };
            let offset_next = cut.offset_next;
            let metadata = metadata.to_string();
            offsets.partitions.push(PartitionOffset { partition: partition.id, offset_next, metadata });
        }
        offsets
    }

    /// Every partition of a bounded run had been read to its end at the last cut.
    pub(super) fn all_ended(&self) -> bool {
        !self.partitions.is_empty()
            && self.partitions.iter().all(|p| p.cut.as_ref().is_some_and(|cut| cut.ended))
    }

    pub(super) fn has_ended(&self, partition: usize) -> bool {
        self.partitions[partition].cut.as_ref().is_some_and(|cut| cut.ended)
    }

    /// W at the end of a bounded run: newest on-time event time + B + 1 ms; none if nothing was read.
    pub(super) fn end_w_ms(&self, bound_ms: i64) -> Option<i64> {
        let newest = self.partitions.iter().filter_map(|p| p.cut.as_ref()).map(|cut| cut.newest_ms).max();
        newest.filter(|newest| *newest != NEVER).map(|newest| newest + bound_ms + 1)
    }

    /// Who has had nothing new for `idle_after_ms` and nothing waiting, as of the last cut.
    pub(super) fn idle(&self, now_ms: i64, idle_after_ms: i64) -> Box<[bool]> {
        let idle = |partition: &Partition| {
            let cut = partition.cut.as_ref();
            cut.is_some_and(|cut| !cut.ended && !cut.unread && now_ms - cut.progress_ms >= idle_after_ms)
        };
        self.partitions.iter().map(idle).collect()
    }

    /// Who is idle as decided last.
    pub(super) fn idle_now(&self) -> Vec<bool> {
        self.partitions.iter().map(|partition| partition.idle).collect()
    }

    pub(super) fn set_idle(&mut self, idle: &[bool]) {
        for (partition, idle) in self.partitions.iter_mut().zip(idle) {
            partition.idle = *idle;
        }
    }
}
