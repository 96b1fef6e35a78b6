//! The input, read back: what the oracle makes of it, and which readings must have been copied.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::decode;
use wellstream_core::record::{Fate, PartitionId, Side};
use wellstream_core::rules::Rules;
use wellstream_replay::oracle::{
    Expected, Judge, Judged, OracleRecord, RawDecoder, Stream, Suspects, WriterSchemas,
};

use super::Failed;
use super::copies::{Copy, fingerprint};
use super::world::{PARTITIONS, World};

/// The log of all input partitions, in an order of sending that keeps each partition's.
pub(crate) struct Log {
    readings: Vec<Reading>,
    counts: BTreeMap<PartitionId, u64>,
    /// Late readings and those that cannot be read: each must be in the quarantine.
    pub(crate) copies: Vec<Copy>,
}

struct Reading {
    /// The newest timestamp of its partition until then.
    sent_ms: i64,
    partition: PartitionId,
    record: OracleRecord,
    fingerprint: u64,
}

impl Log {
    pub(crate) fn read(connection: &Connection, world: &World, rules: &Rules) -> Result<Log, Failed> {
        let mut reader = Reader::new(world.registry());
        for side in Side::BOTH {
            let mut failed = None;
            connection.read_topic(world.names.of(side), &mut |record| {
                failed = reader.take(side, &record, rules).err();
                if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(reader.finish())
    }

    /// Records in all.
    pub(crate) fn len(&self) -> u64 {
        self.readings.len() as u64
    }

    /// The rows and alarms that must be there.
    pub(crate) fn expected(
        &self,
        rules: &Rules,
        suspects: Option<&Arc<Suspects>>,
    ) -> Result<Expected, Failed> {
        let mut stream = Stream::new(rules, &self.counts);
        if let Some(suspects) = suspects {
            stream = stream.looking_at(suspects);
        }
        for Reading { partition, record, .. } in &self.readings {
            stream.record(*partition, record.offset, record.timestamp_ms, record.body.clone())?;
        }
        Ok(stream.finish()?)
    }
}

/// Takes records as they come, in offset order within each partition.
struct Reader {
    registry: RegistryClient,
    schemas: WriterSchemas,
    ids: BTreeSet<u32>,
    facilities: HashSet<Arc<str>>,
    newest: BTreeMap<PartitionId, i64>,
    judges: BTreeMap<PartitionId, Judge>,
    counts: BTreeMap<PartitionId, u64>,
    readings: Vec<Reading>,
}

impl Reader {
    fn new(registry: &str) -> Reader {
        let ids = Side::BOTH
            .into_iter()
            .flat_map(|side| (0..PARTITIONS).map(move |number| PartitionId { side, number }));
        Reader {
            registry: RegistryClient::new(&RegistrySettings::new(registry)),
            schemas: WriterSchemas::default(),
            ids: BTreeSet::new(),
            facilities: HashSet::new(),
            newest: BTreeMap::new(),
            judges: ids.clone().map(|id| (id, Judge::new(id))).collect(),
            counts: ids.map(|id| (id, 0)).collect(),
            readings: Vec::new(),
        }
    }

    fn take(&mut self, side: Side, stored: &StoredRecord, rules: &Rules) -> Result<(), Failed> {
        let partition = PartitionId { side, number: u32::try_from(stored.partition)? };
        self.learn_schema(stored)?;
        let body = RawDecoder::new(&self.schemas).body(side, stored.value.as_deref());
        let body = body.map_facility(|name| self.one_copy(name));
        let record = OracleRecord { offset: stored.offset, timestamp_ms: stored.timestamp_ms, body };
        let judge = self.judges.get_mut(&partition).ok_or_else(|| format!("a record of {partition}"))?;
        judge.record(record.clone(), rules);
        *self.counts.entry(partition).or_default() += 1;
        let newest = self.newest.entry(partition).or_insert(i64::MIN);
        *newest = stored.timestamp_ms.max(*newest);
        let fingerprint = fingerprint(stored);
        self.readings.push(Reading { sent_ms: *newest, partition, record, fingerprint });
        Ok(())
    }

    /// An id that no registry knows stays unknown.
    fn learn_schema(&mut self, stored: &StoredRecord) -> Result<(), Failed> {
        let framed = stored.value.as_deref().and_then(|value| decode::split_frame(value).ok());
        let Some((id, _)) = framed.filter(|(id, _)| !self.ids.contains(id)) else { return Ok(()) };
        self.ids.insert(id);
        if let Some(text) = self.registry.schema(id)? {
            self.schemas.add(id, &text)?;
        }
        Ok(())
    }

    fn one_copy(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(known) = self.facilities.get(&name) {
            return Arc::clone(known);
        }
        self.facilities.insert(Arc::clone(&name));
        name
    }

    fn finish(mut self) -> Log {
        let mut judged = Judged::default();
        for judge in std::mem::take(&mut self.judges).into_values() {
            judged.merge(judge.finish());
        }
        let rejected: HashMap<_, _> = judged
            .rejected
            .iter()
            .filter(|(.., reason)| reason.fate() != Fate::Dropped)
            .map(|(partition, offset, reason)| ((*partition, *offset), *reason))
            .collect();
        let copy = |Reading { partition, record, fingerprint, .. }: &Reading| {
            let reason = rejected.get(&(*partition, record.offset))?;
            let (reason, offset) = (reason.name().to_owned(), record.offset);
            Some(Copy { partition: *partition, offset, reason, fingerprint: *fingerprint })
        };
        let copies = self.readings.iter().filter_map(copy).collect();
        self.readings.sort_by_key(|reading| (reading.sent_ms, reading.partition, reading.record.offset));
        Log { readings: self.readings, counts: self.counts, copies }
    }
}
