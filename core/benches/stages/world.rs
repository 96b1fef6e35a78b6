//! The whole engine on one thread, as it is wired, and the readings that lie ready for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use wellstream_core::decode::FixedSchemas;
use wellstream_core::encode;
use wellstream_core::engine::{
    CommitOutcome, Committer, EngineSettings, EpochOffsets, Lane, Output, PartitionStart, Polled, Resume,
    ResumePolicy, Shard, Sink, SinkError, Source, SourceError, Wants, wire,
};
use wellstream_core::limits;
use wellstream_core::record::{PartitionId, Record, RowDigest, RowTotals, Side};
use wellstream_core::rules::Rules;
use wellstream_core::time::Now;

use crate::load;

/// One reading as the naive join needs it.
struct Facts {
    side: Side,
    facility: u32,
    time_ms: i64,
    partition: u32,
    offset: i64,
}

/// Values by partition, one behind the other as a fetch has them, and where each lies.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The default density: 0.2 readings of each side a second and facility, up to two seconds out of order.
pub(crate) struct World {
    logs: BTreeMap<PartitionId, Log>,
    facts: Vec<Facts>,
    /// Of each topic.
    partitions: u32,
}

impl World {
    pub(crate) fn new(readings: usize) -> World {
        World::with_partitions(readings, PARTITIONS)
    }

    pub(crate) fn with_partitions(readings: usize, partitions: u32) -> World {
        let mut rng = Rng::with_seed(9);
        let mut world = World { logs: BTreeMap::new(), facts: Vec::new(), partitions };
        for n in 0..readings {
            let side = [Side::Well, Side::Tank][n % 2];
            let facility = rng.u32(..FACILITIES);
            let sensor = facility * 2 + if side == Side::Well { rng.u32(..2) } else { 0 };
            let time_ms = BEGIN_MS + i64::try_from(n).unwrap() * STEP_MS - rng.i64(0..2_000);
            let number = sensor.wrapping_mul(0x9E37_79B9) >> 16;
            let id = PartitionId { side, number: number % partitions };
            let log = world.logs.entry(id).or_default();
            log.bytes.extend_from_slice(&[0, 0, 0, 0, 1 + u8::from(side == Side::Tank)]);
            let facility_id = Some(load::name("FAC", facility));
            match side {
                Side::Well => {
                    let (well_id, timestamp) = (Some(load::name("WELL", sensor)), Some(time_ms));
                    let well = load::well(&mut rng);
                    let well =
                        wellstream_core::record::WellReading { well_id, facility_id, timestamp, ..well };
                    encode::well_reading(&mut log.bytes, &well).unwrap();
                }
                Side::Tank => {
                    let (tank_id, timestamp) = (Some(load::name("TANK", sensor)), Some(time_ms));
                    let tank = load::tank(&mut rng);
                    let tank =
                        wellstream_core::record::TankReading { tank_id, facility_id, timestamp, ..tank };
                    encode::tank_reading(&mut log.bytes, &tank).unwrap();
                }
            }
            let offset = i64::try_from(log.ends.len()).unwrap();
            log.ends.push(log.bytes.len());
            world.facts.push(Facts { side, facility, time_ms, partition: id.number, offset });
        }
        world
    }

    fn shelf(&self) -> Shelf<'_> {
        let partitions = self.logs.iter().map(|(id, log)| {
            let begins = [0].into_iter().chain(log.ends.iter().copied());
            let records = begins.zip(&log.ends).zip(0..).map(|((begin, end), offset)| Record {
                offset,
                timestamp_ms: -1,
                key: None,
                value: Some(&log.bytes[begin..*end]),
            });
            (*id, (records.collect(), 0))
        });
        Shelf { partitions: partitions.collect() }
    }

    /// Rows and digest by a loop over all pairs of a facility.
    pub(crate) fn naive(&self) -> (u64, String) {
        let mut by_facility: BTreeMap<u32, [Vec<&Facts>; 2]> = BTreeMap::new();
        for facts in &self.facts {
            by_facility.entry(facts.facility).or_default()[facts.side.index()].push(facts);
        }
        let (mut rows, mut digest) = (0, RowDigest::default());
        for [wells, tanks] in by_facility.values() {
            for well in wells {
                for tank in tanks.iter().filter(|tank| (well.time_ms - tank.time_ms).abs() <= 5_000) {
                    rows += 1;
                    digest.add(Some((well.partition, well.offset)), Some((tank.partition, tank.offset)));
                }
            }
        }
        (rows, digest.to_string())
    }
}

/// Records that lie ready.
pub(crate) struct Shelf<'a> {
    partitions: BTreeMap<PartitionId, (Vec<Record<'a>>, usize)>,
}

impl Source for Shelf<'_> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        let (records, next) = self.partitions.get_mut(&partition).unwrap();
        let shown = &records[*next..records.len().min(*next + records_max)];
        let taken = if shown.is_empty() { 0 } else { visit(shown) };
        *next += taken;
        let [offset_next, log_end] = [*next, records.len()].map(|n| i64::try_from(n).ok());
        Ok(Polled { taken, offset_next, log_end })
    }
}

/// A sink that takes everything.
pub(crate) struct Taking(Wants);

impl Sink for Taking {
    fn wants(&self) -> Wants {
        self.0
    }
    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }
    fn append(&mut self, _output: Output<'_>) -> Result<(), SinkError> {
        Ok(())
    }
    fn offsets(&mut self, _offsets: &EpochOffsets) -> Result<(), SinkError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        Ok(CommitOutcome::Committed)
    }
}

/// Lanes that share out the partitions, as many shards, the committer.
pub(crate) struct Engine<'a> {
    pub(crate) lanes: Vec<Lane<Shelf<'a>>>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) committer: Committer<Taking>,
    cycle: i64,
}

impl<'a> Engine<'a> {
    /// One lane with all partitions, one shard.
    pub(crate) fn new(world: &'a World, encoded_rows: bool) -> Engine<'a> {
        Engine::with_lanes(world, encoded_rows, 1)
    }

    pub(crate) fn with_lanes(world: &'a World, encoded_rows: bool, lanes: usize) -> Engine<'a> {
        let rules = Rules::default();
        let start = |partition: &PartitionId| PartitionStart {
            partition: *partition,
            topic_id: "-".to_owned(),
            partitions: world.partitions,
            committed: None,
            log_start: 0,
            // Never at its end: it reads on.
            log_end: i64::MAX / 2,
            from: 0,
        };
        let starts: Vec<_> = world.logs.keys().map(start).collect();
        let resume = Resume::plan(&starts, Vec::new(), rules.hash(), ResumePolicy::default()).unwrap();
        let settings = EngineSettings {
            lanes,
            shards: lanes,
            // As far as one partition may run ahead of the others, however many there are.
            poll_records: limits::POLL_RECORDS_MAX * PARTITIONS as usize / world.partitions as usize,
            idle_after_ms: None,
            ..EngineSettings::new(Arc::new(rules))
        };
        let wants = Wants { encoded_rows, rejects: true, only_counts: !encoded_rows };
        let wired = wire(&settings, &resume, Arc::new(FixedSchemas::built_in()), wants);
        Engine {
            lanes: wired.lanes.into_iter().map(|seat| seat.with(world.shelf())).collect(),
            shards: wired.shards,
            committer: wired.committer.with(Taking(wants)),
            cycle: 0,
        }
    }

    pub(crate) fn now(&mut self) -> Now {
        self.cycle += 1;
        Now::at_ms(self.cycle * CYCLE_MS)
    }

    /// Takes so many readings.
    pub(crate) fn run(&mut self, readings: usize) {
        let mut taken = 0;
        while taken < readings {
            taken += self.turn();
        }
    }

    /// A duty cycle of each; returns how many readings were taken.
    fn turn(&mut self) -> usize {
        let now = self.now();
        let taken = self.lanes.iter_mut().map(|lane| lane.poll(now).unwrap()).sum();
        for shard in &mut self.shards {
            shard.poll(now);
        }
        self.committer.poll(now).unwrap();
        taken
    }

    /// Until everything taken has been committed.
    pub(crate) fn totals(mut self) -> RowTotals {
        for _ in 0..SETTLE_CYCLES {
            self.turn();
        }
        self.committer.totals().rows
    }
}

const FACILITIES: u32 = 500;
/// Of each topic.
const PARTITIONS: u32 = 3;
const BEGIN_MS: i64 = 1_700_000_000_000;
/// Event time from one reading to the next: 500 facilities with 0.4 a second.
const STEP_MS: i64 = 5;
/// A cycle takes 1,024 readings at most: a cut comes after some 20,000 readings, so that two or three
/// lie in what is counted.
const CYCLE_MS: i64 = 5;
/// Two cuts.
const SETTLE_CYCLES: usize = 50;
