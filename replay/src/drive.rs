//! A measured run: a load sent on schedule into the engine, and what came of it.
//!
//! Enters: a load with its schedule, the engine's settings. Leaves: what was sent and when, what came out and
//! when. It measures; whether the figures may be used is decided in `outcome`.

mod memory;
mod kafka;
mod watch;
mod looker;

use std::sync::atomic::Ordering;

use hdrhistogram::Histogram;
use wellstream_core::telemetry::Totals;

use crate::observe::Observation;
use crate::pace::Progress;
use crate::process;
use crate::report::Interval;

pub use kafka::{Engine, EngineHere, KafkaMeasured, KafkaRun, Onlooker, bases, run_on_kafka};
pub use looker::Look;
pub use memory::{DriveError, MemoryRun, MemoryTarget, run_in_memory};
pub use watch::{Watch, Watched};

/// What a run is, whatever its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Readings to send.
    pub events: u64,
    /// Mean rate of the schedule, per second; `None` without one.
    pub rate_per_s: Option<f64>,
    /// What is intended before this is left out of the histograms, ns after the start.
    pub warmup_ns: u64,
    /// One row in so many is measured.
    pub sample: usize,
    /// Sending ends when a reading is this late: a search need not see more. ns.
    pub give_up_slip_ns: Option<u64>,
}

impl Plan {
    /// One row in so many is measured at this rate: all of them where that costs nothing.
    pub fn sample_for(rate_per_s: Option<f64>) -> usize {
        match rate_per_s {
            Some(rate) if rate <= 50_000.0 => 1,
            Some(rate) if rate <= 200_000.0 => 4,
            _ => 16,
        }
    }
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Readings sent.
    pub sent: u64,
    /// From the start to the last one's sending, ns.
    pub sending_ns: u64,
    /// From the start to the last row's becoming visible, ns; the sending's end where there was no row.
    pub elapsed_ns: u64,
    /// Everything sent was read and committed.
    pub drained: bool,
    /// What the engine committed.
    pub totals: Totals,
    /// Intended time to taken by a lane of the engine here, without the warm-up, ns; empty where it is not
    /// here.
    pub broker_in: Histogram<u64>,
    /// Intended time to visible, without the warm-up, ns.
    pub end_to_end: Histogram<u64>,
    /// Actual less intended time of sending, without the warm-up, ns.
    pub slip: Histogram<u64>,
    /// The run over time.
    pub timeline: Vec<Interval>,
    /// Sampled rows whose inputs' times were no longer known.
    pub unmeasured: u64,
    /// User and system time that the process took for this run, seconds.
    pub cpu_s: f64,
    /// Why it ended before its time: what could not go on, in words. All else is as of then.
    pub failure: Option<String>,
}

impl Measured {
    /// What was noted in a run. `totals` are the engine's, where it ran here.
    fn gather(
        progress: &Progress,
        observation: &Observation,
        totals: Option<Totals>,
        timeline: Vec<Interval>,
        cpu_before_s: f64,
    ) -> Measured {
        let sent = progress.sent.load(Ordering::Relaxed);
        let sending_ns = progress.last_sent_ns.load(Ordering::Relaxed);
        let visible_ns =
            observation.last_visible_ns.load(Ordering::Relaxed).saturating_sub(observation.start_ns);
        Measured {
            sent,
            sending_ns,
            elapsed_ns: visible_ns.max(sending_ns),
            drained: totals.as_ref().is_none_or(|totals| totals.lanes.events_in() == sent),
            totals: totals.unwrap_or_default(),
            broker_in: observation.broker_in.total(),
            end_to_end: observation.end_to_end.total(),
            slip: progress.slip.total(),
            timeline,
            unmeasured: observation.unmeasured.load(Ordering::Relaxed),
            cpu_s: process::cpu_s() - cpu_before_s,
            failure: None,
        }
    }

    /// The run could not go on.
    fn failed(mut self, failure: Option<String>) -> Measured {
        self.drained &= failure.is_none();
        self.failure = failure;
        self
    }

    /// Readings per second: sent, where there was a schedule to keep, else sent and put out.
    pub fn achieved_per_s(&self, plan: &Plan) -> f64 {
        match plan.rate_per_s {
            // The last reading's turn ends one gap after it is due.
            Some(rate) => self.sent as f64 / (self.sending_ns as f64 / 1e9 + 1.0 / rate),
            None => self.sent as f64 * 1e9 / self.elapsed_ns.max(1) as f64,
        }
    }
}
