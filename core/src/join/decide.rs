//! W passes closing times: open results become rows, alarm steps become alarms.

use std::sync::Arc;

use crate::prefetch::prefetch;
use crate::record::{Alarm, AlarmKind, Side};
use crate::rules::JoinMode;
use crate::sabotage::{Rule, broken};

use super::closing::Closing;
use super::emit::Scored;
use super::held::{Half, Open};
use super::shard_join::{Facility, Join};

impl Join {
    /// Decides every result with a closing time before `until_ms`.
    pub(super) fn close_before(&mut self, until_ms: i64) {
        while let Some(closing) = self.closings.pop_before(until_ms) {
            self.close(closing);
        }
    }

    fn close(&mut self, closing: Closing) {
        let stored_w_passed = closing.at_ms < self.stored_w_ms;
        let is_well = usize::from(closing.side) == Side::Well.index();
        let ring = &self.facilities[closing.facility as usize].rings[usize::from(closing.side)];
        let Some(place) = self.rings.place(ring, closing.slot) else { return };
        let half = Half { time_ms: self.rings.times_ms[place], held: self.rings.held[place] };
        let open = &mut self.rings.open[place];
        if open.closing != closing.serial {
            return;
        }
        open.closing = 0;
        let Open { partner, paired, .. } = *open;
        if self.rules.join == JoinMode::All && paired {
            return;
        }
        if is_well && partner.is_none() && !self.rules.outer {
            return;
        }
        // A result that the stored W had passed was in a committed epoch.
        let mut decided = half.held.reread && stored_w_passed;
        if broken(Rule::ClosingRule) {
            decided = half.held.reread && partner.is_none_or(|partner| partner.held.reread);
        }
        let (well, tank) = match (is_well, &partner) {
            (true, partner) => (Some(&half), partner.as_ref()),
            (false, _) => (None, Some(&half)),
        };
        self.result(closing.facility, well, tank, decided);
    }

    /// One decided result: a row (in latest its row went out on arrival), and a step of the alarm if it is
    /// ALERT.
    fn result(&mut self, facility_number: u32, well: Option<&Half>, tank: Option<&Half>, decided: bool) {
        let Join { out, counts, facilities, arena, alarms, numbers, rules, newest, sure_from_ms, .. } = self;
        let Facility { alarm, alert_above, name, .. } = &mut facilities[facility_number as usize];
        let scored = Scored::new(*alert_above, well, tank);
        let is_sure = !decided || [well, tank].iter().flatten().all(|half| half.time_ms >= *sure_from_ms);
        if let Some(newest) = newest.as_mut().filter(|_| is_sure && rules.join != JoinMode::Latest) {
            newest.note((facility_number, name), scored, (well, tank), numbers);
        }
        if !decided && rules.join != JoinMode::Latest {
            [well, tank].iter().flatten().for_each(|half| out.expect_part(half, arena));
            out.row(scored, well, tank, numbers);
        }
        alarms.row(alarm, facility_number, scored, decided, counts);
        self.alarm_at_once(facility_number);
    }

    /// latest: the row of a well with what has arrived. Its alarms follow from the asof row, later.
    pub(super) fn emit_well(&mut self, facility_number: u32, well: &Half, tank: Option<&Half>) {
        let Join { out, facilities, arena, numbers, newest, .. } = self;
        let Facility { alert_above, name, .. } = &facilities[facility_number as usize];
        let scored = Scored::new(*alert_above, Some(well), tank);
        if let Some(newest) = newest {
            newest.note((facility_number, name), scored, (Some(well), tank), numbers);
        }
        tank.iter().for_each(|tank| out.expect_part(tank, arena));
        out.row(scored, Some(well), tank, numbers);
    }

    /// Decides every alarm step and end that is due before `until_ms`.
    pub(super) fn decide_alarms_before(&mut self, until_ms: i64) {
        while let Some(timer) = self.alarms.timers.pop_before(until_ms) {
            if let Some(next) = self.alarms.timers.next_facility() {
                prefetch(&self.facilities, next as usize);
            }
            let track = &mut self.facilities[timer.facility as usize].alarm;
            if track.due_ms == Some(timer.at_ms) {
                track.due_ms = None;
                self.decide_alarm(timer.facility, until_ms.saturating_sub(self.alarms.delay_ms));
                self.schedule_alarm(timer.facility);
            }
        }
    }

    fn decide_alarm(&mut self, facility: u32, until_ms: i64) {
        let gap_ms = self.rules.alarm_gap_ms;
        let Facility { name, alarm, .. } = &mut self.facilities[facility as usize];
        let out = &mut self.out;
        alarm.decide(until_ms, gap_ms, |(kind, time_ms, episode)| {
            let last_ms = if kind == AlarmKind::Cleared { episode.last_ms } else { time_ms };
            out.alarm(Alarm {
                facility: Arc::clone(name),
                kind,
                time_ms,
                first_ms: episode.first_ms,
                last_ms,
                highest: episode.highest.get(),
            });
        });
    }

    /// Sabotage only: alarms decided on arrival instead of in row-time order.
    pub(super) fn alarm_at_once(&mut self, facility: u32) {
        if broken(Rule::AlarmsByRowTime) && !self.rebuilding {
            let latest = self.facilities[facility as usize].alarm.next_ms(i64::MAX / 2);
            if let Some(step_ms) = latest {
                self.decide_alarm(facility, step_ms.saturating_add(1));
            }
        }
    }
}
