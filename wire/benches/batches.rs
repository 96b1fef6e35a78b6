//! Walking and writing record batches of readings: 1,000 records of 120 bytes, as producers send them.
//!
//!     cargo bench -p wellstream-wire --bench batches

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use wellstream_wire::batch::{BatchWriter, Batches, Compression, Crc, Stamp, Unpacker};

fn written(writer: &mut BatchWriter, compression: Compression, out: &mut Vec<u8>) {
    for n in 0..RECORDS {
        let value = [u8::try_from(n % 251).unwrap(); 120];
        writer.push(1_700_000_000_000 + n / 10, Some(b"WELL-00042"), Some(&value), &[]);
    }
    out.clear();
    writer.finish(compression, Stamp::default(), out).unwrap();
}

/// Lengths of all values, so that each record is looked at.
fn walked(bytes: &[u8], crc: Crc, unpacker: &mut Unpacker) -> usize {
    let mut sum = 0;
    for batch in Batches::new(bytes, crc) {
        for record in batch.unwrap().records(unpacker).unwrap() {
            sum += black_box(record.unwrap()).value.map_or(0, <[u8]>::len);
        }
    }
    sum
}

fn main() {
    let (mut writer, mut unpacker, mut bytes) = (BatchWriter::default(), Unpacker::default(), Vec::new());
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("batches");
    group.throughput(Throughput::Elements(RECORDS.unsigned_abs())).sample_size(20);
    for compression in Compression::ALL {
        let name = compression.name();
        group.bench_function(format!("write, {name}"), |bencher| {
            bencher.iter(|| written(&mut writer, compression, &mut bytes));
        });
        written(&mut writer, compression, &mut bytes);
        for crc in [Crc::Checked, Crc::Trusted] {
            assert_eq!(walked(&bytes, crc, &mut unpacker), 120 * usize::try_from(RECORDS).unwrap());
            group.bench_function(format!("walk, {name}, {crc:?}"), |bencher| {
                bencher.iter(|| walked(black_box(&bytes), crc, &mut unpacker));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

const RECORDS: i64 = 1_000;
