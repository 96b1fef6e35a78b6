//! `wellstream replay`: a load at its intended times, into the engine here or to Kafka, and what came of it.

mod load;
mod kafka;
mod memory;
mod search;
mod trace;
mod source;
mod progress;
mod results;
mod verdict;

use std::path::Path;

use wellstream_connectors::MachineClock;
use wellstream_replay::scenario::{KeyedBy as ScenarioKeyedBy, Scenario, ScenarioError};
use wellstream_replay::schedule::{Profile, Schedule};

use crate::exit::Failure;
use crate::settings::{EngineChoice, KeyedBy, Loaded, Settings, Span, parse_factor, parse_rate};

/// What is to be sent, and when.
pub(crate) struct Asked {
    /// What the readings are like.
    pub(crate) scenario: Scenario,
    /// When each is due; `None` for as fast as they are taken.
    pub(crate) schedule: Option<Schedule>,
    /// How many.
    pub(crate) events: u64,
}

/// What a report says of a load.
pub(crate) struct Subject<'a> {
    /// In a few words.
    pub(crate) name: String,
    /// What it is and where it comes from.
    pub(crate) source: String,
    /// The seed of what was generated.
    pub(crate) seed: Option<u64>,
    /// When it was due.
    pub(crate) schedule: Option<&'a Schedule>,
}

/// Sends a load and measures: a trace, or a scenario.
pub(crate) fn replay(loaded: &Loaded, trace: Option<&Path>) -> Result<(), Failure> {
    let settings = &loaded.settings;
    if let Some(path) = trace {
        return trace::replay(loaded, path);
    }
    if settings.r#loop {
        return Err(Failure::usage(
            "--loop sends a trace again: a scenario has no end of its own, --events or --duration says how long it is",
        ));
    }
    let scenario = scenario(loaded)?;
    let asked = Asked::new(loaded, scenario)?;
    match settings.brokers {
        Some(_) if settings.find_max => kafka::find_max(loaded, &asked),
        Some(_) => match (settings.engine.unwrap_or(EngineChoice::None), &asked.schedule) {
            (EngineChoice::None, _) if settings.verify => {
                Err(Failure::usage("--verify on Kafka needs an engine to verify: --engine here or external"))
            }
            (EngineChoice::None, None) => load::to_kafka(settings, asked),
            (engine, _) => kafka::measure(loaded, &asked, engine),
        },
        None if settings.engine.is_some_and(|engine| engine != EngineChoice::Here) => {
            Err(Failure::usage("--engine external and none need --brokers: without them the engine is here"))
        }
        None if settings.find_max => memory::find_max(loaded, &asked),
        None => memory::measure(loaded, &asked),
    }
}

impl Asked {
    /// The load that the settings describe.
    fn new(loaded: &Loaded, scenario: Scenario) -> Result<Asked, Failure> {
        let settings = &loaded.settings;
        check_pace(loaded)?;
        let usage = |error: String| Failure::usage(error);
        let profile: Profile = settings.profile.parse().map_err(usage)?;
        let rate = match (&settings.rate, &settings.speed) {
            (Some(rate), _) => Some(parse_rate(rate).map_err(usage)?),
            (None, Some(speed)) => {
                Some(parse_factor(speed).map_err(usage)? * scenario.events_per_ks() as f64 / 1_000.0)
            }
            (None, None) => None,
        };
        let seconds = settings.duration.map(|span| span.duration().as_secs_f64());
        let events = match (settings.events, seconds, rate) {
            (Some(events), ..) => events,
            (None, Some(seconds), Some(rate)) => Schedule::events_in(rate, seconds),
            (None, Some(_), None) if !settings.find_max => {
                return Err(Failure::usage("--duration needs --rate or --speed: --max ends with --events"));
            }
            _ => scenario.events,
        };
        let schedule = rate.map(|rate| Schedule::new(profile, rate, events, scenario.seed)).transpose();
        let schedule = schedule.map_err(|error| Failure::Usage(error.into()))?;
        Ok(Asked { scenario, schedule, events })
    }

    /// What a report says of it.
    fn subject(&self) -> Subject<'_> {
        let Scenario { name, seed, .. } = &self.scenario;
        let source = format!("scenario {name}");
        Subject { name: name.clone(), source, seed: Some(*seed), schedule: self.schedule.as_ref() }
    }

    /// The same load at another rate and length.
    fn at(&self, rate_per_s: f64, seconds: f64) -> Result<Asked, Failure> {
        let events = Schedule::events_in(rate_per_s, seconds);
        let profile = self.schedule.as_ref().map_or(Profile::Constant, Schedule::profile);
        let schedule = Schedule::new(profile, rate_per_s, events, self.scenario.seed);
        let schedule = schedule.map_err(|error| Failure::Usage(error.into()))?;
        Ok(Asked { scenario: self.scenario.clone(), schedule: Some(schedule), events })
    }
}

/// How fast, said once; how much, said once.
fn check_pace(loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let given = ["rate", "speed", "max"].into_iter().filter(|key| match *key {
        "max" => settings.max,
        key => loaded.is_given(key),
    });
    let given: Vec<_> = given.map(|key| format!("--{key}")).collect();
    match (given.as_slice(), settings.find_max) {
        ([], false) => {
            return Err(Failure::usage(
                "how fast? --rate 100k/s, --speed 10x, or --max for as fast as it goes",
            ));
        }
        ([_, _, ..], _) => {
            return Err(Failure::usage(format!("{} exclude each other: name one", given.join(" and "))));
        }
        ([one], true) if one != "--rate" => {
            return Err(Failure::usage(format!(
                "--find-max sets the rate itself: {one} makes no sense with it"
            )));
        }
        _ => {}
    }
    if loaded.is_given("events") && loaded.is_given("duration") {
        return Err(Failure::usage(
            "--events and --duration exclude each other: the rate tells one from the other",
        ));
    }
    Ok(())
}

/// The scenario as asked for by name or file, with what flags say instead.
fn scenario(loaded: &Loaded) -> Result<Scenario, Failure> {
    let settings = &loaded.settings;
    let mut scenario = Scenario::load(&settings.scenario).map_err(|error| match error {
        ScenarioError::Unreadable { .. } => Failure::Runtime(error.into()),
        error => Failure::Usage(error.into()),
    })?;
    if let Some(seed) = settings.seed {
        scenario.seed = seed;
    }
    if loaded.is_given("keyed_by") {
        scenario.keyed_by = match settings.keyed_by {
            KeyedBy::Sensor => ScenarioKeyedBy::Sensor,
            KeyedBy::Facility => ScenarioKeyedBy::Facility,
        };
    }
    Ok(scenario)
}

/// Event times end before now, as if all had been sent in time.
fn start_ms(scenario: &Scenario, events: u64, clock: MachineClock) -> i64 {
    clock.wall_ms() - scenario.span_ms(events) - MARGIN_MS
}

/// The warm-up, ns.
fn warmup_ns(settings: &Settings) -> u64 {
    span_ns(settings.warmup)
}

fn span_ns(span: Span) -> u64 {
    u64::try_from(span.duration().as_nanos()).unwrap_or(u64::MAX)
}

/// Readings are sent up to some time after their event time; late ones more than that.
const MARGIN_MS: i64 = 120_000;
