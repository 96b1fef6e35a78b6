//! Readings as writers in the field send them: by the normative schemas, or by their nullable versions.

use std::convert::Infallible;

use crate::record::{TankReading, WellReading};

use super::EncodeError;
use super::wire::{put_double, put_long, put_text};

/// Appends the body of a well reading by `schemas::WELL_DATA`.
///
/// # Errors
/// A field is null; nothing is appended then.
pub fn well_reading(out: &mut Vec<u8>, r: &WellReading<'_>) -> Result<(), EncodeError> {
    let begin = out.len();
    well_fields(&mut Plain(out), r).inspect_err(|_| out.truncate(begin))
}

/// Appends the body of a tank reading by `schemas::TANK_DATA`.
///
/// # Errors
/// A field is null; nothing is appended then.
pub fn tank_reading(out: &mut Vec<u8>, r: &TankReading<'_>) -> Result<(), EncodeError> {
    let begin = out.len();
    tank_fields(&mut Plain(out), r).inspect_err(|_| out.truncate(begin))
}

/// Appends the body of a well reading by `schemas::well_data_nullable`.
pub fn well_reading_nullable(out: &mut Vec<u8>, r: &WellReading<'_>) {
    let Ok(()) = well_fields(&mut Nullable(out), r);
}

/// Appends the body of a tank reading by `schemas::tank_data_nullable`.
pub fn tank_reading_nullable(out: &mut Vec<u8>, r: &TankReading<'_>) {
    let Ok(()) = tank_fields(&mut Nullable(out), r);
}

fn well_fields<F: Fields>(fields: &mut F, r: &WellReading<'_>) -> Result<(), F::Error> {
    fields.text("well_id", r.well_id)?;
    fields.text("facility_id", r.facility_id)?;
    fields.long("timestamp", r.timestamp)?;
    fields.double("methane_ppm", r.methane_ppm)?;
    fields.double("co2_ppm", r.co2_ppm)?;
    fields.double("pressure_psi", r.pressure_psi)?;
    fields.double("temperature_f", r.temperature_f)?;
    fields.double("flow_rate_bpd", r.flow_rate_bpd)?;
    fields.text("vibration_encoded", r.vibration_encoded)?;
    fields.text("pump_status", r.pump_status)?;
    fields.flag("maintenance_alert", r.maintenance_alert)
}

fn tank_fields<F: Fields>(fields: &mut F, r: &TankReading<'_>) -> Result<(), F::Error> {
    fields.text("tank_id", r.tank_id)?;
    fields.text("facility_id", r.facility_id)?;
    fields.long("timestamp", r.timestamp)?;
    fields.double("level_percentage", r.level_percentage)?;
    fields.double("vapor_concentration_ppm", r.vapor_concentration_ppm)?;
    fields.text("leak_detection_status", r.leak_detection_status)?;
    fields.double("ambient_temperature_f", r.ambient_temperature_f)?;
    fields.double("internal_pressure_psi", r.internal_pressure_psi)?;
    fields.flag("flame_arrestor_status", r.flame_arrestor_status)?;
    fields.flag("vapor_recovery_active", r.vapor_recovery_active)?;
    fields.flag("emergency_shutdown", r.emergency_shutdown)?;
    fields.double("wind_speed_mph", r.wind_speed_mph)?;
    fields.double("atmospheric_pressure_mb", r.atmospheric_pressure_mb)?;
    fields.long("air_quality_index", r.air_quality_index.map(i64::from))
}

/// How a field that may be null is written.
pub(super) trait Fields {
    type Error;

    /// What stands before the value: which branch, if the schema has branches.
    fn begin(&mut self, name: &'static str, is_null: bool) -> Result<&mut Vec<u8>, Self::Error>;

    fn text(&mut self, name: &'static str, value: Option<&str>) -> Result<(), Self::Error> {
        let out = self.begin(name, value.is_none())?;
        if let Some(value) = value {
            put_text(out, value);
        }
        Ok(())
    }

    fn long(&mut self, name: &'static str, value: Option<i64>) -> Result<(), Self::Error> {
        let out = self.begin(name, value.is_none())?;
        if let Some(value) = value {
            put_long(out, value);
        }
        Ok(())
    }

    fn double(&mut self, name: &'static str, value: Option<f64>) -> Result<(), Self::Error> {
        let out = self.begin(name, value.is_none())?;
        if let Some(value) = value {
            put_double(out, value);
        }
        Ok(())
    }

    fn flag(&mut self, name: &'static str, value: Option<bool>) -> Result<(), Self::Error> {
        let out = self.begin(name, value.is_none())?;
        if let Some(value) = value {
            out.push(u8::from(value));
        }
        Ok(())
    }
}

/// No field may be null, and none has branches.
struct Plain<'o>(&'o mut Vec<u8>);

impl Fields for Plain<'_> {
    type Error = EncodeError;

    fn begin(&mut self, field: &'static str, is_null: bool) -> Result<&mut Vec<u8>, EncodeError> {
        if is_null { Err(EncodeError::MissingField { field }) } else { Ok(self.0) }
    }
}

/// Every field is a union of null and its type, null first.
pub(super) struct Nullable<'o>(pub(super) &'o mut Vec<u8>);

impl Fields for Nullable<'_> {
    type Error = Infallible;

    #[inline]
    fn begin(&mut self, _field: &'static str, is_null: bool) -> Result<&mut Vec<u8>, Infallible> {
        self.0.push(if is_null { NULL } else { VALUE });
        Ok(self.0)
    }

    /// Branch and value in one: most fields are doubles.
    #[inline]
    fn double(&mut self, _field: &'static str, value: Option<f64>) -> Result<(), Infallible> {
        let Some(value) = value else {
            self.0.push(NULL);
            return Ok(());
        };
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.0.extend_from_slice(&[VALUE, a, b, c, d, e, f, g, h]);
        Ok(())
    }
}

/// Index 0 of a union of null and something: null.
pub(super) const NULL: u8 = 0;

/// Index 1, zigzag: the value follows.
pub(super) const VALUE: u8 = 2;
