//! From what was measured to the report, the summary and the exit code.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use wellstream_core::record::Fate;
use wellstream_core::telemetry::Stage as EngineStage;
use wellstream_replay::drive::{Measured, Plan};
use wellstream_replay::outcome;
use wellstream_replay::process;
use wellstream_replay::report::{
    Distribution, FORMAT, Glyphs, Load, Machine, Outcome, Outputs, P50, P99, P99_9, Report, ReportFolder,
    RunResult, Search, Series, Stage, Verdict, percentile, summary_text,
};
use wellstream_replay::schedule::Schedule;

use super::Subject;
use super::verdict::Judged;
use crate::commands::run::Job;
use crate::exit::Failure;
use crate::settings::{Loaded, Settings, SummaryForm, changed, without_secrets};
use crate::summary::{Latency, Summary};

/// What a command measured.
pub(super) struct Results {
    /// What was asked of the run.
    pub(super) plan: Plan,
    /// What it did.
    pub(super) measured: Measured,
    /// The oracle's word.
    pub(super) judged: Option<Judged>,
    /// The search that the run confirms.
    pub(super) search: Option<Search>,
    /// What else makes the measurement one that does not hold.
    pub(super) unusable: Option<String>,
    /// `memory` or `kafka`.
    pub(super) target: &'static str,
    /// `here` or `external`.
    pub(super) engine: &'static str,
}

/// The report's folder, tried before anything runs.
pub(super) fn folder(settings: &Settings) -> Result<Option<ReportFolder>, Failure> {
    let prepared = settings.report.as_deref().map(ReportFolder::prepare).transpose();
    prepared.map_err(|error| Failure::Runtime(error.into()))
}

/// Writes and prints it all; a run that is not OK is a failure.
pub(super) fn finish(
    loaded: &Loaded,
    job: &Job<'_>,
    subject: &Subject<'_>,
    results: Results,
    folder: Option<ReportFolder>,
) -> Result<(), Failure> {
    let Results { plan, measured, judged, search, unusable, target, engine } = results;
    let (verdict, notes) = judged.map_or((None, Vec::new()), |judged| (Some(judged.verdict), judged.notes));
    let mut report = report(loaded, job, subject, verdict, search, &plan, &measured, [target, engine]);
    report.reasons.extend(notes);
    if let Some(why) = unusable {
        report.reasons.insert(0, why);
        report.outcome = if report.outcome == Outcome::Ok { Outcome::Invalid } else { report.outcome };
    }
    print(loaded.settings.summary, &report, &measured)?;
    if let Some(folder) = folder {
        let written = folder.write(&report).map_err(|error| Failure::Runtime(error.into()))?;
        tracing::info!("report: {}", written.html.display());
    }
    match report.outcome {
        Outcome::Ok => Ok(()),
        Outcome::Fail => Err(Failure::Verdict(format!("FAIL: {}", report.reasons.join("; ")))),
        Outcome::Invalid => Err(Failure::Invalid(format!("INVALID: {}", report.reasons.join("; ")))),
    }
}

#[expect(clippy::too_many_arguments, reason = "a report is made of all of it, and only here")]
fn report(
    loaded: &Loaded,
    job: &Job<'_>,
    subject: &Subject<'_>,
    verdict: Option<Verdict>,
    search: Option<Search>,
    plan: &Plan,
    measured: &Measured,
    [target, engine]: [&str; 2],
) -> Report {
    let (outcome, reasons) = outcome::judge(plan, measured, verdict.as_ref().map(|verdict| verdict.ok));
    let profile = subject.schedule.map_or("max", |schedule| schedule.profile().name());
    let rate = plan.rate_per_s.map_or_else(|| "max".to_owned(), short);
    let started_ms = job.clock.wall_ms() - i64::try_from(measured.elapsed_ns / 1_000_000).unwrap_or(0);
    Report {
        format: FORMAT.to_owned(),
        outcome,
        reasons,
        title: format!("{} at {rate} ({target})", subject.name),
        started_utc: crate::console::utc(started_ms),
        started_ms,
        command: without_secrets(std::env::args()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("BUILT_FROM_COMMIT").map(str::to_owned),
        machine: Machine::here(),
        configuration: changed(loaded),
        load: Load {
            source: subject.source.clone(),
            seed: subject.seed,
            target: target.to_owned(),
            engine: engine.to_owned(),
            profile: profile.to_owned(),
            offered_per_s: plan.rate_per_s,
            events: plan.events,
            duration_s: subject.schedule.map(|schedule| schedule.span_ns() as f64 / 1e9),
            warmup_s: plan.warmup_ns as f64 / 1e9,
        },
        result: result(plan, measured),
        verdict,
        latencies: latencies(measured, subject.schedule, target),
        timeline: measured.timeline.clone(),
        search,
    }
}

fn result(plan: &Plan, measured: &Measured) -> RunResult {
    let lanes = &measured.totals.lanes;
    let named = |counts: BTreeMap<&str, u64>| counts.into_iter().map(|(k, n)| (k.to_owned(), n)).collect();
    RunResult {
        events_sent: measured.sent,
        achieved_per_s: measured.achieved_per_s(plan),
        elapsed_s: measured.elapsed_ns as f64 / 1e9,
        cpu_s: measured.cpu_s,
        max_rss_bytes: process::max_rss_bytes(),
        drained: measured.drained,
        outputs: Some(Outputs::from(&measured.totals)),
        dropped: named(lanes.by_reason(Fate::Dropped)),
        late: lanes.late(),
        quarantined: named(lanes.by_reason(Fate::Quarantined)),
    }
}

/// A rate as short as it is typed: 1M/s, 2.5k/s.
fn short(rate_per_s: f64) -> String {
    let (number, unit) = match rate_per_s {
        rate if rate >= 1e6 => (rate / 1e6, "M"),
        rate if rate >= 1e3 => (rate / 1e3, "k"),
        rate => (rate, ""),
    };
    // Three decimals at most, and none that say nothing.
    let digits = format!("{number:.3}");
    format!("{}{unit}/s", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// The series of a run. Without a schedule nothing was intended for a time of its own, so there is no slip,
/// and no latency from end to end; what the engine's stages took is told all the same.
fn latencies(measured: &Measured, schedule: Option<&Schedule>, target: &str) -> Vec<Series> {
    let series =
        |name: Stage, what: &str, ns| Series { name, what: what.to_owned(), ns: Distribution::of(ns) };
    let mut all = Vec::new();
    if schedule.is_some() {
        all.push(series(Stage::Slip, "intended time to actual sending", &measured.slip));
    }
    // Only an engine here shows what it takes.
    if schedule.is_some() && !measured.broker_in.is_empty() {
        all.push(series(
            Stage::BrokerIn,
            "intended time to taken by a lane, the first of each batch",
            &measured.broker_in,
        ));
    }
    for (engine, name) in EngineStage::ALL.into_iter().zip(&Stage::ALL[2..8]) {
        // Records in memory carry times of the scenario, not of their sending.
        let is_told = engine != EngineStage::Ingest || target == "kafka";
        if let Some(ns) = measured.totals.stages.get(engine).filter(|_| is_told) {
            all.push(series(*name, engine.what(), ns));
        }
    }
    if schedule.is_some() {
        all.push(series(
            Stage::EndToEnd,
            "intended time of the later input to row visible",
            &measured.end_to_end,
        ));
    }
    all
}

fn print(form: SummaryForm, report: &Report, measured: &Measured) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let text = match form {
        SummaryForm::Table => {
            let glyphs = if stdout.is_terminal() { Glyphs::Unicode } else { Glyphs::Ascii };
            summary_text(report, glyphs)
        }
        SummaryForm::Json => {
            let mut summary = Summary::new(&measured.totals, measured.elapsed_ns as f64 / 1e9);
            let told = |quantile| {
                let is_scheduled = report.load.offered_per_s.is_some();
                percentile(&measured.end_to_end, quantile).filter(|_| is_scheduled).map(|ns| ns as f64 / 1e6)
            };
            summary.latency_ms = Latency { p50: told(P50), p99: told(P99), p999: told(P99_9) };
            summary.json().map_err(anyhow::Error::from)? + "\n"
        }
    };
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        for (rate, text) in [(1e6, "1M/s"), (2_500.0, "2.5k/s"), (333_333.0, "333.333k/s"), (7.0, "7/s")] {
            assert_eq!(short(rate), text);
        }
    }
}
