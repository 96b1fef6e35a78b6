//! What the tests against real servers share.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

#[path = "own.rs"]
mod own;

use std::sync::OnceLock;
use std::time::Duration;

pub use own::{address, unique};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};

pub fn brokers() -> Option<String> {
    address("WELLSTREAM_TEST_BROKERS")
}

/// When this process began to ask, epoch ms. Records stamped long ago fall to retention while the tests run.
pub fn now_ms() -> i64 {
    static NOW: OnceLock<i64> = OnceLock::new();
    *NOW.get_or_init(|| MachineClock::start().wall_ms())
}

pub fn names(prefix: &str) -> TopicNames {
    TopicNames {
        wells: format!("{prefix}-wells"),
        tanks: format!("{prefix}-tanks"),
        enriched: format!("{prefix}-enriched"),
        alerts: format!("{prefix}-alerts"),
        quarantine: format!("{prefix}-quarantine"),
    }
}

/// A connection with topics of its own.
pub fn prepared(what: &str, partitions: u32) -> Option<(Connection, KafkaSettings, TopicNames)> {
    let prefix = unique(what);
    let settings = KafkaSettings::new(&brokers()?, &prefix);
    let names = names(&prefix);
    let connection = Connection::open(&settings).unwrap();
    connection.create_topics(&names, partitions, 1).unwrap();
    Some((connection, settings, names))
}

pub fn producer(settings: &KafkaSettings, extra: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("message.max.bytes", "20000000");
    // Without it a batch that a new topic's leader refuses at first is sent again behind later ones.
    config.set("enable.idempotence", "true");
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

pub fn send(producer: &BaseProducer, topic: &str, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
    let mut record: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(topic).partition(partition).timestamp(now_ms());
    record.key = key;
    record.payload = value;
    while let Err((error, refused)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
        producer.poll(Duration::from_millis(10));
        record = refused;
    }
}

pub fn flush(producer: &BaseProducer) {
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// The ends of the partitions of a topic once nothing is open on them: a commit is answered before its
/// partitions have heard of it.
pub fn settled_ends(settings: &KafkaSettings, connection: &Connection, topic: &str) -> Vec<i64> {
    let clock = MachineClock::start();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("isolation.level", "read_uncommitted");
    let all: BaseConsumer = config.create().unwrap();
    let settled = |number: u32| loop {
        let partition = i32::try_from(number).unwrap();
        let (_, end) = all.fetch_watermarks(topic, partition, Duration::from_secs(30)).unwrap();
        if connection.watermarks(topic, number).unwrap().1 == end {
            return end;
        }
        assert!(clock.elapsed() < Duration::from_secs(60), "{topic}[{number}]: a transaction stays open");
        clock.sleep(Duration::from_millis(20));
    };
    (0..connection.topic(topic).unwrap().partitions).map(settled).collect()
}

/// Runs one admin call to its end.
pub fn wait_for<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    let clock = MachineClock::start();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        assert!(clock.elapsed() < Duration::from_secs(30), "no answer");
        clock.sleep(Duration::from_millis(5));
    }
}
