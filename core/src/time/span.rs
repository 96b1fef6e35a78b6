//! How long readings matter: in the windows, for partners, and in the re-reading span (DESIGN section 4).

use crate::record::Side;
use crate::rules::{JoinMode, Rules};
use crate::sabotage::{Rule, broken};

/// Spans in ms; a reading of time t matters until W > t + span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// How long the encoded part of a reading is needed for rows.
    pub window_ms: [i64; 2],
    /// How long a reading is part of what a restart must read again, by side.
    pub rewind_ms: [i64; 2],
}

impl Spans {
    /// The spans that these rules need: B = 5 s, gap = 30 s give 5 or 10 s and 35, 40 or 45 s.
    pub fn new(rules: &Rules) -> Spans {
        let (bound, gap) = (rules.score.bound_ms, rules.alarm_gap_ms);
        // Number of bounds that a well and a tank stay for; the alarms add the gap and one bound of the row.
        let (window, rewind) = match (rules.join, rules.outer) {
            (JoinMode::All, true) => ([2, 2], [2, 2]),
            (JoinMode::All | JoinMode::Asof | JoinMode::Latest, _) => ([1, 1], [1, 1]),
            (JoinMode::Nearest, _) => ([1, 2], [2, 3]),
        };
        let gap = if broken(Rule::RewindCoversAlarms) { 0 } else { gap };
        Spans { window_ms: window.map(|n| n * bound), rewind_ms: rewind.map(|n| n * bound + gap) }
    }

    /// From when on all that a reading could be a partner of is read again where W is stored.
    pub fn sure_from_ms(&self, w_ms: i64, rules: &Rules) -> i64 {
        let [wells_ms, tanks_ms] = self.rewind_ms;
        w_ms.saturating_sub(wells_ms.min(tanks_ms)).saturating_add(rules.score.bound_ms)
    }

    /// The re-reading span of one side.
    pub fn rewind(&self, side: Side) -> i64 {
        self.rewind_ms[side.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rules_give_the_spans_of_the_design() {
        let spans = |join, outer| Spans::new(&Rules { join, outer, ..Rules::default() });
        assert_eq!(spans(JoinMode::All, false).rewind_ms, [35_000, 35_000]);
        assert_eq!(spans(JoinMode::Asof, true).rewind_ms, [35_000, 35_000]);
        assert_eq!(spans(JoinMode::Latest, false).rewind_ms, [35_000, 35_000]);
        assert_eq!(spans(JoinMode::All, true).rewind_ms, [40_000, 40_000]);
        assert_eq!(spans(JoinMode::Nearest, false).rewind_ms, [40_000, 45_000]);
        assert_eq!(spans(JoinMode::Nearest, true).window_ms, [5_000, 10_000]);
    }
}
