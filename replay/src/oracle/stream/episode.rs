//! One facility's alarms, while its ALERT rows come in (DESIGN section 3).

use std::sync::Arc;

use wellstream_core::record::{Alarm, AlarmKind};
use wellstream_core::rules::Rules;

/// The open episode, if any.
#[derive(Debug, Default)]
pub(super) struct Episode {
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    first_ms: i64,
    last_ms: i64,
    highest: u32,
}

impl Episode {
    /// Takes the (row time, risk) of ALERT rows before a time, before which no other will come.
    pub(super) fn advance(
        &mut self,
        facility: &Arc<str>,
        alert_rows: &mut Vec<(i64, u32)>,
        rules: &Rules,
        settled_ms: i64,
        decide: &mut impl FnMut(Alarm),
    ) {
        // Of one time, the highest risk first: the others then say nothing new.
        alert_rows.sort_unstable_by_key(|(time_ms, risk)| (*time_ms, std::cmp::Reverse(*risk)));
        let settled = alert_rows.partition_point(|(time_ms, _)| *time_ms < settled_ms);
        for (time_ms, risk) in alert_rows.drain(..settled) {
            if let Some(over) = self.open.take_if(|open| time_ms - open.last_ms > rules.alarm_gap_ms) {
                decide(over.cleared(facility, rules));
            }
            let (kind, open) = match self.open {
                None => {
                    (Some(AlarmKind::Raised), Open { first_ms: time_ms, last_ms: time_ms, highest: risk })
                }
                Some(open) => (
                    (risk > open.highest).then_some(AlarmKind::Escalated),
                    Open { last_ms: time_ms, highest: open.highest.max(risk), ..open },
                ),
            };
            self.open = Some(open);
            kind.into_iter().for_each(|kind| decide(open.alarm(facility, kind, time_ms)));
        }
    }

    /// What the run's last watermark decides.
    pub(super) fn end(&mut self, facility: &Arc<str>, rules: &Rules, end_ms: Option<i64>) -> Option<Alarm> {
        let cleared = self.open?.cleared(facility, rules);
        let is_decided = end_ms? > cleared.time_ms.saturating_add(rules.alarm_delay_ms());
        is_decided.then_some(cleared)
    }
}

impl Open {
    fn cleared(self, facility: &Arc<str>, rules: &Rules) -> Alarm {
        self.alarm(facility, AlarmKind::Cleared, self.last_ms.saturating_add(rules.alarm_gap_ms))
    }

    fn alarm(self, facility: &Arc<str>, kind: AlarmKind, time_ms: i64) -> Alarm {
        let Open { first_ms, last_ms, highest } = self;
        Alarm { facility: facility.clone(), kind, time_ms, first_ms, last_ms, highest }
    }
}
