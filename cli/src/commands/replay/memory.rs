//! The load into the engine in this process, over partitions in memory: no service needed.

use std::sync::Arc;

use wellstream_connectors::count::CountSink;
use wellstream_core::engine::Sink;
use wellstream_replay::drive::{Look, Measured, MemoryRun, Plan, run_in_memory};
use wellstream_replay::generate::{GeneratedSchemas, Generator, Setup};
use wellstream_replay::load::{GeneratedLoad, Stamp};
use wellstream_replay::schedule::Schedule;
use wellstream_replay::verdict::{Counts, Gathered, Load, Suspects};

use super::progress::Progress;
use super::results::{Results, finish, folder};
use super::verdict::{judge, second_look, whole};
use super::{Asked, search, start_ms, warmup_ns};
use crate::commands::run::Job;
use crate::exit::Failure;
use crate::settings::{Loaded, Settings};

/// One run at the rate asked for.
pub(super) fn measure(loaded: &Loaded, asked: &Asked) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let job = Job::new(settings)?;
    let folder = folder(settings)?;
    let plan = plan(settings, asked, None);
    let generator = generator(settings, asked, job.clock);
    let mut progress = Progress::new(plan.events, job.clock);
    let show = &mut |look: &Look| progress.show(look);
    let (measured, judged) = if settings.verify {
        let gathered = Gathered::new(job.rules.join);
        let sink = gathered.sink(CountSink::default());
        let measured = once(&job, asked, plan, generator.clone(), sink, show);
        progress.end();
        let measured = measured?;
        let found = gathered.take();
        let mut again = |suspects: &Arc<Suspects>| {
            let at_once = Asked { scenario: asked.scenario.clone(), schedule: None, events: measured.sent };
            let gathered = Gathered::looking_at(job.rules.join, suspects);
            let sink = gathered.sink(CountSink::default());
            let looked = once(&job, &at_once, second_look(plan), generator.clone(), sink, &mut |_| {})?;
            whole(&looked).map(|()| gathered.take().tally.listed)
        };
        let counts = Counts::from(&measured.totals.lanes);
        let load = Load::new(&generator, measured.sent);
        let mut judge = || judge(&job, &load, &found, Some(&counts), true, &mut again);
        let judged = whole(&measured).is_ok().then(&mut judge).transpose()?;
        (measured, judged)
    } else {
        let measured = once(&job, asked, plan, generator, CountSink::default(), show);
        progress.end();
        (measured?, None)
    };
    let results =
        Results { plan, measured, judged, search: None, unusable: None, target: "memory", engine: "here" };
    finish(loaded, &job, &asked.subject(), results, folder)
}

/// The highest rate that holds the objective.
pub(super) fn find_max(loaded: &Loaded, asked: &Asked) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let job = Job::new(settings)?;
    search::find_max(loaded, &job, asked, "memory", &mut |asked, plan| {
        let generator = generator(settings, asked, job.clock);
        once(&job, asked, plan, generator, CountSink::default(), &mut |_| {})
    })
}

/// Runs the load once.
fn once<K: Sink>(
    job: &Job<'_>,
    asked: &Asked,
    plan: Plan,
    generator: Generator,
    sink: K,
    look: &mut (dyn FnMut(&Look) + Send),
) -> Result<Measured, Failure> {
    let partitions = generator.setup().partitions;
    let open_records = open_records(&generator);
    let schemas = GeneratedSchemas::new(generator.setup().schemas).map_err(anyhow::Error::from)?;
    let load = match &asked.schedule {
        Some(schedule) => GeneratedLoad::scheduled(generator, schedule, Stamp::OfScenario),
        None => GeneratedLoad::at_once(generator, asked.events, Stamp::OfScenario),
    };
    let run = MemoryRun {
        engine: &job.engine(true),
        schemas: Arc::new(schemas),
        partitions,
        open_records,
        plan,
        schedule: asked.schedule.as_ref(),
        stop: &job.stop,
        look,
    };
    run_in_memory(run, load, sink).map_err(|error| Failure::Runtime(error.into()))
}

fn generator(settings: &Settings, asked: &Asked, clock: wellstream_connectors::MachineClock) -> Generator {
    let start_ms = start_ms(&asked.scenario, asked.events, clock);
    let partitions = [settings.partitions; 2];
    Generator::new(asked.scenario.clone(), Setup { start_ms, partitions, ..Setup::default() })
}

/// A search stops a run that is later than the objective allows by far.
pub(super) fn plan(settings: &Settings, asked: &Asked, slo_ns: Option<u64>) -> Plan {
    let rate_per_s = asked.schedule.as_ref().map(Schedule::rate_per_s);
    Plan {
        events: asked.events,
        rate_per_s,
        warmup_ns: warmup_ns(settings).max(slo_ns.map_or(0, |_| SEARCH_WARMUP_NS)),
        sample: Plan::sample_for(rate_per_s),
        give_up_slip_ns: slo_ns.map(|ns| (4 * ns).max(GIVE_UP_NS_MIN)),
    }
}

/// Records of one partition that may matter to a row at once: half a minute of event time of all of them.
pub(super) fn open_records(generator: &Generator) -> usize {
    let per_s = generator.scenario().events_per_ks() / 1_000;
    open_records_of(per_s * OPEN_S)
}

/// So many, within what memory allows.
pub(super) fn open_records_of(records: u64) -> usize {
    usize::try_from(records).unwrap_or(OPEN_RECORDS_MAX).clamp(OPEN_RECORDS_MIN, OPEN_RECORDS_MAX)
}

/// Left out of a step's histograms, ns: the caches are cold.
const SEARCH_WARMUP_NS: u64 = 1_000_000_000;
/// A step is not stopped before it is this late, ns.
const GIVE_UP_NS_MIN: u64 = 500_000_000;
const OPEN_S: u64 = 30;
const OPEN_RECORDS_MIN: usize = 1 << 16;
const OPEN_RECORDS_MAX: usize = 1 << 22;
