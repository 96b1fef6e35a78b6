//! The streaming oracle says what the batch oracle says, whatever the load, the mode, and how often it joins.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::{BTreeMap, VecDeque};

use wellstream_connectors::MachineClock;
use wellstream_connectors::count::CountSink;
use wellstream_core::engine::{Output, Sink};
use wellstream_core::record::{Input, PartitionId, Row, RowBatch, Status};
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::oracle::{self, Counts, Expected, Judged, RowFacts, Stream, Tally, WriterSchemas};
use wellstream_replay::scenario::{Scenario, Silent};
use wellstream_replay::verdict::{Gathered, Load, Look, RawStream};

#[path = "engine/drive.rs"]
mod drive;

use drive::MODES;

#[test]
fn the_streaming_oracle_says_what_the_batch_oracle_says() {
    let seeds = if is_full_size() { 60 } else { 3 };
    for seed in 0..seeds {
        for (number, name) in (0..).zip(Scenario::NAMES) {
            for (mode, place) in MODES.iter().zip(0..) {
                let mut rng = fastrand::Rng::with_seed(seed * 10_000 + number * 100 + place);
                let generator = small(name, &mut rng);
                let rules = random_rules(&mut rng, *mode);
                let events = rng.u64(0..3_000);
                let case = format!("{name} {mode:?} seed {seed}, {events} events");
                check(&generator, events, &rules, &mut rng, &case);
            }
        }
    }
}

/// Twice the readings need no more memory, also where a partition has fallen silent: it has no records to
/// come, so nobody waits for it.
#[test]
fn the_streaming_oracle_holds_what_is_open_only() {
    for name in ["normal", "late", "silent-partition", "backlog-drain"] {
        for (join, outer) in [MODES[0], MODES[1], MODES[3]] {
            let rules = Rules { join, outer, ..Rules::default() };
            let mut scenario = Scenario::named(name).unwrap();
            // 400 readings a second, so minutes.
            (scenario.facilities, scenario.wells, scenario.tanks) = (1_000, 2_000, 1_000);
            let generator = Generator::new(scenario, Setup::default());
            let records = Load::new(&generator, 200_000).records();
            let mut stream = Stream::new(&rules, &records).joining_every(10_000);
            let mut peaks = [0; 2];
            let mut next: BTreeMap<PartitionId, i64> = BTreeMap::new();
            for index in 0..200_000 {
                let event = generator.event(index);
                let partition = generator.partition(&event);
                let offset = next.entry(partition).or_default();
                stream.record(partition, *offset, event.sent_ms, generator.body(&event)).unwrap();
                *offset += 1;
                if index % 10_000 == 9_999 {
                    let peak = &mut peaks[usize::from(index >= 100_000)];
                    *peak = stream.held().max(*peak);
                }
            }
            let case = format!("{name} {join:?} {outer}: {peaks:?}");
            // L + disorder + 2 B are 22 s of readings; ALERT rows come on top, in `all` two for each of some.
            assert!(peaks[0] > 400 * 10 && peaks[1] < 400 * 40, "{case}");
            assert!(peaks[1] * 10 <= peaks[0] * 11, "{case}");
            stream.finish().unwrap();
        }
    }
}

/// What a verdict costs: `cargo test --release -p wellstream-replay --test streaming -- --ignored
/// --nocapture`.
#[test]
#[ignore = "takes long, and says how long: for the books"]
fn thirty_million_readings() {
    let clock = MachineClock::start();
    let generator = Generator::new(Scenario::named("normal").unwrap(), Setup::default());
    for (join, outer) in [MODES[0], MODES[3]] {
        let rules = Rules { join, outer, ..Rules::default() };
        let began_ns = clock.now_ns();
        let expected = Load::new(&generator, 30_000_000).expected(&rules, Look::default()).unwrap();
        let took_ms = (clock.now_ns() - began_ns) / 1_000_000;
        let rows = expected.tally.row_totals().rows;
        println!("{join:?} outer {outer}: {rows} rows, {took_ms} ms; peak resident {}", peak_resident());
        assert!(rows > 14_000_000);
    }

    let input = |offset| Some(Input { time_ms: 1_750_000_000_000 + offset / 4, partition: 1, offset });
    let row = |offset: i64| Row {
        well: input(offset),
        tank: input(offset + 7),
        time_ms: 1_750_000_000_000 + offset / 4,
        risk: 40,
        status: Status::Alert,
        value: 0..0,
        key: 0..0,
    };
    let mut batch = RowBatch { rows: (0..1_000).map(row).collect(), ..RowBatch::default() };
    for mode in [JoinMode::All, JoinMode::Latest] {
        let gathered = Gathered::new(mode);
        let mut sink = gathered.sink(CountSink::default());
        let began_ns = thread_cpu_ns();
        for epoch in 0..200 {
            sink.begin(epoch).unwrap();
            for _ in 0..100 {
                sink.append(Output::Rows(&batch)).unwrap();
                for row in &mut batch.rows {
                    for input in [&mut row.well, &mut row.tank].into_iter().flatten() {
                        input.offset += 1_000;
                    }
                }
            }
            sink.commit().unwrap();
        }
        let took_ns = thread_cpu_ns() - began_ns;
        println!("{mode:?}: {} ps of CPU a row in the sink", took_ns * 1_000 / 20_000_000);
        assert_eq!(gathered.take().tally.row_totals().rows, 20_000_000);
    }
}

/// What this thread has used, from Linux; 0 elsewhere.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn peak_resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("unknown").to_owned()
}

fn check(generator: &Generator, events: u64, rules: &Rules, rng: &mut fastrand::Rng, case: &str) {
    let judged = generator.judged(0..events, rules, |event| event.sent_ms, |_, n| n);
    let (counts, batch) = batch(&judged, rules);
    let same = |expected: &Expected, how: &str| {
        assert_eq!(expected.counts, counts, "{case}, {how}");
        assert_eq!(expected.tally.row_totals(), batch.row_totals(), "{case}, {how}");
        assert_eq!(expected.tally.alarms_by_kind(), batch.alarms_by_kind(), "{case}, {how}");
        assert!(expected.tally.rows == batch.rows, "{case}, {how}: rows");
        assert!(expected.tally.alarms == batch.alarms, "{case}, {how}: alarms");
    };
    let load = Load::new(generator, events);
    same(&load.expected(rules, Look::default()).unwrap(), "from facts");

    let records = load.records();
    same(&in_pieces(generator, events, rules, &records, rng), "in pieces");
    same(&from_bytes(generator, events, rules, &records), "from bytes");
}

/// Joining often, with one partition that lags behind all others.
fn in_pieces(
    generator: &Generator,
    events: u64,
    rules: &Rules,
    records: &BTreeMap<PartitionId, u64>,
    rng: &mut fastrand::Rng,
) -> Expected {
    let mut stream = Stream::new(rules, records).joining_every(rng.usize(1..700));
    let slowest = *rng.choice(&records.keys().copied().collect::<Vec<_>>()).unwrap();
    let (lag, mut held_back) = (rng.usize(0..2_000), VecDeque::new());
    let mut next: BTreeMap<PartitionId, i64> = BTreeMap::new();
    for index in 0..events {
        let event = generator.event(index);
        let partition = generator.partition(&event);
        let offset = next.entry(partition).or_default();
        let record = (partition, *offset, event.sent_ms, generator.body(&event));
        *offset += 1;
        held_back.push_back(record);
        let sent = if partition == slowest { None } else { held_back.pop_back() };
        let due = if held_back.len() > lag { held_back.pop_front() } else { None };
        for (partition, offset, timestamp_ms, body) in sent.into_iter().chain(due) {
            stream.record(partition, offset, timestamp_ms, body).unwrap();
        }
    }
    for (partition, offset, timestamp_ms, body) in held_back {
        stream.record(partition, offset, timestamp_ms, body).unwrap();
    }
    stream.finish().unwrap()
}

fn from_bytes(
    generator: &Generator,
    events: u64,
    rules: &Rules,
    records: &BTreeMap<PartitionId, u64>,
) -> Expected {
    let mut schemas = WriterSchemas::default();
    for (id, _, text) in generator.setup().schemas.texts() {
        schemas.add(id, &text).unwrap();
    }
    let mut block = Block::default();
    generator.fill(0..events, |event| event.sent_ms, &mut block);
    let mut stream = RawStream::new(&schemas, rules, records);
    let mut next: BTreeMap<PartitionId, i64> = BTreeMap::new();
    for record in block.records() {
        let offset = next.entry(record.partition).or_default();
        stream.record(record.partition, *offset, record.timestamp_ms, record.value).unwrap();
        *offset += 1;
    }
    stream.finish().unwrap()
}

/// What the batch oracle says, as the streaming one says it.
fn batch(judged: &Judged, rules: &Rules) -> (Counts, Tally) {
    let output = oracle::output(judged, rules);
    let mut tally = Tally::new(rules.join);
    if rules.join == JoinMode::Latest {
        for well in &judged.accepted[0] {
            let (time_ms, status) = (well.input.time_ms, Status::Normal);
            tally.add_row(&RowFacts { well: Some(well.input), tank: None, time_ms, risk: 0, status });
        }
    } else {
        oracle::join(&judged.accepted, rules).iter().for_each(|row| {
            tally.add_row(&row.facts);
        });
    }
    output.alarms.iter().for_each(|alarm| {
        tally.add_alarm(alarm);
    });
    let counts = Counts { events_in: output.events_in, accepted: output.accepted, rejected: output.rejected };
    (counts, tally)
}

/// A scenario at a few facilities, so that its readings last for minutes; some with a partition that falls
/// silent besides.
fn small(name: &str, rng: &mut fastrand::Rng) -> Generator {
    let mut scenario = Scenario::named(name).unwrap();
    scenario.seed = rng.u64(..);
    scenario.facilities = rng.u32(1..30);
    scenario.wells = scenario.facilities * rng.u32(1..3);
    scenario.tanks = scenario.facilities + rng.u32(0..5);
    if let Some(leak) = &mut scenario.leak {
        leak.facilities = leak.facilities.min(scenario.facilities);
    }
    let partitions = [rng.u32(1..6), rng.u32(1..6)];
    if rng.bool() {
        let side = *rng.choice(&wellstream_core::record::Side::BOTH).unwrap();
        let partition = rng.u32(0..partitions[side.index()]);
        scenario.silent = Some(Silent { side, partition, from_ms: rng.u32(0..200_000) });
    }
    Generator::new(scenario, Setup { partitions, ..Setup::default() })
}

fn random_rules(rng: &mut fastrand::Rng, (join, outer): (JoinMode, bool)) -> Rules {
    let mut rules = Rules { join, outer, ..Rules::default() };
    rules.score.bound_ms = *rng.choice(&[0, 2, 700, 5_000, 5_000, 20_000]).unwrap();
    rules.lateness_ms = *rng.choice(&[0, 1_500, 10_000, 10_000, 60_000]).unwrap();
    if rng.bool() {
        let bound_ms = rng.i64(0..=rules.score.bound_ms);
        let own = ScoreRules { bound_ms, methane_high_ppm: 100.0, ..ScoreRules::default() };
        rules.facilities.insert("FAC-00000".to_owned(), own);
    }
    rules
}

fn is_full_size() -> bool {
    std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full")
}
