//! A group's committed offsets, without membership, outside transactions.
//!
//! Enters: places with offsets and metadata. Leaves: the same, at the group's coordinator. Drops: nothing. It
//! blocks, for as long as its caller has patience.

use std::time::Duration;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
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

impl Offsets {
    /// Of a group.
    #[must_use]
    pub fn of(group: &str) -> Offsets {
        Offsets { group: group.to_owned(), link: None }
    }

    /// Commits, trying again what passes by itself, for as long as `patience` says that there is time left:
    /// it is asked again and again. A time-out is indefinite: the offsets may be in, or get in.
    ///
    /// # Errors
    /// The coordinator refuses, or there is no answer in time ([`WireError::retry_helps`]).
    pub fn commit(
        &mut self,
        cluster: &mut Cluster,
        offsets: &GroupOffsets,
        patience: &dyn Fn() -> Duration,
        clock: &dyn Clock,
    ) -> Result<(), WireError> {
        let request = commit_request(offsets);
        let mut backoff = Backoff::default();
        loop {
            let committed = self
                .link(cluster, clock)
                .and_then(|connection| commit(connection, &request, patience, clock));
            let Err(error) = committed else { return Ok(()) };
            // Another coordinator, or another connection to the same.
            self.link = None;
            let left = patience();
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

fn commit(
    connection: &mut Connection,
    request: &OffsetCommitRequest,
    patience: &dyn Fn() -> Duration,
    clock: &dyn Clock,
) -> Result<(), WireError> {
    let version = connection.version_at_most::<OffsetCommitRequest>(9)?;
    let (began_ns, until_ns) = (clock.now_ns(), until(clock, connection.request_timeout()));
    connection.send(request, version)?;
    let frame = loop {
        if let Some(reply) = connection.poll()? {
            break reply.frame;
        }
        let left = left(clock, until_ns).min(patience());
        if left.is_zero() {
            let waited_ms = clock.now_ns().saturating_sub(began_ns) / 1_000_000;
            let (broker, api) = (connection.address().clone(), "OffsetCommit".to_owned());
            return Err(WireError::TimedOut { broker, api, waited_ms });
        }
        connection.wait(left.min(SLICE))?;
    };
    let response = connection.read::<OffsetCommitRequest>(frame, version)?;
    let partitions = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|it| (topic.name.as_str(), it.partition_index, it.error_code))
    });
    check(connection.address(), "OffsetCommit", partitions)
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

/// The first error among partitions.
fn check<'a>(
    broker: &Address,
    api: &'static str,
    mut partitions: impl Iterator<Item = (&'a str, i32, i16)>,
) -> Result<(), WireError> {
    match partitions.find(|(_, _, code)| *code != 0) {
        None => Ok(()),
        Some((topic, number, code)) => {
            let what = format!("{topic}[{number}]");
            Err(WireError::Code { broker: broker.clone(), api, what, code: ErrorCode(code) })
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// One wait: a caller may lose patience meanwhile.
const SLICE: Duration = Duration::from_millis(100);
