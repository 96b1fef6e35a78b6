//! A facility's readings that may still meet others, and the join of those that have met all they will.

use wellstream_core::record::{Side, Status};
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};

use super::super::join::{Event, asof, facts, nearest};
use super::super::{Partners, RowFacts};

/// Wells that are not joined yet, tanks that one of them or of those to come may meet.
#[derive(Debug, Default)]
pub(super) struct Slice {
    wells: Vec<Event>,
    tanks: Vec<Event>,
    /// Whether each tank has a partner; shorter where none was looked for yet.
    is_paired: Vec<bool>,
}

impl Slice {
    #[inline]
    pub(super) fn put(&mut self, side: Side, event: Event) {
        match side {
            Side::Well => self.wells.push(event),
            Side::Tank => self.tanks.push(event),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.wells.len() + self.tanks.len()
    }

    /// Rows that are still to come have no earlier time than this: of wells that are not joined yet, and in
    /// outer of tanks that may still meet one of them.
    pub(super) fn settled_ms(&self, rules: &Rules, complete_ms: i64) -> i64 {
        complete_ms.saturating_sub(2 * rules.score.bound_ms)
    }

    /// Joins each well whose partners are all here, and forgets what no other well can meet. Calls `emit`
    /// with each row, and whether it is one that comes out: in `latest` each well's row does, as it stands
    /// without a partner, and those of `asof` are for the alarms only.
    pub(super) fn join(
        &mut self,
        rules: &Rules,
        score: &ScoreRules,
        complete_ms: i64,
        emit: &mut impl FnMut(RowFacts, bool),
    ) {
        let due = self.sort(rules, complete_ms);
        let is_all = rules.join == JoinMode::All;
        if is_all {
            self.join_all(due, rules.outer, score, emit);
        } else {
            self.join_wells(due, rules, score, emit);
        }
        let settled_ms = self.settled_ms(rules, complete_ms);
        let gone = self.tanks.partition_point(|tank| tank.input.time_ms < settled_ms);
        if is_all && rules.outer {
            for (tank, _) in self.tanks[..gone].iter().zip(&self.is_paired).filter(|(_, paired)| !**paired) {
                emit(facts(None, Some(tank), score), true);
            }
        }
        self.wells.drain(..due);
        self.tanks.drain(..gone);
        self.is_paired.drain(..gone);
    }

    /// Looks for wells whose row, as a run marked it, is that of no possible partner.
    pub(super) fn check_partners(
        &mut self,
        rules: &Rules,
        score: &ScoreRules,
        complete_ms: i64,
        partners: &Partners,
        fault: &mut impl FnMut(RowFacts),
    ) {
        let due = self.sort(rules, complete_ms);
        for well in &self.wells[..due] {
            let time_ms = well.input.time_ms;
            let begin = self.tanks.partition_point(|tank| tank.input.time_ms < time_ms - score.bound_ms);
            let end = self.tanks.partition_point(|tank| tank.input.time_ms <= time_ms);
            let possible = self.tanks[begin..end].iter().map(Some).chain([None]);
            let mut rows = possible.map(|tank| facts(Some(well), tank, score));
            if !rows.any(|row| partners.may_be(&row)) {
                fault(facts(Some(well), self.tanks[begin..end].last(), score));
            }
        }
    }

    /// Brings all into order; returns how many wells can be joined: every tank that they could meet is here.
    fn sort(&mut self, rules: &Rules, complete_ms: i64) -> usize {
        self.wells.sort_unstable_by_key(|event| event.input);
        // Those that have a partner are older than any that came since, so they keep their places.
        self.tanks.sort_unstable_by_key(|event| event.input);
        self.is_paired.resize(self.tanks.len(), false);
        let due_ms = complete_ms.saturating_sub(rules.score.bound_ms);
        self.wells.partition_point(|well| well.input.time_ms < due_ms)
    }

    fn join_all(
        &mut self,
        due: usize,
        outer: bool,
        score: &ScoreRules,
        emit: &mut impl FnMut(RowFacts, bool),
    ) {
        let mut first = 0;
        for well in &self.wells[..due] {
            let [from_ms, to_ms] = [-score.bound_ms, score.bound_ms].map(|ms| well.input.time_ms + ms);
            first += self.tanks[first..].iter().take_while(|tank| tank.input.time_ms < from_ms).count();
            let near = self.tanks[first..].iter().take_while(|tank| tank.input.time_ms <= to_ms);
            let mut pairs = 0;
            for tank in near {
                emit(facts(Some(well), Some(tank), score), true);
                pairs += 1;
            }
            self.is_paired[first..first + pairs].fill(true);
            if outer && pairs == 0 {
                emit(facts(Some(well), None, score), true);
            }
        }
    }

    fn join_wells(
        &mut self,
        due: usize,
        rules: &Rules,
        score: &ScoreRules,
        emit: &mut impl FnMut(RowFacts, bool),
    ) {
        let is_latest = rules.join == JoinMode::Latest;
        for well in &self.wells[..due] {
            let time_ms = well.input.time_ms;
            let chosen = match rules.join {
                JoinMode::Nearest => nearest(&self.tanks, time_ms),
                JoinMode::All | JoinMode::Asof | JoinMode::Latest => asof(&self.tanks, time_ms),
            };
            let partner =
                chosen.filter(|tank| time_ms.abs_diff(tank.input.time_ms) <= score.bound_ms.unsigned_abs());
            if is_latest {
                emit(RowFacts { status: Status::Normal, ..facts(Some(well), None, score) }, true);
            }
            if partner.is_some() || rules.outer {
                emit(facts(Some(well), partner, score), !is_latest);
            }
        }
    }
}
