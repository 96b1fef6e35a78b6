//! A cache that follows the commits as it likes: what it has not taken when the engine dies is gone, what it
//! has taken stays. In the end it must hold what is newest in the whole log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use wellstream_core::engine::{CommitMetadata, Follower};
use wellstream_core::record::{Input, NewestRow, News, Side};
use wellstream_core::rules::JoinMode;
use wellstream_core::time::Spans;

use super::history::{Family, History, sensor};
use super::world::{World, lock};
use crate::oracle::{self, Judged, RowFacts};

/// What the cache holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    readings: BTreeMap<(Side, String), Input>,
    rows: BTreeMap<String, NewestRow>,
}

/// The cache's writer.
pub(super) struct SimCache {
    world: Arc<Mutex<World>>,
    told: VecDeque<News>,
    random: Rng,
}

impl SimCache {
    pub(super) fn new(world: &Arc<Mutex<World>>, random: Rng) -> SimCache {
        SimCache { world: Arc::clone(world), told: VecDeque::new(), random }
    }

    /// Takes something of what it was told, if it likes; not always the oldest first.
    pub(super) fn step(&mut self) {
        if self.random.u32(0..4) > 0 || self.told.is_empty() {
            return;
        }
        let place = self.random.usize(0..self.told.len());
        if let Some(news) = self.told.remove(place) {
            lock(&self.world).kept.take(&news);
        }
    }

    /// Takes all of it.
    pub(super) fn finish(&mut self) {
        let mut world = lock(&self.world);
        self.told.drain(..).for_each(|news| world.kept.take(&news));
    }
}

impl Follower for SimCache {
    fn tell(&mut self, news: News) {
        self.told.push_back(news);
    }

    fn untold_ms(&self) -> Option<i64> {
        self.told.iter().filter_map(News::oldest_ms).min()
    }
}

impl Kept {
    /// The newest stays.
    fn take(&mut self, news: &News) {
        for of_lane in &news.readings {
            for reading in &of_lane.readings {
                let key = (reading.side, of_lane.sensor(reading).to_owned());
                let known = self.readings.entry(key).or_insert(reading.input);
                *known = (*known).max(reading.input);
            }
        }
        for row in news.rows.iter().flatten() {
            let known = self.rows.entry(row.facility.to_string()).or_insert_with(|| row.clone());
            if row.is_newer_than(known) {
                *known = row.clone();
            }
        }
    }
}

/// Holds the cache to the whole log.
pub(super) fn compare(
    history: &History,
    world: &World,
    judged: &Judged,
    is_exact: bool,
) -> Result<(), String> {
    if history.family == Family::Lost {
        return Ok(());
    }
    let mut newest: BTreeMap<(Side, String), Input> = BTreeMap::new();
    for side in Side::BOTH {
        for reading in &judged.accepted[side.index()] {
            let key = (side, sensor(side, reading.input.offset).to_owned());
            let known = newest.entry(key).or_insert(reading.input);
            *known = (*known).max(reading.input);
        }
    }
    if newest != world.kept.readings {
        let kept = &world.kept.readings;
        return Err(format!("the cache's readings: {kept:#?}, and the newest are {newest:#?}"));
    }
    if is_exact { compare_rows(history, world, judged) } else { Ok(()) }
}

/// Pairs are told again whatever lies before them. Of other results a restart knows for sure only those
/// whose partners it reads again for other reasons: older ones are not told again, and never told wrongly.
fn compare_rows(history: &History, world: &World, judged: &Judged) -> Result<(), String> {
    let rules = &*history.rules;
    let rows: Vec<(String, RowFacts)> = match rules.join {
        JoinMode::Latest => {
            world.rows.iter().map(|row| (facility_of(judged, row.well), RowFacts::from(row))).collect()
        }
        _ => {
            let rows = oracle::join(&judged.accepted, rules).into_iter();
            rows.map(|row| (row.facility.to_string(), row.facts)).collect()
        }
    };
    let stored = world.offsets.values().filter_map(|(_, text)| text.parse::<CommitMetadata>().ok());
    let w_ms = stored.filter_map(|metadata| metadata.watermark).max().unwrap_or(i64::MIN);
    let [wells_ms, tanks_ms] = Spans::new(rules).rewind_ms;
    let sure_from_ms = w_ms.saturating_sub(wells_ms.min(tanks_ms)).saturating_add(rules.score.bound_ms);
    let mut newest: BTreeMap<&str, &RowFacts> = BTreeMap::new();
    for (facility, row) in &rows {
        let known = newest.entry(facility).or_insert(row);
        if order(row) > order(known) {
            *known = row;
        }
    }
    for (facility, row) in newest {
        let kept = world.kept.rows.get(facility);
        let is =
            |row: &RowFacts| kept.is_some_and(|kept| kept.order() == order(row) && kept.risk == row.risk);
        let oldest_ms = [row.well, row.tank].into_iter().flatten().map(|input| input.time_ms).min();
        let is_pair = rules.join == JoinMode::All && !rules.outer;
        let must_be = is_pair || rules.join != JoinMode::Latest && oldest_ms >= Some(sure_from_ms);
        let may_be = kept.is_none() || rows.iter().any(|(other, row)| other == facility && is(row));
        if !is(row) && must_be || !may_be {
            return Err(format!("the cache's row of {facility}: {kept:?}, and the newest is {row:?}"));
        }
    }
    Ok(())
}

fn facility_of(judged: &Judged, well: Option<Input>) -> String {
    let wells = &judged.accepted[Side::Well.index()];
    let found = wells.iter().find(|reading| Some(reading.input) == well);
    found.map_or_else(String::new, |reading| reading.facility.to_string())
}

fn order(row: &RowFacts) -> (i64, [i64; 4]) {
    let place = |input: Option<Input>| input.map_or([-1, -1], |it| [i64::from(it.partition), it.offset]);
    let ([a, b], [c, d]) = (place(row.well), place(row.tank));
    (row.time_ms, [a, b, c, d])
}
