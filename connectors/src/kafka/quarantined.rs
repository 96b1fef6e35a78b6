//! The quarantine topic read back: what lies in it, and sending records to where they came from.
//!
//! Enters: records with the headers of avro-schemas/quarantine-headers.json. Leaves: [`Quarantined`] records,
//! or the same keys and values on their source topics. Drops: records that carry no such headers; they are
//! counted.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::KafkaError;
use super::producer::{ProducerEvents, check, delivery_bound, drain_unless, serve_events};
use super::read::StoredRecord;
use super::topics::Connection;
use crate::limits::{BATCH_BYTES_MAX, QUARANTINE_BYTES_MAX, QUEUE_FULL_PAUSE};
use crate::machine_clock::Deadline;

/// A late or quarantined record, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Why: `late`, or a quarantine reason.
    pub reason: String,
    /// The topic it was read from.
    pub topic: String,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its own Kafka timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// The schema id in its frame, where it had one.
    pub schema_id: Option<u32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone, or a value that was left out.
    pub value: Option<Vec<u8>>,
    /// Length of a value that the quarantine topic could not hold.
    pub left_out_bytes: Option<u64>,
    /// When it was quarantined, epoch ms.
    pub quarantined_ms: i64,
}

impl Quarantined {
    fn read(record: StoredRecord) -> Option<Quarantined> {
        Some(Quarantined {
            reason: record.header("ws.reason")?.to_owned(),
            topic: record.header("ws.topic")?.to_owned(),
            partition: record.header("ws.partition")?.parse().ok()?,
            offset: record.header("ws.offset")?.parse().ok()?,
            timestamp_ms: record.header("ws.timestamp").and_then(|text| text.parse().ok()).unwrap_or(-1),
            schema_id: record.header("ws.schema_id").and_then(|text| text.parse().ok()),
            left_out_bytes: record.header("ws.value_bytes").and_then(|text| text.parse().ok()),
            quarantined_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
        })
    }
}

impl Connection {
    /// Shows every record that the quarantine topic holds now, partition by partition mixed, until `visit`
    /// breaks. Returns how many records there were that are not ours.
    ///
    /// # Errors
    /// The topic is missing, the brokers do not answer, or refuse.
    pub fn read_quarantine(
        &self,
        topic: &str,
        visit: &mut dyn FnMut(Quarantined) -> ControlFlow<()>,
    ) -> Result<u64, KafkaError> {
        let mut foreign = 0;
        self.read_topic(topic, &mut |record| match Quarantined::read(record) {
            Some(record) => visit(record),
            None => {
                foreign += 1;
                ControlFlow::Continue(())
            }
        })?;
        Ok(foreign)
    }
}

/// Sends records as they are: quarantined ones back to their topics, or generated ones. The time of sending
/// is now.
pub struct Sender {
    producer: Arc<BaseProducer<ProducerEvents>>,
    bound: Duration,
}

impl Sender {
    /// Opens the producer.
    ///
    /// # Errors
    /// A setting is refused.
    pub fn open(connection: &Connection) -> Result<Sender, KafkaError> {
        let config = connection.settings.producer_config(QUARANTINE_BYTES_MAX, BATCH_BYTES_MAX);
        let bound = delivery_bound(&config);
        let producer = config
            .create_with_context(ProducerEvents::new(&connection.settings, None))
            .map_err(|error| KafkaError::request("making a producer", &error))?;
        Ok(Sender { producer: Arc::new(producer), bound })
    }

    /// Queues one record, for the partition that its key decides where none is given. A full queue is waited
    /// for.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    pub fn send(
        &mut self,
        (topic, partition): (&str, Option<u32>),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), KafkaError> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.key = key;
        record.payload = value;
        record.partition = partition.and_then(|number| i32::try_from(number).ok());
        self.queue(record)
    }

    /// The same with all that a record was stored with, its partition, timestamp and headers; only its offset
    /// is a new one.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    pub fn send_as_stored(&mut self, topic: &str, stored: &StoredRecord) -> Result<(), KafkaError> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.key = stored.key.as_deref();
        record.payload = stored.value.as_deref();
        record.partition = Some(stored.partition);
        record.timestamp = Some(stored.timestamp_ms).filter(|ms| *ms >= 0);
        record.headers = (!stored.headers.is_empty()).then(|| {
            let none = OwnedHeaders::new_with_capacity(stored.headers.len());
            stored
                .headers
                .iter()
                .fold(none, |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }))
        });
        self.queue(record)
    }

    fn queue(&mut self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
        let topic = record.topic;
        let failed = |reason: String| KafkaError::Request {
            request: format!("sending to {topic}"),
            reason,
            retry: false,
        };
        let deadline = Deadline::after(self.bound);
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    serve_events(&self.producer);
                    return Ok(());
                }
                Err((error, again)) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || deadline.passed() {
                        return Err(KafkaError::request(format!("sending to {topic}"), &error));
                    }
                    check(&self.producer).map_err(|error| failed(error.message))?;
                    self.producer.poll(QUEUE_FULL_PAUSE);
                    record = again;
                }
            }
        }
    }

    /// Queues one record where there is room, without waiting; false if there is none. Without a timestamp
    /// (epoch ms) it gets that of its sending.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    pub fn try_send(
        &mut self,
        (topic, partition): (&str, u32),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp_ms: Option<i64>,
    ) -> Result<bool, KafkaError> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.timestamp = timestamp_ms;
        record.key = key;
        record.payload = value;
        record.partition = i32::try_from(partition).ok();
        match self.producer.send(record) {
            Ok(()) => Ok(true),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => Ok(false),
            Err((error, _)) => Err(KafkaError::request(format!("sending to {topic}"), &error)),
        }
    }

    /// Serves acknowledgements; says so if the client cannot go on.
    ///
    /// # Errors
    /// Refused credentials, a fatal error, records that were not delivered.
    pub fn serve(&mut self) -> Result<(), KafkaError> {
        let failed = |reason: String| KafkaError::Request {
            request: "sending records".to_owned(),
            reason,
            retry: false,
        };
        serve_events(&self.producer);
        check(&self.producer).map_err(|error| failed(error.message))?;
        self.producer.context().take_failures().map_or(Ok(()), |reason| Err(failed(reason)))
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// Not in time, or some records were refused.
    pub fn finish(self) -> Result<(), KafkaError> {
        self.finish_unless(&|| false)
    }

    /// The same, but no longer than a few seconds from when `hurry` says so: then what no broker has taken is
    /// given up.
    ///
    /// # Errors
    /// As [`Sender::finish`].
    pub fn finish_unless(self, hurry: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        let failed = |reason: String| KafkaError::Request {
            request: "sending records".to_owned(),
            reason,
            retry: false,
        };
        drain_unless(&self.producer, self.bound, hurry).map_err(|error| failed(error.message))?;
        match self.producer.context().take_failures() {
            Some(reason) => Err(failed(reason)),
            None => Ok(()),
        }
    }
}
