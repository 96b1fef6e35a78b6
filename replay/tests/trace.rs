//! A trace gives back what was put in, or says that it cannot.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::io::Cursor;

use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::oracle::{self, WriterSchemas};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{Trace, TraceError, TraceRecord, TraceWriter, read_trace};
use wellstream_replay::verify::{Topics, VerifyError, verify_trace};

fn generator(name: &str) -> Generator {
    Generator::new(Scenario::named(name).unwrap(), Setup::default())
}

/// The first readings of a scenario as Kafka records, at offsets with gaps.
fn records(generator: &Generator, count: u64) -> Vec<TraceRecord> {
    let mut block = Block::default();
    generator.fill(0..count, |event| event.sent_ms, &mut block);
    let mut offsets = std::collections::BTreeMap::new();
    let topics = Topics::default();
    let record = |record: wellstream_replay::generate::GeneratedRecord<'_>| {
        let next = offsets.entry(record.partition).or_insert(0);
        *next += 1;
        TraceRecord {
            topic: [&topics.wells, &topics.tanks][record.partition.side.index()].as_str().into(),
            partition: record.partition.number,
            offset: offset(record.partition, *next - 1),
            timestamp_ms: record.timestamp_ms,
            key: Some(record.key.to_vec()),
            value: record.value.map(<[u8]>::to_vec),
            headers: if *next % 7 == 0 { vec![("a".to_owned(), None)] } else { Vec::new() },
        }
    };
    block.records().map(record).collect()
}

fn offset(partition: PartitionId, n: i64) -> i64 {
    100 * i64::from(partition.number) + n + n / 10
}

fn write(records: &[TraceRecord], schemas: &[(u32, String)]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), schemas).unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_trace_gives_back_its_records_and_schemas() {
    let generator = generator("poison");
    let texts = generator.setup().schemas.texts().map(|(id, _, text)| (id, text));
    let records = records(&generator, 5_000);
    let file = write(&records, &texts);
    let plain: usize = records.iter().map(|record| record.value.as_ref().map_or(0, Vec::len)).sum();
    assert!(file.len() < plain, "{} bytes of {plain}: not compressed", file.len());
    assert_eq!(read_trace(file.as_slice()).unwrap(), Trace { schemas: texts.into(), records });
    assert_eq!(read_trace(write(&[], &[]).as_slice()).unwrap(), Trace::default());
}

/// Wherever a file is cut off, also between two blocks, it is not taken for a shorter trace.
#[test]
fn a_truncated_trace_is_an_error() {
    let file = write(&records(&generator("normal"), 4_000), &[]);
    let step = file.len() / 500;
    for cut in (0..file.len()).step_by(step).chain(file.len() - 40..file.len()) {
        assert!(read_trace(&file[..cut]).is_err(), "cut at {cut} of {}", file.len());
    }
    // Whole blocks only: the sync marker stands at the end of each.
    let marker = &file[file.len() - 16..];
    let ends: Vec<_> = (16..file.len()).filter(|end| &file[end - 16..*end] == marker).collect();
    assert!(ends.len() > 1, "one block only");
    for end in ends {
        assert!(matches!(read_trace(&file[..end]), Err(TraceError::Incomplete { .. })), "cut at {end}");
    }
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(read_trace(b"{}".as_slice()), Err(TraceError::Avro(_))));
    let schema = apache_avro::Schema::parse_str(
        r#"{"type":"record","name":"X","fields":[{"name":"a","type":"int"}]}"#,
    );
    let schema = schema.unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new()).unwrap();
    let value = apache_avro::types::Value::Record(vec![("a".to_owned(), apache_avro::types::Value::Int(1))]);
    writer.append_value(value).unwrap();
    let file = writer.into_inner().unwrap();
    assert!(matches!(read_trace(file.as_slice()), Err(TraceError::NotATrace { record: 0, field: "topic" })));
}

/// The oracle says the same of a scenario by its facts as of its bytes, in every mode.
#[test]
fn a_trace_of_a_scenario_is_judged_as_the_scenario_is() {
    for name in ["late", "nulls", "poison", "duplicates"] {
        let generator = generator(name);
        let mut schemas = WriterSchemas::default();
        for (id, _, text) in generator.setup().schemas.texts() {
            schemas.add(id, &text).unwrap();
        }
        let records = records(&generator, 20_000);
        for join in [JoinMode::All, JoinMode::Nearest, JoinMode::Asof, JoinMode::Latest] {
            let rules = Rules { join, ..Rules::default() };
            let by_bytes = verify_trace(&records, &Topics::default(), &schemas, &rules).unwrap();
            let by_facts = generator.judged(0..20_000, &rules, |event| event.sent_ms, offset);
            assert_eq!(by_bytes, oracle::output(&by_facts, &rules), "{name} {join:?}");
            assert!(by_bytes.rows > 4_000, "{name} {join:?}: {} rows", by_bytes.rows);
        }
    }
}

#[test]
fn what_is_no_log_is_refused() {
    let records = records(&generator("normal"), 100);
    let schemas = WriterSchemas::default();
    let verify = |records: &[TraceRecord], topics: &Topics| {
        verify_trace(records, topics, &schemas, &Rules::default()).unwrap_err()
    };
    let topics = Topics { wells: "other".to_owned(), ..Topics::default() };
    let other = VerifyError::OtherTopic { topic: "well-sensor-data".to_owned() };
    assert_eq!(verify(&records, &topics), other);
    let twice = [records[0].clone(), records[0].clone()];
    let side = if records[0].topic.starts_with("well") { Side::Well } else { Side::Tank };
    let partition = PartitionId { side, number: records[0].partition };
    let (offset, before) = (records[0].offset, records[0].offset);
    assert_eq!(verify(&twice, &Topics::default()), VerifyError::OutOfOrder { partition, offset, before });
}
