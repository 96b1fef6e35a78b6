//! Latencies as they are kept in a report: the whole histogram, and the figures that may be told of it.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::ReportError;

/// A share of samples, in hundred-millionths: exact, so that the rule below is too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantile(u32);

impl Quantile {
    /// From a percentile such as 99.9, to a millionth; none unless 0 <= percentile < 100.
    pub fn of_percentile(percentile: f64) -> Option<Quantile> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked below to be in the range"
        )]
        let parts = (percentile * f64::from(PER_CENT)).round() as u32;
        (percentile >= 0.0 && parts < WHOLE).then_some(Quantile(parts))
    }

    /// Between 0 and 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// As people write it: `p99.9`.
    pub fn label(self) -> String {
        format!("p{}", self.fraction_text())
    }

    fn fraction_text(self) -> String {
        let text = format!("{}.{:06}", self.0 / PER_CENT, self.0 % PER_CENT);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The value below which the quantile's share of samples lies; none with fewer than ten samples beyond it,
/// since that would be chance. The one place of that rule.
pub fn percentile(samples: &Histogram<u64>, quantile: Quantile) -> Option<u64> {
    let beyond = u128::from(samples.len()) * u128::from(WHOLE - quantile.0);
    (beyond >= u128::from(BEYOND_MIN) * u128::from(WHOLE))
        .then(|| samples.value_at_quantile(quantile.fraction()))
}

/// The samples of a latency: figures for reading, and the histogram itself, without loss, for everything
/// else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Samples.
    pub count: u64,
    /// The least; 0 without samples.
    pub min: u64,
    /// The mean; 0 without samples.
    pub mean: f64,
    /// Median; like all of these none with fewer than ten samples beyond it.
    pub p50: Option<u64>,
    /// Percentile 90.
    pub p90: Option<u64>,
    /// Percentile 99.
    pub p99: Option<u64>,
    /// Percentile 99.9.
    pub p99_9: Option<u64>,
    /// Percentile 99.99.
    pub p99_99: Option<u64>,
    /// Percentile 99.999.
    pub p99_999: Option<u64>,
    /// The greatest, one sample; 0 without samples.
    pub max: u64,
    /// HdrHistogram's V2 encoding, deflated, base64. Distributions are added by adding these, never figures.
    pub histogram: String,
}

impl Distribution {
    /// What these samples amount to.
    pub fn of(samples: &Histogram<u64>) -> Distribution {
        let mut bytes = Vec::new();
        #[expect(clippy::expect_used, reason = "writing to memory; counts beyond i64 cannot be reached")]
        V2DeflateSerializer::new().serialize(samples, &mut bytes).expect("a histogram fits in memory");
        let told = |quantile| percentile(samples, quantile);
        Distribution {
            count: samples.len(),
            min: samples.min(),
            mean: samples.mean(),
            p50: told(P50),
            p90: told(P90),
            p99: told(P99),
            p99_9: told(P99_9),
            p99_99: told(P99_99),
            p99_999: told(P99_999),
            max: samples.max(),
            histogram: base64_simd::STANDARD.encode_to_string(bytes),
        }
    }

    /// The samples.
    ///
    /// # Errors
    /// The text is no histogram, or the figures beside it are not its own.
    pub fn histogram(&self) -> Result<Histogram<u64>, ReportError> {
        let bad = |what: String| ReportError::Histogram { what };
        let bytes = base64_simd::STANDARD.decode_to_vec(&self.histogram).map_err(|e| bad(e.to_string()))?;
        let samples: Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|e| bad(e.to_string()))?;
        let figures = [self.p50, self.p90, self.p99, self.p99_9, self.p99_99, self.p99_999];
        if self.count != samples.len()
            || self.max != samples.max()
            || figures != TOLD.map(|q| percentile(&samples, q))
        {
            return Err(bad("its figures are not those of its histogram".to_owned()));
        }
        Ok(samples)
    }

    /// The figures by quantile, in rising order.
    pub fn told(&self) -> [(Quantile, Option<u64>); TOLD.len()] {
        [
            (P50, self.p50),
            (P90, self.p90),
            (P99, self.p99),
            (P99_9, self.p99_9),
            (P99_99, self.p99_99),
            (P99_999, self.p99_999),
        ]
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution::of(&nanos_histogram())
    }
}

/// A histogram of nanoseconds up to an hour, three significant digits.
pub fn nanos_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constant bounds that the library accepts: held by a test")]
    Histogram::new_with_bounds(1, NANOS_MAX, 3).expect("valid bounds")
}

/// The median.
pub const P50: Quantile = Quantile(50 * PER_CENT);
/// Percentile 90.
pub const P90: Quantile = Quantile(90 * PER_CENT);
/// Percentile 99.
pub const P99: Quantile = Quantile(99 * PER_CENT);
/// Percentile 99.9.
pub const P99_9: Quantile = Quantile(99_900_000);
/// Percentile 99.99.
pub const P99_99: Quantile = Quantile(99_990_000);
/// Percentile 99.999.
pub const P99_999: Quantile = Quantile(99_999_000);

/// What a [`Distribution`] tells.
const TOLD: [Quantile; 6] = [P50, P90, P99, P99_9, P99_99, P99_999];
const WHOLE: u32 = 100 * PER_CENT;
const PER_CENT: u32 = 1_000_000;
/// Fewer samples beyond a percentile than this make it chance.
const BEYOND_MIN: u32 = 10;
const NANOS_MAX: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        for (quantile, count) in [(P50, 20), (P99, 1_000), (P99_9, 10_000), (P99_999, 1_000_000)] {
            let mut samples = nanos_histogram();
            samples.record_n(5, count - 1).unwrap();
            assert_eq!(percentile(&samples, quantile), None, "{}", quantile.label());
            samples.record(5).unwrap();
            assert_eq!(percentile(&samples, quantile), Some(5), "{}", quantile.label());
        }
    }

    #[test]
    fn what_is_kept_is_the_whole_histogram_and_adds_up() {
        let (mut a, mut b) = (nanos_histogram(), nanos_histogram());
        for n in 1..50_000 {
            a.record(n * 97).unwrap();
            b.record(n * n).unwrap();
        }
        let (kept_a, kept_b) = (Distribution::of(&a), Distribution::of(&b));
        assert_eq!(kept_a.histogram().unwrap(), a);
        let mut sum = kept_a.histogram().unwrap();
        sum.add(kept_b.histogram().unwrap()).unwrap();
        a.add(&b).unwrap();
        assert_eq!(Distribution::of(&sum), Distribution::of(&a));
    }

    #[test]
    fn figures_that_are_not_the_histograms_are_refused() {
        let mut samples = nanos_histogram();
        samples.record_n(1_000, 5_000).unwrap();
        let good = Distribution::of(&samples);
        assert!(good.histogram().is_ok());
        let better = Distribution { p99: Some(10), ..good.clone() };
        assert!(better.histogram().unwrap_err().to_string().contains("figures"));
        let broken = Distribution { histogram: good.histogram.replace('A', "?"), ..good };
        assert!(broken.histogram().is_err());
    }

    #[test]
    fn quantiles_are_exact() {
        assert_eq!(Quantile::of_percentile(99.9), Some(P99_9));
        assert_eq!(Quantile::of_percentile(99.999), Some(P99_999));
        assert_eq!([100.0, -1.0, f64::NAN].map(Quantile::of_percentile), [None; 3]);
        assert_eq!([P50, P99_9, P99_999].map(Quantile::label), ["p50", "p99.9", "p99.999"]);
        assert_eq!(Distribution::default().count, 0);
    }
}
