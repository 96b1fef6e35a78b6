//! The counting: one pass over the records, in memory that does not grow with them.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher;

use hdrhistogram::Histogram;
use wellstream_core::record::{Reason, Side};
use wellstream_core::rules::Rules;
use wellstream_core::time::PartitionClock;

use super::judge::Judge;
use super::{
    EventTimes, InspectError, InspectSettings, Inspection, KeyCount, PartitionContents, Quantiles, TimeSpan,
    TopicContents,
};
use crate::limits::{INSPECT_KEYS_MAX, INSPECT_PARTITIONS_MAX};
use crate::trace::{TraceBlock, TraceRecordRef};

pub(super) struct Gathered<'s> {
    judge: Judge<'s>,
    rules: &'s Rules,
    /// By the reader's number of the topic.
    topics: Vec<Topic>,
    unreadable: BTreeMap<&'static str, u64>,
    partitions: usize,
    /// Keys that may still be told apart, over all topics.
    keys_left: usize,
    hasher: RandomState,
    blocks: u64,
    plain_bytes: u64,
    packed_bytes: u64,
}

struct Topic {
    name: String,
    side: Option<Side>,
    records: u64,
    tombstones: u64,
    with_headers: u64,
    key_bytes: u64,
    value_sizes: Spread,
    keys: HashSet<u64>,
    keys_or_more: bool,
    without_key: u64,
    disorder: Spread,
    partitions: BTreeMap<u32, Partition>,
}

struct Partition {
    records: u64,
    offsets: (i64, i64),
    offset_before: i64,
    out_of_order: u64,
    value_bytes: u64,
    sent: Times,
    event_time: Times,
    disorder: Spread,
    clock: PartitionClock,
    late: u64,
}

impl<'s> Gathered<'s> {
    pub(super) fn new(settings: &'s InspectSettings, schemas: &BTreeMap<u32, String>) -> Self {
        Gathered {
            judge: Judge::new(settings, schemas),
            rules: &settings.rules,
            topics: Vec::new(),
            unreadable: BTreeMap::new(),
            partitions: 0,
            keys_left: INSPECT_KEYS_MAX,
            hasher: RandomState::new(),
            blocks: 0,
            plain_bytes: 0,
            packed_bytes: 0,
        }
    }

    pub(super) fn block(&mut self, block: &TraceBlock) -> Result<(), InspectError> {
        self.blocks += 1;
        self.plain_bytes += block.plain_bytes() as u64;
        self.packed_bytes += block.packed_bytes() as u64;
        block.records().try_for_each(|record| self.record(&record))
    }

    fn record(&mut self, record: &TraceRecordRef<'_>) -> Result<(), InspectError> {
        let number = record.topic_number as usize;
        if number >= self.topics.len() {
            // The reader numbers topics as they appear, so this is the next one.
            self.topics.push(Topic::new(record.topic, self.judge.side(record.topic)));
        }
        let topic = &mut self.topics[number];
        let time = self.judge.event_time(topic.side, record);
        if let Err(reason) = time {
            *self.unreadable.entry(reason.name()).or_default() += 1;
        }
        topic.count(record);
        if let Some(key) = record.key {
            let hash = self.hasher.hash_one(key);
            if self.keys_left > 0 {
                self.keys_left -= usize::from(topic.keys.insert(hash));
            } else if !topic.keys.contains(&hash) {
                topic.keys_or_more = true;
            }
        }
        if !topic.partitions.contains_key(&record.partition) {
            self.partitions += 1;
            if self.partitions > INSPECT_PARTITIONS_MAX {
                return Err(InspectError::Partitions { max: INSPECT_PARTITIONS_MAX });
            }
        }
        let partition = topic.partitions.entry(record.partition).or_insert_with(|| Partition::new(record));
        partition.count(record);
        if let Some(behind) = partition.judged(time, record.timestamp_ms, self.rules) {
            topic.disorder.add(behind);
        }
        Ok(())
    }

    pub(super) fn finish(self, damage: Option<String>) -> Inspection {
        let topics: Vec<TopicContents> = self.topics.into_iter().map(Topic::finish).collect();
        let records = topics.iter().map(|topic| topic.records).sum();
        let unreadable: u64 = self.unreadable.values().sum();
        Inspection {
            records,
            blocks: self.blocks,
            plain_bytes: self.plain_bytes,
            packed_bytes: self.packed_bytes,
            damage,
            readable: records - unreadable,
            unreadable: self.unreadable,
            lateness_ms: self.rules.lateness_ms,
            schemas: self.judge.uses(),
            topics,
        }
    }
}

impl Topic {
    fn new(name: &str, side: Option<Side>) -> Topic {
        Topic {
            name: name.to_owned(),
            side,
            records: 0,
            tombstones: 0,
            with_headers: 0,
            key_bytes: 0,
            value_sizes: Spread::default(),
            keys: HashSet::new(),
            keys_or_more: false,
            without_key: 0,
            disorder: Spread::default(),
            partitions: BTreeMap::new(),
        }
    }

    fn count(&mut self, record: &TraceRecordRef<'_>) {
        self.records += 1;
        self.with_headers += u64::from(record.has_headers());
        match record.value {
            None => self.tombstones += 1,
            Some(value) => self.value_sizes.add(value.len() as u64),
        }
        match record.key {
            None => self.without_key += 1,
            Some(key) => self.key_bytes += key.len() as u64,
        }
    }

    fn finish(self) -> TopicContents {
        let merged = |times: fn(&Partition) -> &Times| {
            self.partitions.values().map(times).fold(Times::default(), |all, times| all.with(times))
        };
        let late = self.partitions.values().map(|partition| partition.late).sum();
        TopicContents {
            records: self.records,
            tombstones: self.tombstones,
            with_headers: self.with_headers,
            key_bytes: self.key_bytes,
            value_bytes: self.partitions.values().map(|partition| partition.value_bytes).sum(),
            value_size: self.value_sizes.quantiles(),
            keys: KeyCount {
                distinct: self.keys.len() as u64,
                or_more: self.keys_or_more,
                without: self.without_key,
            },
            sent: merged(|partition| &partition.sent).span(),
            event_time: event_times(merged(|partition| &partition.event_time), &self.disorder, late),
            topic: self.name,
            partitions: self.partitions.into_iter().map(|(number, one)| one.finish(number)).collect(),
        }
    }
}

impl Partition {
    fn new(record: &TraceRecordRef<'_>) -> Partition {
        Partition {
            records: 0,
            offsets: (record.offset, record.offset),
            offset_before: i64::MIN,
            out_of_order: 0,
            value_bytes: 0,
            sent: Times::default(),
            event_time: Times::default(),
            disorder: Spread::default(),
            clock: PartitionClock::new(None),
            late: 0,
        }
    }

    fn count(&mut self, record: &TraceRecordRef<'_>) {
        self.records += 1;
        self.out_of_order += u64::from(record.offset <= self.offset_before);
        self.offset_before = record.offset;
        self.offsets = (self.offsets.0.min(record.offset), self.offsets.1.max(record.offset));
        self.value_bytes += record.value.map_or(0, <[u8]>::len) as u64;
        // -1 stands for none.
        if record.timestamp_ms >= 0 {
            self.sent.add(record.timestamp_ms);
        }
    }

    /// How far a readable record is behind the newest, ms.
    fn judged(&mut self, time: Result<i64, Reason>, sent_ms: i64, rules: &Rules) -> Option<u64> {
        let time_ms = time.ok()?;
        self.event_time.add(time_ms);
        let behind = self.event_time.last_ms.abs_diff(time_ms);
        self.disorder.add(behind);
        self.clock.observe(time_ms, sent_ms, rules.clock_ahead_ms_max);
        self.late += u64::from(self.clock.is_late(time_ms, rules.lateness_ms));
        Some(behind)
    }

    fn finish(self, partition: u32) -> PartitionContents {
        PartitionContents {
            partition,
            records: self.records,
            offset_first: self.offsets.0,
            offset_last: self.offsets.1,
            out_of_order: self.out_of_order,
            value_bytes: self.value_bytes,
            sent: self.sent.span(),
            event_time: event_times(self.event_time, &self.disorder, self.late),
        }
    }
}

fn event_times(times: Times, disorder: &Spread, late: u64) -> Option<EventTimes> {
    Some(EventTimes { span: times.span()?, disorder_ms: disorder.quantiles(), late })
}

/// The earliest and the latest of some times.
#[derive(Clone, Copy)]
struct Times {
    count: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Default for Times {
    fn default() -> Self {
        Times { count: 0, first_ms: i64::MAX, last_ms: i64::MIN }
    }
}

impl Times {
    fn add(&mut self, time_ms: i64) {
        *self = self.with(&Times { count: 1, first_ms: time_ms, last_ms: time_ms });
    }

    fn with(self, other: &Times) -> Times {
        Times {
            count: self.count + other.count,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
        }
    }

    fn span(self) -> Option<TimeSpan> {
        let Times { count, first_ms, last_ms } = self;
        let span_ms = last_ms.abs_diff(first_ms);
        let rate = (count > 0 && span_ms > 0).then(|| count as f64 * 1e3 / span_ms as f64);
        (count > 0).then_some(TimeSpan { first_ms, last_ms, records_per_s: rate })
    }
}

/// How something is distributed: to two digits, up to [`SPREAD_MAX`]; the largest exactly. Most are 0, or
/// below a bound, so memory is taken only for what is met.
#[derive(Default)]
struct Spread {
    zeros: u64,
    others: Option<Box<Histogram<u64>>>,
    max: u64,
}

impl Spread {
    fn add(&mut self, value: u64) {
        self.max = self.max.max(value);
        if value == 0 {
            self.zeros += 1;
            return;
        }
        if self.others.is_none() {
            self.others = Histogram::new(2).ok().map(Box::new);
        }
        if let Some(others) = &mut self.others {
            // A new one grows as needed, up to the bound, where this cannot fail.
            let grown = others.record(value.min(SPREAD_MAX));
            debug_assert!(grown.is_ok(), "a histogram of 2^40 fits any memory");
        }
    }

    fn quantiles(&self) -> Quantiles {
        Quantiles { p50: self.quantile(50), p99: self.quantile(99), max: self.max }
    }

    /// The value that so many percent do not exceed.
    fn quantile(&self, percent: u64) -> Option<u64> {
        let others = self.others.as_ref().map_or(0, |others| others.len());
        let count = self.zeros + others;
        let rank = (count * percent).div_ceil(100);
        if count - rank < BEYOND_MIN {
            return None;
        }
        let above_zero = rank.saturating_sub(self.zeros);
        if above_zero == 0 {
            return Some(0);
        }
        let value = self.others.as_ref()?.value_at_quantile(above_zero as f64 / others as f64);
        Some(value.min(self.max))
    }
}

/// 35 years in ms: nothing that is told apart is larger.
const SPREAD_MAX: u64 = 1 << 40;

/// Samples beyond a percentile without which it says nothing.
const BEYOND_MIN: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut rng = fastrand::Rng::with_seed(3);
        for count in [0_usize, 9, 19, 20, 999, 1_000, 5_000] {
            let mut values: Vec<u64> =
                (0..count).map(|_| if rng.bool() { 0 } else { rng.u64(..90_000) }).collect();
            let mut spread = Spread::default();
            values.iter().for_each(|value| spread.add(*value));
            values.sort_unstable();
            let quantiles = spread.quantiles();
            assert_eq!(quantiles.max, values.last().copied().unwrap_or(0));
            for (percent, found) in [(50, quantiles.p50), (99, quantiles.p99)] {
                let rank = (count * percent).div_ceil(100);
                assert_eq!(found.is_some(), count - rank >= 10, "{count} {percent}");
                let Some(found) = found else { continue };
                let exact = values[rank - 1] as f64;
                assert!((found as f64 - exact).abs() <= exact * 0.01, "{count} {percent}: {found} {exact}");
            }
        }
    }
}
