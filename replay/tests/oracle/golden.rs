//! The numbers that the design gives.

use wellstream_core::record::{RowTotals, Side, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{self, OracleRow, join};

use crate::cases::{T0, accepted, log, record};

fn rules(join: JoinMode, outer: bool) -> Rules {
    Rules { join, outer, ..Rules::default() }
}

/// (well, tank) times after T0.
fn times(rows: &[OracleRow]) -> Vec<(Option<i64>, Option<i64>)> {
    let time = |input: Option<wellstream_core::record::Input>| input.map(|input| input.time_ms - T0);
    rows.iter().map(|row| (time(row.facts.well), time(row.facts.tank))).collect()
}

#[test]
fn nearest_finds_the_closest_tank_reading_of_each_well() {
    let readings = [accepted(&[1000, 1050, 2000, 3000], 1.0), accepted(&[999, 1002, 2015, 3010], 1.0)];
    let rows = join(&readings, &rules(JoinMode::Nearest, false));
    let expected = [(1000, 999), (1050, 1002), (2000, 2015), (3000, 3010)];
    assert_eq!(times(&rows), expected.map(|(well, tank)| (Some(well), Some(tank))));
    // Final when W > well time + distance, strictly.
    assert_eq!(rows[1].closes_ms, Some(T0 + 1050 + 48));
    assert!(!rows[1].is_decided(Some(T0 + 1098)));
    assert!(rows[1].is_decided(Some(T0 + 1099)));
}

#[test]
fn nearest_prefers_of_equal_distances_the_earlier_then_the_lower_place() {
    let readings = [accepted(&[1000], 1.0), accepted(&[1010, 990, 990], 1.0)];
    let rows = join(&readings, &rules(JoinMode::Nearest, false));
    assert_eq!(rows[0].facts.tank, Some(readings[1][1].input));
}

#[test]
fn asof_takes_the_newest_not_after_the_well_and_of_equal_times_the_last_place() {
    let readings = [accepted(&[1000], 1.0), accepted(&[1000, 1000, 1001, 999], 1.0)];
    let rows = join(&readings, &rules(JoinMode::Asof, false));
    assert_eq!(rows[0].facts.tank, Some(readings[1][1].input));
    assert_eq!(rows[0].closes_ms, Some(T0 + 1000));
}

#[test]
fn bounds_are_inclusive() {
    let readings = [accepted(&[10_000], 1.0), accepted(&[4_999, 5_000, 15_000, 15_001], 1.0)];
    let rows = join(&readings, &rules(JoinMode::All, false));
    assert_eq!(times(&rows), [(Some(10_000), Some(5_000)), (Some(10_000), Some(15_000))]);
    for mode in [JoinMode::Nearest, JoinMode::Asof] {
        let rows = join(&readings, &rules(mode, false));
        assert_eq!(times(&rows), [(Some(10_000), Some(5_000))], "{mode:?}");
        let alone = [readings[0].clone(), readings[1][..1].to_vec()];
        assert!(join(&alone, &rules(mode, false)).is_empty());
        assert_eq!(times(&join(&alone, &rules(mode, true))), [(Some(10_000), None)], "{mode:?}");
    }
}

#[test]
fn outer_gives_both_sides_in_all_and_wells_alone_in_the_others() {
    let readings = [accepted(&[0, 20_000], 650.2), accepted(&[1_000, 40_000], 12_000.0)];
    let rows = join(&readings, &rules(JoinMode::All, true));
    assert_eq!(times(&rows), [(None, Some(40_000)), (Some(0), Some(1_000)), (Some(20_000), None)]);
    // A side missing gives no points: 40 alone is still an alert.
    assert_eq!(rows.iter().map(|row| row.facts.risk).collect::<Vec<_>>(), [40, 80, 40]);
    assert_eq!(rows[2].closes_ms, Some(T0 + 25_000));
    let rows = join(&readings, &rules(JoinMode::Nearest, true));
    assert_eq!(times(&rows), [(Some(0), Some(1_000)), (Some(20_000), None)]);
    let rows = join(&readings, &rules(JoinMode::Asof, true));
    assert_eq!(times(&rows), [(Some(0), None), (Some(20_000), None)]);
    assert_eq!(rows[1].closes_ms, Some(T0 + 20_000));
}

#[test]
fn risk_is_the_sum_of_both_sides_points_and_alerts_above_thirty() {
    let cases = [
        (385.5, 1.0, 30, Status::Normal),
        (650.2, 10_000.1, 80, Status::Alert),
        (125.5, 1.0, 10, Status::Normal),
        // Thresholds are strict.
        (500.0, 10_000.0, 40, Status::Alert),
        (300.0, 5_000.0, 10, Status::Normal),
        (300.1, 5_000.1, 40, Status::Alert),
    ];
    for (methane, vapor, risk, status) in cases {
        let rows = join(&[accepted(&[0], methane), accepted(&[5], vapor)], &Rules::default());
        assert_eq!((rows[0].facts.risk, rows[0].facts.status), (risk, status), "{methane} {vapor}");
        assert_eq!(rows[0].facts.time_ms, T0 + 5);
    }
}

#[test]
fn the_output_sums_up_the_rows() {
    let wells = (0..200).map(|i| record(i, T0 + i * 700, 4.0 * i as f64)).collect();
    let tanks = (0..200).map(|i| record(i, T0 + i * 900, 75.0 * i as f64)).collect();
    let logs = [log(Side::Well, 1, wells), log(Side::Tank, 2, tanks)];
    for (mode, outer) in crate::cases::MODES {
        let rules = rules(mode, outer);
        let judged = oracle::judge(&logs, &rules);
        let output = oracle::output(&judged, &rules);
        let rows = join(&judged.accepted, &rules);
        let mut totals = RowTotals::default();
        rows.iter()
            .for_each(|row| totals.add(row.facts.well, row.facts.tank, row.facts.risk, row.facts.status));
        let is_latest = mode == JoinMode::Latest;
        assert_eq!(output.totals, (!is_latest).then_some(totals), "{mode:?} {outer}");
        assert_eq!(output.rows, if is_latest { 200 } else { totals.rows });
        let end = oracle::end_of_bounded_run(&judged, &rules);
        assert_eq!(end, Some(T0 + 199 * 900 + 5_001));
        assert_eq!(output.alarms, oracle::alarms(&rows, &rules, end));
        assert!(!output.alarms.is_empty(), "{mode:?} {outer}");
    }
}
