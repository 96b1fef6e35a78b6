//! Several sinks as one. One of them is the truth: its commit decides, and it commits last, so that what it
//! holds
//! is also in the others. A follower that is ahead of a truth that aborted sees the epoch's rows again; they
//! carry
//! their row ids, so its reader can drop the repeats.

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};

/// Followers and the truth.
pub struct FanoutSink {
    followers: Vec<Box<dyn Sink>>,
    truth: Box<dyn Sink>,
}

impl FanoutSink {
    /// `truth` decides the outcome of each epoch; the followers are written before it.
    #[must_use]
    pub fn new(followers: Vec<Box<dyn Sink>>, truth: Box<dyn Sink>) -> FanoutSink {
        FanoutSink { followers, truth }
    }

    /// From here on another sink decides: the one before came to no end that is known.
    pub fn set_truth(&mut self, truth: Box<dyn Sink>) {
        self.truth = truth;
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Sink) -> Result<(), SinkError>) -> Result<(), SinkError> {
        for follower in &mut self.followers {
            act(follower.as_mut())?;
        }
        act(self.truth.as_mut())
    }
}

impl Sink for FanoutSink {
    fn wants(&self) -> Wants {
        self.followers.iter().fold(self.truth.wants(), |wants, sink| wants.union(sink.wants()))
    }

    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        self.each(|sink| sink.begin(epoch))
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.each(|sink| sink.append(output))
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.each(|sink| sink.offsets(offsets))
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        for follower in &mut self.followers {
            // A follower that did not get its part ends the epoch before the truth commits it.
            match follower.commit()? {
                CommitOutcome::Committed => {}
                other => return Ok(other),
            }
        }
        self.truth.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Probe {
        name: &'static str,
        log: Arc<Mutex<Vec<String>>>,
        outcome: CommitOutcome,
    }

    impl Probe {
        fn note(&self, what: &str) {
            self.log.lock().unwrap().push(format!("{} {what}", self.name));
        }
    }

    impl Sink for Probe {
        fn wants(&self) -> Wants {
            Wants { encoded_rows: self.name == "truth", rejects: self.name == "file", only_counts: false }
        }
        fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
            self.note(&format!("begin {epoch}"));
            Ok(())
        }
        fn append(&mut self, _output: Output<'_>) -> Result<(), SinkError> {
            self.note("append");
            Ok(())
        }
        fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
            self.note("offsets");
            Ok(())
        }
        fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
            self.note("commit");
            Ok(self.outcome)
        }
    }

    #[test]
    fn the_truth_commits_last_and_decides() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let probe = |name, outcome| Box::new(Probe { name, log: Arc::clone(&log), outcome }) as Box<dyn Sink>;
        let mut sink = FanoutSink::new(
            vec![probe("file", CommitOutcome::Committed)],
            probe("truth", CommitOutcome::Aborted),
        );
        assert_eq!(sink.wants(), Wants { encoded_rows: true, rejects: true, only_counts: false });
        sink.begin(4).unwrap();
        sink.append(Output::Alarms(&[])).unwrap();
        sink.offsets(&EpochOffsets::default()).unwrap();
        assert_eq!(sink.commit().unwrap(), CommitOutcome::Aborted);
        let expected = [
            "file begin 4",
            "truth begin 4",
            "file append",
            "truth append",
            "file offsets",
            "truth offsets",
            "file commit",
            "truth commit",
        ];
        assert_eq!(*log.lock().unwrap(), expected);
    }
}
