//! The native source against the one through librdkafka, on a real broker: the same records, the same ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::Command;
use std::time::Duration;

use rdkafka::producer::Producer;
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::source::KafkaSource;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::native::NativeSource;
use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record, Side};

const fn well(number: u32) -> PartitionId {
    PartitionId { side: Side::Well, number }
}

/// What a partition came to: a digest of (offset, timestamp, key, value), how many, and the last offset.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    digest: u64,
    count: usize,
    last: Option<i64>,
    polled: (Option<i64>, Option<i64>),
}

/// Reads until the position reaches `end`; of what a visit shows it takes `take`, and now and then nothing.
fn read_to(source: &mut dyn Source, id: PartitionId, end: i64, take: usize) -> Read {
    let clock = MachineClock::start();
    let (mut digest, mut count, mut last, mut visits) = (DefaultHasher::new(), 0, None, 0);
    loop {
        let mut visit = |records: &[Record<'_>]| {
            visits += 1;
            let taken = if visits % 5 == 0 { 0 } else { records.len().min(take) };
            for record in &records[..taken] {
                assert!(last.is_none_or(|last| last < record.offset), "{} behind {last:?}", record.offset);
                (record.offset, record.timestamp_ms, record.key, record.value).hash(&mut digest);
                (last, count) = (Some(record.offset), count + 1);
            }
            taken
        };
        let polled = source.poll(id, 1_000, &mut visit).unwrap();
        if polled.offset_next.is_some_and(|next| next >= end) {
            let polled = (polled.offset_next, polled.log_end);
            return Read { digest: digest.finish(), count, last, polled };
        }
        assert!(clock.elapsed() < Duration::from_secs(60), "stuck at {polled:?} of {end}");
        if polled.taken == 0 {
            clock.sleep(Duration::from_micros(200));
        }
    }
}

fn native(settings: &KafkaSettings, names: &TopicNames, starts: &[(PartitionId, i64)]) -> NativeSource {
    NativeSource::open(settings, names, starts, starts.len()).unwrap()
}

/// Both read these partitions alike, whatever is taken at a time; returns how many records there are.
fn alike(
    connection: &Connection,
    settings: &KafkaSettings,
    names: &TopicNames,
    starts: &[(PartitionId, i64)],
) -> usize {
    let mut count = 0;
    for take in [3, 700, usize::MAX] {
        let mut theirs = KafkaSource::open(settings, names, starts, starts.len()).unwrap();
        let mut ours = native(settings, names, starts);
        for (id, _) in starts {
            let (_, end) = connection.watermarks(names.of(id.side), id.number).unwrap();
            let expected = read_to(&mut theirs, *id, end, take);
            assert_eq!(read_to(&mut ours, *id, end, take), expected, "{id}, {take} at a time");
            assert_eq!(expected.polled, (Some(end), Some(end)));
            count += expected.count;
        }
    }
    count / 3
}

fn poll_error(source: &mut dyn Source, id: PartitionId) -> SourceError {
    let clock = MachineClock::start();
    loop {
        match source.poll(id, 10, &mut |records| records.len()) {
            Err(error) => return error,
            Ok(_) => assert!(clock.elapsed() < Duration::from_secs(60), "no error came"),
        }
        clock.sleep(Duration::from_millis(5));
    }
}

#[test]
fn differential_every_compression_mixed_tombstones_and_empty_values() {
    let Some((connection, settings, names)) = live::prepared("native-mixed", 3) else { return };
    for round in 0..3 {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let producer = live::producer(&settings, &[("compression.type", codec), ("linger.ms", "20")]);
            for i in 0..1_500_i32 {
                let value = format!("{codec} {round} {i} {}", "x".repeat(usize::try_from(i % 200).unwrap()));
                let value = (i % 97 != 0).then_some(value.as_bytes());
                let key = (i % 3 != 0).then_some(b"key".as_slice());
                live::send(&producer, &names.wells, i % 3, key, if i % 89 == 0 { Some(b"") } else { value });
            }
            live::flush(&producer);
        }
    }
    let starts = [(well(0), 0), (well(1), 7), (well(2), 4_999)];
    assert_eq!(alike(&connection, &settings, &names, &starts), 3 * 5 * 1_500 - 7 - 4_999);
}

#[test]
fn differential_transactions_committed_and_aborted_between_one_another() {
    let Some((connection, settings, names)) = live::prepared("native-txn", 2) else { return };
    let wait = Duration::from_secs(30);
    let plain = live::producer(&settings, &[]);
    let writers = ["a", "b", "c"].map(|id| {
        let id = format!("{}-{id}", names.wells);
        let writer = live::producer(
            &settings,
            &[("transactional.id", &id), ("compression.type", "lz4"), ("linger.ms", "1")],
        );
        writer.init_transactions(wait).unwrap();
        writer
    });
    for round in 0..12_i32 {
        for writer in &writers {
            writer.begin_transaction().unwrap();
        }
        for i in 0..200_i32 {
            for (number, writer) in writers.iter().enumerate() {
                let value = format!("{round} {i} {number}");
                live::send(writer, &names.wells, i % 2, None, Some(value.as_bytes()));
                if i % 40 == 0 {
                    live::flush(writer);
                }
            }
            live::send(&plain, &names.wells, i % 2, None, Some(b"plain"));
        }
        live::flush(&plain);
        for (number, writer) in writers.iter().enumerate() {
            live::flush(writer);
            if (round + i32::try_from(number).unwrap()) % 3 == 0 {
                writer.abort_transaction(wait).unwrap();
            } else {
                writer.commit_transaction(wait).unwrap();
            }
        }
    }
    live::settled_ends(&settings, &connection, &names.wells);
    // Each round one of the three is aborted.
    assert_eq!(alike(&connection, &settings, &names, &[(well(0), 0), (well(1), 0)]), 12 * 200 * 3);
    // From the middle of transactions on.
    alike(&connection, &settings, &names, &[(well(0), 333), (well(1), 2_222)]);

    // An open transaction: the readable end stays where it was, until it is over.
    let (_, end) = connection.watermarks(&names.wells, 0).unwrap();
    let mut ours = native(&settings, &names, &[(well(0), end)]);
    writers[0].begin_transaction().unwrap();
    live::send(&writers[0], &names.wells, 0, None, Some(b"open"));
    live::flush(&writers[0]);
    let before = read_to(&mut ours, well(0), end, 10);
    assert_eq!((before.count, before.polled), (0, (Some(end), Some(end))));
    writers[0].commit_transaction(wait).unwrap();
    let after = read_to(&mut ours, well(0), end + 2, 10);
    assert_eq!((after.count, after.last, after.polled), (1, Some(end), (Some(end + 2), Some(end + 2))));
}

#[test]
fn differential_records_of_nothing_and_of_ten_megabytes() {
    let Some((connection, settings, names)) = live::prepared("native-large", 2) else { return };
    // The quarantine topic takes large records; here it plays the input.
    let names = TopicNames { wells: names.quarantine.clone(), ..names };
    let producer = live::producer(&settings, &[]);
    let large: Vec<u8> = (0..10_u32 << 20).map(|i| (i % 251) as u8).collect();
    for value in [b"small".as_slice(), &large, b"", &large[..3 << 20], b"small"] {
        for partition in [0, 1] {
            live::send(&producer, &names.wells, partition, None, Some(value));
            live::flush(&producer);
        }
    }
    assert_eq!(alike(&connection, &settings, &names, &[(well(0), 0), (well(1), 0)]), 10);
    // A share of the memory that is far smaller than one record.
    let mut source = NativeSource::open(&settings, &names, &[(well(0), 0), (well(1), 1)], 100_000).unwrap();
    assert_eq!(read_to(&mut source, well(0), 5, 10).count, 5);
    assert_eq!(read_to(&mut source, well(1), 5, 10).count, 4);
}

#[test]
fn differential_what_compaction_leaves() {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    let Some((connection, settings, names)) = live::prepared("native-compacted", 1) else { return };
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    let config = AlterConfig::new(ResourceSpecifier::Topic(&names.alerts))
        .set("cleanup.policy", "compact")
        .set("min.cleanable.dirty.ratio", "0.01")
        .set("max.compaction.lag.ms", "100")
        .set("segment.bytes", "1048576");
    live::wait_for(admin.alter_configs([&config], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    let names = TopicNames { wells: names.alerts.clone(), ..names };
    let producer = live::producer(&settings, &[("linger.ms", "2"), ("batch.num.messages", "50")]);
    let clock = MachineClock::start();
    let mut sent = 0_i64;
    loop {
        for _ in 0..4_000 {
            let key = format!("key-{}", sent * 7 % 1_000 + if sent % 11 == 0 { sent } else { 0 });
            live::send(&producer, &names.wells, 0, Some(key.as_bytes()), Some(&[1; 200]));
            sent += 1;
        }
        live::flush(&producer);
        let mut ours = native(&settings, &names, &[(well(0), 0)]);
        let got = read_to(&mut ours, well(0), sent, usize::MAX);
        if i64::try_from(got.count).unwrap() < sent {
            break;
        }
        assert!(clock.elapsed() < Duration::from_secs(120), "the log was not compacted");
        clock.sleep(Duration::from_millis(1_000));
    }
    // It may be compacted on between two readings: then both are read again.
    for attempt in 0.. {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            alike(&connection, &settings, &names, &[(well(0), 0)]);
            alike(&connection, &settings, &names, &[(well(0), 1_234)]);
        }));
        match result {
            Ok(()) => break,
            Err(panic) if attempt == 3 => std::panic::resume_unwind(panic),
            Err(_) => clock.sleep(Duration::from_secs(5)),
        }
    }
}

#[test]
fn differential_what_javas_client_writes() {
    let Some((connection, settings, names)) = live::prepared("native-java", 2) else { return };
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-tool");
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let mut produce = Command::new(tool);
        produce.args([
            "perf-produce",
            "--topic",
            &names.wells,
            "--num-records",
            "3000",
            "--record-size",
            "300",
        ]);
        produce.args([
            "--throughput",
            "-1",
            "--transaction-duration-ms",
            "20",
            "--transactional-id",
            &names.wells,
        ]);
        produce.arg("--producer-props").arg(format!("bootstrap.servers={}", settings.brokers));
        produce.args([format!("compression.type={codec}"), "batch.size=2000".to_owned()]);
        let output = produce.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(alike(&connection, &settings, &names, &[(well(0), 0), (well(1), 0)]), 5 * 3_000);
}

#[test]
fn an_empty_partition_tells_its_end_and_a_missing_offset_or_topic_ends_the_run_with_advice() {
    let Some((connection, settings, names)) = live::prepared("native-ends", 1) else { return };
    let mut source = native(&settings, &names, &[(well(0), 0)]);
    let before = source.poll(well(0), 10, &mut |_| panic!("nothing is there")).unwrap();
    assert_eq!(before, Polled::default());
    let read = read_to(&mut source, well(0), 0, 10);
    assert_eq!((read.count, read.polled), (0, (Some(0), Some(0))));

    let mut source = native(&settings, &names, &[(well(0), 1_000)]);
    let error = poll_error(&mut source, well(0)).to_string();
    let said = format!("{}[0] at offset 1000: not in the log, which goes from 0 to 0", names.wells);
    assert!(error.contains(&said) && error.contains("retention"), "{error}");

    let missing = TopicNames { wells: live::unique("missing"), ..names.clone() };
    let error = poll_error(&mut native(&settings, &missing, &[(well(0), 0)]), well(0)).to_string();
    assert!(error.contains("wellstream topics create") && error.contains(&missing.wells), "{error}");
    let error = poll_error(&mut native(&settings, &names, &[(well(5), 0)]), well(5)).to_string();
    assert!(error.contains("wellstream topics create"), "{error}");

    // Deleted and made anew: its offsets mean other records now.
    let producer = live::producer(&settings, &[]);
    live::send(&producer, &names.wells, 0, None, Some(b"one"));
    live::flush(&producer);
    let mut source = native(&settings, &names, &[(well(0), 0)]);
    assert_eq!(read_to(&mut source, well(0), 1, 10).count, 1);
    delete(&settings, &names.wells);
    connection.create_topics(&names, 1, 1).unwrap();
    let error = poll_error(&mut source, well(0)).to_string();
    assert!(error.contains("made anew"), "{error}");
}

fn delete(settings: &KafkaSettings, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    live::wait_for(admin.delete_topics(&[topic], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    let clock = MachineClock::start();
    while Connection::open(settings).unwrap().topic(topic).is_ok() {
        assert!(clock.elapsed() < Duration::from_secs(30), "it is still there");
        clock.sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_broker_it_retries_and_can_be_dropped_and_a_wrong_password_is_told_at_once() {
    let settings = KafkaSettings::new("127.0.0.1:1", "nobody");
    let names = live::names("nowhere");
    let clock = MachineClock::start();
    let mut source = native(&settings, &names, &[(well(0), 0)]);
    for _ in 0..200 {
        let polled = source.poll(well(0), 10, &mut |_| panic!("no broker, no record")).unwrap();
        assert_eq!(polled, Polled::default());
        clock.sleep(Duration::from_millis(1));
    }
    drop(source);
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());

    let Some(brokers) = live::address("WELLSTREAM_TEST_BROKERS_SASL") else { return };
    let Some((_connection, _settings, names)) = live::prepared("native-sasl", 1) else { return };
    let open = |password: &str| {
        let mut settings = KafkaSettings::new(&brokers, "sasl");
        for text in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=wellstream"] {
            settings.add_override(text).unwrap();
        }
        settings.add_override(&format!("sasl.password={password}")).unwrap();
        native(&settings, &names, &[(well(0), 0)])
    };
    assert_eq!(read_to(&mut open("wellstream"), well(0), 0, 10).count, 0);
    let clock = MachineClock::start();
    let error = poll_error(&mut open("wrong"), well(0)).to_string();
    assert!(error.contains("sasl.password") && !error.contains("wrong"), "{error}");
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
}
