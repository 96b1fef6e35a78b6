//! A burden by which a build is made slower by a known part, to see that the gate of timings notices
//! (`scripts/gate --prove`). Only with the feature `sabotage`: nothing of it is in a release.
//!
//! It is a part of the time that lanes and shards work, not a fixed number of turns: what the machine's other
//! guests slow down makes the burden longer too, and it stays the part that it is.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::MachineClock;

/// Thousandths of the time worked. Written once, before any engine runs; a thread that read it late would
/// only be burdened late.
static PER_MILLE: AtomicU32 = AtomicU32::new(0);

/// Makes lanes and shards of this process take so many thousandths more of the time that they work.
pub fn set_burden(per_mille: u32) {
    PER_MILLE.store(per_mille, Ordering::Relaxed);
}

/// Bears the burden of so much work.
pub(crate) fn bear(clock: &MachineClock, worked_ns: i64) {
    let worked_ns = u64::try_from(worked_ns).unwrap_or(0);
    let until_ns = clock.now_ns() + worked_ns * u64::from(PER_MILLE.load(Ordering::Relaxed)) / 1_000;
    while clock.now_ns() < until_ns {
        std::hint::spin_loop();
    }
}
