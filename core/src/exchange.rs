//! From lanes to shards: a facility lives in exactly one shard, its readings lie in every partition.
//!
//! Enters: accepted readings, partition clocks, marks of a cut. Leaves: the same, per shard, in the lane's
//! order, in batches over bounded lock-free queues. Drops nothing, and no push blocks.
//!
//! ```
//! use wellstream_core::exchange::{self, Batch};
//! let (mut lane, mut shard) = exchange::queue(1);
//! assert!(lane.push(Batch::default()).is_ok());
//! assert!(lane.push(Batch::default()).is_err(), "full: the duty cycle comes back later");
//! assert!(shard.pop().is_some() && shard.pop().is_none());
//! ```

mod batch;
mod queue;
mod short_ids;
mod dictionary;

pub use batch::{Batch, Mark, PartReading, PartitionTail, Tail};
pub use dictionary::{Dictionary, Expected, Route, place};
pub use queue::{Receiver, Sender, queue};
pub use short_ids::{ShortIds, ShortKey, short_key};
