//! `wellstream record`: topics into a trace, as they are. Whatever ends it, the file is a valid trace.

mod ids;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::capture::{Capture, CapturedRecord};
use wellstream_replay::limits::TRACE_ROOM_BYTES;
use wellstream_replay::trace::{BorrowedRecord, TraceError, TraceWriter};

use crate::args::RecordArgs;
use crate::console::{per_s, thousands};
use crate::exit::Failure;
use crate::progress::{Progress, bytes};
use crate::settings::Settings;
use crate::{kafka, signals};
use ids::SchemaIds;

/// Records until an end, a time, a count or a signal.
pub(crate) fn record(settings: &Settings, args: &RecordArgs) -> Result<(), Failure> {
    let client = kafka::settings(settings, "record")?;
    let path = &args.file;
    if path.exists() && !args.force {
        return Err(Failure::usage(format!("{} exists; --force overwrites it", path.display())));
    }
    let topics = topics(settings, args);
    let ids = SchemaIds::new(settings)?;
    // From here on a signal ends the recording, not the process.
    let stop = signals::stop_flag()?;
    let connection = kafka::connect(&client)?;
    let from = kafka::start_from(settings);
    let capture = connection.capture(&topics, from, settings.until_end).map_err(kafka::failure)?;
    let writer = TraceWriter::with_room(create(path, args.force)?, &[], TRACE_ROOM_BYTES);
    let writer = writer.map_err(|error| cannot_write(path, error))?;
    let clock = MachineClock::start();
    let mut recording = Recording { settings, path, clock, capture, writer, ids, value_bytes: 0 };
    let outcome = recording.run(&stop);
    recording.end(outcome, topics.len())
}

/// What is recorded: each topic once.
fn topics(settings: &Settings, args: &RecordArgs) -> Vec<String> {
    if args.topics.is_empty() {
        return vec![settings.wells.clone(), settings.tanks.clone()];
    }
    let mut topics = args.topics.clone();
    topics.sort_unstable();
    topics.dedup();
    topics
}

fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    options.open(path).map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: impl Into<TraceError>) -> Failure {
    Failure::Runtime(anyhow::Error::from(error.into()).context(format!("cannot write {}", path.display())))
}

struct Recording<'a> {
    settings: &'a Settings,
    path: &'a Path,
    clock: MachineClock,
    capture: Capture,
    writer: TraceWriter<File>,
    ids: SchemaIds,
    /// Bytes of keys and values.
    value_bytes: u64,
}

impl Recording<'_> {
    fn run(&mut self, stop: &AtomicBool) -> Result<(), Failure> {
        let mut progress = Progress::new(self.clock);
        let duration = self.settings.duration.map(|span| span.duration());
        let events = self.settings.events.unwrap_or(u64::MAX);
        let mut flush_ms = FLUSH_MS;
        let outcome = loop {
            let is_over = duration.is_some_and(|duration| self.clock.elapsed() >= duration);
            let is_full = self.writer.records() >= events;
            if is_over || is_full || self.capture.is_done() || stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            if let Err(failure) = self.step(events) {
                break Err(failure);
            }
            // What has come can be salvaged a second later, should this process be killed.
            if self.clock.now_ms() >= flush_ms {
                flush_ms = self.clock.now_ms() + FLUSH_MS;
                self.writer.flush().map_err(|error| cannot_write(self.path, error))?;
            }
            progress.tell(|| self.line());
        };
        progress.clear();
        outcome
    }

    /// Takes what has come, and the schemas of ids that were not met before.
    fn step(&mut self, events: u64) -> Result<(), Failure> {
        let Recording { capture, writer, ids, value_bytes, path, .. } = self;
        let mut written = Ok(());
        let polled = capture.poll(&mut |record| {
            written = writer.append_borrowed(&borrowed(record));
            if written.is_err() {
                return ControlFlow::Break(());
            }
            *value_bytes += (record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64;
            ids.note(record.topic, record.value);
            if writer.records() < events { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        written.map_err(|error| cannot_write(path, error))?;
        polled.map_err(kafka::failure)?;
        ids.look_up(writer, false).map_err(|error| cannot_write(path, error))
    }

    fn line(&self) -> String {
        let records = self.writer.records();
        let left = self.capture.offsets_left().map(|left| format!(", {} left", thousands(left)));
        format!(
            "{} records, {}/s, {} of keys and values, {} written{}",
            thousands(records),
            thousands(per_s(records, self.clock.elapsed().as_secs_f64())),
            bytes(self.value_bytes),
            bytes(self.writer.bytes()),
            left.unwrap_or_default()
        )
    }

    /// Makes the file whole whatever happened, and says what is in it.
    fn end(mut self, outcome: Result<(), Failure>, topics: usize) -> Result<(), Failure> {
        let looked_up = self.ids.look_up(&mut self.writer, true);
        let (records, elapsed_s) = (self.writer.records(), self.clock.elapsed().as_secs_f64());
        let partitions = self.capture.partitions();
        let finished = self.writer.flush().and_then(|()| {
            let bytes = self.writer.bytes();
            self.writer.finish().map(|_| bytes)
        });
        // The first failure is the one that matters.
        outcome?;
        looked_up.map_err(|error| cannot_write(self.path, error))?;
        let file_bytes = finished.map_err(|error| cannot_write(self.path, error))?;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{}: {} records of {topics} topics, {partitions} partitions, in {elapsed_s:.1} s; {} of keys \
             and values in {}; {} schemas",
            self.path.display(),
            thousands(records),
            bytes(self.value_bytes),
            bytes(file_bytes),
            self.ids.found(),
        )?;
        self.ids.missing().map_or(Ok(()), |missing| Err(Failure::Runtime(anyhow::Error::msg(missing))))
    }
}

fn borrowed<'a>(record: &CapturedRecord<'a>) -> BorrowedRecord<'a> {
    let CapturedRecord { topic, partition, offset, timestamp_ms, key, value, headers } = *record;
    BorrowedRecord { topic, partition, offset, timestamp_ms, key, value, headers }
}

/// Between two moments at which all that came is in the file.
const FLUSH_MS: i64 = 1_000;
