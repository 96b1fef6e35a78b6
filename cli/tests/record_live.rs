//! `record` and `inspect` on a real broker: what is in the trace is what the topics hold, byte for byte,
//! whatever ends the recording.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/readings.rs"]
mod readings;

use std::fs::File;
use std::path::{Path, PathBuf};

use live::{RUN_TIME_MAX, World};
use program::{Ended, Program};
use readings::{tank, well};
use serde_json::Value;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::schemas::{TANK_DATA, WELL_DATA};
use wellstream_replay::trace::{Trace, TraceRecord, read_trace};

/// Where a test keeps its traces.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn args(world: &World, verb: &str, file: &Path, more: &[&str]) -> Vec<String> {
    let names = &world.names;
    let base = [verb, file.to_str().unwrap(), "--wells", &names.wells, "--tanks", &names.tanks];
    let mut args: Vec<String> = base.iter().chain(more).map(ToString::to_string).collect();
    if verb == "record" {
        args.extend(["--brokers".to_owned(), world.brokers.clone()]);
    }
    args
}

fn record(world: &World, file: &Path, more: &[&str]) -> Ended {
    let registry = ["--schema-registry", world.registry.as_str()];
    Program::start(&args(world, "record", file, &[&registry, more].concat()), RUN_TIME_MAX).finish()
}

fn inspect(world: &World, file: &Path, more: &[&str]) -> Ended {
    Program::start(&args(world, "inspect", file, more), RUN_TIME_MAX).finish()
}

fn trace(file: &Path) -> Trace {
    read_trace(File::open(file).unwrap()).unwrap()
}

/// A topic's records as a trace has them, by partition and offset.
fn stored(world: &World, topic: &str) -> Vec<TraceRecord> {
    let as_traced = |record: StoredRecord| TraceRecord {
        topic: topic.into(),
        partition: u32::try_from(record.partition).unwrap(),
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    world.read(topic).into_iter().map(as_traced).collect()
}

/// The records of one topic; within each partition they must stand in the order of their offsets already.
fn of_topic(trace: &Trace, topic: &str) -> Vec<TraceRecord> {
    let mut records: Vec<_> =
        trace.records.iter().filter(|record| &*record.topic == topic).cloned().collect();
    records.sort_by_key(|record| record.partition);
    let in_order =
        |pair: &[TraceRecord]| pair[0].partition != pair[1].partition || pair[0].offset < pair[1].offset;
    assert!(records.windows(2).all(in_order), "{topic}: not in the order of offsets");
    records
}

/// Every shape of record: without key, tombstones, empty values, headers twice and without a value, noise.
fn shapes(ids: [u32; 2], base_ms: i64) -> Vec<(bool, StoredRecord)> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let mut out = Vec::new();
    for place in 0_i64..600 {
        let is_well = place % 2 == 0;
        let time_ms = base_ms + place;
        let good = if is_well { well(ids[0], "F-1", time_ms) } else { tank(ids[1], "F-1", time_ms) };
        let value = match place % 10 {
            0 => None,
            3 => Some(Vec::new()),
            6 => Some(vec![0xFF, 0, 1, u8::try_from(place % 251).unwrap()]),
            _ => Some(good),
        };
        let headers = match place % 4 {
            0 => vec![header("a", Some(b"1")), header("a", None), header("ü", Some(b""))],
            1 => vec![header("trace", Some(&[0, 0xFE]))],
            _ => Vec::new(),
        };
        let key = (place % 7 != 0).then(|| vec![0, u8::try_from(place % 200).unwrap(), 0xFE]);
        let partition = i32::try_from(place / 2 % 3).unwrap();
        out.push((
            is_well,
            StoredRecord { partition, offset: 0, timestamp_ms: time_ms - 7, key, value, headers },
        ));
    }
    out
}

/// A world with every shape of record in it, and the ids of its schemas.
fn world(what: &str) -> Option<(World, [u32; 2])> {
    let world = World::new(what, 3)?;
    let registry = RegistryClient::new(&RegistrySettings::new(&world.registry));
    let register = |topic: &str, schema: &str| registry.register(&format!("{topic}-value"), schema).unwrap();
    let ids = [register(&world.names.wells, WELL_DATA), register(&world.names.tanks, TANK_DATA)];
    let base_ms = wellstream_connectors::MachineClock::start().wall_ms() - 60_000;
    let mut sender = world.sender();
    for (is_well, record) in shapes(ids, base_ms) {
        let topic = if is_well { &world.names.wells } else { &world.names.tanks };
        sender.send_as_stored(topic, &record).unwrap();
    }
    sender.finish().unwrap();
    Some((world, ids))
}

#[test]
fn a_recording_holds_what_the_topics_hold_byte_for_byte() {
    let Some((world, ids)) = world("record") else { return };
    let place = Place::new();
    let file = place.file("t.avro");
    let ended = record(&world, &file, &["--until-end"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("600 records of 2 topics, 6 partitions"), "{}", ended.stdout);
    let trace = trace(&file);
    let (wells, tanks) = (stored(&world, &world.names.wells), stored(&world, &world.names.tanks));
    assert_eq!((wells.len(), tanks.len()), (300, 300));
    assert!(wells.iter().any(|record| record.value.is_none() && record.headers.len() == 3));
    assert!(of_topic(&trace, &world.names.wells) == wells);
    assert!(of_topic(&trace, &world.names.tanks) == tanks);
    // What was sent, and not only what was read twice in the same way.
    let base_ms = wells.iter().map(|record| record.timestamp_ms).min().unwrap() + 7;
    let mut sent: Vec<_> = shapes(ids, base_ms).into_iter().filter(|(is_well, _)| *is_well).collect();
    sent.sort_by_key(|(_, record)| record.partition);
    for (record, (_, sent)) in wells.iter().zip(&sent) {
        let found = (record.timestamp_ms, &record.key, &record.value, &record.headers);
        assert!(found == (sent.timestamp_ms, &sent.key, &sent.value, &sent.headers), "{record:?} {sent:?}");
    }
    // Their schemas, by the registry's ids; noise names none.
    assert_eq!(trace.schemas.keys().copied().collect::<Vec<_>>(), sorted(ids));
    assert!(trace.schemas[&ids[0]].contains("WellData"));

    let refused = record(&world, &file, &["--until-end"]);
    assert!(refused.error(2).contains("--force overwrites it"), "{}", refused.stderr);
    let again = record(&world, &file, &["--until-end", "--force", "--topic", &world.names.tanks]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(read_trace(File::open(&file).unwrap()).unwrap().records.len() == 300);
}

fn sorted(mut ids: [u32; 2]) -> Vec<u32> {
    ids.sort_unstable();
    ids.to_vec()
}

/// Without a registry, the schemas that a trace gets are those of --schemas, under the ids that were met.
#[test]
fn a_recording_without_a_registry_has_the_given_schemas() {
    let Some((world, ids)) = world("record-given") else { return };
    let place = Place::new();
    let file = place.file("t.avro");
    let ended = Program::start(&args(&world, "record", &file, &["--until-end"]), RUN_TIME_MAX).finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let trace = trace(&file);
    assert_eq!(trace.schemas[&ids[0]], WELL_DATA);
    assert_eq!(trace.schemas[&ids[1]], TANK_DATA);
}

/// A count, a time, a signal: each leaves a trace that can be read, and only a kill does not.
#[test]
fn whatever_ends_a_recording_leaves_a_valid_trace() {
    let Some((world, _)) = world("record-ends") else { return };
    let place = Place::new();
    let file = place.file("count.avro");
    assert_eq!(record(&world, &file, &["--events", "250"]).code, Some(0));
    assert_eq!(trace(&file).records.len(), 250);

    let file = place.file("time.avro");
    assert_eq!(record(&world, &file, &["--duration", "2s", "--from", "latest"]).code, Some(0));
    assert_eq!(trace(&file).records.len(), 0);

    for (signal, code) in [("INT", Some(0)), ("TERM", Some(0)), ("KILL", None)] {
        let file = place.file(signal);
        let mut program = Program::start(&args(&world, "record", &file, &[]), RUN_TIME_MAX);
        // It writes what came within a second.
        let salvaged = || inspect(&world, &file, &["--salvage", "--json"]);
        program.wait_until("all records in the file", || {
            let found = salvaged();
            found.code == Some(0) && serde_json::from_str::<Value>(&found.stdout).unwrap()["records"] == 600
        });
        program.signal(signal);
        let ended = program.finish();
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let plain = inspect(&world, &file, &[]);
        match code {
            Some(_) => {
                assert_eq!(trace(&file).records.len(), 600, "{signal}");
                assert_eq!(plain.code, Some(0), "{}", plain.stderr);
            }
            None => {
                assert!(plain.error(3).contains("never finished"), "{}", plain.stderr);
                let found: Value = serde_json::from_str(&salvaged().stdout).unwrap();
                assert!(found["damage"].as_str().unwrap().contains("never finished"), "{found}");
                assert_eq!(found["schemas"].as_array().unwrap().len(), 2, "they came before the kill");
            }
        }
    }
}

#[test]
fn a_recording_can_be_inspected() {
    let Some((world, ids)) = world("inspect") else { return };
    let place = Place::new();
    let file = place.file("t.avro");
    assert_eq!(record(&world, &file, &["--until-end"]).code, Some(0));
    let json = inspect(&world, &file, &["--json"]);
    assert_eq!(json.code, Some(0), "{}", json.stderr);
    let found: Value = serde_json::from_str(&json.stdout).unwrap();
    let unreadable = serde_json::json!({"bad_magic": 60, "empty_value": 120});
    assert_eq!((&found["readable"], &found["unreadable"]), (&Value::from(420), &unreadable));
    assert_eq!(found["damage"], Value::Null);
    let uses: Vec<_> = found["schemas"].as_array().unwrap().iter().map(|schema| &schema["id"]).collect();
    assert_eq!(uses, sorted(ids));
    let text = inspect(&world, &file, &[]).stdout;
    for part in ["600 records in", "bad_magic 60", "com.wellstream.streaming.WellData", "60 tombstones"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_not_there_is_said_before_a_file_is_made() {
    let Some(world) = World::bare("record-missing") else { return };
    let place = Place::new();
    let file = place.file("t.avro");
    let error = record(&world, &file, &["--until-end"]);
    assert!(error.error(3).contains("does not exist"), "{}", error.stderr);
    assert!(!file.exists());
}
