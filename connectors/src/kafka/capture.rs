//! Topics read as they are, to be recorded. Enters: their names, where to start, whether to stop at the end
//! as of now. Leaves: every committed record with key, value, timestamp and headers as the broker has them,
//! in offset order within each partition. Drops: records of aborted transactions; in a bounded capture, what
//! comes behind the ends found at the start. Nothing is committed: a capture leaves no trace on the brokers.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::KafkaError;
use super::context::Context;
use super::source::{advice, is_fatal};
use super::start::From;
use super::topics::Connection;
use crate::limits::{CAPTURE_RECORDS, REQUEST_TIMEOUT};

/// A record, borrowed from the client.
#[derive(Clone, Copy, Debug)]
pub struct CapturedRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Topics that are being read, each by a client of its own: the end of a partition is told by its number
/// only, and two clients take less CPU than one with as many partitions.
pub struct Capture {
    topics: Vec<TopicCapture>,
    is_bounded: bool,
    /// Who is asked first next time.
    first: usize,
}

struct TopicCapture {
    topic: String,
    consumer: BaseConsumer<Context>,
    places: Vec<Place>,
    heard: bool,
    /// The client's word that a partition is read to its end counts. Not where the end was asked for on the
    /// way: that word may be older.
    trusts_eof: bool,
}

/// How far a partition has been read.
struct Place {
    offset_next: i64,
    /// Where it ended at the start.
    end: i64,
    /// Whether more is wanted of it.
    open: bool,
}

impl Connection {
    /// Starts to read these topics, all partitions of each; until their ends as of now if `is_bounded`.
    ///
    /// # Errors
    /// A topic is missing, the brokers do not answer, or refuse.
    pub fn capture(&self, topics: &[String], from: From, is_bounded: bool) -> Result<Capture, KafkaError> {
        let mut starts = Vec::with_capacity(topics.len());
        for topic in topics {
            let mut places = self.places(topic, from)?;
            places.iter_mut().for_each(|place| place.open = !is_bounded || place.offset_next < place.end);
            starts.push((topic, places));
        }
        let open = starts.iter().flat_map(|(_, places)| places).filter(|place| place.open).count();
        let captures = starts.into_iter().map(|(topic, places)| self.capture_topic(topic, places, open));
        Ok(Capture { topics: captures.collect::<Result<_, _>>()?, is_bounded, first: 0 })
    }

    /// Where reading of each partition of a topic begins, and where it ends as of now.
    pub(crate) fn capture_bounds(&self, topic: &str, from: From) -> Result<Vec<[i64; 2]>, KafkaError> {
        let places = self.places(topic, from)?;
        Ok(places.iter().map(|place| [place.offset_next, place.end]).collect())
    }

    fn places(&self, topic: &str, from: From) -> Result<Vec<Place>, KafkaError> {
        let mut places = Vec::new();
        for number in 0..self.topic(topic)?.partitions {
            let (offset_next, end) = self.watermarks(topic, number)?;
            places.push(Place { offset_next, end, open: true });
        }
        self.seek(topic, from, &mut places)?;
        Ok(places)
    }

    fn capture_topic(
        &self,
        topic: &str,
        places: Vec<Place>,
        partitions_total: usize,
    ) -> Result<TopicCapture, KafkaError> {
        let failed = |error: &ClientError| KafkaError::request(format!("recording {topic}"), error);
        let mut assignment = TopicPartitionList::new();
        for (number, place) in (0..).zip(&places).filter(|(_, place)| place.open) {
            let offset = Offset::Offset(place.offset_next);
            assignment.add_partition_offset(topic, number, offset).map_err(|error| failed(&error))?;
        }
        let consumer: BaseConsumer<Context> = self
            .settings
            .source_config(partitions_total)
            .create_with_context(Context::new("recorder"))
            .map_err(|error| failed(&error))?;
        if assignment.count() > 0 {
            consumer.assign(&assignment).map_err(|error| failed(&error))?;
        }
        Ok(TopicCapture { topic: topic.to_owned(), consumer, places, heard: false, trusts_eof: true })
    }

    /// Moves the starts of a topic's partitions to where reading shall begin.
    fn seek(&self, topic: &str, from: From, places: &mut [Place]) -> Result<(), KafkaError> {
        let time_ms = match from {
            From::Earliest => return Ok(()),
            From::Latest => {
                places.iter_mut().for_each(|place| place.offset_next = place.end);
                return Ok(());
            }
            From::Time(time_ms) => time_ms,
        };
        let request = || format!("asking for the offsets of {topic} at time {time_ms}");
        let failed = |error: &ClientError| KafkaError::request(request(), error);
        let mut list = TopicPartitionList::new();
        for (number, _) in (0..).zip(places.iter()) {
            list.add_partition_offset(topic, number, Offset::Offset(time_ms.max(0)))
                .map_err(|error| failed(&error))?;
        }
        let found = self.consumer.offsets_for_times(list, REQUEST_TIMEOUT).map_err(|error| failed(&error))?;
        for (number, place) in (0..).zip(places.iter_mut()) {
            let Some(element) = found.find_partition(topic, number) else { continue };
            element.error().map_err(|error| failed(&error))?;
            // No record that late: the end.
            place.offset_next = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => place.end,
            };
        }
        Ok(())
    }
}

impl Capture {
    /// Whether a bounded capture has reached every end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_bounded && self.topics.iter().all(TopicCapture::is_done)
    }

    /// From now on it ends where the topics end now.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn end_here(&mut self, connection: &Connection) -> Result<(), KafkaError> {
        for TopicCapture { topic, places, trusts_eof, .. } in &mut self.topics {
            *trusts_eof = false;
            for (number, place) in (0..).zip(places) {
                place.end = connection.watermarks(topic, number)?.1;
                place.open = place.offset_next < place.end;
            }
        }
        self.is_bounded = true;
        Ok(())
    }

    /// How many offsets lie before the ends of a bounded capture; not every offset is a record.
    #[must_use]
    pub fn offsets_left(&self) -> Option<u64> {
        let left = |place: &Place| u64::try_from(place.end - place.offset_next).unwrap_or(0);
        let places = self.topics.iter().flat_map(|topic| &topic.places).filter(|place| place.open);
        self.is_bounded.then(|| places.map(left).sum())
    }

    /// How many partitions are read.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.topics.iter().map(|topic| topic.places.len()).sum()
    }

    /// Shows what has come, some thousand records of each topic at most, until `visit` breaks; waits a moment
    /// if there is nothing. A broker that is away is waited for, with warnings.
    ///
    /// # Errors
    /// What no waiting mends: a topic that was deleted, refused credentials.
    pub fn poll(
        &mut self,
        visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        let count = self.topics.len();
        let mut shown = 0;
        for turn in 0..count {
            let topic = &mut self.topics[(self.first + turn) % count];
            let flow = topic.poll(self.is_bounded, Duration::ZERO, &mut |record| {
                shown += 1;
                visit(record)
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        self.first += 1;
        let waits = self.topics.iter().filter(|topic| !(self.is_bounded && topic.is_done())).count();
        if shown == 0 && waits > 0 {
            let wait = WAIT / u32::try_from(waits).unwrap_or(u32::MAX);
            for topic in &mut self.topics {
                if topic.poll(self.is_bounded, wait, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl TopicCapture {
    fn is_done(&self) -> bool {
        self.places.iter().all(|place| !place.open)
    }

    /// Shows what has come; breaks where `visit` did.
    fn poll(
        &mut self,
        is_bounded: bool,
        mut wait: Duration,
        visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, KafkaError> {
        for _ in 0..CAPTURE_RECORDS {
            if is_bounded && self.is_done() {
                break;
            }
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    self.heard = true;
                    self.consumer.context().heard();
                    let place = usize::try_from(message.partition()).ok();
                    let place = place.and_then(|number| self.places.get_mut(number));
                    let shows = place.is_some_and(|place| place.takes(message.offset(), is_bounded));
                    if shows && show(&message, visit).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                // Behind the last record there may be markers only, and aborted records.
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.heard = true;
                    self.consumer.context().works();
                    let place = usize::try_from(partition).ok();
                    if let Some(place) = place.and_then(|number| self.places.get_mut(number)) {
                        place.open &= !(is_bounded && self.trusts_eof);
                    }
                }
                Some(Err(error)) => self.check(&error)?,
            }
            wait = Duration::ZERO;
        }
        match self.consumer.context().refused(self.heard) {
            None => Ok(ControlFlow::Continue(())),
            Some(reason) => Err(self.failed(format!("the broker refuses the credentials ({reason})"))),
        }
    }

    fn check(&self, error: &ClientError) -> Result<(), KafkaError> {
        match error.rdkafka_error_code() {
            Some(code) if is_fatal(code) => Err(self.failed(advice(code))),
            code => {
                self.consumer.context().troubled(code, &super::error::plain(error));
                Ok(())
            }
        }
    }

    fn failed(&self, reason: String) -> KafkaError {
        KafkaError::Request { request: format!("recording {}", self.topic), reason, retry: false }
    }
}

impl Place {
    /// Takes note of a record, and says whether it belongs to the capture.
    fn takes(&mut self, offset: i64, is_bounded: bool) -> bool {
        self.offset_next = offset + 1;
        if !is_bounded {
            return true;
        }
        self.open &= self.offset_next < self.end;
        offset < self.end
    }
}

fn show(
    message: &BorrowedMessage<'_>,
    visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let headers = message.headers().into_iter().flat_map(BorrowedHeaders::iter);
    let headers: Vec<_> = headers.map(|header| (header.key, header.value)).collect();
    visit(&CapturedRecord {
        topic: message.topic(),
        partition: u32::try_from(message.partition()).unwrap_or(u32::MAX),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key(),
        value: message.payload(),
        headers: &headers,
    })
}

/// One wait for records, over all topics.
const WAIT: Duration = Duration::from_millis(100);
