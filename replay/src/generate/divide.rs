//! Division by a number that stays the same: two multiplications instead of a division, and exact.

/// A divisor, and 2^128 over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisor {
    count: u64,
    /// Rounded up; 0 for a divisor of 1, whose inverse has no place.
    inverse: u128,
}

impl Divisor {
    /// A divisor, which must not be 0.
    pub(super) fn new(count: u64) -> Divisor {
        Divisor { count, inverse: (u128::MAX / u128::from(count)).wrapping_add(1) }
    }

    /// The divisor.
    #[inline]
    pub(super) fn count(self) -> u64 {
        self.count
    }

    /// Quotient and remainder. Rounding up makes the product too large by less than `number` / 2^128, which
    /// is less than what a quotient is away from the next whole number, 1 / divisor: both are below 2^64.
    #[inline]
    pub(super) fn divide(self, number: u64) -> (u64, u64) {
        if self.inverse == 0 {
            return (number, 0);
        }
        let low = (self.inverse & u128::from(u64::MAX)) * u128::from(number);
        let high = (self.inverse >> 64) * u128::from(number);
        let quotient = ((high + (low >> 64)) >> 64) as u64;
        (quotient, number - quotient * self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_divides_as_the_processor_does() {
        let edges = |at: u64| [at.wrapping_sub(1), at, at.wrapping_add(1)];
        let numbers: Vec<u64> =
            (0..64).flat_map(|bit| edges(1 << bit)).chain([1_000_000_007, 12_345]).collect();
        for count in numbers.iter().copied().filter(|count| *count > 0) {
            let divisor = Divisor::new(count);
            for number in numbers.iter().flat_map(|number| [*number, number.wrapping_mul(count), !number]) {
                for number in edges(number) {
                    assert_eq!(
                        divisor.divide(number),
                        (number / count, number % count),
                        "{number} / {count}"
                    );
                }
            }
        }
    }
}
