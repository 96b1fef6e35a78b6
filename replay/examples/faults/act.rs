//! What is done to the engine while load comes.

use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_replay::faults::{Action, Api, Direction, Faults, Rule};

use super::Failed;
use super::plan::{Act, Fate, Plan, Target};
use super::program::Program;
use super::report::{Notes, Recovery};
use super::settings::Settings;
use super::tail::Tail;
use super::world::{World, services};

/// A plan under way.
pub(crate) struct Rig<'a> {
    plan: &'a Plan,
    settings: &'a Settings,
    clock: MachineClock,
    random: fastrand::Rng,
    faults: Faults,
    tail: Tail,
    sender: Program,
    engine: Program,
    /// What the proxy had passed of fetches when the engine was started, bytes.
    fetched_before: u64,
    notes: Notes,
    world: World,
}

impl<'a> Rig<'a> {
    /// Topics, load, and an engine whose first rows have come.
    pub(crate) fn new(
        plan: &'a Plan,
        settings: &'a Settings,
        clock: MachineClock,
    ) -> Result<Rig<'a>, Failed> {
        let world = World::create(plan, settings, clock)?;
        let seed = settings.seed_of(plan);
        let (tail, sender) = (Tail::start(&world)?, world.sender(settings, seed)?);
        let engine = world.engine(plan, settings, "engine-0", &[])?;
        let mut rig = Rig {
            plan,
            settings,
            clock,
            random: fastrand::Rng::with_seed(seed),
            faults: world.proxy.faults(),
            tail,
            sender,
            engine,
            fetched_before: 0,
            notes: Notes::default(),
            world,
        };
        rig.tail.watch(0);
        rig.await_rows("of the first start")?;
        Ok(rig)
    }

    /// Does what the plan says.
    pub(crate) fn act(&mut self) -> Result<(), Failed> {
        for _ in 0..self.settings.times(self.plan) {
            match self.plan.act {
                Act::Kills => self.kill_at_random()?,
                Act::Aimed(target, direction) => self.kill_aimed(target, direction)?,
                Act::Zombie => self.zombie()?,
                Act::Fate { of, direction, fate, first } => self.fate(of, direction, fate, first)?,
                Act::Broker(verb) => self.broker(verb)?,
                Act::Cuts(probability) => self.cuts(probability)?,
                Act::Stuck => self.stuck()?,
            }
            self.notes.done += 1;
        }
        if matches!(self.plan.act, Act::Kills) {
            self.await_rows("after the last start")?;
        }
        Ok(())
    }

    /// Ends the load and the engine, lets a last one decide everything: the world to be judged.
    pub(crate) fn finish(mut self) -> Result<(World, Notes), Failed> {
        self.faults.clear();
        self.sender.signal("INT")?;
        self.sender.finish(PATIENCE)?;
        // What was on its way when the sender gave up may still come; not once its end has been looked at.
        self.clock.sleep(Duration::from_secs(1));
        self.notes.cuts = self.faults.cuts();
        let Rig { plan, settings, engine, world, notes, .. } = self;
        engine.kill()?;
        let mut last = world.engine(plan, settings, "engine-last", &["--until-end"])?;
        let status = last.finish(PATIENCE)?;
        if !status.success() {
            return Err(format!("the last run, without faults: {status}: {}", last.last_words()).into());
        }
        Ok((world, notes))
    }

    /// Half of the moments lie shortly after a start, before rows come or not; half behind the first row.
    fn kill_at_random(&mut self) -> Result<(), Failed> {
        if self.random.bool() {
            self.await_rows("before a kill")?;
        }
        self.clock.sleep(Duration::from_millis(self.random.u64(0..1_200)));
        self.note_recovery();
        self.start_again()
    }

    /// kill -9 while a frame is held. What is held is lost with the connection, or arrives late.
    fn kill_aimed(&mut self, target: Target, direction: Direction) -> Result<(), Failed> {
        let api = target.api(self.settings.is_exactly_once());
        let is_init = target == Target::Init;
        let nth = if is_init { 1 } else { self.random.u64(1..20) };
        let comes_late = self.random.bool();
        let held = self.faults.add(Rule::nth(api, direction, nth, Action::Hold));
        if is_init {
            self.start_again()?;
        }
        if !self.faults.await_held(held, PATIENCE) {
            return Err(format!("no {api} came to be held: {}", self.engine.last_words()).into());
        }
        self.engine.signal("KILL")?;
        self.engine.finish(PATIENCE)?;
        if comes_late {
            self.notes.late += 1;
        } else {
            self.faults.cut_all();
            self.faults.remove(held);
        }
        self.start()?;
        self.await_rows("after an aimed kill")?;
        self.faults.release(held);
        // What came late must not stop what has begun since.
        self.await_more_rows("after what was held has gone on")
    }

    fn zombie(&mut self) -> Result<(), Failed> {
        self.engine.signal("STOP")?;
        let name = self.name();
        let other = self.world.engine(self.plan, self.settings, &name, &[])?;
        let mut zombie = self.adopt(other);
        self.await_rows("of the instance that took over")?;
        self.clock.sleep(ZOMBIE_TIME);
        zombie.signal("CONT")?;
        let status = zombie.finish(PATIENCE)?;
        if status.success() {
            return Err(format!("the zombie ended as if all were well: {}", zombie.last_words()).into());
        }
        self.notes.said = zombie.last_words();
        self.await_more_rows("beside the zombie")
    }

    fn fate(
        &mut self,
        of: Target,
        direction: Direction,
        fate: Fate,
        first: Option<Target>,
    ) -> Result<(), Failed> {
        let exactly_once = self.settings.is_exactly_once();
        let (api, mut nth) = (of.api(exactly_once), self.random.u64(1..20));
        if let Some(first) = first {
            let lost = Rule::nth(first.api(exactly_once), Direction::Reply, nth, Action::Drop);
            let lost = self.faults.add(lost);
            self.await_fired(lost, first.api(exactly_once))?;
            nth = 1;
        }
        let action = match fate {
            Fate::Plain(action) => action,
            Fate::AfterTheNext => Action::Hold,
        };
        let rule = self.faults.add(Rule::nth(api, direction, nth, action));
        self.await_fired(rule, api)?;
        if fate == Fate::AfterTheNext {
            // The next transaction has begun once its first rows pass, or they of the next process.
            let rows = self.faults.frames(Api::PRODUCE, Direction::Request);
            self.supervise(|rig| rig.faults.await_frames(Api::PRODUCE, Direction::Request, rows + 1, TURN))
                .map_err(|error| format!("no transaction after one that cannot be ended: {error}"))?;
            self.faults.release(rule);
        }
        self.await_more_rows("after a frame's fate")
    }

    fn broker(&mut self, verb: &str) -> Result<(), Failed> {
        // What lay in the topics is worked off by then: more rows come of readings that are sent again.
        self.clock.sleep(Duration::from_millis(self.random.u64(2_000..3_000)));
        self.await_more_rows("before the broker goes")?;
        self.clock.sleep(Duration::from_millis(self.random.u64(0..500)));
        services(verb)?;
        self.clock.sleep(Duration::from_millis(self.random.u64(0..3_000)));
        services("start")?;
        self.await_more_rows("after the broker came back")
    }

    fn cuts(&mut self, probability: f64) -> Result<(), Failed> {
        let rules = [Direction::Request, Direction::Reply]
            .map(|way| self.faults.add(Rule::any(way, probability, self.random.u64(..), Action::Cut)));
        let begun = self.clock.elapsed();
        self.supervise(|rig| {
            rig.clock.sleep(TURN);
            rig.clock.elapsed().saturating_sub(begun) > CUTS_TIME
        })?;
        self.faults.cut_all();
        for rule in rules {
            self.faults.remove(rule);
        }
        self.await_more_rows("after the cuts")
    }

    fn stuck(&mut self) -> Result<(), Failed> {
        let rule = self.faults.add(Rule::each(Api::END_TXN, Direction::Request, Action::Drop));
        let status = self.engine.finish(STUCK_TIME)?;
        let said = self.engine.log();
        if status.code() != Some(RUNTIME_FAILURE) || !said.to_lowercase().contains("transaction") {
            let words = self.engine.last_words();
            return Err(format!("a stuck transaction ended the run by {status}, saying {words}").into());
        }
        self.notes.said = self.engine.last_words();
        self.faults.remove(rule);
        self.start()?;
        self.await_rows("after a stuck transaction")
    }

    fn start_again(&mut self) -> Result<(), Failed> {
        self.engine.signal("KILL")?;
        self.engine.finish(PATIENCE)?;
        self.start()
    }

    fn start(&mut self) -> Result<(), Failed> {
        let name = self.name();
        let engine = self.world.engine(self.plan, self.settings, &name, &[])?;
        drop(self.adopt(engine));
        Ok(())
    }

    fn name(&mut self) -> String {
        self.notes.starts += 1;
        format!("engine-{}", self.notes.starts)
    }

    /// Another engine is the one that is watched; the one before.
    fn adopt(&mut self, engine: Program) -> Program {
        self.tail.watch(engine.started_wall_ms);
        self.fetched_before = self.faults.bytes(Api::FETCH, Direction::Reply);
        std::mem::replace(&mut self.engine, engine)
    }

    fn note_recovery(&mut self) {
        if self.notes.starts == 0 {
            // The first engine waits for the load.
            return;
        }
        if let Some(first) = self.tail.first(Duration::ZERO) {
            self.notes.recoveries.push(Recovery {
                ms: first.at_ns.saturating_sub(self.engine.started_ns) as f64 / 1e6,
                bytes: first.fetched.saturating_sub(self.fetched_before),
            });
        }
    }

    /// Rows that are written from now on.
    fn await_more_rows(&mut self, when: &str) -> Result<(), Failed> {
        self.tail.watch(self.clock.wall_ms());
        self.await_rows(when)
    }

    fn await_rows(&mut self, when: &str) -> Result<(), Failed> {
        self.supervise(|rig| rig.tail.first(TURN).is_some())
            .map_err(|error| format!("no rows {when}: {error}").into())
    }

    fn await_fired(&mut self, rule: wellstream_replay::faults::RuleId, api: Api) -> Result<(), Failed> {
        self.supervise(|rig| rig.faults.await_fired(rule, TURN))
            .map_err(|error| format!("no {api} came: {error}").into())
    }

    /// Waits for something; an engine that ends by itself meanwhile is started again, as a supervisor does.
    fn supervise(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> Result<(), Failed> {
        let begun = self.clock.elapsed();
        let before = self.frames();
        while !holds(self) {
            if self.clock.elapsed().saturating_sub(begun) > PATIENCE {
                let (passed, words) = (self.passed_since(&before), self.engine.last_words());
                return Err(format!("not within {} s; {passed}; {words}", PATIENCE.as_secs()).into());
            }
            if let Some(status) = self.sender.ended()? {
                return Err(format!("the load ended: {status}: {}", self.sender.last_words()).into());
            }
            if let Some(status) = self.engine.ended()? {
                if status.code() != Some(RUNTIME_FAILURE) {
                    return Err(format!("the engine ended: {status}: {}", self.engine.last_words()).into());
                }
                self.notes.exits += 1;
                self.notes.said = self.engine.last_words();
                if self.notes.exits > EXITS_MAX {
                    return Err(format!("it ends again and again: {}", self.notes.said).into());
                }
                self.start()?;
            }
        }
        Ok(())
    }

    /// How many requests and replies of the engine have passed, by API: who hangs, and where.
    fn frames(&self) -> Vec<[u64; 2]> {
        let ways = [Direction::Request, Direction::Reply];
        TOLD.iter().map(|api| ways.map(|way| self.faults.frames(*api, way))).collect()
    }

    fn passed_since(&self, before: &[[u64; 2]]) -> String {
        let now = self.frames();
        let counts = TOLD
            .iter()
            .zip(before)
            .zip(&now)
            .map(|((api, before), now)| format!("{api} {}/{}", now[0] - before[0], now[1] - before[1]));
        format!("requests/replies meanwhile: {}", counts.collect::<Vec<_>>().join(", "))
    }
}

/// What a plan that hangs tells of.
const TOLD: [Api; 9] = [
    Api::FETCH,
    Api::PRODUCE,
    Api::OFFSET_COMMIT,
    Api::METADATA,
    Api::FIND_COORDINATOR,
    Api::INIT_PRODUCER_ID,
    Api::ADD_PARTITIONS_TO_TXN,
    Api::TXN_OFFSET_COMMIT,
    Api::END_TXN,
];

/// One look at what is waited for.
const TURN: Duration = Duration::from_millis(200);

/// Longer than records wait for a broker (two minutes) and a commit of offsets is retried (two more), so that
/// a hang is told from patience.
const PATIENCE: Duration = Duration::from_secs(300);

/// Longer than a transaction may last: 10 s.
const ZOMBIE_TIME: Duration = Duration::from_secs(13);

/// Cuts at random last as long.
const CUTS_TIME: Duration = Duration::from_secs(8);

/// A stuck transaction must be told by then.
const STUCK_TIME: Duration = Duration::from_secs(180);

/// The exit code of a run that ends by a failure that the next start may mend.
const RUNTIME_FAILURE: i32 = 3;

/// A supervisor that starts it more often than that in one plan hides something.
const EXITS_MAX: u32 = 20;
