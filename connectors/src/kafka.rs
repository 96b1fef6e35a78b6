//! Kafka through librdkafka: the only place where rdkafka's types live.
//!
//! Clients poll by themselves on the engine's threads (`BaseConsumer`, manual assignment): no group protocol,
//! no callback threads. Records are taken in batches from per-partition queues, never from the consumer's own
//! queue, where a batch call that meets a rebalance event forces an unassign. Every wait has a bound; a
//! broker that is away is retried inside and reported, rate-limited, with what to do.

pub mod settings;
mod context;
mod error;
mod batch;
pub mod topics;
pub mod offsets;
pub mod read;
pub mod start;
pub mod source;
mod quarantine;
pub(crate) mod patience;
pub(crate) mod producer;
mod transaction;
pub mod delivery;
pub mod sink;
pub mod quarantined;
pub mod capture;

pub use error::KafkaError;
pub use settings::{KafkaSettings, TopicNames};
