//! Why bytes are no record batch.

/// What is wrong with a batch. No retry helps: the same bytes come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A message set of before Kafka 0.11.
    #[error("the batch has format {magic}, not 2: a broker or topic of before Kafka 0.11")]
    Format {
        /// Its magic byte.
        magic: i8,
    },
    /// The bytes are not those that were written.
    #[error("the batch at offset {base_offset} has another checksum than it says")]
    Checksum {
        /// Its first offset.
        base_offset: i64,
    },
    /// Lengths or counts contradict one another.
    #[error("{what} is damaged")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// A codec that does not exist.
    #[error("the batch is compressed by codec {codec}, which is not known")]
    Codec {
        /// Its number.
        codec: u8,
    },
    /// Unpacked, the records are larger than is allowed, or they cannot be unpacked.
    #[error("the batch's records cannot be unpacked ({what}), or are larger than {bytes_max} bytes")]
    Unpack {
        /// The codec.
        what: &'static str,
        /// The bound.
        bytes_max: usize,
    },
}

pub(super) fn damaged(what: &'static str) -> BatchError {
    BatchError::Damaged { what }
}
