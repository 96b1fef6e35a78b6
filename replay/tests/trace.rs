//! A trace gives back what was put in, or says that it cannot.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::io::Cursor;

use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::oracle::{self, WriterSchemas};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{ReadOptions, Trace, TraceReader, TraceRecord, TraceWriter, read_trace};
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

/// By whatever number of threads, in the order of the file, and topics are numbered as they appear in it.
#[test]
fn the_reader_gives_the_same_records_in_the_same_order() {
    let mut records = records(&generator("poison"), 30_000);
    // A topic that begins late, and more of them than fit the short list.
    for (place, record) in records.iter_mut().enumerate().skip(20_000) {
        record.topic = format!("topic-{}", place % 23).into();
    }
    let file = write(&records, &[(7, r#""string""#.to_owned())]);
    let mut order: Vec<std::sync::Arc<str>> = Vec::new();
    for record in &records {
        if !order.contains(&record.topic) {
            order.push(record.topic.clone());
        }
    }
    for threads in 1..=5 {
        let options = ReadOptions { threads: Some(threads), ..ReadOptions::default() };
        let mut reader = TraceReader::start(Cursor::new(file.clone()), options).unwrap();
        assert_eq!((reader.schemas()[&7].as_str(), reader.records_told()), (r#""string""#, Some(30_000)));
        let (mut found, mut blocks) = (Vec::new(), 0);
        while let Some(block) = reader.next_block().unwrap() {
            blocks += 1;
            assert_eq!(block.records().len(), block.len());
            for record in block.records() {
                assert_eq!(reader.topics()[record.topic_number as usize], *record.topic);
                found.push(record.to_record());
            }
        }
        assert!(blocks > 2 * threads, "{blocks} blocks");
        assert_eq!((reader.topics(), reader.records_found()), (order.as_slice(), 30_000));
        assert!(found == records, "{threads} threads");
        assert!(reader.next_block().unwrap().is_none(), "nothing comes behind the end");
    }
}

/// A reader that nobody reads to its end leaves no thread behind that waits for ever.
#[test]
fn a_reader_may_be_dropped_at_any_block() {
    let file = write(&records(&generator("normal"), 30_000), &[]);
    for blocks in 0..5 {
        let ends = std::sync::Arc::new(());
        let input = Watched { input: Cursor::new(file.clone()), _alive: ends.clone() };
        let mut reader = TraceReader::start(input, ReadOptions::default()).unwrap();
        for _ in 0..blocks {
            reader.next_block().unwrap().unwrap();
        }
        drop(reader);
        let clock = wellstream_connectors::MachineClock::start();
        while std::sync::Arc::strong_count(&ends) > 1 {
            clock.sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// Tells whether the thread that reads it has ended.
struct Watched {
    input: Cursor<Vec<u8>>,
    _alive: std::sync::Arc<()>,
}

impl std::io::Read for Watched {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        std::io::Read::read(&mut self.input, bytes)
    }
}

#[test]
fn schemas_that_come_while_recording_are_in_the_header() {
    let records = records(&generator("normal"), 9_000);
    let mut writer = TraceWriter::with_room(Cursor::new(Vec::new()), &[], 2_000).unwrap();
    for (place, record) in records.iter().enumerate() {
        if place % 4_000 == 0 {
            let id = u32::try_from(place).unwrap();
            assert!(writer.add_schema(id, &format!("\"s{id}\"")).unwrap());
        }
        writer.append(record).unwrap();
    }
    assert!(!writer.add_schema(5, &"x".repeat(3_000)).unwrap(), "no room for it");
    let file = writer.finish().unwrap().into_inner();
    let trace = read_trace(file.as_slice()).unwrap();
    assert!(trace.records == records);
    assert_eq!(trace.schemas, [0, 4_000, 8_000].map(|id| (id, format!("\"s{id}\""))).into());
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
