//! Every scenario with the real binary, into memory and over a real broker, held to the oracle and, at full
//! size, to what it declares; prints a table. scripts/scenarios runs it, small or full.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/replays.rs"]
mod replays;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use live::World;
use program::Program;
use wellstream_replay::report::{self, Outcome};
use wellstream_replay::scenario::Scenario;

#[test]
fn every_scenario_comes_to_what_the_oracle_says() {
    if live::address("WELLSTREAM_TEST_BROKERS").is_none() {
        return;
    }
    let is_full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    let cases: Vec<_> =
        Scenario::NAMES.iter().flat_map(|&name| [(name, "memory"), (name, "kafka")]).collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        // A run waits most of the time: small ones go side by side, since nothing is measured here.
        for _ in 0..if is_full { 1 } else { 3 } {
            scope.spawn(|| {
                while let Some((name, target)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let line = run(name, target, is_full);
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(lines.len(), cases.len());
    lines.sort_unstable();
    for both in lines.chunks(2) {
        let digest = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
        assert_eq!(digest(&both[0]), digest(&both[1]), "the same rows, whatever the way: {both:?}");
    }
    println!(
        "\n{:<16} {:<7} {:>10} {:>10} {:<8} digest",
        "scenario", "target", "readings", "rows", "outcome"
    );
    println!("{}", lines.join("\n"));
}

/// Runs a scenario; a line of the table. That it was measured well is not asked: exit code 4 is as good as 0.
fn run(name: &str, target: &str, is_full: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    // At full size as many as it declares: then its [expected] is confirmed too.
    let events = if is_full { Scenario::named(name).unwrap().events } else { 30_000 }.to_string();
    let pace = if is_full { &["--max"][..] } else { &["--rate", "20k/s"] };
    let report = folder.path().to_str().unwrap();
    let base = ["--scenario", name, "--events", &events, "--verify", "--report", report];
    let more = [&base[..], pace].concat();
    let args = match target {
        "memory" => ["replay"].iter().chain(&more).map(ToString::to_string).collect(),
        _ => {
            let world = World::bare(&format!("scenario-{name}")).unwrap();
            replays::args(&world, "replay", &[&more[..], &["--engine", "here"]].concat())
        }
    };
    let ended = Program::start(&args, TIME_MAX).finish();
    let report = report::read(folder.path()).unwrap();
    let (result, verdict) = (&report.result, report.verdict.as_ref().unwrap());
    assert!(matches!(ended.code, Some(0 | 4)), "{name}, {target}: {:?} {}", ended.code, ended.stderr);
    assert!(verdict.ok && report.outcome != Outcome::Fail, "{name}, {target}: {verdict:?}");
    assert!(result.drained, "{name}, {target}: {:?}", report.reasons);
    assert_eq!(result.events_sent, report.load.events, "{name}, {target}: {:?}", report.reasons);
    let outputs = result.outputs.as_ref().unwrap();
    assert!(outputs.rows > 1_000, "{name}, {target}: {outputs:?}");
    let (sent, rows) = (result.events_sent, outputs.rows);
    format!("{name:<16} {target:<7} {sent:>10} {rows:>10} {:<8} {}", report.outcome.name(), outputs.digest)
}

const TIME_MAX: Duration = Duration::from_secs(600);
