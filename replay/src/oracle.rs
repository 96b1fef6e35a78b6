//! The oracle: what the output must be, computed from the whole input log in one go.
//!
//! Enters: every input partition's records in offset order. Leaves: each reading's fate, the rows, the
//! alarms, and what they amount to. It imports the core's records and rules only: judging, scoring, joining
//! and alarms are written here a second time, from the definitions (DESIGN sections 2, 3, 4 and 10), as
//! plainly as they allow.
//!
//! ```
//! use std::sync::Arc;
//! use wellstream_core::{record::{PartitionId, Side}, rules::Rules};
//! use wellstream_replay::oracle::{self, Body, Observed, OracleRecord, PartitionLog};
//!
//! let record = |offset, time_ms, ppm| OracleRecord {
//!     offset,
//!     timestamp_ms: time_ms,
//!     body: Body::Reading(Observed {
//!         facility: Some(Arc::from("f-1")), time_ms: Some(time_ms), ppm, null: None,
//!     }),
//! };
//! let t = 1_700_000_000_000;
//! let wells = PartitionLog {
//!     partition: PartitionId { side: Side::Well, number: 0 },
//!     records: vec![record(0, t, 650.2)],
//! };
//! let tanks = PartitionLog {
//!     partition: PartitionId { side: Side::Tank, number: 0 },
//!     records: vec![record(0, t + 5_000, 12_000.0), record(1, t + 5_001, 12_000.0)],
//! };
//! let output = oracle::output(&oracle::judge(&[wells, tanks], &Rules::default()), &Rules::default());
//! let rows = output.totals.unwrap();
//! assert_eq!((rows.rows, rows.alert_rows, rows.risk_sum), (1, 1, 80));
//! assert_eq!(output.alarms_by_kind(), [1, 0, 0]); // raised, and still in force at the end
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use wellstream_core::record::{Alarm, Input, PartitionId, Reason, Row, RowTotals, Side, Status};

mod raw;
mod judge;
mod join;
mod naive;
mod alarms;
mod latest;
mod verdict;
mod cells;
mod partners;
mod stream;

pub use alarms::alarms;
pub use cells::{AlarmCell, CellId, Grid, Listed, RowCell, Sum, Suspects, Tally};
pub use join::join;
pub use judge::{Judge, judge};
pub use latest::{LatestFault, check_latest};
pub use naive::join_naive;
pub(crate) use partners::Mark;
pub use partners::Partners;
pub use raw::{RawDecoder, SchemaError, WriterSchemas};
pub use stream::{Counts, Expected, NotPartners, Stream, StreamError};
pub use verdict::{end_of_bounded_run, output};

/// One record of a partition, as far as the verdict depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleRecord {
    /// Its offset.
    pub offset: i64,
    /// Kafka's timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// What its value says.
    pub body: Body,
}

/// What a value says; its facility by name, or by a number that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<F = Arc<str>> {
    /// A reading that can be read; its time has yet to be judged.
    Reading(Observed<F>),
    /// A value that goes to the quarantine whatever its time.
    Unreadable(Reason),
}

/// The part of a reading that decides what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed<F = Arc<str>> {
    /// `facility_id`.
    pub facility: Option<F>,
    /// `timestamp`: event time, epoch ms.
    pub time_ms: Option<i64>,
    /// Methane of a well, vapor of a tank, ppm; any number where it is null.
    pub ppm: f64,
    /// The first field, in the schema's order, that is null and without which a reading is dropped.
    pub null: Option<Reason>,
}

impl<F> Body<F> {
    /// The same with the facility told otherwise.
    pub fn map_facility<G>(self, map: impl FnOnce(F) -> G) -> Body<G> {
        match self {
            Body::Unreadable(reason) => Body::Unreadable(reason),
            Body::Reading(Observed { facility, time_ms, ppm, null }) => {
                Body::Reading(Observed { facility: facility.map(map), time_ms, ppm, null })
            }
        }
    }
}

/// A whole partition, in offset order.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionLog {
    /// Which partition.
    pub partition: PartitionId,
    /// Its records, offsets rising.
    pub records: Vec<OracleRecord>,
}

/// A reading that enters the join.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Its facility.
    pub facility: Arc<str>,
    /// Its time and its place in the log.
    pub input: Input,
    /// Methane of a well, vapor of a tank, ppm.
    pub ppm: f64,
}

/// What became of every record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// On-time readings with all that the join needs, wells and tanks (by `Side::index`), in log order.
    pub accepted: [Vec<Accepted>; 2],
    /// The others.
    pub rejected: Vec<(PartitionId, i64, Reason)>,
    /// The newest event time of an on-time reading, dropped ones included.
    pub newest_on_time_ms: Option<i64>,
    /// Each partition's clock at its end.
    pub clocks: BTreeMap<PartitionId, Option<i64>>,
}

impl Judged {
    /// How many records each side had.
    pub fn events_in(&self) -> [u64; 2] {
        Side::BOTH.map(|side| {
            let rejected = self.rejected.iter().filter(|(partition, ..)| partition.side == side).count();
            (self.accepted[side.index()].len() + rejected) as u64
        })
    }

    /// How many records were rejected for each reason.
    pub fn counts(&self) -> BTreeMap<Reason, u64> {
        let mut counts = BTreeMap::new();
        for (_, _, reason) in &self.rejected {
            *counts.entry(*reason).or_default() += 1;
        }
        counts
    }

    /// Adds what became of other partitions' records.
    pub fn merge(&mut self, other: Judged) {
        for (mine, theirs) in self.accepted.iter_mut().zip(other.accepted) {
            mine.extend(theirs);
        }
        self.rejected.extend(other.rejected);
        self.newest_on_time_ms = self.newest_on_time_ms.max(other.newest_on_time_ms);
        self.clocks.extend(other.clocks);
    }
}

/// What a row says that can be compared between the engine and the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowFacts {
    /// The well reading.
    pub well: Option<Input>,
    /// The tank reading.
    pub tank: Option<Input>,
    /// Row time: the later input's, epoch ms.
    pub time_ms: i64,
    /// Risk.
    pub risk: u32,
    /// NORMAL or ALERT.
    pub status: Status,
}

impl RowFacts {
    /// The row id: `w:PARTITION:OFFSET|t:PARTITION:OFFSET`, a missing side `-`.
    pub fn id(&self) -> String {
        let name = |side, input: Option<Input>| match input {
            Some(Input { partition, offset, .. }) => format!("{side}:{partition}:{offset}"),
            None => "-".to_owned(),
        };
        format!("{}|{}", name('w', self.well), name('t', self.tank))
    }
}

impl From<&Row> for RowFacts {
    fn from(row: &Row) -> RowFacts {
        RowFacts { well: row.well, tank: row.tank, time_ms: row.time_ms, risk: row.risk, status: row.status }
    }
}

/// A row that must come out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OracleRow {
    /// Its facility.
    pub facility: Arc<str>,
    /// What it says.
    pub facts: RowFacts,
    /// It is decided once W is later than this; `None`: with its second input, whatever W.
    pub closes_ms: Option<i64>,
}

impl OracleRow {
    /// Whether the row is out when the watermark has reached W (`None`: no watermark yet).
    pub fn is_decided(&self, watermark_ms: Option<i64>) -> bool {
        match (self.closes_ms, watermark_ms) {
            (None, _) => true,
            (Some(closes), Some(watermark)) => watermark > closes,
            (Some(_), None) => false,
        }
    }
}

/// What a run over the log to its end must report.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleOutput {
    /// Records per side, by `Side::index`.
    pub events_in: [u64; 2],
    /// Accepted readings per side.
    pub accepted: [u64; 2],
    /// Rejected records by reason: dropped, late and quarantined.
    pub rejected: BTreeMap<Reason, u64>,
    /// How many rows.
    pub rows: u64,
    /// What the rows amount to. `None` in `latest`, where partners are not a function of the log: there only
    /// `rows` is given, one per accepted well reading.
    pub totals: Option<RowTotals>,
    /// All alarms, by facility, then in the order of decision.
    pub alarms: Vec<Alarm>,
}

impl OracleOutput {
    /// How many alarms were raised, escalated and cleared.
    pub fn alarms_by_kind(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for alarm in &self.alarms {
            counts[alarm.kind as usize] += 1;
        }
        counts
    }
}
