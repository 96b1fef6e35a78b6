//! What becomes of which frame: rules as data, and how they are applied.

use std::time::Duration;

use super::Api;

/// What is done to the frames that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Frames of this API; `None`: of any.
    pub api: Option<Api>,
    /// Requests, or replies.
    pub direction: Direction,
    /// Which of them, counted over all connections since the rule was added.
    pub when: When,
    /// What is done.
    pub action: Action,
    /// Only of clients that call themselves so; `None`: of all.
    pub client: Option<String>,
    /// Only ends of transactions that commit (true) or abort (false), and replies to these.
    pub commit: Option<bool>,
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the broker.
    Request,
    /// From the broker to the client.
    Reply,
}

/// Which of the frames that fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// The n-th one, from 1, and no other.
    Nth(u64),
    /// Every one.
    Each,
    /// Each with this probability, drawn from a seed: the draws are the same each time, which frame meets
    /// which draw is up to the client's threads.
    Chance {
        /// From 0 to 1.
        probability: f64,
        /// Of the draws.
        seed: u64,
    },
}

/// What is done to a frame. Frames behind it on its connection wait meanwhile, as TCP keeps their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is passed on this much later.
    Delay(Duration),
    /// It is passed on when the rule is released: a request also where its client has gone meanwhile.
    Hold,
    /// The connection ends instead: before the broker has seen a request, after it has obeyed where it is
    /// the reply.
    Cut,
    /// It is swallowed, and the connection stays open: the client waits in vain.
    Drop,
    /// The reply says this error code instead of what the broker said, which has obeyed. Of offsets in a
    /// transaction only; any other reply ends its connection.
    Refuse(i16),
}

impl Rule {
    /// The n-th frame, from 1.
    #[must_use]
    pub fn nth(api: Api, direction: Direction, nth: u64, action: Action) -> Rule {
        Rule { api: Some(api), direction, when: When::Nth(nth), action, client: None, commit: None }
    }

    /// Every frame.
    #[must_use]
    pub fn each(api: Api, direction: Direction, action: Action) -> Rule {
        Rule { when: When::Each, ..Rule::nth(api, direction, 0, action) }
    }

    /// Frames of any API, each with this probability.
    #[must_use]
    pub fn any(direction: Direction, probability: f64, seed: u64, action: Action) -> Rule {
        let when = When::Chance { probability, seed };
        Rule { api: None, direction, when, action, client: None, commit: None }
    }

    /// Only frames of a client that calls itself so.
    #[must_use]
    pub fn of_client(self, client: &str) -> Rule {
        Rule { client: Some(client.to_owned()), ..self }
    }

    /// Only ends of transactions that commit, or that abort.
    #[must_use]
    pub fn of_end(self, commit: bool) -> Rule {
        Rule { commit: Some(commit), ..self }
    }
}

/// What a rule knows a frame by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind<'a> {
    pub(super) api: Api,
    pub(super) direction: Direction,
    pub(super) client: Option<&'a str>,
    /// Of an end of a transaction: whether it commits.
    pub(super) commit: Option<bool>,
}

/// A rule at work.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) rule: Rule,
    /// Frames that fitted.
    seen: u64,
    /// Frames to which the action was done.
    pub(super) fired: u64,
    /// Frames that are held now.
    pub(super) holding: usize,
    /// Holds no more.
    pub(super) released: bool,
    /// Frames that it held or delayed and that have gone on since.
    pub(super) passed: u64,
    /// Replies among them whose client had closed its connection.
    pub(super) too_late: u64,
    /// How requests that it held were answered.
    pub(super) answers: Vec<Option<i16>>,
    draws: fastrand::Rng,
}

impl Armed {
    pub(super) fn new(rule: Rule) -> Armed {
        let seed = if let When::Chance { seed, .. } = rule.when { seed } else { 0 };
        let draws = fastrand::Rng::with_seed(seed);
        let answers = Vec::new();
        Armed { rule, seen: 0, fired: 0, holding: 0, released: false, passed: 0, too_late: 0, answers, draws }
    }

    /// Whether it is this frame's turn.
    pub(super) fn fires(&mut self, kind: Kind<'_>) -> bool {
        let Rule { api, direction, client, commit, .. } = &self.rule;
        let fits = api.is_none_or(|api| api == kind.api)
            && *direction == kind.direction
            && client.as_deref().is_none_or(|client| Some(client) == kind.client)
            && commit.is_none_or(|commit| Some(commit) == kind.commit)
            && !(self.released && self.rule.action == Action::Hold);
        if !fits {
            return false;
        }
        self.seen += 1;
        let fires = match self.rule.when {
            When::Nth(nth) => self.seen == nth,
            When::Each => true,
            When::Chance { probability, .. } => self.draws.f64() < probability,
        };
        self.fired += u64::from(fires);
        fires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(rule: Rule, frames: &[(Api, Direction, Option<&str>)]) -> Vec<usize> {
        let mut armed = Armed::new(rule);
        let kind = |(api, direction, client)| Kind { api, direction, client, commit: None };
        let places = frames.iter().enumerate();
        places.filter(|(_, frame)| armed.fires(kind(**frame))).map(|(place, _)| place).collect()
    }

    #[test]
    fn an_abort_is_told_from_a_commit() {
        let mut armed = Armed::new(Rule::nth(Api::END_TXN, Direction::Reply, 2, Action::Cut).of_end(false));
        let ends = [Some(true), Some(false), None, Some(true), Some(false), Some(false)];
        let kind = |commit| Kind { api: Api::END_TXN, direction: Direction::Reply, client: None, commit };
        assert_eq!(ends.map(|commit| armed.fires(kind(commit))), [false, false, false, false, true, false]);
    }

    #[test]
    fn the_nth_frame_that_fits_and_no_other() {
        use Direction::{Reply, Request};
        let frames = [
            (Api::PRODUCE, Request, Some("a")),
            (Api::PRODUCE, Reply, Some("a")),
            (Api::END_TXN, Request, Some("a")),
            (Api::PRODUCE, Request, Some("b")),
            (Api::PRODUCE, Request, Some("a")),
            (Api::PRODUCE, Request, None),
        ];
        assert_eq!(fired(Rule::nth(Api::PRODUCE, Request, 2, Action::Cut), &frames), [3]);
        assert_eq!(fired(Rule::nth(Api::PRODUCE, Request, 2, Action::Cut).of_client("a"), &frames), [4]);
        assert_eq!(fired(Rule::each(Api::PRODUCE, Request, Action::Cut), &frames), [0, 3, 4, 5]);
        assert_eq!(fired(Rule::any(Request, 1.0, 1, Action::Cut), &frames), [0, 2, 3, 4, 5]);
    }

    #[test]
    fn draws_come_from_the_seed() {
        let frames = vec![(Api::FETCH, Direction::Reply, None); 1_000];
        let draw = |seed| fired(Rule::any(Direction::Reply, 0.1, seed, Action::Cut), &frames);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((50..200).contains(&draw(7).len()), "{}", draw(7).len());
    }
}
