//! Which brokers there are, which of them leads a partition, and who coordinates a group or transaction.
//! Enters: the list of `--brokers` and names of topics. Leaves: addresses, leaders, topic ids. All of it
//! blocks, within the options' bounds: whoever must not wait asks from a thread of its own.

use std::collections::HashMap;
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::address::Address;
use crate::clock::{Clock, left, until};
use crate::connection::{ClientOptions, Connection};
use crate::error::{ErrorCode, WireError};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// A pause between attempts that doubles up to a bound.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
}

/// A partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The broker's id.
    pub broker: i32,
    /// How often the partition has changed its leader, -1 if not told.
    pub epoch: i32,
}

/// A topic as the brokers describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicFacts {
    /// Its id; nil where brokers have none.
    pub id: Uuid,
    /// Why nothing is known of it.
    pub error: Option<ErrorCode>,
    /// Its partitions' leaders by number; none while one is being chosen.
    pub leaders: HashMap<i32, Option<Leader>>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where it is.
    pub address: Address,
}

/// Who is coordinated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorOf {
    /// A consumer group's offsets.
    Group,
    /// A transactional id's transactions.
    Transaction,
}

/// What is known of the brokers.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: Vec<Address>,
    options: ClientOptions,
    brokers: HashMap<i32, Address>,
    topics: HashMap<String, TopicFacts>,
    /// The connection that questions go over.
    control: Option<Connection>,
}

impl Cluster {
    /// Of these brokers (`HOST:PORT,...`); nothing is asked yet.
    ///
    /// # Errors
    /// The list has none.
    pub fn new(bootstrap: &str, options: ClientOptions) -> Result<Cluster, WireError> {
        let bootstrap = Address::list(bootstrap)?;
        Ok(Cluster { bootstrap, options, brokers: HashMap::new(), topics: HashMap::new(), control: None })
    }

    /// The same, with nothing known and no connection.
    #[must_use]
    pub fn bare(&self) -> Cluster {
        let (bootstrap, options) = (self.bootstrap.clone(), self.options.clone());
        Cluster { bootstrap, options, brokers: HashMap::new(), topics: HashMap::new(), control: None }
    }

    /// The broker that was asked last, or would be asked first.
    pub fn asked(&self) -> &Address {
        self.control.as_ref().map_or(&self.bootstrap[0], Connection::address)
    }

    /// How brokers are talked to.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Asks for the leaders of these topics; what is known of others stays.
    ///
    /// # Errors
    /// No broker can be reached, or the one that can refuses.
    pub fn refresh(&mut self, topics: &[&str], clock: &dyn Clock) -> Result<(), WireError> {
        let names = topics.iter().map(|name| {
            let name = TopicName(StrBytes::from_string((*name).to_owned()));
            MetadataRequestTopic::default().with_name(Some(name))
        });
        let request = MetadataRequest::default()
            .with_topics(Some(names.collect()))
            .with_allow_auto_topic_creation(false);
        let response = self.ask(clock, |connection, clock| {
            let version = connection.version::<MetadataRequest>()?;
            connection.call(&request, version, clock)
        })?;
        self.learn(&response);
        Ok(())
    }

    /// What is known of a topic.
    pub fn topic(&self, name: &str) -> Option<&TopicFacts> {
        self.topics.get(name)
    }

    /// Who leads a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<Leader> {
        self.topics.get(topic)?.leaders.get(&partition).copied().flatten()
    }

    /// Where a broker is.
    pub fn broker(&self, id: i32) -> Option<Broker> {
        Some(Broker { id, address: self.brokers.get(&id)?.clone() })
    }

    /// All brokers that are known, by id.
    pub fn brokers(&self) -> Vec<Broker> {
        let known = self.brokers.iter();
        let mut brokers: Vec<_> = known.map(|(id, at)| Broker { id: *id, address: at.clone() }).collect();
        brokers.sort_by_key(|broker| broker.id);
        brokers
    }

    /// The connection that questions go over, made if there is none: also tells versions and features.
    ///
    /// # Errors
    /// No broker can be reached, or the one that can refuses.
    pub fn control(&mut self, clock: &dyn Clock) -> Result<&mut Connection, WireError> {
        let connection = match self.control.take() {
            Some(connection) => connection,
            None => self.open_any(clock)?,
        };
        Ok(self.control.insert(connection))
    }

    /// Who coordinates a group or transactional id. A coordinator that is being chosen is waited for, up to
    /// the request time-out.
    ///
    /// # Errors
    /// No broker can be reached, it refuses, or there is no coordinator in time.
    pub fn coordinator(
        &mut self,
        of: CoordinatorOf,
        key: &str,
        clock: &dyn Clock,
    ) -> Result<Broker, WireError> {
        let until_ns = until(clock, self.options.request_timeout);
        let mut backoff = Backoff::default();
        loop {
            let asked = self.ask(clock, |connection, clock| ask_coordinator(connection, of, key, clock));
            let error = match asked {
                Ok(broker) => {
                    self.brokers.insert(broker.id, broker.address.clone());
                    return Ok(broker);
                }
                Err(error) => error,
            };
            let left = left(clock, until_ns);
            if left.is_zero() || !error.retry_helps() {
                return Err(error);
            }
            clock.pause(backoff.pause().min(left));
        }
    }

    /// Asks over the control connection. One that has just failed may have been idle for long: then once more
    /// over a new one.
    fn ask<T>(
        &mut self,
        clock: &dyn Clock,
        ask: impl Fn(&mut Connection, &dyn Clock) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let was_open = self.control.is_some();
        let first = ask(self.control(clock)?, clock);
        match first {
            Err(WireError::Lost { .. }) if was_open => {
                self.control = None;
                let again = ask(self.control(clock)?, clock);
                self.forget_if_lost(again)
            }
            first => self.forget_if_lost(first),
        }
    }

    fn forget_if_lost<T>(&mut self, result: Result<T, WireError>) -> Result<T, WireError> {
        if result.as_ref().is_err_and(|error| !matches!(error, WireError::Code { .. })) {
            self.control = None;
        }
        result
    }

    /// Known brokers first: the list may be old.
    fn open_any(&mut self, clock: &dyn Clock) -> Result<Connection, WireError> {
        let mut places: Vec<Address> = self.brokers.values().cloned().collect();
        places.sort();
        places.extend(self.bootstrap.iter().cloned());
        let mut last = None;
        for (index, place) in places.iter().enumerate() {
            if places[..index].contains(place) {
                continue;
            }
            match Connection::open(place, &self.options, clock) {
                Ok(connection) => return Ok(connection),
                // The others would say the same.
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        let brokers: Vec<_> = self.bootstrap.iter().map(ToString::to_string).collect();
        let none = WireError::Address { text: String::new() };
        Err(WireError::NoBroker { brokers: brokers.join(","), last: Box::new(last.unwrap_or(none)) })
    }

    fn learn(&mut self, response: &MetadataResponse) {
        let brokers = response.brokers.iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            Some((broker.node_id.0, Address { host: broker.host.to_string(), port }))
        });
        self.brokers = brokers.collect();
        for topic in &response.topics {
            let Some(name) = &topic.name else { continue };
            let leaders = topic.partitions.iter().map(|partition| {
                let leader = Leader { broker: partition.leader_id.0, epoch: partition.leader_epoch };
                let is_known = leader.broker >= 0 && self.brokers.contains_key(&leader.broker);
                (partition.partition_index, is_known.then_some(leader))
            });
            let error = ErrorCode(topic.error_code);
            let facts = TopicFacts {
                id: topic.topic_id,
                error: (!error.is_none()).then_some(error),
                leaders: leaders.collect(),
            };
            self.topics.insert(name.to_string(), facts);
        }
    }
}

impl Backoff {
    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: BACKOFF_MIN }
    }
}

fn ask_coordinator(
    connection: &mut Connection,
    of: CoordinatorOf,
    key: &str,
    clock: &dyn Clock,
) -> Result<Broker, WireError> {
    let version = connection.version::<FindCoordinatorRequest>()?;
    let kind = match of {
        CoordinatorOf::Group => 0,
        CoordinatorOf::Transaction => 1,
    };
    let text = StrBytes::from_string(key.to_owned());
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request = request.with_key_type(kind);
    }
    request = if version >= 4 { request.with_coordinator_keys(vec![text]) } else { request.with_key(text) };
    let response = connection.call(&request, version, clock)?;
    let (code, broker) = found(&response, version);
    match broker {
        Some(broker) if code.is_none() => Ok(broker),
        _ => {
            let code = if code.is_none() { ErrorCode::COORDINATOR_NOT_AVAILABLE } else { code };
            let (broker, what) = (connection.address().clone(), key.to_owned());
            Err(WireError::Code { broker, api: "FindCoordinator", what, code })
        }
    }
}

fn found(response: &FindCoordinatorResponse, version: i16) -> (ErrorCode, Option<Broker>) {
    let broker = |id, host: &StrBytes, port| {
        let port = u16::try_from(port).ok()?;
        Some(Broker { id, address: Address { host: host.to_string(), port } })
    };
    if version < 4 {
        let found = broker(response.node_id.0, &response.host, response.port);
        return (ErrorCode(response.error_code), found);
    }
    match response.coordinators.first() {
        Some(found) => (ErrorCode(found.error_code), broker(found.node_id.0, &found.host, found.port)),
        None => (ErrorCode::COORDINATOR_NOT_AVAILABLE, None),
    }
}
