//! What the operator's `-X key=value` means without librdkafka. A key that is not known here stays with
//! librdkafka: nothing that somebody asked for is left out silently.

use std::fs;
use std::time::Duration;

use wellstream_wire::batch::Crc;
use wellstream_wire::connection::{
    Authorities, ClientOptions, Identity, Sasl, ScramHash, Security, tls_config,
};
use wellstream_wire::fetch::FetchSettings;

use crate::kafka::KafkaSettings;
use crate::limits::{FETCH_BYTES_MAX, FETCH_BYTES_MIN};

/// A setting that the native client does not cover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("-X {key}: {reason}")]
pub struct Unsupported {
    /// The key.
    pub key: String,
    /// Why not.
    pub reason: String,
}

/// How brokers are talked to by these settings.
///
/// # Errors
/// A setting that the native client does not cover, or a certificate that cannot be used.
pub fn options(settings: &KafkaSettings) -> Result<ClientOptions, Unsupported> {
    let given = Given(&settings.overrides);
    let known = |key: &str| READ.contains(&key) || IGNORED.contains(&key);
    if let Some((key, _)) = settings.overrides.iter().find(|(key, _)| !known(key)) {
        return Err(refuse(key, "the native client does not know it"));
    }
    let mut options = ClientOptions::default();
    if let Some(client_id) = given.get("client.id") {
        options.client_id = client_id.to_owned();
    }
    if let Some(timeout_ms) = given.number("socket.timeout.ms")? {
        options.request_timeout = Duration::from_millis(timeout_ms);
    }
    if let Some(timeout_ms) = given.number("socket.connection.setup.timeout.ms")? {
        options.connect_timeout = Duration::from_millis(timeout_ms);
    }
    let protocol = given.get("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
    let (is_tls, is_sasl) = match protocol.as_str() {
        "plaintext" => (false, false),
        "ssl" => (true, false),
        "sasl_plaintext" => (false, true),
        "sasl_ssl" => (true, true),
        _ => return Err(refuse("security.protocol", "not one of plaintext, ssl, sasl_plaintext, sasl_ssl")),
    };
    if is_tls {
        options.security = security(&given)?;
    }
    if is_sasl {
        options.sasl = Some(sasl(&given)?);
    }
    Ok(options)
}

/// How records are fetched by these settings, where all sources together read so many partitions.
///
/// # Errors
/// A value that is no number.
pub fn fetch_settings(
    settings: &KafkaSettings,
    partitions_total: usize,
) -> Result<FetchSettings, Unsupported> {
    let given = Given(&settings.overrides);
    let share = (settings.source_bytes_max / partitions_total.max(1)).max(FETCH_BYTES_MIN);
    let partition_bytes = (share / 4).clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX);
    let mut fetch = FetchSettings {
        partition_bytes,
        // One answer is walked while the next one waits: more of them would only leave the caches.
        queued_bytes: 2 * partition_bytes,
        held_bytes: share,
        ..FetchSettings::default()
    };
    if let Some(wait_ms) = given.number("fetch.wait.max.ms")? {
        fetch.max_wait = Duration::from_millis(wait_ms);
    }
    if let Some(bytes) = given.bytes("fetch.min.bytes")? {
        fetch.min_bytes = bytes;
    }
    if let Some(bytes) = given.bytes("fetch.max.bytes")? {
        fetch.bytes_max = bytes;
    }
    if let Some(bytes) = given.bytes("fetch.message.max.bytes")?.or(given.bytes("max.partition.fetch.bytes")?)
    {
        fetch.partition_bytes = bytes;
    }
    if given.flag("check.crcs")? == Some(false) {
        fetch.crc = Crc::Trusted;
    }
    Ok(fetch)
}

fn security(given: &Given<'_>) -> Result<Security, Unsupported> {
    let names_host = given.get("ssl.endpoint.identification.algorithm").unwrap_or("https");
    if names_host != "https" {
        return Err(refuse("ssl.endpoint.identification.algorithm", "the native client has https only"));
    }
    let verify = given.flag("enable.ssl.certificate.verification")?.unwrap_or(true);
    let authorities = given.pem("ssl.ca")?;
    let (certificates, key) = (given.pem("ssl.certificate")?, given.pem("ssl.key")?);
    let identity = match (&certificates, &key) {
        (Some(certificates), Some(key)) => Some(Identity { certificates, key }),
        (None, None) => None,
        _ => return Err(refuse("ssl.key.location", "a certificate and its key go together")),
    };
    let believed = authorities.as_deref().map_or(Authorities::System, Authorities::Pem);
    let config = tls_config(believed, identity, verify);
    config.map(Security::Tls).map_err(|error| refuse("ssl.ca.location", &error.to_string()))
}

fn sasl(given: &Given<'_>) -> Result<Sasl, Unsupported> {
    let mechanism = given.get("sasl.mechanism").or(given.get("sasl.mechanisms")).unwrap_or("GSSAPI");
    let (username, password) = (
        given.get("sasl.username").unwrap_or_default().to_owned(),
        given.get("sasl.password").unwrap_or_default().to_owned(),
    );
    let scram = |hash, username, password| Sasl::Scram { hash, username, password };
    match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => Ok(Sasl::Plain { username, password }),
        "SCRAM-SHA-256" => Ok(scram(ScramHash::Sha256, username, password)),
        "SCRAM-SHA-512" => Ok(scram(ScramHash::Sha512, username, password)),
        other => Err(refuse("sasl.mechanism", &format!("the native client has no {other}"))),
    }
}

/// The overrides; the last of a key counts.
pub(super) struct Given<'a>(pub(super) &'a [(String, String)]);

impl<'a> Given<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(given, _)| given == key);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Unsupported> {
        let parse = |text: &str| text.parse().map_err(|_| refuse(key, "is no number"));
        self.get(key).map(parse).transpose()
    }

    pub(super) fn bytes(&self, key: &str) -> Result<Option<usize>, Unsupported> {
        Ok(self.number(key)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Unsupported> {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Ok(true),
            "false" | "f" | "0" => Ok(false),
            _ => Err(refuse(key, "is neither true nor false")),
        };
        self.get(key).map(parse).transpose()
    }

    /// PEM from `WHAT.location`, a file, or `WHAT.pem`, the text itself.
    fn pem(&self, what: &str) -> Result<Option<Vec<u8>>, Unsupported> {
        if let Some(text) = self.get(&format!("{what}.pem")) {
            return Ok(Some(text.as_bytes().to_vec()));
        }
        let key = format!("{what}.location");
        match self.get(&key) {
            None | Some("probe") => Ok(None),
            Some(path) => match fs::read(path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) => Err(refuse(&key, &error.to_string())),
            },
        }
    }
}

pub(super) fn refuse(key: &str, reason: &str) -> Unsupported {
    Unsupported { key: key.to_owned(), reason: reason.to_owned() }
}

/// Keys that are read here.
const READ: &[&str] = &[
    "client.id",
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "fetch.wait.max.ms",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
    "check.crcs",
    "socket.timeout.ms",
    "socket.connection.setup.timeout.ms",
];

/// Keys that change nothing here: a producer's (`produce_options` reads those), and how librdkafka works
/// inside.
const IGNORED: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "api.version.request",
    "api.version.request.timeout.ms",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "debug",
    "delivery.timeout.ms",
    "enable.idempotence",
    "fetch.error.backoff.ms",
    "fetch.queue.backoff.ms",
    "linger.ms",
    "log.connection.close",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "statistics.interval.ms",
    "sticky.partitioning.linger.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "transaction.timeout.ms",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(overrides: &[&str]) -> KafkaSettings {
        let mut settings = KafkaSettings::new("h:1", "g");
        for text in overrides {
            settings.add_override(text).unwrap();
        }
        settings
    }

    #[test]
    fn the_operators_settings_mean_what_they_mean_to_librdkafka() {
        let given = settings(&[
            "security.protocol=SASL_PLAINTEXT",
            "sasl.mechanisms=SCRAM-SHA-512",
            "sasl.username=u",
            "sasl.password=p",
            "client.id=mine",
            "socket.timeout.ms=1000",
            "linger.ms=20",
        ]);
        let options = options(&given).unwrap();
        let (username, password) = ("u".to_owned(), "p".to_owned());
        assert_eq!(options.sasl, Some(Sasl::Scram { hash: ScramHash::Sha512, username, password }));
        assert_eq!((options.client_id.as_str(), options.request_timeout.as_secs()), ("mine", 1));
        assert!(matches!(options.security, Security::Plaintext));
        assert!(!format!("{options:?}").contains("\"p\""));

        let fetch = settings(&["check.crcs=false", "fetch.wait.max.ms=7", "fetch.message.max.bytes=1000"]);
        let fetch = fetch_settings(&fetch, 6).unwrap();
        assert_eq!((fetch.crc, fetch.max_wait.as_millis(), fetch.partition_bytes), (Crc::Trusted, 7, 1_000));
    }

    #[test]
    fn what_is_not_covered_is_named() {
        for (given, key) in [
            (&["security.protocol=SASL_SSL", "sasl.mechanism=GSSAPI"][..], "sasl.mechanism"),
            (&["security.protocol=sasl_plaintext", "sasl.mechanism=OAUTHBEARER"], "sasl.mechanism"),
            (&["security.protocol=sasl_plaintext"], "sasl.mechanism"),
            (&["security.protocol=tls"], "security.protocol"),
            (&["ssl.key.password=x"], "ssl.key.password"),
            (&["security.protocol=ssl", "ssl.ca.location=/no/such/file"], "ssl.ca.location"),
            (&["security.protocol=ssl", "ssl.ca.pem=nonsense"], "ssl.ca.location"),
            (&["socket.timeout.ms=soon"], "socket.timeout.ms"),
            (&["made.up=1"], "made.up"),
        ] {
            assert_eq!(options(&settings(given)).unwrap_err().key, key, "{given:?}");
        }
        assert_eq!(fetch_settings(&settings(&["check.crcs=perhaps"]), 1).unwrap_err().key, "check.crcs");
    }

    #[test]
    fn memory_is_shared_out_over_all_partitions() {
        let fetch = |partitions| fetch_settings(&settings(&[]), partitions).unwrap();
        for partitions in [1, 6, 64, 256] {
            let fetch = fetch(partitions);
            assert!(fetch.queued_bytes + fetch.partition_bytes <= fetch.held_bytes, "{partitions}");
            assert!(fetch.held_bytes * partitions <= crate::limits::SOURCE_BYTES_MAX, "{partitions}");
        }
        assert_eq!(fetch(100_000).partition_bytes, FETCH_BYTES_MIN);
    }
}
