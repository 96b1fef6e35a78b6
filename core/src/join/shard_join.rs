//! The join state of one shard: facilities, windows, what is still open, and the W that it has acted on.

use std::hash::RandomState;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::prefetch::prefetch;
use crate::record::{AlarmInForce, NewestRow, PartitionId, Side};
use crate::rules::Rules;
use crate::sabotage::{Rule, broken};
use crate::time::{NEVER, Spans};

use super::alarm::AlarmTrack;
use super::arrive::Meets;
use super::closing::Closings;
use super::emit::{Emitted, RowForm, Scored};
use super::newest::NewestRows;
use super::{Arena, PartRef, Ring, Rings};

/// What a shard starts from after a restart.
#[derive(Clone, Debug, Default)]
pub struct JoinStart {
    /// W of the last commit.
    pub watermark: Option<i64>,
    /// History was lost: results open below the committed offsets are taken as decided.
    pub lost: bool,
    /// Alarms in force of this shard's facilities.
    pub alarms: Vec<AlarmInForce>,
}

/// What the operator must know and no row tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinCounts {
    /// New readings with a time below W on arrival: their windows may have lost partners (behind idle
    /// partitions).
    pub window_incomplete: u64,
    /// ALERT rows whose row time W had passed on arrival: they change no alarm.
    pub alarm_rows_passed: u64,
    /// Results taken as decided since history was lost.
    pub results_lost: u64,
}

impl JoinCounts {
    /// Adds another count.
    pub fn merge(&mut self, other: JoinCounts) {
        self.window_incomplete += other.window_incomplete;
        self.alarm_rows_passed += other.alarm_rows_passed;
        self.results_lost += other.results_lost;
    }
}

/// What every reading needs of its facility comes first: one cache line, the alarm's steps and the name the
/// other.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Facility {
    pub(super) rings: [Ring; 2],
    pub(super) bound_ms: i64,
    pub(super) alert_above: u32,
    pub(super) alarm: AlarmTrack,
    pub(super) name: Arc<str>,
}

/// Alarm timers and what they are measured against.
#[derive(Debug)]
pub(super) struct AlarmTimers {
    pub(super) timers: Closings,
    /// D: a step is decided when W > its time + this.
    pub(super) delay_ms: i64,
    /// W as the alarms have acted on it.
    pub(super) w_ms: i64,
    /// Rows that were emitted before a restart are still being met again.
    pub(super) rebuilding: bool,
    /// The largest gap of row time within one episode, ms.
    pub(super) gap_ms: i64,
    /// Memory held by steps that are not decided yet.
    pub(super) step_bytes: usize,
}

/// The interval join of one shard.
#[derive(Debug)]
pub struct Join {
    /// Rows and alarms not handed on yet.
    pub out: Emitted,
    /// The epoch's counts.
    pub counts: JoinCounts,
    pub(super) rules: Arc<Rules>,
    pub(super) spans: Spans,
    /// Side and Kafka partition number of each dense index.
    pub(super) sides: Vec<Side>,
    pub(super) numbers: Vec<u32>,
    names: HashMap<Box<str>, u32, RandomState>,
    pub(super) facilities: Vec<Facility>,
    /// Places in `facilities` of facilities that were forgotten.
    free: Vec<u32>,
    pub(super) rings: Rings,
    pub(super) arena: Arena,
    pub(super) closings: Closings,
    pub(super) alarms: AlarmTimers,
    /// W as the join has acted on it; during a rebuild the stored one.
    pub(super) w_ms: i64,
    pub(super) stored_w_ms: i64,
    pub(super) rebuilding: bool,
    pub(super) lost: bool,
    pub(super) facility_bytes: usize,
    /// What a reading meets when it arrives.
    pub(super) meets: Meets,
    /// Where a cache wants to know.
    pub(super) newest: Option<Box<NewestRows>>,
    /// Results of older readings that are decided again after a restart may lack partners, which are not read
    /// again.
    pub(super) sure_from_ms: i64,
}

impl Join {
    /// An empty join that waits for its rebuild to finish (`finish_rebuild`), also if there is nothing to
    /// read again.
    pub fn new(rules: Arc<Rules>, partitions: Vec<PartitionId>, start: &JoinStart, form: RowForm) -> Join {
        let w_ms = start.watermark.unwrap_or(NEVER);
        let alarms = AlarmTimers {
            timers: Closings::default(),
            delay_ms: rules.alarm_delay_ms(),
            w_ms,
            rebuilding: true,
            gap_ms: rules.alarm_gap_ms,
            step_bytes: 0,
        };
        let mut join = Join {
            out: Emitted::new(form, rules.hash()),
            counts: JoinCounts::default(),
            spans: Spans::new(&rules),
            sides: partitions.iter().map(|partition| partition.side).collect(),
            numbers: partitions.iter().map(|partition| partition.number).collect(),
            names: HashMap::default(),
            facilities: Vec::new(),
            free: Vec::new(),
            rings: Rings::new(!rules.emits_pairs_only()),
            arena: Arena::default(),
            closings: Closings::default(),
            alarms,
            w_ms,
            stored_w_ms: w_ms,
            rebuilding: true,
            // The pair rule alone needs no verdict on what was open: with it, what history is left still
            // helps.
            lost: start.lost && !rules.emits_pairs_only(),
            facility_bytes: 0,
            meets: Meets::of(rules.join, false),
            newest: None,
            sure_from_ms: start.watermark.map_or(NEVER, |w_ms| Spans::new(&rules).sure_from_ms(w_ms, &rules)),
            rules,
        };
        for alarm in start.alarms.iter().filter(|_| !broken(Rule::AlarmsReadBack)) {
            let facility = join.facility(&alarm.facility);
            join.facilities[facility as usize].alarm.restore(alarm);
            join.schedule_alarm(facility);
        }
        join
    }

    /// The number of a facility, new or known.
    pub fn facility(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let score = self.rules.of(name);
        let facility = Facility {
            name: name.into(),
            rings: self.rings.pair(),
            alarm: AlarmTrack::default(),
            bound_ms: score.bound_ms,
            alert_above: score.alert_above,
        };
        let number = match self.free.pop() {
            Some(number) => {
                self.facilities[number as usize] = facility;
                number
            }
            None => {
                self.facilities.push(facility);
                u32::try_from(self.facilities.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.names.insert(name.into(), number);
        self.facility_bytes += bytes_of(name);
        number
    }

    /// A reading of this facility comes soon: its place is asked for.
    #[inline]
    pub fn expect_facility(&self, facility: u32) {
        prefetch(&self.facilities, facility as usize);
    }

    /// A reading of this facility and partition comes next but few: its place is here by now, so its windows
    /// are asked for.
    #[inline]
    pub fn expect_rings(&self, facility: u32, partition: u16) {
        let Some(Facility { rings, .. }) = self.facilities.get(facility as usize) else { return };
        let side = self.sides[usize::from(partition)];
        self.rings.expect_insert(&rings[side.index()]);
        self.rings.expect_scan(&rings[side.other().index()]);
    }

    /// Keeps the parts of a batch where they lie, if they fill their memory well: `parts` is empty memory
    /// then, and a part has its place in the segment that is returned.
    pub fn adopt_parts(&mut self, parts: &mut Vec<u8>, time_ms_max: i64) -> Option<u32> {
        self.arena.adopt(parts, time_ms_max)
    }

    /// Keeps a copy of a part, until W has passed its reading.
    pub fn put_part(&mut self, part: &[u8], time_ms: i64) -> PartRef {
        self.arena.put(part, time_ms)
    }

    /// From now on each facility's newest row is kept, for [`Join::take_newest`].
    #[must_use]
    pub fn with_newest(mut self, wanted: bool) -> Join {
        self.newest = wanted.then(Box::default);
        self.meets = Meets::of(self.rules.join, wanted);
        self
    }

    /// The newest row of each facility that had one since it was last asked; none if nobody wants them.
    pub fn take_newest(&mut self) -> Vec<NewestRow> {
        self.newest.as_mut().map_or_else(Vec::new, |newest| newest.take())
    }

    /// Encodes the rows that wait for their parts, if sinks want them as bytes.
    pub fn encode_rows(&mut self) {
        self.out.encode(&self.arena);
    }

    /// Drops the facilities without a reading that matters and without an alarm. Their numbers must not be
    /// used any more: every lane has forgotten them at this cut.
    pub fn forget_facilities(&mut self) {
        let Join { names, facilities, free, rings: columns, spans, w_ms, facility_bytes, .. } = self;
        names.retain(|name, number| {
            let Facility { rings, alarm, .. } = &mut facilities[*number as usize];
            let from_ms = |side: usize| w_ms.saturating_sub(spans.window_ms[side]);
            let is_alive = rings.iter().enumerate().any(|(side, ring)| columns.is_alive(ring, from_ms(side)));
            if is_alive || alarm.due_ms.is_some() {
                return true;
            }
            *facility_bytes -= bytes_of(name);
            rings.iter_mut().for_each(|ring| columns.drop_ring(ring));
            free.push(*number);
            false
        });
        names.shrink_to_fit();
    }

    /// Every lane has reached its committed offset: what the stored W had decided is settled, the rest is
    /// open.
    pub fn finish_rebuild(&mut self) {
        if !self.rebuilding {
            return;
        }
        self.rebuilding = false;
        self.alarms.rebuilding = false;
        self.close_before(self.w_ms);
        let mut settled = Vec::new();
        while let Some(timer) = self.alarms.timers.pop_before(self.w_ms) {
            settled.push(timer);
        }
        for timer in settled {
            let track = &mut self.facilities[timer.facility as usize].alarm;
            if track.due_ms == Some(timer.at_ms) {
                track.due_ms = None;
                track.absorb(self.w_ms.saturating_sub(self.alarms.delay_ms), self.rules.alarm_gap_ms);
                self.schedule_alarm(timer.facility);
            }
        }
    }

    /// W has moved: decides what it has passed, then forgets.
    pub fn advance(&mut self, w_ms: i64) {
        if self.rebuilding && !broken(Rule::NothingDecidedInRebuild) {
            return;
        }
        let until_ms = if broken(Rule::CloseStrictly) { w_ms.saturating_add(1) } else { w_ms };
        self.close_before(until_ms);
        self.decide_alarms_before(until_ms);
        self.w_ms = w_ms;
        self.alarms.w_ms = w_ms;
        // Their parts may be forgotten now.
        self.encode_rows();
        self.arena.forget(w_ms, self.spans.window_ms[0].max(self.spans.window_ms[1]));
    }

    /// W as the join has acted on it.
    pub fn w_ms(&self) -> i64 {
        self.w_ms
    }

    /// Whether lanes are still below their committed offsets.
    pub fn is_rebuilding(&self) -> bool {
        self.rebuilding
    }

    /// Memory held by windows, parts and open results, bytes.
    pub fn state_bytes(&self) -> usize {
        let alarms = self.alarms.timers.bytes() + self.alarms.step_bytes;
        self.facility_bytes + self.rings.bytes() + self.arena.bytes() + self.closings.bytes() + alarms
    }

    /// Facilities known.
    pub fn facilities(&self) -> usize {
        self.names.len()
    }

    /// Puts the facility on the alarm timer for its next decision.
    pub(super) fn schedule_alarm(&mut self, facility: u32) {
        let track = &mut self.facilities[facility as usize].alarm;
        if let Some(next_ms) = track.next_ms(self.rules.alarm_gap_ms) {
            self.alarms.schedule(track, facility, next_ms);
        }
    }
}

impl AlarmTimers {
    /// Puts a facility on the timer for a step or end at `next_ms`, unless it has an earlier one.
    pub(super) fn schedule(&mut self, track: &mut AlarmTrack, facility: u32, next_ms: i64) {
        let due_ms = next_ms + self.delay_ms;
        if track.due_ms.is_none_or(|due| due_ms < due) {
            track.due_ms = Some(due_ms);
            self.timers.push(due_ms, facility, 0, 0);
        }
    }

    /// Takes a row into account: an ALERT row is a step of its facility's alarm. `decided` rows were emitted
    /// before a restart; of the others, those whose time W has passed change nothing.
    #[inline(always)]
    pub(super) fn row(
        &mut self,
        track: &mut AlarmTrack,
        facility: u32,
        scored: Scored,
        decided: bool,
        counts: &mut JoinCounts,
    ) {
        if scored.status == crate::record::Status::Normal {
            return;
        }
        if !decided && scored.time_ms.saturating_add(self.delay_ms) < self.w_ms {
            counts.alarm_rows_passed += 1;
            return;
        }
        // Most rows only say that the episode goes on; its timer finds that out when it is due.
        if !self.rebuilding && track.goes_on(scored.time_ms, scored.risk, self.gap_ms) {
            return;
        }
        self.step(track, facility, scored);
    }

    /// A step of its own, which W decides. Rare beside rows that change nothing.
    #[inline(never)]
    fn step(&mut self, track: &mut AlarmTrack, facility: u32, scored: Scored) {
        let before = track.bytes();
        track.add(scored.time_ms, scored.risk);
        // Nothing else grows or shrinks them.
        self.step_bytes += track.bytes() - before;
        self.schedule(track, facility, scored.time_ms);
    }
}

/// What one facility takes beside its readings.
fn bytes_of(name: &str) -> usize {
    2 * name.len() + size_of::<Facility>() + size_of::<(Box<str>, u32)>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that is missed at each row costs a fifth of the join.
    #[test]
    fn what_every_reading_needs_of_its_facility_is_one_cache_line() {
        let episode = std::mem::offset_of!(Facility, alarm) + std::mem::offset_of!(AlarmTrack, episode);
        let end = episode + size_of_val(&AlarmTrack::default().episode);
        assert!(end <= 64 && std::mem::offset_of!(Facility, rings) == 0, "{end}");
    }
}
