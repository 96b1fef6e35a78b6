//! A producer's requests as they travel, in the version that the broker and the protocol of transactions ask
//! for, and the answers' codes in the order of what was asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest,
    ProduceRequest, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::connection::{Connection, RequestId};
use crate::error::WireError;

use super::call::{Answer, Call, GroupOffsets, ProducerIdentity, Request};
use super::state::ProducerState;

/// A request that waits for its answer: how that is read.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: RequestId,
    pub(super) ticket: u64,
    pub(super) sent_ns: u64,
    version: i16,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Init,
    AddPartitions(Vec<usize>),
    AddOffsets,
    CommitOffsets(Arc<GroupOffsets>),
    End,
    Produce(Vec<usize>),
}

/// Sends a call.
pub(super) fn send(
    connection: &mut Connection,
    state: &ProducerState,
    call: Call,
    now_ns: u64,
) -> Result<Waiting, WireError> {
    let me = (state.settings.transactional_id.as_deref().unwrap_or_default(), call.producer);
    let newer = state.is_newer();
    let (id, version, asked) = match call.request {
        Request::InitProducerId => {
            let version = connection.version_at_most::<InitProducerIdRequest>(5)?;
            (connection.send(&init(state, me.1, version), version)?, version, Asked::Init)
        }
        Request::AddPartitions(places) => {
            let version = connection.version_at_most::<AddPartitionsToTxnRequest>(3)?;
            let request = add_partitions(state, me, &places);
            (connection.send(&request, version)?, version, Asked::AddPartitions(places))
        }
        Request::AddOffsets(offsets) => {
            let version = connection.version::<AddOffsetsToTxnRequest>()?;
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(transactional_id(me.0))
                .with_producer_id(ProducerId(me.1.id))
                .with_producer_epoch(me.1.epoch)
                .with_group_id(GroupId(text(&offsets.group)));
            (connection.send(&request, version)?, version, Asked::AddOffsets)
        }
        Request::CommitOffsets(offsets) => {
            let version = connection.version_at_most::<TxnOffsetCommitRequest>(if newer { 5 } else { 4 })?;
            let request = commit_offsets(me, &offsets, version);
            (connection.send(&request, version)?, version, Asked::CommitOffsets(offsets))
        }
        Request::EndTransaction { commit } => {
            let version = connection.version_at_most::<EndTxnRequest>(if newer { 5 } else { 4 })?;
            let request = EndTxnRequest::default()
                .with_transactional_id(transactional_id(me.0))
                .with_producer_id(ProducerId(me.1.id))
                .with_producer_epoch(me.1.epoch)
                .with_committed(commit);
            (connection.send(&request, version)?, version, Asked::End)
        }
        Request::Produce(batches) => {
            // From 12 on the broker adds partitions to the transaction by itself.
            let version = connection.version_at_most::<ProduceRequest>(if newer { 12 } else { 11 })?;
            let places = batches.iter().map(|(place, _)| *place).collect();
            (connection.send(&produce(state, batches), version)?, version, Asked::Produce(places))
        }
    };
    Ok(Waiting { id, ticket: call.ticket, sent_ns: now_ns, version, asked })
}

/// Reads the answer, and how long the broker will hear nothing more of this connection (KIP-219).
pub(super) fn read(
    state: &ProducerState,
    waiting: &Waiting,
    frame: Bytes,
) -> Result<(Answer, Duration), WireError> {
    let version = waiting.version;
    let partition = |place: &usize| state.partition(*place);
    let mut throttle_ms = 0;
    let answer = match &waiting.asked {
        Asked::Init => {
            let response = Connection::decode::<InitProducerIdRequest>(frame, version)?;
            let producer = ProducerIdentity { id: response.producer_id.0, epoch: response.producer_epoch };
            Answer { codes: vec![response.error_code], producer: Some(producer) }
        }
        Asked::AddPartitions(places) => {
            let response = Connection::decode::<AddPartitionsToTxnRequest>(frame, version)?;
            let code = |(topic, number): (&str, i32)| {
                let topics = response.results_by_topic_v3_and_below.iter();
                let mut found = topics.filter(|found| found.name.as_str() == topic);
                let mut partitions = found.find_map(|found| {
                    found.results_by_partition.iter().find(|found| found.partition_index == number)
                });
                partitions.take().map_or(UNKNOWN_SERVER_ERROR, |found| found.partition_error_code)
            };
            Answer { codes: places.iter().map(partition).map(code).collect(), producer: None }
        }
        Asked::AddOffsets => {
            Answer::of(Connection::decode::<AddOffsetsToTxnRequest>(frame, version)?.error_code)
        }
        Asked::CommitOffsets(offsets) => {
            let response = Connection::decode::<TxnOffsetCommitRequest>(frame, version)?;
            let code = |(topic, number): (&str, i32)| {
                let mut found = response.topics.iter().filter(|found| found.name.as_str() == topic);
                let found =
                    found.find_map(|found| found.partitions.iter().find(|it| it.partition_index == number));
                found.map_or(UNKNOWN_SERVER_ERROR, |found| found.error_code)
            };
            let places = offsets.places.iter().map(|place| (place.topic.as_str(), place.partition));
            Answer { codes: places.map(code).collect(), producer: None }
        }
        Asked::End => {
            let response = Connection::decode::<EndTxnRequest>(frame, version)?;
            let producer = ProducerIdentity { id: response.producer_id.0, epoch: response.producer_epoch };
            let producer = (version >= 5 && response.error_code == 0).then_some(producer);
            Answer { codes: vec![response.error_code], producer }
        }
        Asked::Produce(places) => {
            let response = Connection::decode::<ProduceRequest>(frame, version)?;
            throttle_ms = response.throttle_time_ms;
            let code = |(topic, number): (&str, i32)| {
                let mut found = response.responses.iter().filter(|found| found.name.as_str() == topic);
                let found =
                    found.find_map(|found| found.partition_responses.iter().find(|it| it.index == number));
                found.map_or(UNKNOWN_SERVER_ERROR, |found| found.error_code)
            };
            Answer { codes: places.iter().map(partition).map(code).collect(), producer: None }
        }
    };
    Ok((answer, Duration::from_millis(u64::try_from(throttle_ms).unwrap_or(0))))
}

fn init(state: &ProducerState, me: ProducerIdentity, version: i16) -> InitProducerIdRequest {
    let settings = &state.settings;
    let timeout_ms = i32::try_from(settings.transaction_timeout.as_millis()).unwrap_or(i32::MAX);
    let request = InitProducerIdRequest::default()
        .with_transactional_id(settings.transactional_id.as_deref().map(transactional_id))
        .with_transaction_timeout_ms(timeout_ms);
    // Older brokers cannot tell whose epoch is to be continued.
    if version < 3 {
        return request.with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    }
    request.with_producer_id(ProducerId(me.id)).with_producer_epoch(me.epoch)
}

fn add_partitions(
    state: &ProducerState,
    (id, me): (&str, ProducerIdentity),
    places: &[usize],
) -> AddPartitionsToTxnRequest {
    let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
    for place in places {
        let (topic, number) = state.partition(*place);
        match topics.last_mut().filter(|last| last.name.as_str() == topic) {
            Some(last) => last.partitions.push(number),
            None => topics.push(
                AddPartitionsToTxnTopic::default()
                    .with_name(TopicName(text(topic)))
                    .with_partitions(vec![number]),
            ),
        }
    }
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id(id))
        .with_v3_and_below_producer_id(ProducerId(me.id))
        .with_v3_and_below_producer_epoch(me.epoch)
        .with_v3_and_below_topics(topics)
}

fn commit_offsets(
    (id, me): (&str, ProducerIdentity),
    offsets: &GroupOffsets,
    version: i16,
) -> TxnOffsetCommitRequest {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for place in &offsets.places {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(place.partition)
            .with_committed_offset(place.offset_next)
            .with_committed_metadata(Some(text(&place.metadata)));
        match topics.last_mut().filter(|last| last.name.as_str() == place.topic) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(
                TxnOffsetCommitRequestTopic::default()
                    .with_name(TopicName(text(&place.topic)))
                    .with_partitions(vec![partition]),
            ),
        }
    }
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id(id))
        .with_group_id(GroupId(text(&offsets.group)))
        .with_producer_id(ProducerId(me.id))
        .with_producer_epoch(me.epoch)
        .with_topics(topics);
    // Older brokers do not check who commits (KIP-447).
    if version < 3 {
        return request;
    }
    request.with_generation_id(offsets.generation).with_member_id(text(&offsets.member))
}

fn produce(state: &ProducerState, batches: Vec<(usize, Bytes)>) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for (place, batch) in batches {
        let (topic, number) = state.partition(place);
        let data = PartitionProduceData::default().with_index(number).with_records(Some(batch));
        match topics.iter_mut().find(|known| known.name.as_str() == topic) {
            Some(known) => known.partition_data.push(data),
            None => topics.push(
                TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![data]),
            ),
        }
    }
    let settings = &state.settings;
    ProduceRequest::default()
        .with_transactional_id(settings.transactional_id.as_deref().map(transactional_id))
        .with_acks(-1)
        .with_timeout_ms(ACKNOWLEDGE_MS)
        .with_topic_data(topics)
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A part of a request that its answer does not mention.
const UNKNOWN_SERVER_ERROR: i16 = -1;
/// How long a leader waits for its followers.
const ACKNOWLEDGE_MS: i32 = 10_000;
