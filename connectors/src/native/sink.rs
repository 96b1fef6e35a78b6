//! Results to Kafka straight on the socket: at least once, or exactly once.
//!
//! Enters: rows and alarms (encoded), rejected records, offsets. Leaves: `enriched-events` and
//! `facility-alerts` keyed by facility, `quarantine`, the group's offsets with their metadata; record by
//! record what [`KafkaSink`](crate::kafka::sink::KafkaSink) writes. Drops: nothing; a full queue is waited
//! for, which holds the engine back.
//!
//! Exactly once, an epoch is one transaction: it begins with the first output, holds rows, alarms, late
//! copies and quarantine, then the offsets of every partition with the group's metadata, and ends as
//! committed, aborted or unknown. Behind anything but committed the sink is of no use: a new one under the
//! same transactional id ends what is open, and only then are the committed offsets fetched.

use std::time::Duration;

use wellstream_core::engine::{CommitOutcome, EpochOffsets, Output, Sink, SinkError, Wants};
use wellstream_wire::clock::Clock;
use wellstream_wire::cluster::Cluster;
use wellstream_wire::error::WireError;
use wellstream_wire::offsets::Offsets;
use wellstream_wire::produce::{End, GroupOffsets, OffsetPlace, ProduceError, Producer, ProducerState};

use super::outputs::Outputs;
use super::pulse::PulseClock;
use super::{Unsupported, options, produce_settings};
use crate::kafka::delivery::{Delivery, KafkaOutputs};
use crate::kafka::patience::Patience;
use crate::kafka::topics::Connection;
use crate::kafka::{KafkaError, KafkaSettings, TopicNames};
use crate::limits::{
    ABANDON_TIME, COMMIT_TIMEOUT, DELIVERY_TIMEOUT, FLUSH_MARGIN, HURRY_TIME, PRODUCE_LINGER,
    PRODUCER_READY_TIMEOUT, TRANSACTION_REQUEST_TIMEOUT,
};

/// The sink.
#[derive(Debug)]
pub struct NativeSink {
    settings: KafkaSettings,
    names: TopicNames,
    outputs: Option<Outputs>,
    /// With outputs. Without, only offsets are committed.
    producer: Option<Producer>,
    delivery: Delivery,
    /// For offsets outside transactions.
    cluster: Cluster,
    committer: Offsets,
    offsets: GroupOffsets,
    clock: PulseClock,
    polled_ns: u64,
    transaction_timeout: Duration,
    /// What came of the epoch in progress before its commit: nothing more of it goes out.
    failed: Option<(CommitOutcome, ProduceError)>,
}

impl NativeSink {
    /// Opens the producer, and checks that the output topics are there. Exactly once, whatever was open under
    /// the transactional id is ended when this returns: committed offsets are to be fetched after it.
    ///
    /// # Errors
    /// A setting that the native client does not cover; a topic is missing, a broker refuses, or none answers
    /// in time.
    pub fn open(
        connection: &Connection,
        names: &TopicNames,
        outputs: KafkaOutputs,
        delivery: Delivery,
    ) -> Result<NativeSink, KafkaError> {
        let (clock, settings) = (PulseClock::start()?, connection.settings.clone());
        let transaction_timeout = settings.transaction_timeout()?;
        let exactly = matches!(delivery, Delivery::ExactlyOnce { .. });
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let mut options = options(&settings).map_err(uncovered)?;
        if exactly {
            options.request_timeout = options.request_timeout.min(TRANSACTION_REQUEST_TIMEOUT);
            options.connect_timeout = options.connect_timeout.min(TRANSACTION_REQUEST_TIMEOUT);
        }
        let failed = |error: ProduceError| opening(&settings, (&delivery, transaction_timeout), error);
        let no_cluster = |error: WireError| failed(error.into());
        let mut hasty = options.clone();
        // Whoever commits offsets alone may have to hurry.
        hasty.request_timeout = hasty.request_timeout.min(HURRY_TIME);
        hasty.connect_timeout = hasty.connect_timeout.min(HURRY_TIME);
        let cluster = Cluster::new(&settings.brokers, hasty).map_err(no_cluster)?;
        let mut outputs = Outputs::of(connection, names, outputs)?;
        let producer = match &outputs {
            None => None,
            Some(outputs) => {
                let cluster = Cluster::new(&settings.brokers, options).map_err(no_cluster)?;
                let produce = produce_settings(&settings, &delivery).map_err(uncovered)?;
                let topics = outputs.topics(names);
                let opened = Producer::open(
                    cluster,
                    produce,
                    &topics,
                    &settings.group,
                    PRODUCER_READY_TIMEOUT,
                    &clock,
                );
                Some(opened.map_err(failed)?)
            }
        };
        if let (Some(outputs), Some(producer)) = (&mut outputs, &producer) {
            outputs.find_places(producer.state());
        }
        let committer = Offsets::of(&settings.group);
        Ok(NativeSink {
            names: names.clone(),
            offsets: GroupOffsets { group: settings.group.clone(), ..GroupOffsets::default() },
            settings,
            outputs,
            producer,
            delivery,
            cluster,
            committer,
            clock,
            polled_ns: 0,
            transaction_timeout,
            failed: None,
        })
    }

    /// Sends what is due; often enough, not for every piece of output.
    fn serve(&mut self) {
        let Some(producer) = &mut self.producer else { return };
        let now_ns = self.clock.now_ns();
        let since_ns = now_ns.saturating_sub(self.polled_ns);
        // Nothing came for longer than records wait for others: what has come now goes at once.
        if since_ns >= nanoseconds(PRODUCE_LINGER) {
            producer.state_mut().flush(now_ns);
        }
        if since_ns >= POLL_NS {
            producer.poll(&self.clock);
            self.polled_ns = now_ns;
        }
    }

    fn commit_transaction(&mut self, transactional_id: &str) -> Result<CommitOutcome, SinkError> {
        let (Some(producer), Some(outputs)) = (&mut self.producer, &self.outputs) else {
            return self.commit_offsets();
        };
        if let Some((outcome, error)) = self.failed.take() {
            tracing::warn!("transaction of {transactional_id}: it is not committed: {error}");
            return Ok(outcome);
        }
        let gives_up = || self.settings.gives_up();
        let patience = Patience::new(self.transaction_timeout * 2, &gives_up);
        let mut each = |state: &mut ProducerState| {
            outputs.answer_refused(state);
            !patience.is_over()
        };
        let end = producer.commit(Some(self.offsets.clone()), &mut each, &self.clock);
        let why = producer.state().why().map_or_else(|| "no reason is known".to_owned(), ToString::to_string);
        match end.map_err(|error| self.refuse(&error))? {
            End::Committed => Ok(CommitOutcome::Committed),
            End::Aborted => {
                tracing::warn!("transaction of {transactional_id}: it was aborted: {why}");
                Ok(CommitOutcome::Aborted)
            }
            End::Unknown => {
                tracing::warn!(
                    "transaction of {transactional_id}: nobody knows whether it was committed: {why}; the committed \
                     offsets will tell"
                );
                Ok(CommitOutcome::Unknown)
            }
        }
    }

    fn deliver(&mut self) -> Result<(), SinkError> {
        let (Some(producer), Some(outputs)) = (&mut self.producer, &self.outputs) else { return Ok(()) };
        let gives_up = || self.settings.gives_up();
        let patience = Patience::new(DELIVERY_TIMEOUT + FLUSH_MARGIN, &gives_up);
        let mut each = |state: &mut ProducerState| {
            outputs.answer_refused(state);
            !patience.is_over()
        };
        producer.flush(&mut each, &self.clock).map_err(|error| self.refuse(&error))
    }

    fn commit_offsets(&mut self) -> Result<CommitOutcome, SinkError> {
        if self.offsets.places.is_empty() {
            return Ok(CommitOutcome::Committed);
        }
        let gives_up = || self.settings.gives_up();
        let patience = Patience::new(COMMIT_TIMEOUT, &gives_up);
        let left = || patience.left();
        let committed = self.committer.commit(&mut self.cluster, &self.offsets, &left, &self.clock);
        match committed {
            Ok(()) => Ok(CommitOutcome::Committed),
            Err(error) if error.retry_helps() => {
                tracing::warn!("committing offsets: {error}");
                Ok(CommitOutcome::Unknown)
            }
            Err(error) => Err(refuse(format!(
                "committing offsets of group {}: {error}{}",
                self.settings.group,
                advice(&error)
            ))),
        }
    }

    /// The epoch cannot be committed. In a transaction that is for its commit to say, if it may work with the
    /// next one.
    fn fail(&mut self, outcome: CommitOutcome, error: ProduceError) -> Result<(), SinkError> {
        let is_transaction = matches!(self.delivery, Delivery::ExactlyOnce { .. });
        if !is_transaction || !error.retry_helps() {
            return Err(self.refuse(&error));
        }
        self.failed = Some((outcome, error));
        Ok(())
    }

    fn refuse(&self, error: &ProduceError) -> SinkError {
        refuse(said((&self.delivery, self.transaction_timeout), error))
    }
}

impl Drop for NativeSink {
    /// Whoever goes in the middle of an epoch need not hold readers up until its transaction times out.
    fn drop(&mut self) {
        if let (Some(producer), Delivery::ExactlyOnce { .. }) = (&mut self.producer, &self.delivery) {
            producer.abandon(ABANDON_TIME, &self.clock);
        }
    }
}

impl Sink for NativeSink {
    fn wants(&self) -> Wants {
        self.outputs.as_ref().map_or_else(Wants::default, Outputs::wants)
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        self.offsets.places.clear();
        self.failed = None;
        let Some(producer) = &mut self.producer else { return Ok(()) };
        if matches!(self.delivery, Delivery::ExactlyOnce { .. })
            && let Err(error) = producer.begin(&self.clock)
        {
            // Nothing of the epoch has gone out yet.
            self.fail(CommitOutcome::Aborted, error)?;
        }
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let (Some(producer), Some(outputs)) = (&mut self.producer, &mut self.outputs) else { return Ok(()) };
        if self.failed.is_some() {
            return Ok(());
        }
        let appended = match output {
            Output::Rows(batch) => outputs.rows(producer, batch, &self.clock),
            Output::Alarms(alarms) => outputs.alarms(producer, alarms, &self.clock),
            Output::Rejects(rejects) => outputs.rejects(producer, rejects, &self.names, &self.clock),
        };
        if let Err(error) = appended {
            return self.fail(CommitOutcome::Unknown, error);
        }
        self.serve();
        Ok(())
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.offsets.member.clone_from(&offsets.group.member);
        self.offsets.generation = offsets.group.generation;
        self.offsets.places.clear();
        self.offsets.places.extend(offsets.partitions.iter().map(|place| OffsetPlace {
            topic: self.names.of(place.partition.side).to_owned(),
            partition: i32::try_from(place.partition.number).unwrap_or(i32::MAX),
            offset_next: place.offset_next,
            metadata: place.metadata.clone(),
        }));
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        match &self.delivery {
            Delivery::ExactlyOnce { transactional_id } => {
                let transactional_id = transactional_id.clone();
                self.commit_transaction(&transactional_id)
            }
            Delivery::AtLeastOnce => {
                self.deliver()?;
                self.commit_offsets()
            }
        }
    }
}

fn opening(settings: &KafkaSettings, promise: (&Delivery, Duration), error: ProduceError) -> KafkaError {
    match &error {
        ProduceError::Wire(wire) if wire.is_refusal() => {
            KafkaError::Authentication { brokers: settings.brokers.clone(), reason: wire.to_string() }
        }
        error => KafkaError::Request {
            request: "opening the producer".to_owned(),
            reason: said(promise, error),
            retry: error.retry_helps(),
        },
    }
}

/// What happened, and what the operator can do.
fn said((delivery, transaction_timeout): (&Delivery, Duration), error: &ProduceError) -> String {
    let what_to_do = match (error, delivery) {
        (ProduceError::Fenced { .. }, Delivery::ExactlyOnce { transactional_id }) => format!(
            "another instance runs with transactional id {transactional_id}, or this one was stopped for longer \
             than {} s. Run one instance of a group only, or give each its own --group and --transactional-id; \
             nothing is lost or doubled, the next start goes on from the committed offsets",
            transaction_timeout.as_secs()
        ),
        (ProduceError::Refused { code: TRANSACTION_TIMEOUT_INVALID, .. }, _) => format!(
            "the brokers' transaction.max.timeout.ms is below {} s: raise it, or lower -X transaction.timeout.ms",
            transaction_timeout.as_secs()
        ),
        (ProduceError::Refused { code: TRANSACTIONAL_ID_DENIED, .. }, _) => {
            "this user may not use the transactional id: grant WRITE and DESCRIBE on it, or use --delivery \
             at-least-once"
                .to_owned()
        }
        _ => "Check the brokers and the topics' settings; the next start repeats the epoch".to_owned(),
    };
    format!("{error}. {what_to_do}")
}

fn advice(error: &WireError) -> &'static str {
    match error {
        // Kafka's ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS.
        WireError::Code { code, .. } if [22, 25, 27].contains(&code.0) => {
            ": other programs are members of this group: choose another --group"
        }
        _ => "; the next start repeats the epochs since the last commit",
    }
}

fn refuse(message: String) -> SinkError {
    SinkError { sink: "kafka", message }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Between two looks at the connections while output keeps coming.
const POLL_NS: u64 = 200_000;
/// Kafka's INVALID_TRANSACTION_TIMEOUT.
const TRANSACTION_TIMEOUT_INVALID: i16 = 50;
/// Kafka's TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
const TRANSACTIONAL_ID_DENIED: i16 = 53;
