//! A block of records in memory: the bytes once, and where each record's parts lie in them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::TraceRecord;
use super::bytes::{Cursor, Fault};
use crate::limits::TRACE_TOPICS_MAX;

/// A block as it lies in the file.
pub(super) struct Raw {
    /// Which one, from 0.
    pub(super) number: u64,
    /// Where it begins, in bytes from the file's start.
    pub(super) at: u64,
    /// How many records it says it has.
    pub(super) count: usize,
    pub(super) packed: Vec<u8>,
}

/// Some consecutive records of a trace. It owns their bytes; the records borrow them.
pub struct TraceBlock {
    plain: Vec<u8>,
    places: Vec<Place>,
    topics: Arc<Vec<Arc<str>>>,
    /// The trace's number of each of `topics`.
    pub(super) numbers: Vec<u32>,
    packed_bytes: usize,
}

/// Where the parts of a record lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    topic: u32,
    partition: u32,
    offset: i64,
    timestamp_ms: i64,
    key: Span,
    value: Span,
    headers: Span,
}

/// From, to; nothing at all where `to` is before `from`.
#[derive(Clone, Copy, Debug)]
struct Span(u32, u32);

impl TraceBlock {
    pub(super) fn new(
        plain: Vec<u8>,
        places: Vec<Place>,
        topics: Arc<Vec<Arc<str>>>,
        packed_bytes: usize,
    ) -> TraceBlock {
        TraceBlock { plain, places, topics, numbers: Vec::new(), packed_bytes }
    }

    /// Checks every record of a block and notes where its parts lie; or which record is wrong, and how.
    pub(super) fn index(
        plain: &[u8],
        count: usize,
        topics: &mut Topics,
    ) -> Result<Vec<Place>, (usize, Fault)> {
        // A lie about the count must not set memory aside.
        let mut places = Vec::with_capacity(count.min(plain.len() / RECORD_BYTES_MIN));
        let mut cursor = Cursor::new(plain);
        for record in 0..count {
            places.push(place(&mut cursor, topics).map_err(|fault| (record, fault))?);
        }
        if cursor.left() > 0 { Err((count, "the block holds more than its records")) } else { Ok(places) }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of the records, unpacked.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.plain.len()
    }

    /// Bytes that they took in the file.
    #[must_use]
    pub fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// The record at this index, 0 for the first.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<TraceRecordRef<'_>> {
        self.places.get(index).map(|place| self.record(place))
    }

    /// The records, in the order of the file.
    pub fn records(&self) -> impl ExactSizeIterator<Item = TraceRecordRef<'_>> {
        self.places.iter().map(|place| self.record(place))
    }

    pub(super) fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    fn record(&self, place: &Place) -> TraceRecordRef<'_> {
        let topic = place.topic as usize;
        TraceRecordRef {
            topic: &self.topics[topic],
            topic_number: self.numbers.get(topic).copied().unwrap_or(place.topic),
            partition: place.partition,
            offset: place.offset,
            timestamp_ms: place.timestamp_ms,
            key: place.key.of(&self.plain),
            value: place.value.of(&self.plain),
            headers: TraceHeaders::new(place.headers.of(&self.plain).unwrap_or_default()),
        }
    }
}

impl fmt::Debug for TraceBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceBlock({} records, {} bytes)", self.len(), self.plain.len())
    }
}

impl Span {
    const NULL: Span = Span(1, 0);

    /// The last `bytes` bytes before `end`. A block is far smaller than 4 GiB.
    fn before(end: usize, bytes: usize) -> Span {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span(place(end - bytes), place(end))
    }

    #[inline]
    fn of(self, plain: &[u8]) -> Option<&[u8]> {
        plain.get(self.0 as usize..self.1 as usize)
    }
}

/// One record of a block, as it was in Kafka.
#[derive(Clone, Copy, Debug)]
pub struct TraceRecordRef<'a> {
    /// The topic; the same `Arc` for the records of one reader that share it, mostly.
    pub topic: &'a Arc<str>,
    /// Its number among the reader's topics: its place in
    /// [`TraceReader::topics`](super::TraceReader::topics).
    pub topic_number: u32,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: TraceHeaders<'a>,
}

impl TraceRecordRef<'_> {
    /// Whether there is any header.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        let mut headers = self.headers;
        headers.next().is_some()
    }

    /// The record with memory of its own.
    #[must_use]
    pub fn to_record(&self) -> TraceRecord {
        TraceRecord {
            topic: Arc::clone(self.topic),
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers: self.headers.map(|(key, value)| (key.to_owned(), value.map(<[u8]>::to_vec))).collect(),
        }
    }
}

/// A header: name and value.
pub type TraceHeader<'a> = (&'a str, Option<&'a [u8]>);

/// The headers of a record, in order.
#[derive(Clone, Copy, Debug)]
pub struct TraceHeaders<'a> {
    cursor: Cursor<'a>,
    /// Items left in the array's present block.
    left: usize,
}

impl<'a> TraceHeaders<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        TraceHeaders { cursor: Cursor::new(bytes), left: 0 }
    }

    /// The next header, nothing behind the last one.
    fn step(&mut self) -> Result<Option<TraceHeader<'a>>, Fault> {
        if self.left == 0 {
            self.left = self.cursor.items()?;
            if self.left == 0 {
                return Ok(None);
            }
        }
        self.left -= 1;
        let key = std::str::from_utf8(self.cursor.bytes()?).map_err(|_| "a header's name is not UTF-8")?;
        Ok(Some((key, self.cursor.optional()?)))
    }
}

impl<'a> Iterator for TraceHeaders<'a> {
    type Item = TraceHeader<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // They were checked when the block was unpacked: an error cannot be any more.
        self.step().ok().flatten()
    }
}

/// Topics by their names, so that a record costs no allocation.
#[derive(Default)]
pub(super) struct Topics {
    names: Arc<Vec<Arc<str>>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Topics {
    pub(super) fn shared(&self) -> Arc<Vec<Arc<str>>> {
        Arc::clone(&self.names)
    }

    #[inline]
    fn number(&mut self, name: &[u8]) -> Result<u32, Fault> {
        // Most traces have two.
        for (number, known) in (0..).zip(self.names.iter().take(4)) {
            if known.as_bytes() == name {
                return Ok(number);
            }
        }
        self.number_of_many(name)
    }

    fn number_of_many(&mut self, name: &[u8]) -> Result<u32, Fault> {
        let name = std::str::from_utf8(name).map_err(|_| "a topic's name is not UTF-8")?;
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        if self.names.len() >= TRACE_TOPICS_MAX {
            return Err("the file names more than 10,000 topics");
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        // Blocks that were handed out keep the shorter list.
        Arc::make_mut(&mut self.names).push(Arc::clone(&name));
        self.numbers.insert(name, number);
        Ok(number)
    }
}

#[inline]
fn place(cursor: &mut Cursor<'_>, topics: &mut Topics) -> Result<Place, Fault> {
    let topic = topics.number(cursor.bytes()?)?;
    let partition = cursor.long()?;
    let partition = i32::try_from(partition).ok().and_then(|number| u32::try_from(number).ok());
    let partition = partition.ok_or("its partition is no partition's number")?;
    let (offset, timestamp_ms) = (cursor.long()?, cursor.long()?);
    let key = optional(cursor)?;
    let value = optional(cursor)?;
    let headers = headers(cursor)?;
    Ok(Place { topic, partition, offset, timestamp_ms, key, value, headers })
}

#[inline]
fn optional(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    Ok(match cursor.optional()? {
        None => Span::NULL,
        Some(bytes) => Span::before(cursor.at(), bytes.len()),
    })
}

#[inline]
fn headers(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    let from = cursor.at();
    let mut headers = TraceHeaders { cursor: *cursor, left: 0 };
    while headers.step()?.is_some() {}
    *cursor = headers.cursor;
    Ok(Span::before(cursor.at(), cursor.at() - from))
}

/// Seven fields of a byte each.
const RECORD_BYTES_MIN: usize = 7;
