//! The judge: what becomes of one record, in the order of DESIGN section 10: quarantined, then late, then
//! dropped.

use std::sync::Arc;

use crate::decode::{self, Plan, SchemaLookup, Schemas};
use crate::record::{PartitionId, Reason, Record, Side, TankReading, WellReading};
use crate::rules::Rules;
use crate::sabotage::{Rule, broken};
use crate::time::PartitionClock;
use crate::validate;

/// An accepted reading.
#[derive(Clone, Copy, Debug)]
pub(super) enum Accepted<'a> {
    Well(WellReading<'a>),
    Tank(TankReading<'a>),
}

/// The verdict on one record.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// It enters the join, with this event time.
    Accepted(i64, Accepted<'a>),
    /// It does not; the schema id is known where it has a frame, the event time where it is on time.
    Rejected(Reason, Option<u32>, Option<i64>),
    /// Its schema is not known yet: the partition waits.
    Wait,
}

/// Plans by schema id as one partition has met them, and the ids given up with their first offset.
#[derive(Debug, Default)]
pub(super) struct PartitionSchemas {
    plans: Vec<(u32, Arc<Plan>)>,
    pub(super) given_up: Vec<(u32, i64)>,
}

impl PartitionSchemas {
    pub(super) fn new(given_up: Vec<(u32, i64)>) -> PartitionSchemas {
        PartitionSchemas { plans: Vec::new(), given_up }
    }

    /// The plan for an id: `Err(None)` while it is not known.
    fn plan(
        &mut self,
        schemas: &dyn Schemas,
        side: Side,
        id: u32,
        offset: i64,
    ) -> Result<&Plan, Option<Reason>> {
        if self.given_up.iter().any(|(given_up, from)| *given_up == id && offset >= *from) {
            return Err(Some(Reason::UnknownSchema));
        }
        if let Some(at) = self.plans.iter().position(|(known, _)| *known == id) {
            return Ok(&self.plans[at].1);
        }
        match schemas.plan(side, id) {
            SchemaLookup::Ready(plan) => {
                if self.plans.len() >= crate::limits::PLANS_PER_PARTITION {
                    self.plans.clear();
                }
                self.plans.push((id, plan));
                let at = self.plans.len() - 1;
                Ok(&self.plans[at].1)
            }
            SchemaLookup::Pending => Err(None),
            SchemaLookup::Unreadable => Err(Some(Reason::WrongType)),
            SchemaLookup::GivenUp => {
                if self.given_up.len() < crate::limits::SCHEMAS_GIVEN_UP_MAX {
                    self.given_up.push((id, offset));
                }
                Err(Some(Reason::UnknownSchema))
            }
        }
    }
}

/// Judges one record. Moves the partition's clock, unless the record is quarantined. `w_ms` is for a
/// sabotaged run only: lateness depends on the own partition's log alone.
pub(super) fn judge<'a>(
    partition: PartitionId,
    record: &Record<'a>,
    clock: &mut PartitionClock,
    known: &'a mut PartitionSchemas,
    schemas: &dyn Schemas,
    rules: &Rules,
    w_ms: impl FnOnce() -> i64,
) -> Verdict<'a> {
    let (id, body) = match decode::check_value(record.value).and_then(decode::split_frame) {
        Ok(frame) => frame,
        Err(reason) => {
            // A value that is too large for us may still say what it was written with.
            let frame = record.value.and_then(|value| decode::split_frame(value).ok());
            return Verdict::Rejected(reason, frame.map(|(id, _)| id), None);
        }
    };
    let rejected = |reason| Verdict::Rejected(reason, Some(id), None);
    let plan = match known.plan(schemas, partition.side, id, record.offset) {
        Ok(plan) => plan,
        Err(None) => return Verdict::Wait,
        Err(Some(reason)) => return rejected(reason),
    };
    let decoded = match partition.side {
        Side::Well => plan.decode_well(body).map(Accepted::Well),
        Side::Tank => plan.decode_tank(body).map(Accepted::Tank),
    };
    let reading = match decoded {
        Ok(reading) => reading,
        Err(reason) => return rejected(reason),
    };
    let (timestamp, drop) = match &reading {
        Accepted::Well(well) => (well.timestamp, validate::well_drop(well)),
        Accepted::Tank(tank) => (tank.timestamp, validate::tank_drop(tank)),
    };
    let time_ms = match validate::event_time(timestamp, record.timestamp_ms, rules) {
        Ok(time_ms) => time_ms,
        Err(reason) => return rejected(reason),
    };
    if drop.is_none() || !broken(Rule::FilteredMoveClock) {
        clock.observe(time_ms, record.timestamp_ms, rules.clock_ahead_ms_max);
    }
    let late = if broken(Rule::LateByOwnPartition) {
        time_ms < w_ms()
    } else {
        clock.is_late(time_ms, rules.lateness_ms)
    };
    match drop {
        _ if late => rejected(Reason::Late),
        Some(reason) => Verdict::Rejected(reason, Some(id), Some(time_ms)),
        None => Verdict::Accepted(time_ms, reading),
    }
}
