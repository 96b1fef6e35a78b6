//! Transactions on the brokers, for whoever operates them. Enters: a transactional id, or the front of some.
//! Leaves: what is open and was lately, what hangs; how one that was to be aborted ended. Drops: nothing.
//!
//! It is over the native client alone: librdkafka cannot list transactions. What that does not cover
//! ([`options()`](super::options())) is refused with the reason.

use std::time::Duration;

use wellstream_wire::cluster::Cluster;
use wellstream_wire::error::WireError;
use wellstream_wire::transactions;

use super::{Unsupported, options};
use crate::kafka::{KafkaError, KafkaSettings};
use crate::limits::{ENDING_GRACE, PRODUCER_READY_TIMEOUT, REQUEST_TIMEOUT};
use crate::machine_clock::{Deadline, MachineClock};

pub use wellstream_wire::address::Address;
pub use wellstream_wire::cluster::Broker;
pub use wellstream_wire::produce::ProducerIdentity;
pub use wellstream_wire::transactions::{Ended, HowEnded, Listing, Transaction, TransactionState};

/// The brokers' transactions.
#[derive(Debug)]
pub struct Transactions {
    brokers: String,
    cluster: Cluster,
    connect_timeout: Duration,
    clock: MachineClock,
}

impl Transactions {
    /// Of these brokers; nothing is asked yet.
    ///
    /// # Errors
    /// A setting that the native client does not cover.
    pub fn open(settings: &KafkaSettings) -> Result<Transactions, KafkaError> {
        let uncovered = |error: Unsupported| KafkaError::Setting { key: error.key, message: error.reason };
        let options = options(settings).map_err(uncovered)?;
        let connect_timeout = options.connect_timeout;
        let cluster = Cluster::new(&settings.brokers, options).map_err(|error| KafkaError::Setting {
            key: "bootstrap.servers".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Transactions {
            brokers: settings.brokers.clone(),
            cluster,
            connect_timeout,
            clock: MachineClock::start(),
        })
    }

    /// Every transactional id with this front, and which brokers did not answer.
    ///
    /// # Errors
    /// No broker answers, or they refuse.
    pub fn list(&mut self, front: &str) -> Result<Listing, KafkaError> {
        let listed = transactions::list(&mut self.cluster, front, &self.clock);
        listed.map_err(|error| self.failed("listing transactions", error))
    }

    /// What the brokers know of one transactional id. One that is being ended is waited for, a little while.
    ///
    /// # Errors
    /// No broker answers in time, they refuse, or none knows the id.
    pub fn describe(&mut self, id: &str) -> Result<Transaction, KafkaError> {
        let patience = Deadline::after(ENDING_GRACE);
        loop {
            let found = transactions::describe(&mut self.cluster, id, REQUEST_TIMEOUT, &self.clock);
            let request = || format!("transactional id {id}");
            let found = found.map_err(|error| self.failed(&request(), error))?;
            let Some(found) = found else {
                let reason = "no broker knows it: see wellstream txn list for those that are known";
                return Err(KafkaError::Request {
                    request: request(),
                    reason: reason.to_owned(),
                    retry: false,
                });
            };
            if !found.state.is_ending() || patience.passed() {
                return Ok(found);
            }
            self.clock.sleep(ENDING_PAUSE);
        }
    }

    /// Aborts what is open under the transaction's id, and fences whoever holds that.
    ///
    /// # Errors
    /// No broker answers in time, or they refuse.
    pub fn abort(&mut self, transaction: &Transaction) -> Result<Ended, KafkaError> {
        let ended = transactions::end(&mut self.cluster, transaction, PRODUCER_READY_TIMEOUT, &self.clock);
        ended.map_err(|error| self.failed(&format!("aborting under {}", transaction.id), error))
    }

    fn failed(&self, request: &str, error: WireError) -> KafkaError {
        match error {
            WireError::NoBroker { last, .. } if !last.is_refusal() => KafkaError::Unreachable {
                brokers: self.brokers.clone(),
                seconds: self.connect_timeout.as_secs(),
                reason: last.to_string(),
            },
            WireError::Refused { .. } | WireError::Tls { .. } | WireError::NoBroker { .. } => {
                KafkaError::Authentication { brokers: self.brokers.clone(), reason: error.to_string() }
            }
            error => KafkaError::Request {
                request: request.to_owned(),
                retry: error.retry_helps(),
                reason: format!("{error}{}", advice(&error)),
            },
        }
    }
}

/// Whether a transaction has been open for too long: for longer than its own time-out, or than
/// `older_than_ms` where that is given. The brokers abort it by themselves soon after its time-out, unless
/// something is wrong with them.
///
/// ```
/// # use wellstream_connectors::native::transactions::{TransactionState, hangs};
/// let (state, began_ms) = (TransactionState::Ongoing, Some(1_000));
/// assert!(!hangs(&state, began_ms, 10_000, None, 11_000));
/// assert!(hangs(&state, began_ms, 10_000, None, 11_001));
/// assert!(hangs(&state, began_ms, 10_000, Some(500), 1_501));
/// assert!(!hangs(&TransactionState::CompleteCommit, began_ms, 10_000, None, 99_000));
/// ```
#[must_use]
pub fn hangs(
    state: &TransactionState,
    started_ms: Option<i64>,
    timeout_ms: i32,
    older_than_ms: Option<i64>,
    now_ms: i64,
) -> bool {
    let age_max_ms = older_than_ms.unwrap_or(i64::from(timeout_ms));
    state.is_open() && started_ms.is_some_and(|started_ms| now_ms - started_ms > age_max_ms)
}

fn advice(error: &WireError) -> &'static str {
    match error {
        WireError::Code { code, .. } if code.0 == TRANSACTIONAL_ID_DENIED => {
            ". It takes DESCRIBE on the transactional id to see it, and WRITE to abort under it"
        }
        WireError::Version { .. } => ". Transactions are told by Kafka 3.0 and newer",
        _ => "",
    }
}

/// Kafka's TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
const TRANSACTIONAL_ID_DENIED: i16 = 53;
/// Between two looks at a transaction that is being ended.
const ENDING_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use wellstream_wire::address::Address;
    use wellstream_wire::error::ErrorCode;

    #[test]
    fn without_a_broker_or_a_right_the_error_says_what_to_do() {
        let mut transactions = Transactions::open(&KafkaSettings::new("127.0.0.1:1", "g")).unwrap();
        let error = transactions.list("").unwrap_err();
        assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("--brokers"), "{error}");

        let broker = Address { host: "k".to_owned(), port: 9 };
        let code = ErrorCode(TRANSACTIONAL_ID_DENIED);
        let denied = WireError::Code { broker, api: "DescribeTransactions", what: "t".to_owned(), code };
        let said = transactions.failed("transactional id t", denied).to_string();
        assert!(said.contains("DESCRIBE") && said.contains("WRITE"), "{said}");

        let mut settings = KafkaSettings::new("127.0.0.1:1", "g");
        settings.add_override("security.protocol=SASL_SSL").unwrap();
        settings.add_override("sasl.mechanism=GSSAPI").unwrap();
        let error = Transactions::open(&settings).unwrap_err();
        assert!(matches!(&error, KafkaError::Setting { key, .. } if key == "sasl.mechanism"), "{error}");
    }
}
