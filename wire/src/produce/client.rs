//! A producer's state over connections: one to each leader, and one to each coordinator beside it, so that an
//! end of a transaction does not stand behind megabytes.
//!
//! [`Producer::poll`] is the duty cycle. It waits for no answer; only where a connection must be made, or
//! leaders and coordinators are asked for anew, does it block, within the time-outs of its [`ClientOptions`].
//!
//! [`ClientOptions`]: crate::connection::ClientOptions

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::Clock;
use crate::cluster::{Cluster, CoordinatorOf};
use crate::connection::Connection;
use crate::error::WireError;

use super::call::{Call, Target};
use super::codec::{self, Waiting};
use super::settings::ns;
use super::slot::Pauses;
use super::state::ProducerState;

/// A producer with its connections.
#[derive(Debug)]
pub struct Producer {
    pub(super) cluster: Cluster,
    pub(super) state: ProducerState,
    group: String,
    pub(super) topics: Vec<String>,
    links: HashMap<(i32, Part), Link>,
    /// Of the transaction, of the group.
    coordinators: HashMap<Target, i32>,
    leaders: Vec<Option<i32>>,
    /// Between two questions for leaders.
    refreshes: Pauses,
    /// Whether it has had an identity.
    pub(super) was_ready: bool,
    /// Since when we are refused.
    refused_ns: Option<u64>,
    /// The last that went wrong with a connection.
    pub(super) last_error: Option<WireError>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Data,
    Coordination,
}

#[derive(Debug, Default)]
struct Link {
    connection: Option<Connection>,
    waiting: VecDeque<Waiting>,
    /// When the last answer came; later where the broker said that it will not listen until then.
    heard_ns: u64,
    pauses: Pauses,
}

impl Producer {
    pub(super) fn new(cluster: Cluster, state: ProducerState, group: &str, topics: Vec<String>) -> Producer {
        Producer {
            cluster,
            state,
            group: group.to_owned(),
            topics,
            links: HashMap::new(),
            coordinators: HashMap::new(),
            leaders: Vec::new(),
            refreshes: Pauses::default(),
            was_ready: false,
            refused_ns: None,
            last_error: None,
        }
    }

    /// What it knows and decides.
    #[must_use]
    pub fn state(&self) -> &ProducerState {
        &self.state
    }

    /// The same, to be changed.
    pub fn state_mut(&mut self) -> &mut ProducerState {
        &mut self.state
    }

    /// One duty cycle: takes what has come, sends what is to be sent. Returns how many requests and answers
    /// that were.
    pub fn poll(&mut self, clock: &dyn Clock) -> usize {
        self.state.slept(clock.slept_ns());
        // What is too late is so by a time behind which it was looked for: a process that was frozen finds
        // the answers that came meanwhile.
        let now_ns = clock.now_ns();
        let mut done = self.receive(clock);
        self.look_up(clock);
        loop {
            let leaders = &self.leaders;
            let Some(call) = self.state.next_call(now_ns, |place| leaders.get(place).copied().flatten())
            else {
                break;
            };
            self.send(call, clock);
            done += 1;
        }
        done
    }

    /// Waits until there may be something to do, at most this long.
    pub fn wait(&mut self, time_max: Duration, clock: &dyn Clock) {
        let now_ns = clock.now_ns();
        let next_ns = self.state.next_ns(now_ns).saturating_sub(now_ns);
        let time = time_max.min(Duration::from_nanos(next_ns)).max(WAIT_MIN);
        let busy = self.links.values().filter(|link| !link.waiting.is_empty()).count();
        // One of several sockets is waited for, so not for long.
        let time = if busy > 1 { time.min(WAIT_OF_MANY) } else { time };
        let mut links = self.links.values_mut().filter(|link| !link.waiting.is_empty());
        match links.next().and_then(|link| link.connection.as_mut()) {
            // An error shows in the next cycle, too.
            Some(connection) => drop(connection.wait(time)),
            None => clock.pause(time),
        }
    }

    fn receive(&mut self, clock: &dyn Clock) -> usize {
        let settings = &self.state.settings;
        // Megabytes may be on their way to a leader, whose answers take as long as its network and quotas ask
        // for: it is silent only if no answer comes at all.
        let data_ns = ns(settings.request_timeout.min(settings.delivery_timeout));
        let coordination_ns = ns(self.cluster.options().request_timeout);
        let (mut done, now_ns) = (0, clock.now_ns());
        for ((_, part), link) in &mut self.links {
            let Some(connection) = &mut link.connection else { continue };
            let failed = loop {
                match connection.poll() {
                    Ok(Some(reply)) => {
                        let Some(waiting) = link.waiting.pop_front() else { continue };
                        debug_assert_eq!(waiting.id, reply.id, "answers come in the order of the requests");
                        match codec::read(&self.state, &waiting, reply.frame) {
                            Ok((answer, throttle)) => {
                                link.heard_ns = now_ns.saturating_add(ns(throttle));
                                self.state.answered(waiting.ticket, &answer, now_ns);
                            }
                            Err(error) => {
                                link.waiting.push_front(waiting);
                                break Some(error);
                            }
                        }
                        done += 1;
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            let request_ns = if *part == Part::Data { data_ns } else { coordination_ns };
            let since_ns = link.waiting.front().map_or(now_ns, |oldest| oldest.sent_ns.max(link.heard_ns));
            if failed.is_none() && now_ns.saturating_sub(since_ns) < request_ns {
                continue;
            }
            let error = failed.unwrap_or_else(|| {
                let waited_ms = request_ns / 1_000_000;
                let (broker, api) = (connection.address().clone(), "a producer's request".to_owned());
                WireError::TimedOut { broker, api, waited_ms }
            });
            self.state.heard(error.to_string());
            self.last_error = Some(error);
            link.connection = None;
            link.pauses.next(now_ns, &self.state.settings);
            for waiting in std::mem::take(&mut link.waiting) {
                self.state.lost(waiting.ticket, now_ns);
            }
        }
        done
    }

    /// Asks for leaders where they may have moved; forgets coordinators that may have.
    fn look_up(&mut self, clock: &dyn Clock) {
        let (is_stale, targets) = self.state.take_stale();
        for target in targets {
            self.coordinators.remove(&target);
        }
        if !is_stale && !self.leaders.is_empty() {
            return;
        }
        let now_ns = clock.now_ns();
        if !self.refreshes.over(now_ns) {
            self.state.metadata_is_stale = true;
            return;
        }
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        if let Err(error) = self.cluster.refresh(&topics, clock) {
            self.note(error);
            self.state.metadata_is_stale = true;
        }
        self.leaders.clear();
        for place in 0..self.state.queues.len() {
            let (topic, number) = self.state.partition(place);
            self.leaders.push(self.cluster.leader(topic, number).map(|leader| leader.broker));
        }
        // One that has none may have one soon, and perhaps nobody else asks for it.
        self.state.metadata_is_stale |= self.leaders.iter().any(Option::is_none);
        // What leads to the next question has not changed: not at once again.
        match !self.state.metadata_is_stale {
            true => self.refreshes = Pauses::after(now_ns, REFRESH_PAUSE),
            false => self.refreshes.next(now_ns, &self.state.settings),
        }
    }

    fn send(&mut self, call: Call, clock: &dyn Clock) {
        let (ticket, target) = (call.ticket, call.target);
        let sent = self.link_of(target, clock).and_then(|key| {
            let link = self.links.entry(key).or_default();
            let Some(connection) = &mut link.connection else { return Err(None) };
            let sent = codec::send(connection, &self.state, call, clock.now_ns());
            sent.map(|waiting| link.waiting.push_back(waiting)).map_err(Some)
        });
        let Err(error) = sent else { return };
        let now_ns = clock.now_ns();
        match error {
            // It may have gone out in part; what the connection carries fails with the next cycle.
            Some(error) if error.retry_helps() => {
                self.note(error);
                self.state.lost(ticket, now_ns);
            }
            Some(error) => {
                self.note(error.clone());
                self.state.fail(error.into());
            }
            None => self.state.unsent(ticket, now_ns),
        }
    }

    /// The connection to whoever is asked, made if there is none; an error is none where it is noted.
    fn link_of(&mut self, target: Target, clock: &dyn Clock) -> Result<(i32, Part), Option<WireError>> {
        let (broker, part) = match target {
            Target::Leader(broker) => (broker, Part::Data),
            Target::Any => (self.any().ok_or(None)?, Part::Coordination),
            Target::Transaction | Target::Group => (self.coordinator(target, clock)?, Part::Coordination),
        };
        let key = (broker, part);
        let (now_ns, settings) = (clock.now_ns(), &self.state.settings);
        let link = self.links.entry(key).or_default();
        if link.connection.is_some() {
            return Ok(key);
        }
        if !link.pauses.over(now_ns) {
            return Err(None);
        }
        let Some(found) = self.cluster.broker(broker) else {
            self.state.metadata_is_stale = true;
            link.pauses.next(now_ns, settings);
            return Err(None);
        };
        match Connection::open(&found.address, self.cluster.options(), clock) {
            Ok(connection) => {
                (link.connection, link.pauses) = (Some(connection), Pauses::default());
                Ok(key)
            }
            Err(error) => {
                link.pauses.next(clock.now_ns(), settings);
                self.state.metadata_is_stale = true;
                self.coordinators.retain(|_, coordinator| *coordinator != broker);
                self.note(error);
                Err(None)
            }
        }
    }

    /// Whether the transaction's coordinator is connected.
    pub(super) fn has_coordinator(&self) -> bool {
        let broker = self.coordinators.get(&Target::Transaction);
        let link = broker.and_then(|broker| self.links.get(&(*broker, Part::Coordination)));
        link.is_some_and(|link| link.connection.is_some())
    }

    fn any(&self) -> Option<i32> {
        self.leaders.iter().flatten().next().copied()
    }

    fn coordinator(&mut self, target: Target, clock: &dyn Clock) -> Result<i32, Option<WireError>> {
        if let Some(broker) = self.coordinators.get(&target) {
            return Ok(*broker);
        }
        let id = self.state.settings.transactional_id.clone().unwrap_or_default();
        let (of, key) = match target {
            Target::Transaction => (CoordinatorOf::Transaction, id),
            _ => (CoordinatorOf::Group, self.group.clone()),
        };
        match self.cluster.coordinator(of, &key, clock) {
            Ok(broker) => {
                self.refused_ns = None;
                self.coordinators.insert(target, broker.id);
                Ok(broker.id)
            }
            Err(error) if error.is_refusal() && self.is_final(clock.now_ns()) => Err(Some(error)),
            Err(error) => {
                self.note(error);
                Err(None)
            }
        }
    }

    /// Whether a refusal stands: at once for whoever has never got in, else once it has lasted.
    fn is_final(&mut self, now_ns: u64) -> bool {
        let since_ns = *self.refused_ns.get_or_insert(now_ns);
        !self.was_ready || now_ns.saturating_sub(since_ns) >= ns(self.state.settings.refusal_grace)
    }

    fn note(&mut self, error: WireError) {
        self.state.heard(error.to_string());
        self.last_error = Some(error);
    }
}

/// The shortest wait, so that waiting never becomes spinning.
const WAIT_MIN: Duration = Duration::from_micros(50);
/// A wait for one of several connections.
const WAIT_OF_MANY: Duration = Duration::from_micros(500);
/// Between two questions for leaders that were answered.
const REFRESH_PAUSE: Duration = Duration::from_millis(50);
