//! What is known of the cluster, asked for by an errand.

use std::sync::Arc;

use super::errand::Errand;
use crate::address::Address;
use crate::clock::{Clock, nanoseconds};
use crate::cluster::{Backoff, Cluster, TopicFacts};
use crate::connection::ClientOptions;
use crate::error::WireError;

type Asked = (Cluster, Result<(), WireError>);

/// The cluster, at hand or on an errand.
pub(super) struct Metadata {
    state: State,
    options: ClientOptions,
    wanted: bool,
    /// Not asked again before.
    at_ns: u64,
    backoff: Backoff,
}

enum State {
    AtHand(Box<Cluster>),
    Asking(Errand<Asked>),
    /// Between the two.
    Away,
}

impl Metadata {
    /// Nothing is known, and all is wanted.
    pub(super) fn new(cluster: Cluster) -> Metadata {
        let options = cluster.options().clone();
        let state = State::AtHand(Box::new(cluster));
        Metadata { state, options, wanted: true, at_ns: 0, backoff: Backoff::default() }
    }

    /// What is known may be wrong: it is asked for, after a pause that grows while this goes on.
    pub(super) fn want(&mut self, now_ns: u64) {
        if !self.wanted && matches!(self.state, State::AtHand(_)) {
            self.wanted = true;
            self.at_ns = now_ns + nanoseconds(self.backoff.pause());
        }
    }

    /// Whether nothing is to be asked.
    pub(super) fn is_settled(&self) -> bool {
        !self.wanted && matches!(self.state, State::AtHand(_))
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        self.wanted && now_ns >= self.at_ns && matches!(self.state, State::AtHand(_))
    }

    /// Sets out to ask.
    pub(super) fn ask(&mut self, names: Vec<String>, clock: &Arc<dyn Clock>, now_ns: u64) {
        let State::AtHand(mut cluster) = std::mem::replace(&mut self.state, State::Away) else { return };
        let clock = Arc::clone(clock);
        let template = cluster.bare();
        let started = Errand::start(move || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let asked = cluster.refresh(&names, &*clock);
            (*cluster, asked)
        });
        self.wanted = false;
        match started {
            Some(errand) => self.state = State::Asking(errand),
            None => {
                self.state = State::AtHand(Box::new(template));
                self.want(now_ns);
            }
        }
    }

    /// What came of it, once.
    pub(super) fn poll(&mut self) -> Option<Result<(), WireError>> {
        let State::Asking(errand) = &mut self.state else { return None };
        let (cluster, asked) = errand.poll()?;
        self.state = State::AtHand(Box::new(cluster));
        Some(asked)
    }

    /// All works: the next trouble is asked about soon.
    pub(super) fn calm(&mut self) {
        self.backoff = Backoff::default();
    }

    pub(super) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Where a broker is, while the cluster is at hand.
    pub(super) fn address(&self, broker: i32) -> Option<Address> {
        self.cluster()?.broker(broker).map(|broker| broker.address)
    }

    /// What is known of a topic.
    pub(super) fn topic(&self, name: &str) -> Option<&TopicFacts> {
        self.cluster()?.topic(name)
    }

    /// The broker that was asked, as errors name it.
    pub(super) fn broker(&self) -> Address {
        let asked = self.cluster().map(Cluster::asked).cloned();
        asked.unwrap_or_else(|| Address { host: "kafka".to_owned(), port: 0 })
    }

    fn cluster(&self) -> Option<&Cluster> {
        match &self.state {
            State::AtHand(cluster) => Some(cluster),
            State::Asking(_) | State::Away => None,
        }
    }
}
