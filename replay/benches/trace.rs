//! How fast traces are read and written. `cargo bench -p wellstream-replay --bench trace`; pinned to one core
//! (`taskset -c 0`), the figure is records per second of CPU, all threads together. With `-- --test` each runs
//! once, as a test: what is read must be what was written.

#![expect(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking; criterion makes its main")]

use std::io::Cursor;

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

fn trace(criterion: &mut Criterion) {
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

criterion_group!(benches, trace);
criterion_main!(benches);
