//! What is damaged, cut off or something else is an error that says where: never a shorter trace, a panic, or
//! memory without bounds.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::io::Cursor;
use std::path::Path;

use wellstream_replay::trace::{
    ReadOptions, Trace, TraceError, TraceReader, TraceRecord, TraceWriter, read_trace,
};

fn records(count: usize, value_bytes: usize) -> Vec<TraceRecord> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..count)
        .map(|place| TraceRecord {
            topic: ["wells", "tanks"][place % 2].into(),
            partition: u32::try_from(place % 3).unwrap(),
            offset: i64::try_from(place).unwrap(),
            timestamp_ms: 1_700_000_000_000 + i64::try_from(place).unwrap(),
            key: (place % 5 != 0).then(|| b"KEY".to_vec()),
            value: (place % 7 != 0).then(|| (0..value_bytes).map(|_| rng.u8(..)).collect()),
            headers: vec![("name".to_owned(), Some(b"x".to_vec())); place % 4],
        })
        .collect()
}

/// In blocks of so many records.
fn write(records: &[TraceRecord], per_block: usize) -> Vec<u8> {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[(1, "\"int\"".to_owned())]).unwrap();
    for block in records.chunks(per_block) {
        block.iter().for_each(|record| writer.append(record).unwrap());
        writer.flush().unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// By the threads that read ahead.
fn read(file: &[u8], salvage: bool) -> Result<(Vec<TraceRecord>, Option<TraceError>), TraceError> {
    let mut reader =
        TraceReader::start(Cursor::new(file.to_vec()), ReadOptions { salvage, threads: Some(2) })?;
    let mut records = Vec::new();
    while let Some(block) = reader.next_block()? {
        records.extend(block.records().map(|record| record.to_record()));
    }
    // The reader gives its damage by reference: told again as text would lose its kind.
    let damage = reader.damage().map(|damage| match damage {
        TraceError::NeverFinished => TraceError::NeverFinished,
        TraceError::CutOff { block, at } => TraceError::CutOff { block: *block, at: *at },
        TraceError::Incomplete { told, found } => TraceError::Incomplete { told: *told, found: *found },
        other => panic!("{other}"),
    });
    Ok((records, damage))
}

/// Where the blocks begin: behind each marker.
fn block_starts(file: &[u8]) -> Vec<usize> {
    let marker = &file[file.len() - 16..];
    (16..=file.len()).filter(|end| &file[end - 16..*end] == marker).collect()
}

#[test]
fn a_trace_cut_off_at_any_byte_is_an_error_and_its_whole_blocks_can_be_salvaged() {
    let records = records(40, 9);
    let file = write(&records, 10);
    let starts = block_starts(&file);
    assert_eq!((starts.len(), read(&file, false).unwrap().0.len()), (5, 40));
    for cut in 0..file.len() {
        let error = read(&file[..cut], false).unwrap_err();
        let whole = starts.iter().filter(|start| **start <= cut).count();
        match whole {
            0 => assert!(
                matches!(error, TraceError::NotAvro { .. } | TraceError::Header { .. }),
                "cut at {cut}: {error}"
            ),
            whole => {
                let at = starts[whole - 1] as u64;
                let block = whole as u64 - 1;
                match error {
                    TraceError::CutOff { .. } if cut as u64 == at => panic!("cut at {cut}: a block begun"),
                    TraceError::CutOff { block: b, at: a } => assert_eq!((b, a), (block, at), "cut at {cut}"),
                    TraceError::Incomplete { told, found } => {
                        assert_eq!((cut as u64, told, found), (at, 40, 10 * block));
                    }
                    other => panic!("cut at {cut}: {other}"),
                }
                let (found, damage) = read(&file[..cut], true).unwrap();
                assert!(found == records[..10 * (whole - 1)] && damage.is_some(), "cut at {cut}");
            }
        }
        assert!(read_trace(&file[..cut]).is_err(), "cut at {cut}");
    }
}

/// What the recorder leaves when it is killed.
#[test]
fn a_trace_that_was_never_finished_is_refused_unless_it_is_salvaged() {
    let records = records(40, 9);
    let mut out = Cursor::new(Vec::new());
    let mut writer = TraceWriter::new(&mut out, &[]).unwrap();
    for (place, record) in records.iter().enumerate() {
        writer.append(record).unwrap();
        if place == 29 {
            writer.flush().unwrap();
        }
    }
    drop(writer);
    let file = out.into_inner();
    assert!(matches!(read(&file, false), Err(TraceError::NeverFinished)));
    assert!(matches!(read_trace(file.as_slice()), Err(TraceError::NeverFinished)));
    let (found, damage) = read(&file, true).unwrap();
    assert!(found == records[..30] && matches!(damage, Some(TraceError::NeverFinished)));
    let (found, damage) = read(&file[..file.len() - 1], true).unwrap();
    assert!(found.is_empty() && matches!(damage, Some(TraceError::CutOff { block: 0, .. })));
}

/// Any byte may be another: nothing panics, both ways of reading agree, and behind the header no flipped bit
/// passes for another record: the blocks have checksums.
#[test]
fn flipped_bytes_never_panic_and_never_change_a_record() {
    let records = records(60, 40);
    let file = write(&records, 20);
    let begins = block_starts(&file)[0];
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut refused, rounds) = (0, 20_000);
    for round in 0..rounds {
        let mut bad = file.clone();
        let from = if round % 2 == 0 { begins } else { 0 };
        for _ in 0..=round % 3 {
            let at = rng.usize(from..bad.len());
            bad[at] ^= 1 << rng.u8(..8);
        }
        let at_once = read_trace(bad.as_slice());
        refused += usize::from(at_once.is_err());
        if let (Ok(trace), true) = (&at_once, from > 0) {
            assert!(trace.records == records, "round {round}: other records, and no error");
        }
        // Threads for each would take long.
        if round % 20 == 0 {
            match (at_once, read(&bad, false)) {
                (Ok(trace), Ok((records, None))) => assert!(trace.records == records, "round {round}"),
                (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string(), "round {round}"),
                (a, b) => panic!("round {round}: {a:?} and {b:?}"),
            }
        }
    }
    assert!(refused > rounds / 2, "{refused} of {rounds} refused: is anything checked?");
}

/// The header's metadata up to the marker, of a file with the null codec, and its marker.
fn head(codec: &str, schema: &str) -> Vec<u8> {
    let mut head = b"Obj\x01\x04".to_vec();
    for text in ["avro.codec", codec, "avro.schema", schema] {
        put_long(&mut head, i64::try_from(text.len()).unwrap());
        head.extend_from_slice(text.as_bytes());
    }
    head.push(0);
    head.extend_from_slice(&[0xAA; 16]);
    head
}

fn put_long(out: &mut Vec<u8>, long: i64) {
    let mut raw = (long.cast_unsigned() << 1) ^ (long >> 63).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

/// A file of one block that says these two longs and has these bytes.
fn one_block(codec: &str, count: i64, length: i64, bytes: &[u8]) -> Vec<u8> {
    let mut file = head(codec, wellstream_core::schemas::TRACE_RECORD);
    put_long(&mut file, count);
    put_long(&mut file, length);
    file.extend_from_slice(bytes);
    file.extend_from_slice(&[0xAA; 16]);
    file
}

const RECORD: &[u8] = b"\x02t\x00\x00\x00\x00\x00\x00";

#[test]
fn lengths_and_counts_that_lie_are_refused_without_setting_memory_aside() {
    let sound = one_block("null", 1, 8, RECORD);
    assert_eq!(read_trace(sound.as_slice()).unwrap().records.len(), 1);
    assert_eq!(read_trace(one_block("null", 0, 0, b"").as_slice()).unwrap(), Trace::default());
    for (codec, count, length, bytes, part) in [
        ("null", 1, -8, RECORD, "its length is negative"),
        ("null", -1, 8, RECORD, "its number of records is negative"),
        ("null", 1, i64::MAX, RECORD, "larger than 64 MiB"),
        ("null", 1, (64 << 20) + 1, RECORD, "larger than 64 MiB"),
        ("null", 1, 64 << 20, RECORD, "cut off"),
        ("null", 1, 7, RECORD, "marker"),
        ("null", 2, 8, RECORD, "record 1: it ends in the middle"),
        ("null", i64::MAX, 8, RECORD, "record 1: it ends in the middle"),
        ("null", 0, 8, RECORD, "more than its records"),
        ("zstandard", 1, 8, RECORD, "zstandard"),
        ("deflate", 1, 8, RECORD, "deflate"),
        // A topic of 2^62 bytes, a negative one, a partition below 0, a union's third branch, a header count.
        ("null", 1, 10, b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "record 0: it ends in the middle"),
        ("null", 1, 8, b"\x01t\x00\x00\x00\x00\x00\x00", "a length is negative"),
        ("null", 1, 8, b"\x02t\x01\x00\x00\x00\x00\x00", "no partition's number"),
        ("null", 1, 8, b"\x02t\x00\x00\x00\x04\x00\x00", "no such branch"),
        ("null", 1, 8, b"\x02t\x00\x00\x00\x00\x00\x7F", "it ends in the middle"),
        ("null", 1, 8, b"\x02\xFF\x00\x00\x00\x00\x00\x00", "not UTF-8"),
    ] {
        let error = read_trace(one_block(codec, count, length, bytes).as_slice()).unwrap_err().to_string();
        assert!(error.contains(part), "{codec} {count} {length}: {error}");
        let place = if part == "marker" { "block 0, which begins at byte" } else { "block 0" };
        assert!(error.contains(place), "{error}");
    }
    // A header whose length says 2^60.
    let mut long = b"Obj\x01\x02".to_vec();
    put_long(&mut long, 1 << 60);
    let error = read_trace(long.as_slice()).unwrap_err();
    assert!(matches!(error, TraceError::Header { .. }), "{error}");
}

/// A few bytes that zstd or deflate blow up beyond the limit.
#[test]
fn a_block_that_unpacks_to_more_than_a_block_may_hold_is_refused() {
    let zeros = vec![0; 65 << 20];
    let told = zstd::bulk::compress(&zeros, 1).unwrap();
    let untold = zstd::encode_all(zeros.as_slice(), 1).unwrap();
    let deflated = miniz_oxide::deflate::compress_to_vec(&zeros, 1);
    for (codec, bytes) in [("zstandard", told), ("zstandard", untold), ("deflate", deflated)] {
        let length = i64::try_from(bytes.len()).unwrap();
        let error = read_trace(one_block(codec, 1, length, &bytes).as_slice()).unwrap_err();
        assert!(matches!(error, TraceError::Damaged { block: 0, .. }), "{error}");
    }
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for (file, part) in [
        (b"".as_slice(), "the file is empty"),
        (b"{}", "no Avro object container file"),
        (png, "no Avro object container file"),
        (b"Obj\x02", "no Avro object container file"),
        (b"Obj\x01", "the file ends here"),
        (&head("snappy", wellstream_core::schemas::TRACE_RECORD), "its codec is snappy"),
        (
            &head("null", r#"{"type":"record","name":"X","fields":[{"name":"a","type":"int"}]}"#),
            "no field topic",
        ),
        (&head("null", "\"int\""), "not a record"),
        (&head("null", "{"), "its schema"),
    ] {
        let error = read_trace(file).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = TraceReader::open(Path::new("/"), ReadOptions::default()).err().unwrap();
    assert!(matches!(error, TraceError::Io(_)), "{error}");
    assert!(TraceReader::open(Path::new("no/such/file"), ReadOptions::default()).is_err());
}

#[test]
fn a_record_that_no_reader_would_take_is_not_written() {
    let mut writer = TraceWriter::new(Cursor::new(Vec::new()), &[]).unwrap();
    let mut record = records(1, 1).remove(0);
    record.value = Some(vec![0; 33 << 20]);
    assert!(matches!(writer.append(&record), Err(TraceError::TooLarge { .. })));
    record.value = None;
    record.partition = u32::MAX;
    assert!(matches!(writer.append(&record), Err(TraceError::Partition { .. })));
    record.partition = 0;
    writer.append(&record).unwrap();
    let file = writer.finish().unwrap().into_inner();
    assert_eq!(read_trace(file.as_slice()).unwrap().records, [record]);
}
