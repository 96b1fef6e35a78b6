//! Drives one history to its end: runs of the engine, one duty cycle at a time in random order, until all is
//! read, decided and committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use wellstream_core::decode::FixedSchemas;
use wellstream_core::engine::{
    Committer, EngineSettings, Lane, Progress, Resume, ResumePolicy, Shard, Shared, Sink, Wired, wire,
};
use wellstream_core::record::PartitionId;
use wellstream_core::sabotage::{Rule, broken};
use wellstream_core::schemas;
use wellstream_core::time::Now;

use super::cache::SimCache;
use super::history::{Family, History, silent_from};
use super::world::{SimSink, SimSource, Weather, World, lock};

/// Runs a history until everything is committed.
pub(super) fn drive(history: &History, seed: u64) -> Result<World, String> {
    let mut random = Rng::with_seed(seed);
    let world = Arc::new(Mutex::new(World::new(history)));
    let failures_left = random.u32(0..=3);
    let weather = Arc::new(Mutex::new(Weather { random: random.fork(), failures_left }));
    let mut crashes_left = history.crashes;
    let mut stale = false;
    let mut now_ms = 0;
    loop {
        let visible = lock(&world).all_visible(history);
        let bounded = visible || (history.family == Family::Ends && random.bool());
        let may_crash = crashes_left > 0;
        let mut run = Run::start(history, &world, &weather, &mut random, bounded, stale)?;
        run.now_ms = now_ms;
        let ending = run.go(&mut random, may_crash)?;
        let join = run.committer.totals().join;
        // An epoch that came in unknown may have had such counts too; nobody added them up.
        let unknown = u64::from(ending == Ending::Unknown);
        lock(&world).counted += join.window_incomplete + join.alarm_rows_passed + unknown;
        now_ms = run.now_ms + 10;
        stale = ending == Ending::Unknown && broken(Rule::UnknownNotAborted);
        match ending {
            Ending::Crashed => crashes_left -= 1,
            Ending::Finished if bounded && visible => {
                run.cache.finish();
                break;
            }
            Ending::Finished | Ending::Unknown => {}
        }
        if history.family == Family::Lost {
            lose_history(history, &world, &mut random);
        } else if bounded && !visible {
            reveal(history, &world, &mut random);
        }
    }
    let mut world = lock(&world);
    Ok(std::mem::take(&mut *world))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Crashed,
    Unknown,
    Finished,
}

/// One life of the engine.
struct Run<'h> {
    history: &'h History,
    world: Arc<Mutex<World>>,
    lanes: Vec<Lane<SimSource<'h>>>,
    shards: Vec<Shard>,
    committer: Committer<SimSink>,
    cache: SimCache,
    shared: Arc<Shared>,
    bounded: bool,
    now_ms: i64,
}

impl<'h> Run<'h> {
    fn start(
        history: &'h History,
        world: &Arc<Mutex<World>>,
        weather: &Arc<Mutex<Weather>>,
        random: &mut Rng,
        bounded: bool,
        stale: bool,
    ) -> Result<Run<'h>, String> {
        let policy = ResumePolicy { until_end: bounded, ..ResumePolicy::default() };
        let (starts, alarms) = {
            let world = lock(world);
            (world.starts(history, stale), world.alarms_in_force())
        };
        let resume =
            Resume::plan(&starts, alarms, history.rules.hash(), policy).map_err(|e| e.to_string())?;
        let idle = (matches!(history.family, Family::Idle | Family::Clocks) && !bounded)
            .then(|| random.i64(10..=120));
        let settings = EngineSettings {
            lanes: history.lanes,
            shards: history.shards,
            commit_interval_ms: random.choice([0, 3, 20]).unwrap_or(0),
            max_ahead_ms: history.max_ahead_ms,
            idle_after_ms: idle,
            flush_ms: random.choice([0, 0, 4]).unwrap_or(0),
            facilities_max: if random.bool() { usize::MAX } else { random.usize(0..=2) },
            poll_records: random.usize(1..=4),
            exchange_batches: random.usize(1..=3),
            output_batches: random.usize(1..=3),
            tells_news: true,
            ..EngineSettings::new(Arc::clone(&history.rules))
        };
        let sink = SimSink::new(world, weather);
        let schemas = nullable_schemas()?;
        let Wired { lanes, shards, committer, shared } = wire(&settings, &resume, schemas, sink.wants());
        let seat = |seat: wellstream_core::engine::LaneSeat| {
            let next: HashMap<PartitionId, i64> = seat.starts().into_iter().collect();
            let world = Arc::clone(world);
            seat.with(SimSource { history, world, next, random: random.fork() })
        };
        Ok(Run {
            history,
            world: Arc::clone(world),
            lanes: lanes.into_iter().map(seat).collect(),
            shards,
            committer: committer.with(sink),
            cache: SimCache::new(world, random.fork()),
            shared,
            bounded,
            now_ms: 0,
        })
    }

    /// Steps until the run ends, crashes, or (if it is not bounded) has been going on for long enough.
    fn go(&mut self, random: &mut Rng, may_crash: bool) -> Result<Ending, String> {
        let crash_at = if may_crash && random.bool() { random.u32(1..=400) } else { u32::MAX };
        let stop_at = if self.bounded { u32::MAX } else { random.u32(100..=1_500) };
        // One actor may be starved for a while: that is what a busy machine does.
        let starved = random.usize(0..8);
        for step in 0..STEPS_MAX {
            if step == crash_at {
                return Ok(Ending::Crashed);
            }
            if step == stop_at {
                self.shared.stop();
            }
            self.now_ms += i64::from(random.u32(0..4) == 0);
            let actors = self.lanes.len() + self.shards.len() + 2;
            let actor = random.usize(0..actors);
            if actor == starved && step < 300 {
                continue;
            }
            match self.act(actor, random)? {
                Progress::Working(_) => {}
                Progress::Restart => return Ok(Ending::Unknown),
                Progress::Finished => return Ok(Ending::Finished),
            }
        }
        Err("the run is stuck: it reaches no end".to_owned())
    }

    fn act(&mut self, actor: usize, random: &mut Rng) -> Result<Progress, String> {
        let now = Now::at_ms(self.now_ms);
        let (lanes, shards) = (self.lanes.len(), self.shards.len());
        if actor < lanes {
            self.lanes[actor].poll(now).map_err(|e| e.to_string())?;
        } else if actor < lanes + shards {
            self.shards[actor - lanes].poll(now);
        } else if actor == lanes + shards {
            self.cache.step();
            return self.committer.poll_followed(now, &mut self.cache).map_err(|e| e.to_string());
        } else if !self.bounded {
            reveal(self.history, &self.world, random);
        }
        Ok(Progress::Working(0))
    }
}

/// A producer writes a few more records.
fn reveal(history: &History, world: &Mutex<World>, random: &mut Rng) {
    let at = random.usize(0..history.logs.len());
    let log = &history.logs[at];
    let mut world = lock(world);
    let others = || history.logs[1..].iter().all(|log| world.visible[&log.partition] == log.records.len());
    let silent = history.family == Family::Clocks && at == 0 && !others();
    let up_to = if silent { silent_from(log) } else { log.records.len() };
    if let Some(visible) = world.visible.get_mut(&log.partition) {
        *visible = (*visible + random.usize(0..=3)).min(up_to).max(*visible);
    }
}

/// Retention moves on, never past what is committed.
fn lose_history(history: &History, world: &Mutex<World>, random: &mut Rng) {
    let mut world = lock(world);
    for log in &history.logs {
        let committed = world.offsets.get(&log.partition).map_or(0, |(offset, _)| *offset);
        if committed > 0 && random.u32(0..3) == 0 {
            let from = world.log_start.get(&log.partition).copied().unwrap_or(0);
            world.log_start.insert(log.partition, random.i64(from..=committed.max(from)));
        }
    }
}

fn nullable_schemas() -> Result<Arc<FixedSchemas>, String> {
    thread_local! {
        static SCHEMAS: Result<Arc<FixedSchemas>, String> =
            FixedSchemas::new(&schemas::well_data_nullable(), &schemas::tank_data_nullable())
                .map(Arc::new)
                .map_err(|e| e.to_string());
    }
    SCHEMAS.with(Clone::clone)
}

/// A history of some sixty records is done in a few thousand steps.
const STEPS_MAX: u32 = 60_000;
