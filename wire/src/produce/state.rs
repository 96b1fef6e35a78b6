//! All that a producer knows and decides, without I/O: identity, queues, transaction.

use std::collections::BTreeMap;

use crate::batch::BatchWriter;

use super::call::{GroupOffsets, ProducerIdentity, Target};
use super::error::{ProduceError, text};
use super::queue::{Added, At, PartitionQueue};
use super::record::{OwnRecord, size};
use super::settings::{ProduceSettings, ns};
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
    /// Everything is to go out, nothing waits for others.
    pub(super) flushing: bool,
    spares: Vec<Vec<u8>>,
    pub(super) stale: Vec<Target>,
    pub(super) metadata_is_stale: bool,
    polled_ns: u64,
    /// The longest that nobody polled while the transaction was open.
    away_ns: u64,
    /// An idempotent producer waits for all answers, then numbers anew.
    pub(super) bumping: bool,
    /// The last that was said of a connection.
    heard: Option<String>,
    /// Where looking for a partition to serve begins.
    pub(super) first: usize,
}

#[derive(Debug)]
struct Topic {
    name: String,
    first: usize,
    batch_bytes: usize,
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
            flushing: false,
            spares: Vec::new(),
            stale: Vec::new(),
            metadata_is_stale: false,
            polled_ns: 0,
            away_ns: 0,
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

    fn topic(&self, place: usize) -> &Topic {
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

    /// What is wrong with a connection: said where a batch is given up.
    pub fn heard(&mut self, what: String) {
        self.heard = Some(what);
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.transaction.phase
    }

    /// Why it cannot go on, or must abort.
    #[must_use]
    pub fn trouble(&self) -> Option<&ProduceError> {
        match self.phase() {
            Phase::AbortableError(error) | Phase::FatalError(error) => Some(error),
            _ => None,
        }
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
        (self.polled_ns, self.away_ns, self.flushing) = (now_ns, 0, false);
    }

    /// Takes a record. In a transaction that must be aborted it is dropped.
    pub fn append(
        &mut self,
        place: usize,
        timestamp_ms: i64,
        record: OwnRecord<'_>,
        now_ns: u64,
    ) -> Appended {
        match self.phase() {
            Phase::AbortableError(_) | Phase::FatalError(_) => return Appended::Taken,
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
        self.flushing = true;
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

    /// When something is to be done without anybody asking, ns: the earliest of lingers and pauses.
    #[must_use]
    pub fn next_ns(&self, now_ns: u64) -> u64 {
        let linger_ns = ns(self.settings.linger);
        let open = self.queues.iter().filter(|queue| !queue.writer.is_empty());
        let lingers = open.map(|queue| queue.opened_ns + linger_ns);
        let pauses = self.queues.iter().filter(|queue| !queue.sealed.is_empty()).map(|q| q.pauses.until_ns());
        let slots = [&self.transaction.control, &self.transaction.group].map(|slot| slot.until_ns());
        let times = lingers.chain(pauses).chain(slots).filter(|at| *at > now_ns);
        times.min().unwrap_or(now_ns + MS_NS * 10).min(now_ns + MS_NS * 10)
    }

    /// Seals what lingered, gives up what is too old.
    pub(super) fn tick(&mut self, now_ns: u64) {
        if self.transaction.is_open() {
            self.away_ns = self.away_ns.max(now_ns.saturating_sub(self.polled_ns));
        }
        self.polled_ns = now_ns;
        self.transaction.give_up_late(now_ns);
        let linger_ns = ns(self.settings.linger);
        for place in 0..self.queues.len() {
            let queue = &self.queues[place];
            if !queue.writer.is_empty() && now_ns.saturating_sub(queue.opened_ns) >= linger_ns {
                self.seal(place, now_ns);
            }
            self.expire(place, now_ns);
        }
    }

    fn expire(&mut self, place: usize, now_ns: u64) {
        let Some(oldest) = self.queues[place].sealed.front() else { return };
        if now_ns.saturating_sub(oldest.sealed_ns) < ns(self.settings.delivery_timeout) {
            return;
        }
        let (records, code) = (oldest.records, oldest.last_code);
        let heard = || self.heard.clone().unwrap_or_else(|| "no answer".to_owned());
        let last = if code == 0 { heard() } else { text(code) };
        let (topic, partition) = self.partition(place);
        let seconds = self.settings.delivery_timeout.as_secs();
        let error = ProduceError::NotDelivered { topic: topic.to_owned(), partition, records, seconds, last };
        self.spoil(error, now_ns);
    }

    /// The transaction must be aborted; without one, nothing goes any more.
    pub(super) fn spoil(&mut self, error: ProduceError, now_ns: u64) {
        if self.is_transactional() {
            self.transaction.spoil(error, now_ns, &self.settings);
            self.drop_waiting();
        } else {
            self.fail(error);
        }
    }

    pub(super) fn fail(&mut self, error: ProduceError) {
        self.drop_all();
        self.transaction.phase = Phase::FatalError(error);
    }

    /// Another producer has the id, unless it was the coordinator that gave up a transaction that brokers
    /// kept open for too long: then it is only unknown. Whoever slept is fenced.
    pub(super) fn fenced(&mut self, api: super::Api, now_ns: u64) {
        let timeout_ns = ns(self.settings.transaction_timeout);
        let is_old = self.transaction.is_open() && self.transaction.open_ns(now_ns) >= timeout_ns / 10 * 9;
        if is_old && self.away_ns < timeout_ns / 2 {
            self.producer = ProducerIdentity::NONE;
            self.drop_all();
            self.transaction.finish(End::Unknown);
            return;
        }
        let transactional_id = self.settings.transactional_id.clone().unwrap_or_default();
        self.fail(ProduceError::Fenced { transactional_id, api });
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.settings.transactional_id.is_some()
    }

    pub(super) fn seal(&mut self, place: usize, now_ns: u64) {
        let (transactional, compression) = (self.is_transactional(), self.settings.compression);
        let queue = &mut self.queues[place];
        if queue.writer.is_empty() {
            return;
        }
        let before = queue.writer.bytes();
        let spare = self.spares.pop().unwrap_or_default();
        if queue.seal(self.producer, transactional, compression, now_ns, spare).is_ok() {
            let bytes = queue.sealed.back().map_or(0, |batch| batch.bytes.len());
            self.bytes = self.bytes + bytes - before;
        }
    }

    /// A batch is in: its memory serves another one.
    pub(super) fn done(&mut self, place: usize, index: usize) {
        let Some(batch) = self.queues[place].sealed.remove(index) else { return };
        self.bytes -= batch.bytes.len();
        if self.spares.len() < SPARES
            && let Ok(bytes) = batch.bytes.try_into_mut()
        {
            self.spares.push(Vec::from(bytes));
        }
    }

    /// Drops what is not on its way.
    fn drop_waiting(&mut self) {
        for queue in &mut self.queues {
            queue.writer = BatchWriter::default();
            queue.sealed.retain(|batch| matches!(batch.at, At::InFlight { .. }));
        }
        self.bytes = self.queues.iter().flat_map(|queue| &queue.sealed).map(|batch| batch.bytes.len()).sum();
    }

    fn drop_all(&mut self) {
        self.bytes = 0;
        self.tickets.clear();
        for queue in &mut self.queues {
            queue.clear();
            (queue.next_sequence, queue.is_known) = (0, false);
        }
        (self.transaction.control, self.transaction.group) = Default::default();
    }

    /// From here on as somebody else: numbers begin anew.
    pub(super) fn become_producer(&mut self, producer: ProducerIdentity) {
        let transactional = self.is_transactional();
        self.producer = producer;
        for queue in &mut self.queues {
            queue.renumber(producer, transactional);
            queue.added = Added::No;
        }
    }
}

/// Buffers kept for the next batches.
const SPARES: usize = 32;
const MS_NS: u64 = 1_000_000;
