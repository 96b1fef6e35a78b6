//! Classes, points, risk and status of what was measured.
//!
//! Enters: one measured value and the rules of its facility. Leaves: its class with quality and risk points,
//! and
//! for a row their sum and the verdict. Drops: nothing. A value on a threshold belongs to the lower class.
//!
//! ```
//! use wellstream_core::record::Status;
//! use wellstream_core::rules::ScoreRules;
//! use wellstream_core::score::{self, EmissionClass, VaporClass};
//!
//! let rules = ScoreRules::default();
//! let (well, tank) = (score::well(650.2, &rules), score::tank(12_000.0, &rules));
//! assert_eq!((well.class, well.quality), (EmissionClass::High, 75));
//! assert_eq!((tank.class, tank.quality), (VaporClass::Critical, 70));
//! let risk = score::risk(Some(well), Some(tank));
//! assert_eq!((risk, score::status(risk, &rules)), (80, Status::Alert));
//! assert_eq!(score::quality(Some(well), Some(tank)), 70);
//! ```

use crate::record::Status;
use crate::rules::ScoreRules;

pub mod vibration;

/// How much methane a well emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EmissionClass {
    /// Above `methane_high_ppm`.
    High,
    /// Above `methane_medium_ppm`.
    Medium,
    /// The rest.
    Normal,
}

impl EmissionClass {
    /// Every class, in the order in which the rules list points and qualities.
    pub const ALL: [EmissionClass; 3] = [EmissionClass::High, EmissionClass::Medium, EmissionClass::Normal];

    /// `HIGH_EMISSION`, `MEDIUM_EMISSION` or `NORMAL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EmissionClass::High => "HIGH_EMISSION",
            EmissionClass::Medium => "MEDIUM_EMISSION",
            EmissionClass::Normal => "NORMAL",
        }
    }
}

/// How much vapor stands over a tank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum VaporClass {
    /// Above `vapor_critical_ppm`.
    Critical,
    /// Above `vapor_high_ppm`.
    High,
    /// The rest.
    Normal,
}

impl VaporClass {
    /// Every class, in the order in which the rules list points and qualities.
    pub const ALL: [VaporClass; 3] = [VaporClass::Critical, VaporClass::High, VaporClass::Normal];

    /// `CRITICAL`, `HIGH` or `NORMAL`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            VaporClass::Critical => "CRITICAL",
            VaporClass::High => "HIGH",
            VaporClass::Normal => "NORMAL",
        }
    }
}

/// What a well reading amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellClass {
    /// Its emission class.
    pub class: EmissionClass,
    /// Its quality.
    pub quality: u32,
    /// Its share of the risk.
    pub points: u32,
}

/// What a tank reading amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TankClass {
    /// Its vapor class.
    pub class: VaporClass,
    /// Its quality.
    pub quality: u32,
    /// Its share of the risk.
    pub points: u32,
}

/// Classifies a well reading by its methane.
#[inline]
#[must_use]
pub fn well(methane_ppm: f64, rules: &ScoreRules) -> WellClass {
    let class = if methane_ppm > rules.methane_high_ppm {
        EmissionClass::High
    } else if methane_ppm > rules.methane_medium_ppm {
        EmissionClass::Medium
    } else {
        EmissionClass::Normal
    };
    let place = class as usize;
    WellClass { class, quality: rules.well_quality[place], points: rules.emission_points[place] }
}

/// Classifies a tank reading by its vapor.
#[inline]
#[must_use]
pub fn tank(vapor_ppm: f64, rules: &ScoreRules) -> TankClass {
    let class = if vapor_ppm > rules.vapor_critical_ppm {
        VaporClass::Critical
    } else if vapor_ppm > rules.vapor_high_ppm {
        VaporClass::High
    } else {
        VaporClass::Normal
    };
    let place = class as usize;
    TankClass { class, quality: rules.tank_quality[place], points: rules.vapor_points[place] }
}

/// The risk of a row: the points of both sides; a side that is missing gives none.
#[inline]
#[must_use]
pub fn risk(well: Option<WellClass>, tank: Option<TankClass>) -> u32 {
    let well = well.map_or(0, |well| well.points);
    let tank = tank.map_or(0, |tank| tank.points);
    well.saturating_add(tank)
}

/// ALERT if the risk is above the threshold.
#[inline]
#[must_use]
pub fn status(risk: u32, rules: &ScoreRules) -> Status {
    if risk > rules.alert_above { Status::Alert } else { Status::Normal }
}

/// The quality of a row: the lower of those that it has. 0 for a row of nothing, which the join never makes.
#[inline]
#[must_use]
pub fn quality(well: Option<WellClass>, tank: Option<TankClass>) -> u32 {
    match (well, tank) {
        (Some(well), Some(tank)) => well.quality.min(tank.quality),
        (Some(well), None) => well.quality,
        (None, Some(tank)) => tank.quality,
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_rows() {
        let rules = ScoreRules::default();
        for (methane, vapor, risk_expected, status_expected) in [
            (385.5, 100.0, 30, Status::Normal),
            (650.2, 10_000.1, 80, Status::Alert),
            (125.5, 5_000.0, 10, Status::Normal),
        ] {
            let risk = risk(Some(well(methane, &rules)), Some(tank(vapor, &rules)));
            assert_eq!((risk, status(risk, &rules)), (risk_expected, status_expected));
        }
    }

    #[test]
    fn a_threshold_belongs_to_the_class_below_it() {
        let rules = ScoreRules::default();
        let above = |x: f64| x.next_up();
        for (methane, class, quality, points) in [
            (-1.0, EmissionClass::Normal, 95, 0),
            (300.0, EmissionClass::Normal, 95, 0),
            (above(300.0), EmissionClass::Medium, 85, 20),
            (500.0, EmissionClass::Medium, 85, 20),
            (above(500.0), EmissionClass::High, 75, 40),
        ] {
            assert_eq!(well(methane, &rules), WellClass { class, quality, points });
        }
        for (vapor, class, quality, points) in [
            (0.0, VaporClass::Normal, 95, 10),
            (5_000.0, VaporClass::Normal, 95, 10),
            (above(5_000.0), VaporClass::High, 80, 20),
            (10_000.0, VaporClass::High, 80, 20),
            (above(10_000.0), VaporClass::Critical, 70, 40),
        ] {
            assert_eq!(tank(vapor, &rules), TankClass { class, quality, points });
        }
    }

    #[test]
    fn a_missing_side_gives_no_points_and_no_quality() {
        let rules = ScoreRules::default();
        let (high, critical) = (well(600.0, &rules), tank(20_000.0, &rules));
        assert_eq!((risk(Some(high), None), quality(Some(high), None)), (40, 75));
        assert_eq!((risk(None, Some(critical)), quality(None, Some(critical))), (40, 70));
        assert_eq!(risk(None, None), 0);
    }

    #[test]
    fn a_facility_may_have_rules_of_its_own() {
        let rules = ScoreRules { methane_high_ppm: 50.0, alert_above: 39, ..ScoreRules::default() };
        let class = well(60.0, &rules);
        assert_eq!(class.class.name(), "HIGH_EMISSION");
        assert_eq!(status(risk(Some(class), None), &rules), Status::Alert);
    }
}
