//! The join over sorted readings gives what a nested loop over all pairs gives.

use wellstream_replay::oracle::{join, join_naive};

use crate::cases::{MODES, random_accepted, random_rules};

/// For any readings, in any order, and any bounds: the same rows, with the same closing times.
#[test]
fn differential_join_equals_the_nested_loop() {
    let mut rows_seen = [0; 7];
    for seed in 0..7 * 4_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let place = usize::try_from(seed % 7).unwrap();
        let rules = random_rules(&mut rng, MODES[place]);
        let readings = random_accepted(&mut rng);
        let fast = join(&readings, &rules);
        assert_eq!(fast, join_naive(&readings, &rules), "seed {seed}: {rules:?} {readings:?}");
        rows_seen[place] += fast.len();
    }
    assert!(rows_seen.iter().all(|rows| *rows > 10_000), "too few rows to mean anything: {rows_seen:?}");
}

/// The order in which readings lie in the log changes no row.
#[test]
fn rows_do_not_depend_on_the_order_of_the_log() {
    for seed in 0..1_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mode = MODES[rng.usize(..MODES.len())];
        let rules = random_rules(&mut rng, mode);
        let mut readings = random_accepted(&mut rng);
        let rows = join(&readings, &rules);
        readings.iter_mut().for_each(|side| rng.shuffle(side));
        assert_eq!(rows, join(&readings, &rules), "seed {seed}");
    }
}
