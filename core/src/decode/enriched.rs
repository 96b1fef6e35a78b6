//! Enriched rows, read back: for JSON lines, the console, tools and tests. Not on the hot path.

use serde::{Deserialize, Serialize};

use crate::record::Reason;

use super::cursor::Cursor;

/// One row by the field names of `enriched-event.avsc`, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrichedEvent {
    /// w:PARTITION:OFFSET|t:PARTITION:OFFSET, a missing side -. Drop repeats by it.
    pub row_id: String,
    /// The facility; the record's key.
    pub facility_id: String,
    /// Partition of the well reading; null in an outer row of a tank.
    pub well_partition: Option<i32>,
    /// Its offset.
    pub well_offset: Option<i64>,
    /// Its event time, epoch ms.
    pub well_time: Option<i64>,
    /// The well.
    pub well_id: Option<String>,
    /// Methane, ppm.
    pub methane_ppm: Option<f64>,
    /// Carbon dioxide, ppm.
    pub co2_ppm: Option<f64>,
    /// Pressure, psi.
    pub pressure_psi: Option<f64>,
    /// Temperature, degrees Fahrenheit.
    pub temperature_f: Option<f64>,
    /// Flow, barrels per day.
    pub flow_rate_bpd: Option<f64>,
    /// The vibration text; DECODE_ERROR where it is not base64 of UTF-8, N/A where it is missing.
    pub vibration_decoded: Option<String>,
    /// active, inactive or standby.
    pub pump_status: Option<String>,
    /// Maintenance is due.
    pub maintenance_alert: Option<bool>,
    /// HIGH_EMISSION, MEDIUM_EMISSION or NORMAL.
    pub emission_class: Option<String>,
    /// Quality of the well reading.
    pub well_quality: Option<i32>,
    /// Partition of the tank reading; null in an outer row of a well.
    pub tank_partition: Option<i32>,
    /// Its offset.
    pub tank_offset: Option<i64>,
    /// Its event time, epoch ms.
    pub tank_time: Option<i64>,
    /// The tank.
    pub tank_id: Option<String>,
    /// Fill level, percent.
    pub level_percentage: Option<f64>,
    /// Vapor, ppm.
    pub vapor_concentration_ppm: Option<f64>,
    /// NORMAL, LEAK_DETECTED or CRITICAL.
    pub leak_detection_status: Option<String>,
    /// Ambient temperature, degrees Fahrenheit.
    pub ambient_temperature_f: Option<f64>,
    /// Internal pressure, psi.
    pub internal_pressure_psi: Option<f64>,
    /// The flame arrestor works.
    pub flame_arrestor_status: Option<bool>,
    /// Vapor recovery runs.
    pub vapor_recovery_active: Option<bool>,
    /// Emergency shutdown is on.
    pub emergency_shutdown: Option<bool>,
    /// Wind speed, mph.
    pub wind_speed_mph: Option<f64>,
    /// Atmospheric pressure, mbar.
    pub atmospheric_pressure_mb: Option<f64>,
    /// Air quality index.
    pub air_quality_index: Option<i32>,
    /// CRITICAL, HIGH or NORMAL.
    pub vapor_class: Option<String>,
    /// Quality of the tank reading.
    pub tank_quality: Option<i32>,
    /// Event time of the later input, epoch ms.
    pub row_time: i64,
    /// The lower of both qualities.
    pub quality: i32,
    /// Risk score.
    pub risk: i32,
    /// ALERT or NORMAL.
    pub status: String,
    /// Hash of the rules that decided, 16 hex digits.
    pub rules_hash: String,
}

/// Reads a body written by `encode::put_row` (enriched-event.avsc).
///
/// # Errors
/// `Truncated`, `TrailingBytes`, `Malformed`, `BadUtf8`.
pub fn enriched(body: &[u8]) -> Result<EnrichedEvent, Reason> {
    let mut cursor = Cursor::new(body);
    let c = &mut cursor;
    // Fields are read in the order in which they are written here.
    let event = EnrichedEvent {
        row_id: owned(c)?,
        facility_id: owned(c)?,
        well_partition: nullable(c, Cursor::int)?,
        well_offset: nullable(c, Cursor::long)?,
        well_time: nullable(c, Cursor::long)?,
        well_id: nullable(c, owned)?,
        methane_ppm: nullable(c, Cursor::double)?,
        co2_ppm: nullable(c, Cursor::double)?,
        pressure_psi: nullable(c, Cursor::double)?,
        temperature_f: nullable(c, Cursor::double)?,
        flow_rate_bpd: nullable(c, Cursor::double)?,
        vibration_decoded: nullable(c, owned)?,
        pump_status: nullable(c, owned)?,
        maintenance_alert: nullable(c, Cursor::boolean)?,
        emission_class: nullable(c, owned)?,
        well_quality: nullable(c, Cursor::int)?,
        tank_partition: nullable(c, Cursor::int)?,
        tank_offset: nullable(c, Cursor::long)?,
        tank_time: nullable(c, Cursor::long)?,
        tank_id: nullable(c, owned)?,
        level_percentage: nullable(c, Cursor::double)?,
        vapor_concentration_ppm: nullable(c, Cursor::double)?,
        leak_detection_status: nullable(c, owned)?,
        ambient_temperature_f: nullable(c, Cursor::double)?,
        internal_pressure_psi: nullable(c, Cursor::double)?,
        flame_arrestor_status: nullable(c, Cursor::boolean)?,
        vapor_recovery_active: nullable(c, Cursor::boolean)?,
        emergency_shutdown: nullable(c, Cursor::boolean)?,
        wind_speed_mph: nullable(c, Cursor::double)?,
        atmospheric_pressure_mb: nullable(c, Cursor::double)?,
        air_quality_index: nullable(c, Cursor::int)?,
        vapor_class: nullable(c, owned)?,
        tank_quality: nullable(c, Cursor::int)?,
        row_time: c.long()?,
        quality: c.int()?,
        risk: c.int()?,
        status: owned(c)?,
        rules_hash: owned(c)?,
    };
    cursor.end()?;
    Ok(event)
}

fn owned(cursor: &mut Cursor<'_>) -> Result<String, Reason> {
    cursor.text().map(str::to_owned)
}

/// A union of null, the first branch, and something else.
fn nullable<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Reason>,
) -> Result<Option<T>, Reason> {
    match cursor.index(2)? {
        0 => Ok(None),
        _ => read(cursor).map(Some),
    }
}
