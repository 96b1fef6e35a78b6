//! Topics read by the native client and by librdkafka: both show the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::native::choice::{ClientChoice, Reader};
use wellstream_connectors::native::either::EitherCapture;

const BOTH: [ClientChoice; 2] = [ClientChoice::Native, ClientChoice::Rdkafka];

/// What was shown of a record.
type Shown = (String, u32, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn open(
    choice: ClientChoice,
    connection: &Connection,
    topics: &[String],
    from: From,
    ends: bool,
) -> EitherCapture {
    let reader = Reader::choose(connection.settings(), choice).unwrap();
    reader.capture(connection, topics, from, ends).unwrap()
}

/// Everything until `is_over`, in offset order within each partition.
fn shown(
    capture: &mut EitherCapture,
    is_over: &mut dyn FnMut(&mut EitherCapture, usize) -> bool,
) -> Vec<Shown> {
    let (mut all, clock) = (Vec::new(), MachineClock::start());
    while !is_over(capture, all.len()) {
        assert!(clock.elapsed() < Duration::from_secs(30), "no end after {} records", all.len());
        let polled = capture.poll(&mut |record| {
            let headers =
                record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)));
            all.push((
                record.topic.to_owned(),
                record.partition,
                record.offset,
                record.timestamp_ms,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                headers.collect(),
            ));
            ControlFlow::Continue(())
        });
        polled.unwrap();
    }
    all.sort();
    all
}

fn put(producer: &BaseProducer, topic: &str, number: i64) {
    let (key, value) = (format!("k{number}"), vec![b'v'; usize::try_from(number % 400).unwrap()]);
    let headers = OwnedHeaders::new().insert(Header { key: "n", value: Some(&key) });
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic)
        .partition(i32::try_from(number % 3).unwrap())
        .timestamp(live::now_ms() + number)
        .key(&key);
    record.payload = (number % 9 != 0).then_some(&value[..]);
    record.headers = (number % 2 == 0).then_some(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Committed and aborted transactions, and records of none, to two topics.
fn fill(connection: &Connection, topics: &[String], transactional_id: &str) {
    let plain = live::producer(connection.settings(), &[]);
    let producer = live::producer(connection.settings(), &[("transactional.id", transactional_id)]);
    let time = Duration::from_secs(30);
    producer.init_transactions(time).unwrap();
    for turn in 0..6_i64 {
        producer.begin_transaction().unwrap();
        for number in 0..500 {
            put(&producer, &topics[usize::try_from(number % 2).unwrap()], turn * 1_000 + number);
        }
        live::flush(&producer);
        if turn % 3 == 1 { producer.abort_transaction(time) } else { producer.commit_transaction(time) }
            .unwrap();
        for number in 0..50 {
            put(&plain, &topics[0], 10_000 + turn * 1_000 + number);
        }
        live::flush(&plain);
    }
}

#[test]
fn differential_both_clients_show_the_same_committed_records() {
    let Some((connection, settings, names)) = live::prepared("capture", 3) else { return };
    let topics = [names.enriched.clone(), names.wells];
    fill(&connection, &topics, &settings.group);
    for from in [From::Earliest, From::Time(live::now_ms() + 3_000)] {
        let [ours, theirs] = BOTH.map(|choice| {
            let mut capture = open(choice, &connection, &topics, from, true);
            shown(&mut capture, &mut |capture, _| capture.is_done())
        });
        let expected = if from == From::Earliest { 4 * 500 + 6 * 50 } else { 500 };
        assert!(theirs.len() >= expected, "{} records from {from:?}", theirs.len());
        assert_eq!(ours.len(), theirs.len(), "{from:?}");
        assert_eq!(ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs), None, "{from:?}");
    }
}

/// As the watcher does: from the ends on, what comes, and then to the ends as of then.
#[test]
fn both_clients_show_what_comes_from_the_ends_on_and_then_end() {
    let Some((connection, settings, names)) = live::prepared("capture-live", 3) else { return };
    let topics = [names.enriched.clone(), names.wells];
    fill(&connection, &topics, &settings.group);
    let mut captures = BOTH.map(|choice| open(choice, &connection, &topics, From::Latest, false));
    for capture in &mut captures {
        assert!(
            shown(capture, &mut |capture, _| {
                capture.poll(&mut |_| panic!("before the end")).unwrap();
                true
            })
            .is_empty()
        );
    }
    fill(&connection, &topics, &settings.group);
    let [ours, theirs] = captures.each_mut().map(|capture| {
        let mut first = shown(capture, &mut |_, count| count > 100);
        assert!(!capture.is_done(), "it has no end yet");
        capture.end_here(&connection).unwrap();
        // What librdkafka tells of an end that was asked for on the way is no proof of it: markers stand
        // there.
        let (is_native, before) = (matches!(capture, EitherCapture::Native(_)), first.len());
        first.extend(shown(capture, &mut |capture, count| match is_native {
            true => capture.is_done(),
            false => before + count >= 2_300,
        }));
        first.sort();
        first
    });
    assert_eq!((ours.len(), theirs.len()), (2_300, 2_300));
    assert_eq!(ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs), None);
}

/// Whoever has seen enough gets the rest later.
#[test]
fn a_visit_that_breaks_loses_and_repeats_nothing() {
    let Some((connection, settings, names)) = live::prepared("capture-break", 3) else { return };
    let topics = [names.enriched.clone(), names.wells];
    fill(&connection, &topics, &settings.group);
    for choice in BOTH {
        let mut capture = open(choice, &connection, &topics, From::Earliest, true);
        let mut seen = Vec::new();
        while !capture.is_done() {
            let polled = capture.poll(&mut |record| {
                seen.push((record.topic.to_owned(), record.partition, record.offset));
                if seen.len() % 7 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            polled.unwrap();
        }
        seen.sort();
        let count = seen.len();
        seen.dedup();
        assert_eq!((seen.len(), count), (2_300, 2_300), "{choice:?}");
    }
}
