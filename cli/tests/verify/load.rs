//! Topics of one test: made, filled by the real binary, and read back raw for the oracle.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::source::KafkaSource;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_connectors::machine_clock::Deadline;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::engine::Source;
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::Rules;
use wellstream_replay::oracle::{Judged, WriterSchemas};
use wellstream_replay::scenario::{KeyedBy, Scenario};
use wellstream_replay::verify::RawJudge;

use super::call::Call;

/// Where the real servers are.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) brokers: String,
    pub(crate) registry: String,
}

/// The servers that scripts/test has started, or a word about skipping.
pub(crate) fn services() -> Option<Services> {
    let address = |variable: &str| {
        let address = std::env::var(variable).ok();
        let required = std::env::var("WELLSTREAM_TEST_REQUIRED").is_ok_and(|value| value == "1");
        assert!(address.is_some() || !required, "{variable} is not set, and WELLSTREAM_TEST_REQUIRED=1");
        if address.is_none() {
            println!("skipped: {variable} is not set");
        }
        address
    };
    let (brokers, registry) = (address("WELLSTREAM_TEST_BROKERS")?, address("WELLSTREAM_TEST_REGISTRY")?);
    Some(Services { brokers, registry })
}

/// What is sent.
pub(crate) struct Plan {
    pub(crate) scenario: &'static str,
    pub(crate) partitions: u32,
    pub(crate) keyed_by: KeyedBy,
    pub(crate) events: u64,
}

impl Plan {
    /// The usual day: three partitions, keyed by sensor.
    pub(crate) fn normal() -> Plan {
        let events = if is_full_size() { 2_000_000 } else { 40_000 };
        Plan { scenario: "normal", partitions: 3, keyed_by: KeyedBy::Sensor, events }
    }

    pub(crate) fn name(&self) -> String {
        let keyed_by = if self.keyed_by == KeyedBy::Sensor { "sensor" } else { "facility" };
        format!("{}, {} partitions, by {keyed_by}", self.scenario, self.partitions)
    }

    /// Each facility sees as much as on the usual day, in event time and in number of readings.
    fn scenario(&self) -> Scenario {
        let mut scenario = Scenario::named(self.scenario).unwrap();
        let share = u32::try_from((2_000_000 / self.events).max(1)).unwrap();
        for count in [&mut scenario.facilities, &mut scenario.wells, &mut scenario.tanks] {
            *count /= share;
        }
        scenario.keyed_by = self.keyed_by;
        scenario
    }
}

/// Topics of one plan.
pub(crate) struct Load {
    pub(crate) services: Services,
    pub(crate) names: TopicNames,
    pub(crate) plan: Plan,
    dir: tempfile::TempDir,
}

impl Load {
    /// Makes the topics, empty.
    pub(crate) fn create(services: &Services, plan: Plan) -> Load {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (wall, number) = (MachineClock::start().wall_ms(), NEXT.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("verify-{wall}-{}-{number}", std::process::id());
        let names = TopicNames {
            wells: format!("{prefix}-wells"),
            tanks: format!("{prefix}-tanks"),
            enriched: format!("{prefix}-enriched"),
            alerts: format!("{prefix}-alerts"),
            quarantine: format!("{prefix}-quarantine"),
        };
        let load = Load { services: services.clone(), names, plan, dir: tempfile::tempdir().unwrap() };
        fs::write(load.scenario_file(), toml::to_string(&load.plan.scenario()).unwrap()).unwrap();
        Call::on(&load, &["topics", "create", "--partitions", &load.plan.partitions.to_string()]).stdout();
        load
    }

    /// Sends the plan's readings, as fast as they go.
    pub(crate) fn filled(services: &Services, plan: Plan) -> Load {
        let load = Load::create(services, plan);
        load.replay().stdout();
        load
    }

    /// The call that sends them.
    pub(crate) fn replay(&self) -> Call {
        let (file, events) = (self.scenario_file(), self.plan.events.to_string());
        Call::on(self, &["replay", "--max", "--events", &events, "--scenario", &file, "--summary", "json"])
    }

    /// Sends the same readings, so many in a second: to be found under way for a while.
    pub(crate) fn replay_at(&self, rate: &str) -> Call {
        let (file, events) = (self.scenario_file(), self.plan.events.to_string());
        Call::on(self, &["replay", "--rate", rate, "--events", &events, "--scenario", &file])
    }

    fn scenario_file(&self) -> String {
        self.dir.path().join("scenario.toml").to_str().unwrap().to_owned()
    }

    /// Every record of both input topics, as bytes.
    pub(crate) fn read_back(&self) -> Log {
        let settings = self.settings("reads-back");
        let records = read_all(&settings, &self.names, &self.ends());
        assert_eq!(records.len() as u64, self.plan.events, "all that was sent is in the topics");
        let registry = RegistryClient::new(&RegistrySettings::new(&self.services.registry));
        let ids: BTreeSet<u32> = records.iter().filter_map(|r| schema_id(r.value.as_deref()?)).collect();
        let mut schemas = WriterSchemas::default();
        for id in ids {
            if let Some(text) = registry.schema(id).unwrap() {
                schemas.add(id, &text).unwrap();
            }
        }
        Log { records, schemas }
    }

    /// The rows that were produced, and the alarms: each record's value without its frame.
    pub(crate) fn results(&self, topic: &str) -> Vec<Vec<u8>> {
        let settings = self.settings("reads-results");
        // The source knows two topics: ours stands for the wells'.
        let names = TopicNames { wells: topic.to_owned(), ..self.names.clone() };
        let connection = Connection::open(&settings).unwrap();
        let end = |number| {
            let (_, end) = connection.watermarks(topic, number).unwrap();
            (PartitionId { side: Side::Well, number }, end)
        };
        let ends: Vec<_> = (0..self.plan.partitions).map(end).collect();
        let values = read_all(&settings, &names, &ends).into_iter().map(|record| record.value.unwrap());
        values.map(|value| value[5..].to_vec()).collect()
    }

    /// How many readings a group has committed, asked as often as one likes.
    pub(crate) fn commits(&self, group: &str) -> impl FnMut() -> u64 + use<> {
        let names = self.names.clone();
        let connection = Connection::open(&self.settings(group)).unwrap();
        move || {
            let starts = connection.starts(&names, From::Earliest, false).unwrap();
            let offsets = starts.iter().filter_map(|start| start.committed.as_ref());
            offsets.map(|(offset, _)| u64::try_from(*offset).unwrap()).sum()
        }
    }

    fn ends(&self) -> Vec<(PartitionId, i64)> {
        let connection = Connection::open(&self.settings("reads-back")).unwrap();
        let starts = connection.starts(&self.names, From::Earliest, false).unwrap();
        starts.iter().map(|start| (start.partition, start.log_end)).collect()
    }

    fn settings(&self, group: &str) -> KafkaSettings {
        KafkaSettings::new(&self.services.brokers, &self.group(group))
    }

    /// A group of this load's own.
    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.names.wells)
    }
}

/// A log as it lies in Kafka.
pub(crate) struct Log {
    records: Vec<Stored>,
    schemas: WriterSchemas,
}

impl Log {
    /// What becomes of each record.
    pub(crate) fn judged(&self, rules: &Rules) -> Judged {
        let mut judge = RawJudge::new(&self.schemas, rules);
        for record in &self.records {
            let Stored { partition, offset, timestamp_ms, value } = record;
            judge.record(*partition, *offset, *timestamp_ms, value.as_deref()).unwrap();
        }
        judge.finish()
    }
}

/// One record.
struct Stored {
    partition: PartitionId,
    offset: i64,
    timestamp_ms: i64,
    value: Option<Vec<u8>>,
}

/// Reads partitions from their start to the given ends.
fn read_all(settings: &KafkaSettings, names: &TopicNames, ends: &[(PartitionId, i64)]) -> Vec<Stored> {
    let starts: Vec<_> = ends.iter().map(|(partition, _)| (*partition, 0)).collect();
    let mut source = KafkaSource::open(settings, names, &starts, starts.len()).unwrap();
    let (mut records, deadline) = (Vec::new(), Deadline::after(READ_TIME_MAX));
    let mut open = ends.to_vec();
    while !open.is_empty() {
        open.retain(|&(partition, end)| {
            let mut visit = |shown: &[wellstream_core::record::Record<'_>]| {
                records.extend(shown.iter().map(|record| Stored {
                    partition,
                    offset: record.offset,
                    timestamp_ms: record.timestamp_ms,
                    value: record.value.map(<[u8]>::to_vec),
                }));
                shown.len()
            };
            let polled = source.poll(partition, 1_000, &mut visit).unwrap();
            polled.offset_next.unwrap_or(0) < end && end > 0
        });
        assert!(!deadline.passed(), "reading back hangs: {open:?}");
    }
    records
}

fn schema_id(value: &[u8]) -> Option<u32> {
    match value.split_first_chunk::<5>() {
        Some(([0, id @ ..], _)) => Some(u32::from_be_bytes(*id)),
        _ => None,
    }
}

/// Whether the long sizes are asked for.
pub(crate) fn is_full_size() -> bool {
    std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full")
}

const READ_TIME_MAX: Duration = Duration::from_secs(300);
