//! From settings to what the Kafka connector takes.

use wellstream_connectors::kafka::start::From as StartFrom;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, KafkaSettings, TopicNames};
use wellstream_connectors::native::choice::{ClientChoice, Reader};

use crate::exit::Failure;
use crate::settings::{Delivery, KafkaClient, Settings, StartAt};

/// The clients' settings. Without `--brokers` the command cannot run.
pub(crate) fn settings(settings: &Settings, command: &str) -> Result<KafkaSettings, Failure> {
    let brokers = settings
        .brokers
        .as_ref()
        .ok_or_else(|| Failure::usage(format!("{command} needs --brokers HOST:PORT")))?;
    let mut kafka = KafkaSettings::new(&brokers.join(","), &settings.group);
    for (name, value) in &settings.kafka {
        kafka.add_override(&format!("{name}={value}")).map_err(failure)?;
    }
    Ok(kafka)
}

/// The names of the topics.
pub(crate) fn topics(settings: &Settings) -> TopicNames {
    TopicNames {
        wells: settings.wells.clone(),
        tanks: settings.tanks.clone(),
        enriched: settings.output.clone(),
        alerts: settings.alerts.clone(),
        quarantine: settings.quarantine.clone(),
    }
}

/// Where to start without a commit.
pub(crate) fn start_from(settings: &Settings) -> StartFrom {
    match settings.start_at() {
        StartAt::Earliest => StartFrom::Earliest,
        StartAt::Latest => StartFrom::Latest,
        StartAt::Time(ms) => StartFrom::Time(ms),
    }
}

/// Connects, and waits for the first answer.
pub(crate) fn connect(kafka: &KafkaSettings) -> Result<Connection, Failure> {
    Connection::open(kafka).map_err(failure)
}

/// The client that readings are fetched by, with a word about why.
pub(crate) fn reader(settings: &Settings, kafka: &KafkaSettings) -> Result<Reader, Failure> {
    client(settings, kafka, "readings are fetched")
}

/// The client for what is to be done, with a word about why.
pub(crate) fn client(settings: &Settings, kafka: &KafkaSettings, what: &str) -> Result<Reader, Failure> {
    let choice = match settings.kafka_client {
        KafkaClient::Auto => ClientChoice::Auto,
        KafkaClient::Native => ClientChoice::Native,
        KafkaClient::Rdkafka => ClientChoice::Rdkafka,
    };
    let reader = Reader::choose(kafka, choice).map_err(failure)?;
    let (client, why) = (if reader.is_native { "native" } else { "rdkafka" }, &reader.why);
    if reader.is_fallback && settings.delivery == Delivery::ExactlyOnce {
        // Its transactions have no epoch of their own each: a request of one that arrives late may be taken
        // for a part of the next.
        tracing::warn!("{what} by the {client} client, with its transactions: {why}");
    } else {
        tracing::info!("{what} by the {client} client: {why}");
    }
    Ok(reader)
}

/// A property that the client does not know is the operator's slip; everything else happened at run time.
pub(crate) fn failure(error: KafkaError) -> Failure {
    match error {
        KafkaError::Setting { .. } => Failure::Usage(error.into()),
        error => Failure::Runtime(error.into()),
    }
}
