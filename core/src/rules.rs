//! The rules that decide results, all of them configuration: thresholds, points, bounds, join mode. Their
//! hash
//! travels with rows and commits, so that a restart under other rules is noticed (DESIGN sections 2, 6, 10).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::splitmix64;

/// Which pairs become rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JoinMode {
    /// Every pair within the bound, as soon as its second input arrives.
    #[default]
    All,
    /// One row per well reading: the partner smallest by (distance, time, partition, offset).
    Nearest,
    /// One row per well reading: the newest tank reading not after it, within the bound.
    Asof,
    /// As `Asof`, but at once, with what has arrived: the partner is not a function of the log.
    Latest,
}

impl JoinMode {
    /// `all`, `nearest`, `asof` or `latest`.
    pub const fn name(self) -> &'static str {
        match self {
            JoinMode::All => "all",
            JoinMode::Nearest => "nearest",
            JoinMode::Asof => "asof",
            JoinMode::Latest => "latest",
        }
    }
}

/// What is scored, and with how many points. May differ per facility.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreRules {
    /// Methane above this is HIGH_EMISSION, ppm.
    pub methane_high_ppm: f64,
    /// Methane above this is MEDIUM_EMISSION, ppm.
    pub methane_medium_ppm: f64,
    /// Vapor above this is CRITICAL, ppm.
    pub vapor_critical_ppm: f64,
    /// Vapor above this is HIGH, ppm.
    pub vapor_high_ppm: f64,
    /// Risk points of HIGH_EMISSION, MEDIUM_EMISSION, NORMAL.
    pub emission_points: [u32; 3],
    /// Risk points of vapor CRITICAL, HIGH, NORMAL.
    pub vapor_points: [u32; 3],
    /// Quality of a well reading at HIGH_EMISSION, MEDIUM_EMISSION, NORMAL.
    pub well_quality: [u32; 3],
    /// Quality of a tank reading at CRITICAL, HIGH, NORMAL.
    pub tank_quality: [u32; 3],
    /// A row whose risk is above this is ALERT.
    pub alert_above: u32,
    /// The join's bound, ms, inclusive. A facility's own may be smaller than the global one, not larger.
    pub bound_ms: i64,
}

impl Default for ScoreRules {
    fn default() -> Self {
        ScoreRules {
            methane_high_ppm: 500.0,
            methane_medium_ppm: 300.0,
            vapor_critical_ppm: 10_000.0,
            vapor_high_ppm: 5_000.0,
            emission_points: [40, 20, 0],
            vapor_points: [40, 20, 10],
            well_quality: [75, 85, 95],
            tank_quality: [70, 80, 95],
            alert_above: 30,
            bound_ms: 5_000,
        }
    }
}

/// All that decides what the output is, given the input log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Thresholds and points where a facility has none of its own.
    pub score: ScoreRules,
    /// Facilities with rules of their own.
    pub facilities: BTreeMap<String, ScoreRules>,
    /// Which pairs become rows.
    pub join: JoinMode,
    /// Whether readings without a partner become rows too.
    pub outer: bool,
    /// L: a partition's watermark is its clock less this, ms.
    pub lateness_ms: i64,
    /// The largest gap of row time within one alarm episode, ms.
    pub alarm_gap_ms: i64,
    /// Event time further ahead of the record's own Kafka timestamp than this is quarantined, ms.
    pub future_ms_max: i64,
    /// A clock moves at most this far beyond the record's own Kafka timestamp, ms.
    pub clock_ahead_ms_max: i64,
    /// Event time before this is quarantined, epoch ms (2000-01-01).
    pub time_ms_min: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            score: ScoreRules::default(),
            facilities: BTreeMap::new(),
            join: JoinMode::All,
            outer: false,
            lateness_ms: 10_000,
            alarm_gap_ms: 30_000,
            future_ms_max: 300_000,
            clock_ahead_ms_max: 1_000,
            time_ms_min: 946_684_800_000,
        }
    }
}

impl Rules {
    /// The rules for one facility.
    pub fn of(&self, facility: &str) -> &ScoreRules {
        self.facilities.get(facility).unwrap_or(&self.score)
    }

    /// What is wrong with these rules, if anything.
    pub fn check(&self) -> Result<(), RulesError> {
        if self.outer && self.join == JoinMode::Latest {
            return Err(RulesError::OuterLatest);
        }
        for (name, ms) in [
            ("bound_ms", self.score.bound_ms),
            ("lateness_ms", self.lateness_ms),
            ("alarm_gap_ms", self.alarm_gap_ms),
            ("future_ms_max", self.future_ms_max),
            ("clock_ahead_ms_max", self.clock_ahead_ms_max),
        ] {
            if !(0..=MS_MAX).contains(&ms) {
                return Err(RulesError::OutOfRange { name, ms });
            }
        }
        for score in std::iter::once(&self.score).chain(self.facilities.values()) {
            let points = [score.emission_points, score.vapor_points, score.well_quality, score.tank_quality];
            if let Some(points) = points.into_iter().flatten().find(|points| *points > POINTS_MAX) {
                return Err(RulesError::TooManyPoints { points });
            }
        }
        for (facility, own) in &self.facilities {
            if !(0..=self.score.bound_ms).contains(&own.bound_ms) {
                return Err(RulesError::FacilityBound { facility: facility.clone(), ms: own.bound_ms });
            }
        }
        Ok(())
    }

    /// Whether results are pairs and nothing else. Then the pair rule alone tells after a restart what is
    /// still to be put out, and no result waits for W.
    pub fn emits_pairs_only(&self) -> bool {
        self.join == JoinMode::All && !self.outer
    }

    /// D: how long after a row's time an ALERT step may still change (DESIGN section 3).
    pub fn alarm_delay_ms(&self) -> i64 {
        match self.join {
            JoinMode::Nearest => self.score.bound_ms,
            JoinMode::All if self.outer => self.score.bound_ms,
            JoinMode::All | JoinMode::Asof | JoinMode::Latest => 0,
        }
    }

    /// The hash of all that decides.
    pub fn hash(&self) -> RulesHash {
        // The JSON text is canonical: struct order is fixed, the map is sorted, floats print shortest.
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut hash = splitmix64(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = splitmix64(hash ^ u64::from_le_bytes(word));
        }
        RulesHash(hash)
    }
}

/// A hash of all rules, 16 hex digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesHash(pub u64);

impl fmt::Display for RulesHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why rules cannot be used. No retry helps: the configuration must change.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// `latest` emits each well at once, so nothing is ever left over.
    #[error(
        "--outer with --join latest makes no sense: latest already emits every well; use --join asof --outer"
    )]
    OuterLatest,
    /// A span that no deployment means.
    #[error("{name} = {ms} ms is outside 0..={MS_MAX}")]
    OutOfRange {
        /// The key.
        name: &'static str,
        /// Its value.
        ms: i64,
    },
    /// Points or a quality that no reading can carry.
    #[error("{points} points: at most {POINTS_MAX} can be given, and a quality is at most that")]
    TooManyPoints {
        /// As configured.
        points: u32,
    },
    /// A facility's bound may only be smaller.
    #[error("facility {facility}: bound_ms = {ms} must be within 0 and the global bound")]
    FacilityBound {
        /// The facility.
        facility: String,
        /// Its bound.
        ms: i64,
    },
}

/// A reading in the windows carries them in 16 bits.
const POINTS_MAX: u32 = u16::MAX as u32;

/// One hour: spans are kept in memory and re-read on every start, so longer ones are a mistake.
const MS_MAX: i64 = 3_600_000;
