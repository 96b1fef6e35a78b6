//! `--verify`: what came out against what the oracle says; where they differ, which rows.

use std::io::{self, Write};
use std::sync::Arc;

use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::drive::{Measured, Plan};
use wellstream_replay::report::{AlarmCounts, Outputs, Verdict};
use wellstream_replay::verdict::{
    Comparison, Counts, Expected, Found, Listed, Listing, Load, Look, Names, RecordedRun, Summary, Suspects,
    compare,
};

use crate::commands::run::Job;
use crate::exit::Failure;

/// The oracle's word, with what no count tells as sentences.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) notes: Vec<String>,
}

/// What knows what a load must come to.
pub(super) trait Oracle {
    /// What a run over it to its end must put out.
    fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, Failure>;

    /// Holds that against what is declared elsewhere, if anything is.
    fn confirm_declared(&self, _rules: &Rules, _expected: &Expected) -> Result<(), Failure> {
        Ok(())
    }
}

impl Oracle for Load<'_> {
    fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, Failure> {
        Load::expected(self, rules, look).map_err(|error| Failure::Runtime(error.into()))
    }

    fn confirm_declared(&self, rules: &Rules, expected: &Expected) -> Result<(), Failure> {
        let confirmed = Load::confirm_declared(self, rules, expected);
        confirmed.map(drop).map_err(|error| Failure::Runtime(error.into()))
    }
}

impl Oracle for RecordedRun<'_> {
    fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, Failure> {
        RecordedRun::expected(self, rules, look).map_err(|error| Failure::Runtime(error.into()))
    }
}

/// Compares a run's output with the oracle's. `again` looks at the output once more and lists what suspect
/// cells hold. `decided`: the run went to its end, so that alarms are decided too.
pub(super) fn judge(
    job: &Job<'_>,
    oracle: &dyn Oracle,
    found: &Found,
    counts: Option<&Counts>,
    decided: bool,
    again: &mut dyn FnMut(&Arc<Suspects>) -> Result<Listed, Failure>,
) -> Result<Judged, Failure> {
    let rules = &*job.rules;
    let partners = Some(&found.partners).filter(|_| rules.join == JoinMode::Latest);
    let expected = oracle.expected(rules, Look { partners, ..Look::default() })?;
    oracle.confirm_declared(rules, &expected)?;
    let mut comparison = compare(&expected, found, counts);
    if !decided {
        comparison.alarms.clear();
    }
    let mut verdict = Verdict {
        ok: comparison.is_ok(),
        expected: outputs(&comparison.expected),
        found: outputs(&comparison.found),
        ..Verdict::default()
    };
    if verdict.ok {
        return Ok(Judged { verdict, notes: Vec::new() });
    }
    let suspects = comparison.suspects();
    let listed = oracle.expected(rules, Look { suspects: Some(&suspects), partners })?.tally.listed;
    let mut listing = Listing::new(&comparison, listed.clone(), None);
    if !listing.is_complete() {
        let _ = writeln!(
            io::stderr().lock(),
            "the output differs in {} cells: looking once more to name the rows",
            comparison.rows.len() + comparison.alarms.len()
        );
        listing = Listing::new(&comparison, listed, Some(again(&suspects)?));
    }
    verdict.missing_count = listing.missing.count;
    verdict.missing.clone_from(&listing.missing.first);
    verdict.repeated_count = listing.repeated.count;
    verdict.repeated = listing.repeated.first.iter().map(|repeated| repeated.row.clone()).collect();
    Ok(Judged { verdict, notes: notes(&comparison, &listing) })
}

/// A plan for the second look: as fast as it goes, and nothing measured.
pub(super) fn second_look(plan: Plan) -> Plan {
    Plan { rate_per_s: None, warmup_ns: 0, sample: usize::MAX, give_up_slip_ns: None, ..plan }
}

/// Of a run that broke off nothing can be said: what it sent has not all been read.
///
/// # Errors
/// It broke off.
pub(super) fn whole(measured: &Measured) -> Result<(), Failure> {
    let broke_off = |why: &String| Failure::Runtime(anyhow::anyhow!("the run broke off: {why}"));
    measured.failure.as_ref().map_or(Ok(()), |why| Err(broke_off(why)))
}

/// What differs, one sentence each.
fn notes(comparison: &Comparison, listing: &Listing) -> Vec<String> {
    let mut notes = Vec::new();
    let mut some = |count: u64, what: &str, first: Vec<String>| {
        if count > 0 {
            let more = if count > first.len() as u64 { ", ..." } else { "" };
            notes.push(format!("{count} {what}: {}{more}", first.join(", ")));
        }
    };
    fn told<T>(names: &Names<T>, text: impl Fn(&T) -> String) -> Vec<String> {
        names.first.iter().take(NAMED_MAX).map(text).collect()
    }
    some(listing.missing.count, "rows are missing", told(&listing.missing, Clone::clone));
    some(listing.repeated.count, "rows came more than once", told(&listing.repeated, |row| row.row.clone()));
    some(listing.unexpected.count, "rows must not have come", told(&listing.unexpected, Clone::clone));
    some(listing.wrong.count, "rows say something else", told(&listing.wrong, |row| row.row.clone()));
    let alarm = |alarm: &wellstream_core::record::Alarm| {
        format!("{} {:?} at {}", alarm.facility, alarm.kind, alarm.time_ms)
    };
    some(listing.alarms_missing.count, "alarms are missing", told(&listing.alarms_missing, alarm));
    some(
        listing.alarms_unexpected.count,
        "alarms must not have come",
        told(&listing.alarms_unexpected, alarm),
    );
    some(comparison.not_partners.count, "rows have a tank that cannot be their partner", Vec::new());
    for (what, expected, found) in comparison.count_faults() {
        notes.push(format!("{what}: {found}, not {expected}"));
    }
    if listing.unexplained + listing.left_out > 0 {
        notes.push(format!(
            "{} differing cells were not shown again by a second run, {} were not looked at",
            listing.unexplained, listing.left_out
        ));
    }
    notes
}

fn outputs(summary: &Summary) -> Outputs {
    let [raised, escalated, cleared] = summary.alarms;
    Outputs {
        rows: summary.rows,
        alert_rows: summary.alert_rows.unwrap_or_default(),
        alarms: AlarmCounts { raised, escalated, cleared },
        risk_sum: summary.risk_sum.unwrap_or_default(),
        digest: summary.digest.to_string(),
    }
}

/// Names in a sentence; the report has more.
const NAMED_MAX: usize = 10;
