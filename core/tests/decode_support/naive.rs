//! The naive twin of the decoder: apache-avro reads the whole body into a tree, and the fields are picked
//! from it by name.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use wellstream_core::record::{Reason, Side, TankReading, WellReading};

use super::writers::fields_of;

/// A reading as a table from field name to value.
pub(crate) type Fields = HashMap<&'static str, Field>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Null,
    Text(String),
    Long(i64),
    Double(f64),
    Flag(bool),
    Int(i32),
}

/// Reads a body; `None` where apache-avro does not read it, or leaves bytes behind.
pub(crate) fn read(side: Side, schema: &Schema, body: &[u8]) -> Option<Result<Fields, Reason>> {
    let mut rest = body;
    let reader = GenericDatumReader::builder(schema).build().unwrap();
    let value = reader.read_value(&mut rest).ok()?;
    rest.is_empty().then(|| pick(side, &value))
}

fn pick(side: Side, value: &Value) -> Result<Fields, Reason> {
    let Value::Record(written) = value else { panic!("not a record: {value:?}") };
    let mut fields: Fields = fields_of(side).iter().map(|(name, _)| (*name, Field::Null)).collect();
    let mut finite = true;
    for (name, value) in written {
        let Some((name, ours)) = fields_of(side).iter().find(|(ours, _)| ours == name) else { continue };
        let field = convert(ours, value)?;
        finite &= !matches!(field, Field::Double(x) if !x.is_finite());
        fields.insert(name, field);
    }
    if finite { Ok(fields) } else { Err(Reason::NotFinite) }
}

fn convert(ours: &str, value: &Value) -> Result<Field, Reason> {
    Ok(match (ours, value) {
        (_, Value::Union(_, value)) => convert(ours, value)?,
        (_, Value::Null) => Field::Null,
        ("string", Value::String(text) | Value::Enum(_, text)) => Field::Text(text.clone()),
        ("string", Value::Bytes(bytes)) => {
            Field::Text(String::from_utf8(bytes.clone()).map_err(|_| Reason::BadUtf8)?)
        }
        ("long", Value::Long(n) | Value::TimestampMillis(n)) => Field::Long(*n),
        ("long", Value::Int(n)) => Field::Long(i64::from(*n)),
        ("double", Value::Double(x)) => Field::Double(*x),
        ("double", Value::Float(x)) => Field::Double(f64::from(*x)),
        ("double", Value::Int(n)) => Field::Double(f64::from(*n)),
        ("double", Value::Long(n)) => Field::Double(*n as f64),
        ("boolean", Value::Boolean(flag)) => Field::Flag(*flag),
        ("int", Value::Int(n)) => Field::Int(*n),
        ("int", Value::Long(n)) => Field::Int(i32::try_from(*n).map_err(|_| Reason::WrongType)?),
        _ => return Err(Reason::WrongType),
    })
}

/// A well reading as such a table.
pub(crate) fn of_well(r: &WellReading<'_>) -> Fields {
    [
        ("well_id", text(r.well_id)),
        ("facility_id", text(r.facility_id)),
        ("timestamp", r.timestamp.map_or(Field::Null, Field::Long)),
        ("methane_ppm", double(r.methane_ppm)),
        ("co2_ppm", double(r.co2_ppm)),
        ("pressure_psi", double(r.pressure_psi)),
        ("temperature_f", double(r.temperature_f)),
        ("flow_rate_bpd", double(r.flow_rate_bpd)),
        ("vibration_encoded", text(r.vibration_encoded)),
        ("pump_status", text(r.pump_status)),
        ("maintenance_alert", flag(r.maintenance_alert)),
    ]
    .into()
}

/// A tank reading as such a table.
pub(crate) fn of_tank(r: &TankReading<'_>) -> Fields {
    [
        ("tank_id", text(r.tank_id)),
        ("facility_id", text(r.facility_id)),
        ("timestamp", r.timestamp.map_or(Field::Null, Field::Long)),
        ("level_percentage", double(r.level_percentage)),
        ("vapor_concentration_ppm", double(r.vapor_concentration_ppm)),
        ("leak_detection_status", text(r.leak_detection_status)),
        ("ambient_temperature_f", double(r.ambient_temperature_f)),
        ("internal_pressure_psi", double(r.internal_pressure_psi)),
        ("flame_arrestor_status", flag(r.flame_arrestor_status)),
        ("vapor_recovery_active", flag(r.vapor_recovery_active)),
        ("emergency_shutdown", flag(r.emergency_shutdown)),
        ("wind_speed_mph", double(r.wind_speed_mph)),
        ("atmospheric_pressure_mb", double(r.atmospheric_pressure_mb)),
        ("air_quality_index", r.air_quality_index.map_or(Field::Null, Field::Int)),
    ]
    .into()
}

fn text(value: Option<&str>) -> Field {
    value.map_or(Field::Null, |text| Field::Text(text.to_owned()))
}

fn double(value: Option<f64>) -> Field {
    value.map_or(Field::Null, Field::Double)
}

fn flag(value: Option<bool>) -> Field {
    value.map_or(Field::Null, Field::Flag)
}
