//! What a reading contributes to its rows, rendered once.
//!
//! A part: a head of twelve bytes, its half of the row id (`w:P:O` or `t:P:O`), the facility as length and
//! text, then the side's fields of enriched-event.avsc, encoded. So of a well's part all that follows the id
//! is one piece of the row.

use crate::record::{PartitionId, Side, TankReading, WellReading};
use crate::score::{EmissionClass, TankClass, VaporClass, WellClass};

use super::pen::{Pen, append};
use super::reading::VALUE;
use super::wire::put_long;

/// The record that a part is made of.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'v> {
    /// Its offset.
    pub offset: i64,
    /// Its event time, epoch ms.
    pub time_ms: i64,
    /// Its value: texts that lie in it are copied with their neighbours. Any other bytes do as well.
    pub value: &'v [u8],
}

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
    pub fn well(&self, out: &mut Vec<u8>, r: &WellReading<'_>, origin: &Origin<'_>, class: WellClass) {
        const NAMES: [Name; 3] = [
            Name::new(EmissionClass::High.name()),
            Name::new(EmissionClass::Medium.name()),
            Name::new(EmissionClass::Normal.name()),
        ];
        // A vibration's text is shorter than its base64, or one of two words.
        let texts = [r.facility_id, r.well_id, r.vibration_encoded, r.pump_status];
        self.put(out, r.facility_id, origin, texts_bytes(texts), |pen| {
            pen.nullable_text(origin.value, r.well_id);
            pen.nullable_doubles([
                r.methane_ppm,
                r.co2_ppm,
                r.pressure_psi,
                r.temperature_f,
                r.flow_rate_bpd,
            ]);
            pen.byte(VALUE);
            pen.vibration(r.vibration_encoded);
            pen.nullable_text(origin.value, r.pump_status);
            pen.nullable_flags([r.maintenance_alert]);
            let name = &NAMES[class.class as usize];
            pen.front::<NAME_ROOM>(&name.bytes, name.length);
            pen.value_long(i64::from(class.quality));
        });
    }

    /// Appends what a tank reading contributes to its rows.
    pub fn tank(&self, out: &mut Vec<u8>, r: &TankReading<'_>, origin: &Origin<'_>, class: TankClass) {
        const NAMES: [Name; 3] = [
            Name::new(VaporClass::Critical.name()),
            Name::new(VaporClass::High.name()),
            Name::new(VaporClass::Normal.name()),
        ];
        let texts = [r.facility_id, r.tank_id, r.leak_detection_status];
        self.put(out, r.facility_id, origin, texts_bytes(texts), |pen| {
            pen.nullable_text(origin.value, r.tank_id);
            pen.nullable_doubles([r.level_percentage, r.vapor_concentration_ppm]);
            pen.nullable_text(origin.value, r.leak_detection_status);
            pen.nullable_doubles([r.ambient_temperature_f, r.internal_pressure_psi]);
            pen.nullable_flags([r.flame_arrestor_status, r.vapor_recovery_active, r.emergency_shutdown]);
            pen.nullable_doubles([r.wind_speed_mph, r.atmospheric_pressure_mb]);
            pen.nullable_long(r.air_quality_index.map(i64::from));
            let name = &NAMES[class.class as usize];
            pen.front::<NAME_ROOM>(&name.bytes, name.length);
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
        origin: &Origin<'_>,
        texts_bytes: usize,
        fields: impl FnOnce(&mut Pen<'_>),
    ) {
        let &Origin { offset, time_ms, value } = origin;
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
            pen.text_of(value, facility);
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

/// The name of a class as a value of a union with null: branch, length and text, and zeros behind.
struct Name {
    bytes: [u8; NAME_ROOM],
    length: usize,
}

impl Name {
    const fn new(name: &str) -> Name {
        let (mut bytes, text) = ([0; NAME_ROOM], name.as_bytes());
        bytes[0] = VALUE;
        // Zigzag of a length below 64: names of ours are short.
        let [twice, ..] = (2 * text.len()).to_le_bytes();
        bytes[1] = twice;
        let mut at = 0;
        while at < text.len() {
            bytes[2 + at] = text[at];
            at += 1;
        }
        Name { bytes, length: 2 + text.len() }
    }
}

/// Room for the longest name, a multiple of a word.
const NAME_ROOM: usize = 24;

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
            PartEncoder::new(PartitionId { side: Side::Tank, number }).tank(
                &mut bytes,
                &tank,
                &Origin { offset, time_ms: 5, value: &[] },
                class,
            );
            let length = bytes.len() - 6;
            bytes.extend(b"behind");
            assert_eq!(part_bytes(&bytes[6..]), length);
            let part = Part::split(&bytes[6..]);
            assert_eq!(&part.bytes[..part.id_bytes], id.as_bytes());
            assert_eq!(&part.bytes[part.id_bytes..part.fields], "\u{6}Fä".as_bytes());
        }
        assert_eq!(part_bytes(&[1, 2, 3]), 0);
    }

    #[test]
    fn differential_where_texts_lie_does_not_change_a_part() {
        let mut rng = fastrand::Rng::with_seed(7);
        let all: String = (0..200).map(|_| rng.alphanumeric()).collect();
        let (well_class, tank_class) =
            (score::well(400.0, &ScoreRules::default()), score::tank(6_000.0, &ScoreRules::default()));
        let encoder = PartEncoder::new(PartitionId { side: Side::Well, number: 3 });
        for _ in 0..20_000 {
            let (from, to) = (rng.usize(..100), rng.usize(100..=200));
            let value = &all.as_bytes()[from..to];
            let mut text = || {
                let length = rng.usize(..=24);
                // Within the value mostly, at its ends often, and outside it.
                let at = match rng.u8(..8) {
                    0 => rng.usize(..=200 - length),
                    1 => from,
                    2 => to - length,
                    _ => rng.usize(from..=(to - length).max(from)),
                };
                Some(&all[at..(at + length).min(200)])
            };
            let well = WellReading {
                well_id: text(),
                facility_id: text(),
                pump_status: text(),
                ..WellReading::default()
            };
            let tank = TankReading {
                tank_id: text(),
                facility_id: text(),
                leak_detection_status: text(),
                ..TankReading::default()
            };
            let [in_value, alone] = [value, &[]].map(|value| {
                let origin = Origin { offset: 41, time_ms: 7, value };
                let mut parts = (Vec::new(), Vec::new());
                encoder.well(&mut parts.0, &well, &origin, well_class);
                encoder.tank(&mut parts.1, &tank, &origin, tank_class);
                parts
            });
            assert_eq!(in_value, alone);
        }
    }
}
