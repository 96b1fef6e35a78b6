//! A record of either topic, judged as a lane judges it up to the watermark: frame, schema, body, event time,
//! nulls. What is accepted must read the same once it is written again.
//!
//! An input is a flag byte, the record's Kafka timestamp (8 bytes, little endian), then its value. The schema
//! id in the value chooses the writer's schema, so mutation of the input chooses it too. Late is not judged:
//! it takes a partition's history.

use wellstream_core::decode::{self, Plan};
use wellstream_core::limits::VALUE_BYTES_MAX;
use wellstream_core::record::{Reason, Side, TankReading, WellReading};
use wellstream_core::rules::Rules;
use wellstream_core::{encode, schemas, validate};

/// Flag: the record is of a tank.
const TANK: u8 = 1;
/// Flag: the record has no value.
const TOMBSTONE: u8 = 2;
/// Flag: the value is made longer than any that is read.
const TOO_LARGE: u8 = 4;

const SENT_MS: i64 = 1_700_000_000_000;

/// Plans and rules: what does not change from input to input.
#[derive(Debug)]
pub struct Harness {
    wells: Vec<Option<Plan>>,
    tanks: Vec<Option<Plan>>,
    nullable: [Plan; 2],
    rules: Rules,
}

impl Harness {
    /// Compiles every writer's schema for both sides.
    #[must_use]
    pub fn new() -> Self {
        let plans = |side| writers().iter().map(|json| Plan::compile(side, json).ok()).collect();
        let nullable = [
            Plan::compile(Side::Well, &schemas::well_data_nullable()),
            Plan::compile(Side::Tank, &schemas::tank_data_nullable()),
        ];
        Harness {
            wells: plans(Side::Well),
            tanks: plans(Side::Tank),
            nullable: nullable.map(|plan| plan.unwrap_or_else(|error| panic!("{error}"))),
            rules: Rules::default(),
        }
    }

    /// The reason for which a record is not accepted, if there is one.
    ///
    /// # Errors
    /// That reason.
    ///
    /// # Panics
    /// If what is accepted does not read the same once it is written again: a bug.
    pub fn judge(&self, input: &[u8]) -> Result<(), Reason> {
        // Too short for a record at all: as good as empty.
        let Some((&[flags, ref sent @ ..], value)) = input.split_first_chunk::<9>() else {
            return Err(Reason::EmptyValue);
        };
        let sent_ms = i64::from_le_bytes(*sent);
        let mut padded = Vec::new();
        let value = if flags & TOO_LARGE == 0 {
            value
        } else {
            padded.extend_from_slice(value);
            padded.resize(VALUE_BYTES_MAX + 1, 0);
            &padded
        };
        let value = (flags & TOMBSTONE == 0).then_some(value);
        let (id, body) = decode::split_frame(decode::check_value(value)?)?;
        let plans = if flags & TANK == 0 { &self.wells } else { &self.tanks };
        let plan = plans.get(id as usize).ok_or(Reason::UnknownSchema)?.as_ref().ok_or(Reason::WrongType)?;
        match plan.side() {
            Side::Well => self.judge_well(&plan.decode_well(body)?, sent_ms),
            Side::Tank => self.judge_tank(&plan.decode_tank(body)?, sent_ms),
        }
    }

    fn judge_well(&self, well: &WellReading<'_>, sent_ms: i64) -> Result<(), Reason> {
        let mut again = Vec::new();
        encode::well_reading_nullable(&mut again, well);
        assert_eq!(self.nullable[0].decode_well(&again).as_ref(), Ok(well));
        validate::event_time(well.timestamp, sent_ms, &self.rules)?;
        validate::well_drop(well).map_or(Ok(()), Err)
    }

    fn judge_tank(&self, tank: &TankReading<'_>, sent_ms: i64) -> Result<(), Reason> {
        let mut again = Vec::new();
        encode::tank_reading_nullable(&mut again, tank);
        assert_eq!(self.nullable[1].decode_tank(&again).as_ref(), Ok(tank));
        validate::event_time(tank.timestamp, sent_ms, &self.rules)?;
        validate::tank_drop(tank).map_or(Ok(()), Err)
    }
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

/// The writers' schemas; the place of each is its id. A side's plan for the other side's schema is none.
fn writers() -> Vec<String> {
    let other_types = r#"{"type": "record", "name": "WellData", "fields": [
        {"name": "history", "type": {"type": "array", "items": {"type": "record", "name": "Point", "fields": [
            {"name": "at", "type": "long"}, {"name": "note", "type": ["null", "string", "Point"]}]}}},
        {"name": "co2_ppm", "type": ["null", "float", "string", "int", "long"]},
        {"name": "facility_id", "type": "bytes"},
        {"name": "tags", "type": {"type": "map", "values": {"type": "map", "values": "bytes"}}},
        {"name": "methane_ppm", "type": "int"},
        {"name": "serial", "type": {"type": "fixed", "name": "Serial", "size": 5}},
        {"name": "nothing", "type": {"type": "array", "items": "null"}},
        {"name": "pump_status", "type": ["null", {"type": "enum", "name": "Pump", "symbols": ["on", "off"]}]},
        {"name": "last_pump", "type": "Pump"},
        {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6}},
        {"name": "well_id", "type": ["string", "null"]},
        {"name": "pressure_psi", "type": "long"}, {"name": "temperature_f", "type": "float"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;
    let long_index = r#"{"type": "record", "name": "TankData", "fields": [
        {"name": "air_quality_index", "type": "long"}, {"name": "timestamp", "type": ["int", "long"]},
        {"name": "tree", "type": {"type": "record", "name": "Tree", "fields": [
            {"name": "leaves", "type": {"type": "array", "items": "Tree"}}]}}]}"#;
    vec![
        schemas::WELL_DATA.to_owned(),
        schemas::TANK_DATA.to_owned(),
        schemas::well_data_nullable(),
        schemas::tank_data_nullable(),
        other_types.to_owned(),
        long_index.to_owned(),
    ]
}

/// Inputs that reach every reason between them, with the reason that each reaches in its name.
#[must_use]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Seeds::default();
    let well = complete_well();
    let tank = complete_tank();
    let mut body = Vec::new();
    encode::well_reading_nullable(&mut body, &well);
    seeds.frames(&body);
    seeds.add("accepted_well_nullable", 0, 2, &body);
    body.clear();
    encode::tank_reading_nullable(&mut body, &tank);
    seeds.add("accepted_tank_nullable", TANK, 3, &body);

    body.clear();
    // A complete reading: nothing is missing.
    let _ = encode::well_reading(&mut body, &well);
    seeds.add("accepted_well", 0, 0, &body);
    seeds.add("truncated", 0, 0, &body[..body.len() - 1]);
    seeds.add("trailing_bytes", 0, 0, &[&body[..], &[0]].concat());
    let id_begin = 1;
    let mut broken = body.clone();
    broken[id_begin] = 0xFF;
    seeds.add("bad_utf8", 0, 0, &broken);
    broken.clone_from(&body);
    broken[0] = 1;
    seeds.add("malformed_length", 0, 0, &broken);
    broken.clone_from(&body);
    broken.splice(..1, [0xFF; 11]);
    seeds.add("malformed_varint", 0, 0, &broken);
    broken.clone_from(&body);
    *broken.last_mut().unwrap_or(&mut 0) = 2;
    seeds.add("malformed_boolean", 0, 0, &broken);
    body.clear();
    let _ = encode::tank_reading(&mut body, &tank);
    seeds.add("accepted_tank", TANK, 1, &body);

    seeds.times(well);
    seeds.null_wells(well);
    seeds.null_tanks(tank);
    seeds.other_types();
    seeds.all
}

#[derive(Default)]
struct Seeds {
    all: Vec<(String, Vec<u8>)>,
}

impl Seeds {
    fn raw(&mut self, name: &str, flags: u8, sent_ms: i64, value: &[u8]) {
        let input = [&[flags][..], &sent_ms.to_le_bytes(), value].concat();
        self.all.push((name.to_owned(), input));
    }

    fn add(&mut self, name: &str, flags: u8, schema_id: u32, body: &[u8]) {
        let mut value = Vec::new();
        encode::put_frame(&mut value, schema_id);
        value.extend_from_slice(body);
        self.raw(name, flags, SENT_MS, &value);
    }

    fn well(&mut self, name: &str, well: &WellReading<'_>) {
        let mut body = Vec::new();
        encode::well_reading_nullable(&mut body, well);
        self.add(name, 0, 2, &body);
    }

    fn tank(&mut self, name: &str, tank: &TankReading<'_>) {
        let mut body = Vec::new();
        encode::tank_reading_nullable(&mut body, tank);
        self.add(name, TANK, 3, &body);
    }

    fn frames(&mut self, body: &[u8]) {
        self.raw("empty_value", 0, SENT_MS, &[]);
        self.raw("empty_value_tombstone", TOMBSTONE, SENT_MS, &[]);
        self.raw("bad_magic", 0, SENT_MS, &[1, 0, 0, 0, 0, 0]);
        self.raw("bad_magic_short", 0, SENT_MS, &[0, 0, 0, 0]);
        self.add("too_large", TOO_LARGE, 2, body);
        self.add("unknown_schema", 0, 4_711, body);
        self.add("wrong_type_record", 0, 1, body);
    }

    fn times(&mut self, well: WellReading<'static>) {
        let at = |timestamp| WellReading { timestamp, ..well };
        self.well("null_timestamp", &at(None));
        self.well("time_too_old", &at(Some(946_684_799_999)));
        self.well("time_too_old_negative", &at(Some(i64::MIN)));
        self.well("time_too_far_ahead", &at(Some(SENT_MS + 300_001)));
        self.well("not_finite", &WellReading { co2_ppm: Some(f64::NAN), ..well });
        self.well("not_finite_infinity", &WellReading { flow_rate_bpd: Some(f64::INFINITY), ..well });
    }

    fn null_wells(&mut self, well: WellReading<'static>) {
        self.well("null_well_id", &WellReading { well_id: None, ..well });
        self.well("null_facility_id", &WellReading { facility_id: None, ..well });
        self.well("null_methane_ppm", &WellReading { methane_ppm: None, ..well });
        self.well("null_co2_ppm", &WellReading { co2_ppm: None, ..well });
        self.well("null_pressure_psi", &WellReading { pressure_psi: None, ..well });
        self.well("null_temperature_f", &WellReading { temperature_f: None, ..well });
    }

    fn null_tanks(&mut self, tank: TankReading<'static>) {
        self.tank("null_tank_id", &TankReading { tank_id: None, ..tank });
        self.tank("null_level_percentage", &TankReading { level_percentage: None, ..tank });
        self.tank("null_vapor_concentration_ppm", &TankReading { vapor_concentration_ppm: None, ..tank });
        self.tank("null_internal_pressure_psi", &TankReading { internal_pressure_psi: None, ..tank });
    }

    /// Bodies of the two schemas with other types than ours, written by hand.
    fn other_types(&mut self) {
        // history: two points, one of them within the other's note; co2: an int; one facility; a tag map.
        let history = [4, 2, 0, 4, 4, 6, 2, 2, b'n', 0];
        let co2_int = [6, 20];
        let facility = [6, b'F', b'-', b'1'];
        let tags = [2, 2, b'k', 3, 8, 2, b'a', 2, b'b', 0, 0];
        let methane = [0xDC, 6];
        let rest = [&b"12345"[..], &[0x80, 0x80, 4, 0, 2, 2, 0, 4, 1, 2], &[0, 4, b'W', b'1', 10]].concat();
        let temperature = 71.5_f32.to_le_bytes();
        let mut time = Vec::new();
        let mut raw = SENT_MS.cast_unsigned() << 1;
        while raw >= 0x80 {
            time.push(raw.to_le_bytes()[0] | 0x80);
            raw >>= 7;
        }
        time.push(raw.to_le_bytes()[0]);
        let body =
            |co2: &[u8]| [&history[..], co2, &facility, &tags, &methane, &rest, &temperature, &time].concat();
        self.add("accepted_well_other_types", 0, 4, &body(&co2_int));
        self.add("wrong_type_branch", 0, 4, &body(&[4, 2, b'x']));
        self.add("malformed_branch", 0, 4, &body(&[10]));
        self.add("null_tank_id_other_types", TANK, 5, &[&[20, 2][..], &time, &[4, 0, 0, 0]].concat());
        let index_too_large = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 1];
        self.add("wrong_type_index", TANK, 5, &[&index_too_large[..], &[2], &time, &[0]].concat());
        self.add("malformed_depth", TANK, 5, &[&[20, 2][..], &time, &[2; 200]].concat());
    }
}

fn complete_well() -> WellReading<'static> {
    WellReading {
        well_id: Some("WELL-00017"),
        facility_id: Some("FAC-00003"),
        timestamp: Some(SENT_MS),
        methane_ppm: Some(385.5),
        co2_ppm: Some(410.25),
        pressure_psi: Some(300.0),
        temperature_f: Some(88.5),
        flow_rate_bpd: Some(120.75),
        vibration_encoded: Some("dmliX2RhdGFfeHl6"),
        pump_status: Some("active"),
        maintenance_alert: Some(false),
    }
}

fn complete_tank() -> TankReading<'static> {
    TankReading {
        tank_id: Some("TANK-00009"),
        facility_id: Some("FAC-00003"),
        timestamp: Some(SENT_MS - 700),
        level_percentage: Some(62.5),
        vapor_concentration_ppm: Some(7_500.0),
        leak_detection_status: Some("NORMAL"),
        ambient_temperature_f: Some(71.25),
        internal_pressure_psi: Some(14.5),
        flame_arrestor_status: Some(true),
        vapor_recovery_active: Some(true),
        emergency_shutdown: Some(false),
        wind_speed_mph: Some(8.5),
        atmospheric_pressure_mb: Some(1_013.25),
        air_quality_index: Some(42),
    }
}
