//! From the first fetch to the last row: the span that a bounded run is measured by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wellstream_connectors::MachineClock;
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, Output, Polled, Sink, SinkError, Source, SourceError, Wants,
};
use wellstream_core::record::{PartitionId, Record};

/// Notes when the first record was fetched and when the last row was committed. A clone is the same
/// stopwatch.
#[derive(Clone)]
pub(crate) struct Stopwatch {
    clock: MachineClock,
    times: Arc<Times>,
}

struct Times {
    /// Nanoseconds; `u64::MAX` before the first record. All lanes lower it, the command reads it when they
    /// have ended, so relaxed.
    first: AtomicU64,
    /// Nanoseconds; 0 before the first row. Written by the committer, read when it has ended, so relaxed.
    last: AtomicU64,
}

impl Stopwatch {
    /// A stopwatch that has not seen anything.
    pub(crate) fn new(clock: MachineClock) -> Stopwatch {
        Stopwatch {
            clock,
            times: Arc::new(Times { first: AtomicU64::new(u64::MAX), last: AtomicU64::new(0) }),
        }
    }

    /// Seconds from the first record to the last row; to now where there was no row; zero without a record.
    pub(crate) fn elapsed_s(&self) -> f64 {
        let first = self.times.first.load(Ordering::Relaxed);
        if first == u64::MAX {
            return 0.0;
        }
        let last = match self.times.last.load(Ordering::Relaxed) {
            0 => self.clock.now_ns(),
            last => last,
        };
        last.saturating_sub(first) as f64 / 1e9
    }

    /// A source that starts the watch.
    pub(crate) fn source<S: Source>(&self, source: S) -> TimedSource<S> {
        TimedSource { source, watch: self.clone(), is_started: false }
    }

    /// A sink that stops it, again and again.
    pub(crate) fn sink<K: Sink>(&self, sink: K) -> TimedSink<K> {
        TimedSink { sink, watch: self.clone(), has_rows: false }
    }
}

/// A source whose first record starts the watch.
pub(crate) struct TimedSource<S> {
    source: S,
    watch: Stopwatch,
    is_started: bool,
}

impl<S: Source> Source for TimedSource<S> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        if self.is_started {
            return self.source.poll(partition, records_max, visit);
        }
        let before = self.watch.clock.now_ns();
        let polled = self.source.poll(partition, records_max, visit)?;
        if polled.taken > 0 {
            self.is_started = true;
            self.watch.times.first.fetch_min(before, Ordering::Relaxed);
        }
        Ok(polled)
    }

    fn end(&self, partition: PartitionId) -> Option<i64> {
        self.source.end(partition)
    }
}

/// A sink whose commits of rows stop the watch.
pub(crate) struct TimedSink<K> {
    sink: K,
    watch: Stopwatch,
    has_rows: bool,
}

impl<K> TimedSink<K> {
    /// The sink that is watched.
    pub(crate) fn sink_mut(&mut self) -> &mut K {
        &mut self.sink
    }
}

impl<K: Sink> Sink for TimedSink<K> {
    fn wants(&self) -> Wants {
        self.sink.wants()
    }

    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.has_rows = false;
        self.sink.begin(epoch)
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.has_rows |= matches!(output, Output::Rows(_));
        self.sink.append(output)
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.sink.offsets(offsets)
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        let outcome = self.sink.commit()?;
        if self.has_rows && outcome == CommitOutcome::Committed {
            self.watch.times.last.store(self.watch.clock.now_ns(), Ordering::Relaxed);
        }
        Ok(outcome)
    }
}
