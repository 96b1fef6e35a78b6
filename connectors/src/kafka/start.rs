//! What a start needs to know: for every partition its offsets and the group's commit, and the alarms in
//! force.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use wellstream_core::decode;
use wellstream_core::engine::PartitionStart;
use wellstream_core::record::{AlarmInForce, AlarmKind, PartitionId, Side};

use super::read::StoredRecord;
use super::topics::Connection;
use super::{KafkaError, TopicNames};
use crate::limits::REQUEST_TIMEOUT;

/// Where to start where nothing was ever committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// At the first record that retention has left.
    #[default]
    Earliest,
    /// Behind the last record as of now.
    Latest,
    /// At the first record sent at or after this time, epoch ms.
    Time(i64),
}

impl Connection {
    /// The facts about every partition of both input topics, checked; wells first.
    ///
    /// # Errors
    /// What would make the run wrong, or no answer.
    pub fn starts(
        &self,
        names: &TopicNames,
        from: From,
        keyed_by_facility: bool,
    ) -> Result<Vec<PartitionStart>, KafkaError> {
        let topics = self.check_inputs(names, keyed_by_facility)?;
        let ids: Vec<PartitionId> = Side::BOTH
            .into_iter()
            .flat_map(|side| {
                (0..topics[side.index()].partitions).map(move |number| PartitionId { side, number })
            })
            .collect();
        let committed = self.committed(names, &ids)?;
        let mut starts = Vec::with_capacity(ids.len());
        for (id, committed) in ids.into_iter().zip(committed) {
            let topic = &topics[id.side.index()];
            let (log_start, log_end) = self.watermarks(&topic.name, id.number)?;
            starts.push(PartitionStart {
                partition: id,
                topic_id: topic.id.clone(),
                partitions: topic.partitions,
                committed,
                log_start,
                log_end,
                from: if from == From::Latest { log_end } else { log_start },
            });
        }
        if let From::Time(time_ms) = from {
            self.seek_time(names, time_ms, &mut starts)?;
        }
        Ok(starts)
    }

    fn seek_time(
        &self,
        names: &TopicNames,
        time_ms: i64,
        starts: &mut [PartitionStart],
    ) -> Result<(), KafkaError> {
        let request = || format!("asking for the offsets at time {time_ms}");
        let failed = |error: &ClientError| KafkaError::request(request(), error);
        let mut list = TopicPartitionList::new();
        for start in starts.iter() {
            let number = i32::try_from(start.partition.number).unwrap_or(i32::MAX);
            let topic = names.of(start.partition.side);
            list.add_partition_offset(topic, number, Offset::Offset(time_ms.max(0)))
                .map_err(|error| failed(&error))?;
        }
        let found = self.consumer.offsets_for_times(list, REQUEST_TIMEOUT).map_err(|error| failed(&error))?;
        // The answer comes in an order of its own.
        for start in starts.iter_mut() {
            let number = i32::try_from(start.partition.number).unwrap_or(i32::MAX);
            let Some(element) = found.find_partition(names.of(start.partition.side), number) else {
                continue;
            };
            element.error().map_err(|error| failed(&error))?;
            // No record that late: the end.
            start.from = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => start.log_end,
            };
        }
        Ok(())
    }

    /// The episodes that are open according to the compacted alarm topic, read up to its end as of now. Only
    /// for a group that has commits: for another one they are somebody else's. Alarms of `decided_ms` and
    /// later were left by an epoch that was not committed: they will be decided again, and are not in force
    /// yet.
    ///
    /// # Errors
    /// The topic is missing, the brokers do not answer, or a record is no alarm of ours.
    pub fn alarms_in_force(&self, topic: &str, decided_ms: i64) -> Result<Vec<AlarmInForce>, KafkaError> {
        let mut newest = HashMap::new();
        let mut result = Ok(());
        self.read_topic(topic, &mut |record| {
            let (partition, offset) = (record.partition, record.offset);
            match note_alarm(&mut newest, record, decided_ms) {
                Ok(()) => ControlFlow::Continue(()),
                Err(reason) => {
                    let request = format!("reading the alarms in force from {topic}");
                    let reason = format!("{topic}[{partition}] offset {offset}: {reason}");
                    result = Err(KafkaError::Request { request, reason, retry: false });
                    ControlFlow::Break(())
                }
            }
        })?;
        result?;
        Ok(in_force(newest))
    }
}

type Newest = HashMap<Vec<u8>, Option<AlarmInForce>>;

fn note_alarm(newest: &mut Newest, record: StoredRecord, decided_ms: i64) -> Result<(), String> {
    let key = record.key.unwrap_or_default();
    let Some(value) = record.value else {
        newest.insert(key, None);
        return Ok(());
    };
    let (_, body) = decode::split_frame(&value).map_err(|reason| not_ours(&reason.to_string()))?;
    let alarm = decode::alarm(body).map_err(|reason| not_ours(&reason.to_string()))?;
    if alarm.time_ms >= decided_ms {
        return Ok(());
    }
    let open = matches!(alarm.kind, AlarmKind::Raised | AlarmKind::Escalated);
    let in_force = AlarmInForce {
        facility: alarm.facility,
        first_ms: alarm.first_ms,
        last_ms: alarm.last_ms,
        highest: alarm.highest,
    };
    newest.insert(key, open.then_some(in_force));
    Ok(())
}

fn not_ours(reason: &str) -> String {
    format!("not an alarm written by this program ({reason}). Use an alarm topic of its own")
}

fn in_force(newest: Newest) -> Vec<AlarmInForce> {
    let mut alarms: Vec<_> = newest.into_values().flatten().collect();
    alarms.sort_by(|a, b| a.facility.cmp(&b.facility));
    alarms
}
