//! A trace that is sent again and again: each pass later in event time than the one before.
//!
//! Enters: what one pass over the file found. Leaves: the same for as many passes as are asked for, and by
//! how much each is shifted. Drops: nothing.
//!
//! A pass begins one second of event time behind the newest reading of the one before, seen from its first
//! one, so event time goes back at the seam no further than it does within the trace. Kafka timestamps move
//! by the same, so each record is as far from its own as it was.

use std::collections::BTreeMap;

use wellstream_core::record::PartitionId;

use super::rebase::Rebase;
use super::recording::Extent;
use super::{Load, LoadBlock, LoadError, RecordedLoad, RecordedPace, Recording, RecordingError};
use crate::schedule::Schedule;

/// One pass over a trace that is sent again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its records.
    pub records: u64,
    /// How much later each pass is than the one before, in event time and Kafka timestamps, ms.
    pub shift_ms: i64,
}

impl Pass {
    /// Of a whole trace.
    fn of(whole: &Recording, needs_times: bool) -> Result<Pass, RecordingError> {
        let rebase = Rebase::new(whole).map_err(|error| LoadError(error.to_string()))?;
        let (mut sent, mut event) = (Span::default(), Span::default());
        each(whole, RecordedPace::AtOnce, &mut |block| {
            for record in block.records.records() {
                if record.timestamp_ms >= 0 {
                    sent.add(record.timestamp_ms);
                }
                let time_ms = rebase.time_ms(record.partition.side, record.value);
                // What is too far ahead is to be quarantined, and says nothing of the others.
                let ahead_ms = record.timestamp_ms.saturating_add(AHEAD_MS_MAX);
                time_ms
                    .filter(|ms| record.timestamp_ms < 0 || *ms <= ahead_ms)
                    .into_iter()
                    .for_each(|ms| event.add(ms));
            }
            true
        })?;
        if needs_times && sent.0.is_none() {
            return Err(RecordingError::NoTimes);
        }
        Ok(Pass { records: whole.events(), shift_ms: sent.ms().max(event.ms()).saturating_add(SEAM_MS) })
    }
}

/// A trace with its passes, as much of them as is asked for.
pub(super) fn repeated(mut whole: Recording, extent: Extent) -> Result<Recording, RecordingError> {
    let pass = Pass::of(&whole, extent.speed.is_some())?;
    whole.pass = Some(pass);
    match extent.speed {
        Some(speed) if extent.events.or(extent.seconds.map(|_| 0)).is_some() => timed(whole, extent, speed),
        Some(_) => Err(RecordingError::Endless),
        None => counted(whole, pass, extent.events.unwrap_or(EVENTS_MAX)),
    }
}

/// So many records, whenever they are due.
fn counted(mut whole: Recording, pass: Pass, events: u64) -> Result<Recording, RecordingError> {
    let rest = Recording { events: events % pass.records, ..whole.clone() };
    let mut counts: BTreeMap<PartitionId, u64> = whole
        .records
        .iter()
        .map(|(partition, count)| (*partition, count * (events / pass.records)))
        .collect();
    each(&rest, RecordedPace::AtOnce, &mut |block| {
        block.records.records().for_each(|record| *counts.entry(record.partition).or_default() += 1);
        true
    })?;
    (whole.events, whole.records) = (events, counts);
    Ok(whole)
}

/// Those that are due in time, by their own times.
fn timed(mut whole: Recording, extent: Extent, speed: f64) -> Result<Recording, RecordingError> {
    let endless = Recording { events: extent.events.unwrap_or(EVENTS_MAX), ..whole.clone() };
    let until_ns = extent.seconds.map_or(f64::INFINITY, |seconds| seconds * 1e9);
    let mut counts: BTreeMap<PartitionId, u64> =
        whole.records.keys().map(|partition| (*partition, 0)).collect();
    let (mut events, mut runs, mut last_ns): (u64, Vec<(u64, u64)>, u64) = (0, Vec::new(), 0);
    each(&endless, RecordedPace::Speed(speed), &mut |block| {
        for (record, due_ns) in block.records.records().zip(&block.due_ns) {
            if *due_ns as f64 >= until_ns {
                return false;
            }
            events += 1;
            last_ns = *due_ns;
            *counts.entry(record.partition).or_default() += 1;
            match runs.last_mut().filter(|(from_ns, _)| last_ns - *from_ns < super::recording::RUN_NS) {
                Some((_, until)) => *until = events,
                None => runs.push((last_ns, events)),
            }
        }
        true
    })?;
    whole.schedule = Some(Schedule::recorded(runs, last_ns)?);
    (whole.events, whole.records) = (events, counts);
    Ok(whole)
}

/// Every block of a recording, until one is enough.
fn each(
    recording: &Recording,
    pace: RecordedPace<'_>,
    visit: &mut dyn FnMut(&LoadBlock) -> bool,
) -> Result<(), RecordingError> {
    let mut load = RecordedLoad::start(recording, pace)?;
    let mut block = LoadBlock::default();
    loop {
        block.clear();
        load.fill(&mut block)?;
        if block.records.is_empty() || !visit(&block) {
            return Ok(());
        }
    }
}

/// From the first of some times to the newest.
#[derive(Clone, Copy, Debug, Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, ms: i64) {
        let (first_ms, newest_ms) = self.0.unwrap_or((ms, ms));
        self.0 = Some((first_ms, newest_ms.max(ms)));
    }

    fn ms(self) -> i64 {
        self.0.map_or(0, |(first_ms, newest_ms)| newest_ms.saturating_sub(first_ms))
    }
}

/// Between the newest reading of a pass and the first of the next, ms of event time.
const SEAM_MS: i64 = 1_000;
/// An event time so far ahead of its record's timestamp is none, ms: as the engine's rules have it.
const AHEAD_MS_MAX: i64 = 300_000;
/// Passes without an end end here: at a million a second, after twelve days.
const EVENTS_MAX: u64 = 1_000_000_000_000;
