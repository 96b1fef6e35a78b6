//! A network between a producer and the model of brokers: first in, first out on each connection, which may
//! break at any time; what was on its way may then still arrive, late.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use wellstream_wire::produce::{Answer, Call, ProducerState, Request, Target};

use crate::broker::Broker;

#[derive(Default)]
struct Wire {
    requests: VecDeque<Call>,
    answers: VecDeque<(u64, Answer)>,
}

/// What may go wrong, out of a thousand each time that something happens.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) breaks: u32,
    pub(crate) moves: u32,
    pub(crate) retriable: u32,
    pub(crate) any_code: u32,
}

pub(crate) struct Network {
    pub(crate) broker: Broker,
    wires: BTreeMap<Target, Wire>,
    /// Of connections that are gone.
    late: Vec<Call>,
    leaders: Vec<i32>,
    pub(crate) now_ns: u64,
    trouble: Trouble,
}

impl Network {
    pub(crate) fn new(broker: Broker, trouble: Trouble) -> Network {
        let leaders = broker.partitions.iter().map(|partition| partition.leader).collect();
        Network { broker, wires: BTreeMap::new(), late: Vec::new(), leaders, now_ns: 0, trouble }
    }

    /// The producer's turn: everything that it wants to send goes on its way.
    pub(crate) fn serve(&mut self, producer: &mut ProducerState) {
        let leaders = self.leaders.clone();
        while let Some(call) = producer.next_call(self.now_ns, |place| Some(leaders[place])) {
            self.wires.entry(call.target).or_default().requests.push_back(call);
        }
        if producer.take_stale().0 {
            self.leaders = self.broker.partitions.iter().map(|partition| partition.leader).collect();
        }
    }

    /// One thing happens.
    pub(crate) fn step(&mut self, producer: &mut ProducerState, rng: &mut Rng) {
        self.now_ns += rng.u64(..3_000_000);
        self.broker.tick(self.now_ns, TIMEOUT_NS);
        self.serve(producer);
        if rng.u32(..1_000) < self.trouble.moves {
            let place = rng.usize(..self.broker.partitions.len());
            self.broker.partitions[place].leader = rng.i32(1..4);
        }
        if !self.late.is_empty() && rng.u8(..20) == 0 {
            let call = self.late.swap_remove(rng.usize(..self.late.len()));
            self.ask(&call);
        }
        let targets: Vec<Target> = self.wires.keys().copied().collect();
        if targets.is_empty() {
            return;
        }
        let target = targets[rng.usize(..targets.len())];
        if rng.u32(..1_000) < self.trouble.breaks {
            return self.break_off(target, Some(producer), rng);
        }
        let wire = self.wires.get_mut(&target).unwrap();
        if rng.bool() {
            if let Some((ticket, answer)) = wire.answers.pop_front() {
                producer.answered(ticket, &answer, self.now_ns);
            }
            return;
        }
        let Some(call) = wire.requests.pop_front() else { return };
        let answer = self.answer_or_trouble(&call, rng);
        self.wires.get_mut(&target).unwrap().answers.push_back((call.ticket, answer));
    }

    fn answer_or_trouble(&mut self, call: &Call, rng: &mut Rng) -> Answer {
        let parts = match &call.request {
            Request::Produce(batches) => batches.len(),
            Request::AddPartitions(places) => places.len(),
            Request::CommitOffsets(offsets) => offsets.places.len(),
            _ => 1,
        };
        let all = |code: i16| Answer { codes: vec![code; parts], producer: None };
        if rng.u32(..1_000) < self.trouble.any_code {
            // Nothing was done; what would say that it was is left out.
            if rng.bool() {
                return all([48, 49, 59, 120][rng.usize(..4)]);
            }
            let code = loop {
                let code = rng.i16(-1..130);
                if code != 0 && code != 46 && code != 10 && code != 18 {
                    break code;
                }
            };
            return all(code);
        }
        if rng.u32(..1_000) < self.trouble.retriable {
            let code = [14, 15, 16, 51, 7][rng.usize(..5)];
            let is_end = matches!(call.request, Request::EndTransaction { .. });
            if (code == 7 || is_end && matches!(code, 15 | 16)) && rng.bool() {
                // Done, but not by as many as it should be, or not in time; an end of a transaction is then
                // said not to be answered by whoever could.
                self.ask(call);
            }
            return all(code);
        }
        self.ask(call)
    }

    fn ask(&mut self, call: &Call) -> Answer {
        let node = if let Target::Leader(node) = call.target { node } else { -1 };
        self.broker.answer(node, call.producer, &call.request, self.now_ns)
    }

    fn break_off(&mut self, target: Target, producer: Option<&mut ProducerState>, rng: &mut Rng) {
        let Some(wire) = self.wires.remove(&target) else { return };
        let mut lost: Vec<u64> = wire.answers.iter().map(|(ticket, _)| *ticket).collect();
        for call in wire.requests {
            lost.push(call.ticket);
            if rng.bool() {
                self.late.push(call);
            }
        }
        if let Some(producer) = producer {
            for ticket in lost {
                producer.lost(ticket, self.now_ns);
            }
        }
    }

    /// The producer's process is gone, with all its connections.
    pub(crate) fn kill(&mut self, rng: &mut Rng) {
        for target in self.wires.keys().copied().collect::<Vec<_>>() {
            self.break_off(target, None, rng);
        }
    }
}

/// Of the transaction.
pub(crate) const TIMEOUT_NS: u64 = 10_000_000_000;
