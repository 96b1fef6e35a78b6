//! What each stage costs, beside its naive twin.
//!
//!     cargo bench -p wellstream-core --bench stages                        time
//!     cargo bench -p wellstream-core --bench stages -- --test              each once, as a test
//!
//! Each stage's result is hashed and compared with what it and its twin must come to: here and in
//! `tests/benches.rs`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, Throughput};

#[path = "stages/list.rs"]
mod list;
#[path = "stages/load.rs"]
mod load;

use list::{STAGES, stage};
use load::{Load, READINGS};

fn main() {
    let load = Load::new();
    for (name, expected) in STAGES {
        let hash = stage(&load, name)(READINGS);
        assert_eq!(format!("{hash:016x}"), format!("{expected:016x}"), "{name}");
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("stages");
    group.throughput(Throughput::Elements(READINGS as u64)).sample_size(20);
    for (name, _) in STAGES {
        let mut stage = stage(&load, name);
        group.bench_function(name, |bencher| bencher.iter(|| stage(READINGS)));
    }
    group.finish();
}
