//! Threads: one per lane and shard, one for the committer. The core's duty cycles say how much they did; here
//! is decided how to wait when that was nothing.
//!
//! Enters: a wired engine, a source for each lane, the sink. Leaves: what was committed, and how the run
//! ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wellstream_core::decode::Schemas;
use wellstream_core::engine::{
    EngineError, EngineSettings, Follower, Lane, Progress, Resume, Shard, Shared, Sink, Source, SourceError,
    Wired, wire,
};
use wellstream_core::record::PartitionId;
use wellstream_core::telemetry::Totals;
use wellstream_core::time::Now;

use crate::MachineClock;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At the end of its input, or on request: all that was to be committed is.
    Finished,
    /// An epoch was aborted, or nobody knows: fetch the committed offsets and run again.
    Restart,
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Report<K> {
    /// What it committed.
    pub totals: Totals,
    /// How it ended.
    pub ending: Ending,
    /// The sink.
    pub sink: K,
}

/// What the run is to watch, and who watches it.
pub struct Control<'a> {
    /// Set from outside (a signal): lanes stop reading, the last epoch is committed, the run ends.
    pub stop: &'a AtomicBool,
    /// Stop by itself after this time.
    pub duration: Option<Duration>,
    /// Follows the commits; with one, the engine tells what is newest.
    pub follower: Option<&'a mut dyn Follower>,
    /// Called from the committer's thread some times a second, with what is committed so far.
    pub observe: &'a mut dyn FnMut(&Totals, &Shared),
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("stop", self.stop)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// Runs an engine from `resume` on, until it is stopped or its bounded input ends. `source` gives each lane a
/// source of its partitions, starting at the given offsets.
///
/// # Errors
/// A source or the sink cannot go on; a thread could not be made.
pub fn run<S: Source, K: Sink>(
    settings: &EngineSettings,
    resume: &Resume,
    schemas: Arc<dyn Schemas>,
    mut source: impl FnMut(&[(PartitionId, i64)]) -> Result<S, SourceError>,
    sink: K,
    control: Control<'_>,
) -> Result<Report<K>, EngineError> {
    let settings = &EngineSettings { tells_news: control.follower.is_some(), ..settings.clone() };
    let Wired { lanes, shards, committer, shared } = wire(settings, resume, schemas, sink.wants());
    let mut seated = Vec::new();
    for seat in lanes {
        let source = source(&seat.starts()).map_err(EngineError::Source)?;
        seated.push(seat.with(source));
    }
    let mut workers: Vec<Worker<S>> = Vec::new();
    let mut lanes = seated.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    let mut shards = shards.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    for _ in 0..settings.lanes.max(settings.shards) {
        let (lane, shard) = (lanes.next().flatten(), shards.next().flatten());
        if lane.is_some() || shard.is_some() {
            workers.push(Worker { lane, shard });
        }
    }
    let mut committer = committer.with(sink);
    let clock = MachineClock::start();
    let link = Link { over: AtomicBool::new(false), failed: Mutex::new(None) };
    let ended = thread::scope(|scope| {
        // Whatever happens on this thread, the workers must see it and end.
        let _over = Over(&link.over);
        for (index, worker) in workers.iter_mut().enumerate() {
            let name = format!("worker-{index}");
            let (link, clock) = (&link, &clock);
            let spawned = thread::Builder::new().name(name).spawn_scoped(scope, move || {
                let _over = Over(&link.over);
                if settings.pin {
                    crate::pin::pin(index);
                }
                worker.work(clock, link);
            });
            if let Err(error) = spawned {
                return Err(EngineError::Thread(error.to_string()));
            }
        }
        commit(&mut committer, &clock, &link, &shared, control)
    });
    committer.settle(now(&clock));
    let failed = link.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ending = match (failed, ended) {
        (Some(error), _) | (None, Err(error)) => return Err(error),
        (None, Ok(ending)) => ending,
    };
    let totals = Totals { stages: shared.stage_times(), ..committer.totals().clone() };
    Ok(Report { totals, ending, sink: committer.into_sink() })
}

/// The committer's loop, on the caller's thread.
fn commit<K: Sink>(
    committer: &mut wellstream_core::engine::Committer<K>,
    clock: &MachineClock,
    link: &Link,
    shared: &Shared,
    control: Control<'_>,
) -> Result<Ending, EngineError> {
    let Control { stop, duration, mut follower, observe } = control;
    // A batch comes every few hundred microseconds: who waits for it awake takes a core's time from the
    // workers, and a commit's interval is a thousand times as long.
    let mut idle = Idle::asleep();
    let mut observed_ms = 0;
    let mut watchdog = Watchdog::default();
    let mut asked_ms = None;
    loop {
        let now = now(clock);
        if stop.load(Ordering::Relaxed) || duration.is_some_and(|duration| clock.elapsed() >= duration) {
            let waited_ms = now.mono_ms() - *asked_ms.get_or_insert(now.mono_ms());
            if shared.is_rebuilt() || waited_ms >= REBUILD_WAIT_MS_MAX {
                shared.stop();
            }
        }
        if link.over.load(Ordering::Acquire) {
            // A worker failed; its error is in the link. (It panicked if it is not, and the scope passes that
            // on.)
            return Ok(Ending::Finished);
        }
        if watchdog.is_stalled(now.mono_ms(), shared) {
            tracing::warn!(
                "no record came for {} s although there are some: a client may be stuck",
                STALL_MS_MAX / 1_000
            );
            return Ok(Ending::Restart);
        }
        let polled = match follower.as_deref_mut() {
            Some(follower) => committer.poll_followed(now, follower),
            None => committer.poll(now),
        };
        match polled? {
            Progress::Working(done) => idle.after(done, clock),
            Progress::Finished => return Ok(Ending::Finished),
            Progress::Restart => return Ok(Ending::Restart),
        }
        if now.mono_ms() - observed_ms >= OBSERVE_MS {
            observed_ms = now.mono_ms();
            observe(committer.totals(), shared);
        }
    }
}

/// Notices that nothing is read although there is something to read: a client that a broker's restart has
/// left stuck says nothing.
#[derive(Debug, Default)]
struct Watchdog {
    progress: u64,
    /// When it last rose, or when there was nothing to read.
    since_ms: i64,
    looked_ms: i64,
}

impl Watchdog {
    fn is_stalled(&mut self, now_ms: i64, shared: &Shared) -> bool {
        let progress = shared.progress();
        // A committer that was held up by its sink has held the lanes up, too.
        let was_away = now_ms - self.looked_ms > AWAY_MS;
        if progress != self.progress || was_away || !shared.has_unread() || shared.stopping() {
            self.since_ms = now_ms;
        }
        (self.progress, self.looked_ms) = (progress, now_ms);
        now_ms - self.since_ms >= STALL_MS_MAX
    }
}

/// A lane and a shard that share a thread: the shard is served first, so that a full queue always empties.
#[derive(Debug)]
struct Worker<S> {
    lane: Option<Lane<S>>,
    shard: Option<Shard>,
}

impl<S: Source> Worker<S> {
    fn work(&mut self, clock: &MachineClock, link: &Link) {
        let mut idle = Idle::default();
        while !link.over.load(Ordering::Acquire) {
            let mut done = 0;
            let mut began = now(clock);
            if let Some(shard) = &mut self.shard {
                done = shard.poll(began);
                let ended = now(clock);
                if done > 0 {
                    shard.worked(ended.mono_ns - began.mono_ns);
                }
                began = ended;
            }
            if let Some(lane) = &mut self.lane {
                match lane.poll(began) {
                    Ok(taken) => {
                        done += taken;
                        if taken > 0 {
                            lane.worked(now(clock).mono_ns - began.mono_ns);
                        }
                    }
                    Err(error) => {
                        let mut failed = link.failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(error);
                        return;
                    }
                }
            }
            #[cfg(feature = "sabotage")]
            if done > 0 {
                crate::burden::bear(clock);
            }
            idle.after(done, clock);
        }
    }
}

/// What ties the threads of a run together.
struct Link {
    /// Set (release) by whoever ends first, read (acquire) by all in every cycle.
    over: AtomicBool,
    failed: Mutex<Option<EngineError>>,
}

/// Ends the run for all when its thread leaves, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// How a thread with nothing to do waits: it spins a little, then sleeps for longer and longer.
#[derive(Debug, Default)]
struct Idle {
    nothing: u32,
    /// What `nothing` begins with.
    first: u32,
}

impl Idle {
    /// Sleeps at once, 100 µs first.
    fn asleep() -> Idle {
        Idle { nothing: YIELDS, first: YIELDS }
    }

    fn after(&mut self, done: usize, clock: &MachineClock) {
        if done > 0 {
            self.nothing = self.first;
            return;
        }
        self.nothing += 1;
        match self.nothing {
            ..SPINS => std::hint::spin_loop(),
            SPINS..YIELDS => thread::yield_now(),
            _ => {
                let doubled = SLEEP_US_MIN << (self.nothing - YIELDS).min(SLEEP_DOUBLINGS);
                clock.park(Duration::from_micros(doubled));
            }
        }
    }
}

fn now(clock: &MachineClock) -> Now {
    Now { mono_ns: i64::try_from(clock.now_ns()).unwrap_or(i64::MAX), wall_ms: clock.wall_ms() }
}

/// Cycles of nothing that only spin: some 100 ns each, as long as a batch takes to cross.
const SPINS: u32 = 32;
/// Cycles of nothing before the thread sleeps.
const YIELDS: u32 = 40;
/// The first sleep, µs.
const SLEEP_US_MIN: u64 = 50;
/// 50 µs doubled five times is 1.6 ms: the longest sleep, and what it adds to a latency at most.
const SLEEP_DOUBLINGS: u32 = 5;
/// How long a rebuild may delay the end of a run that is asked to stop, ms: nothing is committed before it is
/// done, and rows that were put out meanwhile would come again with the next run.
const REBUILD_WAIT_MS_MAX: i64 = 10_000;
/// Records that wait for so long without one being read, ms: longer than a broker takes to restart.
const STALL_MS_MAX: i64 = 60_000;
/// A committer that was not here for so long was held up, ms.
const AWAY_MS: i64 = 1_000;
/// How often the observer is called, ms.
const OBSERVE_MS: i64 = 250;
