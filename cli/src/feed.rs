//! Generated readings into partitions in memory, at the wall clock's pace: the embedded source.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::embedded::{EmbeddedLog, EmbeddedWriter, Full};
use wellstream_core::record::Side;
use wellstream_replay::generate::{Block, Generator};

/// A thread that feeds a log. Ends when its readings do, or when it is dropped.
pub(crate) struct Feed {
    thread: Option<JoinHandle<()>>,
    done: Arc<AtomicBool>,
}

impl Feed {
    /// Feeds each reading when its time of sending has come, without end.
    pub(crate) fn live(generator: Generator, clock: MachineClock) -> io::Result<(EmbeddedLog, Feed)> {
        Feed::start(generator, clock, |feeder| while feeder.live_step().is_ok() {})
    }

    fn start(
        generator: Generator,
        clock: MachineClock,
        work: impl FnOnce(&mut Feeder) + Send + 'static,
    ) -> io::Result<(EmbeddedLog, Feed)> {
        let [wells, tanks] = generator.setup().partitions;
        let (log, writers) = EmbeddedLog::new(wells, tanks, LOG_BYTES_MAX);
        let done = Arc::new(AtomicBool::new(false));
        let mut feeder = Feeder {
            tanks_from: wells as usize,
            generator,
            writers,
            clock,
            done: Arc::clone(&done),
            next: 0,
            block: Block::default(),
        };
        let thread = std::thread::Builder::new().name("feed".to_owned()).spawn(move || work(&mut feeder))?;
        Ok((log, Feed { thread: Some(thread), done }))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // Set once here, read by the feeder; no other data hangs on it.
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the feeder was already printed by its thread.
            drop(thread.join());
        }
    }
}

struct Feeder {
    generator: Generator,
    writers: Vec<EmbeddedWriter>,
    tanks_from: usize,
    clock: MachineClock,
    done: Arc<AtomicBool>,
    next: u64,
    block: Block,
}

/// The feed is to end.
struct Stopped;

impl Feeder {
    /// Feeds what is due, then waits a moment.
    fn live_step(&mut self) -> Result<(), Stopped> {
        let now_ms = self.clock.wall_ms();
        let mut end = self.next;
        while end - self.next < BLOCK_EVENTS && self.generator.event(end).sent_ms <= now_ms {
            end += 1;
        }
        let is_all = end - self.next < BLOCK_EVENTS;
        self.feed(end)?;
        self.each(EmbeddedWriter::flush)?;
        if is_all {
            self.clock.park(LIVE_PAUSE);
        }
        self.check()
    }

    /// Feeds the readings from `next` to `end`.
    fn feed(&mut self, end: u64) -> Result<(), Stopped> {
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        self.generator.fill(self.next..end, |event| event.sent_ms, &mut block);
        for record in block.records() {
            let writer = match record.partition.side {
                Side::Well => record.partition.number as usize,
                Side::Tank => self.tanks_from + record.partition.number as usize,
            };
            while self.writers[writer].push(record.timestamp_ms, Some(record.key), record.value).is_err() {
                self.wait()?;
            }
        }
        self.block = block;
        self.next = end;
        Ok(())
    }

    fn each(&mut self, mut act: impl FnMut(&mut EmbeddedWriter) -> Result<(), Full>) -> Result<(), Stopped> {
        for writer in 0..self.writers.len() {
            while act(&mut self.writers[writer]).is_err() {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// The reader is behind: lets it read. What other partitions hold back may be what it waits for.
    fn wait(&mut self) -> Result<(), Stopped> {
        for writer in &mut self.writers {
            // Full is no news here.
            let _ = writer.flush();
        }
        self.clock.park(FULL_PAUSE);
        self.check()
    }

    fn check(&self) -> Result<(), Stopped> {
        if self.done.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// What the partitions in memory may hold: some 400,000 readings, and the process stays below 100 MB.
const LOG_BYTES_MAX: usize = 32 << 20;
/// Readings made in one go.
const BLOCK_EVENTS: u64 = 4_096;
/// Between two looks at the clock of a live feed.
const LIVE_PAUSE: Duration = Duration::from_millis(5);
/// Until a full partition is tried again.
const FULL_PAUSE: Duration = Duration::from_micros(200);
