//! One stage, or the whole engine, so many readings behind a warm-up: for `scripts/instructions`, which
//! counts them under callgrind.
//!
//!     count list                                      what can be counted
//!     count STAGE TURNS [FRAME SPINS ALLOCATIONS]     a stage; engine_counted and engine_rows are the whole
//!     count lanes LANES TURNS                         rows counted by so many lanes and shards, in turns
//!
//! Callgrind is told to collect within `counted_whole`; of the engine, `counted_lane`, `counted_shard` and
//! `counted_committer` are called from there. Printed are allocations per frame. A burden, so many spins and
//! allocations more in one frame (`whole`, `lane`, `shard`, `committer`), shows that the gate sees it.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

use std::hint::black_box;

use wellstream_core::engine::{Committer, Lane, Shard};
use wellstream_core::time::Now;

#[path = "stages/counting.rs"]
mod counting;
#[path = "stages/list.rs"]
mod list;
#[path = "stages/load.rs"]
mod load;
#[path = "stages/world.rs"]
#[expect(dead_code, reason = "time and tests use the rest of it")]
mod world;

use counting::Made;
use list::{STAGES, Stage, stage};
use load::Load;
use world::{Engine, Shelf, Taking, World};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| -> usize { text.parse().unwrap() };
    match args[..] {
        ["list"] => {
            let stages = STAGES.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("naive_"));
            stages.chain(ENGINES).for_each(|name| println!("{name}"));
        }
        ["lanes", lanes, turns] => {
            let (world, turns) = (
                World::with_partitions(WARM_UP + number(turns) + LANES_MAX as usize * SPARE, LANES_MAX),
                number(turns),
            );
            let engine = Engine::with_lanes(&world, false, number(lanes));
            let (_, taken) = engine_frames(engine, turns, Burdens::default());
            println!("readings {taken}");
        }
        [name, turns] => count(name, number(turns), Burdens::default()),
        [name, turns, frame, spins, boxes] => {
            let burdens = Burdens::of(frame, Burden { spins: number(spins), boxes: number(boxes) });
            count(name, number(turns), burdens);
        }
        _ => panic!("usage: count list | count STAGE TURNS [FRAME SPINS ALLOCATIONS]"),
    }
}

/// Runs one of them, and prints what was allocated in its frames.
fn count(name: &str, turns: usize, burdens: Burdens) {
    let frames = if ENGINES.contains(&name) {
        engine(name == ENGINES[1], turns, burdens)
    } else {
        let load = Load::new();
        let mut stage = stage(&load, name);
        black_box(stage(WARM_UP));
        let before = Made::so_far();
        black_box(counted_whole(|| stages(&mut stage, turns), burdens.whole));
        let made = Made::since(before);
        vec![("whole", made)]
    };
    for (frame, Made { calls, bytes }) in frames {
        println!("allocations {frame} {calls} {bytes}");
    }
}

fn stages(stage: &mut Stage<'_>, turns: usize) -> u64 {
    stage(turns)
}

fn engine(encoded_rows: bool, turns: usize, burdens: Burdens) -> Vec<(&'static str, Made)> {
    let world = World::new(WARM_UP + turns + SPARE);
    engine_frames(Engine::new(&world, encoded_rows), turns, burdens).0
}

/// What its frames allocate while it takes so many readings, and how many it took.
fn engine_frames(
    mut engine: Engine<'_>,
    turns: usize,
    mut burdens: Burdens,
) -> (Vec<(&'static str, Made)>, usize) {
    engine.run(WARM_UP);
    let [mut lane, mut shard, mut committer] = [Made::default(); 3];
    let before = Made::so_far();
    let whole = std::mem::take(&mut burdens.whole);
    let mut taken = 0;
    counted_whole(
        || {
            while taken < turns {
                let now = engine.now();
                let begin = Made::so_far();
                for one in &mut engine.lanes {
                    taken += counted_lane(one, now, std::mem::take(&mut burdens.lane));
                }
                lane.add(Made::since(begin));
                let begin = Made::so_far();
                for one in &mut engine.shards {
                    counted_shard(one, now, std::mem::take(&mut burdens.shard));
                }
                shard.add(Made::since(begin));
                let begin = Made::so_far();
                counted_committer(&mut engine.committer, now, std::mem::take(&mut burdens.committer));
                committer.add(Made::since(begin));
            }
        },
        whole,
    );
    let all = Made::since(before);
    let rows = engine.totals();
    assert!(rows.rows > 0, "no rows: nothing was joined");
    (vec![("whole", all), ("lane", lane), ("shard", shard), ("committer", committer)], taken)
}

/// The frame that callgrind is told to collect in.
#[inline(never)]
fn counted_whole<T>(work: impl FnOnce() -> T, burden: Burden) -> T {
    let done = work();
    burden.bear();
    done
}

#[inline(never)]
fn counted_lane(lane: &mut Lane<Shelf<'_>>, now: Now, burden: Burden) -> usize {
    burden.bear();
    lane.poll(now).unwrap()
}

#[inline(never)]
fn counted_shard(shard: &mut Shard, now: Now, burden: Burden) {
    burden.bear();
    shard.poll(now);
}

#[inline(never)]
fn counted_committer(committer: &mut Committer<Taking>, now: Now, burden: Burden) {
    burden.bear();
    committer.poll(now).unwrap();
}

/// Work for nothing.
#[derive(Clone, Copy, Default)]
struct Burden {
    spins: usize,
    boxes: usize,
}

impl Burden {
    fn bear(self) {
        for n in 0..self.spins {
            black_box(n);
        }
        for n in 0..self.boxes {
            black_box(Box::new(n));
        }
    }
}

/// By frame.
#[derive(Default)]
struct Burdens {
    whole: Burden,
    lane: Burden,
    shard: Burden,
    committer: Burden,
}

impl Burdens {
    fn of(frame: &str, burden: Burden) -> Burdens {
        let none = Burdens::default();
        match frame {
            "whole" => Burdens { whole: burden, ..none },
            "lane" => Burdens { lane: burden, ..none },
            "shard" => Burdens { shard: burden, ..none },
            "committer" => Burdens { committer: burden, ..none },
            other => panic!("no frame {other}"),
        }
    }
}

/// Rows counted; every row made.
const ENGINES: [&str; 2] = ["engine_counted", "engine_rows"];
/// Readings that fill windows, rings and batches.
const WARM_UP: usize = 50_000;
/// Partitions of each topic where lanes are counted.
const LANES_MAX: u32 = 16;
/// Readings behind the counted ones, so that the lane never runs dry.
const SPARE: usize = 16_384;
