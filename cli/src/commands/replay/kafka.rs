//! The load to Kafka, with the engine here, elsewhere or nowhere; what came out is what a consumer of the output
//! topics sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wellstream_connectors::kafka::topics::Connection;
use wellstream_core::record::PartitionId;
use wellstream_core::rules::JoinMode;
use wellstream_core::telemetry::Totals;
use wellstream_replay::drive::{Engine, KafkaRun, Look, Watch, bases, run_on_kafka};
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::load::{GeneratedLoad, Stamp};
use wellstream_replay::verdict::{Counts, Found, Load, Suspects};

use super::load::schema_ids;
use super::memory::{open_records, plan};
use super::progress::Progress;
use super::results::{Results, finish, folder};
use super::verdict::judge;
use super::{Asked, start_ms};
use crate::commands::run::{Job, Prepared};
use crate::exit::Failure;
use crate::kafka;
use crate::settings::{EngineChoice, Loaded, Settings, SinkChoice};
use crate::stopwatch::Stopwatch;

/// One run at the rate asked for.
pub(super) fn measure(loaded: &Loaded, asked: &Asked, choice: EngineChoice) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let job = Job::new(settings)?;
    let is_function = job.rules.emits_pairs_only();
    if settings.verify && choice == EngineChoice::External && !is_function {
        return Err(Failure::usage(
            "--verify with --engine external needs --join all without --outer: in other modes an engine that goes on \
             decides its last rows only when later readings come",
        ));
    }
    let folder = folder(settings)?;
    let client = kafka::settings(settings, "replay")?;
    let connection = kafka::connect(&client)?;
    let names = kafka::topics(settings);
    connection.create_topics(&names, settings.partitions, settings.replication).map_err(kafka::failure)?;
    let count = |topic: &str| connection.topic(topic).map(|topic| topic.partitions).map_err(kafka::failure);
    let partitions = [count(&names.wells)?, count(&names.tanks)?];
    let schemas = schema_ids(settings, &asked.scenario)?;
    let start_ms = start_ms(&asked.scenario, asked.events, job.clock);
    let generator = Generator::new(asked.scenario.clone(), Setup { start_ms, partitions, schemas });
    let began_ms = job.clock.wall_ms();
    let bases = bases(&connection, &names, partitions).map_err(kafka::failure)?;
    let watch = match choice {
        EngineChoice::None => None,
        _ => Some(Watch::start(&connection, &names, job.rules.join).map_err(kafka::failure)?),
    };
    let planned = Load::new(&generator, asked.events).records();
    let base: BTreeMap<PartitionId, i64> = bases.iter().copied().collect();
    let end = |partition| base[&partition] + planned.get(&partition).map_or(0, |count| count.cast_signed());
    let own = engine_settings(settings, job.clock.wall_ms());
    let engine_job = Job {
        settings: &own,
        rules: Arc::clone(&job.rules),
        clock: job.clock,
        stopwatch: Stopwatch::new(job.clock),
        stop: Arc::new(AtomicBool::new(false)),
    };
    let mut prepared = match choice {
        EngineChoice::Here => Some(Prepared::new(&engine_job, &[SinkChoice::Kafka], Vec::new())?),
        _ => None,
    };
    if let Some(prepared) = &mut prepared {
        prepared.end_at(end);
    }
    let mut go = || -> Result<Totals, String> {
        let prepared = prepared.take().ok_or("the engine runs once")?;
        prepared.go().map_err(Failure::message)
    };
    let engine = match choice {
        EngineChoice::Here => Engine::Here(&mut go),
        EngineChoice::External => Engine::External,
        EngineChoice::None => Engine::Nobody,
    };
    let plan = plan(settings, asked, None);
    let run = KafkaRun {
        connection: &connection,
        names: &names,
        partitions,
        open_records: open_records(&generator),
        plan,
        schedule: asked.schedule.as_ref(),
        stop: &job.stop,
        engine_stop: &engine_job.stop,
    };
    let stamp = Stamp::Fixed(began_ms);
    let load = match &asked.schedule {
        Some(schedule) => GeneratedLoad::scheduled(generator.clone(), schedule, stamp),
        None => GeneratedLoad::at_once(generator.clone(), asked.events, stamp),
    };
    let mut progress = Progress::new(plan.events, job.clock);
    let mut show = |look: &Look| progress.show(look);
    let done = run_on_kafka(run, &bases, load, watch, engine, &mut show).map_err(anyhow::Error::from)?;
    progress.end();
    let judged = match (done.watched, settings.verify) {
        (Some(watched), true) => {
            let stamped = |_: &_| began_ms;
            let stored = |partition: PartitionId, nth: i64| base[&partition] + nth;
            let load = Load::new(&generator, done.measured.sent).stamped(&stamped).stored(&stored);
            let found = Found { tally: watched.tally, partners: Default::default(), epochs_dropped: 0 };
            let is_here = choice == EngineChoice::Here;
            let counts = is_here.then(|| Counts::from(&done.measured.totals.lanes));
            let mut again = |suspects: &Arc<Suspects>| listed(&connection, &names, job.rules.join, began_ms, suspects);
            Some(judge(&job, load, &found, counts.as_ref(), is_here, &mut again)?)
        }
        _ => None,
    };
    let engine = match choice {
        EngineChoice::Here => "here",
        EngineChoice::External => "external",
        EngineChoice::None => "none",
    };
    let results = Results { plan, measured: done.measured, judged, search: None, target: "kafka", engine };
    finish(loaded, &job, asked, results, folder)
}

/// The engine here reads what this run sends and nothing else, with a group of its own, to the end.
fn engine_settings(settings: &Settings, now_ms: i64) -> Settings {
    Settings {
        group: format!("{}-replay-{now_ms}", settings.group),
        from: "latest".to_owned(),
        until_end: true,
        duration: None,
        sink: None,
        ..settings.clone()
    }
}

/// What suspect cells hold: the output topics are read once more.
fn listed(
    connection: &Connection,
    names: &wellstream_connectors::kafka::TopicNames,
    mode: JoinMode,
    began_ms: i64,
    suspects: &Arc<Suspects>,
) -> Result<wellstream_replay::verdict::Listed, Failure> {
    Watch::listed(connection, names, mode, began_ms, suspects).map_err(kafka::failure)
}
