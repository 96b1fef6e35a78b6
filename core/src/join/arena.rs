//! The row parts of the readings in the windows, in segments that are freed whole once W has passed their
//! newest reading. The parts of a full batch stay where the lane wrote them: their memory becomes a segment,
//! and the lane gets that of a segment which is past. Those of a small batch are copied, which sets its
//! memory free at once.

use crate::prefetch::prefetch_lines;

/// Where a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef {
    segment: u32,
    start: u32,
}

impl PartRef {
    /// A part in a segment that `adopt` gave.
    #[inline]
    pub fn adopted(segment: u32, start: u32) -> PartRef {
        PartRef { segment, start }
    }
}

impl Default for PartRef {
    /// No part.
    fn default() -> PartRef {
        PartRef { segment: u32::MAX, start: 0 }
    }
}

#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    time_ms_max: i64,
}

/// The arena of one shard.
#[derive(Debug)]
pub struct Arena {
    segments: Vec<Segment>,
    /// Segments that hold nothing.
    free: Vec<u32>,
    /// The segment being filled.
    current: Option<u32>,
    swept_w_ms: i64,
    bytes: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Arena { segments: Vec::new(), free: Vec::new(), current: None, swept_w_ms: i64::MIN, bytes: 0 }
    }
}

impl Arena {
    /// Keeps a part until W has passed `time_ms` by the span given to `forget`.
    pub fn put(&mut self, part: &[u8], time_ms: i64) -> PartRef {
        if part.is_empty() {
            return PartRef::default();
        }
        let fits = |segment: &Segment| segment.bytes.len() + part.len() <= segment.bytes.capacity();
        let index = match self.current {
            Some(index) if fits(&self.segments[index as usize]) => index,
            _ => self.take_segment(part.len()),
        };
        let segment = &mut self.segments[index as usize];
        let start = segment.bytes.len();
        segment.bytes.extend_from_slice(part);
        segment.time_ms_max = segment.time_ms_max.max(time_ms);
        PartRef { segment: index, start: narrow(start) }
    }

    /// Makes the memory of a batch's parts a segment until W has passed `time_ms_max`, that of their newest
    /// reading, if they fill it well; `parts` becomes empty memory. Returns the segment: a part keeps its
    /// place in it.
    pub fn adopt(&mut self, parts: &mut Vec<u8>, time_ms_max: i64) -> Option<u32> {
        if parts.len() < ADOPTED_BYTES_MIN || parts.len() < parts.capacity() / 2 {
            return None;
        }
        let index = self.free_segment();
        let segment = &mut self.segments[index as usize];
        self.bytes += parts.capacity();
        self.bytes -= segment.bytes.capacity();
        std::mem::swap(&mut segment.bytes, parts);
        segment.time_ms_max = time_ms_max;
        Some(index)
    }

    /// The bytes of a part, with those that follow it.
    #[inline]
    pub fn get(&self, part: PartRef) -> Option<&[u8]> {
        self.segments.get(part.segment as usize)?.bytes.get(part.start as usize..)
    }

    /// A part will be read soon: its first lines are asked for, which hold most parts.
    #[inline]
    pub(super) fn expect(&self, part: PartRef) {
        let Some(segment) = self.segments.get(part.segment as usize) else { return };
        prefetch_lines::<LINES_EXPECTED>(&segment.bytes, part.start as usize);
    }

    /// Frees the segments whose readings are all past: W > time + span.
    pub fn forget(&mut self, w_ms: i64, span_ms: i64) {
        // Freeing late is harmless; sweeping for each millisecond of W is not free.
        if w_ms.saturating_sub(self.swept_w_ms) < SWEEP_STEP_MS {
            return;
        }
        self.swept_w_ms = w_ms;
        for (index, segment) in self.segments.iter_mut().enumerate() {
            if !segment.bytes.is_empty() && w_ms > segment.time_ms_max.saturating_add(span_ms) {
                if segment.bytes.capacity() > KEPT_BYTES_MAX {
                    self.bytes -= segment.bytes.capacity();
                    segment.bytes = Vec::new();
                }
                segment.bytes.clear();
                segment.time_ms_max = i64::MIN;
                let index = narrow(index);
                if self.current == Some(index) {
                    self.current = None;
                }
                self.free.push(index);
            }
        }
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of a segment that holds nothing, with memory or without.
    fn free_segment(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment { bytes: Vec::new(), time_ms_max: i64::MIN });
            narrow(self.segments.len() - 1)
        })
    }

    fn take_segment(&mut self, part_bytes: usize) -> u32 {
        let index = self.free_segment();
        let segment = &mut self.segments[index as usize];
        let wanted = part_bytes.max(SEGMENT_BYTES);
        if segment.bytes.capacity() < wanted {
            self.bytes -= segment.bytes.capacity();
            segment.bytes = Vec::with_capacity(wanted);
            self.bytes += segment.bytes.capacity();
        }
        // A part larger than a segment has one of its own; filling goes on in it only if there is room.
        self.current = Some(index);
        index
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a part is at most some MiB, and 2^32 segments are 256 TiB"
)]
fn narrow(n: usize) -> u32 {
    debug_assert!(u32::try_from(n).is_ok(), "{n} is no u32");
    n as u32
}

/// Cache lines of a part that are asked for ahead: a well's part has some 190 bytes.
const LINES_EXPECTED: usize = 4;
const SEGMENT_BYTES: usize = 64 * 1_024;
/// Parts that are fewer bytes are copied: a live batch may hold a handful of readings.
const ADOPTED_BYTES_MIN: usize = 16 * 1_024;
/// The memory of a segment that is past is kept for the next if it is at most this: a full batch has some 200
/// KiB.
const KEPT_BYTES_MAX: usize = 512 * 1_024;
const SWEEP_STEP_MS: i64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_until_w_has_passed_them_and_memory_is_reused() {
        let mut arena = Arena::default();
        let mut bytes = 0;
        for round in 0..1_000_i64 {
            let part = [u8::try_from(round % 251).unwrap(); 1_000];
            let kept: Vec<_> = (0..100).map(|i| arena.put(&part, round * 1_000 + i)).collect();
            arena.forget(round * 1_000, 5_000);
            assert!(kept.iter().all(|at| arena.get(*at).unwrap()[..1_000] == part));
            if round == 50 {
                bytes = arena.bytes();
            }
        }
        assert!(arena.bytes() <= bytes + 2 * SEGMENT_BYTES, "{} after {bytes}", arena.bytes());
        let large = vec![7; 600_000];
        let at = arena.put(&large, 2_000_000);
        assert_eq!(arena.get(at).unwrap(), large);
        arena.forget(3_000_000, 5_000);
        assert!(arena.bytes() <= bytes + 2 * SEGMENT_BYTES);
    }

    #[test]
    fn a_full_batch_is_kept_where_it_lies_and_its_memory_goes_round() {
        let mut arena = Arena::default();
        let mut small = vec![1; 100];
        assert_eq!((arena.adopt(&mut small, 0), small.len()), (None, 100));
        let mut roomy = Vec::with_capacity(200_000);
        roomy.resize(50_000, 1);
        assert_eq!(arena.adopt(&mut roomy, 0), None);
        let mut parts = Vec::new();
        let mut bytes = 0;
        for round in 0..100_i64 {
            parts.resize(100_000, u8::try_from(round).unwrap());
            let segment = arena.adopt(&mut parts, round * 1_000).unwrap();
            assert!(parts.is_empty());
            let copied = arena.put(&[200; 10], round * 1_000);
            assert_eq!(
                arena.get(PartRef::adopted(segment, 99_000)).unwrap(),
                [u8::try_from(round).unwrap(); 1_000]
            );
            assert_eq!(arena.get(copied).unwrap()[..10], [200; 10]);
            arena.forget(round * 1_000, 5_000);
            if round == 20 {
                bytes = arena.bytes();
            }
        }
        assert!(parts.capacity() >= 100_000, "memory came back");
        assert!(arena.bytes() <= bytes + 2 * SEGMENT_BYTES, "{} after {bytes}", arena.bytes());
    }
}
