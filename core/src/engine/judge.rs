//! The judge: what becomes of one record, in the order of DESIGN section 10: quarantined, then late, then
//! dropped.

use std::sync::Arc;

use crate::decode::{Plan, SchemaLookup, Schemas};
use crate::record::{Reason, Record, Side};
use crate::rules::Rules;
use crate::sabotage::{Rule, broken};
use crate::time::PartitionClock;
use crate::validate;

/// What becomes of a readable record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// It enters the join, with this event time.
    Accepted(i64),
    /// It does not; the event time where it is on time.
    Rejected(Reason, Option<i64>),
}

/// Judges a record that could be decoded, by its event time and by the first null that it must not have.
/// Moves the partition's clock, unless the record is quarantined. `w_ms` is for a sabotaged run only:
/// lateness depends on the own partition's log alone.
#[inline]
pub(super) fn judge(
    record: &Record<'_>,
    timestamp: Option<i64>,
    drop: Option<Reason>,
    clock: &mut PartitionClock,
    rules: &Rules,
    w_ms: impl FnOnce() -> i64,
) -> Verdict {
    let time_ms = match validate::event_time(timestamp, record.timestamp_ms, rules) {
        Ok(time_ms) => time_ms,
        Err(reason) => return Verdict::Rejected(reason, None),
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
        _ if late => Verdict::Rejected(Reason::Late, None),
        Some(reason) => Verdict::Rejected(reason, Some(time_ms)),
        None => Verdict::Accepted(time_ms),
    }
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

    /// The plan for an id, to be kept for a run of records of that id: `Err(None)` while it is not known.
    pub(super) fn plan(
        &mut self,
        schemas: &dyn Schemas,
        side: Side,
        id: u32,
        offset: i64,
    ) -> Result<Arc<Plan>, Option<Reason>> {
        if self.is_given_up(id, offset) {
            return Err(Some(Reason::UnknownSchema));
        }
        if let Some((_, plan)) = self.plans.iter().find(|(known, _)| *known == id) {
            return Ok(Arc::clone(plan));
        }
        match schemas.plan(side, id) {
            SchemaLookup::Ready(plan) => {
                if self.plans.len() >= crate::limits::PLANS_PER_PARTITION {
                    self.plans.clear();
                }
                self.plans.push((id, Arc::clone(&plan)));
                Ok(plan)
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

    /// Whether records of this id are quarantined from some offset at or before this one.
    pub(super) fn is_given_up(&self, id: u32, offset: i64) -> bool {
        self.given_up.iter().any(|(given_up, from)| *given_up == id && offset >= *from)
    }
}
