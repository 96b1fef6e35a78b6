//! What was asked for.

use std::path::PathBuf;

use super::Failed;
use super::plan::{Needs, Plan};
use super::world::nodes;

/// All that plans have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) is_full: bool,
    pub(crate) seed: u64,
    pub(crate) delivery: String,
    pub(crate) kafka_client: String,
    /// Readings per second of both kinds together.
    pub(crate) rate: u32,
    pub(crate) brokers: String,
    pub(crate) registry: String,
    plans: Vec<String>,
    /// The delivery that the output is held to: another one than the engine's shows that the judge sees it.
    judged_as: String,
    /// Instead of the plans' own.
    times: Option<u32>,
    given: Vec<String>,
}

impl Settings {
    /// Reads arguments, asks the environment for the services.
    pub(crate) fn read(args: &[String]) -> Result<Settings, Failed> {
        let [binary, folder, size, seed, given @ ..] = args else { return Err(USAGE.into()) };
        let address = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let is_full = match &**size {
            "small" => false,
            "full" => true,
            _ => return Err(USAGE.into()),
        };
        let mut settings = Settings {
            binary: binary.into(),
            folder: folder.into(),
            is_full,
            seed: seed.parse()?,
            delivery: EXACTLY_ONCE.to_owned(),
            kafka_client: "native".to_owned(),
            rate: if is_full { 20_000 } else { 10_000 },
            brokers: address("WELLSTREAM_TEST_BROKERS")?,
            registry: address("WELLSTREAM_TEST_REGISTRY")?,
            plans: Vec::new(),
            judged_as: String::new(),
            times: None,
            given: given.to_vec(),
        };
        for pair in given.chunks(2) {
            let [flag, value] = pair else { return Err(USAGE.into()) };
            match &**flag {
                "--plan" => settings.plans.push(value.clone()),
                "--delivery" => settings.delivery.clone_from(value),
                "--kafka-client" => settings.kafka_client.clone_from(value),
                "--rate" => settings.rate = value.parse()?,
                "--judge" => settings.judged_as.clone_from(value),
                "--times" => settings.times = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        for name in &settings.plans {
            let Some(plan) = super::PLANS.iter().find(|plan| plan.name == name) else {
                return Err(format!("no plan {name}: --list names them").into());
            };
            if !settings.can_run(plan) {
                let needs = match plan.needs {
                    Needs::Cluster => "--nodes 3",
                    Needs::Any | Needs::ExactlyOnce => "--delivery exactly-once",
                };
                return Err(format!("{name} needs {needs}").into());
            }
        }
        Ok(settings)
    }

    /// A plan that was named; without names, each that the size has and that the delivery makes sense of. A
    /// cluster is for the plans that need one.
    pub(crate) fn has_asked_for(&self, plan: &Plan) -> bool {
        if self.plans.is_empty() {
            let is_here = self.is_cluster() == (plan.needs == Needs::Cluster);
            self.times(plan) > 0 && self.can_run(plan) && is_here
        } else {
            self.plans.iter().any(|name| name == plan.name)
        }
    }

    fn can_run(&self, plan: &Plan) -> bool {
        match plan.needs {
            Needs::Any => true,
            Needs::ExactlyOnce => self.is_exactly_once(),
            Needs::Cluster => self.is_cluster(),
        }
    }

    fn is_cluster(&self) -> bool {
        nodes(&self.brokers) > 1
    }

    /// An engine tells by which client it works: it must be the one that is asked for.
    pub(crate) fn check_client(&self, log: &str) -> Result<(), Failed> {
        let told = format!("readings are fetched by the {} client", self.kafka_client);
        match log.contains(&told) {
            true => Ok(()),
            false => Err(format!("the engine does not say `{told}`").into()),
        }
    }

    /// How often a plan does what it does. One that was named does it at least once.
    pub(crate) fn times(&self, plan: &Plan) -> u32 {
        let times = plan.times[usize::from(self.is_full)];
        match self.times {
            Some(given) if times > 0 || !self.plans.is_empty() => given,
            _ => times.max(u32::from(!self.plans.is_empty())),
        }
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.delivery == EXACTLY_ONCE
    }

    /// Whether repeats are faults.
    pub(crate) fn judges_exactly_once(&self) -> bool {
        if self.judged_as.is_empty() { self.is_exactly_once() } else { self.judged_as == EXACTLY_ONCE }
    }

    pub(crate) fn size_name(&self) -> &'static str {
        if self.is_full { "full" } else { "small" }
    }

    pub(crate) fn folder_of(&self, plan: &Plan) -> PathBuf {
        self.folder.join(plan.name)
    }

    /// A seed of a plan's own, so that it is the same whichever plans ran before it.
    pub(crate) fn seed_of(&self, plan: &Plan) -> u64 {
        let name = plan.name.bytes().fold(0, |hash: u64, byte| hash.rotate_left(7) ^ u64::from(byte));
        wellstream_core::record::splitmix64(self.seed ^ name)
    }

    /// The command that repeats a plan.
    pub(crate) fn command(&self, plan: &Plan) -> String {
        let mut given = self.given.chunks(2).filter(|pair| pair[0] != "--plan").flatten();
        let more = given.by_ref().fold(String::new(), |text, word| format!("{text} {word}"));
        let nodes = if self.is_cluster() { " --nodes 3" } else { "" };
        format!("scripts/faults {} {} --plan {}{nodes}{more}", self.size_name(), self.seed, plan.name)
    }
}

const EXACTLY_ONCE: &str = "exactly-once";

const USAGE: &str = "usage: faults BINARY FOLDER small|full SEED [--plan NAME]... [--delivery HOW] \
                     [--kafka-client WHICH] [--rate N] [--times N] [--judge HOW]";
