//! What the whole engine costs on one thread: lane, shard and committer as they are wired, Avro bytes in,
//! rows counted or made.
//!
//!     cargo bench -p wellstream-core --bench engine                      time
//!     cargo bench -p wellstream-core --bench engine -- --test            once, as a test
//!
//! What comes out is compared with a join of its own, written as a nested loop: here and in
//! `tests/benches.rs`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{BatchSize, Criterion, Throughput};

#[path = "stages/load.rs"]
#[expect(dead_code, reason = "the stages use the rest of it")]
mod load;
#[path = "stages/world.rs"]
mod world;

use world::{Engine, World};

fn main() {
    let world = World::new(READINGS);
    let expected = world.naive();
    for encoded in [false, true] {
        let mut engine = Engine::new(&world, encoded);
        engine.run(READINGS);
        let rows = engine.totals();
        assert_eq!((rows.rows, rows.digest.to_string()), expected);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(READINGS as u64)).sample_size(10);
    for (name, encoded) in [("counted", false), ("rows", true)] {
        group.bench_function(name, |bencher| {
            let engine = || Engine::new(&world, encoded);
            bencher.iter_batched(engine, |mut engine| engine.run(READINGS), BatchSize::PerIteration);
        });
    }
    group.finish();
}

const READINGS: usize = 200_000;
