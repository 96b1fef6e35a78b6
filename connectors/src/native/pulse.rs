//! Whether this process has stood still: stopped by a signal, or frozen with its machine.
//!
//! Enters: the time, again and again, from a thread that does nothing else. Leaves: for how long in all it
//! was not there to look. Drops: naps shorter than a second, which a busy machine has, too.
//!
//! A producer whose transaction was ended by others asks for it: whoever stood still has been replaced;
//! whoever was only slow, or had nothing to put out, has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use wellstream_wire::clock::Clock;

use crate::MachineClock;
use crate::kafka::KafkaError;

/// A clock that knows how long the process has stood still.
#[derive(Clone, Debug)]
pub(super) struct PulseClock {
    clock: MachineClock,
    pulse: Arc<Pulse>,
}

#[derive(Debug, Default)]
struct Pulse {
    /// When the thread looked last, ns. Written by the thread (release), read by whoever asks (acquire): who
    /// sees a look also sees the sleep that was noticed by it.
    looked_ns: AtomicU64,
    /// All sleep that was noticed, ns. Written by the thread, before the look.
    slept_ns: AtomicU64,
}

impl PulseClock {
    /// A clock whose time begins now. Its thread ends with the last copy of it.
    pub(super) fn start() -> Result<PulseClock, KafkaError> {
        let (clock, pulse) = (MachineClock::start(), Arc::new(Pulse::default()));
        let watched = Arc::downgrade(&pulse);
        let watch = move || {
            while let Some(pulse) = watched.upgrade() {
                pulse.look(clock.now_ns());
                drop(pulse);
                clock.sleep(BEAT);
            }
        };
        let spawned = thread::Builder::new().name("pulse".to_owned()).spawn(watch);
        spawned.map_err(|error| KafkaError::Request {
            request: "starting a thread".to_owned(),
            reason: error.to_string(),
            retry: false,
        })?;
        Ok(PulseClock { clock, pulse })
    }

    /// The wall's time, epoch ms.
    pub(super) fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }
}

impl Clock for PulseClock {
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn pause(&self, time: Duration) {
        self.clock.sleep(time);
    }

    fn slept_ns(&self) -> u64 {
        self.pulse.slept_ns(self.clock.now_ns())
    }
}

impl Pulse {
    fn look(&self, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.looked_ns.load(Ordering::Relaxed));
        self.slept_ns.fetch_add(nap_ns(since_ns), Ordering::Relaxed);
        self.looked_ns.store(now_ns, Ordering::Release);
    }

    /// With the sleep that the thread has not woken up from. Asked while it wakes up, that may count twice.
    fn slept_ns(&self, now_ns: u64) -> u64 {
        let since_ns = now_ns.saturating_sub(self.looked_ns.load(Ordering::Acquire));
        self.slept_ns.load(Ordering::Relaxed) + nap_ns(since_ns)
    }
}

fn nap_ns(since_ns: u64) -> u64 {
    if since_ns >= NAP_NS { since_ns } else { 0 }
}

/// Between two looks.
const BEAT: Duration = Duration::from_millis(200);
/// What is too long for a thread that is only not served at once.
const NAP_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_counts_from_the_moment_on_that_it_is_over_and_only_once_behind_it() {
        let (pulse, s) = (Pulse::default(), NAP_NS);
        for tenth in 0..100 {
            pulse.look(tenth * s / 10);
            assert_eq!(pulse.slept_ns((tenth + 5) * s / 10), 0);
        }
        // Asked before the thread has looked again, and behind that.
        assert_eq!(pulse.slept_ns(20 * s), 101 * s / 10);
        pulse.look(20 * s);
        assert_eq!(pulse.slept_ns(20 * s + 1), 101 * s / 10);
        pulse.look(25 * s);
        assert_eq!(pulse.slept_ns(25 * s), 151 * s / 10);
    }

    #[test]
    fn the_thread_looks_and_ends_with_its_clock() {
        let clock = PulseClock::start().unwrap();
        while clock.pulse.looked_ns.load(Ordering::Relaxed) == 0 {
            clock.pause(BEAT);
        }
        let (pulse, rest) = (Arc::downgrade(&clock.pulse), clock.clock);
        drop(clock);
        while pulse.upgrade().is_some() {
            rest.sleep(BEAT);
        }
    }
}
