//! Who waits for whom in the engine, so that an epoch stays short whatever is slow.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use wellstream_core::engine::{
    CommitOutcome, EngineSettings, EpochOffsets, Lane, Output, Progress, Resume, ResumePolicy, Shard, Sink,
    SinkError, Wants, wire,
};
use wellstream_core::limits::POLL_RECORDS_MAX;
use wellstream_core::rules::Rules;
use wellstream_core::time::Now;
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::Scenario;

#[path = "engine/drive.rs"]
mod drive;

use drive::{Collect, Log, LogSource};

fn log(events: u64) -> Log {
    let setup = Setup { partitions: [1, 1], ..Setup::default() };
    Log::new(&Generator::new(Scenario::named("normal").unwrap(), setup), events)
}

/// One lane is back at its committed offset, the other is not: the first one waits, since nothing may be cut
/// before the second is there, and all that it read on would be one transaction.
#[test]
fn whoever_is_rebuilt_waits_for_the_others() {
    let log = log(40_000);
    let rules = Arc::new(Rules::default());
    let starts = log.starts();
    let mut resume = Resume::plan(&starts, Vec::new(), rules.hash(), ResumePolicy::default()).unwrap();
    for plan in &mut resume.partitions {
        plan.committed = 3_000;
    }
    let settings = EngineSettings { lanes: 2, shards: 1, ..EngineSettings::new(rules) };
    let wired = wire(&settings, &resume, log.schemas(), Wants::default());
    let mut lanes: Vec<_> = wired
        .lanes
        .into_iter()
        .map(|seat| {
            let source = log.source(&seat.starts());
            seat.with(source)
        })
        .collect();
    let mut shards = wired.shards;
    let mut committer = wired.committer.with(Collect::default());
    let mut taken = 0;
    for cycle in 0..1_000 {
        let now = Now::at_ms(cycle);
        taken += lanes[0].poll(now).unwrap();
        shards[0].poll(now);
        committer.poll(now).unwrap();
    }
    assert!((3_000..3_000 + POLL_RECORDS_MAX).contains(&taken), "{taken} were read");
    assert!(!wired.shared.is_rebuilt());
    // Once the other one is there, both go on.
    for cycle in 1_000..3_000 {
        let now = Now::at_ms(cycle);
        taken += lanes.iter_mut().map(|lane| lane.poll(now).unwrap()).sum::<usize>();
        shards[0].poll(now);
        committer.poll(now).unwrap();
    }
    assert!(wired.shared.is_rebuilt());
    let all = starts.iter().map(|start| usize::try_from(start.log_end).unwrap()).sum::<usize>();
    // A cut counts as done, too.
    assert!((all..all + 100).contains(&taken), "{taken} of {all}");
}

/// A sink that takes its time, while lane and shard go on as their threads would.
struct SlowSink<'w> {
    others: &'w Mutex<(Lane<LogSource>, Shard)>,
    now_ms: &'w AtomicI64,
    appended_since_commit: usize,
    appended_max: usize,
    commits: usize,
}

impl Sink for SlowSink<'_> {
    fn wants(&self) -> Wants {
        Wants::default()
    }
    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
    fn append(&mut self, _output: Output<'_>) -> Result<(), SinkError> {
        self.appended_since_commit += 1;
        self.appended_max = self.appended_max.max(self.appended_since_commit);
        let (lane, shard) = &mut *self.others.lock().unwrap();
        for _ in 0..4 {
            let now = Now::at_ms(self.now_ms.fetch_add(5, Ordering::Relaxed));
            lane.poll(now).unwrap();
            shard.poll(now);
        }
        Ok(())
    }
    fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        self.appended_since_commit = 0;
        self.commits += 1;
        Ok(CommitOutcome::Committed)
    }
}

/// The queue to a slow sink is filled again while it is emptied: cuts must be asked for all the same, or one
/// transaction takes the whole backlog.
#[test]
fn a_slow_sink_gets_short_epochs() {
    let log = log(200_000);
    let rules = Arc::new(Rules::default());
    let policy = ResumePolicy { until_end: true, ..ResumePolicy::default() };
    let resume = Resume::plan(&log.starts(), Vec::new(), rules.hash(), policy).unwrap();
    let settings = EngineSettings { output_batches: 8, idle_after_ms: None, ..EngineSettings::new(rules) };
    let mut wired = wire(&settings, &resume, log.schemas(), Wants::default());
    let seat = wired.lanes.pop().unwrap();
    let source = log.source(&seat.starts());
    let others = Mutex::new((seat.with(source), wired.shards.pop().unwrap()));
    let now_ms = AtomicI64::new(0);
    let sink =
        SlowSink { others: &others, now_ms: &now_ms, appended_since_commit: 0, appended_max: 0, commits: 0 };
    let mut committer = wired.committer.with(sink);
    loop {
        let now = Now::at_ms(now_ms.fetch_add(1, Ordering::Relaxed));
        {
            let (lane, shard) = &mut *others.lock().unwrap();
            lane.poll(now).unwrap();
            shard.poll(now);
        }
        if committer.poll(now).unwrap() == Progress::Finished {
            break;
        }
    }
    let sink = committer.into_sink();
    // 100 ms at 20 ms for each piece, the queue that was full when the cut was asked for, and what its mark
    // stands behind.
    assert!(sink.appended_max < 60, "{} pieces in one epoch", sink.appended_max);
    assert!(sink.commits > 3, "{} commits", sink.commits);
}
