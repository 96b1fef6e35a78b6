//! The group's committed offsets, with the metadata that makes a restart exact.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use wellstream_core::engine::{CommitOutcome, EpochOffsets, SinkError};
use wellstream_core::record::PartitionId;

use super::batch::{self, PendingCommit};
use super::context::Context;
use super::error::is_transient;
use super::patience::Patience;
use super::topics::Connection;
use super::{KafkaError, KafkaSettings, TopicNames};
use crate::limits::{COMMIT_TIMEOUT, REQUEST_TIMEOUT};
use crate::machine_clock::{Deadline, MachineClock};

impl Connection {
    /// What the group has committed for these partitions, in their order: offset and metadata. Waits for
    /// transactions that are open on them to end (require-stable).
    ///
    /// # Errors
    /// The brokers do not answer in time, or refuse.
    pub fn committed(
        &self,
        names: &TopicNames,
        partitions: &[PartitionId],
    ) -> Result<Vec<Option<(i64, String)>>, KafkaError> {
        let request = || format!("asking for the committed offsets of group {}", self.settings.group);
        let deadline = Deadline::after(REQUEST_TIMEOUT * 2);
        loop {
            let list = list_of(names, partitions.iter().map(|&id| (id, Offset::Invalid)))?;
            let left = deadline.left().min(REQUEST_TIMEOUT).max(Duration::from_millis(1));
            let answer = self.consumer.committed_offsets(list, left);
            let error = match answer {
                Ok(list) => {
                    let elements = list.elements();
                    match elements.iter().find_map(|element| element.error().err()) {
                        None => return Ok(read_committed(&list, names, partitions)),
                        Some(error) => error,
                    }
                }
                Err(error) => error,
            };
            let error = KafkaError::request(request(), &error);
            if !error.retry_helps() || deadline.passed() {
                return Err(error);
            }
            self.pause();
        }
    }
}

/// In the order of the partitions; the answer may have another one.
fn read_committed(
    list: &TopicPartitionList,
    names: &TopicNames,
    partitions: &[PartitionId],
) -> Vec<Option<(i64, String)>> {
    let texts = batch::metadata_texts(list);
    let mut committed: HashMap<(String, i32), (i64, String)> = HashMap::new();
    for (element, text) in list.elements().into_iter().zip(texts) {
        if let Offset::Offset(offset) = element.offset() {
            committed.insert((element.topic().to_owned(), element.partition()), (offset, text));
        }
    }
    let place = |id: &PartitionId| {
        let number = i32::try_from(id.number).ok()?;
        committed.remove(&(names.of(id.side).to_owned(), number))
    };
    partitions.iter().map(place).collect()
}

fn list_of(
    names: &TopicNames,
    partitions: impl Iterator<Item = (PartitionId, Offset)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (id, offset) in partitions {
        let number = i32::try_from(id.number).unwrap_or(i32::MAX);
        list.add_partition_offset(names.of(id.side), number, offset)
            .map_err(|error| KafkaError::request(format!("naming {}", names.partition(id)), &error))?;
    }
    Ok(list)
}

/// Commits offsets for a group whose partitions are assigned by hand.
pub(super) struct OffsetCommitter {
    consumer: Arc<BaseConsumer<Context>>,
    /// A commit was sent that nobody has answered.
    is_unanswered: AtomicBool,
    names: TopicNames,
    settings: KafkaSettings,
    timeout: Duration,
}

impl OffsetCommitter {
    pub(super) fn open(settings: &KafkaSettings, names: &TopicNames) -> Result<OffsetCommitter, KafkaError> {
        let consumer: BaseConsumer<_> =
            settings
                .plain_config()
                .create_with_context(Context::new("commit"))
                .map_err(|error| KafkaError::request("making a client for commits", &error))?;
        let (consumer, is_unanswered) = (Arc::new(consumer), AtomicBool::new(false));
        let (names, settings) = (names.clone(), settings.clone());
        Ok(OffsetCommitter { consumer, is_unanswered, names, settings, timeout: COMMIT_TIMEOUT })
    }

    /// Commits, retrying what passes by itself; `Unknown` once that takes too long.
    pub(super) fn commit(&self, offsets: &EpochOffsets) -> Result<CommitOutcome, SinkError> {
        let list = self.list(offsets).map_err(|error| refuse(error.to_string()))?;
        if list.count() == 0 {
            return Ok(CommitOutcome::Committed);
        }
        let gives_up = || self.settings.gives_up();
        let patience = Patience::new(self.timeout, &gives_up);
        loop {
            match self.try_commit(&list, &patience) {
                Some(Ok(())) => {
                    self.consumer.context().works();
                    return Ok(CommitOutcome::Committed);
                }
                Some(Err(code)) if is_transient(code) => {
                    self.consumer.context().troubled(Some(code), &format!("committing offsets: {code}"));
                }
                Some(Err(code)) => return Err(refuse(self.advice(code))),
                None => {}
            }
            if patience.is_over() {
                self.is_unanswered.store(true, Ordering::Relaxed);
                return Ok(CommitOutcome::Unknown);
            }
            drop(self.consumer.poll(patience.left().min(RETRY_PAUSE)));
        }
    }

    /// One attempt: `None` where no answer came in time.
    fn try_commit(
        &self,
        list: &TopicPartitionList,
        patience: &Patience<'_>,
    ) -> Option<Result<(), RDKafkaErrorCode>> {
        let context = self.consumer.context();
        let pending = match PendingCommit::start(&self.consumer, list) {
            Ok(pending) => pending,
            Err(code) => return Some(Err(code)),
        };
        while !patience.is_over() {
            if let Some(outcome) = pending.wait(patience.left().min(RETRY_PAUSE)) {
                return Some(outcome);
            }
            drop(self.consumer.poll(Duration::ZERO));
            if let Some(reason) = context.refused(true) {
                context.troubled(None, &reason);
                return Some(Err(RDKafkaErrorCode::Authentication));
            }
        }
        None
    }

    /// As a producer of transactions names the group: nobody's member.
    pub(super) fn group_metadata(&self) -> Result<ConsumerGroupMetadata, KafkaError> {
        self.consumer.group_metadata().ok_or_else(|| KafkaError::Request {
            request: format!("naming group {}", self.settings.group),
            reason: "the client has none".to_owned(),
            retry: false,
        })
    }

    pub(super) fn list(&self, offsets: &EpochOffsets) -> Result<TopicPartitionList, KafkaError> {
        let places = offsets.partitions.iter().map(|p| (p.partition, Offset::Offset(p.offset_next)));
        let list = list_of(&self.names, places)?;
        // A list that was just made keeps the order in which it was filled.
        for (mut element, place) in list.elements().into_iter().zip(&offsets.partitions) {
            element.set_metadata(&place.metadata);
        }
        Ok(list)
    }

    fn advice(&self, code: RDKafkaErrorCode) -> String {
        use RDKafkaErrorCode as Code;
        let group = &self.settings.group;
        let what_to_do = match code {
            Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress => {
                "other programs are members of this group: choose another --group"
            }
            Code::GroupAuthorizationFailed => "this user may not use the group: grant READ on it",
            Code::TopicAuthorizationFailed => "this user may not read an input topic: grant READ on it",
            Code::OffsetMetadataTooLarge => {
                "the broker's offset.metadata.max.bytes is too small for what a restart needs \
                 (some 200 bytes)"
            }
            Code::Authentication => {
                "the broker refuses the credentials: check -X sasl.username, sasl.password"
            }
            _ => "the next start repeats the epochs since the last commit",
        };
        format!("committing offsets of group {group}: {code}: {what_to_do}")
    }
}

impl Drop for OffsetCommitter {
    /// Closing the client waits for the answer to a commit, for a minute and longer. Whoever gives up does
    /// not wait: a thread of its own closes it, or the end of the process does.
    fn drop(&mut self) {
        if !self.is_unanswered.load(Ordering::Relaxed) || !self.settings.gives_up() {
            return;
        }
        let mut consumer = Arc::clone(&self.consumer);
        let close = move || {
            let clock = MachineClock::start();
            // Whoever holds it last closes it: that must be this thread, not the one that drops the
            // committer.
            while let Err(shared) = Arc::try_unwrap(consumer) {
                consumer = shared;
                clock.sleep(RETRY_PAUSE);
            }
        };
        // Without a thread it is closed here, after all.
        drop(thread::Builder::new().name("commit-close".to_owned()).spawn(close));
    }
}

fn refuse(message: String) -> SinkError {
    SinkError { sink: "kafka", message }
}

/// Between two looks for an answer, between two attempts, and between two looks who else holds a client.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
