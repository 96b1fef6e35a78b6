//! From settings to the cache in Redis.

use std::sync::Arc;
use std::time::Duration;

use wellstream_connectors::redis::{Cache, RedisError, RedisSettings};
use wellstream_core::decode::Schemas;

use crate::commands::run::Job;
use crate::exit::Failure;
use crate::settings::Settings;

/// Where the cache is, if there is to be one.
pub(crate) fn settings(settings: &Settings) -> Option<RedisSettings> {
    let mut redis = RedisSettings::new(settings.redis.as_ref()?);
    redis.prefix = settings.redis_prefix.clone().unwrap_or_default();
    Some(redis)
}

/// Starts the cache of a run, if there is to be one. Redis need not be there.
pub(crate) fn start(job: &Job<'_>, readings: Arc<dyn Schemas>) -> Result<Option<Cache>, Failure> {
    let Some(redis) = settings(job.settings) else { return Ok(None) };
    Cache::start(&redis, readings, Arc::clone(&job.rules)).map(Some).map_err(failure)
}

/// Gives the cache a moment to write what waits, and says what came of it all.
pub(crate) fn finish(cache: Option<Cache>) {
    let Some(counts) = cache.map(|cache| cache.finish(FINISH_TIME)) else { return };
    tracing::info!(
        "redis: {} hashes set, {} were as new, {} dropped, {} errors",
        counts.written,
        counts.overtaken,
        counts.dropped,
        counts.errors
    );
    if counts.waiting > 0 {
        tracing::warn!(
            "redis: {} values were not written; the next run writes those that its windows need",
            counts.waiting
        );
    }
}

/// A setting that cannot be used is a usage error, anything else happened at run time.
pub(crate) fn failure(error: RedisError) -> Failure {
    match error {
        RedisError::Setting(_) => Failure::Usage(error.into()),
        RedisError::Server { .. } => Failure::Runtime(error.into()),
    }
}

/// How long a run that ends waits for Redis: what it does not get is written by the next.
const FINISH_TIME: Duration = Duration::from_secs(5);
