//! Readings as decoded: every field may be null, since writers in the field make any field a union with null.
//! Strings are borrowed bytes of the record; their UTF-8 is checked by `decode`.

/// One reading of a well, by the field names of `well-data.avsc`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WellReading<'a> {
    /// `well_id`, the sensor.
    pub well_id: Option<&'a str>,
    /// `facility_id`, the join's key.
    pub facility_id: Option<&'a str>,
    /// `timestamp`: event time, epoch ms.
    pub timestamp: Option<i64>,
    /// `methane_ppm`.
    pub methane_ppm: Option<f64>,
    /// `co2_ppm`.
    pub co2_ppm: Option<f64>,
    /// `pressure_psi`.
    pub pressure_psi: Option<f64>,
    /// `temperature_f`.
    pub temperature_f: Option<f64>,
    /// `flow_rate_bpd`.
    pub flow_rate_bpd: Option<f64>,
    /// `vibration_encoded`: base64 text, not decoded yet.
    pub vibration_encoded: Option<&'a str>,
    /// `pump_status`.
    pub pump_status: Option<&'a str>,
    /// `maintenance_alert`.
    pub maintenance_alert: Option<bool>,
}

/// One reading of a storage tank, by the field names of `tank-data.avsc`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TankReading<'a> {
    /// `tank_id`, the sensor.
    pub tank_id: Option<&'a str>,
    /// `facility_id`, the join's key.
    pub facility_id: Option<&'a str>,
    /// `timestamp`: event time, epoch ms.
    pub timestamp: Option<i64>,
    /// `level_percentage`.
    pub level_percentage: Option<f64>,
    /// `vapor_concentration_ppm`.
    pub vapor_concentration_ppm: Option<f64>,
    /// `leak_detection_status`.
    pub leak_detection_status: Option<&'a str>,
    /// `ambient_temperature_f`.
    pub ambient_temperature_f: Option<f64>,
    /// `internal_pressure_psi`.
    pub internal_pressure_psi: Option<f64>,
    /// `flame_arrestor_status`.
    pub flame_arrestor_status: Option<bool>,
    /// `vapor_recovery_active`.
    pub vapor_recovery_active: Option<bool>,
    /// `emergency_shutdown`.
    pub emergency_shutdown: Option<bool>,
    /// `wind_speed_mph`.
    pub wind_speed_mph: Option<f64>,
    /// `atmospheric_pressure_mb`.
    pub atmospheric_pressure_mb: Option<f64>,
    /// `air_quality_index`.
    pub air_quality_index: Option<i32>,
}
