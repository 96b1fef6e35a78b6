//! What the operator wants: every setting with its value, checked as a whole before anything starts.

mod choices;
mod keys;
mod units;
mod kind;
mod layers;
mod rules;
mod secret;
mod show;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wellstream_connectors::kafka::{KafkaError, KafkaSettings};
use wellstream_core::rules::{JoinMode, Rules, RulesError};

pub(crate) use choices::{
    Delivery, EngineChoice, KafkaClient, KeyedBy, OnLostHistory, SinkChoice, StartAt, SummaryForm,
};
pub(crate) use keys::{
    CONFIG, INSPECT, KEYS, LATER, QUARANTINE, QUERY, RECORD, REPLAY, RUN, SCHEMA, TOPICS, TXN, TXN_ABORT,
};
pub(crate) use kind::Kind;
pub(crate) use layers::FILE_VARIABLE;
pub(crate) use rules::RulesSettings;
pub(crate) use show::{changed, effective, reference, without_secrets};
pub(crate) use units::{Size, Span, SpanOrOff, parse_factor, parse_rate};

use layers::{Layers, Origin};

/// Every setting, typed. Absent means that nobody said anything and that there is no default. It has no
/// Debug:
/// it holds secrets.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) brokers: Option<Vec<String>>,
    pub(crate) schema_registry: Option<String>,
    pub(crate) schemas: Option<PathBuf>,
    pub(crate) redis: Option<String>,
    pub(crate) redis_prefix: Option<String>,
    pub(crate) group: String,
    pub(crate) wells: String,
    pub(crate) tanks: String,
    pub(crate) output: String,
    pub(crate) alerts: String,
    pub(crate) quarantine: String,
    pub(crate) keyed_by: KeyedBy,
    pub(crate) join: JoinMode,
    pub(crate) outer: bool,
    pub(crate) kafka_client: KafkaClient,
    pub(crate) delivery: Delivery,
    pub(crate) transactional_id: Option<String>,
    pub(crate) from: String,
    pub(crate) until_end: bool,
    pub(crate) duration: Option<Span>,
    pub(crate) sink: Option<Vec<String>>,
    pub(crate) summary: SummaryForm,
    pub(crate) commit_interval: Span,
    pub(crate) max_ahead: Span,
    pub(crate) idle_after: SpanOrOff,
    pub(crate) registry_grace: Span,
    pub(crate) on_lost_history: OnLostHistory,
    pub(crate) accept_rules_change: bool,
    pub(crate) threads: Option<usize>,
    pub(crate) pin: bool,
    pub(crate) state_bytes_max: Size,
    pub(crate) events: Option<u64>,
    pub(crate) max: bool,
    pub(crate) rate: Option<String>,
    pub(crate) speed: Option<String>,
    pub(crate) engine: Option<EngineChoice>,
    pub(crate) profile: String,
    pub(crate) r#loop: bool,
    pub(crate) warmup: Span,
    pub(crate) verify: bool,
    pub(crate) find_max: bool,
    pub(crate) slo: String,
    pub(crate) report: Option<PathBuf>,
    pub(crate) scenario: String,
    pub(crate) seed: Option<u64>,
    pub(crate) partitions: u32,
    pub(crate) replication: u32,
    pub(crate) log: String,
    pub(crate) kafka: BTreeMap<String, String>,
    pub(crate) rules: RulesSettings,
    pub(crate) embedded: EmbeddedSettings,
}

/// The source that needs no service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddedSettings {
    pub(crate) facilities: u32,
    pub(crate) wells: u32,
    pub(crate) tanks: u32,
    pub(crate) interval: Span,
    pub(crate) partitions: u32,
}

/// Settings with their origins.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) settings: Settings,
    layers: Layers,
}

impl Loaded {
    /// Collects all layers and checks each value. `file` is what `--config` names; without it the file
    /// `wellstream.toml` of the current directory counts, if there is one.
    pub(crate) fn collect(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(&'static str, Vec<String>)],
    ) -> Result<Loaded, SettingsError> {
        let found = match file {
            Some(path) => Some((path, read(path)?)),
            None => match std::fs::read_to_string(DEFAULT_FILE) {
                Ok(text) => Some((Path::new(DEFAULT_FILE), text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(SettingsError::Read { path: DEFAULT_FILE.into(), error }),
            },
        };
        let layers =
            Layers::collect(found.as_ref().map(|(path, text)| (*path, text.as_str())), variables, flags)?;
        let settings = Settings::deserialize(toml::Value::Table(layers.table()))
            .map_err(|e| SettingsError::Shape { message: e.message().to_owned() })?;
        settings.check()?;
        Ok(Loaded { settings, layers })
    }

    /// Whether anybody said something about this key.
    pub(crate) fn is_given(&self, key: &str) -> bool {
        self.layers.get(key).is_some_and(|set| set.origin != Origin::Default)
    }

    /// Refuses values that `wellstream config` has hidden: they can be shown, but not used.
    pub(crate) fn check_secrets(&self) -> Result<(), SettingsError> {
        secret::check_not_hidden(&self.layers)
    }
}

impl Settings {
    /// The rules that decide results.
    pub(crate) fn rules(&self) -> Result<Rules, SettingsError> {
        let rules = self.rules.to_rules(self.join, self.outer)?;
        rules.check().map_err(SettingsError::Rules)?;
        Ok(rules)
    }

    /// Where to start without a commit.
    pub(crate) fn start_at(&self) -> StartAt {
        match self.from.as_str() {
            "latest" => StartAt::Latest,
            from => units::parse_time(from).map_or(StartAt::Earliest, StartAt::Time),
        }
    }

    /// The sinks, in order, each once.
    pub(crate) fn sinks(&self) -> Result<Vec<SinkChoice>, SettingsError> {
        let Some(names) = &self.sink else {
            return Ok(match self.brokers {
                Some(_) => vec![SinkChoice::Kafka, SinkChoice::Console],
                None => vec![SinkChoice::Console],
            });
        };
        let mut sinks = Vec::new();
        for name in names {
            let sink = match name.as_str() {
                "kafka" if self.brokers.is_none() => {
                    return Err(SettingsError::NeedsBrokers { what: "sink kafka" });
                }
                "kafka" => SinkChoice::Kafka,
                "console" => SinkChoice::Console,
                "count" => SinkChoice::Count,
                // It follows the commits, whatever sinks there are: naming it changes nothing.
                "redis" if self.redis.is_some() => continue,
                "redis" => return Err(SettingsError::NeedsRedis),
                name => match name.strip_prefix("jsonl:").filter(|path| !path.is_empty()) {
                    Some(path) => SinkChoice::Jsonl(path.into()),
                    None => return Err(SettingsError::Sink { name: name.to_owned() }),
                },
            };
            if !sinks.contains(&sink) {
                sinks.push(sink);
            }
        }
        Ok(sinks)
    }

    /// What no single value shows.
    fn check(&self) -> Result<(), SettingsError> {
        if self.transactional_id.as_deref().is_some_and(str::is_empty) {
            let message = "it is empty".to_owned();
            return Err(SettingsError::Value { place: "transactional_id".to_owned(), message });
        }
        if self.schema_registry.is_some() && self.schemas.is_some() {
            return Err(SettingsError::BothSchemas);
        }
        for (name, topic) in self.topics() {
            check_topic(name, topic)?;
        }
        let mut topics: Vec<_> = self.topics().map(|(_, topic)| topic).to_vec();
        topics.sort_unstable();
        if let Some(pair) = topics.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SettingsError::SameTopic { topic: pair[0].to_owned() });
        }
        // Properties on which the engine's promises rest are not passed on.
        let mut client = KafkaSettings::new("", &self.group);
        for (name, value) in &self.kafka {
            client.add_override(&format!("{name}={value}"))?;
        }
        self.sinks()?;
        self.rules()?;
        Ok(())
    }

    fn topics(&self) -> [(&'static str, &str); 5] {
        [
            ("wells", &self.wells),
            ("tanks", &self.tanks),
            ("output", &self.output),
            ("alerts", &self.alerts),
            ("quarantine", &self.quarantine),
        ]
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|error| SettingsError::Read { path: path.to_owned(), error })
}

/// What a Kafka broker takes as a topic's name.
fn check_topic(name: &'static str, topic: &str) -> Result<(), SettingsError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.len() <= 249 && topic.chars().all(legal) && ![".", ".."].contains(&topic) {
        return Ok(());
    }
    Err(SettingsError::Value {
        place: name.to_owned(),
        message: format!("{topic:?} is not a topic's name: letters, digits, . _ - and at most 249 of them"),
    })
}

/// Why settings cannot be used: always a usage error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: {message}", path.display())]
    Syntax { path: PathBuf, message: String },
    #[error("{place}: {message}")]
    Value { place: String, message: String },
    #[error(
        "{place}: there is no setting {name}{}; wellstream config shows all of them",
        did_you_mean(nearest)
    )]
    Unknown { place: String, name: String, nearest: Option<String> },
    #[error("{name} is not in this version yet")]
    Later { name: String },
    #[error("settings: {message}")]
    Shape { message: String },
    #[error("--schema-registry and --schemas exclude each other: both say how to read the topics")]
    BothSchemas,
    #[error("{what} needs --brokers")]
    NeedsBrokers { what: &'static str },
    #[error("sink redis needs --redis URL")]
    NeedsRedis,
    #[error("--sink: {name:?} is none of kafka, redis, console, count, jsonl:PATH")]
    Sink { name: String },
    #[error("the topic {topic} is named twice: wells, tanks, output, alerts and quarantine must differ")]
    SameTopic { topic: String },
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Rules(RulesError),
    #[error("rules.facilities.{facility}: {message}")]
    Facility { facility: String, message: String },
    #[error("{name} is ***, as wellstream config prints secrets: put the secret itself there")]
    Hidden { name: String },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// Read from the current directory where `--config` names no other.
const DEFAULT_FILE: &str = "wellstream.toml";

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    impl fmt::Debug for Loaded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Loaded")
        }
    }

    fn load(toml: &str, flags: &[(&'static str, &str)]) -> Result<Loaded, SettingsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.toml");
        std::fs::write(&path, toml).unwrap();
        let flags: Vec<_> = flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect();
        Loaded::collect(Some(&path), std::iter::empty(), &flags)
    }

    #[test]
    fn the_table_of_keys_and_the_struct_have_the_same_keys() {
        let json = serde_json::to_value(load("", &[]).unwrap().settings).unwrap();
        let mut fields = Vec::new();
        for (name, value) in json.as_object().unwrap() {
            match (name.as_str(), value.as_object()) {
                ("rules" | "embedded", Some(inner)) => {
                    fields.extend(inner.keys().map(|leaf| format!("{name}.{leaf}")));
                }
                _ => fields.push(name.clone()),
            }
        }
        let mut keys: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
        fields.sort();
        keys.sort();
        assert_eq!(fields, keys);
    }

    #[test]
    fn the_defaults_are_those_of_the_core() {
        assert_eq!(load("", &[]).unwrap().settings.rules().unwrap(), Rules::default());
    }

    #[test]
    fn a_facility_inherits_what_it_does_not_say() {
        let toml = "[rules]\nmethane_high_ppm = 450\nbound = '4s'\n[rules.facilities.F1]\nbound = '2s'\nalert_above = 50";
        let rules = load(toml, &[]).unwrap().settings.rules().unwrap();
        let own = rules.of("F1");
        assert_eq!((own.bound_ms, own.alert_above, own.methane_high_ppm), (2_000, 50, 450.0));
        assert_eq!(rules.of("F2").bound_ms, 4_000);
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for (toml, part) in [
            ("outer = true\njoin = 'latest'", "asof --outer"),
            ("[rules]\nlateness = '2h'", "outside"),
            ("[rules.facilities.F1]\nbound = '6s'", "F1"),
            ("[rules.facilities.F1]\nbond = '1s'", "bond"),
            ("[rules]\nmethane_medium_ppm = 600", "methane_medium_ppm"),
        ] {
            let error = load(toml, &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{toml}: {error}");
        }
    }

    #[test]
    fn where_to_start_is_read() {
        let start = |from| load("", &[("from", from)]).map(|loaded| loaded.settings.start_at());
        assert_eq!(start("committed").unwrap(), StartAt::Earliest);
        assert_eq!(start("latest").unwrap(), StartAt::Latest);
        assert_eq!(start("1970-01-01T00:00:01Z").unwrap(), StartAt::Time(1_000));
        assert!(start("tomorrow").is_err());
    }

    #[test]
    fn sinks_are_read_and_checked() {
        let sinks = |sink| load("", &[("sink", sink)]).map(|loaded| loaded.settings.sinks().unwrap());
        assert_eq!(load("", &[]).unwrap().settings.sinks().unwrap(), [SinkChoice::Console]);
        assert_eq!(
            load("brokers = ['h:1']", &[]).unwrap().settings.sinks().unwrap(),
            [SinkChoice::Kafka, SinkChoice::Console]
        );
        assert_eq!(
            sinks("count,jsonl:/tmp/x,count").unwrap(),
            [SinkChoice::Count, SinkChoice::Jsonl("/tmp/x".into())]
        );
        for bad in ["kafka", "redis", "jsonl:", "cosole"] {
            assert!(sinks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_belongs_to_wellstream_is_not_passed_on() {
        let error = load("[kafka]\nenable.auto.commit = true", &[]).unwrap_err().to_string();
        assert!(error.contains("enable.auto.commit"), "{error}");
    }
}
