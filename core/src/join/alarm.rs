//! Alarm episodes of one facility: ALERT rows in row-time order, with gaps of at most 30 s. Rows of one time
//! are one step, decided when W > time + D; the episode is over when W > last + 30 s + D.

use std::num::NonZeroU32;

use crate::record::{AlarmInForce, AlarmKind};

/// One facility's episode and the steps that W has not passed yet.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct AlarmTrack {
    // First: it is all that most rows look at, and shares a cache line with what a reading needs of its
    // facility (a test holds it there).
    pub(super) episode: Option<Episode>,
    /// By time, ascending, one per time.
    steps: Vec<Step>,
    /// The time at which the timer queue has this facility next; `i64::MAX` if not at all.
    pub(super) due_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    /// An ALERT row's risk is above a bound, so never 0: no episode takes no more room than one.
    pub(super) highest: NonZeroU32,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    time_ms: i64,
    highest: NonZeroU32,
}

/// What one decision says: kind, time, and the episode as it then is.
pub(super) type Decision = (AlarmKind, i64, Episode);

impl AlarmTrack {
    /// An episode that the compacted topic says is open.
    pub(super) fn restore(&mut self, alarm: &AlarmInForce) {
        let AlarmInForce { first_ms, last_ms, highest, .. } = *alarm;
        let highest = risk_of(highest);
        self.episode = Some(Episode { first_ms, last_ms, highest });
    }

    /// Whether a row only says that the episode in force goes on; if so, it does. Not for rows that W had
    /// passed: this one is later than all that was decided.
    ///
    /// It is as good as a step of its own: nothing is raised or escalated by it, steps that come between are
    /// within the gap of the episode as it was, and the end is decided only once W has passed it.
    #[inline]
    pub(super) fn goes_on(&mut self, time_ms: i64, risk: u32, gap_ms: i64) -> bool {
        let Some(episode) = &mut self.episode else { return false };
        let goes_on = risk <= episode.highest.get() && time_ms <= episode.last_ms + gap_ms;
        if goes_on {
            episode.last_ms = episode.last_ms.max(time_ms);
        }
        goes_on
    }

    /// An ALERT row of this time.
    pub(super) fn add(&mut self, time_ms: i64, risk: u32) {
        let risk = risk_of(risk);
        let behind = self.steps.iter().rposition(|step| step.time_ms <= time_ms);
        match behind {
            Some(at) if self.steps[at].time_ms == time_ms => {
                let step = &mut self.steps[at];
                step.highest = step.highest.max(risk);
            }
            _ => self.steps.insert(behind.map_or(0, |at| at + 1), Step { time_ms, highest: risk }),
        }
    }

    /// Decides every step and end that lies before `until_ms` (W - D): steps with time < until, the end when
    /// last + gap < until.
    pub(super) fn decide(&mut self, until_ms: i64, gap_ms: i64, mut decided: impl FnMut(Decision)) {
        let due = self.steps.iter().take_while(|step| step.time_ms < until_ms).count();
        for step in self.steps.drain(..due) {
            if let Some(over) = self.episode.take_if(|episode| step.time_ms > episode.last_ms + gap_ms) {
                decided((AlarmKind::Cleared, over.last_ms + gap_ms, over));
            }
            match &mut self.episode {
                None => {
                    let Step { time_ms, highest } = step;
                    let episode = Episode { first_ms: time_ms, last_ms: time_ms, highest };
                    self.episode = Some(episode);
                    decided((AlarmKind::Raised, time_ms, episode));
                }
                Some(episode) => {
                    episode.last_ms = episode.last_ms.max(step.time_ms);
                    if step.highest > episode.highest {
                        episode.highest = step.highest;
                        decided((AlarmKind::Escalated, step.time_ms, *episode));
                    }
                }
            }
        }
        if let Some(over) = self.episode.take_if(|episode| episode.last_ms + gap_ms < until_ms) {
            decided((AlarmKind::Cleared, over.last_ms + gap_ms, over));
        }
    }

    /// Steps that were decided before a restart only tell how far the episode in force reaches; if none is in
    /// force, theirs is over. Its highest risk is on record. Rows older than the gap are not looked at: their
    /// partners may lie before what was read again, so they may not be the rows that were.
    pub(super) fn absorb(&mut self, until_ms: i64, gap_ms: i64) {
        let due = self.steps.iter().take_while(|step| step.time_ms < until_ms).count();
        for step in self.steps.drain(..due).filter(|step| step.time_ms + gap_ms >= until_ms) {
            if let Some(episode) = self.episode.as_mut().filter(|episode| step.time_ms >= episode.first_ms) {
                episode.last_ms = episode.last_ms.max(step.time_ms);
            }
        }
    }

    /// When the next decision can fall: it does when W - D is past this.
    pub(super) fn next_ms(&self, gap_ms: i64) -> Option<i64> {
        let step = self.steps.first().map(|step| step.time_ms);
        let end = self.episode.map(|episode| episode.last_ms + gap_ms);
        match (step, end) {
            (Some(step), Some(end)) => Some(step.min(end)),
            (step, end) => step.or(end),
        }
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.steps.capacity() * size_of::<Step>()
    }
}

fn risk_of(risk: u32) -> NonZeroU32 {
    NonZeroU32::new(risk).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn episodes_follow_row_time_whatever_the_order_of_arrival() {
        let mut track = AlarmTrack::default();
        for (time, risk) in [(70_001, 80), (10_000, 40), (5_000, 60), (10_000, 80), (40_000, 60)] {
            track.add(time, risk);
        }
        let mut said = Vec::new();
        track.decide(200_000, 30_000, |(kind, time, episode)| {
            said.push((kind.name(), time, episode.highest.get()))
        });
        let expected = [
            ("RAISED", 5_000, 60),
            ("ESCALATED", 10_000, 80),
            ("CLEARED", 70_000, 80),
            ("RAISED", 70_001, 80),
            ("CLEARED", 100_001, 80),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_step_or_end_is_decided_only_once_w_is_past_it() {
        let mut track = AlarmTrack::default();
        track.add(5_000, 40);
        let mut said = 0;
        track.decide(5_000, 30_000, |_| said += 1);
        assert_eq!((said, track.next_ms(30_000)), (0, Some(5_000)));
        track.decide(35_000, 30_000, |_| said += 1);
        assert_eq!((said, track.next_ms(30_000)), (1, Some(35_000)));
        track.decide(35_001, 30_000, |_| said += 1);
        assert_eq!((said, track.next_ms(30_000)), (2, None));
    }
}
