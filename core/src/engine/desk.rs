//! A lane's desk: judges the records of its partitions and stages the accepted readings for the shards.

use std::hash::RandomState;
use std::sync::Arc;

use crate::decode::{self, Plan, Schemas};
use crate::encode::Origin;
use crate::exchange::{Batch, Dictionary, PartReading, Sender};
use crate::record::{Input, NewestReadings, PartitionId, Record, Reject, Side, TankReading, WellReading};
use crate::rules::{Rules, ScoreRules};
use crate::telemetry::LaneCounts;
use crate::{limits, record};

use super::judge::{Verdict, judge};
use super::lane_partition::LanePartition;
use super::newest::Newest;
use super::side_reading::{PartTo, Read, SideReading};

/// What a lane shares with no other thread, besides its source.
#[derive(Debug)]
pub(super) struct Desk {
    rules: Arc<Rules>,
    schemas: SchemaBook,
    /// 0: the common rules; then those of facilities with their own.
    scores: Vec<ScoreRules>,
    dictionary: Dictionary,
    senders: Vec<Sender>,
    staged: Vec<Batch>,
    encoded: bool,
    wants_rejects: bool,
    /// Where a cache wants to know.
    newest: Option<Box<Newest>>,
    pub(super) rejects: Vec<Reject>,
    pub(super) reject_bytes: usize,
    pub(super) counts: LaneCounts,
    /// The duty cycle's time, ns of the run's clock.
    pub(super) now_ns: i64,
}

/// The schemas that all lanes ask.
#[derive(Clone)]
pub(super) struct SchemaBook(pub(super) Arc<dyn Schemas>);

impl std::fmt::Debug for SchemaBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SchemaBook")
    }
}

impl Desk {
    pub(super) fn new(
        rules: Arc<Rules>,
        schemas: SchemaBook,
        senders: Vec<Sender>,
        placing: RandomState,
        (wants, tells_news): (super::Wants, bool),
    ) -> Desk {
        let mut scores = vec![rules.score.clone()];
        scores.extend(rules.facilities.values().cloned());
        Desk {
            dictionary: Dictionary::new(senders.len(), placing),
            staged: senders.iter().map(|_| Batch::default()).collect(),
            rules,
            schemas,
            scores,
            senders,
            encoded: wants.encoded_rows,
            wants_rejects: wants.rejects,
            newest: tells_news.then(Box::default),
            rejects: Vec::new(),
            reject_bytes: 0,
            counts: LaneCounts::default(),
            now_ns: 0,
        }
    }

    /// Takes records of one partition, from the front; returns how many. Stops at the partition's end and at
    /// a record whose schema is not known yet.
    pub(super) fn take(
        &mut self,
        partition: &mut LanePartition,
        records: &[Record<'_>],
        w_ms: &dyn Fn() -> i64,
    ) -> usize {
        partition.waits_for_schema = false;
        let mut taken = 0;
        while let Some(record) = records.get(taken) {
            if partition.end.is_some_and(|end| record.offset >= end) {
                partition.offset_next = partition.offset_next.max(record.offset);
                break;
            }
            let refused = match decode::check_value(record.value).and_then(decode::split_frame) {
                Ok((id, _)) => {
                    let schemas = &*self.schemas.0;
                    match partition.schemas.plan(schemas, partition.id.side, id, record.offset) {
                        Ok(plan) => {
                            taken += self.take_run(partition, &records[taken..], (id, &plan), w_ms);
                            continue;
                        }
                        Err(None) => {
                            partition.waits_for_schema = true;
                            break;
                        }
                        Err(Some(reason)) => (reason, Some(id)),
                    }
                }
                Err(reason) => {
                    // A value that is too large for us may still say what it was written with.
                    let frame = record.value.and_then(|value| decode::split_frame(value).ok());
                    (reason, frame.map(|(id, _)| id))
                }
            };
            let clock_before_ms = partition.clock.at_ms();
            let reread = self.count(partition, record, clock_before_ms);
            self.reject(refused.0, partition.id, refused.1, record, reread);
            taken += 1;
        }
        taken
    }

    /// Takes the records in front that were written with one schema: at least the first. In two passes over a
    /// few at a time: what is decoded asks for its facility's place, which is there when it is staged.
    fn take_run(
        &mut self,
        partition: &mut LanePartition,
        records: &[Record<'_>],
        (id, plan): (u32, &Plan),
        w_ms: &dyn Fn() -> i64,
    ) -> usize {
        // Kept for the whole run: decoding sets every field.
        let mut wells: [Read<WellReading<'_>>; CHUNK] = Default::default();
        let mut tanks: [Read<TankReading<'_>>; CHUNK] = Default::default();
        let mut taken = 0;
        loop {
            let rest = &records[taken..];
            let took = match partition.id.side {
                Side::Well => self.take_chunk(partition, rest, (id, plan), &mut wells, w_ms),
                Side::Tank => self.take_chunk(partition, rest, (id, plan), &mut tanks, w_ms),
            };
            taken += took;
            if took < CHUNK {
                return taken;
            }
        }
    }

    /// Takes a chunk; returns how many records it took.
    fn take_chunk<'r, R: SideReading<'r>>(
        &mut self,
        partition: &mut LanePartition,
        records: &'r [Record<'_>],
        (id, plan): (u32, &'r Plan),
        chunk: &mut [Read<R>; CHUNK],
        w_ms: &dyn Fn() -> i64,
    ) -> usize {
        let end = partition.end.unwrap_or(i64::MAX);
        let (mut taken, mut accepted) = (0, 0);
        for record in records.iter().take(CHUNK) {
            let body = match decode::check_value(record.value).and_then(decode::split_frame) {
                Ok((same, body)) if same == id && record.offset < end => body,
                _ => break,
            };
            if partition.schemas.is_given_up(id, record.offset) {
                break;
            }
            let Read { reading, time_ms, reread, record: at, facility } = &mut chunk[accepted];
            let clock_before_ms = partition.clock.at_ms();
            let verdict = match reading.decode(plan, body) {
                Ok(()) => {
                    let (clock, rules) = (&mut partition.clock, &*self.rules);
                    judge(record, reading.timestamp(), reading.null(), clock, rules, w_ms)
                }
                Err(reason) => Verdict::Rejected(reason, None),
            };
            *reread = self.count(partition, record, clock_before_ms);
            match verdict {
                Verdict::Accepted(on_time_ms) => {
                    partition.on_time(on_time_ms);
                    *time_ms = on_time_ms;
                    *at = taken;
                    *facility = self.dictionary.expect(reading.facility());
                    accepted += 1;
                }
                Verdict::Rejected(reason, on_time_ms) => {
                    on_time_ms.into_iter().for_each(|time_ms| partition.on_time(time_ms));
                    self.reject(reason, partition.id, Some(id), record, *reread);
                }
            }
            taken += 1;
        }
        for read in &chunk[..accepted] {
            self.stage(partition, &records[read.record], read);
        }
        taken
    }

    /// Counts a record that is read, and moves the partition's place behind it. Whether it was read before.
    #[inline]
    fn count(&mut self, partition: &mut LanePartition, record: &Record<'_>, clock_before_ms: i64) -> bool {
        let reread = record.offset < partition.committed;
        if record.offset >= partition.rewind_from {
            partition.segments.record(record.offset, clock_before_ms);
        }
        if reread {
            self.counts.reread += 1;
        } else {
            self.counts.events[partition.id.side.index()] += 1;
            self.counts.bytes += record.value.map_or(0, |value| value.len() as u64);
        }
        partition.offset_next = record.offset + 1;
        reread
    }

    fn reject(
        &mut self,
        reason: record::Reason,
        partition: PartitionId,
        schema_id: Option<u32>,
        record: &Record<'_>,
        reread: bool,
    ) {
        if reread {
            return;
        }
        self.counts.reasons[reason as usize] += 1;
        if self.wants_rejects && reason.fate() != record::Fate::Dropped {
            self.rejects.push(Reject::new(reason, partition, schema_id, record));
            self.reject_bytes += record.value.map_or(0, <[u8]>::len);
        }
    }

    /// Classifies an accepted reading and stages it for its facility's shard.
    fn stage<'r, R: SideReading<'r>>(
        &mut self,
        partition: &LanePartition,
        record: &Record<'_>,
        read: &Read<R>,
    ) {
        let Read { reading, time_ms, reread, facility: expected, .. } = read;
        let facility = reading.facility();
        self.counts.accepted[partition.id.side.index()] += u64::from(!reread);
        if let Some(newest) = &mut self.newest {
            let input = Input { time_ms: *time_ms, partition: partition.id.number, offset: record.offset };
            newest.note(partition.id, reading.sensor(), input, record.value.unwrap_or_default());
        }
        let own = &self.rules.facilities;
        let (route, new) = self.dictionary.route(facility, *expected, |name| {
            own.keys().position(|key| key == name).map_or(0, |at| u32::try_from(at + 1).unwrap_or(0))
        });
        let batch = &mut self.staged[route.shard as usize];
        if new {
            batch.facilities.push(facility.into());
        }
        if batch.readings.is_empty() {
            batch.staged_ns = self.now_ns;
        }
        let start = batch.parts.len();
        let part = self.encoded.then(|| PartTo {
            encoder: &partition.parts,
            out: &mut batch.parts,
            origin: Origin {
                offset: record.offset,
                time_ms: *time_ms,
                value: record.value.unwrap_or_default(),
            },
        });
        let (points, quality) = reading.classify(&self.scores[route.score as usize], part);
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        batch.readings.push(PartReading {
            time_ms: *time_ms,
            offset: record.offset,
            sent_ms: record.timestamp_ms,
            facility: route.number,
            part_start: narrow(start),
            points: short(points),
            quality: short(quality),
            partition: partition.index,
            reread: *reread,
        });
    }

    /// What is newest since the last cut, where a cache wants to know.
    pub(super) fn take_newest(&mut self) -> Option<NewestReadings> {
        let newest = self.newest.as_mut().map(|newest| newest.take());
        newest.filter(|newest| !newest.readings.is_empty())
    }

    /// Whether a batch has gathered enough to be passed on.
    pub(super) fn is_full(&self) -> bool {
        let full = |batch: &Batch| {
            batch.readings.len() >= limits::BATCH_READINGS || batch.parts.len() >= limits::BATCH_PART_BYTES
        };
        self.staged.iter().any(full)
    }

    /// Puts the partitions' news behind what is staged.
    pub(super) fn tell(&mut self, partitions: &mut [LanePartition]) {
        for partition in partitions {
            if let Some(tail) = partition.news(self.rules.lateness_ms) {
                for batch in &mut self.staged {
                    batch.tail.partitions.push(tail);
                }
            }
        }
    }

    /// Puts a mark behind everything staged, in every shard's batch.
    pub(super) fn mark(&mut self, mark: &crate::exchange::Mark) {
        for batch in &mut self.staged {
            batch.tail.mark = Some(mark.clone());
        }
        if mark.forget_facilities {
            self.dictionary.forget();
        }
    }

    /// Passes the staged batches on. False if a queue is full: nothing may be staged before they are gone.
    pub(super) fn push(&mut self) -> bool {
        let mut clear = true;
        for (batch, sender) in self.staged.iter_mut().zip(&mut self.senders) {
            if batch.is_empty() {
                continue;
            }
            let full = std::mem::take(batch);
            let parts_bytes = full.parts.len();
            match sender.push(full) {
                Ok(()) => {
                    *batch = sender.empty_batch();
                    // The shard may have kept the memory: the next batch will want about as much.
                    batch.parts.reserve(parts_bytes + parts_bytes / 8);
                }
                Err(kept) => {
                    *batch = kept;
                    clear = false;
                }
            }
        }
        clear
    }
}

/// Readings that are decoded before they are staged: their memory stays in the nearest cache.
const CHUNK: usize = 16;

/// Points and qualities as readings carry them: `Rules::check` refuses larger ones.
fn short(points: u32) -> u16 {
    u16::try_from(points).unwrap_or(u16::MAX)
}
