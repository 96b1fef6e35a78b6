//! Kafka's wire format, straight from and to the socket.
//!
//! [`batch`] walks the record batches of a fetch in place and writes those of a produce request;
//! [`connection`] carries requests and answers; [`cluster`] knows which broker leads what; [`fetch`] reads
//! partitions; [`produce`] brings records to their leaders, in transactions or not; [`offsets`] commits a
//! group's; [`transactions`] are listed, and ended from outside. No clock is read here and nothing
//! sleeps by itself: see [`clock::Clock`].

pub mod limits;
pub mod clock;
pub mod address;
pub mod batch;
pub mod error;
pub mod connection;
pub mod cluster;
pub mod fetch;
pub mod produce;
pub mod offsets;
pub mod transactions;
