//! The oldest event time among what waits to be written: counts of waiting entries by second.

use std::collections::BTreeMap;

/// Event times of what waits.
#[derive(Debug, Default)]
pub(super) struct Untold {
    by_second: BTreeMap<i64, u32>,
}

impl Untold {
    pub(super) fn add(&mut self, time_ms: i64) {
        *self.by_second.entry(second(time_ms)).or_default() += 1;
    }

    /// One that was added.
    pub(super) fn remove(&mut self, time_ms: i64) {
        let second = second(time_ms);
        if let Some(count) = self.by_second.get_mut(&second) {
            *count -= 1;
            if *count == 0 {
                self.by_second.remove(&second);
            }
        }
    }

    /// At or before the oldest, by less than a second.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.by_second.keys().next().map(|second| second * SECOND_MS)
    }
}

fn second(time_ms: i64) -> i64 {
    time_ms.div_euclid(SECOND_MS)
}

const SECOND_MS: i64 = 1_000;
