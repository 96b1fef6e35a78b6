//! Readings from a scenario: any of them by its index, as facts for the oracle or as bytes for the engine.
//!
//! Enters: a scenario, the event time at which it starts, the number of partitions, the schema ids. Leaves:
//! readings in the order of their sending. Each follows from the seed and its index alone, so threads may
//! make them apart, and the oracle need not decode what it judges.
//!
//! ```
//! use wellstream_core::rules::Rules;
//! use wellstream_replay::generate::{Block, Generator, Setup};
//! use wellstream_replay::{oracle, scenario::Scenario};
//!
//! let scenario = Scenario::named("normal").unwrap();
//! let generator = Generator::new(scenario, Setup { start_ms: 1_700_000_000_000, ..Setup::default() });
//! let mut block = Block::default();
//! generator.fill(0..1_000, |event| event.sent_ms, &mut block);
//! assert_eq!(block.records().count(), 1_000);
//!
//! let judged = generator.judged(0..1_000, &Rules::default(), |event| event.sent_ms, |_, n| n);
//! assert_eq!(judged.events_in(), [500, 500]);
//! ```

use std::ops::Range;
use std::sync::Arc;

use wellstream_core::record::{PartitionId, Side};

use crate::scenario::{KeyedBy, Poison, Scenario, per_ks};

mod partition;
mod divide;
mod draw;
mod plan;
mod values;
mod template;
mod bytes;
mod facts;
mod schemas;

pub use bytes::{Block, GeneratedRecord};
pub use partition::partition_of;
pub use schemas::GeneratedSchemas;

use divide::Divisor;
use draw::{Draws, Share};
use plan::{Divisors, Purposes};
use template::Templates;
use values::ValueRanges;

/// Where a scenario's readings go and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Event time of the start, epoch ms.
    pub start_ms: i64,
    /// Partitions of the wells' and the tanks' topic.
    pub partitions: [u32; 2],
    /// The schema ids to write.
    pub schemas: SchemaIds,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { start_ms: 1_750_000_000_000, partitions: [3, 3], schemas: SchemaIds::default() }
    }
}

/// Schema ids, wells' and tanks'. By default those that need no registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    /// Of the normative schemas.
    pub plain: [u32; 2],
    /// Of their nullable versions, in which readings with nulls are written.
    pub nullable: [u32; 2],
}

impl Default for SchemaIds {
    fn default() -> Self {
        SchemaIds { plain: [1, 2], nullable: [3, 4] }
    }
}

impl SchemaIds {
    /// Every id with its topic's side and its schema's text: what a registry would be told.
    pub fn texts(&self) -> [(u32, Side, String); 4] {
        use wellstream_core::schemas::{TANK_DATA, WELL_DATA, tank_data_nullable, well_data_nullable};
        [
            (self.plain[0], Side::Well, WELL_DATA.to_owned()),
            (self.plain[1], Side::Tank, TANK_DATA.to_owned()),
            (self.nullable[0], Side::Well, well_data_nullable()),
            (self.nullable[1], Side::Tank, tank_data_nullable()),
        ]
    }
}

/// One reading that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of sending.
    pub index: u64,
    /// Well or tank.
    pub side: Side,
    /// Number of the well or tank.
    pub sensor: u32,
    /// Number of the facility.
    pub facility: u32,
    /// Event time, epoch ms; but for kinds of poison that are about time.
    pub time_ms: i64,
    /// When it is sent, on the axis of event times, epoch ms: never before its event time, and in order.
    /// Whoever sends at another time says so before it makes bytes or facts of it.
    pub sent_ms: i64,
    /// What is special about it.
    pub kind: EventKind,
    /// From which its values follow.
    values: Draws,
    mood: Mood,
}

/// Where a reading's methane or vapor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Anywhere in the scenario's range.
    Usual,
    /// Below all thresholds.
    Calm,
    /// Above the lower threshold.
    Seep,
    /// Above the higher one.
    Burst,
}

/// What is special about a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Nothing.
    Usual,
    /// Null in one or two fields, by their places in the schema.
    Null([u8; 2]),
    /// Its value is to be quarantined.
    Poison(Poison),
}

/// Makes the readings of a scenario.
#[derive(Clone, Debug)]
pub struct Generator {
    scenario: Scenario,
    setup: Setup,
    facilities: Vec<Arc<str>>,
    sensors: [Sensors; 2],
    /// Of so many readings as `divisors.cycle` says, so many are of wells.
    wells_per_cycle: u64,
    divisors: Divisors,
    chances: Chances,
    purposes: Purposes,
    ranges: ValueRanges,
    templates: Templates,
}

/// All wells or all tanks.
#[derive(Clone, Debug)]
struct Sensors {
    ids: Vec<Box<str>>,
    /// Each one's partition.
    partitions: Vec<u32>,
    /// A number that has no common divisor with their count: walks all of them in no obvious order.
    stride: u64,
}

/// The scenario's shares. Of one point: late below `late`, null below `null`, poison below `poison`.
#[derive(Clone, Copy, Debug)]
struct Chances {
    late: Share,
    null: Share,
    poison: Share,
    duplicate: Share,
    hot: Share,
    skewed: Share,
    calm: Share,
}

impl Generator {
    /// Prepares names and partitions. The scenario must have passed its `check`.
    ///
    /// # Panics
    /// If a topic has no partitions, or the scenario has no sensors.
    pub fn new(scenario: Scenario, setup: Setup) -> Generator {
        let facilities: Vec<Arc<str>> =
            (0..scenario.facilities).map(|number| Arc::from(format!("FAC-{number:05}"))).collect();
        let sensors = Side::BOTH.map(|side| {
            let (count, prefix) = match side {
                Side::Well => (scenario.wells, "WELL"),
                Side::Tank => (scenario.tanks, "TANK"),
            };
            let ids: Vec<Box<str>> =
                (0..count).map(|number| format!("{prefix}-{number:06}").into()).collect();
            let partitions = (0..count).map(|sensor| {
                let key = match scenario.keyed_by {
                    KeyedBy::Sensor => &*ids[sensor as usize],
                    KeyedBy::Facility => &facilities[(sensor % scenario.facilities) as usize],
                };
                partition_of(key.as_bytes(), setup.partitions[side.index()])
            });
            Sensors { partitions: partitions.collect(), stride: stride(u64::from(count)), ids }
        });
        let rates = [per_ks(scenario.well_readings_per_s), per_ks(scenario.tank_readings_per_s)];
        let divisor = common_divisor(rates[0], rates[1]);
        let shares = scenario.shares;
        let chances = Chances {
            late: Share::new(shares.late),
            null: Share::new(shares.late + shares.nulls),
            poison: Share::new(shares.late + shares.nulls + shares.poison),
            duplicate: Share::new(shares.duplicates),
            hot: Share::new(shares.hot_facility),
            skewed: Share::new(shares.skewed_sensors),
            calm: Share::new(scenario.calm.map_or(0.0, |calm| calm.share)),
        };
        let cycle = [rates[0] / divisor, (rates[0] + rates[1]) / divisor];
        let divisors = Divisors {
            events_per_ks: Divisor::new(scenario.events_per_ks()),
            cycle: Divisor::new(cycle[1]),
            facilities: Divisor::new(u64::from(scenario.facilities)),
            sensors: [scenario.wells, scenario.tanks].map(|count| Divisor::new(u64::from(count))),
        };
        Generator {
            wells_per_cycle: cycle[0],
            divisors,
            purposes: Purposes::new(scenario.seed),
            ranges: ValueRanges::new(&scenario.ranges),
            templates: templates(&scenario, &setup, &facilities, &sensors),
            scenario,
            setup,
            facilities,
            sensors,
            chances,
        }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Where it goes and how it is written.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The names of facilities, by their numbers.
    pub fn facilities(&self) -> &[Arc<str>] {
        &self.facilities
    }

    /// The partition that a reading belongs to.
    #[inline]
    pub fn partition(&self, event: &Event) -> PartitionId {
        let number = self.sensors[event.side.index()].partitions[event.sensor as usize];
        PartitionId { side: event.side, number }
    }

    /// The key of a reading's record.
    #[inline]
    pub fn key(&self, event: &Event) -> &str {
        match self.scenario.keyed_by {
            KeyedBy::Sensor => self.sensor_id(event),
            KeyedBy::Facility => &self.facilities[event.facility as usize],
        }
    }

    fn sensor_count(&self, side: Side) -> u32 {
        match side {
            Side::Well => self.scenario.wells,
            Side::Tank => self.scenario.tanks,
        }
    }

    #[inline]
    fn sensor_id(&self, event: &Event) -> &str {
        &self.sensors[event.side.index()].ids[event.sensor as usize]
    }
}

fn templates(
    scenario: &Scenario,
    setup: &Setup,
    facilities: &[Arc<str>],
    sensors: &[Sensors; 2],
) -> Templates {
    let ids = |side: usize| {
        let Sensors { ids, partitions, .. } = &sensors[side];
        let facilities = facilities.iter().cycle();
        let named = ids.iter().zip(facilities).zip(partitions);
        named.map(|((id, facility), partition)| (&**id, &**facility, *partition))
    };
    Templates::new(setup.schemas.plain, scenario.keyed_by, [&mut ids(0), &mut ids(1)])
}

/// Near the golden section of the count, without a common divisor.
fn stride(count: u64) -> u64 {
    (count * 618 / 1_000 + 1..).find(|stride| common_divisor(*stride, count) == 1).unwrap_or(1)
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// A range of readings: all that a scenario has, or a part of it.
pub type Events = Range<u64>;
