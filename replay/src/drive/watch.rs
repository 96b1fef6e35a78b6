//! Watches the output topics as any consumer does that reads only what is committed.
//!
//! Enters: rows and alarms from the ends that the topics had at the start. Leaves: when each sampled row became
//! visible, and all of them as a tally for the verdict. Drops: nothing.

use std::ops::ControlFlow;
use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_connectors::kafka::capture::Capture;
use wellstream_connectors::kafka::start::From;
use wellstream_connectors::kafka::topics::Connection;
use wellstream_connectors::kafka::{KafkaError, TopicNames};
use wellstream_core::decode;
use wellstream_core::record::{Input, Status};
use wellstream_core::rules::JoinMode;

use crate::observe::Observation;
use crate::oracle::{RowFacts, Tally};

/// A consumer at the ends of the output topics.
pub struct Watch {
    capture: Capture,
    output: String,
    tally: Tally,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Rows and alarms.
    pub tally: Tally,
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
    pub fn start(connection: &Connection, names: &TopicNames, mode: JoinMode) -> Result<Watch, KafkaError> {
        let topics = [names.enriched.clone(), names.alerts.clone()];
        let capture = connection.capture(&topics, From::Latest, false)?;
        Ok(Watch { capture, output: names.enriched.clone(), tally: Tally::new(mode) })
    }

    /// Watches until `is_done`, and then until nothing has come for a while: an engine elsewhere tells nobody when
    /// it is done, one here leaves nothing behind but what is on its way.
    pub(super) fn go(
        mut self,
        clock: &MachineClock,
        observation: &Observation,
        is_done: &dyn Fn() -> bool,
        is_here: bool,
    ) -> Result<Watched, KafkaError> {
        let quiet = if is_here { QUIET_HERE } else { QUIET_ELSEWHERE };
        let (mut unreadable, mut rows) = (0, 0);
        let mut samples = Vec::new();
        let mut heard = clock.elapsed();
        loop {
            let Watch { capture, output, tally } = &mut self;
            let mut came = 0;
            capture.poll(&mut |record| {
                came += 1;
                let body = record.value.and_then(|value| decode::split_frame(value).ok()).map(|(_, body)| body);
                let is_row = record.topic == output.as_str();
                let row = body.filter(|_| is_row).and_then(row_of);
                match (row, is_row) {
                    (Some(row), _) => {
                        if rows % observation.sample() == 0 {
                            samples.extend(observation.intended_of(row.well, row.tank));
                        }
                        rows += 1;
                        tally.add_row(&row);
                    }
                    (None, false) => match body.and_then(|body| decode::alarm(body).ok()) {
                        Some(alarm) => drop(tally.add_alarm(&alarm)),
                        None => unreadable += 1,
                    },
                    (None, true) => unreadable += 1,
                }
                ControlFlow::Continue(())
            })?;
            if came > 0 {
                heard = clock.elapsed();
                observation.visible(clock.now_ns(), samples.drain(..));
            } else if is_done() && clock.elapsed() - heard >= quiet {
                return Ok(Watched { tally: self.tally, unreadable });
            }
        }
    }
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

/// Behind an engine here everything is acknowledged when it ends.
const QUIET_HERE: Duration = Duration::from_millis(1_500);
/// An engine elsewhere may pause for a rebalance.
const QUIET_ELSEWHERE: Duration = Duration::from_secs(10);
