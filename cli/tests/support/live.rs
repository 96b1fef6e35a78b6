//! What the tests against real servers share: topics of their own, records sent and read back.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

#[path = "../../../connectors/tests/support/own.rs"]
mod own;

use std::ops::ControlFlow;
use std::time::Duration;

pub use own::{address, unique};
use wellstream_connectors::kafka::quarantined::Sender;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};

use crate::program::{Ended, Program};

/// Topics and a group of a test's own.
pub struct World {
    pub brokers: String,
    pub registry: String,
    pub names: TopicNames,
    pub group: String,
    pub connection: Connection,
}

impl World {
    /// With topics that have so many partitions; `None` where there are no services.
    pub fn new(what: &str, partitions: u32) -> Option<World> {
        let world = World::bare(what)?;
        world.connection.create_topics(&world.names, partitions, 1).unwrap();
        Some(world)
    }

    /// Without its topics.
    pub fn bare(what: &str) -> Option<World> {
        let brokers = address("WELLSTREAM_TEST_BROKERS")?;
        let registry = address("WELLSTREAM_TEST_REGISTRY")?;
        let group = unique(what);
        let topic = |name: &str| format!("{group}-{name}");
        let names = TopicNames {
            wells: topic("wells"),
            tanks: topic("tanks"),
            enriched: topic("enriched"),
            alerts: topic("alerts"),
            quarantine: topic("quarantine"),
        };
        let connection = Connection::open(&KafkaSettings::new(&brokers, &group)).unwrap();
        Some(World { brokers, registry, names, group, connection })
    }

    /// `run` with these topics and this group, and what else is given.
    pub fn run_args(&self, more: &[&str]) -> Vec<String> {
        let names = &self.names;
        let mut args: Vec<String> = ["run", "--brokers", &self.brokers, "--group", &self.group]
            .iter()
            .chain(&["--wells", &names.wells, "--tanks", &names.tanks, "--output", &names.enriched])
            .chain(&["--alerts", &names.alerts, "--quarantine", &names.quarantine])
            .chain(&["--summary", "json"])
            .chain(more)
            .map(ToString::to_string)
            .collect();
        if !more.contains(&"--schema-registry") && !more.contains(&"--schemas") {
            args.extend(["--schema-registry".to_owned(), self.registry.clone()]);
        }
        args
    }

    pub fn run(&self, more: &[&str]) -> Program {
        Program::start(&self.run_args(more), RUN_TIME_MAX)
    }

    /// Sends generated readings: `events` of both kinds together.
    pub fn load(&self, events: &str, partitions: &str) {
        let names = &self.names;
        let args =
            ["replay", "--events", events, "--max", "--brokers", &self.brokers, "--partitions", partitions]
                .iter()
                .chain(&[
                    "--schema-registry",
                    &self.registry,
                    "--wells",
                    &names.wells,
                    "--tanks",
                    &names.tanks,
                ])
                .map(ToString::to_string)
                .collect::<Vec<_>>();
        let ended = Program::start(&args, RUN_TIME_MAX).finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    /// `quarantine list` or `replay`.
    pub fn quarantine(&self, verb: &str, more: &[&str]) -> Ended {
        let names = &self.names;
        let args: Vec<String> = ["quarantine", verb, "--brokers", &self.brokers, "--wells", &names.wells]
            .iter()
            .chain(&["--tanks", &names.tanks, "--quarantine", &names.quarantine])
            .chain(more)
            .map(ToString::to_string)
            .collect();
        Program::start(&args, RUN_TIME_MAX).finish()
    }

    pub fn sender(&self) -> Sender {
        Sender::open(&self.connection).unwrap()
    }

    /// Everything that a topic holds, in offset order within each partition.
    pub fn read(&self, topic: &str) -> Vec<StoredRecord> {
        let clock = wellstream_connectors::MachineClock::start();
        let mut records = Vec::new();
        // A connection that has seen its broker go may answer with that for a minute: a new one, then.
        let connect = || Connection::open(&KafkaSettings::new(&self.brokers, &self.group));
        while let Err(error) = connect().and_then(|connection| {
            connection.read_topic(topic, &mut |record| {
                records.push(record);
                ControlFlow::Continue(())
            })
        }) {
            assert!(error.retry_helps() && clock.elapsed() < Duration::from_secs(60), "{error}");
            records.clear();
            clock.sleep(Duration::from_millis(500));
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The row ids in the topic of rows, sorted.
    pub fn row_ids(&self) -> Vec<String> {
        let mut ids: Vec<_> =
            self.read(&self.names.enriched).iter().map(|record| enriched(record).row_id).collect();
        ids.sort_unstable();
        ids
    }
}

/// A row of the topic of rows.
pub fn enriched(record: &StoredRecord) -> wellstream_core::decode::EnrichedEvent {
    let value = record.value.as_deref().unwrap();
    wellstream_core::decode::enriched(wellstream_core::decode::split_frame(value).unwrap().1).unwrap()
}

/// The longest that any run of a test may take: the machine may be loaded.
pub const RUN_TIME_MAX: Duration = Duration::from_secs(120);
