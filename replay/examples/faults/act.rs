//! What is done to the engine while load comes: kills and the fates of single frames. The rest: `outage.rs`.

use std::time::Duration;

use wellstream_connectors::MachineClock;
use wellstream_replay::faults::{Action, Api, Direction, Faults, Rule, RuleId};

use super::Failed;
use super::plan::{Act, Fate, Moment, Plan, Target};
use super::program::Program;
use super::report::Notes;
use super::settings::Settings;
use super::tail::Tail;
use super::world::World;

/// A plan under way.
pub(crate) struct Rig<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Settings,
    pub(super) clock: MachineClock,
    pub(super) random: fastrand::Rng,
    pub(super) faults: Faults,
    pub(super) tail: Tail,
    pub(super) sender: Program,
    pub(super) engine: Program,
    /// What the proxy had passed of fetches when the engine was started, bytes.
    pub(super) fetched_before: u64,
    pub(super) notes: Notes,
    pub(super) world: World,
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
        rig.settings.check_client(&rig.engine.log())?;
        Ok(rig)
    }

    /// Does what the plan says.
    pub(crate) fn act(&mut self) -> Result<(), Failed> {
        for _ in 0..self.settings.times(self.plan) {
            match self.plan.act {
                Act::Kills => self.kill_at_random()?,
                Act::Recovery => self.kill_and_await()?,
                Act::Aimed(target, moment) => self.kill_aimed(target, moment)?,
                Act::Zombie => self.zombie()?,
                Act::Frozen => self.frozen()?,
                Act::Fate(target, direction, fate) => self.fate(target, direction, fate)?,
                Act::Broker(verb, behind) => self.broker(verb, behind)?,
                Act::Leaders(verb, behind) => self.leaders(verb, behind)?,
                Act::Cuts(probability) => self.cuts(probability)?,
                Act::Stuck => self.stuck()?,
            }
            self.notes.done += 1;
        }
        if matches!(self.plan.act, Act::Kills) {
            self.await_rows("after the last start")?;
            self.note_recovery();
        }
        let tolerated = self.plan.exits_tolerated(self.settings.times(self.plan));
        if self.notes.exits > tolerated {
            let Notes { exits, said, .. } = &self.notes;
            let what = format!("it ended by itself {exits} times, {tolerated} are tolerated here");
            return Err(format!("{what}: {said}").into());
        }
        Ok(())
    }

    /// Ends the load and the engine, lets a last one decide everything: the world to be judged.
    pub(crate) fn finish(mut self) -> Result<(World, Notes), Failed> {
        self.faults.clear();
        self.sender.signal("INT")?;
        self.sender.finish(super::supervise::PATIENCE)?;
        // What was on its way when the sender gave up may still come; not once its end has been looked at.
        self.clock.sleep(Duration::from_secs(1));
        self.notes.cuts = self.faults.cuts();
        let Rig { plan, settings, engine, world, notes, .. } = self;
        engine.has_not_panicked()?;
        engine.kill()?;
        let mut last = world.engine(plan, settings, "engine-last", &["--until-end"])?;
        let status = last.finish(super::supervise::PATIENCE)?;
        if !status.success() {
            return Err(format!("the last run, without faults: {status}: {}", last.last_words()).into());
        }
        last.has_not_panicked()?;
        settings.check_client(&last.log())?;
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

    /// Every start is waited for, so that none is left out of the figures.
    fn kill_and_await(&mut self) -> Result<(), Failed> {
        self.clock.sleep(Duration::from_millis(self.random.u64(500..2_000)));
        self.start_again()?;
        self.await_rows("after a kill")?;
        self.note_recovery();
        self.notes.reread.push(self.world.reread()?);
        Ok(())
    }

    /// kill -9 while a frame is held, or when a reply has just been told. A request that is held is lost with
    /// the connection, or arrives late; a reply is lost with the process.
    fn kill_aimed(&mut self, target: Target, moment: Moment) -> Result<(), Failed> {
        let api = target.api(self.settings.is_exactly_once());
        let is_init = target == Target::Init;
        let nth = if matches!(target, Target::Init | Target::Abort) { 1 } else { self.random.u64(1..20) };
        let comes_late = self.random.bool() && moment == Moment::Asked;
        let (direction, action) = match moment {
            Moment::Asked => (Direction::Request, Action::Hold),
            Moment::Done => (Direction::Reply, Action::Hold),
            Moment::Told => (Direction::Reply, Action::Delay(Duration::ZERO)),
        };
        let rule = target.rule(self.settings.is_exactly_once(), direction, nth, action);
        let rule = self.faults.add(rule);
        let spoiled = self.spoil(target);
        if is_init {
            self.start_again()?;
        }
        let came = match moment {
            Moment::Told => self.faults.await_passed(rule, super::supervise::PATIENCE),
            Moment::Asked | Moment::Done => self.faults.await_held(rule, super::supervise::PATIENCE),
        };
        if !came {
            return Err(format!("no {api} came to aim at: {}", self.engine.last_words()).into());
        }
        if moment == Moment::Told {
            self.clock.sleep(Duration::from_millis(self.random.u64(0..5)));
        }
        self.engine.signal("KILL")?;
        self.engine.finish(super::supervise::PATIENCE)?;
        if let Some(spoiled) = spoiled {
            self.faults.remove(spoiled);
        }
        if !comes_late {
            self.faults.cut_all();
            self.faults.remove(rule);
        }
        self.start()?;
        self.await_rows("after an aimed kill")?;
        self.note_recovery();
        if !comes_late {
            return Ok(());
        }
        self.notes.late += 1;
        self.faults.release(rule);
        let is_of_the_past = api == Api::END_TXN;
        self.await_answer(rule, api, is_of_the_past)?;
        self.await_more_rows("after what was held has gone on")
    }

    fn fate(&mut self, of: Target, direction: Direction, fate: Fate) -> Result<(), Failed> {
        let exactly_once = self.settings.is_exactly_once();
        let api = of.api(exactly_once);
        let nth = if of == Target::Abort { 1 } else { self.random.u64(1..20) };
        let action = match fate {
            Fate::Plain(action) => action,
            Fate::AfterTheNext => Action::Hold,
        };
        let rule = self.faults.add(of.rule(exactly_once, direction, nth, action));
        let spoiled = self.spoil(of);
        self.await_fired(rule, api)?;
        if let Some(spoiled) = spoiled {
            self.notes.spoiled += self.faults.fired(spoiled);
            self.faults.remove(spoiled);
        }
        if let Fate::Plain(Action::Delay(_)) = fate {
            self.await_passed_in_time(rule, api)?;
        }
        if fate == Fate::AfterTheNext {
            // The next transaction has begun once rows of it are in, be it of the next process.
            let rows = self.faults.frames(Api::PRODUCE, Direction::Reply);
            self.supervise(|rig| {
                rig.faults.await_frames(Api::PRODUCE, Direction::Reply, rows + 1, super::supervise::TURN)
            })
            .map_err(|error| format!("no transaction after one whose end is held: {error}"))?;
            self.notes.late += 1;
            self.faults.release(rule);
            match direction {
                Direction::Request => self.await_answer(rule, api, false)?,
                Direction::Reply => self.await_closed(rule, api)?,
            }
        }
        self.await_more_rows("after a frame's fate")
    }

    /// The group's coordinator refuses the next offsets of a transaction, as far as the engine knows: it must
    /// be aborted.
    fn spoil(&mut self, target: Target) -> Option<RuleId> {
        if target != Target::Abort {
            return None;
        }
        let nth = self.random.u64(1..20);
        let refused = Action::Refuse(ILLEGAL_GENERATION);
        Some(self.faults.add(Rule::nth(Api::TXN_OFFSET_COMMIT, Direction::Reply, nth, refused)))
    }
}

/// Kafka's code: the group has gone on without this member.
const ILLEGAL_GENERATION: i16 = 22;
