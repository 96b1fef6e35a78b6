//! Every bound of the crate, with its reason.

/// What the records of one compressed batch may be when they are unpacked, bytes: a topic of 10 MB messages
/// fits, a few kilobytes that claim to be gigabytes do not.
pub const UNPACKED_BYTES_MAX: usize = 128 << 20;

/// Headers of one record: Kafka sets no bound, and ours have five.
pub const HEADERS_MAX: usize = 10_000;

/// One answer of a broker, bytes: a fetch of 50 MB, or one batch of the largest message that is allowed. What
/// a broker claims takes no memory before it has sent it.
pub const FRAME_BYTES_MAX: usize = 256 << 20;

/// The least that an answer's buffer has, bytes.
pub const FRAME_BYTES_FIRST: usize = 64 << 10;

/// What an answer may claim and have at once, bytes: a usual fetch. A larger buffer doubles as the bytes
/// come.
pub const FRAME_BYTES_TRUSTED: usize = 8 << 20;

/// Emptied receive buffers that a connection keeps: one being filled, one walked, some
/// waiting.
pub const SPARE_BUFFERS: usize = 6;

/// A larger receive buffer is given back to the system instead.
pub const SPARE_BYTES_MAX: usize = 32 << 20;

/// Unsent bytes of requests beyond which the send buffer is not kept.
pub const SEND_BYTES_KEPT: usize = 16 << 20;

/// Sent bytes of requests that may stand before unsent ones: more than one move of the rest costs.
pub const SEND_BYTES_MOVED: usize = 1 << 20;

/// Rounds of password hashing that a broker may ask for, least: as Kafka and RFC 7677.
pub const SCRAM_ROUNDS_MIN: u32 = 4_096;

/// Rounds of password hashing that a broker may ask for, most: half a second of hashing.
pub const SCRAM_ROUNDS_MAX: u32 = 1_000_000;

/// The first pause before a broker is asked again; they double.
pub const BACKOFF_MIN: std::time::Duration = std::time::Duration::from_millis(50);

/// The longest pause before a broker is asked again.
pub const BACKOFF_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// Answers of which a partition holds something that is not taken: one is walked while the next ones come.
pub const FETCH_CHUNKS_MAX: usize = 8;

/// What unpacked records may keep of memory behind them, per partition.
pub const UNPACKED_BYTES_KEPT: usize = 4 << 20;

/// How long brokers may say that a topic or partition is not there until it counts as deleted: a broker that
/// has just started, or a topic that was just made, takes a moment to be known.
pub const UNKNOWN_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Transactional ids that one question names: an answer of some hundred kilobytes at most, each with its
/// partitions.
pub const DESCRIBED_TRANSACTIONS: usize = 500;
