//! The plans, as data: what is done to the engine, how often, what it needs, and what must hold. In every one
//! of them the output must be the oracle's at the end: see `judge.rs`.

use std::time::Duration;

use wellstream_core::rules::JoinMode;
use wellstream_replay::faults::{Action, Api, Direction};

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
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// kill -9 at random moments.
    Kills,
    /// kill -9 while the proxy holds a frame: then it is lost, or arrives late, by the seed.
    Aimed(Target, Direction),
    /// Frozen for longer than a transaction may last, while another instance takes over; then it goes on.
    Zombie,
    /// A frame meets its fate, and the engine has to live with it; first, if given, a reply to something else
    /// is lost, so that the transaction cannot be committed.
    Fate { of: Target, direction: Direction, fate: Fate, first: Option<Target> },
    /// The broker goes by this verb of `scripts/services`, and comes back.
    Broker(&'static str),
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
    /// The first word of a producer with transactions.
    Init,
}

impl Target {
    pub(crate) fn api(self, is_exactly_once: bool) -> Api {
        match (self, is_exactly_once) {
            (Target::Produce, _) => Api::PRODUCE,
            (Target::Init, _) => Api::INIT_PRODUCER_ID,
            (Target::Offsets, true) => Api::TXN_OFFSET_COMMIT,
            (Target::Commit, true) => Api::END_TXN,
            (Target::Offsets | Target::Commit, false) => Api::OFFSET_COMMIT,
        }
    }
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The proxy does that, and no more.
    Plain(Action),
    /// It arrives when the next transaction has begun.
    AfterTheNext,
}

use Direction::{Reply, Request};
use JoinMode::{All, Nearest};

const fn plan(name: &'static str, times: [u32; 2], act: Act, holds: &'static str) -> Plan {
    Plan { name, holds, join: All, outer: false, needs: Needs::Any, times, act }
}

const fn exact(plan: Plan) -> Plan {
    Plan { needs: Needs::ExactlyOnce, ..plan }
}

const fn outer(join: JoinMode, plan: Plan) -> Plan {
    Plan { join, outer: true, ..plan }
}

const fn fate(of: Target, direction: Direction, fate: Fate) -> Act {
    Act::Fate { of, direction, fate, first: None }
}

/// Longer than any client waits for a reply.
const LONG: Fate = Fate::Plain(Action::Delay(Duration::from_secs(20)));
const LOST: Fate = Fate::Plain(Action::Drop);
const CUT: Fate = Fate::Plain(Action::Cut);

/// All of them, in the order in which they run.
pub(crate) const PLANS: &[Plan] = &[
    plan("kills-all", [2, 34], Act::Kills, "rows come again after each start"),
    outer(Nearest, plan("kills-nearest-outer", [2, 33], Act::Kills, "the same, where W decides rows")),
    outer(All, plan("kills-alarms", [1, 33], Act::Kills, "the same, where W decides alarms late")),
    plan("aimed-produce", [0, 5], Act::Aimed(Target::Produce, Request), "killed before the rows"),
    plan("aimed-produced", [1, 5], Act::Aimed(Target::Produce, Reply), "killed after the rows"),
    plan("aimed-offsets", [1, 5], Act::Aimed(Target::Offsets, Request), "killed before the offsets"),
    plan("aimed-offsets-taken", [1, 5], Act::Aimed(Target::Offsets, Reply), "killed after the offsets"),
    exact(plan("aimed-commit", [1, 5], Act::Aimed(Target::Commit, Request), "killed before the commit")),
    exact(plan("aimed-committed", [1, 5], Act::Aimed(Target::Commit, Reply), "killed after the commit")),
    exact(plan("aimed-init", [0, 2], Act::Aimed(Target::Init, Request), "killed while it fences")),
    exact(plan("aimed-inited", [0, 2], Act::Aimed(Target::Init, Reply), "killed once it has fenced")),
    exact(outer(
        Nearest,
        plan("aimed-committed-outer", [0, 5], Act::Aimed(Target::Commit, Reply), "as aimed-committed"),
    )),
    exact(plan("zombie", [1, 3], Act::Zombie, "the zombie is fenced and ends; the other goes on")),
    plan("commit-reply-late", [0, 2], fate(Target::Commit, Reply, LONG), "rows come again"),
    plan("commit-reply-lost", [0, 2], fate(Target::Commit, Reply, LOST), "rows come again"),
    plan("commit-reply-cut", [1, 5], fate(Target::Commit, Reply, CUT), "rows come again"),
    plan("commit-cut", [0, 5], fate(Target::Commit, Request, CUT), "rows come again"),
    plan("commit-lost", [0, 2], fate(Target::Commit, Request, LOST), "rows come again"),
    plan("produce-reply-cut", [0, 5], fate(Target::Produce, Reply, CUT), "rows come again"),
    plan("produce-reply-lost", [0, 2], fate(Target::Produce, Reply, LOST), "rows come again"),
    exact(plan("offsets-reply-cut", [0, 5], fate(Target::Offsets, Reply, CUT), "rows come again")),
    exact(plan("offsets-reply-lost", [0, 2], fate(Target::Offsets, Reply, LOST), "rows come again")),
    exact(plan(
        "commit-after-the-next",
        [1, 3],
        fate(Target::Commit, Request, Fate::AfterTheNext),
        "a commit that arrives in the next transaction changes nothing",
    )),
    exact(plan(
        "commit-reply-after-the-next",
        [0, 3],
        fate(Target::Commit, Reply, Fate::AfterTheNext),
        "a reply that arrives in the next transaction is not taken for its own",
    )),
    exact(plan(
        "abort-reply-lost",
        [0, 3],
        Act::Fate { of: Target::Commit, direction: Reply, fate: LOST, first: Some(Target::Offsets) },
        "rows come again",
    )),
    exact(plan(
        "abort-reply-cut",
        [1, 3],
        Act::Fate { of: Target::Commit, direction: Reply, fate: CUT, first: Some(Target::Offsets) },
        "rows come again",
    )),
    plan("cuts", [1, 6], Act::Cuts(0.004), "rows come again"),
    plan("broker-killed", [1, 5], Act::Broker("kill"), "rows come again"),
    plan("broker-restarted", [0, 5], Act::Broker("stop"), "rows come again"),
    exact(plan("stuck", [0, 2], Act::Stuck, "reported, then a clear exit")),
];
