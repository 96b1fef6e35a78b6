//! Records as they are handed in, and those that their topic does not take.

use bytes::Bytes;

use crate::batch::{BatchWriter, Batches, Crc, Unpacker};

use super::Api;
use super::error::ProduceError;
use super::queue::{At, stamp};
use super::state::{Phase, ProducerState};

/// A record to produce.
#[derive(Clone, Copy, Debug)]
pub enum OwnRecord<'a> {
    /// A value in two pieces, a frame and what it frames, without headers.
    Framed(&'a [u8], [&'a [u8]; 2]),
    /// Key, value, headers.
    Plain(Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a str, Option<&'a [u8]>)]),
}

/// A record that its topic does not take for its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Where it was to go.
    pub place: usize,
    /// Its time, epoch ms.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl ProducerState {
    /// A record that is too large for its topic, alone. All behind it waits for what goes in its place.
    #[must_use]
    pub fn refused(&self) -> Option<RefusedRecord> {
        let (place, queue) = self
            .queues
            .iter()
            .enumerate()
            .find(|(_, queue)| queue.sealed.front().is_some_and(|batch| batch.at == At::Refused))?;
        read_one(place, &queue.sealed.front()?.bytes)
    }

    /// What goes in place of a refused record.
    pub fn replace(&mut self, refused: &RefusedRecord, record: OwnRecord<'_>) {
        let (producer, transactional) = (self.producer, self.is_transactional());
        let Some(batch) = self.queues[refused.place].sealed.front_mut() else { return };
        let mut writer = BatchWriter::default();
        match record {
            OwnRecord::Framed(key, value) => writer.push_framed(refused.timestamp_ms, Some(key), value),
            OwnRecord::Plain(key, value, headers) => {
                writer.push(refused.timestamp_ms, key, value, headers);
            }
        }
        let stamp = stamp(producer, batch.sequence, transactional);
        match writer.take(self.settings.compression, stamp, Vec::new()) {
            Ok(bytes) => {
                self.bytes = self.bytes + bytes.len() - batch.bytes.len();
                (batch.bytes, batch.at) = (Bytes::from(bytes), At::Waiting);
            }
            Err(error) => {
                let (topic, partition) = self.partition(refused.place);
                self.fail(ProduceError::Batch { topic: topic.to_owned(), partition, error });
            }
        }
    }

    /// Takes records that were gathered elsewhere, as one batch behind all that was taken before; the writer
    /// gets the memory of a batch that is in. Nothing is refused for want of room: whoever gathers keeps to
    /// the bound, and to the size of a batch. In a transaction that must be aborted they are dropped.
    pub fn append_batch(&mut self, place: usize, batch: &mut BatchWriter, now_ns: u64) {
        if batch.is_empty() || matches!(self.phase(), Phase::AbortableError(_) | Phase::FatalError(_)) {
            *batch = BatchWriter::default();
            return;
        }
        self.seal(place, now_ns);
        self.bytes += batch.bytes();
        std::mem::swap(&mut self.queues[place].writer, batch);
        self.seal(place, now_ns);
        std::mem::swap(&mut self.queues[place].writer, batch);
    }

    /// Whether whoever gathers had better go on gathering for this partition: batches of it wait for others
    /// that are on their way.
    #[must_use]
    pub fn is_backed_up(&self, place: usize) -> bool {
        self.queues[place].is_backed_up()
    }

    /// Records that are not acknowledged.
    #[must_use]
    pub fn records_left(&self) -> u64 {
        let sealed = self.queues.iter().flat_map(|queue| &queue.sealed);
        let sealed: u64 = sealed.map(|batch| u64::from(batch.records.unsigned_abs())).sum();
        sealed + self.queues.iter().map(|queue| queue.writer.len() as u64).sum::<u64>()
    }

    /// A refused record that nobody has an answer to ends it.
    pub fn give_up(&mut self, refused: &RefusedRecord) {
        let place = self.partition(refused.place);
        let place = Some((place.0.to_owned(), place.1));
        self.fail(ProduceError::Refused { api: Api::Produce, place, code: MESSAGE_TOO_LARGE });
    }
}

/// What a record takes, generously.
pub(super) fn size(record: OwnRecord<'_>) -> usize {
    match record {
        OwnRecord::Framed(key, [frame, body]) => key.len() + frame.len() + body.len() + 24,
        OwnRecord::Plain(key, value, headers) => {
            let headers = headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + 6);
            key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.sum::<usize>() + 24
        }
    }
}

fn read_one(place: usize, bytes: &[u8]) -> Option<RefusedRecord> {
    let mut unpacker = Unpacker::default();
    let batch = Batches::new(bytes, Crc::Trusted).next()?.ok()?;
    let record = batch.records(&mut unpacker).ok()?.next()?.ok()?;
    let headers =
        record.headers.clone().map_while(Result::ok).map(|header| {
            (String::from_utf8_lossy(header.key).into_owned(), header.value.map(<[u8]>::to_vec))
        });
    Some(RefusedRecord {
        place,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers.collect(),
    })
}

const MESSAGE_TOO_LARGE: i16 = 10;
