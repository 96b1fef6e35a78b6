//! Lanes, shards and the committer, connected. Whoever calls gives each a source or the sink and a thread.

use std::hash::RandomState;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::decode::Schemas;
use crate::exchange;
use crate::join::{Join, JoinStart};
use crate::limits;
use crate::record::PartitionId;
use crate::rules::Rules;
use crate::time::{DomainWatermark, Gauge};

use super::committer::CommitterSeat;
use super::desk::{Desk, SchemaBook};
use super::lane::LaneSeat;
use super::lane_partition::LanePartition;
use super::messages::{ShardOutputs, Shared};
use super::offsets::DomainOffsets;
use super::resume::Resume;
use super::shard::Shard;
use super::sink::Wants;

/// How the engine runs. What decides results is in the rules.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The rules.
    pub rules: Arc<Rules>,
    /// Lanes, at least 1; more than partitions are not made.
    pub lanes: usize,
    /// Shards, at least 1.
    pub shards: usize,
    /// Between the starts of two cuts, ms.
    pub commit_interval_ms: i64,
    /// A partition further ahead of the slowest with unread records than this waits, ms of event time.
    pub max_ahead_ms: i64,
    /// A partition with nothing new for this long leaves the minimum, ms; `None` in bounded runs.
    pub idle_after_ms: Option<i64>,
    /// How long a lane gathers readings before it passes them on, ms.
    pub flush_ms: i64,
    /// Above this much state only the lanes that hold W back go on, bytes.
    pub state_bytes_max: usize,
    /// Facilities that may be known before those without state are forgotten.
    pub facilities_max: usize,
    /// Records that one poll of a partition takes at most.
    pub poll_records: usize,
    /// Places in each exchange queue, batches.
    pub exchange_batches: usize,
    /// Places in each output queue, batches.
    pub output_batches: usize,
    /// Whether a follower is told what is newest.
    pub tells_news: bool,
    /// Whether each thread of a lane and a shard stays on a processor of its own.
    pub pin: bool,
}

impl EngineSettings {
    /// The defaults of DESIGN section 10, for these rules, with one lane and one shard.
    pub fn new(rules: Arc<Rules>) -> EngineSettings {
        EngineSettings {
            rules,
            lanes: 1,
            shards: 1,
            commit_interval_ms: 100,
            max_ahead_ms: 60_000,
            idle_after_ms: Some(30_000),
            flush_ms: 1,
            state_bytes_max: limits::STATE_BYTES_MAX,
            facilities_max: limits::FACILITIES_MAX,
            poll_records: limits::POLL_RECORDS_MAX,
            exchange_batches: limits::EXCHANGE_BATCHES,
            output_batches: limits::OUTPUT_BATCHES,
            tells_news: false,
            pin: false,
        }
    }
}

/// A wired engine without threads.
#[derive(Debug)]
pub struct Wired {
    /// One seat per lane: give each a source.
    pub lanes: Vec<LaneSeat>,
    /// The shards.
    pub shards: Vec<Shard>,
    /// Give it the sink.
    pub committer: CommitterSeat,
    /// For stopping and looking on.
    pub shared: Arc<Shared>,
}

/// Wires an engine for the partitions of a domain.
pub fn wire(settings: &EngineSettings, resume: &Resume, schemas: Arc<dyn Schemas>, wants: Wants) -> Wired {
    let partitions: Vec<PartitionId> = resume.partitions.iter().map(|plan| plan.partition).collect();
    let lanes = settings.lanes.clamp(1, partitions.len().max(1));
    let shards = settings.shards.max(1);
    let gauges =
        resume.partitions.iter().map(|plan| Gauge::new(plan.rewind < plan.end.unwrap_or(plan.log_end)));
    let shared = Arc::new(Shared::new(gauges.collect(), lanes, shards));
    let placing = RandomState::new();
    let (mut senders, mut receivers): (Vec<_>, Vec<_>) = ((0..lanes).map(|_| vec![]).collect(), vec![]);
    for _ in 0..shards {
        let mut of_shard = Vec::new();
        for of_lane in &mut senders {
            let (sender, receiver) = exchange::queue(settings.exchange_batches);
            of_lane.push(sender);
            of_shard.push(receiver);
        }
        receivers.push(of_shard);
    }
    let queues =
        |n: usize, places: usize| (0..n).map(|_| Arc::new(ArrayQueue::new(places))).collect::<Vec<_>>();
    let marks = queues(lanes, 1);
    let lane_outputs: Vec<_> = (0..lanes).map(|_| Arc::new(ArrayQueue::new(limits::LANE_OUTPUTS))).collect();
    let shard_outputs: Vec<_> =
        (0..shards).map(|_| Arc::new(ShardOutputs::new(settings.output_batches))).collect();
    // The pair rule alone needs no verdict on what was open: with it, history that is left still helps.
    let decided_below = !resume.lost.is_empty() && !settings.rules.emits_pairs_only();
    let seats = senders.into_iter().enumerate().map(|(lane, senders)| {
        let own = resume.partitions.iter().enumerate().filter(|(index, _)| index % lanes == lane);
        let own = own.map(|(index, plan)| LanePartition::new(narrow(index), plan, decided_below));
        let book = SchemaBook(Arc::clone(&schemas));
        let (rules, wants) = (Arc::clone(&settings.rules), (wants, settings.tells_news));
        let desk = Desk::new(rules, book, senders, placing.clone(), wants);
        let (marks, out) = (Arc::clone(&marks[lane]), Arc::clone(&lane_outputs[lane]));
        let shared = (Arc::clone(&shared), shared.lane_recorder(lane));
        LaneSeat::new(own.collect(), desk, marks, out, shared, settings.clone())
    });
    let seats = seats.collect();
    let joins = receivers.into_iter().enumerate().map(|(shard, receivers)| {
        let mut start =
            JoinStart { watermark: resume.watermark, lost: !resume.lost.is_empty(), alarms: vec![] };
        let here = |name: &str| exchange::place(&placing, name, shards) == shard;
        start.alarms = resume.alarms.iter().filter(|alarm| here(&alarm.facility)).cloned().collect();
        let join = Join::new(Arc::clone(&settings.rules), partitions.clone(), &start, wants.row_form())
            .with_newest(settings.tells_news);
        let heard = DomainWatermark::new(partitions.len(), resume.watermark);
        let out = Arc::clone(&shard_outputs[shard]);
        Shard::new(shard, join, receivers, heard, partitions.len(), out, Arc::clone(&shared))
    });
    let joins = joins.collect();
    let offsets = DomainOffsets::new(resume, settings);
    let committer = CommitterSeat::new(
        lane_outputs,
        shard_outputs,
        marks,
        Arc::clone(&shared),
        settings.clone(),
        offsets,
    );
    Wired { lanes: seats, shards: joins, committer, shared }
}

/// A domain has at most 65,536 partitions: `wire` is given them all.
fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
