//! To Kafka, and from there: records go to the input topics at their times; what a read-committed consumer of
//! the output topics sees is what came out. The engine may run in this process or anywhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::quarantined::Sender;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::telemetry::Totals;

use super::looker::{Look, Looker};
use super::memory::{DriveError, send_all};
use super::watch::{Watch, Watched};
use super::{Measured, Plan};
use crate::generate::GeneratedRecord;
use crate::load::{Ahead, Load};
use crate::observe::{IntendedTimes, Observation};
use crate::pace::{Pacer, Progress, Taken, Target, TargetError};
use crate::process;
use crate::schedule::Schedule;

/// Where a run's records go, and where its results come from.
pub struct KafkaRun<'a> {
    /// The brokers.
    pub connection: &'a Connection,
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

/// Runs an engine; hears whom to tell how many readings it has committed.
pub type EngineHere<'e> = dyn FnMut(&dyn Fn(u64)) -> Result<Totals, String> + 'e;

/// How a run on Kafka gets its results.
pub enum Engine<'e> {
    /// Nobody watches: records are sent, and that is all.
    Nobody,
    /// Runs on a thread of this process until it has read everything, or is told to stop; tells how many
    /// readings it has committed.
    Here(&'e mut EngineHere<'e>),
    /// Runs elsewhere.
    External,
}

/// Sends a load, and watches what comes out. `watch` was started before anything is sent.
///
/// # Errors
/// The load, the producer, the engine here or the watching consumer cannot go on.
pub fn run_on_kafka(
    run: KafkaRun<'_>,
    bases: &[(PartitionId, i64)],
    load: impl Load + 'static,
    watch: Option<Watch>,
    engine: Engine<'_>,
    look: &mut (dyn FnMut(&Look) + Send),
) -> Result<KafkaMeasured, DriveError> {
    let KafkaRun { connection, names, partitions, open_records, plan, schedule, is_stamped, .. } = run;
    let KafkaRun { stop, engine_stop, .. } = run;
    let (clock, cpu_before_s) = (MachineClock::start(), process::cpu_s());
    let sender = Sender::open(connection).map_err(refused)?;
    let ahead = Ahead::start(load, clock)?;
    ahead.wait_until_ready();
    let start_ns = clock.now_ns() + LEAD_NS;
    let times = IntendedTimes::new(partitions, open_records);
    let observation = Arc::new(Observation::new(times, plan.sample, start_ns, plan.warmup_ns));
    let progress = Progress::new(plan.warmup_ns);
    let (over, sent_all) = (AtomicBool::new(false), AtomicBool::new(false));
    let looker = Looker::new(&clock, &progress, &observation, schedule, plan);
    let committed = looker.committed();
    let is_here = matches!(engine, Engine::Here(_));
    if !is_here {
        // Nobody tells: the backlog is what is due and not sent.
        committed.store(u64::MAX, Ordering::Relaxed);
    }
    let engine_done = AtomicBool::new(!is_here);
    let (sent, watched, timeline, totals) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let topics = [names.wells.as_str(), names.tanks.as_str()];
            let (next, observation) = (bases.to_vec(), &*observation);
            let target = KafkaTarget { sender, topics, next, is_stamped, observation };
            let mut pacer = Pacer::new(&clock, target, start_ns, &progress);
            let stopped = || stop.load(Ordering::Relaxed) || over.load(Ordering::Relaxed);
            let sent = send_all(&ahead, &mut pacer, plan, &stopped);
            let Pacer { target, .. } = pacer;
            let finished = target.sender.finish().map_err(|error| DriveError::from(refused(error)));
            if progress.sent.load(Ordering::Relaxed) < plan.events || finished.is_err() {
                engine_stop.store(true, Ordering::Relaxed);
            }
            sent_all.store(true, Ordering::Release);
            sent.and(finished)
        });
        let looking = scope.spawn(|| looker.look_on(&over, look));
        let watching = watch.map(|watch| {
            let (observation, engine_done, sent_all) = (&observation, &engine_done, &sent_all);
            scope.spawn(move || {
                let is_done = || sent_all.load(Ordering::Acquire) && engine_done.load(Ordering::Acquire);
                watch.go(&clock, observation, &is_done, is_here)
            })
        });
        let totals = match engine {
            Engine::Here(engine) => {
                let totals = engine(&|events| committed.store(events, Ordering::Relaxed));
                engine_done.store(true, Ordering::Release);
                if totals.is_err() {
                    over.store(true, Ordering::Relaxed);
                }
                totals.map(Some).map_err(DriveError::Here)
            }
            Engine::Nobody | Engine::External => Ok(None),
        };
        let sent = sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let watched =
            watching.map(|watching| watching.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        committed.store(progress.sent.load(Ordering::Relaxed), Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        let timeline = looking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sent, watched, timeline, totals)
    });
    let totals = totals?;
    sent?;
    let watched = watched.transpose().map_err(refused)?;
    let measured = Measured::gather(&progress, &observation, totals, timeline, cpu_before_s);
    Ok(KafkaMeasured { measured, watched })
}

/// The input topics as a target. It is their only writer while it runs, so it knows each record's offset.
struct KafkaTarget<'a> {
    sender: Sender,
    topics: [&'a str; 2],
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
        let place = (self.topics[record.partition.side.index()], record.partition.number);
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
