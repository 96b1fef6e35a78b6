//! A connection to Redis, one server or a cluster, whichever is there.

use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterConnection, cluster_pipe};
use redis::{Cmd, Commands, ConnectionInfo, IntoConnectionInfo, RedisResult, Value};

use super::RedisError;
use crate::limits::{REDIS_CONNECT_TIMEOUT, REDIS_TIMEOUT};

/// Where Redis is, checked.
#[derive(Clone, Debug)]
pub(super) struct Address {
    info: ConnectionInfo,
}

/// An open connection.
pub(super) enum Link {
    Single(Box<redis::Connection>),
    Cluster(Box<ClusterConnection>),
}

impl Address {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Address, RedisError> {
        // The error does not repeat the URL: there may be a password in it.
        let info = url.into_connection_info().map_err(|_| {
            let form = "redis://[user:password@]host:port[/db], or rediss:// for TLS";
            RedisError::Setting(format!("the URL of Redis cannot be read: it is {form}"))
        })?;
        Ok(Address { info })
    }

    /// Host and port, without user and password.
    pub(super) fn server(&self) -> String {
        self.info.addr().to_string()
    }

    /// Connects; each call waits for a second or two at most.
    pub(super) fn open(&self) -> RedisResult<Link> {
        let client = redis::Client::open(self.info.clone())?;
        let mut connection = client.get_connection_with_timeout(REDIS_CONNECT_TIMEOUT)?;
        limit(REDIS_TIMEOUT, |time| connection.set_read_timeout(time))?;
        limit(REDIS_TIMEOUT, |time| connection.set_write_timeout(time))?;
        if !is_cluster(&mut connection)? {
            return Ok(Link::Single(Box::new(connection)));
        }
        let client = ClusterClient::builder([self.info.clone()])
            .connection_timeout(REDIS_CONNECT_TIMEOUT)
            .response_timeout(REDIS_TIMEOUT)
            .retries(1)
            .build()?;
        Ok(Link::Cluster(Box::new(client.get_connection()?)))
    }
}

impl Link {
    /// Sends commands, all of them before the first answer.
    pub(super) fn send(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Link::Single(connection) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors().query(&mut **connection)
            }
            Link::Cluster(connection) => {
                let mut pipeline = cluster_pipe();
                for command in &commands {
                    pipeline.add_command(command.clone());
                }
                match pipeline.query::<Vec<Value>>(connection) {
                    Ok(values) => Ok(values.into_iter().map(Ok).collect()),
                    Err(error) if error.is_io_error() => Err(error),
                    // One of them failed: only by itself does each say what became of it.
                    Err(_) => Ok(commands.iter().map(|command| command.query(&mut **connection)).collect()),
                }
            }
        }
    }

    /// Whether it is still the server that it was.
    pub(super) fn ping(&mut self) -> RedisResult<()> {
        match self {
            Link::Single(connection) => redis::cmd("PING").exec(&mut **connection),
            Link::Cluster(connection) => connection.exists::<_, bool>("ping").map(drop),
        }
    }
}

/// Whether the server is a node of a cluster; one that this user may not ask is taken for none.
fn is_cluster(connection: &mut redis::Connection) -> RedisResult<bool> {
    match redis::cmd("INFO").arg("cluster").query::<String>(connection) {
        Ok(text) => Ok(text.contains("cluster_enabled:1")),
        Err(error) if error.code() == Some("NOPERM") => Ok(false),
        Err(error) => Err(error),
    }
}

fn limit(time: Duration, set: impl FnOnce(Option<Duration>) -> RedisResult<()>) -> RedisResult<()> {
    set(Some(time))
}

/// What an error means to an operator.
pub(super) fn said(error: &redis::RedisError) -> String {
    let what_to_do = match error.code() {
        Some("OOM") => ". It is at its maxmemory: raise it, or set maxmemory-policy to allkeys-lru",
        Some("NOAUTH" | "WRONGPASS") => ". Check user and password in --redis",
        Some("NOPERM") => {
            ". This user may not do that: allow it the keys, and eval, hget, hset, z* and expire"
        }
        Some("READONLY") => ". It is a replica: give the address of the primary",
        Some("LOADING") => ". It is reading its data",
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => ". Check user and password in --redis",
        _ => "",
    };
    format!("{error}{what_to_do}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        let error = Address::parse("redis:/user:s3cret@nowhere:bad").unwrap_err().to_string();
        assert!(error.contains("redis://") && !error.contains("s3cret"), "{error}");
        let address = Address::parse("redis://user:s3cret@127.0.0.1:6399/2").unwrap();
        assert_eq!(address.server(), "127.0.0.1:6399");
    }
}
