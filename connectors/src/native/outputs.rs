//! What goes to the output topics: rows, alarms, rejected records, each to its partition.

use wellstream_core::engine::Wants;
use wellstream_core::record::{Alarm, Reject, RowBatch};
use wellstream_wire::clock::Clock;
use wellstream_wire::produce::{OwnRecord, ProduceError, Producer, ProducerState, partition_of};

use super::pulse::PulseClock;
use crate::kafka::delivery::{KafkaOutputs, ResultSchemas};
use crate::kafka::topics::Connection;
use crate::kafka::{KafkaError, TopicNames};
use crate::limits::BATCH_BYTES_MAX;
use crate::outgoing::{self, QuarantineRecord};

/// The output topics.
#[derive(Debug)]
pub(super) struct Outputs {
    results: Option<Results>,
    quarantine: Option<Quarantine>,
    value: Vec<u8>,
}

#[derive(Debug)]
struct Results {
    schemas: ResultSchemas,
    frame: Vec<u8>,
    enriched: Target,
    alerts: Target,
}

#[derive(Debug)]
struct Quarantine {
    target: Target,
    /// Partitions of records without a key take turns.
    next: i32,
}

/// A topic to produce to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// The place of its first partition.
    pub(super) first: usize,
    pub(super) partitions: i32,
    /// The largest batch, and with it the largest record, that it takes.
    pub(super) bytes_max: usize,
}

impl Target {
    pub(super) fn of(connection: &Connection, topic: &str) -> Result<Target, KafkaError> {
        let partitions = i32::try_from(connection.topic(topic)?.partitions).unwrap_or(i32::MAX);
        let said = connection.topic_settings(topic)?.remove("max.message.bytes");
        let bytes_max = said.and_then(|text| text.parse().ok()).unwrap_or(BATCH_BYTES_MAX);
        Ok(Target { first: 0, partitions, bytes_max })
    }

    pub(super) fn place(&self, key: &[u8]) -> usize {
        self.at(partition_of(key, self.partitions))
    }

    pub(super) fn at(&self, partition: i32) -> usize {
        self.first + usize::try_from(partition).unwrap_or(0)
    }
}

impl Outputs {
    /// What is to be written, if anything; its topics must be there.
    pub(super) fn of(
        connection: &Connection,
        names: &TopicNames,
        outputs: KafkaOutputs,
    ) -> Result<Option<Outputs>, KafkaError> {
        let target = |topic: &str| Target::of(connection, topic);
        let results = match outputs.results {
            None => None,
            Some(schemas) => Some(Results {
                schemas,
                frame: outgoing::row_frame(schemas),
                enriched: target(&names.enriched)?,
                alerts: target(&names.alerts)?,
            }),
        };
        let quarantine = match outputs.quarantine {
            false => None,
            true => Some(Quarantine { target: target(&names.quarantine)?, next: 0 }),
        };
        let writes = results.is_some() || quarantine.is_some();
        Ok(writes.then(|| Outputs { results, quarantine, value: Vec::new() }))
    }

    /// The topics in the order of their places, each with the most that a batch of it may be.
    pub(super) fn topics<'n>(&self, names: &'n TopicNames) -> Vec<(&'n str, usize)> {
        let mut topics = Vec::new();
        if let Some(results) = &self.results {
            topics.push((names.enriched.as_str(), batch_bytes(results.enriched)));
            topics.push((names.alerts.as_str(), batch_bytes(results.alerts)));
        }
        topics.extend(self.quarantine.iter().map(|it| (names.quarantine.as_str(), batch_bytes(it.target))));
        topics
    }

    /// Where the producer has put the topics that it was given.
    pub(super) fn find_places(&mut self, state: &ProducerState) {
        let results = self.results.iter_mut().flat_map(|it| [&mut it.enriched, &mut it.alerts]);
        let targets = results.chain(self.quarantine.iter_mut().map(|it| &mut it.target));
        let mut first = 0;
        for target in targets {
            let count = state.partitions(first);
            (target.first, target.partitions) = (first, i32::try_from(count).unwrap_or(i32::MAX));
            first += count;
        }
    }

    pub(super) fn wants(&self) -> Wants {
        Wants { encoded_rows: self.results.is_some(), rejects: self.quarantine.is_some(), only_counts: false }
    }

    /// Rows, straight from the engine's bytes into batches.
    pub(super) fn rows(
        &mut self,
        producer: &mut Producer,
        batch: &RowBatch,
        clock: &PulseClock,
    ) -> Result<(), ProduceError> {
        let Some(results) = &self.results else { return Ok(()) };
        let (mut now_ns, now_ms) = (clock.now_ns(), clock.wall_ms());
        for row in &batch.rows {
            let key = batch.key(row);
            let record = OwnRecord::Framed(key, [&results.frame, batch.value(row)]);
            producer.append(results.enriched.place(key), now_ms, record, &mut now_ns, clock)?;
        }
        Ok(())
    }

    pub(super) fn alarms(
        &mut self,
        producer: &mut Producer,
        alarms: &[Alarm],
        clock: &PulseClock,
    ) -> Result<(), ProduceError> {
        let Some(results) = &self.results else { return Ok(()) };
        let (mut now_ns, now_ms) = (clock.now_ns(), clock.wall_ms());
        for alarm in alarms {
            outgoing::put_alarm(&mut self.value, alarm, results.schemas);
            let key = alarm.facility.as_bytes();
            let record = OwnRecord::Framed(key, [&self.value, &[]]);
            producer.append(results.alerts.place(key), now_ms, record, &mut now_ns, clock)?;
        }
        Ok(())
    }

    pub(super) fn rejects(
        &mut self,
        producer: &mut Producer,
        rejects: &[Reject],
        names: &TopicNames,
        clock: &PulseClock,
    ) -> Result<(), ProduceError> {
        let Some(quarantine) = &mut self.quarantine else { return Ok(()) };
        let (mut now_ns, now_ms) = (clock.now_ns(), clock.wall_ms());
        for reject in rejects {
            let target = quarantine.target;
            let source = names.of(reject.partition.side);
            let record = QuarantineRecord::of(reject, source, target.bytes_max);
            let place = match record.key {
                Some(key) => target.place(key),
                None => {
                    quarantine.next = (quarantine.next + 1) % target.partitions;
                    target.at(quarantine.next)
                }
            };
            let headers: Vec<_> =
                record.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
            let record = OwnRecord::Plain(record.key, record.value, &headers);
            producer.append(place, now_ms, record, &mut now_ns, clock)?;
        }
        Ok(())
    }

    /// A record that its topic found too large, alone: a rejected one goes as headers.
    pub(super) fn answer_refused(&self, state: &mut ProducerState) {
        while let Some(refused) = state.refused() {
            let is_ours = self.quarantine.as_ref().is_some_and(|it| refused.place >= it.target.first);
            let Some(value) = refused.value.as_deref().filter(|_| is_ours) else {
                state.give_up(&refused);
                return;
            };
            let digest = outgoing::digest(value);
            let sent = refused.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
            let added = digest.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
            let headers: Vec<_> = sent.chain(added).collect();
            state.replace(&refused, OwnRecord::Plain(refused.key.as_deref(), None, &headers));
        }
    }
}

/// A broker refuses a whole batch that is larger than one record may be; the header counts.
pub(super) fn batch_bytes(target: Target) -> usize {
    target.bytes_max.saturating_sub(BATCH_HEAD_BYTES)
}

/// What stands before a batch's records, rounded up.
const BATCH_HEAD_BYTES: usize = 64;
