//! Closing times: when a result that is still open becomes final, as W passes.
//!
//! Most lie seconds to a minute ahead of W, so they wait in buckets by their time, unsorted; only the bucket
//! that W is in is a heap, small enough for the nearest cache. What lies below it, and what is too far ahead
//! for a bucket, is in a heap too: nothing is refused for its time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

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
#[derive(Debug)]
pub(super) struct Closings {
    /// All before `near_end_ms`.
    near: Heap,
    near_end_ms: i64,
    /// From there on, `BUCKET_MS` each.
    buckets: VecDeque<Vec<Reverse<Closing>>>,
    /// How many there are in the buckets.
    bucketed: usize,
    /// Out of reach of the buckets when they were added.
    far: Heap,
    /// Memory of buckets that were emptied, for those that are filled next.
    spares: Vec<Vec<Reverse<Closing>>>,
    /// What buckets have held of late: new memory is made for as many, and much larger memory is not kept.
    usual: usize,
    serial: u64,
}

type Heap = BinaryHeap<Reverse<Closing>>;

impl Default for Closings {
    fn default() -> Closings {
        Closings {
            near: Heap::new(),
            near_end_ms: i64::MIN,
            buckets: VecDeque::new(),
            bucketed: 0,
            far: Heap::new(),
            spares: Vec::new(),
            usual: 0,
            serial: 0,
        }
    }
}

impl Closings {
    /// Adds a closing and gives its serial number.
    pub(super) fn push(&mut self, at_ms: i64, facility: u32, side: u8, slot: u32) -> u64 {
        if self.near.is_empty() && self.bucketed == 0 && self.far.is_empty() {
            // The first may well be followed by some that are earlier.
            self.near_end_ms = bucket_end(at_ms.saturating_sub(REACH_MS / 4));
        }
        self.serial += 1;
        self.put(Reverse(Closing { at_ms, serial: self.serial, facility, slot, side }));
        self.serial
    }

    /// The next closing that lies before `until_ms`.
    #[inline]
    pub(super) fn pop_before(&mut self, until_ms: i64) -> Option<Closing> {
        loop {
            match self.near.peek() {
                Some(Reverse(next)) if next.at_ms < until_ms => {
                    return self.near.pop().map(|Reverse(closing)| closing);
                }
                Some(_) => return None,
                None if self.near_end_ms >= until_ms => return None,
                None => {}
            }
            if !self.go_on() {
                return None;
            }
        }
    }

    /// The facility of the closing that comes next, if one is near.
    #[inline]
    pub(super) fn next_facility(&self) -> Option<u32> {
        self.near.peek().map(|Reverse(next)| next.facility)
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        let buckets: usize = self.buckets.iter().chain(&self.spares).map(Vec::capacity).sum();
        let closings = self.near.capacity() + buckets + self.far.capacity();
        closings * size_of::<Closing>() + self.buckets.capacity() * size_of::<Vec<Closing>>()
    }

    fn put(&mut self, closing: Reverse<Closing>) {
        let Reverse(Closing { at_ms, .. }) = closing;
        let ahead_ms = at_ms.saturating_sub(self.near_end_ms);
        if ahead_ms < 0 {
            self.near.push(closing);
        } else if ahead_ms >= REACH_MS {
            self.far.push(closing);
        } else {
            let place = usize::try_from(ahead_ms / BUCKET_MS).unwrap_or(0);
            if place >= self.buckets.len() {
                self.buckets.resize_with(place + 1, Vec::new);
            }
            let bucket = &mut self.buckets[place];
            if bucket.capacity() == 0 {
                *bucket = self.spares.pop().unwrap_or_else(|| Vec::with_capacity(self.usual));
            }
            bucket.push(closing);
            self.bucketed += 1;
        }
    }

    /// Nothing is left that is near: the next bucket is. False if there is nothing further on.
    fn go_on(&mut self) -> bool {
        if self.bucketed == 0 {
            let Some(Reverse(first)) = self.far.peek() else { return false };
            // All between here and there is empty.
            self.near_end_ms = bucket_end(first.at_ms).saturating_sub(BUCKET_MS);
        }
        let next = self.buckets.pop_front().unwrap_or_default();
        self.bucketed -= next.len();
        self.usual = next.len().next_power_of_two().max(self.usual - self.usual / 16);
        let emptied = std::mem::replace(&mut self.near, Heap::from(next)).into_vec();
        // As many as were filled at once: W may pass many before the next ones are begun. But what was near
        // may have been far more than a bucket.
        if (1..=4 * self.usual.max(SPARE_MIN)).contains(&emptied.capacity()) {
            self.spares.push(emptied);
        }
        self.near_end_ms = self.near_end_ms.saturating_add(BUCKET_MS);
        let reach_ms = self.near_end_ms.saturating_add(REACH_MS);
        while let Some(Reverse(first)) = self.far.peek()
            && first.at_ms < reach_ms
        {
            self.far.pop().into_iter().for_each(|first| self.put(first));
        }
        true
    }
}

/// Where the bucket of a time ends.
fn bucket_end(at_ms: i64) -> i64 {
    at_ms.div_euclid(BUCKET_MS).saturating_add(1).saturating_mul(BUCKET_MS)
}

/// What one bucket spans: at 100,000 facilities with an alarm each it holds some thousand.
const BUCKET_MS: i64 = 256;
/// How far ahead buckets go: further than an alarm's end lies behind its last row, with what comes early.
const REACH_MS: i64 = 65_536;
/// Four times as many closings are always worth keeping memory for.
const SPARE_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Against one heap of all, whatever the times.
    #[test]
    fn differential_closings_come_as_from_one_heap() {
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut closings, mut heap) = (Closings::default(), Heap::new());
            let mut w_ms = random.i64(-1_000_000..1_000_000_000_000);
            for _ in 0..3_000 {
                for _ in 0..random.usize(0..6) {
                    let ahead_ms = match random.u32(0..20) {
                        0 => random.i64(-100_000..0),
                        1 => random.i64(0..100_000_000),
                        _ => random.i64(0..40_000),
                    };
                    let at_ms = w_ms + ahead_ms;
                    let serial = closings.push(at_ms, random.u32(..), 1, 7);
                    let Some(same) = closings.find(serial) else { panic!("{at_ms} is not there") };
                    heap.push(Reverse(same));
                }
                // Mostly W goes on by a little, now and then it stands still or jumps.
                w_ms += match random.u32(0..200) {
                    0 => 2_000_000,
                    1..50 => 0,
                    50..60 => 30_000,
                    _ => random.i64(1..700),
                };
                while let Some(next) = closings.pop_before(w_ms) {
                    assert_eq!(Some(Reverse(next)), heap.pop(), "{seed}");
                    assert!(next.at_ms < w_ms);
                }
                assert!(heap.peek().is_none_or(|Reverse(next)| next.at_ms >= w_ms), "{seed}");
            }
            while let Some(next) = closings.pop_before(i64::MAX) {
                assert_eq!(Some(Reverse(next)), heap.pop(), "{seed}");
            }
            assert!(heap.is_empty());
        }
    }

    #[test]
    fn no_time_is_out_of_range_and_memory_is_used_again() {
        let mut closings = Closings::default();
        for at_ms in [i64::MAX - 1, i64::MIN, 0, i64::MIN + 5, i64::MAX] {
            closings.push(at_ms, 1, 0, 0);
        }
        let times: Vec<_> = std::iter::from_fn(|| closings.pop_before(i64::MAX)).map(|it| it.at_ms).collect();
        assert_eq!(times, [i64::MIN, i64::MIN + 5, 0, i64::MAX - 1], "the last is never before");
        let mut closings = Closings::default();
        let mut bytes = Vec::new();
        for time_ms in 0..1_000_000 {
            closings.push(time_ms + 30_000, 1, 0, 0);
            while closings.pop_before(time_ms).is_some() {}
            bytes.extend((time_ms % 100_000 == 99_999).then(|| closings.bytes()));
        }
        assert!(bytes[9] <= bytes[1] && bytes[9] < 4 * 30_000 * size_of::<Closing>(), "{bytes:?}");
    }

    /// All at once below the first bucket: the memory for that is not what buckets are made with afterwards.
    #[test]
    fn many_that_were_near_at_once_leave_no_memory_behind() {
        let mut closings = Closings::default();
        closings.push(100_000, 1, 0, 0);
        for _ in 0..100_000 {
            closings.push(50_000, 1, 0, 0);
        }
        for w_ms in (50_000..400_000).step_by(100) {
            closings.push(w_ms + 20_000, 1, 0, 0);
            while closings.pop_before(w_ms).is_some() {}
        }
        assert!(closings.bytes() < 100_000, "{}", closings.bytes());
    }

    impl Closings {
        fn find(&self, serial: u64) -> Option<Closing> {
            let all = self.near.iter().chain(self.far.iter()).chain(self.buckets.iter().flatten());
            all.map(|Reverse(closing)| *closing).find(|closing| closing.serial == serial)
        }
    }
}
