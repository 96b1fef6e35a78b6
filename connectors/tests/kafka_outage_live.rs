//! A broker that goes away in mid-run. It kills the broker of `scripts/services`, so it is no part of a plain
//! test run: `scripts/outage` gives it services of its own, and `scripts/check` calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::process::Command;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::{KafkaOutputs, KafkaSink};
use wellstream_connectors::kafka::source::KafkaSource;
use wellstream_connectors::native::NativeSource;
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, Source,
};
use wellstream_core::record::{PartitionId, Reason, Record, Reject, Side};

const WELL: PartitionId = PartitionId { side: Side::Well, number: 0 };

fn services(verb: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    assert!(Command::new(script).args([verb, "kafka"]).status().unwrap().success(), "{verb}");
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn the_native_source_goes_on_where_it_was_after_the_broker_was_killed_and_after_it_was_frozen() {
    let Some((_connection, settings, names)) = live::prepared("native-outage", 1) else { return };
    let producer = live::producer(&settings, &[("batch.size", "20000")]);
    // More than is buffered ahead: the rest comes after an outage.
    let records = 400_000_i64;
    let send = |offsets: std::ops::Range<i64>| {
        for i in offsets {
            live::send(&producer, &names.wells, 0, None, Some(&[i.to_be_bytes(); 12].concat()));
        }
        live::flush(&producer);
    };
    send(0..records / 2);
    let mut source = NativeSource::open(&settings, &names, &[(WELL, 0)], 10).unwrap();
    let clock = MachineClock::start();
    let (mut next, mut slowest) = (0_i64, Duration::ZERO);
    let mut read_to = |end: i64| {
        while next < end {
            assert!(clock.elapsed() < Duration::from_secs(180), "stuck at {next}");
            let before = clock.elapsed();
            let mut visit = |shown: &[Record<'_>]| {
                for record in shown {
                    assert_eq!(record.offset, next);
                    assert_eq!(record.value.unwrap()[..8], next.to_be_bytes());
                    next += 1;
                }
                shown.len()
            };
            let polled = source.poll(WELL, 1_000, &mut visit).unwrap();
            slowest = slowest.max(clock.elapsed().checked_sub(before).unwrap());
            if polled.taken == 0 {
                clock.sleep(Duration::from_micros(200));
            }
        }
    };
    for (begin, end, down, up) in
        [(10_000, records / 4, "kill", "start"), (records / 4 + 10_000, records / 2, "pause", "resume")]
    {
        read_to(begin);
        services(down);
        let back = std::thread::spawn(move || {
            clock.sleep(Duration::from_secs(4));
            services(up);
        });
        read_to(end);
        back.join().unwrap();
    }
    send(records / 2..records);
    read_to(records);
    assert!(slowest < Duration::from_millis(500), "a poll took {slowest:?}");
}

#[test]
#[ignore = "kills the broker that other tests use: scripts/outage"]
fn a_run_goes_on_after_the_broker_was_away_for_ten_seconds() {
    let Some((connection, settings, names)) = live::prepared("outage", 1) else { return };
    let producer = live::producer(&settings, &[]);
    for i in 0..1_000_i32 {
        live::send(&producer, &names.wells, 0, None, Some(&i.to_be_bytes()));
    }
    live::flush(&producer);
    let mut source = KafkaSource::open(&settings, &names, &[(WELL, 0)], 1).unwrap();
    let outputs = KafkaOutputs { results: None, quarantine: true };
    let mut sink = KafkaSink::open(&connection, &names, outputs).unwrap();
    let clock = MachineClock::start();
    let (mut next, mut slowest) = (0, Duration::ZERO);
    let mut outage = None;
    while next < 2_000 {
        assert!(clock.elapsed() < Duration::from_secs(120), "stuck at {next}");
        let before = clock.elapsed();
        let mut visit = |records: &[Record<'_>]| {
            let taken = records.len().min(50);
            for record in &records[..taken] {
                assert_eq!(record.offset, next);
                next += 1;
            }
            taken
        };
        source.poll(WELL, 50, &mut visit).unwrap();
        slowest = slowest.max(clock.elapsed().checked_sub(before).unwrap());
        if next == 500 && outage.is_none() {
            services("kill");
            // Meanwhile an epoch is to be committed: it waits, and goes through once the broker is back.
            outage = Some(std::thread::spawn(move || {
                clock.sleep(Duration::from_secs(10));
                services("start");
            }));
            let value = Some(b"late".to_vec());
            let (reason, key) = (Reason::Late, None);
            let reject =
                Reject { reason, partition: WELL, offset: 1, timestamp_ms: 1, schema_id: None, key, value };
            let metadata = "m".to_owned();
            let partitions = vec![PartitionOffset { partition: WELL, offset_next: 500, metadata }];
            let ends = EpochOffsets { partitions, group: GroupMetadata::default() };
            sink.begin(1).unwrap();
            sink.append(Output::Rejects(&[reject])).unwrap();
            sink.offsets(&ends).unwrap();
            assert_eq!(sink.commit().unwrap(), CommitOutcome::Committed);
            assert!(clock.elapsed() > Duration::from_secs(10), "the broker was away");
            for i in 1_000..2_000_i32 {
                live::send(&producer, &names.wells, 0, None, Some(&i.to_be_bytes()));
            }
            live::flush(&producer);
        }
        clock.sleep(Duration::from_micros(200));
    }
    outage.unwrap().join().unwrap();
    assert!(slowest < Duration::from_millis(500), "a poll took {slowest:?}");
    assert_eq!(connection.committed(&names, &[WELL]).unwrap(), [Some((500, "m".to_owned()))]);
}
