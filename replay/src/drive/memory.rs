//! Into the engine in this process, over partitions in memory: no service, no network, the same bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wellstream_connectors::MachineClock;
use wellstream_connectors::embedded::{EmbeddedLog, EmbeddedWriter, Full};
use wellstream_connectors::runtime::{self, Control, Ending};
use wellstream_core::decode::Schemas;
use wellstream_core::engine::{EngineSettings, PartitionStart, Resume, ResumeError, ResumePolicy, Sink};
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::telemetry::Totals;

use super::looker::{Look, Looker};
use super::{Measured, Plan};
use crate::generate::GeneratedRecord;
use crate::load::{Ahead, Load, LoadError};
use crate::observe::{IntendedTimes, Observation, ObservedSink, ObservedSource};
use crate::pace::{Clock, Pacer, Progress, Stopped, Taken, Target, TargetError};
use crate::process;
use crate::schedule::Schedule;

/// Everything that a run in memory needs besides its load.
pub struct MemoryRun<'a> {
    /// How the engine runs; nobody is idle in a bounded run.
    pub engine: &'a EngineSettings,
    /// How the values are to be read.
    pub schemas: Arc<dyn Schemas>,
    /// Partitions of the wells' and the tanks' topic.
    pub partitions: [u32; 2],
    /// Records of one partition that may matter to a row at once: their intended times are kept.
    pub open_records: usize,
    /// What is measured.
    pub plan: Plan,
    /// The schedule, for the rate that was offered over time.
    pub schedule: Option<&'a Schedule>,
    /// Set from outside: sending ends, what was sent is put out.
    pub stop: &'a AtomicBool,
    /// Called a few times a second.
    pub look: &'a mut (dyn FnMut(&Look) + Send),
}

impl std::fmt::Debug for MemoryRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryRun").field("partitions", &self.partitions).field("plan", &self.plan).finish()
    }
}

/// Why there is no measurement, or why it broke off.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A thread could not be made.
    #[error("a thread could not be made: {0}")]
    Thread(#[from] io::Error),
    /// The engine cannot start.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The load cannot go on.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The target can take no more.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Runs the engine over a load. Where the engine or the load cannot go on, the run ends, and what was
/// measured until then says so ([`Measured::failure`]).
///
/// # Errors
/// It could not begin.
pub fn run_in_memory<K: Sink>(
    run: MemoryRun<'_>,
    load: impl Load + 'static,
    sink: K,
) -> Result<Measured, DriveError> {
    let MemoryRun { engine, schemas, partitions, open_records, plan, schedule, stop, look } = run;
    let (clock, cpu_before_s) = (MachineClock::start(), process::cpu_s());
    let (log, writers) = EmbeddedLog::new(partitions[0], partitions[1], LOG_BYTES_MAX);
    let resume = resume(&log, partitions, engine)?;
    let ahead = Ahead::start(load, clock)?;
    ahead.wait_until_ready();
    let start_ns = clock.now_ns() + LEAD_NS;
    let times = IntendedTimes::new(partitions, open_records);
    let observation = Arc::new(Observation::new(times, plan.sample, start_ns, plan.warmup_ns));
    let progress = Progress::new(plan.warmup_ns);
    let over = AtomicBool::new(false);
    // Only for a load that cannot go on: there is nothing to judge then.
    let engine_stop = AtomicBool::new(false);
    let sink = ObservedSink::new(sink, clock, Arc::clone(&observation));
    let looker = Looker::new(&clock, &progress, &observation, schedule, plan);
    let source = |places: &[(PartitionId, i64)]| {
        let partitions: Vec<_> = places.iter().map(|(partition, _)| *partition).collect();
        let source = log.source(&partitions)?;
        Ok(ObservedSource::new(source, clock, Arc::clone(&observation)))
    };
    let mut told = Totals::default();
    let (sent, timeline, report) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let target = MemoryTarget::new(writers, &log, &observation, &clock);
            let mut pacer = Pacer::new(&clock, target, start_ns, &progress);
            let sent = send_all(&ahead, &mut pacer, plan, &|| {
                stop.load(Ordering::Relaxed) || over.load(Ordering::Relaxed)
            });
            // However it ended, the log must end, or the engine would wait for ever.
            let finished = sent.and_then(|()| Ok(pacer.target.finish(&over)?));
            engine_stop.store(finished.is_err(), Ordering::Relaxed);
            finished
        });
        let committed = looker.committed();
        let looking = scope.spawn(|| looker.look_on(&over, look));
        let control = Control {
            stop: &engine_stop,
            duration: None,
            follower: None,
            observe: &mut |totals, shared| {
                committed.store(totals.lanes.events_in(), Ordering::Relaxed);
                told = Totals { stages: shared.stage_times(), ..totals.clone() };
            },
        };
        let report = runtime::run(engine, &resume, schemas, source, sink, control);
        over.store(true, Ordering::Relaxed);
        let joined = (sending.join(), looking.join());
        let sent = joined.0.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let timeline = joined.1.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sent, timeline, report)
    });
    let (totals, is_finished, ended) = match report {
        Ok(report) => (report.totals, report.ending == Ending::Finished, None),
        // What it had committed, as far as it told.
        Err(error) => (told, false, Some(error.to_string())),
    };
    let failures: Vec<_> = sent.err().map(|error| error.to_string()).into_iter().chain(ended).collect();
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    let measured = Measured::gather(&progress, &observation, Some(totals), timeline, cpu_before_s);
    let mut measured = measured.failed(failure);
    measured.drained &= is_finished;
    Ok(measured)
}

/// Sends all blocks; a run that is stopped, or that is too late to be worth going on, ends early without an
/// error.
pub(super) fn send_all<T: Target>(
    ahead: &Ahead,
    pacer: &mut Pacer<'_, MachineClock, T>,
    plan: Plan,
    stop: &dyn Fn() -> bool,
) -> Result<(), DriveError> {
    while let Some(block) = ahead.next(stop)? {
        match pacer.send(&block, stop) {
            Ok(()) => {}
            Err(Stopped::Asked) => return Ok(()),
            Err(Stopped::Target(error)) => return Err(error.into()),
        }
        let late_ns = block
            .due_ns
            .last()
            .map_or(0, |due_ns| (pacer.clock.now_ns() - pacer.start_ns).saturating_sub(*due_ns));
        ahead.give_back(block);
        if plan.give_up_slip_ns.is_some_and(|most_ns| late_ns > most_ns) {
            return Ok(());
        }
    }
    Ok(())
}

/// Every partition from its beginning; each ends where its writer says so.
fn resume(
    log: &EmbeddedLog,
    [wells, tanks]: [u32; 2],
    engine: &EngineSettings,
) -> Result<Resume, ResumeError> {
    let starts: Vec<PartitionStart> = log
        .partitions()
        .map(|partition| PartitionStart {
            partition,
            topic_id: "-".to_owned(),
            partitions: if partition.side == Side::Well { wells } else { tanks },
            committed: None,
            log_start: 0,
            // Nobody may count as caught up before its writer has ended it.
            log_end: i64::MAX / 2,
            from: 0,
        })
        .collect();
    Resume::plan(&starts, Vec::new(), engine.rules.hash(), ResumePolicy::default())
}

/// Partitions in memory as a target.
#[derive(Debug)]
pub struct MemoryTarget<'a, C> {
    /// Wells' partitions, then tanks'.
    writers: Vec<EmbeddedWriter>,
    tanks_from: usize,
    log: &'a EmbeddedLog,
    observation: &'a Observation,
    clock: &'a C,
    /// Since when nothing has been read, ns, and how many bytes the log has held since.
    stuck: Option<(u64, usize)>,
}

impl<'a, C: Clock> MemoryTarget<'a, C> {
    /// Over the writers of a log, wells' first.
    pub fn new(
        writers: Vec<EmbeddedWriter>,
        log: &'a EmbeddedLog,
        observation: &'a Observation,
        clock: &'a C,
    ) -> MemoryTarget<'a, C> {
        let tanks_from = writers.iter().filter(|writer| writer.partition().side == Side::Well).count();
        MemoryTarget { writers, tanks_from, log, observation, clock, stuck: None }
    }

    /// Ends every partition behind what was sent. A run that is over reads no more.
    fn finish(&mut self, over: &AtomicBool) -> Result<(), TargetError> {
        // A full one may be full because the engine waits for the end of another.
        let mut open: Vec<usize> = (0..self.writers.len()).collect();
        loop {
            open.retain(|writer| self.writers[*writer].finish() == Err(Full));
            let Some(first) = open.first() else { return Ok(()) };
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.check_that_some_are_read(self.writers[*first].partition())?;
            self.clock.wait_until(self.clock.now_ns() + FINISH_PAUSE_NS);
        }
    }

    /// Fails if this partition has been full, and nothing at all been read, for too long: an engine whose
    /// state is full waits for the partition that is behind, and this sender, which keeps to the order of its
    /// load, for the one that is ahead.
    #[cold]
    fn check_that_some_are_read(&mut self, full: PartitionId) -> Result<(), TargetError> {
        let (now_ns, bytes) = (self.clock.now_ns(), self.log.bytes());
        match self.stuck {
            Some((since_ns, held)) if held == bytes => {
                if now_ns.saturating_sub(since_ns) < STUCK_NS {
                    return Ok(());
                }
                Err(TargetError {
                    target: "partitions in memory",
                    message: format!(
                        "{full} is full, and the engine has read nothing for {} s: it waits for a partition that is \
                         behind, whose records come later in the load. Raise --state-bytes-max, so that it can read \
                         on, or record the partitions side by side",
                        STUCK_NS / 1_000_000_000
                    ),
                })
            }
            _ => {
                self.stuck = Some((now_ns, bytes));
                Ok(())
            }
        }
    }
}

impl<C: Clock> Target for MemoryTarget<'_, C> {
    fn send(&mut self, record: &GeneratedRecord<'_>, intended_ns: u64) -> Result<Taken, TargetError> {
        let from = if record.partition.side == Side::Well { 0 } else { self.tanks_from };
        let writer = &mut self.writers[from + record.partition.number as usize];
        match writer.push(record.timestamp_ms, record.kafka_key(), record.value) {
            Ok(offset) => {
                // Before anyone can read it: what is pushed is handed on by a later push or flush.
                self.observation.times().note(record.partition, offset, intended_ns);
                self.stuck = None;
                Ok(Taken::Yes)
            }
            Err(Full) => {
                self.check_that_some_are_read(record.partition)?;
                Ok(Taken::Full)
            }
        }
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        for writer in &mut self.writers {
            // A reader that is behind finds enough: its next batches may as well be larger. A full partition
            // keeps its records for the next flush.
            if writer.queued() < QUEUED_MAX {
                let _ = writer.flush();
            }
        }
        Ok(())
    }
}

/// Batches of a partition beyond which small ones are not handed on.
const QUEUED_MAX: usize = 4;
/// Until full partitions are tried again at the end, ns.
const FINISH_PAUSE_NS: u64 = 200_000;
/// An engine that reads nothing for so long, although there is something to read, waits for what cannot come.
const STUCK_NS: u64 = 15_000_000_000;
/// What the partitions may hold: some 0.2 s at 1M/s. What does not fit waits with the sender, and is late.
const LOG_BYTES_MAX: usize = 32 << 20;
/// From the engine's start to the first intended time, ns: its threads are up by then.
const LEAD_NS: u64 = 20_000_000;

#[cfg(test)]
mod tests {
    use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, SinkError, Wants};
    use wellstream_core::rules::Rules;

    use super::*;
    use crate::generate::{GeneratedSchemas, Generator, Setup};
    use crate::load::{GeneratedLoad, Stamp};
    use crate::outcome;
    use crate::report::Outcome;
    use crate::scenario::Scenario;
    use crate::schedule::Profile;

    /// Takes so many epochs, then fails.
    struct Breaks {
        epochs_left: u32,
    }

    impl Sink for Breaks {
        fn wants(&self) -> Wants {
            Wants { only_counts: true, ..Wants::default() }
        }
        fn begin(&mut self, _: u64) -> Result<(), SinkError> {
            Ok(())
        }
        fn append(&mut self, _: Output<'_>) -> Result<(), SinkError> {
            Ok(())
        }
        fn offsets(&mut self, _: &EpochOffsets) -> Result<(), SinkError> {
            Ok(())
        }
        fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
            let failed = || SinkError { sink: "breaks", message: "the disk is full".to_owned() };
            self.epochs_left = self.epochs_left.checked_sub(1).ok_or_else(failed)?;
            Ok(CommitOutcome::Committed)
        }
    }

    /// A run of a second at 20k/s with a sink that takes so many epochs, one each 20 ms.
    fn run(epochs: u32) -> (Plan, Measured) {
        let mut scenario = Scenario::named("normal").unwrap();
        (scenario.facilities, scenario.wells, scenario.tanks) = (10, 20, 10);
        let generator = Generator::new(scenario, Setup { partitions: [2, 2], ..Setup::default() });
        let schemas = GeneratedSchemas::new(generator.setup().schemas).unwrap();
        let schedule = Schedule::new(Profile::Constant, 20_000.0, 20_000, 1).unwrap();
        let rate_per_s = Some(schedule.rate_per_s());
        let plan = Plan { events: 20_000, rate_per_s, warmup_ns: 0, sample: 1, give_up_slip_ns: None };
        let engine = EngineSettings {
            lanes: 1,
            shards: 1,
            commit_interval_ms: 20,
            idle_after_ms: None,
            ..EngineSettings::new(Arc::new(Rules::default()))
        };
        let run = MemoryRun {
            engine: &engine,
            schemas: Arc::new(schemas),
            partitions: [2, 2],
            open_records: 1 << 16,
            plan,
            schedule: Some(&schedule),
            stop: &AtomicBool::new(false),
            look: &mut |_| {},
        };
        let load = GeneratedLoad::scheduled(generator, &schedule, Stamp::OfScenario);
        (plan, run_in_memory(run, load, Breaks { epochs_left: epochs }).unwrap())
    }

    #[test]
    fn an_engine_that_fails_in_mid_run_leaves_what_was_measured_and_says_so() {
        let (plan, measured) = run(5);
        let (outcome, reasons) = outcome::judge(&plan, &measured, None);
        assert_eq!(outcome, Outcome::Invalid);
        assert!(
            reasons[0].starts_with("the run broke off: ") && reasons[0].contains("the disk is full"),
            "{reasons:?}"
        );
        assert!(!measured.drained && !measured.timeline.is_empty());
        assert!(measured.sent > 0 && measured.sent < plan.events, "{} sent", measured.sent);
        assert!(!measured.broker_in.is_empty());
    }

    #[test]
    fn an_engine_that_does_not_fail_takes_all_of_it() {
        let (plan, measured) = run(u32::MAX);
        assert_eq!((measured.failure, measured.drained, measured.sent), (None, true, plan.events));
        assert_eq!(measured.totals.lanes.events_in(), plan.events);
        // A sample for each batch: a batch has a record at least, and a second has some hundred.
        let batches = measured.broker_in.len();
        assert!((50..=plan.events).contains(&batches), "{batches} batches");
    }
}
