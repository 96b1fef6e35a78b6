//! Some of the facilities: what one thread joins.

use std::sync::Arc;

use wellstream_core::record::{Side, Status};
use wellstream_core::rules::Rules;

use super::super::join::Event;
use super::super::{Partners, RowFacts, Tally};
use super::NotPartners;
use super::episode::Episode;
use super::slice::Slice;

#[derive(Debug)]
pub(super) struct Part<'r> {
    facilities: Vec<Facility>,
    /// Rows and alarms that are certain.
    pub(super) tally: Tally,
    pub(super) partners: Option<&'r Partners>,
    pub(super) not_partners: NotPartners,
}

#[derive(Debug)]
struct Facility {
    name: Arc<str>,
    slice: Slice,
    /// (Row time, risk) of ALERT rows that are not yet part of an episode, in any order.
    alert_rows: Vec<(i64, u32)>,
    episode: Episode,
}

impl<'r> Part<'r> {
    pub(super) fn new(tally: Tally) -> Part<'r> {
        Part { facilities: Vec::new(), tally, partners: None, not_partners: NotPartners::default() }
    }

    pub(super) fn add_facility(&mut self, name: Arc<str>) {
        let (slice, episode) = (Slice::default(), Episode::default());
        self.facilities.push(Facility { name, slice, alert_rows: Vec::new(), episode });
    }

    /// Takes an accepted reading of a facility.
    #[inline]
    pub(super) fn put(&mut self, facility: usize, side: Side, event: Event) {
        self.facilities[facility].slice.put(side, event);
    }

    /// Joins what is certain when every accepted reading before this event time is here.
    pub(super) fn advance(&mut self, rules: &Rules, complete_ms: i64) {
        let Part { facilities, tally, partners, not_partners } = self;
        for facility in facilities {
            let Facility { name, slice, alert_rows, episode } = facility;
            let score = rules.of(name);
            if let Some(partners) = partners {
                slice.check_partners(rules, score, complete_ms, partners, &mut |asof| not_partners.add(asof));
            }
            slice.join(rules, score, complete_ms, &mut |row: RowFacts, counts| {
                if counts {
                    tally.add_row(&row);
                }
                if row.status == Status::Alert {
                    alert_rows.push((row.time_ms, row.risk));
                }
            });
            // A row that is still to come has no earlier time than this.
            let settled_ms = slice.settled_ms(rules, complete_ms);
            episode.advance(name, alert_rows, rules, settled_ms, &mut |alarm| {
                tally.add_alarm(&alarm);
            });
        }
    }

    pub(super) fn held(&self) -> usize {
        self.facilities.iter().map(|facility| facility.slice.held() + facility.alert_rows.len()).sum()
    }

    /// The log has ended, and with it the run, at this watermark.
    pub(super) fn end(&mut self, rules: &Rules, end_ms: Option<i64>) {
        for Facility { name, episode, .. } in &mut self.facilities {
            if let Some(alarm) = episode.end(name, rules, end_ms) {
                self.tally.add_alarm(&alarm);
            }
        }
    }
}
