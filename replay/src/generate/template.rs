//! Usual readings as bytes, put together from parts that were encoded before.
//!
//! What the schemas' encoder says of the same reading is the naive twin: see `tests`.

use wellstream_core::encode;
use wellstream_core::record::Side;

use super::draw::Bits;
use super::values::{LEAK_STATUSES, PUMP_STATUSES, VIBRATIONS, leak_status, whole};
use super::{Event, Generator};
use crate::scenario::KeyedBy;

/// Everything of readings that can be written before they are made.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    /// By side and sensor.
    heads: [Vec<Head>; 2],
    /// What ends a well's reading, by [`well_end`].
    well_ends: Vec<Text>,
    leak_statuses: Vec<Text>,
}

/// How a sensor's readings begin, up to the event time, what their key is and where they go: in one line of
/// the cache or two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Frame, sensor's id, facility's id.
    value: Text,
    /// Where in it the key is.
    key: [u8; 2],
    pub(super) partition: u32,
}

impl Head {
    /// Appends the key of the sensor's records.
    #[inline]
    pub(super) fn put_key(&self, out: &mut Vec<u8>) {
        let [begin, end] = self.key.map(usize::from);
        let key_end = out.len() + (end - begin);
        match self.value.bytes[begin..].first_chunk::<KEY_BYTES>() {
            Some(wide) => out.extend_from_slice(wide),
            None => out.extend_from_slice(&self.value.bytes[begin..]),
        }
        out.truncate(key_end);
    }
}

/// A few bytes that are copied at their full width, which needs no loop, and then cut.
#[derive(Clone, Copy, Debug)]
struct Text {
    bytes: [u8; TEXT_BYTES],
    length: u8,
}

impl Templates {
    /// Of the sensors with these ids, in these partitions.
    pub(super) fn new<'a>(
        schemas: [u32; 2],
        keyed_by: KeyedBy,
        sensors: [&mut dyn Iterator<Item = (&'a str, &'a str, u32)>; 2],
    ) -> Templates {
        let mut sides = schemas.into_iter().zip(sensors).map(|(schema, sensors)| {
            let head = |(sensor, facility, partition): (&str, &str, u32)| {
                let mut bytes = Vec::new();
                encode::put_frame(&mut bytes, schema);
                let ids = [sensor, facility].map(Text::avro);
                ids.iter().for_each(|id| bytes.extend_from_slice(id.get()));
                let key_bytes = match keyed_by {
                    KeyedBy::Sensor => FRAME_BYTES + 1..FRAME_BYTES + 1 + sensor.len(),
                    KeyedBy::Facility => bytes.len() - facility.len()..bytes.len(),
                };
                let key = [key_bytes.start, key_bytes.end].map(|at| u8::try_from(at).unwrap_or_default());
                Head { value: Text::new(&bytes), key, partition }
            };
            sensors.map(head).collect()
        });
        let heads = [sides.next().unwrap_or_default(), sides.next().unwrap_or_default()];
        let mut well_ends = Vec::new();
        for vibration in VIBRATIONS {
            for pump in PUMP_STATUSES {
                for alert in [0, 1] {
                    let bytes = [Text::avro(vibration).get(), Text::avro(pump).get(), &[alert]].concat();
                    well_ends.push(Text::new(&bytes));
                }
            }
        }
        Templates { heads, well_ends, leak_statuses: LEAK_STATUSES.map(Text::avro).to_vec() }
    }
}

/// The place of a well's last three fields among all there can be.
#[inline]
fn well_end(vibration: usize, pump: usize, alert: bool) -> usize {
    (vibration * PUMP_STATUSES.len() + pump) * 2 + usize::from(alert)
}

impl Text {
    fn new(text: &[u8]) -> Text {
        let mut bytes = [0; TEXT_BYTES];
        bytes[..text.len()].copy_from_slice(text);
        Text { bytes, length: u8::try_from(text.len()).unwrap_or_default() }
    }

    /// With Avro's length in front, which is one byte.
    fn avro(text: &str) -> Text {
        let length = u8::try_from(2 * text.len()).unwrap_or_default();
        Text::new(&[&[length], text.as_bytes()].concat())
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.length);
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

impl Generator {
    #[inline]
    pub(super) fn head(&self, event: &Event) -> &Head {
        &self.templates.heads[event.side.index()][event.sensor as usize]
    }

    /// Appends the value of a usual reading: the same bytes as `put_value`. `draws` are those of its values.
    #[inline]
    pub(super) fn put_usual(&self, event: &Event, head: &Head, draws: impl Bits, out: &mut Vec<u8>) {
        head.value.put(out);
        put_long(out, event.time_ms);
        match event.side {
            Side::Well => self.put_well(event, draws, out),
            Side::Tank => self.put_tank(event, draws, out),
        }
    }

    /// What follows the time. Values are drawn in the same order as in [`Generator::well`].
    #[inline]
    fn put_well(&self, event: &Event, mut draws: impl Bits, out: &mut Vec<u8>) {
        let ranges = &self.ranges;
        let doubles = [
            ranges.methane[event.mood as usize],
            ranges.co2,
            ranges.pressure,
            ranges.temperature,
            ranges.flow,
        ];
        put_doubles(out, doubles.map(|range| range.draw(&mut draws)));
        let vibration = place(VIBRATIONS.len(), &mut draws);
        let pump = place(PUMP_STATUSES.len(), &mut draws);
        let alert = draws.below(20) == 0;
        self.templates.well_ends[well_end(vibration, pump, alert)].put(out);
    }

    /// What follows the time. Values are drawn in the same order as in [`Generator::tank`].
    #[inline]
    fn put_tank(&self, event: &Event, mut draws: impl Bits, out: &mut Vec<u8>) {
        let ranges = &self.ranges;
        let vapor = ranges.vapor[event.mood as usize].draw(&mut draws);
        let flags = draws.bits();
        put_doubles(out, [ranges.level.draw(&mut draws), vapor]);
        let drawn = place(LEAK_STATUSES.len(), &mut draws);
        let status = if self.scenario.leak.is_some() { leak_status(event.mood) } else { drawn };
        self.templates.leak_statuses[status].put(out);
        put_doubles(out, [ranges.ambient, ranges.internal].map(|range| range.draw(&mut draws)));
        out.extend_from_slice(&[
            u8::from(flags & 0xf != 0),
            u8::from(flags & 0x10 != 0),
            u8::from(flags & 0x3e0 == 0),
        ]);
        put_doubles(out, [ranges.wind, ranges.atmospheric].map(|range| range.draw(&mut draws)));
        put_long(out, i64::from(whole(ranges.air_quality.draw(&mut draws))));
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below the length of a list")]
fn place(count: usize, draws: &mut impl Bits) -> usize {
    draws.below(count as u64) as usize
}

#[inline]
fn put_doubles<const N: usize>(out: &mut Vec<u8>, doubles: [f64; N]) {
    out.extend_from_slice(doubles.map(f64::to_le_bytes).as_flattened());
}

/// A zigzag varint. Groups of seven bits are spread over eight bytes in three steps instead of one at a time.
#[inline]
fn put_long(out: &mut Vec<u8>, value: i64) {
    let raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    if raw >> 56 != 0 {
        // Far from any time that a reading has: the sensor's clock would be 2 million years off.
        return put_long_slowly(out, raw);
    }
    let halves = ((raw & 0x00ff_ffff_f000_0000) << 4) | (raw & 0x0fff_ffff);
    let quarters = ((halves & 0x0fff_c000_0fff_c000) << 2) | (halves & 0x0000_3fff_0000_3fff);
    let groups = ((quarters & 0x3f80_3f80_3f80_3f80) << 1) | (quarters & 0x007f_007f_007f_007f);
    let more = (63 - (groups | 1).leading_zeros()) / 8;
    let marks = 0x8080_8080_8080_8080 & !(u64::MAX << (8 * more));
    let end = out.len() + more as usize + 1;
    out.extend_from_slice(&(groups | marks).to_le_bytes());
    out.truncate(end);
}

#[cold]
fn put_long_slowly(out: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

/// Copied of a key at a time, which is no longer.
const KEY_BYTES: usize = 16;
/// A 0 and the schema id.
const FRAME_BYTES: usize = 5;
/// The longest: a frame, "WELL-" and "FAC-" with seven digits each (a scenario has at most 10 million
/// sensors), and their lengths.
const TEXT_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use wellstream_core::record::TankReading;

    use crate::generate::{EventKind, Setup};
    use crate::scenario::Scenario;

    use super::*;

    #[test]
    fn the_largest_scenario_has_room() {
        let bytes = [FRAME_BYTES, 1, "WELL-9999999".len(), 1, "FAC-9999999".len()];
        assert!(bytes.iter().sum::<usize>() <= TEXT_BYTES);
    }

    #[test]
    fn longs_are_those_of_the_encoder() {
        for bit in 0..64 {
            for value in [1_i64 << bit, (1_i64 << bit).wrapping_sub(1), !(1_i64 << bit)] {
                let mut found = Vec::new();
                put_long(&mut found, value);
                let tank = TankReading { timestamp: Some(value), ..TankReading::default() };
                let mut all = Vec::new();
                encode::tank_reading_nullable(&mut all, &tank);
                // Two nulls, a branch, the time, eleven nulls.
                assert_eq!(found, all[3..all.len() - 11], "{value}");
            }
        }
    }

    #[test]
    fn usual_readings_are_those_of_the_encoder() {
        for (place, name) in Scenario::NAMES.iter().enumerate() {
            let mut scenario = Scenario::named(name).unwrap();
            scenario.keyed_by = [KeyedBy::Sensor, KeyedBy::Facility][place % 2];
            let generator = Generator::new(scenario, Setup::default());
            let encoded = |event: &Event| {
                let mut bytes = Vec::new();
                encode::put_frame(&mut bytes, generator.setup().schemas.plain[event.side.index()]);
                match event.side {
                    Side::Well => encode::well_reading(&mut bytes, &generator.well(event)),
                    Side::Tank => encode::tank_reading(&mut bytes, &generator.tank(event)),
                }
                .unwrap();
                bytes
            };
            for index in (0..20_000).chain(2_000_000..2_010_000) {
                let event = generator.event(index);
                if event.kind == EventKind::Usual {
                    let (head, mut bytes) = (generator.head(&event), Vec::new());
                    head.put_key(&mut bytes);
                    assert_eq!(bytes, generator.key(&event).as_bytes());
                    bytes.clear();
                    assert_eq!(head.partition, generator.partition(&event).number);
                    generator.put_usual(&event, head, event.values, &mut bytes);
                    assert_eq!(bytes, encoded(&event), "{name} {index}");
                }
            }
        }
    }
}
