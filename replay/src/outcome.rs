//! What a run's figures are worth: the one place where a measurement is refused.
//!
//! Enters: a plan, what was measured, the oracle's word where it was asked. Leaves: OK, FAIL or INVALID, and
//! each reason as a sentence. A wrong output fails, whatever the figures; of a right one the figures must
//! also be those of the load that was asked for, and of the target rather than of the instrument.

use crate::drive::{Measured, Plan};
use crate::report::{Outcome, P99, percentile};

/// Judges a run. `is_right` is the oracle's word; `None` if it was not asked.
pub fn judge(plan: &Plan, measured: &Measured, is_right: Option<bool>) -> (Outcome, Vec<String>) {
    let mut reasons: Vec<_> =
        measured.failure.iter().map(|why| format!("the run broke off: {why}")).collect();
    if measured.sent < plan.events {
        reasons.push(format!("stopped after {} of {} readings", measured.sent, plan.events));
    }
    if let Some(asked_per_s) = plan.rate_per_s {
        let achieved_per_s = measured.achieved_per_s(plan);
        let missed = (1.0 - achieved_per_s / asked_per_s).abs();
        if missed > RATE_MISSED_MAX {
            reasons.push(format!(
                "the rate was missed: {achieved_per_s:.0}/s of {asked_per_s:.0}/s ({:.1} %, at most {:.1} % may be)",
                missed * 100.0,
                RATE_MISSED_MAX * 100.0
            ));
        }
    }
    if !measured.drained {
        reasons.push("not everything that was sent came through".to_owned());
    }
    let told = |samples| percentile(samples, P99);
    if let (Some(slip), Some(latency)) = (told(&measured.slip), told(&measured.end_to_end))
        && slip > latency / 2
    {
        reasons.push(format!(
            "p99 of the slip ({:.3} ms) is above half of the latency's p99 ({:.3} ms): the sender is what was measured",
            slip as f64 / 1e6,
            latency as f64 / 1e6
        ));
    }
    let rows = measured.totals.rows.rows;
    let unmeasured = measured.unmeasured * plan.sample as u64;
    // Without a schedule no latency is told, so none can be missing.
    if plan.rate_per_s.is_some() && unmeasured as f64 > rows as f64 * UNMEASURED_MAX {
        reasons.push(format!("{unmeasured} of {rows} rows could not be measured: their inputs are too old"));
    }
    match is_right {
        Some(false) => {
            reasons.insert(0, "the output is not what it must be".to_owned());
            (Outcome::Fail, reasons)
        }
        _ if reasons.is_empty() => (Outcome::Ok, reasons),
        _ => (Outcome::Invalid, reasons),
    }
}

/// How far the rate may be missed, as a part of it.
const RATE_MISSED_MAX: f64 = 0.005;
/// How many rows may be left unmeasured, as a part of them.
const UNMEASURED_MAX: f64 = 0.001;
