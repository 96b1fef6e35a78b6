//! Any Avro tool reads our traces, and we read theirs: the Avro library of Rust, which is the naive twin of
//! our reader and writer, and fastavro where Python has it.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::process::Command;

use apache_avro::types::Value;
use apache_avro::{Codec, DeflateSettings, Reader, Schema, Writer, ZstandardSettings};
use wellstream_core::schemas::TRACE_RECORD;
use wellstream_replay::trace::{TraceRecord, TraceWriter, read_trace};

/// Every shape that a record can have, from a seed.
fn records(count: usize) -> Vec<TraceRecord> {
    let mut rng = fastrand::Rng::with_seed(11);
    (0..count).map(|_| record(&mut rng)).collect()
}

fn record(rng: &mut fastrand::Rng) -> TraceRecord {
    let bytes = |rng: &mut fastrand::Rng, most: usize| -> Vec<u8> {
        (0..rng.usize(..most)).map(|_| rng.u8(..)).collect()
    };
    let optional =
        |rng: &mut fastrand::Rng, most| if rng.u8(..4) == 0 { None } else { Some(bytes(rng, most)) };
    let long = |rng: &mut fastrand::Rng| {
        let bits = rng.u32(..64);
        rng.i64(..) >> bits
    };
    let (key, value, offset, timestamp_ms) = (optional(rng, 30), optional(rng, 300), long(rng), long(rng));
    let headers =
        (0..rng.usize(..4).saturating_sub(1)).map(|n| (format!("ü{n}"), optional(rng, 90))).collect();
    let partition = rng.u32(..) >> rng.u32(1..32);
    TraceRecord {
        topic: ["wells", "tanks", "ö"][rng.usize(..3)].into(),
        partition,
        offset,
        timestamp_ms,
        key,
        value,
        headers,
    }
}

fn value(record: &TraceRecord) -> BTreeMap<&'static str, Value> {
    let bytes = |bytes: &Option<Vec<u8>>| match bytes {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(bytes) => Value::Union(1, Box::new(Value::Bytes(bytes.clone()))),
    };
    let header = |(key, value): &(String, Option<Vec<u8>>)| {
        Value::Record(vec![
            ("key".to_owned(), Value::String(key.clone())),
            ("value".to_owned(), bytes(value)),
        ])
    };
    BTreeMap::from([
        ("topic", Value::String(record.topic.to_string())),
        ("partition", Value::Int(i32::try_from(record.partition).unwrap())),
        ("offset", Value::Long(record.offset)),
        ("timestamp", Value::Long(record.timestamp_ms)),
        ("key", bytes(&record.key)),
        ("value", bytes(&record.value)),
        ("headers", Value::Array(record.headers.iter().map(header).collect())),
    ])
}

const FIELDS: [&str; 7] = ["topic", "partition", "offset", "timestamp", "key", "value", "headers"];

/// The record as the Avro library has it, in the order of these fields.
fn ordered(record: &TraceRecord, fields: &[&str]) -> Value {
    let values = value(record);
    Value::Record(fields.iter().map(|name| ((*name).to_owned(), values[name].clone())).collect())
}

fn ours(records: &[TraceRecord]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[(4, "\"long\"".to_owned())]).unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    writer.finish().unwrap().into_inner()
}

#[test]
fn the_avro_library_reads_what_we_write() {
    let records = records(5_000);
    let file = ours(&records);
    let reader = Reader::new(file.as_slice()).unwrap();
    assert_eq!(*reader.writer_schema(), Schema::parse_str(TRACE_RECORD).unwrap());
    assert_eq!(reader.user_metadata()["ws.schema.4"], b"\"long\"");
    assert_eq!(reader.user_metadata()["ws.records"], b"00000000000000005000");
    let mut count = 0;
    for (found, record) in reader.zip(&records) {
        assert_eq!(found.unwrap(), ordered(record, &FIELDS));
        count += 1;
    }
    assert_eq!(count, records.len());
}

#[test]
fn we_read_what_the_avro_library_writes() {
    let records = records(3_000);
    let schema = Schema::parse_str(TRACE_RECORD).unwrap();
    for codec in [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Zstandard(ZstandardSettings::default()),
    ] {
        let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
        writer.add_user_metadata("ws.schema.9".to_owned(), "\"int\"").unwrap();
        records.iter().for_each(|record| {
            writer.append_value(ordered(record, &FIELDS)).unwrap();
        });
        let trace = read_trace(writer.into_inner().unwrap().as_slice()).unwrap();
        assert!(trace.records == records, "{codec:?}");
        assert_eq!(trace.schemas, BTreeMap::from([(9, "\"int\"".to_owned())]));
    }
}

/// Fields in another order, of other but fitting types, beside fields of their own: by the slow way.
#[test]
fn a_schema_that_says_the_same_in_another_way_is_read() {
    let records = records(500);
    let mut schema: serde_json::Value = serde_json::from_str(TRACE_RECORD).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.reverse();
    fields.insert(0, serde_json::json!({"name": "size", "type": "double"}));
    let schema = Schema::parse(&schema).unwrap();
    let order = ["size", "headers", "value", "key", "timestamp", "offset", "partition", "topic"];
    let mut writer = Writer::with_codec(&schema, Vec::new(), Codec::Null).unwrap();
    for record in &records {
        let Value::Record(mut fields) = ordered(record, &order[1..]) else { panic!() };
        fields.insert(0, ("size".to_owned(), Value::Double(1.5)));
        writer.append_value(Value::Record(fields)).unwrap();
    }
    let file = writer.into_inner().unwrap();
    assert!(read_trace(file.as_slice()).unwrap().records == records);
    for cut in (0..file.len()).step_by(97) {
        // Without a count, a cut between blocks is a shorter file; the library puts all into a few blocks.
        assert!(read_trace(&file[..cut]).is_err() || cut % 16_000 > 300, "cut at {cut}");
    }
}

/// fastavro reads our trace and writes it again with three codecs; WELLSTREAM_TEST_PYTHON names a Python that
/// has fastavro, python3 if nothing is said.
#[test]
fn fastavro_reads_and_writes_traces() {
    let python = std::env::var("WELLSTREAM_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import fastavro"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no fastavro");
        return;
    }
    let records = records(4_000);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ours.avro"), ours(&records)).unwrap();
    let output = Command::new(&python).args(["-c", AGAIN]).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("fastavro: {said}");
    let mut read = 0;
    for codec in ["null", "deflate", "zstandard"] {
        let Ok(file) = std::fs::read(dir.path().join(format!("{codec}.avro"))) else { continue };
        let trace = read_trace(file.as_slice()).unwrap();
        assert!(trace.records == records, "{codec}");
        assert_eq!(trace.schemas[&4], "\"long\"");
        read += 1;
    }
    // Without its zstandard package it can neither read ours nor write so.
    assert!(read == 3 || said.contains("no zstandard"), "{said}");
}

/// Reads ours.avro, checks its counts, writes it again.
const AGAIN: &str = r#"
import fastavro
try:
    with open("ours.avro", "rb") as f:
        reader = fastavro.reader(f)
        schema, metadata, records = reader.writer_schema, reader.metadata, list(reader)
except ValueError as error:
    print("no zstandard:", error)
    raise SystemExit
assert len(records) == int(metadata["ws.records"]) == 4000, len(records)
assert metadata["ws.schema.4"] == '"long"'
for codec in ["null", "deflate", "zstandard"]:
    with open(codec + ".avro", "wb") as f:
        fastavro.writer(f, schema, records, codec=codec, metadata={"ws.schema.4": '"long"'})
print(len(records), "records read and written in three codecs, version", fastavro.__version__)
"#;
