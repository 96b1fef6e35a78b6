//! Each facility's newest row since the last cut, for a cache: also of rows that were put out before a
//! restart and are only met again.

use std::sync::Arc;

use crate::record::{Input, NewestRow};

use super::Half;
use super::emit::Scored;

/// Where each facility's newest row lies.
#[derive(Debug, Default)]
pub(super) struct NewestRows {
    /// By a facility's number: the cut before which it last had a row, and the place of that.
    places: Vec<(u64, u32)>,
    cut: u64,
    rows: Vec<NewestRow>,
}

impl NewestRows {
    /// A facility has a row. `numbers` gives Kafka's partition number of a dense index.
    pub(super) fn note(
        &mut self,
        (facility, name): (u32, &Arc<str>),
        scored: Scored,
        (well, tank): (Option<&Half>, Option<&Half>),
        numbers: &[u32],
    ) {
        let number = facility as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, (0, 0));
        }
        let input = |half: &Half| Input {
            time_ms: half.time_ms,
            partition: numbers[usize::from(half.held.partition)],
            offset: half.held.offset,
        };
        let Scored { time_ms, risk, status } = scored;
        let (well, tank) = (well.map(input), tank.map(input));
        let (cut, place) = self.places[number];
        if cut != self.cut + 1 {
            self.places[number] = (self.cut + 1, u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
            self.rows.push(NewestRow { facility: Arc::clone(name), time_ms, well, tank, risk, status });
            return;
        }
        let known = &mut self.rows[place as usize];
        // Most rows are newer by their time, or older.
        if time_ms < known.time_ms {
            return;
        }
        let row = NewestRow { facility: Arc::clone(&known.facility), time_ms, well, tank, risk, status };
        if row.is_newer_than(known) {
            *known = row;
        }
    }

    /// What was newest since the last cut.
    pub(super) fn take(&mut self) -> Vec<NewestRow> {
        self.cut += 1;
        let next = Vec::with_capacity(self.rows.len());
        std::mem::replace(&mut self.rows, next)
    }
}
