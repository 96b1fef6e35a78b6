//! How clients are configured: what the engine needs, and the operator's `-X key=value` on top.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use wellstream_core::record::{PartitionId, Side};

use super::KafkaError;
use crate::limits::{
    CONNECT_TIMEOUT, FETCH_BYTES_MAX, FETCH_BYTES_MIN, QUEUED_RECORD_BYTES, SOURCE_BYTES_MAX,
    TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT_MIN,
};

/// Where Kafka is and how to talk to it. `Debug` shows no value of an override: they hold passwords.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `HOST:PORT,...`.
    pub brokers: String,
    /// The consumer group that owns the committed offsets.
    pub group: String,
    /// `-X key=value`, in order; for all clients. librdkafka ignores what is not for the kind of client.
    pub overrides: Vec<(String, String)>,
    /// What fetched records may hold in memory, over all partitions of all sources together, bytes.
    pub source_bytes_max: usize,
    /// How long the first answer of a broker may take.
    pub connect_timeout: Duration,
    /// Once raised, acknowledgements and commits are waited for a few seconds more at most, then given up.
    /// Without it a run that is asked to stop waits for them as long as ever. Raised by whoever made it
    /// (relaxed: it says nothing of other memory).
    pub give_up: Option<Arc<AtomicBool>>,
}

impl KafkaSettings {
    /// Settings with the defaults.
    #[must_use]
    pub fn new(brokers: &str, group: &str) -> KafkaSettings {
        KafkaSettings {
            brokers: brokers.to_owned(),
            group: group.to_owned(),
            overrides: Vec::new(),
            source_bytes_max: SOURCE_BYTES_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            give_up: None,
        }
    }

    /// Adds one `-X key=value`.
    ///
    /// # Errors
    /// A key on which the engine's promises rest, or text that is not `key=value`.
    pub fn add_override(&mut self, text: &str) -> Result<(), KafkaError> {
        let (key, value) = text.split_once('=').ok_or_else(|| KafkaError::Setting {
            key: text.to_owned(),
            message: "is not key=value".to_owned(),
        })?;
        let key = key.trim();
        if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == key) {
            return Err(KafkaError::Setting { key: key.to_owned(), message: (*instead).to_owned() });
        }
        self.overrides.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Whether waits are to be given up.
    pub(crate) fn gives_up(&self) -> bool {
        self.give_up.as_ref().is_some_and(|give_up| give_up.load(Ordering::Relaxed))
    }

    /// How long a transaction may be open before its coordinator aborts it.
    pub(crate) fn transaction_timeout(&self) -> Result<Duration, KafkaError> {
        let given = self.overrides.iter().rev().find(|(key, _)| key == TRANSACTION_TIMEOUT_KEY);
        let Some((key, text)) = given else { return Ok(TRANSACTION_TIMEOUT) };
        let timeout = text.trim().parse().map(Duration::from_millis).ok();
        timeout.filter(|timeout| *timeout >= TRANSACTION_TIMEOUT_MIN).ok_or_else(|| KafkaError::Setting {
            key: key.clone(),
            message: format!("is no number of at least {}", TRANSACTION_TIMEOUT_MIN.as_millis()),
        })
    }

    /// A client that reads `partitions_total` partitions' share of the memory (all sources together).
    pub(super) fn source_config(&self, partitions_total: usize) -> ClientConfig {
        let bytes = (self.source_bytes_max / partitions_total.max(1)).max(FETCH_BYTES_MIN);
        let mut config = self.consumer_config();
        // Kilobytes per partition queue. One fetch may come on top, so a fetch is smaller than the queue.
        config.set("queued.max.messages.kbytes", (bytes / 1_024).max(1).to_string());
        config.set("fetch.message.max.bytes", bytes.min(FETCH_BYTES_MAX).to_string());
        // Beside its bytes each queued record takes some 300 bytes of bookkeeping, which the client does not
        // count.
        config.set("queued.min.messages", (bytes / QUEUED_RECORD_BYTES).max(1_000).to_string());
        // The default of one second is a stall of one second whenever a queue was full.
        config.set("fetch.queue.backoff.ms", "5");
        config.set("fetch.wait.max.ms", "50");
        self.finish(config)
    }

    /// A client that asks and commits but reads nothing.
    pub(super) fn plain_config(&self) -> ClientConfig {
        self.finish(self.consumer_config())
    }

    /// A client that makes topics and describes them.
    pub(super) fn admin_config(&self) -> ClientConfig {
        self.finish(self.common_config())
    }

    /// A client that produces, with the largest record it may send.
    pub(super) fn producer_config(&self, message_bytes_max: usize, batch_bytes_max: usize) -> ClientConfig {
        let mut config = self.common_config();
        config.set("acks", "all");
        config.set("enable.idempotence", "true");
        config.set("linger.ms", "5");
        config.set("partitioner", "murmur2_random");
        config.set("delivery.report.only.error", "true");
        config.set("queue.buffering.max.kbytes", "65536");
        config.set("queue.buffering.max.messages", "200000");
        config.set("message.max.bytes", message_bytes_max.to_string());
        config.set("batch.size", batch_bytes_max.to_string());
        // A broker may be away for that long before records are given up and the run ends.
        config.set("message.timeout.ms", "120000");
        self.finish(config)
    }

    fn consumer_config(&self) -> ClientConfig {
        let mut config = self.common_config();
        config.set("group.id", &self.group);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "error");
        // Also what makes the fetch of committed offsets wait for open transactions (require-stable).
        config.set("isolation.level", "read_committed");
        config
    }

    fn common_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "wellstream");
        config.set("reconnect.backoff.max.ms", "2000");
        config
    }

    fn finish(&self, mut config: ClientConfig) -> ClientConfig {
        for (key, value) in &self.overrides {
            config.set(key, value);
        }
        config
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.overrides.iter().map(|(key, _)| key).collect();
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("overrides", &keys)
            .field("source_bytes_max", &self.source_bytes_max)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// What it means to either client is read in one place.
const TRANSACTION_TIMEOUT_KEY: &str = "transaction.timeout.ms";

/// Keys that the engine's promises rest on, with what to use instead.
const RESERVED: [(&str, &str); 9] = [
    ("bootstrap.servers", "use --brokers"),
    ("metadata.broker.list", "use --brokers"),
    ("group.id", "use --group"),
    ("enable.auto.commit", "offsets are committed with their output only"),
    ("enable.auto.offset.store", "offsets are committed with their output only"),
    ("enable.partition.eof", "the end of a partition must be told"),
    ("auto.offset.reset", "an offset is never reset silently; see --from"),
    ("isolation.level", "only committed records are read"),
    ("partitioner", "rows and alarms are partitioned as Java clients do"),
];

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Well readings.
    pub wells: String,
    /// Tank readings.
    pub tanks: String,
    /// Rows.
    pub enriched: String,
    /// Alarms, compacted.
    pub alerts: String,
    /// Rejected records.
    pub quarantine: String,
}

impl TopicNames {
    /// The input topic of a side.
    #[must_use]
    pub fn of(&self, side: Side) -> &str {
        match side {
            Side::Well => &self.wells,
            Side::Tank => &self.tanks,
        }
    }

    /// `topic[number]`, as messages name a partition.
    pub(crate) fn partition(&self, partition: PartitionId) -> String {
        format!("{}[{}]", self.of(partition.side), partition.number)
    }
}

impl Default for TopicNames {
    fn default() -> Self {
        TopicNames {
            wells: "well-sensor-data".to_owned(),
            tanks: "tank-sensor-data".to_owned(),
            enriched: "enriched-events".to_owned(),
            alerts: "facility-alerts".to_owned(),
            quarantine: "quarantine".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_win_but_not_over_what_the_engine_rests_on() {
        let mut settings = KafkaSettings::new("h:1", "g");
        settings.add_override("linger.ms=20").unwrap();
        settings.add_override("sasl.password=a=b").unwrap();
        assert_eq!(settings.producer_config(1, 1).get("linger.ms"), Some("20"));
        assert_eq!(settings.plain_config().get("sasl.password"), Some("a=b"));
        let refused = settings.add_override("enable.auto.commit=true").unwrap_err();
        assert!(refused.to_string().contains("enable.auto.commit"), "{refused}");
        assert!(settings.add_override("nonsense").is_err());
    }

    #[test]
    fn a_transaction_may_be_open_for_as_long_as_is_said_but_not_for_no_time() {
        let timeout = |text: Option<&str>| {
            let mut settings = KafkaSettings::new("h:1", "g");
            if let Some(text) = text {
                settings.add_override(&format!("transaction.timeout.ms={text}")).unwrap();
            }
            settings.transaction_timeout()
        };
        assert_eq!(timeout(None), Ok(TRANSACTION_TIMEOUT));
        assert_eq!(timeout(Some("60000")), Ok(Duration::from_secs(60)));
        for wrong in ["100", "soon", "-1"] {
            let error = timeout(Some(wrong)).unwrap_err();
            assert!(matches!(&error, KafkaError::Setting { key, .. } if key == TRANSACTION_TIMEOUT_KEY));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut settings = KafkaSettings::new("h:1", "g");
        settings.add_override("sasl.password=hunter2").unwrap();
        let text = format!("{settings:?}");
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn memory_is_shared_out_over_all_partitions() {
        let settings = KafkaSettings::new("h:1", "g");
        let kbytes = |partitions| {
            let config = settings.source_config(partitions);
            config.get("queued.max.messages.kbytes").unwrap().parse::<usize>().unwrap()
        };
        assert_eq!(kbytes(1) * 1_024, SOURCE_BYTES_MAX);
        assert_eq!(kbytes(64) * 1_024, SOURCE_BYTES_MAX / 64);
        assert_eq!(kbytes(100_000) * 1_024, FETCH_BYTES_MIN);
    }
}
