//! The verdict: the topics are read back, the input by the oracle, the output as a reader of committed
//! records sees it, and both are compared by replay's verdict.
//!
//! Exactly once: every committed row, alarm and copy in the quarantine counts, so that nothing is missing and
//! nothing is there twice. At least once: repeats of the same one count once, so that nothing is missing and
//! nothing is there that should not be.

use std::ops::ControlFlow;
use std::sync::Arc;

use wellstream_connectors::kafka::topics::Connection;
use wellstream_core::decode::{self, EnrichedEvent};
use wellstream_core::record::{Alarm, AlarmKind, Input, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{Expected, Listed, Partners, RowFacts, Suspects, Tally};
use wellstream_replay::verdict::{Found, Listing, compare};

use super::Failed;
use super::copies::{self, Copy};
use super::input::Log;
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
    /// Copies in the quarantine that must be there.
    pub(crate) copies: u64,
}

/// Judges the topics of a plan that is over.
pub(crate) fn judge(world: &World, plan: &Plan, settings: &Settings) -> Result<Verdict, Failed> {
    let rules = Rules { join: plan.join, outer: plan.outer, ..Rules::default() };
    let connection = world.connection()?;
    let log = Log::read(&connection, world, &rules)?;
    let expected = log.expected(&rules, None)?;
    let bench = Bench { rules, log, expected };
    let mut output = Output::read(&connection, world, settings.judges_exactly_once())?;
    let found = output.tally(Tally::new(plan.join)).tally;
    let faults = bench.differences(&output)?;
    if faults.is_empty() {
        bench.is_worth_judging(&output)?;
        bench.notices_what_is_wrong(&mut output)?;
    }
    let expected = &bench.expected.tally;
    Ok(Verdict {
        faults,
        readings: bench.log.len(),
        rows: expected.row_totals().rows,
        digests: [expected, &found].map(|tally| tally.row_totals().digest.to_string()),
        repeats: output.repeats,
        alarms: expected.alarms_by_kind().iter().sum(),
        copies: bench.log.copies.len() as u64,
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

/// The input, and what it must have come to.
struct Bench {
    rules: Rules,
    log: Log,
    expected: Expected,
}

impl Bench {
    /// What differs, by name; nothing where all is right.
    fn differences(&self, output: &Output) -> Result<Vec<String>, Failed> {
        let copies = copies::differences(&self.log.copies, &output.copies);
        let join = self.rules.join;
        let comparison = compare(&self.expected, &output.tally(Tally::new(join)), None);
        if comparison.is_ok() {
            return Ok(copies);
        }
        let suspects = comparison.suspects();
        let expected = self.log.expected(&self.rules, Some(&suspects))?.tally.listed;
        let mut faults = named(&Listing::new(&comparison, expected, Some(output.listed(join, &suspects))));
        if faults.is_empty() {
            faults.push("cells differ, but no row in them".to_owned());
        }
        faults.extend(copies);
        Ok(faults)
    }

    /// A plan whose load puts out nothing of a kind says nothing about that kind.
    fn is_worth_judging(&self, output: &Output) -> Result<(), Failed> {
        let [late, unreadable] = [true, false]
            .map(|is_late| self.log.copies.iter().any(|copy| (copy.reason == "late") == is_late));
        let raised = self.expected.tally.alarms_by_kind()[AlarmKind::Raised as usize] > 0;
        let lonely = output.rows.iter().any(|row| row.well.is_none() || row.tank.is_none());
        for (is_there, what) in [
            (!output.rows.is_empty(), "row"),
            (raised, "alarm"),
            (late, "late reading"),
            (unreadable, "unreadable record"),
            (lonely || !self.rules.outer, "row of a reading alone"),
        ] {
            if !is_there {
                return Err(format!("no {what} came: nothing was tested").into());
            }
        }
        Ok(())
    }

    /// A judge that lets everything pass would not be one: an output that is right is not any more without
    /// one of its rows or copies, nor with one of them twice.
    fn notices_what_is_wrong(&self, output: &mut Output) -> Result<(), Failed> {
        let row = output.rows.pop().ok_or("no row")?;
        let without = self.differences(output)?;
        output.rows.extend([row, row]);
        let twice = self.differences(output)?;
        output.rows.pop();
        let sees = |faults: &[String], word: &str, id: &str| {
            faults.len() == 1 && faults[0].contains(word) && faults[0].contains(id)
        };
        let sees_rows = sees(&without, "rows missing", &row.id()) && sees(&twice, "rows repeated", &row.id());
        let copy = output.copies.pop().ok_or("no copy")?;
        let without = self.differences(output)?;
        output.copies.extend([copy.clone(), copy.clone()]);
        let twice = self.differences(output)?;
        output.copies.pop();
        let id = format!("offset: {}, reason: {:?}", copy.offset, copy.reason);
        let sees_copies = sees(&without, "copies missing", &id) && sees(&twice, "copies repeated", &id);
        match (sees_rows, sees_copies) {
            (true, true) => Ok(()),
            _ => Err("the judge is blind to a lost or repeated row or copy".into()),
        }
    }
}

/// Rows and alarms as they are to be counted.
struct Output {
    rows: Vec<RowFacts>,
    alarms: Vec<Alarm>,
    copies: Vec<Copy>,
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
        let mut copies = copies::read(connection, &world.names)?;
        rows.sort_unstable();
        let repeats = rows.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        if !is_exactly_once {
            rows.dedup();
            alarms.sort_unstable();
            alarms.dedup();
            copies.sort_unstable();
            copies.dedup();
        }
        Ok(Output { rows, alarms, copies, repeats })
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
