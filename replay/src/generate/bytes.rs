//! Readings as the bytes of records.

use std::ops::Range;

use wellstream_core::encode;
use wellstream_core::record::{PartitionId, Side};

use crate::scenario::Poison;

use super::draw::{Bits, Drawn, STREAMS};
use super::plan::Begins;
use super::{Event, EventKind, Events, Generator};

/// Records, their bytes in one piece. Filled again and again, it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Block {
    places: Vec<Place>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    event: u64,
    partition: PartitionId,
    timestamp_ms: i64,
    /// Where its key begins, where its value does, and where that ends.
    key: usize,
    value: usize,
    end: usize,
    has_key: bool,
    is_tombstone: bool,
}

/// One record, ready to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratedRecord<'a> {
    /// The reading's index: its place in the order of sending.
    pub event: u64,
    /// Where it goes.
    pub partition: PartitionId,
    /// Its Kafka timestamp, epoch ms.
    pub timestamp_ms: i64,
    /// Its key; empty if it has none.
    pub key: &'a [u8],
    /// Whether it has a key: recorded ones may have none.
    pub has_key: bool,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

impl<'a> GeneratedRecord<'a> {
    /// Its key as Kafka has it.
    #[inline]
    pub fn kafka_key(&self) -> Option<&'a [u8]> {
        self.has_key.then_some(self.key)
    }
}

impl Block {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of keys and values that it holds.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a copy of a record that was made elsewhere, and gives its value to be changed in place.
    pub fn push(&mut self, record: &GeneratedRecord<'_>) -> &mut [u8] {
        let key = self.bytes.len();
        self.bytes.extend_from_slice(record.key);
        let value = self.bytes.len();
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.places.push(Place {
            event: record.event,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key,
            value,
            end: self.bytes.len(),
            has_key: record.has_key,
            is_tombstone: record.value.is_none(),
        });
        &mut self.bytes[value..]
    }

    /// Its records, in the order of sending.
    pub fn records(&self) -> impl ExactSizeIterator<Item = GeneratedRecord<'_>> {
        self.part(0..self.len())
    }

    /// Some of its records.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    pub fn part(&self, places: Range<usize>) -> impl ExactSizeIterator<Item = GeneratedRecord<'_>> {
        self.places[places].iter().map(|place| GeneratedRecord {
            event: place.event,
            partition: place.partition,
            timestamp_ms: place.timestamp_ms,
            key: &self.bytes[place.key..place.value],
            has_key: place.has_key,
            value: (!place.is_tombstone).then(|| &self.bytes[place.value..place.end]),
        })
    }
}

impl Generator {
    /// Appends the records of these readings to a block. `timestamp_ms` gives each one's Kafka timestamp: its
    /// `sent_ms`, or the moment at which it will really be sent.
    pub fn fill(&self, events: Events, timestamp_ms: impl Fn(&Event) -> i64, block: &mut Block) {
        let (mut begins, mut drawn) = (Begins::default(), Drawn::empty());
        let mut made = Vec::with_capacity(STREAMS);
        let mut next = events.start;
        while next < events.end {
            let end = events.end.min(next + STREAMS as u64);
            made.extend((next..end).map(|index| self.event_near(index, &mut begins)));
            next = end;
            drawn.draw(made.iter().map(|event| event.values));
            for (place, mut event) in made.drain(..).enumerate() {
                event.sent_ms = timestamp_ms(&event);
                let head = self.head(&event);
                let key = block.bytes.len();
                head.put_key(&mut block.bytes);
                let value = block.bytes.len();
                let has_value = match event.kind {
                    EventKind::Usual => {
                        self.put_usual(&event, head, drawn.stream(place), &mut block.bytes);
                        true
                    }
                    _ => self.put_value(&event, &mut block.bytes),
                };
                block.places.push(Place {
                    event: event.index,
                    partition: PartitionId { side: event.side, number: head.partition },
                    timestamp_ms: event.sent_ms,
                    key,
                    value,
                    end: block.bytes.len(),
                    has_key: true,
                    is_tombstone: !has_value,
                });
            }
        }
    }

    /// Appends a reading's value, frame and all; false if the record has none.
    pub fn put_value(&self, event: &Event, out: &mut Vec<u8>) -> bool {
        match event.kind {
            EventKind::Usual => self.put_reading(event, event.side, out),
            EventKind::Null(_) => {
                encode::put_frame(out, self.setup.schemas.nullable[event.side.index()]);
                match event.side {
                    Side::Well => encode::well_reading_nullable(out, &self.well(event)),
                    Side::Tank => encode::tank_reading_nullable(out, &self.tank(event)),
                }
            }
            EventKind::Poison(poison) => return self.put_poison(event, poison, out),
        }
        true
    }

    #[inline]
    fn put_reading(&self, event: &Event, side: Side, out: &mut Vec<u8>) {
        encode::put_frame(out, self.setup.schemas.plain[side.index()]);
        let put = match side {
            Side::Well => encode::well_reading(out, &self.well(event)),
            Side::Tank => encode::tank_reading(out, &self.tank(event)),
        };
        debug_assert!(put.is_ok(), "a usual reading has every field");
    }

    fn put_poison(&self, event: &Event, poison: Poison, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        let mut bits = event.values;
        let bits = bits.bits();
        match poison {
            Poison::Tombstone => return false,
            Poison::EmptyValue => return true,
            Poison::TooLarge => {
                self.put_reading(event, event.side, out);
                out.resize(begin + TOO_LARGE_BYTES, 0);
                return true;
            }
            Poison::WrongType => {
                // The other topic's schema id, and a body that fits it.
                let sensor = event.sensor % self.sensor_count(event.side.other());
                let stranger = Event { side: event.side.other(), sensor, ..*event };
                self.put_reading(&stranger, stranger.side, out);
                return true;
            }
            Poison::TimeTooOld | Poison::TimeTooFarAhead => {
                let event = Event { time_ms: self.time_ms(event), ..*event };
                self.put_reading(&event, event.side, out);
                return true;
            }
            Poison::NotFinite => {
                let number =
                    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][usize::from(bits.to_le_bytes()[0]) % 3];
                encode::put_frame(out, self.setup.schemas.plain[event.side.index()]);
                let (mut well, mut tank) = (self.well(event), self.tank(event));
                well.methane_ppm = Some(number);
                tank.vapor_concentration_ppm = Some(number);
                let _every_field_is_there = match event.side {
                    Side::Well => encode::well_reading(out, &well),
                    Side::Tank => encode::tank_reading(out, &tank),
                };
                return true;
            }
            _ => self.put_reading(event, event.side, out),
        }
        let value = &mut out[begin..];
        let some = |count: usize| usize::from(bits.to_le_bytes()[0]) % count;
        match poison {
            Poison::BadMagic => value[0] = 1 | bits.to_le_bytes()[1],
            Poison::UnknownSchema => value[1..5].copy_from_slice(&u32::MAX.to_be_bytes()),
            // The length of the sensor's id: -1.
            Poison::Malformed => value[5] = 1,
            // Its first character.
            Poison::BadUtf8 => value[6] = 0xff,
            Poison::Truncated => {
                let kept = 5 + some(value.len() - 5);
                out.truncate(begin + kept);
            }
            _ => out.extend_from_slice(&[0; 8][..1 + some(8)]),
        }
        true
    }
}

/// One byte more than the engine decodes.
const TOO_LARGE_BYTES: usize = (1 << 20) + 1;
