//! The sink and the group's offsets against a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, ClientContext};
use sha2::{Digest, Sha256};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::{KafkaOutputs, KafkaSink, ResultSchemas};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, KafkaSettings, TopicNames};
use wellstream_core::decode;
use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, SinkError, Wants,
};
use wellstream_core::record::WellReading;
use wellstream_core::record::{
    Alarm, AlarmInForce, AlarmKind, Input, PartitionId, Reason, Reject, Row, RowBatch, Side, Status,
};
use wellstream_core::rules::{RulesHash, ScoreRules};
use wellstream_core::score;

const SCHEMAS: ResultSchemas = ResultSchemas { enriched: 11, alert: 12, rules: RulesHash(0xabc) };
const ALL: KafkaOutputs = KafkaOutputs { results: Some(SCHEMAS), quarantine: true };

#[derive(Debug, PartialEq, Eq)]
struct Got {
    partition: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, String)>,
}

/// Everything that a topic holds, partition by partition.
fn read_all(settings: &KafkaSettings, connection: &Connection, topic: &str) -> Vec<Got> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", "reader");
    config.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
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

fn header_texts(headers: &impl Headers) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
}

fn rows(count: i64) -> RowBatch {
    let mut batch = RowBatch::default();
    for offset in 0..count {
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

fn alarm(facility: &str, kind: AlarmKind, time_ms: i64, highest: u32) -> Alarm {
    Alarm { facility: facility.into(), kind, time_ms, first_ms: 1_000, last_ms: time_ms, highest }
}

fn reject(offset: i64, value: Option<Vec<u8>>) -> Reject {
    let partition = PartitionId { side: Side::Tank, number: 1 };
    let (key, schema_id) = (Some(b"TANK-9".to_vec()), (offset % 2 == 0).then_some(7));
    Reject { reason: Reason::BadMagic, partition, offset, timestamp_ms: 77, schema_id, key, value }
}

fn offsets(places: &[(Side, u32, i64, &str)]) -> EpochOffsets {
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

fn epoch(
    sink: &mut KafkaSink,
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

#[test]
fn rows_and_alarms_come_out_framed_keyed_and_where_java_would_put_them() {
    let Some((connection, settings, names)) = live::prepared("rows", 3) else { return };
    let mut sink = KafkaSink::open(&connection, &names, ALL).unwrap();
    assert_eq!(sink.wants(), Wants { encoded_rows: true, rejects: true, only_counts: false });
    let batch = rows(5_000);
    let alarms = [alarm("FAC-1", AlarmKind::Raised, 2_000, 40), alarm("FAC-2", AlarmKind::Raised, 2_000, 60)];
    let outputs = [Output::Rows(&batch), Output::Alarms(&alarms)];
    let outcome = epoch(&mut sink, &outputs, &offsets(&[(Side::Well, 0, 5_000, "m")])).unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);

    let got = read_all(&settings, &connection, &names.enriched);
    assert_eq!(got.len(), 5_000);
    let mut partitions: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
    let mut next: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for record in got {
        let value = record.value.unwrap();
        let (id, body) = decode::split_frame(&value).unwrap();
        let event = decode::enriched(body).unwrap();
        let key = record.key.unwrap();
        assert_eq!((id, event.facility_id.as_bytes()), (11, key.as_slice()));
        assert_eq!(*partitions.entry(key.clone()).or_insert(record.partition), record.partition);
        let offset = event.well_offset.unwrap();
        assert!(next.insert(key, offset).is_none_or(|before| before < offset), "a key keeps its order");
    }
    // The same key through librdkafka's own Java-compatible partitioner.
    let producer = live::producer(&settings, &[("partitioner", "murmur2_random")]);
    for key in partitions.keys() {
        producer.send(BaseRecord::to(&names.quarantine).key(key).payload(b"")).unwrap();
    }
    live::flush(&producer);
    for record in read_all(&settings, &connection, &names.quarantine) {
        assert_eq!(partitions[record.key.as_ref().unwrap()], record.partition);
    }
    let got = read_all(&settings, &connection, &names.alerts);
    let mut found = Vec::new();
    for record in got {
        let value = record.value.unwrap();
        let (id, body) = decode::split_frame(&value).unwrap();
        assert_eq!(id, 12);
        found.push(decode::alarm(body).unwrap());
    }
    found.sort();
    assert_eq!(found, alarms);
}

#[test]
fn rejects_come_out_byte_for_byte_and_what_is_too_large_as_headers() {
    let Some((connection, settings, names)) = live::prepared("quarantine", 1) else { return };
    let mut sink = KafkaSink::open(&connection, &names, ALL).unwrap();
    let (large, beyond) = (vec![3; 10 << 20], vec![4; 13 << 20]);
    let values =
        [Some(b"\x05bad".to_vec()), None, Some(Vec::new()), Some(large.clone()), Some(beyond.clone())];
    let rejects: Vec<Reject> =
        (0..).zip(&values).map(|(offset, value)| reject(offset, value.clone())).collect();
    epoch(&mut sink, &[Output::Rejects(&rejects)], &EpochOffsets::default()).unwrap();
    let got = read_all(&settings, &connection, &names.quarantine);
    assert_eq!(got.len(), 5);
    for (offset, (got, value)) in got.iter().zip(&values).enumerate() {
        assert_eq!(got.key.as_deref(), Some(b"TANK-9".as_slice()));
        let offset_text = offset.to_string();
        let mut expected = vec![
            ("ws.reason", "bad_magic"),
            ("ws.topic", names.tanks.as_str()),
            ("ws.partition", "1"),
            ("ws.offset", &offset_text),
            ("ws.timestamp", "77"),
        ];
        if offset % 2 == 0 {
            expected.push(("ws.schema_id", "7"));
        }
        let sha: String = Sha256::digest(&beyond).iter().map(|byte| format!("{byte:02x}")).collect();
        if offset == 4 {
            expected.extend([("ws.value_bytes", "13631488"), ("ws.value_sha256", sha.as_str())]);
            assert_eq!(got.value, None);
        } else {
            assert!(got.value == *value, "offset {offset}: the value is not the same, byte for byte");
        }
        let headers: Vec<_> = got.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(headers, expected);
    }
}

/// The topic's limit was lowered while we run: then the broker refuses.
#[test]
fn what_the_broker_finds_too_large_goes_again_as_headers() {
    let Some((connection, settings, names)) = live::prepared("lowered", 1) else { return };
    let mut sink = KafkaSink::open(&connection, &names, ALL).unwrap();
    set_topic_limit(&settings, &names.quarantine, "100000");
    let rejects = [reject(0, Some(vec![1; 200_000])), reject(1, Some(vec![2; 1_000]))];
    epoch(&mut sink, &[Output::Rejects(&rejects)], &EpochOffsets::default()).unwrap();
    // Both were in one batch, which is refused as a whole: the small one must still come out byte for byte.
    let got = read_all(&settings, &connection, &names.quarantine);
    assert_eq!(got.len(), 2);
    let of = |offset: &str| {
        let header = ("ws.offset".to_owned(), offset.to_owned());
        got.iter().find(|got| got.headers.contains(&header)).unwrap()
    };
    assert_eq!(of("0").value, None);
    assert!(of("0").headers.contains(&("ws.value_bytes".to_owned(), "200000".to_owned())), "{got:?}");
    assert_eq!(of("1").value.as_deref(), Some([2; 1_000].as_slice()));
}

fn set_topic_limit(settings: &KafkaSettings, topic: &str, bytes: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    struct Quiet;
    impl ClientContext for Quiet {}
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    let admin: AdminClient<Quiet> = config.create_with_context(Quiet).unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    live::wait_for(admin.alter_configs([&change], &AdminOptions::new())).unwrap();
}

#[test]
fn offsets_and_metadata_come_back_and_wait_for_open_transactions() {
    let Some((connection, settings, names)) = live::prepared("offsets", 2) else { return };
    let ids: Vec<PartitionId> = [(Side::Tank, 1), (Side::Well, 0), (Side::Well, 1)]
        .map(|(side, number)| PartitionId { side, number })
        .to_vec();
    assert_eq!(connection.committed(&names, &ids).unwrap(), [None, None, None]);
    let mut sink = KafkaSink::open(&connection, &names, KafkaOutputs::default()).unwrap();
    assert_eq!(sink.wants(), Wants::default());
    let metadata = format!("ws1;{};2;0;-;-;-;00000000000000ff", "A".repeat(200));
    let clock = MachineClock::start();
    for offset in 1..=20 {
        let ends = offsets(&[(Side::Well, 0, offset, &metadata), (Side::Tank, 1, 2 * offset, "t")]);
        assert_eq!(epoch(&mut sink, &[], &ends).unwrap(), CommitOutcome::Committed);
    }
    assert!(clock.elapsed() < Duration::from_secs(10), "20 commits took {:?}", clock.elapsed());
    let expected = vec![Some((40, "t".to_owned())), Some((20, metadata.clone())), None];
    assert_eq!(connection.committed(&names, &ids).unwrap(), expected);
    let starts = connection.starts(&names, Default::default(), true).unwrap();
    assert_eq!(starts[0].committed, Some((20, metadata)));

    // Offsets in an open transaction: the fetch waits until it is decided.
    let producer = live::producer(&settings, &[("transactional.id", &settings.group)]);
    let wait = Duration::from_secs(30);
    producer.init_transactions(wait).unwrap();
    producer.begin_transaction().unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    let member: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&names.wells, 0, Offset::Offset(33)).unwrap();
    producer.send_offsets_to_transaction(&list, &member.group_metadata().unwrap(), wait).unwrap();
    let fetch = std::thread::spawn({
        let (names, settings) = (names.clone(), settings.clone());
        move || Connection::open(&settings).unwrap().committed(&names, &ids).unwrap()
    });
    clock.sleep(Duration::from_millis(1_500));
    assert!(!fetch.is_finished(), "the fetch must wait for the open transaction");
    producer.commit_transaction(wait).unwrap();
    assert_eq!(fetch.join().unwrap()[1], Some((33, String::new())));
}

#[test]
fn a_group_with_members_of_another_program_is_refused() {
    let Some((connection, settings, names)) = live::prepared("members", 1) else { return };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    let member: BaseConsumer = config.create().unwrap();
    member.subscribe(&[&names.wells]).unwrap();
    let clock = MachineClock::start();
    while member.assignment().unwrap().count() == 0 {
        member.poll(Duration::from_millis(100));
        assert!(clock.elapsed() < Duration::from_secs(30), "never joined");
    }
    let mut sink = KafkaSink::open(&connection, &names, KafkaOutputs::default()).unwrap();
    let error = epoch(&mut sink, &[], &offsets(&[(Side::Well, 0, 1, "m")])).unwrap_err();
    assert!(error.to_string().contains("another --group"), "{error}");
}

#[test]
fn alarms_in_force_are_the_newest_per_facility() {
    let Some((connection, _settings, names)) = live::prepared("alarms", 2) else { return };
    assert_eq!(connection.alarms_in_force(&names.alerts, i64::MAX).unwrap(), []);
    let mut sink = KafkaSink::open(&connection, &names, ALL).unwrap();
    let alarms = [
        alarm("A", AlarmKind::Raised, 2_000, 40),
        alarm("B", AlarmKind::Raised, 2_000, 40),
        alarm("C", AlarmKind::Raised, 2_500, 60),
        alarm("A", AlarmKind::Escalated, 3_000, 80),
        alarm("B", AlarmKind::Cleared, 32_000, 40),
    ];
    epoch(&mut sink, &[Output::Alarms(&alarms)], &EpochOffsets::default()).unwrap();
    let in_force = |facility: &str, last_ms, highest| AlarmInForce {
        facility: facility.into(),
        first_ms: 1_000,
        last_ms,
        highest,
    };
    let expected = [in_force("A", 3_000, 80), in_force("C", 2_500, 60)];
    assert_eq!(connection.alarms_in_force(&names.alerts, i64::MAX).unwrap(), expected);
    // What an epoch without a commit left behind is not in force: each facility has what it had before.
    let before = [in_force("A", 2_000, 40), in_force("B", 2_000, 40), in_force("C", 2_500, 60)];
    assert_eq!(connection.alarms_in_force(&names.alerts, 3_000).unwrap(), before);
}

#[test]
fn a_missing_output_topic_is_told_at_the_start() {
    let Some((connection, _settings, names)) = live::prepared("no-output", 1) else { return };
    let missing = TopicNames { quarantine: live::unique("no-quarantine"), ..names };
    let error = KafkaSink::open(&connection, &missing, ALL).map(drop).unwrap_err();
    assert!(
        matches!(&error, KafkaError::TopicMissing { topic, .. } if *topic == missing.quarantine),
        "{error}"
    );
    let without = KafkaOutputs { quarantine: false, ..ALL };
    assert!(KafkaSink::open(&connection, &missing, without).is_ok());
}

/// Rows that the broker refuses: the epoch is not committed.
#[test]
fn what_cannot_be_delivered_ends_the_epoch_uncommitted() {
    let Some((connection, settings, names)) = live::prepared("undelivered", 1) else { return };
    let mut sink = KafkaSink::open(&connection, &names, ALL).unwrap();
    set_topic_limit(&settings, &names.enriched, "100");
    let batch = rows(10);
    let ends = offsets(&[(Side::Well, 0, 10, "m")]);
    let error = epoch(&mut sink, &[Output::Rows(&batch)], &ends).unwrap_err();
    assert!(
        error.to_string().contains("not delivered") && error.to_string().contains("10 records"),
        "{error}"
    );
    let well = PartitionId { side: Side::Well, number: 0 };
    assert_eq!(connection.committed(&names, &[well]).unwrap(), [None]);
}
