//! The benches are worth what they work on: every stage comes to what its naive twin comes to, and the engine
//! to what a nested loop does, at small size.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "../benches/stages/list.rs"]
mod list;
#[path = "../benches/stages/load.rs"]
mod load;
#[path = "../benches/stages/world.rs"]
mod world;

use list::{STAGES, stage};
use load::{Load, READINGS};
use world::{Engine, World};

#[test]
fn every_stage_comes_to_what_its_naive_twin_does() {
    let load = Load::new();
    let mut found = Vec::new();
    for (name, expected) in STAGES {
        let hash = stage(&load, name)(READINGS);
        if hash != expected {
            found.push(format!("{name}: {hash:016x}, not {expected:016x}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A twin that is as stateful goes on as its stage does.
#[test]
fn a_stage_goes_on_where_it_was() {
    let load = Load::new();
    for name in ["intern", "exchange", "join_counted", "join_rows"] {
        let (mut fast, mut naive) = (stage(&load, name), stage(&load, &format!("naive_{name}")));
        for part in [1_000, 1, 255, 30_000] {
            assert_eq!(fast(part), naive(part), "{name}, {part} more");
        }
    }
}

#[test]
fn the_engine_comes_to_what_a_nested_loop_does() {
    let world = World::new(ENGINE_READINGS);
    for encoded in [false, true] {
        let mut engine = Engine::new(&world, encoded);
        engine.run(ENGINE_READINGS);
        let rows = engine.totals();
        assert_eq!((rows.rows, rows.digest.to_string()), world.naive());
    }
}

const ENGINE_READINGS: usize = 20_000;
