//! `wellstream quarantine`: what could not be read or came late, and sending it again.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::Serialize;
use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::quarantined::Quarantined;
use wellstream_core::record::{Fate, Reason};

use crate::args::QuarantineFilter;
use crate::console::{age, clean, thousands, utc};
use crate::exit::Failure;
use crate::kafka;
use crate::settings::Settings;

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    reason: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    schema_id: Option<u32>,
    bytes: u64,
    value_left_out: bool,
    quarantined: i64,
}

/// Lists quarantined and late records, as a table or as JSON lines.
pub(crate) fn list(settings: &Settings, filter: &QuarantineFilter, json: bool) -> Result<(), Failure> {
    check(filter)?;
    let connection = kafka::connect(&kafka::settings(settings, "quarantine list")?)?;
    let now_ms = MachineClock::start().wall_ms();
    let mut out = io::stdout().lock();
    if !json {
        writeln!(
            out,
            "{:<19} {:<24} {:>5} {:>12} {:>9} {:>9}  sent",
            "reason", "topic", "part.", "offset", "bytes", "age"
        )?;
    }
    let mut shown = 0;
    let mut result = Ok(());
    let foreign = connection
        .read_quarantine(&settings.quarantine, &mut |record| {
            if !matches(filter, &record) {
                return ControlFlow::Continue(());
            }
            if shown >= filter.limit.unwrap_or(usize::MAX) {
                return ControlFlow::Break(());
            }
            shown += 1;
            result = write_record(&mut out, &record, now_ms, json);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(kafka::failure)?;
    result?;
    if !json {
        writeln!(out, "{} records", thousands(shown as u64))?;
    }
    note_foreign(&settings.quarantine, foreign);
    Ok(())
}

/// Sends quarantined records back to the topics they came from.
pub(crate) fn replay(settings: &Settings, filter: &QuarantineFilter, yes: bool) -> Result<(), Failure> {
    check(filter)?;
    let client = kafka::settings(settings, "quarantine replay")?;
    let connection = kafka::connect(&client)?;
    let topics = [settings.wells.as_str(), settings.tanks.as_str()];
    let mut sender = match yes {
        true => {
            let reader = kafka::client(settings, &client, "records are sent")?;
            Some(reader.sender(&connection, &topics).map_err(kafka::failure)?)
        }
        false => None,
    };
    let (mut sent, mut left_out, mut elsewhere) = (0_usize, 0_u64, 0_u64);
    let mut result = Ok(());
    let foreign = connection
        .read_quarantine(&settings.quarantine, &mut |record| {
            if !matches(filter, &record) {
                return ControlFlow::Continue(());
            }
            if sent >= filter.limit.unwrap_or(usize::MAX) {
                return ControlFlow::Break(());
            }
            // Headers decide where it goes, and anybody may have written them: only to the two input topics.
            let Some(topic) = topics.iter().position(|topic| *topic == record.topic) else {
                elsewhere += 1;
                return ControlFlow::Continue(());
            };
            if record.left_out_bytes.is_some() {
                left_out += 1;
                return ControlFlow::Continue(());
            }
            sent += 1;
            if let Some(sender) = &mut sender {
                result = sender.send((topic, None), record.key.as_deref(), record.value.as_deref());
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .map_err(kafka::failure)?;
    result.map_err(kafka::failure)?;
    let mut out = io::stdout().lock();
    let count = thousands(sent as u64);
    match sender {
        Some(sender) => {
            sender.finish_unless(&|| false).map_err(kafka::failure)?;
            writeln!(out, "{count} records sent back; they stay in {} as well", settings.quarantine)?;
        }
        None => writeln!(out, "{count} records would be sent back; do it with --yes")?,
    }
    if left_out > 0 {
        writeln!(out, "{} records cannot be: too large, only their headers are there", thousands(left_out))?;
    }
    if elsewhere > 0 {
        writeln!(out, "{} records are of other topics than --wells and --tanks: left", thousands(elsewhere))?;
    }
    note_foreign(&settings.quarantine, foreign);
    Ok(())
}

fn matches(filter: &QuarantineFilter, record: &Quarantined) -> bool {
    (filter.reason.is_empty() || filter.reason.contains(&record.reason))
        && filter.topic.as_ref().is_none_or(|topic| *topic == record.topic)
}

/// A reason that nothing can have is a slip of the finger.
fn check(filter: &QuarantineFilter) -> Result<(), Failure> {
    let known: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| reason.fate() != Fate::Dropped)
        .map(|reason| reason.name())
        .collect();
    match filter.reason.iter().find(|reason| !known.contains(&reason.as_str())) {
        None => Ok(()),
        Some(reason) => Err(Failure::usage(format!("--reason: {reason:?} is none of {}", known.join(", ")))),
    }
}

fn write_record(out: &mut impl Write, record: &Quarantined, now_ms: i64, json: bool) -> io::Result<()> {
    let here = record.value.as_ref().map_or(0, Vec::len) as u64;
    let bytes = record.left_out_bytes.unwrap_or(here);
    if json {
        let line = Line {
            reason: &record.reason,
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp_ms,
            schema_id: record.schema_id,
            bytes,
            value_left_out: record.left_out_bytes.is_some(),
            quarantined: record.quarantined_ms,
        };
        return writeln!(out, "{}", serde_json::to_string(&line)?);
    }
    writeln!(
        out,
        "{:<19} {:<24} {:>5} {:>12} {:>9} {:>9}  {}",
        clean(&record.reason, 19),
        clean(&record.topic, 24),
        record.partition,
        record.offset,
        bytes,
        age(now_ms - record.quarantined_ms),
        if record.timestamp_ms < 0 { "-".to_owned() } else { utc(record.timestamp_ms) },
    )
}

fn note_foreign(topic: &str, foreign: u64) {
    if foreign > 0 {
        tracing::warn!("{foreign} records of {topic} were not written by WellStream and are left out");
    }
}
