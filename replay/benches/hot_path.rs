//! The engine on one thread, Avro bytes in, rows out: what users run, without threads, network and generator.
//!
//!     cargo bench -p wellstream-replay --bench hot_path                 both outputs, CPU time per event
//!     cargo bench -p wellstream-replay --bench hot_path -- count 300k   one output, so many events, once
//!     cargo bench -p wellstream-replay --bench hot_path -- --test       small, as a test

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are what a bench is for")]

use std::collections::BTreeMap;

use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::record::{PartitionId, Record};
use wellstream_core::rules::JoinMode;
use wellstream_replay::generate::{Block, Generator, Setup};
use wellstream_replay::process;
use wellstream_replay::scenario::Scenario;

#[path = "../tests/steady/drive.rs"]
mod drive;

use drive::Engine;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records as a source shows them: one behind the other, ready.
struct Shelf<'a> {
    partitions: BTreeMap<PartitionId, (Vec<Record<'a>>, usize)>,
}

/// The values of one partition, one behind the other, as a fetch or an embedded partition has them.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    /// Kafka timestamp and end of each.
    records: Vec<(i64, usize)>,
}

fn logs(block: &Block) -> BTreeMap<PartitionId, Log> {
    let mut logs: BTreeMap<PartitionId, Log> = BTreeMap::new();
    for record in block.records() {
        let log = logs.entry(record.partition).or_default();
        log.bytes.extend_from_slice(record.value.unwrap());
        log.records.push((record.timestamp_ms, log.bytes.len()));
    }
    logs
}

impl<'a> Shelf<'a> {
    fn of(logs: &'a BTreeMap<PartitionId, Log>) -> Shelf<'a> {
        let partitions = logs.iter().map(|(id, log)| {
            let begins = [0].into_iter().chain(log.records.iter().map(|(_, end)| *end));
            let records =
                begins.zip(&log.records).zip(0..).map(|((begin, (timestamp_ms, end)), offset)| Record {
                    offset,
                    timestamp_ms: *timestamp_ms,
                    key: None,
                    value: Some(&log.bytes[begin..*end]),
                });
            (*id, (records.collect(), 0))
        });
        Shelf { partitions: partitions.collect() }
    }

    fn len(&self) -> usize {
        self.partitions.values().map(|(records, _)| records.len()).sum()
    }
}

impl Source for Shelf<'_> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        let (records, next) = self.partitions.get_mut(&partition).expect("a partition of ours");
        let shown = &records[*next..records.len().min(*next + records_max)];
        let taken = if shown.is_empty() { 0 } else { visit(shown) };
        *next += taken;
        let offset_next = i64::try_from(*next).ok();
        Ok(Polled { taken, offset_next, log_end: i64::try_from(records.len()).ok() })
    }
}

/// One run over all of it; what it came to, and CPU seconds.
fn run(logs: &BTreeMap<PartitionId, Log>, encoded: bool) -> (String, u64, f64) {
    let shelf = Shelf::of(logs);
    let events = shelf.len();
    let mut engine = Engine::polling(&drive::rules((JoinMode::All, false)), shelf, encoded, 1_024);
    let begin = process::cpu_s();
    let mut taken = 0;
    while taken < events {
        taken += engine.cycle(|| 0).taken;
    }
    engine.settle();
    let cpu_s = process::cpu_s() - begin;
    let rows = engine.totals().rows;
    (rows.digest.to_string(), rows.rows, cpu_s)
}

fn load(events: u64) -> Block {
    let setup = Setup { start_ms: 1_700_000_000_000, ..Setup::default() };
    let generator = Generator::new(Scenario::named("normal").unwrap(), setup);
    let mut block = Block::default();
    generator.fill(0..events, |event| event.sent_ms, &mut block);
    block
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let word = |at: usize| args.get(at).map(String::as_str);
    let (events, times, outputs): (u64, usize, &[bool]) = match word(0) {
        None => (2_000_000, 5, &[false, true]),
        Some("--test") => (100_000, 1, &[false, true]),
        Some("count") => (word(1).unwrap().parse().unwrap(), 1, &[false]),
        Some("rows") => (word(1).unwrap().parse().unwrap(), 1, &[true]),
        Some(other) => panic!("{other}: count N, rows N or --test"),
    };
    let logs = logs(&load(events));
    for &encoded in outputs {
        let runs: Vec<_> = (0..times).map(|_| run(&logs, encoded)).collect();
        let (digest, rows, _) = &runs[0];
        assert!(runs.iter().all(|run| (&run.0, run.1) == (digest, *rows)));
        let mut ns: Vec<_> = runs.iter().map(|run| run.2 * 1e9 / events as f64).collect();
        ns.sort_by(f64::total_cmp);
        let name = if encoded { "rows made" } else { "counted" };
        println!(
            "{name}: {rows} rows, digest {digest}, {:.1} ns CPU per event (of {ns:.1?})",
            ns[ns.len() / 2]
        );
    }
}
