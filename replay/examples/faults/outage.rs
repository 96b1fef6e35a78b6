//! What is done to the engine from outside: frozen, its broker away, its connections cut, its transactions
//! never ended.

use std::time::Duration;

use wellstream_replay::faults::{Action, Api, Direction, Rule};

use super::Failed;
use super::act::Rig;
use super::plan::Target;
use super::program::Program;
use super::supervise::{PATIENCE, RUNTIME_FAILURE};
use super::world::services;

impl Rig<'_> {
    pub(super) fn zombie(&mut self) -> Result<(), Failed> {
        self.engine.signal("STOP")?;
        let name = self.name();
        let other = self.world.engine(self.plan, self.settings, &name, &[])?;
        let mut zombie = self.adopt(other)?;
        self.await_rows("of the instance that took over")?;
        self.clock.sleep(FROZEN_TIME);
        zombie.signal("CONT")?;
        self.notes.said = fenced(&mut zombie)?;
        self.await_more_rows("beside the zombie")
    }

    /// With a transaction open, until its coordinator has aborted it. Whoever wakes either learns that and
    /// begins anew behind the last commit, or cannot know whether somebody else took over, says so and ends.
    pub(super) fn frozen(&mut self) -> Result<(), Failed> {
        self.hold_answer(Target::Produce, |rig, held| {
            rig.engine.signal("STOP")?;
            rig.faults.release(held);
            Ok(())
        })?;
        let exits = self.notes.exits;
        self.clock.sleep(ABORTED_TIME);
        let told_before = self.engine.log().matches(BEGINS_ANEW).count();
        self.engine.signal("CONT")?;
        self.await_more_rows("after a process that was frozen")?;
        if self.notes.exits > exits {
            return is_fenced(&self.notes.said);
        }
        match self.engine.log().matches(BEGINS_ANEW).count() > told_before {
            true => Ok(()),
            false => Err("its transaction outlived the freeze: nothing was tested".into()),
        }
    }

    /// The broker goes when it has obeyed a request and nobody has heard of it.
    pub(super) fn broker(&mut self, verb: &str, behind: Target) -> Result<(), Failed> {
        // What lay in the topics is worked off by then: more rows come of readings that are sent again.
        self.clock.sleep(Duration::from_millis(self.random.u64(2_000..3_000)));
        self.await_more_rows("before the broker goes")?;
        self.hold_answer(behind, |rig, held| {
            services(verb, "kafka")?;
            rig.faults.cut_all();
            rig.faults.remove(held);
            Ok(())
        })?;
        self.clock.sleep(Duration::from_millis(self.random.u64(0..3_000)));
        services("start", "kafka")?;
        self.await_more_rows("after the broker came back")
    }

    /// A node goes when a request has been obeyed, by it or by another one, and nobody has heard of it. Each
    /// node leads some partitions of each topic; it leads them again soon after it is back.
    pub(super) fn leaders(&mut self, verb: &str, behind: Target) -> Result<(), Failed> {
        self.await_more_rows("before a node goes")?;
        let node = if self.random.bool() { "kafka2" } else { "kafka3" };
        self.hold_answer(behind, |rig, held| {
            services(verb, node)?;
            rig.faults.release(held);
            Ok(())
        })?;
        self.await_more_rows("while a node is away")?;
        self.clock.sleep(Duration::from_millis(self.random.u64(0..3_000)));
        services("start", node)?;
        self.supervise_for(LEADERS_BACK)?;
        self.await_more_rows("after the leaders moved back")
    }

    /// Does something while the answer to a request is held: with exactly once a transaction is open.
    fn hold_answer(
        &mut self,
        to: Target,
        act: impl FnOnce(&mut Self, wellstream_replay::faults::RuleId) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let (exactly_once, nth) = (self.settings.is_exactly_once(), self.random.u64(1..20));
        let held = self.faults.add(to.rule(exactly_once, Direction::Reply, nth, Action::Hold));
        if !self.faults.await_held(held, PATIENCE) {
            let words = self.engine.last_words();
            return Err(format!("no answer to {} to hold: {words}", to.api(exactly_once)).into());
        }
        act(self, held)
    }

    pub(super) fn cuts(&mut self, probability: f64) -> Result<(), Failed> {
        let rules = [Direction::Request, Direction::Reply]
            .map(|way| self.faults.add(Rule::any(way, probability, self.random.u64(..), Action::Cut)));
        self.supervise_for(CUTS_TIME)?;
        self.faults.cut_all();
        let fired: u64 = rules.iter().map(|rule| self.faults.fired(*rule)).sum();
        for rule in rules {
            self.faults.remove(rule);
        }
        if fired == 0 {
            return Err("no connection was cut at random: nothing was tested".into());
        }
        self.await_more_rows("after the cuts")
    }

    pub(super) fn stuck(&mut self) -> Result<(), Failed> {
        let rule = self.faults.add(Rule::each(Api::END_TXN, Direction::Request, Action::Drop));
        let begun = self.clock.elapsed();
        let status = self.engine.finish(STUCK_TIME)?;
        let took_s = self.clock.elapsed().saturating_sub(begun).as_secs();
        let log = self.engine.log();
        // The line about who fetches readings, and the like, are no report.
        let is_trouble = |line: &&str| ["WARN", "ERROR", "error:"].iter().any(|word| line.contains(word));
        let reported = log.lines().filter(is_trouble).any(|line| line.to_lowercase().contains("transaction"));
        let words = self.engine.last_words();
        if status.code() != Some(RUNTIME_FAILURE) || !reported {
            let how = format!("by {status} after {took_s} s, saying {words}");
            return Err(format!("a transaction that cannot be ended ended the run {how}").into());
        }
        self.notes.said = format!("after {took_s} s: {words}");
        self.faults.remove(rule);
        self.start()?;
        self.await_rows("after a stuck transaction")
    }
}

/// Waits until a process that may no longer write has ended by exit code 3: why, in its words.
fn fenced(program: &mut Program) -> Result<String, Failed> {
    let status = program.finish(PATIENCE)?;
    let words = program.last_words();
    if status.code() != Some(RUNTIME_FAILURE) {
        return Err(format!("whoever was frozen ended by {status}, saying {words}").into());
    }
    is_fenced(&words)?;
    Ok(words)
}

/// Its last words name what was taken from it.
fn is_fenced(words: &str) -> Result<(), Failed> {
    match words.contains("transactional id") {
        true => Ok(()),
        false => Err(format!("whoever was frozen ended, saying {words}").into()),
    }
}

/// What an engine says that goes on behind an epoch that was not committed.
const BEGINS_ANEW: &str = "starting again from the committed offsets";

/// Longer than a transaction may last: 10 s.
const FROZEN_TIME: Duration = Duration::from_secs(13);

/// Coordinators look only every ten seconds for transactions that have lasted too long.
const ABORTED_TIME: Duration = Duration::from_secs(22);

/// A node is in sync again within a second or two; every five its leaders are looked for.
const LEADERS_BACK: Duration = Duration::from_secs(9);

/// Cuts at random last as long.
const CUTS_TIME: Duration = Duration::from_secs(8);

/// A stuck transaction must be told by then.
const STUCK_TIME: Duration = Duration::from_secs(300);
