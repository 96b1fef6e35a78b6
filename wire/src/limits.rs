//! Every bound of the crate, with its reason.

/// What the records of one compressed batch may be when they are unpacked, bytes: a topic of 10 MB messages
/// fits, a few kilobytes that claim to be gigabytes do not.
pub const UNPACKED_BYTES_MAX: usize = 128 << 20;

/// Headers of one record: Kafka sets no bound, and ours have five.
pub const HEADERS_MAX: usize = 10_000;
