//! At a constant density of event time the memory of a run stays as it is, however long it runs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail by panicking")]

use std::collections::{BTreeMap, VecDeque};

use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record};
use wellstream_replay::generate::{Block, Generator};

#[path = "steady/drive.rs"]
mod drive;

use drive::{Engine, MODES};

/// State (and in the long run the process) after twice as many events is as large as before.
#[test]
fn memory_is_flat() {
    let (facilities, half) = if drive::is_full_size() { (2_000, 5_000_000) } else { (100, 100_000) };
    let modes = if drive::is_full_size() { &MODES[1..4] } else { &MODES[..] };
    for mode in modes {
        let source = Endless::new(drive::normal(facilities));
        let mut engine = Engine::new(&drive::rules(*mode), source, true);
        let first = run(&mut engine, half);
        let second = run(&mut engine, half);
        println!(
            "{mode:?}: state {} then {} bytes, resident {} then {} bytes after {half} and {} events",
            first.state_bytes,
            second.state_bytes,
            first.resident_bytes,
            second.resident_bytes,
            2 * half
        );
        let flat = |name: &str, first: usize, second: usize| {
            assert!(
                second * 100 <= first * (100 + GROWTH_PERCENT_MAX),
                "{mode:?}: {name} {first} -> {second}"
            );
        };
        flat("state", first.state_bytes, second.state_bytes);
        if drive::is_full_size() {
            flat("resident", first.resident_bytes, second.resident_bytes);
        }
        // It could not be flat if nothing were in it.
        assert!(first.state_bytes > usize::try_from(facilities).unwrap() * 1_000);
    }
}

/// The most that was held in the last half of a part.
struct Peak {
    state_bytes: usize,
    resident_bytes: usize,
}

fn run(engine: &mut Engine<Endless>, events: usize) -> Peak {
    let mut peak = Peak { state_bytes: 0, resident_bytes: 0 };
    let mut taken = 0;
    while taken < events {
        taken += engine.cycle(|| 0).taken;
        if taken > events / 2 {
            peak.state_bytes = peak.state_bytes.max(engine.shared.state_bytes());
        }
    }
    peak.resident_bytes = resident_bytes();
    peak
}

/// A load without an end, made a block at a time.
struct Endless {
    generator: Generator,
    next: u64,
    block: Block,
    partitions: BTreeMap<PartitionId, Waiting>,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<(i64, Vec<u8>, Option<Vec<u8>>)>,
    offset_next: i64,
}

impl Endless {
    fn new(generator: Generator) -> Endless {
        let partitions = drive::partitions().map(|partition| (partition, Waiting::default())).collect();
        Endless { generator, next: 0, block: Block::default(), partitions }
    }

    fn refill(&mut self) {
        self.block.clear();
        self.generator.fill(self.next..self.next + BLOCK_EVENTS, |event| event.sent_ms, &mut self.block);
        self.next += BLOCK_EVENTS;
        for record in self.block.records() {
            let waiting = self.partitions.get_mut(&record.partition).unwrap();
            waiting.records.push_back((
                record.timestamp_ms,
                record.key.to_vec(),
                record.value.map(<[u8]>::to_vec),
            ));
        }
    }
}

impl Source for Endless {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        if self.partitions.values().all(|waiting| waiting.records.is_empty()) {
            self.refill();
        }
        let Waiting { records, offset_next } = self.partitions.get_mut(&partition).unwrap();
        let shown: Vec<Record<'_>> = (*offset_next..)
            .zip(records.iter())
            .take(records_max)
            .map(|(offset, (timestamp_ms, key, value))| Record {
                offset,
                timestamp_ms: *timestamp_ms,
                key: Some(key),
                value: value.as_deref(),
            })
            .collect();
        let taken = if shown.is_empty() { 0 } else { visit(&shown) };
        drop(shown);
        records.drain(..taken);
        *offset_next += i64::try_from(taken).unwrap();
        Ok(Polled { taken, offset_next: Some(*offset_next), log_end: Some(i64::MAX / 2) })
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()).unwrap_or(0) * 1_024
}

/// All partitions are shown to their end before more is made: this must be less than `max_ahead` of event
/// time.
const BLOCK_EVENTS: u64 = 1_024;
/// What peaks may differ by chance.
const GROWTH_PERCENT_MAX: usize = 5;
