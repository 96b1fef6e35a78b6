//! Records made ahead of their sending, so that making them is never what is measured.
//!
//! Enters: a scenario's generator or a trace, and a schedule. Leaves: blocks of records with their intended
//! times, through a bounded queue. Drops: nothing; blocks come back and are filled again.

mod generated;
mod recording;
mod recorded;
mod rebase;
mod passes;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use wellstream_connectors::MachineClock;

use crate::generate::Block;

pub use generated::{GeneratedLoad, Stamp};
pub use passes::Pass;
pub use recorded::{RecordedLoad, RecordedPace};
pub use recording::{Extent, RecordedSchemas, Recording, RecordingError};

/// Records and when each is to be sent.
#[derive(Clone, Debug, Default)]
pub struct LoadBlock {
    /// The records, in the order of sending.
    pub records: Block,
    /// Their intended times, ns after the start, in order; empty where they go as fast as they are taken.
    pub due_ns: Vec<u64>,
}

impl LoadBlock {
    /// The intended time of each record; `None` without a schedule.
    pub fn intended(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        let unscheduled = if self.due_ns.is_empty() { self.records.len() } else { 0 };
        self.due_ns.iter().copied().map(Some).chain(std::iter::repeat_n(None, unscheduled))
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.due_ns.clear();
    }
}

/// What fills blocks.
pub trait Load: Send {
    /// Fills an empty block with the next records, some thousand. Leaves it empty at the end.
    ///
    /// # Errors
    /// The trace cannot be read on.
    fn fill(&mut self, block: &mut LoadBlock) -> Result<(), LoadError>;
}

impl Load for Box<dyn Load> {
    fn fill(&mut self, block: &mut LoadBlock) -> Result<(), LoadError> {
        (**self).fill(block)
    }
}

/// Why a load cannot go on. No retry helps.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// A thread that fills blocks ahead. Ends with the load, or when it is dropped.
#[derive(Debug)]
pub struct Ahead {
    shared: Arc<Shared>,
    clock: MachineClock,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    full: ArrayQueue<Result<LoadBlock, LoadError>>,
    empty: ArrayQueue<LoadBlock>,
    /// Set once by the filler, behind its last block (release); read by the taker (acquire).
    ended: AtomicBool,
    /// Set once by the taker; the filler may see it a block later.
    dropped: AtomicBool,
}

impl Ahead {
    /// Starts filling.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(mut load: impl Load + 'static, clock: MachineClock) -> io::Result<Ahead> {
        let shared = Arc::new(Shared {
            full: ArrayQueue::new(BLOCKS_AHEAD),
            empty: ArrayQueue::new(BLOCKS_AHEAD + 1),
            ended: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
        });
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.fill(&mut load, clock)
        })?;
        Ok(Ahead { shared, clock, thread: Some(thread) })
    }

    /// Waits until so many blocks are ready, or all there are.
    pub fn wait_until_ready(&self) {
        while self.shared.full.len() < BLOCKS_AHEAD / 2 && !self.shared.ended.load(Ordering::Acquire) {
            self.clock.park(PAUSE);
        }
    }

    /// The next block; `None` at the end, or when `stop` says so.
    ///
    /// # Errors
    /// The load's.
    pub fn next(&self, stop: &dyn Fn() -> bool) -> Result<Option<LoadBlock>, LoadError> {
        loop {
            // Looked at before the queue: what was pushed before the end was told is then found there.
            let ended = self.shared.ended.load(Ordering::Acquire);
            if let Some(block) = self.shared.full.pop() {
                return block.map(Some);
            }
            if ended || stop() {
                return Ok(None);
            }
            self.clock.park(PAUSE);
        }
    }

    /// A block that was sent, to be filled again.
    pub fn give_back(&self, mut block: LoadBlock) {
        block.clear();
        // A full return queue means that there are enough.
        drop(self.shared.empty.push(block));
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.dropped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the filler was already printed by its thread.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn fill(&self, load: &mut dyn Load, clock: MachineClock) {
        loop {
            let mut block = self.empty.pop().unwrap_or_default();
            let filled = load.fill(&mut block);
            let is_last = filled.is_err() || block.records.is_empty();
            let mut item = filled.map(|()| block);
            if item.is_err() || !is_last {
                while let Err(kept) = self.full.push(item) {
                    if self.dropped.load(Ordering::Relaxed) {
                        return;
                    }
                    item = kept;
                    clock.park(PAUSE);
                }
            }
            if is_last {
                self.ended.store(true, Ordering::Release);
                return;
            }
        }
    }
}

/// Blocks made ahead: with 4,096 readings of 150 bytes each some 20 MB, and an eighth of a second at 1M/s.
const BLOCKS_AHEAD: usize = 32;
/// Between two looks at a queue that is empty or full: a block lasts longer at any rate.
const PAUSE: Duration = Duration::from_micros(300);
