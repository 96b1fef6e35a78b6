//! Readings as facts for the oracle: what their bytes say, without the bytes.

use std::collections::BTreeMap;

use wellstream_core::record::{PartitionId, Reason, Side};
use wellstream_core::rules::Rules;

use crate::oracle::{Body, Judge, Judged, Observed, OracleRecord};
use crate::scenario::Poison;

use super::draw::Bits;
use super::{Event, EventKind, Events, Generator};

impl Generator {
    /// What a reading's value says.
    pub fn body(&self, event: &Event) -> Body {
        self.body_numbered(event).map_facility(|number| self.facilities[number as usize].clone())
    }

    /// The same, with the facility's number in place of its name.
    pub fn body_numbered(&self, event: &Event) -> Body<u32> {
        let mut observed = Observed {
            facility: Some(event.facility),
            time_ms: Some(self.time_ms(event)),
            ppm: self.ppm(event),
            null: None,
        };
        match event.kind {
            EventKind::Usual => {}
            EventKind::Null(places) => {
                for place in places {
                    match (event.side, place) {
                        (_, 1) => observed.facility = None,
                        (_, 2) => observed.time_ms = None,
                        (Side::Well, 3) | (Side::Tank, 4) => observed.ppm = 0.0,
                        _ => {}
                    }
                }
                let [a, b] = places;
                observed.null = null(event.side, a.min(b)).or(null(event.side, a.max(b)));
            }
            EventKind::Poison(poison) => {
                if let Some(reason) = reason(poison) {
                    return Body::Unreadable(reason);
                }
            }
        }
        Body::Reading(observed)
    }

    /// What becomes of these readings, sent from the start of empty partitions. `timestamp_ms` as in `fill`;
    /// `offset` gives the offset of a partition's n-th record, as which it was stored.
    pub fn judged(
        &self,
        events: Events,
        rules: &Rules,
        timestamp_ms: impl Fn(&Event) -> i64,
        offset: impl Fn(PartitionId, i64) -> i64,
    ) -> Judged {
        let mut judges: BTreeMap<PartitionId, (Judge, i64)> = BTreeMap::new();
        for index in events {
            let mut event = self.event(index);
            event.sent_ms = timestamp_ms(&event);
            let partition = self.partition(&event);
            let (judge, records) = judges.entry(partition).or_insert_with(|| (Judge::new(partition), 0));
            let record = OracleRecord {
                offset: offset(partition, *records),
                timestamp_ms: event.sent_ms,
                body: self.body(&event),
            };
            judge.record(record, rules);
            *records += 1;
        }
        let mut judged = Judged::default();
        judges.into_values().for_each(|(judge, _)| judged.merge(judge.finish()));
        judged
    }

    /// The event time that is written.
    pub(super) fn time_ms(&self, event: &Event) -> i64 {
        let mut bits = event.values;
        match event.kind {
            EventKind::Poison(Poison::TimeTooOld) => -1 - bits.below(1 << 40).cast_signed(),
            EventKind::Poison(Poison::TimeTooFarAhead) => {
                event.sent_ms + AHEAD_MS_MIN + bits.below(1 << 40).cast_signed()
            }
            _ => event.time_ms,
        }
    }
}

/// The reason that is in the bytes; those of time are found by judging.
fn reason(poison: Poison) -> Option<Reason> {
    Some(match poison {
        Poison::BadMagic => Reason::BadMagic,
        Poison::UnknownSchema => Reason::UnknownSchema,
        Poison::WrongType => Reason::WrongType,
        Poison::Truncated => Reason::Truncated,
        Poison::TrailingBytes => Reason::TrailingBytes,
        Poison::Malformed => Reason::Malformed,
        Poison::BadUtf8 => Reason::BadUtf8,
        Poison::NotFinite => Reason::NotFinite,
        Poison::TooLarge => Reason::TooLarge,
        Poison::EmptyValue | Poison::Tombstone => Reason::EmptyValue,
        Poison::TimeTooOld | Poison::TimeTooFarAhead => return None,
    })
}

/// Why a null at this place of the schema drops a reading, if it does.
fn null(side: Side, place: u8) -> Option<Reason> {
    Some(match (side, place) {
        (Side::Well, 0) => Reason::NullWellId,
        (Side::Tank, 0) => Reason::NullTankId,
        (_, 1) => Reason::NullFacilityId,
        (Side::Well, 3) => Reason::NullMethane,
        (Side::Well, 4) => Reason::NullCo2,
        (Side::Well, 5) => Reason::NullPressure,
        (Side::Well, 6) => Reason::NullTemperature,
        (Side::Tank, 3) => Reason::NullLevel,
        (Side::Tank, 4) => Reason::NullVapor,
        (Side::Tank, 7) => Reason::NullInternalPressure,
        _ => return None,
    })
}

/// Further ahead of the sending than any rule allows, ms.
const AHEAD_MS_MIN: i64 = 3_600_001;
