//! Enriched rows. What a reading contributes to its rows is rendered once, as a part; a row is then its id,
//! the
//! facility, two copied parts and a tail.
//!
//! A part: a byte n, n bytes of row-id half (`w:P:O` or `t:P:O`), then the side's fields of
//! enriched-event.avsc, encoded.

use std::ops::Range;

use crate::record::{Input, Status, TankReading, WellReading};
use crate::rules::RulesHash;
use crate::score::{TankClass, WellClass, vibration};

use super::reading::{Fields, NULL, Nullable, VALUE};
use super::wire::{length_bytes, put_hash, put_length, put_long, put_text};

/// What belongs to a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTail {
    /// Row time: the later input's, epoch ms.
    pub time_ms: i64,
    /// The lower of both qualities.
    pub quality: u32,
    /// The sum of both sides' points.
    pub risk: u32,
    /// NORMAL or ALERT.
    pub status: Status,
    /// The rules that decided.
    pub rules: RulesHash,
}

/// Appends what a well reading contributes to its rows.
pub fn put_well_part(out: &mut Vec<u8>, r: &WellReading<'_>, input: Input, class: WellClass) {
    put_id_half(out, b'w', input);
    put_input(out, input);
    let mut fields = Nullable(out);
    let Ok(()) = fields.text("well_id", r.well_id);
    for (name, value) in [
        ("methane_ppm", r.methane_ppm),
        ("co2_ppm", r.co2_ppm),
        ("pressure_psi", r.pressure_psi),
        ("temperature_f", r.temperature_f),
        ("flow_rate_bpd", r.flow_rate_bpd),
    ] {
        let Ok(()) = fields.double(name, value);
    }
    put_vibration(out, r.vibration_encoded);
    let mut fields = Nullable(out);
    let Ok(()) = fields.text("pump_status", r.pump_status);
    let Ok(()) = fields.flag("maintenance_alert", r.maintenance_alert);
    let Ok(()) = fields.text("emission_class", Some(class.class.name()));
    let Ok(()) = fields.long("well_quality", Some(i64::from(class.quality)));
}

/// Appends what a tank reading contributes to its rows.
pub fn put_tank_part(out: &mut Vec<u8>, r: &TankReading<'_>, input: Input, class: TankClass) {
    put_id_half(out, b't', input);
    put_input(out, input);
    let mut fields = Nullable(out);
    let Ok(()) = fields.text("tank_id", r.tank_id);
    let Ok(()) = fields.double("level_percentage", r.level_percentage);
    let Ok(()) = fields.double("vapor_concentration_ppm", r.vapor_concentration_ppm);
    let Ok(()) = fields.text("leak_detection_status", r.leak_detection_status);
    let Ok(()) = fields.double("ambient_temperature_f", r.ambient_temperature_f);
    let Ok(()) = fields.double("internal_pressure_psi", r.internal_pressure_psi);
    let Ok(()) = fields.flag("flame_arrestor_status", r.flame_arrestor_status);
    let Ok(()) = fields.flag("vapor_recovery_active", r.vapor_recovery_active);
    let Ok(()) = fields.flag("emergency_shutdown", r.emergency_shutdown);
    let Ok(()) = fields.double("wind_speed_mph", r.wind_speed_mph);
    let Ok(()) = fields.double("atmospheric_pressure_mb", r.atmospheric_pressure_mb);
    let Ok(()) = fields.long("air_quality_index", r.air_quality_index.map(i64::from));
    let Ok(()) = fields.text("vapor_class", Some(class.class.name()));
    let Ok(()) = fields.long("tank_quality", Some(i64::from(class.quality)));
}

/// Appends a row's Avro body. Returns where it lies in `out`, and where in it the facility's bytes lie, which
/// are
/// the record's key. A missing side is null in all its fields.
///
/// # Panics
/// If a part was not made by `put_well_part` or `put_tank_part`, or `out` holds 4 GiB.
#[inline]
pub fn put_row(
    out: &mut Vec<u8>,
    facility: &str,
    well: Option<&[u8]>,
    tank: Option<&[u8]>,
    tail: RowTail,
) -> (Range<u32>, Range<u32>) {
    let (well_id, well_fields) = well.map_or((MISSING_ID, NULLS_WELL), split_part);
    let (tank_id, tank_fields) = tank.map_or((MISSING_ID, NULLS_TANK), split_part);
    let begin = place(out);
    put_length(out, well_id.len() + 1 + tank_id.len());
    out.extend_from_slice(well_id);
    out.push(b'|');
    out.extend_from_slice(tank_id);
    put_length(out, facility.len());
    let key_begin = place(out);
    out.extend_from_slice(facility.as_bytes());
    let key = key_begin..place(out);
    out.extend_from_slice(well_fields);
    out.extend_from_slice(tank_fields);
    put_long(out, tail.time_ms);
    put_long(out, i64::from(tail.quality));
    put_long(out, i64::from(tail.risk));
    put_text(out, tail.status.name());
    put_hash(out, tail.rules);
    (begin..place(out), key)
}

/// The row-id half and the fields of a part.
#[inline]
fn split_part(part: &[u8]) -> (&[u8], &[u8]) {
    part[1..].split_at(usize::from(part[0]))
}

/// Stands for a missing side in a row id.
const MISSING_ID: &[u8] = b"-";

/// The well's fields of a row without a well: null, 14 times.
const NULLS_WELL: &[u8] = &[NULL; 14];

/// The tank's fields of a row without a tank: null, 17 times.
const NULLS_TANK: &[u8] = &[NULL; 17];

#[expect(clippy::cast_possible_truncation, reason = "asserted; shards hand batches on at 1 MiB")]
#[inline]
fn place(out: &[u8]) -> u32 {
    assert!(out.len() <= u32::MAX as usize, "a batch of 4 GiB");
    out.len() as u32
}

/// The byte of length and the half of the row id.
fn put_id_half(out: &mut Vec<u8>, side: u8, input: Input) {
    let begin = out.len();
    out.extend_from_slice(&[0, side, b':']);
    put_decimal(out, u64::from(input.partition));
    out.push(b':');
    if input.offset < 0 {
        out.push(b'-');
    }
    put_decimal(out, input.offset.unsigned_abs());
    // Two letters and colons, 10 and 20 digits at most: the length fits its byte.
    let [length, ..] = (out.len() - begin - 1).to_le_bytes();
    out[begin] = length;
}

fn put_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        let [digit, ..] = (number % 10).to_le_bytes();
        digits[first] = b'0' + digit;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Partition, offset, event time.
fn put_input(out: &mut Vec<u8>, input: Input) {
    for value in [i64::from(input.partition), input.offset, input.time_ms] {
        out.push(VALUE);
        put_long(out, value);
    }
}

/// The decoded vibration behind its length, which is known beforehand unless it does not decode.
fn put_vibration(out: &mut Vec<u8>, encoded: Option<&str>) {
    out.push(VALUE);
    let length_begin = out.len();
    let expected = encoded.map_or(vibration::MISSING.len(), vibration::decoded_bytes_max);
    put_length(out, expected);
    let text_begin = out.len();
    vibration::put_decoded(out, encoded);
    let length = out.len() - text_begin;
    if length != expected {
        out.truncate(length_begin);
        debug_assert!(length_bytes(length) == 1, "only DECODE_ERROR is of another length");
        put_text(out, vibration::DECODE_ERROR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::enriched;
    use crate::rules::ScoreRules;
    use crate::score;

    const INPUT: Input = Input { time_ms: 1_700_000_000_123, partition: 12, offset: 34_567 };

    fn tail() -> RowTail {
        RowTail { time_ms: 5, quality: 70, risk: 80, status: Status::Alert, rules: RulesHash(0xAB) }
    }

    #[test]
    fn a_part_begins_with_its_half_of_the_row_id() {
        let mut part = Vec::new();
        let class = score::tank(1.0, &ScoreRules::default());
        put_tank_part(&mut part, &TankReading::default(), INPUT, class);
        assert_eq!(part[..11], *b"\x0at:12:34567");
        let far = Input { partition: u32::MAX, offset: i64::MIN, ..INPUT };
        part.clear();
        put_tank_part(&mut part, &TankReading::default(), far, class);
        assert_eq!(part[1..usize::from(part[0]) + 1], *b"t:4294967295:-9223372036854775808");
    }

    #[test]
    fn a_row_without_sides_is_null_in_all_their_fields() {
        let mut out = vec![1, 2, 3];
        let (value, key) = put_row(&mut out, "Fä", None, None, tail());
        assert_eq!((value.start, &out[key.start as usize..key.end as usize]), (3, "Fä".as_bytes()));
        let row = enriched(&out[value.start as usize..value.end as usize]).unwrap();
        assert_eq!((row.row_id.as_str(), row.facility_id.as_str()), ("-|-", "Fä"));
        assert_eq!((row.well_partition, row.tank_quality), (None, None));
        assert_eq!((row.row_time, row.quality, row.risk, row.status.as_str()), (5, 70, 80, "ALERT"));
    }

    #[test]
    fn a_vibration_of_any_length_and_kind_is_a_string_of_its_length() {
        let class = score::well(1.0, &ScoreRules::default());
        let mut texts: Vec<String> =
            (0..300).map(|n| base64_simd::STANDARD.encode_to_string("x".repeat(n))).collect();
        texts.extend(["!".repeat(4), "!".repeat(400), "=".repeat(400), "a".into()]);
        for text in texts {
            let mut part = Vec::new();
            let well = WellReading { vibration_encoded: Some(&text), ..WellReading::default() };
            put_well_part(&mut part, &well, INPUT, class);
            let mut out = Vec::new();
            let (value, _) = put_row(&mut out, "F", Some(&part), None, tail());
            let row = enriched(&out[..value.end as usize]).unwrap();
            let mut expected = Vec::new();
            vibration::put_decoded(&mut expected, Some(&text));
            assert_eq!(row.vibration_decoded.unwrap().into_bytes(), expected);
        }
    }
}
