//! The calls of librdkafka that rdkafka does not wrap: records in by the batch, records out by the batch, a
//! flush that returns when it is done, topic ids. The only file of this crate with unsafe code.
//!
//! Why: taking records one event at a time costs 840 ns of CPU each, by batches and with a client per lane
//! 325; sending one at a time 1,800 ns, by batches 650 (measured on 10 M readings of 120 bytes, broker on the
//! same two cores).

#![expect(unsafe_code, reason = "FFI to librdkafka; each block names the invariant and who keeps it")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, PARTITION_UA, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::{RDKafkaMessage, RDKafkaQueue, RDKafkaRespErr, RDKafkaTopic};
use wellstream_core::record::Record;

use super::context::Context;

/// One partition's own queue of fetched records, with those taken from it and not yet released.
///
/// It keeps the consumer alive: messages and queue belong to that client.
pub(super) struct PartitionQueue {
    queue: NonNull<RDKafkaQueue>,
    /// Taken from the queue; those before `released` have been given back.
    messages: Vec<*mut RDKafkaMessage>,
    released: usize,
    _consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues and messages may be used from any thread, one at a time; `&mut self` keeps it
// at one.
unsafe impl Send for PartitionQueue {}

/// What a queue holds, in order.
pub(super) enum Entry<'a> {
    /// A record.
    Record(Record<'a>),
    /// The end of the partition (`PartitionEOF`) or an error, with the offset that it concerns.
    Signal(RDKafkaErrorCode, i64),
}

impl PartitionQueue {
    /// Splits a partition's queue off the consumer's. Before `assign`: then no record ever lands on the other
    /// one.
    pub(super) fn split(
        consumer: &Arc<BaseConsumer<Context>>,
        topic: &str,
        partition: i32,
        records_max: usize,
    ) -> Option<PartitionQueue> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client lives (we hold it), the string ends in NUL and is copied by the callee.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition)
        };
        let queue = NonNull::new(queue)?;
        // SAFETY: the queue was just given to us; a null target takes away its forwarding to the consumer's
        // queue.
        unsafe { sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        let messages = Vec::with_capacity(records_max);
        Some(PartitionQueue { queue, messages, released: 0, _consumer: Arc::clone(consumer) })
    }

    /// How many entries are held.
    pub(super) fn held(&self) -> usize {
        self.messages.len() - self.released
    }

    /// Takes what the client has fetched, if nothing is held. Never waits.
    pub(super) fn refill(&mut self) {
        if self.held() > 0 {
            return;
        }
        self.messages.clear();
        self.released = 0;
        let room = self.messages.capacity();
        // SAFETY: `messages` has room for `room` pointers; the callee writes at most that many and returns
        // how many (or -1, writing none). Each is a message of ours from then on, until
        // `rd_kafka_message_destroy`.
        unsafe {
            let spare = self.messages.as_mut_ptr();
            let taken = sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, spare, room);
            self.messages.set_len(usize::try_from(taken).unwrap_or(0));
        }
    }

    /// The held entry at this index, 0 for the first.
    pub(super) fn entry(&self, index: usize) -> Entry<'_> {
        // SAFETY: messages at and behind `released` are live; the pointer is never null (librdkafka returns
        // none).
        let message = unsafe { &*self.messages[self.released + index] };
        if message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Entry::Signal(RDKafkaErrorCode::from(message.err), message.offset);
        }
        // SAFETY: the message is live; without a place for the type of the timestamp the callee tells only
        // its value.
        let timestamp_ms = unsafe { sys::rd_kafka_message_timestamp(message, ptr::null_mut()) };
        // SAFETY: key and payload are valid for their lengths for as long as the message lives; it is
        // destroyed only through `&mut self`, so not while the returned borrow lasts.
        let (key, value) = unsafe {
            (bytes(message.key.cast(), message.key_len), bytes(message.payload.cast(), message.len))
        };
        Entry::Record(Record { offset: message.offset, timestamp_ms, key, value })
    }

    /// Gives the first `count` held entries back.
    pub(super) fn release(&mut self, count: usize) {
        let end = self.released + count;
        for &message in &self.messages[self.released..end] {
            // SAFETY: live until here, and `released` moves past it below: never destroyed twice.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        self.released = end;
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        self.release(self.held());
        // SAFETY: ours since `split`, and the client still lives: `_consumer` is dropped after this.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// # Safety
/// A non-null `start` is valid for `len` bytes for the lifetime that the caller gives the result.
unsafe fn bytes<'a>(start: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as the function's own condition.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start, len) })
}

/// The first and the end offset of a partition as last heard in a fetch; no request is made.
pub(super) fn cached_watermarks(
    consumer: &BaseConsumer<Context>,
    topic: &CStr,
    partition: i32,
) -> Option<(i64, i64)> {
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client lives, the string ends in NUL, both places are ours.
    let error = unsafe {
        let client = consumer.client().native_ptr();
        sys::rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition, &raw mut low, &raw mut high)
    };
    (error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low, high))
}

/// A topic that batches are produced to.
pub(super) struct ProduceTopic<C: ProducerContext + 'static> {
    topic: NonNull<RDKafkaTopic>,
    messages: Vec<RDKafkaMessage>,
    _producer: Arc<BaseProducer<C>>,
}

// SAFETY: librdkafka's topics may be used from any thread; the messages point to nothing between two calls.
unsafe impl<C: ProducerContext> Send for ProduceTopic<C> {}

/// One record to produce.
pub(super) struct Outgoing<'a> {
    pub(super) partition: i32,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl<C: ProducerContext> ProduceTopic<C> {
    pub(super) fn new(producer: &Arc<BaseProducer<C>>, name: &str) -> Option<ProduceTopic<C>> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client lives (we hold it); the string is copied; no topic settings of our own.
        let topic = unsafe {
            sys::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut())
        };
        let topic = NonNull::new(topic)?;
        Some(ProduceTopic { topic, messages: Vec::new(), _producer: Arc::clone(producer) })
    }

    /// Queues records, copied, to their partitions, and returns how many from the front; with the error of
    /// the first that was not.
    pub(super) fn produce<'a>(
        &mut self,
        records: impl Iterator<Item = Outgoing<'a>>,
    ) -> (usize, Option<RDKafkaErrorCode>) {
        self.messages.clear();
        self.messages.extend(records.map(|record| RDKafkaMessage {
            err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: self.topic.as_ptr(),
            partition: record.partition,
            payload: record.value.as_ptr().cast_mut().cast(),
            len: record.value.len(),
            key: record.key.as_ptr().cast_mut().cast(),
            key_len: record.key.len(),
            offset: 0,
            _private: ptr::null_mut(),
        }));
        let count = c_int::try_from(self.messages.len()).unwrap_or(c_int::MAX);
        let flags = sys::RD_KAFKA_MSG_F_COPY | sys::RD_KAFKA_MSG_F_PARTITION;
        // SAFETY: topic and client live; the array has `count` messages whose keys and values are borrowed
        // for 'a, beyond this call; with F_COPY the callee only reads them (hence `cast_mut`) and keeps no
        // pointer.
        unsafe {
            let messages = self.messages.as_mut_ptr();
            sys::rd_kafka_produce_batch(self.topic.as_ptr(), PARTITION_UA, flags, messages, count);
        }
        let refused = |message: &RDKafkaMessage| message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        let queued = self.messages.iter().position(refused).unwrap_or(self.messages.len());
        let error = self.messages.get(queued).map(|message| RDKafkaErrorCode::from(message.err));
        self.messages.clear();
        (queued, error)
    }
}

impl<C: ProducerContext> Drop for ProduceTopic<C> {
    fn drop(&mut self) {
        // SAFETY: ours since `new`; the client still lives: `_producer` is dropped after this.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

/// Sends what is queued without lingering, and waits until nothing is outstanding, or the time is over.
/// Failed records count as outstanding until `poll` has reported them, so call both in turns. Returns as soon
/// as it is done, where rdkafka's own flush sleeps in slices of 100 ms.
pub(super) fn flush_for<C: ProducerContext>(producer: &BaseProducer<C>, time: Duration) -> bool {
    let time_ms = c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client lives for as long as the borrow.
    let error = unsafe { sys::rd_kafka_flush(producer.client().native_ptr(), time_ms) };
    error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// A commit of offsets on its way, with a reply queue of its own. The client's synchronous call waits for
/// ever, and its asynchronous one tells nobody.
pub(super) struct PendingCommit<'a> {
    replies: NonNull<RDKafkaQueue>,
    _consumer: &'a BaseConsumer<Context>,
}

impl PendingCommit<'_> {
    /// Sends the commit.
    pub(super) fn start<'a>(
        consumer: &'a BaseConsumer<Context>,
        offsets: &TopicPartitionList,
    ) -> Result<PendingCommit<'a>, RDKafkaErrorCode> {
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives for 'a; the list is copied; without a callback there is nothing to call.
        unsafe {
            let replies = NonNull::new(sys::rd_kafka_queue_new(client)).ok_or(RDKafkaErrorCode::Fail)?;
            // From here on, dropping it destroys the queue.
            let pending = PendingCommit { replies, _consumer: consumer };
            let error =
                sys::rd_kafka_commit_queue(client, offsets.ptr(), replies.as_ptr(), None, ptr::null_mut());
            match error {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(pending),
                error => Err(RDKafkaErrorCode::from(error)),
            }
        }
    }

    /// Waits for the outcome, that of the first partition that failed if any did.
    pub(super) fn wait(&self, time: Duration) -> Option<Result<(), RDKafkaErrorCode>> {
        let time_ms = c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is ours; the event is null or ours until destroyed, and its list lives as long as
        // it.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.replies.as_ptr(), time_ms);
            if event.is_null() {
                return None;
            }
            let mut errors = vec![sys::rd_kafka_event_error(event)];
            let list = sys::rd_kafka_event_topic_partition_list(event);
            if !list.is_null() {
                let count = usize::try_from((*list).cnt).unwrap_or(0);
                errors.extend((0..count).map(|index| (*(*list).elems.add(index)).err));
            }
            sys::rd_kafka_event_destroy(event);
            let failed =
                errors.into_iter().find(|error| *error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
            Some(failed.map_or(Ok(()), |error| Err(RDKafkaErrorCode::from(error))))
        }
    }
}

impl Drop for PendingCommit<'_> {
    fn drop(&mut self) {
        // SAFETY: ours since `start`, destroyed only here; a late reply finds the queue closed and is
        // dropped.
        unsafe { sys::rd_kafka_queue_destroy(self.replies.as_ptr()) };
    }
}

/// The ids of topics, 22 characters of base64 as Kafka prints them; `None` where the broker or its rules do
/// not tell.
pub(super) fn topic_ids(
    consumer: &BaseConsumer<Context>,
    topics: &[&str],
    time_max: Duration,
) -> Vec<Option<String>> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    let none = vec![None; topics.len()];
    if names.len() != topics.len() {
        return none;
    }
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let time_ms = c_int::try_from(time_max.as_millis()).unwrap_or(c_int::MAX);
    let client = consumer.client().native_ptr();
    // SAFETY: all that is made here is destroyed here, in reverse order; the client outlives the call
    // (borrowed); the names outlive the collection, which copies them; the event is null or ours, and what is
    // read from it is copied before it is destroyed; an event of another kind has a null result.
    unsafe {
        let queue = sys::rd_kafka_queue_new(client);
        let options = sys::rd_kafka_AdminOptions_new(
            client,
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        sys::rd_kafka_AdminOptions_set_request_timeout(options, time_ms, ptr::null_mut(), 0);
        let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        sys::rd_kafka_DescribeTopics(client, collection, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, time_ms);
        let ids = if event.is_null() { none } else { ids_of(event, topics) };
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_TopicCollection_destroy(collection);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_queue_destroy(queue);
        ids
    }
}

/// # Safety
/// `event` is a live event of a client.
unsafe fn ids_of(event: *mut sys::rd_kafka_event_t, topics: &[&str]) -> Vec<Option<String>> {
    let mut ids = vec![None; topics.len()];
    // SAFETY: the array and its `count` descriptions belong to the live event; names and ids are C strings of
    // theirs.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return ids;
        }
        let mut count = 0;
        let described = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for index in 0..count {
            let topic = *described.add(index);
            let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic)).to_bytes();
            let id = sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(topic));
            if id.is_null() {
                continue;
            }
            let id = CStr::from_ptr(id).to_string_lossy().into_owned();
            if let Some(place) = topics.iter().position(|topic| topic.as_bytes() == name) {
                ids[place] = (id != TOPIC_ID_ZERO).then_some(id);
            }
        }
    }
    ids
}

/// What a broker without topic ids says.
const TOPIC_ID_ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The metadata strings of a list, in its order. rdkafka's accessor panics where another program has
/// committed bytes that are not UTF-8; here they become text that is not ours.
pub(super) fn metadata_texts(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: list and elements live for the borrow; `cnt` elements are there; metadata is null or valid for
    // its size.
    unsafe {
        let list = &*list.ptr();
        let count = usize::try_from(list.cnt).unwrap_or(0);
        let text = |index| {
            let element: &sys::rd_kafka_topic_partition_t = &*list.elems.add(index);
            let bytes = bytes(element.metadata.cast(), element.metadata_size).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        (0..count).map(text).collect()
    }
}
