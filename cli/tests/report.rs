//! `wellstream report` as it is called.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/program.rs"]
mod program;
#[path = "../../replay/tests/report/sample.rs"]
mod sample;

use std::fs;
use std::time::Duration;

use program::{Ended, Program};
use sample::{invalid_report, sample_report, slower_report};
use wellstream_replay::report::{Report, ReportFolder, Stage};

#[test]
fn two_runs_are_compared_in_text_in_json_and_on_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let reports = [sample_report(1), slower_report(2, 1.3)];
    let p99 = |report: &Report| report.series(Stage::EndToEnd).unwrap().ns.p99.unwrap() as f64;
    let ratio = p99(&reports[1]) / p99(&reports[0]);
    write(&at("a"), &reports[0]);
    let b = write(&at("b"), &reports[1]);
    let ended = call(&["report", &at("a"), &b, "--out", &at("page.html")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.lines().all(|line| line.len() <= 100 && line.is_ascii()), "{}", ended.stdout);
    let line = ended.stdout.lines().find(|line| line.starts_with("p99 ")).unwrap();
    assert!(line.ends_with(&format!(" {ratio:.2}x")), "{line}");
    let page = fs::read_to_string(at("page.html")).unwrap();
    assert!(page.contains("2 runs compared") && page.contains(&format!("{ratio:.2}×")));

    // The page is ours, so it is replaced.
    let ended = call(&["report", &at("a"), &at("b"), "--json", "--out", &at("page.html")]);
    let json: serde_json::Value = serde_json::from_str(ended.stdout.trim()).unwrap();
    let figure =
        json["figures"].as_array().unwrap().iter().find(|f| f["name"] == "end_to_end_p99_ns").unwrap();
    assert_eq!(figure["ratios"][1].as_f64(), Some(ratio), "{figure}");
    assert_eq!(json["differences"][0]["name"], "seed");
}

#[test]
fn what_does_not_count_is_said_and_its_ratios_stand_in_brackets() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    write(&at("a"), &sample_report(1));
    write(&at("b"), &invalid_report(2));
    let ended = call(&["report", &at("a"), &at("b"), "--out", &at("page.html")]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("INVALID: run B does not count: the rate was missed"), "{}", ended.stdout);
    let p99 = ended.stdout.lines().find(|line| line.starts_with("p99 ")).unwrap();
    assert!(p99.ends_with("x)"), "{p99}");
}

#[test]
fn one_run_is_summed_up_and_no_page_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("a").display().to_string();
    write(&at, &sample_report(1));
    let ended = call(&["report", &at]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("OK: output equal to the oracle's"), "{}", ended.stdout);
    assert!(
        ended.stdout.lines().any(|line| line.starts_with("  p99.9 ") && line.contains("###")),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_is_no_report_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    assert!(call(&["report", &at("")]).error(2).contains("holds no report.OUTCOME.json"));
    assert!(call(&["report", &at("nothing.json")]).error(3).contains("nothing.json"));
    fs::write(at("other.json"), "{\"format\":\"wellstream-report/99\"}").unwrap();
    assert!(call(&["report", &at("other.json")]).error(2).contains("wellstream-report/99"));
    write(&at("a"), &sample_report(1));
    fs::write(at("mine.html"), "<p>mine</p>").unwrap();
    let ended = call(&["report", &at("a"), "--out", &at("mine.html")]);
    assert!(ended.error(2).contains("mine.html was not written by a report"));
    assert_eq!(fs::read_to_string(at("mine.html")).unwrap(), "<p>mine</p>");
}

/// Writes a report and gives the path of its JSON.
fn write(folder: &str, report: &Report) -> String {
    let written = ReportFolder::prepare(folder.as_ref()).unwrap().write(report).unwrap();
    written.json.display().to_string()
}

fn call(args: &[&str]) -> Ended {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    Program::start(&args, Duration::from_secs(60)).finish()
}
