//! Alarm episodes, step by step and against their definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellstream_core::record::{Alarm, AlarmKind, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{OracleRow, RowFacts, alarms};

use crate::cases::MODES;

fn row(facility: &str, time_ms: i64, risk: u32) -> OracleRow {
    let status = if risk > 30 { Status::Alert } else { Status::Normal };
    let facts = RowFacts { well: None, tank: None, time_ms, risk, status };
    OracleRow { facility: Arc::from(facility), facts, closes_ms: None }
}

fn steps(rows: &[OracleRow], rules: &Rules, end_ms: i64) -> Vec<(AlarmKind, i64, i64, i64, u32)> {
    let list = alarms(rows, rules, Some(end_ms));
    list.into_iter().map(|a| (a.kind, a.time_ms, a.first_ms, a.last_ms, a.highest)).collect()
}

#[test]
fn an_episode_is_raised_escalated_and_cleared() {
    use AlarmKind::{Cleared, Escalated, Raised};
    // Rows of one time are one step at their highest risk; gaps of 30 s still belong together; risk 30 is no
    // alert.
    let rows = [(31_000, 60), (1_000, 40), (61_000, 60), (61_000, 80), (91_001, 50), (70_000, 30)];
    let rows = rows.map(|(time, risk)| row("f", time, risk));
    let rules = Rules::default();
    let expected = [
        (Raised, 1_000, 1_000, 1_000, 40),
        (Escalated, 31_000, 1_000, 31_000, 60),
        (Escalated, 61_000, 1_000, 61_000, 80),
        (Cleared, 91_000, 1_000, 61_000, 80),
        (Raised, 91_001, 91_001, 91_001, 50),
    ];
    assert_eq!(steps(&rows, &rules, 121_001), expected);
    assert_eq!(steps(&rows, &rules, 121_002)[5], (Cleared, 121_001, 91_001, 91_001, 50));
    // A step is decided when W > t, strictly; in nearest 5 s later.
    assert_eq!(steps(&rows, &rules, 31_000).len(), 1);
    assert_eq!(steps(&rows, &rules, 31_001).len(), 2);
    let nearest = Rules { join: JoinMode::Nearest, ..rules };
    assert_eq!(steps(&rows, &nearest, 36_000).len(), 1);
    assert_eq!(steps(&rows, &nearest, 36_001).len(), 2);
    assert!(alarms(&rows, &nearest, None).is_empty());
}

/// Each alarm follows from the steps around it, looked up one by one.
#[test]
fn differential_episodes_equal_their_definition() {
    let mut kinds = [0; 3];
    for seed in 0..5_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (join, outer) = MODES[rng.usize(..MODES.len())];
        let rules = Rules { join, outer, alarm_gap_ms: rng.i64(0..8), ..Rules::default() };
        let rows: Vec<OracleRow> = (0..rng.usize(0..20))
            .map(|_| row(&format!("f{}", rng.u8(0..2)), rng.i64(0..40), 10 * rng.u32(0..9)))
            .collect();
        let end_ms = rng.i64(0..60) + rules.alarm_delay_ms();
        let got = alarms(&rows, &rules, Some(end_ms));
        assert_eq!(got, by_definition(&rows, &rules, end_ms), "seed {seed}: {rules:?} {end_ms} {rows:?}");
        got.iter().for_each(|alarm| kinds[alarm.kind as usize] += 1);
    }
    assert!(kinds.iter().all(|alarms| *alarms > 1_000), "too few alarms to mean anything: {kinds:?}");
}

fn by_definition(rows: &[OracleRow], rules: &Rules, end_ms: i64) -> Vec<Alarm> {
    let mut facilities: BTreeMap<String, BTreeMap<i64, u32>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.facts.status == Status::Alert) {
        let steps = facilities.entry(row.facility.to_string()).or_default();
        let risk = steps.entry(row.facts.time_ms).or_default();
        *risk = row.facts.risk.max(*risk);
    }
    let gap_ms = rules.alarm_gap_ms;
    let is_decided = |time_ms: i64| end_ms > time_ms + rules.alarm_delay_ms();
    let mut alarms = Vec::new();
    for (facility, steps) in &facilities {
        for (&time_ms, &risk) in steps {
            let mut first_ms = time_ms;
            while let Some((&earlier, _)) = steps.range(first_ms - gap_ms..first_ms).next() {
                first_ms = earlier;
            }
            let before = steps.range(first_ms..time_ms).map(|(_, risk)| *risk).max();
            let highest = before.max(Some(risk)).unwrap();
            let mut push = |kind, at_ms| {
                if is_decided(at_ms) {
                    alarms.push(Alarm {
                        facility: facility.as_str().into(),
                        kind,
                        time_ms: at_ms,
                        first_ms,
                        last_ms: time_ms,
                        highest,
                    });
                }
            };
            match before {
                None => push(AlarmKind::Raised, time_ms),
                Some(before) if risk > before => push(AlarmKind::Escalated, time_ms),
                Some(_) => {}
            }
            if !steps.keys().any(|later| (time_ms + 1..=time_ms + gap_ms).contains(later)) {
                push(AlarmKind::Cleared, time_ms + gap_ms);
            }
        }
    }
    alarms
}
