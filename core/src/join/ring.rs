//! One facility's readings of one side, in arrival order, not sorted: a probe scans contiguous times, and a
//! slot whose reading is past is simply written over.

use super::Held;

/// A ring of times and slots, apart, so that a probe touches times only. A slot keeps its index for as long
/// as its reading matters, also when the ring grows.
#[derive(Debug, Default)]
pub struct Ring {
    times_ms: Vec<i64>,
    slots: Vec<Held>,
    cursor: usize,
}

impl Ring {
    /// Puts a reading in; slots with times below `alive_from_ms` may be written over. Returns its index.
    pub fn insert(&mut self, held: Held, alive_from_ms: i64) -> usize {
        let time_ms = held.half.time_ms;
        let past = |oldest: &i64| *oldest == i64::MIN || *oldest < alive_from_ms;
        if !self.times_ms.get(self.cursor).is_some_and(past) {
            self.grow();
        }
        let index = self.cursor;
        self.times_ms[index] = time_ms;
        self.slots[index] = held;
        self.cursor = (index + 1) % self.times_ms.len();
        index
    }

    /// Calls `found` with each slot whose time lies in `low_ms..=high_ms`, in no order that means anything.
    #[inline]
    pub fn scan(&mut self, low_ms: i64, high_ms: i64, mut found: impl FnMut(usize, &mut Held)) {
        if low_ms > high_ms {
            return;
        }
        let width = high_ms.wrapping_sub(low_ms).cast_unsigned();
        for (index, time_ms) in self.times_ms.iter().enumerate() {
            if time_ms.wrapping_sub(low_ms).cast_unsigned() <= width {
                found(index, &mut self.slots[index]);
            }
        }
    }

    /// The slot of an index that `insert` or `scan` gave; none if the ring was emptied since.
    pub fn slot(&mut self, index: usize) -> Option<&mut Held> {
        self.slots.get_mut(index)
    }

    /// Whether a reading of `alive_from_ms` or later is in it.
    pub fn is_alive(&self, alive_from_ms: i64) -> bool {
        self.times_ms.iter().any(|time_ms| *time_ms != i64::MIN && *time_ms >= alive_from_ms)
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.times_ms.capacity() * (size_of::<i64>() + size_of::<Held>())
    }

    /// Doubles the ring; the new places come next, readings keep their indexes.
    fn grow(&mut self) {
        let slots = self.times_ms.len();
        let grown = (slots * 2).max(SLOTS_MIN);
        self.times_ms.reserve_exact(grown - slots);
        self.slots.reserve_exact(grown - slots);
        // An empty place has a time that no probe reaches and that is always past.
        self.times_ms.resize(grown, i64::MIN);
        self.slots.resize(grown, Held::default());
        self.cursor = slots;
    }
}

/// At the default density a facility has some 3 readings of a side in its window.
const SLOTS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::Half;

    fn held(time_ms: i64) -> Held {
        Held { half: Half { time_ms, ..Half::default() }, ..Held::default() }
    }

    #[test]
    fn a_scan_finds_what_a_list_would() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut ring, mut list) = (Ring::default(), Vec::new());
        for step in 0..10_000_i64 {
            let time = step * 3 + random.i64(-40..=40);
            let alive_from = step * 3 - 100;
            ring.insert(held(time), alive_from);
            list.push(time);
            list.retain(|t| *t >= alive_from);
            let (low, high) = (step * 3 - random.i64(0..60), step * 3 + random.i64(0..60));
            let mut found = Vec::new();
            ring.scan(low.max(alive_from), high, |_, slot| found.push(slot.half.time_ms));
            let mut expected: Vec<_> =
                list.iter().copied().filter(|t| (low.max(alive_from)..=high).contains(t)).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
        assert!(ring.times_ms.len() <= 128, "{}", ring.times_ms.len());
    }
}
