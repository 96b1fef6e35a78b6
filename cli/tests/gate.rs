//! `wellstream gate` as it is called, on reports that the program itself has written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use program::{Ended, Program};
use serde_json::{Value, json};
use wellstream_replay::report::read;

#[test]
fn the_same_build_passes_a_slower_one_fails_and_both_are_told_in_three_forms() {
    let files = Files::new();
    let base = files.runs("base.json", &files.ten(1.0));
    let same = files.runs("same.json", &files.ten(1.01));
    let slower = files.runs("slower.json", &files.ten(1.12));

    let ended = call(&["gate", &base, &same]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.starts_with("OK: not slower than the limits allow, by 10 pairs"),
        "{}",
        ended.stdout
    );
    let again = call(&["gate", &base, &same]);
    assert_eq!(again.stdout, ended.stdout, "the same runs get the same answer");

    let ended = call(&["gate", &base, &slower]);
    assert!(ended.error(1).contains("FAIL: CPU per reading: +12.0 %"), "{}", ended.stderr);
    let row = ended.stdout.lines().find(|line| line.starts_with("CPU per reading")).unwrap();
    assert!(row.contains("1.120") && row.ends_with("FAIL"), "{row}");
    assert_eq!(call(&["gate", &slower, &base]).code, Some(0), "faster is fine");
    assert_eq!(call(&["gate", &base, &slower, "--limit", "20%"]).code, Some(0));
    call(&["gate", &base, &slower, "--limit", "3%"]).error(1);
    assert!(call(&["gate", &base, &same, "--limit", "0.5%"]).error(4).contains("4 s at least"));

    let ended = call(&["gate", &base, &slower, "--markdown"]);
    ended.error(1);
    assert!(ended.stdout.starts_with("### Performance gate: FAIL\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("| CPU per reading |") && ended.stdout.contains("| +12.0 % |"));
    let ended = call(&["gate", &base, &slower, "--json"]);
    ended.error(1);
    let json: Value = serde_json::from_str(ended.stdout.trim()).unwrap();
    assert_eq!((&json["outcome"], &json["pairs"]), (&json!("FAIL"), &json!(10)));
    let ratio = json["metrics"][0]["ratio"].as_f64().unwrap();
    assert!((ratio - 1.12).abs() < 1e-9, "{json}");
}

#[test]
fn real_runs_too_short_and_too_few_cannot_tell() {
    let files = Files::new();
    let short = files.runs("short.json", &vec![files.report.clone(); 6]);
    let ended = call(&["gate", &short, &short]);
    assert!(ended.error(4).contains("too short, since CPU time is counted in steps of 0.01 s"));
    let one = files.write("one.json", &with_cpu(&files.report, 1.0));
    let ended = call(&["gate", &one, &one]);
    assert!(ended.error(4).contains("1 pair of runs: an interval needs 6 at least"), "{}", ended.stderr);
}

#[test]
fn other_loads_are_invalid_and_another_output_fails() {
    let files = Files::new();
    let base = files.runs("base.json", &files.ten(1.0));
    let other = measure(&files.at("late"), &["--scenario", "late", "--seed", "3"]);
    let other = files.runs("other.json", &vec![with_cpu(&other, 1.0); 10]);
    let ended = call(&["gate", &base, &other]);
    let line = ended.error(4);
    assert!(line.contains("load: scenario normal in run 1 of the base, scenario late in run 1 of the head"));
    assert!(line.contains("seed: 1 in run 1"), "{line}");

    let mut wrong = files.ten(1.0);
    wrong[9]["result"]["outputs"]["digest"] = json!("0123456789abcdef");
    let wrong = files.runs("wrong.json", &wrong);
    let ended = call(&["gate", &base, &wrong]);
    assert!(ended.error(1).contains("0123456789abcdef in run 10 of the head"), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("FAIL: the output is not what it was"), "{}", ended.stdout);
}

#[test]
fn wrong_inputs_are_usage_errors() {
    let files = Files::new();
    let base = files.runs("base.json", &files.ten(1.0));
    let text = fs::read_to_string(&base).unwrap();
    let bad = |name: &str, text: &str| {
        fs::write(files.at(name), text).unwrap();
        call(&["gate", &base, &shown(&files.at(name))]).error(2).to_owned()
    };
    assert!(bad("empty.json", r#"{"format":"wellstream-runs/1","runs":[]}"#).contains("no run in it"));
    assert!(bad("new.json", r#"{"format":"wellstream-runs/9"}"#).contains("wellstream-runs/9"));
    assert!(bad("text.json", "no JSON").contains("text.json is no report"));
    assert!(bad("cut.json", &text[..text.len() / 2]).contains("cut.json is no report"));
    assert!(call(&["gate", &base, "nothing.json"]).error(3).contains("nothing.json"));
    for limit in ["5", "-5%", "0%", "off", "much%"] {
        assert_eq!(call(&["gate", &base, &base, "--limit", limit]).code, Some(2), "{limit}");
    }
    assert_eq!(call(&["gate", &base]).code, Some(2));
    assert_eq!(call(&["gate", &base, &base, "--json", "--markdown"]).code, Some(2));
}

/// Files of a test, and a report that the program wrote of a real run.
struct Files {
    dir: tempfile::TempDir,
    report: Value,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let report = measure(&dir.path().join("run"), &[]);
        Files { dir, report }
    }

    /// Ten runs as long as their CPU time needs to be, each so much longer.
    fn ten(&self, factor: f64) -> Vec<Value> {
        (0..10).map(|at| with_cpu(&self.report, factor * (1.0 + f64::from(at) / 100.0))).collect()
    }

    fn runs(&self, name: &str, runs: &[Value]) -> String {
        self.write(name, &json!({ "format": "wellstream-runs/1", "runs": runs }))
    }

    fn write(&self, name: &str, value: &Value) -> String {
        fs::write(self.at(name), value.to_string()).unwrap();
        shown(&self.at(name))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Runs a small load as fast as it goes, and gives its report.
fn measure(folder: &Path, more: &[&str]) -> Value {
    let folder = shown(folder);
    let ended = call(
        &[&["replay", "--events", "20k", "--max", "--threads", "2", "--report", &folder], more].concat(),
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::to_value(read(folder.as_ref()).unwrap()).unwrap()
}

fn with_cpu(report: &Value, cpu_s: f64) -> Value {
    let mut report = report.clone();
    report["result"]["cpu_s"] = json!(cpu_s);
    report
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn call(args: &[&str]) -> Ended {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    Program::start(&args, Duration::from_secs(60)).finish()
}
