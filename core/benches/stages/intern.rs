//! A facility's id becomes the number that the lane and its shard know it by.

use std::collections::HashMap;
use std::hash::RandomState;

use wellstream_core::exchange::Dictionary;

use super::{Stage, mix};
use crate::load::{Load, READINGS};

/// The stage of this name, if it is one of these.
pub(super) fn stage<'l>(load: &'l Load, name: &str) -> Option<Stage<'l>> {
    let names = |suffix: &str| -> Vec<String> {
        let facilities = load.wells.iter().map(|well| well.facility_id.unwrap_or_default());
        facilities.map(|facility| format!("{facility}{suffix}")).collect()
    };
    Some(match name {
        "intern" => intern(names("")),
        // Beyond the 15 bytes of a short key.
        "intern_long" => intern(names(", the north field")),
        "naive_intern" => naive(names("")),
        _ => return None,
    })
}

/// As the lane does it: a whole batch is looked ahead for, then each reading gets its number.
fn intern<'l>(names: Vec<String>) -> Stage<'l> {
    let mut dictionary = Dictionary::new(1, RandomState::new());
    let mut expected = Vec::with_capacity(AHEAD);
    Box::new(move |turns| {
        let (mut hash, mut done) = (0, 0);
        while done < turns {
            let names = &names[done % READINGS..][..AHEAD.min(turns - done)];
            expected.clear();
            expected.extend(names.iter().map(|name| dictionary.expect(name)));
            for (name, expected) in names.iter().zip(&expected) {
                let (route, _) = dictionary.route(name, *expected, |_| 0);
                hash = mix(hash, u64::from(route.number));
            }
            done += names.len();
        }
        hash
    })
}

/// The standard library's table, its own hash.
fn naive<'l>(names: Vec<String>) -> Stage<'l> {
    let mut numbers: HashMap<String, u64> = HashMap::new();
    Box::new(move |turns| {
        (0..turns).fold(0, |hash, turn| {
            let name = &names[turn % READINGS];
            let next = numbers.len() as u64;
            mix(hash, *numbers.entry(name.clone()).or_insert(next))
        })
    })
}

/// Names that are expected before the first of them is looked up; `READINGS` is a multiple.
const AHEAD: usize = 16;
