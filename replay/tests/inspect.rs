//! What an inspection says of a trace is what a loop over its records finds.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;

use wellstream_core::record::{Fate, Reason};
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::inspect::{InspectSettings, Inspection, inspect};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{ReadOptions, TraceReader, TraceRecord, TraceWriter};
use wellstream_replay::verify::Topics;

fn generated(name: &str, count: u64) -> (Vec<TraceRecord>, Vec<(u32, String)>, Generator) {
    let setup = Setup { start_ms: 1_700_000_000_000, ..Setup::default() };
    let generator = Generator::new(Scenario::named(name).unwrap(), setup);
    let mut block = Block::default();
    generator.fill(0..count, |event| event.sent_ms, &mut block);
    let mut offsets = BTreeMap::new();
    let topics = Topics::default();
    let records = block.records().map(|record| {
        let next = offsets.entry(record.partition).or_insert(-1);
        *next += 1;
        TraceRecord {
            topic: [&topics.wells, &topics.tanks][record.partition.side.index()].as_str().into(),
            partition: record.partition.number,
            offset: *next,
            timestamp_ms: record.timestamp_ms,
            key: Some(record.key.to_vec()),
            value: record.value.map(<[u8]>::to_vec),
            headers: Vec::new(),
        }
    });
    let records = records.collect();
    let schemas = generator.setup().schemas.texts().map(|(id, _, text)| (id, text)).to_vec();
    (records, schemas, generator)
}

fn inspected(records: &[TraceRecord], schemas: &[(u32, String)], settings: &InspectSettings) -> Inspection {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), schemas).unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    let file = Cursor::new(writer.finish().unwrap().into_inner());
    let mut reader = TraceReader::start(file, ReadOptions::default()).unwrap();
    let mut told = 0;
    let found = inspect(&mut reader, settings, &mut |records| told = records).unwrap();
    assert_eq!(told, records.len() as u64);
    found
}

/// Counts, spans and lateness of a scenario, against its facts and a loop over its records.
#[test]
fn a_scenario_is_described_as_it_was_made() {
    for (name, is_late, is_bad) in
        [("late", true, false), ("poison", false, true), ("disorder", false, false)]
    {
        let (records, schemas, generator) = generated(name, 20_000);
        let settings = InspectSettings::default();
        let found = inspected(&records, &schemas, &settings);
        let judged = generator.judged(0..20_000, &settings.rules, |event| event.sent_ms, |_, n| n);
        assert_eq!(found.records, 20_000);
        let quarantined: u64 = found.unreadable.values().sum();
        let by_reason = judged.counts();
        let expected = by_reason.iter().filter(|(reason, _)| reason.fate() == Fate::Quarantined);
        assert_eq!(found.unreadable, expected.map(|(reason, count)| (reason.name(), *count)).collect());
        assert_eq!(quarantined > 0, is_bad, "{name}: {:?}", found.unreadable);
        assert_eq!(found.readable + quarantined, 20_000);
        let late: u64 = found.topics.iter().map(|topic| topic.event_time.as_ref().unwrap().late).sum();
        assert_eq!(late, by_reason.get(&Reason::Late).copied().unwrap_or(0), "{name}");
        assert!(!is_late || late > 0, "{name}");
        for topic in &found.topics {
            let own: Vec<_> = records.iter().filter(|record| *record.topic == *topic.topic).collect();
            assert_eq!(topic.records, own.len() as u64);
            let keys: HashSet<_> = own.iter().map(|record| &record.key).collect();
            assert_eq!((topic.keys.distinct, topic.keys.or_more), (keys.len() as u64, false));
            let bytes = |record: &&TraceRecord| record.value.as_ref().map_or(0, Vec::len) as u64;
            assert_eq!(topic.value_bytes, own.iter().map(bytes).sum::<u64>());
            assert_eq!(topic.value_size.max, own.iter().map(bytes).max().unwrap());
            let sent = topic.sent.unwrap();
            assert_eq!(sent.first_ms, own.iter().map(|record| record.timestamp_ms).min().unwrap());
            assert_eq!(sent.last_ms, own.iter().map(|record| record.timestamp_ms).max().unwrap());
            assert_eq!(topic.partitions.iter().map(|one| one.records).sum::<u64>(), topic.records);
            for one in &topic.partitions {
                let count = i64::try_from(one.records).unwrap();
                assert_eq!((one.offset_first, one.offset_last, one.out_of_order), (0, count - 1, 0));
            }
        }
        let uses: u64 = found.schemas.iter().map(|schema| schema.records).sum();
        assert!(found.schemas.iter().filter(|schema| schema.in_file).all(|schema| schema.name.is_some()));
        assert!(uses > 19_000 && uses <= 20_000);
    }
}

/// Disorder by hand: event times 100, 90, 110, 70 s in one partition; another one does not mix in.
#[test]
fn disorder_is_told_per_partition() {
    let schema = r#"{"type": "record", "name": "WellData", "namespace": "x", "fields": [
        {"name": "timestamp", "type": "long"}]}"#;
    let time = |place: i64, partition, seconds: i64| {
        let mut value = vec![0, 0, 0, 0, 9];
        let mut raw = (1_700_000_000_000 + seconds * 1_000).cast_unsigned() << 1;
        while raw >= 0x80 {
            value.push(raw.to_le_bytes()[0] | 0x80);
            raw >>= 7;
        }
        value.push(raw.to_le_bytes()[0]);
        TraceRecord {
            topic: "anything".into(),
            partition,
            offset: place,
            timestamp_ms: 1_700_000_200_000,
            key: None,
            value: Some(value),
            headers: vec![("a".to_owned(), None)],
        }
    };
    let mut records = vec![time(0, 0, 100), time(0, 1, 501), time(1, 0, 90), time(2, 0, 110), time(3, 0, 70)];
    records.push(TraceRecord { value: None, offset: 3, ..records[0].clone() });
    records.push(TraceRecord { value: Some(b"\0\0\0\0\x08x".to_vec()), offset: 5, ..records[0].clone() });
    let found = inspected(&records, &[(9, schema.to_owned())], &InspectSettings::default());
    assert_eq!(
        (found.readable, &found.unreadable),
        (4, &[("empty_value", 1), ("time_too_far_ahead", 1), ("unknown_schema", 1)].into())
    );
    let topic = &found.topics[0];
    assert_eq!((topic.tombstones, topic.with_headers, topic.keys.without), (1, 7, 7));
    let one = &topic.partitions[0];
    let times = one.event_time.as_ref().unwrap();
    assert_eq!((times.disorder_ms.max, times.late, one.out_of_order), (40_000, 1, 1));
    assert_eq!((times.span.first_ms, times.span.last_ms), (1_700_000_070_000, 1_700_000_110_000));
    assert_eq!(times.span.records_per_s, Some(0.1));
    assert!(topic.partitions[1].event_time.is_none());
    let names: Vec<_> = found.schemas.iter().map(|schema| (schema.id, schema.name.as_deref())).collect();
    assert_eq!(names, [(8, None), (9, Some("x.WellData"))]);
}

/// Without any schema in the file, values are read as the settings say.
#[test]
fn a_trace_without_schemas_is_read_by_the_built_in_ones() {
    let (records, schemas, _) = generated("normal", 2_000);
    let settings = InspectSettings::default();
    let with = inspected(&records, &schemas, &settings);
    let without = inspected(&records, &[], &settings);
    assert_eq!((with.readable, without.readable), (2_000, 2_000));
    assert_eq!(with.topics, without.topics);
}
