//! What reading and writing traces costs. `cargo bench -p wellstream-replay --bench trace` measures user and
//! system time of the whole process, all threads together, so the figures are records per second of one core,
//! however busy the machine is. With `-- --test` each runs once, as a test: what is read must be what was
//! written.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::io::Cursor;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{BorrowedRecord, ReadOptions, TraceReader, TraceWriter};

/// Enough for some 200 blocks.
const RECORDS: u64 = 300_000;

fn generated() -> Block {
    let setup = Setup { start_ms: 1_700_000_000_000, ..Setup::default() };
    let generator = Generator::new(Scenario::named("normal").unwrap(), setup);
    let mut block = Block::default();
    generator.fill(0..RECORDS, |event| event.sent_ms, &mut block);
    block
}

fn write(block: &Block) -> Vec<u8> {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[]).unwrap();
    for (offset, record) in (0..).zip(block.records()) {
        let record = BorrowedRecord {
            topic: ["well-sensor-data", "tank-sensor-data"][record.partition.side.index()],
            partition: record.partition.number,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: Some(record.key),
            value: record.value,
            headers: &[],
        };
        writer.append_borrowed(&record).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Touches every part of every record.
fn read(file: &[u8]) -> (u64, u64) {
    let input = Cursor::new(file.to_vec());
    let mut reader =
        TraceReader::start(input, ReadOptions { threads: Some(1), ..Default::default() }).unwrap();
    let (mut records, mut sum) = (0, 0_u64);
    while let Some(block) = reader.next_block().unwrap() {
        for record in block.records() {
            records += 1;
            let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            let place = record.offset.unsigned_abs() ^ record.timestamp_ms.unsigned_abs();
            sum = sum.wrapping_add(place ^ bytes as u64 ^ u64::from(record.topic_number + record.partition));
        }
    }
    (records, sum)
}

fn trace(criterion: &mut Criterion<CpuTime>) {
    let block = generated();
    let file = write(&block);
    let expected = read(&file);
    assert_eq!(expected.0, RECORDS);
    let mut group = criterion.benchmark_group("trace");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(20);
    group.bench_function("read", |bencher| bencher.iter(|| assert_eq!(read(&file), expected)));
    group.bench_function("write", |bencher| bencher.iter(|| assert_eq!(write(&block).len(), file.len())));
    group.finish();
}

/// User and system time of this process, in ticks of 10 ms.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        // The name may hold blanks; behind it, utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
        (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * TICK_NS
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

const TICK_NS: u64 = 10_000_000;

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = trace
}
criterion_main!(benches);
