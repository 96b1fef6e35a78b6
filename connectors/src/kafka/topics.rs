//! What the brokers know of the topics, and making them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::batch;
use super::context::Context;
use super::{KafkaError, KafkaSettings, TopicNames};
use crate::limits::{QUARANTINE_BYTES_MAX, REQUEST_TIMEOUT};
use crate::machine_clock::Deadline;

/// A client that asks: metadata, offsets, committed offsets. It reads no records.
pub struct Connection {
    pub(super) consumer: BaseConsumer<Context>,
    pub(crate) settings: KafkaSettings,
}

/// One topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Kafka's id of it, `-` where unknown.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

impl Connection {
    /// Connects, and waits for the first answer of a broker.
    ///
    /// # Errors
    /// No broker answers in time, or one refuses the credentials.
    pub fn open(settings: &KafkaSettings) -> Result<Connection, KafkaError> {
        let consumer: BaseConsumer<Context> = settings
            .plain_config()
            .create_with_context(Context::new("admin"))
            .map_err(|error| KafkaError::request("making a client", &error))?;
        let connection = Connection { consumer, settings: settings.clone() };
        connection.await_broker()?;
        Ok(connection)
    }

    /// What it was opened with.
    pub fn settings(&self) -> &KafkaSettings {
        &self.settings
    }

    fn await_broker(&self) -> Result<(), KafkaError> {
        let settings = &self.settings;
        let deadline = Deadline::after(settings.connect_timeout);
        loop {
            self.serve_events();
            if let Some(reason) = self.consumer.context().refused(false) {
                return Err(KafkaError::Authentication { brokers: settings.brokers.clone(), reason });
            }
            // The answer names the brokers, whether the topic is there or not.
            let slice = deadline.left().min(Duration::from_millis(500)).max(Duration::from_millis(1));
            match self.consumer.fetch_metadata(Some(PROBE_TOPIC), slice) {
                Ok(_) => return Ok(()),
                Err(error) if deadline.passed() => {
                    let said = self.consumer.context().reason();
                    return Err(KafkaError::Unreachable {
                        brokers: settings.brokers.clone(),
                        seconds: settings.connect_timeout.as_secs(),
                        reason: said.unwrap_or_else(|| super::error::plain(&error)),
                    });
                }
                Err(_) => {}
            }
        }
    }

    fn serve_events(&self) {
        // Bounded: a client that keeps complaining must not keep us here.
        for _ in 0..100 {
            if self.consumer.poll(Duration::ZERO).is_none() {
                break;
            }
        }
    }

    /// Partition count and id of a topic.
    ///
    /// # Errors
    /// It does not exist, or the brokers do not answer.
    pub fn topic(&self, name: &str) -> Result<Topic, KafkaError> {
        let partitions = self.partitions(name)?.ok_or_else(|| KafkaError::TopicMissing {
            topic: name.to_owned(),
            brokers: self.settings.brokers.clone(),
        })?;
        let id = batch::topic_ids(&self.consumer, &[name], REQUEST_TIMEOUT).pop().flatten();
        Ok(Topic { name: name.to_owned(), id: id.unwrap_or_else(|| "-".to_owned()), partitions })
    }

    /// How many partitions a topic has, `None` where it does not exist.
    fn partitions(&self, name: &str) -> Result<Option<u32>, KafkaError> {
        let deadline = Deadline::after(REQUEST_TIMEOUT);
        let request = || format!("asking for topic {name}");
        loop {
            let metadata = self
                .consumer
                .fetch_metadata(Some(name), deadline.left().max(Duration::from_millis(1)))
                .map_err(|error| KafkaError::request(request(), &error))?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let code = topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from);
            match (topic, code) {
                (_, Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {
                    return Ok(None);
                }
                (Some(topic), None) if !topic.partitions().is_empty() => {
                    return Ok(u32::try_from(topic.partitions().len()).ok());
                }
                // Just made, and without leaders yet: a moment later it has them.
                (_, Some(code)) if !super::error::is_transient(code) || deadline.passed() => {
                    let reason = format!("{code}; may this user DESCRIBE it?");
                    return Err(KafkaError::Request { request: request(), reason, retry: false });
                }
                _ if deadline.passed() => return Ok(None),
                _ => self.pause(),
            }
        }
    }

    /// Waits until the brokers that we ask know a topic that was just made.
    fn await_topic(&self, name: &str) -> Result<(), KafkaError> {
        let deadline = Deadline::after(REQUEST_TIMEOUT);
        while self.partitions(name)?.is_none() {
            if deadline.passed() {
                return Err(timed_out(format!("waiting for topic {name}, which was made")));
            }
            self.pause();
        }
        Ok(())
    }

    /// Waits a moment, serving the client's events.
    pub(super) fn pause(&self) {
        drop(self.consumer.poll(Duration::from_millis(50)));
    }

    /// First and end offset of a partition, asked now. The end is that of the committed records.
    ///
    /// # Errors
    /// The brokers do not answer, or refuse.
    pub fn watermarks(&self, topic: &str, partition: u32) -> Result<(i64, i64), KafkaError> {
        let request = || format!("asking for the offsets of {topic}[{partition}]");
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let deadline = Deadline::after(REQUEST_TIMEOUT);
        loop {
            let time_max = deadline.left().max(Duration::from_millis(1));
            match self.consumer.fetch_watermarks(topic, number, time_max) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => {
                    // A leader that was just chosen does not know of it yet, or it has just moved on.
                    let error = KafkaError::request(request(), &error);
                    if deadline.passed() || !error.retry_helps() {
                        return Err(error);
                    }
                    self.pause();
                }
            }
        }
    }

    /// Both input topics, checked: they exist, are not compacted, and fit the join.
    ///
    /// # Errors
    /// What would make the run wrong, with what to do.
    pub fn check_inputs(
        &self,
        names: &TopicNames,
        keyed_by_facility: bool,
    ) -> Result<[Topic; 2], KafkaError> {
        let wells = self.topic(&names.wells)?;
        let tanks = self.topic(&names.tanks)?;
        if keyed_by_facility && wells.partitions != tanks.partitions {
            return Err(KafkaError::UnequalPartitions {
                wells: wells.name,
                wells_partitions: wells.partitions,
                tanks: tanks.name,
                tanks_partitions: tanks.partitions,
            });
        }
        for topic in [&wells, &tanks] {
            let policy = self.topic_settings(&topic.name)?.remove("cleanup.policy").unwrap_or_default();
            if policy.contains("compact") {
                return Err(KafkaError::Compacted { topic: topic.name.clone(), policy });
            }
        }
        Ok([wells, tanks])
    }

    /// The settings of a topic; none where the brokers do not let this user see them. Asked again where a
    /// broker that was busy or went away has not answered.
    pub(crate) fn topic_settings(&self, topic: &str) -> Result<HashMap<String, String>, KafkaError> {
        let deadline = Deadline::after(REQUEST_TIMEOUT * 2);
        loop {
            match self.ask_settings(topic) {
                Err(error) if error.retry_helps() && !deadline.passed() => {
                    tracing::warn!("{error}; asking again");
                    self.pause();
                }
                answer => return answer,
            }
        }
    }

    fn ask_settings(&self, topic: &str) -> Result<HashMap<String, String>, KafkaError> {
        let request = || format!("asking for the settings of topic {topic}");
        let admin = self.admin()?;
        let specifiers = [ResourceSpecifier::Topic(topic)];
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        let answer = block_on(admin.describe_configs(&specifiers, &options), REQUEST_TIMEOUT * 2)
            .ok_or_else(|| timed_out(request()))?
            .map_err(|error| KafkaError::request(request(), &error))?;
        let Some(Ok(resource)) = answer.into_iter().next() else {
            tracing::debug!("{}: refused", request());
            return Ok(HashMap::new());
        };
        let entries = resource.entries.into_iter();
        Ok(entries.filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    fn admin(&self) -> Result<AdminClient<Context>, KafkaError> {
        self.settings
            .admin_config()
            .create_with_context(Context::new("admin"))
            .map_err(|error| KafkaError::request("making an admin client", &error))
    }

    /// Makes the topics that are missing: inputs and outputs alike.
    ///
    /// # Errors
    /// The brokers do not answer, or refuse one of them.
    pub fn create_topics(
        &self,
        names: &TopicNames,
        partitions: u32,
        replication: u32,
    ) -> Result<Vec<(String, Created)>, KafkaError> {
        let quarantine_bytes = QUARANTINE_BYTES_MAX.to_string();
        let topics = [
            (names.wells.as_str(), None),
            (names.tanks.as_str(), None),
            (names.enriched.as_str(), None),
            (names.alerts.as_str(), Some(("cleanup.policy", "compact"))),
            (names.quarantine.as_str(), Some(("max.message.bytes", quarantine_bytes.as_str()))),
        ];
        self.create(&topics, partitions, replication)
    }

    /// Makes topics where they are missing, each with at most one setting that differs from the brokers'.
    ///
    /// # Errors
    /// The brokers do not answer, or refuse one of them.
    pub fn create(
        &self,
        topics: &[(&str, Option<(&str, &str)>)],
        partitions: u32,
        replication: u32,
    ) -> Result<Vec<(String, Created)>, KafkaError> {
        let counts = (i32::try_from(partitions), i32::try_from(replication));
        let (Ok(partitions_i32), Ok(replication_i32)) = counts else {
            let reason = format!("{partitions} partitions, {replication} replicas are too many");
            return Err(KafkaError::Request { request: "making topics".to_owned(), reason, retry: false });
        };
        let wanted: Vec<_> = topics
            .iter()
            .map(|(name, setting)| {
                let topic = NewTopic::new(name, partitions_i32, TopicReplication::Fixed(replication_i32));
                setting.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let admin = self.admin()?;
        let options = AdminOptions::new()
            .request_timeout(Some(REQUEST_TIMEOUT))
            .operation_timeout(Some(REQUEST_TIMEOUT));
        let results = block_on(admin.create_topics(&wanted, &options), REQUEST_TIMEOUT * 2)
            .ok_or_else(|| timed_out("making topics".to_owned()))?
            .map_err(|error| KafkaError::request("making topics", &error))?;
        results.into_iter().map(|result| self.created(result, partitions)).collect()
    }

    fn created(
        &self,
        result: Result<String, (String, RDKafkaErrorCode)>,
        partitions: u32,
    ) -> Result<(String, Created), KafkaError> {
        match result {
            Ok(name) => {
                self.await_topic(&name)?;
                Ok((name, Created::Made))
            }
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => {
                let found = self.partitions(&name)?.unwrap_or_default();
                let created = if found == partitions { Created::Exists } else { Created::Differs { found } };
                Ok((name, created))
            }
            Err((name, code)) => {
                let request = format!("making topic {name}");
                Err(KafkaError::Request { request, reason: code.to_string(), retry: false })
            }
        }
    }
}

/// What became of a topic that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    Made,
    /// It was there, with as many partitions.
    Exists,
    /// It was there with another partition count, and was left alone.
    Differs {
        /// How many it has.
        found: u32,
    },
}

fn timed_out(request: String) -> KafkaError {
    KafkaError::Request { request, reason: "no answer in time".to_owned(), retry: true }
}

/// Runs one admin call to its end on this thread, or gives up.
fn block_on<F: Future>(future: F, time_max: Duration) -> Option<F::Output> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = TaskContext::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    let deadline = Deadline::after(time_max);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return Some(output);
        }
        if deadline.passed() {
            return None;
        }
        std::thread::park_timeout(deadline.left());
    }
}

/// Asked for to see whether a broker answers; it need not exist, and is not made.
const PROBE_TOPIC: &str = "wellstream-probe";
