//! Time as an argument: nothing in this crate reads the machine's clock, or sleeps by itself.

use std::time::Duration;

/// Monotonic time, and a way to let some pass. Whoever uses the crate has one.
pub trait Clock: Send + Sync {
    /// Nanoseconds since a fixed point.
    fn now_ns(&self) -> u64;

    /// Waits this long; a scripted clock moves on by it.
    fn pause(&self, time: Duration);

    /// Nanoseconds for which the whole process has stood still so far (stopped, frozen with its machine), as
    /// far as anybody has noticed. Whoever stood still may have been replaced meanwhile.
    fn slept_ns(&self) -> u64 {
        0
    }
}

/// What is left until `until_ns`, zero once it has passed.
pub(crate) fn left(clock: &dyn Clock, until_ns: u64) -> Duration {
    Duration::from_nanos(until_ns.saturating_sub(clock.now_ns()))
}

/// The point of time this long from now.
pub(crate) fn until(clock: &dyn Clock, time: Duration) -> u64 {
    clock.now_ns().saturating_add(nanoseconds(time))
}

/// A span in nanoseconds.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
