//! Answers to fetches, walked as the fetcher walks them: whatever is taken at a time, the same records come,
//! and what a broker sends that is no answer ends in an error.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

use bytes::Bytes;
use fastrand::Rng;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchResponse, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use wellstream_wire::batch::{BatchWriter, Compression, Stamp};
use wellstream_wire::fetch::{VERSION_MAX, VERSION_MIN, rehearse};

/// A batch at this offset, its records' values numbered by their offsets.
fn batch(offset: i64, records: i64, compression: Compression, producer_id: i64) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for offset in offset..offset + records {
        writer.push(offset, None, Some(&offset.to_be_bytes()), &[]);
    }
    let transactional = producer_id >= 0;
    let stamp = Stamp { producer_id, producer_epoch: 0, base_sequence: 0, transactional };
    let mut bytes = Vec::new();
    writer.finish(compression, stamp, &mut bytes).unwrap();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes
}

/// The marker that ends a producer's transaction.
fn marker(offset: i64, producer_id: i64, commits: bool) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    writer.push(0, Some(&[0, 0, 0, u8::from(commits)]), Some(&[0; 6]), &[]);
    let stamp = Stamp { producer_id, producer_epoch: 0, base_sequence: -1, transactional: true };
    let mut bytes = Vec::new();
    writer.finish(Compression::None, stamp, &mut bytes).unwrap();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    // The attributes' control bit; the checksum covers it.
    bytes[22] |= 1 << 5;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// What an answer has of a partition: aborted transactions and batches.
type Sent = (Vec<(i64, i64)>, Vec<u8>);

/// An answer with these partitions.
fn answer(version: i16, partitions: &[Sent]) -> Bytes {
    let parts = partitions.iter().zip(0..).map(|((aborted, records), number)| {
        let aborted = aborted.iter().map(|(producer_id, first)| {
            AbortedTransaction::default().with_producer_id((*producer_id).into()).with_first_offset(*first)
        });
        PartitionData::default()
            .with_partition_index(number)
            .with_last_stable_offset(1_000_000)
            .with_aborted_transactions(Some(aborted.collect()))
            .with_records(Some(Bytes::from(records.clone())))
    });
    let topic = FetchableTopicResponse::default().with_partitions(parts.collect());
    let topic = match version {
        13.. => topic.with_topic_id(uuid::Uuid::from_u128(7)),
        _ => topic.with_topic(TopicName(StrBytes::from_static_str("t"))),
    };
    let mut bytes = Vec::new();
    ResponseHeader::default().encode(&mut bytes, FetchResponse::header_version(version)).unwrap();
    FetchResponse::default().with_responses(vec![topic]).encode(&mut bytes, version).unwrap();
    bytes.into()
}

/// A partition's log from offset 0 on, with all codecs, gaps, and transactions of three producers.
#[derive(Default)]
struct Log {
    /// Batches, each with the offset behind it.
    batches: Vec<(Vec<u8>, i64)>,
    /// What a reader of committed records is to see.
    readable: Vec<i64>,
    /// Aborted transactions: producer, first offset, the marker's offset.
    aborted: Vec<(i64, i64, i64)>,
    end: i64,
}

impl Log {
    fn random(rng: &mut Rng) -> Log {
        let mut log = Log::default();
        // By producer: where its open transaction began, and what it has written.
        let mut open: [Option<(i64, Vec<i64>)>; 3] = [None, None, None];
        for _ in 0..rng.usize(1..40) {
            let compression = Compression::ALL[rng.usize(..Compression::ALL.len())];
            let (kind, producer) = (rng.u8(0..4), rng.usize(0..3));
            let id = i64::try_from(producer).unwrap();
            if kind == 3 {
                let commits = rng.bool();
                log.close(id, open[producer].take(), commits);
                continue;
            }
            let first = log.end + if rng.u8(..) < 40 { rng.i64(1..50) } else { 0 };
            let end = first + rng.i64(1..60);
            let is_transactional = kind == 2;
            let bytes = batch(first, end - first, compression, if is_transactional { id } else { -1 });
            log.batches.push((bytes, end));
            log.end = end;
            match is_transactional {
                true => open[producer].get_or_insert((first, Vec::new())).1.extend(first..end),
                false => log.readable.extend(first..end),
            }
        }
        // What is still open lies beyond the last stable offset: a broker would not send it. It ends here.
        for (producer, open) in open.into_iter().enumerate() {
            log.close(i64::try_from(producer).unwrap(), open, true);
        }
        log.readable.sort_unstable();
        log
    }

    fn close(&mut self, producer: i64, open: Option<(i64, Vec<i64>)>, commits: bool) {
        let Some((first, written)) = open else { return };
        match commits {
            true => self.readable.extend(written),
            false => self.aborted.push((producer, first, self.end)),
        }
        self.batches.push((marker(self.end, producer, commits), self.end + 1));
        self.end += 1;
    }

    /// What a broker sends from an offset on: batches from the one that holds it, and the aborted
    /// transactions that reach so far.
    fn sent(&self, from: i64) -> Sent {
        let aborted = self.aborted.iter().filter(|(_, _, marker)| *marker >= from);
        let batches = self.batches.iter().filter(|(_, end)| *end > from);
        let aborted = aborted.map(|(producer, first, _)| (*producer, *first)).collect();
        (aborted, batches.flat_map(|(bytes, _)| bytes.iter().copied()).collect())
    }
}

#[test]
fn however_few_are_taken_at_a_time_the_same_records_come_and_only_committed_ones() {
    let mut seed_rng = Rng::with_seed(6);
    for _ in 0..300 {
        let seed = seed_rng.u64(..);
        let mut rng = Rng::with_seed(seed);
        let log = Log::random(&mut rng);
        let from = rng.i64(0..=log.end);
        let version = rng.i16(VERSION_MIN..=VERSION_MAX);
        let frame = answer(version, &[log.sent(from)]);
        let expected: Vec<_> = log.readable.iter().copied().filter(|offset| *offset >= from).collect();
        for take in [1, 7, 1_000_000] {
            let mut seen = Vec::new();
            let ends = rehearse(&frame, version, from, take, &mut |partition, record| {
                assert_eq!((partition, record.timestamp_ms), (0, record.offset));
                assert_eq!(record.value, Some(&record.offset.to_be_bytes()[..]));
                seen.push(record.offset);
            });
            assert_eq!(ends, Ok(vec![Ok(log.end)]), "seed {seed}, {take} at a time");
            assert_eq!(seen, expected, "seed {seed}, {take} at a time");
        }
    }
}

#[test]
fn what_is_cut_off_comes_again_and_what_goes_back_is_an_error() {
    let log = [batch(0, 10, Compression::None, -1), batch(10, 10, Compression::Zstd, -1)].concat();
    for cut in 0..log.len() {
        let mut seen = 0;
        let frame = answer(16, &[(Vec::new(), log[..cut].to_vec())]);
        let ends = rehearse(&frame, 16, 0, 4, &mut |_, _| seen += 1).unwrap();
        let first = batch(0, 10, Compression::None, -1).len();
        let expected = if cut < first { 0 } else { 10 };
        assert_eq!((&ends[0], seen), (&Ok(expected), expected), "{cut}");
    }
    let back = [batch(0, 10, Compression::None, -1), batch(9, 10, Compression::None, -1)].concat();
    let mut seen = 0;
    let ends = rehearse(&answer(12, &[(Vec::new(), back)]), 12, 0, 99, &mut |_, _| seen += 1).unwrap();
    assert_eq!((seen, ends[0].is_err()), (10, true));
}

#[test]
fn a_damaged_answer_never_shows_a_record_below_the_offset_and_never_panics() {
    for seed in 0..3_000 {
        let mut rng = Rng::with_seed(seed);
        let version = rng.i16(VERSION_MIN..=VERSION_MAX);
        let mut bytes = seed_answer(&mut rng, version).to_vec();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        let take = rng.usize(1..20);
        let ends = rehearse(&bytes.into(), version, 5, take, &mut |_, record| assert!(record.offset >= 5));
        for end in ends.into_iter().flatten().flatten() {
            assert!(end >= 5, "seed {seed}");
        }
    }
}

fn seed_answer(rng: &mut Rng, version: i16) -> Bytes {
    let head = batch(0, 10, Compression::Lz4, -1);
    answer(version, &[Log::random(rng).sent(5), (Vec::new(), head)])
}

/// The fuzzer's seeds: every version. Does nothing unless asked: `scripts/fuzz` names the folder.
#[test]
fn writes_the_seeds() {
    let Ok(folder) = std::env::var("FUZZ_CORPUS") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for version in VERSION_MIN..=VERSION_MAX {
        for seed in 0..4 {
            let frame = seed_answer(&mut Rng::with_seed(seed), version);
            let [chosen, _] = (version - VERSION_MIN).to_le_bytes();
            let bytes = [&[chosen, 9], &frame[..]].concat();
            std::fs::write(format!("{folder}/v{version}-{seed}"), bytes).unwrap();
        }
    }
}
