//! How a producer behaves.

use std::time::Duration;

use crate::batch::Compression;

/// What whoever produces decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceSettings {
    /// With it, records go in transactions; without, they are idempotent only.
    pub transactional_id: Option<String>,
    /// After so long the coordinator aborts an open transaction by itself.
    pub transaction_timeout: Duration,
    /// A batch that is not acknowledged for so long is given up.
    pub delivery_timeout: Duration,
    /// A leader that answers nothing for so long, while requests wait, is asked again over another
    /// connection; not longer than a batch may take.
    pub request_timeout: Duration,
    /// How long credentials that were good may be refused: a broker in restart may say so for a moment.
    pub refusal_grace: Duration,
    /// The end of a transaction that is not answered for so long is unknown.
    pub end_timeout: Duration,
    /// How long the first record of a batch waits for others.
    pub linger: Duration,
    /// A batch is full at so many bytes, before it is packed.
    pub batch_bytes: usize,
    /// Above so many bytes that are not acknowledged nothing more is taken.
    pub queue_bytes_max: usize,
    /// Batches of several partitions travel together up to so many bytes.
    pub request_bytes: usize,
    /// How batches are packed.
    pub compression: Compression,
    /// The first pause before something is tried again; they double.
    pub retry_pause_min: Duration,
    /// The longest.
    pub retry_pause_max: Duration,
}

impl Default for ProduceSettings {
    fn default() -> ProduceSettings {
        ProduceSettings {
            transactional_id: None,
            transaction_timeout: Duration::from_secs(10),
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            refusal_grace: Duration::from_secs(30),
            end_timeout: Duration::from_secs(15),
            linger: Duration::from_millis(2),
            batch_bytes: 512 << 10,
            queue_bytes_max: 64 << 20,
            request_bytes: 4 << 20,
            compression: Compression::None,
            retry_pause_min: Duration::from_millis(2),
            retry_pause_max: Duration::from_millis(200),
        }
    }
}

/// Nanoseconds, as times are counted here.
pub(super) fn ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
