//! Looks on while a run goes on: the run over time, and what is told to whoever waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wellstream_connectors::MachineClock;

use super::Plan;
use crate::observe::Observation;
use crate::pace::Progress;
use crate::process;
use crate::report::{Interval, Sample, Timeline};
use crate::schedule::{Schedule, Times};

/// How far a run is.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Seconds since its start.
    pub at_s: f64,
    /// Readings to send in all.
    pub events: u64,
    /// Readings sent.
    pub sent: u64,
    /// Readings per second, in the last interval.
    pub rate_per_s: f64,
    /// Due or sent, and not yet committed.
    pub backlog: u64,
    /// End to end in the last interval, ns: p50, p99, p99.9.
    pub end_to_end_ns: [Option<u64>; 3],
}

/// What it needs to look on.
pub(super) struct Looker<'a> {
    clock: &'a MachineClock,
    progress: &'a Progress,
    observation: &'a Observation,
    times: Option<std::iter::Peekable<Times>>,
    plan: Plan,
    /// Readings committed, as the engine tells, or all where nobody can tell; relaxed, a little stale.
    committed: std::sync::Arc<AtomicU64>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(
        clock: &'a MachineClock,
        progress: &'a Progress,
        observation: &'a Observation,
        schedule: Option<&Schedule>,
        plan: Plan,
    ) -> Looker<'a> {
        let times = schedule.map(|schedule| schedule.times().peekable());
        let committed = std::sync::Arc::new(AtomicU64::new(0));
        Looker { clock, progress, observation, times, plan, committed }
    }

    /// Where the engine tells how many readings it has committed.
    pub(super) fn committed(&self) -> std::sync::Arc<AtomicU64> {
        std::sync::Arc::clone(&self.committed)
    }

    /// Until the run is over; then the run over time.
    pub(super) fn look_on(
        mut self,
        over: &AtomicBool,
        look: &mut (dyn FnMut(&Look) + Send),
    ) -> Vec<Interval> {
        let mut timeline = Timeline::new();
        let start_ns = self.observation.start_ns;
        let (mut offered, mut sent, mut from_ns) = (0, 0, 0);
        loop {
            let until_ns = from_ns + INTERVAL_NS;
            let mut is_over = false;
            while self.clock.now_ns() < start_ns + until_ns && !is_over {
                self.clock.park(LOOK_PAUSE);
                is_over = over.load(Ordering::Relaxed);
            }
            let now_ns = self.clock.now_ns().saturating_sub(start_ns).max(from_ns + 1);
            let due = self.offered_until(now_ns);
            let sent_now = self.progress.sent.load(Ordering::Relaxed);
            let end_to_end = self.observation.end_to_end.take_interval();
            let slip = self.progress.slip.take_interval();
            let committed = if is_over { sent_now } else { self.committed.load(Ordering::Relaxed) };
            let backlog = due
                .map_or(sent_now, |more| (offered + more).max(sent_now))
                .saturating_sub(committed.min(sent_now));
            let span_s = (now_ns - from_ns) as f64 / 1e9;
            timeline.push(&Sample {
                at_s: from_ns as f64 / 1e9,
                span_s,
                offered: due,
                achieved: sent_now - sent,
                backlog,
                rss_bytes: process::rss_bytes(),
                end_to_end_ns: &end_to_end,
                slip_ns: &slip,
            });
            let told = |quantile| crate::report::percentile(&end_to_end, quantile);
            look(&Look {
                at_s: now_ns as f64 / 1e9,
                events: self.plan.events,
                sent: sent_now,
                rate_per_s: (sent_now - sent) as f64 / span_s,
                backlog,
                end_to_end_ns: [crate::report::P50, crate::report::P99, crate::report::P99_9].map(told),
            });
            offered += due.unwrap_or(0);
            (sent, from_ns) = (sent_now, now_ns);
            if is_over {
                return timeline.finish();
            }
        }
    }

    /// How many readings became due since the last call.
    fn offered_until(&mut self, now_ns: u64) -> Option<u64> {
        let times = self.times.as_mut()?;
        let mut due = 0;
        while times.next_if(|due_ns| *due_ns < now_ns).is_some() {
            due += 1;
        }
        Some(due)
    }
}

/// Length of an interval, ns.
const INTERVAL_NS: u64 = 1_000_000_000;
/// Between two looks at whether the run is over.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
