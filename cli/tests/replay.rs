//! `wellstream replay` with the real binary, over partitions in memory: schedules, verdicts, reports,
//! refusals. Whether a measurement is valid depends on the machine, so exit code 4 is as good as 0 where a
//! rate is asked for; whether the output is right does not.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use wellstream_replay::report::{self, Outcome, Report, Stage};
use wellstream_replay::scenario::Scenario;

fn replay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellstream"));
    command.arg("replay").args(args).env_clear().current_dir(std::env::temp_dir()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The summary, which is there whether the measurement was valid or not.
fn summary(output: &Output) -> Value {
    assert!(matches!(output.status.code(), Some(0 | 4)), "{:?} {}", output.status, stderr(output));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn report_in(folder: &Path) -> Report {
    report::read(folder).unwrap()
}

#[test]
fn every_scenario_has_the_oracles_output() {
    // At full size as many as each declares: then its [expected] is confirmed too.
    let is_full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    for name in Scenario::NAMES {
        let events = if is_full { Scenario::named(name).unwrap().events } else { 40_000 };
        let events = events.to_string();
        let output =
            replay(&["--scenario", name, "--events", &events, "--max", "--verify", "--summary", "json"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let rows = summary(&output)["rows"].as_u64().unwrap();
        assert!(rows > 1_000, "{name}: {rows} rows");
    }
}

#[test]
fn every_mode_has_the_oracles_output() {
    for mode in ["all", "nearest", "asof", "latest"] {
        for outer in ["--outer=false", "--outer=true"] {
            if mode == "latest" && outer == "--outer=true" {
                continue;
            }
            let args = ["--events", "30k", "--max", "--verify", "--join", mode, outer, "--threads", "3"];
            let output = replay(&args);
            assert_eq!(output.status.code(), Some(0), "{mode} {outer}: {}", stderr(&output));
        }
    }
}

#[test]
fn the_output_does_not_depend_on_the_pace() {
    let of = |pace: &[&str]| {
        let mut summary = summary(&replay(&[pace, &["--summary", "json"]].concat()));
        ["events_in", "rows", "alarms", "risk_sum", "digest"].map(|key| summary[key].take())
    };
    let at_once = of(&["--max", "--events", "30000"]);
    assert!(at_once[1].as_u64().unwrap() > 10_000, "{at_once:?}");
    for profile in ["constant", "poisson", "ramp", "step", "spike", "sine"] {
        assert_eq!(of(&["--rate", "20k/s", "--events", "30000", "--profile", profile]), at_once, "{profile}");
    }
    // The default scenario has 4,000 readings in a second of event time.
    assert_eq!(of(&["--speed", "5x", "--events", "30000"]), at_once);
    assert_eq!(of(&["--rate", "15k/s", "--duration", "2s"]), at_once);
}

#[test]
fn a_report_says_what_was_asked_and_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run").to_str().unwrap().to_owned();
    let args = ["--rate", "20k/s", "--duration", "3s", "--warmup", "1s", "--verify", "--report", &path];
    let output = replay(&args);
    let report = report_in(Path::new(&path));
    assert_eq!(
        output.status.code(),
        Some(if report.outcome == Outcome::Ok { 0 } else { 4 }),
        "{}",
        stderr(&output)
    );
    assert_ne!(report.outcome, Outcome::Fail);
    assert!(report.verdict.as_ref().unwrap().ok);
    assert_eq!((report.load.events, report.load.offered_per_s), (60_000, Some(20_000.0)));
    assert_eq!((report.result.events_sent, report.result.drained), (60_000, true));
    assert_eq!(report.timeline.iter().map(|interval| interval.achieved).sum::<u64>(), 60_000);
    assert_eq!(report.timeline.iter().filter_map(|interval| interval.offered).sum::<u64>(), 60_000);
    let count = |stage| report.series(stage).unwrap().ns.count;
    assert_eq!(count(Stage::Slip), 40_000, "the first of three seconds is warm-up");
    let rows = report.result.outputs.as_ref().unwrap().rows;
    assert!(
        count(Stage::EndToEnd) > rows / 2 && count(Stage::EndToEnd) < rows,
        "{rows} rows, all measured but the warm-up's"
    );
    for stage in [Stage::BrokerIn, Stage::Decode, Stage::Exchange, Stage::Join, Stage::Emit, Stage::Commit] {
        assert!(count(stage) > 0, "{stage:?}");
    }
    // The committed epoch is what is visible: half of the interval is the least that can be.
    assert!(report.series(Stage::EndToEnd).unwrap().ns.max > 10_000_000);
    let page =
        std::fs::read_to_string(Path::new(&path).join(format!("report.{}.html", report.outcome))).unwrap();
    assert!(page.contains("<svg") && page.contains("20"), "the page has its plots");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (args, part) in [
        (&["--events", "10"][..], "how fast"),
        (&["--rate", "10/s", "--max"], "exclude each other"),
        (&["--rate", "10/s", "--events", "10", "--duration", "1s"], "exclude each other"),
        (&["--max", "--duration", "1s"], "--events"),
        (&["--rate", "0/s"], "outside"),
        (&["--rate", "1e12/s"], "not a rate"),
        (&["--rate", "1000000M/s"], "outside"),
        (&["--speed", "fast"], "10x"),
        (&["--find-max", "--max"], "--find-max"),
        (&["--find-max", "--slo", "p99"], "p99<10ms"),
        (&["--max", "--scenario", "no-such"], "no scenario"),
        (&["--rate", "1/s", "--profile", "square"], "poisson"),
        (&["--max", "--loop"], "no end of its own"),
    ] {
        let output = replay(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {part} in {said}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_runs() {
    let output = replay(&["--rate", "1k/s", "--duration", "60s", "--report", "/dev/null/here"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("/dev/null/here"), "{}", stderr(&output));
}

#[test]
fn a_run_that_is_stopped_leaves_a_report_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wellstream"))
        .args(["replay", "--rate", "2k/s", "--duration", "120s", "--verify", "--report", path])
        .env_clear()
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wellstream_connectors::MachineClock::start().sleep(std::time::Duration::from_secs(3));
    let killed = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let report = report_in(folder.path());
    assert_eq!(report.outcome, Outcome::Invalid);
    assert!(report.reasons.iter().any(|reason| reason.contains("stopped after")), "{:?}", report.reasons);
    // What was sent is judged all the same.
    assert!(report.result.drained && report.verdict.unwrap().ok);
}

#[test]
fn a_search_that_finds_nothing_says_so() {
    // No machine commits a row within a microsecond.
    let impossible = replay(&["--find-max", "--rate", "100/s", "--slo", "p50<1us", "--duration", "1s"]);
    assert_eq!(impossible.status.code(), Some(4), "{}", stderr(&impossible));
    assert!(stderr(&impossible).contains("does not hold at any rate"), "{}", stderr(&impossible));
}

#[test]
fn a_search_that_is_stopped_tells_what_it_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_wellstream"))
        .args(["replay", "--find-max", "--rate", "500/s", "--slo", "p50<5s", "--duration", "2s"])
        .args(["--report", path])
        .env_clear()
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wellstream_connectors::MachineClock::start().sleep(std::time::Duration::from_secs(3));
    let killed = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let report = report_in(folder.path());
    assert_eq!(report.outcome, Outcome::Invalid);
    assert!(report.reasons[0].contains("before the search was over"), "{:?}", report.reasons);
    let search = report.search.unwrap();
    assert_eq!((search.best_per_s, search.confirmed), (None, false));
    assert_eq!(search.steps[0].rate_per_s, 500.0);
}
