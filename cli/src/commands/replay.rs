//! `wellstream replay`: generated load, into the engine here or to Kafka.

mod load;

use std::collections::BTreeMap;

use wellstream_connectors::MachineClock;
use wellstream_connectors::count::CountSink;
use wellstream_core::record::PartitionId;
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::{KeyedBy as ScenarioKeyedBy, Scenario, ScenarioError};

use super::run::{Job, run_in_memory};
use crate::exit::Failure;
use crate::feed::Feed;
use crate::settings::{KeyedBy, Loaded, Settings};

/// Generates a scenario's readings as fast as they are taken.
pub(crate) fn replay(loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    if !settings.max {
        return Err(Failure::usage(
            "replay needs --max (as fast as it goes): paced load is not in this version yet",
        ));
    }
    let scenario = scenario(loaded)?;
    let events = settings.events.unwrap_or(scenario.events);
    match settings.brokers {
        Some(_) => load::to_kafka(settings, scenario, events),
        None => in_memory(settings, scenario, events),
    }
}

fn in_memory(settings: &Settings, scenario: Scenario, events: u64) -> Result<(), Failure> {
    let job = Job::new(settings)?;
    let start_ms = start_ms(&scenario, events, job.clock);
    let partitions = [settings.partitions; 2];
    let generator = Generator::new(scenario, Setup { start_ms, partitions, ..Setup::default() });
    let ends = ends(&generator, events);
    let (log, _feed) = Feed::at_once(generator, events, job.clock)?;
    let end = |partition: PartitionId| Some(ends.get(&partition).copied().unwrap_or(0));
    let totals = run_in_memory(&job, &job.engine(true), None, &log, &end, CountSink::default())?;
    // Nothing was sent at a time of its own, so there is no latency to tell.
    job.print_summary(&totals, false)
}

/// The scenario as asked for by name or file, with what flags say instead.
fn scenario(loaded: &Loaded) -> Result<Scenario, Failure> {
    let settings = &loaded.settings;
    let mut scenario = Scenario::load(&settings.scenario).map_err(|error| match error {
        ScenarioError::Unreadable { .. } => Failure::Runtime(error.into()),
        error => Failure::Usage(error.into()),
    })?;
    if let Some(seed) = settings.seed {
        scenario.seed = seed;
    }
    if loaded.is_given("keyed_by") {
        scenario.keyed_by = match settings.keyed_by {
            KeyedBy::Sensor => ScenarioKeyedBy::Sensor,
            KeyedBy::Facility => ScenarioKeyedBy::Facility,
        };
    }
    Ok(scenario)
}

/// Event times end before now, as if all had been sent in time.
fn start_ms(scenario: &Scenario, events: u64, clock: MachineClock) -> i64 {
    clock.wall_ms() - scenario.span_ms(events) - MARGIN_MS
}

/// How many readings each partition gets.
fn ends(generator: &Generator, events: u64) -> BTreeMap<PartitionId, i64> {
    let mut ends = BTreeMap::new();
    for index in 0..events {
        *ends.entry(generator.partition(&generator.event(index))).or_default() += 1;
    }
    ends
}

/// Readings are sent up to some time after their event time; late ones more than that.
const MARGIN_MS: i64 = 120_000;
