//! What a run put out, gathered where it is committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::rules::JoinMode;

use crate::oracle::{CellId, Mark, Partners, RowFacts, Suspects, Tally};

/// What a run put out.
#[derive(Clone, Debug)]
pub struct Found {
    /// Rows and alarms of committed epochs.
    pub tally: Tally,
    /// In `latest`: the partner of each well.
    pub partners: Partners,
    /// Epochs that were aborted, or of whose commit nobody knows: none of their output is in the tally.
    pub epochs_dropped: u64,
}

/// Gathers what sinks commit. A clone is the same.
#[derive(Clone, Debug)]
pub struct Gathered {
    // Written by the committer's thread at each commit, read by whoever started it when it has ended.
    found: Arc<Mutex<Found>>,
    mode: JoinMode,
    suspects: Option<Arc<Suspects>>,
}

impl Gathered {
    /// Nothing yet, of a run in this mode.
    pub fn new(mode: JoinMode) -> Gathered {
        Gathered::with(mode, None)
    }

    /// The same, which also lists what suspect cells get.
    pub fn looking_at(mode: JoinMode, suspects: &Arc<Suspects>) -> Gathered {
        Gathered::with(mode, Some(Arc::clone(suspects)))
    }

    fn with(mode: JoinMode, suspects: Option<Arc<Suspects>>) -> Gathered {
        let found = Found { tally: Tally::new(mode), partners: Partners::default(), epochs_dropped: 0 };
        Gathered { found: Arc::new(Mutex::new(found)), mode, suspects }
    }

    /// Wraps a run's sink. A run that starts again from its committed offsets with a new sink wraps that one,
    /// too.
    pub fn sink<S: Sink>(&self, inner: S) -> CellSink<S> {
        let draft = match &self.suspects {
            Some(suspects) => Tally::looking_at(self.mode, Arc::clone(suspects)),
            None => Tally::new(self.mode),
        };
        CellSink {
            inner,
            gathered: self.clone(),
            draft,
            rows: Vec::new(),
            alarms: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// What was committed so far.
    pub fn take(self) -> Found {
        let mode = self.mode;
        match Arc::try_unwrap(self.found) {
            Ok(found) => found.into_inner().unwrap_or_else(PoisonError::into_inner),
            Err(shared) => {
                let mut found = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let empty =
                    Found { tally: Tally::new(mode), partners: Partners::default(), epochs_dropped: 0 };
                std::mem::replace(&mut found, empty)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds up the rows and alarms on their way to a sink; they count when that has committed them.
#[derive(Debug)]
pub struct CellSink<S> {
    inner: S,
    gathered: Gathered,
    /// The epoch in progress, and the cells that it touched.
    draft: Tally,
    rows: Vec<CellId>,
    alarms: Vec<CellId>,
    marks: Vec<Mark>,
}

impl<S> CellSink<S> {
    /// The sink that was wrapped.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn note(&mut self, output: Output<'_>) {
        match output {
            Output::Rows(batch) => {
                let is_latest = self.draft.mode() == JoinMode::Latest;
                for row in &batch.rows {
                    let row = RowFacts::from(row);
                    if let (id, true) = self.draft.add_row(&row) {
                        self.rows.push(id);
                    }
                    if is_latest {
                        self.marks.extend(Mark::of(&row));
                    }
                }
            }
            Output::Alarms(alarms) => {
                for alarm in alarms {
                    if let (id, true) = self.draft.add_alarm(alarm) {
                        self.alarms.push(id);
                    }
                }
            }
            Output::Rejects(_) => {}
        }
    }

    fn adopt(&mut self) {
        let mut found = self.gathered.lock();
        self.draft.hand_over(&self.rows, &self.alarms, &mut found.tally);
        self.marks.drain(..).for_each(|mark| found.partners.set(mark));
        drop(found);
        self.rows.clear();
        self.alarms.clear();
    }

    fn drop_draft(&mut self) {
        self.draft.forget(&self.rows, &self.alarms);
        self.rows.clear();
        self.alarms.clear();
        self.marks.clear();
    }
}

impl<S: Sink> Sink for CellSink<S> {
    fn wants(&self) -> Wants {
        Wants { only_counts: false, ..self.inner.wants() }
    }

    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.drop_draft();
        self.inner.begin(epoch)
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.note(output);
        self.inner.append(output)
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.inner.offsets(offsets)
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        let outcome = self.inner.commit()?;
        match outcome {
            CommitOutcome::Committed => self.adopt(),
            CommitOutcome::Aborted | CommitOutcome::Unknown => {
                self.drop_draft();
                self.gathered.lock().epochs_dropped += 1;
            }
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use wellstream_core::record::{Input, Row, RowBatch, Status};

    use super::*;

    struct Scripted(Vec<CommitOutcome>);

    impl Sink for Scripted {
        fn wants(&self) -> Wants {
            Wants { encoded_rows: true, rejects: false, only_counts: false }
        }
        fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
            Ok(())
        }
        fn append(&mut self, _output: Output<'_>) -> Result<(), SinkError> {
            Ok(())
        }
        fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
            Ok(())
        }
        fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
            Ok(self.0.remove(0))
        }
    }

    #[test]
    fn only_committed_epochs_count() {
        use CommitOutcome::{Aborted, Committed, Unknown};
        let gathered = Gathered::new(JoinMode::All);
        let mut sink = gathered.sink(Scripted(vec![Committed, Aborted, Unknown, Committed]));
        assert_eq!(sink.wants(), Wants { encoded_rows: true, rejects: false, only_counts: false });
        for offset in 0..4 {
            let input = Some(Input { time_ms: 1_700_000_000_000, partition: 0, offset });
            let risk = 10_u32.pow(u32::try_from(offset).unwrap());
            let (time_ms, status) = (1_700_000_000_000, Status::Alert);
            let row = Row { well: input, tank: input, time_ms, risk, status, value: 0..0, key: 0..0 };
            sink.begin(u64::from(risk)).unwrap();
            sink.append(Output::Rows(&RowBatch { rows: vec![row], ..RowBatch::default() })).unwrap();
            sink.commit().unwrap();
        }
        let found = gathered.take();
        let totals = found.tally.row_totals();
        assert_eq!((totals.rows, totals.alert_rows, totals.risk_sum), (2, 2, 1_001));
        assert_eq!(found.epochs_dropped, 2);
    }
}
