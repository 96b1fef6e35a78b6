//! A recorded trace as the load: read once before anything starts, then sent.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use wellstream_connectors::MachineClock;
use wellstream_connectors::count::CountSink;
use wellstream_core::engine::{EngineSettings, Sink};
use wellstream_replay::drive::{Look, Measured, MemoryRun, Plan, run_in_memory};
use wellstream_replay::load::{Extent, RecordedLoad, RecordedPace, Recording, RecordingError};
use wellstream_replay::schedule::{Profile, Schedule};
use wellstream_replay::trace::TraceError;
use wellstream_replay::verdict::{Counts, Gathered, RecordedRun, Suspects};
use wellstream_replay::verify::Topics;

use super::memory::open_records_of;
use super::progress::Progress;
use super::results::{Results, finish, folder};
use super::verdict::{judge, second_look, whole};
use super::{Subject, check_pace, kafka, warmup_ns};
use crate::commands::run::Job;
use crate::console::{per_s, thousands};
use crate::exit::Failure;
use crate::settings::{EngineChoice, Loaded, Settings, parse_factor, parse_rate};

/// A trace, how much of it is to be sent, and when.
pub(super) struct TraceAsked {
    /// What is to be sent.
    pub(super) recording: Recording,
    /// When each record is due; `None` for as fast as they are taken.
    pub(super) schedule: Option<Schedule>,
    /// So many times as fast as it was sent: then the trace has the exact times.
    speed: Option<f64>,
}

/// Sends a trace and measures.
pub(super) fn replay(loaded: &Loaded, path: &Path) -> Result<(), Failure> {
    let settings = &loaded.settings;
    check(loaded)?;
    let engine = settings.engine.unwrap_or(match settings.brokers {
        Some(_) => EngineChoice::None,
        None => EngineChoice::Here,
    });
    match (&settings.brokers, engine) {
        (None, EngineChoice::External | EngineChoice::None) => {
            Err(Failure::usage("--engine external and none need --brokers: without them the engine is here"))
        }
        (Some(_), EngineChoice::None) if settings.verify => {
            Err(Failure::usage("--verify on Kafka needs an engine to verify: --engine here or external"))
        }
        (Some(_), engine) => kafka::measure_trace(loaded, &TraceAsked::new(settings, path)?, engine),
        (None, _) => measure(loaded, &TraceAsked::new(settings, path)?),
    }
}

/// What makes no sense with a trace.
fn check(loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    if settings.find_max {
        return Err(Failure::usage("--find-max needs a scenario: a trace cannot be made longer"));
    }
    if let Some(key) = ["scenario", "seed", "keyed_by"].into_iter().find(|key| loaded.is_given(key)) {
        let flag = key.replace('_', "-");
        return Err(Failure::usage(format!("--{flag} makes no sense with a trace, which is what it is")));
    }
    check_pace(loaded)?;
    if settings.rate.is_none() && loaded.is_given("profile") {
        return Err(Failure::usage("--profile is the shape of --rate: with --speed a trace has its own"));
    }
    if settings.r#loop && settings.brokers.is_some() {
        return Err(Failure::usage(
            "--loop works in memory only: passes move event time forward, and brokers take no timestamps of times to come",
        ));
    }
    if settings.r#loop && settings.speed.is_some() && settings.events.is_none() && settings.duration.is_none()
    {
        return Err(Failure::usage("--loop with --speed needs an end: --duration or --events"));
    }
    if settings.max && settings.duration.is_some() {
        return Err(Failure::usage("--duration needs --rate or --speed: --max ends with --events"));
    }
    Ok(())
}

impl TraceAsked {
    /// Reads the trace once.
    fn new(settings: &Settings, path: &Path) -> Result<TraceAsked, Failure> {
        let usage = |error: String| Failure::usage(error);
        let profile: Profile = settings.profile.parse().map_err(usage)?;
        let rate = settings.rate.as_deref().map(parse_rate).transpose().map_err(usage)?;
        let speed = settings.speed.as_deref().map(parse_factor).transpose().map_err(usage)?;
        let seconds = settings.duration.map(|span| span.duration().as_secs_f64());
        let in_time = rate.zip(seconds).map(|(rate, seconds)| Schedule::events_in(rate, seconds));
        // Again and again until Ctrl-C: a schedule has an end all the same.
        let endless = rate.filter(|_| settings.r#loop).map(|rate| Schedule::events_in(rate, ENDLESS_S));
        let events = settings.events.or(in_time).or(endless);
        let extent = Extent { events, speed, seconds, loops: settings.r#loop };
        let recording = survey(settings, path, extent)?;
        let schedule = match rate {
            // The seed decides the gaps of profile poisson, nothing else.
            Some(rate) => {
                let schedule = Schedule::new(profile, rate, recording.events(), 1);
                Some(schedule.map_err(|error| Failure::Usage(error.into()))?)
            }
            None => recording.schedule().cloned(),
        };
        Ok(TraceAsked { recording, schedule, speed })
    }

    /// What a report says of it.
    pub(super) fn subject(&self) -> Subject<'_> {
        let path = self.recording.path();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let source = format!("trace {}", path.display());
        Subject { name, source, seed: None, schedule: self.schedule.as_ref() }
    }

    /// When its records are due.
    pub(super) fn pace(&self) -> RecordedPace<'_> {
        match (self.speed, &self.schedule) {
            (Some(speed), _) => RecordedPace::Speed(speed),
            (None, Some(schedule)) => RecordedPace::Schedule(schedule),
            (None, None) => RecordedPace::AtOnce,
        }
    }

    /// What is asked of a run.
    pub(super) fn plan(&self, settings: &Settings) -> Plan {
        let rate_per_s = self.schedule.as_ref().map(Schedule::rate_per_s);
        Plan {
            events: self.recording.events(),
            rate_per_s,
            warmup_ns: warmup_ns(settings),
            sample: Plan::sample_for(rate_per_s),
            give_up_slip_ns: None,
        }
    }

    /// Records of one partition that may matter to a row at once: nobody knows, so all, up to a bound.
    pub(super) fn open_records(&self) -> usize {
        let records = self.recording.records(self.recording.partitions());
        open_records_of(records.values().copied().max().unwrap_or(0))
    }

    /// The part of the recording that was sent.
    pub(super) fn sent(&self, settings: &Settings, sent: u64) -> Result<Recording, Failure> {
        if sent == self.recording.events() {
            return Ok(self.recording.clone());
        }
        let loops = self.recording.pass().is_some();
        survey(settings, self.recording.path(), Extent { events: Some(sent), loops, ..Extent::default() })
    }
}

/// One pass over the trace, with its progress told.
fn survey(settings: &Settings, path: &Path, extent: Extent) -> Result<Recording, Failure> {
    let topics = Topics { wells: settings.wells.clone(), tanks: settings.tanks.clone() };
    let clock = MachineClock::start();
    let mut progress = crate::progress::Progress::new(clock);
    let surveyed = Recording::survey(path, &topics, extent, &mut |records| {
        progress.tell(|| {
            let rate = per_s(records, clock.elapsed().as_secs_f64());
            format!("looking through the trace: {} records, {}/s", thousands(records), thousands(rate))
        });
    });
    progress.clear();
    surveyed.map_err(|error| {
        let is_slip = match &error {
            RecordingError::Trace(TraceError::Io(error)) => error.kind() == ErrorKind::NotFound,
            RecordingError::Trace(_) | RecordingError::Empty | RecordingError::Partition { .. } => false,
            _ => true,
        };
        let error = anyhow::Error::from(error).context(path.display().to_string());
        if is_slip { Failure::Usage(error) } else { Failure::Runtime(error) }
    })
}

/// Into the engine in this process.
fn measure(loaded: &Loaded, asked: &TraceAsked) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let job = Job::new(settings)?;
    let folder = folder(settings)?;
    let plan = asked.plan(settings);
    let mut progress = Progress::new(plan.events, job.clock);
    let show = &mut |look: &Look| progress.show(look);
    let (measured, judged) = if settings.verify {
        let gathered = Gathered::new(job.rules.join);
        let measured = once(&job, asked, plan, asked.pace(), gathered.sink(CountSink::default()), show);
        progress.end();
        let measured = measured?;
        let found = gathered.take();
        let recording = asked.sent(settings, measured.sent)?;
        let schemas = recording.writer_schemas().map_err(anyhow::Error::from)?;
        let partitions = recording.partitions();
        let offset = &|_, nth| nth;
        let oracle =
            RecordedRun { recording: &recording, partitions, schemas: &schemas, stamp_ms: None, offset };
        let mut again = |suspects: &Arc<Suspects>| {
            let gathered = Gathered::looking_at(job.rules.join, suspects);
            let sink = gathered.sink(CountSink::default());
            let plan = Plan { events: recording.events(), ..second_look(plan) };
            let part = TraceAsked { recording: recording.clone(), schedule: None, speed: None };
            let looked = once(&job, &part, plan, RecordedPace::AtOnce, sink, &mut |_| {})?;
            whole(&looked).map(|()| gathered.take().tally.listed)
        };
        let counts = Counts::from(&measured.totals.lanes);
        let mut judge = || judge(&job, &oracle, &found, Some(&counts), true, &mut again);
        let judged = whole(&measured).is_ok().then(&mut judge).transpose()?;
        (measured, judged)
    } else {
        let measured = once(&job, asked, plan, asked.pace(), CountSink::default(), show);
        progress.end();
        (measured?, None)
    };
    let results =
        Results { plan, measured, judged, search: None, unusable: None, target: "memory", engine: "here" };
    finish(loaded, &job, &asked.subject(), results, folder)
}

fn once<K: Sink>(
    job: &Job<'_>,
    asked: &TraceAsked,
    plan: Plan,
    pace: RecordedPace<'_>,
    sink: K,
    look: &mut (dyn FnMut(&Look) + Send),
) -> Result<Measured, Failure> {
    let TraceAsked { recording, schedule, .. } = asked;
    let run = MemoryRun {
        // A trace may have one partition's records far before another's. The sender waits for a full
        // partition, so the engine must not wait for one that is behind: both would for ever.
        engine: &EngineSettings { max_ahead_ms: i64::MAX, ..job.engine(true) },
        schemas: Arc::new(recording.reader_schemas()),
        partitions: recording.partitions(),
        open_records: asked.open_records(),
        plan,
        schedule: schedule.as_ref(),
        stop: &job.stop,
        look,
    };
    let load = RecordedLoad::start(recording, pace).map_err(anyhow::Error::from)?;
    run_in_memory(run, load, sink).map_err(|error| Failure::Runtime(error.into()))
}

/// The end of a schedule that nobody gave one, s: thirty days.
const ENDLESS_S: f64 = 30.0 * 86_400.0;
