//! Judging: quarantined, then late, then dropped, else accepted (DESIGN sections 2, 4 and 10).

use wellstream_core::record::{Input, PartitionId, Reason};
use wellstream_core::rules::Rules;

use super::{Accepted, Body, Judged, OracleRecord, PartitionLog};

/// Judges all records of all partitions.
pub fn judge(logs: &[PartitionLog], rules: &Rules) -> Judged {
    let mut all = Judged::default();
    for log in logs {
        let mut judge = Judge::new(log.partition);
        for record in &log.records {
            judge.record(record.clone(), rules);
        }
        all.merge(judge.finish());
    }
    all
}

/// Judges one partition, record by record in offset order.
#[derive(Debug)]
pub struct Judge {
    partition: PartitionId,
    gate: Gate,
    judged: Judged,
}

/// A partition's clock, and what it says of the next reading's time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// The largest min(event time, record timestamp + 1 s) of the readable records so far.
    pub(super) clock_ms: Option<i64>,
    /// The newest event time that was not late.
    pub(super) newest_on_time_ms: Option<i64>,
}

impl Judge {
    /// Before the partition's first record.
    pub fn new(partition: PartitionId) -> Judge {
        Judge { partition, gate: Gate::default(), judged: Judged::default() }
    }

    /// Judges the partition's next record.
    pub fn record(&mut self, record: OracleRecord, rules: &Rules) {
        let offset = record.offset;
        match self.verdict(record, rules) {
            Ok(accepted) => self.judged.accepted[self.partition.side.index()].push(accepted),
            Err(reason) => self.judged.rejected.push((self.partition, offset, reason)),
        }
    }

    /// What became of the partition's records.
    pub fn finish(mut self) -> Judged {
        self.judged.clocks.insert(self.partition, self.gate.clock_ms);
        self.judged.newest_on_time_ms = self.gate.newest_on_time_ms;
        self.judged
    }

    fn verdict(&mut self, record: OracleRecord, rules: &Rules) -> Result<Accepted, Reason> {
        let reading = match record.body {
            Body::Unreadable(reason) => return Err(reason),
            Body::Reading(reading) => reading,
        };
        let time_ms = self.gate.pass(record.timestamp_ms, reading.time_ms, rules)?;
        if let Some(reason) = reading.null {
            return Err(reason);
        }
        let facility = reading.facility.ok_or(Reason::NullFacilityId)?;
        let input = Input { time_ms, partition: self.partition.number, offset: record.offset };
        Ok(Accepted { facility, input, ppm: reading.ppm })
    }
}

impl Gate {
    /// The event time of a readable record, if it is valid and not late.
    pub(super) fn pass(
        &mut self,
        timestamp_ms: i64,
        time_ms: Option<i64>,
        rules: &Rules,
    ) -> Result<i64, Reason> {
        let time_ms = time_ms.ok_or(Reason::NullTimestamp)?;
        let sent_ms = if timestamp_ms == -1 { time_ms } else { timestamp_ms };
        if time_ms < rules.time_ms_min {
            return Err(Reason::TimeTooOld);
        }
        if time_ms > sent_ms.saturating_add(rules.future_ms_max).min(TIME_MS_MAX) {
            return Err(Reason::TimeTooFarAhead);
        }
        // Its own time cannot make a reading late, so it is the same whether its clock counts before or
        // after.
        let moved_to = time_ms.min(sent_ms.saturating_add(rules.clock_ahead_ms_max));
        self.clock_ms = self.clock_ms.max(Some(moved_to));
        if self.clock_ms.is_some_and(|clock| time_ms < clock.saturating_sub(rules.lateness_ms)) {
            return Err(Reason::Late);
        }
        self.newest_on_time_ms = self.newest_on_time_ms.max(Some(time_ms));
        Ok(time_ms)
    }
}

/// The end of year 9999, epoch ms: later event times are quarantined whatever the record's timestamp says.
const TIME_MS_MAX: i64 = 253_402_300_799_999;
