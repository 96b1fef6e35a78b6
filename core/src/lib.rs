//! The engine of WellStream, without any I/O.
//!
//! Bytes of readings and their offsets go in; rows, alarms, rejected records and the offsets to commit come
//! out. Nothing here opens a socket or a file or reads a clock: time is an argument, so the same code runs on
//! threads against Kafka, in a benchmark against memory, and in a seeded simulator that crashes it.
//!
//! The modules stand in the order in which data flows through them.

pub mod record;
pub mod rules;
pub mod limits;
mod prefetch;
pub mod schemas;
pub mod decode;
pub mod validate;
pub mod score;
pub mod encode;
pub mod time;
pub mod exchange;
pub mod join;
pub mod engine;
pub mod telemetry;
pub mod sabotage;
