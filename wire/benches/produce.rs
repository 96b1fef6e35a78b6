//! What a row costs on its way into batches and out to the socket's buffer: 10,000 rows of 400 bytes with a
//! key of 9, in 3 partitions.
//!
//!     cargo bench -p wellstream-wire --bench produce

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use wellstream_wire::produce::{
    Answer, Appended, OwnRecord, ProduceSettings, ProducerIdentity, ProducerState, Request, partition_of,
};

fn ready() -> ProducerState {
    let mut state = ProducerState::new(ProduceSettings::default());
    state.add_topic("out", PARTITIONS, usize::MAX);
    state.init();
    let call = state.next_call(0, |_| Some(1)).unwrap();
    let me = ProducerIdentity { id: 7, epoch: 0 };
    state.answered(call.ticket, &Answer { codes: vec![0], producer: Some(me) }, 0);
    state
}

/// All rows, sealed as they fill batches, handed out, acknowledged. Returns the bytes of the batches.
fn produced(state: &mut ProducerState, keys: &[Vec<u8>], value: &[u8]) -> usize {
    let mut bytes = 0;
    for _ in 0..ROWS / keys.len() {
        for key in keys {
            let place = usize::try_from(partition_of(key, PARTITIONS)).unwrap();
            let row = OwnRecord::Framed(key, [b"frame", value]);
            assert_eq!(state.append(place, 1_700_000_000_000, row, 0), Appended::Taken);
        }
        bytes += handed_out(state);
    }
    state.flush(0);
    bytes + handed_out(state)
}

fn handed_out(state: &mut ProducerState) -> usize {
    let mut bytes = 0;
    while let Some(call) = state.next_call(0, |_| Some(1)) {
        let Request::Produce(batches) = call.request else { continue };
        bytes += batches.iter().map(|(_, batch)| batch.len()).sum::<usize>();
        let codes = vec![0; batches.len()];
        drop(batches);
        state.answered(call.ticket, &Answer { codes, producer: None }, 0);
    }
    bytes
}

fn main() {
    let keys: Vec<Vec<u8>> = (0..1_000).map(|n| format!("FAC-{n:05}").into_bytes()).collect();
    let value = vec![7; 395];
    let mut state = ready();
    let expected = produced(&mut state, &keys, &value);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("produce");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
    group.bench_function("rows to batches", |bencher| {
        bencher.iter(|| assert_eq!(produced(black_box(&mut state), &keys, &value), expected));
    });
    group.bench_function("partition_of", |bencher| {
        bencher.iter(|| (0..ROWS).map(|n| partition_of(black_box(&keys[n % keys.len()]), PARTITIONS)).max());
    });
    let batch = vec![7_u8; 512 << 10];
    group.bench_function("checksum of 4 MB", |bencher| {
        bencher.iter(|| (0..8).map(|_| crc32c::crc32c(black_box(&batch))).max());
    });
    let mut out = Vec::new();
    group.bench_function("copy of 4 MB", |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..8 {
                out.extend_from_slice(black_box(&batch));
            }
            out.len()
        });
    });
    group.finish();
    criterion.final_summary();
}

const PARTITIONS: i32 = 3;
const ROWS: usize = 10_000;
