//! The sink and the group's offsets against a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/epochs.rs"]
mod epochs;

use std::collections::BTreeMap;
use std::time::Duration;

use epochs::{ALL, alarm, epoch, offsets, read_all, reject, rows, set_topic_limit};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sha2::{Digest, Sha256};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::{KafkaOutputs, KafkaSink};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_core::decode;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, Wants};
use wellstream_core::record::{AlarmInForce, AlarmKind, PartitionId, Reject, Side};

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
