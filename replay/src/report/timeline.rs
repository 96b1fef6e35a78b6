//! The run over time, bounded: enters one sample about each second; leaves at most so many intervals, longer
//! ones in longer runs. Drops nothing: neighbours are merged, histogram to histogram.

use hdrhistogram::Histogram;

use super::distribution::Distribution;
use super::model::Interval;

/// Collects intervals while a run goes on.
#[derive(Clone, Debug)]
pub struct Timeline {
    intervals: Vec<Interval>,
    /// What is not yet an interval: samples still to come are added to it.
    open: Option<Open>,
    /// How many samples make an interval now.
    samples_per_interval: u32,
    intervals_max: usize,
}

/// What was noted between two moments of a run.
#[derive(Clone, Debug)]
pub struct Sample<'h> {
    /// Its start, seconds from the start of the run.
    pub at_s: f64,
    /// Its length, seconds.
    pub span_s: f64,
    /// Readings whose intended time lies in it; none without a schedule.
    pub offered: Option<u64>,
    /// Readings sent in it.
    pub achieved: u64,
    /// Readings due and not yet through, at its end.
    pub backlog: u64,
    /// Resident memory at its end, bytes.
    pub rss_bytes: u64,
    /// Intended to visible, nanoseconds.
    pub end_to_end_ns: &'h Histogram<u64>,
    /// Intended to sent, nanoseconds.
    pub slip_ns: &'h Histogram<u64>,
}

#[derive(Clone, Debug)]
struct Open {
    samples: u32,
    at_s: f64,
    span_s: f64,
    offered: Option<u64>,
    achieved: u64,
    backlog: u64,
    rss_bytes: u64,
    end_to_end: Histogram<u64>,
    slip: Histogram<u64>,
}

impl Timeline {
    /// Before the first sample.
    pub fn new() -> Timeline {
        Timeline::with_intervals_max(INTERVALS_MAX)
    }

    fn with_intervals_max(intervals_max: usize) -> Timeline {
        Timeline { intervals: Vec::new(), open: None, samples_per_interval: 1, intervals_max }
    }

    /// Adds the next stretch of the run. Histograms are those of [`nanos_histogram`](super::nanos_histogram);
    /// values beyond its bound count as the bound.
    pub fn push(&mut self, sample: &Sample<'_>) {
        let open = self.open.get_or_insert_with(|| Open::at(sample.at_s));
        open.add(sample);
        if open.samples >= self.samples_per_interval {
            self.close();
        }
    }

    /// What there is, in the order of time.
    pub fn finish(mut self) -> Vec<Interval> {
        self.close();
        self.intervals
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.intervals.push(open.finish());
        if self.intervals.len() >= self.intervals_max {
            self.halve();
        }
    }

    /// Makes one interval of each two neighbours.
    fn halve(&mut self) {
        self.samples_per_interval = self.samples_per_interval.saturating_mul(2);
        self.intervals = self.intervals.chunks(2).map(merged).collect();
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline::new()
    }
}

impl Open {
    fn at(at_s: f64) -> Open {
        Open {
            samples: 0,
            at_s,
            span_s: 0.0,
            offered: None,
            achieved: 0,
            backlog: 0,
            rss_bytes: 0,
            end_to_end: super::nanos_histogram(),
            slip: super::nanos_histogram(),
        }
    }

    fn add(&mut self, sample: &Sample<'_>) {
        self.samples += 1;
        self.span_s = sample.at_s + sample.span_s - self.at_s;
        self.offered = add_optional(self.offered, sample.offered);
        self.achieved += sample.achieved;
        self.backlog = sample.backlog;
        self.rss_bytes = sample.rss_bytes;
        add(&mut self.end_to_end, sample.end_to_end_ns);
        add(&mut self.slip, sample.slip_ns);
    }

    fn finish(self) -> Interval {
        Interval {
            at_s: self.at_s,
            span_s: self.span_s,
            offered: self.offered,
            achieved: self.achieved,
            backlog: self.backlog,
            rss_bytes: self.rss_bytes,
            end_to_end_ns: Distribution::of(&self.end_to_end),
            slip_ns: Distribution::of(&self.slip),
        }
    }
}

fn merged(pair: &[Interval]) -> Interval {
    let mut open = Open::at(pair[0].at_s);
    for interval in pair {
        let (Ok(end_to_end), Ok(slip)) = (interval.end_to_end_ns.histogram(), interval.slip_ns.histogram())
        else {
            unreachable!("they were encoded here")
        };
        open.add(&Sample {
            at_s: interval.at_s,
            span_s: interval.span_s,
            offered: interval.offered,
            achieved: interval.achieved,
            backlog: interval.backlog,
            rss_bytes: interval.rss_bytes,
            end_to_end_ns: &end_to_end,
            slip_ns: &slip,
        });
    }
    open.finish()
}

fn add_optional(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// Adds value by value where the bounds differ.
fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    if to.add(from).is_err() {
        for step in from.iter_recorded() {
            to.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
    }
}

/// A page of 1,100 columns shows no more; at a second each this is twenty minutes, then two seconds each.
const INTERVALS_MAX: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::nanos_histogram;

    #[test]
    fn a_long_run_is_bounded_and_loses_nothing() {
        let mut timeline = Timeline::with_intervals_max(8);
        let mut all = nanos_histogram();
        for second in 0..50_u32 {
            let (mut latency, slip) = (nanos_histogram(), nanos_histogram());
            latency.record_n(u64::from(second + 1) * 1_000_000, 100).unwrap();
            all.add(&latency).unwrap();
            timeline.push(&Sample {
                at_s: f64::from(second),
                span_s: 1.0,
                offered: Some(100),
                achieved: 99,
                backlog: u64::from(second),
                rss_bytes: 7,
                end_to_end_ns: &latency,
                slip_ns: &slip,
            });
        }
        let intervals = timeline.finish();
        assert!((4..=8).contains(&intervals.len()), "{}", intervals.len());
        assert_eq!(intervals.iter().map(|i| i.achieved).sum::<u64>(), 50 * 99);
        assert_eq!(intervals.iter().filter_map(|i| i.offered).sum::<u64>(), 50 * 100);
        assert_eq!(intervals.last().map(|i| (i.backlog, i.at_s + i.span_s)), Some((49, 50.0)));
        for pair in intervals.windows(2) {
            assert!((pair[0].at_s + pair[0].span_s - pair[1].at_s).abs() < 1e-9);
        }
        let mut sum = nanos_histogram();
        for interval in &intervals {
            sum.add(interval.end_to_end_ns.histogram().unwrap()).unwrap();
        }
        assert_eq!(sum, all);
    }
}
