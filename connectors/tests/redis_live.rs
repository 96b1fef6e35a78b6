//! The cache against real servers: the newest stays whoever writes last, and Redis may be away, slow, full,
//! or refuse, without a word lost or a wait.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/own_redis.rs"]
mod own_redis;

use std::sync::Arc;
use std::time::Duration;

use own_redis::OwnRedis;
use wellstream_connectors::MachineClock;
use wellstream_connectors::redis::{Cache, CacheReader, RedisError, RedisSettings};
use wellstream_core::decode::FixedSchemas;
use wellstream_core::encode::{put_frame, tank_reading, well_reading};
use wellstream_core::engine::Follower;
use wellstream_core::record::{
    Input, NewestReadings, NewestRow, News, PartitionId, Side, Status, TankReading, WellReading,
};
use wellstream_core::rules::Rules;

const NOW_MS: i64 = 1_790_000_000_000;

fn cache(settings: &RedisSettings) -> Cache {
    Cache::start(settings, Arc::new(FixedSchemas::built_in()), Arc::new(Rules::default())).unwrap()
}

/// A well's reading, told as an epoch's only one.
fn well(id: &str, time_ms: i64, offset: i64, methane_ppm: f64) -> News {
    let reading = WellReading {
        well_id: Some(id),
        facility_id: Some("FAC-1"),
        timestamp: Some(time_ms),
        methane_ppm: Some(methane_ppm),
        co2_ppm: Some(1.0),
        pressure_psi: Some(2.0),
        temperature_f: Some(3.0),
        flow_rate_bpd: Some(4.0),
        vibration_encoded: Some("dmliX2RhdGFfeHl6"),
        pump_status: Some("RUNNING"),
        maintenance_alert: Some(false),
    };
    let mut value = Vec::new();
    put_frame(&mut value, 1);
    well_reading(&mut value, &reading).unwrap();
    news(Side::Well, id, time_ms, offset, &value)
}

fn tank(id: &str, time_ms: i64, offset: i64) -> News {
    let reading = TankReading {
        tank_id: Some(id),
        facility_id: Some("FAC-1"),
        timestamp: Some(time_ms),
        level_percentage: Some(50.0),
        vapor_concentration_ppm: Some(12_000.0),
        leak_detection_status: Some("OK"),
        ambient_temperature_f: Some(70.0),
        internal_pressure_psi: Some(1.5),
        flame_arrestor_status: Some(true),
        vapor_recovery_active: Some(true),
        emergency_shutdown: Some(false),
        wind_speed_mph: Some(5.0),
        atmospheric_pressure_mb: Some(1_013.0),
        air_quality_index: Some(42),
    };
    let mut value = Vec::new();
    put_frame(&mut value, 2);
    tank_reading(&mut value, &reading).unwrap();
    news(Side::Tank, id, time_ms, offset, &value)
}

fn news(side: Side, id: &str, time_ms: i64, offset: i64, value: &[u8]) -> News {
    let mut readings = NewestReadings::default();
    let partition = PartitionId { side, number: 0 };
    readings.push(partition, id, Input { time_ms, partition: 0, offset }, value);
    News { readings: vec![readings], rows: Vec::new() }
}

fn row(facility: &str, time_ms: i64, offset: i64, risk: u32) -> News {
    let input = Some(Input { time_ms, partition: 0, offset });
    let status = if risk > 30 { Status::Alert } else { Status::Normal };
    let row = NewestRow { facility: facility.into(), time_ms, well: input, tank: input, risk, status };
    News { readings: Vec::new(), rows: vec![vec![row]] }
}

/// Waits until something holds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = MachineClock::start();
    while !holds() {
        assert!(clock.elapsed() < Duration::from_secs(30), "no {what}");
        clock.sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_newest_stays_whoever_writes_last() {
    let Some(redis) = OwnRedis::start(&[]) else { return };
    let mut settings = RedisSettings::new(&redis.url());
    settings.prefix = "site-a:".to_owned();
    let mut newer = cache(&settings);
    newer.tell(well("WELL-42", NOW_MS, 7, 650.2));
    newer.tell(tank("TANK-7", NOW_MS, 1));
    newer.tell(row("FAC-3", NOW_MS, 7, 80));
    newer.tell(row("FAC-4", NOW_MS - 1, 8, 30));
    wait_until("writes", || newer.counts().written == 4 && newer.untold_ms().is_none());
    // A zombie comes late with what it has.
    let mut zombie = cache(&settings);
    zombie.tell(well("WELL-42", NOW_MS, 6, 1.0));
    zombie.tell(row("FAC-3", NOW_MS - 5, 9, 0));
    zombie.tell(row("FAC-4", NOW_MS + 1, 9, 40));
    let counts = zombie.finish(Duration::from_secs(20));
    assert_eq!((counts.written, counts.overtaken, counts.waiting, counts.errors), (1, 2, 0, 0), "{counts:?}");

    let mut reader = CacheReader::open(&settings).unwrap();
    let fields = reader.sensor(Side::Well, "WELL-42").unwrap();
    let shown = |name: &str| fields.get(name).cloned().unwrap_or_default();
    assert_eq!(
        (&*shown("methane_ppm"), &*shown("offset"), &*shown("timestamp")),
        ("650.2", "7", &*NOW_MS.to_string())
    );
    assert_eq!((&*shown("emission_class"), &*shown("quality")), ("HIGH_EMISSION", "75"));
    assert_eq!((&*shown("vibration_decoded"), &*shown("facility_id")), ("vib_data_xyz", "FAC-1"));
    assert!(!fields.contains_key("order"));
    assert_eq!(reader.sensor(Side::Tank, "TANK-7").unwrap()["vapor_class"], "CRITICAL");
    let facility = reader.facility("FAC-3").unwrap();
    assert_eq!((&*facility["risk"], &*facility["row_id"]), ("80", "w:0:7|t:0:7"));
    assert!(reader.facility("FAC-9").unwrap().is_empty());
    let ranked: Vec<_> = reader.riskiest(10).unwrap().into_iter().map(|it| (it.facility, it.risk)).collect();
    assert_eq!(ranked, [("FAC-3".to_owned(), 80), ("FAC-4".to_owned(), 40)]);
    // Every key has an end.
    for key in redis.cli(&["keys", "*"]).lines().filter(|line| !line.is_empty()) {
        let left: i64 = redis.cli(&["pttl", key]).trim().parse().unwrap();
        assert!(key.starts_with("site-a:") && left > 200_000 && left <= 300_000, "{key}: {left}");
    }
    // A facility whose newest row is too old leaves the ranking.
    let mut later = cache(&settings);
    later.tell(row("FAC-5", NOW_MS + 300_002, 20, 50));
    later.finish(Duration::from_secs(20));
    let ranked: Vec<_> = reader.riskiest(10).unwrap().into_iter().map(|it| it.facility).collect();
    assert_eq!(ranked, ["FAC-5"]);
}

#[test]
fn a_redis_that_comes_back_empty_gets_all_that_windows_need() {
    let Some(mut redis) = OwnRedis::start(&[]) else { return };
    let settings = RedisSettings::new(&redis.url());
    let mut cache = cache(&settings);
    cache.tell(well("OLD", NOW_MS - 120_000, 0, 1.0));
    for number in 0..200 {
        cache.tell(well(&format!("WELL-{number}"), NOW_MS - number, number, 2.0));
    }
    wait_until("writes", || cache.untold_ms().is_none() && cache.counts().written == 201);
    redis.kill();
    cache.tell(well("MEANWHILE", NOW_MS - 40_000, 300, 3.0));
    wait_until("trouble", || cache.counts().errors > 0 && !cache.counts().is_connected);
    // What Redis has not taken is to be read again by whoever starts next.
    assert_eq!(cache.untold_ms(), Some(NOW_MS - 40_000));
    redis.begin();
    wait_until("all again", || cache.untold_ms().is_none() && cache.counts().is_connected);
    let mut reader = CacheReader::open(&settings).unwrap();
    for id in (0..200).map(|number| format!("WELL-{number}")).chain(["MEANWHILE".to_owned()]) {
        assert!(!reader.sensor(Side::Well, &id).unwrap().is_empty(), "{id}");
    }
    assert!(reader.sensor(Side::Well, "OLD").unwrap().is_empty(), "its next reading brings it back");
}

#[test]
fn a_redis_that_stands_still_is_not_waited_for() {
    let Some(redis) = OwnRedis::start(&[]) else { return };
    let mut cache = cache(&RedisSettings::new(&redis.url()));
    wait_until("a connection", || cache.counts().is_connected);
    redis.signal("STOP");
    let clock = MachineClock::start();
    for number in 0..2_000 {
        cache.tell(well("WELL-1", NOW_MS + number, number, 1.0));
    }
    let told = clock.elapsed();
    assert!(cache.untold_ms().is_some_and(|ms| ms <= NOW_MS + 2_000));
    redis.signal("CONT");
    wait_until("the last reading", || cache.untold_ms().is_none());
    let mut reader = CacheReader::open(&RedisSettings::new(&redis.url())).unwrap();
    assert_eq!(reader.sensor(Side::Well, "WELL-1").unwrap()["offset"], "1999");
    // Nobody waited: an answer would have taken its two seconds each time.
    assert!(told < Duration::from_secs(2), "{told:?}");
}

#[test]
fn a_full_redis_and_a_wrong_password_are_told_and_waited_for() {
    let Some(redis) = OwnRedis::start(&["--requirepass", "s3cret"]) else { return };
    let mut refused = cache(&RedisSettings::new(&redis.url_with("wrong")));
    refused.tell(well("WELL-1", NOW_MS, 1, 1.0));
    wait_until("a refusal", || refused.counts().errors > 0);
    let counts = refused.finish(Duration::from_millis(100));
    assert_eq!((counts.written, counts.waiting), (0, 1), "{counts:?}");
    let error = CacheReader::open(&RedisSettings::new(&redis.url_with("wrong"))).unwrap_err().to_string();
    assert!(error.contains("password") && !error.contains("wrong@"), "{error}");

    let mut full = cache(&RedisSettings::new(&redis.url_with("s3cret")));
    let admin = |args: &[&str]| redis.cli(&[&["-a", "s3cret", "--no-auth-warning"], args].concat());
    admin(&["config", "set", "maxmemory", "1"]);
    full.tell(well("WELL-1", NOW_MS, 2, 1.0));
    wait_until("a refusal", || full.counts().errors > 0);
    assert_eq!((full.counts().written, full.untold_ms()), (0, Some(NOW_MS)));
    admin(&["config", "set", "maxmemory", "0"]);
    wait_until("room", || full.untold_ms().is_none());
    assert_eq!(admin(&["hget", "well:WELL-1", "offset"]).trim(), "2");
}

#[test]
fn a_key_that_is_somebody_elses_is_left_alone() {
    let Some(redis) = OwnRedis::start(&[]) else { return };
    redis.cli(&["set", "well:WELL-1", "mine"]);
    let mut cache = cache(&RedisSettings::new(&redis.url()));
    cache.tell(well("WELL-1", NOW_MS, 1, 1.0));
    cache.tell(well("WELL-2", NOW_MS, 2, 1.0));
    wait_until("the other one", || cache.untold_ms().is_none() && cache.counts().written == 1);
    assert_eq!(cache.counts().dropped, 1);
    assert_eq!(redis.cli(&["get", "well:WELL-1"]).trim(), "mine");
}

#[test]
fn a_cluster_is_found_by_itself() {
    let Some(redis) = OwnRedis::start(&["--cluster-enabled", "yes"]) else { return };
    redis.cli(&["cluster", "addslotsrange", "0", "16383"]);
    wait_until("a cluster", || redis.cli(&["cluster", "info"]).contains("cluster_state:ok"));
    let settings = RedisSettings::new(&redis.url());
    let mut cache = cache(&settings);
    for number in 0..50 {
        cache.tell(well(&format!("WELL-{number}"), NOW_MS, number, 1.0));
        cache.tell(row(&format!("FAC-{number}"), NOW_MS, number, 10));
    }
    redis.cli(&["set", "well:OTHERS", "mine"]);
    cache.tell(well("OTHERS", NOW_MS, 60, 1.0));
    let counts = cache.finish(Duration::from_secs(20));
    assert_eq!((counts.written, counts.waiting, counts.dropped), (100, 0, 1), "{counts:?}");
    let mut reader = CacheReader::open(&settings).unwrap();
    assert_eq!(reader.riskiest(100).unwrap().len(), 50);
    assert_eq!(reader.sensor(Side::Well, "WELL-7").unwrap()["offset"], "7");
}

#[test]
fn a_setting_that_cannot_be_used_is_refused_without_its_secret() {
    let start = |url: &str, prefix: &str| {
        let mut settings = RedisSettings::new(url);
        settings.prefix = prefix.to_owned();
        let schemas = Arc::new(FixedSchemas::built_in());
        Cache::start(&settings, schemas, Arc::new(Rules::default())).unwrap_err()
    };
    for error in [start("redis://u:s3cret@:no-port", ""), start("redis://127.0.0.1:1", "{site}")] {
        assert!(matches!(error, RedisError::Setting(_)) && !error.to_string().contains("s3cret"), "{error}");
    }
}
