//! What came of the plans, as text.

use super::judge::Verdict;
use super::plan::Plan;

/// How a plan ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed(Verdict, Box<Notes>),
    Failed(String),
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
    /// How ends of transactions among them were answered: error codes.
    pub(crate) late_codes: Vec<i16>,
    /// Transactions that were made to abort.
    pub(crate) spoiled: u64,
    pub(crate) cuts: u64,
    /// The last words of an engine that ended by itself.
    pub(crate) said: String,
    pub(crate) recoveries: Vec<Recovery>,
    /// For how long processes ran that were killed before their first row, ms.
    pub(crate) rowless_ms: Vec<f64>,
    /// Readings between the rewind points and the commits, at each start that was waited for.
    pub(crate) reread: Vec<u64>,
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
            return Outcome::Passed(verdict, Box::new(notes));
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
        Outcome::Passed(verdict, notes) => {
            let Verdict { readings, rows, digests, repeats, alarms, copies, .. } = verdict;
            let Notes { done, starts, exits, late, spoiled, cuts, took_s, .. } = &**notes;
            let mut text = format!(
                "{} {done} times, {starts} starts; {readings} readings, {rows} rows, digest {}, \
                 {alarms} alarms, {copies} copies, {repeats} rows again; {took_s:.0} s",
                head("ok"),
                digests[1],
            );
            for (count, what) in [
                (u64::from(*exits), "ended by itself"),
                (*spoiled, "made to abort"),
                (u64::from(*late), "frames let through late"),
                (*cuts, "connections cut"),
            ] {
                if count > 0 {
                    text += &format!("; {count} {what}");
                }
            }
            if !notes.late_codes.is_empty() {
                text += &format!("\n        late ends were answered by codes {:?}", notes.late_codes);
            }
            if let Some(recovery) = recovery(&[notes]) {
                text += &format!("\n        {recovery}");
            }
            if !notes.said.is_empty() {
                text += &format!("\n        last words: {}", notes.said);
            }
            text
        }
    }
}

/// Of every start that was waited for, and what is known of the others, so that no slow one is hidden.
fn recovery(notes: &[&Notes]) -> Option<String> {
    let all = || notes.iter().flat_map(|notes| &notes.recoveries);
    let mut ms: Vec<f64> = all().map(|recovery| recovery.ms).collect();
    let mut bytes: Vec<u64> = all().map(|recovery| recovery.bytes).collect();
    let mut reread: Vec<u64> = notes.iter().flat_map(|notes| notes.reread.iter().copied()).collect();
    ms.sort_unstable_by(f64::total_cmp);
    bytes.sort_unstable();
    reread.sort_unstable();
    let (middle, last) = (ms.len() / 2, ms.len().checked_sub(1)?);
    let mut text = format!(
        "process start to first new committed row, {} starts: p50 {:.0} ms, max {:.0} ms; fetched until \
         then, what is fetched ahead included: p50 {:.1} MB, max {:.1} MB",
        ms.len(),
        ms[middle],
        ms[last],
        bytes[middle] as f64 / 1e6,
        bytes[last] as f64 / 1e6,
    );
    if let Some(most) = reread.last() {
        text += &format!("; read again: p50 {} readings, max {most}", reread[reread.len() / 2]);
    }
    let rowless = notes.iter().flat_map(|notes| &notes.rowless_ms);
    let (count, longest) = rowless.fold((0, 0.0_f64), |(count, longest), ms| (count + 1, longest.max(*ms)));
    if count > 0 {
        text += &format!("; {count} more were killed before their first row, the last after {longest:.0} ms");
    }
    Some(text)
}

/// All plans together.
pub(crate) fn sum(outcomes: &[Outcome]) -> String {
    let count = |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    let notes: Vec<&Notes> = outcomes
        .iter()
        .filter_map(|outcome| if let Outcome::Passed(_, notes) = outcome { Some(&**notes) } else { None })
        .collect();
    let mut text = format!(
        "plans: {} ok, {} failed",
        count(|outcome| matches!(outcome, Outcome::Passed(..))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
    );
    if let Some(recovery) = recovery(&notes) {
        text += &format!("\nrecovery, all plans: {recovery}");
    }
    text
}
