//! What is compared: rates, rows per reading, how long, how often.

use std::path::PathBuf;
use std::time::Duration;

use super::table::Who;
use super::{Failed, USAGE, flag};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) brokers: String,
    /// Where the services keep their data and their pids.
    pub(crate) services: PathBuf,
    pub(crate) interval: Duration,
    pub(crate) rounds: usize,
    /// Whom the engine, exactly once, is measured against.
    pub(crate) rival: Who,
    pub(crate) cases: Vec<Case>,
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// Readings per second, of both kinds together.
    pub(crate) rate: u64,
    /// One row for so many readings.
    pub(crate) every: u64,
    pub(crate) seconds: u64,
}

impl Asked {
    pub(crate) fn read(args: &[String]) -> Result<Asked, Failed> {
        let [binary, folder, size, given @ ..] = args else { return Err(USAGE.into()) };
        let rival = match flag(given, "against") {
            None | Some("pass-through") => Who::PassThrough,
            Some("at-least-once") => Who::AtLeastOnce,
            Some(_) => return Err(USAGE.into()),
        };
        let (rounds, mut cases) = match (size.as_str(), rival) {
            ("small", _) => (1, SMALL.to_vec()),
            ("full", Who::AtLeastOnce) => (5, vec![DELIVERY]),
            ("full", _) => (5, FULL.to_vec()),
            _ => return Err(USAGE.into()),
        };
        let number = |name: &str| flag(given, name).map(str::parse::<u64>).transpose();
        if let Some(rate) = number("rate")? {
            let seconds = cases[0].seconds;
            cases = vec![Case { rate, every: 1, seconds }];
        }
        for case in &mut cases {
            case.every = number("every")?.unwrap_or(case.every);
            case.seconds = number("seconds")?.unwrap_or(case.seconds);
        }
        if cases.iter().any(|case| ![1, 10].contains(&case.every)) {
            return Err("--every is 1 or 10: a scenario belongs to each".into());
        }
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Asked {
            binary: binary.into(),
            folder: folder.into(),
            brokers: variable("WELLSTREAM_TEST_BROKERS")?,
            services: variable("WELLSTREAM_SERVICES_DIR")?.into(),
            interval: Duration::from_millis(number("interval")?.unwrap_or(100)),
            rounds: number("rounds")?.map_or(Ok(rounds), usize::try_from)?,
            rival,
            cases,
        })
    }
}

impl Case {
    /// What a run leaves on the disk, bytes, generously.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.rate * self.seconds * (READING_BYTES + ROW_BYTES / self.every)
    }

    /// The scenario that has so many rows: as many readings per second of event time as the usual day, from
    /// ten times as many facilities where rows are rare.
    pub(crate) fn scenario(&self) -> String {
        let name = format!("live-{}", self.every);
        let head = format!("name = {name:?}\nwhy = \"A load of scripts/live.\"\nseed = 1\n");
        match self.every {
            1 => head,
            _ => format!(
                "{head}facilities = 100_000\nwells = 200_000\ntanks = 100_000\nwell_readings_per_s = 0.02\n\
                 tank_readings_per_s = 0.02\n"
            ),
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{}k/s, {} rows per reading", self.rate / 1_000, if self.every == 1 { "1" } else { "0.1" })
    }
}

/// Shows that all of it works.
const SMALL: [Case; 1] = [Case { rate: 5_000, every: 1, seconds: 4 }];
/// What is measured.
const FULL: [Case; 3] = [
    Case { rate: 1_000_000, every: 10, seconds: 60 },
    Case { rate: 300_000, every: 1, seconds: 60 },
    Case { rate: 100_000, every: 1, seconds: 60 },
];
/// What exactly once costs.
const DELIVERY: Case = Case { rate: 100_000, every: 1, seconds: 30 };
const READING_BYTES: u64 = 170;
const ROW_BYTES: u64 = 450;

#[cfg(test)]
mod tests {
    use super::*;
    use wellstream_replay::scenario::Scenario;

    /// As the scenario file says it, about: two readings of a pair, 10 s of a facility's tanks.
    #[test]
    fn each_scenario_has_the_rows_that_its_case_names() {
        for case in FULL {
            let scenario = Scenario::parse(&case.scenario()).unwrap();
            let tanks_per_s = scenario.tank_readings_per_s;
            let rows_per_reading = tanks_per_s * 10.0 / 2.0;
            assert!((rows_per_reading * case.every as f64 - 1.0).abs() < 0.01, "{rows_per_reading}");
            assert_eq!(scenario.events_per_ks(), 4_000_000);
        }
    }
}
