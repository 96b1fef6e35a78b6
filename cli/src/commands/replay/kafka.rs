//! The load to Kafka, with the engine here, elsewhere or nowhere; what came out is what a consumer of the
//! output topics sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::TopicNames;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::native::choice::Reader;
use wellstream_core::join::AlarmTotals;
use wellstream_core::record::PartitionId;
use wellstream_core::telemetry::Totals;
use wellstream_replay::drive::{
    Engine, KafkaMeasured, KafkaRun, Look, Measured, Onlooker, Plan, Watch, Watched, bases, run_on_kafka,
};
use wellstream_replay::report::ReportFolder;
use wellstream_replay::verdict::{Counts, Found, Suspects};

use super::memory::plan;
use super::progress::Progress;
use super::results::{Results, finish, folder};
use super::source::Source;
use super::trace::TraceAsked;
use super::verdict::{Judged, judge, whole};
use super::{Asked, search};
use crate::commands::run::{Job, Prepared};
use crate::exit::Failure;
use crate::kafka;
use crate::settings::{EngineChoice, Loaded, Settings, SinkChoice};
use crate::stopwatch::Stopwatch;

/// A scenario's readings.
pub(super) fn measure(loaded: &Loaded, asked: &Asked, choice: EngineChoice) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let (job, folder) = (job(settings, choice)?, folder(settings)?);
    let field = Field::new(&job, settings.partitions)?;
    let source = Source::generated(settings, asked, &field)?;
    field.measure(loaded, &source, plan(settings, asked, None), choice, folder)
}

/// The highest rate that holds the objective, with the engine here. Each rate begins where the topics end,
/// with an engine and a group of its own.
pub(super) fn find_max(loaded: &Loaded, asked: &Asked) -> Result<(), Failure> {
    let settings = &loaded.settings;
    match settings.engine.unwrap_or(EngineChoice::None) {
        EngineChoice::Here => {}
        EngineChoice::External => {
            return Err(Failure::usage(
                "--find-max needs --engine here: an engine that goes on has seen the event times of one rate when \
                 the next one begins before them, so all of that would be late",
            ));
        }
        EngineChoice::None => {
            return Err(Failure::usage(
                "--find-max on Kafka needs --engine here: without an engine nothing comes out to be measured",
            ));
        }
    }
    let job = Job::new(settings)?;
    search::find_max(loaded, &job, asked, "kafka", &mut |asked, plan| {
        let field = Field::new(&job, settings.partitions)?;
        let source = Source::generated(settings, asked, &field)?;
        Ok(field.run(&source, plan, EngineChoice::Here, &mut |_| {})?.0)
    })
}

/// A trace's records, each into its own partition.
pub(super) fn measure_trace(
    loaded: &Loaded,
    asked: &TraceAsked,
    choice: EngineChoice,
) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let (job, folder) = (job(settings, choice)?, folder(settings)?);
    // Topics that are made here get as many as the trace needs.
    let partitions = match loaded.is_given("partitions") {
        true => settings.partitions,
        false => asked.recording.partitions().into_iter().fold(1, u32::max),
    };
    let field = Field::new(&job, partitions)?;
    let source = Source::recorded(settings, asked, &field)?;
    field.measure(loaded, &source, asked.plan(settings), choice, folder)
}

fn job(settings: &Settings, choice: EngineChoice) -> Result<Job<'_>, Failure> {
    let job = Job::new(settings)?;
    if settings.verify && choice == EngineChoice::External && !job.rules.emits_pairs_only() {
        return Err(Failure::usage(
            "--verify with --engine external needs --join all without --outer: in other modes an engine that goes on \
             decides its last rows only when later readings come",
        ));
    }
    Ok(job)
}

/// The topics of a run.
pub(super) struct Field<'j> {
    job: &'j Job<'j>,
    connection: Connection,
    /// The client that sends and watches.
    reader: Reader,
    names: TopicNames,
    /// Partitions of the wells' and the tanks' topic.
    pub(super) partitions: [u32; 2],
    /// Where the partitions of the input topics end before the run.
    pub(super) bases: BTreeMap<PartitionId, i64>,
    /// The start, epoch ms: every event time of a scenario lies before it, every record is sent behind it.
    pub(super) began_ms: i64,
    pub(super) clock: MachineClock,
}

impl<'j> Field<'j> {
    fn new(job: &'j Job<'j>, partitions: u32) -> Result<Field<'j>, Failure> {
        let settings = job.settings;
        let client = kafka::settings(settings, "replay")?;
        let connection = kafka::connect(&client)?;
        let reader = kafka::client(settings, &client, "records are sent and watched")?;
        let names = kafka::topics(settings);
        connection.create_topics(&names, partitions, settings.replication).map_err(kafka::failure)?;
        let count =
            |topic: &str| connection.topic(topic).map(|topic| topic.partitions).map_err(kafka::failure);
        let partitions = [count(&names.wells)?, count(&names.tanks)?];
        let bases = bases(&connection, &names, partitions).map_err(kafka::failure)?.into_iter().collect();
        let (began_ms, clock) = (job.clock.wall_ms(), job.clock);
        Ok(Field { job, connection, reader, names, partitions, bases, began_ms, clock })
    }

    /// One run.
    fn measure(
        &self,
        loaded: &Loaded,
        source: &Source<'_>,
        plan: Plan,
        choice: EngineChoice,
        folder: Option<ReportFolder>,
    ) -> Result<(), Failure> {
        let mut progress = Progress::new(plan.events, self.job.clock);
        let ran = self.run(source, plan, choice, &mut |look: &Look| progress.show(look));
        progress.end();
        let (measured, watched) = ran?;
        // An engine here that was stopped on the way has not read all that was sent: nothing can be said.
        let is_whole = measured.sent == plan.events || choice == EngineChoice::External;
        let is_whole = is_whole && whole(&measured).is_ok();
        let judged = match watched {
            Some(watched) if self.job.settings.verify && is_whole => {
                Some(self.judge(source, &measured, watched, choice)?)
            }
            _ => None,
        };
        let engine = match choice {
            EngineChoice::Here => "here",
            EngineChoice::External => "external",
            EngineChoice::None => "none",
        };
        let results =
            Results { plan, measured, judged, search: None, unusable: None, target: "kafka", engine };
        finish(loaded, self.job, &source.subject(), results, folder)
    }

    /// Sends the load and watches what comes out.
    fn run(
        &self,
        source: &Source<'_>,
        plan: Plan,
        choice: EngineChoice,
        look: &mut (dyn FnMut(&Look) + Send),
    ) -> Result<(Measured, Option<Watched>), Failure> {
        let job = self.job;
        let watch = match choice {
            EngineChoice::None => None,
            _ => Some(
                Watch::start((&self.connection, &self.reader), &self.names, job.rules.join)
                    .map_err(kafka::failure)?,
            ),
        };
        let own = engine_settings(job.settings, self.began_ms);
        let engine_job = Job {
            settings: &own,
            rules: Arc::clone(&job.rules),
            clock: job.clock,
            stopwatch: Stopwatch::new(job.clock),
            stop: Arc::new(AtomicBool::new(false)),
            gives_up: true,
        };
        // Its place in the log is taken now, before anything is sent.
        let mut prepared = match choice {
            EngineChoice::Here => Some(self.prepare(&engine_job, source)?),
            _ => None,
        };
        let mut go = |onlooker: &Onlooker<'_>| -> Result<Totals, String> {
            let prepared = prepared.take().ok_or("the engine runs once")?;
            prepared.go(Some(onlooker)).map_err(Failure::message)
        };
        let engine = match choice {
            EngineChoice::Here => Engine::Here(&mut go),
            EngineChoice::External => Engine::External,
            EngineChoice::None => Engine::Nobody,
        };
        let run = KafkaRun {
            connection: &self.connection,
            reader: &self.reader,
            names: &self.names,
            partitions: self.partitions,
            open_records: source.open_records(),
            plan,
            schedule: source.schedule(),
            is_stamped: source.is_stamped(),
            stop: &job.stop,
            engine_stop: &engine_job.stop,
        };
        let load = source.load(self.began_ms)?;
        let bases: Vec<_> = self.bases.iter().map(|(partition, base)| (*partition, *base)).collect();
        let done = run_on_kafka(run, &bases, load, watch, engine, look);
        let KafkaMeasured { mut measured, watched } = done.map_err(anyhow::Error::from)?;
        if let Some(watched) = &watched {
            // What a consumer sees is what came out.
            let [raised, escalated, cleared] = watched.tally.alarms_by_kind();
            measured.totals.rows = watched.tally.row_totals();
            measured.totals.alarms = AlarmTotals { raised, escalated, cleared };
        }
        Ok((measured, watched))
    }

    /// An engine that reads what this run sends and nothing else.
    fn prepare<'e, 's>(&self, job: &'e Job<'s>, source: &Source<'_>) -> Result<Prepared<'e, 's>, Failure> {
        let planned = source.records(self.partitions);
        let mut prepared = Prepared::new(job, &[SinkChoice::Kafka], Vec::new())?;
        if job.settings.schema_registry.is_none() {
            prepared.read_by(source.schemas()?);
        }
        prepared.end_at(|partition| {
            let count = planned.get(&partition).map_or(0, |count| count.cast_signed());
            self.bases.get(&partition).map_or(0, |base| base + count)
        });
        Ok(prepared)
    }

    fn judge(
        &self,
        source: &Source<'_>,
        measured: &Measured,
        watched: Watched,
        choice: EngineChoice,
    ) -> Result<Judged, Failure> {
        let Watched { tally, partners, .. } = watched;
        let found = Found { tally, partners, epochs_dropped: 0 };
        let is_here = choice == EngineChoice::Here;
        let counts = is_here.then(|| Counts::from(&measured.totals.lanes));
        let mut again = |suspects: &Arc<Suspects>| {
            let clients = (&self.connection, &self.reader);
            Watch::listed(clients, &self.names, self.job.rules.join, self.began_ms, suspects)
                .map_err(kafka::failure)
        };
        source.ask(self.job.settings, self, measured.sent, |oracle| {
            judge(self.job, oracle, &found, counts.as_ref(), is_here, &mut again)
        })
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
        // What is measured is no news.
        redis: None,
        ..settings.clone()
    }
}
