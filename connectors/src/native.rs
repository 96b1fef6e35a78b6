//! Kafka without librdkafka: records straight from and to the socket (`wellstream-wire`).

mod outputs;
pub mod sink;

use wellstream_wire::connection::ClientOptions;

use crate::kafka::KafkaSettings;

/// Why the native client cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Unsupported {
    /// The setting.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How brokers are talked to.
///
/// # Errors
/// A setting that the native client does not cover.
pub fn options(settings: &KafkaSettings) -> Result<ClientOptions, Unsupported> {
    match settings.has_no_overrides() {
        true => Ok(ClientOptions { connect_timeout: settings.connect_timeout, ..ClientOptions::default() }),
        false => Err(Unsupported { key: "-X".to_owned(), reason: "is for librdkafka".to_owned() }),
    }
}
