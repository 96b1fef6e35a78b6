//! What lanes and shards tell the committer, and the state that all threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::exchange::Mark;
use crate::join::{AlarmTotals, JoinCounts};
use crate::limits;
use crate::record::{Alarm, NewestReadings, NewestRow, Reject, RowBatch, RowTotals};
use crate::telemetry::{LaneCounts, StageRecorder, StageTimes};
use crate::time::{Gauge, NEVER, Segment};

/// From a lane to the committer, in order: rejects of an epoch and what is newest in it, then its cut.
#[derive(Debug)]
pub(super) enum LaneOutput {
    Rejects(Vec<Reject>),
    Newest(NewestReadings),
    Cut(Box<LaneCut>),
}

/// A lane's part of a cut.
#[derive(Debug)]
pub(super) struct LaneCut {
    pub(super) epoch: u64,
    pub(super) partitions: Vec<PartitionCut>,
    pub(super) counts: LaneCounts,
}

/// One partition at the mark.
#[derive(Clone, Debug)]
pub(super) struct PartitionCut {
    pub(super) partition: u16,
    pub(super) offset_next: i64,
    pub(super) clock_ms: i64,
    pub(super) segments: Vec<Segment>,
    pub(super) ended: bool,
    pub(super) unread: bool,
    /// When a record was last read, on the duty cycle's clock.
    pub(super) progress_ms: i64,
    /// The newest on-time event time read in this run, `NEVER` if none.
    pub(super) newest_ms: i64,
    pub(super) schemas_given_up: Vec<(u32, i64)>,
}

/// From a shard to the committer, in order: output of an epoch, then its cut.
#[derive(Debug)]
pub(super) enum ShardOutput {
    /// Rows, and when they were handed on, ns of the run's clock.
    Rows(RowBatch, i64),
    Alarms(Vec<Alarm>),
    Newest(Vec<NewestRow>),
    Cut(ShardCut),
}

/// A shard's part of a cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShardCut {
    pub(super) epoch: u64,
    /// W at the marks: the same in all shards.
    pub(super) w_ms: i64,
    /// W after the end of a bounded run, else as `w_ms`.
    pub(super) end_w_ms: i64,
    pub(super) rows: RowTotals,
    pub(super) alarms: AlarmTotals,
    pub(super) counts: JoinCounts,
    pub(super) state_bytes: usize,
    pub(super) facilities: usize,
}

/// From one shard to the committer, with the emptied row batches going back the same way: they are the
/// largest thing that is handed on, and their memory stays warm.
#[derive(Debug)]
pub(super) struct ShardOutputs {
    full: ArrayQueue<ShardOutput>,
    empty: ArrayQueue<RowBatch>,
}

impl ShardOutputs {
    pub(super) fn new(batches: usize) -> ShardOutputs {
        ShardOutputs { full: ArrayQueue::new(batches), empty: ArrayQueue::new(limits::SPARE_BATCHES) }
    }

    /// The shard passes an output on; a full queue gives it back.
    pub(super) fn push(&self, output: ShardOutput) -> Result<(), ShardOutput> {
        self.full.push(output)
    }

    /// The committer's next output.
    pub(super) fn pop(&self) -> Option<ShardOutput> {
        self.full.pop()
    }

    /// An empty batch for the shard, with memory from an earlier one where there is some.
    pub(super) fn empty_batch(&self) -> RowBatch {
        self.empty.pop().unwrap_or_default()
    }

    /// The committer is done with a batch. One that the end of a long wait made large is freed.
    pub(super) fn give_back(&self, mut batch: RowBatch) {
        batch.clear();
        if batch.bytes.capacity() <= 2 * limits::OUTPUT_BYTES
            && batch.rows.capacity() <= 4 * limits::OUTPUT_ROWS
        {
            // A full return queue means that the shard has enough.
            drop(self.empty.push(batch));
        }
    }
}

/// A bounded lock-free queue between two threads.
pub(super) type Queue<T> = Arc<ArrayQueue<T>>;

/// Marks on their way to a lane: one cut is under way at a time.
pub(super) type Marks = Queue<Mark>;

/// What all threads of an engine see.
#[derive(Debug)]
pub struct Shared {
    /// One per partition, for the alignment.
    pub(super) gauges: Vec<Gauge>,
    /// Lanes whose partitions have all reached their committed offsets. Each lane adds itself once (release);
    /// the committer reads it (acquire) before it asks for the first cut, lanes for the alignment.
    reached: AtomicUsize,
    lanes: usize,
    /// Bytes of state per shard: written by its shard, read by lanes; relaxed, a stale value shifts a pause.
    state_bytes: Vec<AtomicUsize>,
    /// Set once from outside: lanes stop reading. Relaxed: it may be seen a cycle later.
    stop: AtomicBool,
    /// W of the last committed epoch, for those who look on; relaxed.
    w_ms: AtomicI64,
    /// Rises whenever a lane has taken a record, or waits for something that it knows of. Lanes add, whoever
    /// watches reads; relaxed, since it is looked at over a minute.
    progress: AtomicU64,
    /// Each lane's, then each shard's, then the committer's.
    recorders: Vec<StageRecorder>,
}

impl Shared {
    pub(super) fn new(gauges: Vec<Gauge>, lanes: usize, shards: usize) -> Shared {
        Shared {
            gauges,
            reached: AtomicUsize::new(0),
            lanes,
            state_bytes: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            stop: AtomicBool::new(false),
            w_ms: AtomicI64::new(NEVER),
            progress: AtomicU64::new(0),
            recorders: (0..=lanes + shards).map(|_| StageRecorder::default()).collect(),
        }
    }

    /// Lanes stop reading; the epoch in progress is committed and the run ends. What is open stays open.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// W of the last committed epoch, epoch ms.
    pub fn watermark_ms(&self) -> Option<i64> {
        Some(self.w_ms.load(Ordering::Relaxed)).filter(|w| *w != NEVER)
    }

    /// State held by all shards, bytes.
    pub fn state_bytes(&self) -> usize {
        self.state_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }

    /// Where the time went so far, all threads.
    pub fn stage_times(&self) -> StageTimes {
        let mut all = StageTimes::default();
        self.recorders.iter().for_each(|recorder| recorder.add_to(&mut all));
        all
    }

    pub(super) fn lane_recorder(&self, lane: usize) -> StageRecorder {
        self.recorders[lane].clone()
    }

    pub(super) fn shard_recorder(&self, shard: usize) -> StageRecorder {
        self.recorders[self.lanes + shard].clone()
    }

    pub(super) fn committer_recorder(&self) -> StageRecorder {
        self.recorders[self.recorders.len() - 1].clone()
    }

    /// Rises while lanes take records, or wait for a schema.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(super) fn progressed(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether records wait in a partition that counts.
    pub fn has_unread(&self) -> bool {
        self.gauges.iter().any(|gauge| gauge.unread() && !gauge.is_idle())
    }

    /// Whether every lane has reached its committed offsets.
    pub fn is_rebuilt(&self) -> bool {
        self.reached.load(Ordering::Acquire) >= self.lanes
    }

    pub(super) fn lane_reached(&self) {
        self.reached.fetch_add(1, Ordering::Release);
    }

    pub(super) fn tell_state_bytes(&self, shard: usize, bytes: usize) {
        self.state_bytes[shard].store(bytes, Ordering::Relaxed);
    }

    pub(super) fn tell_watermark(&self, w_ms: i64) {
        self.w_ms.store(w_ms, Ordering::Relaxed);
    }
}
