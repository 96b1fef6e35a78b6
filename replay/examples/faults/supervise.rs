//! Processes started again, and what is waited for meanwhile.

use std::time::Duration;

use wellstream_replay::faults::{Api, Direction, RuleId};

use super::Failed;
use super::act::Rig;
use super::plan::{Act, Moment, Plan, Target};
use super::program::Program;
use super::report::Recovery;

impl Plan {
    /// How often the engine may end by itself: where the broker or connections go while it starts, it does
    /// not try again. Elsewhere never: a supervisor would hide what is wrong.
    pub(super) fn exits_tolerated(&self, times: u32) -> u32 {
        match self.act {
            Act::Cuts(_) | Act::Broker(..) => 3 * times,
            // Whoever slept may say that it does not know who has the transactional id; a late first word of
            // a dead producer fences whoever is at work.
            Act::Frozen | Act::Aimed(Target::Init, Moment::Asked) => times,
            _ => 0,
        }
    }
}

impl Rig<'_> {
    pub(super) fn start_again(&mut self) -> Result<(), Failed> {
        self.engine.signal("KILL")?;
        self.engine.finish(PATIENCE)?;
        self.start()
    }

    pub(super) fn start(&mut self) -> Result<(), Failed> {
        let name = self.name();
        let engine = self.world.engine(self.plan, self.settings, &name, &[])?;
        drop(self.adopt(engine)?);
        Ok(())
    }

    pub(super) fn name(&mut self) -> String {
        self.notes.starts += 1;
        format!("engine-{}", self.notes.starts)
    }

    /// Another engine is the one that is watched; the one before.
    pub(super) fn adopt(&mut self, engine: Program) -> Result<Program, Failed> {
        self.tail.watch(engine.started_wall_ms);
        self.fetched_before = self.faults.bytes(Api::FETCH, Direction::Reply);
        let before = std::mem::replace(&mut self.engine, engine);
        before.has_not_panicked()?;
        Ok(before)
    }

    /// How long it took until rows came, or that it was killed before.
    pub(super) fn note_recovery(&mut self) {
        if self.notes.starts == 0 {
            // The first engine waits for the load.
            return;
        }
        let since_start = |at_ns: u64| at_ns.saturating_sub(self.engine.started_ns) as f64 / 1e6;
        match self.tail.first(Duration::ZERO) {
            Some(first) => self.notes.recoveries.push(Recovery {
                ms: since_start(first.at_ns),
                bytes: first.fetched.saturating_sub(self.fetched_before),
            }),
            None => self.notes.rowless_ms.push(since_start(self.clock.now_ns())),
        }
    }

    /// Rows that are written from now on.
    pub(super) fn await_more_rows(&mut self, when: &str) -> Result<(), Failed> {
        self.tail.watch(self.clock.wall_ms());
        self.await_rows(when)
    }

    pub(super) fn await_rows(&mut self, when: &str) -> Result<(), Failed> {
        self.supervise(|rig| rig.tail.first(TURN).is_some())
            .map_err(|error| format!("no rows {when}: {error}").into())
    }

    pub(super) fn await_fired(&mut self, rule: RuleId, api: Api) -> Result<(), Failed> {
        self.supervise(|rig| rig.faults.await_fired(rule, TURN))
            .map_err(|error| format!("no {api} came: {error}").into())
    }

    /// A reply that was delayed by less than its client waits was delivered.
    pub(super) fn await_passed_in_time(&mut self, rule: RuleId, api: Api) -> Result<(), Failed> {
        self.supervise(|rig| rig.faults.await_passed(rule, TURN))
            .map_err(|error| format!("the reply to {api} was not passed on: {error}"))?;
        match self.faults.too_late(rule) {
            0 => Ok(()),
            _ => Err(format!("the client did not wait for the reply to {api}").into()),
        }
    }

    /// A reply that comes when the next transaction has begun finds its connection closed: nobody can take it
    /// for another one.
    pub(super) fn await_closed(&mut self, rule: RuleId, api: Api) -> Result<(), Failed> {
        self.supervise(|rig| rig.faults.await_passed(rule, TURN))
            .map_err(|error| format!("the reply to {api} was not passed on: {error}"))?;
        match self.faults.too_late(rule) {
            0 => Err(format!("a reply to {api} was taken in the next transaction").into()),
            _ => Ok(()),
        }
    }

    /// A request of the past reached the broker. An end of a transaction must be refused where another
    /// producer has the transactional id.
    pub(super) fn await_answer(
        &mut self,
        rule: RuleId,
        api: Api,
        must_be_refused: bool,
    ) -> Result<(), Failed> {
        let Some(code) = self.faults.await_answer(rule, ANSWER_TIME) else {
            return Err(format!("the broker did not answer {api} that came late: nothing was tested").into());
        };
        match code {
            Some(0) if must_be_refused => Err(format!("{api} of a dead process was obeyed").into()),
            Some(code) => {
                self.notes.late_codes.push(code);
                Ok(())
            }
            None if api == Api::END_TXN => Err("an answer to EndTxn that cannot be read".into()),
            None => Ok(()),
        }
    }

    /// Waits for something; an engine that ends by itself meanwhile is started again, as a supervisor does.
    pub(super) fn supervise(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> Result<(), Failed> {
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

    /// The same for a while.
    pub(super) fn supervise_for(&mut self, time: Duration) -> Result<(), Failed> {
        let begun = self.clock.elapsed();
        self.supervise(|rig| {
            rig.clock.sleep(TURN);
            rig.clock.elapsed().saturating_sub(begun) > time
        })
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
pub(super) const TURN: Duration = Duration::from_millis(200);

/// Longer than records wait for a broker (two minutes) and a commit of offsets is retried (two more), so that
/// a hang is told from patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A broker that is up answers in less.
const ANSWER_TIME: Duration = Duration::from_secs(15);

/// The exit code of a run that ends by a failure that the next start may mend.
pub(super) const RUNTIME_FAILURE: i32 = 3;

/// A supervisor that starts it more often than that in one plan hides something.
const EXITS_MAX: u32 = 20;
