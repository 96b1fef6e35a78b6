//! The naive twin of the row encoder: byte by byte, with the standard library only. Base64 aside, which it
//! decodes with four look-ups in the alphabet.

use std::ops::Range;

use wellstream_core::encode::RowTail;
use wellstream_core::record::{Input, TankReading, WellReading};
use wellstream_core::score::{TankClass, WellClass};

/// Appends what a well reading contributes to its rows.
pub(crate) fn put_well_part(out: &mut Vec<u8>, r: &WellReading<'_>, input: Input, class: WellClass) {
    let part = begin(out, "w", r.facility_id, input);
    text(out, r.well_id);
    for value in [r.methane_ppm, r.co2_ppm, r.pressure_psi, r.temperature_f, r.flow_rate_bpd] {
        double(out, value);
    }
    text(out, Some(&vibration(r.vibration_encoded)));
    text(out, r.pump_status);
    flag(out, r.maintenance_alert);
    text(out, Some(class.class.name()));
    long(out, Some(class.quality.into()));
    part.end(out);
}

/// Appends what a tank reading contributes to its rows.
pub(crate) fn put_tank_part(out: &mut Vec<u8>, r: &TankReading<'_>, input: Input, class: TankClass) {
    let part = begin(out, "t", r.facility_id, input);
    text(out, r.tank_id);
    double(out, r.level_percentage);
    double(out, r.vapor_concentration_ppm);
    text(out, r.leak_detection_status);
    double(out, r.ambient_temperature_f);
    double(out, r.internal_pressure_psi);
    flag(out, r.flame_arrestor_status);
    flag(out, r.vapor_recovery_active);
    flag(out, r.emergency_shutdown);
    double(out, r.wind_speed_mph);
    double(out, r.atmospheric_pressure_mb);
    long(out, r.air_quality_index.map(i64::from));
    text(out, Some(class.class.name()));
    long(out, Some(class.quality.into()));
    part.end(out);
}

/// Appends a row of both sides; where it lies, and its key.
pub(crate) fn put_row(
    out: &mut Vec<u8>,
    well: &[u8],
    tank: &[u8],
    tail: RowTail,
    rules: &str,
) -> (Range<u32>, Range<u32>) {
    let place = |out: &Vec<u8>| u32::try_from(out.len()).unwrap();
    let begin = place(out);
    let ([well_id, facility, well], [tank_id, _, tank]) = (split(well), split(tank));
    let id = [well_id, b"|", tank_id].concat();
    raw_text(out, std::str::from_utf8(&id).unwrap());
    out.extend(facility);
    // The benches' facilities are short: one byte of length.
    let key = place(out) - u32::from(facility[0] / 2)..place(out);
    out.extend(well);
    out.extend(tank);
    for value in [tail.time_ms, tail.quality.into(), tail.risk.into()] {
        raw_long(out, value);
    }
    raw_text(out, tail.status.name());
    raw_text(out, rules);
    (begin..place(out), key)
}

/// The vibration as text.
pub(crate) fn vibration(encoded: Option<&str>) -> String {
    let Some(encoded) = encoded else { return "N/A".to_owned() };
    let decoded = base64(encoded.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| "DECODE_ERROR".to_owned())
}

/// Strict base64: `None` where it is none.
fn base64(encoded: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    if !encoded.len().is_multiple_of(4) {
        return None;
    }
    let quads = encoded.len() / 4;
    for (n, quad) in encoded.chunks(4).enumerate() {
        let last = n + 1 == quads;
        let padding = quad.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || padding > 0 && !last {
            return None;
        }
        let mut bits = 0;
        for byte in &quad[..4 - padding] {
            bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|letter| letter == byte)?).unwrap();
        }
        bits <<= 6 * padding;
        let bytes = bits.to_be_bytes();
        if bytes[4 - padding..].iter().any(|spare| *spare != 0) {
            return None;
        }
        out.extend(&bytes[1..4 - padding]);
    }
    Some(out)
}

/// A part that has been begun: what its head will say.
struct Begun {
    at: usize,
    id: usize,
    facility: usize,
    fields: usize,
}

fn begin(out: &mut Vec<u8>, side: &str, facility: Option<&str>, input: Input) -> Begun {
    let (at, facility) = (out.len(), facility.unwrap_or_default());
    out.extend([0; HEAD]);
    let id = format!("{side}:{}:{}", input.partition, input.offset);
    out.extend(id.as_bytes());
    raw_text(out, facility);
    let fields = out.len() - at - HEAD;
    for value in [i64::from(input.partition), input.offset, input.time_ms] {
        long(out, Some(value));
    }
    Begun { at, id: id.len(), facility: facility.len(), fields }
}

impl Begun {
    fn end(self, out: &mut [u8]) {
        let end = out.len() - self.at - HEAD;
        let words = [self.id + 256 * self.facility, self.fields, end];
        for (place, word) in out[self.at..].chunks_mut(4).zip(words) {
            place.copy_from_slice(&u32::try_from(word).unwrap().to_le_bytes());
        }
    }
}

/// Id, facility and fields of a part.
fn split(part: &[u8]) -> [&[u8]; 3] {
    let word = |n: usize| u32::from_le_bytes(part[4 * n..4 * n + 4].try_into().unwrap()) as usize;
    let (id, fields, end) = (HEAD + word(0) % 256, HEAD + word(1), HEAD + word(2));
    [&part[HEAD..id], &part[id..fields], &part[fields..end]]
}

const HEAD: usize = 12;

fn long(out: &mut Vec<u8>, value: Option<i64>) {
    out.push(if value.is_some() { 2 } else { 0 });
    value.inspect(|value| raw_long(out, *value));
}

fn raw_long(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

fn raw_text(out: &mut Vec<u8>, text: &str) {
    raw_long(out, i64::try_from(text.len()).unwrap());
    out.extend(text.as_bytes());
}

fn text(out: &mut Vec<u8>, value: Option<&str>) {
    out.push(if value.is_some() { 2 } else { 0 });
    value.inspect(|value| raw_text(out, value));
}

fn double(out: &mut Vec<u8>, value: Option<f64>) {
    out.push(if value.is_some() { 2 } else { 0 });
    value.inspect(|value| out.extend(value.to_le_bytes()));
}

fn flag(out: &mut Vec<u8>, value: Option<bool>) {
    out.push(if value.is_some() { 2 } else { 0 });
    value.inspect(|value| out.push(u8::from(*value)));
}
