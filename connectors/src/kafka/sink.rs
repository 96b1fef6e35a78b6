//! Results to Kafka through librdkafka. At least once: everything of an epoch is acknowledged by all replicas
//! before its offsets are committed; after a crash between the two the next run repeats the epoch, and row
//! ids let a reader drop the repeats. Exactly once: both are in one transaction.
//!
//! Enters: rows and alarms (encoded), rejected records. Leaves: `enriched-events` and `facility-alerts` keyed
//! by facility, `quarantine`, and the group's offsets with their metadata. Drops: nothing; a full queue is
//! waited for, which holds the engine back.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use wellstream_core::encode;
use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_core::record::{Alarm, Reject, Row, RowBatch};
use wellstream_wire::produce::partition_of;

pub use super::delivery::{Delivery, KafkaOutputs, ResultSchemas};

use super::batch::{Outgoing, ProduceTopic};
use super::offsets::OffsetCommitter;
use super::producer::{ProducerEvents, check, delivery_bound, drain, refuse, serve_events};
use super::quarantine;
use super::topics::Connection;
use super::transaction::{self, Transactions};
use super::{KafkaError, TopicNames};
use crate::limits::{BATCH_BYTES_MAX, PRODUCE_RECORDS, QUEUE_FULL_PAUSE};
use crate::machine_clock::Deadline;
use crate::outgoing::{self, FRAME_BYTES, QuarantineRecord};

/// The sink over librdkafka.
pub struct KafkaSink {
    outputs: Option<Outputs>,
    /// Exactly once, with outputs. Without any, only offsets are committed.
    transactions: Option<Transactions>,
    committer: OffsetCommitter,
    offsets: EpochOffsets,
    /// A transaction is open, and its end has not been asked for.
    is_open: bool,
    /// Why the epoch in progress cannot be committed.
    failed: Option<SinkError>,
}

impl KafkaSink {
    /// Opens the producer, and checks that the output topics are there: at least once.
    ///
    /// # Errors
    /// A topic is missing, or a setting is refused.
    pub fn open(
        connection: &Connection,
        names: &TopicNames,
        outputs: KafkaOutputs,
    ) -> Result<KafkaSink, KafkaError> {
        KafkaSink::open_for(connection, names, outputs, &Delivery::AtLeastOnce)
    }

    /// The same for either delivery. Exactly once, whatever was open under the transactional id is ended when
    /// this returns: committed offsets are to be fetched after it.
    ///
    /// # Errors
    /// A topic is missing, a setting is refused, or the transactional id cannot be had.
    pub fn open_for(
        connection: &Connection,
        names: &TopicNames,
        outputs: KafkaOutputs,
        delivery: &Delivery,
    ) -> Result<KafkaSink, KafkaError> {
        let writes = outputs.results.is_some() || outputs.quarantine;
        let producing = writes.then(|| Outputs::open(connection, names, outputs, delivery)).transpose()?;
        let committer = OffsetCommitter::open(&connection.settings, names)?;
        let transactions = match (&producing, delivery) {
            (Some(outputs), Delivery::ExactlyOnce { transactional_id }) => {
                let group = committer.group_metadata()?;
                let timeout = connection.settings.transaction_timeout()?;
                Some(Transactions::open(&outputs.producer, (transactional_id, timeout), group)?)
            }
            _ => None,
        };
        let offsets = EpochOffsets::default();
        Ok(KafkaSink { outputs: producing, transactions, committer, offsets, is_open: false, failed: None })
    }

    fn commit_transaction(&mut self) -> Result<CommitOutcome, SinkError> {
        let (Some(outputs), Some(transactions)) = (&mut self.outputs, &self.transactions) else {
            return self.committer.commit(&self.offsets);
        };
        self.is_open = false;
        let delivered = self.failed.take().map_or_else(|| outputs.deliver(), Err);
        if let Err(error) = delivered {
            tracing::warn!("{transactions}: {error}");
            return match outputs.producer.client().fatal_error() {
                Some((code, said)) => Err(transactions.refuse_code(Some(code), &said)),
                None => transactions.abort(&outputs.producer, None),
            };
        }
        let list = self.committer.list(&self.offsets).map_err(|error| refuse(error.to_string()))?;
        transactions.commit(&outputs.producer, &list)
    }
}

impl Sink for KafkaSink {
    fn wants(&self) -> Wants {
        let Some(outputs) = &self.outputs else { return Wants::default() };
        Wants {
            encoded_rows: outputs.results.is_some(),
            rejects: outputs.quarantine.is_some(),
            only_counts: false,
        }
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        self.offsets.partitions.clear();
        self.failed = None;
        if let (Some(outputs), Some(transactions)) = (&self.outputs, &self.transactions) {
            transactions.begin(&outputs.producer)?;
            self.is_open = true;
        }
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let Some(outputs) = &mut self.outputs else { return Ok(()) };
        if self.failed.is_some() {
            return Ok(());
        }
        let appended = match output {
            Output::Rows(batch) => outputs.rows(batch),
            Output::Alarms(alarms) => outputs.alarms(alarms),
            Output::Rejects(rejects) => outputs.rejects(rejects),
        };
        let Err(error) = appended.and_then(|()| outputs.raise()) else { return Ok(()) };
        let Some(transactions) = &self.transactions else { return Err(error) };
        // In a transaction nothing is in before its commit: that one will abort it, and the epoch comes
        // again.
        match outputs.producer.client().fatal_error() {
            Some((code, said)) => return Err(transactions.refuse_code(Some(code), &said)),
            None => check(&outputs.producer)?,
        }
        self.failed = Some(error);
        Ok(())
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.offsets.clone_from(offsets);
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        if self.transactions.is_some() {
            return self.commit_transaction();
        }
        if let Some(outputs) = &mut self.outputs {
            outputs.deliver()?;
        }
        self.committer.commit(&self.offsets)
    }
}

impl Drop for KafkaSink {
    /// Whoever goes in the middle of an epoch need not hold readers up until its transaction times out.
    fn drop(&mut self) {
        if let (true, Some(outputs), Some(transactions)) = (self.is_open, &self.outputs, &self.transactions) {
            transactions.abandon(&outputs.producer);
        }
    }
}

/// The producer and what it writes to.
struct Outputs {
    results: Option<Results>,
    quarantine: Option<Quarantine>,
    names: TopicNames,
    producer: Arc<BaseProducer<ProducerEvents>>,
    bound: Duration,
    framed: Vec<u8>,
}

struct Results {
    schemas: ResultSchemas,
    enriched: ProduceTopic<ProducerEvents>,
    enriched_partitions: i32,
}

struct Quarantine {
    /// The largest record that the topic takes.
    bytes_max: usize,
}

impl Outputs {
    fn open(
        connection: &Connection,
        names: &TopicNames,
        outputs: KafkaOutputs,
        delivery: &Delivery,
    ) -> Result<Outputs, KafkaError> {
        let mut batch_bytes_max = BATCH_BYTES_MAX;
        let mut message_bytes_max = BATCH_BYTES_MAX;
        let mut bytes_max = |topic: &str| -> Result<usize, KafkaError> {
            let said = connection.topic_settings(topic)?.remove("max.message.bytes");
            let bytes = said.and_then(|text| text.parse().ok()).unwrap_or(BATCH_BYTES_MAX);
            // A broker refuses a whole batch that is larger than one record may be.
            batch_bytes_max = batch_bytes_max.min(bytes);
            message_bytes_max = message_bytes_max.max(bytes);
            Ok(bytes)
        };
        let mut enriched_partitions = 0;
        if outputs.results.is_some() {
            let partitions = connection.topic(&names.enriched)?.partitions;
            enriched_partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            connection.topic(&names.alerts)?;
            bytes_max(&names.enriched)?;
            bytes_max(&names.alerts)?;
        }
        let quarantine = if outputs.quarantine {
            connection.topic(&names.quarantine)?;
            Some(Quarantine { bytes_max: bytes_max(&names.quarantine)? })
        } else {
            None
        };
        let events = ProducerEvents::new(
            &connection.settings,
            quarantine.is_some().then_some(names.quarantine.as_str()),
        );
        let mut config = connection.settings.producer_config(message_bytes_max, batch_bytes_max);
        if let Delivery::ExactlyOnce { transactional_id } = delivery {
            transaction::configure(&mut config, transactional_id, connection.settings.transaction_timeout()?);
        }
        let bound = delivery_bound(&config);
        let producer: BaseProducer<ProducerEvents> = config
            .create_with_context(events)
            .map_err(|error| KafkaError::request("making a producer", &error))?;
        let producer = Arc::new(producer);
        let results = match outputs.results {
            None => None,
            Some(schemas) => {
                let enriched = ProduceTopic::new(&producer, &names.enriched).ok_or_else(|| {
                    KafkaError::TopicMissing {
                        topic: names.enriched.clone(),
                        brokers: connection.settings.brokers.clone(),
                    }
                })?;
                Some(Results { schemas, enriched, enriched_partitions })
            }
        };
        Ok(Outputs { results, quarantine, names: names.clone(), producer, bound, framed: Vec::new() })
    }

    fn rows(&mut self, batch: &RowBatch) -> Result<(), SinkError> {
        for rows in batch.rows.chunks(PRODUCE_RECORDS) {
            self.some_rows(batch, rows)?;
            serve_events(&self.producer);
        }
        Ok(())
    }

    fn some_rows(&mut self, batch: &RowBatch, rows: &[Row]) -> Result<(), SinkError> {
        let Outputs { results: Some(results), framed, producer, bound, .. } = self else { return Ok(()) };
        framed.clear();
        for row in rows {
            encode::put_frame(framed, results.schemas.enriched);
            framed.extend_from_slice(batch.value(row));
        }
        let mut rest = rows;
        let mut values = framed.as_slice();
        let deadline = Deadline::after(*bound);
        loop {
            let partitions = results.enriched_partitions;
            let mut left = values;
            let records = rest.iter().map(|row| {
                let (value, behind) = left.split_at(batch.value(row).len() + FRAME_BYTES);
                left = behind;
                let key = batch.key(row);
                Outgoing { partition: partition_of(key, partitions), key, value }
            });
            let (queued, error) = results.enriched.produce(records);
            match error {
                None => return Ok(()),
                Some(RDKafkaErrorCode::QueueFull) => await_room(producer, deadline)?,
                Some(code) => return Err(refuse(format!("producing rows: {code}"))),
            }
            let done: usize = rest[..queued].iter().map(|row| batch.value(row).len() + FRAME_BYTES).sum();
            values = &values[done..];
            rest = &rest[queued..];
        }
    }

    fn alarms(&mut self, alarms: &[Alarm]) -> Result<(), SinkError> {
        let Some(results) = &self.results else { return Ok(()) };
        for alarm in alarms {
            outgoing::put_alarm(&mut self.framed, alarm, results.schemas);
            let record =
                BaseRecord::to(&self.names.alerts).key(alarm.facility.as_bytes()).payload(&self.framed[..]);
            send(&self.producer, record, self.bound)?;
        }
        Ok(())
    }

    fn rejects(&mut self, rejects: &[Reject]) -> Result<(), SinkError> {
        let Some(topic) = &self.quarantine else { return Ok(()) };
        for reject in rejects {
            let source = self.names.of(reject.partition.side);
            let record = QuarantineRecord::of(reject, source, topic.bytes_max);
            let headers = quarantine::owned(&record.headers);
            let record = quarantine::record(&self.names, record.key, record.value, headers);
            send(&self.producer, record, self.bound)?;
        }
        Ok(())
    }

    /// Everything of the epoch is acknowledged when this returns.
    fn deliver(&mut self) -> Result<(), SinkError> {
        let sent = self.producer.in_flight_count() > 0;
        drain(&self.producer, self.bound)?;
        for refused in self.events().take_refused() {
            self.send_again(refused)?;
        }
        self.raise()?;
        check(&self.producer)?;
        // With nothing to deliver no broker has answered.
        if sent {
            self.events().context().works();
        }
        Ok(())
    }

    /// A batch is refused as a whole, for one record in it: alone, a small one passes. What is refused again
    /// goes as headers.
    fn send_again(&self, refused: quarantine::Refused) -> Result<(), SinkError> {
        let quarantine::Refused { key, value, headers } = refused;
        let record = quarantine::record(&self.names, key.as_deref(), Some(&value), headers.clone());
        send(&self.producer, record, self.bound)?;
        drain(&self.producer, self.bound)?;
        if self.events().take_refused().is_empty() {
            return Ok(());
        }
        let headers = quarantine::with_digest(headers, &value);
        send(&self.producer, quarantine::record(&self.names, key.as_deref(), None, headers), self.bound)?;
        drain(&self.producer, self.bound)
    }

    /// Ends the run where a record was given up: its epoch must not be committed.
    fn raise(&self) -> Result<(), SinkError> {
        match self.events().take_failures() {
            None => Ok(()),
            Some(failures) => Err(refuse(format!(
                "not delivered: {failures}. Check the brokers and the topics' settings; the next start \
                 repeats the epoch"
            ))),
        }
    }

    fn events(&self) -> &ProducerEvents {
        self.producer.context()
    }
}

/// Queues one record, waiting while the queue is full.
fn send(
    producer: &BaseProducer<ProducerEvents>,
    record: BaseRecord<'_, [u8], [u8]>,
    bound: Duration,
) -> Result<(), SinkError> {
    let deadline = Deadline::after(bound);
    let mut next = Some(record);
    while let Some(record) = next.take() {
        let topic = record.topic;
        match producer.send(record) {
            Ok(()) => {}
            Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                await_room(producer, deadline)?;
                next = Some(refused);
            }
            Err((error, _)) => {
                let reason = super::error::plain(&error);
                return Err(refuse(format!("producing to {topic}: {reason}")));
            }
        }
    }
    Ok(())
}

/// Waits a moment for acknowledgements to make room.
fn await_room(producer: &BaseProducer<ProducerEvents>, deadline: Deadline) -> Result<(), SinkError> {
    check(producer)?;
    if deadline.passed() {
        return Err(refuse("the queue stayed full: the brokers acknowledge nothing".to_owned()));
    }
    producer.poll(QUEUE_FULL_PAUSE);
    Ok(())
}
