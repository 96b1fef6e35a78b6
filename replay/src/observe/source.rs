//! A source that measures: how long after its intended time a reading was taken by the engine's lane. Before
//! that it was late, or with the broker; behind that the engine has it.

use std::sync::Arc;

use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record};

use super::Observation;
use crate::pace::Clock;

/// Passes everything on, and measures the first record of each batch that is taken.
#[derive(Debug)]
pub struct ObservedSource<S, C> {
    source: S,
    /// None where nobody measures.
    eye: Option<(C, Arc<Observation>)>,
}

impl<S, C> ObservedSource<S, C> {
    /// Around a source.
    pub fn new(source: S, clock: C, observation: Arc<Observation>) -> ObservedSource<S, C> {
        ObservedSource { source, eye: Some((clock, observation)) }
    }

    /// Around a source that nobody measures: so that the engine is built once, not once for each kind of run.
    pub fn unseen(source: S) -> ObservedSource<S, C> {
        ObservedSource { source, eye: None }
    }
}

impl<S: Source, C: Clock + Send> Source for ObservedSource<S, C> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        let Some((clock, observation)) = &self.eye else {
            return self.source.poll(partition, records_max, visit);
        };
        self.source.poll(partition, records_max, &mut |records| {
            // Taken when it is shown: what the lane then does is its own time.
            let now_ns = clock.now_ns();
            let taken = visit(records);
            // What it leaves is shown again.
            observation.taken(now_ns, partition, &records[..taken]);
            taken
        })
    }

    fn end(&self, partition: PartitionId) -> Option<i64> {
        self.source.end(partition)
    }
}

#[cfg(test)]
mod tests {
    use wellstream_core::record::Side;

    use super::*;
    use crate::observe::IntendedTimes;
    use crate::pace::Scripted;

    const WELLS: PartitionId = PartitionId { side: Side::Well, number: 0 };

    /// Shows records from an offset on, and those that were left again.
    struct From(i64);

    impl Source for From {
        fn poll(
            &mut self,
            _: PartitionId,
            records_max: usize,
            visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
        ) -> Result<Polled, SourceError> {
            let record = |offset| Record { offset, timestamp_ms: 0, key: None, value: None };
            let shown: Vec<_> = (self.0..).take(records_max).map(record).collect();
            let taken = visit(&shown);
            self.0 += taken.cast_signed() as i64;
            Ok(Polled { taken, offset_next: Some(self.0), log_end: None })
        }

        fn end(&self, _: PartitionId) -> Option<i64> {
            Some(77)
        }
    }

    /// Each record is due at 1 us times its offset.
    fn observation(warmup_ns: u64) -> Arc<Observation> {
        let times = IntendedTimes::new([1, 1], 64);
        (0..64).for_each(|offset| times.note(WELLS, offset, 1_000 * offset.unsigned_abs()));
        Arc::new(Observation::new(times, 1, 0, warmup_ns))
    }

    #[test]
    fn the_first_record_of_what_is_taken_is_measured_once() {
        let observed = observation(0);
        let clock = Scripted::default();
        clock.pass(100_000);
        let mut source = ObservedSource::new(From(10), clock, Arc::clone(&observed));
        // Shown and left, shown and partly taken, then the rest of it, a microsecond later each time.
        for (shown, takes) in [(8, 0), (8, 5), (8, 8)] {
            let polled = source.poll(WELLS, shown, &mut |_| takes).unwrap();
            assert_eq!(polled.taken, takes);
            source.eye.as_ref().unwrap().0.pass(1_000);
        }
        let samples: Vec<_> =
            observed.broker_in.total().iter_recorded().map(|v| v.value_iterated_to()).collect();
        // Record 10 at 101 us, record 15 at 102 us.
        let near = |ns: u64, right: u64| ns.abs_diff(right) * 1_000 <= right;
        assert!(samples.len() == 2 && near(samples[0], 87_000) && near(samples[1], 91_000), "{samples:?}");
        // An engine that starts again reads from its last commit on: only what is new counts.
        let mut again = ObservedSource::new(From(0), Scripted::default(), Arc::clone(&observed));
        again.poll(WELLS, 20, &mut |records| records.len()).unwrap();
        assert_eq!(observed.broker_in.total().len(), 2, "0 to 19 had been taken, in part before the run");
        again.eye.as_ref().unwrap().0.pass(500_000);
        again.poll(WELLS, 20, &mut |records| records.len()).unwrap();
        let most = observed.broker_in.total().max();
        assert!(
            observed.broker_in.total().len() == 3 && near(most, 500_000 - 23_000),
            "of record 23: {most}"
        );
    }

    #[test]
    fn the_warm_up_is_left_out_and_nothing_else_is_changed() {
        let observed = observation(20_000);
        let mut source = ObservedSource::new(From(18), Scripted::default(), Arc::clone(&observed));
        for _ in 0..4 {
            source.poll(WELLS, 1, &mut |records| records.len()).unwrap();
        }
        assert_eq!(observed.broker_in.total().len(), 2, "18 and 19 are warm-up");
        assert_eq!(source.end(WELLS), Some(77));
        let mut unseen = ObservedSource::<_, Scripted>::unseen(From(30));
        unseen.poll(WELLS, 3, &mut |records| records.len()).unwrap();
        assert_eq!((observed.broker_in.total().len(), unseen.end(WELLS)), (2, Some(77)));
    }
}
