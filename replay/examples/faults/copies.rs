//! Copies in the quarantine: of late readings, and of what cannot be read, byte for byte.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use wellstream_connectors::kafka::TopicNames;
use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_core::record::{PartitionId, Side};

use super::Failed;

/// What a copy says of itself, and what it is a copy of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Copy {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) reason: String,
    pub(crate) fingerprint: u64,
}

/// Of a record's key and value.
pub(crate) fn fingerprint(record: &StoredRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&record.key, &record.value).hash(&mut hasher);
    hasher.finish()
}

/// All that a reader of committed records sees in the quarantine.
pub(crate) fn read(connection: &Connection, names: &TopicNames) -> Result<Vec<Copy>, Failed> {
    let (mut copies, mut bad) = (Vec::new(), None);
    connection.read_topic(&names.quarantine, &mut |record| match copy(&record, names) {
        Some(copy) => {
            copies.push(copy);
            ControlFlow::Continue(())
        }
        None => {
            bad = Some(format!("quarantine[{}] {}: no copy of ours", record.partition, record.offset));
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(copies), |bad| Err(bad.into()))
}

/// What must be there and is not, is there more than once, or must not be.
pub(crate) fn differences(expected: &[Copy], found: &[Copy]) -> Vec<String> {
    let mut counts: BTreeMap<&Copy, [u64; 2]> = BTreeMap::new();
    for (place, copies) in [expected, found].into_iter().enumerate() {
        copies.iter().for_each(|copy| counts.entry(copy).or_default()[place] += 1);
    }
    let say = |what: &str, is: fn(u64, u64) -> bool| {
        let of_kind = || counts.iter().filter(|(_, [expected, found])| is(*expected, *found));
        let first: Vec<_> = of_kind().take(NAMED_MAX).map(|(copy, _)| copy).collect();
        (!first.is_empty()).then(|| format!("{} copies {what}, first {first:?}", of_kind().count()))
    };
    let lines = [
        say("missing in the quarantine", |expected, found| found < expected),
        say("repeated in the quarantine", |expected, found| expected > 0 && found > expected),
        say("that must not be in the quarantine", |expected, found| expected == 0 && found > 0),
    ];
    lines.into_iter().flatten().collect()
}

fn copy(record: &StoredRecord, names: &TopicNames) -> Option<Copy> {
    let topic = record.header("ws.topic")?;
    let side = Side::BOTH.into_iter().find(|side| names.of(*side) == topic)?;
    Some(Copy {
        partition: PartitionId { side, number: record.header("ws.partition")?.parse().ok()? },
        offset: record.header("ws.offset")?.parse().ok()?,
        reason: record.header("ws.reason")?.to_owned(),
        fingerprint: fingerprint(record),
    })
}

/// Copies of one kind that are printed.
const NAMED_MAX: usize = 4;
