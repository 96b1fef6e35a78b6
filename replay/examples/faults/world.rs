//! Topics and a group of a plan's own, the proxy before them, and what is called with their names.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaSettings, TopicNames};
use wellstream_core::engine::CommitMetadata;
use wellstream_core::record::{PartitionId, Side};
use wellstream_replay::faults::Proxy;
use wellstream_replay::scenario::{Poison, Scenario, Shares};

use super::Failed;
use super::plan::Plan;
use super::program::Program;
use super::settings::Settings;

/// Where a plan takes place.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) names: TopicNames,
    pub(crate) proxy: Proxy,
    pub(crate) folder: PathBuf,
    pub(crate) clock: MachineClock,
    brokers: String,
    registry: String,
    group: String,
}

impl World {
    /// With empty topics and an empty folder.
    pub(crate) fn create(plan: &Plan, settings: &Settings, clock: MachineClock) -> Result<World, Failed> {
        let folder = settings.folder_of(plan);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let group = format!("faults-{}-{}-{}", plan.name, clock.wall_ms(), std::process::id());
        let topic = |name: &str| format!("{group}-{name}");
        let names = TopicNames {
            wells: topic("wells"),
            tanks: topic("tanks"),
            enriched: topic("enriched"),
            alerts: topic("alerts"),
            quarantine: topic("quarantine"),
        };
        let world = World {
            names,
            proxy: Proxy::start(&settings.brokers)?,
            folder,
            clock,
            brokers: settings.brokers.clone(),
            registry: settings.registry.clone(),
            group,
        };
        std::fs::write(world.folder.join("scenario.toml"), toml::to_string(&scenario(settings)?)?)?;
        world.create_topics()?;
        Ok(world)
    }

    /// A broker that has just come back refuses for some seconds.
    fn create_topics(&self) -> Result<(), Failed> {
        let begun = self.clock.elapsed();
        let replication = nodes(&self.brokers);
        loop {
            let made =
                self.connection().and_then(|at| at.create_topics(&self.names, PARTITIONS, replication));
            match made {
                Ok(_) => return Ok(()),
                Err(error) if self.clock.elapsed().saturating_sub(begun) > PATIENCE => {
                    return Err(error.into());
                }
                Err(_) => self.clock.sleep(Duration::from_secs(1)),
            }
        }
    }

    /// A connection past the proxy.
    pub(crate) fn connection(&self) -> Result<Connection, wellstream_connectors::kafka::KafkaError> {
        Connection::open(&self.settings())
    }

    pub(crate) fn settings(&self) -> KafkaSettings {
        KafkaSettings::new(&self.brokers, &format!("{}-rig", self.group))
    }

    /// How many readings lie between the rewind points and what is committed now: as many are read again by
    /// a start.
    pub(crate) fn reread(&self) -> Result<u64, Failed> {
        let of_group = Connection::open(&KafkaSettings::new(&self.brokers, &self.group))?;
        let ids: Vec<PartitionId> = Side::BOTH
            .into_iter()
            .flat_map(|side| (0..PARTITIONS).map(move |number| PartitionId { side, number }))
            .collect();
        let mut readings = 0;
        for (offset, metadata) in of_group.committed(&self.names, &ids)?.into_iter().flatten() {
            let rewind = metadata.parse::<CommitMetadata>()?.rewind;
            readings += u64::try_from(offset - rewind)?;
        }
        Ok(readings)
    }

    /// Sends load, past the proxy, until it is told to end.
    pub(crate) fn sender(&self, settings: &Settings, seed: u64) -> Result<Program, Failed> {
        let (rate, seed) = (format!("{}/s", settings.rate), (seed >> 12).to_string());
        let mut args = words(&["replay", "--brokers", &self.brokers, "--engine", "none", "--rate", &rate]);
        args.extend(words(&["--duration", "3h", "--seed", &seed, "--scenario", "scenario.toml"]));
        args.extend(words(&["--summary", "json", "--schema-registry", &self.registry]));
        // A broker that goes again and again is to be outlived.
        args.extend(words(&["-X", "message.timeout.ms=900000"]));
        // Seen: after a clean restart of the broker librdkafka's idempotent producer sent nothing any more. A
        // reading that is there twice is one more reading: the oracle judges what is in the log.
        args.extend(words(&["-X", "enable.idempotence=false"]));
        args.extend(self.topics());
        Program::start(&settings.binary, &args, &self.folder, "sender", self.clock)
    }

    /// `run`, through the proxy, with what else is given.
    pub(crate) fn engine(
        &self,
        plan: &Plan,
        settings: &Settings,
        name: &str,
        more: &[&str],
    ) -> Result<Program, Failed> {
        let (address, join) = (self.proxy.address(), format!("{:?}", plan.join).to_lowercase());
        let mut args = words(&["run", "--brokers", &address, "--schema-registry", &self.registry]);
        args.extend(words(&["--group", &self.group, "--from", "earliest", "--join", &join]));
        args.extend(words(&["--sink", "kafka", "--summary", "json", "--delivery", &settings.delivery]));
        if settings.kafka_client != "native" {
            // A reply that never comes is to be given up within a plan's time.
            args.extend(words(&["-X", "socket.timeout.ms=10000"]));
        }
        // Rows are a function of the log while no partition is called idle: a load that waits for its broker
        // may seem so.
        args.extend(words(&["--idle-after", "off"]));
        args.extend(plan.outer.then(|| "--outer".to_owned()));
        args.extend(words(&["--kafka-client", &settings.kafka_client]));
        args.extend(words(more));
        args.extend(self.topics());
        Program::start(&settings.binary, &args, &self.folder, name, self.clock)
    }

    fn topics(&self) -> Vec<String> {
        let TopicNames { wells, tanks, enriched, alerts, quarantine } = &self.names;
        words(&["--wells", wells, "--tanks", tanks, "--output", enriched, "--alerts", alerts])
            .into_iter()
            .chain(words(&["--quarantine", quarantine]))
            .collect()
    }

    /// Frees the disk of a plan that is done.
    pub(crate) fn drop_topics(&self) -> Result<(), Failed> {
        let all = format!("{}-.*", self.group);
        script("kafka-tool", &["topics", "--delete", "--topic", &all])
    }

    /// The registry, for whoever reads the log.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }
}

/// `scripts/services VERB NODE`.
pub(crate) fn services(verb: &str, node: &str) -> Result<(), Failed> {
    script("services", &[verb, node])
}

/// How many brokers these are: topics are on all of them.
pub(crate) fn nodes(brokers: &str) -> u32 {
    brokers.split(',').map(|_| 1).sum()
}

/// One of the repository's scripts, which says something only where it fails.
fn script(name: &str, args: &[&str]) -> Result<(), Failed> {
    let path = format!("{}/../scripts/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(path).args(args).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("scripts/{name} {}: {}: {said}", args.join(" "), output.status).into())
}

/// The usual day of so few facilities that its event time runs twelve times as fast as the clock: windows
/// open and close by the second. Some readings come too late, some cannot be read: their copies are a part of
/// the output.
fn scenario(settings: &Settings) -> Result<Scenario, Failed> {
    let mut scenario = Scenario::named("normal").ok_or("no scenario `normal`")?;
    let facilities = settings.rate / 5;
    (scenario.facilities, scenario.wells, scenario.tanks) = (facilities, 2 * facilities, facilities);
    scenario.shares = Shares { late: 0.005, poison: 0.005, ..scenario.shares };
    scenario.late_by_ms = [12_000, 30_000];
    // Each that is told at once and fits into the quarantine whole.
    scenario.poison = vec![
        Poison::BadMagic,
        Poison::WrongType,
        Poison::Truncated,
        Poison::TrailingBytes,
        Poison::Malformed,
        Poison::BadUtf8,
        Poison::NotFinite,
        Poison::TimeTooOld,
        Poison::TimeTooFarAhead,
        Poison::EmptyValue,
        Poison::Tombstone,
    ];
    Ok(scenario)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Of every topic that is read.
pub(crate) const PARTITIONS: u32 = 3;

const PATIENCE: Duration = Duration::from_secs(60);
