//! A reading arrives: it meets the other side's window, then takes its place in its own.

use crate::record::Side;
use crate::rules::JoinMode;
use crate::sabotage::{Rule, broken};

use super::PartRef;
use super::emit::Scored;
use super::held::{Arrival, Half, Open};
use super::rings::Rings;
use super::scan::scan;
use super::shard_join::{Facility, Join};

/// What a reading meets when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// Every partner.
    All,
    /// Every partner, and a cache is told of the newest.
    AllTold,
    /// The partner that has arrived.
    Latest,
    /// A partner that is decided on later.
    Later,
}

impl Meets {
    pub(super) fn of(mode: JoinMode, tells: bool) -> Meets {
        match (mode, tells) {
            (JoinMode::All, false) => Meets::All,
            (JoinMode::All, true) => Meets::AllTold,
            (JoinMode::Latest, _) => Meets::Latest,
            (JoinMode::Nearest | JoinMode::Asof, _) => Meets::Later,
        }
    }
}

impl Join {
    /// Takes a reading of a facility (a number that `facility` gave), with its row part.
    pub fn arrive(&mut self, facility: u32, arrival: Arrival, part: PartRef) {
        let side = self.sides[usize::from(arrival.partition)];
        let bound_ms = self.facilities[facility as usize].bound_ms;
        if self.lost && arrival.reread {
            self.take_as_decided(side, &arrival, bound_ms);
            return;
        }
        if !arrival.reread && arrival.time_ms < self.w_ms {
            self.counts.window_incomplete += 1;
            let latest_well = self.rules.join == JoinMode::Latest && side == Side::Well;
            if arrival.time_ms.saturating_add(bound_ms) < self.w_ms && !latest_well {
                return;
            }
        }
        let half = Half::new(&arrival, part);
        let mut open = Open::default();
        match (self.meets, side) {
            (Meets::All, Side::Well) => open.paired = self.pair::<true, false>(facility, &half),
            (Meets::All, Side::Tank) => open.paired = self.pair::<false, false>(facility, &half),
            (Meets::AllTold, Side::Well) => open.paired = self.pair::<true, true>(facility, &half),
            (Meets::AllTold, Side::Tank) => open.paired = self.pair::<false, true>(facility, &half),
            (Meets::Latest, Side::Well) => {
                open.partner = self.find_partner(facility, &half);
                if !half.held.reread {
                    self.emit_well(facility, &half, open.partner.as_ref());
                }
            }
            (_, Side::Well) => open.partner = self.find_partner(facility, &half),
            (_, Side::Tank) => self.offer_partner(facility, &half),
        }
        if self.out.is_to_encode() {
            self.encode_rows();
        }
        let slot = self.keep(facility, side, &half);
        if !self.rings.open.is_empty() {
            self.open(facility, side, slot, open);
        }
    }

    /// History was lost: what lies below the committed offset is taken as decided, and counted where its
    /// result may have been open. It must not meet new readings either: a later restart could not repeat
    /// that.
    fn take_as_decided(&mut self, side: Side, arrival: &Arrival, bound_ms: i64) {
        let has_result = side == Side::Well || self.rules.join == JoinMode::All;
        if has_result && arrival.time_ms.saturating_add(bound_ms) >= self.w_ms {
            self.counts.results_lost += 1;
        }
    }

    /// all: a row with every reading of the other side within the bound. Whether there was one. Once for each
    /// side, and for those who want to know what is newest, so that nothing is chosen by it row by row.
    fn pair<const IS_WELL: bool, const TELLS: bool>(&mut self, facility_number: u32, half: &Half) -> bool {
        let Join { out, counts, facilities, rings: columns, arena, alarms, numbers, w_ms, newest, .. } = self;
        let Facility { rings, alarm, bound_ms, alert_above, name, .. } =
            &mut facilities[facility_number as usize];
        let (t, bound_ms, w_ms) = (half.time_ms, *bound_ms, *w_ms);
        let strictly = i64::from(broken(Rule::ForgetStrictly));
        // What W has passed by more than the bound is forgotten. Between two readings that are read again
        // nothing is: what they were is rebuilt.
        let open_from = w_ms.saturating_sub(bound_ms).saturating_add(strictly);
        let reread = half.held.reread;
        let low = if reread { t - bound_ms } else { (t - bound_ms).max(open_from) };
        let mut paired = false;
        let side = if IS_WELL { Side::Well } else { Side::Tank };
        let places = Rings::places(&rings[side.other().index()]);
        let Rings { times_ms, held, open, .. } = columns;
        let (times_ms, held) = (&times_ms[places.clone()], &held[places.clone()]);
        scan(times_ms, low, t + bound_ms, |at| {
            let other = Half { time_ms: times_ms[at], held: held[at] };
            let new = !reread || !other.held.reread || broken(Rule::PairRule);
            if new && reread && t < open_from {
                return;
            }
            let (well, tank) = if IS_WELL { (half, &other) } else { (&other, half) };
            let scored = Scored::new(*alert_above, Some(well), Some(tank));
            if new {
                out.expect_part(&other, arena);
                out.row(scored, Some(well), Some(tank), numbers);
            }
            if let (true, Some(newest)) = (TELLS, &mut *newest) {
                newest.note((facility_number, name), scored, (Some(well), Some(tank)), numbers);
            }
            alarms.row(alarm, facility_number, scored, !new, counts);
            if let Some(other) = open.get_mut(places.start + at) {
                other.paired = true;
            }
            paired = true;
        });
        self.alarm_at_once(facility_number);
        paired
    }

    /// nearest, asof, latest: the best partner of a well among the tank readings that have arrived.
    fn find_partner(&mut self, facility: u32, well: &Half) -> Option<Half> {
        // What is no longer kept must not be found: its row part may be gone.
        let window_ms = self.spans.window_ms[Side::Tank.index()];
        let kept_from_ms = if self.rebuilding { i64::MIN } else { self.w_ms.saturating_sub(window_ms) };
        let Facility { rings, bound_ms, .. } = &self.facilities[facility as usize];
        let (mode, numbers) = (self.rules.join, &self.numbers);
        let mut best: Option<Half> = None;
        let low = (well.time_ms - *bound_ms).max(kept_from_ms);
        let high = if mode == JoinMode::Nearest { well.time_ms + *bound_ms } else { well.time_ms };
        let places = Rings::places(&rings[Side::Tank.index()]);
        let (times_ms, held) = (&self.rings.times_ms[places.clone()], &self.rings.held[places]);
        scan(times_ms, low, high, |at| {
            let tank = Half { time_ms: times_ms[at], held: held[at] };
            if best.as_ref().is_none_or(|best| better(mode, numbers, well, &tank, best)) {
                best = Some(tank);
            }
        });
        best
    }

    /// nearest, asof, latest: a tank reading may be a better partner for wells whose result is open.
    fn offer_partner(&mut self, facility: u32, tank: &Half) {
        let Join { facilities, rings: columns, closings, rules, numbers, w_ms, rebuilding, .. } = self;
        let Facility { rings, bound_ms, .. } = &facilities[facility as usize];
        let (mode, bound_ms) = (rules.join, *bound_ms);
        let low = if mode == JoinMode::Nearest { tank.time_ms - bound_ms } else { tank.time_ms };
        let mut overdue = false;
        let places = Rings::places(&rings[Side::Well.index()]);
        let Rings { times_ms, held, open, .. } = columns;
        let (times_ms, held) = (&times_ms[places.clone()], &held[places.clone()]);
        scan(times_ms, low, tank.time_ms + bound_ms, |at| {
            let well = Half { time_ms: times_ms[at], held: held[at] };
            let open = &mut open[places.start + at];
            let worse = |best| !better(mode, numbers, &well, tank, best);
            if open.closing == 0 || open.partner.as_ref().is_some_and(worse) {
                return;
            }
            open.partner = Some(*tank);
            if mode == JoinMode::Nearest {
                let at_ms = well.time_ms + (well.time_ms - tank.time_ms).abs();
                let slot = u32::try_from(at).unwrap_or(u32::MAX);
                open.closing = closings.push(at_ms, facility, Side::Well as u8, slot);
                overdue |= at_ms < *w_ms && !*rebuilding;
            }
        });
        if overdue {
            self.close_before(self.w_ms);
        }
    }

    /// Puts a reading into its side's ring. Returns its slot.
    fn keep(&mut self, facility: u32, side: Side, half: &Half) -> u32 {
        let window_ms = self.spans.window_ms[side.index()];
        let strictly = i64::from(broken(Rule::ForgetStrictly));
        let alive_from_ms = if self.rebuilding {
            i64::MIN
        } else {
            self.w_ms.saturating_sub(window_ms).saturating_add(strictly)
        };
        let ring = &mut self.facilities[facility as usize].rings[side.index()];
        self.rings.insert(ring, half.time_ms, half.held, alive_from_ms)
    }

    /// Gives a reading whose result stays open its closing time.
    fn open(&mut self, facility: u32, side: Side, slot: u32, mut open: Open) {
        let Facility { rings, bound_ms, .. } = &self.facilities[facility as usize];
        let Some(place) = self.rings.place(&rings[side.index()], slot) else { return };
        let t = self.rings.times_ms[place];
        let at_ms = match (self.rules.join, side) {
            (JoinMode::All, _) if !self.rules.outer || open.paired => None,
            (JoinMode::All, _) => Some(t + *bound_ms),
            (_, Side::Tank) => None,
            (JoinMode::Nearest, Side::Well) => match &open.partner {
                Some(tank) => Some(t + (t - tank.time_ms).abs()),
                None => Some(t + *bound_ms),
            },
            (JoinMode::Asof | JoinMode::Latest, Side::Well) => Some(t),
        };
        if let Some(at_ms) = at_ms {
            open.closing = self.closings.push(at_ms, facility, side as u8, slot);
        }
        self.rings.open[place] = open;
        if at_ms.is_some_and(|at_ms| at_ms < self.w_ms) && !self.rebuilding {
            self.close_before(self.w_ms);
        }
    }
}

/// Whether a tank reading is a better partner than the best so far: a total order, whatever the arrival.
fn better(mode: JoinMode, numbers: &[u32], well: &Half, tank: &Half, best: &Half) -> bool {
    let number = |half: &Half| numbers[usize::from(half.held.partition)];
    let arrival_decides = broken(Rule::TieOrder);
    let tie = |half: &Half| if arrival_decides { (0, 0) } else { (number(half), half.held.offset) };
    match mode {
        JoinMode::Nearest => {
            let key = |half: &Half| ((well.time_ms - half.time_ms).abs(), half.time_ms, tie(half));
            key(tank) < key(best)
        }
        _ => {
            let key = |half: &Half| (half.time_ms, tie(half));
            key(tank) > key(best)
        }
    }
}
