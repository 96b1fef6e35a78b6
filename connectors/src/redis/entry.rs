//! What stands in a hash: the fields of a reading or of a row, as text. Fields that are null are left out.

use std::sync::Arc;

use wellstream_core::decode::{self, SchemaLookup, Schemas};
use wellstream_core::record::{Input, NewestReading, NewestReadings, NewestRow, Side, Status, TankReading};
use wellstream_core::record::{News, WellReading};
use wellstream_core::rules::Rules;
use wellstream_core::score::{self, vibration};

use super::board::{Board, Body, Entry, Kind, Order};

/// Field and value.
pub(super) type Fields = Vec<(&'static str, String)>;

/// Makes fields of bodies.
pub(super) struct Renderer {
    schemas: Arc<dyn Schemas>,
    rules: Arc<Rules>,
}

impl Renderer {
    pub(super) fn new(schemas: Arc<dyn Schemas>, rules: Arc<Rules>) -> Renderer {
        Renderer { schemas, rules }
    }

    /// The fields of a key's hash, in place of what `fields` held. False where a reading cannot be read any
    /// more: its schema was there when it was accepted.
    pub(super) fn fields(&self, kind: Kind, id: &str, entry: &Entry, fields: &mut Fields) -> bool {
        fields.clear();
        let (time_ms, places) = entry.order;
        match &entry.body {
            Body::Reading(value) => {
                let side = if kind == Kind::Well { Side::Well } else { Side::Tank };
                let Ok((schema_id, body)) = decode::split_frame(value) else { return false };
                let SchemaLookup::Ready(plan) = self.schemas.plan(side, schema_id) else { return false };
                match side {
                    Side::Well => {
                        let Ok(reading) = plan.decode_well(body) else { return false };
                        self.well(&reading, fields);
                    }
                    Side::Tank => {
                        let Ok(reading) = plan.decode_tank(body) else { return false };
                        self.tank(&reading, fields);
                    }
                }
                fields.push(("timestamp", time_ms.to_string()));
                fields.push(("partition", places[0].to_string()));
                fields.push(("offset", places[1].to_string()));
            }
            Body::Row { risk, is_alert, well_ms, tank_ms } => {
                let status = if *is_alert { Status::Alert } else { Status::Normal };
                fields.push(("facility_id", id.to_owned()));
                fields.push(("row_id", row_id(places)));
                fields.push(("row_time", time_ms.to_string()));
                fields.push(("risk", risk.to_string()));
                fields.push(("status", status.name().to_owned()));
                put(fields, "well_time", *well_ms);
                put(fields, "tank_time", *tank_ms);
            }
        }
        true
    }

    fn well(&self, reading: &WellReading<'_>, fields: &mut Fields) {
        let rules = self.rules.of(reading.facility_id.unwrap_or_default());
        let class = score::well(reading.methane_ppm.unwrap_or_default(), rules);
        put(fields, "well_id", reading.well_id);
        put(fields, "facility_id", reading.facility_id);
        put(fields, "methane_ppm", reading.methane_ppm);
        put(fields, "co2_ppm", reading.co2_ppm);
        put(fields, "pressure_psi", reading.pressure_psi);
        put(fields, "temperature_f", reading.temperature_f);
        put(fields, "flow_rate_bpd", reading.flow_rate_bpd);
        let mut decoded = Vec::new();
        vibration::put_decoded(&mut decoded, reading.vibration_encoded);
        fields.push(("vibration_decoded", String::from_utf8_lossy(&decoded).into_owned()));
        put(fields, "pump_status", reading.pump_status);
        put(fields, "maintenance_alert", reading.maintenance_alert);
        fields.push(("emission_class", class.class.name().to_owned()));
        fields.push(("quality", class.quality.to_string()));
    }

    fn tank(&self, reading: &TankReading<'_>, fields: &mut Fields) {
        let rules = self.rules.of(reading.facility_id.unwrap_or_default());
        let class = score::tank(reading.vapor_concentration_ppm.unwrap_or_default(), rules);
        put(fields, "tank_id", reading.tank_id);
        put(fields, "facility_id", reading.facility_id);
        put(fields, "level_percentage", reading.level_percentage);
        put(fields, "vapor_concentration_ppm", reading.vapor_concentration_ppm);
        put(fields, "leak_detection_status", reading.leak_detection_status);
        put(fields, "ambient_temperature_f", reading.ambient_temperature_f);
        put(fields, "internal_pressure_psi", reading.internal_pressure_psi);
        put(fields, "flame_arrestor_status", reading.flame_arrestor_status);
        put(fields, "vapor_recovery_active", reading.vapor_recovery_active);
        put(fields, "emergency_shutdown", reading.emergency_shutdown);
        put(fields, "wind_speed_mph", reading.wind_speed_mph);
        put(fields, "atmospheric_pressure_mb", reading.atmospheric_pressure_mb);
        put(fields, "air_quality_index", reading.air_quality_index);
        fields.push(("vapor_class", class.class.name().to_owned()));
        fields.push(("quality", class.quality.to_string()));
    }
}

/// Puts what an epoch tells on the board.
pub(super) fn put_news(board: &mut Board, news: &News) {
    for of_lane in &news.readings {
        for reading in &of_lane.readings {
            let kind = if reading.side == Side::Well { Kind::Well } else { Kind::Tank };
            board.put(kind, of_lane.sensor(reading), reading_order(reading), || value_of(of_lane, reading));
        }
    }
    for row in news.rows.iter().flatten() {
        board.put(Kind::Facility, &row.facility, row.order(), || row_body(row));
    }
}

fn reading_order(reading: &NewestReading) -> Order {
    let Input { time_ms, partition, offset } = reading.input;
    (time_ms, [i64::from(partition), offset, -1, -1])
}

fn value_of(of_lane: &NewestReadings, reading: &NewestReading) -> Body {
    Body::Reading(of_lane.value(reading).into())
}

fn row_body(row: &NewestRow) -> Body {
    Body::Row {
        risk: row.risk,
        is_alert: row.status == Status::Alert,
        well_ms: row.well.map(|input| input.time_ms),
        tank_ms: row.tank.map(|input| input.time_ms),
    }
}

fn row_id([well, well_offset, tank, tank_offset]: [i64; 4]) -> String {
    let side = |letter: char, partition: i64, offset: i64| match partition {
        0.. => format!("{letter}:{partition}:{offset}"),
        _ => "-".to_owned(),
    };
    format!("{}|{}", side('w', well, well_offset), side('t', tank, tank_offset))
}

fn put(fields: &mut Fields, name: &'static str, value: Option<impl ToString>) {
    fields.extend(value.map(|value| (name, value.to_string())));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wellstream_core::decode::FixedSchemas;

    use super::*;

    fn rendered(kind: Kind, id: &str, entry: &Entry) -> BTreeMap<&'static str, String> {
        let renderer = Renderer::new(Arc::new(FixedSchemas::built_in()), Arc::new(Rules::default()));
        let mut fields = Fields::new();
        assert!(renderer.fields(kind, id, entry, &mut fields));
        let count = fields.len();
        let map: BTreeMap<_, _> = fields.into_iter().collect();
        assert_eq!(map.len(), count, "each field once");
        map
    }

    #[test]
    fn a_row_has_its_id_and_its_risk() {
        let body = Body::Row { risk: 80, is_alert: true, well_ms: Some(4), tank_ms: None };
        let entry = Entry { order: (7, [2, 345, -1, -1]), body };
        let fields = rendered(Kind::Facility, "FAC-3", &entry);
        assert_eq!(fields["row_id"], "w:2:345|-");
        assert_eq!((&*fields["risk"], &*fields["status"], &*fields["row_time"]), ("80", "ALERT", "7"));
        assert_eq!((&*fields["facility_id"], fields.contains_key("tank_time")), ("FAC-3", false));
    }
}
