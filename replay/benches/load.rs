//! What the sending side of a run in memory costs, reading by reading: making it (`generate`), sending it on
//! schedule to a target that does nothing (`pace`), noting its intended time (`note`), and sending it with
//! that through partitions in memory, out of which a reader takes it again (`through`). All on one thread, in
//! CPU time of that thread, so a busy machine changes little. With `-- --test` each runs once, as a test:
//! every reading must arrive.
//!
//! Instructions: `valgrind --tool=callgrind TARGET/release/deps/load-... --toggle-collect='*fill*' --bench
//! --test generate`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wellstream_connectors::embedded::EmbeddedLog;
use wellstream_core::engine::Source;
use wellstream_core::record::Record;
use wellstream_replay::drive::MemoryTarget;
use wellstream_replay::generate::{GeneratedRecord, Generator, Setup};
use wellstream_replay::load::{GeneratedLoad, Load, LoadBlock, Stamp};
use wellstream_replay::observe::{IntendedTimes, Observation};
use wellstream_replay::pace::{Pacer, Progress, Scripted, Taken, Target, TargetError};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::schedule::{Profile, Schedule};

const READINGS: u64 = 100 * 4_096;
const PARTITIONS: [u32; 2] = [3, 3];

fn load() -> GeneratedLoad {
    let setup = Setup { start_ms: 1_700_000_000_000, partitions: PARTITIONS, ..Setup::default() };
    let generator = Generator::new(Scenario::named("normal").unwrap(), setup);
    let schedule = Schedule::new(Profile::Constant, 3e6, READINGS, 1).unwrap();
    GeneratedLoad::scheduled(generator, &schedule, Stamp::OfScenario)
}

fn blocks() -> Vec<LoadBlock> {
    let mut load = load();
    let mut fill = || {
        let mut block = LoadBlock::default();
        load.fill(&mut block).unwrap();
        (!block.records.is_empty()).then_some(block)
    };
    std::iter::from_fn(&mut fill).collect()
}

fn generate(load: &mut GeneratedLoad, block: &mut LoadBlock) -> u64 {
    let mut made = 0;
    loop {
        block.clear();
        load.fill(block).unwrap();
        if block.records.is_empty() {
            return made;
        }
        made += black_box(&*block).records.len() as u64;
    }
}

/// Takes everything.
struct Nowhere(u64);

impl Target for Nowhere {
    fn send(&mut self, record: &GeneratedRecord<'_>, _: u64) -> Result<Taken, TargetError> {
        self.0 += u64::from(black_box(record).value.is_some());
        Ok(Taken::Yes)
    }

    fn flush(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

fn pace(blocks: &[LoadBlock]) -> u64 {
    let (clock, progress) = (Scripted::default(), Progress::new(0));
    let mut pacer = Pacer::new(&clock, Nowhere(0), 0, &progress);
    blocks.iter().for_each(|block| pacer.send(block, &|| false).unwrap());
    pacer.target.0
}

fn observation() -> Observation {
    Observation::new(IntendedTimes::new(PARTITIONS, 120_000), 16, 0, 0)
}

fn note(blocks: &[LoadBlock], times: &IntendedTimes) -> u64 {
    let mut offsets = [[0_i64; 3]; 2];
    for block in blocks {
        for (record, due) in block.records.records().zip(&block.due_ns) {
            let offset = &mut offsets[record.partition.side.index()][record.partition.number as usize];
            times.note(record.partition, *offset, *due);
            *offset += 1;
        }
    }
    offsets.as_flattened().iter().sum::<i64>().unsigned_abs()
}

/// Sends, and has what was sent read out every few blocks.
fn through(blocks: &[LoadBlock], observation: &Observation) -> u64 {
    let (clock, progress) = (Scripted::default(), Progress::new(0));
    let (log, writers) = EmbeddedLog::new(PARTITIONS[0], PARTITIONS[1], 64 << 20);
    let partitions: Vec<_> = log.partitions().collect();
    let mut source = log.source(&partitions).unwrap();
    let mut pacer = Pacer::new(&clock, MemoryTarget::new(writers, &log, observation, &clock), 0, &progress);
    let mut taken = 0;
    for blocks in blocks.chunks(4) {
        blocks.iter().for_each(|block| pacer.send(block, &|| false).unwrap());
        // What a long queue held back goes out the second time.
        for partition in partitions.iter().chain(&partitions) {
            pacer.target.flush().unwrap();
            let mut look = |records: &[Record<'_>]| black_box(records).len();
            taken += source.poll(*partition, usize::MAX, &mut look).unwrap().taken as u64;
        }
    }
    taken
}

fn benches_of_load(criterion: &mut Criterion<ThreadTime>) {
    let (load, blocks, observation) = (load(), blocks(), observation());
    let mut block = LoadBlock::default();
    let mut group = criterion.benchmark_group("load");
    group.throughput(Throughput::Elements(READINGS)).sample_size(30);
    group.bench_function("generate", |bencher| {
        let all = |load: &mut GeneratedLoad| assert_eq!(generate(load, &mut block), READINGS);
        bencher.iter_batched_ref(|| load.clone(), all, BatchSize::PerIteration);
    });
    group.bench_function("pace", |bencher| bencher.iter(|| assert_eq!(pace(&blocks), READINGS)));
    group.bench_function("note", |bencher| {
        bencher.iter(|| assert_eq!(note(&blocks, observation.times()), READINGS));
    });
    group.bench_function("through", |bencher| {
        bencher.iter(|| assert_eq!(through(&blocks, &observation), READINGS));
    });
    group.finish();
}

/// The time that this thread was on a processor, ns.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split_ascii_whitespace().next().unwrap().parse().unwrap()
    }

    fn end(&self, started: u64) -> u64 {
        // Never zero, which would be no time at all.
        (self.start() - started).max(1)
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

/// Its numbers are nanoseconds too.
static WALL: WallTime = WallTime;

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = benches_of_load
}
criterion_main!(benches);
