//! Sending and watching by whichever client was chosen: one face for both.

use std::ops::ControlFlow;

use super::capture::NativeCapture;
use super::sender::NativeSender;
use crate::kafka::KafkaError;
use crate::kafka::capture::{Capture, CapturedRecord};
use crate::kafka::quarantined::Sender;
use crate::kafka::read::StoredRecord;
use crate::kafka::topics::Connection;

/// Sends records to some topics; each is named by its place among them.
pub enum EitherSender {
    /// Straight on the socket.
    Native(Box<NativeSender>),
    /// By librdkafka, with the topics' names.
    Rdkafka(Sender, Vec<String>),
}

impl EitherSender {
    /// Queues one record where there is room, without waiting; false if there is none. Without a timestamp
    /// (epoch ms) it gets that of its sending.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    #[inline]
    pub fn try_send(
        &mut self,
        (topic, partition): (usize, u32),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp_ms: Option<i64>,
    ) -> Result<bool, KafkaError> {
        match self {
            EitherSender::Native(sender) => sender.try_send((topic, partition), key, value, timestamp_ms),
            EitherSender::Rdkafka(sender, topics) => {
                sender.try_send((topics[topic].as_str(), partition), key, value, timestamp_ms)
            }
        }
    }

    /// Queues one record, for the partition that its key decides where none is given. A full queue is waited
    /// for.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    pub fn send(
        &mut self,
        (topic, partition): (usize, Option<u32>),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), KafkaError> {
        match self {
            EitherSender::Native(sender) => sender.send((topic, partition), key, value),
            EitherSender::Rdkafka(sender, topics) => {
                sender.send((topics[topic].as_str(), partition), key, value)
            }
        }
    }

    /// The same with all that a record was stored with, its partition, timestamp and headers; only its offset
    /// is a new one.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on.
    pub fn send_as_stored(&mut self, topic: usize, stored: &StoredRecord) -> Result<(), KafkaError> {
        match self {
            EitherSender::Native(sender) => sender.send_as_stored(topic, stored),
            EitherSender::Rdkafka(sender, topics) => sender.send_as_stored(&topics[topic], stored),
        }
    }

    /// Serves acknowledgements; says so if the client cannot go on.
    ///
    /// # Errors
    /// Refused credentials, a fatal error, records that were not delivered.
    pub fn serve(&mut self) -> Result<(), KafkaError> {
        match self {
            EitherSender::Native(sender) => sender.serve(),
            EitherSender::Rdkafka(sender, _) => sender.serve(),
        }
    }

    /// Waits until everything is acknowledged, but no longer than a few seconds from when `hurry` says so:
    /// then what no broker has taken is given up.
    ///
    /// # Errors
    /// Not in time, or some records were refused.
    pub fn finish_unless(self, hurry: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        match self {
            EitherSender::Native(sender) => sender.finish_unless(hurry),
            EitherSender::Rdkafka(sender, _) => sender.finish_unless(hurry),
        }
    }
}

/// Topics that are being read.
pub enum EitherCapture {
    /// Straight on the socket.
    Native(Box<NativeCapture>),
    /// By librdkafka.
    Rdkafka(Capture),
}

impl EitherCapture {
    /// Whether a bounded capture has reached every end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            EitherCapture::Native(capture) => capture.is_done(),
            EitherCapture::Rdkafka(capture) => capture.is_done(),
        }
    }

    /// From now on it ends where the topics end now.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn end_here(&mut self, connection: &Connection) -> Result<(), KafkaError> {
        match self {
            EitherCapture::Native(capture) => capture.end_here(connection),
            EitherCapture::Rdkafka(capture) => capture.end_here(connection),
        }
    }

    /// Shows what has come, until `visit` breaks; waits a moment if there is nothing. A broker that is away
    /// is waited for, with warnings.
    ///
    /// # Errors
    /// What no waiting mends: a topic that was deleted, refused credentials.
    pub fn poll(
        &mut self,
        visit: &mut dyn FnMut(&CapturedRecord<'_>) -> ControlFlow<()>,
    ) -> Result<(), KafkaError> {
        match self {
            EitherCapture::Native(capture) => capture.poll(visit),
            EitherCapture::Rdkafka(capture) => capture.poll(visit),
        }
    }
}
