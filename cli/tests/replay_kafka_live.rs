//! `replay` on a real broker: generated load and a recorded trace, with the engine here and elsewhere; what a
//! consumer of the output topics sees is what the oracle says. Whether a measurement is valid depends on the
//! machine, so exit code 4 is as good as 0; whether the output is right does not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::fs::File;
use std::path::Path;

use live::{RUN_TIME_MAX, World};
use program::Program;
use replays::{args, command, engine_elsewhere, rows, verified};
use serde_json::Value;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::schemas::{TANK_DATA, WELL_DATA};
use wellstream_replay::generate::{Block, Generator, SchemaIds, Setup};
use wellstream_replay::report;
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{BorrowedRecord, TraceWriter, read_trace};

#[test]
fn an_engine_here_puts_out_what_the_oracle_says() {
    let Some(world) = World::bare("replay-here") else { return };
    // Again and again into the same topics: each run begins where they end.
    for (mode, client) in [("all", "native"), ("all", "rdkafka"), ("nearest", "native"), ("latest", "auto")] {
        let rate = ["--rate", "5k/s", "--duration", "3s", "--engine", "here", "--join", mode];
        let report = verified(&world, &[&rate[..], &["--kafka-client", client]].concat());
        assert_eq!(report.load.target, "kafka");
        assert!(rows(&report) > 1_000, "{mode}: {}", rows(&report));
        let measured = report.series(report::Stage::EndToEnd).unwrap().ns.count;
        assert_eq!(measured, rows(&report), "{mode}: each row was measured");
        // What the engine took, from intended times: behind the sender, and before the rows.
        let ns = |stage| report.series(stage).unwrap().ns.clone();
        let (taken, visible) = (ns(report::Stage::BrokerIn), ns(report::Stage::EndToEnd));
        assert!(taken.count >= 20, "{mode}: {} batches taken", taken.count);
        assert!(taken.p50 > Some(0) && taken.p50 < visible.p50, "{mode}: {:?}, {:?}", taken.p50, visible.p50);
        let backlog = report.timeline.iter().map(|interval| interval.backlog).max();
        assert!(backlog < Some(15_000), "{mode}: what was committed is no backlog: {backlog:?}");
    }
}

#[test]
fn an_engine_elsewhere_puts_out_what_the_oracle_says() {
    let Some(world) = World::new("replay-external", 3) else { return };
    let engine = engine_elsewhere(&world, &[]);
    // The engine by one client, whoever sends and watches by the other.
    let rate = ["--rate", "5k/s", "--duration", "3s", "--engine", "external", "--kafka-client", "rdkafka"];
    let report = verified(&world, &rate);
    assert_eq!(report.load.engine, "external");
    assert!(report.series(report::Stage::BrokerIn).is_none(), "nobody here sees what it takes");
    assert!(rows(&report) > 1_000, "{}", rows(&report));
    engine.signal("INT");
    let summary = engine.finish().summary();
    assert_eq!(summary["rows"].as_u64(), Some(rows(&report)), "the engine counts the same");
}

/// Without a registry the engine here reads by the schemas of the load, also those with nulls.
#[test]
fn an_engine_here_needs_no_registry() {
    let Some(world) = World::bare("replay-bare") else { return };
    let mut bare = args(&world, "replay", &["--scenario", "nulls", "--rate", "5k/s", "--duration", "2s"]);
    let place = bare.iter().position(|arg| arg == "--schema-registry").unwrap();
    bare.drain(place..place + 2);
    bare.extend(["--engine", "here", "--verify"].map(str::to_owned));
    let ended = Program::start(&bare, RUN_TIME_MAX).finish();
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}", ended.code, ended.stderr);
}

/// Topics to a trace, the trace to topics that are made for it.
#[test]
fn what_was_recorded_is_replayed() {
    let Some((from, to)) = World::bare("replay-from").zip(World::bare("replay-to")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (file, renamed) = (dir.path().join("t.avro"), dir.path().join("renamed.avro"));
    let ended = command(&from, "replay", &["--max", "--events", "20k", "--scenario", "nulls"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let recorded = command(&from, "record", &[file.to_str().unwrap(), "--until-end"]);
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
    let found = command(&from, "inspect", &[file.to_str().unwrap(), "--json"]);
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["records"], Value::from(20_000));
    assert!(found["readable"].as_u64() > Some(19_000), "{found}");
    // The trace's topics are told by their names.
    let unnamed = command(&to, "replay", &[file.to_str().unwrap(), "--max"]);
    assert!(unnamed.error(2).contains(&from.names.wells), "{}", unnamed.stderr);
    rename(&file, &renamed, [&from, &to]);
    let renamed = renamed.to_str().unwrap();
    let report = verified(&to, &[renamed, "--speed", "50x", "--engine", "here", "--join", "nearest"]);
    assert_eq!(report.load.source, format!("trace {renamed}"));
    assert!(rows(&report) > 1_000 && !report.result.dropped.is_empty(), "{:?}", report.result);
    let stored = |world: &World, topic: &str| -> Vec<_> {
        world.read(topic).into_iter().map(|record| (record.partition, record.key, record.value)).collect()
    };
    for side in [|world: &World| world.names.wells.clone(), |world: &World| world.names.tanks.clone()] {
        assert_eq!(stored(&from, &side(&from)), stored(&to, &side(&to)), "partition, key and value stay");
    }
}

/// The same trace with the topics of another world.
fn rename(file: &Path, renamed: &Path, [from, to]: [&World; 2]) {
    let mut trace = read_trace(File::open(file).unwrap()).unwrap();
    let schemas: Vec<_> = trace.schemas.into_iter().collect();
    let mut writer = TraceWriter::new(File::create(renamed).unwrap(), &schemas).unwrap();
    for record in &mut trace.records {
        let is_well = *record.topic == *from.names.wells;
        record.topic = if is_well { &*to.names.wells } else { &*to.names.tanks }.into();
        writer.append(record).unwrap();
    }
    writer.finish().unwrap();
}

/// The ids of a trace are those of another registry; some values can be read by nobody.
#[test]
fn schemas_get_the_ids_that_the_registry_has() {
    let Some(world) = World::bare("replay-ids") else { return };
    let strange = SchemaIds { plain: [900_001, 900_002], nullable: [900_003, 900_004] };
    let scenario = Scenario::named("poison").unwrap();
    let generator = Generator::new(scenario, Setup { schemas: strange, ..Setup::default() });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.avro");
    write(&file, &generator, &world, 20_000);
    let file = file.to_str().unwrap();
    // Not through the registry's grace time: values of an unknown schema would hold their partitions for it.
    let report = verified(&world, &[file, "--speed", "50x", "--engine", "here"]);
    assert!(rows(&report) > 1_000 && report.result.quarantined.len() > 5, "{:?}", report.result);
    let registry = RegistryClient::new(&RegistrySettings::new(&world.registry));
    for (topic, schema) in [(&world.names.wells, WELL_DATA), (&world.names.tanks, TANK_DATA)] {
        let id = registry.register(&format!("{topic}-value"), schema).unwrap();
        let head = [&[0], &id.to_be_bytes()[..]].concat();
        let is_new = |value: &Option<Vec<u8>>| value.as_ref().is_some_and(|value| value.starts_with(&head));
        let records = world.read(topic);
        let named = records.iter().filter(|record| is_new(&record.value)).count();
        assert!(named * 10 > records.len() * 9, "{named} of {} name {id}", records.len());
    }
    // A topic with fewer partitions than the trace has.
    let narrow = World::new("replay-narrow", 2).unwrap();
    let other = dir.path().join("narrow.avro");
    write(&other, &generator, &narrow, 1_000);
    let ended = command(&narrow, "replay", &[other.to_str().unwrap(), "--max"]);
    assert!(ended.error(3).contains("has 2 partitions"), "{}", ended.stderr);
    assert!(ended.stderr.contains("of 3"), "{}", ended.stderr);
}

fn write(path: &Path, generator: &Generator, world: &World, events: u64) {
    let schemas = generator.setup().schemas.texts().map(|(id, _, text)| (id, text));
    let mut writer = TraceWriter::new(File::create(path).unwrap(), &schemas).unwrap();
    let mut block = Block::default();
    generator.fill(0..events, |event| event.sent_ms, &mut block);
    for (offset, record) in (0..).zip(block.records()) {
        let record = BorrowedRecord {
            topic: [&world.names.wells, &world.names.tanks][record.partition.side.index()],
            partition: record.partition.number,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: record.kafka_key(),
            value: record.value,
            headers: &[],
        };
        writer.append_borrowed(&record).unwrap();
    }
    writer.finish().unwrap();
}
