//! The naive twin of the row encoder: byte by byte, with the standard library only. Base64 aside, which it
//! decodes with four look-ups in the alphabet.

use std::ops::Range;

use wellstream_core::encode::RowTail;
use wellstream_core::record::{Input, TankReading, WellReading};
use wellstream_core::score::{TankClass, WellClass};

/// How a well's part is put.
pub(crate) type PutWell = fn(&mut Vec<u8>, &WellReading<'_>, Input, WellClass);

/// How a tank's part is put.
pub(crate) type PutTank = fn(&mut Vec<u8>, &TankReading<'_>, Input, TankClass);

/// Appends what a well reading contributes to its rows.
pub(crate) fn put_well_part(out: &mut Vec<u8>, r: &WellReading<'_>, input: Input, class: WellClass) {
    head(out, "w", input);
    text(out, r.well_id);
    for value in [r.methane_ppm, r.co2_ppm, r.pressure_psi, r.temperature_f, r.flow_rate_bpd] {
        double(out, value);
    }
    text(out, Some(&vibration(r.vibration_encoded)));
    text(out, r.pump_status);
    flag(out, r.maintenance_alert);
    text(out, Some(class.class.name()));
    long(out, Some(class.quality.into()));
}

/// Appends what a tank reading contributes to its rows.
pub(crate) fn put_tank_part(out: &mut Vec<u8>, r: &TankReading<'_>, input: Input, class: TankClass) {
    head(out, "t", input);
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
}

/// Appends a row of both sides; where it lies, and its key.
pub(crate) fn put_row(
    out: &mut Vec<u8>,
    facility: &str,
    well: &[u8],
    tank: &[u8],
    tail: RowTail,
) -> (Range<u32>, Range<u32>) {
    let place = |out: &Vec<u8>| u32::try_from(out.len()).unwrap();
    let begin = place(out);
    let (well, tank) = (well[1..].split_at(usize::from(well[0])), tank[1..].split_at(usize::from(tank[0])));
    let id = [well.0, b"|", tank.0].concat();
    raw_text(out, std::str::from_utf8(&id).unwrap());
    raw_text(out, facility);
    let key = place(out) - u32::try_from(facility.len()).unwrap()..place(out);
    out.extend(well.1);
    out.extend(tank.1);
    for value in [tail.time_ms, tail.quality.into(), tail.risk.into()] {
        raw_long(out, value);
    }
    raw_text(out, tail.status.name());
    raw_text(out, &tail.rules.to_string());
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

fn head(out: &mut Vec<u8>, side: &str, input: Input) {
    let half = format!("{side}:{}:{}", input.partition, input.offset);
    out.push(u8::try_from(half.len()).unwrap());
    out.extend(half.as_bytes());
    for value in [i64::from(input.partition), input.offset, input.time_ms] {
        long(out, Some(value));
    }
}

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
