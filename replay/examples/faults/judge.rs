//! The verdict: the topics are read back, the input by the oracle, the output as a reader of committed
//! records sees it, and both are compared by replay's verdict.
//!
//! Exactly once: every committed row and alarm counts, so that nothing is missing and nothing is there twice.
//! At least once: repeats of the same row or alarm count once, so that nothing is missing and nothing is
//! there that should not be.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use wellstream_connectors::kafka::read::StoredRecord;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::registry::{RegistryClient, RegistrySettings};
use wellstream_core::decode::{self, EnrichedEvent};
use wellstream_core::record::{Alarm, Input, PartitionId, Side, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{Expected, Listed, Partners, RowFacts, Suspects, Tally, WriterSchemas};
use wellstream_replay::verdict::{Found, Listing, Look, RawStream, compare};

use super::Failed;
use super::plan::Plan;
use super::settings::Settings;
use super::world::World;

/// What a plan's output is.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What differs from the oracle's; nothing where it is right.
    pub(crate) faults: Vec<String>,
    /// Readings in the log.
    pub(crate) readings: u64,
    /// Rows that must be there.
    pub(crate) rows: u64,
    /// The digest of their ids, and of those that were found.
    pub(crate) digests: [String; 2],
    /// Rows that are there once more.
    pub(crate) repeats: u64,
    /// Alarms that must be there.
    pub(crate) alarms: u64,
}

/// Judges the topics of a plan that is over.
pub(crate) fn judge(world: &World, plan: &Plan, settings: &Settings) -> Result<Verdict, Failed> {
    let rules = Rules { join: plan.join, outer: plan.outer, ..Rules::default() };
    let connection = world.connection()?;
    let log = Log::read(&connection, world)?;
    let expected = log.expected(&rules, Look::default())?;
    let mut output = Output::read(&connection, world, settings.judges_exactly_once())?;
    let found = output.tally(Tally::new(plan.join));
    let faults = log.differences(&rules, &expected, &output)?;
    if faults.is_empty() {
        log.notices_what_is_wrong(&rules, &expected, &mut output)?;
    }
    let (expected, found) = (expected.tally, found.tally);
    Ok(Verdict {
        faults,
        readings: log.records.len() as u64,
        rows: expected.row_totals().rows,
        digests: [&expected, &found].map(|tally| tally.row_totals().digest.to_string()),
        repeats: output.repeats,
        alarms: expected.alarms_by_kind().iter().sum(),
    })
}

fn named(listing: &Listing) -> Vec<String> {
    fn say<T: std::fmt::Debug>(what: &str, count: u64, first: &[T]) -> Option<String> {
        let shown = first.len().min(NAMED_MAX);
        (count > 0).then(|| format!("{count} {what}, first {:?}", &first[..shown]))
    }
    let Listing { missing, repeated, unexpected, wrong, alarms_missing, alarms_unexpected, .. } = listing;
    let lines = [
        say("rows missing", missing.count, &missing.first),
        say("rows repeated", repeated.count, &repeated.first),
        say("rows that must not be", unexpected.count, &unexpected.first),
        say("rows that say something else", wrong.count, &wrong.first),
        say("alarms missing", alarms_missing.count, &alarms_missing.first),
        say("alarms that must not be", alarms_unexpected.count, &alarms_unexpected.first),
        say::<()>("cells that differ without a name", listing.unexplained + listing.left_out, &[]),
    ];
    lines.into_iter().flatten().collect()
}

/// The input, in an order of sending that keeps each partition's.
struct Log {
    records: Vec<(i64, PartitionId, StoredRecord)>,
    schemas: WriterSchemas,
    counts: BTreeMap<PartitionId, u64>,
}

impl Log {
    fn read(connection: &Connection, world: &World) -> Result<Log, Failed> {
        let (mut records, mut ids) = (Vec::new(), BTreeSet::new());
        let mut counts = BTreeMap::new();
        for side in Side::BOTH {
            for number in 0..super::world::PARTITIONS {
                counts.insert(PartitionId { side, number }, 0_u64);
            }
            let mut newest = BTreeMap::new();
            let mut unknown = None;
            connection.read_topic(world.names.of(side), &mut |record| {
                let Ok(number) = u32::try_from(record.partition) else {
                    unknown = Some(record.partition);
                    return ControlFlow::Break(());
                };
                let partition = PartitionId { side, number };
                let sent_ms = newest.entry(partition).or_insert(i64::MIN);
                *sent_ms = record.timestamp_ms.max(*sent_ms);
                *counts.entry(partition).or_default() += 1;
                ids.extend(
                    record.value.as_deref().and_then(|value| Some(decode::split_frame(value).ok()?.0)),
                );
                records.push((*sent_ms, partition, record));
                ControlFlow::Continue(())
            })?;
            if let Some(number) = unknown {
                return Err(format!("a record of partition {number}").into());
            }
        }
        records.sort_by_key(|(sent_ms, partition, record)| (*sent_ms, *partition, record.offset));
        let registry = RegistryClient::new(&RegistrySettings::new(world.registry()));
        let mut schemas = WriterSchemas::default();
        for id in ids {
            let text = registry.schema(id)?.ok_or_else(|| format!("the registry has no schema {id}"))?;
            schemas.add(id, &text)?;
        }
        Ok(Log { records, schemas, counts })
    }

    fn expected(&self, rules: &Rules, look: Look<'_>) -> Result<Expected, Failed> {
        let mut stream = RawStream::new(&self.schemas, rules, &self.counts).looking_at(look);
        for (_, partition, record) in &self.records {
            stream.record(*partition, record.offset, record.timestamp_ms, record.value.as_deref())?;
        }
        Ok(stream.finish()?)
    }

    /// What differs, by name; nothing where all is right.
    fn differences(
        &self,
        rules: &Rules,
        expected: &Expected,
        output: &Output,
    ) -> Result<Vec<String>, Failed> {
        let comparison = compare(expected, &output.tally(Tally::new(rules.join)), None);
        if comparison.is_ok() {
            return Ok(Vec::new());
        }
        let suspects = comparison.suspects();
        let look = Look { suspects: Some(&suspects), partners: None };
        let expected = self.expected(rules, look)?.tally.listed;
        let mut faults =
            named(&Listing::new(&comparison, expected, Some(output.listed(rules.join, &suspects))));
        if faults.is_empty() {
            faults.push("cells differ, but no row in them".to_owned());
        }
        Ok(faults)
    }

    /// A judge that lets everything pass would not be one: an output that is right is not any more without
    /// one of its rows, nor with one of them twice.
    fn notices_what_is_wrong(
        &self,
        rules: &Rules,
        expected: &Expected,
        output: &mut Output,
    ) -> Result<(), Failed> {
        let row = output.rows.pop().ok_or("no row came: nothing was tested")?;
        let faults = self.differences(rules, expected, output)?;
        let says_missing =
            faults.len() == 1 && faults[0].contains("missing") && faults[0].contains(&row.id());
        output.rows.extend([row, row]);
        let faults = self.differences(rules, expected, output)?;
        let says_twice = faults.len() == 1 && faults[0].contains("repeated") && faults[0].contains(&row.id());
        output.rows.pop();
        if says_missing && says_twice {
            Ok(())
        } else {
            Err("the judge is blind to a lost or repeated row".into())
        }
    }
}

/// Rows and alarms as they are to be counted.
struct Output {
    rows: Vec<RowFacts>,
    alarms: Vec<Alarm>,
    repeats: u64,
}

impl Output {
    fn read(connection: &Connection, world: &World, is_exactly_once: bool) -> Result<Output, Failed> {
        let mut rows = read_all(connection, &world.names.enriched, |body| {
            facts(&decode::enriched(body).map_err(|error| error.to_string())?)
        })?;
        let mut alarms = read_all(connection, &world.names.alerts, |body| {
            decode::alarm(body).map_err(|error| error.to_string())
        })?;
        let mut seen = HashSet::with_capacity(rows.len());
        let once: Vec<RowFacts> = rows.iter().filter(|row| seen.insert(**row)).copied().collect();
        let repeats = (rows.len() - once.len()) as u64;
        if !is_exactly_once {
            rows = once;
            alarms.sort_unstable();
            alarms.dedup();
        }
        Ok(Output { rows, alarms, repeats })
    }

    fn tally(&self, mut tally: Tally) -> Found {
        self.rows.iter().for_each(|row| {
            tally.add_row(row);
        });
        self.alarms.iter().for_each(|alarm| {
            tally.add_alarm(alarm);
        });
        Found { tally, partners: Partners::default(), epochs_dropped: 0 }
    }

    fn listed(&self, join: JoinMode, suspects: &Arc<Suspects>) -> Listed {
        self.tally(Tally::looking_at(join, Arc::clone(suspects))).tally.listed
    }
}

fn read_all<T>(
    connection: &Connection,
    topic: &str,
    decode: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Vec<T>, Failed> {
    let (mut all, mut bad) = (Vec::new(), None);
    connection.read_topic(topic, &mut |record| {
        let body = record.value.as_deref().and_then(|value| Some(decode::split_frame(value).ok()?.1));
        match body.ok_or_else(|| "no frame".to_owned()).and_then(&decode) {
            Ok(item) => all.push(item),
            Err(error) => bad = Some(format!("{topic}[{}] {}: {error}", record.partition, record.offset)),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bad.map_or(Ok(all), |bad| Err(bad.into()))
}

fn facts(row: &EnrichedEvent) -> Result<RowFacts, String> {
    let bad = || format!("not a row of ours: {row:?}");
    let input = |partition: Option<i32>, offset: Option<i64>, time_ms: Option<i64>| -> Result<_, String> {
        let Some(partition) = partition else { return Ok(None) };
        let partition = u32::try_from(partition).map_err(|_| bad())?;
        Ok(Some(Input { partition, offset: offset.ok_or_else(bad)?, time_ms: time_ms.ok_or_else(bad)? }))
    };
    let facts = RowFacts {
        well: input(row.well_partition, row.well_offset, row.well_time)?,
        tank: input(row.tank_partition, row.tank_offset, row.tank_time)?,
        time_ms: row.row_time,
        risk: u32::try_from(row.risk).map_err(|_| bad())?,
        status: [Status::Normal, Status::Alert]
            .into_iter()
            .find(|status| status.name() == row.status)
            .ok_or_else(bad)?,
    };
    if facts.id() == row.row_id { Ok(facts) } else { Err(bad()) }
}

/// Names of one kind that are printed.
const NAMED_MAX: usize = 8;
