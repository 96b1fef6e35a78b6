//! Sends readings at their intended times, whatever the target does: the open loop.
//!
//! Enters: blocks of records made ahead, each record with its intended time. Leaves: the records, in order,
//! each as soon as it is due and taken; how late each was (the slip). Drops: nothing. A target that takes no
//! more is waited for, and what waits keeps its intended time: a stall is charged to all that it delayed.
//!
//! ```
//! use wellstream_replay::pace::{Clock, Scripted};
//! let clock = Scripted::default();
//! clock.wait_until(1_500);
//! assert_eq!(clock.now_ns(), 1_500);
//! ```

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use wellstream_connectors::MachineClock;

use crate::generate::GeneratedRecord;
use crate::load::LoadBlock;
use crate::report::nanos_histogram;

/// A clock that can be waited on; tests script it.
pub trait Clock {
    /// Nanoseconds since an origin of its own; never goes back.
    fn now_ns(&self) -> u64;

    /// Returns at this time or as soon after it as it can.
    fn wait_until(&self, ns: u64);
}

impl Clock for MachineClock {
    fn now_ns(&self) -> u64 {
        MachineClock::now_ns(self)
    }

    /// Sleeps (`clock_nanosleep`, where there is one) until shortly before, then spins: a sleeper wakes late,
    /// by the kernel's slack and by what else runs.
    fn wait_until(&self, ns: u64) {
        loop {
            match ns.saturating_sub(MachineClock::now_ns(self)) {
                0 => return,
                left if left > SPIN_NS => self.sleep(Duration::from_nanos(left - SPIN_NS)),
                _ => std::hint::spin_loop(),
            }
        }
    }
}

/// A clock that moves when it is waited on, or told to.
#[derive(Debug, Default)]
pub struct Scripted(AtomicU64);

impl Scripted {
    /// Lets time pass.
    pub fn pass(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }
}

impl Clock for Scripted {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wait_until(&self, ns: u64) {
        self.0.fetch_max(ns, Ordering::Relaxed);
    }
}

/// Whatever takes records: partitions in memory, a Kafka producer.
pub trait Target {
    /// Takes a record that is due at `intended_ns`, or says that it can take none now: it is offered again.
    ///
    /// # Errors
    /// It can go on no more.
    fn send(&mut self, record: &GeneratedRecord<'_>, intended_ns: u64) -> Result<Taken, TargetError>;

    /// What was taken becomes visible, as far as there is room; called before each wait.
    ///
    /// # Errors
    /// It can go on no more.
    fn flush(&mut self) -> Result<(), TargetError>;
}

/// Whether a target took a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It did.
    Yes,
    /// It is full.
    Full,
}

/// Why a target can go on no more.
#[derive(Debug, thiserror::Error)]
#[error("{target}: {message}")]
pub struct TargetError {
    /// What kind of target.
    pub target: &'static str,
    /// What happened, and what helps.
    pub message: String,
}

/// A histogram that one thread fills and another takes away from time to time, with a total of what is not
/// warm-up.
#[derive(Debug)]
pub struct Recorder {
    warmup_ns: u64,
    /// Locked once per chunk by the writer, once a second by the reader.
    inner: Mutex<Recorded>,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Since it was last taken, warm-up included.
    pub interval: Histogram<u64>,
    /// Of what was intended after the warm-up.
    pub total: Histogram<u64>,
}

impl Recorder {
    /// Leaves what is intended before `warmup_ns` out of the total.
    pub fn new(warmup_ns: u64) -> Recorder {
        let inner = Recorded { interval: nanos_histogram(), total: nanos_histogram() };
        Recorder { warmup_ns, inner: Mutex::new(inner) }
    }

    /// Records samples: (intended time, latency), ns.
    pub fn record(&self, samples: impl IntoIterator<Item = (u64, u64)>) {
        let mut inner = self.lock();
        for (intended_ns, latency_ns) in samples {
            inner.interval.saturating_record(latency_ns);
            if intended_ns >= self.warmup_ns {
                inner.total.saturating_record(latency_ns);
            }
        }
    }

    /// What was recorded since the last call.
    pub fn take_interval(&self) -> Histogram<u64> {
        let empty = nanos_histogram();
        std::mem::replace(&mut self.lock().interval, empty)
    }

    /// All that was recorded, without the warm-up.
    pub fn total(&self) -> Histogram<u64> {
        self.lock().total.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a pacer tells while it works; relaxed, for those who look on.
#[derive(Debug)]
pub struct Progress {
    /// Records sent.
    pub sent: AtomicU64,
    /// When the last one was, ns after the start.
    pub last_sent_ns: AtomicU64,
    /// Actual less intended time of sending.
    pub slip: Recorder,
}

impl Progress {
    /// Nothing sent yet.
    pub fn new(warmup_ns: u64) -> Progress {
        Progress { sent: AtomicU64::new(0), last_sent_ns: AtomicU64::new(0), slip: Recorder::new(warmup_ns) }
    }
}

/// Sends blocks to one target.
#[derive(Debug)]
pub struct Pacer<'a, C, T> {
    /// Where time comes from.
    pub clock: &'a C,
    /// Where records go.
    pub target: T,
    /// The run's start on the clock.
    pub start_ns: u64,
    /// What it tells.
    pub progress: &'a Progress,
    woke_ns: u64,
    slips: Vec<(u64, u64)>,
}

/// Why sending stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// It was asked to.
    #[error("stopped")]
    Asked,
    /// The target can go on no more.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl<'a, C: Clock, T: Target> Pacer<'a, C, T> {
    /// A pacer that has sent nothing.
    pub fn new(clock: &'a C, target: T, start_ns: u64, progress: &'a Progress) -> Pacer<'a, C, T> {
        Pacer { clock, target, start_ns, progress, woke_ns: 0, slips: Vec::with_capacity(CHUNK) }
    }

    /// Sends a block's records, each when it is due. `stop` is asked between chunks.
    ///
    /// # Errors
    /// Stopped in between, or the target failed.
    pub fn send(&mut self, block: &LoadBlock, stop: &dyn Fn() -> bool) -> Result<(), Stopped> {
        // Blocks are ready before the run begins.
        self.clock.wait_until(self.start_ns);
        let mut records = block.records.records().zip(block.intended()).peekable();
        while let Some((_, due)) = records.peek() {
            if stop() {
                return Err(Stopped::Asked);
            }
            let now_ns = self.clock.now_ns() - self.start_ns;
            if let Some(due_ns) = due.filter(|due_ns| *due_ns > now_ns) {
                self.wait(due_ns)?;
                continue;
            }
            let mut is_full = false;
            while let Some((record, due)) = records.peek().filter(|_| self.slips.len() < CHUNK) {
                // Without a schedule each record is intended for the moment at which there is room for it.
                let intended_ns = due.unwrap_or(now_ns);
                if intended_ns > now_ns {
                    break;
                }
                if self.target.send(record, self.start_ns + intended_ns)? == Taken::Full {
                    is_full = true;
                    break;
                }
                self.slips.push((intended_ns, now_ns - intended_ns));
                records.next();
            }
            self.tell(now_ns);
            if is_full {
                self.target.flush()?;
                self.clock.wait_until(self.clock.now_ns() + FULL_PAUSE_NS);
            }
        }
        Ok(())
    }

    /// Waits for a time, but not shorter than a tick: at high rates waking for each record would be all the
    /// work.
    fn wait(&mut self, due_ns: u64) -> Result<(), TargetError> {
        self.target.flush()?;
        let wake_ns = due_ns.max(self.woke_ns + TICK_NS);
        self.clock.wait_until(self.start_ns + wake_ns);
        self.woke_ns = wake_ns;
        Ok(())
    }

    fn tell(&mut self, now_ns: u64) {
        if self.slips.is_empty() {
            return;
        }
        self.progress.sent.fetch_add(self.slips.len() as u64, Ordering::Relaxed);
        self.progress.last_sent_ns.store(now_ns, Ordering::Relaxed);
        self.progress.slip.record(self.slips.drain(..));
    }
}

/// Before a deadline nearer than this a sleep is not worth its wake-up.
const SPIN_NS: u64 = 60_000;
/// Records sent on one reading of the clock.
const CHUNK: usize = 128;
/// The shortest wait: part of the slip, and far below any latency of the engine, which commits each 100 ms.
const TICK_NS: u64 = 250_000;
/// Until a full target is tried again.
const FULL_PAUSE_NS: u64 = 200_000;
