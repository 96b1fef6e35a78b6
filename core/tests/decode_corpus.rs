//! The fuzzer's seeds, judged here too, so that every run of the tests sees that they reach every reason.

#[path = "../../fuzz/src/harness.rs"]
#[expect(unreachable_pub, clippy::panic, reason = "it is the fuzz package's library")]
mod harness;

use std::collections::BTreeSet;

use harness::{Harness, seeds};
use wellstream_core::record::Reason;

#[test]
fn reaches_every_reason() {
    let harness = Harness::new();
    let mut reached = BTreeSet::new();
    for (name, input) in seeds() {
        let verdict = harness.judge(&input);
        let expected = verdict.map_or_else(Reason::name, |()| "accepted");
        assert!(name.starts_with(expected), "{name} is {verdict:?}");
        reached.extend(verdict.err());
    }
    // Late takes a partition's history.
    let missing: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|reason| *reason != Reason::Late && !reached.contains(reason))
        .collect();
    assert_eq!(missing, []);
}

/// Does nothing unless asked: `scripts/fuzz` names the folder.
#[test]
fn writes_the_seeds_where_told() {
    let Some(folder) = std::env::var_os("FUZZ_CORPUS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (name, input) in seeds() {
        std::fs::write(folder.join(name), input).unwrap();
    }
}

#[test]
fn every_seed_may_be_cut_and_damaged_anywhere() {
    let harness = Harness::new();
    for (name, input) in seeds() {
        if name.starts_with("too_large") {
            continue;
        }
        for place in 0..input.len() {
            let _ = harness.judge(&input[..place]);
            for bit in 0..8 {
                let mut damaged = input.clone();
                damaged[place] ^= 1 << bit;
                let _ = harness.judge(&damaged);
            }
        }
    }
}
