//! A trace as a load that is sent again and again: each pass is the one before, later by a fixed time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

use std::fs::File;
use std::path::{Path, PathBuf};

use wellstream_core::decode::{self, SchemaLookup, Schemas};
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::Rules;
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::load::{
    Extent, Load, LoadBlock, RecordedLoad, RecordedPace, RecordedSchemas, Recording, RecordingError,
};
use wellstream_replay::scenario::Scenario;
use wellstream_replay::trace::{BorrowedRecord, TraceWriter};
use wellstream_replay::verify::Topics;

const EVENTS: u64 = 10_000;
const NAMES: [&str; 2] = ["w", "t"];

/// The first readings of a scenario; `timestamp_ms` says what becomes of Kafka's timestamps.
fn trace(dir: &Path, scenario: &str, timestamp_ms: impl Fn(i64) -> i64) -> PathBuf {
    let path = dir.join("t.avro");
    let generator = Generator::new(Scenario::named(scenario).unwrap(), Setup::default());
    let schemas = generator.setup().schemas.texts().map(|(id, _, text)| (id, text));
    let mut writer = TraceWriter::new(File::create(&path).unwrap(), &schemas).unwrap();
    let mut block = Block::default();
    generator.fill(0..EVENTS, |event| event.sent_ms, &mut block);
    for (offset, record) in (0..).zip(block.records()) {
        let record = BorrowedRecord {
            topic: NAMES[record.partition.side.index()],
            partition: record.partition.number,
            offset,
            timestamp_ms: timestamp_ms(record.timestamp_ms),
            key: Some(record.key),
            value: record.value,
            headers: &[],
        };
        writer.append_borrowed(&record).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn survey(path: &Path, extent: Extent) -> Result<Recording, RecordingError> {
    let topics = Topics { wells: NAMES[0].to_owned(), tanks: NAMES[1].to_owned() };
    Recording::survey(path, &topics, extent, &mut |_| {})
}

#[derive(Debug, PartialEq)]
struct Sent {
    partition: PartitionId,
    timestamp_ms: i64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// All that is sent, and when it is due.
fn sent(recording: &Recording, pace: RecordedPace<'_>) -> (Vec<Sent>, Vec<u64>) {
    let (mut load, mut block) = (RecordedLoad::start(recording, pace).unwrap(), LoadBlock::default());
    let (mut all, mut due) = (Vec::new(), Vec::new());
    loop {
        block.clear();
        load.fill(&mut block).unwrap();
        if block.records.is_empty() {
            return (all, due);
        }
        due.extend(&block.due_ns);
        all.extend(block.records.records().map(|record| Sent {
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: record.key.to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        }));
    }
}

/// A value as text without its event time, and that; `None` where it is to be quarantined.
fn read(schemas: &RecordedSchemas, side: Side, value: Option<&[u8]>) -> Option<(String, i64)> {
    let (id, body) = decode::split_frame(decode::check_value(value).ok()?).ok()?;
    let SchemaLookup::Ready(plan) = schemas.plan(side, id) else { return None };
    let (text, time_ms) = match side {
        Side::Well => {
            let mut well = plan.decode_well(body).ok()?;
            let time_ms = well.timestamp.take();
            (format!("{well:?}"), time_ms)
        }
        Side::Tank => {
            let mut tank = plan.decode_tank(body).ok()?;
            let time_ms = tank.timestamp.take();
            (format!("{tank:?}"), time_ms)
        }
    };
    Some((text, time_ms?)).filter(|(_, time_ms)| *time_ms >= Rules::default().time_ms_min)
}

#[test]
fn each_pass_is_the_first_one_later_and_what_cannot_be_read_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in ["normal", "nulls", "poison", "late", "duplicates"] {
        let path = trace(dir.path(), scenario, |ms| ms);
        let extent = Extent { events: Some(3 * EVENTS), loops: true, ..Extent::default() };
        let recording = survey(&path, extent).unwrap();
        let (all, _) = sent(&recording, RecordedPace::AtOnce);
        assert_eq!((all.len() as u64, recording.events()), (3 * EVENTS, 3 * EVENTS));
        let pass = recording.pass().unwrap();
        assert_eq!(pass.records, EVENTS);
        // 10,000 readings at 4,000 a second of event time, and the seam.
        assert!((3_400..70_000).contains(&pass.shift_ms), "{scenario}: {}", pass.shift_ms);
        let (once, _) = sent(&survey(&path, Extent::default()).unwrap(), RecordedPace::AtOnce);
        let passes: Vec<&[Sent]> = all.chunks(once.len()).collect();
        assert_eq!(passes[0], once);
        let (schemas, mut unreadable) = (recording.reader_schemas(), 0);
        for (number, pass_sent) in (0..).zip(&passes) {
            let shift_ms = number * pass.shift_ms;
            for (sent, first) in pass_sent.iter().zip(&once) {
                assert_eq!((sent.partition, &sent.key), (first.partition, &first.key));
                assert_eq!(sent.timestamp_ms, first.timestamp_ms + shift_ms);
                let side = sent.partition.side;
                match read(&schemas, side, first.value.as_deref()) {
                    Some((text, time_ms)) => {
                        let found = read(&schemas, side, sent.value.as_deref());
                        assert_eq!(found, Some((text, time_ms + shift_ms)));
                    }
                    None => {
                        unreadable += 1;
                        assert_eq!(sent.value, first.value);
                    }
                }
            }
        }
        assert_eq!(unreadable > 0, ["poison", "nulls"].contains(&scenario), "{scenario}: {unreadable}");
    }
}

#[test]
fn a_part_of_a_pass_has_its_own_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = trace(dir.path(), "normal", |ms| ms);
    for events in [1, EVENTS - 1, EVENTS, EVENTS + 1, 2 * EVENTS + 4_321] {
        let recording =
            survey(&path, Extent { events: Some(events), loops: true, ..Extent::default() }).unwrap();
        let (all, _) = sent(&recording, RecordedPace::AtOnce);
        assert_eq!(all.len() as u64, events);
        for (partition, count) in recording.records(recording.partitions()) {
            let found = all.iter().filter(|sent| sent.partition == partition).count() as u64;
            assert_eq!(found, count, "{events}: {partition}");
        }
    }
}

#[test]
fn at_a_speed_times_go_on_behind_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = trace(dir.path(), "normal", |ms| ms);
    let extent = Extent { speed: Some(10.0), seconds: Some(1.0), loops: true, ..Extent::default() };
    let recording = survey(&path, extent).unwrap();
    // 2.5 s and a seam of 1 s, and some disorder, are some 0.4 s at ten times the speed.
    assert!((20_000..=30_000).contains(&recording.events()), "{}", recording.events());
    let (all, due) = sent(&recording, RecordedPace::Speed(10.0));
    assert_eq!((all.len() as u64, due.len()), (recording.events(), all.len()));
    assert!(due.is_sorted() && due.last().unwrap() < &1_000_000_000);
    let shift_ns = u64::try_from(recording.pass().unwrap().shift_ms).unwrap() * 100_000;
    let pass = usize::try_from(EVENTS).unwrap();
    assert!((0..pass).all(|place| due[pass + place] == due[place] + shift_ns));
    assert_eq!(recording.schedule().unwrap().events(), recording.events());
    // Without an end there is no schedule, and without times no speed.
    let endless = Extent { seconds: None, ..extent };
    assert!(matches!(survey(&path, endless), Err(RecordingError::Endless)));
    let path = trace(dir.path(), "normal", |_| -1);
    assert!(matches!(survey(&path, extent), Err(RecordingError::NoTimes)));
    // Those of the readings are enough where nothing is due by its own time.
    let recording = survey(&path, Extent { events: Some(2 * EVENTS), loops: true, ..Extent::default() });
    assert!(recording.unwrap().pass().unwrap().shift_ms > 3_000);
}
