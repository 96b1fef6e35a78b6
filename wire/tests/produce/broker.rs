//! A model of what brokers do with a producer's requests: the transaction's coordinator, the group's, and the
//! leaders' memory of producers. It is told by Kafka's rules, not by the producer's.

use std::collections::{BTreeSet, VecDeque};

use wellstream_wire::batch::{Batches, Crc, Unpacker};
use wellstream_wire::produce::{Answer, ProducerIdentity, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Ongoing,
    CompleteCommit,
    CompleteAbort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

#[derive(Default)]
pub(crate) struct Partition {
    log: Vec<(i16, u64, Fate)>,
    epoch: i16,
    next_sequence: i32,
    /// The last five batches: sequence and length.
    last: VecDeque<(i32, i32)>,
    pub(crate) leader: i32,
}

pub(crate) struct Broker {
    newer: bool,
    epoch: i16,
    /// The epoch from which the last init came.
    came_from: Option<i16>,
    state: State,
    members: BTreeSet<usize>,
    has_group: bool,
    began_ns: u64,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) committed: i64,
    pending: Option<i64>,
    pub(crate) batch_bytes_max: usize,
}

impl Broker {
    pub(crate) fn new(newer: bool, partitions: usize) -> Broker {
        let partition = || Partition { epoch: -1, leader: 1, ..Partition::default() };
        Broker {
            newer,
            epoch: 4,
            came_from: None,
            state: State::Empty,
            members: BTreeSet::new(),
            has_group: false,
            began_ns: 0,
            partitions: (0..partitions).map(|_| partition()).collect(),
            committed: 0,
            pending: None,
            batch_bytes_max: usize::MAX,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Ongoing
    }

    /// What a reader of committed records sees of a partition.
    pub(crate) fn visible(&self, place: usize) -> Vec<u64> {
        let log = self.partitions[place].log.iter();
        log.filter(|(_, _, fate)| *fate == Fate::Committed).map(|(_, value, _)| *value).collect()
    }

    /// Everything that was appended, committed or not.
    pub(crate) fn appended(&self, place: usize) -> Vec<u64> {
        self.partitions[place].log.iter().map(|(_, value, _)| *value).collect()
    }

    /// The coordinator gives up what is open for too long.
    pub(crate) fn tick(&mut self, now_ns: u64, timeout_ns: u64) {
        if self.is_open() && now_ns - self.began_ns > timeout_ns {
            self.epoch += 1;
            self.end(false, self.epoch);
        }
    }

    pub(crate) fn answer(
        &mut self,
        node: i32,
        me: ProducerIdentity,
        request: &Request,
        now_ns: u64,
    ) -> Answer {
        let code = match request {
            Request::InitProducerId => return self.init(me),
            Request::EndTransaction { commit } => return self.end_asked(me, *commit),
            Request::Produce(batches) => {
                let one = |(place, bytes): &(usize, bytes::Bytes)| self.append(node, *place, bytes, now_ns);
                return Answer { codes: batches.iter().map(one).collect(), producer: None };
            }
            Request::AddPartitions(places) => {
                let code = self.add(me, now_ns);
                if code == 0 {
                    self.members.extend(places);
                }
                return Answer { codes: vec![code; places.len()], producer: None };
            }
            Request::AddOffsets(_) => {
                let code = self.add(me, now_ns);
                self.has_group |= code == 0;
                code
            }
            Request::CommitOffsets(offsets) => {
                let code = match self.newer {
                    true => self.add(me, now_ns),
                    false if me.epoch != self.epoch => 47,
                    false if !self.is_open() || !self.has_group => 48,
                    false => 0,
                };
                if code == 0 {
                    self.pending = Some(offsets.places[0].offset_next);
                }
                return Answer { codes: vec![code; offsets.places.len()], producer: None };
            }
        };
        Answer::of(code)
    }

    fn init(&mut self, me: ProducerIdentity) -> Answer {
        if me.id >= 0 && me.epoch != self.epoch {
            // The same question once more: its first answer was lost.
            let again = self.came_from == Some(me.epoch) && self.state == State::Empty;
            return if again { self.identity() } else { Answer::of(90) };
        }
        self.came_from = (me.id >= 0).then_some(me.epoch);
        self.epoch += 1;
        if self.is_open() {
            self.end(false, self.epoch);
        }
        self.state = State::Empty;
        self.identity()
    }

    fn identity(&self) -> Answer {
        Answer { codes: vec![0], producer: Some(ProducerIdentity { id: 77, epoch: self.epoch }) }
    }

    fn add(&mut self, me: ProducerIdentity, now_ns: u64) -> i16 {
        if me.epoch != self.epoch {
            return if me.epoch < self.epoch { 90 } else { 47 };
        }
        if !self.is_open() {
            (self.state, self.began_ns, self.has_group) = (State::Ongoing, now_ns, false);
            self.members.clear();
        }
        0
    }

    fn end_asked(&mut self, me: ProducerIdentity, commit: bool) -> Answer {
        let complete = if commit { State::CompleteCommit } else { State::CompleteAbort };
        if me.epoch != self.epoch {
            let again = self.newer && me.epoch == self.epoch - 1 && self.state == complete;
            return if again { self.identity() } else { Answer::of(90) };
        }
        if self.newer {
            if !self.is_open() && commit {
                return Answer::of(48);
            }
            self.epoch += 1;
            self.end(commit, self.epoch);
            self.state = complete;
            return self.identity();
        }
        if self.is_open() {
            self.end(commit, self.epoch);
            self.state = complete;
        }
        Answer::of(if self.state == complete { 0 } else { 48 })
    }

    /// Writes the markers.
    fn end(&mut self, commit: bool, epoch: i16) {
        let fate = if commit { Fate::Committed } else { Fate::Aborted };
        for place in std::mem::take(&mut self.members) {
            let partition = &mut self.partitions[place];
            for record in partition.log.iter_mut().filter(|record| record.2 == Fate::Open) {
                record.2 = fate;
            }
            if epoch > partition.epoch {
                (partition.epoch, partition.next_sequence) = (epoch, 0);
                partition.last.clear();
            }
        }
        if let Some(offset) = self.pending.take().filter(|_| commit) {
            self.committed = offset;
        }
        self.state = State::CompleteAbort;
    }

    fn append(&mut self, node: i32, place: usize, bytes: &[u8], now_ns: u64) -> i16 {
        let batch = Batches::new(bytes, Crc::Checked).next().unwrap().unwrap();
        let stamp = batch.stamp();
        if self.partitions[place].leader != node {
            return 6;
        }
        if bytes.len() > self.batch_bytes_max {
            return 10;
        }
        if stamp.epoch_is_older(self.partitions[place].epoch) {
            return 47;
        }
        if stamp.transactional && !(self.members.contains(&place) && stamp.producer_epoch == self.epoch) {
            // The broker asks the coordinator: to verify, or to add the partition.
            let me = ProducerIdentity { id: stamp.producer_id, epoch: stamp.producer_epoch };
            let code = if self.newer { self.add(me, now_ns) } else { 48 };
            if code != 0 {
                return code;
            }
            self.members.insert(place);
        }
        let partition = &mut self.partitions[place];
        if stamp.producer_epoch > partition.epoch {
            // Of whom a broker knows nothing, it takes whatever comes first.
            let first = if partition.epoch == -1 { stamp.base_sequence } else { 0 };
            (partition.epoch, partition.next_sequence) = (stamp.producer_epoch, first);
            partition.last.clear();
        }
        let records = i32::try_from(batch.len()).unwrap();
        if partition.last.contains(&(stamp.base_sequence, records)) {
            return if node % 2 == 0 { 46 } else { 0 };
        }
        if stamp.base_sequence != partition.next_sequence {
            return 45;
        }
        partition.next_sequence += records;
        partition.last.push_back((stamp.base_sequence, records));
        if partition.last.len() > 5 {
            partition.last.pop_front();
        }
        let mut unpacker = Unpacker::default();
        let fate = if stamp.transactional { Fate::Open } else { Fate::Committed };
        for record in batch.records(&mut unpacker).unwrap() {
            let value = record.unwrap().value.unwrap();
            let value = u64::from_be_bytes(value[..8].try_into().unwrap());
            partition.log.push((stamp.producer_epoch, value, fate));
        }
        0
    }
}

trait Older {
    fn epoch_is_older(&self, than: i16) -> bool;
}

impl Older for wellstream_wire::batch::Stamp {
    fn epoch_is_older(&self, than: i16) -> bool {
        self.producer_epoch < than
    }
}
