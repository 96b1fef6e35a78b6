//! Transactions by librdkafka: for brokers and ways of authentication that the native client does not cover.
//!
//! Enters: a producer that has delivered an epoch's output, and the epoch's offsets. Leaves: committed,
//! aborted or unknown. Every call has a bound; one that runs into it leaves the outcome unknown, and a new
//! producer under the same transactional id decides it.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;
use wellstream_core::engine::{CommitOutcome, SinkError};
use wellstream_wire::cluster::Backoff;

use super::KafkaError;
use super::error::plain;
use super::producer::{ProducerEvents, refuse, serve_events};
use crate::MachineClock;
use crate::limits::{ABANDON_TIME, PRODUCER_READY_TIMEOUT};
use crate::machine_clock::Deadline;

/// The transactions of one producer.
pub(super) struct Transactions {
    transactional_id: String,
    timeout: Duration,
    group: Arc<ConsumerGroupMetadata>,
}

/// What a producer of transactions is configured with: no record outlives its transaction.
pub(super) fn configure(config: &mut ClientConfig, transactional_id: &str, timeout: Duration) {
    let timeout_ms = timeout.as_millis();
    // Two names of one setting, of which librdkafka takes whichever comes last.
    let given = ["delivery.timeout.ms", "message.timeout.ms"].into_iter().filter_map(|key| config.get(key));
    let given_ms = given.filter_map(|text| text.parse().ok()).min().unwrap_or(u128::MAX);
    config.remove("delivery.timeout.ms");
    config.set("transactional.id", transactional_id);
    config.set("transaction.timeout.ms", timeout_ms.to_string());
    config.set("message.timeout.ms", given_ms.min(timeout_ms - 1_000).to_string());
}

impl Transactions {
    /// Fences whoever ran under this id, and ends what was open.
    pub(super) fn open(
        producer: &BaseProducer<ProducerEvents>,
        (transactional_id, timeout): (&str, Duration),
        group: ConsumerGroupMetadata,
    ) -> Result<Transactions, KafkaError> {
        let request = || format!("starting transactions under {transactional_id}");
        producer
            .init_transactions(PRODUCER_READY_TIMEOUT)
            .map_err(|error| KafkaError::request(request(), &error))?;
        Ok(Transactions { transactional_id: transactional_id.to_owned(), timeout, group: Arc::new(group) })
    }

    pub(super) fn begin(&self, producer: &BaseProducer<ProducerEvents>) -> Result<(), SinkError> {
        producer.begin_transaction().map_err(|error| self.refuse(&error))
    }

    /// Ends a transaction whose output is delivered.
    pub(super) fn commit(
        &self,
        producer: &Arc<BaseProducer<ProducerEvents>>,
        offsets: &TopicPartitionList,
    ) -> Result<CommitOutcome, SinkError> {
        if offsets.count() > 0 {
            match self.send_offsets(producer, offsets) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!("{self}: its offsets: {}", plain(&error));
                    return self.abort(producer, Some(&error));
                }
                None => return Ok(self.unknown("its offsets are not answered")),
            }
        }
        match self.patiently(&|left| producer.commit_transaction(left)) {
            Ok(()) => Ok(CommitOutcome::Committed),
            Err(error) if class(&error) == Class::Abort => self.abort(producer, Some(&error)),
            Err(error) if class(&error) == Class::Fatal => Err(self.refuse(&error)),
            Err(error) => Ok(self.unknown(&plain(&error))),
        }
    }

    /// Offsets into the transaction; `None` if the client does not come back. It does not keep to the bound
    /// that it is given while the group's coordinator is away (librdkafka's issue 5456), so it waits on a
    /// thread that nobody waits for any longer, and which ends, with its producer, when the broker is back.
    fn send_offsets(
        &self,
        producer: &Arc<BaseProducer<ProducerEvents>>,
        offsets: &TopicPartitionList,
    ) -> Option<Result<(), ClientError>> {
        let (producer, offsets, group) = (Arc::clone(producer), offsets.clone(), Arc::clone(&self.group));
        let deadline = Deadline::after(self.timeout);
        bounded(self.timeout + CALL_MARGIN, move || {
            patiently(deadline, &passes, &|left| producer.send_offsets_to_transaction(&offsets, &group, left))
        })
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
        match self.patiently(&|left| abort_some(producer, left)) {
            Ok(()) => Ok(CommitOutcome::Aborted),
            Err(error) if class(&error) == Class::Fatal => Err(self.refuse(&error)),
            Err(error) => Ok(self.unknown(&plain(&error))),
        }
    }

    /// Aborts, if that goes at once: for whoever goes in the middle of a transaction.
    pub(super) fn abandon(&self, producer: &BaseProducer<ProducerEvents>) {
        let aborted = patiently(Deadline::after(ABANDON_TIME), &passes, &|left| abort_some(producer, left));
        if let Err(error) = aborted {
            tracing::debug!("{self}: aborting what is open: {}", plain(&error));
        }
    }

    fn unknown(&self, reason: &str) -> CommitOutcome {
        tracing::warn!(
            "{self}: nobody knows whether it was committed ({reason}); the committed offsets will tell"
        );
        CommitOutcome::Unknown
    }

    /// Again what passes by itself, within the time that a transaction has.
    fn patiently(&self, act: &dyn Fn(Duration) -> Result<(), ClientError>) -> Result<(), ClientError> {
        patiently(Deadline::after(self.timeout), &passes, act)
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
                self.timeout.as_secs()
            ),
            false => format!("transaction of {id}: {said}. The next start repeats the epoch"),
        })
    }
}

/// As messages name it.
impl fmt::Display for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction of {}", self.transactional_id)
    }
}

/// One piece of an abort: it waits for the reports of all records that it gives up, and these are served
/// between two pieces only.
fn abort_some(producer: &BaseProducer<ProducerEvents>, left: Duration) -> Result<(), ClientError> {
    serve_events(producer);
    producer.abort_transaction(left.min(ABORT_SLICE))
}

/// What a call on a thread of its own returns, unless that takes longer than `bound`; then it is left alone.
/// `None` too where the system gives no thread.
fn bounded<T: Send + 'static>(bound: Duration, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("kafka-offsets".to_owned());
    let started = thread.spawn(move || drop(tell.send(call())));
    started.ok()?;
    told.recv_timeout(bound).ok()
}

/// Again what passes by itself, with pauses that double.
fn patiently<E>(
    deadline: Deadline,
    passes: &dyn Fn(&E) -> bool,
    act: &dyn Fn(Duration) -> Result<(), E>,
) -> Result<(), E> {
    let (clock, mut backoff) = (MachineClock::start(), Backoff::default());
    loop {
        let done = act(deadline.left().max(Duration::from_millis(1)));
        match &done {
            Err(error) if passes(error) && !deadline.passed() => {}
            _ => return done,
        }
        clock.sleep(backoff.pause().min(deadline.left()));
    }
}

fn passes(error: &ClientError) -> bool {
    class(error) == Class::Retry
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

/// One piece of an abort, at most.
const ABORT_SLICE: Duration = Duration::from_millis(100);
/// How much longer than it should a call may take before it is left alone.
const CALL_MARGIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_passes_is_tried_again_with_pauses_and_nothing_else_is() {
        let deadline = || Deadline::after(Duration::from_millis(300));
        let tried = Cell::new(0);
        let act = |error: &'static str| {
            tried.set(0);
            let act = |_: Duration| {
                tried.set(tried.get() + 1);
                Err(error)
            };
            patiently(deadline(), &|error: &&str| *error == "passes", &act)
        };
        assert_eq!((act("passes"), tried.get() <= 8), (Err("passes"), true), "{}", tried.get());
        assert_eq!((act("stays"), tried.get()), (Err("stays"), 1));
    }

    #[test]
    fn a_call_that_does_not_come_back_is_left_alone_and_may_end_later() {
        assert_eq!(bounded(Duration::from_secs(60), || 7), Some(7));
        let (release, held) = mpsc::channel::<()>();
        let (end, ended) = mpsc::channel();
        let stuck = bounded(Duration::from_millis(10), move || {
            let _ = held.recv();
            end.send(()).unwrap();
        });
        assert_eq!(stuck, None);
        drop(release);
        ended.recv().unwrap();
    }

    #[test]
    fn no_record_outlives_its_transaction() {
        let configured = |given: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("message.timeout.ms", "120000");
            for (key, value) in given {
                config.set(*key, *value);
            }
            configure(&mut config, "id", Duration::from_secs(20));
            assert_eq!(config.get("delivery.timeout.ms"), None);
            assert_eq!(config.get("transaction.timeout.ms"), Some("20000"));
            config.get("message.timeout.ms").unwrap().to_owned()
        };
        assert_eq!(configured(&[]), "19000");
        assert_eq!(configured(&[("delivery.timeout.ms", "5000")]), "5000");
    }
}
