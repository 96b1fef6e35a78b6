//! How one build stands to the other: a ratio from pairs of runs, and how far it can be trusted.
//!
//! Each pair gives the logarithm of head to base, so that what slows both alike (a busy hour, a hot machine)
//! falls out. Their middle half is averaged: a disturbed run, always a slow one, lies outside of it, and the
//! mean of a half is steadier than the median alone. The interval is that of a bootstrap over pairs.

use fastrand::Rng;
use serde::Serialize;

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Head to base: above one is more.
    pub ratio: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// `high - low`: 0.04 are four per cent of the base.
    pub width: f64,
}

impl Estimate {
    /// From pairs (base, head), all above zero; none with fewer than [`PAIRS_MIN`], or where one is not.
    pub fn of(pairs: &[[f64; 2]]) -> Option<Estimate> {
        Estimate::drawn(pairs, DRAWS)
    }

    pub(super) fn drawn(pairs: &[[f64; 2]], draws: usize) -> Option<Estimate> {
        let positive = pairs.iter().flatten().all(|value| value.is_finite() && *value > 0.0);
        if pairs.len() < PAIRS_MIN || !positive {
            return None;
        }
        let logs: Vec<f64> = pairs.iter().map(|[base, head]| (head / base).ln()).collect();
        let ratio = middle_mean(&mut logs.clone()).exp();
        let mut rng = Rng::with_seed(SEED);
        let mut again = vec![0.0; logs.len()];
        let mut means: Vec<f64> = (0..draws)
            .map(|_| {
                again.fill_with(|| logs[rng.usize(..logs.len())]);
                middle_mean(&mut again)
            })
            .collect();
        means.sort_unstable_by(f64::total_cmp);
        let out = (1.0 - CONFIDENCE) / 2.0;
        let (low, high) = (quantile(&means, out).exp(), quantile(&means, 1.0 - out).exp());
        Some(Estimate { ratio, low, high, width: high - low })
    }
}

/// The median; none of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty()).then(|| quantile(&values, 0.5))
}

/// The mean of what lies between the quarters. Sorts.
fn middle_mean(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let out = values.len() / 4;
    let middle = &values[out..values.len() - out];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Of sorted values, between the two nearest.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

/// With fewer pairs no interval of 95 % can be told: all on one side happens by chance in 2 of 2^5.
pub const PAIRS_MIN: usize = 6;
/// How sure the interval is.
pub(super) const CONFIDENCE: f64 = 0.95;
/// So many that the interval's ends move by less than a hundredth of its width from seed to seed.
const DRAWS: usize = 10_000;
const SEED: u64 = 0x6761_7465;
