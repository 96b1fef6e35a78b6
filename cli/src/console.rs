//! The console: a table of the newest rows each 5 s, alerts in colour as they come.
//!
//! Enters: every row and alarm, in the committer's thread. Leaves: at most some 40 lines a second on the
//! terminal, in a thread of its own: a terminal that is slow or stopped never holds the engine. Drops: what
//! does not fit on a screen; counts are exact all the same.

mod board;
mod printer;
mod text;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use wellstream_connectors::MachineClock;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};

use board::Board;
pub(crate) use text::{ALERT, age, clean, per_s, thousands, utc};

/// Which stream the table goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error: standard output belongs to the summary.
    Error,
}

/// The printing half: stays with the command while the sink goes to the engine.
pub(crate) struct Console {
    printer: JoinHandle<io::Result<()>>,
    done: Arc<AtomicBool>,
}

impl Console {
    /// Starts printing. A closed stream raises `stop`: nobody is left to read.
    pub(crate) fn start(
        stream: Stream,
        clock: MachineClock,
        stop: Arc<AtomicBool>,
    ) -> io::Result<(ConsoleSink, Console)> {
        let board = Arc::new(Mutex::new(Board::default()));
        let done = Arc::new(AtomicBool::new(false));
        let sink = ConsoleSink { board: Arc::clone(&board) };
        let printer = std::thread::Builder::new().name("console".to_owned()).spawn({
            let done = Arc::clone(&done);
            move || {
                let result = printer::print(stream, &board, clock, &done);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result
            }
        })?;
        Ok((sink, Console { printer, done }))
    }

    /// Prints what is left and ends.
    pub(crate) fn finish(self) -> io::Result<()> {
        // Set once here, read by the printer; no other data hangs on it.
        self.done.store(true, Ordering::Relaxed);
        self.printer.thread().unpark();
        self.printer.join().unwrap_or_else(|_| Err(io::Error::other("the console's thread panicked")))
    }
}

/// The engine's half: notes what is worth showing.
pub(crate) struct ConsoleSink {
    board: Arc<Mutex<Board>>,
}

impl Sink for ConsoleSink {
    fn wants(&self) -> Wants {
        Wants { encoded_rows: true, rejects: false, only_counts: false }
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let mut board = lock(&self.board);
        match output {
            Output::Rows(batch) => board.rows(batch),
            Output::Alarms(alarms) => board.alarms(alarms),
            Output::Rejects(_) => {}
        }
        Ok(())
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        lock(&self.board).offsets(offsets);
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        Ok(CommitOutcome::Committed)
    }
}

/// The board holds counts and copies, valid at every moment: a panic of the other thread leaves it usable.
fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
