//! Into the engine in this process, over partitions in memory: no service, no network, the same bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wellstream_connectors::MachineClock;
use wellstream_connectors::embedded::{EmbeddedLog, EmbeddedWriter, Full};
use wellstream_connectors::runtime::{self, Control, Ending};
use wellstream_core::decode::Schemas;
use wellstream_core::engine::{
    EngineError, EngineSettings, PartitionStart, Resume, ResumeError, ResumePolicy, Sink,
};
use wellstream_core::record::{PartitionId, Side};

use super::looker::{Look, Looker};
use super::{Measured, Plan};
use crate::generate::GeneratedRecord;
use crate::load::{Ahead, Load, LoadError};
use crate::observe::{IntendedTimes, Observation, ObservedSink};
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

/// Why a run ended without a measurement.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A thread could not be made.
    #[error("a thread could not be made: {0}")]
    Thread(#[from] io::Error),
    /// The engine cannot go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine cannot start.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The load cannot go on.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The target can take no more.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The engine in this process cannot go on.
    #[error("{0}")]
    Here(String),
}

/// Runs the engine over a load, and gives back the sink too.
///
/// # Errors
/// The engine or the load cannot go on.
pub fn run_in_memory<K: Sink>(
    run: MemoryRun<'_>,
    load: impl Load + 'static,
    sink: K,
) -> Result<(Measured, K), DriveError> {
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
        log.source(&places.iter().map(|(partition, _)| *partition).collect::<Vec<_>>())
    };
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
            observe: &mut |totals, _| committed.store(totals.lanes.events_in(), Ordering::Relaxed),
        };
        let report = runtime::run(engine, &resume, schemas, source, sink, control);
        over.store(true, Ordering::Relaxed);
        let joined = (sending.join(), looking.join());
        let sent = joined.0.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let timeline = joined.1.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sent, timeline, report)
    });
    let report = report?;
    sent?;
    let is_finished = report.ending == Ending::Finished;
    let mut measured = Measured::gather(&progress, &observation, Some(report.totals), timeline, cpu_before_s);
    measured.drained &= is_finished;
    Ok((measured, report.sink.into_inner()))
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
/// What the partitions may hold: some 0.4 s at 1M/s. What does not fit waits with the sender, and is late.
const LOG_BYTES_MAX: usize = 64 << 20;
/// From the engine's start to the first intended time, ns: its threads are up by then.
const LEAD_NS: u64 = 20_000_000;
