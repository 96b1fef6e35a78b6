//! Every bound of the connectors, with its reason.

use std::time::Duration;

/// Records in one batch of an embedded partition: enough that a queue operation per batch costs nothing.
pub const EMBEDDED_BATCH_RECORDS: usize = 1_024;

/// Bytes after which an embedded batch is handed on, whatever its records.
pub const EMBEDDED_BATCH_BYTES: usize = 256 << 10;

/// Batches queued in one embedded partition; the bound in bytes is the one meant to act.
pub const EMBEDDED_BATCHES: usize = 1_024;

/// How long a first connection may take: longer than a broker's restart of a few seconds is for the
/// supervisor.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
