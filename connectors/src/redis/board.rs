//! What is newest of each key, as far as it may have to be written, or written again: what waits for Redis,
//! and what Redis has taken and may lose.
//!
//! Enters: readings and rows, of which the newest stays. Leaves: what waits, by rounds. Drops: what Redis has
//! and no window needs any more; and, counted, what there is no memory for, or what waited for longer than
//! keys live.

use std::collections::{HashMap, VecDeque};

use super::untold::Untold;

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Well,
    Tank,
    Facility,
}

/// Which of two values is the newer: time first, then places. A missing place counts as smaller than any.
pub(super) type Order = (i64, [i64; 4]);

/// A value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) order: Order,
    pub(super) body: Body,
}

/// What is written is made of it only when it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// A reading's record value.
    Reading(Box<[u8]>),
    /// A row's risk, and whether it is an ALERT.
    Row { risk: u32, is_alert: bool, well_ms: Option<i64>, tank_ms: Option<i64> },
}

/// All keys.
#[derive(Debug)]
pub(super) struct Board {
    places: [HashMap<Box<str>, u32>; 3],
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// What waits for the next round, in order of arrival.
    waiting: VecDeque<u32>,
    untold: Untold,
    bytes: usize,
    bytes_max: usize,
    /// Redis keeps no key for longer, ms of event time.
    ttl_ms: i64,
    /// The newest event time.
    newest_ms: i64,
    /// Where the next look for what is not needed begins.
    swept: usize,
    /// Entries that were dropped for want of memory, or of time.
    pub(super) dropped: u64,
}

#[derive(Debug)]
struct Slot {
    kind: Kind,
    id: Box<str>,
    entry: Option<Entry>,
    /// It has a place in `waiting`, or is being written.
    waits: bool,
    /// Which entry is being written, if one is.
    written: Option<Order>,
}

/// An entry on its way, by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u32);

impl Board {
    pub(super) fn new(bytes_max: usize, ttl_ms: i64) -> Board {
        Board {
            places: Default::default(),
            slots: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            untold: Untold::default(),
            bytes: 0,
            bytes_max,
            ttl_ms,
            newest_ms: i64::MIN,
            swept: 0,
            dropped: 0,
        }
    }

    /// A value of a key: the newest stays.
    pub(super) fn put(&mut self, kind: Kind, id: &str, order: Order, body: impl FnOnce() -> Body) {
        self.newest_ms = self.newest_ms.max(order.0);
        let Some(place) = self.places[kind as usize].get(id).copied() else {
            self.add(kind, id, Entry { order, body: body() });
            return;
        };
        let slot = &mut self.slots[place as usize];
        let known = slot.entry.as_ref();
        if known.is_some_and(|known| known.order >= order) {
            return;
        }
        let entry = Entry { order, body: body() };
        let before = known.map_or(0, bytes_of);
        if let Some(known) = known.filter(|_| slot.waits) {
            self.untold.remove(known.order.0);
        }
        self.bytes = self.bytes + bytes_of(&entry) - before;
        slot.entry = Some(entry);
        self.untold.add(order.0);
        if !slot.waits {
            slot.waits = true;
            self.waiting.push_back(place);
        }
    }

    fn add(&mut self, kind: Kind, id: &str, entry: Entry) {
        let bytes = bytes_of(&entry) + SLOT_BYTES + 2 * id.len();
        if self.bytes + bytes > self.bytes_max {
            self.sweep(self.slots.len());
        }
        if self.bytes + bytes > self.bytes_max {
            self.dropped += 1;
            return;
        }
        self.bytes += bytes;
        self.untold.add(entry.order.0);
        let slot = Slot { kind, id: id.into(), entry: Some(entry), waits: true, written: None };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.places[kind as usize].insert(id.into(), place);
        self.waiting.push_back(place);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many keys are known.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest event time, epoch ms.
    pub(super) fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    /// The oldest event time of what Redis has not taken, epoch ms.
    pub(super) fn untold_ms(&self) -> Option<i64> {
        self.untold.oldest_ms()
    }

    /// The next that waits is to be written: `take` is shown it.
    pub(super) fn next(&mut self, take: &mut dyn FnMut(Ticket, Kind, &str, &Entry)) -> bool {
        let Some(place) = self.waiting.pop_front() else { return false };
        let expired_ms = self.newest_ms.saturating_sub(self.ttl_ms);
        let slot = &mut self.slots[place as usize];
        let Some(entry) = slot.entry.as_ref() else { return true };
        if entry.order.0 < expired_ms {
            self.dropped += 1;
            self.remove(place);
            return true;
        }
        slot.written = Some(entry.order);
        take(Ticket(place), slot.kind, &slot.id, entry);
        true
    }

    /// Redis has it, or something newer.
    pub(super) fn done(&mut self, ticket: Ticket) {
        let slot = &mut self.slots[ticket.0 as usize];
        let written = slot.written.take();
        let Some(entry) = &slot.entry else { return };
        if written == Some(entry.order) {
            slot.waits = false;
            self.untold.remove(entry.order.0);
        } else {
            // Something newer came meanwhile.
            self.waiting.push_back(ticket.0);
        }
    }

    /// It was not written.
    pub(super) fn failed(&mut self, ticket: Ticket) {
        self.slots[ticket.0 as usize].written = None;
        self.waiting.push_back(ticket.0);
    }

    /// It cannot be written, ever: nothing of this key is, until its next value.
    pub(super) fn refused(&mut self, ticket: Ticket) {
        self.dropped += 1;
        self.slots[ticket.0 as usize].written = None;
        self.remove(ticket.0);
    }

    /// Redis may have lost everything: all that windows may still need waits again.
    pub(super) fn again(&mut self) {
        let needed_ms = self.newest_ms.saturating_sub(NEEDED_MS);
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let Some(entry) = slot.entry.as_ref().filter(|entry| entry.order.0 >= needed_ms) else {
                continue;
            };
            if !slot.waits {
                slot.waits = true;
                self.untold.add(entry.order.0);
                self.waiting.push_back(u32::try_from(place).unwrap_or(u32::MAX));
            }
        }
    }

    /// Looks at some keys, and lets go of those that Redis has and no window needs.
    pub(super) fn sweep(&mut self, count: usize) {
        let needed_ms = self.newest_ms.saturating_sub(NEEDED_MS);
        for _ in 0..count.min(self.slots.len()) {
            self.swept = (self.swept + 1) % self.slots.len();
            let slot = &self.slots[self.swept];
            let is_needed = slot.entry.as_ref().is_none_or(|entry| entry.order.0 >= needed_ms);
            if !slot.waits && !is_needed {
                self.remove(u32::try_from(self.swept).unwrap_or(u32::MAX));
            }
        }
    }

    /// Forgets a key that has no place in `waiting`.
    fn remove(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        let Some(entry) = slot.entry.take() else { return };
        if std::mem::take(&mut slot.waits) {
            self.untold.remove(entry.order.0);
        }
        let id = std::mem::take(&mut slot.id);
        self.bytes -= bytes_of(&entry) + SLOT_BYTES + 2 * id.len();
        self.places[slot.kind as usize].remove(&id);
        self.free.push(place);
    }
}

fn bytes_of(entry: &Entry) -> usize {
    match &entry.body {
        Body::Reading(value) => value.len(),
        Body::Row { .. } => 0,
    }
}

/// What a key takes beside its id and its value.
const SLOT_BYTES: usize = size_of::<Slot>() + 64;

/// How far behind the newest event time a value may be that Redis gets again when it comes back, ms: more
/// than any window, and than the span that is re-read after a restart.
const NEEDED_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn body(byte: u8) -> Body {
        Body::Reading(vec![byte; 10].into())
    }

    fn order(time_ms: i64, offset: i64) -> Order {
        (time_ms, [0, offset, 0, 0])
    }

    fn take(board: &mut Board) -> Option<(Ticket, String, Order)> {
        let mut taken = None;
        while taken.is_none()
            && board.next(&mut |ticket, _, id, entry| {
                taken = Some((ticket, id.to_owned(), entry.order));
            })
        {}
        taken
    }

    /// Whatever fails, comes again or is overtaken: in the end Redis has the newest of each key.
    #[test]
    fn what_waits_is_what_redis_does_not_have() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut board = Board::new(1 << 20, 300_000);
        let (mut newest, mut redis): (BTreeMap<String, Order>, BTreeMap<String, Order>) = Default::default();
        for step in 0..20_000_i64 {
            match random.u32(0..12) {
                0..5 => {
                    let (id, order) =
                        (format!("W-{}", random.u32(0..40)), order(step / 4 + random.i64(0..50), step));
                    board.put(Kind::Well, &id, order, || body(1));
                    let known = newest.entry(id).or_insert(order);
                    *known = (*known).max(order);
                }
                5..11 => {
                    let Some((ticket, id, order)) = take(&mut board) else { continue };
                    assert_eq!(newest[&id], order, "what is written is the newest");
                    if random.bool() {
                        // While it is on its way, something newer may come.
                        let newer = (order.0 + random.i64(0..2), [0, step, 0, 0]);
                        board.put(Kind::Well, &id, newer, || body(2));
                        let known = newest.get_mut(&id).unwrap();
                        *known = (*known).max(newer);
                    }
                    if random.u32(0..4) == 0 {
                        board.failed(ticket);
                    } else {
                        redis.insert(id, order);
                        board.done(ticket);
                    }
                }
                _ if random.u32(0..50) == 0 => {
                    redis.clear();
                    board.again();
                }
                _ => board.sweep(3),
            }
            let oldest =
                newest.iter().filter(|(id, order)| redis.get(*id) != Some(*order)).map(|(_, it)| it.0).min();
            assert_eq!(board.untold_ms(), oldest.map(|ms| ms / 1_000 * 1_000), "step {step}");
        }
        while let Some((ticket, id, order)) = take(&mut board) {
            redis.insert(id, order);
            board.done(ticket);
        }
        assert_eq!((redis, board.untold_ms(), board.dropped), (newest, None, 0));
    }

    #[test]
    fn memory_is_bounded_and_what_no_window_needs_goes_first() {
        let mut board = Board::new(20 * (SLOT_BYTES + 30), 300_000);
        for number in 0..20_i64 {
            board.put(Kind::Tank, &format!("T-{number:02}"), order(number, number), || body(0));
        }
        let full = board.len();
        assert!(full < 25 && board.bytes() <= board.bytes_max);
        board.put(Kind::Tank, "T-more", order(20, 20), || body(0));
        assert!(board.len() <= full + 1 && board.bytes() <= board.bytes_max);
        while let Some((ticket, ..)) = take(&mut board) {
            board.done(ticket);
        }
        let before = board.dropped;
        board.put(Kind::Tank, "T-later", order(70_000, 21), || body(0));
        board.put(Kind::Tank, "T-last", order(70_001, 22), || body(0));
        for number in 0..30 {
            board.put(Kind::Well, &format!("W-{number}"), order(70_000, number), || body(0));
        }
        assert!(board.bytes() <= board.bytes_max && board.dropped > before);
        assert!(take(&mut board).is_some_and(|(_, id, _)| id == "T-later"), "what Redis had made room");
    }

    #[test]
    fn what_waited_for_longer_than_keys_live_is_not_written() {
        let mut board = Board::new(1 << 20, 300_000);
        board.put(Kind::Facility, "F", order(1, 1), || body(0));
        board.put(Kind::Well, "W", order(300_002, 1), || body(0));
        assert_eq!(take(&mut board).map(|(_, id, _)| id), Some("W".to_owned()));
        assert_eq!((board.dropped, board.len()), (1, 1));
    }
}
