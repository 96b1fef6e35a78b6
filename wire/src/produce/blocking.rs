//! What a caller waits for, each with its bound: a producer that is ready, room for a record, everything
//! delivered, the end of a transaction.

use std::time::Duration;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::error::WireError;

use super::call::GroupOffsets;
use super::client::Producer;
use super::error::ProduceError;
use super::record::OwnRecord;
use super::settings::{ProduceSettings, ns};
use super::state::{Appended, Phase, ProducerState};
use super::transaction::End;

impl Producer {
    /// A producer to these topics, each with the most that one batch of it may be, bytes; places are numbered
    /// through in their order. It has its producer id, and with a transactional id whatever was open under
    /// that is ended, when this returns.
    ///
    /// # Errors
    /// A topic is missing, nobody answers in time, or a broker refuses.
    pub fn open(
        mut cluster: Cluster,
        settings: ProduceSettings,
        topics: &[(&str, usize)],
        group: &str,
        timeout: Duration,
        clock: &dyn Clock,
    ) -> Result<Producer, ProduceError> {
        let until_ns = clock.now_ns().saturating_add(ns(timeout));
        let names: Vec<&str> = topics.iter().map(|(name, _)| *name).collect();
        let mut pause = settings.retry_pause_min;
        loop {
            let refreshed = cluster.refresh(&names, clock);
            let missing =
                names.iter().find(|name| cluster.topic(name).is_none_or(|topic| topic.leaders.is_empty()));
            let error = match (refreshed, missing) {
                (Ok(()), None) => break,
                (Err(error), _) if !error.retry_helps() => return Err(error.into()),
                (Err(error), _) => error,
                (Ok(()), Some(topic)) => WireError::Unknown { topic: (*topic).to_owned(), partition: 0 },
            };
            if clock.now_ns() >= until_ns {
                return Err(error.into());
            }
            clock.pause(pause);
            pause = (pause * 2).min(settings.retry_pause_max);
        }
        let mut state = ProducerState::new(settings);
        for (name, batch_bytes_max) in topics {
            let partitions = cluster.topic(name).map_or(0, |topic| topic.leaders.len());
            state.add_topic(name, i32::try_from(partitions).unwrap_or(i32::MAX), *batch_bytes_max);
        }
        let version = cluster.control(clock)?.feature("transaction.version");
        state.set_transaction_version(version.unwrap_or(0));
        let names = names.into_iter().map(str::to_owned).collect();
        let mut producer = Producer::new(cluster, state, group, names);
        producer.become_ready(timeout, clock)?;
        Ok(producer)
    }

    /// Waits until it has an identity.
    fn become_ready(&mut self, timeout: Duration, clock: &dyn Clock) -> Result<(), ProduceError> {
        let until_ns = clock.now_ns().saturating_add(ns(timeout));
        loop {
            match self.state.phase() {
                Phase::Ready => {
                    self.was_ready = true;
                    return Ok(());
                }
                Phase::Uninitialized => self.state.init(),
                Phase::FatalError(error) => return Err(error.clone()),
                _ => {}
            }
            if clock.now_ns() >= until_ns {
                return Err(self.silence("asking for a producer id", timeout));
            }
            if self.poll(clock) == 0 {
                self.wait(SLICE, clock);
            }
        }
    }

    /// Begins a transaction; where the one before left something behind, after a new identity has been given.
    ///
    /// # Errors
    /// There is none in time, or the transactional id was taken over.
    pub fn begin(&mut self, clock: &dyn Clock) -> Result<(), ProduceError> {
        self.become_ready(self.state.settings.end_timeout, clock)?;
        self.state.begin(clock.now_ns());
        Ok(())
    }

    /// Takes a record, serving connections while there is no room. `now_ns` may be that of some records
    /// before it; it is set anew where there was no room.
    ///
    /// # Errors
    /// Nothing is acknowledged for too long.
    #[inline]
    pub fn append(
        &mut self,
        place: usize,
        timestamp_ms: i64,
        record: OwnRecord<'_>,
        now_ns: &mut u64,
        clock: &dyn Clock,
    ) -> Result<(), ProduceError> {
        if self.state.append(place, timestamp_ms, record, *now_ns) == Appended::Taken {
            return Ok(());
        }
        *now_ns = self.append_patiently(place, timestamp_ms, record, clock)?;
        Ok(())
    }

    #[inline(never)]
    fn append_patiently(
        &mut self,
        place: usize,
        timestamp_ms: i64,
        record: OwnRecord<'_>,
        clock: &dyn Clock,
    ) -> Result<u64, ProduceError> {
        let now_ns = clock.now_ns();
        let timeout = self.state.settings.delivery_timeout + SLACK;
        let until_ns = now_ns.saturating_add(ns(timeout));
        loop {
            if self.poll(clock) == 0 {
                self.wait(SLICE, clock);
            }
            let now_ns = clock.now_ns();
            if self.state.append(place, timestamp_ms, record, now_ns) == Appended::Taken {
                return Ok(now_ns);
            }
            if now_ns >= until_ns {
                return Err(self.silence("waiting for room", timeout));
            }
        }
    }

    /// Commits what was taken since [`Producer::begin`], with these offsets; `each` sees every cycle, may
    /// have an answer to refused records, and says whether to go on. What cannot be committed is aborted;
    /// [`ProducerState::why`] tells what kept it from being committed.
    ///
    /// # Errors
    /// Nothing goes any more: fenced, refused. What became of the transaction is not known then.
    pub fn commit(
        &mut self,
        offsets: Option<GroupOffsets>,
        each: &mut dyn FnMut(&mut ProducerState) -> bool,
        clock: &dyn Clock,
    ) -> Result<End, ProduceError> {
        self.state.commit(offsets, clock.now_ns());
        let (mut is_over, slept_ns) = (false, clock.slept_ns());
        loop {
            if let Some(end) = self.state.take_end() {
                return Ok(end);
            }
            match self.state.phase() {
                Phase::FatalError(error) => return Err(error.clone()),
                // It ended before it was to be committed: its coordinator had given it up.
                Phase::Uninitialized | Phase::Ready => return Ok(End::Unknown),
                _ => {}
            }
            if is_over {
                self.state.lose_end(clock.now_ns());
                continue;
            }
            // Whoever was frozen for longer than anybody waits takes what has come before it gives up, and
            // waits for as long again as the state does.
            is_over = !each(&mut self.state) && clock.slept_ns() == slept_ns;
            if self.poll(clock) == 0 && !is_over {
                self.wait(SLICE, clock);
            }
        }
    }

    /// Aborts what is open, if no commit has been asked for, and waits for that a moment: for whoever goes,
    /// so that readers of committed records need not wait until the coordinator does it.
    pub fn abandon(&mut self, time_max: Duration, clock: &dyn Clock) {
        if !self.state.transaction.may_abort() {
            return;
        }
        let until_ns = clock.now_ns().saturating_add(ns(time_max));
        self.state.abort(clock.now_ns());
        // Whoever goes looks for no broker any more.
        while *self.state.phase() == Phase::Aborting && self.has_coordinator() && clock.now_ns() < until_ns {
            if self.poll(clock) == 0 {
                self.wait(SLICE, clock);
            }
        }
    }

    /// Everything that was taken is acknowledged when this returns; `each` as in [`Producer::commit`].
    ///
    /// # Errors
    /// Not in time, or refused.
    pub fn flush(
        &mut self,
        each: &mut dyn FnMut(&mut ProducerState) -> bool,
        clock: &dyn Clock,
    ) -> Result<(), ProduceError> {
        let timeout = self.state.settings.delivery_timeout + SLACK;
        let until_ns = clock.now_ns().saturating_add(ns(timeout));
        self.state.flush(clock.now_ns());
        loop {
            if let Phase::FatalError(error) = self.state.phase() {
                return Err(error.clone());
            }
            if self.state.is_flushed() {
                return Ok(());
            }
            if clock.now_ns() >= until_ns {
                return Err(self.silence("waiting for acknowledgements", timeout));
            }
            if self.poll(clock) == 0 {
                self.wait(SLICE, clock);
            }
            if !each(&mut self.state) {
                return Err(self.silence("waiting for acknowledgements", Duration::ZERO));
            }
        }
    }

    fn silence(&self, what: &str, timeout: Duration) -> ProduceError {
        let last = self.last_error.as_ref().map_or_else(|| "no error".to_owned(), ToString::to_string);
        ProduceError::NoAnswer { what: what.to_owned(), seconds: timeout.as_secs(), last }
    }
}

/// One wait.
const SLICE: Duration = Duration::from_millis(10);
/// More than the state's own bounds, which say what is wrong.
const SLACK: Duration = Duration::from_secs(10);
