//! To Kafka, and from there: records go to the input topics at their times; what a read-committed consumer of
//! the output topics sees is what came out. The engine may run in this process or anywhere else.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_connectors::native::choice::Reader;
use wellstream_connectors::native::either::EitherSender;
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::telemetry::Totals;

use super::looker::{Look, Looker};
use super::memory::{DriveError, send_all};
use super::watch::{End, Watch, Watched};
use super::{Measured, Plan};
use crate::generate::GeneratedRecord;
use crate::load::{Ahead, Load};
use crate::observe::{IntendedTimes, Observation, ObservedSource};
use crate::pace::{Pacer, Progress, Taken, Target, TargetError};
use crate::process;
use crate::schedule::Schedule;

/// Where a run's records go, and where its results come from.
pub struct KafkaRun<'a> {
    /// The brokers.
    pub connection: &'a Connection,
    /// The client that sends.
    pub reader: &'a Reader,
    /// Input and output topics; they exist.
    pub names: &'a TopicNames,
    /// Partitions of the wells' and the tanks' topic.
    pub partitions: [u32; 2],
    /// Records of one partition that may matter to a row at once: their intended times are kept.
    pub open_records: usize,
    /// What is measured.
    pub plan: Plan,
    /// The schedule, for the rate that was offered over time.
    pub schedule: Option<&'a Schedule>,
    /// Records get the load's Kafka timestamps instead of those of their sending.
    pub is_stamped: bool,
    /// Set from outside: sending ends.
    pub stop: &'a AtomicBool,
    /// Set here when less was sent than planned: the engine here would wait for the rest for ever.
    pub engine_stop: &'a AtomicBool,
}

impl std::fmt::Debug for KafkaRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaRun")
            .field("names", &self.names)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// What a run on Kafka did.
#[derive(Debug)]
pub struct KafkaMeasured {
    /// As of every run; the engine's totals where it ran here.
    pub measured: Measured,
    /// What came out of the output topics; `None` if nobody watched.
    pub watched: Option<Watched>,
}

/// The offsets at which the partitions of the input topics end now: the first that a run will write.
///
/// # Errors
/// The brokers do not answer.
pub fn bases(
    connection: &Connection,
    names: &TopicNames,
    [wells, tanks]: [u32; 2],
) -> Result<Vec<(PartitionId, i64)>, KafkaError> {
    let of = |side, topic: &'_ str, count: u32| {
        let end = |number| Ok((PartitionId { side, number }, connection.watermarks(topic, number)?.1));
        (0..count).map(end).collect::<Result<Vec<_>, KafkaError>>()
    };
    Ok([of(Side::Well, &names.wells, wells)?, of(Side::Tank, &names.tanks, tanks)?].concat())
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Engine::Nobody => "Nobody",
            Engine::Here(_) => "Here",
            Engine::External => "External",
        })
    }
}

/// Runs an engine under somebody's eyes.
pub type EngineHere<'e> = dyn FnMut(&Onlooker<'_>) -> Result<Totals, String> + 'e;

/// Whoever measures an engine in this process.
pub struct Onlooker<'a> {
    /// Hears now and then what the engine has committed.
    pub tell: &'a dyn Fn(Totals),
    clock: MachineClock,
    observation: &'a Arc<Observation>,
}

impl std::fmt::Debug for Onlooker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onlooker").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Onlooker<'_> {
    /// A lane's source, so that what the lane takes is seen.
    pub fn source<S>(&self, source: S) -> ObservedSource<S, MachineClock> {
        ObservedSource::new(source, self.clock, Arc::clone(self.observation))
    }
}

/// How a run on Kafka gets its results.
pub enum Engine<'e> {
    /// Nobody watches: records are sent, and that is all.
    Nobody,
    /// Runs on a thread of this process until it has read everything, or is told to stop; tells what it has
    /// committed.
    Here(&'e mut EngineHere<'e>),
    /// Runs elsewhere.
    External,
}

/// Sends a load, and watches what comes out. `watch` was started before anything is sent. Where the load, the
/// producer, the engine here or the watching consumer cannot go on, the run ends, and what was measured until
/// then says so ([`Measured::failure`]).
///
/// # Errors
/// It could not begin.
pub fn run_on_kafka(
    run: KafkaRun<'_>,
    bases: &[(PartitionId, i64)],
    load: impl Load + 'static,
    watch: Option<Watch>,
    engine: Engine<'_>,
    look: &mut (dyn FnMut(&Look) + Send),
) -> Result<KafkaMeasured, DriveError> {
    let (clock, cpu_before_s) = (MachineClock::start(), process::cpu_s());
    let topics = [run.names.wells.as_str(), run.names.tanks.as_str()];
    let sender = run.reader.sender(run.connection, &topics).map_err(refused)?;
    let ahead = Ahead::start(load, clock)?;
    ahead.wait_until_ready();
    let start_ns = clock.now_ns() + LEAD_NS;
    let times = IntendedTimes::new(run.partitions, run.open_records);
    let observation = Arc::new(Observation::new(times, run.plan.sample, start_ns, run.plan.warmup_ns));
    let progress = Progress::new(run.plan.warmup_ns);
    let over = AtomicBool::new(false);
    let looker = Looker::new(&clock, &progress, &observation, run.schedule, run.plan);
    let committed = looker.committed();
    let is_here = matches!(engine, Engine::Here(_));
    if !is_here {
        // Nobody tells: the backlog is what is due and not sent.
        committed.store(u64::MAX, Ordering::Relaxed);
    }
    let (sent_all, engine_done) = (AtomicBool::new(false), AtomicBool::new(!is_here));
    let (sent, watched, timeline, (totals, ended)) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let (next, observation) = (bases.to_vec(), &observation);
            let target = KafkaTarget { sender, next, is_stamped: run.is_stamped, observation };
            let sent = send(&run, &clock, &ahead, target, &progress, &over);
            over.fetch_or(sent.is_err(), Ordering::Relaxed);
            sent_all.store(true, Ordering::Release);
            sent
        });
        let looking = scope.spawn(|| looker.look_on(&over, look));
        let watching = watch.map(|watch| {
            let (observation, engine_done, sent_all) = (&observation, &engine_done, &sent_all);
            let (over, connection, stop) = (&over, run.connection, run.stop);
            scope.spawn(move || {
                let end = || match sent_all.load(Ordering::Acquire) && engine_done.load(Ordering::Acquire) {
                    false => End::NotYet,
                    // What broke off is not worth a wait.
                    true if over.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) => End::BrokenOff,
                    true if is_here => End::OfTopics,
                    true => End::Quiet,
                };
                let (watched, ended) = watch.go(connection, &clock, observation, &end);
                over.fetch_or(ended.is_err(), Ordering::Relaxed);
                (watched, ended)
            })
        });
        let engine = run_engine(engine, &committed, clock, &observation);
        over.fetch_or(engine.1.is_err(), Ordering::Relaxed);
        engine_done.store(true, Ordering::Release);
        let sent = join(sending);
        let watched = watching.map(join);
        committed.store(progress.sent.load(Ordering::Relaxed), Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        (sent, watched, join(looking), engine)
    });
    let (watched, seen) = watched.map_or((None, Ok(())), |(watched, seen)| (Some(watched), seen));
    let failures = [sent.err().map(|e| e.to_string()), ended.err(), seen.err().map(|e| e.to_string())];
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    let measured = Measured::gather(&progress, &observation, totals, timeline, cpu_before_s).failed(failure);
    Ok(KafkaMeasured { measured, watched })
}

/// Sends all, and waits until it is acknowledged; an engine here is told if that is less than planned.
fn send(
    run: &KafkaRun<'_>,
    clock: &MachineClock,
    ahead: &Ahead,
    target: KafkaTarget<'_>,
    progress: &Progress,
    over: &AtomicBool,
) -> Result<(), DriveError> {
    let start_ns = target.observation.start_ns;
    let mut pacer = Pacer::new(clock, target, start_ns, progress);
    let stopped = || run.stop.load(Ordering::Relaxed) || over.load(Ordering::Relaxed);
    let sent = send_all(ahead, &mut pacer, run.plan, &stopped);
    // After a failure of the producer the rest fails too; more waiting would tell nothing new.
    let hurry = || sent.is_err() || stopped();
    let finished = pacer.target.sender.finish_unless(&hurry).map_err(|error| refused(error).into());
    if progress.sent.load(Ordering::Relaxed) < run.plan.events || finished.is_err() {
        run.engine_stop.store(true, Ordering::Relaxed);
    }
    sent.and(finished)
}

/// Runs the engine here, if there is one: what it committed, as far as it told, and how it ended.
fn run_engine(
    engine: Engine<'_>,
    committed: &AtomicU64,
    clock: MachineClock,
    observation: &Arc<Observation>,
) -> (Option<Totals>, Result<(), String>) {
    let Engine::Here(engine) = engine else { return (None, Ok(())) };
    let told = RefCell::new(Totals::default());
    let tell = |totals: Totals| {
        committed.store(totals.lanes.events_in(), Ordering::Relaxed);
        told.replace(totals);
    };
    match engine(&Onlooker { tell: &tell, clock, observation }) {
        Ok(totals) => (Some(totals), Ok(())),
        Err(error) => (Some(told.into_inner()), Err(error)),
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The input topics as a target. It is their only writer while it runs, so it knows each record's offset.
struct KafkaTarget<'a> {
    /// To the wells' and the tanks' topic.
    sender: EitherSender,
    /// The next offset of each partition.
    next: Vec<(PartitionId, i64)>,
    is_stamped: bool,
    observation: &'a Observation,
}

impl Target for KafkaTarget<'_> {
    fn send(&mut self, record: &GeneratedRecord<'_>, intended_ns: u64) -> Result<Taken, TargetError> {
        let Some((_, offset)) = self.next.iter_mut().find(|(id, _)| *id == record.partition) else {
            return Err(TargetError {
                target: "kafka",
                message: format!("{} is not there", record.partition),
            });
        };
        self.observation.times().note(record.partition, *offset, intended_ns);
        let place = (record.partition.side.index(), record.partition.number);
        let stamp_ms = self.is_stamped.then_some(record.timestamp_ms);
        let taken =
            self.sender.try_send(place, record.kafka_key(), record.value, stamp_ms).map_err(refused)?;
        *offset += i64::from(taken);
        if taken {
            return Ok(Taken::Yes);
        }
        self.sender.serve().map_err(refused)?;
        Ok(Taken::Full)
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        self.sender.serve().map_err(refused)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: KafkaError) -> TargetError {
    TargetError { target: "kafka", message: error.to_string() }
}

/// From the consumer's and the engine's start to the first intended time, ns.
const LEAD_NS: u64 = 1_000_000_000;
