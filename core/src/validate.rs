//! What a reading needs to take part.
//!
//! Enters: a decoded reading and its record's Kafka timestamp. Leaves: its event time, or nothing. Drops:
//! readings whose event time is null, before 2000 or too far ahead (quarantined), and readings with a null in
//! a
//! field that the join or the score needs (dropped). The two are asked one by one, since lateness is judged
//! between them (DESIGN section 10).
//!
//! ```
//! use wellstream_core::record::{Reason, WellReading};
//! use wellstream_core::rules::Rules;
//! use wellstream_core::validate;
//!
//! let rules = Rules::default();
//! let sent = 1_700_000_000_000;
//! assert_eq!(validate::event_time(Some(sent + 300_000), sent, &rules), Ok(sent + 300_000));
//! assert_eq!(validate::event_time(Some(sent + 300_001), sent, &rules), Err(Reason::TimeTooFarAhead));
//! let well = WellReading { well_id: Some("W-1"), ..WellReading::default() };
//! assert_eq!(validate::well_drop(&well), Some(Reason::NullFacilityId));
//! ```

use crate::limits::TIME_MS_MAX;
use crate::record::{Reason, TankReading, WellReading};
use crate::rules::Rules;

/// The event time, if it is one. A record without a Kafka timestamp (-1) cannot be judged by it: then the
/// event
/// time stands in, and only `limits::TIME_MS_MAX` bounds it, as it does in any case.
///
/// # Errors
/// `NullTimestamp`, `TimeTooOld`, `TimeTooFarAhead`.
#[inline]
pub fn event_time(timestamp: Option<i64>, record_timestamp_ms: i64, rules: &Rules) -> Result<i64, Reason> {
    let time_ms = timestamp.ok_or(Reason::NullTimestamp)?;
    if time_ms < rules.time_ms_min {
        return Err(Reason::TimeTooOld);
    }
    let latest_ms = match record_timestamp_ms {
        NO_TIMESTAMP => TIME_MS_MAX,
        sent_ms => sent_ms.saturating_add(rules.future_ms_max).min(TIME_MS_MAX),
    };
    if time_ms > latest_ms { Err(Reason::TimeTooFarAhead) } else { Ok(time_ms) }
}

/// The first null among the fields of a well reading that may not be.
#[inline]
#[must_use]
pub fn well_drop(well: &WellReading<'_>) -> Option<Reason> {
    first_null([
        (well.well_id.is_none(), Reason::NullWellId),
        (well.facility_id.is_none(), Reason::NullFacilityId),
        (well.methane_ppm.is_none(), Reason::NullMethane),
        (well.co2_ppm.is_none(), Reason::NullCo2),
        (well.pressure_psi.is_none(), Reason::NullPressure),
        (well.temperature_f.is_none(), Reason::NullTemperature),
    ])
}

/// The first null among the fields of a tank reading that may not be.
#[inline]
#[must_use]
pub fn tank_drop(tank: &TankReading<'_>) -> Option<Reason> {
    first_null([
        (tank.tank_id.is_none(), Reason::NullTankId),
        (tank.facility_id.is_none(), Reason::NullFacilityId),
        (tank.level_percentage.is_none(), Reason::NullLevel),
        (tank.vapor_concentration_ppm.is_none(), Reason::NullVapor),
        (tank.internal_pressure_psi.is_none(), Reason::NullInternalPressure),
    ])
}

#[inline]
fn first_null<const N: usize>(fields: [(bool, Reason); N]) -> Option<Reason> {
    fields.into_iter().find_map(|(is_null, reason)| is_null.then_some(reason))
}

/// Kafka's timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: i64 = 1_700_000_000_000;

    type ClearWell = (fn(&mut WellReading<'_>), Reason);
    type ClearTank = (fn(&mut TankReading<'_>), Reason);

    #[test]
    fn event_time_has_bounds_and_they_are_included() {
        let rules = Rules::default();
        let judged = |time| event_time(time, SENT, &rules);
        assert_eq!(judged(None), Err(Reason::NullTimestamp));
        assert_eq!(judged(Some(946_684_799_999)), Err(Reason::TimeTooOld));
        assert_eq!(judged(Some(946_684_800_000)), Ok(946_684_800_000));
        assert_eq!(judged(Some(i64::MIN)), Err(Reason::TimeTooOld));
        assert_eq!(judged(Some(SENT + 300_000)), Ok(SENT + 300_000));
        assert_eq!(judged(Some(SENT + 300_001)), Err(Reason::TimeTooFarAhead));
    }

    #[test]
    fn without_a_kafka_timestamp_only_the_calendar_ends() {
        let rules = Rules::default();
        assert_eq!(event_time(Some(TIME_MS_MAX), -1, &rules), Ok(TIME_MS_MAX));
        for sent in [-1, i64::MAX] {
            assert_eq!(event_time(Some(TIME_MS_MAX + 1), sent, &rules), Err(Reason::TimeTooFarAhead));
            assert_eq!(event_time(Some(0), sent, &rules), Err(Reason::TimeTooOld));
        }
    }

    #[test]
    fn the_first_null_in_order_is_the_reason() {
        let mut well = WellReading {
            well_id: Some(""),
            facility_id: Some(""),
            methane_ppm: Some(0.0),
            co2_ppm: Some(0.0),
            pressure_psi: Some(0.0),
            temperature_f: Some(0.0),
            ..WellReading::default()
        };
        assert_eq!(well_drop(&well), None);
        let clears: [ClearWell; 6] = [
            (|w| w.temperature_f = None, Reason::NullTemperature),
            (|w| w.pressure_psi = None, Reason::NullPressure),
            (|w| w.co2_ppm = None, Reason::NullCo2),
            (|w| w.methane_ppm = None, Reason::NullMethane),
            (|w| w.facility_id = None, Reason::NullFacilityId),
            (|w| w.well_id = None, Reason::NullWellId),
        ];
        for (clear, reason) in clears {
            clear(&mut well);
            assert_eq!(well_drop(&well), Some(reason));
        }

        let mut tank = TankReading {
            tank_id: Some(""),
            facility_id: Some(""),
            level_percentage: Some(0.0),
            vapor_concentration_ppm: Some(0.0),
            internal_pressure_psi: Some(0.0),
            ..TankReading::default()
        };
        assert_eq!(tank_drop(&tank), None);
        let clears: [ClearTank; 5] = [
            (|t| t.internal_pressure_psi = None, Reason::NullInternalPressure),
            (|t| t.vapor_concentration_ppm = None, Reason::NullVapor),
            (|t| t.level_percentage = None, Reason::NullLevel),
            (|t| t.facility_id = None, Reason::NullFacilityId),
            (|t| t.tank_id = None, Reason::NullTankId),
        ];
        for (clear, reason) in clears {
            clear(&mut tank);
            assert_eq!(tank_drop(&tank), Some(reason));
        }
    }
}
