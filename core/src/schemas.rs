//! The normative schemas, as the program carries them (DESIGN section 10).
//!
//! ```
//! use wellstream_core::schemas;
//! assert!(schemas::WELL_DATA.contains(r#"{"name": "methane_ppm", "type": "double""#));
//! let nullable = schemas::well_data_nullable();
//! assert!(nullable.contains(r#"{"name": "methane_ppm", "type": ["null", "double"], "default": null"#));
//! ```

/// `well-data.avsc`: one reading of a well.
pub const WELL_DATA: &str = include_str!("../../avro-schemas/well-data.avsc");

/// `tank-data.avsc`: one reading of a storage tank.
pub const TANK_DATA: &str = include_str!("../../avro-schemas/tank-data.avsc");

/// `enriched-event.avsc`: one row.
pub const ENRICHED_EVENT: &str = include_str!("../../avro-schemas/enriched-event.avsc");

/// `facility-alert.avsc`: one alarm record.
pub const FACILITY_ALERT: &str = include_str!("../../avro-schemas/facility-alert.avsc");

/// `trace-record.avsc`: one Kafka record of a trace.
pub const TRACE_RECORD: &str = include_str!("../../avro-schemas/trace-record.avsc");

/// The version of `well-data.avsc` in which every field is a union with null, null by default: what a writer
/// registers that cannot promise its fields. Null is the first branch.
#[must_use]
pub fn well_data_nullable() -> String {
    nullable(WELL_DATA)
}

/// The same for `tank-data.avsc`.
#[must_use]
pub fn tank_data_nullable() -> String {
    nullable(TANK_DATA)
}

/// Makes every field of a primitive type a union with null. Text for text, so that names, order and docs
/// stay.
fn nullable(schema: &str) -> String {
    let mut text = schema.to_owned();
    for primitive in ["string", "long", "int", "double", "boolean"] {
        let plain = format!(r#""type": "{primitive}""#);
        let union = format!(r#""type": ["null", "{primitive}"], "default": null"#);
        text = text.replace(&plain, &union);
    }
    text
}
