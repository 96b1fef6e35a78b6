//! The plans, as data: what is done to the engine, how often, what it needs, and what must hold. In every one
//! of them the output must be the oracle's at the end: see `judge.rs`.

use std::time::Duration;

use wellstream_core::rules::JoinMode;
use wellstream_replay::faults::{Action, Api, Direction, Rule};

/// One plan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// What must hold, besides the output.
    pub(crate) holds: &'static str,
    pub(crate) join: JoinMode,
    pub(crate) outer: bool,
    pub(crate) needs: Needs,
    /// How often, small and full; 0: not in that size.
    pub(crate) times: [u32; 2],
    pub(crate) act: Act,
}

/// What the engine must offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Either delivery; the judge knows which.
    Any,
    /// Transactions.
    ExactlyOnce,
    /// Either delivery; brokers that leaders can move between.
    Cluster,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// kill -9 at random moments.
    Kills,
    /// kill -9 behind the first rows of each start, so that every recovery is measured.
    Recovery,
    /// kill -9 when the proxy has this frame.
    Aimed(Target, Moment),
    /// Frozen for longer than a transaction may last, while another instance takes over; then it goes on.
    Zombie,
    /// The same alone, with a transaction open.
    Frozen,
    /// A frame meets its fate, and the engine has to live with it.
    Fate(Target, Direction, Fate),
    /// The broker goes by this verb of `scripts/services` when it has answered this, and comes back.
    Broker(&'static str, Target),
    /// A node of the cluster goes by this verb when that was answered; leaders move, and move back when it is
    /// there again.
    Leaders(&'static str, Target),
    /// Connections are cut at random, as often as that per frame.
    Cuts(f64),
    /// No transaction can be ended: the engine has to say so and go.
    Stuck,
}

/// A frame by what it is for; which API that is depends on the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Rows and alarms.
    Produce,
    /// The input offsets.
    Offsets,
    /// What makes an epoch final: with at-least-once the offsets.
    Commit,
    /// What ends a transaction that cannot be committed: its offsets were refused first.
    Abort,
    /// The first word of a producer with transactions.
    Init,
}

impl Target {
    pub(crate) fn api(self, is_exactly_once: bool) -> Api {
        match (self, is_exactly_once) {
            (Target::Produce, _) => Api::PRODUCE,
            (Target::Init, _) => Api::INIT_PRODUCER_ID,
            (Target::Offsets, true) => Api::TXN_OFFSET_COMMIT,
            (Target::Commit | Target::Abort, true) => Api::END_TXN,
            (_, false) => Api::OFFSET_COMMIT,
        }
    }

    /// The n-th frame of this kind, and what is done to it.
    pub(crate) fn rule(self, is_exactly_once: bool, way: Direction, nth: u64, action: Action) -> Rule {
        let rule = Rule::nth(self.api(is_exactly_once), way, nth, action);
        match self {
            Target::Commit if is_exactly_once => rule.of_end(true),
            Target::Abort => rule.of_end(false),
            _ => rule,
        }
    }
}

/// When a process is killed. What is held is then lost, or, by the seed, a request arrives late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request is held: the broker has not seen it.
    Asked,
    /// The reply is held: the broker has obeyed.
    Done,
    /// The reply has just been delivered.
    Told,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The proxy does that, and no more.
    Plain(Action),
    /// It goes on when the next transaction has begun.
    AfterTheNext,
}

use Direction::{Reply, Request};
use Fate::AfterTheNext;
use JoinMode::{All, Nearest};
use Moment::{Asked, Done, Told};
use Target::{Abort, Commit, Init, Offsets, Produce};

const fn plan(name: &'static str, times: [u32; 2], act: Act, holds: &'static str) -> Plan {
    Plan { name, holds, join: All, outer: false, needs: Needs::Any, times, act }
}

const fn exact(plan: Plan) -> Plan {
    Plan { needs: Needs::ExactlyOnce, ..plan }
}

const fn outer(join: JoinMode, plan: Plan) -> Plan {
    Plan { join, outer: true, ..plan }
}

const fn aimed(name: &'static str, times: [u32; 2], of: Target, moment: Moment) -> Plan {
    plan(name, times, Act::Aimed(of, moment), "rows come again; what comes late changes nothing")
}

const fn fate(name: &'static str, times: [u32; 2], of: Target, way: Direction, fate: Fate) -> Plan {
    plan(name, times, Act::Fate(of, way, fate), "it goes on by itself, rows come again")
}

const fn broker(name: &'static str, times: [u32; 2], verb: &'static str, behind: Target) -> Plan {
    plan(name, times, Act::Broker(verb, behind), "rows come again")
}

const fn leaders(name: &'static str, times: [u32; 2], verb: &'static str, behind: Target) -> Plan {
    let plan = plan(name, times, Act::Leaders(verb, behind), "it goes on by itself, rows come again");
    Plan { needs: Needs::Cluster, ..plan }
}

/// Within what clients wait for a reply: three seconds.
const LATE: Fate = Fate::Plain(Action::Delay(Duration::from_secs(2)));
const LOST: Fate = Fate::Plain(Action::Drop);
const CUT: Fate = Fate::Plain(Action::Cut);

/// All of them, in the order in which they run.
pub(crate) const PLANS: &[Plan] = &[
    plan("kills-all", [2, 34], Act::Kills, "rows come again after each start"),
    outer(Nearest, plan("kills-nearest-outer", [2, 33], Act::Kills, "the same, where W decides rows")),
    outer(All, plan("kills-alarms", [1, 33], Act::Kills, "the same, where W decides alarms late")),
    plan("recovery", [0, 20], Act::Recovery, "rows come within a minute; how soon is printed"),
    aimed("aimed-produce", [0, 5], Produce, Asked),
    aimed("aimed-produced", [1, 5], Produce, Done),
    aimed("aimed-offsets", [1, 5], Offsets, Asked),
    aimed("aimed-offsets-taken", [1, 5], Offsets, Done),
    exact(aimed("aimed-commit", [1, 5], Commit, Asked)),
    exact(aimed("aimed-committed", [1, 5], Commit, Done)),
    aimed("aimed-committed-told", [1, 5], Commit, Told),
    exact(aimed("aimed-abort", [0, 3], Abort, Asked)),
    exact(aimed("aimed-aborted", [0, 3], Abort, Done)),
    exact(aimed("aimed-init", [0, 2], Init, Asked)),
    exact(aimed("aimed-inited", [0, 2], Init, Done)),
    exact(outer(Nearest, aimed("aimed-commit-outer", [0, 5], Commit, Asked))),
    exact(outer(Nearest, aimed("aimed-committed-outer", [1, 5], Commit, Done))),
    outer(Nearest, aimed("aimed-produced-outer", [0, 5], Produce, Done)),
    exact(outer(All, aimed("aimed-commit-alarms", [1, 5], Commit, Asked))),
    exact(outer(All, aimed("aimed-committed-alarms", [0, 5], Commit, Done))),
    outer(All, aimed("aimed-produced-alarms", [0, 5], Produce, Done)),
    exact(plan("zombie", [1, 3], Act::Zombie, "it is fenced, says so and ends; the other goes on")),
    exact(plan(
        "frozen",
        [1, 3],
        Act::Frozen,
        "its transaction is gone: it begins anew, or says why it ends",
    )),
    fate("commit-reply-late", [0, 3], Commit, Reply, LATE),
    fate("commit-reply-lost", [0, 2], Commit, Reply, LOST),
    fate("commit-reply-cut", [1, 5], Commit, Reply, CUT),
    fate("commit-cut", [0, 5], Commit, Request, CUT),
    fate("commit-lost", [0, 2], Commit, Request, LOST),
    fate("produce-reply-cut", [0, 5], Produce, Reply, CUT),
    fate("produce-reply-lost", [0, 2], Produce, Reply, LOST),
    exact(fate("offsets-reply-cut", [0, 5], Offsets, Reply, CUT)),
    exact(fate("offsets-reply-lost", [0, 2], Offsets, Reply, LOST)),
    exact(fate("commit-after-the-next", [1, 3], Commit, Request, AfterTheNext)),
    exact(fate("commit-reply-after-the-next", [0, 3], Commit, Reply, AfterTheNext)),
    exact(fate("abort-reply-late", [0, 3], Abort, Reply, LATE)),
    exact(fate("abort-reply-lost", [0, 2], Abort, Reply, LOST)),
    exact(fate("abort-reply-cut", [1, 3], Abort, Reply, CUT)),
    exact(fate("abort-cut", [0, 3], Abort, Request, CUT)),
    exact(fate("abort-lost", [0, 2], Abort, Request, LOST)),
    exact(fate("abort-after-the-next", [1, 3], Abort, Request, AfterTheNext)),
    exact(fate("abort-reply-after-the-next", [0, 2], Abort, Reply, AfterTheNext)),
    plan("cuts", [1, 6], Act::Cuts(0.004), "rows come again"),
    broker("broker-killed", [1, 5], "kill", Produce),
    exact(broker("broker-killed-offsets", [0, 3], "kill", Offsets)),
    exact(broker("broker-killed-commit", [0, 3], "kill", Commit)),
    broker("broker-restarted", [0, 5], "stop", Produce),
    exact(broker("broker-restarted-commit", [0, 3], "stop", Commit)),
    exact(plan("stuck", [0, 2], Act::Stuck, "reported, then a clear exit")),
    leaders("leaders-moved", [0, 5], "stop", Produce),
    leaders("leaders-killed", [1, 5], "kill", Produce),
    leaders("leaders-moved-commit", [0, 5], "stop", Commit),
    outer(Nearest, leaders("leaders-killed-commit-outer", [0, 5], "kill", Commit)),
];
