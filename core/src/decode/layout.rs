//! Bodies whose writer has our fields in our order, without an interpreter: nearly all of them.
//!
//! The plan's operations say which layout it is, and its interpreter would read the same; so whichever runs,
//! the result is the same, reasons included. The differential tests hold that.

use crate::record::{Reason, Side, TankReading, WellReading};

use super::cursor::{Cursor, Finite};
use super::plan::Op;

/// How the fields of a body lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As the normative schema has them.
    Plain,
    /// The same, each in a union with null, null first.
    Nullable,
    /// Any other way: the plan's interpreter reads it.
    Other,
}

impl Layout {
    /// The layout that these operations read.
    pub(super) fn of(side: Side, ops: &[Op]) -> Layout {
        let (plain, nullable) = match side {
            Side::Well => (WELL_PLAIN, WELL_NULLABLE),
            Side::Tank => (TANK_PLAIN, TANK_NULLABLE),
        };
        match ops {
            _ if ops == plain => Layout::Plain,
            _ if ops == nullable => Layout::Nullable,
            _ => Layout::Other,
        }
    }
}

/// Reads a well's body whose fields lie so.
#[inline(always)]
pub(super) fn well<'a, F: Fields>(body: &'a [u8], r: &mut WellReading<'a>) -> Result<(), Reason> {
    let mut cursor = Cursor::new(body);
    let c = &mut cursor;
    let mut finite = Finite::default();
    r.well_id = F::text(c)?;
    r.facility_id = F::text(c)?;
    r.timestamp = F::long(c)?;
    [r.methane_ppm, r.co2_ppm, r.pressure_psi, r.temperature_f, r.flow_rate_bpd] =
        F::doubles(c, &mut finite)?;
    r.vibration_encoded = F::text(c)?;
    r.pump_status = F::text_near_end(c)?;
    [r.maintenance_alert] = F::flags(c)?;
    c.end()?;
    finite.check()
}

/// Reads a tank's body whose fields lie so.
#[inline(always)]
pub(super) fn tank<'a, F: Fields>(body: &'a [u8], r: &mut TankReading<'a>) -> Result<(), Reason> {
    let mut cursor = Cursor::new(body);
    let c = &mut cursor;
    let mut finite = Finite::default();
    r.tank_id = F::text(c)?;
    r.facility_id = F::text(c)?;
    r.timestamp = F::long(c)?;
    [r.level_percentage, r.vapor_concentration_ppm] = F::doubles(c, &mut finite)?;
    r.leak_detection_status = F::text(c)?;
    [r.ambient_temperature_f, r.internal_pressure_psi] = F::doubles(c, &mut finite)?;
    [r.flame_arrestor_status, r.vapor_recovery_active, r.emergency_shutdown] = F::flags(c)?;
    [r.wind_speed_mph, r.atmospheric_pressure_mb] = F::doubles(c, &mut finite)?;
    r.air_quality_index = F::int(c)?;
    c.end()?;
    finite.check()
}

/// How a field is read.
pub(super) trait Fields {
    fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason>;
    fn text_near_end<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason>;
    fn long(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Reason>;
    fn int(cursor: &mut Cursor<'_>) -> Result<Option<i32>, Reason>;
    fn flags<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[Option<bool>; N], Reason>;
    fn doubles<const N: usize>(
        cursor: &mut Cursor<'_>,
        finite: &mut Finite,
    ) -> Result<[Option<f64>; N], Reason>;
}

/// No field may be null.
pub(super) struct Plain;

impl Fields for Plain {
    #[inline(always)]
    fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason> {
        cursor.text().map(Some)
    }

    #[inline(always)]
    fn text_near_end<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason> {
        cursor.text_near_end().map(Some)
    }

    #[inline(always)]
    fn long(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Reason> {
        cursor.long().map(Some)
    }

    #[inline(always)]
    fn int(cursor: &mut Cursor<'_>) -> Result<Option<i32>, Reason> {
        cursor.int().map(Some)
    }

    #[inline(always)]
    fn flags<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[Option<bool>; N], Reason> {
        let mut flags = [None; N];
        for flag in &mut flags {
            *flag = Some(cursor.boolean()?);
        }
        Ok(flags)
    }

    #[inline(always)]
    fn doubles<const N: usize>(
        cursor: &mut Cursor<'_>,
        finite: &mut Finite,
    ) -> Result<[Option<f64>; N], Reason> {
        Ok(cursor.doubles::<N>(finite)?.map(Some))
    }
}

/// Every field is a union of null and its type, null first.
pub(super) struct Nullable;

impl Fields for Nullable {
    #[inline(always)]
    fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason> {
        if cursor.value_follows(0)? { cursor.text().map(Some) } else { Ok(None) }
    }

    #[inline(always)]
    fn text_near_end<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a str>, Reason> {
        if cursor.value_follows(0)? { cursor.text_near_end().map(Some) } else { Ok(None) }
    }

    #[inline(always)]
    fn long(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Reason> {
        if cursor.value_follows(0)? { cursor.long().map(Some) } else { Ok(None) }
    }

    #[inline(always)]
    fn int(cursor: &mut Cursor<'_>) -> Result<Option<i32>, Reason> {
        if cursor.value_follows(0)? { cursor.int().map(Some) } else { Ok(None) }
    }

    #[inline(always)]
    fn flags<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[Option<bool>; N], Reason> {
        let mut flags = [None; N];
        for flag in &mut flags {
            *flag = if cursor.value_follows(0)? { Some(cursor.boolean()?) } else { None };
        }
        Ok(flags)
    }

    /// At once if none is null, which is what nearly all writers write.
    #[inline(always)]
    fn doubles<const N: usize>(
        cursor: &mut Cursor<'_>,
        finite: &mut Finite,
    ) -> Result<[Option<f64>; N], Reason> {
        if let Some(doubles) = cursor.second_branch_doubles::<N>(finite) {
            return Ok(doubles.map(Some));
        }
        let mut doubles = [None; N];
        (*cursor, *finite) = one_by_one(*cursor, *finite, &mut doubles)?;
        Ok(doubles)
    }
}

/// Doubles of which some are null.
#[inline(never)]
fn one_by_one<'a>(
    mut cursor: Cursor<'a>,
    mut finite: Finite,
    doubles: &mut [Option<f64>],
) -> Result<(Cursor<'a>, Finite), Reason> {
    for double in doubles {
        if cursor.value_follows(0)? {
            let [value] = cursor.doubles(&mut finite)?;
            *double = Some(value);
        }
    }
    Ok((cursor, finite))
}

const WELL_PLAIN: &[Op] = &[
    Op::Text { slot: 0 },
    Op::Text { slot: 1 },
    Op::Timestamp,
    Op::Doubles { slot: 0, count: 5 },
    Op::Text { slot: 2 },
    Op::Text { slot: 3 },
    Op::Flag { slot: 0 },
];

const WELL_NULLABLE: &[Op] = &[
    Op::NullOrText { null: 0, slot: 0 },
    Op::NullOrText { null: 0, slot: 1 },
    Op::NullOr { null: 0 },
    Op::Timestamp,
    Op::NullOrDoubles { null: 0, slot: 0, count: 5 },
    Op::NullOrText { null: 0, slot: 2 },
    Op::NullOrText { null: 0, slot: 3 },
    Op::NullOr { null: 0 },
    Op::Flag { slot: 0 },
];

const TANK_PLAIN: &[Op] = &[
    Op::Text { slot: 0 },
    Op::Text { slot: 1 },
    Op::Timestamp,
    Op::Doubles { slot: 0, count: 2 },
    Op::Text { slot: 2 },
    Op::Doubles { slot: 2, count: 2 },
    Op::Flag { slot: 0 },
    Op::Flag { slot: 1 },
    Op::Flag { slot: 2 },
    Op::Doubles { slot: 4, count: 2 },
    Op::AirQuality { long: false },
];

const TANK_NULLABLE: &[Op] = &[
    Op::NullOrText { null: 0, slot: 0 },
    Op::NullOrText { null: 0, slot: 1 },
    Op::NullOr { null: 0 },
    Op::Timestamp,
    Op::NullOrDoubles { null: 0, slot: 0, count: 2 },
    Op::NullOrText { null: 0, slot: 2 },
    Op::NullOrDoubles { null: 0, slot: 2, count: 2 },
    Op::NullOr { null: 0 },
    Op::Flag { slot: 0 },
    Op::NullOr { null: 0 },
    Op::Flag { slot: 1 },
    Op::NullOr { null: 0 },
    Op::Flag { slot: 2 },
    Op::NullOrDoubles { null: 0, slot: 4, count: 2 },
    Op::NullOr { null: 0 },
    Op::AirQuality { long: false },
];

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;
    use crate::schemas;

    #[test]
    fn the_normative_schemas_are_known_layouts_and_no_other_is() {
        let layout = |side, json: &str| Plan::compile(side, json).unwrap().layout;
        let nullable = [schemas::well_data_nullable(), schemas::tank_data_nullable()];
        for (side, plain) in Side::BOTH.into_iter().zip([schemas::WELL_DATA, schemas::TANK_DATA]) {
            let nullable = &nullable[side.index()];
            assert_eq!(layout(side, plain), Layout::Plain);
            assert_eq!(layout(side, nullable), Layout::Nullable);
            let null_last = nullable.replace(r#"["null", "long"], "default": null"#, r#"["long", "null"]"#);
            assert_eq!(layout(side, &null_last), Layout::Other);
            let other_order = plain.replacen("facility_id", "timestamp_", 1);
            assert_eq!(layout(side, &other_order), Layout::Other);
        }
    }
}
