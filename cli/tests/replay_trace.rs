//! `wellstream replay TRACE` with the real binary, over partitions in memory: a trace comes to what the
//! records in it come to, at whatever pace; what is no such trace is refused before anything starts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/program.rs"]
mod program;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use program::{Ended, Program};
use serde_json::Value;
use wellstream_connectors::MachineClock;
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::report::{self, Outcome, Report};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{BorrowedRecord, TraceWriter};

fn replay(args: &[&str]) -> Ended {
    let args: Vec<String> = ["replay"].iter().chain(args).map(ToString::to_string).collect();
    Program::start(&args, Duration::from_secs(120)).finish()
}

/// What does not depend on the pace. A measurement may be invalid on a busy machine, the output may not.
fn output(ended: &Ended) -> Value {
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}", ended.code, ended.stderr);
    let mut summary: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    let keys = ["events_in", "rows", "alert_rows", "alarms", "risk_sum", "digest", "late", "dropped"];
    keys.iter().chain(&["quarantined"]).map(|key| (key.to_string(), summary[key].take())).collect()
}

/// Topics as a trace names them.
const TOPICS: [&str; 2] = ["well-sensor-data", "tank-sensor-data"];

fn generator(scenario: &str) -> Generator {
    Generator::new(Scenario::named(scenario).unwrap(), Setup::default())
}

/// The first readings of a scenario, as a recorder would find them on Kafka; every seventh key is left out.
fn trace(dir: &Path, generator: &Generator, events: u64, topics: [&str; 2]) -> PathBuf {
    let path = dir.join("t.avro");
    let schemas = generator.setup().schemas.texts().map(|(id, _, text)| (id, text));
    let mut writer = TraceWriter::new(File::create(&path).unwrap(), &schemas).unwrap();
    let mut block = Block::default();
    generator.fill(0..events, |event| event.sent_ms, &mut block);
    for (offset, record) in (1_000..).zip(block.records()) {
        let record = BorrowedRecord {
            topic: topics[record.partition.side.index()],
            partition: record.partition.number,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: Some(record.key).filter(|_| offset % 7 != 0),
            value: record.value,
            headers: &[("source", Some(b"x"))],
        };
        writer.append_borrowed(&record).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn report_in(folder: &Path) -> Report {
    report::read(folder).unwrap()
}

#[test]
fn a_trace_has_the_oracles_output_in_every_mode() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in ["normal", "nulls", "poison", "late", "silent-partition"] {
        let path = trace(dir.path(), &generator(scenario), 30_000, TOPICS);
        let path = path.to_str().unwrap();
        for mode in ["all", "nearest", "asof", "latest"] {
            let ended = replay(&[path, "--max", "--verify", "--join", mode, "--summary", "json"]);
            assert_eq!(ended.code, Some(0), "{scenario} {mode}: {}", ended.stderr);
            assert!(output(&ended)["rows"].as_u64() > Some(1_000), "{scenario} {mode}: {}", ended.stdout);
        }
    }
}

/// A scenario and its trace differ in nothing that counts. Event times of a scenario follow the clock of the
/// machine, so times are left out: offsets, and so row ids, are the same.
#[test]
fn a_trace_comes_to_what_its_scenario_comes_to_at_every_pace() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in ["poison", "nulls"] {
        let path = trace(dir.path(), &generator(scenario), 20_000, TOPICS);
        let generated = replay(&["--scenario", scenario, "--events", "20k", "--max", "--summary", "json"]);
        let expected = output(&generated);
        assert!(expected["rows"].as_u64() > Some(1_000), "{expected}");
        assert_ne!(expected[if scenario == "nulls" { "dropped" } else { "quarantined" }], Value::from(0));
        for pace in [
            &["--max"][..],
            &["--speed", "5x"],
            &["--rate", "20k/s"],
            &["--rate", "20k/s", "--profile", "poisson"],
        ] {
            let args = [&[path.to_str().unwrap(), "--summary", "json", "--verify"], pace].concat();
            assert_eq!(output(&replay(&args)), expected, "{scenario} {pace:?}");
        }
    }
}

#[test]
fn a_report_tells_of_the_trace_and_of_its_own_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = trace(dir.path(), &generator("normal"), 40_000, TOPICS);
    let (path, folder) = (path.to_str().unwrap(), dir.path().join("report"));
    // 4,000 readings a second of event time, so ten seconds in half a second.
    let ended = replay(&[path, "--speed", "20x", "--verify", "--report", folder.to_str().unwrap()]);
    let report = report_in(&folder);
    assert_eq!(ended.code, Some(if report.outcome == Outcome::Ok { 0 } else { 4 }), "{}", ended.stderr);
    assert!(report.verdict.as_ref().unwrap().ok);
    assert_eq!(report.load.source, format!("trace {path}"));
    assert_eq!((report.load.profile.as_str(), report.load.seed), ("recorded", None));
    let (offered, span) = (report.load.offered_per_s.unwrap(), report.load.duration_s.unwrap());
    assert!((75_000.0..85_000.0).contains(&offered) && (0.45..0.55).contains(&span), "{offered} {span}");
    assert_eq!((report.load.events, report.result.events_sent), (40_000, 40_000));
    assert_eq!(report.timeline.iter().filter_map(|interval| interval.offered).sum::<u64>(), 40_000);
}

#[test]
fn a_trace_can_be_sent_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = trace(dir.path(), &generator("normal"), 40_000, TOPICS);
    let sent = |more: &[&str]| {
        let base = [path.to_str().unwrap(), "--verify", "--summary", "json"];
        let events_in = output(&replay(&[&base, more].concat()))["events_in"].take();
        events_in["wells"].as_u64().unwrap() + events_in["tanks"].as_u64().unwrap()
    };
    assert_eq!(sent(&["--max", "--events", "12345"]), 12_345);
    assert_eq!(sent(&["--rate", "20k/s", "--duration", "1s"]), 20_000);
    let in_time = sent(&["--speed", "10x", "--duration", "500ms"]);
    assert!((18_000..22_000).contains(&in_time), "5 s of 4,000/s: {in_time}");
    assert_eq!(sent(&["--max", "--events", "1M"]), 40_000, "there are no more");
}

/// Event times go on from pass to pass, so what is joined is joined again, and the oracle sees the same
/// bytes.
#[test]
fn a_trace_can_be_sent_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in ["poison", "nulls"] {
        let path = trace(dir.path(), &generator(scenario), 20_000, TOPICS);
        let path = path.to_str().unwrap();
        let run = |more: &[&str]| output(&replay(&[&[path, "--verify", "--summary", "json"], more].concat()));
        let once = run(&["--max"]);
        let thrice = run(&["--max", "--loop", "--events", "60k"]);
        let rejected = |output: &Value, key: &str| -> u64 {
            output[key].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
        };
        let key = if scenario == "nulls" { "dropped" } else { "quarantined" };
        assert!(rejected(&once, key) > 0, "{once}");
        for key in ["dropped", "quarantined"] {
            assert_eq!(rejected(&thrice, key), 3 * rejected(&once, key), "{key}: {once} {thrice}");
        }
        let rows = |output: &Value| output["rows"].as_u64().unwrap();
        // Where two passes meet there are pairs of both.
        let each = 3 * rows(&once)..4 * rows(&once);
        assert!(rows(&once) > 1_000 && each.contains(&rows(&thrice)), "{once} {thrice}");
        assert_eq!(run(&["--rate", "30k/s", "--duration", "2s", "--loop"]), thrice);
    }
    let path = trace(dir.path(), &generator("normal"), 20_000, TOPICS);
    let ended = replay(&[path.to_str().unwrap(), "--speed", "20x", "--loop", "--duration", "1s", "--verify"]);
    assert!(matches!(ended.code, Some(0 | 4)), "{:?} {}", ended.code, ended.stderr);
}

/// Ctrl-C ends sending; what was sent is put out and judged, and the measurement is none.
#[test]
fn a_trace_without_an_end_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = trace(dir.path(), &generator("normal"), 20_000, TOPICS);
    let folder = dir.path().join("report");
    let args = ["replay", path.to_str().unwrap(), "--rate", "20k/s", "--loop", "--verify"];
    let args: Vec<String> =
        args.iter().chain(&["--report", folder.to_str().unwrap()]).map(ToString::to_string).collect();
    let mut program = Program::start(&args, Duration::from_secs(120));
    MachineClock::start().sleep(Duration::from_secs(4));
    assert!(program.is_running(), "{}", program.stderr());
    program.signal("INT");
    let ended = program.finish();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let report = report_in(&folder);
    assert_eq!(report.outcome, Outcome::Invalid);
    assert!(report.reasons.iter().any(|reason| reason.contains("stopped after")), "{:?}", report.reasons);
    assert!(report.result.drained && report.verdict.unwrap().ok);
}

/// One topic's partitions far behind the other's, as a recorder leaves them that reads one after the other.
fn apart(dir: &Path, events: u64) -> PathBuf {
    let generator = generator("normal");
    let mut block = Block::default();
    generator.fill(0..events, |event| event.sent_ms, &mut block);
    let path = dir.join("apart.avro");
    let schemas = generator.setup().schemas.texts().map(|(id, _, text)| (id, text));
    let mut writer = TraceWriter::new(File::create(&path).unwrap(), &schemas).unwrap();
    for side in [0, 1] {
        for record in block.records().filter(|record| record.partition.side.index() == side) {
            let record = BorrowedRecord {
                topic: TOPICS[side],
                partition: record.partition.number,
                offset: 0,
                timestamp_ms: record.timestamp_ms,
                key: None,
                value: record.value,
                headers: &[],
            };
            writer.append_borrowed(&record).unwrap();
        }
    }
    writer.finish().unwrap();
    path
}

#[test]
fn partitions_need_not_be_interleaved() {
    let dir = tempfile::tempdir().unwrap();
    // 150 s of event time: more than any alignment allows.
    let path = apart(dir.path(), 600_000);
    let ended = replay(&[path.to_str().unwrap(), "--max", "--verify"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// The engine may hold no more and waits for the tanks; the wells' partitions are full, and in front of them.
#[test]
fn partitions_too_far_apart_for_the_state_break_the_run_off_and_say_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let path = apart(dir.path(), 1_200_000);
    let folder = dir.path().join("out");
    let small = ["--state-bytes-max", "1MiB", "--verify", "--report", folder.to_str().unwrap()];
    let ended = replay(&[&[path.to_str().unwrap(), "--max"], &small[..]].concat());
    assert!(ended.error(4).contains("Raise --state-bytes-max"), "{}", ended.stderr);
    let report = report::read(&folder).unwrap();
    let reason = &report.reasons[0];
    assert!(
        reason.starts_with("the run broke off: ") && reason.contains("Raise --state-bytes-max"),
        "{reason}"
    );
    // What was sent until then is told; nothing is said of what came out.
    assert!(report.result.events_sent > 0 && !report.result.drained && report.verdict.is_none());
}

#[test]
fn what_is_no_trace_of_readings_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let whole = trace(dir.path(), &generator("normal"), 20_000, TOPICS);
    let bytes = fs::read(&whole).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let folder = dir.path().join("report");
    let refused = |path: &str, more: &[&str], code: i32, parts: &[&str]| {
        let ended = replay(&[&[path, "--max", "--report", folder.to_str().unwrap()], more].concat());
        let error = ended.error(code);
        for part in parts {
            assert!(error.contains(part), "{part} in {error}");
        }
        let sent = ended.stderr.contains("sent") && ended.stderr.contains("backlog");
        assert!(!sent, "it began: {}", ended.stderr);
    };
    let whole = whole.to_str().unwrap();
    refused(&file("cut.avro", &bytes[..bytes.len() - 1]), &[], 3, &["cut off", "cut.avro"]);
    refused(&file("picture.png", b"\x89PNG\r\n\x1a\n"), &[], 3, &["not a trace", "picture.png"]);
    refused("no-such.avro", &[], 2, &["no-such.avro"]);
    // The names of the topics are the operator's.
    let others = ["--wells", "w", "--tanks", "t"];
    refused(whole, &others, 2, &["neither w", "nor t", "tank-sensor-data, well-sensor-data"]);
    refused(whole, &["--tanks", "t"], 2, &["records of tank-sensor-data", "only those of well-sensor-data"]);
    let dir = tempfile::tempdir().unwrap();
    let other = trace(dir.path(), &generator("normal"), 1_000, ["w", "t"]);
    let ended = replay(&[&[other.to_str().unwrap(), "--max", "--verify"], &others[..]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let empty = dir.path().join("empty.avro");
    TraceWriter::new(File::create(&empty).unwrap(), &[]).unwrap().finish().unwrap();
    refused(empty.to_str().unwrap(), &[], 3, &["no records"]);
}

#[test]
fn what_makes_no_sense_with_a_trace_is_refused() {
    for (args, part) in [
        (&["--max", "--scenario", "normal"][..], "--scenario"),
        (&["--max", "--seed", "7"], "--seed"),
        (&["--max", "--keyed-by", "facility"], "--keyed-by"),
        (&["--find-max"], "--find-max"),
        (&[], "how fast"),
        (&["--max", "--speed", "10x"], "exclude each other"),
        (&["--max", "--duration", "10s"], "--duration"),
        (&["--speed", "10x", "--profile", "sine"], "--profile"),
        (&["--max", "--engine", "external"], "--brokers"),
        (&["--speed", "10x", "--loop"], "needs an end"),
        (&["--max", "--loop", "--brokers", "h:1"], "in memory only"),
    ] {
        let ended = replay(&[&["t.avro"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    }
}
