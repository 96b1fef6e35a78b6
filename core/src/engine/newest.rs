//! A lane's newest accepted reading of each sensor since its last cut.
//!
//! Enters: accepted readings, also those that are read again. Leaves: at each cut, one reading per sensor.
//! Drops: what is not the newest of its sensor.

use std::hash::RandomState;

use hashbrown::HashMap;

use crate::exchange::{ShortIds, short_key};
use crate::limits;
use crate::record::{Input, NewestReadings, PartitionId};

/// Where each sensor's newest reading lies.
#[derive(Debug, Default)]
pub(super) struct Newest {
    short: [ShortIds<u32>; 2],
    long: [HashMap<Box<str>, u32, RandomState>; 2],
    /// By a sensor's number: the cut before which it was last read, and the place of its reading.
    places: Vec<(u64, u32)>,
    cut: u64,
    readings: NewestReadings,
}

impl Newest {
    /// A reading was accepted.
    pub(super) fn note(&mut self, partition: PartitionId, sensor: &str, input: Input, value: &[u8]) {
        let number = self.number(partition, sensor);
        let (cut, place) = self.places[number];
        if cut == self.cut + 1 {
            self.readings.replace(place as usize, input, value);
            return;
        }
        let place = self.readings.push(partition, sensor, input, value);
        self.places[number] = (self.cut + 1, u32::try_from(place).unwrap_or(u32::MAX));
    }

    /// What was newest since the last cut.
    pub(super) fn take(&mut self) -> NewestReadings {
        self.cut += 1;
        if self.places.len() > limits::SENSORS_MAX {
            *self =
                Newest { cut: self.cut, readings: std::mem::take(&mut self.readings), ..Newest::default() };
        }
        std::mem::take(&mut self.readings)
    }

    fn number(&mut self, partition: PartitionId, sensor: &str) -> usize {
        let side = partition.side.index();
        let key = short_key(sensor.as_bytes());
        let known = match key {
            Some(key) => self.short[side].get(key),
            None => self.long[side].get(sensor).copied(),
        };
        known.unwrap_or_else(|| {
            let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.places.push((0, 0));
            match key {
                Some(key) => self.short[side].insert(key, number),
                None => drop(self.long[side].insert(sensor.into(), number)),
            }
            number
        }) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::record::Side;

    use super::*;

    /// Against a map that is emptied at each cut.
    #[test]
    fn each_cut_has_the_newest_reading_of_each_sensor_that_was_read_since_the_one_before() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut newest = Newest::default();
        let mut offset = 0;
        for _ in 0..40 {
            let mut naive: BTreeMap<(Side, String), (Input, Vec<u8>)> = BTreeMap::new();
            for _ in 0..random.usize(0..300) {
                offset += 1;
                let side = Side::BOTH[random.usize(0..2)];
                let partition = PartitionId { side, number: random.u32(0..3) };
                // Short ids and long ones, the same on both sides.
                let sensor = match random.u32(0..2) {
                    0 => format!("S-{}", random.u32(0..30)),
                    _ => format!("a sensor with a long name {}", random.u32(0..30)),
                };
                let input = Input { time_ms: random.i64(0..20), partition: partition.number, offset };
                let value: Vec<u8> = (0..random.usize(0..90)).map(|_| random.u8(..)).collect();
                newest.note(partition, &sensor, input, &value);
                let known = naive.entry((side, sensor)).or_insert_with(|| (input, value.clone()));
                if input > known.0 {
                    *known = (input, value);
                }
            }
            let taken = newest.take();
            let found: BTreeMap<_, _> = taken
                .readings
                .iter()
                .map(|it| {
                    let key = (it.side, taken.sensor(it).to_owned());
                    (key, (it.input, taken.value(it).to_vec()))
                })
                .collect();
            assert_eq!((found.len(), found), (taken.readings.len(), naive));
        }
    }
}
