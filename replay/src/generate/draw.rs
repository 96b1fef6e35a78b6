//! Random numbers that depend on a seed and an index only, so that any reading can be made at any time.

use wellstream_core::record::splitmix64;

/// A stream of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draws(u64);

impl Draws {
    /// The stream of an index, for a purpose (`salt`) of a seed.
    #[inline]
    pub(super) fn new(seed: u64, salt: u64, index: u64) -> Draws {
        Draws(splitmix64(splitmix64(seed ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93)) ^ index))
    }

    /// The next 64 bits.
    #[inline]
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = splitmix64(self.0);
        self.0
    }

    /// Below `count`, which must not be 0.
    #[inline]
    pub(super) fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }

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
    pub(super) fn draw(self, draws: &mut Draws) -> f64 {
        f64::from(self.least + draws.below(self.count) as i32) / 100.0
    }
}
