//! A transaction's course: what the coordinators are asked next, and what their answers make of it.
//!
//! Enters: begin, commit, abort, answers. Leaves: requests to the coordinators one at a time, and how it
//! ended: committed, aborted, or unknown. An end that was asked for and not answered is never taken for
//! either.

use std::sync::Arc;

use super::call::GroupOffsets;
use super::error::ProduceError;
use super::settings::{ProduceSettings, ns};
use super::slot::Slot;
use super::verdict::{Api, Verdict};

/// Where a producer stands; the states of Java's `TransactionManager`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has no producer id, or not one that may be used any more.
    Uninitialized,
    /// It asks for one.
    Initializing,
    /// It has one; between two transactions.
    Ready,
    /// Records are taken.
    InTransaction,
    /// Everything is delivered, then the transaction is committed.
    Committing,
    /// It is aborted.
    Aborting,
    /// It cannot be committed any more: [`super::ProducerState::commit`] will abort it.
    AbortableError(ProduceError),
    /// Nothing goes any more.
    FatalError(ProduceError),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it is in.
    Committed,
    /// Nothing of it is.
    Aborted,
    /// One of the two; the committed offsets tell, once a new producer has the transactional id.
    Unknown,
}

/// What is asked of the coordinators.
#[derive(Clone, Debug)]
pub(super) enum Control {
    Init,
    AddPartitions(Vec<usize>),
    AddOffsets,
    End { commit: bool },
}

/// The transaction, without its batches.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) phase: Phase,
    /// The coordinator may know of it.
    started: bool,
    pub(super) offsets: Option<Arc<GroupOffsets>>,
    offsets_added: bool,
    offsets_done: bool,
    /// An end was asked for.
    end_asked: bool,
    /// An end was asked for, and it is not known what came of that.
    end_lost: bool,
    /// An answer was lost: what it was the answer to may still arrive somewhere.
    pub(super) any_lost: bool,
    began_ns: u64,
    /// Since when it has been on its way to its end.
    ending_ns: u64,
    deadline_ns: u64,
    pub(super) end: Option<End>,
    /// What went wrong first.
    pub(super) why: Option<ProduceError>,
    pub(super) control: Slot,
    pub(super) group: Slot,
}

impl Transaction {
    pub(super) fn new() -> Transaction {
        Transaction {
            phase: Phase::Uninitialized,
            started: false,
            offsets: None,
            offsets_added: false,
            offsets_done: false,
            end_asked: false,
            end_lost: false,
            any_lost: false,
            began_ns: 0,
            ending_ns: 0,
            deadline_ns: u64::MAX,
            end: None,
            why: None,
            control: Slot::default(),
            group: Slot::default(),
        }
    }

    pub(super) fn begin(&mut self, now_ns: u64) {
        let (control, group) = (std::mem::take(&mut self.control), std::mem::take(&mut self.group));
        *self = Transaction { control, group, ..Transaction::new() };
        (self.phase, self.began_ns) = (Phase::InTransaction, now_ns);
    }

    /// The coordinator hears of it with the next request.
    pub(super) fn starts(&mut self) {
        self.started = true;
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(
            self.phase,
            Phase::InTransaction | Phase::Committing | Phase::Aborting | Phase::AbortableError(_)
        )
    }

    pub(super) fn commit(&mut self, offsets: Option<GroupOffsets>, now_ns: u64, settings: &ProduceSettings) {
        self.offsets = offsets.filter(|offsets| !offsets.places.is_empty()).map(Arc::new);
        (self.phase, self.ending_ns) = (Phase::Committing, now_ns);
        // Beyond that the coordinator has aborted it, or an end is on its way that nobody answers.
        self.deadline_ns = now_ns.saturating_add(ns(settings.delivery_timeout.max(settings.end_timeout)));
    }

    pub(super) fn abort(&mut self, now_ns: u64, settings: &ProduceSettings) {
        (self.phase, self.ending_ns) = (Phase::Aborting, now_ns);
        self.deadline_ns = now_ns.saturating_add(ns(settings.end_timeout));
    }

    /// How long the transaction has been open.
    pub(super) fn open_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.began_ns)
    }

    /// How long it has been on its way to its end.
    pub(super) fn ending_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.ending_ns)
    }

    /// Whether nobody has answered for too long: it is over then, one way or the other.
    pub(super) fn is_late(&self, now_ns: u64) -> bool {
        matches!(self.phase, Phase::Committing | Phase::Aborting) && now_ns >= self.deadline_ns
    }

    /// Nobody knows how it ended.
    pub(super) fn lose(&mut self, why: ProduceError) {
        self.why.get_or_insert(why);
        self.finish(End::Unknown);
    }

    /// Which request about the group's offsets is still to be answered.
    pub(super) fn offsets_wait(&self, newer: bool) -> Option<Api> {
        let due = self.offsets.is_some() && !self.offsets_done;
        due.then_some(if newer || self.offsets_added { Api::CommitOffsets } else { Api::AddOffsets })
    }

    /// What the transaction's coordinator is asked next. `to_add` are partitions that it must hear of first.
    pub(super) fn next_control(
        &mut self,
        newer: bool,
        flushed: bool,
        in_flight: bool,
        to_add: impl FnOnce() -> Vec<usize>,
    ) -> Option<Control> {
        match self.phase {
            Phase::Initializing => return Some(Control::Init),
            Phase::InTransaction | Phase::Committing if !newer => {
                let places = to_add();
                if !places.is_empty() {
                    self.started = true;
                    return Some(Control::AddPartitions(places));
                }
            }
            _ => {}
        }
        match self.phase {
            Phase::Committing if self.offsets.is_some() && !newer && !self.offsets_added => {
                self.started = true;
                Some(Control::AddOffsets)
            }
            Phase::Committing if flushed && (self.offsets.is_none() || self.offsets_done) => {
                self.ending(true)
            }
            // What is on its way must not arrive in the next transaction.
            Phase::Aborting if !in_flight && self.group.ticket.is_none() => self.ending(false),
            _ => None,
        }
    }

    fn ending(&mut self, commit: bool) -> Option<Control> {
        if self.started {
            self.end_asked = true;
            return Some(Control::End { commit });
        }
        self.finish(if commit { End::Committed } else { End::Aborted });
        None
    }

    /// Whether the group's coordinator is to be given the offsets now.
    pub(super) fn next_group(&mut self, newer: bool) -> bool {
        let due = self.phase == Phase::Committing && self.offsets_wait(newer) == Some(Api::CommitOffsets);
        self.started |= due;
        due
    }

    /// The offsets are in.
    pub(super) fn offsets_are_in(&mut self) {
        self.offsets_done = true;
    }

    /// The coordinator knows of the group.
    pub(super) fn offsets_are_added(&mut self) {
        self.offsets_added = true;
    }

    /// The answer to an end.
    pub(super) fn ended(
        &mut self,
        commit: bool,
        (verdict, code): (Verdict, i16),
        now_ns: u64,
        settings: &ProduceSettings,
    ) {
        let api = Api::EndTransaction;
        match verdict {
            Verdict::Done => self.finish(if commit { End::Committed } else { End::Aborted }),
            // Whoever says so may have written the end: a coordinator whose log is not acknowledged, or has
            // moved, answers that it is not available, or not here.
            Verdict::Retry | Verdict::Elsewhere => self.end_lost = true,
            // Only the first attempt at a commit tells what became of it: a later one may be told of what the
            // earlier one did.
            Verdict::Abort if commit && !self.end_lost => {
                self.why.get_or_insert(ProduceError::Aborted { api, code });
                self.abort(now_ns, settings);
            }
            _ => self.lose(ProduceError::Refused { api, place: None, code }),
        }
    }

    /// The answer to an end will not come.
    pub(super) fn end_is_lost(&mut self) {
        self.end_lost = true;
    }

    /// It cannot be committed.
    pub(super) fn spoil(&mut self, error: ProduceError, now_ns: u64, settings: &ProduceSettings) {
        match self.phase {
            Phase::InTransaction => {
                self.why.get_or_insert(error.clone());
                self.phase = Phase::AbortableError(error);
            }
            Phase::Committing if self.end_lost => self.lose(error),
            Phase::Committing => {
                self.why.get_or_insert(error);
                self.abort(now_ns, settings);
            }
            _ => {}
        }
    }

    /// Whether an abort can be asked for: it is open, and no commit has been asked for.
    pub(super) fn may_abort(&self) -> bool {
        matches!(self.phase, Phase::InTransaction | Phase::AbortableError(_))
            || self.phase == Phase::Committing && !self.end_asked
    }

    pub(super) fn finish(&mut self, end: End) {
        self.end = Some(end);
        // A producer that aborted, or that does not know, starts anew: what was on its way is then of an
        // epoch of the past.
        self.phase = if end == End::Committed { Phase::Ready } else { Phase::Uninitialized };
    }
}

/// What a code of a request that adds something makes of the transaction.
pub(super) fn spoils(api: Api, verdict: Verdict, code: i16) -> Option<ProduceError> {
    (verdict == Verdict::Abort).then_some(ProduceError::Aborted { api, code })
}
