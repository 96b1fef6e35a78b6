//! What came of the plans, as text.

use super::judge::Verdict;
use super::plan::Plan;

/// How a plan ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(Verdict, Notes),
    Failed(String),
    Skipped(String),
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// How often the plan's fault was done.
    pub(crate) done: u32,
    /// Engines that were started after the first one.
    pub(crate) starts: u32,
    /// Engines that ended by themselves, with exit code 3.
    pub(crate) exits: u32,
    /// Frames of dead processes that were let through late.
    pub(crate) late: u32,
    pub(crate) cuts: u64,
    /// The last words of an engine that ended by itself.
    pub(crate) said: String,
    pub(crate) recoveries: Vec<Recovery>,
    pub(crate) took_s: f64,
}

/// From a process's start to its first row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    pub(crate) ms: f64,
    /// Fetched meanwhile through the proxy: what is read again, and ahead.
    pub(crate) bytes: u64,
}

impl Outcome {
    /// A verdict with its faults is a failure.
    pub(crate) fn judged(verdict: Verdict, notes: Notes) -> Outcome {
        if verdict.faults.is_empty() {
            return Outcome::Passed(verdict, notes);
        }
        let [expected, found] = &verdict.digests;
        let head = format!("the output is not the oracle's: digest {found}, must be {expected}");
        Outcome::Failed(format!("{head}\n    {}", verdict.faults.join("\n    ")))
    }
}

/// One plan's line, or lines.
pub(crate) fn line(plan: &Plan, outcome: &Outcome) -> String {
    let head = |word: &str| format!("{word:<7} {:<28}", plan.name);
    match outcome {
        Outcome::Failed(why) => format!("{} {why}", head("FAILED")),
        Outcome::Skipped(why) => format!("{} {why}", head("skipped")),
        Outcome::Passed(verdict, notes) => {
            let Verdict { readings, rows, digests, repeats, alarms, .. } = verdict;
            let Notes { done, starts, exits, late, cuts, took_s, .. } = notes;
            let mut text = format!(
                "{} {done} times, {starts} starts; {readings} readings, {rows} rows, digest {}, {alarms} alarms, \
                 {repeats} rows again; {took_s:.0} s",
                head("ok"),
                digests[1],
            );
            for (count, what) in [
                (u64::from(*exits), "ended by itself"),
                (u64::from(*late), "frames let through late"),
                (*cuts, "connections cut"),
            ] {
                if count > 0 {
                    text += &format!("; {count} {what}");
                }
            }
            if !notes.recoveries.is_empty() {
                text += &format!("\n        {}", recovery(&notes.recoveries));
            }
            if !notes.said.is_empty() {
                text += &format!("\n        last words: {}", notes.said);
            }
            text
        }
    }
}

fn recovery(recoveries: &[Recovery]) -> String {
    let mut ms: Vec<f64> = recoveries.iter().map(|recovery| recovery.ms).collect();
    ms.sort_unstable_by(f64::total_cmp);
    let mut bytes: Vec<u64> = recoveries.iter().map(|recovery| recovery.bytes).collect();
    bytes.sort_unstable();
    let (middle, last) = (ms.len() / 2, ms.len() - 1);
    format!(
        "process start to first new committed row, {} starts: p50 {:.0} ms, max {:.0} ms; fetched until then: \
         p50 {:.1} MB, max {:.1} MB",
        ms.len(),
        ms[middle],
        ms[last],
        bytes[middle] as f64 / 1e6,
        bytes[last] as f64 / 1e6,
    )
}

/// All plans together.
pub(crate) fn sum(outcomes: &[Outcome]) -> String {
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    let recoveries: Vec<Recovery> = outcomes
        .iter()
        .filter_map(|outcome| if let Outcome::Passed(_, notes) = outcome { Some(notes) } else { None })
        .flat_map(|notes| notes.recoveries.iter().copied())
        .collect();
    let mut text = format!(
        "plans: {} ok, {} failed, {} skipped",
        count(|outcome| matches!(outcome, Outcome::Passed(..))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    if !recoveries.is_empty() {
        text += &format!("\nrecovery, all plans: {}", recovery(&recoveries));
    }
    text
}
