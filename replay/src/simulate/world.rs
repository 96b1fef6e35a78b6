//! The world of a simulated run: a broker that keeps logs, output and offsets, and can fail at every commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use wellstream_core::engine::{
    CommitOutcome, EpochOffsets, Output, PartitionStart, Polled, Sink, SinkError, Source, SourceError, Wants,
};
use wellstream_core::record::{Alarm, AlarmInForce, AlarmKind, PartitionId, Reason, Record, Row};

use super::cache::Kept;
use super::history::History;

/// What the broker holds.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Rows of committed epochs.
    pub(super) rows: Vec<Row>,
    /// Alarms of committed epochs, in order.
    pub(super) alarms: Vec<Alarm>,
    /// Late copies and quarantined records of committed epochs.
    pub(super) rejects: Vec<(PartitionId, i64, Reason)>,
    /// The group's offsets and metadata.
    pub(super) offsets: BTreeMap<PartitionId, (i64, String)>,
    /// The same before the last commit (for a sabotaged run).
    pub(super) offsets_before: BTreeMap<PartitionId, (i64, String)>,
    /// How many records of each partition have been written so far.
    pub(super) visible: HashMap<PartitionId, usize>,
    /// The first offset that retention has left.
    pub(super) log_start: HashMap<PartitionId, i64>,
    /// Readings counted as `window_incomplete`, results counted as lost.
    pub(super) counted: u64,
    /// What the cache holds.
    pub(super) kept: Kept,
}

/// How many of the next commits fail, and how: shared by the sinks of a history's runs.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) random: Rng,
    pub(super) failures_left: u32,
}

/// The one thread that simulates holds no lock across a step, so this never waits.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(history: &History) -> World {
        let visible = history.logs.iter().map(|log| (log.partition, 0)).collect();
        World { visible, ..World::default() }
    }

    /// What the broker tells at a start.
    pub(super) fn starts(&self, history: &History, stale: bool) -> Vec<PartitionStart> {
        let offsets = if stale { &self.offsets_before } else { &self.offsets };
        let start = |log: &crate::oracle::PartitionLog| {
            let visible = &log.records[..self.visible[&log.partition]];
            let log_start = self.log_start.get(&log.partition).copied().unwrap_or(0);
            PartitionStart {
                partition: log.partition,
                topic_id: "T".to_owned(),
                partitions: u32::try_from(history.logs.len()).unwrap_or(0),
                committed: offsets.get(&log.partition).cloned(),
                log_start,
                log_end: visible.last().map_or(0, |record| record.offset + 1),
                from: log_start,
            }
        };
        history.logs.iter().map(start).collect()
    }

    /// The alarms in force, as the compacted topic has them.
    pub(super) fn alarms_in_force(&self) -> Vec<AlarmInForce> {
        let newest: BTreeMap<&str, &Alarm> =
            self.alarms.iter().map(|alarm| (&*alarm.facility, alarm)).collect();
        let open = newest.into_values().filter(|alarm| alarm.kind != AlarmKind::Cleared);
        open.map(|alarm| AlarmInForce {
            facility: alarm.facility.clone(),
            first_ms: alarm.first_ms,
            last_ms: alarm.last_ms,
            highest: alarm.highest,
        })
        .collect()
    }

    /// Whether every record has been written.
    pub(super) fn all_visible(&self, history: &History) -> bool {
        history.logs.iter().all(|log| self.visible[&log.partition] == log.records.len())
    }
}

/// A source of some partitions of the world.
pub(super) struct SimSource<'h> {
    pub(super) history: &'h History,
    pub(super) world: Arc<Mutex<World>>,
    pub(super) next: HashMap<PartitionId, i64>,
    pub(super) random: Rng,
}

impl Source for SimSource<'_> {
    fn poll(
        &mut self,
        partition: PartitionId,
        records_max: usize,
        visit: &mut dyn FnMut(&[Record<'_>]) -> usize,
    ) -> Result<Polled, SourceError> {
        let index = self.history.logs.iter().position(|log| log.partition == partition).unwrap_or(0);
        let log = &self.history.logs[index];
        let visible = lock(&self.world).visible[&partition];
        let next = self
            .next
            .get_mut(&partition)
            .ok_or_else(|| SourceError { partition, message: "not this source's partition".to_owned() })?;
        let from = log.records.partition_point(|record| record.offset < *next);
        let up_to = visible.min(from + self.random.usize(0..=records_max));
        let records: Vec<_> = (from..up_to.max(from))
            .map(|at| Record {
                offset: log.records[at].offset,
                timestamp_ms: log.records[at].timestamp_ms,
                key: None,
                value: Some(&self.history.values[index][at]),
            })
            .collect();
        let taken = if records.is_empty() { 0 } else { visit(&records) };
        if let Some(last) = records[..taken].last() {
            *next = last.offset + 1;
        }
        let log_end = log.records[..visible].last().map_or(0, |record| record.offset + 1);
        Ok(Polled { taken, offset_next: Some(*next), log_end: Some(log_end) })
    }
}

/// A transactional sink: an epoch's output and offsets come in together, or not at all.
pub(super) struct SimSink {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) weather: Arc<Mutex<Weather>>,
    pub(super) rows: Vec<Row>,
    pub(super) alarms: Vec<Alarm>,
    pub(super) rejects: Vec<(PartitionId, i64, Reason)>,
    pub(super) offsets: EpochOffsets,
}

impl SimSink {
    pub(super) fn new(world: &Arc<Mutex<World>>, weather: &Arc<Mutex<Weather>>) -> SimSink {
        SimSink {
            world: Arc::clone(world),
            weather: Arc::clone(weather),
            rows: Vec::new(),
            alarms: Vec::new(),
            rejects: Vec::new(),
            offsets: EpochOffsets::default(),
        }
    }

    fn apply(&mut self) {
        let mut world = lock(&self.world);
        world.rows.append(&mut self.rows);
        world.alarms.append(&mut self.alarms);
        world.rejects.append(&mut self.rejects);
        world.offsets_before = world.offsets.clone();
        for at in self.offsets.partitions.drain(..) {
            world.offsets.insert(at.partition, (at.offset_next, at.metadata));
        }
    }
}

impl Sink for SimSink {
    fn wants(&self) -> Wants {
        Wants { encoded_rows: false, rejects: true, only_counts: false }
    }

    fn begin(&mut self, _epoch: u64) -> Result<(), SinkError> {
        Ok(())
    }

    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        match output {
            Output::Rows(batch) => self.rows.extend_from_slice(&batch.rows),
            Output::Alarms(alarms) => self.alarms.extend_from_slice(alarms),
            Output::Rejects(rejects) => {
                self.rejects
                    .extend(rejects.iter().map(|reject| (reject.partition, reject.offset, reject.reason)));
            }
        }
        Ok(())
    }

    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        self.offsets = offsets.clone();
        Ok(())
    }

    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        let fails = {
            let mut weather = lock(&self.weather);
            let fails = weather.failures_left > 0 && weather.random.u32(0..6) == 0;
            weather.failures_left -= u32::from(fails);
            fails.then(|| weather.random.u32(0..3))
        };
        match fails {
            None => {
                self.apply();
                Ok(CommitOutcome::Committed)
            }
            Some(0) => Ok(CommitOutcome::Aborted),
            Some(1) => {
                self.apply();
                Ok(CommitOutcome::Unknown)
            }
            Some(_) => {
                let mut world = lock(&self.world);
                world.offsets_before = world.offsets.clone();
                Ok(CommitOutcome::Unknown)
            }
        }
    }
}
