//! The load is what its scenario says, byte for byte the same from the same seed.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use wellstream_core::record::{PartitionId, Reason, Side, splitmix64};
use wellstream_core::rules::Rules;
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::oracle::{self, RawDecoder, WriterSchemas};
use wellstream_replay::scenario::{KeyedBy, Scenario};

const T0: i64 = 1_750_000_000_000;

fn generator(name: &str) -> Generator {
    Generator::new(Scenario::named(name).unwrap(), Setup { start_ms: T0, ..Setup::default() })
}

fn block(generator: &Generator, events: std::ops::Range<u64>) -> Block {
    let mut block = Block::default();
    generator.fill(events, |event| event.sent_ms, &mut block);
    block
}

/// A hash of all that is sent.
fn fingerprint(block: &Block) -> u64 {
    let mut hash = 0;
    for record in block.records() {
        let words = [u64::from(record.partition.number), record.timestamp_ms.cast_unsigned()];
        words.into_iter().for_each(|word| hash = splitmix64(hash ^ word));
        for bytes in [record.key, record.value.unwrap_or(b"none")] {
            hash = splitmix64(hash ^ bytes.len() as u64);
            bytes.iter().for_each(|byte| hash = splitmix64(hash ^ u64::from(*byte)));
        }
    }
    hash
}

/// Whoever changes what a seed means changes every figure measured with it: that must be on purpose.
#[test]
fn fingerprints_of_the_first_10_000_records_stay_and_of_10_000_later_ones() {
    let hash = |generator: &Generator, events| format!("{:016x}", fingerprint(&block(generator, events)));
    let found: Vec<_> = Scenario::NAMES
        .iter()
        .map(|name| {
            let generator = generator(name);
            // By the millionth, whatever happens in a scenario has begun.
            [(*name).to_owned(), hash(&generator, 0..10_000), hash(&generator, 1_000_000..1_010_000)]
        })
        .collect();
    let expected: Vec<_> = FINGERPRINTS.iter().map(|texts| texts.map(str::to_owned)).collect();
    assert_eq!(found, expected);
}

const FINGERPRINTS: [[&str; 3]; 12] = [
    ["normal", "93baeab5409fd4d9", "ef0d7b28afb48c5b"],
    ["leak-incident", "c4bac9166f054d68", "0b54eedbb034c70b"],
    ["disorder", "c29e08cd338c129e", "1d6acbf356e34616"],
    ["late", "4b66231d6e301251", "39c43f5c211dc3de"],
    ["duplicates", "ec805dbe23308d1a", "ecf3b66af5ce7994"],
    ["nulls", "788a1e8fa7f44926", "32b23f9ba97c40cb"],
    ["poison", "d64a48f67caff713", "b7039c7c3cdecfb1"],
    ["clock-skew", "fbc9e485b45394d2", "ae23b185696beb73"],
    ["hot-facility", "8173d5f77b84bb66", "b4f6c8545faea52a"],
    ["silent-partition", "66bfe3973f9acddf", "23b4595261315b32"],
    ["backlog-drain", "e5e14ff287ab2de2", "b43bf9ce2012f5f3"],
    ["embedded", "e35c57ab67d301c7", "0c62a8df94f87458"],
];

/// What the oracle is told of a reading is what the reading's bytes say.
#[test]
fn facts_and_bytes_say_the_same() {
    for name in Scenario::NAMES {
        let generator = generator(name);
        let mut schemas = WriterSchemas::default();
        for (id, _, text) in generator.setup().schemas.texts() {
            schemas.add(id, &text).unwrap();
        }
        let mut decoder = RawDecoder::new(&schemas);
        let mut load = block(&generator, 0..30_000);
        generator.fill(1_000_000..1_030_000, |event| event.sent_ms, &mut load);
        for record in load.records() {
            let event = generator.event(record.event);
            assert_eq!(generator.key(&event).as_bytes(), record.key);
            let body = decoder.body(record.partition.side, record.value);
            assert_eq!(body, generator.body(&event), "{name} {event:?}");
        }
    }
}

#[test]
fn a_load_made_in_pieces_is_the_same_load() {
    for name in Scenario::NAMES {
        let generator = generator(name);
        let whole = block(&generator, 0..4_000);
        let mut pieces = block(&generator, 0..1_234);
        generator.fill(1_234..4_000, |event| event.sent_ms, &mut pieces);
        assert!(whole.records().eq(pieces.records()), "{name}");
    }
}

/// Sent in order, evenly, and never before the event; but for skewed clocks.
#[test]
fn readings_are_sent_in_order_and_not_before_their_time() {
    for name in Scenario::NAMES {
        let generator = generator(name);
        let scenario = generator.scenario();
        let mut last_ms = T0;
        for index in 0..50_000 {
            let event = generator.event(index);
            assert!(event.sent_ms >= last_ms, "{name} {event:?}");
            last_ms = event.sent_ms;
            let delay_ms = event.sent_ms - event.time_ms;
            assert!(
                delay_ms >= -i64::from(if *name == "clock-skew" { scenario.skew_ms_max } else { 0 }),
                "{name}"
            );
        }
        let span_ms = scenario.span_ms(49_999);
        let backlog_ms = scenario.backlog.map_or(0, |backlog| {
            i64::from(backlog.outage_ms) + span_ms / i64::from(backlog.drain_speed) - span_ms
        });
        assert_eq!(last_ms - T0, span_ms + backlog_ms.max(0), "{name}");
    }
}

#[test]
fn each_sensor_reads_once_in_a_cycle_at_its_own_facility() {
    let generator = generator("embedded");
    // 35 readings a second: each of 20 wells and 15 tanks.
    for second in 0..100_u64 {
        let readings: BTreeSet<_> = (second * 35..(second + 1) * 35)
            .map(|index| generator.event(index))
            .inspect(|event| assert_eq!(event.facility, event.sensor % 10))
            .map(|event| (event.side, event.sensor))
            .collect();
        assert_eq!(readings.len(), 35, "second {second}");
    }
    assert_eq!(generator.event(35_000).sent_ms, T0 + 1_000_000);
}

#[test]
fn a_normal_day_has_two_pairs_per_well_reading_and_all_kinds_of_alarms() {
    let generator = generator("normal");
    let rules = Rules::default();
    let judged = generator.judged(0..400_000, &rules, |event| event.sent_ms, |_, n| n);
    let output = oracle::output(&judged, &rules);
    assert_eq!((output.events_in, output.accepted), ([200_000; 2], [200_000; 2]));
    let pairs = output.rows as f64 / 200_000.0;
    assert!((1.7..2.3).contains(&pairs), "{pairs}");
    let [raised, escalated, cleared] = output.alarms_by_kind();
    assert!(raised > 1_000 && escalated > 100 && cleared > 1_000, "{:?}", output.alarms_by_kind());
    let alerts = output.totals.unwrap().alert_rows as f64 / output.rows as f64;
    assert!((0.01..0.2).contains(&alerts), "{alerts}");
}

#[test]
fn each_scenario_does_what_it_is_for() {
    let rules = Rules::default();
    let counts = |name: &str| {
        let judged = generator(name).judged(0..400_000, &rules, |event| event.sent_ms, |_, n| n);
        judged.counts()
    };
    for name in [
        "normal",
        "disorder",
        "duplicates",
        "leak-incident",
        "clock-skew",
        "hot-facility",
        "silent-partition",
        "backlog-drain",
        "embedded",
    ] {
        assert_eq!(counts(name), BTreeMap::new(), "{name}");
    }
    let late = counts("late");
    assert_eq!(late.keys().copied().collect::<Vec<_>>(), [Reason::Late]);
    // One in fifty, and five in seven of the delays exceed the lateness.
    assert!((4_000..8_000).contains(&late[&Reason::Late]), "{late:?}");
    let nulls = counts("nulls");
    let dropped = Reason::ALL.iter().filter(|reason| **reason > Reason::Late);
    assert!(dropped.chain([&Reason::NullTimestamp]).all(|reason| nulls[reason] > 500), "{nulls:?}");
    let poison = counts("poison");
    use Reason::{BadMagic, BadUtf8, EmptyValue, Malformed, NotFinite, TimeTooFarAhead, TimeTooOld};
    let all = [EmptyValue, BadMagic, Reason::Truncated, Reason::TrailingBytes, Malformed, BadUtf8, NotFinite];
    let all: Vec<_> = all.into_iter().chain([TimeTooOld, TimeTooFarAhead]).collect();
    assert_eq!(poison.keys().copied().collect::<Vec<_>>(), all);
    assert!(poison.values().all(|count| *count > 200), "{poison:?}");
}

#[test]
fn duplicates_are_sent_again_in_the_same_partition() {
    let generator = generator("duplicates");
    let block = block(&generator, 0..50_000);
    let mut seen: BTreeMap<&[u8], PartitionId> = BTreeMap::new();
    let mut again = 0;
    for record in block.records() {
        if let Some(first) = seen.insert(record.value.unwrap(), record.partition) {
            assert_eq!(first, record.partition);
            again += 1;
        }
    }
    assert!((2_200..2_800).contains(&again), "{again}");
}

#[test]
fn a_silent_partition_is_silent_and_a_hot_facility_is_hot() {
    let generator = generator("silent-partition");
    let silent = PartitionId { side: Side::Tank, number: 0 };
    // 4,000 readings per second of event time, silent after 60 s.
    let sent = |range: std::ops::Range<u64>| {
        range.filter(|index| generator.partition(&generator.event(*index)) == silent).count()
    };
    assert!(sent(0..240_000) > 30_000);
    assert_eq!(sent(240_000..400_000), 0);

    let generator = self::generator("hot-facility");
    let hot = (0..400_000).filter(|index| generator.event(*index).facility == 0).count();
    assert!((1_900..2_300).contains(&hot), "{hot}");
}

#[test]
fn poison_that_needs_a_registry_or_megabytes_is_made_too() {
    let mut scenario = Scenario::named("poison").unwrap();
    scenario.shares.poison = 1.0;
    use wellstream_replay::scenario::Poison::{TooLarge, UnknownSchema, WrongType};
    scenario.poison = vec![TooLarge, UnknownSchema, WrongType];
    let generator = Generator::new(scenario, Setup::default());
    let mut schemas = WriterSchemas::default();
    for (id, _, text) in generator.setup().schemas.texts() {
        schemas.add(id, &text).unwrap();
    }
    let mut decoder = RawDecoder::new(&schemas);
    for record in block(&generator, 0..30).records() {
        let event = generator.event(record.event);
        assert_eq!(decoder.body(record.partition.side, record.value), generator.body(&event), "{event:?}");
    }
}

/// A facility's readings of both sides lie in partitions of one number, so that instances can share the work.
#[test]
fn keyed_by_facility_both_sides_of_a_facility_share_a_number() {
    let scenario = Scenario { keyed_by: KeyedBy::Facility, ..Scenario::named("normal").unwrap() };
    let generator = Generator::new(scenario, Setup { partitions: [5, 5], ..Setup::default() });
    let mut numbers = BTreeMap::new();
    for index in 0..40_000 {
        let event = generator.event(index);
        let number = generator.partition(&event).number;
        assert_eq!(*numbers.entry(event.facility).or_insert(number), number);
    }
    assert_eq!(numbers.values().collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn nonsense_is_refused_with_its_key() {
    let refused = |change: fn(&mut Scenario)| {
        let mut scenario = Scenario::named("normal").unwrap();
        change(&mut scenario);
        scenario.check().unwrap_err().to_string()
    };
    assert!(refused(|scenario| scenario.wells = 0).contains("wells = 0"));
    assert!(refused(|scenario| scenario.well_readings_per_s = f64::NAN).contains("well_readings_per_s"));
    assert!(refused(|scenario| scenario.shares.late = 1.5).contains("shares.late"));
    assert!(
        refused(|scenario| scenario.ranges.wind_speed_mph = [1.0, 0.0]).contains("ranges.wind_speed_mph")
    );
    let both = |scenario: &mut Scenario| (scenario.shares.late, scenario.shares.poison) = (0.6, 0.6);
    assert!(refused(both).contains("late + nulls + poison"));
    assert!(Scenario::load("skew").unwrap_err().to_string().contains("clock-skew now"));
    assert!(Scenario::load("no-such").unwrap_err().to_string().contains("silent-partition"));
    assert_eq!(Scenario::NAMES.iter().filter(|name| Scenario::named(name).is_none()).count(), 0);
}
