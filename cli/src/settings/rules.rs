//! The table `[rules]`: from spans and numbers as operators write them to the core's rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Value;
use wellstream_core::rules::{JoinMode, Rules, ScoreRules};

use super::SettingsError;
use super::keys::Key;
use super::units::Span;

/// Thresholds, points and spans.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesSettings {
    methane_high_ppm: f64,
    methane_medium_ppm: f64,
    vapor_critical_ppm: f64,
    vapor_high_ppm: f64,
    emission_points: [u32; 3],
    vapor_points: [u32; 3],
    well_quality: [u32; 3],
    tank_quality: [u32; 3],
    alert_above: u32,
    bound: Span,
    lateness: Span,
    alarm_gap: Span,
    future_max: Span,
    clock_ahead_max: Span,
    facilities: Option<BTreeMap<String, toml::Table>>,
}

/// What a facility may say of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FacilitySettings {
    methane_high_ppm: Option<f64>,
    methane_medium_ppm: Option<f64>,
    vapor_critical_ppm: Option<f64>,
    vapor_high_ppm: Option<f64>,
    emission_points: Option<[u32; 3]>,
    vapor_points: Option<[u32; 3]>,
    well_quality: Option<[u32; 3]>,
    tank_quality: Option<[u32; 3]>,
    alert_above: Option<u32>,
    bound: Option<Span>,
}

impl RulesSettings {
    /// The core's rules; a facility inherits what it does not say.
    pub(crate) fn to_rules(&self, join: JoinMode, outer: bool) -> Result<Rules, SettingsError> {
        let score = ScoreRules {
            methane_high_ppm: self.methane_high_ppm,
            methane_medium_ppm: self.methane_medium_ppm,
            vapor_critical_ppm: self.vapor_critical_ppm,
            vapor_high_ppm: self.vapor_high_ppm,
            emission_points: self.emission_points,
            vapor_points: self.vapor_points,
            well_quality: self.well_quality,
            tank_quality: self.tank_quality,
            alert_above: self.alert_above,
            bound_ms: self.bound.ms(),
        };
        check_order("rules", &score)?;
        let mut facilities = BTreeMap::new();
        for (facility, table) in self.facilities.iter().flatten() {
            let own = facility_settings(facility, table)?.over(&score);
            check_order(&format!("rules.facilities.{facility}"), &own)?;
            facilities.insert(facility.clone(), own);
        }
        Ok(Rules {
            score,
            facilities,
            join,
            outer,
            lateness_ms: self.lateness.ms(),
            alarm_gap_ms: self.alarm_gap.ms(),
            future_ms_max: self.future_max.ms(),
            clock_ahead_ms_max: self.clock_ahead_max.ms(),
            ..Rules::default()
        })
    }
}

impl FacilitySettings {
    fn over(self, score: &ScoreRules) -> ScoreRules {
        ScoreRules {
            methane_high_ppm: self.methane_high_ppm.unwrap_or(score.methane_high_ppm),
            methane_medium_ppm: self.methane_medium_ppm.unwrap_or(score.methane_medium_ppm),
            vapor_critical_ppm: self.vapor_critical_ppm.unwrap_or(score.vapor_critical_ppm),
            vapor_high_ppm: self.vapor_high_ppm.unwrap_or(score.vapor_high_ppm),
            emission_points: self.emission_points.unwrap_or(score.emission_points),
            vapor_points: self.vapor_points.unwrap_or(score.vapor_points),
            well_quality: self.well_quality.unwrap_or(score.well_quality),
            tank_quality: self.tank_quality.unwrap_or(score.tank_quality),
            alert_above: self.alert_above.unwrap_or(score.alert_above),
            bound_ms: self.bound.map_or(score.bound_ms, Span::ms),
        }
    }
}

/// Each value is judged as the same key of `[rules]` is.
fn facility_settings(facility: &str, table: &toml::Table) -> Result<FacilitySettings, SettingsError> {
    let bad = |message: String| SettingsError::Facility { facility: facility.to_owned(), message };
    let mut normal = toml::Table::new();
    for (name, value) in table {
        let value = match Key::named(&format!("rules.{name}")) {
            Some(key) => key.kind.parse_toml(value.clone()).map_err(|e| bad(format!("{name}: {e}")))?,
            None => value.clone(),
        };
        normal.insert(name.clone(), value);
    }
    FacilitySettings::deserialize(Value::Table(normal)).map_err(|e| bad(e.message().to_owned()))
}

/// The lower class must begin below the higher one, or it could never be reached.
fn check_order(place: &str, score: &ScoreRules) -> Result<(), SettingsError> {
    for (low, high, name, than) in [
        (score.methane_medium_ppm, score.methane_high_ppm, "methane_medium_ppm", "methane_high_ppm"),
        (score.vapor_high_ppm, score.vapor_critical_ppm, "vapor_high_ppm", "vapor_critical_ppm"),
    ] {
        if low > high {
            let message = format!("{low} is above {than} = {high}");
            return Err(SettingsError::Value { place: format!("{place}.{name}"), message });
        }
    }
    Ok(())
}
