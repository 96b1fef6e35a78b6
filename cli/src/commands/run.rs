//! `wellstream run`: source, rules, sinks and signals put together, then the engine, then the summary.

mod embedded;
mod kafka;
mod sinks;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wellstream_connectors::MachineClock;
use wellstream_core::engine::EngineSettings;
use wellstream_core::join::JoinCounts;
use wellstream_core::rules::Rules;
use wellstream_core::telemetry::Totals;

pub(crate) use kafka::Prepared;

use crate::console::{Console, Stream};
use crate::exit::Failure;
use crate::settings::{Settings, SinkChoice, SummaryForm};
use crate::signals;
use crate::stopwatch::Stopwatch;
use crate::summary::Summary;

/// What every kind of run needs.
pub(crate) struct Job<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) rules: Arc<Rules>,
    pub(crate) clock: MachineClock,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) stop: Arc<AtomicBool>,
    /// Asked to stop, it waits for a broker that is away for a few seconds only, instead of minutes: what it
    /// would have committed is of no use to anybody.
    pub(crate) gives_up: bool,
}

impl<'a> Job<'a> {
    /// Prepares a run: from here on, signals ask for a clean end.
    pub(crate) fn new(settings: &'a Settings) -> Result<Job<'a>, Failure> {
        let clock = MachineClock::start();
        Ok(Job {
            settings,
            rules: Arc::new(settings.rules()?),
            clock,
            stopwatch: Stopwatch::new(clock),
            stop: signals::stop_flag()?,
            gives_up: false,
        })
    }

    /// The engine's settings; a bounded run declares nobody idle.
    pub(crate) fn engine(&self, is_bounded: bool) -> EngineSettings {
        let settings = self.settings;
        let threads = settings
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
        let idle_after_ms = settings.idle_after.0.filter(|_| !is_bounded).map(|span| span.ms());
        EngineSettings {
            lanes: threads,
            shards: threads,
            commit_interval_ms: settings.commit_interval.ms(),
            max_ahead_ms: settings.max_ahead.ms(),
            idle_after_ms,
            pin: settings.pin,
            state_bytes_max: usize::try_from(settings.state_bytes_max.bytes).unwrap_or(usize::MAX),
            ..EngineSettings::new(Arc::clone(&self.rules))
        }
    }

    /// Prints the summary as asked: for people, or one line of JSON as the last on standard output.
    pub(crate) fn print_summary(&self, totals: &Totals, has_latency: bool) -> Result<(), Failure> {
        let mut summary = Summary::new(totals, self.stopwatch.elapsed_s());
        if !has_latency {
            summary.latency_ms = Default::default();
        }
        warn_of_gaps(totals.join);
        let text = match self.settings.summary {
            SummaryForm::Table => summary.table(),
            SummaryForm::Json => summary.json().map_err(anyhow::Error::from)? + "\n",
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// What no row tells: results that may lack something, for reasons outside the engine's promise.
fn warn_of_gaps(counts: JoinCounts) {
    let JoinCounts { window_incomplete, alarm_rows_passed, results_lost } = counts;
    for (count, what) in [
        (
            window_incomplete,
            "readings came when their windows were closing, behind a partition taken as idle",
        ),
        (
            alarm_rows_passed,
            "ALERT rows came when their alarms were decided, behind a partition taken as idle",
        ),
        (results_lost, "open results were taken as decided, since their history was lost"),
    ] {
        if count > 0 {
            tracing::warn!("{count} {what}");
        }
    }
}

/// Runs until the end of the input, the end of `--duration`, or a signal.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    if settings.until_end && settings.brokers.is_none() {
        return Err(Failure::usage(
            "--until-end needs --brokers: the embedded source has no end; use --duration",
        ));
    }
    let job = Job::new(settings)?;
    let choices = settings.sinks()?;
    let (console_sink, console) = match choices.contains(&SinkChoice::Console) {
        true => {
            let stream = match settings.summary {
                SummaryForm::Table => Stream::Out,
                SummaryForm::Json => Stream::Error,
            };
            let (sink, console) = Console::start(stream, job.clock, Arc::clone(&job.stop))?;
            (Some(sink), Some(console))
        }
        false => (None, None),
    };
    let followers = sinks::followers(&choices, console_sink)?;
    let outcome = match settings.brokers {
        Some(_) => kafka::run(&job, &choices, followers),
        None => embedded::run(&job, followers),
    };
    // The last table comes before the summary, and before an error: it says how far the run came.
    let printed = console.map_or(Ok(()), Console::finish);
    let totals = outcome?;
    printed?;
    job.print_summary(&totals, true)
}
