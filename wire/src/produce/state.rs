//! All that a producer knows and decides, without I/O: identity, queues, transaction.

use std::collections::BTreeMap;

use super::call::{GroupOffsets, ProducerIdentity, Target};
use super::error::ProduceError;
use super::queue::PartitionQueue;
use super::record::{OwnRecord, size};
use super::settings::ProduceSettings;
use super::transaction::{Control, End, Transaction};

pub use super::transaction::Phase;

/// A producer's state. Times are nanoseconds of one monotonic clock.
#[derive(Debug)]
pub struct ProducerState {
    pub(super) settings: ProduceSettings,
    topics: Vec<Topic>,
    pub(super) queues: Vec<PartitionQueue>,
    pub(super) producer: ProducerIdentity,
    /// The broker adds partitions by itself, and each transaction has an epoch of its own (KIP-890).
    pub(super) newer: bool,
    pub(super) transaction: Transaction,
    pub(super) tickets: BTreeMap<u64, Sent>,
    pub(super) next_ticket: u64,
    /// Of what is not acknowledged.
    pub(super) bytes: usize,
    pub(super) spares: Vec<Vec<u8>>,
    pub(super) stale: Vec<Target>,
    pub(super) metadata_is_stale: bool,
    /// For how long the process has stood still in all, and had when the transaction began.
    pub(super) slept_ns: u64,
    pub(super) slept_before_ns: u64,
    /// An idempotent producer waits for all answers, then numbers anew.
    pub(super) bumping: bool,
    /// The last that was said of a connection.
    pub(super) heard: Option<String>,
    /// Where looking for a partition to serve begins.
    pub(super) first: usize,
}

#[derive(Debug)]
pub(super) struct Topic {
    name: String,
    first: usize,
    pub(super) batch_bytes: usize,
}

/// What a ticket stands for.
#[derive(Debug)]
pub(super) enum Sent {
    Control(Control),
    Group,
    Produce { node: i32, places: Vec<usize> },
}

/// Whether a record was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// It was.
    Taken,
    /// Too much is on its way: serve the connections, then try again.
    Full,
}

impl ProducerState {
    /// A producer of nothing yet.
    #[must_use]
    pub fn new(settings: ProduceSettings) -> ProducerState {
        ProducerState {
            settings,
            topics: Vec::new(),
            queues: Vec::new(),
            producer: ProducerIdentity::NONE,
            newer: false,
            transaction: Transaction::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            bytes: 0,
            spares: Vec::new(),
            stale: Vec::new(),
            metadata_is_stale: false,
            slept_ns: 0,
            slept_before_ns: 0,
            bumping: false,
            heard: None,
            first: 0,
        }
    }

    /// A topic that will be produced to, with the most that one batch of it may be, bytes. Returns the place
    /// of its first partition; the others follow.
    pub fn add_topic(&mut self, name: &str, partitions: i32, batch_bytes_max: usize) -> usize {
        let first = self.queues.len();
        self.queues.extend((0..partitions).map(|_| PartitionQueue::default()));
        let batch_bytes = self.settings.batch_bytes.min(batch_bytes_max);
        self.topics.push(Topic { name: name.to_owned(), first, batch_bytes });
        first
    }

    /// Topic and partition of a place.
    #[must_use]
    pub fn partition(&self, place: usize) -> (&str, i32) {
        let topic = self.topic(place);
        (&topic.name, i32::try_from(place - topic.first).unwrap_or(i32::MAX))
    }

    /// How many partitions the topic has whose first place this is.
    #[must_use]
    pub fn partitions(&self, first: usize) -> usize {
        let next = self.topics.iter().map(|topic| topic.first).find(|next| *next > first);
        next.unwrap_or(self.queues.len()) - first
    }

    pub(super) fn topic(&self, place: usize) -> &Topic {
        let index = self.topics.partition_point(|topic| topic.first <= place);
        &self.topics[index - 1]
    }

    /// The broker's finalized feature `transaction.version`; before [`ProducerState::init`].
    pub fn set_transaction_version(&mut self, version: i16) {
        self.newer = self.settings.transactional_id.is_some() && version >= 2;
    }

    /// Whether the newer protocol is spoken (KIP-890).
    #[must_use]
    pub fn is_newer(&self) -> bool {
        self.newer
    }

    /// What is wrong with a connection: said where a batch, or the end of a transaction, is given up.
    pub fn heard(&mut self, what: String) {
        self.heard = Some(what);
    }

    /// For how long the whole process has stood still in all: whoever slept for half of the time that a
    /// transaction has, and is fenced then, has been replaced.
    pub fn slept(&mut self, total_ns: u64) {
        self.slept_ns = total_ns;
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.transaction.phase
    }

    /// What went wrong first in the last transaction: why it was, or will be, aborted, or why nobody knows
    /// how it ended.
    #[must_use]
    pub fn why(&self) -> Option<&ProduceError> {
        self.transaction.why.as_ref()
    }

    /// Its id and epoch.
    #[must_use]
    pub fn producer(&self) -> ProducerIdentity {
        self.producer
    }

    /// Asks for an identity, from which on nothing of the past can arrive any more. What was queued is
    /// dropped.
    pub fn init(&mut self) {
        self.drop_all();
        self.transaction.phase = Phase::Initializing;
    }

    /// Begins a transaction.
    ///
    /// # Panics
    /// Unless it is ready.
    pub fn begin(&mut self, now_ns: u64) {
        assert_eq!(*self.phase(), Phase::Ready, "a transaction begins where none is open");
        self.transaction.begin(now_ns);
        self.slept_before_ns = self.slept_ns;
    }

    /// Takes a record. Where it would belong to a transaction that cannot be committed any more, it is
    /// dropped.
    pub fn append(
        &mut self,
        place: usize,
        timestamp_ms: i64,
        record: OwnRecord<'_>,
        now_ns: u64,
    ) -> Appended {
        match self.phase() {
            Phase::FatalError(_) => return Appended::Taken,
            phase if self.is_transactional() && *phase != Phase::InTransaction => return Appended::Taken,
            _ if self.bytes >= self.settings.queue_bytes_max => return Appended::Full,
            _ => {}
        }
        let batch_bytes = self.topic(place).batch_bytes;
        let size = size(record);
        if self.queues[place].writer.bytes() + size > batch_bytes {
            self.seal(place, now_ns);
        }
        let queue = &mut self.queues[place];
        if queue.writer.is_empty() {
            queue.opened_ns = now_ns;
        }
        let before = queue.writer.bytes();
        match record {
            OwnRecord::Framed(key, value) => queue.writer.push_framed(timestamp_ms, Some(key), value),
            OwnRecord::Plain(key, value, headers) => queue.writer.push(timestamp_ms, key, value, headers),
        }
        self.bytes += queue.writer.bytes() - before;
        Appended::Taken
    }

    /// Everything that was taken is to go out now.
    pub fn flush(&mut self, now_ns: u64) {
        for place in 0..self.queues.len() {
            self.seal(place, now_ns);
        }
    }

    /// Nothing is left that is not acknowledged.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.queues.iter().all(PartitionQueue::is_empty)
    }

    /// Bytes that are not acknowledged.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Commits what was taken since [`ProducerState::begin`], and these offsets; aborts it where it cannot be
    /// committed. [`ProducerState::take_end`] tells how that ended.
    pub fn commit(&mut self, offsets: Option<GroupOffsets>, now_ns: u64) {
        match self.phase() {
            Phase::InTransaction => {
                self.flush(now_ns);
                self.transaction.commit(offsets, now_ns, &self.settings);
            }
            Phase::AbortableError(_) => self.abort(now_ns),
            _ => {}
        }
    }

    /// Aborts.
    pub fn abort(&mut self, now_ns: u64) {
        if matches!(self.phase(), Phase::InTransaction | Phase::AbortableError(_) | Phase::Committing) {
            self.transaction.abort(now_ns, &self.settings);
            self.drop_waiting();
        }
    }

    /// How the transaction ended, once it has.
    pub fn take_end(&mut self) -> Option<End> {
        self.transaction.end.take()
    }

    /// Parts whose broker is to be looked up again; forgets them.
    pub fn take_stale(&mut self) -> (bool, Vec<Target>) {
        (std::mem::take(&mut self.metadata_is_stale), std::mem::take(&mut self.stale))
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.settings.transactional_id.is_some()
    }
}
