//! Bytes as other libraries write them are read right; bytes that nobody should write are named right.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use wellstream_core::decode::Plan;
use wellstream_core::record::{Reason, Side};
use wellstream_core::validate;
use wellstream_replay::oracle::{Body, Observed, RawDecoder, WriterSchemas};

const WELL: &str = include_str!("../../../avro-schemas/well-data.avsc");
const TANK: &str = include_str!("../../../avro-schemas/tank-data.avsc");

fn frame(id: u32, body: &[u8]) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(id.to_be_bytes());
    value.extend(body);
    value
}

/// Writes a record under a schema: fields by name from `values`, the others at some value of their type.
fn write(text: &str, id: u32, values: &[(&str, Value)]) -> Vec<u8> {
    let schema = Schema::parse_str(text).unwrap();
    let Schema::Record(record) = &schema else { panic!("not a record") };
    let fields = record.fields.iter().map(|field| {
        let given = values.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
        let default = || match &field.schema {
            Schema::String => Value::String("x".into()),
            Schema::Double => Value::Double(1.5),
            Schema::Long => Value::Long(7),
            Schema::Int => Value::Int(3),
            Schema::Boolean => Value::Boolean(true),
            other => panic!("{}: give a value of {other:?}", field.name),
        };
        (field.name.clone(), given.unwrap_or_else(default))
    });
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    frame(id, &writer.write_value_to_vec(Value::Record(fields.collect())).unwrap())
}

fn read(schemas: &WriterSchemas, side: Side, value: &[u8]) -> Result<Observed, Reason> {
    match RawDecoder::new(schemas).body(side, Some(value)) {
        Body::Reading(observed) => Ok(observed),
        Body::Unreadable(reason) => Err(reason),
    }
}

fn schemas() -> WriterSchemas {
    let mut schemas = WriterSchemas::default();
    schemas.set_any(Side::Well, WELL).unwrap();
    schemas.set_any(Side::Tank, TANK).unwrap();
    schemas
}

#[test]
fn the_normative_schemas_are_read() {
    let facility = ("facility_id", Value::String("site-\u{e9}".into()));
    let value = write(WELL, 5, &[facility.clone(), ("methane_ppm", Value::Double(385.5))]);
    let expected =
        Observed { facility: Some("site-\u{e9}".into()), time_ms: Some(7), ppm: 385.5, null: None };
    assert_eq!(read(&schemas(), Side::Well, &value), Ok(expected.clone()));
    let value = write(TANK, 9, &[facility, ("vapor_concentration_ppm", Value::Double(385.5))]);
    assert_eq!(read(&schemas(), Side::Tank, &value), Ok(expected));
}

/// A writer with nullable, reordered, narrower and unknown fields, nested ones too, and one field missing.
const OTHER: &str = r#"{"type":"record","name":"TankData","namespace":"elsewhere","fields":[
  {"name":"extra","type":{"type":"array","items":{"type":"record","name":"Point","fields":[
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},
    {"name":"next","type":["null","Point"]},
    {"name":"raw","type":{"type":"map","values":"bytes"}},
    {"name":"mac","type":{"type":"fixed","name":"Mac","size":6}}]}}},
  {"name":"vapor_concentration_ppm","type":["int","null","double"]},
  {"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"level_percentage","type":["null","float"]},
  {"name":"facility_id","type":["null","string"]},
  {"name":"internal_pressure_psi","type":"int"}]}"#;

#[test]
fn other_writers_are_resolved_by_name() {
    let mut schemas = schemas();
    schemas.add(77, OTHER).unwrap();
    let some = |branch, value| Value::Union(branch, Box::new(value));
    let point = |next| {
        Value::Record(vec![
            ("kind".into(), Value::Enum(1, "B".into())),
            ("next".into(), next),
            ("raw".into(), Value::Map([("k".to_owned(), Value::Bytes(vec![0xff, 0xfe]))].into())),
            ("mac".into(), Value::Fixed(6, vec![1; 6])),
        ])
    };
    let nested = point(some(1, point(some(0, Value::Null))));
    let value = |vapor, facility| {
        let values = [
            ("extra", Value::Array(vec![nested.clone(), nested.clone()])),
            ("vapor_concentration_ppm", vapor),
            ("timestamp", Value::TimestampMillis(8)),
            ("level_percentage", some(1, Value::Float(0.5))),
            ("facility_id", facility),
        ];
        write(OTHER, 77, &values)
    };
    let facility = || some(1, Value::String("f".into()));
    // tank_id is not written at all: null.
    let expected =
        Observed { facility: Some("f".into()), time_ms: Some(8), ppm: 12.0, null: Some(Reason::NullTankId) };
    assert_eq!(read(&schemas, Side::Tank, &value(some(0, Value::Int(12)), facility())), Ok(expected.clone()));
    assert_eq!(
        read(&schemas, Side::Tank, &value(some(2, Value::Double(12.0)), facility())),
        Ok(expected.clone())
    );
    let nothing = Observed { facility: None, ppm: 0.0, ..expected };
    let value = value(some(1, Value::Null), some(0, Value::Null));
    assert_eq!(read(&schemas, Side::Tank, &value), Ok(nothing));
    for cut in 5..value.len() {
        assert_eq!(read(&schemas, Side::Tank, &value[..cut]), Err(Reason::Truncated), "cut at {cut}");
    }
}

#[test]
fn each_kind_of_bad_bytes_is_named() {
    let good = write(WELL, 1, &[]);
    let read = |value: &[u8]| read(&schemas(), Side::Well, value).map(|_| ());
    let bad = |change: fn(&mut Vec<u8>)| {
        let mut value = good.clone();
        change(&mut value);
        read(&value)
    };
    assert_eq!(read(&good), Ok(()));
    assert_eq!(read(&[]), Err(Reason::EmptyValue));
    assert_eq!(bad(|value| value.resize((1 << 20) + 1, 0)), Err(Reason::TooLarge));
    assert_eq!(bad(|value| value.truncate(4)), Err(Reason::BadMagic));
    assert_eq!(bad(|value| value[0] = 1), Err(Reason::BadMagic));
    assert_eq!(bad(|value| value.push(0)), Err(Reason::TrailingBytes));
    assert_eq!(bad(|value| value.truncate(value.len() - 1)), Err(Reason::Truncated));
    assert_eq!(bad(|value| *value.last_mut().unwrap() = 2), Err(Reason::Malformed));
    // The length of well_id: -1, then a varint of eleven bytes.
    assert_eq!(bad(|value| value[5] = 1), Err(Reason::Malformed));
    assert_eq!(bad(|value| drop(value.splice(5..5, [0x80; 10]))), Err(Reason::Malformed));
    assert_eq!(bad(|value| value[6] = 0xff), Err(Reason::BadUtf8));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let value = write(WELL, 1, &[("flow_rate_bpd", Value::Double(number))]);
        assert_eq!(read(&value), Err(Reason::NotFinite));
    }
}

#[test]
fn unknown_ids_and_wrong_types_are_named() {
    let mut schemas = WriterSchemas::default();
    schemas.add(1, WELL).unwrap();
    schemas
        .add(2, &WELL.replace(r#""timestamp", "type": "long""#, r#""timestamp", "type": "double""#))
        .unwrap();
    let union = r#""timestamp", "type": ["string", "long"]"#;
    schemas.add(3, &WELL.replace(r#""timestamp", "type": "long""#, union)).unwrap();
    let good = write(WELL, 1, &[]);
    assert!(read(&schemas, Side::Well, &good).is_ok());
    assert_eq!(read(&schemas, Side::Tank, &good), Err(Reason::WrongType));
    assert_eq!(read(&schemas, Side::Well, &frame(4, &good[5..])), Err(Reason::UnknownSchema));
    assert_eq!(read(&schemas, Side::Well, &frame(2, &good[5..])), Err(Reason::WrongType));
    let text = WELL.replace(r#""timestamp", "type": "long""#, union);
    let time = |branch, value| [("timestamp", Value::Union(branch, Box::new(value)))];
    let value = write(&text, 3, &time(0, Value::String("now".into())));
    assert_eq!(read(&schemas, Side::Well, &value), Err(Reason::WrongType));
    assert!(read(&schemas, Side::Well, &write(&text, 3, &time(1, Value::Long(1)))).is_ok());
}

/// Whatever is done to the bytes, the oracle's walk and the engine's plan read the same or give the same
/// reason.
#[test]
fn differential_the_walk_agrees_with_the_engines_plan() {
    let nullable = wellstream_core::schemas::tank_data_nullable();
    let texts = [(Side::Well, WELL), (Side::Tank, TANK), (Side::Tank, OTHER), (Side::Tank, &nullable)];
    let mut reasons = std::collections::BTreeSet::new();
    for (id, (side, text)) in (0..).zip(texts) {
        let mut schemas = WriterSchemas::default();
        schemas.add(id, text).unwrap();
        let plan = Plan::compile(side, text).unwrap();
        for seed in 0..20_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let body = damaged(&mut rng, id, side, text);
            let expected = match side {
                Side::Well => plan.decode_well(&body).map(|well| {
                    let facility = well.facility_id.map(std::sync::Arc::from);
                    let ppm = well.methane_ppm.unwrap_or_default();
                    Observed { facility, time_ms: well.timestamp, ppm, null: validate::well_drop(&well) }
                }),
                Side::Tank => plan.decode_tank(&body).map(|tank| {
                    let facility = tank.facility_id.map(std::sync::Arc::from);
                    let ppm = tank.vapor_concentration_ppm.unwrap_or_default();
                    Observed { facility, time_ms: tank.timestamp, ppm, null: validate::tank_drop(&tank) }
                }),
            };
            let got = read(&schemas, side, &frame(id, &body));
            assert_eq!(got, expected, "seed {seed}, {side} {id}: {body:?}");
            reasons.extend(got.err());
        }
    }
    use Reason::{BadUtf8, Malformed, NotFinite, TrailingBytes, Truncated};
    assert_eq!(Vec::from_iter(reasons), [Truncated, TrailingBytes, Malformed, BadUtf8, NotFinite]);
}

/// A body with some bytes changed, added or cut off; for `OTHER` and nullable writers from random bytes.
fn damaged(rng: &mut fastrand::Rng, id: u32, side: Side, text: &str) -> Vec<u8> {
    let mut body = if id < 2 {
        write(text, id, &[]).split_off(5)
    } else {
        let mut value = vec![0; 40];
        // Small bytes are branches, lengths and counts that make sense.
        value.fill_with(|| rng.u8(..) & rng.u8(..) & rng.u8(..) & rng.u8(..) & 0xfe);
        value
    };
    assert!(body.len() > 20, "{side}");
    for _ in 0..rng.usize(0..3) {
        let place = rng.usize(..body.len());
        match rng.u8(0..6) {
            0 => body[place] = rng.u8(..),
            1 => body[place] ^= 1 << rng.u8(0..8),
            2 => body.truncate(place + 1),
            3 => body.push(rng.u8(..)),
            4 => body.insert(place, 0x80 | rng.u8(..)),
            _ => body[place..].iter_mut().take(8).for_each(|byte| *byte = 0xff),
        }
    }
    body
}
