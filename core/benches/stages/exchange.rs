//! Readings and their parts go from a lane to two shards.

use std::collections::VecDeque;
use std::sync::Mutex;

use wellstream_core::exchange::{self, Batch, PartReading, Receiver, Sender};
use wellstream_core::limits;

use super::{Stage, sample};
use crate::load::{Load, READINGS};

/// The stage of this name, if it is one of these.
pub(super) fn stage<'l>(load: &'l Load, name: &str) -> Option<Stage<'l>> {
    match name {
        "exchange" => Some(exchange(load)),
        "naive_exchange" => Some(naive(load)),
        _ => None,
    }
}

/// One shard's queue, with the batch that the lane fills for it.
struct Way {
    lane: Sender,
    filling: Batch,
    shard: Receiver,
}

impl Way {
    fn new() -> Way {
        let (lane, shard) = exchange::queue(limits::EXCHANGE_BATCHES);
        Way { lane, filling: Batch::default(), shard }
    }

    fn push(&mut self) {
        let empty = self.lane.empty_batch();
        self.lane.push(std::mem::replace(&mut self.filling, empty)).unwrap();
    }

    /// As the shard takes them: reading by reading, then the batch goes back.
    fn take(&mut self) -> u64 {
        let mut sum = 0_u64;
        while let Some(batch) = self.shard.pop() {
            for reading in &batch.readings {
                sum = sum.wrapping_add(of(reading, batch.part(reading)));
            }
            self.shard.give_back(batch);
        }
        sum
    }
}

fn exchange(load: &Load) -> Stage<'_> {
    let mut ways = [Way::new(), Way::new()];
    Box::new(move |turns| {
        let mut sum = 0_u64;
        for turn in 0..turns {
            let (shard, mut reading, part) = coming(load, turn);
            let way = &mut ways[shard];
            reading.part_start = u32::try_from(way.filling.parts.len()).unwrap();
            way.filling.parts.extend_from_slice(part);
            way.filling.readings.push(reading);
            if way.filling.readings.len() == limits::BATCH_READINGS {
                way.push();
                sum = sum.wrapping_add(way.take());
            }
        }
        for way in &mut ways {
            way.push();
            sum = sum.wrapping_add(way.take());
        }
        sum
    })
}

/// A reading with its part.
type Whole = (PartReading, Vec<u8>);

/// A locked queue of single readings, each with a part of its own.
fn naive(load: &Load) -> Stage<'_> {
    let ways: [Mutex<VecDeque<Whole>>; 2] = Default::default();
    Box::new(move |turns| {
        let mut sum = 0_u64;
        for turn in 0..turns {
            let (shard, reading, part) = coming(load, turn);
            ways[shard].lock().unwrap().push_back((reading, part.to_vec()));
            while let Some((reading, part)) = ways[shard].lock().unwrap().pop_front() {
                sum = sum.wrapping_add(of(&reading, &part));
            }
        }
        sum
    })
}

/// A reading with its shard and part: some text of a reading stands in for the part.
fn coming(load: &Load, turn: usize) -> (usize, PartReading, &[u8]) {
    let input = load.inputs[turn % READINGS];
    let part = &load.parts[turn % READINGS][0];
    let reading = PartReading {
        time_ms: input.time_ms,
        offset: input.offset,
        sent_ms: input.time_ms,
        facility: input.partition,
        part_start: 0,
        points: 0,
        quality: 95,
        partition: 0,
        reread: false,
    };
    (input.partition as usize % 2, reading, part)
}

fn of(reading: &PartReading, part: &[u8]) -> u64 {
    let numbers = reading.time_ms.wrapping_mul(31) ^ reading.offset;
    numbers.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ sample(part)
}
