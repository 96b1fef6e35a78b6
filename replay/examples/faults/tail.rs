//! A reader of the topic of rows who stands at its end all the time: when did a process's first row come?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::source::KafkaSource;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::machine_clock::Deadline;
use wellstream_core::engine::Source;
use wellstream_core::record::{PartitionId, Record, Side};
use wellstream_replay::faults::{Api, Direction, Faults};

use super::Failed;
use super::world::{PARTITIONS, World};

/// Reads committed rows as they come, until it is dropped.
#[derive(Debug)]
pub(crate) struct Tail {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    watch: Mutex<Watch>,
    seen: Condvar,
    // Raised by the drop, read by the thread; it says nothing of other memory.
    stop: AtomicBool,
}

/// Which row is waited for, and when it came.
#[derive(Debug, Default)]
struct Watch {
    written_ms_min: i64,
    first: Option<First>,
}

/// The first row that a process wrote and a reader of committed records has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    /// On the clock.
    pub(crate) at_ns: u64,
    /// What had been fetched through the proxy until then, ever, bytes.
    pub(crate) fetched: u64,
}

impl Tail {
    /// Begins at the start of the topic.
    pub(crate) fn start(world: &World) -> Result<Tail, Failed> {
        let shared = Arc::new(Shared::default());
        let reader = Reader {
            shared: Arc::clone(&shared),
            settings: world.settings(),
            // The source knows two topics: ours stands for the wells'.
            names: TopicNames { wells: world.names.enriched.clone(), ..world.names.clone() },
            faults: world.proxy.faults(),
            clock: world.clock,
        };
        let thread = std::thread::Builder::new().name("tail".to_owned()).spawn(move || reader.run())?;
        Ok(Tail { shared, thread: Some(thread) })
    }

    /// From now on rows count that were written at this time of the wall's clock or later.
    pub(crate) fn watch(&self, written_ms_min: i64) {
        *self.lock() = Watch { written_ms_min, first: None };
    }

    /// Waits for the first one.
    pub(crate) fn first(&self, time_max: Duration) -> Option<First> {
        let deadline = Deadline::after(time_max);
        let mut watch = self.lock();
        while watch.first.is_none() && !deadline.passed() {
            let woken = self.shared.seen.wait_timeout(watch, deadline.left());
            watch = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        watch.first
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.shared.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reader that panicked has told so itself.
            drop(thread.join());
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    settings: KafkaSettings,
    names: TopicNames,
    faults: Faults,
    clock: MachineClock,
}

impl Reader {
    /// A broker that goes away for long breaks a source: a new one goes on where it was.
    fn run(self) {
        let mut places: Vec<(PartitionId, i64)> =
            (0..PARTITIONS).map(|number| (PartitionId { side: Side::Well, number }, 0)).collect();
        while !self.shared.stop.load(Ordering::Relaxed) {
            match KafkaSource::open(&self.settings, &self.names, &places, places.len()) {
                Ok(source) => self.read(source, &mut places),
                Err(_) => self.clock.sleep(Duration::from_secs(1)),
            }
        }
    }

    fn read(&self, mut source: KafkaSource, places: &mut [(PartitionId, i64)]) {
        let mut quiet = Deadline::after(QUIET_TIME_MAX);
        // Seen: behind a new leader epoch of the same broker a source stays quiet for good.
        while !self.shared.stop.load(Ordering::Relaxed) && !quiet.passed() {
            let mut taken = 0;
            for (partition, next) in places.iter_mut() {
                let polled = source.poll(*partition, 10_000, &mut |records| self.note(records));
                let Ok(polled) = polled else { return };
                taken += polled.taken;
                *next = polled.offset_next.unwrap_or(*next);
            }
            match taken {
                0 => self.clock.sleep(Duration::from_millis(1)),
                _ => quiet = Deadline::after(QUIET_TIME_MAX),
            }
        }
    }

    fn note(&self, records: &[Record<'_>]) -> usize {
        let newest = records.iter().map(|record| record.timestamp_ms).max().unwrap_or(i64::MIN);
        let mut watch = self.shared.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.first.is_none() && newest >= watch.written_ms_min {
            let fetched = self.faults.bytes(Api::FETCH, Direction::Reply);
            watch.first = Some(First { at_ns: self.clock.now_ns(), fetched });
            self.shared.seen.notify_all();
        }
        records.len()
    }
}

/// After that a reader begins anew where it was: rows come more often, unless the engine is down.
const QUIET_TIME_MAX: Duration = Duration::from_secs(10);
