//! What must come out: of a scenario, from the readings as facts, or of records, from their bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use wellstream_core::record::{PartitionId, Side};
use wellstream_core::rules::Rules;

use crate::generate::{Event, Generator};
use crate::oracle::{Body, Expected, Partners, RawDecoder, Stream, StreamError, Suspects, WriterSchemas};

/// Readings of a scenario as they are sent, and as they are stored.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    generator: &'a Generator,
    events: u64,
    timestamp_ms: &'a (dyn Fn(&Event) -> i64 + Sync),
    offset: &'a (dyn Fn(PartitionId, i64) -> i64 + Sync),
    is_plain: bool,
}

/// What to look at besides the sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look<'a> {
    /// Cells whose rows and alarms are to be listed.
    pub suspects: Option<&'a Arc<Suspects>>,
    /// What a run in `latest` gave its wells, to be checked.
    pub partners: Option<&'a Partners>,
}

impl<'a> Load<'a> {
    /// The first so many readings, each with its `sent_ms` as Kafka timestamp, the n-th record of a partition
    /// at offset n.
    pub fn new(generator: &'a Generator, events: u64) -> Load<'a> {
        let timestamp_ms = &|event: &Event| event.sent_ms;
        Load { generator, events, timestamp_ms, offset: &|_, nth| nth, is_plain: true }
    }

    /// With other Kafka timestamps, epoch ms: whoever sent the readings says which. They must follow from
    /// the reading.
    #[must_use]
    pub fn stamped(self, timestamp_ms: &'a (dyn Fn(&Event) -> i64 + Sync)) -> Load<'a> {
        Load { timestamp_ms, is_plain: false, ..self }
    }

    /// With other offsets: that of a partition's n-th record, from 0.
    #[must_use]
    pub fn stored(self, offset: &'a (dyn Fn(PartitionId, i64) -> i64 + Sync)) -> Load<'a> {
        Load { offset, is_plain: false, ..self }
    }

    /// Whose readings they are.
    pub fn generator(&self) -> &'a Generator {
        self.generator
    }

    /// How many readings.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether timestamps and offsets are the scenario's own.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// How many records each partition has, those without any included.
    pub fn records(&self) -> BTreeMap<PartitionId, u64> {
        let partitions: Vec<PartitionId> = Side::BOTH
            .into_iter()
            .flat_map(|side| {
                (0..self.generator.setup().partitions[side.index()])
                    .map(move |number| PartitionId { side, number })
            })
            .collect();
        let places = Places::new(&partitions);
        let count = |mut counts: Vec<u64>, index| {
            counts[places.of(self.generator.partition(&self.generator.event(index)))] += 1;
            counts
        };
        let add = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        let zeros = || vec![0; partitions.len()];
        let counts = (0..self.events).into_par_iter().fold(zeros, count).reduce(zeros, add);
        partitions.iter().copied().zip(counts).collect()
    }

    /// What a run over these readings to their end must put out.
    ///
    /// # Errors
    /// The offsets of a partition do not rise.
    pub fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, StreamError> {
        let records = self.records();
        let partitions: Vec<PartitionId> = records.keys().copied().collect();
        let places = Places::new(&partitions);
        let mut stream = Stream::new(rules, &records);
        if let Some(suspects) = look.suspects {
            stream = stream.looking_at(suspects);
        }
        if let Some(partners) = look.partners {
            stream = stream.checking(partners);
        }
        for name in self.generator.facilities() {
            // Numbered in the generator's order, so that its numbers can be used.
            stream.facility(name)?;
        }
        let mut nth = vec![0; partitions.len()];
        let mut block = Vec::new();
        let mut next = 0;
        while next < self.events {
            // 32 bits: rayon splits such ranges into equal parts.
            let count = u32::try_from(self.events - next).map_or(BLOCK_EVENTS, |left| left.min(BLOCK_EVENTS));
            let make = |nth| self.fact(next + u64::from(nth), &places);
            (0..count).into_par_iter().with_min_len(EVENTS_PER_JOB).map(make).collect_into_vec(&mut block);
            for (place, timestamp_ms, body) in block.drain(..) {
                let offset = (self.offset)(partitions[place], nth[place]);
                nth[place] += 1;
                stream.arrive(place, offset, timestamp_ms, body)?;
            }
            next += u64::from(count);
        }
        stream.finish()
    }

    /// A reading's partition, its Kafka timestamp and what it says.
    fn fact(&self, index: u64, places: &Places) -> (usize, i64, Body<u32>) {
        let mut event = self.generator.event(index);
        event.sent_ms = (self.timestamp_ms)(&event);
        (places.of(self.generator.partition(&event)), event.sent_ms, self.generator.body_numbered(&event))
    }
}

impl std::fmt::Debug for Load<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("events", &self.events).finish_non_exhaustive()
    }
}

/// Where each of the partitions 0, 1, ... of both sides stands: wells first.
struct Places {
    wells: usize,
}

impl Places {
    fn new(partitions: &[PartitionId]) -> Places {
        Places { wells: partitions.iter().filter(|partition| partition.side == Side::Well).count() }
    }

    #[inline]
    fn of(&self, partition: PartitionId) -> usize {
        partition.number as usize + if partition.side == Side::Tank { self.wells } else { 0 }
    }
}

/// The streaming oracle over records as bytes: a trace, or topics that are read back. Memory holds what lies
/// between the slowest partition and the fastest, so records stand best in the order of their sending.
#[derive(Debug)]
pub struct RawStream<'s, 'r> {
    decoder: RawDecoder<'s>,
    stream: Stream<'r>,
}

impl<'s, 'r> RawStream<'s, 'r> {
    /// Before the first record; `records` says how many each partition has.
    pub fn new(
        schemas: &'s WriterSchemas,
        rules: &'r Rules,
        records: &BTreeMap<PartitionId, u64>,
    ) -> RawStream<'s, 'r> {
        RawStream { decoder: RawDecoder::new(schemas), stream: Stream::new(rules, records) }
    }

    /// The same, looking at more than sums.
    #[must_use]
    pub fn looking_at(self, look: Look<'r>) -> RawStream<'s, 'r> {
        let RawStream { decoder, mut stream } = self;
        if let Some(suspects) = look.suspects {
            stream = stream.looking_at(suspects);
        }
        if let Some(partners) = look.partners {
            stream = stream.checking(partners);
        }
        RawStream { decoder, stream }
    }

    /// Takes a partition's next record, as it is stored where the engine reads it.
    ///
    /// # Errors
    /// Its offset is not above that of the partition's last one, or it was not announced.
    pub fn record(
        &mut self,
        partition: PartitionId,
        offset: i64,
        timestamp_ms: i64,
        value: Option<&[u8]>,
    ) -> Result<(), StreamError> {
        let body = self.decoder.body(partition.side, value);
        self.stream.record(partition, offset, timestamp_ms, body)
    }

    /// What a run over these records to their end must put out.
    ///
    /// # Errors
    /// Records are missing.
    pub fn finish(self) -> Result<Expected, StreamError> {
        self.stream.finish()
    }
}

/// Readings that are made before they are judged.
const BLOCK_EVENTS: u32 = 65_536;

/// Readings that are worth handing to another thread.
const EVENTS_PER_JOB: usize = 4_096;
