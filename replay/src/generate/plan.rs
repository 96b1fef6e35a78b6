//! Which sensor reads when, and what is special about it.

use wellstream_core::record::Side;

use super::draw::Draws;
use super::{Event, EventKind, Generator, Mood};

impl Generator {
    /// The reading of an index.
    #[inline]
    pub fn event(&self, index: u64) -> Event {
        let mut draws = Draws::new(self.scenario.seed, SALT_SENDING, index);
        if draws.chance(self.chances.duplicate) {
            let back = 1 + draws.below(DUPLICATE_BACK_MAX);
            if let Some(first) = index.checked_sub(back).map(|index| self.reading(index)) {
                let read_ms = self.read_ms(index);
                if !self.is_silent(first.side, first.sensor, read_ms) {
                    return Event { index, sent_ms: self.sent_ms(read_ms), ..first };
                }
            }
        }
        self.reading(index)
    }

    /// The reading of an index, before duplicates take the place of some.
    #[inline]
    fn reading(&self, index: u64) -> Event {
        let mut draws = Draws::new(self.scenario.seed, SALT_READING, index);
        let read_ms = self.read_ms(index);
        let (side, ordinal) = self.side(index);
        let sensor = self.sensor(side, ordinal, read_ms, &mut draws);
        let facility = sensor % self.scenario.facilities;
        let mut time_ms = read_ms - draws.between(0, self.scenario.disorder_ms);
        let point = draws.point();
        let mut kind = EventKind::Usual;
        if point < self.chances.poison {
            if point < self.chances.late {
                let [least, most] = self.scenario.late_by_ms;
                time_ms -= draws.between(least, most);
            } else if point < self.chances.null {
                kind = EventKind::Null(nulls(side, &mut draws));
            } else {
                kind = EventKind::Poison(self.scenario.poison[below(&mut draws, self.scenario.poison.len())]);
            }
        }
        time_ms += self.skew_ms(side, sensor);
        let values = Draws::new(self.scenario.seed, SALT_VALUES, index);
        Event {
            index,
            side,
            sensor,
            facility,
            time_ms,
            sent_ms: self.sent_ms(read_ms),
            kind,
            values,
            mood: self.mood(facility, read_ms),
        }
    }

    /// When a reading is read, at the latest, on the axis of event times: readings are spread evenly.
    #[inline]
    fn read_ms(&self, index: u64) -> i64 {
        self.setup.start_ms + (index * 1_000_000 / self.events_per_ks).cast_signed()
    }

    /// When it is sent: at once, but for a backlog.
    #[inline]
    fn sent_ms(&self, read_ms: i64) -> i64 {
        let start_ms = self.setup.start_ms;
        self.scenario.backlog.map_or(read_ms, |backlog| start_ms + backlog.sent_after_ms(read_ms - start_ms))
    }

    /// The side of a reading, and how many of that side are before it.
    #[inline]
    fn side(&self, index: u64) -> (Side, u64) {
        let [wells, all] = self.cycle;
        let wells_before = index * wells / all;
        if (index + 1) * wells / all > wells_before {
            (Side::Well, wells_before)
        } else {
            (Side::Tank, index - wells_before)
        }
    }

    /// Each sensor reads once in a cycle, in an order that begins elsewhere in each cycle.
    #[inline]
    fn sensor(&self, side: Side, ordinal: u64, read_ms: i64, draws: &mut Draws) -> u32 {
        let sensors = &self.sensors[side.index()];
        let count = sensors.ids.len() as u64;
        if draws.chance(self.chances.hot) {
            // Sensors 0, F, 2F ... are of facility 0.
            let facilities = u64::from(self.scenario.facilities);
            return id(draws.below(count.div_ceil(facilities)) * facilities);
        }
        let (cycle, place) = (ordinal / count, ordinal % count);
        let begin = Draws::new(self.scenario.seed, SALT_CYCLE + side.index() as u64, cycle).below(count);
        let mut sensor = id((begin + place * sensors.stride) % count);
        for _ in 0..REDRAWS_MAX {
            if !self.is_silent(side, sensor, read_ms) {
                break;
            }
            sensor = id(draws.below(count));
        }
        sensor
    }

    #[inline]
    fn is_silent(&self, side: Side, sensor: u32, read_ms: i64) -> bool {
        self.scenario.silent.is_some_and(|silent| {
            silent.side == side
                && self.setup.partitions[side.index()] > 1
                && read_ms >= self.setup.start_ms + i64::from(silent.from_ms)
                && self.sensors[side.index()].partitions[sensor as usize] == silent.partition
        })
    }

    #[inline]
    fn skew_ms(&self, side: Side, sensor: u32) -> i64 {
        let most = self.scenario.skew_ms_max;
        let mut draws = Draws::new(self.scenario.seed, SALT_SKEW + side.index() as u64, u64::from(sensor));
        if draws.chance(self.chances.skewed) {
            draws.between(0, most.saturating_mul(2)) - i64::from(most)
        } else {
            0
        }
    }

    #[inline]
    fn mood(&self, facility: u32, read_ms: i64) -> Mood {
        match self.leak(facility, read_ms) {
            Some(mood) => mood,
            None if self.is_calm(facility, read_ms) => Mood::Calm,
            None => Mood::Usual,
        }
    }

    #[inline]
    fn leak(&self, facility: u32, read_ms: i64) -> Option<Mood> {
        let leak = self.scenario.leak?;
        // Those that leak are spread evenly; the n-th is the n-th to begin.
        let step = self.scenario.facilities / leak.facilities;
        let nth = facility / step;
        if !facility.is_multiple_of(step) || nth >= leak.facilities {
            return None;
        }
        let begin_ms = i64::from(leak.from_ms) + i64::from(nth) * i64::from(leak.stagger_ms);
        let after_ms = read_ms - self.setup.start_ms - begin_ms;
        let (seep_ms, burst_ms) = (i64::from(leak.seep_ms), i64::from(leak.burst_ms));
        match after_ms {
            ..0 => None,
            after if after < seep_ms => Some(Mood::Seep),
            after if after < seep_ms + burst_ms => Some(Mood::Burst),
            _ => None,
        }
    }

    #[inline]
    fn is_calm(&self, facility: u32, read_ms: i64) -> bool {
        self.scenario.calm.is_some_and(|calm| {
            let after_ms = (read_ms - self.setup.start_ms).unsigned_abs();
            // Phases of different facilities begin at different times.
            let phase_ms = u64::from(calm.phase_ms);
            let shift_ms = Draws::new(self.scenario.seed, SALT_PHASE, u64::from(facility)).below(phase_ms);
            let phase = (after_ms + shift_ms) / phase_ms;
            Draws::new(self.scenario.seed ^ phase, SALT_CALM, u64::from(facility)).chance(self.chances.calm)
        })
    }
}

fn nulls(side: Side, draws: &mut Draws) -> [u8; 2] {
    let fields = match side {
        Side::Well => 11,
        Side::Tank => 14,
    };
    let first = below(draws, fields);
    // One in four has a second one, which may be the same.
    let second = if below(draws, 4) == 0 { below(draws, fields) } else { first };
    [first, second].map(|place| u8::try_from(place).unwrap_or_default())
}

fn below(draws: &mut Draws, count: usize) -> usize {
    usize::try_from(draws.below(count as u64)).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "there are at most 10 million sensors")]
fn id(number: u64) -> u32 {
    number as u32
}

/// A duplicate is of one of so many readings before it.
const DUPLICATE_BACK_MAX: u64 = 1_000;

/// Draws of another sensor for one whose partition is silent; then it reads all the same (its topic may have
/// no other).
const REDRAWS_MAX: usize = 64;

// Each purpose has its own stream of numbers, so that a knob changes nothing but what it is for.
const SALT_SENDING: u64 = 1;
const SALT_READING: u64 = 2;
const SALT_VALUES: u64 = 3;
const SALT_PHASE: u64 = 4;
const SALT_CALM: u64 = 5;
const SALT_CYCLE: u64 = 10;
const SALT_SKEW: u64 = 20;
