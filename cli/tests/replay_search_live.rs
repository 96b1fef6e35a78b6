//! `replay --find-max` on a real broker: how fast is a matter of the machine, that it ends with a rate that
//! was confirmed, or says why not, is not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::time::Duration;

use live::World;
use program::{Ended, Program};
use wellstream_core::record::PartitionId;
use wellstream_replay::drive::bases;
use wellstream_replay::report::{self, Outcome, Report};

/// A search, and its report.
fn search(world: &World, more: &[&str]) -> (Ended, Report) {
    let folder = tempfile::tempdir().unwrap();
    let base = ["--find-max", "--engine", "here", "--report", folder.path().to_str().unwrap()];
    let args = replays::args(world, "replay", &[&base, more].concat());
    let ended = Program::start(&args, TIME_MAX).finish();
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}", ended.code, ended.stderr);
    let report = report::read(folder.path()).unwrap();
    assert_eq!(ended.code == Some(0), report.outcome == Outcome::Ok, "{}", ended.stderr);
    (ended, report)
}

/// How many records the input topics hold.
fn stored(world: &World) -> i64 {
    bases(&world.connection, &world.names, [3, 3])
        .unwrap()
        .iter()
        .map(|(_, end): &(PartitionId, _)| end)
        .sum()
}

#[test]
fn a_search_ends_with_a_rate_that_was_confirmed() {
    let Some(world) = World::new("search", 3) else { return };
    let (ended, report) = search(&world, &["--rate", "8k/s", "--slo", "p50<500ms", "--duration", "2s"]);
    let search = report.search.unwrap();
    assert!(search.steps[0].held && search.steps[0].slo_ns.is_some(), "{}", ended.stderr);
    assert_eq!(search.steps[0].rate_per_s, 8_000.0);
    assert!(search.steps.iter().any(|step| !step.held), "no machine takes any rate");
    if let Some(best) = search.best_per_s {
        let last = search.steps.last().unwrap();
        assert!(search.confirmed && last.held && last.why == "confirmed", "{last:?}");
        assert_eq!((last.rate_per_s, report.load.offered_per_s), (best, Some(best)));
        // The report is that of the run that confirmed: three times as long as a step.
        assert_eq!(report.load.duration_s.map(f64::round), Some(6.0));
        assert!(report.result.outputs.unwrap().rows > 10_000);
    }
    // All rates went to the same topics, one behind the other.
    let sent: f64 = search.steps.iter().map(|step| if step.held { step.rate_per_s * 1.9 } else { 0.0 }).sum();
    assert!(stored(&world) as f64 > sent, "{} of {sent}", stored(&world));
    assert_eq!(report.load.target, "kafka");
}

#[test]
fn a_search_that_finds_nothing_tells_what_it_tried() {
    let Some(world) = World::new("search-none", 3) else { return };
    let (ended, report) = search(&world, &["--rate", "40/s", "--slo", "p50<1us", "--duration", "2s"]);
    assert!(ended.error(4).contains("does not hold at any rate"), "{}", ended.stderr);
    assert_eq!(report.outcome, Outcome::Invalid);
    let search = report.search.unwrap();
    assert_eq!(search.steps.iter().map(|step| step.rate_per_s).collect::<Vec<_>>(), [40.0, 20.0, 10.0]);
    assert_eq!((search.best_per_s, search.confirmed), (None, false));
    let all = [80, 40, 20].iter().sum::<i64>();
    assert_eq!(stored(&world), all, "what was sent is there once");
}

#[test]
fn an_engine_that_is_not_here_is_refused() {
    let Some(world) = World::bare("search-refused") else { return };
    for (engine, part) in [(&["--engine", "external"][..], "late"), (&[], "nothing comes out")] {
        let args = replays::args(&world, "replay", &[&["--find-max"], engine].concat());
        let ended = Program::start(&args, TIME_MAX).finish();
        assert!(ended.error(2).contains(part), "{}", ended.stderr);
    }
}

const TIME_MAX: Duration = Duration::from_secs(400);
