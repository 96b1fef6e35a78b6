//! `record` and `inspect` where no service is needed: what is refused, and how; what the JSON's keys are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use program::{Ended, Program};
use serde_json::Value;
use wellstream_core::schemas::{TRACE_RECORD, WELL_DATA};
use wellstream_replay::trace::{BorrowedRecord, TraceWriter};

fn wellstream(args: &[&str]) -> Ended {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    Program::start(&args, Duration::from_secs(60)).finish()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Some records whose values cannot be read, and one that can.
fn trace() -> Vec<u8> {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[(3, WELL_DATA.to_owned())]).unwrap();
    for offset in 0..50 {
        let record = BorrowedRecord {
            topic: "well-sensor-data",
            partition: 0,
            offset,
            timestamp_ms: 1_700_000_000_000 + offset,
            key: Some(b"W"),
            value: Some(b"\0\0\0\0\x03"),
            headers: &[],
        };
        writer.append_borrowed(&record).unwrap();
        if offset % 10 == 9 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_is_no_whole_trace_is_refused_with_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let whole = trace();
    let marker = &whole[whole.len() - 16..];
    let ends: Vec<_> = (16..=whole.len()).filter(|end| &whole[end - 16..*end] == marker).collect();
    let mut flipped = whole.clone();
    flipped[ends[1] + 20] ^= 1;
    let other = apache_avro::Schema::parse_str(
        r#"{"type":"record","name":"X","fields":[{"name":"a","type":"int"}]}"#,
    );
    let other = apache_avro::Writer::new(&other.unwrap(), Vec::new()).unwrap().into_inner().unwrap();
    assert!(TRACE_RECORD.contains("TraceRecord"));
    for (name, bytes, parts) in [
        ("empty", &b""[..], ["not a trace", "the file is empty"]),
        ("picture.png", b"\x89PNG\r\n\x1a\n", ["not a trace", "no Avro object container file"]),
        ("other.avro", &other, ["not of Kafka records", "no field topic"]),
        ("between.avro", &whole[..ends[3]], ["30 records", "its header says 50"]),
        ("cut.avro", &whole[..whole.len() - 1], ["cut off", "within block 4"]),
        ("flipped.avro", &flipped, ["damaged", "block 1"]),
    ] {
        let path = write(dir.path(), name, bytes);
        let ended = wellstream(&["inspect", path.to_str().unwrap()]);
        let error = ended.error(3);
        for part in [parts[0], parts[1], name] {
            assert!(error.contains(part), "{name}: {error}");
        }
    }
    let ended = wellstream(&["inspect", dir.path().to_str().unwrap()]);
    assert!(ended.error(3).contains("directory"), "{}", ended.stderr);
    assert!(wellstream(&["inspect", "no-such.avro"]).error(2).contains("no-such.avro"));
    // The same, salvaged.
    for (name, records) in [("between.avro", 30), ("cut.avro", 40), ("flipped.avro", 10)] {
        let path = dir.path().join(name);
        let found = wellstream(&["inspect", "--salvage", "--json", path.to_str().unwrap()]);
        let found: Value = serde_json::from_str(&found.stdout).unwrap();
        assert_eq!((&found["records"], found["damage"].is_string()), (&Value::from(records), true), "{name}");
    }
}

#[test]
fn recording_needs_brokers_and_does_not_overwrite() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "there.avro", b"mine");
    let there = path.to_str().unwrap();
    assert!(wellstream(&["record", there]).error(2).contains("--brokers"));
    let ended = wellstream(&["record", there, "--brokers", "127.0.0.1:1"]);
    assert!(ended.error(2).contains("--force"), "{}", ended.stderr);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

/// Every key of the JSON is in docs/TRACES.md, and the tables show the same counts.
#[test]
fn the_json_is_what_the_documentation_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "t.avro", &trace());
    let found = wellstream(&["inspect", "--json", path.to_str().unwrap()]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["unreadable"], serde_json::json!({"truncated": 50}));
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TRACES.md")).unwrap();
    let mut keys = Vec::new();
    names(&found, &mut keys);
    for late in ["event_time", "disorder_ms", "late"] {
        keys.push(late.to_owned());
    }
    for key in keys.iter().filter(|key| *key != "truncated") {
        assert!(docs.contains(&format!("`{key}`")), "docs/TRACES.md does not tell of {key}");
    }
    let text = wellstream(&["inspect", path.to_str().unwrap()]).stdout;
    assert!(text.contains("50 records in 5 blocks") && text.contains("truncated 50"), "{text}");
}

fn names(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                out.push(name.clone());
                names(value, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, out)),
        _ => {}
    }
}
