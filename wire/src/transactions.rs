//! Transactions as their coordinators tell them, and an end to one from outside.
//!
//! Enters: a transactional id, or the front of some. Leaves: what is open or was lately, with its state,
//! producer and partitions; how one ended. Drops: nothing silently: a broker that does not answer is named.
//! All of it blocks, within a bound.
//!
//! Rules: KIP-664 (what coordinators tell), KIP-98 (a new producer id ends what is open under the id).

use std::time::Duration;

use kafka_protocol::messages::describe_transactions_response::TransactionState as Described;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, InitProducerIdRequest, ListTransactionsRequest, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::clock::{Clock, left, until};
use crate::cluster::{Backoff, Broker, Cluster, CoordinatorOf};
use crate::connection::Connection;
use crate::error::{ErrorClass, ErrorCode, WireError};
use crate::limits::DESCRIBED_TRANSACTIONS;
use crate::produce::ProducerIdentity;

/// What a coordinator knows of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The transactional id.
    pub id: String,
    /// Where its newest transaction stands.
    pub state: TransactionState,
    /// Who has the id.
    pub producer: ProducerIdentity,
    /// Who coordinates it.
    pub coordinator: Broker,
    /// How long a transaction under it may be open, ms.
    pub timeout_ms: i32,
    /// When the newest one began, epoch ms by the coordinator's clock; none before the first.
    pub started_ms: Option<i64>,
    /// The partitions it holds, sorted; while it ends, those that have not heard of the end.
    pub partitions: Vec<(String, i32)>,
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// None has begun since the id was taken last.
    Empty,
    /// Open.
    Ongoing,
    /// Decided, its partitions are being told.
    PrepareCommit,
    /// Decided, its partitions are being told.
    PrepareAbort,
    /// Over.
    CompleteCommit,
    /// Over.
    CompleteAbort,
    /// Another one, by Kafka's name.
    Other(String),
}

/// What the brokers list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By transactional id.
    pub transactions: Vec<Transaction>,
    /// Who did not answer, and why: what these coordinate is missing.
    pub unheard: Vec<(Broker, WireError)>,
}

/// How a transaction ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub how: HowEnded,
    /// Who has the id now.
    pub producer: ProducerIdentity,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowEnded {
    /// Nothing of it is in.
    Aborted,
    /// Its holder had asked for the commit before: all of it is in.
    Committed,
    /// It was over before anybody came.
    ByItself,
}

impl TransactionState {
    /// Kafka's name of it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::PrepareCommit => "PrepareCommit",
            TransactionState::PrepareAbort => "PrepareAbort",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
            TransactionState::Other(name) => name,
        }
    }

    /// Whether readers of committed records wait for it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_undecided() || self.is_ending()
    }

    /// Whether it can still be aborted.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self, TransactionState::Ongoing)
    }

    /// Whether its end is decided, and not everybody told.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(self, TransactionState::PrepareCommit | TransactionState::PrepareAbort)
            || self.name() == FENCING
    }

    fn named(name: &str) -> TransactionState {
        let known = [
            TransactionState::Empty,
            TransactionState::Ongoing,
            TransactionState::PrepareCommit,
            TransactionState::PrepareAbort,
            TransactionState::CompleteCommit,
            TransactionState::CompleteAbort,
        ];
        let found = known.into_iter().find(|state| state.name() == name);
        found.unwrap_or_else(|| TransactionState::Other(name.to_owned()))
    }

    fn ends_as(&self) -> Option<HowEnded> {
        match self {
            TransactionState::PrepareAbort | TransactionState::CompleteAbort => Some(HowEnded::Aborted),
            TransactionState::PrepareCommit | TransactionState::CompleteCommit => Some(HowEnded::Committed),
            other => (other.name() == FENCING).then_some(HowEnded::Aborted),
        }
    }
}

/// Every transactional id with this front that some coordinator knows: open ones, and those of the past days
/// (the brokers' `transactional.id.expiration.ms`). Ids that the user may not describe are not among them.
///
/// # Errors
/// No broker answers, or they refuse.
pub fn list(cluster: &mut Cluster, front: &str, clock: &dyn Clock) -> Result<Listing, WireError> {
    cluster.refresh(&[], clock)?;
    let mut listing = Listing::default();
    let brokers = cluster.brokers();
    for broker in &brokers {
        match coordinated_by(cluster, broker, front, clock) {
            Ok(found) => listing.transactions.extend(found),
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => listing.unheard.push((broker.clone(), error)),
        }
    }
    if listing.unheard.len() == brokers.len()
        && let Some((_, error)) = listing.unheard.pop()
    {
        return Err(error);
    }
    listing.transactions.sort_by(|a, b| a.id.cmp(&b.id));
    // While a coordinator moves, two may tell of one.
    listing.transactions.dedup_by(|a, b| a.id == b.id);
    Ok(listing)
}

/// What the coordinator knows of one transactional id; none where it has never heard of it, or has forgotten.
///
/// # Errors
/// No coordinator answers in time, or it refuses.
pub fn describe(
    cluster: &mut Cluster,
    id: &str,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Option<Transaction>, WireError> {
    at_coordinator(cluster, id, timeout, clock, |connection, broker| {
        Ok(described(connection, broker, &[id.to_owned()], clock)?.pop())
    })
}

/// Ends what is open under the id of `transaction`, and takes the id from whoever holds it: its next request
/// is refused. Returns once the end is done. The id's time-out stays as it was.
///
/// # Errors
/// The coordinator refuses, or has not ended it in time.
pub fn end(
    cluster: &mut Cluster,
    transaction: &Transaction,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Ended, WireError> {
    let mut how = HowEnded::ByItself;
    let id = transaction.id.as_str();
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let producer = at_coordinator(cluster, id, timeout, clock, |connection, broker| {
        let version = connection.version_at_most::<InitProducerIdRequest>(5)?;
        let response = connection.call(&request, version, clock)?;
        let code = ErrorCode(response.error_code);
        if code.is_none() {
            return Ok(ProducerIdentity { id: response.producer_id.0, epoch: response.producer_epoch });
        }
        // It is being ended, by this or before it: which way is told until then only.
        if code == CONCURRENT_TRANSACTIONS
            && let Some(now) = described(connection, broker, &[id.to_owned()], clock)?.pop()
        {
            how = now.state.ends_as().unwrap_or(how);
        }
        Err(refused(connection, "InitProducerId", id, code))
    })?;
    Ok(Ended { how, producer })
}

/// Asks the id's coordinator, and again what passes by itself.
fn at_coordinator<T>(
    cluster: &mut Cluster,
    id: &str,
    timeout: Duration,
    clock: &dyn Clock,
    mut ask: impl FnMut(&mut Connection, &Broker) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let until_ns = until(clock, timeout);
    let (mut link, mut backoff) = (None, Backoff::default());
    loop {
        let asked = match link.take() {
            Some(link) => Ok(link),
            None => cluster.coordinator(CoordinatorOf::Transaction, id, clock).and_then(|broker| {
                Ok((Connection::open(&broker.address, cluster.options(), clock)?, broker))
            }),
        };
        let asked = asked.and_then(|(mut connection, broker)| {
            let answer = ask(&mut connection, &broker);
            if matches!(&answer, Err(WireError::Code { code, .. }) if code.class() == ErrorClass::Retry) {
                link = Some((connection, broker));
            }
            answer
        });
        let Err(error) = asked else { return asked };
        let left = left(clock, until_ns);
        if left.is_zero() || !error.retry_helps() {
            return Err(error);
        }
        clock.pause(backoff.pause().min(left));
    }
}

/// What one broker coordinates. One that has just begun to coordinate is waited for.
fn coordinated_by(
    cluster: &Cluster,
    broker: &Broker,
    front: &str,
    clock: &dyn Clock,
) -> Result<Vec<Transaction>, WireError> {
    let mut connection = Connection::open(&broker.address, cluster.options(), clock)?;
    let version = connection.version_at_most::<ListTransactionsRequest>(0)?;
    let until_ns = until(clock, connection.request_timeout());
    let mut backoff = Backoff::default();
    let listed = loop {
        let response = connection.call(&ListTransactionsRequest::default(), version, clock)?;
        let code = ErrorCode(response.error_code);
        if code.is_none() {
            break response.transaction_states;
        }
        let left = left(clock, until_ns);
        if left.is_zero() || code.class() != ErrorClass::Retry {
            return Err(refused(&connection, "ListTransactions", "all ids", code));
        }
        clock.pause(backoff.pause().min(left));
    };
    let ids = listed.into_iter().map(|listed| listed.transactional_id.0.to_string());
    let ids: Vec<String> = ids.filter(|id| id.starts_with(front)).collect();
    let mut transactions = Vec::with_capacity(ids.len());
    for some in ids.chunks(DESCRIBED_TRANSACTIONS) {
        transactions.extend(described(&mut connection, broker, some, clock)?);
    }
    Ok(transactions)
}

/// What the connection's broker knows of these ids; an id that it does not know is left out.
fn described(
    connection: &mut Connection,
    broker: &Broker,
    ids: &[String],
    clock: &dyn Clock,
) -> Result<Vec<Transaction>, WireError> {
    let version = connection.version::<DescribeTransactionsRequest>()?;
    let names = ids.iter().map(|id| TransactionalId(text(id))).collect();
    let request = DescribeTransactionsRequest::default().with_transactional_ids(names);
    let response = connection.call(&request, version, clock)?;
    let mut transactions = Vec::with_capacity(response.transaction_states.len());
    for described in response.transaction_states {
        match ErrorCode(described.error_code) {
            ErrorCode::NONE => transactions.push(transaction(described, broker)),
            TRANSACTIONAL_ID_NOT_FOUND => {}
            code => {
                let id = described.transactional_id.0.as_str();
                return Err(refused(connection, "DescribeTransactions", id, code));
            }
        }
    }
    Ok(transactions)
}

fn transaction(described: Described, broker: &Broker) -> Transaction {
    let topics = described
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.0.to_string(), *partition)));
    let mut partitions: Vec<_> = topics.collect();
    partitions.sort_unstable();
    Transaction {
        id: described.transactional_id.0.to_string(),
        state: TransactionState::named(&described.transaction_state),
        producer: ProducerIdentity { id: described.producer_id.0, epoch: described.producer_epoch },
        coordinator: broker.clone(),
        timeout_ms: described.transaction_timeout_ms,
        started_ms: (described.transaction_start_time_ms > 0).then_some(described.transaction_start_time_ms),
        partitions,
    }
}

fn refused(connection: &Connection, api: &'static str, what: &str, code: ErrorCode) -> WireError {
    WireError::Code { broker: connection.address().clone(), api, what: what.to_owned(), code }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A transaction under the id is not over yet.
const CONCURRENT_TRANSACTIONS: ErrorCode = ErrorCode(51);
/// The coordinator does not know the id.
const TRANSACTIONAL_ID_NOT_FOUND: ErrorCode = ErrorCode(105);
/// The state, for a moment, of what a new producer ends.
const FENCING: &str = "PrepareEpochFence";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::messages::describe_transactions_response::TopicData;

    #[test]
    fn a_state_says_who_waits_for_it_and_how_it_ends() {
        for (name, open, undecided, how) in [
            ("Empty", false, false, None),
            ("Ongoing", true, true, None),
            ("PrepareCommit", true, false, Some(HowEnded::Committed)),
            ("PrepareAbort", true, false, Some(HowEnded::Aborted)),
            ("PrepareEpochFence", true, false, Some(HowEnded::Aborted)),
            ("CompleteCommit", false, false, Some(HowEnded::Committed)),
            ("CompleteAbort", false, false, Some(HowEnded::Aborted)),
            ("SomethingNew", false, false, None),
        ] {
            let state = TransactionState::named(name);
            let found = (state.name(), state.is_open(), state.is_undecided(), state.ends_as());
            assert_eq!(found, (name, open, undecided, how));
        }
    }

    #[test]
    fn a_description_has_its_partitions_sorted_and_no_start_before_the_first() {
        let topic = |name: &str, partitions: &[i32]| {
            TopicData::default().with_topic(TopicName(text(name))).with_partitions(partitions.to_vec())
        };
        let described = Described::default()
            .with_transactional_id(TransactionalId(text("t")))
            .with_transaction_state(text("Ongoing"))
            .with_transaction_start_time_ms(-1)
            .with_topics(vec![topic("b", &[2, 0]), topic("a", &[1])]);
        let address = Address { host: "k".to_owned(), port: 9 };
        let found = transaction(described, &Broker { id: 3, address });
        assert_eq!(found.started_ms, None);
        let names: Vec<_> =
            found.partitions.iter().map(|(topic, number)| format!("{topic}{number}")).collect();
        assert_eq!(names, ["a1", "b0", "b2"]);
        assert_eq!((found.state, found.coordinator.id), (TransactionState::Ongoing, 3));
    }
}
