//! The oracle again, for logs that do not fit in memory: record by record, and what can no longer change is
//! added up and forgotten.
//!
//! Enters: how many records each partition will have; then the records, each partition's in offset order.
//! Leaves: the same counts, rows and alarms as the batch oracle gives, as cells. Held in memory are the
//! readings that later ones may still meet: those of the last L + 2 B of event time, counted from the slowest
//! partition that still has records to come, and what is open of alarms.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use wellstream_core::{record::{PartitionId, Side}, rules::Rules};
//! use wellstream_replay::oracle::{Body, Observed, Stream};
//!
//! let [wells, tanks] = Side::BOTH.map(|side| PartitionId { side, number: 0 });
//! let rules = Rules::default();
//! let mut stream = Stream::new(&rules, &BTreeMap::from([(wells, 1), (tanks, 2)]));
//! let t = 1_700_000_000_000;
//! let vapor = [(tanks, 0, t + 5_000, 12e3), (tanks, 1, t + 5_001, 12e3)];
//! for (partition, offset, time_ms, ppm) in [(wells, 0, t, 650.2)].into_iter().chain(vapor) {
//!     let reading = Observed { facility: Some(Arc::from("f-1")), time_ms: Some(time_ms), ppm, null: None };
//!     stream.record(partition, offset, time_ms, Body::Reading(reading))?;
//! }
//! let expected = stream.finish()?;
//! assert_eq!((expected.tally.row_totals().rows, expected.tally.row_totals().risk_sum), (1, 80));
//! assert_eq!(expected.tally.alarms_by_kind(), [1, 0, 0]);
//! # Ok::<(), wellstream_replay::oracle::StreamError>(())
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;
use wellstream_core::record::{Fate, Input, PartitionId, Reason};
use wellstream_core::rules::Rules;

use super::judge::Gate;
use super::{Body, Partners, RowFacts, Suspects, Tally};

mod part;
mod slice;
mod episode;

use super::join::Event;
use part::Part;

/// Judges, joins and adds up.
#[derive(Debug)]
pub struct Stream<'r> {
    rules: &'r Rules,
    partitions: Vec<Partition>,
    places: BTreeMap<PartitionId, usize>,
    numbers: HashMap<Arc<str>, u32>,
    /// Facility n is in part n modulo their number.
    parts: Vec<Part<'r>>,
    counts: Counts,
    /// Records since what is complete was last joined.
    waiting: usize,
    /// How many of them it takes to join again.
    records_to_join: usize,
}

#[derive(Debug)]
struct Partition {
    id: PartitionId,
    gate: Gate,
    records_left: u64,
    offset_last: i64,
}

/// What became of the records of a log, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records per side, by `Side::index`.
    pub events_in: [u64; 2],
    /// Accepted readings per side.
    pub accepted: [u64; 2],
    /// The others by reason: dropped, late and quarantined.
    pub rejected: BTreeMap<Reason, u64>,
}

impl Counts {
    /// Records of one fate by the reason's name.
    pub fn by_reason(&self, fate: Fate) -> BTreeMap<String, u64> {
        let of_fate = self.rejected.iter().filter(|(reason, _)| reason.fate() == fate);
        of_fate.map(|(reason, count)| (reason.name().to_owned(), *count)).collect()
    }

    /// Late records.
    pub fn late(&self) -> u64 {
        self.rejected.get(&Reason::Late).copied().unwrap_or(0)
    }
}

/// What a run over the log to its end must put out.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What became of the records.
    pub counts: Counts,
    /// Rows and alarms.
    pub tally: Tally,
    /// In `latest`, where a run's partners were given: the rows whose partner cannot be one.
    pub not_partners: NotPartners,
}

/// Rows of `latest` that break its rule: their partner is no tank reading of the facility in the bound before
/// the well, or time, risk or status do not follow from the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotPartners {
    /// How many.
    pub count: u64,
    /// The wells of the first ones, and the row that `asof` would give.
    pub wells: Vec<RowFacts>,
}

/// Why records are no log. No retry helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Offsets of a partition must rise.
    #[error("{partition}: offset {offset} stands behind offset {before}")]
    OutOfOrder {
        /// The partition.
        partition: PartitionId,
        /// The record's offset.
        offset: i64,
        /// The one before it.
        before: i64,
    },
    /// A record more than was said, or of a partition of which nothing was said.
    #[error("{partition}: offset {offset} is a record more than was announced")]
    NotAnnounced {
        /// The partition.
        partition: PartitionId,
        /// The record's offset.
        offset: i64,
    },
    /// Fewer records than were said.
    #[error("{partition}: {records} announced records are missing")]
    Missing {
        /// The partition.
        partition: PartitionId,
        /// How many are missing.
        records: u64,
    },
    /// Facilities are numbered by 32 bits.
    #[error("more than 4 billion facilities")]
    TooManyFacilities,
}

impl<'r> Stream<'r> {
    /// Before the first record; `records` says how many each partition will have. Partitions without records
    /// may be left out.
    pub fn new(rules: &'r Rules, records: &BTreeMap<PartitionId, u64>) -> Stream<'r> {
        let partition = |(id, records): (&PartitionId, &u64)| Partition {
            id: *id,
            gate: Gate::default(),
            records_left: *records,
            offset_last: i64::MIN,
        };
        let parts = rayon::current_num_threads().clamp(1, PARTS_MAX);
        Stream {
            rules,
            partitions: records.iter().map(partition).collect(),
            places: records.keys().copied().zip(0..).collect(),
            numbers: HashMap::new(),
            parts: (0..parts).map(|_| Part::new(Tally::new(rules.join))).collect(),
            counts: Counts::default(),
            waiting: 0,
            records_to_join: RECORDS_TO_JOIN,
        }
    }

    /// Lists what suspect cells hold, too.
    #[must_use]
    pub fn looking_at(mut self, suspects: &Arc<Suspects>) -> Stream<'r> {
        let tally = || Tally::looking_at(self.rules.join, Arc::clone(suspects));
        self.parts.iter_mut().for_each(|part| part.tally = tally());
        self
    }

    /// Checks the partners of a run in `latest`, too.
    #[must_use]
    pub fn checking(mut self, partners: &'r Partners) -> Stream<'r> {
        self.parts.iter_mut().for_each(|part| part.partners = Some(partners));
        self
    }

    /// Joins what is complete each time that so many records have come (65,536 where nothing is said): the
    /// result is the same.
    #[must_use]
    pub fn joining_every(self, records: usize) -> Stream<'r> {
        Stream { records_to_join: records, ..self }
    }

    /// The number of a facility: as many as were numbered before it, if it is new.
    ///
    /// # Errors
    /// There are too many.
    pub fn facility(&mut self, name: &Arc<str>) -> Result<u32, StreamError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| StreamError::TooManyFacilities)?;
        self.numbers.insert(name.clone(), number);
        let part = number as usize % self.parts.len();
        self.parts[part].add_facility(name.clone());
        Ok(number)
    }

    /// Takes a partition's next record; its timestamp is Kafka's, epoch ms, -1 if none.
    ///
    /// # Errors
    /// Its offset is not above that of the partition's last one, or it was not announced.
    pub fn record(
        &mut self,
        partition: PartitionId,
        offset: i64,
        timestamp_ms: i64,
        body: Body,
    ) -> Result<(), StreamError> {
        let place = self.place(partition).ok_or(StreamError::NotAnnounced { partition, offset })?;
        let body = match body {
            Body::Unreadable(reason) => Body::Unreadable(reason),
            Body::Reading(reading) => {
                let number = reading.facility.as_ref().map(|name| self.facility(name)).transpose()?;
                Body::Reading(reading).map_facility(|_| number.unwrap_or_default())
            }
        };
        self.arrive(place, offset, timestamp_ms, body)
    }

    /// Where a partition stands among those that were announced.
    pub(crate) fn place(&self, partition: PartitionId) -> Option<usize> {
        self.places.get(&partition).copied()
    }

    /// As `record`, with the partition by its place and facilities by their numbers.
    pub(crate) fn arrive(
        &mut self,
        place: usize,
        offset: i64,
        timestamp_ms: i64,
        body: Body<u32>,
    ) -> Result<(), StreamError> {
        let partition = &mut self.partitions[place];
        let (id, before) = (partition.id, partition.offset_last);
        if partition.records_left == 0 {
            return Err(StreamError::NotAnnounced { partition: id, offset });
        }
        if offset <= before {
            return Err(StreamError::OutOfOrder { partition: id, offset, before });
        }
        (partition.offset_last, partition.records_left) = (offset, partition.records_left - 1);
        let side = id.side.index();
        self.counts.events_in[side] += 1;
        match judge(&mut partition.gate, timestamp_ms, body, self.rules) {
            Err(reason) => *self.counts.rejected.entry(reason).or_default() += 1,
            Ok((facility, time_ms, ppm)) => {
                self.counts.accepted[side] += 1;
                let input = Input { time_ms, partition: id.number, offset };
                let (part, place) =
                    (facility as usize % self.parts.len(), facility as usize / self.parts.len());
                self.parts[part].put(place, id.side, Event { input, ppm });
            }
        }
        self.waiting += 1;
        if self.waiting >= self.records_to_join {
            self.waiting = 0;
            if let Some(complete_ms) = self.complete_ms() {
                self.advance(complete_ms);
            }
        }
        Ok(())
    }

    /// How many readings and ALERT rows are held, since others may still come that they matter to.
    pub fn held(&self) -> usize {
        self.parts.iter().map(Part::held).sum()
    }

    /// What a run to the log's end that then decides what is open must put out.
    ///
    /// # Errors
    /// Records are missing.
    pub fn finish(mut self) -> Result<Expected, StreamError> {
        if let Some(short) = self.partitions.iter().find(|partition| partition.records_left > 0) {
            return Err(StreamError::Missing { partition: short.id, records: short.records_left });
        }
        self.advance(i64::MAX);
        let newest_ms = self.partitions.iter().filter_map(|partition| partition.gate.newest_on_time_ms).max();
        let end_ms =
            newest_ms.map(|newest| newest.saturating_add(self.rules.score.bound_ms).saturating_add(1));
        let rules = self.rules;
        let mut tally: Option<Tally> = None;
        let mut not_partners = NotPartners::default();
        for mut part in self.parts {
            part.end(rules, end_ms);
            not_partners.merge(part.not_partners);
            match &mut tally {
                Some(all) => all.merge(part.tally),
                None => tally = Some(part.tally),
            }
        }
        let tally = tally.unwrap_or_else(|| Tally::new(rules.join));
        Ok(Expected { counts: self.counts, tally, not_partners })
    }

    /// No reading that is still to come is accepted with an event time before this. `None`: nothing can be
    /// said, as a partition has not begun.
    fn complete_ms(&self) -> Option<i64> {
        let open = self.partitions.iter().filter(|partition| partition.records_left > 0);
        let oldest_on_time =
            open.map(|partition| partition.gate.clock_ms.map(|ms| ms.saturating_sub(self.rules.lateness_ms)));
        // None is less than anything.
        oldest_on_time.min().unwrap_or(Some(i64::MAX))
    }

    fn advance(&mut self, complete_ms: i64) {
        let rules = self.rules;
        self.parts.par_iter_mut().for_each(|part| part.advance(rules, complete_ms));
    }
}

impl NotPartners {
    fn add(&mut self, row: RowFacts) {
        self.count += 1;
        if self.wells.len() < NOT_PARTNERS_LISTED {
            self.wells.push(row);
        }
    }

    fn merge(&mut self, other: NotPartners) {
        self.count += other.count;
        let room = NOT_PARTNERS_LISTED - self.wells.len();
        self.wells.extend(other.wells.into_iter().take(room));
    }
}

/// Quarantined, then late, then dropped, else accepted: facility, event time, ppm.
fn judge(
    gate: &mut Gate,
    timestamp_ms: i64,
    body: Body<u32>,
    rules: &Rules,
) -> Result<(u32, i64, f64), Reason> {
    match body {
        Body::Unreadable(reason) => Err(reason),
        Body::Reading(reading) => {
            let time_ms = gate.pass(timestamp_ms, reading.time_ms, rules)?;
            match reading.null {
                Some(reason) => Err(reason),
                None => Ok((reading.facility.ok_or(Reason::NullFacilityId)?, time_ms, reading.ppm)),
            }
        }
    }
}

/// Enough for all threads to have something to do.
const RECORDS_TO_JOIN: usize = 65_536;

/// Each part has cells of its own, some 5 MiB.
const PARTS_MAX: usize = 16;

/// Rows that break the rule of `latest` are listed up to this many.
const NOT_PARTNERS_LISTED: usize = 1_000;
