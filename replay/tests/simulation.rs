//! The real core over random histories with crashes: what is committed equals the oracle's output.
//!
//! `WELLSTREAM_SIZE=full` runs ten times as many; `WELLSTREAM_TEST_SEED=N` runs one seed of each family.

use rayon::prelude::*;
use wellstream_replay::simulate::{self, Family};

/// Runs a share of the histories, or the one seed that the environment names.
fn histories(family: Family, small: u64) {
    let one: Option<u64> = std::env::var("WELLSTREAM_TEST_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap_or_else(|_| panic!("WELLSTREAM_TEST_SEED={seed} is no number")));
    let full = std::env::var("WELLSTREAM_SIZE").is_ok_and(|size| size == "full");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..if full { small * 10 } else { small },
    };
    let failed = seeds.into_par_iter().find_map_first(|seed| simulate::run(family, seed).err());
    if let Some(failed) = failed {
        panic!(
            "{failed}\nrun it again: WELLSTREAM_TEST_SEED=... cargo test -p wellstream-replay --test simulation"
        );
    }
}

#[test]
fn committed_output_is_exact_through_crashes_and_unknown_commits() {
    histories(Family::Exact, 60_000);
}

#[test]
fn a_partition_that_comes_back_late_is_judged_by_its_restored_clock() {
    histories(Family::Clocks, 20_000);
}

#[test]
fn idle_partitions_never_double_and_losses_are_counted() {
    histories(Family::Idle, 20_000);
}

#[test]
fn bounded_runs_follow_one_another() {
    histories(Family::Ends, 10_000);
}

#[test]
fn lost_history_never_doubles() {
    histories(Family::Lost, 10_000);
}
