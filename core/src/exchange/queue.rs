//! The queue between one lane and one shard: bounded, lock-free, with the emptied batches going back the same
//! way, so that the steady state allocates nothing.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::Batch;

/// Makes a queue of `batches` places.
pub fn queue(batches: usize) -> (Sender, Receiver) {
    let full = Arc::new(ArrayQueue::new(batches));
    // One more, for the batch that the lane is filling.
    let empty = Arc::new(ArrayQueue::new(batches + 1));
    (Sender { full: Arc::clone(&full), empty: Arc::clone(&empty) }, Receiver { full, empty })
}

/// The lane's end.
#[derive(Debug)]
pub struct Sender {
    full: Arc<ArrayQueue<Batch>>,
    empty: Arc<ArrayQueue<Batch>>,
}

impl Sender {
    /// Passes a batch on.
    ///
    /// # Errors
    /// Gives the batch back if the queue is full: the caller keeps it and returns to its duty cycle.
    #[expect(
        clippy::result_large_err,
        reason = "the batch itself comes back, nothing is lost or copied to the heap"
    )]
    pub fn push(&mut self, batch: Batch) -> Result<(), Batch> {
        self.full.push(batch)
    }

    /// An empty batch, with memory from earlier ones where there is some.
    pub fn empty_batch(&mut self) -> Batch {
        self.empty.pop().unwrap_or_default()
    }
}

/// The shard's end.
#[derive(Debug)]
pub struct Receiver {
    full: Arc<ArrayQueue<Batch>>,
    empty: Arc<ArrayQueue<Batch>>,
}

impl Receiver {
    /// The next batch, if there is one.
    pub fn pop(&mut self) -> Option<Batch> {
        self.full.pop()
    }

    /// Gives an emptied batch back.
    pub fn give_back(&mut self, mut batch: Batch) {
        batch.clear();
        // A full return queue means that the lane has enough: the batch is freed.
        drop(self.empty.push(batch));
    }

    /// Batches waiting.
    pub fn len(&self) -> usize {
        self.full.len()
    }

    /// Nothing waiting.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty()
    }
}
