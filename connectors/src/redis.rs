//! Redis as a cache of what is newest: a hash for each well, tank and facility, and the facilities by risk.
//!
//! Enters: what each commit made the newest. Leaves: `well:ID`, `tank:ID`, `facility:ID` as hashes, and
//! `{facilities}:risk` as a sorted set; each key lives for `ttl` beyond its last write. Drops: what a newer
//! reading has overtaken before it was written; and, counted, what there is no memory for.
//!
//! It follows the commits and decides nothing: a Redis that is slow or away makes it keep more, never wait.
//! Whether a value is newer is decided by a script on the server, by (time, partition, offset): whoever
//! writes last, the newest stays. The keys of one script share a slot, so that it also works in a cluster.

mod board;
mod untold;
mod entry;
mod scripts;
mod link;
mod writer;
mod cache;
mod read;

pub use cache::{Cache, CacheCounts};
pub use read::{CacheReader, Riskiest};

use std::time::Duration;

/// How the cache is kept.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. One node of a cluster is enough.
    pub url: String,
    /// Stands before every key.
    pub prefix: String,
    /// A key that is not written again goes after so long.
    pub ttl: Duration,
    /// What is kept to be written, or written again, may take so much memory, bytes.
    pub bytes_max: usize,
}

impl RedisSettings {
    /// The defaults.
    #[must_use]
    pub fn new(url: &str) -> RedisSettings {
        RedisSettings {
            url: url.to_owned(),
            prefix: String::new(),
            ttl: Duration::from_millis(wellstream_core::limits::CACHE_SPAN_MS_MAX.unsigned_abs()),
            bytes_max: crate::limits::CACHE_BYTES_MAX,
        }
    }
}

/// Why Redis could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// It does not answer, or refuses.
    #[error("redis {server}: {reason}")]
    Server {
        /// Where, without user and password.
        server: String,
        /// What happened, and what to do.
        reason: String,
    },
}
