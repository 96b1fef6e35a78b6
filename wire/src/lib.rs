//! Kafka's wire format, straight from and to the socket.
//!
//! So far its record batches: [`batch`] walks those of a fetch in place and writes those of a produce
//! request. It opens no connection and reads no clock; times and limits are arguments.

pub mod batch;
pub mod limits;
pub mod produce;
