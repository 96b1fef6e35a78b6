//! A request of which one at a time is under way, with the pauses between its attempts.

use std::time::Duration;

use super::settings::{ProduceSettings, ns};

/// The one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) ticket: Option<u64>,
    /// The last error code that was answered, 0 for none, or where the last answer did not come.
    pub(super) last_code: i16,
    pauses: Pauses,
}

impl Slot {
    /// Whether a request may go out.
    pub(super) fn is_free(&self, now_ns: u64) -> bool {
        self.ticket.is_none() && self.pauses.over(now_ns)
    }

    /// When its pause is over.
    pub(super) fn until_ns(&self) -> u64 {
        self.pauses.until_ns()
    }

    /// It was answered, or will not be; with `again`, the next attempt waits.
    pub(super) fn free(&mut self, code: i16, again: bool, now_ns: u64, settings: &ProduceSettings) {
        (self.ticket, self.last_code) = (None, code);
        if again { self.pauses.next(now_ns, settings) } else { self.pauses = Pauses::default() }
    }
}

/// Pauses that double.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pauses {
    until_ns: u64,
    taken: u32,
}

impl Pauses {
    pub(super) fn over(&self, now_ns: u64) -> bool {
        now_ns >= self.until_ns
    }

    pub(super) fn until_ns(&self) -> u64 {
        self.until_ns
    }

    /// One pause.
    pub(super) fn after(now_ns: u64, pause: Duration) -> Pauses {
        Pauses { until_ns: now_ns.saturating_add(ns(pause)), taken: 0 }
    }

    pub(super) fn next(&mut self, now_ns: u64, settings: &ProduceSettings) {
        let first_ns = ns(settings.retry_pause_min).max(1);
        let pause_ns = first_ns.saturating_mul(1 << self.taken.min(20));
        self.until_ns = now_ns.saturating_add(pause_ns.min(ns(settings.retry_pause_max)));
        self.taken += 1;
    }
}
