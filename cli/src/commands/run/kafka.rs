//! A run on Kafka: from the committed offsets on, and again from there when an epoch was aborted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wellstream_connectors::fanout::FanoutSink;
use wellstream_connectors::kafka::sink::{KafkaOutputs, ResultSchemas};
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, KafkaSettings, TopicNames};
use wellstream_connectors::limits::AUTHENTICATION_GRACE;
use wellstream_connectors::machine_clock::Deadline;
use wellstream_connectors::native::choice::Reader;
use wellstream_connectors::redis::Cache;
use wellstream_connectors::runtime::{self, Control, Ending};
use wellstream_core::decode::Schemas;
use wellstream_core::engine::{
    Follower, LostHistory, PartitionStart, Resume, ResumePolicy, Shared, Sink, SourceError,
};
use wellstream_core::record::PartitionId;
use wellstream_core::telemetry::Totals;
use wellstream_replay::drive::Onlooker;
use wellstream_replay::observe::ObservedSource;

use super::{Job, truth};
use crate::cache;
use crate::exit::Failure;
use crate::settings::{KeyedBy, OnLostHistory, Settings, SinkChoice};
use crate::stopwatch::TimedSink;
use crate::{kafka, schemas};

/// Runs until the end, the end of `--duration`, or a signal.
pub(super) fn run(
    job: &Job<'_>,
    choices: &[SinkChoice],
    followers: Vec<Box<dyn Sink>>,
) -> Result<Totals, Failure> {
    Prepared::new(job, choices, followers)?.go(None)
}

/// A run that is ready to begin: connected, checked, its place in the log known, its sink open.
pub(crate) struct Prepared<'j, 's> {
    job: &'j Job<'s>,
    client: KafkaSettings,
    names: TopicNames,
    readings: Arc<dyn Schemas>,
    connection: Connection,
    reader: Reader,
    starts: Vec<PartitionStart>,
    /// Where a bounded run ends, by the place in `starts`.
    ends: Vec<i64>,
    outputs: KafkaOutputs,
    sink: TimedSink<FanoutSink>,
    cache: Option<Cache>,
}

impl<'j, 's> Prepared<'j, 's> {
    /// Connects and looks.
    pub(crate) fn new(
        job: &'j Job<'s>,
        choices: &[SinkChoice],
        followers: Vec<Box<dyn Sink>>,
    ) -> Result<Prepared<'j, 's>, Failure> {
        let settings = job.settings;
        let mut client = kafka::settings(settings, "run")?;
        client.give_up = job.gives_up.then(|| Arc::clone(&job.stop));
        let names = kafka::topics(settings);
        let readings = schemas::of_readings(settings)?;
        let connection = kafka::connect(&client)?;
        let reader = kafka::reader(settings, &client)?;
        let outputs = outputs(job, choices)?;
        // What another program has open under our transactional id is ended before anybody asks what is
        // committed.
        let truth = truth::open(settings, &reader, &connection, &names, outputs).map_err(kafka::failure)?;
        let starts = facts(job, &connection, &names)?;
        let ends = starts.iter().map(|start| start.log_end).collect();
        let sink = job.stopwatch.sink(FanoutSink::new(followers, truth));
        let cache = cache::start(job, Arc::clone(&readings))?;
        Ok(Prepared { job, client, names, readings, connection, reader, starts, ends, outputs, sink, cache })
    }

    /// A bounded run ends at these offsets instead of those of now: whoever sends knows how far the log will
    /// go.
    pub(crate) fn end_at(&mut self, end: impl Fn(PartitionId) -> i64) {
        self.ends = self.starts.iter().map(|start| end(start.partition)).collect();
        self.bound();
    }

    /// Values are read by these schemas, not by those of the settings.
    pub(crate) fn read_by(&mut self, readings: Arc<dyn Schemas>) {
        self.readings = readings;
    }

    /// The ends of a bounded run are those of its first start.
    fn bound(&mut self) {
        for (start, end) in self.starts.iter_mut().zip(&self.ends) {
            start.log_end = *end;
        }
    }

    /// Runs until the end, the end of `--duration`, or a signal, perhaps under somebody's eyes.
    pub(crate) fn go(mut self, onlooker: Option<&Onlooker<'_>>) -> Result<Totals, Failure> {
        let job = self.job;
        let engine = job.engine(job.settings.until_end);
        let mut totals = Totals::default();
        let mut barren = Barren::default();
        loop {
            let resume = resume(job, &self.connection, &self.names, &self.starts, self.outputs)?;
            let partitions_total = resume.partitions.len();
            let source = |places: &[(PartitionId, i64)]| {
                self.reader
                    .open(&self.client, &self.names, places, partitions_total)
                    .map(|source| {
                        let source = job.stopwatch.source(source);
                        match onlooker {
                            Some(onlooker) => onlooker.source(source),
                            None => ObservedSource::unseen(source),
                        }
                    })
                    .map_err(|error| no_source(places, &error))
            };
            let left = job.settings.duration.map(|span| span.duration().saturating_sub(job.clock.elapsed()));
            let before = &totals;
            let observe = &mut |now: &Totals, shared: &Shared| {
                let Some(onlooker) = onlooker else { return };
                let mut sum = before.clone();
                sum.merge(&Totals { stages: shared.stage_times(), ..now.clone() });
                (onlooker.tell)(sum);
            };
            let follower = self.cache.as_mut().map(|cache| cache as &mut dyn Follower);
            let control = Control { stop: &job.stop, duration: left, follower, observe };
            let report = runtime::run(&engine, &resume, self.readings.clone(), source, self.sink, control)
                .map_err(anyhow::Error::from)?;
            totals.merge(&report.totals);
            if report.ending == Ending::Finished || job.stop.load(Ordering::Relaxed) {
                cache::finish(self.cache.take());
                return Ok(totals);
            }
            if let Some(starts) = barren.after(report.totals.epochs) {
                return Err(Failure::Runtime(anyhow::anyhow!(
                    "{starts} times in a row no epoch could be committed: look at the brokers' health and at the \
                     warnings above; nothing is lost, the next run goes on from the committed offsets"
                )));
            }
            tracing::warn!("an epoch was not committed for sure: starting again from the committed offsets");
            self.sink = report.sink;
            let truth;
            (self.connection, truth, self.starts) =
                again(job, &self.reader, (&self.client, &self.names), self.outputs)?;
            self.sink.sink_mut().set_truth(truth);
            // A live run has no ends: its log goes on.
            if job.settings.until_end {
                self.bound();
            }
        }
    }
}

/// Starts in a row from which nothing came.
#[derive(Default)]
struct Barren {
    starts: u32,
    /// Too few, or too soon to tell, before then.
    until: Option<Deadline>,
}

impl Barren {
    /// How many there were, if that is too many: a stuck transaction takes its time each time, and one that
    /// is aborted at once may only be so for a moment.
    fn after(&mut self, epochs: u64) -> Option<u32> {
        if epochs > 0 {
            *self = Barren::default();
            return None;
        }
        self.starts += 1;
        let until = self.until.get_or_insert_with(|| Deadline::after(BARREN_TIME_MIN));
        (self.starts >= BARREN_STARTS_MAX && until.passed()).then_some(self.starts)
    }
}

/// What the brokers tell about the partitions.
fn facts(job: &Job<'_>, connection: &Connection, names: &TopicNames) -> Result<Vec<PartitionStart>, Failure> {
    let settings = job.settings;
    let keyed_by_facility = settings.keyed_by == KeyedBy::Facility;
    connection.starts(names, kafka::start_from(settings), keyed_by_facility).map_err(kafka::failure)
}

/// A connection, the sink that decides, and what is committed.
type Begun = (Connection, Box<dyn Sink>, Vec<PartitionStart>);

/// Connects anew in the middle of a run: a broker in restart is waited for, but not for ever. The sink comes
/// before the committed offsets, as at the start.
fn again(
    job: &Job<'_>,
    reader: &Reader,
    (client, names): (&KafkaSettings, &TopicNames),
    outputs: KafkaOutputs,
) -> Result<Begun, Failure> {
    let deadline = Deadline::after(RECONNECT_TIME_MAX);
    let mut refused = None;
    let keyed_by_facility = job.settings.keyed_by == KeyedBy::Facility;
    loop {
        job.clock.park(RECONNECT_PAUSE);
        let attempt = Connection::open(client).and_then(|connection| {
            let truth = truth::open(job.settings, reader, &connection, names, outputs)?;
            let starts = connection.starts(names, kafka::start_from(job.settings), keyed_by_facility)?;
            Ok((connection, truth, starts))
        });
        match attempt {
            Ok(found) => return Ok(found),
            Err(error) => {
                let is_over = deadline.passed() || job.stop.load(Ordering::Relaxed);
                // We have been let in before: a broker in restart may refuse for a moment.
                let is_refusal = matches!(error, KafkaError::Authentication { .. });
                let is_final = match is_refusal {
                    true => refused.get_or_insert_with(|| Deadline::after(AUTHENTICATION_GRACE)).passed(),
                    false => !error.retry_helps(),
                };
                if is_over || is_final {
                    return Err(kafka::failure(error));
                }
                tracing::warn!("{error}; trying again");
            }
        }
    }
}

/// Where the engine starts, with the alarms in force where the group has commits.
fn resume(
    job: &Job<'_>,
    connection: &Connection,
    names: &TopicNames,
    starts: &[PartitionStart],
    outputs: KafkaOutputs,
) -> Result<Resume, Failure> {
    let is_restart = starts.iter().any(|start| start.committed.is_some());
    let mut resume = Resume::plan(starts, Vec::new(), job.rules.hash(), policy(job.settings))
        .map_err(anyhow::Error::from)?;
    if is_restart && outputs.results.is_some() {
        // What the stored W had not passed, no commit stands behind: at-least-once leaves such alarms behind.
        let decided_ms = resume.watermark.map_or(i64::MAX, |w_ms| w_ms - job.rules.alarm_delay_ms());
        resume.alarms = connection.alarms_in_force(&names.alerts, decided_ms).map_err(kafka::failure)?;
    }
    if !resume.lost.is_empty() {
        let lost: Vec<_> = resume.lost.iter().map(ToString::to_string).collect();
        tracing::error!(
            "history lost in {}: starting at the committed offsets; results that were open there are taken as \
             decided (--on-lost-history refuse stops instead)",
            lost.join(", ")
        );
    }
    Ok(resume)
}

fn policy(settings: &Settings) -> ResumePolicy {
    ResumePolicy {
        lost_history: match settings.on_lost_history {
            OnLostHistory::Start => LostHistory::Start,
            OnLostHistory::Refuse => LostHistory::Refuse,
        },
        accept_rules_change: settings.accept_rules_change,
        until_end: settings.until_end,
        keyed_by_facility: settings.keyed_by == KeyedBy::Facility,
    }
}

/// What goes to Kafka: everything with sink kafka, else only offsets.
fn outputs(job: &Job<'_>, choices: &[SinkChoice]) -> Result<KafkaOutputs, Failure> {
    if !choices.contains(&SinkChoice::Kafka) {
        return Ok(KafkaOutputs::default());
    }
    let [enriched, alert] = schemas::of_results(job.settings)?;
    let results = ResultSchemas { enriched, alert, rules: job.rules.hash() };
    Ok(KafkaOutputs { results: Some(results), quarantine: true })
}

/// A lane's source could not be opened; its first partition stands for all.
fn no_source(places: &[(PartitionId, i64)], error: &KafkaError) -> SourceError {
    use wellstream_core::record::Side;
    let partition =
        places.first().map_or(PartitionId { side: Side::Well, number: 0 }, |(partition, _)| *partition);
    SourceError { partition, message: error.to_string() }
}

/// After so many starts in a row without one commit the run ends: whoever supervises it should know. A stuck
/// transaction takes some 17 s each time, so that it is told within two minutes.
const BARREN_STARTS_MAX: u32 = 6;
/// But not sooner: transactions that are aborted at once may be so for as long as a coordinator moves.
const BARREN_TIME_MIN: Duration = Duration::from_secs(60);
/// Between two attempts to connect anew.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// After that long without a broker the run ends: whoever supervises it should know.
const RECONNECT_TIME_MAX: Duration = Duration::from_secs(300);
