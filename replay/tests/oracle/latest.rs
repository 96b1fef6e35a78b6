//! The checker of `latest` accepts what is allowed, and names each thing that is not.

use wellstream_core::record::{Input, Row, Status};
use wellstream_core::rules::{JoinMode, Rules};
use wellstream_replay::oracle::{Accepted, LatestFault, check_latest};

use crate::cases::{T0, accepted};

fn readings() -> [Vec<Accepted>; 2] {
    [accepted(&[10_000, 12_000], 650.2), accepted(&[4_999, 5_000, 9_000, 10_001], 6_000.0)]
}

fn rules() -> Rules {
    Rules { join: JoinMode::Latest, ..Rules::default() }
}

fn row(well: Input, tank: Option<Input>, risk: u32) -> Row {
    Row { well: Some(well), tank, time_ms: well.time_ms, risk, status: Status::Alert, value: 0..0, key: 0..0 }
}

fn check(change: impl FnOnce(&mut Vec<Row>, &[Vec<Accepted>; 2])) -> Result<(), LatestFault> {
    let readings = readings();
    let [wells, tanks] = &readings;
    // Not the newest partner, and none: both depend on what had arrived.
    let mut rows = vec![row(wells[0].input, Some(tanks[1].input), 60), row(wells[1].input, None, 40)];
    change(&mut rows, &readings);
    check_latest(&rows, &readings, &rules())
}

#[test]
fn one_row_per_well_with_any_valid_partner_or_none_is_right() {
    assert_eq!(check(|_, _| {}), Ok(()));
}

#[test]
fn each_fault_is_named() {
    let tank = |place: usize| {
        move |rows: &mut Vec<Row>, all: &[Vec<Accepted>; 2]| rows[0].tank = Some(all[1][place].input)
    };
    assert!(matches!(check(tank(0)), Err(LatestFault::NotAPartner { .. })), "5,001 ms before the well");
    assert!(matches!(check(tank(3)), Err(LatestFault::NotAPartner { .. })), "after the well");
    assert!(matches!(check(|rows, _| rows[0].well = None), Err(LatestFault::NoWell { .. })));
    assert!(matches!(check(|rows, _| rows[1].risk = 50), Err(LatestFault::Facts { .. })));
    assert!(matches!(check(|rows, _| rows[1].time_ms += 1), Err(LatestFault::Facts { .. })));
    assert!(matches!(check(|rows, _| rows.push(rows[0].clone())), Err(LatestFault::Twice { .. })));
    assert!(matches!(check(|rows, _| rows.truncate(1)), Err(LatestFault::Missing { .. })));
    let unknown = Input { time_ms: T0, partition: 9, offset: 9 };
    assert!(matches!(check(|rows, _| rows[0].well = Some(unknown)), Err(LatestFault::UnknownWell { .. })));
    assert!(matches!(check(|rows, _| rows[0].tank = Some(unknown)), Err(LatestFault::NotAPartner { .. })));
}
