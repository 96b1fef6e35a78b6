//! Transactions by librdkafka: for brokers and ways of authentication that the native client does not cover.
//!
//! Enters: a producer that has delivered an epoch's output, and the epoch's offsets. Leaves: committed,
//! aborted or unknown. Every call has a bound; one that runs into it leaves the outcome unknown, and a new
//! producer under the same transactional id decides it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;
use wellstream_core::engine::{CommitOutcome, SinkError};

use super::KafkaError;
use super::error::plain;
use super::producer::{ProducerEvents, refuse};
use crate::limits::{PRODUCER_READY_TIMEOUT, TRANSACTION_TIMEOUT};

/// The transactions of one producer.
pub(super) struct Transactions {
    transactional_id: String,
    group: ConsumerGroupMetadata,
}

/// What a producer of transactions is configured with: no record outlives its transaction.
pub(super) fn configure(config: &mut ClientConfig, transactional_id: &str) {
    let timeout_ms = TRANSACTION_TIMEOUT.as_millis();
    config.set("transactional.id", transactional_id);
    config.set("transaction.timeout.ms", timeout_ms.to_string());
    config.set("message.timeout.ms", (timeout_ms - 1_000).to_string());
}

impl Transactions {
    /// Fences whoever ran under this id, and ends what was open.
    pub(super) fn open(
        producer: &BaseProducer<ProducerEvents>,
        transactional_id: &str,
        group: ConsumerGroupMetadata,
    ) -> Result<Transactions, KafkaError> {
        let request = || format!("starting transactions under {transactional_id}");
        producer
            .init_transactions(PRODUCER_READY_TIMEOUT)
            .map_err(|error| KafkaError::request(request(), &error))?;
        Ok(Transactions { transactional_id: transactional_id.to_owned(), group })
    }

    pub(super) fn begin(&self, producer: &BaseProducer<ProducerEvents>) -> Result<(), SinkError> {
        producer.begin_transaction().map_err(|error| self.refuse(&error))
    }

    /// Ends a transaction whose output is delivered.
    pub(super) fn commit(
        &self,
        producer: &BaseProducer<ProducerEvents>,
        offsets: &TopicPartitionList,
    ) -> Result<CommitOutcome, SinkError> {
        if offsets.count() > 0 {
            let sent =
                self.patiently(&|left| producer.send_offsets_to_transaction(offsets, &self.group, left));
            if let Err(error) = sent {
                tracing::warn!("offsets of the transaction: {}", plain(&error));
                return self.abort(producer, Some(&error));
            }
        }
        match self.patiently(&|left| producer.commit_transaction(left)) {
            Ok(()) => Ok(CommitOutcome::Committed),
            Err(error) if class(&error) == Class::Abort => self.abort(producer, Some(&error)),
            Err(error) if class(&error) == Class::Fatal => Err(self.refuse(&error)),
            Err(error) => {
                tracing::warn!("the end of the transaction: {}", plain(&error));
                Ok(CommitOutcome::Unknown)
            }
        }
    }

    /// Ends a transaction that must not be committed.
    pub(super) fn abort(
        &self,
        producer: &BaseProducer<ProducerEvents>,
        why: Option<&ClientError>,
    ) -> Result<CommitOutcome, SinkError> {
        if let Some(error) = why.filter(|error| class(error) == Class::Fatal) {
            return Err(self.refuse(error));
        }
        match self.patiently(&|left| producer.abort_transaction(left)) {
            Ok(()) => Ok(CommitOutcome::Aborted),
            Err(error) if class(&error) == Class::Fatal => Err(self.refuse(&error)),
            Err(_) => Ok(CommitOutcome::Unknown),
        }
    }

    /// Again what passes by itself, within the time that a transaction has.
    fn patiently(&self, act: &dyn Fn(Duration) -> Result<(), ClientError>) -> Result<(), ClientError> {
        let deadline = crate::machine_clock::Deadline::after(TRANSACTION_TIMEOUT);
        loop {
            let done = act(deadline.left().max(Duration::from_millis(1)));
            match &done {
                Err(error) if class(error) == Class::Retry && !deadline.passed() => {}
                _ => return done,
            }
        }
    }

    fn refuse(&self, error: &ClientError) -> SinkError {
        self.refuse_code(error.rdkafka_error_code(), &plain(error))
    }

    /// What ends the run.
    pub(super) fn refuse_code(&self, code: Option<RDKafkaErrorCode>, said: &str) -> SinkError {
        use RDKafkaErrorCode as Code;
        let id = &self.transactional_id;
        let fenced = matches!(code, Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch));
        refuse(match fenced {
            true => format!(
                "another instance runs with transactional id {id}, or this one was stopped for longer than {} s. \
                 Run one instance of a group only, or give each its own --group and --transactional-id; nothing \
                 is lost or doubled, the next start goes on from the committed offsets",
                TRANSACTION_TIMEOUT.as_secs()
            ),
            false => format!("transaction of {id}: {said}. The next start repeats the epoch"),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Retry,
    Abort,
    Fatal,
    Unknown,
}

fn class(error: &ClientError) -> Class {
    match error {
        ClientError::Transaction(error) if error.is_fatal() => Class::Fatal,
        ClientError::Transaction(error) if error.txn_requires_abort() => Class::Abort,
        ClientError::Transaction(error) if error.is_retriable() => Class::Retry,
        _ => Class::Unknown,
    }
}
