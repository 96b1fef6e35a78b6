//! The sink that wants nothing: `--sink count` without brokers. The engine counts rows anyway.

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};

/// Takes everything, keeps how many epochs were committed.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountSink {
    epochs: u64,
}

impl CountSink {
    /// How many epochs were committed.
    #[must_use]
    pub fn epochs(&self) -> u64 {
        self.epochs
    }
}

impl Sink for CountSink {
    fn wants(&self) -> Wants {
        Wants { only_counts: true, ..Wants::default() }
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
        self.epochs += 1;
        Ok(CommitOutcome::Committed)
    }
}
