//! A run without any service: a generator feeds partitions in memory.

use std::sync::Arc;
use std::time::Duration;

use wellstream_connectors::count::CountSink;
use wellstream_connectors::embedded::EmbeddedLog;
use wellstream_connectors::fanout::FanoutSink;
use wellstream_connectors::runtime::{self, Control};
use wellstream_core::decode::FixedSchemas;
use wellstream_core::engine::{EngineSettings, Follower, PartitionStart, Resume, ResumePolicy, Sink};
use wellstream_core::record::PartitionId;
use wellstream_core::telemetry::Totals;
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::scenario::Scenario;

use super::Job;
use crate::cache;
use crate::exit::Failure;
use crate::feed::Feed;
use crate::settings::{KeyedBy, Settings, Span};

/// Runs on the embedded source until the end of `--duration` or a signal.
pub(super) fn run(job: &Job<'_>, followers: Vec<Box<dyn Sink>>) -> Result<Totals, Failure> {
    let generator = generator(job.settings, job.clock.wall_ms())?;
    let (log, _feed) = Feed::live(generator, job.clock)?;
    let sink = FanoutSink::new(followers, Box::new(CountSink::default()));
    let duration = job.settings.duration.map(Span::duration);
    run_in_memory(job, &job.engine(false), duration, &log, sink)
}

/// Runs the engine over partitions in memory.
fn run_in_memory(
    job: &Job<'_>,
    engine: &EngineSettings,
    duration: Option<Duration>,
    log: &EmbeddedLog,
    sink: impl Sink,
) -> Result<Totals, Failure> {
    let counts = |partition: PartitionId| log.partitions().filter(|id| id.side == partition.side).count();
    let starts: Vec<PartitionStart> = log
        .partitions()
        .map(|partition| PartitionStart {
            partition,
            topic_id: "-".to_owned(),
            partitions: u32::try_from(counts(partition)).unwrap_or(u32::MAX),
            committed: None,
            log_start: 0,
            log_end: 0,
            from: 0,
        })
        .collect();
    let policy = ResumePolicy::default();
    let resume = Resume::plan(&starts, Vec::new(), job.rules.hash(), policy).map_err(anyhow::Error::from)?;
    let source = |places: &[(PartitionId, i64)]| {
        let partitions: Vec<_> = places.iter().map(|(partition, _)| *partition).collect();
        log.source(&partitions).map(|source| job.stopwatch.source(source))
    };
    let schemas = Arc::new(FixedSchemas::built_in());
    let mut cache = cache::start(job, schemas.clone())?;
    let follower = cache.as_mut().map(|cache| cache as &mut dyn Follower);
    let control = Control { stop: &job.stop, duration, follower, observe: &mut |_, _| {} };
    let sink = job.stopwatch.sink(sink);
    let report =
        runtime::run(engine, &resume, schemas, source, sink, control).map_err(anyhow::Error::from)?;
    cache::finish(cache);
    Ok(report.totals)
}

/// The readings of the embedded source, from now on.
fn generator(settings: &Settings, now_ms: i64) -> Result<Generator, Failure> {
    let mut scenario = Scenario::load("embedded").map_err(anyhow::Error::from)?;
    let own = &settings.embedded;
    let per_s =
        |sensors: u32| f64::from(sensors) / f64::from(own.facilities) / own.interval.duration().as_secs_f64();
    scenario.facilities = own.facilities;
    scenario.wells = own.wells;
    scenario.tanks = own.tanks;
    scenario.well_readings_per_s = per_s(own.wells);
    scenario.tank_readings_per_s = per_s(own.tanks);
    if let Some(seed) = settings.seed {
        scenario.seed = seed;
    }
    scenario.keyed_by = match settings.keyed_by {
        KeyedBy::Sensor => wellstream_replay::scenario::KeyedBy::Sensor,
        KeyedBy::Facility => wellstream_replay::scenario::KeyedBy::Facility,
    };
    scenario.check().map_err(|error| Failure::usage(format!("embedded source: {error}")))?;
    let setup = Setup { start_ms: now_ms, partitions: [own.partitions; 2], ..Setup::default() };
    Ok(Generator::new(scenario, setup))
}
