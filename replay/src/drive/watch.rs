//! Watches the output topics as any consumer does that reads only what is committed.
//!
//! Enters: rows and alarms from the ends that the topics had at the start. Leaves: when each sampled row
//! became visible, and all of them as a tally for the verdict. Drops: nothing.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::capture::CapturedRecord;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_connectors::native::choice::Reader;
use wellstream_connectors::native::either::EitherCapture;
use wellstream_core::decode;
use wellstream_core::record::{Alarm, Input, Status};
use wellstream_core::rules::JoinMode;

use crate::observe::Observation;
use crate::oracle::{Listed, Mark, Partners, RowFacts, Suspects, Tally};

/// A consumer at the ends of the output topics.
pub struct Watch {
    capture: EitherCapture,
    output: String,
    tally: Tally,
    partners: Partners,
}

/// How watching ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// More will come.
    NotYet,
    /// Where the topics end: behind an engine here nothing comes any more.
    OfTopics,
    /// When nothing has come for a while: an engine elsewhere tells nobody when it is done.
    Quiet,
    /// Soon: the run broke off.
    BrokenOff,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Rows and alarms.
    pub tally: Tally,
    /// In `latest`: the partner of each well.
    pub partners: Partners,
    /// Records that are neither.
    pub unreadable: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("output", &self.output).finish_non_exhaustive()
    }
}

impl Watch {
    /// Stands at the ends of the topics of rows and of alarms.
    ///
    /// # Errors
    /// A topic is missing, or the brokers do not answer.
    pub fn start(
        (connection, reader): (&Connection, &Reader),
        names: &TopicNames,
        mode: JoinMode,
    ) -> Result<Watch, KafkaError> {
        let topics = [names.enriched.clone(), names.alerts.clone()];
        let capture = reader.capture(connection, &topics, From::Latest, false)?;
        let (output, tally) = (names.enriched.clone(), Tally::new(mode));
        Ok(Watch { capture, output, tally, partners: Partners::default() })
    }

    /// What cells hold, of rows and alarms sent since `from_ms`: the topics are read once more, to their
    /// ends.
    ///
    /// # Errors
    /// A topic is gone, or the brokers do not answer.
    pub fn listed(
        (connection, reader): (&Connection, &Reader),
        names: &TopicNames,
        mode: JoinMode,
        from_ms: i64,
        suspects: &Arc<Suspects>,
    ) -> Result<Listed, KafkaError> {
        let topics = [names.enriched.clone(), names.alerts.clone()];
        let mut capture = reader.capture(connection, &topics, From::Time(from_ms), true)?;
        let mut tally = Tally::looking_at(mode, Arc::clone(suspects));
        while !capture.is_done() {
            capture.poll(&mut |record| {
                match read(record, &names.enriched) {
                    Some(Seen::Row(row)) => drop(tally.add_row(&row)),
                    Some(Seen::Alarm(alarm)) => drop(tally.add_alarm(&alarm)),
                    None => {}
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(tally.listed)
    }

    /// Watches until `end` says how it ends, and then to that end.
    pub(super) fn go(
        mut self,
        connection: &Connection,
        clock: &MachineClock,
        observation: &Observation,
        end: &dyn Fn() -> End,
    ) -> (Watched, Result<(), KafkaError>) {
        let (mut unreadable, mut rows) = (0, 0);
        let mut samples = Vec::new();
        let mut heard = clock.elapsed();
        loop {
            let Watch { capture, output, tally, partners } = &mut self;
            let mut came = 0;
            let polled = capture.poll(&mut |record| {
                came += 1;
                match read(record, output) {
                    Some(Seen::Row(row)) => {
                        if rows % observation.sample() == 0 {
                            samples.extend(observation.intended_of(row.well, row.tank));
                        }
                        rows += 1;
                        tally.add_row(&row);
                        if tally.mode() == JoinMode::Latest {
                            Mark::of(&row).into_iter().for_each(|mark| partners.set(mark));
                        }
                    }
                    Some(Seen::Alarm(alarm)) => drop(tally.add_alarm(&alarm)),
                    None => unreadable += 1,
                }
                ControlFlow::Continue(())
            });
            if came > 0 {
                heard = clock.elapsed();
                observation.visible(clock.now_ns(), samples.drain(..));
            }
            let waited = clock.elapsed() - heard;
            let ended = match polled {
                Err(error) => Some(Err(error)),
                Ok(()) if came > 0 => None,
                Ok(()) => match end() {
                    End::NotYet => None,
                    End::BrokenOff => (waited >= QUIET_BROKEN_OFF).then_some(Ok(())),
                    End::Quiet => (waited >= QUIET_ELSEWHERE).then_some(Ok(())),
                    End::OfTopics if capture.is_done() => Some(Ok(())),
                    // A broker that does not answer is asked again, and what was to be read is not there yet.
                    End::OfTopics => match capture.end_here(connection) {
                        Ok(()) if capture.is_done() || waited >= QUIET_ELSEWHERE => Some(Ok(())),
                        Err(error) if waited >= ANSWER_TIME => Some(Err(error)),
                        Ok(()) | Err(_) => None,
                    },
                },
            };
            if let Some(ended) = ended {
                return (Watched { tally: self.tally, partners: self.partners, unreadable }, ended);
            }
        }
    }
}

/// What a record of the output topics is.
enum Seen {
    Row(RowFacts),
    Alarm(Alarm),
}

fn read(record: &CapturedRecord<'_>, output: &str) -> Option<Seen> {
    let (_, body) = decode::split_frame(record.value?).ok()?;
    if record.topic == output {
        return row_of(body).map(Seen::Row);
    }
    decode::alarm(body).ok().map(Seen::Alarm)
}

/// A row as a reader of the topic sees it.
fn row_of(body: &[u8]) -> Option<RowFacts> {
    let event = decode::enriched(body).ok()?;
    let input = |time: Option<i64>, partition: Option<i32>, offset: Option<i64>| {
        Some(Input { time_ms: time?, partition: u32::try_from(partition?).ok()?, offset: offset? })
    };
    let status = match event.status.as_str() {
        "ALERT" => Status::Alert,
        "NORMAL" => Status::Normal,
        _ => return None,
    };
    Some(RowFacts {
        well: input(event.well_time, event.well_partition, event.well_offset),
        tank: input(event.tank_time, event.tank_partition, event.tank_offset),
        time_ms: event.row_time,
        risk: u32::try_from(event.risk).ok()?,
        status,
    })
    .filter(|row| row.id() == event.row_id)
}

/// What a run that broke off has put out is there by then, or does not matter.
const QUIET_BROKEN_OFF: Duration = Duration::from_millis(1_500);
/// A broker that is overloaded answers again within this; one that is gone does not.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// An engine elsewhere may pause for a rebalance.
const QUIET_ELSEWHERE: Duration = Duration::from_secs(10);
