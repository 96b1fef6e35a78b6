//! Alarm episodes: a facility's ALERT rows in row-time order, with gaps of at most the alarm gap (DESIGN
//! section 3).

use std::collections::BTreeMap;

use wellstream_core::record::{Alarm, AlarmKind, Status};
use wellstream_core::rules::Rules;

use super::OracleRow;

/// The alarms that are decided when the watermark has reached `end_ms`, by facility, then in the order of
/// decision. `None`: there was no watermark, nothing is decided. In `latest` the rows are those of `asof`.
pub fn alarms(rows: &[OracleRow], rules: &Rules, end_ms: Option<i64>) -> Vec<Alarm> {
    let mut facilities: BTreeMap<&str, Vec<(i64, u32)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.facts.status == Status::Alert) {
        facilities.entry(&row.facility).or_default().push((row.facts.time_ms, row.facts.risk));
    }
    facilities.into_iter().flat_map(|(facility, rows)| episodes(facility, rows, rules, end_ms)).collect()
}

/// The alarms of one facility from its ALERT rows' (row time, risk), in any order.
pub(super) fn episodes(
    facility: &str,
    mut alert_rows: Vec<(i64, u32)>,
    rules: &Rules,
    end_ms: Option<i64>,
) -> Vec<Alarm> {
    let Some(end_ms) = end_ms else { return Vec::new() };
    let gap_ms = rules.alarm_gap_ms;
    let is_decided = |time_ms: i64| end_ms > time_ms.saturating_add(rules.alarm_delay_ms());
    alert_rows.sort_unstable();
    let mut alarms = Vec::new();
    // The open episode: first and last row time, highest risk.
    let mut open: Option<(i64, i64, u32)> = None;
    let alarm = |kind, time_ms, (first_ms, last_ms, highest)| Alarm {
        facility: facility.into(),
        kind,
        time_ms,
        first_ms,
        last_ms,
        highest,
    };
    for step in alert_rows.chunk_by(|a, b| a.0 == b.0) {
        // Sorted, so the step's highest risk stands last.
        let Some(&(time_ms, risk)) = step.last() else { continue };
        if !is_decided(time_ms) {
            break;
        }
        if let Some(episode) = open.take_if(|(_, last_ms, _)| time_ms - *last_ms > gap_ms) {
            alarms.push(alarm(AlarmKind::Cleared, episode.1.saturating_add(gap_ms), episode));
        }
        match &mut open {
            None => {
                open = Some((time_ms, time_ms, risk));
                alarms.push(alarm(AlarmKind::Raised, time_ms, (time_ms, time_ms, risk)));
            }
            Some((first_ms, last_ms, highest)) => {
                *last_ms = time_ms;
                if risk > *highest {
                    *highest = risk;
                    alarms.push(alarm(AlarmKind::Escalated, time_ms, (*first_ms, time_ms, risk)));
                }
            }
        }
    }
    if let Some(episode) = open {
        let cleared_ms = episode.1.saturating_add(gap_ms);
        if is_decided(cleared_ms) {
            alarms.push(alarm(AlarmKind::Cleared, cleared_ms, episode));
        }
    }
    alarms
}
