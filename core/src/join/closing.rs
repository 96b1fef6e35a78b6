//! Closing times: when a result that is still open becomes final, as W passes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One closing: the slot of a facility's ring that it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closing {
    /// Final when W is past this, epoch ms.
    pub(super) at_ms: i64,
    /// Unique; a slot remembers its valid one, so that an overtaken closing is recognised.
    pub(super) serial: u64,
    /// The facility.
    pub(super) facility: u32,
    /// The slot in its ring; for alarms 0.
    pub(super) slot: u32,
    /// The ring's side; for alarms 0.
    pub(super) side: u8,
}

/// Closings, earliest first.
#[derive(Debug, Default)]
pub(super) struct Closings {
    heap: BinaryHeap<Reverse<Closing>>,
    serial: u64,
}

impl Closings {
    /// Adds a closing and gives its serial number.
    pub(super) fn push(&mut self, at_ms: i64, facility: u32, side: u8, slot: u32) -> u64 {
        self.serial += 1;
        self.heap.push(Reverse(Closing { at_ms, serial: self.serial, facility, slot, side }));
        self.serial
    }

    /// The next closing that lies before `until_ms`.
    pub(super) fn pop_before(&mut self, until_ms: i64) -> Option<Closing> {
        if self.heap.peek().is_some_and(|Reverse(next)| next.at_ms < until_ms) {
            return self.heap.pop().map(|Reverse(closing)| closing);
        }
        None
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.heap.capacity() * size_of::<Closing>()
    }
}
