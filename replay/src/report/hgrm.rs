//! A histogram as HdrHistogram's percentile distribution (`.hgrm`), which its plotter and others read: enters
//! nanoseconds, leaves milliseconds.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// The text of a `.hgrm` file.
pub fn hgrm(ns: &Histogram<u64>) -> String {
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in ns.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let (ms, at) = (step.value_iterated_to() as f64 / NS_PER_MS, step.quantile_iterated_to());
        let _ = write!(out, "{ms:12.DIGITS$} {at:2.12} {total:10}");
        let _ = match at < 1.0 {
            true => writeln!(out, " {:14.2}", 1.0 / (1.0 - at)),
            false => writeln!(out),
        };
    }
    let (mean, deviation, max) = (ns.mean() / NS_PER_MS, ns.stdev() / NS_PER_MS, ns.max() as f64 / NS_PER_MS);
    let _ = writeln!(out, "#[Mean    = {mean:12.DIGITS$}, StdDeviation   = {deviation:12.DIGITS$}]");
    let _ = writeln!(out, "#[Max     = {max:12.DIGITS$}, Total count    = {:12}]", ns.len());
    let _ = writeln!(out, "#[Buckets = {:12}, SubBuckets     = {:12}]", ns.buckets(), sub_buckets(ns));
    out
}

/// Twice the power of ten of the significant digits, as the next power of two.
fn sub_buckets(ns: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(u32::from(ns.sigfig()))).next_power_of_two()
}

const NS_PER_MS: f64 = 1e6;
/// HdrHistogram's own default.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// Microseconds show to the nanosecond: HdrHistogram's tools print as many digits as the histogram has.
const DIGITS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::nanos_histogram;

    #[test]
    fn values_are_milliseconds_and_percentiles_rise_to_one() {
        let mut ns = nanos_histogram();
        for ms in 1..=1_000 {
            ns.record(ms * 1_000_000).unwrap();
        }
        let text = hgrm(&ns);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last.len()), (1.0, 1_000.0, 3));
        assert!((last[0] / 1_000.0 - 1.0).abs() < 1e-3, "{}", last[0]);
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }
}
