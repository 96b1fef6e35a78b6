//! The native sink against a real broker, and against the sink over librdkafka.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/epochs.rs"]
mod epochs;

use std::time::Duration;

use epochs::{ALL, Got, alarm, epoch, offsets, read, read_all, reject, rows, set_topic_limit};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::{Delivery, KafkaOutputs, KafkaSink};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, KafkaSettings, TopicNames};
use wellstream_connectors::native::sink::NativeSink;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, GroupMetadata, Output, Sink, Wants};
use wellstream_core::record::{AlarmKind, PartitionId, Reject, Side};

fn exactly_once(settings: &KafkaSettings) -> Delivery {
    Delivery::ExactlyOnce { transactional_id: format!("wellstream-{}", settings.group) }
}

fn open(connection: &Connection, names: &TopicNames, delivery: Delivery) -> Result<NativeSink, KafkaError> {
    NativeSink::open(connection, names, ALL, delivery)
}

/// Both clients keep the same promise.
#[derive(Clone, Copy, Debug)]
enum Client {
    Native,
    Rdkafka,
}

impl Client {
    const BOTH: [Client; 2] = [Client::Native, Client::Rdkafka];

    fn open(self, connection: &Connection, names: &TopicNames, delivery: &Delivery) -> Box<dyn Sink> {
        match self {
            Client::Native => Box::new(open(connection, names, delivery.clone()).unwrap()),
            Client::Rdkafka => Box::new(KafkaSink::open_for(connection, names, ALL, delivery).unwrap()),
        }
    }
}

/// Without the input topic's name, which differs between two sets of topics.
fn comparable(mut records: Vec<Got>) -> Vec<Got> {
    for record in &mut records {
        record.headers.retain(|(name, _)| name != "ws.topic");
    }
    // Partition by partition, each in its order: the reader mixes partitions.
    records.sort_by_key(|record| record.partition);
    records
}

fn well(number: u32) -> PartitionId {
    PartitionId { side: Side::Well, number }
}

#[test]
fn differential_it_writes_what_the_sink_over_librdkafka_writes() {
    for exactly in [false, true] {
        let Some((connection, settings, names)) = live::prepared("native", 3) else { return };
        let Some((theirs, their_settings, their_names)) = live::prepared("native-twin", 3) else { return };
        let delivery = if exactly { exactly_once(&settings) } else { Delivery::AtLeastOnce };
        let mut sink = open(&connection, &names, delivery).unwrap();
        let mut twin = KafkaSink::open(&theirs, &their_names, ALL).unwrap();
        assert_eq!(sink.wants(), Wants { encoded_rows: true, rejects: true, only_counts: false });
        for number in 1..=3_i64 {
            let batch = rows(5_000 * number);
            let alarms = [
                alarm("FAC-1", AlarmKind::Raised, 2_000 * number, 40),
                alarm("FAC-2", AlarmKind::Cleared, 2_000, 60),
            ];
            let values = [
                Some(b"\x05bad".to_vec()),
                None,
                Some(Vec::new()),
                Some(vec![9; 10 << 20]),
                Some(vec![4; 13 << 20]),
            ];
            let rejects: Vec<Reject> =
                (0..).zip(values).map(|(offset, value)| reject(offset, value)).collect();
            let outputs = [Output::Rows(&batch), Output::Alarms(&alarms), Output::Rejects(&rejects)];
            let ends = offsets(&[(Side::Well, 0, 5_000 * number, "m")]);
            assert_eq!(epoch(&mut sink, &outputs, &ends).unwrap(), CommitOutcome::Committed);
            assert_eq!(epoch(&mut twin, &outputs, &ends).unwrap(), CommitOutcome::Committed);
        }
        for (ours, expected) in [
            (&names.enriched, &their_names.enriched),
            (&names.alerts, &their_names.alerts),
            (&names.quarantine, &their_names.quarantine),
        ] {
            let found = comparable(read_all(&settings, &connection, ours));
            let expected = comparable(read_all(&their_settings, &theirs, expected));
            assert_eq!(found.len(), expected.len(), "{ours}, exactly once: {exactly}");
            assert!(found == expected, "{ours}, exactly once: {exactly}: the records differ");
        }
        let committed = Some((15_000, "m".to_owned()));
        assert_eq!(connection.committed(&names, &[well(0)]).unwrap(), [committed]);
    }
}

#[test]
fn offsets_come_back_with_their_metadata_and_an_empty_epoch_commits_them() {
    for exactly in [false, true] {
        let Some((connection, settings, names)) = live::prepared("native-offsets", 2) else { return };
        let delivery = if exactly { exactly_once(&settings) } else { Delivery::AtLeastOnce };
        let outputs = if exactly { ALL } else { KafkaOutputs::default() };
        let mut sink = NativeSink::open(&connection, &names, outputs, delivery).unwrap();
        let metadata = format!("ws1;{};2;0;-;-;-;00000000000000ff", "A".repeat(200));
        for offset in 1..=20 {
            let mut ends = offsets(&[(Side::Well, 1, offset, &metadata), (Side::Tank, 0, 2 * offset, "t")]);
            ends.group = GroupMetadata::default();
            assert_eq!(epoch(&mut sink, &[], &ends).unwrap(), CommitOutcome::Committed);
        }
        let ids = [PartitionId { side: Side::Tank, number: 0 }, well(0), well(1)];
        let expected = [Some((40, "t".to_owned())), None, Some((20, metadata.clone()))];
        assert_eq!(connection.committed(&names, &ids).unwrap(), expected, "exactly once: {exactly}");
    }
}

#[test]
fn what_is_not_committed_is_seen_by_nobody_and_the_next_one_ends_it_at_once() {
    for client in Client::BOTH {
        let Some((connection, settings, names)) = live::prepared("sink-open", 2) else { return };
        let delivery = exactly_once(&settings);
        let mut first = client.open(&connection, &names, &delivery);
        let ends = offsets(&[(Side::Well, 0, 10, "first")]);
        let batch = rows(1_000);
        assert_eq!(epoch(&mut first, &[Output::Rows(&batch)], &ends).unwrap(), CommitOutcome::Committed);
        // A program that dies in the middle of an epoch, with rows on the broker.
        first.begin(2).unwrap();
        let (lost, clock) = (rows(5_000), MachineClock::start());
        let all = || read(&settings, &connection, &names.enriched, "read_uncommitted").len();
        while all() <= 1_000 {
            first.append(Output::Rows(&lost)).unwrap();
            clock.sleep(Duration::from_millis(5));
        }
        // Dead programs abort nothing.
        std::mem::forget(first);
        // What it left open holds readers up for as long as a transaction may take; whoever comes ends it.
        let mut second = client.open(&connection, &names, &delivery);
        let known = connection.committed(&names, &[well(0)]).unwrap();
        assert_eq!(known, [Some((10, "first".to_owned()))]);
        assert_eq!(read_all(&settings, &connection, &names.enriched).len(), 1_000);
        let ends = offsets(&[(Side::Well, 0, 20, "second")]);
        assert_eq!(epoch(&mut second, &[Output::Rows(&batch)], &ends).unwrap(), CommitOutcome::Committed);
        assert_eq!(read_all(&settings, &connection, &names.enriched).len(), 2_000);
        assert!(all() > 2_000, "{client:?}");
    }
}

/// A program that ends by an error: what it had open would hold readers up for ten seconds and more.
#[test]
fn whoever_goes_in_the_middle_of_an_epoch_leaves_nothing_open() {
    for client in Client::BOTH {
        let Some((connection, settings, names)) = live::prepared("sink-leave", 2) else { return };
        let mut first = client.open(&connection, &names, &exactly_once(&settings));
        first.begin(1).unwrap();
        let (lost, clock) = (rows(1_000), MachineClock::start());
        let all = || read(&settings, &connection, &names.enriched, "read_uncommitted").len();
        while all() == 0 {
            first.append(Output::Rows(&lost)).unwrap();
            clock.sleep(Duration::from_millis(5));
        }
        drop(first);
        let other = Delivery::ExactlyOnce { transactional_id: format!("other-{}", settings.group) };
        let mut second = client.open(&connection, &names, &other);
        let (batch, ends) = (rows(100), offsets(&[(Side::Well, 0, 5, "m")]));
        assert_eq!(epoch(&mut second, &[Output::Rows(&batch)], &ends).unwrap(), CommitOutcome::Committed);
        assert_eq!(read_all(&settings, &connection, &names.enriched).len(), 100, "{client:?}");
    }
}

#[test]
fn a_second_one_with_the_same_id_fences_the_first_which_says_so() {
    // Each client against each, between two transactions and in the middle of one.
    for (client, other, in_transaction) in [
        (Client::Native, Client::Native, false),
        (Client::Native, Client::Native, true),
        (Client::Native, Client::Rdkafka, true),
        (Client::Rdkafka, Client::Native, true),
        (Client::Rdkafka, Client::Rdkafka, false),
    ] {
        let Some((connection, settings, names)) = live::prepared("sink-fence", 2) else { return };
        let (delivery, batch) = (exactly_once(&settings), rows(100));
        let ends = |offset| offsets(&[(Side::Well, 0, offset, "m")]);
        let mut first = client.open(&connection, &names, &delivery);
        if in_transaction {
            first.begin(1).unwrap();
            first.append(Output::Rows(&batch)).unwrap();
        }
        let mut second = other.open(&connection, &names, &delivery);
        let error = match in_transaction {
            true => {
                first.append(Output::Rows(&batch)).unwrap();
                first.offsets(&ends(5)).unwrap();
                first.commit().unwrap_err()
            }
            false => epoch(&mut first, &[Output::Rows(&batch)], &ends(5)).unwrap_err(),
        };
        let said = error.to_string();
        let names_id = said.contains("another instance") && said.contains("wellstream-test-sink-fence");
        assert!(names_id, "{client:?}, {other:?}: {said}");
        // And again, whatever it is asked.
        assert!(epoch(&mut first, &[], &ends(6)).is_err());
        let outcome = epoch(&mut second, &[Output::Rows(&batch)], &ends(7)).unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
        assert_eq!(connection.committed(&names, &[well(0)]).unwrap(), [Some((7, "m".to_owned()))]);
        assert_eq!(read_all(&settings, &connection, &names.enriched).len(), 100);
    }
}

/// The topic's limit was lowered while we run: then the broker refuses.
#[test]
fn what_the_broker_finds_too_large_is_split_or_goes_as_headers() {
    for exactly in [false, true] {
        let Some((connection, settings, names)) = live::prepared("native-lowered", 1) else { return };
        let delivery = if exactly { exactly_once(&settings) } else { Delivery::AtLeastOnce };
        let mut sink = open(&connection, &names, delivery).unwrap();
        set_topic_limit(&settings, &names.quarantine, "100000");
        set_topic_limit(&settings, &names.enriched, "20000");
        let rejects = [reject(0, Some(vec![1; 200_000])), reject(1, Some(vec![2; 1_000]))];
        let batch = rows(2_000);
        let outputs = [Output::Rejects(&rejects), Output::Rows(&batch)];
        let outcome = epoch(&mut sink, &outputs, &EpochOffsets::default()).unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
        let got = read_all(&settings, &connection, &names.quarantine);
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].value, None);
        assert!(got[0].headers.contains(&("ws.value_bytes".to_owned(), "200000".to_owned())), "{:?}", got[0]);
        assert_eq!(got[1].value.as_deref(), Some([2; 1_000].as_slice()));
        let got = read_all(&settings, &connection, &names.enriched);
        assert_eq!(got.len(), 2_000);
        for (got, row) in got.iter().zip(&batch.rows) {
            assert_eq!(&got.value.as_ref().unwrap()[5..], batch.value(row));
        }
    }
}

/// Rows that the broker refuses: the epoch is not committed.
#[test]
fn what_cannot_be_delivered_ends_the_epoch_uncommitted() {
    for exactly in [false, true] {
        let Some((connection, settings, names)) = live::prepared("native-undelivered", 1) else { return };
        let delivery = if exactly { exactly_once(&settings) } else { Delivery::AtLeastOnce };
        let mut sink = open(&connection, &names, delivery).unwrap();
        set_topic_limit(&settings, &names.enriched, "100");
        let batch = rows(10);
        let ends = offsets(&[(Side::Well, 0, 10, "m")]);
        let error = epoch(&mut sink, &[Output::Rows(&batch)], &ends).unwrap_err();
        assert!(error.to_string().contains("too large") || error.to_string().contains("larger"), "{error}");
        assert_eq!(connection.committed(&names, &[well(0)]).unwrap(), [None]);
        assert_eq!(read_all(&settings, &connection, &names.enriched), []);
    }
}

#[test]
fn a_missing_output_topic_is_told_at_the_start() {
    let Some((connection, settings, names)) = live::prepared("native-no-output", 1) else { return };
    let missing = TopicNames { quarantine: live::unique("no-quarantine"), ..names };
    let error = open(&connection, &missing, exactly_once(&settings)).map(drop).unwrap_err();
    assert!(
        matches!(&error, KafkaError::TopicMissing { topic, .. } if *topic == missing.quarantine),
        "{error}"
    );
}
