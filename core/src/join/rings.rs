//! The windows of a shard: one ring of readings per facility and side, in flat memory. A ring is in arrival
//! order, not sorted: a probe compares whole blocks of contiguous times, and a slot whose reading is past is
//! simply written over, so expiry is free.
//!
//! Rings are regions of shared columns (times apart from the rest, so that a probe touches times only). A
//! region is a power of two of slots; a ring that is full of readings which still matter moves to one twice
//! as large, and its old region waits for another ring.

use crate::prefetch::prefetch;

use super::{Held, Open};

/// One facility's readings of one side. A slot's number stays for as long as its reading matters, also when
/// the ring moves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ring {
    /// First slot of its region.
    start: u32,
    /// Slots of its region: 0, or a power of two.
    slots: u32,
    /// The slot that is written next.
    cursor: u32,
}

/// The columns that all rings of a shard share.
#[derive(Debug, Default)]
pub struct Rings {
    pub(super) times_ms: Vec<i64>,
    pub(super) held: Vec<Held>,
    /// What is open of each reading; empty in the mode in which nothing ever is.
    pub(super) open: Vec<Open>,
    has_open: bool,
    /// Regions that no ring uses, by size: `SLOTS_MIN` slots, twice as many, and so on.
    free: [Vec<u32>; SIZES],
}

impl Rings {
    /// No rings yet; `has_open` in modes in which results wait for W.
    pub fn new(has_open: bool) -> Rings {
        Rings { has_open, ..Rings::default() }
    }

    /// Two rings side by side, since a reading that arrives touches both sides of its facility.
    pub fn pair(&mut self) -> [Ring; 2] {
        [(); 2].map(|()| Ring { start: self.region(SLOTS_MIN), slots: SLOTS_MIN, cursor: 0 })
    }

    /// Puts a reading in; slots with times below `alive_from_ms` may be written over. Returns its slot's
    /// number in the ring.
    #[inline]
    pub fn insert(&mut self, ring: &mut Ring, time_ms: i64, held: Held, alive_from_ms: i64) -> u32 {
        let oldest_ms = self.times_ms.get((ring.start + ring.cursor) as usize);
        // An empty ring's slot is another ring's, or nobody's.
        let is_past =
            ring.slots > 0 && oldest_ms.is_some_and(|oldest| *oldest == EMPTY || *oldest < alive_from_ms);
        if !is_past {
            self.grow(ring);
        }
        let slot = ring.cursor;
        let at = (ring.start + slot) as usize;
        self.times_ms[at] = time_ms;
        self.held[at] = held;
        if self.has_open {
            self.open[at] = Open::default();
        }
        ring.cursor = (slot + 1) & (ring.slots - 1);
        slot
    }

    /// A reading will be put in soon: its slot is asked for.
    #[inline]
    pub(super) fn expect_insert(&self, ring: &Ring) {
        let place = (ring.start + ring.cursor) as usize;
        prefetch(&self.times_ms, place);
        prefetch(&self.held, place);
    }

    /// A ring will be scanned soon: its times are asked for, and what it holds of its newest readings, since
    /// it is those that a reading which arrives is near to.
    #[inline]
    pub(super) fn expect_scan(&self, ring: &Ring) {
        let Ring { start, slots, cursor } = *ring;
        prefetch(&self.times_ms, start as usize);
        for back in 1..=SLOTS_EXPECTED {
            let slot = cursor.wrapping_sub(back) & slots.wrapping_sub(1);
            prefetch(&self.held, start.wrapping_add(slot) as usize);
        }
    }

    /// Where a slot lies in the columns: a number that `insert` gave; none if the ring was emptied since.
    pub fn place(&self, ring: &Ring, slot: u32) -> Option<usize> {
        (slot < ring.slots).then_some((ring.start + slot) as usize)
    }

    /// The places of a ring in the columns.
    #[inline]
    pub fn places(ring: &Ring) -> std::ops::Range<usize> {
        let start = ring.start as usize;
        start..start + ring.slots as usize
    }

    /// Whether a reading of `alive_from_ms` or later is in a ring.
    pub fn is_alive(&self, ring: &Ring, alive_from_ms: i64) -> bool {
        self.times_ms[Rings::places(ring)]
            .iter()
            .any(|time_ms| *time_ms != EMPTY && *time_ms >= alive_from_ms)
    }

    /// Gives a ring's region away.
    pub fn drop_ring(&mut self, ring: &mut Ring) {
        if ring.slots > 0 {
            self.times_ms[Rings::places(ring)].fill(EMPTY);
            self.free[size_class(ring.slots)].push(ring.start);
        }
        *ring = Ring::default();
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        let free: usize = self.free.iter().map(|free| free.capacity() * size_of::<u32>()).sum();
        self.times_ms.capacity() * size_of::<i64>()
            + self.held.capacity() * size_of::<Held>()
            + self.open.capacity() * size_of::<Open>()
            + free
    }

    /// Moves a ring to a region twice as large; the new places come next, readings keep their numbers.
    #[cold]
    fn grow(&mut self, ring: &mut Ring) {
        let slots = (ring.slots * 2).max(SLOTS_MIN);
        let start = self.region(slots);
        let (old, new) = (Rings::places(ring), start as usize);
        self.times_ms.copy_within(old.clone(), new);
        self.held.copy_within(old.clone(), new);
        if self.has_open {
            self.open.copy_within(old.clone(), new);
        }
        let cursor = ring.slots;
        self.drop_ring(ring);
        *ring = Ring { start, slots, cursor };
    }

    /// A region of empty slots.
    fn region(&mut self, slots: u32) -> u32 {
        if let Some(start) = self.free[size_class(slots)].pop() {
            return start;
        }
        let start = self.times_ms.len();
        let end = start + slots as usize;
        self.times_ms.resize(end, EMPTY);
        self.held.resize(end, Held::default());
        if self.has_open {
            self.open.resize(end, Open::default());
        }
        // 2^32 slots would be 170 GB: `state_bytes_max` stops lanes long before.
        u32::try_from(start).unwrap_or(u32::MAX)
    }
}

fn size_class(slots: u32) -> usize {
    (slots / SLOTS_MIN).trailing_zeros() as usize
}

/// The time of an empty slot: no probe reaches it, and it is always past.
const EMPTY: i64 = i64::MIN;
/// At the default density a facility has some 3 readings of a side in its window. One cache line then holds
/// the times of both sides.
const SLOTS_MIN: u32 = 4;
/// Slots that are asked for ahead: at the default density a reading meets one, now and then two.
const SLOTS_EXPECTED: u32 = 2;
/// Sizes of regions: from `SLOTS_MIN` to all that 32 bits can number.
const SIZES: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::scan;

    /// Several rings in the same columns, each against a list.
    #[test]
    fn a_scan_finds_what_a_list_would() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut rings = Rings::new(true);
        let mut many = vec![(Ring::default(), Vec::new()); 5];
        for step in 0..20_000_i64 {
            let which = random.usize(0..many.len());
            let (ring, list) = &mut many[which];
            let time = step * 3 + random.i64(-40..=40);
            // Busier at times, so that rings grow when others are there already.
            let alive_from = step * 3 - 100 * (1 + (step / 5_000) * i64::try_from(which).unwrap());
            let held = Held { offset: step, ..Held::default() };
            rings.insert(ring, time, held, alive_from);
            list.push((time, step));
            list.retain(|(t, _)| *t >= alive_from);
            let (low, high) = (step * 3 - random.i64(0..60), step * 3 + random.i64(0..60));
            let low = low.max(alive_from);
            let (mut found, places) = (Vec::new(), Rings::places(ring));
            scan(&rings.times_ms[places.clone()], low, high, |at| {
                let at = places.start + at;
                found.push((rings.times_ms[at], rings.held[at].offset));
            });
            let mut expected: Vec<_> =
                list.iter().copied().filter(|(t, _)| (low..=high).contains(t)).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
        assert!(rings.times_ms.len() <= 4_096, "{}", rings.times_ms.len());
    }

    #[test]
    fn a_slot_keeps_its_number_when_its_ring_moves_and_regions_are_used_again() {
        let mut rings = Rings::new(false);
        let (mut one, mut other) = (Ring::default(), Ring::default());
        let slots: Vec<u32> = (0..100)
            .map(|time| rings.insert(&mut one, time, Held { offset: time, ..Held::default() }, 0))
            .collect();
        for (offset, slot) in (0..).zip(slots) {
            assert_eq!(rings.held[rings.place(&one, slot).unwrap()].offset, offset);
        }
        assert!(rings.is_alive(&one, 99) && !rings.is_alive(&one, 100));
        let slots = rings.times_ms.len();
        rings.drop_ring(&mut one);
        assert_eq!(rings.place(&one, 0), None);
        for time in 0..100 {
            rings.insert(&mut other, time, Held::default(), 0);
        }
        assert_eq!(rings.times_ms.len(), slots, "the second ring took the regions of the first");
    }
}
