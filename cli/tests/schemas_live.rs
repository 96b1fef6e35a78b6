//! A writer whose schema changes in mid-stream, on a real broker and registry: read right, whatever the
//! version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking; helpers are not marked as tests")]

#[path = "support/live.rs"]
mod live;
#[path = "support/program.rs"]
mod program;
#[path = "support/readings.rs"]
mod readings;

use std::collections::HashMap;

use live::{World, enriched};
use readings::{changed, framed, retyped, tank_fields, well_fields};
use serde_json::{Value, json};
use wellstream_connectors::MachineClock;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::schemas::{TANK_DATA, WELL_DATA, tank_data_nullable, well_data_nullable};

/// What a writer of wells has sent over the years.
fn well_versions() -> [String; 5] {
    [
        WELL_DATA.to_owned(),
        well_data_nullable(),
        changed(&well_data_nullable(), |fields| fields.reverse()),
        changed(WELL_DATA, |fields| {
            fields.insert(2, json!({"name": "firmware", "type": "string", "default": ""}));
            let samples = json!({"type": "array", "items": "double"});
            fields.insert(5, json!({"name": "samples", "type": samples, "default": []}));
        }),
        changed(WELL_DATA, |fields| {
            retyped(fields, "methane_ppm", json!("int"));
            retyped(fields, "co2_ppm", json!("long"));
            retyped(fields, "pressure_psi", json!("float"));
        }),
    ]
}

fn tank_versions() -> [String; 3] {
    [
        TANK_DATA.to_owned(),
        changed(&tank_data_nullable(), |fields| fields.rotate_left(5)),
        changed(TANK_DATA, |fields| {
            retyped(fields, "level_percentage", json!("float"));
            retyped(fields, "air_quality_index", json!("long"));
        }),
    ]
}

#[test]
fn every_version_of_a_schema_is_read_right_in_one_topic() {
    let Some(world) = World::new("versions", 2) else { return };
    let registry = RegistryClient::new(&RegistrySettings::new(&world.registry));
    let register = |topic: &str, schema: &str| registry.register(&format!("{topic}-value"), schema).unwrap();
    let (wells, tanks) = (well_versions(), tank_versions());
    let well_ids = wells.each_ref().map(|schema| register(&world.names.wells, schema));
    let tank_ids = tanks.each_ref().map(|schema| register(&world.names.tanks, schema));
    assert_eq!(well_ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "{well_ids:?}");

    let base_ms = MachineClock::start().wall_ms() - 60_000;
    let mut sender = world.sender();
    let mut sent: HashMap<String, [Value; 2]> = HashMap::new();
    for number in 0..READINGS {
        let time_ms = base_ms + i64::from(number) * 20;
        let (mut well, tank) = (well_fields(number, time_ms), tank_fields(number, time_ms + 100));
        // Ten readings of a version, then the next; and back again.
        let version = (number / 10) as usize % wells.len();
        if matches!(version, 1 | 2) && number % 2 == 0 {
            well["flow_rate_bpd"] = Value::Null;
            well["vibration_encoded"] = Value::Null;
        }
        let value = framed(well_ids[version], &wells[version], &well);
        sender.send((&world.names.wells, Some(number % 2)), None, Some(&value)).unwrap();
        let version = (number / 7) as usize % tanks.len();
        let value = framed(tank_ids[version], &tanks[version], &tank);
        sender.send((&world.names.tanks, Some(number / 2 % 2)), None, Some(&value)).unwrap();
        sent.insert(format!("F-{number}"), [well, tank]);
    }
    sender.finish().unwrap();

    let summary = world.run(&["--from", "earliest", "--until-end", "--sink", "kafka"]).finish().summary();
    assert_eq!(summary["events_in"], json!({"wells": READINGS, "tanks": READINGS}));
    assert_eq!(summary["rows"], json!(READINGS), "{summary}");
    assert_eq!((&summary["dropped"], &summary["quarantined"]), (&json!({}), &json!({})));
    let rows = world.read(&world.names.enriched);
    assert_eq!(rows.len(), sent.len());
    for record in rows {
        let row = serde_json::to_value(enriched(&record)).unwrap();
        let [well, tank] = sent.remove(row["facility_id"].as_str().unwrap()).expect("one row each");
        assert_row(&row, &well, &tank);
    }
}

fn assert_row(row: &Value, well: &Value, tank: &Value) {
    let of_well = ["well_id", "temperature_f", "flow_rate_bpd", "pump_status", "maintenance_alert"];
    let measured = ["methane_ppm", "co2_ppm", "pressure_psi"];
    for name in of_well.iter().chain(&measured) {
        assert_eq!(row[name], well[name], "{name} of {well}");
    }
    let of_tank = ["tank_id", "level_percentage", "vapor_concentration_ppm", "leak_detection_status"];
    let surroundings = ["ambient_temperature_f", "wind_speed_mph", "atmospheric_pressure_mb"];
    let rest = [
        "internal_pressure_psi",
        "air_quality_index",
        "flame_arrestor_status",
        "vapor_recovery_active",
        "emergency_shutdown",
    ];
    for name in of_tank.iter().chain(&surroundings).chain(&rest) {
        assert_eq!(row[name], tank[name], "{name} of {tank}");
    }
    assert_eq!((&row["well_time"], &row["tank_time"]), (&well["timestamp"], &tank["timestamp"]));
    assert_eq!(row["row_time"], tank["timestamp"]);
    let vibration = if well["vibration_encoded"].is_null() { "N/A" } else { "vib_data_xyz" };
    assert_eq!(row["vibration_decoded"], vibration);
    let class = match well["methane_ppm"].as_f64().unwrap() {
        ppm if ppm > 500.0 => "HIGH_EMISSION",
        ppm if ppm > 300.0 => "MEDIUM_EMISSION",
        _ => "NORMAL",
    };
    assert_eq!(row["emission_class"], class);
}

/// Of each kind: six times round the versions of wells.
const READINGS: u32 = 300;
