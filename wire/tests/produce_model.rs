//! The producer's state against a model of brokers, with answers delayed, lost and wrong, connections that
//! break, leaders that move, and processes that are killed.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::time::Duration;

use fastrand::Rng;
use wellstream_wire::batch::BatchWriter;
use wellstream_wire::produce::{
    Appended, End, GroupOffsets, OffsetPlace, OwnRecord, Phase, ProduceSettings, ProducerState,
};

#[path = "produce/broker.rs"]
mod broker;
#[path = "produce/network.rs"]
mod network;

use broker::Broker;
use network::{Network, TIMEOUT_NS, Trouble};

const PARTITIONS: usize = 3;

const CALM: Trouble = Trouble { breaks: 0, moves: 0, retriable: 0, any_code: 0 };
const ROUGH: Trouble = Trouble { breaks: 15, moves: 5, retriable: 30, any_code: 0 };
const HOSTILE: Trouble = Trouble { breaks: 20, moves: 5, retriable: 40, any_code: 15 };

/// How the transactions of a history ended.
#[derive(Debug, Default)]
struct Ends {
    committed: u32,
    aborted: u32,
    unknown: u32,
    failed: u32,
    killed: u32,
}

fn settings(transactional: bool) -> ProduceSettings {
    ProduceSettings {
        transactional_id: transactional.then(|| "model".to_owned()),
        transaction_timeout: Duration::from_nanos(TIMEOUT_NS),
        delivery_timeout: Duration::from_nanos(TIMEOUT_NS),
        end_timeout: Duration::from_secs(3),
        batch_bytes: 200,
        ..ProduceSettings::default()
    }
}

fn fresh(newer: bool) -> ProducerState {
    let mut producer = ProducerState::new(settings(true));
    producer.add_topic("out", i32::try_from(PARTITIONS).unwrap(), usize::MAX);
    producer.set_transaction_version(if newer { 2 } else { 0 });
    producer
}

/// Runs transactions until so many records were committed, or a bound of steps. Record n goes to partition
/// n % 3; each transaction commits the number of the next one.
fn history(seed: u64, newer: bool, trouble: Trouble, kills: bool) -> Ends {
    let mut rng = Rng::with_seed(seed);
    let mut network = Network::new(Broker::new(newer, PARTITIONS), trouble);
    let (mut producer, mut ends) = (fresh(newer), Ends::default());
    for _ in 0..40 {
        if !await_ready(&mut network, &mut producer, &mut rng, seed) {
            ends.failed += 1;
            network.kill(&mut rng);
            producer = fresh(newer);
            continue;
        }
        assert!(!network.broker.is_open(), "seed {seed}: a ready producer has nothing open behind it");
        let from = network.broker.committed;
        let to = from + rng.i64(0..120);
        let killed = kills && rng.u8(..10) == 0;
        match transaction(&mut network, &mut producer, &mut rng, (from, to), killed, seed) {
            Some(End::Committed) => {
                ends.committed += 1;
                assert_eq!(network.broker.committed, to, "seed {seed}: said to be committed");
            }
            Some(End::Aborted) => {
                ends.aborted += 1;
                assert_eq!(network.broker.committed, from, "seed {seed}: said to be aborted");
            }
            Some(End::Unknown) => {
                ends.unknown += 1;
                network.kill(&mut rng);
                producer = fresh(newer);
            }
            None if killed => {
                ends.killed += 1;
                network.kill(&mut rng);
                producer = fresh(newer);
            }
            None => {
                ends.failed += 1;
                network.kill(&mut rng);
                producer = fresh(newer);
            }
        }
    }
    while !await_ready(&mut network, &mut producer, &mut rng, seed) {
        network.kill(&mut rng);
        producer = fresh(newer);
    }
    let committed = u64::try_from(network.broker.committed).unwrap();
    for place in 0..PARTITIONS {
        let expected: Vec<u64> = (0..committed).filter(|n| n % 3 == place as u64).collect();
        assert_eq!(network.broker.visible(place), expected, "seed {seed}, partition {place}");
    }
    ends
}

/// Whether it became ready, and did not fail.
fn await_ready(network: &mut Network, producer: &mut ProducerState, rng: &mut Rng, seed: u64) -> bool {
    for _ in 0..200_000 {
        match producer.phase() {
            Phase::Ready => return true,
            Phase::FatalError(_) => return false,
            Phase::Uninitialized => producer.init(),
            _ => {}
        }
        network.step(producer, rng);
    }
    panic!("seed {seed}: never ready: {:?}", producer.phase());
}

/// One transaction; `None` if the process was killed in it, or the producer failed.
fn transaction(
    network: &mut Network,
    producer: &mut ProducerState,
    rng: &mut Rng,
    (from, to): (i64, i64),
    killed: bool,
    seed: u64,
) -> Option<End> {
    producer.begin(network.now_ns);
    for number in from..to {
        let value = u64::try_from(number).unwrap().to_be_bytes();
        let place = usize::try_from(number).unwrap() % PARTITIONS;
        let record = OwnRecord::Framed(b"key", [&value, b"body"]);
        while producer.append(place, 1, record, network.now_ns) == Appended::Full {
            network.step(producer, rng);
        }
        if rng.u8(..4) == 0 {
            network.step(producer, rng);
        }
        if killed && rng.i64(from..to) == number {
            return None;
        }
    }
    let place = OffsetPlace { topic: "in".into(), partition: 0, offset_next: to, metadata: "m".into() };
    let offsets =
        GroupOffsets { group: "g".into(), generation: -1, places: vec![place], ..Default::default() };
    producer.commit(Some(offsets), network.now_ns);
    for _ in 0..200_000 {
        if let Some(end) = producer.take_end() {
            return Some(end);
        }
        if matches!(producer.phase(), Phase::FatalError(_)) || killed && rng.u8(..50) == 0 {
            return None;
        }
        network.step(producer, rng);
    }
    panic!("seed {seed}: no end: {:?}", producer.phase());
}

fn add(sum: &mut Ends, ends: &Ends) {
    sum.committed += ends.committed;
    sum.aborted += ends.aborted;
    sum.unknown += ends.unknown;
    sum.failed += ends.failed;
    sum.killed += ends.killed;
}

#[test]
fn on_a_calm_network_every_transaction_is_committed() {
    for newer in [false, true] {
        let ends = history(1, newer, CALM, false);
        assert_eq!((ends.committed, ends.aborted + ends.unknown + ends.failed), (40, 0), "{ends:?}");
    }
}

/// Each batch of a committed transaction is in once and in order, nothing of an aborted one is, and no end is
/// said to be what it is not.
#[test]
fn committed_is_once_and_in_order_aborted_is_not_there_whatever_breaks() {
    for newer in [false, true] {
        for (trouble, kills) in [(ROUGH, false), (ROUGH, true), (HOSTILE, true)] {
            let mut sum = Ends::default();
            for seed in 0..300 {
                add(&mut sum, &history(seed, newer, trouble, kills));
            }
            // Trouble that never hits shows nothing; trouble that always does neither.
            assert!(sum.committed > 1_000, "newer {newer}: {sum:?}");
            assert!(!kills || sum.killed > 100, "newer {newer}: {sum:?}");
            assert!(trouble.any_code == 0 || sum.aborted > 50 && sum.failed > 50, "newer {newer}: {sum:?}");
        }
    }
}

/// Without transactions: every record once and in order, through broken connections and moving leaders.
#[test]
fn idempotent_records_are_there_once_and_in_order() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut network = Network::new(Broker::new(false, PARTITIONS), ROUGH);
        let mut producer = ProducerState::new(settings(false));
        producer.add_topic("out", 3, usize::MAX);
        assert!(await_ready(&mut network, &mut producer, &mut rng, seed));
        // Handed in one by one, or gathered elsewhere.
        let mut gathered = vec![BatchWriter::default(); PARTITIONS];
        for number in 0..600_u64 {
            let place = usize::try_from(number).unwrap() % PARTITIONS;
            let value = [&number.to_be_bytes()[..], b"body"];
            if seed % 2 == 0 {
                let record = OwnRecord::Framed(b"key", value);
                assert_eq!(producer.append(place, 1, record, network.now_ns), Appended::Taken);
            } else {
                gathered[place].push_framed(1, Some(b"key"), value);
            }
            if number == 599 || rng.u8(..10) == 0 {
                for (place, batch) in gathered.iter_mut().enumerate() {
                    producer.append_batch(place, batch, network.now_ns);
                    assert!(batch.is_empty());
                }
            }
            network.step(&mut producer, &mut rng);
        }
        assert!(producer.is_flushed() == (producer.records_left() == 0) && producer.records_left() <= 600);
        producer.flush(network.now_ns);
        for _ in 0..200_000 {
            network.step(&mut producer, &mut rng);
            if producer.is_flushed() {
                break;
            }
        }
        assert!(producer.is_flushed() && producer.bytes() == 0, "seed {seed}: {:?}", producer.phase());
        assert_eq!(producer.records_left(), 0, "seed {seed}");
        for place in 0..PARTITIONS {
            let expected: Vec<u64> = (0..600).filter(|n| n % 3 == place as u64).collect();
            assert_eq!(network.broker.appended(place), expected, "seed {seed}, partition {place}");
        }
    }
}

/// A batch that is too large is split; a record that is too large alone is given back, and what goes in its
/// place stands in its place.
#[test]
fn what_is_too_large_is_split_and_then_given_back() {
    for newer in [false, true] {
        let mut rng = Rng::with_seed(5);
        let mut broker = Broker::new(newer, PARTITIONS);
        broker.batch_bytes_max = 150;
        let (mut network, mut producer) = (Network::new(broker, ROUGH), fresh(newer));
        assert!(await_ready(&mut network, &mut producer, &mut rng, 5));
        producer.begin(network.now_ns);
        for number in 0..30_u64 {
            let body = vec![7; if number == 12 { 500 } else { 4 }];
            let record = OwnRecord::Framed(b"key", [&number.to_be_bytes(), &body]);
            assert_eq!(producer.append(0, 1, record, network.now_ns), Appended::Taken);
        }
        producer.commit(None, network.now_ns);
        let (mut replaced, mut end) = (0, None);
        for _ in 0..100_000 {
            network.step(&mut producer, &mut rng);
            if let Some(refused) = producer.refused() {
                replaced += 1;
                let value = refused.value.clone().unwrap();
                assert_eq!((value.len(), refused.key.as_deref()), (508, Some(&b"key"[..])));
                producer.replace(&refused, OwnRecord::Plain(None, Some(&value[..8]), &[("h", Some(b"v"))]));
            }
            end = producer.take_end();
            if end.is_some() {
                break;
            }
        }
        assert_eq!((replaced, end), (1, Some(End::Committed)), "newer {newer}: {:?}", producer.phase());
        assert_eq!(network.broker.visible(0), (0..30).collect::<Vec<_>>());
    }
}
