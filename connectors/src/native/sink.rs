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
use wellstream_wire::cluster::Cluster;
use wellstream_wire::error::WireError;
use wellstream_wire::offsets::Offsets;
use wellstream_wire::produce::{End, GroupOffsets, OffsetPlace, ProduceError, Producer, ProducerState};

use super::outputs::Outputs;
use super::{Unsupported, options, produce_settings};
use crate::kafka::patience::Patience;
use crate::kafka::sink::{Delivery, KafkaOutputs};
use crate::kafka::topics::Connection;
use crate::kafka::{KafkaError, KafkaSettings, TopicNames};
use crate::limits::{
    COMMIT_TIMEOUT, DELIVERY_TIMEOUT, FLUSH_MARGIN, PRODUCE_LINGER, PRODUCER_READY_TIMEOUT,
    TRANSACTION_REQUEST_TIMEOUT, TRANSACTION_TIMEOUT,
};
use crate::machine_clock::MachineClock;

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
    clock: MachineClock,
    polled_ns: u64,
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
        let (clock, settings) = (MachineClock::start(), connection.settings.clone());
        let exactly = matches!(delivery, Delivery::ExactlyOnce { .. });
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let mut options = options(&settings).map_err(uncovered)?;
        if exactly {
            options.request_timeout = options.request_timeout.min(TRANSACTION_REQUEST_TIMEOUT);
            options.connect_timeout = options.connect_timeout.min(TRANSACTION_REQUEST_TIMEOUT);
        }
        let failed = |error: WireError| opening(&settings, &delivery, error.into());
        let cluster = Cluster::new(&settings.brokers, options.clone()).map_err(failed)?;
        let mut outputs = Outputs::of(connection, names, outputs)?;
        let producer = match &outputs {
            None => None,
            Some(outputs) => {
                let cluster = Cluster::new(&settings.brokers, options).map_err(failed)?;
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
                Some(opened.map_err(|error| opening(&settings, &delivery, error))?)
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

    fn commit_transaction(&mut self) -> Result<CommitOutcome, SinkError> {
        let (Some(producer), Some(outputs)) = (&mut self.producer, &self.outputs) else {
            return self.commit_offsets();
        };
        let gives_up = || self.settings.gives_up();
        let patience = Patience::new(TRANSACTION_TIMEOUT * 2, &gives_up);
        let mut each = |state: &mut ProducerState| {
            outputs.answer_refused(state);
            !patience.is_over()
        };
        let why = producer.state().trouble().map(ToString::to_string);
        let end = producer.commit(Some(self.offsets.clone()), &mut each, &self.clock);
        match end.map_err(|error| self.refuse(&error))? {
            End::Committed => Ok(CommitOutcome::Committed),
            End::Aborted => {
                tracing::warn!(
                    "the transaction was aborted ({})",
                    why.unwrap_or_else(|| "see above".to_owned())
                );
                Ok(CommitOutcome::Aborted)
            }
            End::Unknown => Ok(CommitOutcome::Unknown),
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
        let committed = self.committer.commit(&mut self.cluster, &self.offsets, COMMIT_TIMEOUT, &self.clock);
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

    fn refuse(&self, error: &ProduceError) -> SinkError {
        refuse(said(&self.delivery, error))
    }
}

impl Sink for NativeSink {
    fn wants(&self) -> Wants {
        self.outputs.as_ref().map_or_else(Wants::default, Outputs::wants)
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        self.offsets.places.clear();
        let Some(producer) = &mut self.producer else { return Ok(()) };
        if matches!(self.delivery, Delivery::ExactlyOnce { .. }) {
            let begun = producer.begin(&self.clock);
            begun.map_err(|error| refuse(said(&self.delivery, &error)))?;
        }
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        let (Some(producer), Some(outputs)) = (&mut self.producer, &mut self.outputs) else { return Ok(()) };
        let appended = match output {
            Output::Rows(batch) => outputs.rows(producer, batch, &self.clock),
            Output::Alarms(alarms) => outputs.alarms(producer, alarms, &self.clock),
            Output::Rejects(rejects) => outputs.rejects(producer, rejects, &self.names, &self.clock),
        };
        appended.map_err(|error| self.refuse(&error))?;
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
        match self.delivery {
            Delivery::ExactlyOnce { .. } => self.commit_transaction(),
            Delivery::AtLeastOnce => {
                self.deliver()?;
                self.commit_offsets()
            }
        }
    }
}

fn opening(settings: &KafkaSettings, delivery: &Delivery, error: ProduceError) -> KafkaError {
    match &error {
        ProduceError::Wire(wire) if wire.is_refusal() => {
            KafkaError::Authentication { brokers: settings.brokers.clone(), reason: wire.to_string() }
        }
        error => KafkaError::Request {
            request: "opening the producer".to_owned(),
            reason: said(delivery, error),
            retry: error.retry_helps(),
        },
    }
}

/// What happened, and what the operator can do.
fn said(delivery: &Delivery, error: &ProduceError) -> String {
    let what_to_do = match (error, delivery) {
        (ProduceError::Fenced { .. }, Delivery::ExactlyOnce { transactional_id }) => format!(
            "another instance runs with transactional id {transactional_id}, or this one was stopped for longer \
             than {} s. Run one instance of a group only, or give each its own --group and --transactional-id; \
             nothing is lost or doubled, the next start goes on from the committed offsets",
            TRANSACTION_TIMEOUT.as_secs()
        ),
        (ProduceError::Refused { code: TRANSACTION_TIMEOUT_INVALID, .. }, _) => format!(
            "the brokers' transaction.max.timeout.ms is below {} s: raise it",
            TRANSACTION_TIMEOUT.as_secs()
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
