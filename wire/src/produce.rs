//! Produce: records to their partitions, idempotent or in transactions, straight on the socket.
//!
//! Enters: records (key, value, headers, time), and the offsets that a transaction commits with them. Leaves:
//! batches on the leaders, each once and in the order of its partition; how a transaction ended. Drops:
//! nothing silently: a batch that cannot be delivered in time is an error, and its transaction is aborted.
//!
//! [`ProducerState`] decides everything and does no I/O: it hands out [`Call`]s and is told what came of
//! them.
//! [`Producer`] carries them over connections.
//!
//! Rules: KIP-98 (idempotence, transactions), KIP-360 and KIP-679 (recovery, acks all), KIP-447 (offsets with
//! the group's metadata), KIP-890 (the broker's feature `transaction.version` 2: an epoch for each
//! transaction).
//!
//! ```
//! use wellstream_wire::produce::partition_of;
//! // Where a Java client puts the key, too.
//! assert_eq!(partition_of(b"foobar", 3), 0);
//! ```

mod partitioner;
mod verdict;
mod error;
mod call;
mod settings;
mod queue;
mod slot;
mod transaction;
mod record;
mod state;
mod upkeep;
mod send;
mod codec;
mod client;
mod blocking;

pub use call::{Answer, Call, GroupOffsets, OffsetPlace, ProducerIdentity, Request, Target};
pub use client::Producer;
pub use error::ProduceError;
pub use partitioner::partition_of;
pub use record::{OwnRecord, RefusedRecord};
pub use settings::ProduceSettings;
pub use state::{Appended, Phase, ProducerState};
pub use transaction::End;
pub use verdict::Api;
