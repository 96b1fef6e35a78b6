//! A burden by which a build is made slower by a known part, to see that the gate of timings notices
//! (`scripts/gate --prove`). Only with the feature `sabotage`: nothing of it is in a release.
//!
//! It is a part of the CPU time that the process takes without it, borne by the threads of lanes and shards
//! while they work. A fixed number of turns, or a part of the time that passes, would be another part of a
//! run in each of the machine's moods.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::MachineClock;

/// Thousandths of the process's other CPU time. Written once, before any engine runs; a thread that read it
/// late would only be burdened late.
static PER_MILLE: AtomicU32 = AtomicU32::new(0);

/// CPU time borne so far, ns. All burdened threads add to it; relaxed, since it says nothing of other memory,
/// and what two of them bear at once is missing from what is owed next.
static BORNE_NS: AtomicU64 = AtomicU64::new(0);

/// When it is asked again what is owed.
static NEXT_NS: AtomicU64 = AtomicU64::new(0);

/// Makes this process take so many thousandths more CPU time.
pub fn set_burden(per_mille: u32) {
    PER_MILLE.store(per_mille, Ordering::Relaxed);
}

/// Bears what is owed. What it takes to find out is a part of it: asking for the CPU time of a process is a
/// system call, and dear beside a short duty cycle.
pub(crate) fn bear(clock: &MachineClock) {
    let per_mille = u64::from(PER_MILLE.load(Ordering::Relaxed));
    if per_mille == 0 {
        return;
    }
    let now_ns = clock.now_ns();
    if now_ns < NEXT_NS.load(Ordering::Relaxed) {
        return;
    }
    NEXT_NS.store(now_ns + PAUSE_NS, Ordering::Relaxed);
    let began_ns = clock.thread_cpu_ns();
    let borne_ns = BORNE_NS.load(Ordering::Relaxed);
    let owed_ns = clock.process_cpu_ns().saturating_sub(borne_ns) * per_mille / 1_000;
    let until_ns = began_ns + owed_ns.saturating_sub(borne_ns);
    let mut now_ns = clock.thread_cpu_ns();
    while now_ns < until_ns {
        std::hint::spin_loop();
        now_ns = clock.thread_cpu_ns();
    }
    BORNE_NS.fetch_add(now_ns - began_ns, Ordering::Relaxed);
}

/// Between two times that it is asked what is owed.
const PAUSE_NS: u64 = 200_000;
