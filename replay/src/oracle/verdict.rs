//! What a run over the whole log must report.

use rayon::prelude::*;
use wellstream_core::record::{Alarm, RowTotals, Status};
use wellstream_core::rules::{JoinMode, Rules};

use super::alarms::episodes;
use super::join::{EVENTS_WORTH_THREADS, Facility, by_facility};
use super::{Judged, OracleOutput};

/// The output of a run to the log's end that then decides what is open (`--until-end`).
pub fn output(judged: &Judged, rules: &Rules) -> OracleOutput {
    let facilities = by_facility(&judged.accepted);
    let end_ms = end_of_bounded_run(judged, rules);
    let one = |facility: &Facility| of_facility(facility, rules, end_ms);
    let parts: Vec<(RowTotals, Vec<Alarm>)> =
        if judged.accepted.iter().map(Vec::len).sum::<usize>() < EVENTS_WORTH_THREADS {
            facilities.iter().map(one).collect()
        } else {
            facilities.par_iter().map(one).collect()
        };
    let mut totals = RowTotals::default();
    let mut alarms = Vec::new();
    for (part, facility_alarms) in parts {
        totals.merge(&part);
        alarms.extend(facility_alarms);
    }
    let accepted = [0, 1].map(|side| judged.accepted[side].len() as u64);
    let is_latest = rules.join == JoinMode::Latest;
    OracleOutput {
        events_in: judged.events_in(),
        accepted,
        rejected: judged.counts(),
        rows: if is_latest { accepted[0] } else { totals.rows },
        totals: (!is_latest).then_some(totals),
        alarms,
    }
}

/// W at the end of a bounded run: the newest on-time event time, plus the bound, plus 1 ms (DESIGN section
/// 4).
///
/// Dropped readings count: they move clocks too, and W must end no earlier than any partition's watermark
/// was, else what is decided would depend on which partition ended last.
pub fn end_of_bounded_run(judged: &Judged, rules: &Rules) -> Option<i64> {
    judged.newest_on_time_ms.map(|newest| newest.saturating_add(rules.score.bound_ms).saturating_add(1))
}

fn of_facility(facility: &Facility, rules: &Rules, end_ms: Option<i64>) -> (RowTotals, Vec<Alarm>) {
    let mut totals = RowTotals::default();
    let mut alert_rows = Vec::new();
    facility.join(rules, &mut |facts, _| {
        totals.add(facts.well, facts.tank, facts.risk, facts.status);
        if facts.status == Status::Alert {
            alert_rows.push((facts.time_ms, facts.risk));
        }
    });
    (totals, episodes(&facility.id, alert_rows, rules, end_ms))
}
