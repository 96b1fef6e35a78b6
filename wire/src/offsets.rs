//! A group's committed offsets, without membership: committed outside a transaction, fetched once what is
//! open on them is decided.
//!
//! Enters: places with offsets and metadata. Leaves: the same, later. Drops: nothing. All of it blocks,
//! within a bound.

use std::time::Duration;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::address::Address;
use crate::clock::{Clock, left, until};
use crate::cluster::{Backoff, Cluster, CoordinatorOf};
use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
use crate::produce::GroupOffsets;

/// One group's offsets.
#[derive(Debug)]
pub struct Offsets {
    group: String,
    link: Option<Connection>,
}

/// An offset and what was committed with it; none where nothing was.
pub type CommittedOffset = Option<(i64, String)>;

impl Offsets {
    /// Of a group.
    #[must_use]
    pub fn of(group: &str) -> Offsets {
        Offsets { group: group.to_owned(), link: None }
    }

    /// Commits, trying again what passes by itself. A time-out is indefinite: it may be in, or get in.
    ///
    /// # Errors
    /// The coordinator refuses, or there is no answer in time ([`WireError::retry_helps`]).
    pub fn commit(
        &mut self,
        cluster: &mut Cluster,
        offsets: &GroupOffsets,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<(), WireError> {
        let request = commit_request(offsets);
        self.until_answered(cluster, timeout, clock, |connection| {
            let version = connection.version_at_most::<OffsetCommitRequest>(9)?;
            let response = connection.call(&request, version, clock)?;
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|it| (topic.name.as_str(), it.partition_index, it.error_code))
            });
            check(connection.address(), "OffsetCommit", partitions)
        })
    }

    /// What is committed for these partitions, in their order. Waits for transactions that are open on them
    /// to end (require-stable).
    ///
    /// # Errors
    /// The coordinator refuses, or there is no answer in time.
    pub fn fetch(
        &mut self,
        cluster: &mut Cluster,
        partitions: &[(&str, i32)],
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<Vec<CommittedOffset>, WireError> {
        let group = self.group.clone();
        self.until_answered(cluster, timeout, clock, |connection| {
            fetch(connection, &group, partitions, clock)
        })
    }

    fn until_answered<T>(
        &mut self,
        cluster: &mut Cluster,
        timeout: Duration,
        clock: &dyn Clock,
        ask: impl Fn(&mut Connection) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let until_ns = until(clock, timeout);
        let mut backoff = Backoff::default();
        loop {
            let answered = self.link(cluster, clock).and_then(&ask);
            let Err(error) = answered else { return answered };
            // Another coordinator, or another connection to the same.
            self.link = None;
            let left = left(clock, until_ns);
            if left.is_zero() || !error.retry_helps() {
                return Err(error);
            }
            clock.pause(backoff.pause().min(left));
        }
    }

    fn link(&mut self, cluster: &mut Cluster, clock: &dyn Clock) -> Result<&mut Connection, WireError> {
        let connection = match self.link.take() {
            Some(connection) => connection,
            None => {
                let broker = cluster.coordinator(CoordinatorOf::Group, &self.group, clock)?;
                Connection::open(&broker.address, cluster.options(), clock)?
            }
        };
        Ok(self.link.insert(connection))
    }
}

fn commit_request(offsets: &GroupOffsets) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for place in &offsets.places {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(place.partition)
            .with_committed_offset(place.offset_next)
            .with_committed_metadata(Some(text(&place.metadata)));
        match topics.last_mut().filter(|last| last.name.as_str() == place.topic) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(
                OffsetCommitRequestTopic::default()
                    .with_name(TopicName(text(&place.topic)))
                    .with_partitions(vec![partition]),
            ),
        }
    }
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(&offsets.group)))
        .with_generation_id_or_member_epoch(offsets.generation)
        .with_member_id(text(&offsets.member))
        .with_topics(topics)
}

fn fetch(
    connection: &mut Connection,
    group: &str,
    partitions: &[(&str, i32)],
    clock: &dyn Clock,
) -> Result<Vec<CommittedOffset>, WireError> {
    let version = connection.version_at_most::<OffsetFetchRequest>(9)?;
    let mut wanted: Vec<(&str, Vec<i32>)> = Vec::new();
    for (topic, number) in partitions {
        match wanted.iter_mut().find(|(known, _)| known == topic) {
            Some((_, numbers)) => numbers.push(*number),
            None => wanted.push((topic, vec![*number])),
        }
    }
    let request = OffsetFetchRequest::default().with_require_stable(version >= 7);
    let request = if version >= 8 {
        let topics = wanted.into_iter().map(|(name, numbers)| {
            OffsetFetchRequestTopics::default()
                .with_name(TopicName(text(name)))
                .with_partition_indexes(numbers)
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(topics.collect()));
        request.with_groups(vec![group])
    } else {
        let topics = wanted.into_iter().map(|(name, numbers)| {
            OffsetFetchRequestTopic::default()
                .with_name(TopicName(text(name)))
                .with_partition_indexes(numbers)
        });
        request.with_group_id(GroupId(text(group))).with_topics(Some(topics.collect()))
    };
    let response = connection.call(&request, version, clock)?;
    let mut found: Vec<(String, i32, i64, Option<String>, i16)> = Vec::new();
    for topic in &response.topics {
        found.extend(topic.partitions.iter().map(|it| {
            let metadata = it.metadata.as_ref().map(ToString::to_string);
            (topic.name.to_string(), it.partition_index, it.committed_offset, metadata, it.error_code)
        }));
    }
    let mut code = response.error_code;
    for group in &response.groups {
        code = group.error_code;
        for topic in &group.topics {
            found.extend(topic.partitions.iter().map(|it| {
                let metadata = it.metadata.as_ref().map(ToString::to_string);
                (topic.name.to_string(), it.partition_index, it.committed_offset, metadata, it.error_code)
            }));
        }
    }
    check(connection.address(), "OffsetFetch", std::iter::once((group, -1, code)))?;
    let codes = found.iter().map(|(topic, number, _, _, code)| (topic.as_str(), *number, *code));
    check(connection.address(), "OffsetFetch", codes)?;
    let committed = |(topic, number): &(&str, i32)| {
        let found = found.iter().find(|(name, at, ..)| name == topic && at == number)?;
        (found.2 >= 0).then(|| (found.2, found.3.clone().unwrap_or_default()))
    };
    Ok(partitions.iter().map(committed).collect())
}

/// The first error among partitions.
fn check<'a>(
    broker: &Address,
    api: &'static str,
    mut partitions: impl Iterator<Item = (&'a str, i32, i16)>,
) -> Result<(), WireError> {
    match partitions.find(|(_, _, code)| *code != 0) {
        None => Ok(()),
        Some((topic, number, code)) => {
            let what = if number < 0 { topic.to_owned() } else { format!("{topic}[{number}]") };
            Err(WireError::Code { broker: broker.clone(), api, what, code: ErrorCode(code) })
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
