//! A trace as something to send: what is known of it before anything starts.
//!
//! Enters: a file, the names of the two input topics, how much of it is to be sent. Leaves: how many records
//! each partition gets, when they are due, the schemas. Drops: nothing; a file that is cut off, damaged or of
//! other topics is refused here, since one pass reads it to its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellstream_core::decode::{self, FixedSchemas, Plan, SchemaLookup, Schemas};
use wellstream_core::record::{PartitionId, Side};

use super::{LoadError, Pass, passes};
use crate::limits::{RECORDING_IDS_MAX, RECORDING_PARTITIONS_MAX};
use crate::oracle::{SchemaError, WriterSchemas};
use crate::schedule::{Schedule, ScheduleError};
use crate::trace::{ReadOptions, TraceError, TraceReader, TraceRecordRef};
use crate::verify::Topics;

/// What a trace has to send.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(super) path: PathBuf,
    pub(super) topics: Topics,
    pub(super) schemas: BTreeMap<u32, String>,
    pub(super) events: u64,
    pub(super) partitions: [u32; 2],
    pub(super) records: BTreeMap<PartitionId, u64>,
    /// The ids that values name, and the side of the first that does.
    pub(super) ids: BTreeMap<u32, Side>,
    pub(super) schedule: Option<Schedule>,
    /// Where it is sent more than once.
    pub(super) pass: Option<Pass>,
}

/// How much of a trace is to be sent: its first records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// At most so many.
    pub events: Option<u64>,
    /// As they were sent, so many times as fast.
    pub speed: Option<f64>,
    /// With a speed: those that are due before this, s.
    pub seconds: Option<f64>,
    /// Behind the last record the first follows again, later; without an end where nothing above sets one.
    pub loops: bool,
}

/// Why a trace cannot be sent. No retry helps.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// There is no record in it.
    #[error("there are no records in it")]
    Empty,
    /// Neither of the topics is in it.
    #[error("neither {wells} (--wells) nor {tanks} (--tanks) is in it: its topics are {}", found.join(", "))]
    Topics {
        /// The wells' topic asked for.
        wells: String,
        /// The tanks'.
        tanks: String,
        /// Those that are there.
        found: Vec<String>,
    },
    /// It has other topics besides.
    #[error(
        "it has records of {}, and only those of {wells} (--wells) and {tanks} (--tanks) can be sent",
        others.join(", ")
    )]
    OtherTopics {
        /// The wells' topic asked for.
        wells: String,
        /// The tanks'.
        tanks: String,
        /// The others.
        others: Vec<String>,
    },
    /// More partitions than any topic has.
    #[error("it has a partition {number}: at most {RECORDING_PARTITIONS_MAX} partitions can be sent")]
    Partition {
        /// Its number.
        number: u32,
    },
    /// A speed needs times.
    #[error("none of its records has a Kafka timestamp: --speed needs them, --rate does not")]
    NoTimes,
    /// Passes at a speed need an end.
    #[error("again and again at a speed needs an end: --duration or --events")]
    Endless,
    /// It cannot be read again.
    #[error(transparent)]
    Again(#[from] LoadError),
    /// It would take too long.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl Recording {
    /// Reads a trace from its beginning to its end. `tell` hears how many records were read, now and then.
    ///
    /// # Errors
    /// It cannot be read, or cannot be sent.
    pub fn survey(
        path: &Path,
        topics: &Topics,
        extent: Extent,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Recording, RecordingError> {
        if extent.loops {
            return passes::repeated(Self::once(path, topics, Extent::default(), tell)?, extent);
        }
        Self::once(path, topics, extent, tell)
    }

    fn once(
        path: &Path,
        topics: &Topics,
        extent: Extent,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Recording, RecordingError> {
        let mut reader = TraceReader::open(path, ReadOptions::default())?;
        let mut survey = Survey::new(extent);
        while let Some(block) = reader.next_block()? {
            survey.sides.extend(reader.topics()[survey.sides.len()..].iter().map(|topic| topics.side(topic)));
            block.records().try_for_each(|record| survey.record(&record))?;
            tell(reader.records_found());
        }
        let names = || (topics.wells.clone(), topics.tanks.clone());
        let named = |keep: fn(&Option<Side>) -> bool| -> Vec<String> {
            let topics = reader.topics().iter().zip(&survey.sides).filter(|(_, side)| keep(side));
            topics.map(|(topic, _)| topic.to_string()).collect()
        };
        let others = named(Option::is_none);
        if survey.sides.is_empty() {
            return Err(RecordingError::Empty);
        }
        if others.len() == survey.sides.len() {
            let (wells, tanks) = names();
            return Err(RecordingError::Topics { wells, tanks, found: others });
        }
        if !others.is_empty() {
            let (wells, tanks) = names();
            return Err(RecordingError::OtherTopics { wells, tanks, others });
        }
        let schedule = survey.schedule()?;
        let Survey { events, partitions, records, ids, .. } = survey;
        let schemas = reader.schemas().clone();
        let (path, topics) = (path.to_owned(), topics.clone());
        Ok(Recording { path, topics, schemas, events, partitions, records, ids, schedule, pass: None })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its topics.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What one pass is, where it is sent more than once.
    pub fn pass(&self) -> Option<Pass> {
        self.pass
    }

    /// How many records are to be sent.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many partitions its topics have at least: wells', tanks'. Never 0.
    pub fn partitions(&self) -> [u32; 2] {
        self.partitions
    }

    /// How many records each of so many partitions gets.
    pub fn records(&self, partitions: [u32; 2]) -> BTreeMap<PartitionId, u64> {
        let ids = Side::BOTH
            .into_iter()
            .flat_map(|side| (0..partitions[side.index()]).map(move |number| PartitionId { side, number }));
        ids.map(|id| (id, self.records.get(&id).copied().unwrap_or(0))).collect()
    }

    /// When records are due, where a speed was asked for.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    /// The schemas in the file, by their ids.
    pub fn schemas(&self) -> &BTreeMap<u32, String> {
        &self.schemas
    }

    /// The ids that values to be sent name, whether or not they have a schema, each with the side of the
    /// first value that names it. Of a file of noise not all.
    pub fn ids(&self) -> &BTreeMap<u32, Side> {
        &self.ids
    }

    /// How the engine is to read the values, if there is no registry to ask.
    pub fn reader_schemas(&self) -> RecordedSchemas {
        RecordedSchemas::new(&self.schemas)
    }

    /// The same for the oracle.
    ///
    /// # Errors
    /// The built-in schemas are none.
    pub fn writer_schemas(&self) -> Result<WriterSchemas, SchemaError> {
        use wellstream_core::schemas::{TANK_DATA, WELL_DATA};
        let mut schemas = WriterSchemas::default();
        if self.schemas.is_empty() {
            schemas.set_any(Side::Well, WELL_DATA)?;
            schemas.set_any(Side::Tank, TANK_DATA)?;
        }
        for (id, text) in &self.schemas {
            if schemas.add(*id, text).is_err() {
                // Some other kind of schema: known, and not that of a reading.
                schemas.add(*id, NO_READING)?;
            }
        }
        Ok(schemas)
    }
}

/// The schemas of a trace, by their ids; of a trace that has none, the built-in ones whatever the id. An id
/// that the trace does not have is given up at once, as a registry's "not found" is after its grace time.
#[derive(Clone, Debug)]
pub struct RecordedSchemas {
    by_id: BTreeMap<u32, [Option<Arc<Plan>>; 2]>,
    any: Option<FixedSchemas>,
}

impl RecordedSchemas {
    fn new(schemas: &BTreeMap<u32, String>) -> RecordedSchemas {
        let plans = |text: &str| Side::BOTH.map(|side| Plan::compile(side, text).ok().map(Arc::new));
        RecordedSchemas {
            by_id: schemas.iter().map(|(id, text)| (*id, plans(text))).collect(),
            any: schemas.is_empty().then(FixedSchemas::built_in),
        }
    }
}

impl Schemas for RecordedSchemas {
    fn plan(&self, side: Side, id: u32) -> SchemaLookup {
        if let Some(any) = &self.any {
            return any.plan(side, id);
        }
        match self.by_id.get(&id).map(|plans| &plans[side.index()]) {
            Some(Some(plan)) => SchemaLookup::Ready(Arc::clone(plan)),
            Some(None) => SchemaLookup::Unreadable,
            None => SchemaLookup::GivenUp,
        }
    }
}

/// When a trace's records are due: as they were sent, faster or slower, none before the one in front of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedTimes {
    ns_per_ms: f64,
    /// The first record's timestamp and the newest so far, epoch ms.
    seen: Option<(i64, i64)>,
}

impl RecordedTimes {
    pub(super) fn new(speed: f64) -> RecordedTimes {
        RecordedTimes { ns_per_ms: 1e6 / speed, seen: None }
    }

    /// When the next record is due, ns after the start.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    pub(super) fn due_ns(&mut self, timestamp_ms: i64) -> u64 {
        let (first_ms, newest_ms) = match self.seen {
            // A record without a timestamp is due with the one in front of it.
            None if timestamp_ms < 0 => return 0,
            None => (timestamp_ms, timestamp_ms),
            Some((first_ms, newest_ms)) => (first_ms, newest_ms.max(timestamp_ms)),
        };
        self.seen = Some((first_ms, newest_ms));
        (newest_ms.saturating_sub(first_ms) as f64 * self.ns_per_ms).round() as u64
    }
}

/// What one pass gathers.
struct Survey {
    extent: Extent,
    times: Option<RecordedTimes>,
    /// By the reader's numbers of topics.
    sides: Vec<Option<Side>>,
    is_over: bool,
    events: u64,
    partitions: [u32; 2],
    records: BTreeMap<PartitionId, u64>,
    /// Counts that are not yet in `records`, by side and partition: no search in a map for each record.
    counts: [Vec<u64>; 2],
    ids: BTreeMap<u32, Side>,
    last_id: Option<u32>,
    runs: Vec<(u64, u64)>,
    /// When the last one that is sent is due.
    last_ns: u64,
}

impl Survey {
    fn new(extent: Extent) -> Survey {
        Survey {
            extent,
            times: extent.speed.map(RecordedTimes::new),
            sides: Vec::new(),
            is_over: false,
            events: 0,
            partitions: [1, 1],
            records: BTreeMap::new(),
            counts: Default::default(),
            ids: BTreeMap::new(),
            last_id: None,
            runs: Vec::new(),
            last_ns: 0,
        }
    }

    fn record(&mut self, record: &TraceRecordRef<'_>) -> Result<(), RecordingError> {
        // Topics that must not be there are told together, at the end.
        let Some(side) = self.sides.get(record.topic_number as usize).copied().flatten() else {
            return Ok(());
        };
        let number = record.partition;
        if number >= RECORDING_PARTITIONS_MAX {
            return Err(RecordingError::Partition { number });
        }
        // Also those of records that are not sent: a partition that is silent is one all the same.
        self.partitions[side.index()] = self.partitions[side.index()].max(number + 1);
        self.is_over |= self.extent.events.is_some_and(|events| self.events >= events);
        if self.is_over {
            return Ok(());
        }
        if let Some(times) = &mut self.times {
            let due_ns = times.due_ns(record.timestamp_ms);
            if self.extent.seconds.is_some_and(|seconds| due_ns as f64 >= seconds * 1e9) {
                self.is_over = true;
                return Ok(());
            }
            self.last_ns = due_ns;
            match self.runs.last_mut().filter(|(from_ns, _)| due_ns - *from_ns < RUN_NS) {
                Some((_, until)) => *until += 1,
                None => self.runs.push((due_ns, self.events + 1)),
            }
        }
        self.events += 1;
        let counts = &mut self.counts[side.index()];
        let place = number as usize;
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        counts[place] += 1;
        if let Ok((id, _)) = decode::split_frame(record.value.unwrap_or_default())
            && self.last_id.replace(id) != Some(id)
            && self.ids.len() < RECORDING_IDS_MAX
        {
            self.ids.entry(id).or_insert(side);
        }
        Ok(())
    }

    /// The schedule where a speed was asked for; what was counted goes to where it is looked for.
    fn schedule(&mut self) -> Result<Option<Schedule>, RecordingError> {
        for side in Side::BOTH {
            let counts = (0..).zip(std::mem::take(&mut self.counts[side.index()]));
            self.records.extend(counts.map(|(number, count)| (PartitionId { side, number }, count)));
        }
        match self.times {
            Some(RecordedTimes { seen: None, .. }) if self.events > 0 => Err(RecordingError::NoTimes),
            Some(_) => Ok(Some(Schedule::recorded(std::mem::take(&mut self.runs), self.last_ns)?)),
            None => Ok(None),
        }
    }
}

/// Records that are due within this are one step for whoever looks on once a second: a trace of a day needs
/// some 30 MB of them.
pub(super) const RUN_NS: u64 = 50_000_000;
/// A schema that is not that of any reading.
const NO_READING: &str = r#""null""#;
