//! The real engine on one thread: one lane with all partitions, one shard, the committer, in turn. Shared by
//! the tests of allocations and of memory.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::sync::Arc;

use wellstream_core::decode::{FixedSchemas, Plan};
use wellstream_core::engine::{
    CommitOutcome, Committer, EngineSettings, EpochOffsets, Lane, Output, PartitionStart, Progress, Resume,
    ResumePolicy, Shard, Shared, Sink, SinkError, Source, Wants, wire,
};
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_core::schemas::{TANK_DATA, WELL_DATA};
use wellstream_core::telemetry::Totals;
use wellstream_core::time::Now;
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::Scenario;

/// What is wired: a source's engine with nothing left to chance.
pub(crate) struct Engine<S> {
    lane: Lane<S>,
    shard: Shard,
    committer: Committer<Counting>,
    pub(crate) shared: Arc<Shared>,
    cycle: i64,
}

/// What stages of one duty cycle did, or what was counted in them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stages {
    /// Records that the lane took.
    pub(crate) taken: usize,
    /// In the lane: ingest, decode, validate, score, its half of the exchange.
    pub(crate) lane: u64,
    /// In the shard: its half of the exchange, join, encode.
    pub(crate) shard: u64,
    /// In the committer and the sink.
    pub(crate) committer: u64,
}

impl<S: Source> Engine<S> {
    pub(crate) fn new(rules: &Rules, source: S, encoded_rows: bool) -> Engine<S> {
        Engine::polling(rules, source, encoded_rows, POLL_RECORDS)
    }

    /// The same with so many records a poll.
    pub(crate) fn polling(rules: &Rules, source: S, encoded_rows: bool, poll_records: usize) -> Engine<S> {
        let starts: Vec<_> = partitions().map(start).collect();
        let resume =
            Resume::plan(&starts, Vec::new(), rules.hash(), ResumePolicy::default()).expect("a fresh start");
        let settings = EngineSettings {
            idle_after_ms: None,
            poll_records,
            flush_ms: 3,
            ..EngineSettings::new(Arc::new(rules.clone()))
        };
        let wants = Wants { encoded_rows, rejects: true, only_counts: !encoded_rows };
        let mut wired = wire(&settings, &resume, Arc::new(FixedSchemas::built_in()), wants);
        let (seat, shard) = (wired.lanes.pop().expect("a lane"), wired.shards.pop().expect("a shard"));
        assert!(wired.lanes.is_empty() && wired.shards.is_empty());
        let committer = wired.committer.with(Counting(wants));
        Engine { lane: seat.with(source), shard, committer, shared: wired.shared, cycle: 0 }
    }

    /// One duty cycle of each, 1 ms after the last one. `count` is read around each.
    pub(crate) fn cycle(&mut self, count: impl Fn() -> u64) -> Stages {
        let now = Now::at_ms(self.cycle);
        self.cycle += 1;
        let begin = count();
        let taken = self.poll_lane(now);
        let behind_lane = count();
        self.poll_shard(now);
        let behind_shard = count();
        self.poll_committer(now);
        Stages {
            taken,
            lane: behind_lane - begin,
            shard: behind_shard - behind_lane,
            committer: count() - behind_shard,
        }
    }

    /// Cycles until all that was taken has been committed.
    pub(crate) fn settle(&mut self) {
        for _ in 0..SETTLE_CYCLES {
            self.cycle(|| 0);
        }
    }

    pub(crate) fn totals(&self) -> &Totals {
        self.committer.totals()
    }

    // Not inlined: what is counted by function (callgrind) must be functions.
    #[inline(never)]
    fn poll_lane(&mut self, now: Now) -> usize {
        self.lane.poll(now).expect("a source in memory does not fail")
    }

    #[inline(never)]
    fn poll_shard(&mut self, now: Now) -> usize {
        self.shard.poll(now)
    }

    #[inline(never)]
    fn poll_committer(&mut self, now: Now) {
        let progress = self.committer.poll(now).expect("a sink that counts does not fail");
        assert!(matches!(progress, Progress::Working(_)));
    }
}

/// A sink that takes everything.
struct Counting(Wants);

impl Sink for Counting {
    fn wants(&self) -> Wants {
        self.0
    }
    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
    fn append(&mut self, _output: Output<'_>) -> Result<(), SinkError> {
        Ok(())
    }
    fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        Ok(CommitOutcome::Committed)
    }
}

/// Every mode, with and without outer.
pub(crate) const MODES: [(JoinMode, bool); 7] = [
    (JoinMode::All, false),
    (JoinMode::All, true),
    (JoinMode::Nearest, false),
    (JoinMode::Nearest, true),
    (JoinMode::Asof, false),
    (JoinMode::Asof, true),
    (JoinMode::Latest, false),
];

/// The rules of a mode.
pub(crate) fn rules((join, outer): (JoinMode, bool)) -> Rules {
    Rules { join, outer, ..Rules::default() }
}

/// The usual day with so many facilities: what each sees is the same however many there are.
pub(crate) fn normal(facilities: u32) -> Generator {
    let mut scenario = Scenario::named("normal").expect("a built-in scenario");
    (scenario.facilities, scenario.wells, scenario.tanks) = (facilities, facilities * 2, facilities);
    Generator::new(scenario, Setup::default())
}

/// Three partitions of each topic.
pub(crate) fn partitions() -> impl Iterator<Item = PartitionId> {
    Side::BOTH.into_iter().flat_map(|side| (0..3).map(move |number| PartitionId { side, number }))
}

/// The plans of both topics.
pub(crate) fn plans() -> [Plan; 2] {
    [(Side::Well, WELL_DATA), (Side::Tank, TANK_DATA)]
        .map(|(side, text)| Plan::compile(side, text).expect("the built-in schemas compile"))
}

/// Whether the long sizes are asked for.
pub(crate) fn is_full_size() -> bool {
    std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full")
}

/// Few facilities fill time slowly: with more, one poll would take a partition far ahead of the others.
const POLL_RECORDS: usize = 64;

/// Two cuts.
const SETTLE_CYCLES: usize = 250;

fn start(partition: PartitionId) -> PartitionStart {
    PartitionStart {
        partition,
        topic_id: "-".to_owned(),
        partitions: 3,
        committed: None,
        log_start: 0,
        // Never at its end: it reads on.
        log_end: i64::MAX / 2,
        from: 0,
    }
}
