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

use std::ops::Range;
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

/// What was recorded: each sample once, in one of three.
#[derive(Clone, Debug)]
struct Recorded {
    /// Warm-up, since it was last taken.
    early: Histogram<u64>,
    /// What was intended after the warm-up, since it was last taken.
    recent: Histogram<u64>,
    /// The same before that.
    older: Histogram<u64>,
}

impl Recorder {
    /// Leaves what is intended before `warmup_ns` out of the total.
    pub fn new(warmup_ns: u64) -> Recorder {
        let [early, recent, older] = std::array::from_fn(|_| nanos_histogram());
        Recorder { warmup_ns, inner: Mutex::new(Recorded { early, recent, older }) }
    }

    /// Records samples: (intended time, latency), ns.
    pub fn record(&self, samples: impl IntoIterator<Item = (u64, u64)>) {
        self.record_many(samples.into_iter().map(|(intended_ns, latency_ns)| (intended_ns, latency_ns, 1)));
    }

    /// Records samples, each of which stands for as many as it says.
    pub fn record_many(&self, samples: impl IntoIterator<Item = (u64, u64, u64)>) {
        let mut inner = self.lock();
        for (intended_ns, latency_ns, count) in samples {
            let is_early = intended_ns < self.warmup_ns;
            let histogram = if is_early { &mut inner.early } else { &mut inner.recent };
            histogram.saturating_record_n(latency_ns, count);
        }
    }

    /// What was recorded since the last call, warm-up included.
    pub fn take_interval(&self) -> Histogram<u64> {
        let (mut taken, empty) = (nanos_histogram(), nanos_histogram());
        let mut inner = self.lock();
        std::mem::swap(&mut taken, &mut inner.recent);
        add(&mut inner.older, &taken);
        let early = std::mem::replace(&mut inner.early, empty);
        drop(inner);
        add(&mut taken, &early);
        taken
    }

    /// All that was recorded, without the warm-up.
    pub fn total(&self) -> Histogram<u64> {
        let inner = self.lock();
        let mut total = inner.older.clone();
        add(&mut total, &inner.recent);
        total
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    let added = to.add(from);
    assert!(added.is_ok(), "histograms of one kind have room for one another");
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
        Pacer { clock, target, start_ns, progress, woke_ns: 0 }
    }

    /// Sends a block's records, each when it is due. `stop` is asked between chunks.
    ///
    /// # Errors
    /// Stopped in between, or the target failed.
    pub fn send(&mut self, block: &LoadBlock, stop: &dyn Fn() -> bool) -> Result<(), Stopped> {
        // Blocks are ready before the run begins.
        self.clock.wait_until(self.start_ns);
        let mut next = 0;
        while next < block.records.len() {
            if stop() {
                return Err(Stopped::Asked);
            }
            let now_ns = self.clock.now_ns() - self.start_ns;
            let end = block.records.len().min(next + CHUNK);
            // Without a schedule each record is due as soon as there is room for it.
            let due = block.due_ns.get(next..end).unwrap_or_default();
            let ready = due.iter().position(|due_ns| *due_ns > now_ns).map_or(end, |ready| next + ready);
            if ready == next {
                self.wait(due[0])?;
                continue;
            }
            let sent = self.send_ready(block, next..ready, now_ns)?;
            next += sent;
            if next < ready {
                self.target.flush()?;
                self.clock.wait_until(self.clock.now_ns() + FULL_PAUSE_NS);
            }
        }
        Ok(())
    }

    /// Sends records that are due, as many as are taken.
    fn send_ready(
        &mut self,
        block: &LoadBlock,
        ready: Range<usize>,
        now_ns: u64,
    ) -> Result<usize, TargetError> {
        let due = block.due_ns.get(ready.clone()).unwrap_or_default();
        let mut intended_ns = due.iter().copied();
        let mut sent = 0;
        for record in block.records.part(ready) {
            let intended_ns = intended_ns.next().unwrap_or(now_ns);
            if self.target.send(&record, self.start_ns + intended_ns)? == Taken::Full {
                break;
            }
            sent += 1;
        }
        self.tell(due.get(..sent).unwrap_or_default(), sent as u64, now_ns);
        Ok(sent)
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

    /// Tells that `sent` records were sent, and how late they were if they had been `due`.
    fn tell(&self, mut due: &[u64], sent: u64, now_ns: u64) {
        if sent == 0 {
            return;
        }
        self.progress.sent.fetch_add(sent, Ordering::Relaxed);
        self.progress.last_sent_ns.store(now_ns, Ordering::Relaxed);
        if due.is_empty() {
            return self.progress.slip.record_many([(now_ns, 0, sent)]);
        }
        self.progress.slip.record_many(std::iter::from_fn(|| {
            let first_ns = *due.first()?;
            let near = due.iter().take_while(|due_ns| due_ns.saturating_sub(first_ns) < RUN_NS).count();
            due = &due[near..];
            Some((first_ns, now_ns - first_ns, near as u64))
        }));
    }
}

/// Before a deadline nearer than this a sleep is not worth its wake-up.
const SPIN_NS: u64 = 60_000;
/// Records sent on one reading of the clock.
const CHUNK: usize = 128;
/// The shortest wait: part of the slip, and far below any latency of the engine, which commits each 100 ms.
const TICK_NS: u64 = 250_000;
/// Records that are due within this, one behind the other, are told with the slip of the first, which is the
/// largest: too much by less than this.
const RUN_NS: u64 = 1_000;
/// Until a full target is tried again.
const FULL_PAUSE_NS: u64 = 200_000;
