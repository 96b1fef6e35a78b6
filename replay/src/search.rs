//! The highest rate that holds an objective: doubling, then bisection, then one longer run to confirm.
//!
//! Enters: an objective such as `p99<10ms`, and a trial that runs one rate. Leaves: every rate tried, and the
//! highest that held and was confirmed. It knows nothing of targets, so a scripted one can test it.
//!
//! ```
//! use wellstream_replay::search::{Slo, Trial, Try, find_max};
//! let slo: Slo = "p99<10ms".parse()?;
//! let mut trial = |Try { rate_per_s, .. }: Try| {
//!     let slow = rate_per_s > 170_000.0;
//!     Ok::<_, ()>(Some(Trial {
//!         achieved_per_s: rate_per_s,
//!         p50_ns: Some(1_000_000),
//!         p99_ns: Some(if slow { 50_000_000 } else { 2_000_000 }),
//!         slo_ns: Some(if slow { 50_000_000 } else { 2_000_000 }),
//!         problem: None,
//!     }))
//! };
//! let search = find_max(&slo, 10_000.0, 1e7, &mut trial).unwrap();
//! let best = search.best_per_s.unwrap();
//! assert!(best > 161_500.0 && best <= 170_000.0 && search.confirmed);
//! # Ok::<(), String>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::report::{Quantile, Search, SearchStep};

/// A bound on a percentile of the latency from intended time to visible.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Which percentile, such as 99.
    pub percentile: f64,
    /// The same, as histograms take it.
    pub quantile: Quantile,
    /// What it must stay below, ns.
    pub max_ns: u64,
    text: String,
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Slo, String> {
        let bad = || format!("{text:?} is no objective: write a percentile and a bound, such as p99<10ms");
        let (percentile, bound) =
            text.trim().strip_prefix('p').and_then(|rest| rest.split_once('<')).ok_or_else(bad)?;
        let percentile: f64 = percentile.trim().parse().map_err(|_| bad())?;
        let quantile = Quantile::of_percentile(percentile).filter(|_| percentile > 0.0).ok_or_else(bad)?;
        let bound = bound.trim();
        let unit_at = bound.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let number: f64 = bound[..unit_at].trim().parse().map_err(|_| bad())?;
        let unit_ns = match &bound[unit_at..] {
            "us" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            _ => return Err(bad()),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive")]
        let max_ns = (number * unit_ns) as u64;
        if !(number > 0.0 && max_ns > 0) {
            return Err(bad());
        }
        Ok(Slo { percentile, quantile, max_ns, text: text.trim().to_owned() })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One rate to be run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// The rate.
    pub rate_per_s: f64,
    /// Whether this run is to confirm, and so is to be longer.
    pub confirms: bool,
}

/// What a run at one rate showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The rate reached.
    pub achieved_per_s: f64,
    /// The median, ns.
    pub p50_ns: Option<u64>,
    /// Percentile 99, ns.
    pub p99_ns: Option<u64>,
    /// The objective's percentile, ns; none with too few samples beyond it.
    pub slo_ns: Option<u64>,
    /// Why the run does not count as held whatever its latency: the rate was missed, a backlog grew.
    pub problem: Option<String>,
}

/// Searches between these rates. The highest rate that held lies within 5 % below the least that did not. A
/// trial that says nothing ends the search: then no rate is the best, and what was tried before is told.
///
/// # Errors
/// The trial's.
pub fn find_max<E>(
    slo: &Slo,
    from_per_s: f64,
    most_per_s: f64,
    trial: &mut dyn FnMut(Try) -> Result<Option<Trial>, E>,
) -> Result<Search, E> {
    let mut steps = Vec::new();
    let best_per_s = search(from_per_s, most_per_s, &mut |rate_per_s, confirms| {
        let Some(trial) = trial(Try { rate_per_s, confirms })? else { return Ok(None) };
        let why = why_not(slo, &trial);
        let held = why.is_none();
        steps.push(SearchStep {
            rate_per_s,
            achieved_per_s: trial.achieved_per_s,
            p50_ns: trial.p50_ns,
            p99_ns: trial.p99_ns,
            slo_ns: trial.slo_ns,
            held,
            why: why.unwrap_or_else(|| if confirms { "confirmed".to_owned() } else { "held".to_owned() }),
        });
        Ok(Some(held))
    })?;
    Ok(Search {
        slo: slo.to_string(),
        slo_percentile: slo.percentile,
        slo_max_ns: slo.max_ns,
        steps,
        best_per_s,
        confirmed: best_per_s.is_some(),
    })
}

/// The highest rate that held and was confirmed. `run` says whether a rate held; nothing if the search is to
/// end.
fn search<E>(
    from_per_s: f64,
    most_per_s: f64,
    run: &mut dyn FnMut(f64, bool) -> Result<Option<bool>, E>,
) -> Result<Option<f64>, E> {
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut rate = from_per_s.clamp(1.0, most_per_s);
    loop {
        let Some(held) = run(rate, false)? else { return Ok(None) };
        if held {
            low = rate
        } else {
            high = rate
        }
        rate = if high.is_infinite() && rate < most_per_s {
            (rate * 2.0).min(most_per_s)
        } else if low == 0.0 && high / 2.0 >= RATE_LEAST {
            // The first rate was too high already: downwards.
            high / 2.0
        } else if low > 0.0 && high.is_finite() && high / low > PRECISION {
            (low * high).sqrt()
        } else {
            break;
        };
    }
    for _ in 0..CONFIRMATIONS_MAX {
        if low == 0.0 {
            break;
        }
        let Some(held) = run(low, true)? else { return Ok(None) };
        if held {
            return Ok(Some(low));
        }
        // It held for a while only: a little less may hold for longer.
        low /= PRECISION;
    }
    Ok(None)
}

fn why_not(slo: &Slo, trial: &Trial) -> Option<String> {
    if let Some(problem) = &trial.problem {
        return Some(problem.clone());
    }
    match trial.slo_ns {
        None => Some(format!("too few samples for p{}: a longer --duration has more", slo.percentile)),
        Some(ns) if ns >= slo.max_ns => Some(format!("p{} is {:.3} ms", slo.percentile, ns as f64 / 1e6)),
        Some(_) => None,
    }
}

/// How near the two ends of the search come.
const PRECISION: f64 = 1.05;
/// Slower than this, readings per second, is not searched.
const RATE_LEAST: f64 = 10.0;
/// Runs that may fail to confirm: each is 5 % slower than the one before.
const CONFIRMATIONS_MAX: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_and_refused() {
        let slo: Slo = "p99.9<1.5ms".parse().unwrap();
        assert_eq!((slo.percentile, slo.max_ns, slo.to_string().as_str()), (99.9, 1_500_000, "p99.9<1.5ms"));
        for bad in
            ["", "p99", "99<10ms", "p99<10", "p100<1ms", "p0<1ms", "p99<-1ms", "p99<10days", "p99>10ms"]
        {
            assert!(bad.parse::<Slo>().is_err(), "{bad}");
        }
    }

    /// A queue of known capacity: below it the latency of a queue, beyond it a backlog.
    fn queue(capacity_per_s: f64) -> impl FnMut(Try) -> Result<Option<Trial>, ()> {
        move |Try { rate_per_s, .. }| {
            let load = rate_per_s / capacity_per_s;
            let ns = if load < 1.0 { 100_000.0 / (1.0 - load) } else { 1e9 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
            let ns = Some(ns as u64);
            let problem = (load >= 1.0).then(|| "the backlog grew".to_owned());
            Ok(Some(Trial {
                achieved_per_s: rate_per_s.min(capacity_per_s),
                p50_ns: ns,
                p99_ns: ns,
                slo_ns: ns,
                problem,
            }))
        }
    }

    #[test]
    fn a_known_capacity_is_found_from_below_and_from_above() {
        let slo: Slo = "p99<10ms".parse().unwrap();
        for capacity in [700.0, 33_333.0, 1_234_567.0] {
            for from in [100.0, 10_000.0, 1e6] {
                // The objective is met up to 99 % of the capacity.
                let truth = capacity * 0.99;
                let search = find_max(&slo, from, 1e8, &mut queue(capacity)).unwrap();
                let best = search.best_per_s.unwrap();
                assert!(best <= truth && best > truth / 1.05, "{capacity} from {from}: {best}");
            }
        }
    }

    #[test]
    fn a_rate_that_only_holds_for_a_while_is_not_told() {
        let slo: Slo = "p50<10ms".parse().unwrap();
        let mut short = queue(100_000.0);
        let mut long = queue(92_000.0);
        let mut trial = |rate: Try| if rate.confirms { long(rate) } else { short(rate) };
        let search = find_max(&slo, 10_000.0, 1e8, &mut trial).unwrap();
        let best = search.best_per_s.unwrap();
        assert!(best < 92_000.0 && best > 84_000.0, "{best}");
        assert!(search.steps.iter().any(|step| !step.held && step.rate_per_s < 100_000.0));
    }

    #[test]
    fn a_search_that_is_ended_tells_what_it_tried() {
        let slo: Slo = "p99<10ms".parse().unwrap();
        let mut queue = queue(100_000.0);
        let mut left = 3;
        let mut trial = |rate: Try| {
            left -= 1;
            if left < 0 { Ok(None) } else { queue(rate) }
        };
        let search = find_max(&slo, 10_000.0, 1e8, &mut trial).unwrap();
        assert_eq!((search.best_per_s, search.confirmed, search.steps.len()), (None, false, 3));
        assert!(search.steps.iter().all(|step| step.held));
    }

    #[test]
    fn nothing_holds_and_everything_holds() {
        let slo: Slo = "p99<10ms".parse().unwrap();
        let nothing = find_max(&slo, 10_000.0, 1e8, &mut queue(0.001)).unwrap();
        assert_eq!((nothing.best_per_s, nothing.confirmed), (None, false));
        let everything = find_max(&slo, 10_000.0, 1e6, &mut queue(1e12)).unwrap();
        assert_eq!(everything.best_per_s, Some(1e6));
    }
}
