//! The machine's clock: the one home of `Instant::now`, `SystemTime::now` and `sleep` (clippy.toml bans them
//! elsewhere). Everything else takes time as an argument, so that tests and the simulator can script it.

#![expect(clippy::disallowed_methods, reason = "this is the one home of the machine's clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since its start, the wall's time, and ways to wait.
///
/// ```
/// use wellstream_connectors::MachineClock;
/// let clock = MachineClock::start();
/// let before = clock.now_ns();
/// clock.sleep(std::time::Duration::from_millis(2));
/// assert!(clock.now_ns() - before >= 2_000_000);
/// assert!(clock.wall_ms() > 1_700_000_000_000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MachineClock {
    start: Instant,
}

impl MachineClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn start() -> MachineClock {
        MachineClock { start: Instant::now() }
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The wall's time, epoch ms. It may jump; nothing that decides results reads it.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// CPU time of all threads of this process so far, ns.
    #[cfg(feature = "sabotage")]
    pub(crate) fn process_cpu_ns(&self) -> u64 {
        cpu_ns(rustix::time::ClockId::ProcessCPUTime)
    }

    /// CPU time of the calling thread so far, ns.
    #[cfg(feature = "sabotage")]
    pub(crate) fn thread_cpu_ns(&self) -> u64 {
        cpu_ns(rustix::time::ClockId::ThreadCPUTime)
    }

    /// Sleeps.
    pub fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Waits until the thread is unparked, at most this long.
    pub fn park(&self, time_max: Duration) {
        std::thread::park_timeout(time_max);
    }
}

impl Default for MachineClock {
    fn default() -> Self {
        MachineClock::start()
    }
}

#[cfg(feature = "sabotage")]
fn cpu_ns(id: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(id);
    let part = |part: i64, ns: u64| u64::try_from(part).unwrap_or(0) * ns;
    part(time.tv_sec, 1_000_000_000) + part(time.tv_nsec, 1)
}

impl wellstream_wire::clock::Clock for MachineClock {
    fn now_ns(&self) -> u64 {
        MachineClock::now_ns(self)
    }

    fn pause(&self, time: Duration) {
        self.sleep(time);
    }
}

/// A point of monotonic time until which something is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
}

impl Deadline {
    /// This long from now.
    pub fn after(time: Duration) -> Deadline {
        Deadline { at: Instant::now() + time }
    }

    /// What is left, zero once it has passed.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// Lets one event through per interval and counts the others: warnings about a broker that is away.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    last: Option<Instant>,
    held_back: u64,
}

impl RateLimit {
    /// At most one event per interval.
    pub fn new(interval: Duration) -> RateLimit {
        RateLimit { interval, last: None, held_back: 0 }
    }

    /// `Some(how many were held back since the last one)` if this event may pass.
    pub fn pass(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < self.interval) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_passes_the_first_and_counts_the_rest() {
        let mut limit = RateLimit::new(Duration::from_millis(30));
        assert_eq!(limit.pass(), Some(0));
        assert_eq!(limit.pass(), None);
        assert_eq!(limit.pass(), None);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(limit.pass(), Some(2));
    }

    #[test]
    fn a_deadline_passes() {
        let deadline = Deadline::after(Duration::from_millis(10));
        assert!(!deadline.passed());
        std::thread::sleep(Duration::from_millis(15));
        assert!(deadline.passed() && deadline.left().is_zero());
    }
}
