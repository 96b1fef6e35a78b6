//! Records as they are, straight to the socket: generated load, or quarantined ones on their way back.
//!
//! Enters: records with key, value, time, headers, for a partition or for the one that their key decides.
//! Leaves: the same on the brokers, each once and in the order of its partition, acknowledged by all
//! replicas. Drops: a record that is too large for its topic, which is told; all that no broker takes in
//! time, which ends it.
//!
//! The caller writes records into batches (`gather`), and nothing else: it never waits for a broker. A thread
//! of its own (`carrier`) takes what is written at each tick, the linger, and carries it over the
//! connections, several requests in flight. It does what [`Sender`](crate::kafka::quarantined::Sender) does
//! by librdkafka, within the same bounds and in the same words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use wellstream_wire::cluster::Cluster;
use wellstream_wire::produce::Producer;

use super::carrier::Carrier;
use super::gather::{Gathered, Written, lock};
use super::outputs::{Target, batch_bytes};
use super::{Unsupported, options, produce_settings};
use crate::kafka::patience::Patience;
use crate::kafka::producer::not_acknowledged;
use crate::kafka::read::StoredRecord;
use crate::kafka::sink::Delivery;
use crate::kafka::topics::Connection;
use crate::kafka::{KafkaError, KafkaSettings};
use crate::limits::{FLUSH_MARGIN, QUARANTINE_BYTES_MAX, REQUEST_TIMEOUT, SEND_PAUSE, SEND_STAMP_RECORDS};
use crate::machine_clock::{Deadline, MachineClock};

/// The sender.
#[derive(Debug)]
pub struct NativeSender {
    shared: Arc<Mutex<Gathered>>,
    carrier: JoinHandle<()>,
    topics: Vec<Topic>,
    settings: KafkaSettings,
    clock: MachineClock,
    /// Above so many bytes that are not acknowledged nothing more is taken.
    bytes_max: usize,
    /// How long records may wait for brokers, and some more.
    bound: Duration,
    /// The time of sending, epoch ms, and for how many records more it will do.
    stamp: (i64, u32),
    /// Partitions of records without a key take turns.
    turn: i32,
}

#[derive(Debug)]
struct Topic {
    name: String,
    target: Target,
    /// What one batch may hold.
    batch_bytes: usize,
    too_large: u64,
}

impl NativeSender {
    /// Opens the producer to these topics; a record names its topic by its place among them.
    ///
    /// # Errors
    /// A setting that the native client does not cover; a topic is missing, a broker refuses, or none answers
    /// in time.
    pub fn open(connection: &Connection, topics: &[&str]) -> Result<NativeSender, KafkaError> {
        let (clock, settings) = (MachineClock::start(), connection.settings.clone());
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let produce = produce_settings(&settings, &Delivery::AtLeastOnce).map_err(uncovered)?;
        let mut options = options(&settings).map_err(uncovered)?;
        // What hangs longer than records may wait would only hide that they have waited too long.
        options.connect_timeout = options.connect_timeout.min(produce.delivery_timeout);
        options.request_timeout = options.request_timeout.min(produce.delivery_timeout);
        let mut own = Vec::with_capacity(topics.len());
        for name in topics {
            let target = Target::of(connection, name)?;
            let batch_bytes = produce.batch_bytes.min(batch_bytes(target));
            own.push(Topic { name: (*name).to_owned(), target, batch_bytes, too_large: 0 });
        }
        let failed = |reason: String, retry| {
            let request = "opening the producer".to_owned();
            KafkaError::Request { request, reason, retry }
        };
        let cluster = Cluster::new(&settings.brokers, options);
        let cluster = cluster.map_err(|error| failed(error.to_string(), error.retry_helps()))?;
        let named: Vec<_> =
            own.iter().map(|topic| (topic.name.as_str(), batch_bytes(topic.target))).collect();
        let (bytes_max, bound, tick) =
            (produce.queue_bytes_max, produce.delivery_timeout + FLUSH_MARGIN, produce.linger);
        let opened = Producer::open(cluster, produce, &named, "", REQUEST_TIMEOUT, &clock);
        let producer = opened.map_err(|error| failed(error.to_string(), error.retry_helps()))?;
        let mut first = 0;
        for topic in &mut own {
            let partitions = producer.state().partitions(first);
            (topic.target.first, topic.target.partitions) =
                (first, i32::try_from(partitions).unwrap_or(i32::MAX));
            first += partitions;
        }
        let shared = Arc::new(Mutex::new(Gathered::new(first)));
        let carrier = Carrier::start(Arc::clone(&shared), producer, first, tick, clock)
            .map_err(|error| failed(error.to_string(), true))?;
        let (stamp, turn) = ((0, 0), 0);
        Ok(NativeSender { shared, carrier, topics: own, settings, clock, bytes_max, bound, stamp, turn })
    }

    /// Writes one record where there is room, without waiting; false if there is none. Without a timestamp
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
        let timestamp_ms = timestamp_ms.unwrap_or_else(|| self.now_ms());
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        self.try_put((topic, partition), &Written { timestamp_ms, key, value, headers: &[] })
    }

    /// Writes one record, for the partition that its key decides where none is given. Waits for room.
    ///
    /// # Errors
    /// The client refuses it, or cannot go on; there is no room for too long.
    pub fn send(
        &mut self,
        (topic, partition): (usize, Option<u32>),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), KafkaError> {
        let timestamp_ms = self.now_ms();
        let target = self.topics[topic].target;
        let place = match (partition, key) {
            (Some(partition), _) => i32::try_from(partition).unwrap_or(i32::MAX),
            (None, Some(key)) => i32::try_from(target.place(key) - target.first).unwrap_or(i32::MAX),
            (None, None) => {
                self.turn = (self.turn + 1) % target.partitions;
                self.turn
            }
        };
        self.put((topic, place), &Written { timestamp_ms, key, value, headers: &[] })
    }

    /// The same with all that a record was stored with, its partition, timestamp and headers; only its offset
    /// is a new one.
    ///
    /// # Errors
    /// As [`NativeSender::send`].
    pub fn send_as_stored(&mut self, topic: usize, stored: &StoredRecord) -> Result<(), KafkaError> {
        let timestamp_ms = if stored.timestamp_ms < 0 { self.now_ms() } else { stored.timestamp_ms };
        let headers = stored.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let headers: Vec<_> = headers.collect();
        let (key, value) = (stored.key.as_deref(), stored.value.as_deref());
        self.put((topic, stored.partition), &Written { timestamp_ms, key, value, headers: &headers })
    }

    fn put(&mut self, place: (usize, i32), record: &Written<'_>) -> Result<(), KafkaError> {
        let deadline = Deadline::after(self.bound);
        while !self.try_put(place, record)? {
            if deadline.passed() {
                let reason = "Local: Queue full".to_owned();
                return Err(self.refused(place.0, reason));
            }
            self.clock.park(SEND_PAUSE);
        }
        Ok(())
    }

    #[inline]
    fn try_put(
        &mut self,
        (topic, partition): (usize, i32),
        record: &Written<'_>,
    ) -> Result<bool, KafkaError> {
        let Topic { target, batch_bytes, .. } = &self.topics[topic];
        if !(0..target.partitions).contains(&partition) {
            return Err(self.refused(topic, format!("there is no partition {partition}")));
        }
        if record.size() > target.bytes_max {
            return self.too_large(topic, record.size());
        }
        let mut shared = lock(&self.shared);
        if let Some(reason) = &shared.failure {
            let reason = reason.clone();
            drop(shared);
            return Err(failed(reason));
        }
        if shared.bytes_left() >= self.bytes_max {
            return Ok(false);
        }
        shared.put(target.at(partition), record, *batch_bytes);
        Ok(true)
    }

    /// What no broker would take is told when it is asked for, as of records that were sent; what the client
    /// would not even send, at once.
    #[cold]
    fn too_large(&mut self, topic: usize, bytes: usize) -> Result<bool, KafkaError> {
        if bytes > QUARANTINE_BYTES_MAX {
            return Err(self.refused(topic, format!("{TOO_LARGE} ({bytes} bytes)")));
        }
        self.topics[topic].too_large += 1;
        Ok(true)
    }

    fn refused(&self, topic: usize, reason: String) -> KafkaError {
        let request = format!("sending to {}", self.topics[topic].name);
        KafkaError::Request { request, reason, retry: false }
    }

    /// Says so if the client cannot go on. Acknowledgements are served without it.
    ///
    /// # Errors
    /// Refused credentials, records that were not delivered.
    pub fn serve(&mut self) -> Result<(), KafkaError> {
        // What comes next may come much later.
        self.stamp.1 = 0;
        self.check()?;
        self.take_failures().map_or(Ok(()), |reason| Err(failed(reason)))
    }

    fn check(&self) -> Result<(), KafkaError> {
        let failure = lock(&self.shared).failure.clone();
        let ended = || self.carrier.is_finished().then(|| "the producer's thread has ended".to_owned());
        failure.or_else(ended).map_or(Ok(()), |reason| Err(failed(reason)))
    }

    /// What was not sent, as text; forgets it.
    fn take_failures(&mut self) -> Option<String> {
        let mut counts = BTreeMap::new();
        for topic in &mut self.topics {
            if topic.too_large > 0 {
                counts.insert(topic.name.clone(), std::mem::take(&mut topic.too_large));
            }
        }
        let text = |(topic, count)| format!("{count} records to {topic}: {TOO_LARGE}");
        (!counts.is_empty()).then(|| counts.into_iter().map(text).collect::<Vec<_>>().join("; "))
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
    /// As [`NativeSender::finish`].
    pub fn finish_unless(mut self, hurry: &dyn Fn() -> bool) -> Result<(), KafkaError> {
        let began = Deadline::after(self.bound);
        let settings = self.settings.clone();
        let hurry = || hurry() || settings.gives_up();
        let patience = Patience::new(self.bound, &hurry);
        loop {
            let left = lock(&self.shared).records_left();
            self.check()?;
            if left == 0 {
                break;
            }
            if patience.is_over() {
                return Err(failed(not_acknowledged(left, self.bound.saturating_sub(began.left()))));
            }
            self.clock.park(SEND_PAUSE);
        }
        self.take_failures().map_or(Ok(()), |reason| Err(failed(reason)))
    }

    /// The time of sending: read once for some records that come one behind the other.
    #[inline]
    fn now_ms(&mut self) -> i64 {
        if self.stamp.1 == 0 {
            self.stamp = (self.clock.wall_ms(), SEND_STAMP_RECORDS);
        }
        self.stamp.1 -= 1;
        self.stamp.0
    }
}

impl Drop for NativeSender {
    /// The carrier ends by itself; it may be waiting for a broker, and is not waited for.
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
    }
}

fn failed(reason: String) -> KafkaError {
    KafkaError::Request { request: "sending records".to_owned(), reason, retry: false }
}

/// In librdkafka's words.
const TOO_LARGE: &str = "Broker: Message size too large";
