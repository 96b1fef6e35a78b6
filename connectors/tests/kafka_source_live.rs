//! The source against a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::time::Duration;

use rdkafka::producer::Producer;
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::source::KafkaSource;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::{Connection, Created};
use wellstream_connectors::kafka::{KafkaError, KafkaSettings, TopicNames};
use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record, Side};

const fn well(number: u32) -> PartitionId {
    PartitionId { side: Side::Well, number }
}

type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

fn owned(record: &Record<'_>) -> Owned {
    (record.offset, record.timestamp_ms, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec))
}

/// Reads until the partition's position reaches `end`, taking at most `take` of what a visit shows.
fn read_to(source: &mut KafkaSource, id: PartitionId, end: i64, take: usize) -> (Vec<Owned>, Polled) {
    let clock = MachineClock::start();
    let mut seen = Vec::new();
    loop {
        let mut visit = |records: &[Record<'_>]| {
            let taken = records.len().min(take);
            seen.extend(records[..taken].iter().map(owned));
            taken
        };
        let polled = source.poll(id, 1_000, &mut visit).unwrap();
        if polled.offset_next.is_some_and(|next| next >= end) {
            return (seen, polled);
        }
        assert!(clock.elapsed() < Duration::from_secs(30), "stuck at {polled:?} of {end}");
        clock.sleep(Duration::from_millis(1));
    }
}

fn poll_error(source: &mut KafkaSource, id: PartitionId) -> SourceError {
    let clock = MachineClock::start();
    loop {
        match source.poll(id, 10, &mut |records| records.len()) {
            Err(error) => return error,
            Ok(_) => assert!(clock.elapsed() < Duration::from_secs(60), "no error came"),
        }
        clock.sleep(Duration::from_millis(5));
    }
}

fn open(settings: &KafkaSettings, names: &TopicNames, starts: &[(PartitionId, i64)]) -> KafkaSource {
    KafkaSource::open(settings, names, starts, starts.len()).unwrap()
}

#[test]
fn what_was_produced_comes_back_in_order_and_what_is_not_taken_is_offered_again() {
    let Some((_connection, settings, names)) = live::prepared("order", 2) else { return };
    let producer = live::producer(&settings, &[]);
    for i in 0..20_000_i32 {
        let key = (i % 3 != 0).then_some(b"key".as_slice());
        live::send(&producer, &names.wells, i % 2, key, Some(&i.to_be_bytes()));
    }
    live::send(&producer, &names.wells, 0, Some(b"tombstone"), None);
    live::send(&producer, &names.wells, 0, None, Some(b""));
    live::flush(&producer);
    let mut source = open(&settings, &names, &[(well(0), 0), (well(1), 5)]);
    for (number, first, end, take) in [(0, 0, 10_002, 77), (1, 5, 10_000, usize::MAX)] {
        let (seen, polled) = read_to(&mut source, well(number), end, take);
        assert_eq!(seen.len(), usize::try_from(end - first).unwrap());
        for (index, (offset, time, key, value)) in seen.iter().enumerate() {
            assert_eq!(*offset, first + i64::try_from(index).unwrap());
            assert_eq!(*time, live::now_ms());
            if *offset < 10_000 {
                let i = i32::try_from(*offset).unwrap() * 2 + i32::try_from(number).unwrap();
                assert_eq!(value.as_deref(), Some(i.to_be_bytes().as_slice()));
                assert_eq!(key.is_some(), i % 3 != 0);
            }
        }
        assert_eq!(polled.log_end, Some(end));
        if number == 0 {
            assert_eq!((&seen[10_000].2, &seen[10_000].3), (&Some(b"tombstone".to_vec()), &None));
            assert_eq!((&seen[10_001].2, &seen[10_001].3), (&None, &Some(Vec::new())));
        }
    }
}

#[test]
fn an_empty_partition_tells_its_end() {
    let Some((_connection, settings, names)) = live::prepared("empty", 1) else { return };
    let mut source = open(&settings, &names, &[(well(0), 0)]);
    let before = source.poll(well(0), 10, &mut |_| panic!("nothing is there")).unwrap();
    assert_eq!((before.taken, before.offset_next), (0, None));
    let (seen, polled) = read_to(&mut source, well(0), 0, 10);
    assert!(seen.is_empty());
    assert_eq!((polled.offset_next, polled.log_end), (Some(0), Some(0)));
}

#[test]
fn aborted_records_and_markers_are_passed_over_and_open_ones_are_waited_for() {
    let Some((connection, settings, names)) = live::prepared("markers", 1) else { return };
    let producer = live::producer(&settings, &[("transactional.id", &names.wells)]);
    let wait = Duration::from_secs(30);
    producer.init_transactions(wait).unwrap();
    for (commit, values) in [(true, ["a", "b"]), (false, ["x", "y"]), (true, ["c", "d"])] {
        producer.begin_transaction().unwrap();
        for value in values {
            live::send(&producer, &names.wells, 0, None, Some(value.as_bytes()));
        }
        live::flush(&producer);
        if commit { producer.commit_transaction(wait) } else { producer.abort_transaction(wait) }.unwrap();
    }
    // a b C x y A c d C: nine offsets, four readable records.
    let mut source = open(&settings, &names, &[(well(0), 0)]);
    let (seen, polled) = read_to(&mut source, well(0), 9, 10);
    let got: Vec<_> = seen.iter().map(|(offset, _, _, value)| (*offset, value.clone().unwrap())).collect();
    let expected = [(0, b"a"), (1, b"b"), (6, b"c"), (7, b"d")].map(|(o, v)| (o, v.to_vec()));
    assert_eq!(got, expected);
    assert_eq!((polled.offset_next, polled.log_end), (Some(9), Some(9)));

    // An open transaction: the readable end stays where it was.
    producer.begin_transaction().unwrap();
    live::send(&producer, &names.wells, 0, None, Some(b"open"));
    live::flush(&producer);
    assert_eq!(connection.watermarks(&names.wells, 0).unwrap(), (0, 9));
    let polled = source.poll(well(0), 10, &mut |_| panic!("not committed yet")).unwrap();
    assert_eq!(polled.offset_next, Some(9));
    producer.commit_transaction(wait).unwrap();
    let (seen, polled) = read_to(&mut source, well(0), 11, 10);
    assert_eq!((seen.len(), seen[0].0, polled.log_end), (1, 9, Some(11)));
}

#[test]
fn a_record_of_ten_megabytes_comes_through_among_small_ones() {
    let Some((_connection, settings, names)) = live::prepared("large", 1) else { return };
    // The quarantine topic takes large records; here it plays the input.
    let names = TopicNames { wells: names.quarantine.clone(), ..names };
    let producer = live::producer(&settings, &[]);
    let large = vec![7; 10 << 20];
    for value in [b"small".as_slice(), &large, b"small"] {
        live::send(&producer, &names.wells, 0, None, Some(value));
        live::flush(&producer);
    }
    let mut source = KafkaSource::open(&settings, &names, &[(well(0), 0)], 1_000).unwrap();
    let (seen, _) = read_to(&mut source, well(0), 3, 10);
    assert_eq!(seen.iter().map(|r| r.3.as_ref().unwrap().len()).collect::<Vec<_>>(), [5, 10 << 20, 5]);
}

#[test]
fn an_offset_that_is_not_in_the_log_and_a_missing_topic_end_the_run_with_advice() {
    let Some((_connection, settings, names)) = live::prepared("out-of-range", 1) else { return };
    let mut source = open(&settings, &names, &[(well(0), 1_000)]);
    let error = poll_error(&mut source, well(0)).to_string();
    assert!(error.contains("retention") && error.contains("offset 1000"), "{error}");
    let missing = TopicNames { wells: live::unique("missing"), ..names };
    let mut settings = settings;
    settings.add_override("topic.metadata.propagation.max.ms=1000").unwrap();
    let mut source = open(&settings, &missing, &[(well(0), 0)]);
    let error = poll_error(&mut source, well(0)).to_string();
    assert!(error.contains("wellstream topics create"), "{error}");
}

#[test]
fn topics_are_made_once_and_checked() {
    let Some((connection, _settings, names)) = live::prepared("topics", 2) else { return };
    let again = connection.create_topics(&names, 2, 1).unwrap();
    assert!(again.iter().all(|(_, created)| *created == Created::Exists), "{again:?}");
    let other = connection.create_topics(&names, 5, 1).unwrap();
    assert!(other.iter().all(|(_, created)| *created == Created::Differs { found: 2 }), "{other:?}");
    let topic = connection.topic(&names.wells).unwrap();
    assert_eq!((topic.partitions, topic.id.len()), (2, 22), "{topic:?}");
    assert_ne!(topic.id, connection.topic(&names.tanks).unwrap().id);

    let missing = TopicNames { tanks: live::unique("no-such"), ..names.clone() };
    let error = connection.check_inputs(&missing, false).unwrap_err();
    assert!(matches!(&error, KafkaError::TopicMissing { topic, .. } if *topic == missing.tanks), "{error}");
    assert!(error.to_string().contains("wellstream topics create"), "{error}");

    let compacted = TopicNames { tanks: names.alerts.clone(), ..names.clone() };
    let error = connection.check_inputs(&compacted, false).unwrap_err();
    assert!(matches!(error, KafkaError::Compacted { .. }), "{error}");

    let wide = live::names(&live::unique("wide"));
    connection.create_topics(&wide, 3, 1).unwrap();
    let unequal = TopicNames { tanks: wide.tanks, ..names };
    connection.check_inputs(&unequal, false).unwrap();
    let error = connection.check_inputs(&unequal, true).unwrap_err();
    assert!(matches!(error, KafkaError::UnequalPartitions { .. }), "{error}");
}

#[test]
fn starts_tell_earliest_latest_and_a_time() {
    let Some((connection, settings, names)) = live::prepared("starts", 1) else { return };
    let producer = live::producer(&settings, &[]);
    for value in ["a", "b", "c"] {
        live::send(&producer, &names.wells, 0, None, Some(value.as_bytes()));
    }
    live::flush(&producer);
    let from = |from| -> Vec<i64> {
        connection.starts(&names, from, true).unwrap().iter().map(|start| start.from).collect()
    };
    assert_eq!(from(From::Earliest), [0, 0]);
    assert_eq!(from(From::Latest), [3, 0]);
    assert_eq!(from(From::Time(live::now_ms())), [0, 0]);
    assert_eq!(from(From::Time(live::now_ms() + 1)), [3, 0]);
    let start = &connection.starts(&names, From::Earliest, true).unwrap()[0];
    assert_eq!((start.log_start, start.log_end, start.partitions), (0, 3, 1));
    assert_eq!(start.committed, None);
}

#[test]
fn a_broker_that_is_not_there_is_told_in_bounded_time() {
    let mut settings = KafkaSettings::new("127.0.0.1:1", "nobody");
    settings.connect_timeout = Duration::from_secs(2);
    let clock = MachineClock::start();
    let error = Connection::open(&settings).map(drop).unwrap_err();
    assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());

    // A source without its broker retries: no error, no record, and it can be dropped.
    let names = live::names("nowhere");
    let mut source = open(&settings, &names, &[(well(0), 0)]);
    for _ in 0..200 {
        let polled = source.poll(well(0), 10, &mut |_| panic!("no broker, no record")).unwrap();
        assert_eq!(polled, Polled::default());
        clock.sleep(Duration::from_millis(1));
    }
    drop(source);
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
}

#[test]
fn a_wrong_password_is_told_at_once_and_a_right_one_works() {
    let Some(brokers) = live::address("WELLSTREAM_TEST_BROKERS_SASL") else { return };
    let open = |password: &str| {
        let mut settings = KafkaSettings::new(&brokers, "sasl");
        for text in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=wellstream"] {
            settings.add_override(text).unwrap();
        }
        settings.add_override(&format!("sasl.password={password}")).unwrap();
        Connection::open(&settings).map(drop)
    };
    let clock = MachineClock::start();
    let error = open("wrong").unwrap_err();
    assert!(matches!(error, KafkaError::Authentication { .. }), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
    open("wellstream").unwrap();
}
