//! Writers one by one: what is read, what is refused, and that no body costs more than its length.

#![expect(clippy::unwrap_used, reason = "test helpers: what cannot be done fails the test")]

use wellstream_core::decode::{Plan, PlanError};
use wellstream_core::record::{Reason, Side};

fn well(fields: &str) -> Result<Plan, PlanError> {
    let json = format!(r#"{{"type": "record", "name": "WellData", "fields": [{fields}]}}"#);
    Plan::compile(Side::Well, &json)
}

/// A field that nobody reads, then a well id: it tells whether the field was passed over rightly.
fn extra(schema: &str) -> Plan {
    let fields = format!(r#"{{"name": "extra", "type": {schema}}}, {{"name": "well_id", "type": "string"}}"#);
    well(&fields).unwrap()
}

fn passed(plan: &Plan, extra: &[u8]) -> Result<String, Reason> {
    let body = [extra, b"\x04W1"].concat();
    plan.decode_well(&body).map(|reading| reading.well_id.unwrap().to_owned())
}

/// A long as a varint.
fn long(value: i64) -> Vec<u8> {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    bytes.push(raw.to_le_bytes()[0]);
    bytes
}

const OK: Result<&str, Reason> = Ok("W1");

#[test]
fn arrays_are_passed_over_block_by_block() {
    let plan = extra(r#"{"type": "array", "items": "string"}"#);
    for (blocks, expected) in [
        (b"\0".as_slice(), OK),
        (b"\x02\x02a\0", OK),
        (b"\x04\x02a\x02b\x02\x02c\0", OK),
        // Minus two items in four bytes, then one item.
        (b"\x03\x08\x02a\x02b\x02\x02c\0", OK),
        (b"\x03\x07\x02a\x02b\0", Err(Reason::Malformed)),
        (b"\x03\x7E\x02a\x02b\0", Err(Reason::Truncated)),
        (b"\x02\x01\0", Err(Reason::Malformed)),
    ] {
        assert_eq!(passed(&plan, blocks).as_deref(), expected.as_ref().map(|id| *id), "{blocks:?}");
    }
    let map = extra(r#"{"type": "map", "values": "long"}"#);
    assert_eq!(passed(&map, b"\x04\x02a\x80\x02\x02b\x01\0").as_deref(), Ok("W1"));
    assert_eq!(passed(&map, b"\x03\x0E\x02a\x80\x02\x02b\x01\0").as_deref(), Ok("W1"));
    let bools = extra(r#"{"type": "array", "items": "boolean"}"#);
    assert_eq!(passed(&bools, &[&long(300)[..], &[1; 300], &[0]].concat()).as_deref(), Ok("W1"));
    assert_eq!(
        passed(&bools, &[&long(301)[..], &[1; 300], &[0]].concat()).as_deref(),
        Err(&Reason::Truncated)
    );
}

#[test]
fn a_block_of_absurdly_many_items_is_malformed_at_once() {
    let empty = r#"{"type": "record", "name": "Empty", "fields": []}"#;
    for items in [r#""null""#, empty, r#""double""#, r#""string""#] {
        let plan = extra(&format!(r#"{{"type": "array", "items": {items}}}"#));
        for count in [1 << 60, i64::MAX, i64::MIN, -(1 << 60), (1 << 20) + 1] {
            let blocks = [long(count), vec![0]].concat();
            assert_eq!(passed(&plan, &blocks), Err(Reason::Malformed), "{items} {count}");
        }
    }
    // As many nulls as allowed, and again: a step for each block.
    let plan = extra(r#"{"type": "array", "items": "null"}"#);
    let blocks = [long(1 << 20).repeat(1_000), vec![0]].concat();
    assert_eq!(passed(&plan, &blocks).as_deref(), Ok("W1"));
}

#[test]
fn a_type_that_doubles_at_each_level_and_takes_no_byte_costs_nothing() {
    // 14 levels with eight fields each: 8^14 nulls in no byte, were they looked at one by one.
    let mut schema = r#""null""#.to_owned();
    for level in 0..14 {
        let first = format!(r#"{{"name": "f0", "type": {schema}}}"#);
        let name = format!(r#""L{}""#, level - 1);
        let name = if level == 0 { r#""null""# } else { &name };
        let others: String = (1..8).map(|i| format!(r#", {{"name": "f{i}", "type": {name}}}"#)).collect();
        schema = format!(r#"{{"type": "record", "name": "L{level}", "fields": [{first}{others}]}}"#);
    }
    assert_eq!(passed(&extra(&schema), b"").as_deref(), Ok("W1"));
    // The same with one boolean at the bottom: more bytes than any body has.
    let schema = schema.replacen(r#""type": "null""#, r#""type": "boolean""#, 8);
    assert_eq!(passed(&extra(&schema), &[1; 1_000]), Err(Reason::Truncated));
}

#[test]
fn recursive_types_are_passed_over_down_to_a_bound() {
    let list = r#"{"type": "record", "name": "List", "fields": [
        {"name": "head", "type": "int"}, {"name": "tail", "type": ["null", "List"]}]}"#;
    let plan = extra(list);
    for length in [1, 2, 20] {
        let nodes = [b"\x02\x02".repeat(length - 1), b"\x02\0".to_vec()].concat();
        assert_eq!(passed(&plan, &nodes).as_deref(), Ok("W1"), "{length}");
    }
    assert_eq!(passed(&plan, &b"\x02\x02".repeat(100_000)), Err(Reason::Malformed));

    let tree = r#"{"type": "record", "name": "Tree", "fields": [
        {"name": "children", "type": {"type": "array", "items": "Tree"}}]}"#;
    assert_eq!(passed(&extra(tree), b"\x04\x02\0\0\0\0").as_deref(), Ok("W1"));
    assert_eq!(passed(&extra(tree), &b"\x02".repeat(100_000)), Err(Reason::Malformed));

    // Values of this one have no end: no body can hold one.
    let endless = r#"{"type": "record", "name": "Endless", "fields": [
        {"name": "again", "type": "Endless"}, {"name": "and_again", "type": "Endless"}]}"#;
    assert_eq!(passed(&extra(endless), &[0; 100]), Err(Reason::Malformed));
}

#[test]
fn a_schema_that_nests_too_deep_is_refused() {
    let nested = |levels| {
        let open = r#"{"type": "array", "items": "#.repeat(levels);
        well(&format!(r#"{{"name": "deep", "type": {open}"int"{}}}"#, "}".repeat(levels)))
    };
    assert!(nested(15).is_ok());
    assert_eq!(nested(16).unwrap_err(), PlanError::TooDeep { field: "deep".to_owned() });
    // The same by references, each one level deeper than the one before.
    let chain = |levels: usize| {
        let fields: Vec<String> = (0..levels)
            .map(|i| {
                let inner = if i == 0 { r#""string""#.to_owned() } else { format!(r#""C{}""#, i - 1) };
                let record = format!(
                    r#""type": "record", "name": "C{i}", "fields": [{{"name": "x", "type": {inner}}}]"#
                );
                format!(r#"{{"name": "c{i}", "type": {{{record}}}}}"#)
            })
            .collect();
        well(&fields.join(","))
    };
    assert!(chain(15).is_ok());
    assert_eq!(chain(16).unwrap_err(), PlanError::TooDeep { field: "c15".to_owned() });
}

#[test]
fn fixed_types_of_any_size_are_passed_over_without_overflow() {
    let fixed = |size: &str| format!(r#"{{"type": "fixed", "name": "X{size}", "size": {size}}}"#);
    assert_eq!(passed(&extra(&fixed("3")), b"abc").as_deref(), Ok("W1"));
    let huge = fixed("9223372036854775807");
    assert_eq!(passed(&extra(&huge), &[0; 100]), Err(Reason::Truncated));
    let plan = extra(&format!(r#"{{"type": "array", "items": {huge}}}"#));
    assert_eq!(passed(&plan, &[6, 0, 0]), Err(Reason::Truncated));
    let fields = format!(
        r#"{{"name": "a", "type": {huge}}}, {{"name": "b", "type": "X9223372036854775807"}},
           {{"name": "c", "type": "X9223372036854775807"}}"#
    );
    assert_eq!(well(&fields).unwrap().decode_well(&[0; 64]), Err(Reason::Truncated));
}

#[test]
fn unions_choose_per_body_and_a_branch_that_is_not_ours_is_a_wrong_type() {
    let plan = well(
        r#"{"name": "methane_ppm", "type": ["string", "null", "int", "float", "long", "double"]},
           {"name": "extra", "type": "boolean"}, {"name": "co2_ppm", "type": "double"}"#,
    )
    .unwrap();
    let rest = [&[1][..], &2.5_f64.to_le_bytes()].concat();
    for (branch, expected) in [
        ([&[2][..]].concat(), Ok(None)),
        ([&[4, 14][..]].concat(), Ok(Some(7.0))),
        ([&[6][..], &1.5_f32.to_le_bytes()].concat(), Ok(Some(1.5))),
        ([&[8][..], &long(1 << 40)].concat(), Ok(Some(1_099_511_627_776.0))),
        ([&[10][..], &(-0.5_f64).to_le_bytes()].concat(), Ok(Some(-0.5))),
        ([&[0, 2, b'x'][..]].concat(), Err(Reason::WrongType)),
        ([&[12][..]].concat(), Err(Reason::Malformed)),
        ([&[1][..]].concat(), Err(Reason::Malformed)),
    ] {
        let body = [&branch[..], &rest].concat();
        let read = plan.decode_well(&body);
        assert_eq!(read.map(|reading| reading.methane_ppm), expected, "{branch:?}");
        if let Ok(reading) = read {
            assert_eq!(reading.co2_ppm, Some(2.5));
        }
    }
}

#[test]
fn a_field_of_another_type_is_refused_by_name() {
    for (field, found, expected) in [
        (r#"{"name": "methane_ppm", "type": "string"}"#, "string", "double"),
        (r#"{"name": "methane_ppm", "type": "boolean"}"#, "boolean", "double"),
        (r#"{"name": "timestamp", "type": "double"}"#, "double", "long"),
        (r#"{"name": "timestamp", "type": "string"}"#, "string", "long"),
        (r#"{"name": "well_id", "type": "long"}"#, "long", "string"),
        (r#"{"name": "maintenance_alert", "type": "int"}"#, "int", "boolean"),
        (r#"{"name": "pump_status", "type": {"type": "array", "items": "string"}}"#, "an array", "string"),
        (
            r#"{"name": "co2_ppm", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4}}"#,
            "a decimal",
            "double",
        ),
        (r#"{"name": "well_id", "type": ["boolean", "int"]}"#, "a union without a branch for it", "string"),
    ] {
        let Err(PlanError::WrongField { field: name, expected: ours, found: theirs }) = well(field) else {
            panic!("{field} was not refused");
        };
        assert_eq!((theirs, ours), (found, expected), "{field}");
        assert!(field.contains(&name));
    }
    // A null that is always null can be read, and a union with one is refused only where it is not.
    assert!(well(r#"{"name": "methane_ppm", "type": "null"}"#).is_ok());
    let plan = well(r#"{"name": "methane_ppm", "type": ["null", "boolean"]}"#).unwrap();
    assert_eq!(plan.decode_well(&[0]).unwrap().methane_ppm, None);
    assert_eq!(plan.decode_well(&[2, 1]), Err(Reason::WrongType));
}

#[test]
fn a_record_of_another_name_is_refused_and_a_namespace_is_not_part_of_it() {
    let of = |name: &str, side| {
        Plan::compile(side, &format!(r#"{{"type": "record", "name": "{name}", "fields": []}}"#))
    };
    assert!(of("WellData", Side::Well).is_ok());
    assert!(of("org.example.WellData", Side::Well).is_ok());
    assert!(of("org.example.TankData", Side::Tank).is_ok());
    for (name, side) in [("TankData", Side::Well), ("WellData", Side::Tank), ("org.WellData2", Side::Well)] {
        assert!(matches!(of(name, side), Err(PlanError::WrongRecord { found, .. }) if found == name));
    }
    assert!(matches!(Plan::compile(Side::Well, r#""string""#), Err(PlanError::WrongRecord { .. })));
    assert!(matches!(Plan::compile(Side::Well, "{"), Err(PlanError::NotASchema { .. })));
    assert!(matches!(Plan::compile(Side::Well, ""), Err(PlanError::NotASchema { .. })));
}

#[test]
fn a_writer_without_fields_leaves_every_field_null() {
    let plan = well("").unwrap();
    assert_eq!(plan.decode_well(&[]), Ok(wellstream_core::record::WellReading::default()));
    assert_eq!(plan.decode_well(&[0]), Err(Reason::TrailingBytes));
}

#[test]
fn an_index_written_as_long_is_read_where_it_fits() {
    let json = r#"{"type": "record", "name": "TankData", "fields": [
        {"name": "air_quality_index", "type": "long"}, {"name": "timestamp", "type": "int"}]}"#;
    let plan = Plan::compile(Side::Tank, json).unwrap();
    let read = |index| plan.decode_tank(&[long(index), long(7)].concat()).map(|tank| tank.air_quality_index);
    assert_eq!(read(i64::from(i32::MAX)), Ok(Some(i32::MAX)));
    assert_eq!(read(i64::from(i32::MIN)), Ok(Some(i32::MIN)));
    assert_eq!(read(i64::from(i32::MAX) + 1), Err(Reason::WrongType));
    // An int that does not fit is no int: the body is broken, not its type.
    assert_eq!(plan.decode_tank(&[long(1), long(1 << 31)].concat()), Err(Reason::Malformed));
}

#[test]
fn booleans_and_symbols_out_of_range_are_malformed() {
    let plan = well(
        r#"{"name": "pump_status", "type": {"type": "enum", "name": "Pump", "symbols": ["active", "standby"]}},
           {"name": "last_status", "type": "Pump"}, {"name": "maintenance_alert", "type": "boolean"}"#,
    )
    .unwrap();
    let good = plan.decode_well(&[2, 0, 1]).unwrap();
    assert_eq!((good.pump_status, good.maintenance_alert), (Some("standby"), Some(true)));
    for body in [[4, 0, 1], [1, 0, 1], [2, 4, 1], [2, 0, 2]] {
        assert_eq!(plan.decode_well(&body), Err(Reason::Malformed), "{body:?}");
    }
}

#[test]
fn a_named_type_is_found_wherever_it_was_defined() {
    // The enum is defined in a field that we skip, under a namespace, and used in one that we read.
    let json = r#"{"type": "record", "name": "org.example.WellData", "fields": [
        {"name": "before", "type": ["null", {"type": "enum", "name": "other.Pump", "symbols": ["on", "off"]}]},
        {"name": "pump_status", "type": ["null", "other.Pump"]}]}"#;
    let plan = Plan::compile(Side::Well, json).unwrap();
    assert_eq!(plan.decode_well(&[2, 0, 2, 2]).unwrap().pump_status, Some("off"));
}

#[test]
fn what_is_not_finite_is_judged_behind_all_else() {
    let plan = well(
        r#"{"name": "methane_ppm", "type": "double"}, {"name": "extra", "type": "double"},
           {"name": "well_id", "type": "string"}"#,
    )
    .unwrap();
    let body = |methane: f64, extra: f64, id: &[u8]| {
        [&methane.to_le_bytes()[..], &extra.to_le_bytes(), &[4], id].concat()
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(plan.decode_well(&body(bad, 0.0, b"W1")), Err(Reason::NotFinite));
        assert_eq!(plan.decode_well(&body(bad, 0.0, b"W")), Err(Reason::Truncated));
        assert_eq!(plan.decode_well(&body(bad, 0.0, b"W1!")), Err(Reason::TrailingBytes));
        assert_eq!(plan.decode_well(&body(bad, 0.0, b"\xFF!")), Err(Reason::BadUtf8));
        // A field that nobody reads may hold anything.
        assert!(plan.decode_well(&body(1.0, bad, b"W1")).is_ok());
    }
}
