//! Readings as writers in the field send them: by any version of a schema, written by a library that is not
//! ours.
#![allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "each test file uses a part of it")]

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value as Json, json};
use wellstream_core::encode::{self, put_frame};
use wellstream_core::record::{TankReading, WellReading};

/// A framed value: these fields, written by this schema. Fields that the schema has not are left out.
pub fn framed(id: u32, schema: &str, fields: &Json) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let Schema::Record(record) = &schema else { panic!("no record") };
    let values = record
        .fields
        .iter()
        .map(|field| (field.name.clone(), value(&field.schema, &fields[field.name.as_str()])))
        .collect();
    let mut out = Vec::new();
    put_frame(&mut out, id);
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    out.extend(writer.write_value_to_vec(Value::Record(values)).unwrap());
    out
}

fn value(schema: &Schema, field: &Json) -> Value {
    match schema {
        Schema::Union(union) => {
            let mut branches = union.variants().iter().zip(0..);
            let (branch, index) =
                branches.find(|(branch, _)| matches!(branch, Schema::Null) == field.is_null()).unwrap();
            Value::Union(index, Box::new(value(branch, field)))
        }
        Schema::Null => Value::Null,
        Schema::String => Value::String(field.as_str().unwrap().to_owned()),
        Schema::Boolean => Value::Boolean(field.as_bool().unwrap()),
        Schema::Long => Value::Long(whole(field)),
        Schema::Int => Value::Int(i32::try_from(whole(field)).unwrap()),
        Schema::Double => Value::Double(field.as_f64().unwrap()),
        Schema::Float => Value::Float(narrow(field.as_f64().unwrap())),
        Schema::Array(array) => {
            Value::Array(field.as_array().unwrap().iter().map(|item| value(&array.items, item)).collect())
        }
        other => panic!("not written here: {other:?}"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the numbers here are small")]
fn whole(field: &Json) -> i64 {
    field.as_f64().unwrap() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "the fractions here are halves, quarters, eighths")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// A schema with its fields changed.
pub fn changed(schema: &str, change: impl FnOnce(&mut Vec<Json>)) -> String {
    let mut schema: Json = serde_json::from_str(schema).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    schema.to_string()
}

/// Makes a field be of another type.
pub fn retyped(fields: &mut [Json], name: &str, to: Json) {
    let field = fields.iter_mut().find(|field| field["name"] == name).unwrap();
    field["type"] = to;
}

/// A plain well reading of a facility, framed.
pub fn well(id: u32, facility: &str, time_ms: i64) -> Vec<u8> {
    well_with(id, facility, time_ms, |_| {})
}

/// The same, but changed first.
pub fn well_with(
    id: u32,
    facility: &str,
    time_ms: i64,
    change: impl FnOnce(&mut WellReading<'_>),
) -> Vec<u8> {
    let mut reading = WellReading {
        well_id: Some("W-1"),
        facility_id: Some(facility),
        timestamp: Some(time_ms),
        methane_ppm: Some(650.25),
        co2_ppm: Some(400.0),
        pressure_psi: Some(200.0),
        temperature_f: Some(90.0),
        flow_rate_bpd: Some(120.0),
        vibration_encoded: Some("dmliX2RhdGFfeHl6"),
        pump_status: Some("active"),
        maintenance_alert: Some(false),
    };
    change(&mut reading);
    let mut out = Vec::new();
    put_frame(&mut out, id);
    encode::well_reading(&mut out, &reading).unwrap();
    out
}

/// A plain tank reading of a facility, framed.
pub fn tank(id: u32, facility: &str, time_ms: i64) -> Vec<u8> {
    let reading = TankReading {
        tank_id: Some("T-1"),
        facility_id: Some(facility),
        timestamp: Some(time_ms),
        level_percentage: Some(50.0),
        vapor_concentration_ppm: Some(12_000.0),
        leak_detection_status: Some("NORMAL"),
        ambient_temperature_f: Some(70.0),
        internal_pressure_psi: Some(14.0),
        flame_arrestor_status: Some(true),
        vapor_recovery_active: Some(true),
        emergency_shutdown: Some(false),
        wind_speed_mph: Some(5.0),
        atmospheric_pressure_mb: Some(1_013.0),
        air_quality_index: Some(42),
    };
    let mut out = Vec::new();
    put_frame(&mut out, id);
    encode::tank_reading(&mut out, &reading).unwrap();
    out
}

/// Every field of a well reading; `number` makes each its own.
pub fn well_fields(number: u32, time_ms: i64) -> Json {
    let n = f64::from(number);
    let pump = ["active", "inactive", "standby"][number as usize % 3];
    json!({
        "well_id": format!("W-{number}"), "facility_id": format!("F-{number}"), "timestamp": time_ms,
        "methane_ppm": 100.0 + n * 3.0, "co2_ppm": 10.0 + n, "pressure_psi": 100.5 + n,
        "temperature_f": 50.25 + n, "flow_rate_bpd": 60.125 + n, "vibration_encoded": "dmliX2RhdGFfeHl6",
        "pump_status": pump,
        "maintenance_alert": number.is_multiple_of(2),
        "firmware": "v7", "samples": [1.0, 2.0, n],
    })
}

/// Every field of a tank reading.
pub fn tank_fields(number: u32, time_ms: i64) -> Json {
    let n = f64::from(number);
    json!({
        "tank_id": format!("T-{number}"), "facility_id": format!("F-{number}"), "timestamp": time_ms,
        "level_percentage": 10.0 + n / 4.0, "vapor_concentration_ppm": 100.0 + n * 50.0,
        "leak_detection_status": "LEAK_DETECTED", "ambient_temperature_f": 41.5 + n,
        "internal_pressure_psi": 5.25 + n, "flame_arrestor_status": true,
        "vapor_recovery_active": !number.is_multiple_of(3), "emergency_shutdown": false,
        "wind_speed_mph": 1.5 + n, "atmospheric_pressure_mb": 950.0 + n, "air_quality_index": number,
    })
}
