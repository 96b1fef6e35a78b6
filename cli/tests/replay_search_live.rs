//! `replay --find-max` in memory and on a real broker: how fast is a matter of the machine, that it ends with
//! a rate that was confirmed, or says why not, is not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::fs::read_to_string;
use std::time::Duration;

use live::World;
use program::{Ended, Program};
use wellstream_core::record::PartitionId;
use wellstream_replay::drive::bases;
use wellstream_replay::report::{self, Outcome, Report};

/// A search, and its report. `meanwhile` sees the program once.
fn search(args: &[String], meanwhile: impl FnOnce(&mut Program)) -> (Ended, Report) {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--find-max", "--report", folder.path().to_str().unwrap()].map(str::to_owned);
    let mut program = Program::start(&[args, &more].concat(), TIME_MAX);
    meanwhile(&mut program);
    let ended = program.finish();
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}", ended.code, ended.stderr);
    let report = report::read(folder.path()).unwrap();
    assert_eq!(ended.code == Some(0), report.outcome == Outcome::Ok, "{}", ended.stderr);
    (ended, report)
}

/// The same with a world's topics and the engine here.
fn search_in(world: &World, more: &[&str], meanwhile: impl FnOnce(&mut Program)) -> (Ended, Report) {
    search(&replays::args(world, "replay", &[&["--engine", "here"], more].concat()), meanwhile)
}

/// A search from 8k/s on, in steps so long, that was left to itself.
fn check_to_the_end(ended: &Ended, report: &Report, step_s: f64) {
    let search = report.search.as_ref().unwrap();
    assert!(search.steps[0].held && search.steps[0].slo_ns.is_some(), "{}", ended.stderr);
    assert_eq!(search.steps[0].rate_per_s, 8_000.0);
    assert!(search.steps.iter().any(|step| !step.held), "no machine takes any rate");
    if let Some(best) = search.best_per_s {
        let last = search.steps.last().unwrap();
        assert!(search.confirmed && last.held && last.why == "confirmed", "{last:?}");
        assert_eq!((last.rate_per_s, report.load.offered_per_s), (best, Some(best)));
        // The report is that of the run that confirmed: three times as long as a step.
        let confirmed_s = report.load.duration_s.unwrap();
        assert!((confirmed_s - 3.0 * step_s).abs() < 0.01, "{confirmed_s} s");
        assert!(report.result.outputs.as_ref().unwrap().rows > 10_000);
    }
}

/// All rates went to the same topics, one behind the other.
fn check_stored(world: &World, report: &Report) {
    let steps = &report.search.as_ref().unwrap().steps;
    let sent: f64 = steps.iter().map(|step| if step.held { step.rate_per_s * 1.9 } else { 0.0 }).sum();
    assert!(stored(world) as f64 > sent, "{} of {sent}", stored(world));
    assert_eq!(report.load.target, "kafka");
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
fn a_search_in_memory_ends_with_a_rate_that_was_confirmed() {
    let args = ["replay", "--rate", "8k/s", "--slo", "p50<500ms", "--duration", "1200ms"];
    let (ended, report) = search(&args.map(str::to_owned), |_| {});
    check_to_the_end(&ended, &report, 1.2);
}

/// On a broker each rate takes seconds more: at full size only it may go to its end, else it is stopped
/// behind its second rate.
#[test]
fn a_search_goes_from_rate_to_rate() {
    let Some(world) = World::new("search", 3) else { return };
    let is_full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    let args = ["--rate", "8k/s", "--slo", "p50<500ms", "--duration", "2s"];
    let (ended, report) = search_in(&world, &args, |program| {
        if !is_full {
            // Each rate is told when it is over.
            let told = program.file("stderr");
            program.wait_until("two rates", || read_to_string(&told).unwrap().matches("tried ").count() >= 2);
            program.signal("INT");
        }
    });
    check_stored(&world, &report);
    if is_full {
        return check_to_the_end(&ended, &report, 2.0);
    }
    assert!(report.reasons[0].contains("before the search was over"), "{:?}", report.reasons);
    let search = report.search.unwrap();
    assert_eq!(search.steps.iter().map(|step| step.rate_per_s).collect::<Vec<_>>(), [8_000.0, 16_000.0]);
    assert!(search.steps[0].held && search.steps[0].slo_ns.is_some(), "{}", ended.stderr);
    assert_eq!((search.best_per_s, search.confirmed), (None, false));
}

#[test]
fn a_search_that_finds_nothing_tells_what_it_tried() {
    let Some(world) = World::new("search-none", 3) else { return };
    let (ended, report) =
        search_in(&world, &["--rate", "40/s", "--slo", "p50<1us", "--duration", "2s"], |_| {});
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
