//! Random numbers that depend on a seed and an index only, so that any reading can be made at any time.

use wellstream_core::record::splitmix64;

/// A stream of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws(u64);

/// The streams of all indices for one purpose (`salt`) of a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams(u64);

impl Streams {
    pub(super) fn new(seed: u64, salt: u64) -> Streams {
        Streams(splitmix64(seed ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93)))
    }

    /// The stream of an index.
    #[inline]
    pub(super) fn of(self, index: u64) -> Draws {
        Draws(splitmix64(self.0 ^ index))
    }
}

/// Numbers, one after the other.
pub(super) trait Bits {
    /// The next 64 bits.
    fn bits(&mut self) -> u64;

    /// Below `count`, which must not be 0.
    #[inline]
    fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }
}

impl Bits for Draws {
    #[inline]
    fn bits(&mut self) -> u64 {
        self.0 = splitmix64(self.0);
        self.0
    }
}

/// The first numbers of some streams, drawn side by side: each stream by itself is a chain in which every
/// number waits for the one before.
#[derive(Debug)]
pub(super) struct Drawn([[u64; STREAMS]; NUMBERS]);

/// Streams drawn side by side.
pub(super) const STREAMS: usize = 32;
/// What the values of a reading need at most.
const NUMBERS: usize = 9;

impl Drawn {
    /// Room for them.
    pub(super) fn empty() -> Drawn {
        Drawn([[0; STREAMS]; NUMBERS])
    }

    /// Draws, of at most [`STREAMS`] streams.
    #[inline]
    pub(super) fn draw(&mut self, streams: impl Iterator<Item = Draws>) {
        let mut states = [0; STREAMS];
        states.iter_mut().zip(streams).for_each(|(state, stream)| *state = stream.0);
        for drawn in &mut self.0 {
            for (drawn, state) in drawn.iter_mut().zip(&mut states) {
                *state = splitmix64(*state);
                *drawn = *state;
            }
        }
    }

    /// The numbers of one stream.
    #[inline]
    pub(super) fn stream(&self, stream: usize) -> DrawnStream<'_> {
        DrawnStream { numbers: &self.0, stream, next: 0 }
    }
}

/// Numbers that were drawn before.
#[derive(Debug)]
pub(super) struct DrawnStream<'a> {
    numbers: &'a [[u64; STREAMS]; NUMBERS],
    stream: usize,
    next: usize,
}

impl Bits for DrawnStream<'_> {
    #[inline]
    fn bits(&mut self) -> u64 {
        let bits = self.numbers[self.next][self.stream];
        self.next += 1;
        bits
    }
}

impl Draws {
    /// From `least` to `most`, both included.
    #[inline]
    pub(super) fn between(&mut self, least: u32, most: u32) -> i64 {
        i64::from(least) + self.below(u64::from(most - least) + 1).cast_signed()
    }

    /// True with a probability.
    #[inline]
    pub(super) fn chance(&mut self, share: Share) -> bool {
        self.bits() >> 11 < share.0
    }

    /// Uniform, 53 bits: to be compared with several shares.
    #[inline]
    pub(super) fn point(&mut self) -> Share {
        Share(self.bits() >> 11)
    }
}

/// A probability as a number of 53 bits, so that shares of 0 and 1 are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share(u64);

impl Share {
    /// Whether it is 0: then no draw is needed to know.
    #[inline]
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "shares are checked to lie within 0 and 1, and 2^53 is exact"
    )]
    pub(super) fn new(share: f64) -> Share {
        Share((share * (1_u64 << 53) as f64) as u64)
    }
}

/// A range of values with two decimals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hundredths {
    least: i32,
    count: u64,
}

impl Hundredths {
    #[expect(clippy::cast_possible_truncation, reason = "ranges are checked to lie within a million")]
    pub(super) fn new([least, most]: [f64; 2]) -> Hundredths {
        let [least, most] = [least, most].map(|value| (value * 100.0).round() as i32);
        Hundredths { least, count: u64::from(least.abs_diff(most)) + 1 }
    }

    /// One value: the double nearest to a number with two decimals.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the count is below 2^31")]
    pub(super) fn draw(self, draws: &mut impl Bits) -> f64 {
        f64::from(self.least + draws.below(self.count) as i32) / 100.0
    }
}
