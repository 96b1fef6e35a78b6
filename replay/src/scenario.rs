//! A scenario: what a load looks like, as data. From its seed every reading follows.
//!
//! ```
//! use wellstream_replay::scenario::Scenario;
//! let normal = Scenario::named("normal").unwrap();
//! assert_eq!((normal.facilities, normal.wells, normal.tanks), (10_000, 20_000, 10_000));
//! let error = Scenario::parse("name = 'x'\nwhy = 'y'\nseed = 1\ntypo = 2").unwrap_err();
//! assert!(error.to_string().contains("typo"));
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

mod ranges;
mod incidents;
mod declared;

pub use declared::{Declared, DeclaredAlarms, DeclaredOf};
pub use incidents::{Backlog, Calm, Leak, Silent};
pub use ranges::Ranges;

/// A load, of which every reading follows from the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Why it exists.
    pub why: String,
    /// The seed; another seed gives another load of the same kind.
    pub seed: u64,
    /// How many readings, of both kinds together, where the command does not say.
    #[serde(default = "defaults::events")]
    pub events: u64,
    /// How many facilities. Well and tank number n belong to facility n modulo this.
    #[serde(default = "defaults::facilities")]
    pub facilities: u32,
    /// How many wells.
    #[serde(default = "defaults::wells")]
    pub wells: u32,
    /// How many tanks.
    #[serde(default = "defaults::tanks")]
    pub tanks: u32,
    /// Well readings per second of event time and facility, on average over facilities; in steps of 0.001.
    #[serde(default = "defaults::readings_per_s")]
    pub well_readings_per_s: f64,
    /// Tank readings per second of event time and facility.
    #[serde(default = "defaults::readings_per_s")]
    pub tank_readings_per_s: f64,
    /// What is the key of a record.
    #[serde(default)]
    pub keyed_by: KeyedBy,
    /// A reading is sent up to this much after its event time, ms.
    #[serde(default = "defaults::disorder_ms")]
    pub disorder_ms: u32,
    /// How many of the readings are special.
    #[serde(default)]
    pub shares: Shares,
    /// Late readings are sent this much later than others, ms: from, to.
    #[serde(default = "defaults::late_by_ms")]
    pub late_by_ms: [u32; 2],
    /// Clocks of skewed sensors are ahead or behind by up to this much, ms.
    #[serde(default = "defaults::skew_ms_max")]
    pub skew_ms_max: u32,
    /// The kinds of poison.
    #[serde(default = "defaults::poison")]
    pub poison: Vec<Poison>,
    /// Phases in which a facility's readings raise no alarm.
    #[serde(default)]
    pub calm: Option<Calm>,
    /// Facilities that leak.
    #[serde(default)]
    pub leak: Option<Leak>,
    /// A partition that falls silent.
    #[serde(default)]
    pub silent: Option<Silent>,
    /// A time in which nothing is sent, and what comes of it.
    #[serde(default)]
    pub backlog: Option<Backlog>,
    /// Where values lie.
    #[serde(default)]
    pub ranges: Ranges,
    /// What must come of it. Last, as it is a table of its own.
    #[serde(default)]
    pub expected: Option<Declared>,
}

/// What is the key of a record, and so decides its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyedBy {
    /// The well's or the tank's id.
    #[default]
    Sensor,
    /// The facility's id.
    Facility,
}

/// Shares of all readings, 0 to 1. Late, nulls and poison exclude one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shares {
    /// Sent later by `late_by_ms`.
    pub late: f64,
    /// With a null in one or two fields, written by the nullable schema.
    pub nulls: f64,
    /// Values that are to be quarantined.
    pub poison: f64,
    /// A reading sent before, sent again.
    pub duplicates: f64,
    /// Readings of facility 0.
    pub hot_facility: f64,
    /// Sensors (not readings) whose clock is off.
    pub skewed_sensors: f64,
}

/// Kinds of values that are to be quarantined, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poison {
    /// The first byte is not 0.
    BadMagic,
    /// A schema id that no registry knows. Parks the partition for the registry's grace time.
    UnknownSchema,
    /// The other topic's record.
    WrongType,
    /// Cut off behind the frame.
    Truncated,
    /// Bytes behind the last field.
    TrailingBytes,
    /// A negative length.
    Malformed,
    /// A sensor id that is not UTF-8.
    BadUtf8,
    /// Methane or vapor is NaN or infinite.
    NotFinite,
    /// Event time before 1970.
    TimeTooOld,
    /// Event time more than an hour ahead of the sending.
    TimeTooFarAhead,
    /// A value of no bytes.
    EmptyValue,
    /// No value.
    Tombstone,
    /// A value longer than the engine decodes.
    TooLarge,
}

/// Why a scenario cannot be used. No retry helps: its text must change.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in name nor a file.
    #[error("no scenario {name}: neither a file nor one of {}{}", Scenario::NAMES.join(", "), renamed(name))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file is there but cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("scenario: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A value that makes no sense.
    #[error("scenario {name}: {key} = {value} must be {must_be}")]
    OutOfRange {
        /// The scenario.
        name: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must_be: &'static str,
    },
}

macro_rules! workloads {
    ($($name:literal),+ $(,)?) => {
        const TEXTS: &[&str] = &[$(include_str!(concat!("../../bench-data/workloads/", $name, ".toml"))),+];
        impl Scenario {
            /// The built-in scenarios.
            pub const NAMES: &'static [&'static str] = &[$($name),+];
        }
    };
}

workloads!(
    "normal",
    "leak-incident",
    "disorder",
    "late",
    "duplicates",
    "nulls",
    "poison",
    "clock-skew",
    "hot-facility",
    "silent-partition",
    "backlog-drain",
    "embedded",
);

impl Scenario {
    /// A built-in scenario.
    pub fn named(name: &str) -> Option<Scenario> {
        let place = Self::NAMES.iter().position(|known| *known == name)?;
        Scenario::parse(TEXTS[place]).ok()
    }

    /// A built-in scenario by its name, or one from a TOML file.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn load(name_or_file: &str) -> Result<Scenario, ScenarioError> {
        if let Some(scenario) = Scenario::named(name_or_file) {
            return Ok(scenario);
        }
        if !Path::new(name_or_file).exists() {
            return Err(ScenarioError::Unknown { name: name_or_file.to_owned() });
        }
        let text = std::fs::read_to_string(name_or_file)
            .map_err(|source| ScenarioError::Unreadable { path: name_or_file.to_owned(), source })?;
        Scenario::parse(&text)
    }

    /// A scenario from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        let scenario: Scenario = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Checks that values make sense, for scenarios changed by hand or by flags.
    ///
    /// # Errors
    /// The first one that does not.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let refuse = |key, value: String, must_be| {
            Err(ScenarioError::OutOfRange { name: self.name.clone(), key, value, must_be })
        };
        for (key, count) in [("facilities", self.facilities), ("wells", self.wells), ("tanks", self.tanks)] {
            if !(1..=SENSORS_MAX).contains(&count) {
                return refuse(key, count.to_string(), "within 1 and 10 million");
            }
        }
        if self.events > EVENTS_MAX {
            return refuse("events", self.events.to_string(), "at most 10^12");
        }
        for (key, rate) in [
            ("well_readings_per_s", self.well_readings_per_s),
            ("tank_readings_per_s", self.tank_readings_per_s),
        ] {
            if !(0.001..=1_000.0).contains(&rate) {
                return refuse(key, rate.to_string(), "within 0.001 and 1,000");
            }
        }
        let shares = &self.shares;
        for (key, share) in [
            (
                "shares.late + nulls + poison",
                shares.late.max(0.0) + shares.nulls.max(0.0) + shares.poison.max(0.0),
            ),
            ("shares.late", shares.late),
            ("shares.nulls", shares.nulls),
            ("shares.poison", shares.poison),
            ("shares.duplicates", shares.duplicates),
            ("shares.hot_facility", shares.hot_facility),
            ("shares.skewed_sensors", shares.skewed_sensors),
            ("calm.share", self.calm.map_or(0.0, |calm| calm.share)),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return refuse(key, share.to_string(), "within 0 and 1");
            }
        }
        if shares.poison > 0.0 && self.poison.is_empty() {
            return refuse("poison", "[]".to_owned(), "a list of kinds, as shares.poison is above 0");
        }
        if self.late_by_ms[0] > self.late_by_ms[1] {
            return refuse("late_by_ms", format!("{:?}", self.late_by_ms), "the least first");
        }
        if self.calm.is_some_and(|calm| calm.phase_ms == 0) {
            return refuse("calm.phase_ms", "0".to_owned(), "above 0");
        }
        if self.leak.is_some_and(|leak| !(1..=self.facilities).contains(&leak.facilities)) {
            return refuse("leak.facilities", format!("{:?}", self.leak), "within 1 and facilities");
        }
        if self.backlog.is_some_and(|backlog| backlog.drain_speed < 2) {
            return refuse("backlog.drain_speed", format!("{:?}", self.backlog), "2 or more");
        }
        match self.ranges.wrong() {
            Some((key, range)) => refuse(key, format!("{range:?}"), "the least first, within +-1 million"),
            None => Ok(()),
        }
    }

    /// The time span that so many readings cover, ms of event time.
    pub fn span_ms(&self, events: u64) -> i64 {
        let spans = events.saturating_mul(1_000_000) / self.events_per_ks().max(1);
        i64::try_from(spans).unwrap_or(i64::MAX)
    }

    /// Readings of both kinds and all facilities in 1,000 s of event time.
    pub fn events_per_ks(&self) -> u64 {
        (per_ks(self.well_readings_per_s) + per_ks(self.tank_readings_per_s)) * u64::from(self.facilities)
    }
}

/// What to say of names that scenarios had before.
fn renamed(name: &str) -> &'static str {
    if name == "skew" { "; skew is called clock-skew now" } else { "" }
}

/// A rate per second as a whole number per 1,000 s.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie within 0.001 and 1,000 a second"
)]
pub(crate) fn per_ks(rate: f64) -> u64 {
    (rate * 1_000.0).round() as u64
}

/// More sensors than this would be a mistake: their names are kept in memory.
const SENSORS_MAX: u32 = 10_000_000;

/// Arrival times are computed in 64 bits.
const EVENTS_MAX: u64 = 1_000_000_000_000;

mod defaults {
    use super::Poison;

    pub(super) fn events() -> u64 {
        2_000_000
    }

    pub(super) fn facilities() -> u32 {
        10_000
    }

    pub(super) fn wells() -> u32 {
        20_000
    }

    pub(super) fn tanks() -> u32 {
        10_000
    }

    pub(super) fn readings_per_s() -> f64 {
        0.2
    }

    pub(super) fn disorder_ms() -> u32 {
        2_000
    }

    pub(super) fn late_by_ms() -> [u32; 2] {
        [15_000, 60_000]
    }

    pub(super) fn skew_ms_max() -> u32 {
        4_000
    }

    /// Those that need no registry and no megabytes.
    pub(super) fn poison() -> Vec<Poison> {
        use Poison::*;
        vec![
            BadMagic,
            Truncated,
            TrailingBytes,
            Malformed,
            BadUtf8,
            NotFinite,
            TimeTooOld,
            TimeTooFarAhead,
            EmptyValue,
            Tombstone,
        ]
    }
}
