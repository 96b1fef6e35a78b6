//! Why a trace cannot be written or read.

use std::io;

use crate::limits::TRACE_BLOCK_BYTES_MAX;

/// Why a trace cannot be written or read. No retry helps, but for `Io`.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file system, or whatever the trace is written to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another kind of file.
    #[error("not a trace: {reason}")]
    NotAvro {
        /// How it begins.
        reason: &'static str,
    },
    /// An Avro file whose header cannot be read.
    #[error("not a trace that can be read: its header is damaged at byte {at}: {reason}")]
    Header {
        /// Where, in bytes from the file's start.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// An Avro file of something else.
    #[error("not a trace: an Avro file, but not of Kafka records: {reason}")]
    NotATrace {
        /// What its schema lacks.
        reason: String,
    },
    /// A codec that is not read here.
    #[error("its codec is {codec}: zstandard, deflate and null can be read")]
    Codec {
        /// The codec's name.
        codec: String,
    },
    /// It ends in the middle.
    #[error("cut off: the file ends within block {block}, which begins at byte {at}")]
    CutOff {
        /// Which block, from 0.
        block: u64,
        /// Where it begins, in bytes from the file's start.
        at: u64,
    },
    /// A block that is not as it was written.
    #[error("damaged: block {block}, which begins at byte {at}: {reason}")]
    Damaged {
        /// Which block, from 0.
        block: u64,
        /// Where it begins, in bytes from the file's start.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// The recorder did not come to its end.
    #[error(
        "never finished: whoever wrote it was killed. Its whole blocks can still be looked at: wellstream \
         inspect --salvage"
    )]
    NeverFinished,
    /// The header tells another number of records than there are.
    #[error("{found} records, but its header says {told}: the file is cut off between two blocks")]
    Incomplete {
        /// How many the header tells.
        told: u64,
        /// How many there are.
        found: u64,
    },
    /// A record that no reader would take.
    #[error("a record of {bytes} bytes: a trace holds records of up to {TRACE_BLOCK_BYTES_MAX} bytes")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// A partition number that is none.
    #[error("partition {partition} is above what Kafka has")]
    Partition {
        /// The number.
        partition: u32,
    },
}
