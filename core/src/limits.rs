//! Every bound of the core, with its reason.

/// The longest record value that is decoded, bytes. A reading has some 150; a broker's default limit is 1
/// MiB.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// How deep a writer's schema may nest in fields that we skip.
pub const SCHEMA_DEPTH_MAX: usize = 16;

/// How deep the values of a recursive type may nest in a field that we skip: a bound on the stack.
pub const SKIP_DEPTH_MAX: usize = 64;

/// Items in one block of an array or map that is skipped: no value that we take could hold more.
pub const BLOCK_ITEMS_MAX: u64 = VALUE_BYTES_MAX as u64;

/// The latest event time, epoch ms (the end of year 9999): beyond it sums of times could overflow.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// Records that one visit of a source hands over: enough to amortise the calls, small enough for the caches.
pub const POLL_RECORDS_MAX: usize = 1_024;

/// Readings in one exchange batch.
pub const BATCH_READINGS: usize = 1_024;

/// Batches in flight from one lane to one shard. With 1,024 readings of 150 bytes: 2.5 MiB a queue.
pub const EXCHANGE_BATCHES: usize = 16;

/// Output batches in flight from one shard to the committer.
pub const OUTPUT_BATCHES: usize = 64;

/// Emptied output batches that wait for one shard's next rows: it fills one while the committer works on
/// some.
pub const SPARE_BATCHES: usize = 4;

/// Rows after which a shard hands its output batch on.
pub const OUTPUT_ROWS: usize = 1_024;

/// Encoded bytes after which a shard hands its output batch on.
pub const OUTPUT_BYTES: usize = 1 << 20;

/// Segments of a partition's log that the committer keeps for the rewind point; more are merged by twos. At
/// 100 ms a cut and a span of 45 s some 450 are in use; a stalled watermark makes them grow.
pub const REWIND_SEGMENTS_MAX: usize = 4_096;

/// Event time covered by one rewind segment, ms: how much more than needed a restart reads at most.
pub const REWIND_SEGMENT_MS: i64 = 1_000;

/// One row in this many has its latency recorded.
pub const LATENCY_SAMPLE: usize = 64;

/// Latencies above this are recorded as this, ms.
pub const LATENCY_MS_MAX: u64 = 600_000;

/// Durations of a stage above this are recorded as this, ns.
pub const STAGE_NS_MAX: u64 = 600_000_000_000;

/// Rejected records that a lane gathers before it hands them on.
pub const REJECTS_PER_BATCH: usize = 256;

/// Bytes of rejected records that a lane gathers before it hands them on.
pub const REJECT_BYTES: usize = 1 << 20;

/// Outputs of one lane (rejects, cuts) on their way to the committer.
pub const LANE_OUTPUTS: usize = 16;

/// Batches that a shard takes from one lane before it looks at the next.
pub const BATCHES_PER_TURN: usize = 4;

/// Plans that one partition keeps at hand; topics carry a handful of schema versions.
pub const PLANS_PER_PARTITION: usize = 64;

/// Schema ids given up that one partition's commit metadata can carry (a broker allows 4,096 bytes).
pub const SCHEMAS_GIVEN_UP_MAX: usize = 100;

/// Bytes of row parts after which a lane passes a batch on.
pub const BATCH_PART_BYTES: usize = 1 << 20;

/// Latency samples that one epoch keeps.
pub const LATENCIES_PER_EPOCH: usize = 1 << 16;

/// State above which lanes that only add to it wait, unless configured, bytes.
pub const STATE_BYTES_MAX: usize = 4 << 30;

/// Above this much state partitions that are being read are kept close together, bytes: what lies between
/// them is state beyond the caches. Below it, waiting for one another costs more.
pub const STATE_BYTES_CLOSE: usize = 8 << 20;

/// How far one may then run ahead of the others, ms of event time: a third of what is in flight anyway.
pub const CLOSE_MS: i64 = 5_000;

/// A partition counts as being read for this long after its last record, ms: longer than a fetch takes, also
/// where other programs have the processors.
pub const FED_MS: i64 = 500;

/// How far behind the newest reading one is read again for a cache that has not taken it, ms of event time:
/// by then a cache lets go of it by itself.
pub const CACHE_SPAN_MS_MAX: i64 = 300_000;

/// Sensors that a lane knows, for a cache, before it forgets them all at a cut. Each costs some 60 bytes.
pub const SENSORS_MAX: usize = 4_000_000;

/// Facilities that may be known before those without a reading or an alarm are forgotten; a field has
/// thousands. Each costs some 300 bytes beside its readings.
pub const FACILITIES_MAX: usize = 2_000_000;
