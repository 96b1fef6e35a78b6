//! Which field goes where, and which of the writer's types can be read as ours.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

use crate::record::Side;

/// What a field of ours is, and which slot holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Text(u8),
    Timestamp,
    Double(u8),
    Flag(u8),
    AirQuality,
}

impl Target {
    /// The field of this name, if it is ours. Slots follow the order of the normative schemas.
    pub(super) fn of(side: Side, field: &str) -> Option<Target> {
        Some(match (side, field) {
            (Side::Well, "well_id") | (Side::Tank, "tank_id") => Target::Text(0),
            (_, "facility_id") => Target::Text(1),
            (_, "timestamp") => Target::Timestamp,
            (Side::Well, "vibration_encoded") | (Side::Tank, "leak_detection_status") => Target::Text(2),
            (Side::Well, "pump_status") => Target::Text(3),
            (Side::Well, "maintenance_alert") | (Side::Tank, "flame_arrestor_status") => Target::Flag(0),
            (Side::Tank, "vapor_recovery_active") => Target::Flag(1),
            (Side::Tank, "emergency_shutdown") => Target::Flag(2),
            (Side::Tank, "air_quality_index") => Target::AirQuality,
            (Side::Well, "methane_ppm") | (Side::Tank, "level_percentage") => Target::Double(0),
            (Side::Well, "co2_ppm") | (Side::Tank, "vapor_concentration_ppm") => Target::Double(1),
            (Side::Well, "pressure_psi") | (Side::Tank, "ambient_temperature_f") => Target::Double(2),
            (Side::Well, "temperature_f") | (Side::Tank, "internal_pressure_psi") => Target::Double(3),
            (Side::Well, "flow_rate_bpd") | (Side::Tank, "wind_speed_mph") => Target::Double(4),
            (Side::Tank, "atmospheric_pressure_mb") => Target::Double(5),
            _ => return None,
        })
    }

    /// Our type of the field.
    pub(super) fn name(self) -> &'static str {
        match self {
            Target::Text(_) => "string",
            Target::Timestamp => "long",
            Target::Double(_) => "double",
            Target::Flag(_) => "boolean",
            Target::AirQuality => "int",
        }
    }
}

/// 32 or 64, if the type is written as an int or a long. A logical type is what it is made of.
pub(super) fn whole(schema: &Schema) -> Option<u32> {
    match schema {
        Schema::Int | Schema::Date | Schema::TimeMillis => Some(32),
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Some(64),
        _ => None,
    }
}

/// The size of a type written as a fixed.
pub(super) fn fixed_bytes(schema: &Schema) -> Option<u64> {
    match schema {
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            Some(fixed.size as u64)
        }
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Some(fixed.size as u64),
            InnerDecimalSchema::Bytes => None,
        },
        _ => None,
    }
}

/// The name of a type written as a fixed: a definition that may be referred to.
pub(super) fn fixed_name(schema: &Schema) -> Option<&Name> {
    match schema {
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            Some(&fixed.name)
        }
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Some(&fixed.name),
            InnerDecimalSchema::Bytes => None,
        },
        _ => None,
    }
}

/// The writer's type, for messages.
pub(super) fn describe(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Array(_) => "an array",
        Schema::Map(_) => "a map",
        Schema::Union(_) => "a union",
        Schema::Record(_) => "a record",
        Schema::Enum(_) => "an enum",
        Schema::String | Schema::Uuid(UuidSchema::String) => "string",
        Schema::Decimal(_) | Schema::BigDecimal => "a decimal",
        other => match (whole(other), fixed_bytes(other)) {
            (Some(32), _) => "int",
            (Some(_), _) => "long",
            (_, Some(_)) => "a fixed",
            _ => "bytes",
        },
    }
}
