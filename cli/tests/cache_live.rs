//! The cache of a run, held to what the topics say: the newest reading of each sensor, the newest row of each
//! facility, the riskiest facilities.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;

use live::{World, address, enriched};
use program::Program;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::redis::{CacheReader, RedisSettings};
use wellstream_core::decode::{FixedSchemas, SchemaLookup, Schemas, split_frame};
use wellstream_core::record::Side;

/// Time, partition, offset.
type Place = (i64, i32, i64);

/// The newest reading of each sensor of a topic, naively.
fn newest(records: &[StoredRecord], side: Side) -> BTreeMap<String, Place> {
    let SchemaLookup::Ready(plan) = FixedSchemas::built_in().plan(side, 0) else { panic!("built in") };
    let mut newest = BTreeMap::new();
    for record in records {
        let (_, body) = split_frame(record.value.as_deref().unwrap()).unwrap();
        let (id, time_ms) = match side {
            Side::Well => plan.decode_well(body).map(|it| (it.well_id.unwrap().to_owned(), it.timestamp)),
            Side::Tank => plan.decode_tank(body).map(|it| (it.tank_id.unwrap().to_owned(), it.timestamp)),
        }
        .unwrap();
        let place = (time_ms.unwrap(), record.partition, record.offset);
        let known = newest.entry(id).or_insert(place);
        *known = (*known).max(place);
    }
    newest
}

/// The newest row of each facility: its time, its id and its risk.
fn newest_rows(world: &World) -> BTreeMap<String, (i64, String, i32)> {
    let mut newest = BTreeMap::new();
    for record in world.read(&world.names.enriched) {
        let row = enriched(&record);
        let order =
            (row.row_time, (row.well_partition, row.well_offset), (row.tank_partition, row.tank_offset));
        let told = (row.row_time, row.row_id, row.risk);
        let known = newest.entry(row.facility_id).or_insert_with(|| (order, told.clone()));
        if order > known.0 {
            *known = (order, told);
        }
    }
    newest.into_iter().map(|(facility, (_, told))| (facility, told)).collect()
}

fn settings(prefix: &str) -> Option<RedisSettings> {
    let mut settings = RedisSettings::new(&address("WELLSTREAM_TEST_REDIS")?);
    settings.prefix = format!("{prefix}:");
    Some(settings)
}

fn check(world: &World, redis: &RedisSettings) {
    let mut reader = CacheReader::open(redis).unwrap();
    for (side, topic) in [(Side::Well, &world.names.wells), (Side::Tank, &world.names.tanks)] {
        let expected = newest(&world.read(topic), side);
        assert!(expected.len() > 1_000);
        for (id, (time_ms, partition, offset)) in expected {
            let fields = reader.sensor(side, &id).unwrap();
            let found = ["timestamp", "partition", "offset"].map(|name| fields.get(name).cloned());
            let place = [time_ms.to_string(), partition.to_string(), offset.to_string()].map(Some);
            assert_eq!(found, place, "{side} {id}");
        }
    }
    let rows = newest_rows(world);
    assert!(rows.len() > 1_000);
    for (facility, (time_ms, row_id, risk)) in &rows {
        let fields = reader.facility(facility).unwrap();
        let found = ["row_time", "row_id", "risk"].map(|name| fields.get(name).cloned());
        assert_eq!(found, [time_ms.to_string(), row_id.clone(), risk.to_string()].map(Some), "{facility}");
    }
    let ranked = reader.riskiest(usize::from(u16::MAX)).unwrap();
    let found: BTreeMap<_, _> = ranked.iter().map(|it| (it.facility.clone(), it.risk)).collect();
    let expected: BTreeMap<_, _> =
        rows.iter().map(|(facility, (_, _, risk))| (facility.clone(), risk.unsigned_abs())).collect();
    assert_eq!(found, expected);
    assert!(ranked.windows(2).all(|pair| pair[0].risk >= pair[1].risk));
}

#[test]
fn behind_a_drain_the_cache_is_what_is_newest_in_the_topics() {
    let Some(world) = World::new("cache", 3) else { return };
    let Some(redis) = settings(&world.group) else { return };
    world.load("40k", "3");
    let more = ["--until-end", "--redis", &redis.url, "--redis-prefix", &redis.prefix];
    let summary = world.run(&more).finish().summary();
    assert_eq!((&summary["late"], summary["dropped"].as_object().unwrap().len()), (&0.into(), 0));
    check(&world, &redis);

    // What query shows is what is there.
    let well = newest(&world.read(&world.names.wells), Side::Well).pop_first().unwrap();
    let query = |args: &[&str]| {
        let base = ["--redis", &redis.url, "--redis-prefix", &redis.prefix];
        let args: Vec<String> = ["query"].iter().chain(args).chain(&base).map(ToString::to_string).collect();
        Program::start(&args, live::RUN_TIME_MAX).finish()
    };
    let json: serde_json::Value = serde_json::from_str(&query(&["well", &well.0, "--json"]).stdout).unwrap();
    assert_eq!((&json["well_id"], &json["offset"]), (&well.0.clone().into(), &well.1.2.to_string().into()));
    assert!(query(&["well", &well.0]).stdout.contains("methane_ppm"));
    assert_eq!(query(&["riskiest", "3", "--json"]).stdout.lines().count(), 3);
    let error = query(&["facility", "nowhere"]);
    assert!(error.error(3).contains("nowhere"));
}

/// Killed before it could write, a run leaves the rest to the next one.
#[test]
fn what_a_killed_run_did_not_write_the_next_one_does() {
    let Some(world) = World::new("cache-killed", 3) else { return };
    let Some(redis) = settings(&world.group) else { return };
    world.load("40k", "3");
    // Nobody listens there: nothing is written.
    let nowhere = ["--redis", "redis://127.0.0.1:9", "--until-end", "--redis-prefix", &redis.prefix];
    let ended = world.run(&nowhere).finish();
    assert!(ended.stderr.contains("redis 127.0.0.1:9") && ended.stderr.contains("were not written"));
    ended.summary();
    let more = ["--until-end", "--redis", &redis.url, "--redis-prefix", &redis.prefix];
    let summary = world.run(&more).finish().summary();
    assert_eq!(summary["rows"], 0, "nothing twice");
    check(&world, &redis);
}
