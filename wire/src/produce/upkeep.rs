//! What happens to a producer's state as time passes: batches are sealed, given up, or in; the transaction is
//! spoiled, or the producer fenced.
//!
//! Enters: the time. Leaves: sealed batches, errors that name what was waited for. Drops: what belongs to a
//! transaction that cannot be committed any more.

use crate::batch::BatchWriter;

use super::call::ProducerIdentity;
use super::error::{ProduceError, text};
use super::queue::{Added, At};
use super::settings::ns;
use super::state::{Phase, ProducerState};
use super::verdict::Api;

impl ProducerState {
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
        // Sleep is no waiting: whoever slept asks, and is told if it was replaced meanwhile. Taken for
        // unknown, its end would have it take its transactional id anew, from whoever has it by now.
        let slept_ns = self.slept_ns.saturating_sub(self.slept_before_ns);
        if self.transaction.is_late(now_ns.saturating_sub(slept_ns)) {
            self.lose_end(now_ns);
        }
        let linger_ns = ns(self.settings.linger);
        for place in 0..self.queues.len() {
            let queue = &self.queues[place];
            let lingered = !queue.writer.is_empty() && now_ns.saturating_sub(queue.opened_ns) >= linger_ns;
            if lingered && !queue.is_backed_up() {
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
        let (records, last) = (oldest.records, self.last_of(oldest.last_code));
        let (topic, partition) = self.partition(place);
        let seconds = self.settings.delivery_timeout.as_secs();
        let error = ProduceError::NotDelivered { topic: topic.to_owned(), partition, records, seconds, last };
        self.spoil(error, now_ns);
    }

    /// Nobody waits for the end of the transaction any more: it may have been committed or not.
    pub(super) fn lose_end(&mut self, now_ns: u64) {
        let (api, code) = self.waits_for();
        let seconds = self.transaction.ending_ns(now_ns) / NS_PER_SECOND;
        let (what, last) = (api.to_string(), self.last_of(code));
        self.transaction.lose(ProduceError::NoAnswer { what, seconds, last });
    }

    /// What stands between the transaction and its end, and what was last said of it.
    fn waits_for(&self) -> (Api, i16) {
        let Some(queue) = self.queues.iter().find(|queue| !queue.is_empty()) else {
            let wait = self.transaction.offsets_wait(self.newer);
            return match wait.filter(|_| *self.phase() == Phase::Committing) {
                Some(Api::CommitOffsets) => (Api::CommitOffsets, self.transaction.group.last_code),
                Some(api) => (api, self.transaction.control.last_code),
                None => (Api::EndTransaction, self.transaction.control.last_code),
            };
        };
        let is_added = self.newer || queue.added == Added::Yes;
        let code = queue.sealed.front().map_or(0, |batch| batch.last_code);
        if is_added { (Api::Produce, code) } else { (Api::AddPartitions, self.transaction.control.last_code) }
    }

    /// The last that was said: by a broker's code, or by a connection.
    fn last_of(&self, code: i16) -> String {
        match code {
            0 => self.heard.clone().unwrap_or_else(|| "no answer".to_owned()),
            code => text(code),
        }
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

    /// Another producer has the id, unless it was the coordinator that gave up a transaction that was open
    /// for too long: then it is only unknown. Whoever slept is fenced.
    pub(super) fn fenced(&mut self, api: Api, now_ns: u64) {
        let timeout_ns = ns(self.settings.transaction_timeout);
        let open_ns = self.transaction.open_ns(now_ns);
        let is_old = self.transaction.is_open() && open_ns >= timeout_ns / 10 * 9;
        if is_old && self.slept_ns.saturating_sub(self.slept_before_ns) < timeout_ns / 2 {
            self.producer = ProducerIdentity::NONE;
            self.drop_all();
            self.transaction.lose(ProduceError::GivenUp { seconds: open_ns / NS_PER_SECOND, api });
            return;
        }
        let transactional_id = self.settings.transactional_id.clone().unwrap_or_default();
        self.fail(ProduceError::Fenced { transactional_id, api });
    }

    pub(super) fn seal(&mut self, place: usize, now_ns: u64) {
        let (transactional, compression) = (self.is_transactional(), self.settings.compression);
        let queue = &mut self.queues[place];
        if queue.writer.is_empty() {
            return;
        }
        let before = queue.writer.bytes();
        let spare = self.spares.pop().unwrap_or_default();
        match queue.seal(self.producer, transactional, compression, now_ns, spare) {
            Ok(()) => {
                let bytes = queue.sealed.back().map_or(0, |batch| batch.bytes.len());
                self.bytes = self.bytes + bytes - before;
            }
            // Its records are gone: nothing behind them may go out as if they were in.
            Err(error) => {
                let (topic, partition) = self.partition(place);
                self.fail(ProduceError::Batch { topic: topic.to_owned(), partition, error });
            }
        }
    }

    /// A batch is in: its memory serves another one.
    pub(super) fn done(&mut self, place: usize, index: usize) {
        let Some(batch) = self.queues[place].sealed.remove(index) else { return };
        self.bytes -= batch.bytes.len();
        if self.spares.len() < SPARES
            && let Ok(mut bytes) = batch.bytes.try_into_mut()
        {
            // What is emptied is handed on without a copy.
            bytes.clear();
            if bytes.capacity() <= self.topic(place).batch_bytes.saturating_mul(2) {
                self.spares.push(Vec::from(bytes));
            }
        }
    }

    /// Drops what is not on its way.
    pub(super) fn drop_waiting(&mut self) {
        for queue in &mut self.queues {
            queue.writer = BatchWriter::default();
            queue.sealed.retain(|batch| matches!(batch.at, At::InFlight { .. }));
        }
        self.bytes = self.queues.iter().flat_map(|queue| &queue.sealed).map(|batch| batch.bytes.len()).sum();
    }

    pub(super) fn drop_all(&mut self) {
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
const NS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::super::call::{Answer, Request};
    use super::super::record::OwnRecord;
    use super::super::settings::ProduceSettings;
    use super::*;

    #[test]
    fn buffers_are_kept_by_their_number_and_their_size() {
        let mut state = ProducerState::new(ProduceSettings { batch_bytes: 10_000, ..Default::default() });
        state.add_topic("out", 1, usize::MAX);
        state.init();
        let call = state.next_call(0, |_| Some(1)).unwrap();
        state.answered(call.ticket, &Answer::of(0), 0);
        // One of ten megabytes among small ones.
        for (body, kept) in [(100, 1), (10 << 20, 0), (9_000, 1), (100, 1)] {
            let body = vec![7; body];
            let _ = state.append(0, 1, OwnRecord::Framed(b"key", [b"frame", &body]), 0);
            state.flush(0);
            let call = state.next_call(0, |_| Some(1)).unwrap();
            assert!(matches!(&call.request, Request::Produce(batches) if batches.len() == 1));
            let ticket = call.ticket;
            drop(call);
            state.answered(ticket, &Answer::of(0), 0);
            assert_eq!(state.spares.len(), kept, "{}", body.len());
            assert!(state.spares.iter().all(|spare| spare.capacity() <= 20_000));
        }
    }
}
