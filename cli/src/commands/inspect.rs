//! `wellstream inspect`: what is in a trace, as tables or as JSON.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use wellstream_connectors::MachineClock;
use wellstream_replay::inspect::{
    EventTimes, InspectError, InspectSettings, Inspection, Quantiles, TimeSpan, TopicContents,
    inspect as read,
};
use wellstream_replay::trace::{ReadOptions, TraceError, TraceReader};
use wellstream_replay::verify::Topics;

use crate::args::InspectArgs;
use crate::console::{clean, per_s, thousands, utc};
use crate::exit::Failure;
use crate::progress::{Progress, bytes};
use crate::schemas;
use crate::settings::Settings;

/// Reads a trace and says what is in it.
pub(crate) fn inspect(settings: &Settings, args: &InspectArgs) -> Result<(), Failure> {
    let inspection = InspectSettings {
        topics: Topics { wells: settings.wells.clone(), tanks: settings.tanks.clone() },
        rules: settings.rules()?,
        schemas: schemas::fixed(settings)?,
    };
    let options = ReadOptions { salvage: args.salvage, ..ReadOptions::default() };
    let mut reader =
        TraceReader::open(&args.file, options).map_err(|error| failure(&args.file, error.into()))?;
    let clock = MachineClock::start();
    let mut progress = Progress::new(clock);
    let told = reader.records_told().map(|told| format!(" of {}", thousands(told))).unwrap_or_default();
    let found = read(&mut reader, &inspection, &mut |records| {
        progress.tell(|| {
            let rate = per_s(records, clock.elapsed().as_secs_f64());
            format!("{}{told} records, {}/s", thousands(records), thousands(rate))
        });
    });
    progress.clear();
    let found = found.map_err(|error| failure(&args.file, error))?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&found).map_err(anyhow::Error::from)? + "\n",
        false => tables(&args.file, &found),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A name that is no file is the operator's slip; what is in the file, not.
fn failure(path: &Path, error: InspectError) -> Failure {
    let is_missing =
        matches!(&error, InspectError::Trace(TraceError::Io(error)) if error.kind() == ErrorKind::NotFound);
    let error = anyhow::Error::from(error).context(path.display().to_string());
    if is_missing { Failure::Usage(error) } else { Failure::Runtime(error) }
}

fn tables(path: &Path, found: &Inspection) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} records in {} blocks, {}, compressed {}",
        path.display(),
        thousands(found.records),
        thousands(found.blocks),
        bytes(found.plain_bytes),
        bytes(found.packed_bytes)
    );
    if let Some(damage) = &found.damage {
        let _ = writeln!(out, "salvaged up to the damage: {damage}");
    }
    let reasons: Vec<_> =
        found.unreadable.iter().map(|(reason, count)| format!("{reason} {}", thousands(*count))).collect();
    let _ =
        writeln!(out, "readable {}; unreadable: {}", thousands(found.readable), or_none(&reasons.join(", ")));
    for schema in &found.schemas {
        let name = match (&schema.name, schema.in_file) {
            (Some(name), _) => clean(name, 60),
            (None, true) => "no record".to_owned(),
            (None, false) => "not in the file".to_owned(),
        };
        let _ = writeln!(out, "schema {}: {name}, {} values", schema.id, thousands(schema.records));
    }
    for topic in &found.topics {
        put_topic(&mut out, topic, found.lateness_ms);
    }
    out
}

fn put_topic(out: &mut String, topic: &TopicContents, lateness_ms: i64) {
    let _ = writeln!(
        out,
        "\n{}: {} records, {} tombstones, {} with headers",
        clean(&topic.topic, 249),
        thousands(topic.records),
        thousands(topic.tombstones),
        thousands(topic.with_headers)
    );
    let keys = topic.keys;
    let _ = writeln!(
        out,
        "  keys        {}{} different, {} without, {}",
        if keys.or_more { "more than " } else { "" },
        thousands(keys.distinct),
        thousands(keys.without),
        bytes(topic.key_bytes)
    );
    let sizes = quantiles(topic.value_size, thousands);
    let _ = writeln!(out, "  values      {}; bytes each: {sizes}", bytes(topic.value_bytes));
    let _ = writeln!(out, "  sent        {}", topic.sent.map_or_else(|| "-".to_owned(), span));
    let _ = writeln!(out, "  event time  {}", event_time(topic.event_time.as_ref(), lateness_ms));
    let _ = writeln!(
        out,
        "  {:>9} {:>13} {:>15} {:>15} {:>11} {:>10} {:>11} {:>9}",
        "partition", "records", "first offset", "last offset", "bytes", "per s", "behind ms", "late"
    );
    for one in &topic.partitions {
        let behind = one.event_time.as_ref().map(|times| thousands(times.disorder_ms.max));
        let late = one.event_time.as_ref().map(|times| thousands(times.late));
        let rate = one.sent.and_then(|sent| sent.records_per_s).map(|rate| format!("{rate:.1}"));
        let _ = writeln!(
            out,
            "  {:>9} {:>13} {:>15} {:>15} {:>11} {:>10} {:>11} {:>9}",
            one.partition,
            thousands(one.records),
            one.offset_first,
            one.offset_last,
            bytes(one.value_bytes),
            or_none(&rate.unwrap_or_default()),
            or_none(&behind.unwrap_or_default()),
            or_none(&late.unwrap_or_default())
        );
        if one.out_of_order > 0 {
            let count = thousands(one.out_of_order);
            let _ = writeln!(out, "            {count} records are not behind the one before them by offset");
        }
    }
}

fn span(span: TimeSpan) -> String {
    let rate = span.records_per_s.map(|rate| format!(", {rate:.1} records/s")).unwrap_or_default();
    format!("{} to {}{rate}", utc(span.first_ms), utc(span.last_ms))
}

fn event_time(times: Option<&EventTimes>, lateness_ms: i64) -> String {
    let Some(times) = times else { return "-".to_owned() };
    let behind = quantiles(times.disorder_ms, |ms| format!("{} ms", thousands(ms)));
    let lateness_s = lateness_ms as f64 / 1e3;
    let late = thousands(times.late);
    format!("{}; behind the newest: {behind}; late at {lateness_s} s: {late}", span(times.span))
}

fn quantiles(of: Quantiles, show: impl Fn(u64) -> String) -> String {
    let shown = |name: &str, value: Option<u64>| value.map(|value| format!("{name} {}, ", show(value)));
    let [p50, p99] = [shown("p50", of.p50), shown("p99", of.p99)].map(Option::unwrap_or_default);
    format!("{p50}{p99}max {}", show(of.max))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
