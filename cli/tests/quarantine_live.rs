//! Each kind of bad input on a real broker: in the quarantine byte for byte with its reason, the good
//! readings behind it joined, the counters adding up; then `quarantine list` and `quarantine replay`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/readings.rs"]
mod readings;

use std::collections::BTreeMap;

use live::World;
use readings::{changed, framed, tank, well, well_fields, well_with};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::schemas::{TANK_DATA, WELL_DATA, well_data_nullable};

/// A record that does not enter the join.
struct Bad {
    /// Why; its name in headers and counters.
    reason: &'static str,
    value: Option<Vec<u8>>,
    /// The schema id that its header tells.
    schema_id: Option<u32>,
}

struct Ids {
    well: u32,
    nullable: u32,
    tank: u32,
}

/// An id that no registry gives out here.
const UNKNOWN_ID: u32 = 4_000_002;
const LARGE_BYTES: usize = 10_000_000;

fn ids(world: &World) -> Ids {
    let registry = RegistryClient::new(&RegistrySettings::new(&world.registry));
    let register = |topic: &str, schema: &str| registry.register(&format!("{topic}-value"), schema).unwrap();
    Ids {
        well: register(&world.names.wells, WELL_DATA),
        nullable: register(&world.names.wells, &well_data_nullable()),
        tank: register(&world.names.tanks, TANK_DATA),
    }
}

/// A larger record than our own limit, unlike in every part.
fn large(id: u32) -> Vec<u8> {
    let mut rng = fastrand_like(7);
    let frame = [&[0][..], &id.to_be_bytes()].concat();
    frame.into_iter().chain(std::iter::repeat_with(&mut rng)).take(LARGE_BYTES).collect()
}

/// Bytes from a seed (xorshift).
fn fastrand_like(mut state: u64) -> impl FnMut() -> u8 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    }
}

/// Every kind of bad well reading, at a time when a good one would be on time.
fn bad_wells(ids: &Ids, time_ms: i64) -> Vec<Bad> {
    let good = well(ids.well, "F-bad", time_ms);
    let at = |time_ms| Some(well(ids.well, "F-bad", time_ms));
    let with = |change: fn(&mut wellstream_core::record::WellReading<'_>)| {
        Some(well_with(ids.well, "F-bad", time_ms, change))
    };
    let edited = |edit: fn(&mut Vec<u8>)| {
        let mut value = good.clone();
        edit(&mut value);
        Some(value)
    };
    let null = |name: &str| {
        let mut fields = well_fields(1, time_ms);
        fields[name] = Value::Null;
        Some(framed(ids.nullable, &well_data_nullable(), &fields))
    };
    let bad = |reason, value, schema_id| Bad { reason, value, schema_id };
    let by_well = |reason, value| bad(reason, value, Some(ids.well));
    vec![
        bad("bad_magic", edited(|value| value[0] = 1), None),
        bad("bad_magic", Some(b"\0\0\0".to_vec()), None),
        bad("unknown_schema", Some(well(UNKNOWN_ID, "F-bad", time_ms)), Some(UNKNOWN_ID)),
        by_well("truncated", edited(|value| value.truncate(value.len() - 1))),
        by_well("truncated", edited(|value| value.truncate(5))),
        by_well("trailing_bytes", edited(|value| value.push(0))),
        // The first field's text: a byte that begins no character.
        by_well("bad_utf8", edited(|value| value[6] = 0xFF)),
        by_well("malformed", edited(|value| value[5] = 1)),
        by_well("not_finite", with(|reading| reading.methane_ppm = Some(f64::NAN))),
        by_well("not_finite", with(|reading| reading.pressure_psi = Some(f64::INFINITY))),
        by_well("not_finite", with(|reading| reading.temperature_f = Some(f64::NEG_INFINITY))),
        by_well("time_too_old", at(-1)),
        by_well("time_too_old", at(946_684_799_999)),
        by_well("time_too_old", at(i64::MIN)),
        by_well("time_too_far_ahead", at(time_ms + 600_000)),
        by_well("time_too_far_ahead", at(i64::MAX)),
        bad("null_timestamp", null("timestamp"), Some(ids.nullable)),
        by_well("too_large", Some(large(ids.well))),
        bad("empty_value", Some(Vec::new()), None),
        bad("empty_value", None, None),
        bad("wrong_type", Some(tank(ids.tank, "F-bad", time_ms)), Some(ids.tank)),
        by_well("late", at(time_ms - 60_000)),
        bad("null_methane_ppm", null("methane_ppm"), Some(ids.nullable)),
    ]
}

/// What was sent: each bad record by its topic and offset, and how many good pairs.
struct Sent {
    bad: BTreeMap<(String, i64), (Vec<u8>, Bad)>,
    pairs: u64,
    tanks: u64,
}

/// Sends every bad record, each with a good pair behind it. One partition, so offsets are known.
fn send(world: &World, ids: &Ids) -> Sent {
    let time_ms = MachineClock::start().wall_ms() - 30_000;
    let (wells, tanks) = (&world.names.wells, &world.names.tanks);
    let mut sender = world.sender();
    let mut bad = BTreeMap::new();
    let (mut wells_next, mut tanks_next, mut pairs) = (0, 0, 0);
    let mut pair = |sender: &mut wellstream_connectors::kafka::quarantined::Sender| {
        let facility = format!("F-{pairs}");
        pairs += 1;
        sender.send((wells, Some(0)), Some(b"W-1"), Some(&well(ids.well, &facility, time_ms))).unwrap();
        sender.send((tanks, Some(0)), Some(b"T-1"), Some(&tank(ids.tank, &facility, time_ms + 1))).unwrap();
    };
    pair(&mut sender);
    for (number, record) in bad_wells(ids, time_ms).into_iter().enumerate() {
        // A key need not be text either.
        let key = vec![0xFE, u8::try_from(number).unwrap()];
        sender.send((wells, Some(0)), Some(&key), record.value.as_deref()).unwrap();
        pair(&mut sender);
        wells_next += 2;
        bad.insert((wells.clone(), wells_next - 1), (key, record));
    }
    for value in [b"\x01nonsense".to_vec(), b"nonsense".to_vec()] {
        sender.send((tanks, Some(0)), Some(b"t"), Some(&value)).unwrap();
        let record = Bad { reason: "bad_magic", value: Some(value), schema_id: None };
        // Behind the tanks of all pairs.
        bad.insert((tanks.clone(), (wells_next / 2 + 1) + tanks_next), (b"t".to_vec(), record));
        tanks_next += 1;
    }
    pair(&mut sender);
    sender.finish().unwrap();
    Sent { bad, pairs, tanks: pairs + 2 }
}

/// How many records have each reason, of one fate.
fn by_reason(sent: &Sent, of: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, bad) in sent.bad.values().filter(|(_, bad)| of(bad.reason)) {
        *counts.entry(bad.reason.to_owned()).or_default() += 1;
    }
    counts
}

fn is_quarantined(reason: &str) -> bool {
    reason != "late" && !reason.starts_with("null_m")
}

fn assert_summary(summary: &Value, sent: &Sent) {
    let bad_wells = sent.bad.len() as u64 - 2;
    assert_eq!(summary["events_in"], json!({"wells": sent.pairs + bad_wells, "tanks": sent.tanks}));
    assert_eq!(summary["rows"], json!(sent.pairs), "good readings behind bad ones are joined: {summary}");
    assert_eq!(summary["dropped"], json!({"null_methane_ppm": 1}));
    assert_eq!(summary["late"], json!(1));
    let quarantined = by_reason(sent, is_quarantined);
    assert_eq!(summary["quarantined"], json!(quarantined));
    // events_in = accepted + dropped + late + quarantined: what was accepted is the pairs.
    let rejected = quarantined.values().sum::<u64>() + 2;
    let events: u64 =
        ["wells", "tanks"].iter().map(|side| summary["events_in"][side].as_u64().unwrap()).sum();
    assert_eq!(events, sent.pairs * 2 + rejected);
}

/// Byte for byte with its headers; or without its value where it is larger than the topic takes.
fn assert_stored(stored: &StoredRecord, source: &StoredRecord, key: &[u8], bad: &Bad, bytes_max: usize) {
    let header = |name: &str| stored.header(name).map(str::to_owned);
    assert_eq!(header("ws.reason").as_deref(), Some(bad.reason));
    assert_eq!(header("ws.partition").as_deref(), Some("0"));
    assert_eq!(header("ws.timestamp"), Some(source.timestamp_ms.to_string()));
    assert_eq!(header("ws.schema_id"), bad.schema_id.map(|id| id.to_string()), "{}", bad.reason);
    assert_eq!(stored.key.as_deref(), Some(key), "{}", bad.reason);
    let large = bad.value.as_ref().filter(|value| value.len() > bytes_max);
    let length = large.map(|value| value.len().to_string());
    let hash = large.map(|value| Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect());
    assert_eq!((header("ws.value_bytes"), header("ws.value_sha256")), (length, hash));
    let value = if large.is_some() { &None } else { &bad.value };
    assert!(stored.value == *value && source.value == bad.value, "{}: not byte for byte", bad.reason);
    let names = include_str!("../../avro-schemas/quarantine-headers.json");
    for (name, _) in &stored.headers {
        assert!(names.contains(&format!("\"{name}\"")), "{name}");
    }
}

fn assert_quarantine(world: &World, sent: &Sent, bytes_max: usize) {
    let stored = world.read(&world.names.quarantine);
    let expected = sent.bad.values().filter(|(_, bad)| bad.reason != "null_methane_ppm").count();
    assert_eq!(stored.len(), expected);
    let (wells, tanks) = (world.read(&world.names.wells), world.read(&world.names.tanks));
    let mut seen = std::collections::BTreeSet::new();
    for record in &stored {
        let topic = record.header("ws.topic").unwrap().to_owned();
        let offset: i64 = record.header("ws.offset").unwrap().parse().unwrap();
        let source = if topic == world.names.wells { &wells } else { &tanks };
        let source = &source[usize::try_from(offset).unwrap()];
        let (key, bad) = &sent.bad[&(topic.clone(), offset)];
        assert_stored(record, source, key, bad, bytes_max);
        assert!(seen.insert((topic, offset)), "twice");
    }
}

/// A world whose topic of wells takes records of 10 MB.
fn world(what: &str, quarantine_bytes: Option<&str>) -> Option<World> {
    let world = World::bare(what)?;
    let topics = [(world.names.wells.as_str(), Some(("max.message.bytes", "12000000")))];
    world.connection.create(&topics, 1, 1).unwrap();
    if quarantine_bytes.is_some() {
        world.connection.create(&[(world.names.quarantine.as_str(), None)], 1, 1).unwrap();
    }
    world.connection.create_topics(&world.names, 1, 1).unwrap();
    Some(world)
}

const RUN: [&str; 6] = ["--from", "earliest", "--until-end", "--sink", "kafka", "--registry-grace=2s"];

#[test]
fn each_kind_of_bad_input_is_quarantined_byte_for_byte_and_the_stream_goes_on() {
    let Some(world) = world("quarantine", None) else { return };
    let ids = ids(&world);
    let sent = send(&world, &ids);
    assert_summary(&world.run(&RUN).finish().summary(), &sent);
    assert_quarantine(&world, &sent, usize::MAX);
    assert_list(&world, &sent);
    assert_replay(&world, &sent);
}

/// `quarantine list`, as a table and as JSON lines.
fn assert_list(world: &World, sent: &Sent) {
    let stored = sent.bad.iter().filter(|(_, (_, bad))| bad.reason != "null_methane_ppm");
    let listed = world.quarantine("list", &["--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let mut lines = BTreeMap::new();
    for line in listed.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let place = (line["topic"].as_str().unwrap().to_owned(), line["offset"].as_i64().unwrap());
        assert!(lines.insert(place, line).is_none());
    }
    assert_eq!(lines.len(), stored.clone().count());
    for (place, (_, bad)) in stored.clone() {
        let line = &lines[place];
        let bytes = bad.value.as_ref().map_or(0, Vec::len);
        assert_eq!((&line["reason"], &line["bytes"]), (&json!(bad.reason), &json!(bytes)));
        assert_eq!(line["schema_id"], json!(bad.schema_id));
    }
    let table = world.quarantine("list", &["--reason", "not_finite"]).stdout;
    assert_eq!(table.lines().filter(|line| line.starts_with("not_finite")).count(), 3, "{table}");
    assert_eq!(table.lines().last(), Some("3 records"), "{table}");
    let refused = world.quarantine("list", &["--reason", "not_finit"]);
    assert!(refused.error(2).contains("not_finite"));
}

/// `quarantine replay`: says what it would do, and with --yes does it; a second run meets the records again.
fn assert_replay(world: &World, sent: &Sent) {
    let filter = ["--reason", "not_finite", "--reason", "late", "--topic", &world.names.wells];
    let before = world.read(&world.names.wells);
    let dry = world.quarantine("replay", &filter);
    assert!(dry.stdout.starts_with("4 records would be sent back"), "{}", dry.stdout);
    assert_eq!(world.read(&world.names.wells).len(), before.len());
    for client in ["native", "rdkafka"] {
        let done = world.quarantine("replay", &[&filter[..], &["--yes", "--kafka-client", client]].concat());
        assert!(done.stdout.starts_with("4 records sent back"), "{}{}", done.stdout, done.stderr);
    }
    let after = world.read(&world.names.wells);
    let mut came: Vec<_> = after[before.len()..].iter().map(|record| (&record.key, &record.value)).collect();
    let by_other = came.split_off(4);
    assert!(by_other == came, "both clients send the same");
    let expected: Vec<_> = before
        .iter()
        .filter(|record| {
            let bad = sent.bad.get(&(world.names.wells.clone(), record.offset));
            bad.is_some_and(|(_, bad)| ["not_finite", "late"].contains(&bad.reason))
        })
        .map(|record| (&record.key, &record.value))
        .collect();
    assert_eq!(came.len(), 4);
    assert!(came == expected, "not byte for byte, or out of order");

    let again = world.run(&RUN).finish().summary();
    assert_eq!(again["events_in"], json!({"wells": 8, "tanks": 0}), "only what was sent back: {again}");
    assert_eq!((&again["quarantined"], &again["late"]), (&json!({"not_finite": 6}), &json!(2)));
}

#[test]
fn what_the_quarantine_cannot_hold_goes_there_as_headers_with_length_and_hash() {
    let Some(world) = world("headers", Some("default")) else { return };
    let ids = ids(&world);
    let sent = send(&world, &ids);
    assert_summary(&world.run(&RUN).finish().summary(), &sent);
    assert_quarantine(&world, &sent, 1_048_588);
    let replayed = world.quarantine("replay", &["--reason", "too_large", "--yes"]);
    assert!(replayed.stdout.starts_with("0 records sent back"), "{}", replayed.stdout);
    assert!(replayed.stdout.contains("1 records cannot be: too large"), "{}", replayed.stdout);
}

#[test]
fn a_version_that_cannot_be_read_is_quarantined_and_the_others_are_not() {
    let Some(world) = World::new("unreadable", 1) else { return };
    let ids = ids(&world);
    let registry = RegistryClient::new(&RegistrySettings::new(&world.registry));
    let schema = changed(WELL_DATA, |fields| readings::retyped(fields, "methane_ppm", json!("string")));
    let text_id = registry.register(&format!("{}-other", world.names.wells), &schema).unwrap();
    let time_ms = MachineClock::start().wall_ms() - 30_000;
    let mut fields = well_fields(3, time_ms);
    fields["methane_ppm"] = json!("much");
    let mut sender = world.sender();
    let values = [framed(text_id, &schema, &fields), well(ids.well, "F-1", time_ms)];
    for value in &values {
        sender.send((&world.names.wells, Some(0)), None, Some(value)).unwrap();
    }
    sender.send((&world.names.tanks, Some(0)), None, Some(&tank(ids.tank, "F-1", time_ms))).unwrap();
    sender.finish().unwrap();
    let summary = world.run(&RUN).finish().summary();
    assert_eq!(summary["quarantined"], json!({"wrong_type": 1}));
    assert_eq!(summary["rows"], json!(1));
    let stored = world.read(&world.names.quarantine);
    assert_eq!((stored[0].key.as_ref(), stored[0].value.as_ref()), (None, Some(&values[0])));
    assert_eq!(stored[0].header("ws.schema_id"), Some(text_id.to_string().as_str()));
}
