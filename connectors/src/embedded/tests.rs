//! One writer, one reader, in turn and on two threads.

use super::*;

const WELLS: PartitionId = PartitionId { side: Side::Well, number: 0 };

fn read(source: &mut EmbeddedSource, records_max: usize, take: usize) -> (Vec<(i64, Vec<u8>)>, Polled) {
    let mut seen = Vec::new();
    let polled = source
        .poll(WELLS, records_max, &mut |records| {
            let take = take.saturating_sub(seen.len()).min(records.len());
            seen.extend(records[..take].iter().map(|r| (r.offset, r.value.unwrap_or(b"-").to_vec())));
            take
        })
        .unwrap();
    (seen, polled)
}

#[test]
fn records_come_out_in_order_and_refused_ones_are_offered_again() {
    let (log, mut writers) = EmbeddedLog::new(1, 1, 1 << 20);
    for i in 0..3_000_i64 {
        assert_eq!(writers[0].push(i, None, Some(&i.to_be_bytes())), Ok(i));
    }
    writers[0].flush().unwrap();
    let mut source = log.source(&[WELLS]).unwrap();
    let mut expected = 0;
    while expected < 3_000 {
        // Takes 700 of what it is shown, then fewer than it is shown.
        let (seen, polled) = read(&mut source, 1_000, 700);
        assert_eq!(polled.taken, seen.len());
        for (offset, value) in seen {
            assert_eq!(offset, expected);
            assert_eq!(value, expected.to_be_bytes());
            expected += 1;
        }
        assert_eq!(polled.offset_next, Some(expected));
        assert_eq!(polled.log_end, Some(3_000));
    }
    assert_eq!(read(&mut source, 10, 10).1.taken, 0);
    assert_eq!(log.bytes(), 0);
}

#[test]
fn tombstones_and_empty_values_differ() {
    let (log, mut writers) = EmbeddedLog::new(1, 0, 1 << 20);
    writers[0].push(5, Some(b"k"), None).unwrap();
    writers[0].push(6, None, Some(b"")).unwrap();
    writers[0].finish().unwrap();
    let mut source = log.source(&[WELLS]).unwrap();
    let mut seen = Vec::new();
    let mut visit = |records: &[Record<'_>]| {
        seen.extend(
            records.iter().map(|r| (r.timestamp_ms, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec))),
        );
        records.len()
    };
    source.poll(WELLS, 10, &mut visit).unwrap();
    assert_eq!(seen, vec![(5, Some(b"k".to_vec()), None), (6, None, Some(Vec::new()))]);
    assert_eq!(log.finished_at(WELLS), Some(2));
}

#[test]
fn a_full_partition_refuses_until_it_is_read() {
    let (log, mut writers) = EmbeddedLog::new(1, 0, 4 * EMBEDDED_BATCH_BYTES);
    let value = vec![7; 1_000];
    let mut accepted = 0_usize;
    while writers[0].push(0, None, Some(&value)).is_ok() {
        accepted += 1;
    }
    assert!(log.bytes() <= 4 * EMBEDDED_BATCH_BYTES);
    assert!(accepted * 1_000 <= 5 * EMBEDDED_BATCH_BYTES + 1_000, "the open batch and the bound");
    let mut source = log.source(&[WELLS]).unwrap();
    read(&mut source, 1_000, 1_000);
    assert!(writers[0].push(0, None, Some(&value)).is_ok());
}

#[test]
fn a_partition_has_one_reader() {
    let (log, _writers) = EmbeddedLog::new(1, 0, 1);
    let _first = log.source(&[WELLS]).unwrap();
    assert!(log.source(&[WELLS]).unwrap_err().message.contains("another source"));
    assert!(log.source(&[PartitionId { side: Side::Tank, number: 0 }]).is_err());
}

#[test]
fn a_writer_and_a_reader_on_two_threads_agree() {
    let (log, mut writers) = EmbeddedLog::new(1, 0, 1 << 20);
    let mut writer = writers.remove(0);
    let total = 200_000_i64;
    let thread = std::thread::spawn(move || {
        for i in 0..total {
            while writer.push(i, None, Some(&i.to_be_bytes())).is_err() {
                std::thread::yield_now();
            }
        }
        while writer.finish().is_err() {
            std::thread::yield_now();
        }
    });
    let mut source = log.source(&[WELLS]).unwrap();
    let mut next = 0;
    while log.finished_at(WELLS) != Some(next) {
        let mut visit = |records: &[Record<'_>]| {
            for record in records {
                assert_eq!(record.offset, next);
                assert_eq!(record.value, Some(next.to_be_bytes().as_slice()));
                next += 1;
            }
            records.len()
        };
        source.poll(WELLS, 1_024, &mut visit).unwrap();
    }
    thread.join().unwrap();
    assert_eq!(next, total);
}
