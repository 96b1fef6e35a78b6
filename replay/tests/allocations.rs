//! In the steady state nothing is allocated per event: neither in decode, nor in the exchange, nor in the
//! join.
//!
//! A counting allocator stands in for the system's; the real engine runs on this thread over records that
//! were made before. What is left is per batch (the list of a batch's alarms), per cut (offsets and their
//! metadata), or once (a facility's ring or list of alarm steps, where it is busier than it ever was).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail by panicking")]
#![expect(unsafe_code, reason = "only an allocator can count allocations, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use wellstream_core::decode;
use wellstream_core::encode::{Origin, PartEncoder};
use wellstream_core::engine::{Polled, Source, SourceError};
use wellstream_core::exchange::{self, Batch, PartReading, PartitionTail};
use wellstream_core::join::{Arrival, Join, JoinStart, RowForm};
use wellstream_core::record::{PartitionId, Record, Side};
use wellstream_core::rules::Rules;
use wellstream_core::score;
use wellstream_core::time::{DomainWatermark, PartitionClock};
use wellstream_replay::generate::Block;

#[path = "steady/drive.rs"]
mod drive;

use drive::{Engine, MODES, Stages};

/// The engine as it is wired, over all modes, with rows as bytes and without.
#[test]
fn a_run_allocates_nothing_per_event() {
    let load = Load::new();
    for encoded in [false, true] {
        for mode in MODES {
            let mut engine = Engine::new(&drive::rules(mode), load.shelf(), encoded);
            run(&mut engine, load.warm_up);
            let before = engine.totals().clone();
            let sum = run(&mut engine, load.counted);
            let totals = engine.totals();
            let per_event = |n: u64| n as f64 / sum.taken as f64;
            let all = sum.lane + sum.shard + sum.committer;
            println!(
                "{:>8} outer {:5} encoded {encoded:5}: {} allocations in {} events = {:.5} per event \
                 (lane {:.5}, shard {:.5}, committer {:.5}; {} rows, {} alarms, {} cuts)",
                format!("{:?}", mode.0),
                mode.1,
                all,
                sum.taken,
                per_event(all),
                per_event(sum.lane),
                per_event(sum.shard),
                per_event(sum.committer),
                totals.rows.rows - before.rows.rows,
                totals.alarms.raised + totals.alarms.escalated + totals.alarms.cleared
                    - before.alarms.raised
                    - before.alarms.escalated
                    - before.alarms.cleared,
                totals.epochs - before.epochs,
            );
            assert!(totals.rows.rows > before.rows.rows, "{mode:?}: no rows");
            assert!(per_event(all) < PER_EVENT_MAX, "{mode:?} encoded {encoded}: {}", per_event(all));
        }
    }
}

/// Decode alone.
#[test]
fn decode_allocates_nothing() {
    let load = Load::new();
    let plans = drive::plans();
    let mut readings = 0;
    let begin = allocations();
    for record in load.block.records() {
        let (_, body) = decode::split_frame(record.value.unwrap()).unwrap();
        let side = record.partition.side;
        let time_ms = match side {
            Side::Well => plans[side.index()].decode_well(body).unwrap().timestamp,
            Side::Tank => plans[side.index()].decode_tank(body).unwrap().timestamp,
        };
        readings += u64::from(time_ms.is_some());
    }
    assert_eq!(allocations() - begin, 0);
    assert_eq!(readings, load.warm_up + load.counted + SPARE);
}

/// The exchange alone: once its batches have been round, they only go round.
#[test]
fn the_exchange_allocates_nothing() {
    let (mut lane, mut shard) = exchange::queue(4);
    let mut round = |batches: usize| {
        let mut batch = lane.empty_batch();
        for number in 0..batches {
            fill(&mut batch);
            lane.push(std::mem::take(&mut batch)).expect("the shard keeps up");
            if number % 2 == 1 {
                while let Some(full) = shard.pop() {
                    shard.give_back(full);
                }
            }
            batch = lane.empty_batch();
        }
        drop(lane.push(batch));
        while let Some(full) = shard.pop() {
            shard.give_back(full);
        }
    };
    round(100);
    let begin = allocations();
    round(1_000);
    assert_eq!(allocations() - begin, 0);
}

/// The join alone, with the row parts of what was decoded.
#[test]
fn the_join_allocates_nothing_but_a_larger_ring_now_and_then() {
    let load = Load::new();
    let arrivals = load.arrivals();
    for mode in MODES {
        let rules = drive::rules(mode);
        let lateness_ms = rules.lateness_ms;
        let partitions: Vec<_> = drive::partitions().collect();
        let mut join =
            Join::new(Arc::new(rules), partitions.clone(), &JoinStart::default(), RowForm::Encoded);
        let mut clocks = vec![PartitionClock::new(None); partitions.len()];
        let mut heard = DomainWatermark::new(partitions.len(), None);
        join.finish_rebuild();
        let facilities: Vec<u32> =
            (0..FACILITIES).map(|number| join.facility(&format!("FAC-{number:05}"))).collect();
        let (mut begin, mut growth) = (0, 0);
        let [warm_up, counted] = [load.warm_up, load.counted].map(|n| usize::try_from(n).unwrap());
        for (number, arriving) in arrivals.iter().enumerate().take(warm_up + counted) {
            if number == warm_up {
                (begin, growth) = (allocations(), join.state_bytes());
                join.out.alarm_totals = Default::default();
            }
            let Arriving { facility, arrival, part } = arriving;
            let part = join.put_part(part, arrival.time_ms);
            join.arrive(facilities[*facility as usize], *arrival, part);
            let place = usize::from(arrival.partition);
            clocks[place].observe(arrival.time_ms, arrival.sent_ms, 1_000);
            if number % 256 == 0 {
                for (place, clock) in clocks.iter().enumerate() {
                    heard.hear(place, clock.watermark(lateness_ms));
                }
                join.advance(heard.advance());
            }
            if join.out.is_full() {
                join.encode_rows();
                join.out.batch.clear();
                join.out.alarms.clear();
            }
        }
        let made = allocations() - begin;
        let alarms = join.out.alarm_totals;
        let alarms = alarms.raised + alarms.escalated + alarms.cleared;
        println!(
            "join {mode:?}: {made} allocations, {alarms} alarms, {} events, state {} -> {} bytes",
            load.counted,
            growth,
            join.state_bytes()
        );
        assert!(join.out.totals.rows > 0);
        let per_event = made as f64 / load.counted as f64;
        assert!(per_event < JOIN_PER_EVENT_MAX, "{mode:?}: {made} allocations");
        assert!(alarms > made, "alarms allocate nothing");
    }
}

/// An allocator that counts what its thread asks for.
struct CountingAllocator;

thread_local! {
    // Neither its beginning nor its end allocates: constant, and nothing to drop.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn allocations() -> u64 {
    ALLOCATIONS.get()
}

// SAFETY: every method hands its arguments to the system's allocator, which keeps the trait's promises.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.realloc(at, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The usual day's readings as bytes, made before anything is counted.
struct Load {
    block: Block,
    warm_up: u64,
    counted: u64,
}

impl Load {
    fn new() -> Load {
        let (warm_up, counted) =
            if drive::is_full_size() { (1_000_000, 500_000) } else { (400_000, 100_000) };
        let mut block = Block::default();
        drive::normal(FACILITIES).fill(0..warm_up + counted + SPARE, |event| event.sent_ms, &mut block);
        Load { block, warm_up, counted }
    }

    fn shelf(&self) -> Shelf<'_> {
        let mut partitions: BTreeMap<PartitionId, (Vec<Record<'_>>, usize)> = BTreeMap::new();
        for record in self.block.records() {
            let (records, _) = partitions.entry(record.partition).or_default();
            let offset = i64::try_from(records.len()).unwrap();
            let key = Some(record.key);
            records.push(Record { offset, timestamp_ms: record.timestamp_ms, key, value: record.value });
        }
        Shelf { partitions }
    }

    /// What a lane would make of the readings for the join.
    fn arrivals(&self) -> Vec<Arriving> {
        let (plans, rules) = (drive::plans(), Rules::default());
        let places: BTreeMap<_, u16> = drive::partitions().zip(0..).collect();
        let mut offsets = vec![0; places.len()];
        let number = |name: Option<&str>| name.unwrap().strip_prefix("FAC-").unwrap().parse().unwrap();
        let arriving = self.block.records().map(|record| {
            let (_, body) = decode::split_frame(record.value.unwrap()).unwrap();
            let partition = places[&record.partition];
            let offset = offsets[usize::from(partition)];
            offsets[usize::from(partition)] += 1;
            let (mut part, encoder) = (Vec::new(), PartEncoder::new(record.partition));
            let (facility, time_ms, points, quality) = match record.partition.side {
                Side::Well => {
                    let well = plans[0].decode_well(body).unwrap();
                    let class = score::well(well.methane_ppm.unwrap(), &rules.score);
                    let time_ms = well.timestamp.unwrap();
                    encoder.well(&mut part, &well, &Origin { offset, time_ms, value: body }, class);
                    (number(well.facility_id), time_ms, class.points, class.quality)
                }
                Side::Tank => {
                    let tank = plans[1].decode_tank(body).unwrap();
                    let class = score::tank(tank.vapor_concentration_ppm.unwrap(), &rules.score);
                    let time_ms = tank.timestamp.unwrap();
                    encoder.tank(&mut part, &tank, &Origin { offset, time_ms, value: body }, class);
                    (number(tank.facility_id), time_ms, class.points, class.quality)
                }
            };
            let sent_ms = record.timestamp_ms;
            let [points, quality] = [points, quality].map(|n| u16::try_from(n).unwrap());
            let arrival = Arrival { time_ms, offset, sent_ms, points, quality, partition, reread: false };
            Arriving { facility, arrival, part }
        });
        arriving.collect()
    }
}

/// A reading on its way into the join.
struct Arriving {
    facility: u32,
    arrival: Arrival,
    part: Vec<u8>,
}

/// Records that lie ready; polling it allocates nothing.
struct Shelf<'a> {
    partitions: BTreeMap<PartitionId, (Vec<Record<'a>>, usize)>,
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
        Ok(Polled {
            taken,
            offset_next: i64::try_from(*next).ok(),
            log_end: i64::try_from(records.len()).ok(),
        })
    }
}

/// Runs until the lane has taken so many records.
fn run(engine: &mut Engine<Shelf<'_>>, events: u64) -> Stages {
    let mut sum = Stages::default();
    while (sum.taken as u64) < events {
        let stages = engine.cycle(allocations);
        sum.taken += stages.taken;
        sum.lane += stages.lane;
        sum.shard += stages.shard;
        sum.committer += stages.committer;
    }
    sum
}

/// What a lane puts into a batch.
fn fill(batch: &mut Batch) {
    for number in 0..1_000_i64 {
        let part_start = u32::try_from(batch.parts.len()).unwrap();
        batch.parts.extend_from_slice(&[7; 100]);
        batch.readings.push(PartReading {
            time_ms: number,
            offset: number,
            sent_ms: number,
            facility: 0,
            part_start,
            points: 0,
            quality: 95,
            partition: 0,
            reread: false,
        });
    }
    let tail = PartitionTail { partition: 0, watermark_ms: 1, reached: true, ended: false };
    batch.tail.partitions.push(tail);
}

/// Allocations per event that are not per event: see the head of this file.
const PER_EVENT_MAX: f64 = 0.01;
/// Records behind the counted ones, so that the lane never runs dry.
const SPARE: u64 = 16_384;
/// What is seen of a facility does not depend on their number, but the warm-up must reach each of them often.
const FACILITIES: u32 = 500;
/// A ring or a list of alarm steps grows since its facility was never as busy before; ever more rarely.
const JOIN_PER_EVENT_MAX: f64 = 0.002;
