//! What touches the world: Kafka, the schema registry, files, partitions in memory, the machine's clock.
//!
//! `wellstream-core` asks for two things, a [`Source`](wellstream_core::engine::Source) of borrowed records
//! and a [`Sink`](wellstream_core::engine::Sink) of epochs; everything here is one of the two, or serves
//! them. The modules stand in the order of the flow: the clock, where records come from, how their schemas
//! are found, where results go.

pub mod limits;
pub mod machine_clock;
mod scratch;
pub mod embedded;
pub mod registry;
mod outgoing;
pub mod kafka;
pub mod native;
pub mod jsonl;
pub mod count;
pub mod fanout;
pub mod redis;
mod pin;
pub mod runtime;
#[cfg(feature = "sabotage")]
mod burden;

#[cfg(feature = "sabotage")]
pub use burden::set_burden;
pub use machine_clock::MachineClock;
