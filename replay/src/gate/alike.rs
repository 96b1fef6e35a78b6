//! What must be the same in all runs, so that their times can be compared; and their output, which must be
//! the same too.

use super::RunSet;
use crate::report::Report;
use crate::report::figures::{rate, thousands};

/// In what circumstances the runs differ: a sentence for each, none where they are alike.
pub(super) fn differences(base: &RunSet, head: &RunSet) -> Vec<String> {
    let mut all = Vec::new();
    if base.runs().len() != head.runs().len() {
        let (base, head) = (base.runs().len(), head.runs().len());
        all.push(format!("{base} runs of the base and {head} of the head are no pairs"));
    }
    let first = base.first();
    let runs = || named(base, "base").chain(named(head, "head"));
    for (what, show) in CIRCUMSTANCES {
        let other = runs().find(|(_, run)| show(run) != show(first));
        all.extend(other.map(|(name, run)| {
            format!("{what}: {} in run 1 of the base, {} in {name}", show(first), show(run))
        }));
    }
    for (set, name) in [(base, "base"), (head, "head")] {
        let first = &set.first().commit;
        let other = set.runs().iter().find(|run| run.commit != *first);
        all.extend(other.map(|run| {
            let shown = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "unknown".to_owned());
            format!("the {name} is of two commits, {} and {}", shown(first), shown(&run.commit))
        }));
    }
    all
}

/// In what the runs' outputs differ: a sentence for each, none where they are the same.
pub(super) fn output_differences(base: &RunSet, head: &RunSet) -> Vec<String> {
    let first = base.first();
    let runs = || named(base, "base").chain(named(head, "head"));
    // Row ids are those of the offsets, which begin at 0 in memory only; and `latest` takes whichever partner
    // has arrived, by design.
    let same_ids = first.load.target == "memory";
    let same_pairs = first.configuration.get("join").is_none_or(|join| join != "latest");
    let compared = OUTPUTS.iter().filter(|(_, needs, _)| match needs {
        Needs::Nothing => true,
        Needs::SamePairs => same_pairs,
        Needs::SameIds => same_pairs && same_ids,
    });
    compared
        .filter_map(|(what, _, show)| {
            let (name, run) = runs().find(|(_, run)| show(run) != show(first))?;
            Some(format!("{what}: {} in run 1 of the base, {} in {name}", show(first), show(run)))
        })
        .collect()
}

/// The machine, in a line.
pub(super) fn machine(report: &Report) -> String {
    let machine = &report.machine;
    format!("{}, {} cores, {}, {}", machine.cpu_model, machine.cores, machine.os, machine.kernel)
}

/// The load, in a line.
pub(super) fn load(report: &Report) -> String {
    let load = &report.load;
    let seed = load.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    let pace = load.offered_per_s.map_or_else(|| "as fast as they go".to_owned(), rate);
    let threads = report.configuration.get("threads");
    let threads = threads.map_or_else(String::new, |threads| format!(", {threads} threads"));
    format!("{}{seed}, {} readings, {pace}, in {}{threads}", load.source, thousands(load.events), load.target)
}

fn named<'s>(set: &'s RunSet, name: &'s str) -> impl Iterator<Item = (String, &'s Report)> {
    set.runs().iter().enumerate().map(move |(at, run)| (format!("run {} of the {name}", at + 1), run))
}

/// The settings in force that can matter.
fn configuration(report: &Report) -> String {
    let decides = report.configuration.iter().filter(|(key, _)| !BESIDE_THE_POINT.contains(&key.as_str()));
    let all: Vec<String> = decides.map(|(key, value)| format!("{key}={value}")).collect();
    if all.is_empty() { "all defaults".to_owned() } else { all.join(" ") }
}

/// A count by reason.
fn counted<'r>(counts: impl IntoIterator<Item = (&'r String, &'r u64)>) -> String {
    let all: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn output(report: &Report, show: fn(&crate::report::Outputs) -> String) -> String {
    report.result.outputs.as_ref().map_or_else(|| "not observed".to_owned(), show)
}

type Show = fn(&Report) -> String;

/// What an output's sameness rests on.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    SamePairs,
    SameIds,
}

const CIRCUMSTANCES: &[(&str, Show)] = &[
    ("machine", machine),
    ("memory of the machine", |r| crate::report::figures::bytes(r.machine.memory_bytes)),
    ("load", |r| r.load.source.clone()),
    ("seed", |r| r.load.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string())),
    ("target", |r| format!("{}, engine {}", r.load.target, r.load.engine)),
    ("profile", |r| r.load.profile.clone()),
    ("rate", |r| r.load.offered_per_s.map_or_else(|| "max".to_owned(), |rate| format!("{rate}/s"))),
    ("readings", |r| thousands(r.load.events)),
    ("readings sent", |r| thousands(r.result.events_sent)),
    ("length", |r| r.load.duration_s.map_or_else(|| "none".to_owned(), |length| format!("{length} s"))),
    ("warm-up", |r| format!("{} s", r.load.warmup_s)),
    ("configuration", configuration),
    ("search", |r| if r.search.is_some() { "a search" } else { "none" }.to_owned()),
    ("verified", |r| if r.verdict.is_some() { "yes" } else { "no" }.to_owned()),
    ("rows observed", |r| if r.result.outputs.is_some() { "yes" } else { "no" }.to_owned()),
];

const OUTPUTS: &[(&str, Needs, Show)] = &[
    ("rows", Needs::Nothing, |r| output(r, |o| thousands(o.rows))),
    ("ALERT rows", Needs::SamePairs, |r| output(r, |o| thousands(o.alert_rows))),
    ("risk sum", Needs::SamePairs, |r| output(r, |o| thousands(o.risk_sum))),
    ("alarms", Needs::SamePairs, |r| {
        output(r, |o| format!("{}/{}/{}", o.alarms.raised, o.alarms.escalated, o.alarms.cleared))
    }),
    ("digest of the rows", Needs::SameIds, |r| output(r, |o| o.digest.clone())),
    ("readings dropped", Needs::Nothing, |r| counted(&r.result.dropped)),
    ("late readings", Needs::Nothing, |r| thousands(r.result.late)),
    ("readings quarantined", Needs::Nothing, |r| counted(&r.result.quarantined)),
];

/// Settings that say where results are written, not what is done.
const BESIDE_THE_POINT: &[&str] = &["report", "summary", "log"];
