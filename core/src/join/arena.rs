//! The row parts of the readings in the windows, in segments that are freed whole once W has passed their
//! newest reading. Copying a part here (some 100 bytes) sets the lane's batch free at once.

use crate::prefetch::prefetch;

/// Where a part lies; its length stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef {
    segment: u32,
    start: u32,
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
        let wanted = LENGTH_BYTES + part.len();
        let fits = |segment: &Segment| segment.bytes.len() + wanted <= segment.bytes.capacity();
        let index = match self.current {
            Some(index) if fits(&self.segments[index as usize]) => index,
            _ => self.take_segment(wanted),
        };
        let segment = &mut self.segments[index as usize];
        let start = segment.bytes.len();
        segment.bytes.extend_from_slice(&narrow(part.len()).to_le_bytes());
        segment.bytes.extend_from_slice(part);
        segment.time_ms_max = segment.time_ms_max.max(time_ms);
        PartRef { segment: index, start: narrow(start) }
    }

    /// The bytes of a part.
    pub fn get(&self, part: PartRef) -> &[u8] {
        let Some(segment) = self.segments.get(part.segment as usize) else { return &[] };
        let Some((length, rest)) = segment.bytes[part.start as usize..].split_first_chunk() else {
            return &[];
        };
        &rest[..u32::from_le_bytes(*length) as usize]
    }

    /// A part will be read soon: its first lines are asked for, which hold most parts.
    #[inline]
    pub(super) fn expect(&self, part: PartRef) {
        let Some(segment) = self.segments.get(part.segment as usize) else { return };
        for line in 0..LINES_EXPECTED {
            prefetch(&segment.bytes, part.start as usize + line * 64);
        }
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
                if segment.bytes.capacity() > SEGMENT_BYTES {
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

    fn take_segment(&mut self, part_bytes: usize) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.segments.push(Segment { bytes: Vec::new(), time_ms_max: i64::MIN });
            narrow(self.segments.len() - 1)
        });
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
/// A part's length, before it.
const LENGTH_BYTES: usize = size_of::<u32>();
const SEGMENT_BYTES: usize = 64 * 1_024;
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
            assert!(kept.iter().all(|at| arena.get(*at) == part));
            if round == 50 {
                bytes = arena.bytes();
            }
        }
        assert!(arena.bytes() <= bytes + 2 * SEGMENT_BYTES, "{} after {bytes}", arena.bytes());
        let large = vec![7; 300_000];
        let at = arena.put(&large, 2_000_000);
        assert_eq!(arena.get(at), large);
        arena.forget(3_000_000, 5_000);
        assert!(arena.bytes() <= bytes + 2 * SEGMENT_BYTES);
    }
}
