//! Each rule of time, join and delivery, broken by hand, is noticed by the simulator. Built with the feature
//! `sabotage` (scripts/simulate does); the table that it prints says how many histories it took.

#![cfg(feature = "sabotage")]

use rayon::prelude::*;
use wellstream_core::sabotage::{self, Rule};
use wellstream_replay::simulate::{self, Family};

/// Where a broken rule shows.
fn family(rule: Rule) -> Family {
    match rule {
        Rule::WatermarkNeverBack
        | Rule::IdleAtCut
        | Rule::CommitAllPartitions
        | Rule::WatermarkRestored
        | Rule::ForgetStrictly => Family::Idle,
        Rule::ClockRestored => Family::Clocks,
        Rule::EndStoresWatermark => Family::Ends,
        _ => Family::Exact,
    }
}

/// The first seed whose history shows that the rule is broken, in chunks so that finding it early is quick.
fn found_after(rule: Rule, histories_max: u64) -> Option<u64> {
    (0..histories_max.div_ceil(CHUNK)).find_map(|chunk| {
        (chunk * CHUNK..(chunk + 1) * CHUNK).into_par_iter().find_first(|seed| {
            sabotage::set(Some(rule));
            let noticed = simulate::run(family(rule), *seed).is_err();
            sabotage::set(None);
            noticed
        })
    })
}

#[test]
fn every_broken_rule_is_noticed() {
    std::panic::set_hook(Box::new(|_| {}));
    let found: Vec<_> = Rule::ALL.iter().map(|rule| (*rule, found_after(*rule, HISTORIES_MAX))).collect();
    drop(std::panic::take_hook());
    println!("{:<28}{:<10}histories until noticed", "broken rule", "family");
    for (rule, seed) in &found {
        let after = seed.map_or("not noticed".to_owned(), |seed| (seed + 1).to_string());
        println!("{:<28}{:<10}{after}", format!("{rule:?}"), format!("{:?}", family(*rule)));
    }
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(rule, _)| rule).collect();
    assert!(missed.is_empty(), "not noticed within {HISTORIES_MAX} histories: {missed:?}");
}

const CHUNK: u64 = 256;
const HISTORIES_MAX: u64 = 60_000;
