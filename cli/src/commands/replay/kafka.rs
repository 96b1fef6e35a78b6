//! The load to Kafka, with the engine here, elsewhere or nowhere; what came out is what a consumer of the
//! output topics sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wellstream_connectors::kafka::TopicNames;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_core::join::AlarmTotals;
use wellstream_core::record::PartitionId;
use wellstream_core::telemetry::Totals;
use wellstream_replay::drive::{
    Engine, KafkaMeasured, KafkaRun, Look, Measured, Plan, Watch, Watched, bases, run_on_kafka,
};
use wellstream_replay::generate::{Generator, Setup};
use wellstream_replay::load::{GeneratedLoad, Stamp};
use wellstream_replay::oracle::Partners;
use wellstream_replay::verdict::{Counts, Found, Load, Suspects};

use super::load::schema_ids;
use super::memory::{open_records, plan};
use super::progress::Progress;
use super::results::{Results, finish, folder};
use super::verdict::{Judged, judge};
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
    if settings.verify && choice == EngineChoice::External && !job.rules.emits_pairs_only() {
        return Err(Failure::usage(
            "--verify with --engine external needs --join all without --outer: in other modes an engine that goes on \
             decides its last rows only when later readings come",
        ));
    }
    let folder = folder(settings)?;
    let field = Field::new(settings, asked, &job)?;
    let plan = plan(settings, asked, None);
    let KafkaMeasured { mut measured, watched } = field.run(&job, asked, plan, choice)?;
    if let Some(watched) = &watched {
        // What a consumer sees is what came out.
        let [raised, escalated, cleared] = watched.tally.alarms_by_kind();
        measured.totals.rows = watched.tally.row_totals();
        measured.totals.alarms = AlarmTotals { raised, escalated, cleared };
    }
    let judged = match watched {
        Some(watched) if settings.verify => Some(field.judge(&job, &measured, watched, choice)?),
        _ => None,
    };
    let engine = match choice {
        EngineChoice::Here => "here",
        EngineChoice::External => "external",
        EngineChoice::None => "none",
    };
    let results = Results { plan, measured, judged, search: None, target: "kafka", engine };
    finish(loaded, &job, asked, results, folder)
}

/// The topics of a run, and what will be written to them.
struct Field {
    connection: Connection,
    names: TopicNames,
    generator: Generator,
    /// Where the partitions of the input topics end before the run.
    bases: BTreeMap<PartitionId, i64>,
    /// The start, epoch ms: every event time lies before it, every record is sent behind it.
    began_ms: i64,
}

impl Field {
    fn new(settings: &Settings, asked: &Asked, job: &Job<'_>) -> Result<Field, Failure> {
        let connection = kafka::connect(&kafka::settings(settings, "replay")?)?;
        let names = kafka::topics(settings);
        connection
            .create_topics(&names, settings.partitions, settings.replication)
            .map_err(kafka::failure)?;
        let count =
            |topic: &str| connection.topic(topic).map(|topic| topic.partitions).map_err(kafka::failure);
        let partitions = [count(&names.wells)?, count(&names.tanks)?];
        let schemas = schema_ids(settings, &asked.scenario)?;
        let start_ms = start_ms(&asked.scenario, asked.events, job.clock);
        let generator = Generator::new(asked.scenario.clone(), Setup { start_ms, partitions, schemas });
        let bases = bases(&connection, &names, partitions).map_err(kafka::failure)?.into_iter().collect();
        Ok(Field { connection, names, generator, bases, began_ms: job.clock.wall_ms() })
    }

    /// Sends the load and watches what comes out.
    fn run(
        &self,
        job: &Job<'_>,
        asked: &Asked,
        plan: Plan,
        choice: EngineChoice,
    ) -> Result<KafkaMeasured, Failure> {
        let watch = match choice {
            EngineChoice::None => None,
            _ => Some(Watch::start(&self.connection, &self.names, job.rules.join).map_err(kafka::failure)?),
        };
        let own = engine_settings(job.settings, self.began_ms);
        let engine_job = Job {
            settings: &own,
            rules: Arc::clone(&job.rules),
            clock: job.clock,
            stopwatch: Stopwatch::new(job.clock),
            stop: Arc::new(AtomicBool::new(false)),
        };
        // Its place in the log is taken now, before anything is sent.
        let mut prepared = match choice {
            EngineChoice::Here => Some(self.prepare(&engine_job, asked.events)?),
            _ => None,
        };
        let mut go = || -> Result<Totals, String> {
            let prepared = prepared.take().ok_or("the engine runs once")?;
            prepared.go().map_err(Failure::message)
        };
        let engine = match choice {
            EngineChoice::Here => Engine::Here(&mut go),
            EngineChoice::External => Engine::External,
            EngineChoice::None => Engine::Nobody,
        };
        let run = KafkaRun {
            connection: &self.connection,
            names: &self.names,
            partitions: self.generator.setup().partitions,
            open_records: open_records(&self.generator),
            plan,
            schedule: asked.schedule.as_ref(),
            stop: &job.stop,
            engine_stop: &engine_job.stop,
        };
        let (generator, stamp) = (self.generator.clone(), Stamp::Fixed(self.began_ms));
        let load = match &asked.schedule {
            Some(schedule) => GeneratedLoad::scheduled(generator, schedule, stamp),
            None => GeneratedLoad::at_once(generator, asked.events, stamp),
        };
        let bases: Vec<_> = self.bases.iter().map(|(partition, base)| (*partition, *base)).collect();
        let mut progress = Progress::new(plan.events, job.clock);
        let done = run_on_kafka(run, &bases, load, watch, engine, &mut |look: &Look| progress.show(look));
        progress.end();
        Ok(done.map_err(anyhow::Error::from)?)
    }

    /// An engine that reads what this run sends and nothing else.
    fn prepare<'j, 's>(&self, job: &'j Job<'s>, events: u64) -> Result<Prepared<'j, 's>, Failure> {
        let planned = Load::new(&self.generator, events).records();
        let mut prepared = Prepared::new(job, &[SinkChoice::Kafka], Vec::new())?;
        prepared.end_at(|partition| {
            let count = planned.get(&partition).map_or(0, |count| count.cast_signed());
            self.bases.get(&partition).map_or(0, |base| base + count)
        });
        Ok(prepared)
    }

    fn judge(
        &self,
        job: &Job<'_>,
        measured: &Measured,
        watched: Watched,
        choice: EngineChoice,
    ) -> Result<Judged, Failure> {
        let stamped = |_: &_| self.began_ms;
        let stored =
            |partition: PartitionId, nth: i64| self.bases.get(&partition).map_or(nth, |base| base + nth);
        let load = Load::new(&self.generator, measured.sent).stamped(&stamped).stored(&stored);
        let found = Found { tally: watched.tally, partners: Partners::default(), epochs_dropped: 0 };
        let is_here = choice == EngineChoice::Here;
        let counts = is_here.then(|| Counts::from(&measured.totals.lanes));
        let mut again = |suspects: &Arc<Suspects>| {
            Watch::listed(&self.connection, &self.names, job.rules.join, self.began_ms, suspects)
                .map_err(kafka::failure)
        };
        judge(job, load, &found, counts.as_ref(), is_here, &mut again)
    }
}

/// The engine here has a group of its own, begins at the end of the topics, and runs to the end of the load.
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
