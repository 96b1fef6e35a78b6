//! Where a partition's log begins and ends, asked when an offset is not in it.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::address::Address;
use crate::clock::Clock;
use crate::connection::{ClientOptions, Connection};
use crate::error::{ErrorCode, WireError};

/// First offset and end of a partition, as its leader tells.
pub(super) fn ask(
    leader: &Address,
    options: &ClientOptions,
    clock: &dyn Clock,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), WireError> {
    let mut connection = Connection::open(leader, options, clock)?;
    let version = connection.version::<ListOffsetsRequest>()?;
    let mut ask = |timestamp| {
        let entry = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let topics = vec![ListOffsetsTopic::default().with_name(name).with_partitions(vec![entry])];
        let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(topics);
        let response = connection.call(&request, version, clock)?;
        let found = response.topics.first().and_then(|topic| topic.partitions.first());
        let code = found.map_or(ErrorCode(-1), |found| ErrorCode(found.error_code));
        match found {
            Some(found) if code.is_none() => Ok(found.offset),
            _ => {
                let (broker, what) = (leader.clone(), format!("{topic}[{partition}]"));
                Err(WireError::Code { broker, api: "ListOffsets", what, code })
            }
        }
    };
    Ok((ask(EARLIEST)?, ask(LATEST)?))
}

/// Kafka's stand-ins for a time.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
