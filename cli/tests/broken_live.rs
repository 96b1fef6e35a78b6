//! Engines that are not right, elsewhere on a real broker: `replay --verify` must fail, and name the rows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use live::{RUN_TIME_MAX, World};
use program::Program;
use replays::engine_elsewhere;
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_replay::report::{self, Outcome, Verdict};

/// A verified run over an engine elsewhere that must fail: what is wrong, and the error line. `meanwhile` is
/// called again and again while it runs.
fn failed(world: &World, mut meanwhile: impl FnMut()) -> (Verdict, String) {
    // One sends at a time: each has two programs, a broker that is starved of its processor loses its way.
    // The seconds of silence behind that, until a replay takes an engine elsewhere as done, need nothing.
    static ALONE: Mutex<()> = Mutex::new(());
    let mut alone = Some(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    let folder = tempfile::tempdir().unwrap();
    let rate = ["--rate", "7500/s", "--duration", "4s", "--engine", "external", "--verify"];
    let more = [&rate[..], &["--report", folder.path().to_str().unwrap()]].concat();
    let mut replay = Program::start(&replays::args(world, "replay", &more), RUN_TIME_MAX);
    let clock = MachineClock::start();
    while replay.is_running() {
        meanwhile();
        clock.sleep(Duration::from_millis(10));
        alone = alone.filter(|_| clock.elapsed() < SENDING_MAX);
    }
    let error = replay.finish().error(1).to_owned();
    let report = report::read(folder.path()).unwrap();
    assert_eq!(report.outcome, Outcome::Fail, "{:?}", report.reasons);
    let verdict = report.verdict.unwrap();
    assert!(!verdict.ok && verdict.expected.rows > 10_000, "{verdict:?}");
    (verdict, error)
}

/// The same services with another topic of rows.
fn with_rows_in(world: &World, enriched: &str, group: &str) -> World {
    let names = TopicNames { enriched: enriched.to_owned(), ..world.names.clone() };
    let connection = Connection::open(&KafkaSettings::new(&world.brokers, group)).unwrap();
    connection.create_topics(&names, 3, 1).unwrap();
    let (brokers, registry) = (world.brokers.clone(), world.registry.clone());
    World { brokers, registry, names, group: group.to_owned(), connection }
}

#[test]
fn a_bound_that_is_a_millisecond_too_short_is_found() {
    let Some(world) = World::new("short-bound", 3) else { return };
    let engine = engine_elsewhere(&world, &["--rules-bound", "4999ms"]);
    let (verdict, error) = failed(&world, || {});
    engine.signal("INT");
    engine.finish().summary();
    // What a right engine makes of the same readings: the rows at the very bound are those that are missing.
    let right = with_rows_in(&world, &format!("{}-right", world.group), &format!("{}-right", world.group));
    right.run(&["--from", "earliest", "--sink", "kafka", "--until-end"]).finish().summary();
    let rows: Vec<_> = right.read(&right.names.enriched).iter().map(live::enriched).collect();
    let distance = |row: &wellstream_core::decode::EnrichedEvent| {
        (row.well_time.unwrap() - row.tank_time.unwrap()).abs()
    };
    let mut at_bound: Vec<_> =
        rows.iter().filter(|row| distance(row) == 5_000).map(|row| &row.row_id).collect();
    assert!(!at_bound.is_empty(), "the load has none of which to tell");
    assert_eq!((verdict.missing_count, verdict.repeated_count), (at_bound.len() as u64, 0), "{error}");
    let mut missing: Vec<_> = verdict.missing.iter().collect();
    missing.sort_unstable();
    at_bound.sort_unstable();
    assert!(missing.iter().all(|row| at_bound.contains(row)) && !missing.is_empty(), "{missing:?}");
    assert!(error.contains(&verdict.missing[0]) && error.contains("rows are missing"), "{error}");
}

#[test]
fn a_row_that_is_swallowed_and_one_that_comes_twice_are_named() {
    let Some(world) = World::new("swallowed", 3) else { return };
    // The engine writes elsewhere; what the replay watches gets each of its rows once, but for two of them.
    let from = with_rows_in(&world, &format!("{}-all", world.group), &world.group);
    let _engine = engine_elsewhere(&from, &[]);
    let mut capture =
        from.connection.capture(std::slice::from_ref(&from.names.enriched), From::Latest, false).unwrap();
    let (mut sender, mut swallowed, mut twice, mut seen) = (world.sender(), None, None, 0);
    let (verdict, error) = failed(&world, || {
        let passed = capture.poll(&mut |record| {
            seen += 1;
            let row_id = || {
                let (_, body) = wellstream_core::decode::split_frame(record.value.unwrap()).unwrap();
                Some(wellstream_core::decode::enriched(body).unwrap().row_id)
            };
            let times = match seen {
                SWALLOWED => {
                    swallowed = row_id();
                    0
                }
                TWICE => {
                    twice = row_id();
                    2
                }
                _ => 1,
            };
            let place = (world.names.enriched.as_str(), Some(record.partition));
            (0..times).for_each(|_| sender.send(place, record.key, record.value).unwrap());
            ControlFlow::Continue(())
        });
        passed.unwrap();
        sender.serve().unwrap();
    });
    let (swallowed, twice) = (swallowed.unwrap(), twice.unwrap());
    assert_eq!((verdict.missing_count, verdict.repeated_count), (1, 1), "{error}");
    assert_eq!(verdict.missing, std::slice::from_ref(&swallowed));
    assert_eq!(verdict.repeated, std::slice::from_ref(&twice));
    assert!(error.contains(&format!("1 rows are missing: {swallowed}")), "{error}");
    assert!(error.contains(&format!("1 rows came more than once: {twice}")), "{error}");
}

/// Which row is not passed on.
const SWALLOWED: u64 = 5_000;
/// Which row is passed on twice.
const TWICE: u64 = 2_000;
/// A replay's start, its lead and its load.
const SENDING_MAX: Duration = Duration::from_secs(7);
