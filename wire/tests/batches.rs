//! Batches against another implementation of them, and against damage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record as Theirs, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use wellstream_wire::batch::{
    Aborted, BatchError, BatchWriter, Batches, Compression, Crc, Stamp, Unpacker, Verdict,
};

/// A record that owns what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn random_bytes(rng: &mut Rng) -> Option<Vec<u8>> {
    let length = match rng.u8(..10) {
        0 => return None,
        1 => 0,
        2 => rng.usize(..5_000),
        _ => rng.usize(..200),
    };
    // Few letters, so that there is something to pack.
    Some((0..length).map(|_| b"abcd\0"[rng.usize(..5)]).collect())
}

fn random_records(rng: &mut Rng) -> Vec<Plain> {
    let base_ms = 1_700_000_000_000 + rng.i64(..1 << 40);
    (0..rng.i64(1..80))
        .map(|offset| Plain {
            offset,
            timestamp_ms: base_ms + rng.i64(-5_000..100_000),
            key: random_bytes(rng),
            value: random_bytes(rng),
            headers: (0..rng.usize(..4)).map(|n| (format!("name {n}"), random_bytes(rng))).collect(),
        })
        .collect()
}

fn random_stamp(rng: &mut Rng) -> Stamp {
    if rng.bool() {
        return Stamp::default();
    }
    Stamp {
        producer_id: rng.i64(0..),
        producer_epoch: rng.i16(0..),
        base_sequence: rng.i32(0..1 << 20),
        transactional: rng.bool(),
    }
}

fn written(records: &[Plain], compression: Compression, stamp: Stamp) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        writer.push(record.timestamp_ms, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    assert_eq!(writer.len(), records.len());
    let mut out = Vec::new();
    writer.finish(compression, stamp, &mut out).unwrap();
    assert!(writer.is_empty());
    out
}

fn read(bytes: &[u8], crc: Crc) -> Result<Vec<Plain>, BatchError> {
    let (mut all, mut unpacker) = (Vec::new(), Unpacker::default());
    for batch in Batches::new(bytes, crc) {
        for record in batch?.records(&mut unpacker)? {
            let record = record?;
            let headers = record.headers.clone().map(|header| {
                let header = header?;
                let name = String::from_utf8_lossy(header.key).into_owned();
                Ok((name, header.value.map(<[u8]>::to_vec)))
            });
            all.push(Plain {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: headers.collect::<Result<_, BatchError>>()?,
            });
        }
    }
    Ok(all)
}

fn their_compression(compression: Compression) -> TheirCompression {
    match compression {
        Compression::None => TheirCompression::None,
        Compression::Gzip => TheirCompression::Gzip,
        Compression::Snappy => TheirCompression::Snappy,
        Compression::Lz4 => TheirCompression::Lz4,
        Compression::Zstd => TheirCompression::Zstd,
    }
}

fn to_theirs(record: &Plain, stamp: Stamp) -> Theirs {
    let headers: IndexMap<StrBytes, Option<Bytes>> = record
        .headers
        .iter()
        .map(|(name, value)| (StrBytes::from_string(name.clone()), value.clone().map(Bytes::from)))
        .collect();
    Theirs {
        transactional: stamp.transactional,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: stamp.producer_id,
        producer_epoch: stamp.producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: record.offset,
        sequence: stamp.base_sequence.wrapping_add(i32::try_from(record.offset).unwrap()),
        timestamp: record.timestamp_ms,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers,
    }
}

fn from_theirs(record: &Theirs) -> Plain {
    Plain {
        offset: record.offset,
        timestamp_ms: record.timestamp,
        key: record.key.as_ref().map(|bytes| bytes.to_vec()),
        value: record.value.as_ref().map(|bytes| bytes.to_vec()),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_ref().map(|bytes| bytes.to_vec())))
            .collect(),
    }
}

#[test]
fn differential_what_we_write_kafka_protocol_reads() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let (records, stamp) = (random_records(&mut rng), random_stamp(&mut rng));
        for compression in Compression::ALL {
            let bytes = written(&records, compression, stamp);
            assert_eq!(read(&bytes, Crc::Checked).as_ref(), Ok(&records), "seed {seed}, {compression:?}");
            let theirs = RecordBatchDecoder::decode(&mut Bytes::from(bytes)).unwrap().records;
            let read: Vec<_> = theirs.iter().map(from_theirs).collect();
            assert_eq!(read, records, "seed {seed}, {compression:?}");
            assert_eq!(theirs[0].producer_id, stamp.producer_id);
            assert_eq!(theirs[0].transactional, stamp.transactional);
        }
    }
}

#[test]
fn differential_what_kafka_protocol_writes_we_read() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let (records, stamp) = (random_records(&mut rng), random_stamp(&mut rng));
        let theirs: Vec<_> = records.iter().map(|record| to_theirs(record, stamp)).collect();
        for compression in Compression::ALL {
            let options = RecordEncodeOptions { version: 2, compression: their_compression(compression) };
            let mut bytes = BytesMut::new();
            RecordBatchEncoder::encode(&mut bytes, theirs.iter(), &options).unwrap();
            assert_eq!(read(&bytes, Crc::Checked).as_ref(), Ok(&records), "seed {seed}, {compression:?}");
        }
    }
}

#[test]
fn a_response_may_end_anywhere_in_a_batch() {
    let mut rng = Rng::with_seed(3);
    let (first, second) = (random_records(&mut rng), random_records(&mut rng));
    let whole = written(&first, Compression::None, Stamp::default());
    let both = [&whole[..], &written(&second, Compression::Zstd, Stamp::default())].concat();
    for end in whole.len()..both.len() {
        let mut batches = Batches::new(&both[..end], Crc::Checked);
        assert!(batches.next().unwrap().is_ok());
        assert!(batches.next().is_none(), "{end}");
        assert_eq!(batches.cut_bytes(), end - whole.len());
    }
    assert_eq!(read(&both, Crc::Checked).unwrap().len(), first.len() + second.len());
}

/// Every single bit that is turned over is noticed; without the checksum none makes the reader panic, or read
/// beyond what is there.
#[test]
fn damage_is_an_error_and_never_a_panic() {
    let mut rng = Rng::with_seed(7);
    for compression in Compression::ALL {
        let records = random_records(&mut rng);
        let bytes = written(&records, compression, Stamp::default());
        for bit in 0..(8 * bytes.len()).min(20_000) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            drop(read(&damaged, Crc::Trusted));
            // Offset, length, leader's epoch and format stand before what the checksum covers.
            if bit / 8 >= 17 {
                assert!(read(&damaged, Crc::Checked).is_err(), "{compression:?}, bit {bit}");
            }
        }
    }
}

#[test]
fn what_is_too_large_when_unpacked_is_refused() {
    let mut writer = BatchWriter::default();
    writer.push(0, None, Some(&[0; 100_000]), &[]);
    let zeros = writer.clone();
    for compression in Compression::ALL.into_iter().skip(1) {
        let mut bytes = Vec::new();
        let mut writer = zeros.clone();
        writer.finish(compression, Stamp::default(), &mut bytes).unwrap();
        let batch = Batches::new(&bytes, Crc::Checked).next().unwrap().unwrap();
        assert!(batch.records(&mut Unpacker::new(100_100)).is_ok());
        let refused = batch.records(&mut Unpacker::new(99_999)).unwrap_err();
        assert_eq!(refused, BatchError::Unpack { what: compression.name(), bytes_max: 99_999 });
    }
}

#[test]
fn old_formats_are_named() {
    let mut bytes = written(&random_records(&mut Rng::with_seed(1)), Compression::None, Stamp::default());
    bytes[16] = 1;
    let refused = Batches::new(&bytes, Crc::Checked).next().unwrap().unwrap_err();
    assert_eq!(refused, BatchError::Format { magic: 1 });
    assert!(BatchWriter::default().finish(Compression::None, Stamp::default(), &mut bytes).is_err());
}

/// Offsets as a broker gives them, since only the first eight bytes are its.
fn at(offset: i64, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes
}

/// A batch of a producer's transaction, of two records.
fn of_transaction(offset: i64, producer_id: i64, transactional: bool) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    writer.push(0, None, Some(b"one"), &[]);
    writer.push(0, None, Some(b"two"), &[]);
    let stamp = Stamp { producer_id, producer_epoch: 0, base_sequence: 0, transactional };
    let mut bytes = Vec::new();
    writer.finish(Compression::None, stamp, &mut bytes).unwrap();
    at(offset, bytes)
}

/// The marker that ends a producer's transaction.
fn marker(offset: i64, producer_id: i64, commits: bool) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    writer.push(0, Some(&[0, 0, 0, u8::from(commits)]), Some(&[0; 6]), &[]);
    let stamp = Stamp { producer_id, producer_epoch: 0, base_sequence: -1, transactional: true };
    let mut bytes = Vec::new();
    writer.finish(Compression::None, stamp, &mut bytes).unwrap();
    // The bit that makes it a control batch, and the checksum over it.
    bytes[22] |= 1 << 5;
    let crc = crc32c::crc32c(&bytes[21..]).to_be_bytes();
    bytes[17..21].copy_from_slice(&crc);
    at(offset, bytes)
}

#[test]
fn batches_of_aborted_transactions_are_left_out_up_to_their_marker() {
    // Producer 1 aborts, then commits; 2 commits around it; 3 is in no transaction; 1 aborts once more.
    let log = [
        of_transaction(0, 1, true),
        of_transaction(2, 2, true),
        of_transaction(4, 3, false),
        of_transaction(6, 1, true),
        marker(8, 1, false),
        of_transaction(9, 1, true),
        marker(11, 1, true),
        marker(12, 2, true),
        of_transaction(13, 1, true),
        marker(15, 1, false),
        of_transaction(16, 2, true),
    ]
    .concat();
    // As a broker tells them, in no order that is promised.
    let mut aborted = Aborted::new([(1, 13), (1, 0)]);
    let judged: Vec<_> = Batches::new(&log, Crc::Checked)
        .map(|batch| {
            let batch = batch.unwrap();
            (batch.base_offset(), aborted.judge(&batch).unwrap() == Verdict::Read)
        })
        .collect();
    let expected = [
        (0, false),
        (2, true),
        (4, true),
        (6, false),
        (8, false),
        (9, true),
        (11, false),
        (12, false),
        (13, false),
        (15, false),
        (16, true),
    ];
    assert_eq!(judged, expected);
    let markers: Vec<_> = Batches::new(&log, Crc::Checked)
        .map(Result::unwrap)
        .filter(|batch| batch.is_control())
        .map(|batch| batch.commits().unwrap())
        .collect();
    assert_eq!(markers, [false, true, true, false]);
}

/// The fuzzer's seeds: every codec, with headers and nulls, and a log with aborted transactions. Does nothing
/// unless asked: `scripts/fuzz` names the folder.
#[test]
fn writes_the_seeds() {
    let Ok(folder) = std::env::var("FUZZ_CORPUS") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: String, bytes: &[u8]| std::fs::write(format!("{folder}/{name}"), bytes).unwrap();
    for seed in 0..8 {
        let mut rng = Rng::with_seed(seed);
        let records = random_records(&mut rng);
        for compression in Compression::ALL {
            let bytes = written(&records, compression, random_stamp(&mut rng));
            write(format!("{}-{seed}", compression.name()), &bytes);
        }
    }
    let log =
        [of_transaction(0, 0, true), marker(2, 0, false), of_transaction(3, 1, true), marker(5, 1, true)];
    write("transactions".to_owned(), &log.concat());
}
