//! Enriched rows. What a reading contributes to its rows is rendered once, as a part; a row is then its id,
//! the
//! facility, two copied parts and a tail.
//!
//! A part: a byte n, n bytes of row-id half (`w:P:O` or `t:P:O`), then the side's fields of
//! enriched-event.avsc, encoded.

use std::ops::Range;

use crate::record::{Input, Status, TankReading, WellReading};
use crate::rules::RulesHash;
use crate::score::{TankClass, WellClass};

use super::pen::{Pen, append};
use super::reading::{NULL, VALUE};
use super::wire::length_bytes;

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
    let name = class.class.name();
    // A vibration's text is shorter than its base64, or one of two words.
    let texts = [r.well_id, r.vibration_encoded, r.pump_status];
    append(out, PART_BYTES_MAX + texts_bytes(texts), |pen| {
        put_input(pen, b'w', input);
        pen.nullable_text(r.well_id);
        pen.nullable_doubles([r.methane_ppm, r.co2_ppm, r.pressure_psi, r.temperature_f, r.flow_rate_bpd]);
        pen.byte(VALUE);
        pen.vibration(r.vibration_encoded);
        pen.nullable_text(r.pump_status);
        pen.nullable_flags([r.maintenance_alert]);
        pen.byte(VALUE);
        pen.text(name.as_bytes());
        pen.value_long(i64::from(class.quality));
    });
}

/// Appends what a tank reading contributes to its rows.
pub fn put_tank_part(out: &mut Vec<u8>, r: &TankReading<'_>, input: Input, class: TankClass) {
    let name = class.class.name();
    let texts = [r.tank_id, r.leak_detection_status];
    append(out, PART_BYTES_MAX + texts_bytes(texts), |pen| {
        put_input(pen, b't', input);
        pen.nullable_text(r.tank_id);
        pen.nullable_doubles([r.level_percentage, r.vapor_concentration_ppm]);
        pen.nullable_text(r.leak_detection_status);
        pen.nullable_doubles([r.ambient_temperature_f, r.internal_pressure_psi]);
        pen.nullable_flags([r.flame_arrestor_status, r.vapor_recovery_active, r.emergency_shutdown]);
        pen.nullable_doubles([r.wind_speed_mph, r.atmospheric_pressure_mb]);
        pen.nullable_long(r.air_quality_index.map(i64::from));
        pen.byte(VALUE);
        pen.text(name.as_bytes());
        pen.value_long(i64::from(class.quality));
    });
}

/// More than all but the reading's own texts take: 34 of the row-id half, 33 of the input, 15 for each text's
/// head and words of ours, 54 of doubles, 6 of flags, 8 of an index, 14 of a class and 8 of its quality.
const PART_BYTES_MAX: usize = 256;

#[inline(always)]
fn texts_bytes<const N: usize>(texts: [Option<&str>; N]) -> usize {
    texts.iter().map(|text| text.map_or(0, str::len)).sum()
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
    let begin = place(out.len());
    let id_bytes = well_id.len() + 1 + tank_id.len();
    let key_begin = begin as usize + length_bytes(id_bytes) + id_bytes + length_bytes(facility.len());
    let bytes = id_bytes + facility.len() + well_fields.len() + tank_fields.len();
    append(out, ROW_BYTES_MAX + bytes, |pen| {
        pen.length(id_bytes);
        pen.short(well_id);
        pen.byte(b'|');
        pen.short(tank_id);
        pen.text(facility.as_bytes());
        pen.bytes(well_fields);
        pen.bytes(tank_fields);
        pen.long(tail.time_ms);
        pen.long(i64::from(tail.quality));
        pen.long(i64::from(tail.risk));
        pen.text(tail.status.name().as_bytes());
        pen.hash(tail.rules);
    });
    let key = place(key_begin)..place(key_begin + facility.len());
    (begin..place(out.len()), key)
}

/// More than all but ids, facility and fields take: two lengths and a time of 10 each, 5 each of quality and
/// risk, 7 of a status and 17 of a hash, and a word's room behind.
const ROW_BYTES_MAX: usize = 80;

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
fn place(bytes: usize) -> u32 {
    assert!(bytes <= u32::MAX as usize, "a batch of 4 GiB");
    bytes as u32
}

/// The byte of length and the half of the row id; then partition, offset, event time.
#[inline(always)]
fn put_input(pen: &mut Pen<'_>, side: u8, input: Input) {
    // Two letters and colons, a sign, 10 and 19 digits at most: the length fits its byte.
    let count = pen.count_begin();
    pen.array([side, b':']);
    pen.decimal(u64::from(input.partition));
    pen.byte(b':');
    if input.offset < 0 {
        pen.byte(b'-');
    }
    pen.decimal(input.offset.unsigned_abs());
    pen.count_end(count);
    pen.value_long(i64::from(input.partition));
    pen.value_long(input.offset);
    pen.value_long(input.time_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::enriched;
    use crate::rules::ScoreRules;
    use crate::score::{self, vibration};

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
