//! What a reading contributes to its rows, rendered once.
//!
//! A part: a head of twelve bytes, its half of the row id (`w:P:O` or `t:P:O`), the facility as length and
//! text, then the side's fields of enriched-event.avsc, encoded. So of a well's part all that follows the id
//! is one piece of the row.

use crate::record::{PartitionId, Side, TankReading, WellReading};
use crate::score::{TankClass, WellClass};

use super::pen::{Pen, append};
use super::reading::VALUE;
use super::wire::put_long;

/// Makes the parts of one partition's readings.
#[derive(Clone, Debug)]
pub struct PartEncoder {
    /// How their half of the row id begins: `w:P:`.
    id: [u8; 16],
    id_bytes: usize,
    /// The partition's number as a field.
    number: [u8; 8],
    number_bytes: usize,
}

impl PartEncoder {
    /// For the readings of a partition.
    pub fn new(partition: PartitionId) -> PartEncoder {
        let side = match partition.side {
            Side::Well => 'w',
            Side::Tank => 't',
        };
        let mut number = vec![VALUE];
        put_long(&mut number, i64::from(partition.number));
        let (id, id_bytes) = padded(format!("{side}:{}:", partition.number).as_bytes());
        let (number, number_bytes) = padded(&number);
        PartEncoder { id, id_bytes, number, number_bytes }
    }

    /// Appends what a well reading contributes to its rows.
    pub fn well(&self, out: &mut Vec<u8>, r: &WellReading<'_>, offset: i64, time_ms: i64, class: WellClass) {
        let name = class.class.name();
        // A vibration's text is shorter than its base64, or one of two words.
        let texts = [r.facility_id, r.well_id, r.vibration_encoded, r.pump_status];
        self.put(out, r.facility_id, (offset, time_ms), texts_bytes(texts), |pen| {
            pen.nullable_text(r.well_id);
            pen.nullable_doubles([
                r.methane_ppm,
                r.co2_ppm,
                r.pressure_psi,
                r.temperature_f,
                r.flow_rate_bpd,
            ]);
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
    pub fn tank(&self, out: &mut Vec<u8>, r: &TankReading<'_>, offset: i64, time_ms: i64, class: TankClass) {
        let name = class.class.name();
        let texts = [r.facility_id, r.tank_id, r.leak_detection_status];
        self.put(out, r.facility_id, (offset, time_ms), texts_bytes(texts), |pen| {
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

    /// Writes a part whose texts have so many bytes: head, id, facility, the fields that both sides have,
    /// then its own.
    #[inline(always)]
    fn put(
        &self,
        out: &mut Vec<u8>,
        facility: Option<&str>,
        (offset, time_ms): (i64, i64),
        texts_bytes: usize,
        fields: impl FnOnce(&mut Pen<'_>),
    ) {
        let facility = facility.unwrap_or_default().as_bytes();
        append(out, PART_BYTES_MAX + texts_bytes, |pen| {
            let head = pen.reserve::<HEAD_BYTES>();
            let begin = pen.room_bytes();
            pen.front::<16>(&self.id, self.id_bytes);
            if offset < 0 {
                pen.byte(b'-');
            }
            pen.decimal(offset.unsigned_abs());
            let id_bytes = begin - pen.room_bytes();
            pen.text(facility);
            let fields_begin = begin - pen.room_bytes();
            pen.front::<8>(&self.number, self.number_bytes);
            pen.value_long(offset);
            pen.value_long(time_ms);
            fields(pen);
            let end = begin - pen.room_bytes();
            head.write_copy_of_slice(&head_bytes(id_bytes, facility.len(), fields_begin, end));
        });
    }
}

/// How many bytes the part at the front has, its head included; 0 where there is no head.
#[inline]
pub fn part_bytes(bytes: &[u8]) -> usize {
    if bytes.len() < HEAD_BYTES { 0 } else { HEAD_BYTES + Part::split(bytes).end }
}

/// A part taken apart. Places count from the end of its head.
#[derive(Clone, Copy)]
pub(super) struct Part<'p> {
    /// Its bytes from the id on, and what lies behind the part.
    pub(super) bytes: &'p [u8],
    /// How many bytes the id has: what follows is the facility.
    pub(super) id_bytes: usize,
    /// Where its fields begin.
    pub(super) fields: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// How many bytes the facility's text has.
    pub(super) facility_bytes: usize,
}

impl<'p> Part<'p> {
    /// The part at the front of some bytes.
    ///
    /// # Panics
    /// If there are none.
    #[inline(always)]
    pub(super) fn split(bytes: &'p [u8]) -> Part<'p> {
        let (head, bytes) = bytes.split_at(HEAD_BYTES);
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        Part {
            bytes,
            id_bytes: number(0) & 0xFF,
            facility_bytes: number(0) >> 8,
            fields: number(4),
            end: number(8),
        }
    }
}

/// 8 bits of the id's length (two letters and colons, a sign, 10 and 19 digits at most), 24 of that of the
/// facility's text (a value has at most 1 MiB), then 32 bits each of where the fields begin and end.
#[inline(always)]
fn head_bytes(id_bytes: usize, facility_bytes: usize, fields: usize, end: usize) -> [u8; HEAD_BYTES] {
    let word = (id_bytes | facility_bytes << 8) as u128 | (fields as u128) << 32 | (end as u128) << 64;
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = word.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

fn padded<const N: usize>(bytes: &[u8]) -> ([u8; N], usize) {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    (padded, bytes.len())
}

const HEAD_BYTES: usize = 12;

/// More than all but the reading's own texts take: 12 of the head, 34 of the row-id half, 33 of partition,
/// offset and time, 15 for each text's head and words of ours, 54 of doubles, 6 of flags, 8 of an index, 14
/// of a class and 8 of its quality.
const PART_BYTES_MAX: usize = 272;

#[inline(always)]
fn texts_bytes<const N: usize>(texts: [Option<&str>; N]) -> usize {
    texts.iter().map(|text| text.map_or(0, str::len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ScoreRules;
    use crate::score;

    #[test]
    fn a_part_begins_with_its_head_and_its_half_of_the_row_id() {
        let class = score::tank(1.0, &ScoreRules::default());
        for (number, offset, id) in [
            (12, 34_567, "t:12:34567"),
            (0, 0, "t:0:0"),
            (u32::MAX, i64::MIN, "t:4294967295:-9223372036854775808"),
        ] {
            let mut bytes = b"before".to_vec();
            let tank = TankReading { facility_id: Some("Fä"), ..TankReading::default() };
            PartEncoder::new(PartitionId { side: Side::Tank, number })
                .tank(&mut bytes, &tank, offset, 5, class);
            let length = bytes.len() - 6;
            bytes.extend(b"behind");
            assert_eq!(part_bytes(&bytes[6..]), length);
            let part = Part::split(&bytes[6..]);
            assert_eq!(&part.bytes[..part.id_bytes], id.as_bytes());
            assert_eq!(&part.bytes[part.id_bytes..part.fields], "\u{6}Fä".as_bytes());
        }
        assert_eq!(part_bytes(&[1, 2, 3]), 0);
    }
}
