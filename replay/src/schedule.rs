//! When each reading is due: an absolute schedule, fixed before the run begins.
//!
//! Enters: a profile, a mean rate or a span, a number of readings. Leaves: each reading's intended time, ns
//! after the start, never before that of the one before it. Drops: nothing. The schedule knows nothing of the
//! target: whatever the target does, no time moves, so a stall is charged to every reading that it delays.
//!
//! ```
//! use wellstream_replay::schedule::{Profile, Schedule};
//! let schedule = Schedule::new(Profile::Constant, 1_000.0, 10_000, 1)?;
//! let times: Vec<u64> = schedule.times().take(3).collect();
//! assert_eq!(times, [0, 1_000_000, 2_000_000]);
//! assert_eq!(schedule.span_ns(), 10_000_000_000);
//! # Ok::<(), wellstream_replay::schedule::ScheduleError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The shape of a rate over time. All have the rate asked for as their mean over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Evenly spaced.
    #[default]
    Constant,
    /// Independent gaps, exponentially distributed: as from many senders that know nothing of each other.
    Poisson,
    /// From 0.2 to 1.8 times the mean, evenly rising.
    Ramp,
    /// Four steps of equal length: 0.4, 0.8, 1.2 and 1.6 times the mean.
    Step,
    /// 0.75 times the mean, but 3.25 times for a tenth of the run, in its middle.
    Spike,
    /// Four waves between 0.5 and 1.5 times the mean.
    Sine,
    /// As the records of a trace were sent, faster or slower: only [`Schedule::recorded`] has it.
    Recorded,
}

impl Profile {
    /// All that a rate can be asked for in.
    pub const ALL: [Profile; 6] =
        [Profile::Constant, Profile::Poisson, Profile::Ramp, Profile::Step, Profile::Spike, Profile::Sine];

    /// Its name, as flags and reports give it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Constant => "constant",
            Profile::Poisson => "poisson",
            Profile::Ramp => "ramp",
            Profile::Step => "step",
            Profile::Spike => "spike",
            Profile::Sine => "sine",
            Profile::Recorded => "recorded",
        }
    }

    /// The share of all readings that is due in the first `part` of the run; both between 0 and 1.
    fn share(self, part: f64) -> f64 {
        match self {
            Profile::Constant | Profile::Poisson | Profile::Recorded => part,
            Profile::Ramp => part * (0.2 + 0.8 * part),
            Profile::Step => {
                let step = (part * 4.0).floor().min(3.0);
                // 0.1, 0.2, 0.3, 0.4 of the readings: 0.05 n (n + 1) before step n.
                0.05 * step * (step + 1.0) + (part - step / 4.0) * 0.4 * (step + 1.0)
            }
            Profile::Spike => {
                let inside = (part - SPIKE[0]).clamp(0.0, SPIKE[1] - SPIKE[0]);
                0.75 * part + 2.5 * inside
            }
            Profile::Sine => part + 0.5 * (1.0 - (WAVES * part).cos()) / WAVES,
        }
    }

    /// The rate at a part of the run, as a multiple of the mean: the slope of `share`.
    fn slope(self, part: f64) -> f64 {
        match self {
            Profile::Constant | Profile::Poisson | Profile::Recorded => 1.0,
            Profile::Ramp => 0.2 + 1.6 * part,
            Profile::Step => 0.4 * ((part * 4.0).floor().min(3.0) + 1.0),
            Profile::Spike if (SPIKE[0]..SPIKE[1]).contains(&part) => 3.25,
            Profile::Spike => 0.75,
            Profile::Sine => 1.0 + 0.5 * (WAVES * part).sin(),
        }
    }

    /// The part of the run after which that share of the readings is due; `near` is a part close to it.
    #[inline]
    fn part(self, share: f64, near: f64) -> f64 {
        // Newton's steps from the reading before end after one or two; where the slope jumps they may leave
        // what is known to hold the answer, and are replaced by halving it.
        let (mut part, mut low, mut high) = (near, 0.0, 1.0);
        for _ in 0..STEPS_MAX {
            let left = share - self.share(part);
            if left > 0.0 {
                low = part
            } else {
                high = part
            }
            let step = left / self.slope(part);
            let next = part + step;
            if step.abs() < PART_EXACT {
                break;
            }
            part = if low < next && next < high { next } else { 0.5 * (low + high) };
        }
        part
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Profile, String> {
        let names = || Profile::ALL.map(Profile::name).join(", ");
        let found = Profile::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| format!("no profile {text:?}: one of {}", names()))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The intended times of a run's readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    profile: Profile,
    rate_per_s: f64,
    events: u64,
    seed: u64,
    /// For [`Profile::Recorded`]: when some records in a row are due, ns, and how many are due until then.
    runs: Arc<[(u64, u64)]>,
}

/// Why there is no such schedule. No retry helps: the rate or the number must change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// Nobody can send that, or it would never end.
    #[error("a rate of {rate_per_s}/s: must be between {RATE_MIN}/s and {RATE_MAX}/s")]
    Rate {
        /// What was asked for.
        rate_per_s: f64,
    },
    /// Longer than any run.
    #[error("{events} readings at {rate_per_s}/s take {days:.0} days: must be less than {DAYS_MAX}")]
    TooLong {
        /// How many.
        events: u64,
        /// How fast.
        rate_per_s: f64,
        /// How long.
        days: f64,
    },
}

impl Schedule {
    /// A schedule of so many readings, of this mean rate. The seed decides random gaps only.
    ///
    /// # Errors
    /// A rate that is out of bounds, or a run that is too long.
    pub fn new(profile: Profile, rate_per_s: f64, events: u64, seed: u64) -> Result<Schedule, ScheduleError> {
        if !(RATE_MIN..=RATE_MAX).contains(&rate_per_s) {
            return Err(ScheduleError::Rate { rate_per_s });
        }
        let days = events as f64 / rate_per_s / 86_400.0;
        if days >= DAYS_MAX {
            return Err(ScheduleError::TooLong { events, rate_per_s, days });
        }
        Ok(Schedule { profile, rate_per_s, events, seed, runs: Arc::default() })
    }

    /// The schedule of a trace, of which no more is kept than who looks on needs: runs of records that are
    /// due at about the same time, each as (that time in ns, the number of records up to its end); and when
    /// the last one is due, ns. Whoever sends the records takes their exact times from the trace.
    ///
    /// ```
    /// use wellstream_replay::schedule::Schedule;
    /// let schedule = Schedule::recorded(vec![(0, 2), (500_000_000, 5)], 510_000_000)?;
    /// assert_eq!(schedule.times().collect::<Vec<_>>(), [0, 0, 500_000_000, 500_000_000, 500_000_000]);
    /// assert_eq!(schedule.rate_per_s(), 4.0 / 0.51); // the last of five is due four gaps behind the first
    /// # Ok::<(), wellstream_replay::schedule::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    /// It would take longer than any run may.
    pub fn recorded(runs: impl Into<Arc<[(u64, u64)]>>, last_ns: u64) -> Result<Schedule, ScheduleError> {
        let runs = runs.into();
        let events = runs.last().map_or(0, |(_, until)| *until);
        let gaps = events.saturating_sub(1) as f64;
        // A trace that is due all at once has no rate; one record alone takes a second.
        let rate_per_s = if gaps > 0.0 { (gaps * 1e9 / last_ns as f64).min(RATE_MAX) } else { 1.0 };
        let days = last_ns as f64 / NS_PER_DAY;
        if days >= DAYS_MAX {
            return Err(ScheduleError::TooLong { events, rate_per_s, days });
        }
        Ok(Schedule { profile: Profile::Recorded, rate_per_s, events, seed: 0, runs })
    }

    /// How many readings a run of this rate and length has.
    pub fn events_in(rate_per_s: f64, seconds: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
        let events = (rate_per_s * seconds).round() as u64;
        events.max(1)
    }

    /// Readings.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The mean rate, readings per second.
    pub fn rate_per_s(&self) -> f64 {
        self.rate_per_s
    }

    /// The shape.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// From the start to the moment at which the reading behind the last one would be due, ns.
    pub fn span_ns(&self) -> u64 {
        to_ns(self.events as f64 / self.rate_per_s)
    }

    /// The intended times, ns after the start, in order.
    pub fn times(&self) -> Times {
        Times {
            schedule: self.clone(),
            next: 0,
            random: fastrand::Rng::with_seed(self.seed ^ SALT),
            at_s: 0.0,
            part: 0.0,
            run: 0,
        }
    }
}

/// Intended times, one after the other.
#[derive(Clone, Debug)]
pub struct Times {
    schedule: Schedule,
    next: u64,
    random: fastrand::Rng,
    at_s: f64,
    part: f64,
    run: usize,
}

impl Iterator for Times {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let Schedule { profile, rate_per_s, events, ref runs, .. } = self.schedule;
        let index = self.next;
        if index >= events {
            return None;
        }
        self.next += 1;
        Some(match profile {
            Profile::Constant => to_ns(index as f64 / rate_per_s),
            Profile::Poisson => {
                // 1 - f64() is above 0, so the gap is finite.
                self.at_s -= (1.0 - self.random.f64()).ln() / rate_per_s;
                to_ns(self.at_s)
            }
            Profile::Recorded => {
                while runs[self.run].1 <= index {
                    self.run += 1;
                }
                runs[self.run].0
            }
            shape => {
                let span_s = events as f64 / rate_per_s;
                self.part = shape.part(index as f64 / events as f64, self.part);
                to_ns(self.part * span_s)
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.schedule.events - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Times {}

/// Seconds as whole nanoseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; saturates")]
fn to_ns(seconds: f64) -> u64 {
    // Not round(), which is a call of a library on processors of the baseline.
    (seconds * 1e9 + 0.5) as u64
}

/// The slowest schedule, per second: one reading in some minutes is no load.
pub const RATE_MIN: f64 = 0.01;
/// The fastest schedule, per second: beyond it the times of a schedule would be all the work there is.
pub const RATE_MAX: f64 = 1e8;
const DAYS_MAX: f64 = 100.0;
const NS_PER_DAY: f64 = 86_400e9;
/// Where the spike begins and ends, in parts of the run.
const SPIKE: [f64; 2] = [0.45, 0.55];
/// Four waves, in radians.
const WAVES: f64 = 4.0 * std::f64::consts::TAU;
/// Of a run of a day: a tenth of a nanosecond.
const PART_EXACT: f64 = 1e-15;
const STEPS_MAX: u32 = 64;
const SALT: u64 = 0x5c4e_d01e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_the_rate_as_its_mean_and_times_never_go_back() {
        for profile in Profile::ALL {
            let schedule = Schedule::new(profile, 10_000.0, 100_000, 7).unwrap();
            let times: Vec<u64> = schedule.times().collect();
            assert_eq!(times.len(), 100_000);
            assert!(times.is_sorted(), "{profile}");
            let last = *times.last().unwrap() as f64 / 1e9;
            // Poisson's end is random: its deviation is 1/sqrt(n).
            let tolerance = if profile == Profile::Poisson { 0.1 } else { 0.001 };
            assert!((last - 10.0).abs() < tolerance, "{profile}: {last}");
            assert_eq!(profile.name().parse(), Ok(profile));
        }
    }

    #[test]
    fn shapes_have_their_rates_where_they_say() {
        let rate =
            |profile: Profile, from: f64, to: f64| (profile.share(to) - profile.share(from)) / (to - from);
        for (profile, at, expected) in [
            (Profile::Ramp, 0.0, 0.2),
            (Profile::Ramp, 0.999, 1.8),
            (Profile::Step, 0.1, 0.4),
            (Profile::Step, 0.3, 0.8),
            (Profile::Step, 0.6, 1.2),
            (Profile::Step, 0.9, 1.6),
            (Profile::Spike, 0.2, 0.75),
            (Profile::Spike, 0.5, 3.25),
            (Profile::Sine, 1.0 / 16.0, 1.5),
            (Profile::Sine, 3.0 / 16.0, 0.5),
        ] {
            let found = rate(profile, at, at + 1e-6);
            assert!((found - expected).abs() < 0.01, "{profile} at {at}: {found}, not {expected}");
        }
    }

    #[test]
    fn part_is_the_inverse_of_share() {
        for profile in Profile::ALL {
            for (step, near) in (0..=1_000).flat_map(|step| [(step, 0.0), (step, 0.5), (step, 1.0)]) {
                let part = f64::from(step) / 1_000.0;
                let back = profile.part(profile.share(part), near);
                assert!((back - part).abs() < 1e-12, "{profile}: {part} became {back}");
            }
        }
    }

    #[test]
    fn gaps_of_poisson_are_exponential() {
        let schedule = Schedule::new(Profile::Poisson, 1_000.0, 200_000, 3).unwrap();
        let times: Vec<u64> = schedule.times().collect();
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02 && (variance.sqrt() - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn a_rate_that_nobody_can_mean_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert!(matches!(Schedule::new(Profile::Constant, rate, 10, 0), Err(ScheduleError::Rate { .. })));
        }
        let error = Schedule::new(Profile::Constant, 0.1, 10_000_000, 0).unwrap_err();
        assert!(error.to_string().contains("days"), "{error}");
    }
}
