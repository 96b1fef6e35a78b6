//! Where a restart must begin to read: the first segment of the log that still holds a reading that matters,
//! with the clock before it. Rounding down to a segment's start is safe; a segment costs 32 bytes.

use std::collections::VecDeque;

use crate::limits::REWIND_SEGMENTS_MAX;

use super::clock::NEVER;

/// A run of records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first record's offset.
    pub offset: i64,
    /// The partition's clock before that record, `NEVER` if it had none.
    pub clock_before_ms: i64,
    /// The largest event time of its on-time readings, `NEVER` if it has none.
    pub time_ms_max: i64,
}

/// Builds segments on the lane: a new one each `step_ms` of the clock, and at every cut.
#[derive(Clone, Debug)]
pub struct SegmentBuilder {
    open: Option<Segment>,
    closed: Vec<Segment>,
    step_ms: i64,
}

impl SegmentBuilder {
    /// Segments of about `step_ms` of event time.
    pub fn new(step_ms: i64) -> SegmentBuilder {
        SegmentBuilder { open: None, closed: Vec::new(), step_ms }
    }

    /// A record is read, whatever its verdict: `clock_before_ms` is the clock without it.
    pub fn record(&mut self, offset: i64, clock_before_ms: i64) {
        let start_anew = match &self.open {
            None => true,
            Some(open) => clock_before_ms.saturating_sub(open.clock_before_ms) >= self.step_ms,
        };
        if start_anew {
            self.closed.extend(self.open.take());
            self.open = Some(Segment { offset, clock_before_ms, time_ms_max: NEVER });
        }
    }

    /// The record just read is on time (also if a filter drops it: the end of a bounded run looks at it).
    pub fn on_time(&mut self, time_ms: i64) {
        if let Some(open) = &mut self.open {
            open.time_ms_max = open.time_ms_max.max(time_ms);
        }
    }

    /// Hands over what was read since the last cut.
    pub fn cut(&mut self) -> Vec<Segment> {
        self.closed.extend(self.open.take());
        std::mem::take(&mut self.closed)
    }
}

/// The segments of one partition that a restart may need, oldest first. Kept by the committer.
#[derive(Clone, Debug, Default)]
pub struct RewindTrack {
    segments: VecDeque<Segment>,
}

impl RewindTrack {
    /// Adds what a lane read up to its mark.
    pub fn extend(&mut self, segments: impl IntoIterator<Item = Segment>) {
        self.segments.extend(segments);
        while self.segments.len() > REWIND_SEGMENTS_MAX {
            self.merge_oldest();
        }
    }

    /// The rewind offset and the clock before it, when the domain stands at W: the first segment with a
    /// reading for which not W > time + span, or of `untold_ms` or later; `end` (offset and clock at the cut)
    /// if there is none.
    pub fn rewind(&mut self, (w_ms, span_ms): (i64, i64), untold_ms: i64, end: (i64, i64)) -> (i64, i64) {
        while let Some(first) = self.segments.front() {
            let is_past = w_ms > first.time_ms_max.saturating_add(span_ms) && first.time_ms_max < untold_ms;
            let gone = first.time_ms_max == NEVER || is_past;
            if !gone {
                return (first.offset, first.clock_before_ms);
            }
            self.segments.pop_front();
        }
        end
    }

    /// Makes one segment of each two: coarser, never later.
    fn merge_oldest(&mut self) {
        let mut merged = VecDeque::with_capacity(self.segments.len() / 2 + 1);
        let mut segments = self.segments.iter();
        while let Some(first) = segments.next() {
            let time_ms_max = segments.next().map_or(NEVER, |second| second.time_ms_max);
            merged.push_back(Segment { time_ms_max: first.time_ms_max.max(time_ms_max), ..*first });
        }
        self.segments = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewinds_to_the_first_segment_that_matters_with_the_clock_before_it() {
        let mut lane = SegmentBuilder::new(10);
        let mut clock = NEVER;
        for (offset, time) in [(0, 100), (1, 104), (2, 112), (3, 108), (4, 125)] {
            lane.record(offset, clock);
            lane.on_time(time);
            clock = clock.max(time);
        }
        let mut track = RewindTrack::default();
        track.extend(lane.cut());
        // segments: [0] NEVER.., [1, 2] from clock 100, [3, 4] from clock 112
        assert_eq!(track.rewind((105, 5), i64::MAX, (5, clock)), (0, NEVER), "W = 105 is not past 100 + 5");
        assert_eq!(track.rewind((106, 5), i64::MAX, (5, clock)), (1, 100));
        assert_eq!(track.rewind((118, 5), i64::MAX, (5, clock)), (3, 112));
        assert_eq!(track.rewind((131, 5), i64::MAX, (5, clock)), (5, 125));
    }

    #[test]
    fn too_many_segments_are_merged_and_never_lose_a_reading() {
        let mut track = RewindTrack::default();
        let many = i64::try_from(REWIND_SEGMENTS_MAX).unwrap() * 3;
        track.extend((0..many).map(|i| Segment { offset: i, clock_before_ms: i, time_ms_max: i }));
        let (offset, clock) = track.rewind((many / 2, 10), i64::MAX, (many, many));
        assert!(offset <= many / 2 - 10 && offset > many / 2 - 40, "{offset}");
        assert_eq!(offset, clock);
    }
}
