//! A topic read once, from its first record to its end as of now: the alarms in force, the quarantine.
//!
//! Enters: the topic's name. Leaves: [`StoredRecord`]s, in offset order within each partition. Drops: what
//! comes behind the end that was found at the start, and records of transactions that were aborted.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::KafkaError;
use super::context::Context;
use super::topics::Connection;
use crate::limits::REQUEST_TIMEOUT;
use crate::machine_clock::Deadline;

/// A record as a topic holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl StoredRecord {
    fn new(record: &BorrowedMessage<'_>) -> StoredRecord {
        let headers = record.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        });
        StoredRecord {
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms: record.timestamp().to_millis().unwrap_or(-1),
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().map(<[u8]>::to_vec),
            headers: headers.into_iter().flatten().collect(),
        }
    }

    /// A header's text, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

impl Connection {
    /// Shows every record that a topic holds now, until `visit` breaks. Partitions come mixed.
    ///
    /// # Errors
    /// The topic is missing, the brokers do not answer, or refuse.
    pub fn read_topic(
        &self,
        topic: &str,
        visit: &mut dyn FnMut(StoredRecord) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        let request = || format!("reading {topic}");
        let failed = |error: &ClientError| KafkaError::request(request(), error);
        // Where each partition ends, while that end has not been reached.
        let mut open = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.topic(topic)?.partitions {
            let (start, end) = self.watermarks(topic, partition)?;
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            if start < end {
                open.insert(number, end);
                assignment
                    .add_partition_offset(topic, number, Offset::Offset(start))
                    .map_err(|error| failed(&error))?;
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let consumer: BaseConsumer<Context> = self
            .settings
            .source_config(open.len())
            .create_with_context(Context::new("reader"))
            .map_err(|error| failed(&error))?;
        consumer.assign(&assignment).map_err(|error| failed(&error))?;
        let mut deadline = Deadline::after(REQUEST_TIMEOUT * 2);
        while !open.is_empty() {
            match consumer.poll(POLL_TIME) {
                Some(Ok(record)) => {
                    deadline = Deadline::after(REQUEST_TIMEOUT * 2);
                    let Some(&end) = open.get(&record.partition()) else { continue };
                    if record.offset() + 1 >= end {
                        open.remove(&record.partition());
                    }
                    if record.offset() < end && visit(StoredRecord::new(&record)).is_break() {
                        return Ok(());
                    }
                }
                // Behind the last record there may be markers only.
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) if !KafkaError::request("", &error).retry_helps() => {
                    return Err(failed(&error));
                }
                Some(Err(_)) | None if deadline.passed() => {
                    let said = consumer.context().reason();
                    let reason = said.unwrap_or_else(|| "nothing came for 30 s".to_owned());
                    return Err(KafkaError::Request { request: request(), reason, retry: true });
                }
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }
}

/// One wait for records.
const POLL_TIME: Duration = Duration::from_millis(100);
