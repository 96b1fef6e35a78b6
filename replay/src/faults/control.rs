//! The proxy's handle: rules added and taken away while frames pass, what they hold, what has passed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use wellstream_connectors::machine_clock::Deadline;

use super::Api;
use super::link::Link;
use super::rule::{Action, Armed, Direction, Kind, Rule};
use crate::limits::{PROXY_CONNECTIONS_MAX, PROXY_REQUESTS_MAX, PROXY_RULES_MAX};

/// A rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// What a proxy is told, and what it tells. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    // Woken when something is held, released, fired or closed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By number, so the oldest first: that one decides where several fit.
    rules: BTreeMap<RuleId, Armed>,
    rules_ever: u64,
    /// Frames and their bytes.
    frames: BTreeMap<(Api, Direction), (u64, u64)>,
    links: Vec<Weak<Link>>,
    cuts: u64,
    closed: bool,
}

/// What is to be done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    Pass,
    Delay(RuleId, Duration),
    Hold(RuleId),
    Cut,
    Drop,
    Refuse(i16),
}

impl Faults {
    /// Adds a rule. Beyond a thousand the oldest one goes.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut state = self.lock();
        if state.rules.len() >= PROXY_RULES_MAX {
            state.rules.pop_first();
        }
        state.rules_ever += 1;
        let id = RuleId(state.rules_ever);
        state.rules.insert(id, Armed::new(rule));
        self.shared.changed.notify_all();
        id
    }

    /// Takes a rule away. What it holds is passed on.
    pub fn remove(&self, id: RuleId) {
        self.lock().rules.remove(&id);
        self.shared.changed.notify_all();
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.lock().rules.clear();
        self.shared.changed.notify_all();
    }

    /// Passes on what a rule holds; it holds nothing from now on.
    pub fn release(&self, id: RuleId) {
        if let Some(armed) = self.lock().rules.get_mut(&id) {
            armed.released = true;
        }
        self.shared.changed.notify_all();
    }

    /// Waits until a rule holds a frame: whether it does.
    pub fn await_held(&self, id: RuleId, time_max: Duration) -> bool {
        self.wait(time_max, |state| state.rules.get(&id).is_some_and(|armed| armed.holding > 0))
    }

    /// Waits until a rule has acted: whether it has.
    pub fn await_fired(&self, id: RuleId, time_max: Duration) -> bool {
        self.wait(time_max, |state| state.rules.get(&id).is_some_and(|armed| armed.fired > 0))
    }

    /// Waits until a rule has passed on what it held or delayed: whether it has.
    pub fn await_passed(&self, id: RuleId, time_max: Duration) -> bool {
        self.wait(time_max, |state| state.rules.get(&id).is_some_and(|armed| armed.passed > 0))
    }

    /// Waits until the broker has answered a request that a rule held: the error code, where it is the end of
    /// a transaction that was answered. `None`: no answer in time.
    pub fn await_answer(&self, id: RuleId, time_max: Duration) -> Option<Option<i16>> {
        self.wait(time_max, |state| state.rules.get(&id).is_some_and(|armed| !armed.answers.is_empty()));
        self.lock().rules.get(&id).and_then(|armed| armed.answers.first().copied())
    }

    /// Replies that a rule held or delayed until their client had closed its connection.
    pub fn too_late(&self, id: RuleId) -> u64 {
        self.lock().rules.get(&id).map_or(0, |armed| armed.too_late)
    }

    /// Waits until so many frames have passed since the start: whether they have.
    pub fn await_frames(&self, api: Api, direction: Direction, frames: u64, time_max: Duration) -> bool {
        self.wait(time_max, |state| state.passed(api, direction).0 >= frames)
    }

    /// How many frames a rule has acted upon; 0 where it is gone.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.lock().rules.get(&id).map_or(0, |armed| armed.fired)
    }

    /// How many frames of a kind came since the start, whatever became of them.
    pub fn frames(&self, api: Api, direction: Direction) -> u64 {
        self.lock().passed(api, direction).0
    }

    /// What these frames held, bytes, their lengths included.
    pub fn bytes(&self, api: Api, direction: Direction) -> u64 {
        self.lock().passed(api, direction).1
    }

    /// Cuts every connection there is; new ones may come. How many there were.
    pub fn cut_all(&self) -> usize {
        let links = std::mem::take(&mut self.lock().links);
        let alive: Vec<_> = links.iter().filter_map(Weak::upgrade).collect();
        alive.iter().for_each(|link| link.cut());
        self.lock().cuts += alive.len() as u64;
        alive.len()
    }

    /// Connections that rules, or `cut_all`, have cut.
    pub fn cuts(&self) -> u64 {
        self.lock().cuts
    }

    /// Takes note of a frame: what is to be done with it.
    pub(super) fn judge(&self, kind: Kind<'_>, bytes: usize) -> Doom {
        let mut state = self.lock();
        let passed = state.frames.entry((kind.api, kind.direction)).or_default();
        *passed = (passed.0 + 1, passed.1 + bytes as u64);
        let mut doom = Doom::Pass;
        for (id, armed) in &mut state.rules {
            // Every rule counts what fits it; the first that acts decides.
            if armed.fires(kind) && doom == Doom::Pass {
                doom = match armed.rule.action {
                    Action::Delay(time) => Doom::Delay(*id, time),
                    Action::Hold => Doom::Hold(*id),
                    Action::Cut => Doom::Cut,
                    Action::Drop => Doom::Drop,
                    Action::Refuse(code) => Doom::Refuse(code),
                };
            }
        }
        state.cuts += u64::from(doom == Doom::Cut);
        self.shared.changed.notify_all();
        doom
    }

    /// Waits as long as a frame must: nothing for most.
    ///
    /// # Errors
    /// The proxy has ended meanwhile: what was kept back goes nowhere.
    pub(super) fn wait_out(&self, doom: Doom) -> io::Result<()> {
        match doom {
            Doom::Delay(_, time) => {
                self.wait(time, |_| false);
            }
            Doom::Hold(id) => self.hold(id),
            Doom::Pass | Doom::Cut | Doom::Drop | Doom::Refuse(_) => return Ok(()),
        }
        if self.is_closed() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// What a rule kept back has gone on; `too_late`: to nobody.
    pub(super) fn passed_on(&self, doom: Doom, too_late: bool) {
        let (Doom::Delay(id, _) | Doom::Hold(id)) = doom else { return };
        if let Some(armed) = self.lock().rules.get_mut(&id) {
            armed.passed += 1;
            armed.too_late += u64::from(too_late);
        }
        self.shared.changed.notify_all();
    }

    /// A request that a rule held was answered.
    pub(super) fn answered(&self, id: RuleId, code: Option<i16>) {
        if let Some(armed) = self.lock().rules.get_mut(&id)
            && armed.answers.len() < PROXY_REQUESTS_MAX
        {
            armed.answers.push(code);
        }
        self.shared.changed.notify_all();
    }

    fn hold(&self, id: RuleId) {
        let mut state = self.lock();
        if let Some(armed) = state.rules.get_mut(&id) {
            armed.holding += 1;
        }
        self.shared.changed.notify_all();
        while !state.closed && state.rules.get(&id).is_some_and(|armed| !armed.released) {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(armed) = state.rules.get_mut(&id) {
            armed.holding -= 1;
        }
    }

    /// Knows a connection from now on; `false`: there are too many, or the proxy ends.
    pub(super) fn enter(&self, link: &Arc<Link>) -> bool {
        let mut state = self.lock();
        state.links.retain(|link| link.strong_count() > 0);
        let welcome = !state.closed && state.links.len() < PROXY_CONNECTIONS_MAX;
        if welcome {
            state.links.push(Arc::downgrade(link));
        }
        welcome
    }

    /// Ends every wait and every connection, for good.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_all();
        self.cut_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn wait(&self, time_max: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let deadline = Deadline::after(time_max);
        let mut state = self.lock();
        loop {
            // Whoever holds something still may not have heard that it is over.
            if state.closed {
                return false;
            }
            if holds(&state) {
                return true;
            }
            if deadline.passed() {
                return false;
            }
            let woken = self.shared.changed.wait_timeout(state, deadline.left());
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn passed(&self, api: Api, direction: Direction) -> (u64, u64) {
        self.frames.get(&(api, direction)).copied().unwrap_or_default()
    }
}
