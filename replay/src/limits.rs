//! Every bound of this package, with its reason.

/// The longest header of a trace that is read: the schemas of some thousand versions fit.
pub const TRACE_HEADER_BYTES_MAX: usize = 16 << 20;

/// The most that one block of a trace holds, packed or unpacked: four times the largest record that a broker
/// with generous limits takes. What a damaged length says beyond that is never allocated.
pub const TRACE_BLOCK_BYTES_MAX: usize = 64 << 20;

/// Unpacked bytes after which the writer ends a block: enough for zstd to find what repeats, small enough
/// that blocks are worth spreading over threads.
pub const TRACE_BLOCK_BYTES: usize = 256 << 10;

/// Topics in one trace: far more than a recording names, and a foreign file must not fill the memory.
pub const TRACE_TOPICS_MAX: usize = 10_000;

/// Blocks that wait on either side of an unpacking thread: one being read while one is unpacked.
pub const TRACE_BLOCKS_AHEAD: usize = 2;

/// Threads that unpack. Reading a block costs a tenth of unpacking it, so more would wait for the disk.
pub const TRACE_THREADS_MAX: usize = 8;

/// Room that a recording keeps in its header for the schemas it meets: some forty of them.
pub const TRACE_ROOM_BYTES: usize = 64 << 10;

/// Keys that an inspection tells apart, over all topics, by 64-bit hashes: some 40 MB.
pub const INSPECT_KEYS_MAX: usize = 2_000_000;

/// Partitions that an inspection tells apart: no cluster has as many in one recording.
pub const INSPECT_PARTITIONS_MAX: usize = 100_000;

/// Partitions of a topic in a trace that is sent: more than brokers allow a topic in practice, and a foreign
/// file must not fill the memory.
pub const RECORDING_PARTITIONS_MAX: u32 = 10_000;

/// Schema ids that are told apart in a trace that is sent: a file of noise must not fill the memory.
pub const RECORDING_IDS_MAX: usize = 10_000;

/// Rules of a proxy at a time: a plan has a handful.
pub const PROXY_RULES_MAX: usize = 1_000;

/// Connections through a proxy at a time: an engine has some twenty; two threads each.
pub const PROXY_CONNECTIONS_MAX: usize = 512;

/// Brokers that a proxy tells apart, a listener each.
pub const PROXY_BROKERS_MAX: usize = 64;

/// Requests of a connection whose replies a proxy awaits: clients have some five in flight, and requests
/// without a reply (acks 0) must not fill the memory.
pub const PROXY_REQUESTS_MAX: usize = 4_096;

/// What a proxy keeps of a frame that waits, bytes; what is longer stays in its sender's socket.
pub const PROXY_HELD_BYTES_MAX: usize = 4 << 20;

/// The largest reply that a proxy reads whole, for the addresses in it: metadata of some 100,000 partitions,
/// or what a fetch brings.
pub const PROXY_REWRITE_BYTES_MAX: usize = 32 << 20;
