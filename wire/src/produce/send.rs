//! The producer's dialogue: what is sent next, and what an answer, or its loss, changes.

use super::call::{Answer, Call, ProducerIdentity, Request, Target};
use super::error::ProduceError;
use super::queue::{Added, At};
use super::state::{Phase, ProducerState, Sent};
use super::transaction::{Control, End, spoils};
use super::verdict::{Api, Verdict, verdict};

impl ProducerState {
    /// The next request, if there is one to be sent now. `leader_of` tells the leader of a place. To be
    /// called until there is none.
    pub fn next_call(&mut self, now_ns: u64, leader_of: impl Fn(usize) -> Option<i32>) -> Option<Call> {
        self.tick(now_ns);
        self.bump();
        self.next_control(now_ns).or_else(|| self.next_produce(now_ns, leader_of))
    }

    fn next_control(&mut self, now_ns: u64) -> Option<Call> {
        let (newer, flushed) = (self.newer, self.is_flushed());
        if self.transaction.control.is_free(now_ns) {
            let in_flight = self.queues.iter().any(|queue| queue.in_flight());
            let queues = &mut self.queues;
            let control = self.transaction.next_control(newer, flushed, in_flight, || {
                let places = queues.iter_mut().enumerate();
                let new = places.filter(|(_, q)| q.added == Added::No && !q.sealed.is_empty());
                let ask = |(place, queue): (usize, &mut super::queue::PartitionQueue)| {
                    queue.added = Added::Asked;
                    place
                };
                new.map(ask).collect()
            });
            if let Some(control) = control {
                let ticket = self.ticket();
                self.transaction.control.ticket = Some(ticket);
                return Some(self.control_call(ticket, control));
            }
        }
        if self.transaction.group.is_free(now_ns) && self.transaction.next_group(newer) {
            let ticket = self.ticket();
            self.transaction.group.ticket = Some(ticket);
            self.tickets.insert(ticket, Sent::Group);
            let offsets = self.transaction.offsets.clone().unwrap_or_default();
            let request = Request::CommitOffsets(offsets);
            return Some(Call { ticket, target: Target::Group, producer: self.producer, request });
        }
        None
    }

    fn control_call(&mut self, ticket: u64, control: Control) -> Call {
        let request = match &control {
            Control::Init => Request::InitProducerId,
            Control::AddPartitions(places) => Request::AddPartitions(places.clone()),
            Control::AddOffsets => Request::AddOffsets(self.transaction.offsets.clone().unwrap_or_default()),
            Control::End { commit } => Request::EndTransaction { commit: *commit },
        };
        self.tickets.insert(ticket, Sent::Control(control));
        let target = if self.is_transactional() { Target::Transaction } else { Target::Any };
        Call { ticket, target, producer: self.producer, request }
    }

    fn next_produce(&mut self, now_ns: u64, leader_of: impl Fn(usize) -> Option<i32>) -> Option<Call> {
        let may = match self.phase() {
            Phase::Ready => !self.is_transactional() && !self.bumping,
            Phase::InTransaction | Phase::Committing => true,
            _ => false,
        };
        if !may {
            return None;
        }
        let total = self.queues.len();
        let (mut node, mut bytes, mut batches) = (None, 0, Vec::new());
        for step in 0..total {
            let place = (self.first + step) % total;
            let queue = &self.queues[place];
            let is_added = self.newer || !self.is_transactional() || queue.added == Added::Yes;
            if queue.sealed.is_empty() || !is_added {
                continue;
            }
            let Some(leader) = leader_of(place) else {
                self.metadata_is_stale = true;
                continue;
            };
            if node.is_some_and(|node| node != leader) || (node.is_none() && !self.has_room(leader)) {
                continue;
            }
            let Some(index) = queue.sendable(leader, now_ns) else { continue };
            let batch = queue.sealed[index].bytes.clone();
            if bytes + batch.len() > self.settings.request_bytes && !batches.is_empty() {
                break;
            }
            bytes += batch.len();
            node = Some(leader);
            batches.push((place, index, batch));
        }
        let node = node?;
        let ticket = self.ticket();
        // Partitions take turns where a request does not hold all of them.
        self.first = batches.last().map_or(0, |(place, ..)| place + 1);
        let places = batches.iter().map(|(place, ..)| *place).collect();
        self.tickets.insert(ticket, Sent::Produce { node, places });
        if self.is_transactional() {
            self.transaction.starts();
        }
        let sent = batches.into_iter().map(|(place, index, batch)| {
            self.queues[place].sent(index, ticket, node);
            (place, batch)
        });
        let request = Request::Produce(sent.collect());
        Some(Call { ticket, target: Target::Leader(node), producer: self.producer, request })
    }

    /// Whether one more request may be on its way to a node.
    fn has_room(&self, leader: i32) -> bool {
        let there = self
            .tickets
            .values()
            .filter(|sent| matches!(sent, Sent::Produce { node, .. } if *node == leader));
        there.count() < REQUESTS_MAX
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// A request was answered. What nobody waits for any more is ignored.
    pub fn answered(&mut self, ticket: u64, answer: &Answer, now_ns: u64) {
        match self.tickets.remove(&ticket) {
            None => {}
            Some(Sent::Produce { places, .. }) => {
                for (place, code) in places.into_iter().zip(&answer.codes) {
                    self.produced(place, ticket, *code, now_ns);
                }
            }
            Some(Sent::Group) => self.offsets_answered(&answer.codes, now_ns),
            Some(Sent::Control(control)) => self.control_answered(&control, answer, now_ns),
        }
    }

    /// A request will not be answered: its connection is gone, or it took too long. It may have done what it
    /// asked for, or may still do it.
    pub fn lost(&mut self, ticket: u64, now_ns: u64) {
        self.transaction.any_lost = true;
        let settings = &self.settings;
        match self.tickets.remove(&ticket) {
            None => {}
            Some(Sent::Produce { places, .. }) => {
                for place in places {
                    self.again(place, ticket, 0, now_ns);
                }
                self.metadata_is_stale = true;
            }
            Some(Sent::Group) => {
                self.transaction.group.free(0, true, now_ns, settings);
                self.stale.push(Target::Group);
            }
            Some(Sent::Control(control)) => {
                self.transaction.control.free(0, true, now_ns, settings);
                if let Control::End { .. } = control {
                    self.transaction.end_is_lost();
                }
                self.ask_again(&control);
                self.stale.push(Target::Transaction);
            }
        }
    }

    /// A request could not be sent: nobody has heard of it.
    pub fn unsent(&mut self, ticket: u64, now_ns: u64) {
        let any_lost = self.transaction.any_lost;
        let is_end = matches!(self.tickets.get(&ticket), Some(Sent::Control(Control::End { .. })));
        if !is_end {
            self.lost(ticket, now_ns);
            self.transaction.any_lost = any_lost;
            return;
        }
        self.tickets.remove(&ticket);
        self.transaction.control.free(0, true, now_ns, &self.settings);
        self.stale.push(Target::Transaction);
    }

    fn produced(&mut self, place: usize, ticket: u64, code: i16, now_ns: u64) {
        let Some(index) = self.queues[place].find(ticket) else { return };
        let queue = &self.queues[place];
        let is_behind = index > 0 || matches!(queue.sealed[index].at, At::InFlight { behind: true, .. });
        match verdict(Api::Produce, code) {
            Verdict::Done => {
                self.done(place, index);
                let queue = &mut self.queues[place];
                (queue.pauses, queue.is_known) = (Default::default(), true);
            }
            Verdict::Retry => self.again(place, ticket, code, now_ns),
            Verdict::Elsewhere => {
                self.metadata_is_stale = true;
                self.again(place, ticket, code, now_ns);
            }
            // One before it failed; or the broker has lost what it knew of this producer.
            Verdict::OutOfSequence if is_behind => self.again(place, ticket, code, now_ns),
            Verdict::OutOfSequence if !self.is_transactional() => {
                self.again(place, ticket, code, now_ns);
                self.bumping = true;
            }
            Verdict::TooLarge => self.too_large(place, index, code),
            Verdict::OutOfSequence | Verdict::Abort => {
                self.again(place, ticket, code, now_ns);
                self.spoil(ProduceError::Aborted { api: Api::Produce, code }, now_ns);
            }
            Verdict::Fenced if !self.is_transactional() => {
                self.again(place, ticket, code, now_ns);
                self.bumping = true;
            }
            Verdict::Fenced => self.fenced(Api::Produce, now_ns),
            Verdict::Fatal => self.refuse(place, code),
        }
    }

    fn too_large(&mut self, place: usize, index: usize, code: i16) {
        let (producer, transactional) = (self.producer, self.is_transactional());
        let compression = self.settings.compression;
        let before: usize = self.queues[place].sealed.iter().map(|batch| batch.bytes.len()).sum();
        if self.queues[place].split(index, producer, transactional, compression).is_err() {
            return self.refuse(place, code);
        }
        let after: usize = self.queues[place].sealed.iter().map(|batch| batch.bytes.len()).sum();
        self.bytes = self.bytes + after - before;
    }

    fn refuse(&mut self, place: usize, code: i16) {
        let (topic, partition) = self.partition(place);
        let place = Some((topic.to_owned(), partition));
        self.fail(ProduceError::Refused { api: Api::Produce, place, code });
    }

    /// A batch goes again, unless its transaction is given up.
    fn again(&mut self, place: usize, ticket: u64, code: i16, now_ns: u64) {
        let goes_on = matches!(self.phase(), Phase::Ready | Phase::InTransaction | Phase::Committing);
        let queue = &mut self.queues[place];
        let Some(index) = queue.find(ticket) else { return };
        if !goes_on {
            self.done(place, index);
            return;
        }
        if code != 0 {
            queue.sealed[index].last_code = code;
        }
        queue.sealed[index].at = At::Waiting;
        queue.pauses.next(now_ns, &self.settings);
    }

    /// An idempotent producer that the broker has forgotten goes on under the next epoch, once nothing of
    /// this one is on its way (KIP-360).
    fn bump(&mut self) {
        if !self.bumping || self.queues.iter().any(|queue| queue.in_flight()) {
            return;
        }
        self.bumping = false;
        match self.producer.epoch.checked_add(1).filter(|epoch| *epoch < i16::MAX) {
            Some(epoch) => self.become_producer(ProducerIdentity { epoch, ..self.producer }),
            None => {
                self.producer = ProducerIdentity::NONE;
                self.transaction.phase = Phase::Initializing;
            }
        }
    }

    fn offsets_answered(&mut self, codes: &[i16], now_ns: u64) {
        let (mut again, mut done) = (false, true);
        let first = codes.iter().copied().find(|code| *code != 0).unwrap_or(0);
        for code in codes {
            let verdict = verdict(Api::CommitOffsets, *code);
            done &= verdict == Verdict::Done;
            again |= matches!(verdict, Verdict::Retry | Verdict::Elsewhere);
            if verdict == Verdict::Elsewhere {
                self.stale.push(Target::Group);
            }
            if !self.added(Api::CommitOffsets, verdict, *code, now_ns) {
                self.transaction.group.free(first, false, now_ns, &self.settings);
                return;
            }
        }
        self.transaction.group.free(first, again, now_ns, &self.settings);
        if done {
            self.transaction.offsets_are_in();
        }
    }

    /// Whether the transaction goes on after a verdict on something that was to be added to it.
    fn added(&mut self, api: Api, verdict: Verdict, code: i16, now_ns: u64) -> bool {
        match verdict {
            Verdict::Done | Verdict::Retry | Verdict::Elsewhere => return true,
            Verdict::Fenced => self.fenced(api, now_ns),
            _ => match spoils(api, verdict, code) {
                Some(error) => self.spoil(error, now_ns),
                None => self.fail(ProduceError::Refused { api, place: None, code }),
            },
        }
        false
    }

    fn control_answered(&mut self, control: &Control, answer: &Answer, now_ns: u64) {
        let api = match control {
            Control::Init => Api::InitProducerId,
            Control::AddPartitions(_) => Api::AddPartitions,
            Control::AddOffsets => Api::AddOffsets,
            Control::End { .. } => Api::EndTransaction,
        };
        let verdicts: Vec<_> = answer.codes.iter().map(|code| verdict(api, *code)).collect();
        let again = verdicts.iter().any(|v| matches!(v, Verdict::Retry | Verdict::Elsewhere));
        if verdicts.contains(&Verdict::Elsewhere) {
            self.stale.push(Target::Transaction);
        }
        let refused = answer.codes.iter().copied().find(|code| *code != 0).unwrap_or(0);
        self.transaction.control.free(refused, again, now_ns, &self.settings);
        let (code, first) = (answer.codes.first().copied().unwrap_or(-1), verdicts.first().copied());
        match control {
            Control::Init if first == Some(Verdict::Done) => self.initialized(answer),
            Control::Init => {
                self.added(api, first.unwrap_or(Verdict::Fatal), code, now_ns);
            }
            Control::AddPartitions(places) => {
                for ((place, verdict), code) in places.iter().zip(verdicts).zip(&answer.codes) {
                    let is_in = verdict == Verdict::Done;
                    self.queues[*place].added = if is_in { Added::Yes } else { Added::No };
                    if !self.added(api, verdict, *code, now_ns) {
                        return;
                    }
                }
            }
            Control::AddOffsets => {
                let verdict = first.unwrap_or(Verdict::Fatal);
                if self.added(api, verdict, code, now_ns) && verdict == Verdict::Done {
                    self.transaction.offsets_are_added();
                }
            }
            Control::End { commit } => {
                self.end_answered(*commit, (first.unwrap_or(Verdict::Fatal), code), answer, now_ns);
            }
        }
    }

    fn initialized(&mut self, answer: &Answer) {
        if let Some(producer) = answer.producer {
            self.become_producer(producer);
        }
        self.transaction.any_lost = false;
        self.transaction.phase = Phase::Ready;
    }

    fn end_answered(&mut self, commit: bool, (verdict, code): (Verdict, i16), answer: &Answer, now_ns: u64) {
        if verdict == Verdict::Fenced {
            return self.fenced(Api::EndTransaction, now_ns);
        }
        self.transaction.ended(commit, (verdict, code), now_ns, &self.settings);
        if verdict != Verdict::Done {
            return;
        }
        for queue in &mut self.queues {
            queue.added = Added::No;
        }
        if let Some(producer) = answer.producer.filter(|producer| producer.id >= 0) {
            self.become_producer(producer);
        } else if self.transaction.any_lost && self.transaction.end == Some(End::Committed) {
            // What was lost may arrive in the next transaction, and be taken for a part of it, unless that
            // has another epoch.
            self.transaction.phase = Phase::Uninitialized;
        }
    }

    /// What was asked for and not answered is asked for again.
    fn ask_again(&mut self, control: &Control) {
        if let Control::AddPartitions(places) = control {
            for place in places {
                self.queues[*place].added = Added::No;
            }
        }
    }
}

/// Requests on their way to one node, as Java's `max.in.flight.requests.per.connection`.
const REQUESTS_MAX: usize = 5;
