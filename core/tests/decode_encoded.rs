//! What `encode` writes is what apache-avro reads by the normative schemas, and what `decode` reads back.

#![expect(clippy::unwrap_used, reason = "test helpers: what cannot be done fails the test")]

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use fastrand::Rng;
use wellstream_core::decode::{self, EnrichedEvent, Plan};
use wellstream_core::encode::{self, EncodeError, Origin, PartEncoder, RowEncoder, RowTail};
use wellstream_core::record::{Alarm, AlarmKind, Input, PartitionId, Side, Status, TankReading, WellReading};
use wellstream_core::rules::{RulesHash, ScoreRules};
use wellstream_core::{schemas, score};

const SEEDS: u64 = 2_000;

/// Reads all of a body.
fn apache(schema: &Schema, mut body: &[u8]) -> Value {
    let value = GenericDatumReader::builder(schema).build().unwrap().read_value(&mut body).unwrap();
    assert!(body.is_empty(), "{} bytes left", body.len());
    value
}

/// What serde_json would print of it: the way from apache-avro's tree to our structs.
fn json(value: Value) -> serde_json::Value {
    serde_json::Value::try_from(value).unwrap()
}

fn double(rng: &mut Rng) -> Option<f64> {
    (rng.u8(..8) > 0).then(|| rng.f64() * 1e4)
}

fn text<'a>(rng: &mut Rng, choices: &[&'a str]) -> Option<&'a str> {
    (rng.u8(..8) > 0).then(|| *rng.choice(choices).unwrap())
}

fn flag(rng: &mut Rng) -> Option<bool> {
    [None, Some(false), Some(true)][rng.usize(..3)]
}

const LONG_TEXT: &str = "a text of more than sixty-four bytes, so that its length takes two bytes, or more";

fn well(rng: &mut Rng) -> WellReading<'static> {
    WellReading {
        well_id: text(rng, &["WELL-00017", "", "Bohrung-ß"]),
        facility_id: text(rng, &["FAC-001", LONG_TEXT]),
        timestamp: (rng.u8(..8) > 0).then(|| rng.i64(..)),
        methane_ppm: double(rng),
        co2_ppm: double(rng),
        pressure_psi: double(rng),
        temperature_f: double(rng),
        flow_rate_bpd: double(rng),
        vibration_encoded: text(rng, &["dmliX2RhdGFfeHl6", "", "not base64", "gICA"]),
        pump_status: text(rng, &["active", "standby", LONG_TEXT]),
        maintenance_alert: flag(rng),
    }
}

fn tank(rng: &mut Rng) -> TankReading<'static> {
    TankReading {
        tank_id: text(rng, &["TANK-1", ""]),
        facility_id: text(rng, &["FAC-001", "→"]),
        timestamp: (rng.u8(..8) > 0).then(|| rng.i64(..)),
        level_percentage: double(rng),
        vapor_concentration_ppm: double(rng),
        leak_detection_status: text(rng, &["NORMAL", "LEAK_DETECTED", LONG_TEXT]),
        ambient_temperature_f: double(rng),
        internal_pressure_psi: double(rng),
        flame_arrestor_status: flag(rng),
        vapor_recovery_active: flag(rng),
        emergency_shutdown: flag(rng),
        wind_speed_mph: double(rng),
        atmospheric_pressure_mb: double(rng),
        air_quality_index: (rng.u8(..8) > 0).then(|| rng.i32(..)),
    }
}

#[test]
fn differential_readings_come_back_by_the_schema_they_were_written_by() {
    let plans = [
        Plan::compile(Side::Well, schemas::WELL_DATA).unwrap(),
        Plan::compile(Side::Well, &schemas::well_data_nullable()).unwrap(),
        Plan::compile(Side::Tank, schemas::TANK_DATA).unwrap(),
        Plan::compile(Side::Tank, &schemas::tank_data_nullable()).unwrap(),
    ];
    let plain = [schemas::WELL_DATA, schemas::TANK_DATA].map(|json| Schema::parse_str(json).unwrap());
    let mut complete = 0;
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let (well, tank) = (well(&mut rng), tank(&mut rng));
        let mut body = Vec::new();
        encode::well_reading_nullable(&mut body, &well);
        assert_eq!(plans[1].decode_well(&body), Ok(well), "seed {seed}");
        body.clear();
        encode::tank_reading_nullable(&mut body, &tank);
        assert_eq!(plans[3].decode_tank(&body), Ok(tank), "seed {seed}");

        body.clear();
        match encode::well_reading(&mut body, &well) {
            Ok(()) => {
                complete += 1;
                assert_eq!(plans[0].decode_well(&body), Ok(well), "seed {seed}");
                apache(&plain[0], &body);
            }
            Err(EncodeError::MissingField { .. }) => assert!(body.is_empty()),
        }
        if encode::tank_reading(&mut body, &tank).is_ok() {
            body.clear();
            encode::tank_reading(&mut body, &tank).unwrap();
            assert_eq!(plans[2].decode_tank(&body), Ok(tank), "seed {seed}");
            apache(&plain[1], &body);
        }
    }
    assert!(complete > SEEDS / 10, "{complete}");
}

#[test]
fn a_null_is_refused_by_name_where_the_schema_has_none() {
    let mut out = b"kept".to_vec();
    let missing = Err(EncodeError::MissingField { field: "well_id" });
    assert_eq!(encode::well_reading(&mut out, &WellReading::default()), missing);
    let tank = TankReading { tank_id: Some("T"), facility_id: Some("F"), ..TankReading::default() };
    let missing = Err(EncodeError::MissingField { field: "timestamp" });
    assert_eq!(encode::tank_reading(&mut out, &tank), missing);
    assert_eq!(out, b"kept");
}

/// What the row should say, written out field by field.
fn expected(
    well: Option<(&WellReading<'_>, Input)>,
    tank: Option<(&TankReading<'_>, Input)>,
    facility: &str,
    (tail, rules_hash): (RowTail, RulesHash),
) -> EnrichedEvent {
    let rules = ScoreRules::default();
    let half = |side, input: Option<Input>| {
        input.map_or("-".to_owned(), |input| format!("{side}:{}:{}", input.partition, input.offset))
    };
    let (w, well_input) = well.unzip();
    let (t, tank_input) = tank.unzip();
    let own = |text: Option<&str>| text.map(str::to_owned);
    let emission = w.map(|w| score::well(w.methane_ppm.unwrap_or_default(), &rules));
    let vapor = t.map(|t| score::tank(t.vapor_concentration_ppm.unwrap_or_default(), &rules));
    EnrichedEvent {
        row_id: format!("{}|{}", half("w", well_input), half("t", tank_input)),
        facility_id: facility.to_owned(),
        well_partition: well_input.map(|input| input.partition.try_into().unwrap()),
        well_offset: well_input.map(|input| input.offset),
        well_time: well_input.map(|input| input.time_ms),
        well_id: own(w.and_then(|w| w.well_id)),
        methane_ppm: w.and_then(|w| w.methane_ppm),
        co2_ppm: w.and_then(|w| w.co2_ppm),
        pressure_psi: w.and_then(|w| w.pressure_psi),
        temperature_f: w.and_then(|w| w.temperature_f),
        flow_rate_bpd: w.and_then(|w| w.flow_rate_bpd),
        vibration_decoded: w.map(|w| match w.vibration_encoded {
            Some("dmliX2RhdGFfeHl6") => "vib_data_xyz".to_owned(),
            Some("") => String::new(),
            Some(_) => "DECODE_ERROR".to_owned(),
            None => "N/A".to_owned(),
        }),
        pump_status: own(w.and_then(|w| w.pump_status)),
        maintenance_alert: w.and_then(|w| w.maintenance_alert),
        emission_class: emission.map(|class| class.class.name().to_owned()),
        well_quality: emission.map(|class| class.quality.cast_signed()),
        tank_partition: tank_input.map(|input| input.partition.try_into().unwrap()),
        tank_offset: tank_input.map(|input| input.offset),
        tank_time: tank_input.map(|input| input.time_ms),
        tank_id: own(t.and_then(|t| t.tank_id)),
        level_percentage: t.and_then(|t| t.level_percentage),
        vapor_concentration_ppm: t.and_then(|t| t.vapor_concentration_ppm),
        leak_detection_status: own(t.and_then(|t| t.leak_detection_status)),
        ambient_temperature_f: t.and_then(|t| t.ambient_temperature_f),
        internal_pressure_psi: t.and_then(|t| t.internal_pressure_psi),
        flame_arrestor_status: t.and_then(|t| t.flame_arrestor_status),
        vapor_recovery_active: t.and_then(|t| t.vapor_recovery_active),
        emergency_shutdown: t.and_then(|t| t.emergency_shutdown),
        wind_speed_mph: t.and_then(|t| t.wind_speed_mph),
        atmospheric_pressure_mb: t.and_then(|t| t.atmospheric_pressure_mb),
        air_quality_index: t.and_then(|t| t.air_quality_index),
        vapor_class: vapor.map(|class| class.class.name().to_owned()),
        tank_quality: vapor.map(|class| class.quality.cast_signed()),
        row_time: tail.time_ms,
        quality: tail.quality.cast_signed(),
        risk: tail.risk.cast_signed(),
        status: tail.status.name().to_owned(),
        rules_hash: rules_hash.to_string(),
    }
}

fn encoder(side: Side, input: Input) -> PartEncoder {
    PartEncoder::new(PartitionId { side, number: input.partition })
}

fn origin(input: Input) -> Origin<'static> {
    Origin { offset: input.offset, time_ms: input.time_ms, value: &[] }
}

fn input(rng: &mut Rng) -> Input {
    let shift = rng.u32(..31);
    Input {
        time_ms: rng.i64(..),
        partition: rng.u32(..1 << 31) >> shift,
        offset: rng.i64(0..) >> (2 * shift),
    }
}

#[test]
fn differential_rows_are_read_by_apache_avro_and_by_us_as_they_were_made() {
    let schema = Schema::parse_str(schemas::ENRICHED_EVENT).unwrap();
    let rules = ScoreRules::default();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let (mut well, mut tank) = (well(&mut rng), tank(&mut rng));
        let facility = *rng.choice(&["FAC-001", "", LONG_TEXT, "Köln"]).unwrap();
        (well.facility_id, tank.facility_id) = (Some(facility), Some(facility));
        let inputs = [input(&mut rng), input(&mut rng)];
        let (mut well_part, mut tank_part) = (Vec::new(), Vec::new());
        let class = score::well(well.methane_ppm.unwrap_or_default(), &rules);
        encoder(Side::Well, inputs[0]).well(&mut well_part, &well, &origin(inputs[0]), class);
        let class = score::tank(tank.vapor_concentration_ppm.unwrap_or_default(), &rules);
        encoder(Side::Tank, inputs[1]).tank(&mut tank_part, &tank, &origin(inputs[1]), class);
        let tail = RowTail {
            time_ms: inputs[1].time_ms,
            quality: rng.u32(..100),
            risk: rng.u32(..1_000),
            status: if rng.bool() { Status::Alert } else { Status::Normal },
        };
        let hash = RulesHash(rng.u64(..));
        // What lies behind a part is not of the row.
        well_part.resize(well_part.len() + rng.usize(..200), 7);
        tank_part.resize(tank_part.len() + rng.usize(..200), 7);
        let sides = rng.u8(..3);
        let has = |side| sides != side;
        let mut out = vec![7; rng.usize(..9)];
        let before = out.len();
        let (value, key) = RowEncoder::new(hash).put(
            &mut out,
            has(1).then_some(&well_part[..]),
            has(2).then_some(&tank_part[..]),
            tail,
        );
        assert_eq!(&out[key.start as usize..key.end as usize], facility.as_bytes());
        assert_eq!((value.start as usize, value.end as usize), (before, out.len()));
        let expected = expected(
            has(1).then_some((&well, inputs[0])),
            has(2).then_some((&tank, inputs[1])),
            facility,
            (tail, hash),
        );
        let body = &out[before..];
        assert_eq!(decode::enriched(body).as_ref(), Ok(&expected), "seed {seed}");
        let theirs: EnrichedEvent = serde_json::from_value(json(apache(&schema, body))).unwrap();
        assert_eq!(theirs, expected, "seed {seed}");
        for cut in 0..body.len() {
            assert!(decode::enriched(&body[..cut]).is_err());
        }
    }
}

#[test]
fn differential_alarms_are_read_by_apache_avro_and_by_us_as_they_were_made() {
    let schema = Schema::parse_str(schemas::FACILITY_ALERT).unwrap();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let alarm = Alarm {
            facility: "F".repeat(rng.usize(..100)).into(),
            kind: *rng.choice(&AlarmKind::ALL).unwrap(),
            time_ms: rng.i64(..),
            first_ms: rng.i64(..),
            last_ms: rng.i64(..),
            highest: rng.u32(..1 << 31),
        };
        let hash = RulesHash(rng.u64(..));
        let mut body = Vec::new();
        encode::put_alarm(&mut body, &alarm, hash);
        assert_eq!(decode::alarm(&body).as_ref(), Ok(&alarm));
        let theirs = json(apache(&schema, &body));
        let expected = serde_json::json!({
            "facility_id": *alarm.facility,
            "kind": alarm.kind.name(),
            "time": alarm.time_ms,
            "first": alarm.first_ms,
            "last": alarm.last_ms,
            "highest": alarm.highest,
            "rules_hash": hash.to_string(),
        });
        assert_eq!(theirs, expected, "seed {seed}");
        for cut in 0..body.len() {
            assert!(decode::alarm(&body[..cut]).is_err());
        }
    }
}

#[test]
fn a_row_as_json_has_the_names_and_the_order_of_its_schema() {
    let mut out = Vec::new();
    let tail = RowTail { time_ms: 1, quality: 0, risk: 0, status: Status::Normal };
    RowEncoder::new(RulesHash(1)).put(&mut out, None, None, tail);
    let row = serde_json::to_string(&decode::enriched(&out).unwrap()).unwrap();
    let Schema::Record(record) = Schema::parse_str(schemas::ENRICHED_EVENT).unwrap() else { panic!() };
    let mut rest = row.as_str();
    for field in &record.fields {
        let name = format!("\"{}\":", field.name);
        let place = rest.find(&name).unwrap_or_else(|| panic!("{name} is not in its place in {row}"));
        rest = &rest[place + name.len()..];
    }
    assert!(!rest.contains("\":"), "{rest}");
}

#[test]
fn every_normative_schema_is_one() {
    for json in [
        schemas::WELL_DATA,
        schemas::TANK_DATA,
        schemas::ENRICHED_EVENT,
        schemas::FACILITY_ALERT,
        schemas::TRACE_RECORD,
        &schemas::well_data_nullable(),
        &schemas::tank_data_nullable(),
    ] {
        Schema::parse_str(json).unwrap();
    }
}
