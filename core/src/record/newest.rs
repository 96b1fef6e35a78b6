//! What a cache of newest values is told after a commit: the newest reading of each sensor that was read
//! since the cut before, and the newest row of each facility. Of equal event times the larger partition and
//! offset is the newer, so that whoever writes last makes no difference.

use std::sync::Arc;

use super::{Input, PartitionId, Side, Status};

/// Newest readings, with the bytes that they point into.
#[derive(Clone, Debug, Default)]
pub struct NewestReadings {
    /// One for each sensor that the lane has read, in no order.
    pub readings: Vec<NewestReading>,
    /// Sensors' ids and records' values.
    pub bytes: Vec<u8>,
}

/// An accepted reading, late ones and those that a filter drops excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestReading {
    /// Whose reading it is.
    pub side: Side,
    /// Its event time and place in the log.
    pub input: Input,
    start: u32,
    sensor_bytes: u16,
    value_bytes: u32,
    /// What of `bytes` is its own: a newer one of the same sensor takes its place where it fits.
    room: u32,
}

/// A facility's newest row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestRow {
    /// The facility.
    pub facility: Arc<str>,
    /// Row time: the later input's event time, epoch ms.
    pub time_ms: i64,
    /// The well's reading, if it has one.
    pub well: Option<Input>,
    /// The tank's reading, if it has one.
    pub tank: Option<Input>,
    /// Risk score.
    pub risk: u32,
    /// NORMAL or ALERT.
    pub status: Status,
}

/// All that one epoch tells a cache.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Of each lane.
    pub readings: Vec<NewestReadings>,
    /// Of each shard.
    pub rows: Vec<Vec<NewestRow>>,
}

impl NewestReadings {
    /// The sensor's id.
    #[must_use]
    pub fn sensor(&self, reading: &NewestReading) -> &str {
        let start = reading.start as usize;
        let id = &self.bytes[start..start + usize::from(reading.sensor_bytes)];
        std::str::from_utf8(id).unwrap_or_default()
    }

    /// The record's value: Confluent frame and Avro body.
    #[must_use]
    pub fn value(&self, reading: &NewestReading) -> &[u8] {
        let start = reading.start as usize + usize::from(reading.sensor_bytes);
        &self.bytes[start..start + reading.value_bytes as usize]
    }

    /// Adds a sensor's first reading; returns its place.
    pub fn push(&mut self, partition: PartitionId, sensor: &str, input: Input, value: &[u8]) -> usize {
        let start = narrow(self.bytes.len());
        self.bytes.extend_from_slice(sensor.as_bytes());
        self.bytes.extend_from_slice(value);
        let room = (sensor.len() + value.len()).next_multiple_of(ROOM_STEP);
        self.bytes.resize(start as usize + room, 0);
        self.readings.push(NewestReading {
            side: partition.side,
            input,
            start,
            sensor_bytes: u16::try_from(sensor.len()).unwrap_or(u16::MAX),
            value_bytes: narrow(value.len()),
            room: narrow(room),
        });
        self.readings.len() - 1
    }

    /// A reading of the same sensor takes the place of one that is older; one that is not newer is dropped.
    pub(crate) fn replace(&mut self, place: usize, input: Input, value: &[u8]) {
        let reading = &mut self.readings[place];
        if input <= reading.input {
            return;
        }
        let sensor_bytes = usize::from(reading.sensor_bytes);
        let bytes = sensor_bytes + value.len();
        if bytes > reading.room as usize {
            let old = reading.start as usize;
            reading.start = narrow(self.bytes.len());
            reading.room = narrow(bytes.next_multiple_of(ROOM_STEP));
            self.bytes.extend_from_within(old..old + sensor_bytes);
            self.bytes.resize(reading.start as usize + reading.room as usize, 0);
        }
        let start = reading.start as usize + sensor_bytes;
        self.bytes[start..start + value.len()].copy_from_slice(value);
        (reading.input, reading.value_bytes) = (input, narrow(value.len()));
    }
}

impl NewestRow {
    /// Whether it is newer than another row of its facility.
    #[must_use]
    pub fn is_newer_than(&self, other: &NewestRow) -> bool {
        self.order() > other.order()
    }

    /// Time first, then the places of what it is made of: a total order of a facility's rows.
    #[must_use]
    pub fn order(&self) -> (i64, [i64; 4]) {
        let place = |input: Option<Input>| input.map_or([-1, -1], |it| [i64::from(it.partition), it.offset]);
        let ([a, b], [c, d]) = (place(self.well), place(self.tank));
        (self.time_ms, [a, b, c, d])
    }
}

impl News {
    /// The oldest event time among what is told, epoch ms: a restart that is to tell it again must read from
    /// there.
    #[must_use]
    pub fn oldest_ms(&self) -> Option<i64> {
        let readings = self.readings.iter().flat_map(|of| &of.readings).map(|reading| reading.input.time_ms);
        let inputs = |row: &NewestRow| row.well.into_iter().chain(row.tank).map(|input| input.time_ms).min();
        readings.chain(self.rows.iter().flatten().filter_map(inputs)).min()
    }

    /// Nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readings.iter().all(|of| of.readings.is_empty()) && self.rows.iter().all(Vec::is_empty)
    }
}

/// An epoch's readings of one lane are far below 4 GiB: a lane cuts off before.
fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Readings of one sensor differ by some bytes.
const ROOM_STEP: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const WELLS: PartitionId = PartitionId { side: Side::Well, number: 1 };

    fn at(time_ms: i64, offset: i64) -> Input {
        Input { time_ms, partition: 1, offset }
    }

    #[test]
    fn a_newer_reading_takes_the_place_of_an_older_one_whatever_its_length() {
        let mut newest = NewestReadings::default();
        let place = newest.push(WELLS, "WELL-1", at(5, 0), b"first");
        newest.push(WELLS, "WELL-2", at(1, 1), b"other");
        let long = vec![7; 100];
        for (input, value, kept) in [
            (at(4, 2), &b"older"[..], &b"first"[..]),
            (at(5, 3), b"same time, larger offset", b"same time, larger offset"),
            (at(6, 4), &long, &long),
            (at(7, 5), b"", b""),
        ] {
            newest.replace(place, input, value);
            let reading = newest.readings[place];
            assert_eq!((newest.sensor(&reading), newest.value(&reading)), ("WELL-1", kept));
            let other = newest.readings[1];
            assert_eq!((newest.sensor(&other), newest.value(&other)), ("WELL-2", &b"other"[..]));
        }
        let news = News { readings: vec![newest], ..News::default() };
        assert_eq!((news.oldest_ms(), news.is_empty()), (Some(1), false));
    }

    #[test]
    fn of_rows_of_one_time_the_inputs_places_decide() {
        let row = |time_ms, well: Option<Input>, tank: Option<Input>| NewestRow {
            facility: "F".into(),
            time_ms,
            well,
            tank,
            risk: 0,
            status: Status::Normal,
        };
        let rows = [
            row(1, Some(at(1, 9)), Some(at(1, 9))),
            row(2, None, Some(at(2, 3))),
            row(2, Some(at(0, 1)), Some(at(2, 3))),
            row(2, Some(at(2, 2)), Some(at(1, 1))),
            row(2, Some(at(2, 2)), Some(at(1, 2))),
        ];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                assert_eq!(a.is_newer_than(b), i > j);
            }
        }
    }
}
