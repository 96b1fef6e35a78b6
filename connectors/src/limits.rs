//! Every bound of the connectors, with its reason.

use std::time::Duration;

/// Records in one batch of an embedded partition: enough that a queue operation per batch costs nothing.
pub const EMBEDDED_BATCH_RECORDS: usize = 1_024;

/// Bytes after which an embedded batch is handed on, whatever its records.
pub const EMBEDDED_BATCH_BYTES: usize = 256 << 10;

/// Emptied batches that wait for one embedded partition's writer. Each keeps its memory, up to what a full
/// one has: more of them than are in use at a time would be a leak by and by.
pub const EMBEDDED_SPARE_BATCHES: usize = 16;

/// Batches queued in one embedded partition; the bound in bytes is the one meant to act.
pub const EMBEDDED_BATCHES: usize = 1_024;

/// How long a first connection may take: longer than a broker's restart of a few seconds is for the
/// supervisor.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What fetched records may hold, over all partitions together.
pub const SOURCE_BYTES_MAX: usize = 64 << 20;

/// The most that one fetch asks of one partition: 1 MiB amortises a request; a larger record still comes,
/// alone.
pub const FETCH_BYTES_MAX: usize = 1 << 20;

/// What a reading of some 120 bytes takes in the client's queue, bookkeeping included.
pub const QUEUED_RECORD_BYTES: usize = 400;

/// The least a partition's queue may hold, however many partitions there are: some hundred readings.
pub const FETCH_BYTES_MIN: usize = 64 << 10;

/// One request to a broker (metadata, offsets, committed offsets).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a commit of offsets is retried before the outcome is called unknown.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a refused password is taken for a broker in restart, once records have been read.
pub const AUTHENTICATION_GRACE: Duration = Duration::from_secs(30);

/// A broker that refuses is tried again every second or so: one that has not refused for this long has
/// stopped.
pub const REFUSED_AGAIN: Duration = Duration::from_secs(10);

/// Between two warnings about the same trouble.
pub const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// `max.message.bytes` of the quarantine topic as `topics create` makes it: what a producer could send to a
/// broker with generous limits comes out byte for byte; anything larger as headers.
pub const QUARANTINE_BYTES_MAX: usize = 12 << 20;

/// The most that one produce batch holds where a topic allows it: librdkafka's default, 1 MB.
pub const BATCH_BYTES_MAX: usize = 1_000_000;

/// How long a record may be on its way outside a transaction: a broker may be away for that long before the
/// run ends.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// How long records wait for others to make a batch, as long as more of them come; a sender's tick.
pub const PRODUCE_LINGER: Duration = Duration::from_millis(2);

/// How long a transaction may be open before its coordinator aborts it: many times what an epoch takes, and
/// no longer than readers of committed records should be held up by a program that died.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The least that `-X transaction.timeout.ms` may be: a request that is lost must fit in, and another one.
pub const TRANSACTION_TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// How long a program that goes in the middle of a transaction tries to abort it. Without that, readers of
/// committed records wait until its coordinator does.
pub const ABANDON_TIME: Duration = Duration::from_secs(1);

/// One request to a coordinator, or one connection in a transaction: some of them fit into a transaction.
pub const TRANSACTION_REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a producer id is waited for: what another program had open under the same transactional id is
/// ended meanwhile, and a coordinator that has just started reads its log.
pub const PRODUCER_READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an operator's question waits for a transaction that is being ended: that takes milliseconds,
/// unless partitions cannot be reached.
pub const ENDING_GRACE: Duration = Duration::from_secs(5);

/// The shortest time between two ticks of a sender, whatever `linger.ms` says: more would be all the work.
pub const SEND_TICK_MIN: Duration = Duration::from_micros(500);

/// The longest time between two ticks of a sender: acknowledgements are told by them, too.
pub const SEND_TICK_MAX: Duration = Duration::from_secs(1);

/// Emptied batches that a sender keeps for those that are full before a tick.
pub const SEND_SPARE_BATCHES: usize = 32;

/// Records of a sender on one reading of the wall's clock.
pub const SEND_STAMP_RECORDS: u32 = 64;

/// Between two looks whether a sender has room again, or is done.
pub const SEND_PAUSE: Duration = Duration::from_millis(1);

/// Rows queued by one call.
pub const PRODUCE_RECORDS: usize = 1_024;

/// How long a full producer queue is waited for at a time.
pub const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// How much longer than the delivery time-out a flush may take before it is called stuck.
pub const FLUSH_MARGIN: Duration = Duration::from_secs(10);

/// How long whoever is told to give up still waits for what is on its way: a broker that works takes less.
pub const HURRY_TIME: Duration = Duration::from_secs(5);

/// One request to the schema registry.
pub const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the registry must have answered "not found" until a schema id is given up.
pub const REGISTRY_GRACE: Duration = Duration::from_secs(60);

/// The first pause between two questions for one schema id; they double.
pub const REGISTRY_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause between two questions for one schema id.
pub const REGISTRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The longest answer of a registry that is read.
pub const REGISTRY_BODY_BYTES_MAX: u64 = 4 << 20;

/// Records of one topic that a recording takes before it looks at the others, and at its clock.
pub const CAPTURE_RECORDS: usize = 4_096;

/// What a visitor that takes little is shown at a time: the rest is walked again at the next poll.
pub const NATIVE_RECORDS_MIN: usize = 64;

/// What the cache keeps to be written to Redis, or written again: a million sensors.
pub const CACHE_BYTES_MAX: usize = 256 << 20;

/// What is told to the cache's writer while it waits for an answer: some seconds of a full load.
pub const CACHE_INBOX_BYTES_MAX: usize = 64 << 20;

/// Connecting to Redis: longer than a server on the same site takes, also when it is busy.
pub const REDIS_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Waiting for an answer of Redis. Nobody waits for the writer, but what it is told piles up meanwhile.
pub const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

/// Keys that are written before answers are waited for: some 500 kB.
pub const REDIS_BATCH: usize = 1_024;

/// The shortest pause between two rounds of writing: each key is written once in a round, with its newest.
pub const REDIS_ROUND_PAUSE: Duration = Duration::from_millis(100);

/// A round's pause is at least so many times what the round took: Redis has others to serve.
pub const REDIS_ROUND_SHARE: u64 = 2;

/// The first pause before Redis is connected anew; they double.
pub const REDIS_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest: within 5 s of its return every key that a window needs is right again.
pub const REDIS_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often a Redis that is not written to is asked whether it is there.
pub const REDIS_PING_INTERVAL: Duration = Duration::from_secs(1);
