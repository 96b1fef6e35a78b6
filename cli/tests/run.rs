//! The real binary at work: embedded and in memory, signals, closed pipes; on Kafka where a broker is named
//! by WELLSTREAM_TEST_BROKERS.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up fails")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use wellstream_connectors::MachineClock;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellstream"));
    command.args(args).env_clear().current_dir(std::env::temp_dir());
    command
}

fn output(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// Standard output of a call that succeeds.
fn stdout(args: &[&str]) -> String {
    let output = output(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The summary: the last line of standard output.
fn summary(args: &[&str]) -> Value {
    let text = stdout(args);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Waits for a line of the process's standard output that has this in it.
fn wait_for(child: &mut Child, part: &str) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(part)), "no {part}");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_embedded_run_does_the_whole_job() {
    let text = stdout(&["run", "--duration", "3s", "--embedded-interval", "100ms"]);
    for part in ["FAC-", "ALERT", "Summary", "emission", "  exchange ", "  commit "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "plain when not a terminal");
}

#[test]
fn the_summary_is_the_last_line_and_adds_up() {
    let args = ["run", "--duration", "2s", "--summary", "json", "--embedded-interval", "50ms"];
    let output = output(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "the table goes to standard error: {text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("FAC-"));
    let summary: Value = serde_json::from_str(&text).unwrap();
    let wells = summary["events_in"]["wells"].as_u64().unwrap();
    assert!(wells > 100 && summary["rows"].as_u64().unwrap() > wells, "{summary}");
    assert!(summary["max_rss_bytes"].as_u64().unwrap() < 100_000_000, "{summary}");
    assert_eq!(summary["digest"].as_str().unwrap().len(), 16);
}

#[test]
fn a_replay_in_memory_gives_the_same_rows_on_any_number_of_threads() {
    let of = |threads| {
        let args = ["replay", "--events", "20k", "--max", "--summary", "json", "--threads", threads];
        let mut summary = summary(&args);
        let part = |key: &str| summary[key].take();
        ["events_in", "rows", "alarms", "risk_sum", "digest"].map(part)
    };
    let one = of("1");
    assert_eq!(one[0]["wells"], 10_000);
    assert!(one[1].as_u64().unwrap() > 5_000, "{one:?}");
    assert_eq!(of("3"), one);
}

#[test]
fn every_poisoned_record_is_counted() {
    let args = ["replay", "--events", "20k", "--max", "--summary", "json", "--scenario", "poison"];
    let summary = summary(&args);
    let quarantined = summary["quarantined"].as_object().unwrap();
    assert!(quarantined.len() >= 8, "{summary}");
    assert!(quarantined["bad_magic"].as_u64().unwrap() > 0);
}

#[test]
fn a_replay_that_cannot_be_is_a_usage_error() {
    for args in [
        &["replay", "--events", "10"][..],
        &["replay", "--max", "--scenario", "no-such"],
        &["run", "--until-end"],
        &["topics", "create"],
        &["schema", "check"],
        &["quarantine", "list", "--brokers", "localhost:1", "--reason", "nonsense"],
    ] {
        let output = output(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[test]
fn a_signal_ends_a_run_cleanly() {
    for name in ["INT", "TERM"] {
        let mut child =
            command(&["run", "--embedded-interval", "100ms"]).stdout(Stdio::piped()).spawn().unwrap();
        wait_for(&mut child, "ALERT");
        signal(&child, name);
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        assert!(rest.contains("Summary"), "{name}: {rest}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command(&["run", "--embedded-interval", "100ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(&mut child, "ALERT");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}

#[test]
fn rows_can_go_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let sink = format!("jsonl:{}", path.display());
    let args =
        ["run", "--duration", "2s", "--embedded-interval", "100ms", "--summary", "json", "--sink", &sink];
    let rows = summary(&args)["rows"].as_u64().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let parsed =
        text.lines().filter(|line| serde_json::from_str::<Value>(line).unwrap()["row_id"].is_string());
    assert_eq!(parsed.count() as u64, rows);
}

#[test]
fn no_broker_is_said_clearly() {
    let output = output(&["topics", "create", "--brokers", "127.0.0.1:1"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let error = stderr.lines().last().unwrap();
    assert!(error.starts_with("error: ") && error.contains("Check --brokers"), "{stderr}");
}

/// Topics made, load sent, the run on Kafka equal to a second group's, the quarantine listed and sent again.
#[test]
fn on_kafka_the_whole_way() {
    let Ok(brokers) = std::env::var("WELLSTREAM_TEST_BROKERS") else {
        let required = std::env::var("WELLSTREAM_TEST_REQUIRED").is_ok_and(|value| value == "1");
        assert!(!required, "WELLSTREAM_TEST_BROKERS is not set, and WELLSTREAM_TEST_REQUIRED=1");
        println!("skipped: WELLSTREAM_TEST_BROKERS is not set");
        return;
    };
    let tag = format!("cli-{}-{}", std::process::id(), MachineClock::start().wall_ms());
    let topics: Vec<String> = ["wells", "tanks", "output", "alerts", "quarantine"]
        .iter()
        .flat_map(|key| [format!("--{key}"), format!("{tag}-{key}")])
        .collect();
    let with = |head: &[&str], tail: &[&str], names: usize| {
        let mut args: Vec<&str> = head.to_vec();
        args.extend(["--brokers", &brokers]);
        args.extend(topics[..names].iter().map(String::as_str));
        args.extend(tail);
        stdout(&args)
    };
    assert!(with(&["topics", "create"], &["--partitions", "2"], 10).contains("made, 2 partitions"));
    let load = ["--events", "20k", "--max", "--scenario", "poison"];
    assert!(with(&["replay"], &load, 10).contains("sent 20,000 readings"));
    let run = |group: &str, sink: &str| -> Value {
        let tail =
            ["--until-end", "--summary", "json", "--group", group, "--sink", sink, "--from", "earliest"];
        serde_json::from_str(with(&["run"], &tail, 10).lines().last().unwrap()).unwrap()
    };
    let (first, second) = (run(&format!("{tag}-a"), "kafka"), run(&format!("{tag}-b"), "count"));
    assert_eq!(first["events_in"]["wells"], 10_000);
    for key in ["events_in", "rows", "alarms", "risk_sum", "digest", "quarantined"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    let bad = first["quarantined"]["bad_magic"].as_u64().unwrap();
    let names = &topics[8..10];
    let list = [
        "quarantine",
        "list",
        "--brokers",
        &brokers,
        &names[0],
        &names[1],
        "--reason",
        "bad_magic",
        "--json",
    ];
    assert_eq!(stdout(&list).lines().count() as u64, bad);
    let mut again =
        vec!["quarantine", "replay", "--brokers", &brokers, &names[0], &names[1], "--reason", "bad_magic"];
    again.extend(topics[..4].iter().map(String::as_str));
    assert!(stdout(&again).contains("would be sent"));
    again.push("--yes");
    assert!(stdout(&again).contains(&format!("{bad} records sent back")));
    let third = run(&format!("{tag}-a"), "kafka");
    assert_eq!(
        third["quarantined"]["bad_magic"].as_u64().unwrap(),
        bad,
        "they come back for the same reason"
    );
}
