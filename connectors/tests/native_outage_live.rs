//! Transactions whose broker goes away, freezes, or comes back. It stops the broker of `scripts/services`, so
//! it is no part of a plain test run: `scripts/outage` gives it services of its own, and `scripts/check`
//! calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/epochs.rs"]
mod epochs;

use std::process::Command;
use std::thread;
use std::time::Duration;

use epochs::{ALL, offsets, read_all, rows_between};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::sink::Delivery;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::native::sink::NativeSink;
use wellstream_core::decode;
use wellstream_core::engine::{CommitOutcome, Output, Sink};
use wellstream_core::record::{PartitionId, Side};

const WELL: PartitionId = PartitionId { side: Side::Well, number: 0 };

fn services(verb: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    assert!(Command::new(script).args([verb, "kafka"]).status().unwrap().success(), "{verb}");
}

/// Verbs with pauses before them, on a thread.
fn later(verbs: &'static [(u64, &'static str)]) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for (pause_ms, verb) in verbs {
            MachineClock::start().sleep(Duration::from_millis(*pause_ms));
            services(verb);
        }
    })
}

/// What the command does: a sink, then the committed offset, then epochs from there on; and all of that again
/// behind an epoch that was not committed.
fn run(
    settings: &KafkaSettings,
    names: &TopicNames,
    to: i64,
    disturb: &mut dyn FnMut(i64),
) -> Vec<CommitOutcome> {
    let clock = MachineClock::start();
    let mut ends = Vec::new();
    loop {
        assert!(clock.elapsed() < Duration::from_secs(180), "stuck: {ends:?}");
        let begun = Connection::open(settings).and_then(|connection| {
            let id = format!("wellstream-{}", settings.group);
            let delivery = Delivery::ExactlyOnce { transactional_id: id };
            let sink = NativeSink::open(&connection, names, ALL, delivery)?;
            Ok((sink, connection.committed(names, &[WELL])?))
        });
        let (mut sink, committed) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                assert!(error.retry_helps(), "{error}");
                continue;
            }
        };
        let mut next = committed[0].as_ref().map_or(0, |(offset, _)| *offset);
        while next < to {
            sink.begin(1).unwrap();
            for part in 0..5 {
                sink.append(Output::Rows(&rows_between(next + part * 20, next + part * 20 + 20))).unwrap();
                disturb(next + part * 20);
            }
            sink.offsets(&offsets(&[(Side::Well, 0, next + 100, "m")])).unwrap();
            let outcome = sink.commit().unwrap();
            ends.push(outcome);
            if outcome != CommitOutcome::Committed {
                break;
            }
            next += 100;
        }
        if next >= to {
            return ends;
        }
    }
}

fn check(settings: &KafkaSettings, names: &TopicNames, to: i64) {
    let connection = Connection::open(settings).unwrap();
    let mut found: Vec<i64> = read_all(settings, &connection, &names.enriched)
        .iter()
        .map(|got| {
            let (_, body) = decode::split_frame(got.value.as_ref().unwrap()).unwrap();
            decode::enriched(body).unwrap().well_offset.unwrap()
        })
        .collect();
    found.sort_unstable();
    assert!(found == (0..to).collect::<Vec<_>>(), "{} rows instead of {to}, or not each once", found.len());
}

#[test]
#[ignore = "stops the broker that other tests use: scripts/outage"]
fn a_broker_that_restarts_in_the_middle_of_a_transaction_changes_nothing() {
    for verbs in [
        // Killed, and back within the transaction's time; stopped for longer than that.
        &[(0, "kill"), (1_000, "start")][..],
        &[(0, "stop"), (12_000, "start")],
    ] {
        let Some((_, settings, names)) = live::prepared("native-restart", 2) else { return };
        let mut outage = None;
        let ends = run(&settings, &names, 3_000, &mut |row| {
            if row == 1_060 && outage.is_none() {
                outage = Some(later(verbs));
                MachineClock::start().sleep(Duration::from_millis(300));
            }
        });
        outage.unwrap().join().unwrap();
        check(&settings, &names, 3_000);
        assert!(ends.len() >= 30, "{ends:?}");
    }
}

/// Nobody answers: each call comes to its end, and that is not known; then the offsets tell the truth.
#[test]
#[ignore = "stops the broker that other tests use: scripts/outage"]
fn a_commit_that_nobody_answers_is_unknown_and_the_offsets_tell() {
    let Some((_, settings, names)) = live::prepared("native-frozen", 2) else { return };
    let mut outage = None;
    let ends = run(&settings, &names, 3_000, &mut |row| {
        if row == 1_080 && outage.is_none() {
            services("pause");
            outage = Some(later(&[(25_000, "resume")]));
        }
    });
    outage.unwrap().join().unwrap();
    assert!(ends.contains(&CommitOutcome::Unknown), "{ends:?}");
    check(&settings, &names, 3_000);
}
