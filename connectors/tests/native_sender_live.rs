//! The native sender against a real broker, and against the one over librdkafka.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::ops::ControlFlow;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::KafkaSettings;
use wellstream_connectors::kafka::quarantined::Sender;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::native::choice::{ClientChoice, Reader};
use wellstream_connectors::native::either::EitherSender;

const BOTH: [ClientChoice; 2] = [ClientChoice::Native, ClientChoice::Rdkafka];

fn open(choice: ClientChoice, connection: &Connection, topics: &[&str]) -> EitherSender {
    let reader = Reader::choose(connection.settings(), choice).unwrap();
    let sender = reader.sender(connection, topics).unwrap();
    assert_eq!(matches!(sender, EitherSender::Native(_)), choice == ClientChoice::Native);
    sender
}

/// All that a topic holds, in offset order within each partition.
fn stored(connection: &Connection, topic: &str) -> Vec<StoredRecord> {
    let mut records = Vec::new();
    let read = connection.read_topic(topic, &mut |record| {
        records.push(record);
        ControlFlow::Continue(())
    });
    read.unwrap();
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn finish(sender: EitherSender) -> Result<(), String> {
    sender.finish_unless(&|| false).map_err(|error| error.to_string())
}

/// Keys, values, headers, times, partitions: everything but the offsets of what was sent to any partition.
#[test]
fn differential_both_clients_write_the_same_records() {
    let Some((connection, _, names)) = live::prepared("sender", 3) else { return };
    let (_, _, other) = live::prepared("sender-twin", 3).unwrap();
    let now_ms = live::now_ms();
    let topics = [[names.wells.as_str(), names.quarantine.as_str()], [&other.wells, &other.quarantine]];
    for (choice, topics) in BOTH.into_iter().zip(topics) {
        let mut sender = open(choice, &connection, &topics);
        for number in 0..30_000_u32 {
            let (key, value) = (format!("WELL-{}", number % 700), vec![b'v'; number as usize % 300]);
            let place = (0, number % 3);
            let stamp_ms = Some(now_ms - i64::from(number % 7));
            let value = (number % 11 != 0).then_some(&value[..]);
            let key = (number % 13 != 0).then_some(key.as_bytes());
            while !sender.try_send(place, key, value, stamp_ms).unwrap() {
                sender.serve().unwrap();
            }
        }
        for number in 0..2_000_u32 {
            let key = format!("WELL-{number}");
            sender.send((0, None), Some(key.as_bytes()), Some(&number.to_be_bytes())).unwrap();
        }
        for number in 0..500_i64 {
            let value = vec![7; if number % 100 == 0 { 900_000 } else { 10 }];
            let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
            let headers =
                vec![header("ws.reason", Some(b"late")), header("none", None), header("", Some(b""))];
            let record = StoredRecord {
                partition: i32::try_from(number % 3).unwrap(),
                offset: 77,
                timestamp_ms: now_ms + number,
                key: Some(Vec::new()),
                value: Some(value),
                headers: if number % 2 == 0 { headers } else { Vec::new() },
            };
            sender.send_as_stored(1, &record).unwrap();
        }
        finish(sender).unwrap();
    }
    // Those that were sent at no given time got that of their sending.
    let ended_ms = MachineClock::start().wall_ms();
    let comparable = |topic: &str| {
        let mut records = stored(&connection, topic);
        for record in records.iter_mut().filter(|record| record.value.as_ref().is_some_and(|v| v.len() == 4))
        {
            if record.timestamp_ms > now_ms {
                assert!(record.timestamp_ms <= ended_ms, "{record:?}");
                record.timestamp_ms = now_ms;
            }
        }
        records
    };
    for (ours, theirs) in topics[0].into_iter().zip(topics[1]) {
        let (found, expected) = (comparable(ours), comparable(theirs));
        assert_eq!(found.len(), expected.len(), "{ours}");
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{ours}");
    }
}

/// Records without a key, and partitions that nobody names, go to all of them.
#[test]
fn records_without_a_key_take_turns() {
    let Some((connection, _, names)) = live::prepared("sender-turns", 3) else { return };
    let mut sender = open(ClientChoice::Native, &connection, &[&names.wells]);
    for number in 0..300_u32 {
        sender.send((0, None), None, Some(&number.to_be_bytes())).unwrap();
    }
    finish(sender).unwrap();
    let mut counts = [0; 3];
    for record in stored(&connection, &names.wells) {
        counts[usize::try_from(record.partition).unwrap()] += 1;
    }
    assert_eq!(counts, [100; 3]);
}

/// It takes no more than its bound of bytes, and goes on once some of them are in.
#[test]
fn a_full_sender_says_so_and_loses_nothing() {
    let Some((_, settings, names)) = live::prepared("sender-full", 2) else { return };
    let mut bounded = settings;
    bounded.add_override("queue.buffering.max.kbytes=1024").unwrap();
    let connection = Connection::open(&bounded).unwrap();
    let mut sender = open(ClientChoice::Native, &connection, &[&names.wells]);
    let (mut refused, value) = (0, vec![1; 500]);
    for number in 0..40_000_u32 {
        let key = number.to_be_bytes();
        while !sender.try_send((0, number % 2), Some(&key), Some(&value), None).unwrap() {
            refused += 1;
            sender.serve().unwrap();
            std::thread::yield_now();
        }
    }
    finish(sender).unwrap();
    assert!(refused > 0, "20 MB fit into 1 MB");
    for (expected, partition) in [(0, 0), (1, 1)] {
        let all = stored(&connection, &names.wells);
        let keys: Vec<_> = all.into_iter().filter(|record| record.partition == partition).collect();
        let keys =
            keys.iter().map(|record| u32::from_be_bytes(record.key.clone().unwrap().try_into().unwrap()));
        assert!(keys.eq((expected..40_000).step_by(2)), "each once and in order");
    }
}

/// Too large for the topic is told when it is asked for, too large for the client at once; the others go.
#[test]
fn what_is_too_large_is_told_in_the_same_words_by_both() {
    for choice in BOTH {
        let Some((connection, _, names)) = live::prepared("sender-large", 1) else { return };
        let mut sender = open(choice, &connection, &[&names.wells]);
        sender.send((0, Some(0)), Some(b"before"), Some(b"v")).unwrap();
        let beyond = sender.send((0, Some(0)), None, Some(&vec![1; 13 << 20])).unwrap_err().to_string();
        assert!(beyond.contains(&names.wells) && beyond.contains("Message size too large"), "{beyond}");
        sender.send((0, Some(0)), None, Some(&vec![1; 2 << 20])).unwrap();
        sender.send((0, Some(0)), Some(b"behind"), Some(b"v")).unwrap();
        let told = finish(sender).unwrap_err();
        let expected = format!("sending records: 1 records to {}: ", names.wells);
        assert!(told.starts_with(&expected) && told.contains("Message size too large"), "{choice:?}: {told}");
        let keys: Vec<_> = stored(&connection, &names.wells).into_iter().map(|record| record.key).collect();
        assert_eq!(keys, [Some(b"before".to_vec()), Some(b"behind".to_vec())], "{choice:?}");
    }
}

#[test]
fn settings_that_are_not_covered_stay_with_librdkafka() {
    let Some((_, settings, names)) = live::prepared("sender-choice", 1) else { return };
    let mut strange: KafkaSettings = settings;
    strange.add_override("socket.send.buffer.bytes=100000").unwrap();
    let connection = Connection::open(&strange).unwrap();
    let reader = Reader::choose(&strange, ClientChoice::Auto).unwrap();
    let sender = reader.sender(&connection, &[&names.wells]).unwrap();
    assert!(matches!(sender, EitherSender::Rdkafka(..)), "{}", reader.why);
    assert!(Reader::choose(&strange, ClientChoice::Native).is_err());
    drop(Sender::open(&connection).unwrap());
}
