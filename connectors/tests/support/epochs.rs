//! What tests of sinks share: outputs of an epoch, and what has come of them.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::sink::{KafkaOutputs, ResultSchemas};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, SinkError,
};
use wellstream_core::record::{
    Alarm, AlarmKind, Input, PartitionId, Reason, Reject, Row, RowBatch, Side, Status, WellReading,
};
use wellstream_core::rules::{RulesHash, ScoreRules};
use wellstream_core::score;

use super::live::wait_for;

pub const SCHEMAS: ResultSchemas = ResultSchemas { enriched: 11, alert: 12, rules: RulesHash(0xabc) };
pub const ALL: KafkaOutputs = KafkaOutputs { results: Some(SCHEMAS), quarantine: true };

#[derive(Debug, PartialEq, Eq)]
pub struct Got {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

/// Everything committed that a topic holds, partition by partition.
pub fn read_all(settings: &KafkaSettings, connection: &Connection, topic: &str) -> Vec<Got> {
    read(settings, connection, topic, "read_committed")
}

/// The same for one of the isolation levels.
pub fn read(settings: &KafkaSettings, connection: &Connection, topic: &str, isolation: &str) -> Vec<Got> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", "reader");
    config.set("enable.partition.eof", "true").set("isolation.level", isolation);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    let partitions = connection.topic(topic).unwrap().partitions;
    for number in 0..i32::try_from(partitions).unwrap() {
        list.add_partition_offset(topic, number, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut got, mut ended) = (Vec::new(), 0);
    let clock = MachineClock::start();
    while ended < partitions {
        assert!(clock.elapsed() < Duration::from_secs(30), "{topic} has no end");
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(record)) => got.push(Got {
                partition: record.partition(),
                key: record.key().map(<[u8]>::to_vec),
                value: record.payload().map(<[u8]>::to_vec),
                headers: record.headers().map(header_texts).unwrap_or_default(),
            }),
            Some(Err(ClientError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    got
}

pub fn header_texts(headers: &impl Headers) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
}

pub fn rows(count: i64) -> RowBatch {
    rows_between(0, count)
}

/// Rows of these offsets of wells.
pub fn rows_between(from: i64, to: i64) -> RowBatch {
    let mut batch = RowBatch::default();
    for offset in from..to {
        let facility = format!("FAC-{}", offset % 97);
        let facility_id = Some(&facility[..]);
        let reading = WellReading { facility_id, methane_ppm: Some(650.5), ..WellReading::default() };
        let input = Input { time_ms: 1_000 + offset, partition: 2, offset };
        let mut part = Vec::new();
        let (time_ms, status) = (input.time_ms, Status::Alert);
        let class = score::well(650.5, &ScoreRules::default());
        let encoder = PartEncoder::new(PartitionId { side: Side::Well, number: input.partition });
        encoder.well(&mut part, &reading, &Origin { offset, time_ms, value: &[] }, class);
        let tail = RowTail { time_ms, quality: 75, risk: 40, status };
        let (value, key) = RowEncoder::new(RulesHash(1)).put(&mut batch.bytes, Some(&part), None, tail);
        batch.rows.push(Row { well: Some(input), tank: None, time_ms, risk: 40, status, value, key });
    }
    batch
}

pub fn alarm(facility: &str, kind: AlarmKind, time_ms: i64, highest: u32) -> Alarm {
    Alarm { facility: facility.into(), kind, time_ms, first_ms: 1_000, last_ms: time_ms, highest }
}

pub fn reject(offset: i64, value: Option<Vec<u8>>) -> Reject {
    let partition = PartitionId { side: Side::Tank, number: 1 };
    let (key, schema_id) = (Some(b"TANK-9".to_vec()), (offset % 2 == 0).then_some(7));
    Reject { reason: Reason::BadMagic, partition, offset, timestamp_ms: 77, schema_id, key, value }
}

pub fn offsets(places: &[(Side, u32, i64, &str)]) -> EpochOffsets {
    let partitions = places
        .iter()
        .map(|&(side, number, offset_next, metadata)| PartitionOffset {
            partition: PartitionId { side, number },
            offset_next,
            metadata: metadata.to_owned(),
        })
        .collect();
    EpochOffsets { partitions, group: GroupMetadata { member: String::new(), generation: -1 } }
}

pub fn epoch<K: Sink>(
    sink: &mut K,
    outputs: &[Output<'_>],
    ends: &EpochOffsets,
) -> Result<CommitOutcome, SinkError> {
    sink.begin(1)?;
    for output in outputs {
        sink.append(*output)?;
    }
    sink.offsets(ends)?;
    sink.commit()
}

/// As an operator would, while programs run.
pub fn set_topic_limit(settings: &KafkaSettings, topic: &str, bytes: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    struct Quiet;
    impl rdkafka::ClientContext for Quiet {}
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    let admin: AdminClient<Quiet> = config.create_with_context(Quiet).unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    wait_for(admin.alter_configs([&change], &AdminOptions::new())).unwrap();
}
