//! Which sensor reads when, and what is special about it.

use wellstream_core::record::Side;

use super::divide::Divisor;
use super::draw::{Bits, Draws, Streams};
use super::{Event, EventKind, Generator, Mood};

/// Each purpose's streams of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purposes {
    sending: Streams,
    reading: Streams,
    values: Streams,
    phase: Streams,
    cycle: [Streams; 2],
    skew: [Streams; 2],
}

impl Purposes {
    pub(super) fn new(seed: u64) -> Purposes {
        let of = |salt| Streams::new(seed, salt);
        Purposes {
            sending: of(SALT_SENDING),
            reading: of(SALT_READING),
            values: of(SALT_VALUES),
            phase: of(SALT_PHASE),
            cycle: [of(SALT_CYCLE), of(SALT_CYCLE + 1)],
            skew: [of(SALT_SKEW), of(SALT_SKEW + 1)],
        }
    }
}

/// What is divided by for every reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisors {
    pub(super) events_per_ks: Divisor,
    pub(super) cycle: Divisor,
    pub(super) facilities: Divisor,
    pub(super) sensors: [Divisor; 2],
}

/// Where the newest cycle of each side begins; readings in order ask for the same again and again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Begins([Option<(u64, u64)>; 2]);

impl Generator {
    /// The reading of an index.
    #[inline]
    pub fn event(&self, index: u64) -> Event {
        self.event_near(index, &mut Begins::default())
    }

    /// The same; `begins` is what readings before it have found.
    #[inline]
    pub(super) fn event_near(&self, index: u64, begins: &mut Begins) -> Event {
        if self.chances.duplicate.is_none() {
            return self.reading(index, begins);
        }
        let mut draws = self.purposes.sending.of(index);
        if draws.chance(self.chances.duplicate) {
            let back = 1 + draws.below(DUPLICATE_BACK_MAX);
            if let Some(first) = index.checked_sub(back).map(|index| self.reading(index, begins)) {
                let read_ms = self.read_ms(index);
                if !self.is_silent(first.side, first.sensor, read_ms) {
                    return Event { index, sent_ms: self.sent_ms(read_ms), ..first };
                }
            }
        }
        self.reading(index, begins)
    }

    /// The reading of an index, before duplicates take the place of some.
    #[inline]
    fn reading(&self, index: u64, begins: &mut Begins) -> Event {
        let mut draws = self.purposes.reading.of(index);
        let read_ms = self.read_ms(index);
        let (side, ordinal) = self.side(index);
        let sensor = self.sensor((side, ordinal), read_ms, &mut draws, begins);
        let facility = id(self.divisors.facilities.divide(u64::from(sensor)).1);
        let mut time_ms = read_ms - draws.between(0, self.scenario.disorder_ms);
        let mut kind = EventKind::Usual;
        if !self.chances.poison.is_none()
            && let point = draws.point()
            && point < self.chances.poison
        {
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
        let values = self.purposes.values.of(index);
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
        self.setup.start_ms + self.divisors.events_per_ks.divide(index * 1_000_000).0.cast_signed()
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
        let wells = self.wells_per_cycle;
        let (wells_before, part) = self.divisors.cycle.divide(index * wells);
        if part + wells >= self.divisors.cycle.count() {
            (Side::Well, wells_before)
        } else {
            (Side::Tank, index - wells_before)
        }
    }

    /// Each sensor reads once in a cycle, in an order that begins elsewhere in each cycle.
    #[inline]
    fn sensor(
        &self,
        (side, ordinal): (Side, u64),
        read_ms: i64,
        draws: &mut Draws,
        begins: &mut Begins,
    ) -> u32 {
        let sensors = &self.sensors[side.index()];
        let by_count = self.divisors.sensors[side.index()];
        let count = by_count.count();
        if draws.chance(self.chances.hot) {
            // Sensors 0, F, 2F ... are of facility 0.
            let facilities = u64::from(self.scenario.facilities);
            return id(draws.below(count.div_ceil(facilities)) * facilities);
        }
        let (cycle, place) = by_count.divide(ordinal);
        let begin = match begins.0[side.index()] {
            Some((of, begin)) if of == cycle => begin,
            _ => self.purposes.cycle[side.index()].of(cycle).below(count),
        };
        begins.0[side.index()] = Some((cycle, begin));
        let mut sensor = id(by_count.divide(begin + place * sensors.stride).1);
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
        if self.chances.skewed.is_none() {
            return 0;
        }
        let most = self.scenario.skew_ms_max;
        let mut draws = self.purposes.skew[side.index()].of(u64::from(sensor));
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
            let shift_ms = self.purposes.phase.of(u64::from(facility)).below(phase_ms);
            let phase = (after_ms + shift_ms) / phase_ms;
            Streams::new(self.scenario.seed ^ phase, SALT_CALM)
                .of(u64::from(facility))
                .chance(self.chances.calm)
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
