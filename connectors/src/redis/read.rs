//! Reads the cache back, as `wellstream query` does.

use std::collections::BTreeMap;

use redis::Commands;
use wellstream_core::record::Side;

use super::board::Kind;
use super::link::{Address, Link, said};
use super::scripts::{key, ranking};
use super::{RedisError, RedisSettings};

/// A reader of the cache.
pub struct CacheReader {
    link: Link,
    server: String,
    prefix: String,
}

/// A facility in the ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Riskiest {
    /// The facility.
    pub facility: String,
    /// Risk of its newest row.
    pub risk: u32,
    /// That row's time, epoch ms.
    pub row_time_ms: i64,
}

impl std::fmt::Debug for CacheReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheReader").field("server", &self.server).finish_non_exhaustive()
    }
}

impl CacheReader {
    /// Connects.
    ///
    /// # Errors
    /// The URL cannot be read; Redis does not answer, or refuses.
    pub fn open(settings: &RedisSettings) -> Result<CacheReader, RedisError> {
        let address = Address::parse(&settings.url)?;
        let server = address.server();
        let link = address.open().map_err(|error| refuse(&server, &error))?;
        Ok(CacheReader { link, server, prefix: settings.prefix.clone() })
    }

    /// The newest reading of a well or tank, field by field; empty where there is none.
    ///
    /// # Errors
    /// Redis does not answer, or the key holds something else.
    pub fn sensor(&mut self, side: Side, id: &str) -> Result<BTreeMap<String, String>, RedisError> {
        let kind = if side == Side::Well { Kind::Well } else { Kind::Tank };
        self.hash(kind, id)
    }

    /// The newest row of a facility, field by field; empty where there is none.
    ///
    /// # Errors
    /// As [`CacheReader::sensor`].
    pub fn facility(&mut self, id: &str) -> Result<BTreeMap<String, String>, RedisError> {
        self.hash(Kind::Facility, id)
    }

    /// The facilities with the highest risks, highest first.
    ///
    /// # Errors
    /// Redis does not answer.
    pub fn riskiest(&mut self, count: usize) -> Result<Vec<Riskiest>, RedisError> {
        let [risk, time, _] = ranking(&self.prefix);
        let last = isize::try_from(count).unwrap_or(isize::MAX) - 1;
        let ranked: redis::RedisResult<Vec<(String, f64)>> = match &mut self.link {
            Link::Single(link) => link.zrevrange_withscores(&risk, 0, last),
            Link::Cluster(link) => link.zrevrange_withscores(&risk, 0, last),
        };
        let mut facilities = Vec::new();
        for (facility, risk) in ranked.map_err(|error| refuse(&self.server, &error))? {
            let time_ms: redis::RedisResult<Option<f64>> = match &mut self.link {
                Link::Single(link) => link.zscore(&time, &facility),
                Link::Cluster(link) => link.zscore(&time, &facility),
            };
            let time_ms = time_ms.map_err(|error| refuse(&self.server, &error))?;
            // Whole numbers far below 2^53.
            #[expect(clippy::cast_possible_truncation, reason = "scores that were whole numbers")]
            let (risk, row_time_ms) = (risk as i64, time_ms.unwrap_or_default() as i64);
            let risk = u32::try_from(risk).unwrap_or(0);
            facilities.push(Riskiest { facility, risk, row_time_ms });
        }
        Ok(facilities)
    }

    fn hash(&mut self, kind: Kind, id: &str) -> Result<BTreeMap<String, String>, RedisError> {
        let key = key(&self.prefix, kind, id);
        let read: redis::RedisResult<BTreeMap<String, String>> = match &mut self.link {
            Link::Single(link) => link.hgetall(&key),
            Link::Cluster(link) => link.hgetall(&key),
        };
        let mut fields = read.map_err(|error| refuse(&self.server, &error))?;
        fields.remove("order");
        Ok(fields)
    }
}

fn refuse(server: &str, error: &redis::RedisError) -> RedisError {
    RedisError::Server { server: server.to_owned(), reason: said(error) }
}
