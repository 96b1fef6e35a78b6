//! `--find-max`: runs of one rate each until the highest that holds the objective is known and confirmed;
//! whatever their target is.

use std::sync::atomic::Ordering;

use wellstream_replay::drive::{Measured, Plan};
use wellstream_replay::outcome;
use wellstream_replay::report::{P50, P99, percentile};
use wellstream_replay::schedule::{RATE_MAX, Schedule};
use wellstream_replay::search::{Slo, Trial, Try, find_max as search};

use super::memory::plan;
use super::results::{Results, finish, folder};
use super::{Asked, progress};
use crate::commands::run::Job;
use crate::exit::Failure;
use crate::settings::{Loaded, Settings};

/// Searches, and reports the run that confirmed, or else the last one, with every rate that was tried. `run`
/// runs one rate.
pub(super) fn find_max(
    loaded: &Loaded,
    job: &Job<'_>,
    asked: &Asked,
    target: &'static str,
    run: &mut dyn FnMut(&Asked, Plan) -> Result<Measured, Failure>,
) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let slo: Slo = settings.slo.parse().map_err(Failure::usage)?;
    let folder = folder(settings)?;
    let from = asked.schedule.as_ref().map_or(FROM_PER_S, Schedule::rate_per_s);
    let (mut last, mut broken) = (None, None);
    let mut trial = |rate: Try| -> Result<Option<Trial>, Failure> {
        if job.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let asked = asked.at(rate.rate_per_s, step_s(settings, rate.confirms))?;
        let plan = plan(settings, &asked, Some(slo.max_ns));
        let measured = match run(&asked, plan) {
            // A rate that cannot even begin says nothing of the rates before it.
            Err(Failure::Runtime(error)) if last.is_some() => {
                broken = Some(Failure::Runtime(error).message());
                return Ok(None);
            }
            measured => measured?,
        };
        let is_stopped = job.stop.load(Ordering::Relaxed);
        let trial = (!is_stopped).then(|| tell(&slo, &plan, &measured));
        if let Some(trial) = &trial {
            progress::step(&rate, trial);
        }
        last = Some((asked, plan, measured));
        Ok(trial)
    };
    let search = search(&slo, from, RATE_MAX, &mut trial)?;
    let Some((asked, plan, measured)) = last else {
        return Err(Failure::Invalid(STOPPED.to_owned()));
    };
    let unusable = match search.best_per_s {
        Some(_) => None,
        None if broken.is_some() => broken,
        None if job.stop.load(Ordering::Relaxed) => Some(STOPPED.to_owned()),
        None => Some(format!("{slo} does not hold at any rate that was tried")),
    };
    let results =
        Results { plan, measured, judged: None, search: Some(search), unusable, target, engine: "here" };
    finish(loaded, job, &asked.subject(), results, folder)
}

fn step_s(settings: &Settings, confirms: bool) -> f64 {
    let step_s = settings.duration.map_or(STEP_S, |span| span.duration().as_secs_f64());
    if confirms { step_s * CONFIRM_STEPS } else { step_s }
}

fn tell(slo: &Slo, plan: &Plan, measured: &Measured) -> Trial {
    let told = |quantile| percentile(&measured.end_to_end, quantile);
    Trial {
        achieved_per_s: measured.achieved_per_s(plan),
        p50_ns: told(P50),
        p99_ns: told(P99),
        slo_ns: told(slo.quantile),
        problem: problem(plan, measured),
    }
}

/// Why a step did not hold, whatever its latency.
fn problem(plan: &Plan, measured: &Measured) -> Option<String> {
    let (_, reasons) = outcome::judge(plan, measured, None);
    let backlog = || {
        // Without the first second, in which the run begins, and what comes when all is sent, in which it
        // drains.
        let sent_s = measured.sending_ns as f64 / 1e9 + INTERVAL_EXCESS_S;
        let while_sending = measured.timeline.iter().filter(|at| at.at_s + at.span_s <= sent_s);
        let backlogs: Vec<f64> = while_sending.map(|interval| interval.backlog as f64).collect();
        let inner = backlogs.get(1..)?;
        let (first, last) = (inner.first()?, inner.last()?);
        let (grown, span_s, rate) = (last - first, inner.len() as f64, plan.rate_per_s?);
        let grown_per_s = grown / span_s;
        (grown > rate * (BACKLOG_GROWTH_MAX * span_s + BACKLOG_UNKNOWN_S))
            .then(|| format!("the backlog grew by {grown_per_s:.0} readings a second"))
    };
    reasons.into_iter().next().or_else(backlog)
}

/// Length of a step, s: long enough to see a backlog grow.
const STEP_S: f64 = 5.0;
/// The run that confirms is so many times as long.
const CONFIRM_STEPS: f64 = 3.0;
/// Where a search begins.
const FROM_PER_S: f64 = 50_000.0;
/// A backlog that grows faster than this part of the rate never drains.
const BACKLOG_GROWTH_MAX: f64 = 0.01;
/// What the engine has committed is known so late, s: so much more or less of the rate is no growth.
const BACKLOG_UNKNOWN_S: f64 = 0.35;
/// An interval ends as soon as somebody looks, s.
const INTERVAL_EXCESS_S: f64 = 0.1;
const STOPPED: &str = "stopped before the search was over";
