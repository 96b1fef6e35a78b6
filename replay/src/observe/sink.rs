//! A sink that measures: rows are visible when the epoch that holds them is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::record::{Input, PartitionId, Record};

use super::IntendedTimes;
use crate::pace::{Clock, Recorder};

/// What is observed of a run; shared with whoever looks on.
#[derive(Debug)]
pub struct Observation {
    /// Intended time to taken by the engine here: one sample for each batch, of its first record.
    pub broker_in: Recorder,
    /// Intended time to visible.
    pub end_to_end: Recorder,
    /// Rows that should have been sampled, but whose inputs' times are no longer known.
    pub unmeasured: AtomicU64,
    /// When the last row became visible, ns on the run's clock; 0 before that.
    pub last_visible_ns: AtomicU64,
    /// The run's start on its clock, ns.
    pub start_ns: u64,
    times: IntendedTimes,
    sample: usize,
}

impl Observation {
    /// Of one row in `sample`.
    pub fn new(times: IntendedTimes, sample: usize, start_ns: u64, warmup_ns: u64) -> Observation {
        Observation {
            broker_in: Recorder::new(warmup_ns),
            end_to_end: Recorder::new(warmup_ns),
            unmeasured: AtomicU64::new(0),
            last_visible_ns: AtomicU64::new(0),
            start_ns,
            times,
            sample: sample.max(1),
        }
    }

    /// One row in so many is measured.
    pub fn sample(&self) -> usize {
        self.sample
    }

    /// A lane of the engine here took these records from the front of what it was shown at `now_ns` on the
    /// run's clock.
    pub fn taken(&self, now_ns: u64, partition: PartitionId, records: &[Record<'_>]) {
        if let Some(ns) = self.times.of_first_taken(partition, records) {
            self.broker_in.record([self.sample_of(ns, now_ns)]);
        }
    }

    /// The intended time of a row that is to be measured, ns on the run's clock; one that is not known is
    /// counted.
    pub fn intended_of(&self, well: Option<Input>, tank: Option<Input>) -> Option<u64> {
        let intended_ns = self.times.of_inputs(well, tank);
        if intended_ns.is_none() {
            self.unmeasured.fetch_add(1, Ordering::Relaxed);
        }
        intended_ns
    }

    /// Rows became visible: the sampled ones are told by their intended times, ns on the run's clock.
    pub fn visible(&self, now_ns: u64, intended: impl Iterator<Item = u64>) {
        self.last_visible_ns.store(now_ns, Ordering::Relaxed);
        self.end_to_end.record(intended.map(|ns| self.sample_of(ns, now_ns)));
    }

    /// What was intended for a time, and is done now: since the start, and how late.
    fn sample_of(&self, intended_ns: u64, now_ns: u64) -> (u64, u64) {
        (intended_ns.saturating_sub(self.start_ns), now_ns.saturating_sub(intended_ns))
    }

    /// Where the sender notes intended times, ns on the run's clock.
    pub fn times(&self) -> &IntendedTimes {
        &self.times
    }
}

/// Passes everything on, and measures the rows of committed epochs.
#[derive(Debug)]
pub struct ObservedSink<K, C> {
    sink: K,
    clock: C,
    observation: Arc<Observation>,
    /// Intended times of the epoch's sampled rows.
    pending: Vec<u64>,
    has_rows: bool,
    /// Rows until the next one that is sampled.
    skip: usize,
}

impl<K, C> ObservedSink<K, C> {
    /// Around a sink.
    pub fn new(sink: K, clock: C, observation: Arc<Observation>) -> ObservedSink<K, C> {
        ObservedSink { sink, clock, observation, pending: Vec::new(), has_rows: false, skip: 0 }
    }
}

impl<K: Sink, C: Clock + Send> Sink for ObservedSink<K, C> {
    fn wants(&self) -> Wants {
        Wants { only_counts: false, ..self.sink.wants() }
    }

    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.pending.clear();
        self.has_rows = false;
        self.sink.begin(epoch)
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        if let Output::Rows(batch) = output {
            self.has_rows |= !batch.rows.is_empty();
            let mut at = self.skip;
            while let Some(row) = batch.rows.get(at) {
                self.pending.extend(self.observation.intended_of(row.well, row.tank));
                at += self.observation.sample;
            }
            self.skip = at - batch.rows.len();
        }
        self.sink.append(output)
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.sink.offsets(offsets)
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        let outcome = self.sink.commit()?;
        if outcome == CommitOutcome::Committed && self.has_rows {
            self.observation.visible(self.clock.now_ns(), self.pending.drain(..));
        }
        self.pending.clear();
        Ok(outcome)
    }
}
