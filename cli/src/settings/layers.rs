//! Flag over variable over file over default: collects each key's value and remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Value;

use super::SettingsError;
use super::keys::{KEYS, Key, LATER, VARIABLE_PREFIX};
use super::kind::Kind;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, PartialEq)]
pub(crate) struct Set {
    /// In the key's normal form.
    pub(crate) value: Value,
    /// Who said so.
    pub(crate) origin: Origin,
}

/// The value of every key that has one. The properties of `kafka` stand one by one, as `kafka.NAME`, since
/// each
/// may come from somewhere else.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    values: BTreeMap<String, Set>,
}

impl Layers {
    /// All layers, lowest first.
    pub(crate) fn collect(
        file: Option<(&Path, &str)>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(&'static str, Vec<String>)],
    ) -> Result<Layers, SettingsError> {
        let mut layers = Layers::default();
        layers.defaults()?;
        if let Some((path, text)) = file {
            layers.file(path, text)?;
        }
        layers.variables(variables)?;
        layers.flags(flags)?;
        Ok(layers)
    }

    /// The value of a key, or of `kafka.PROPERTY`.
    pub(crate) fn get(&self, name: &str) -> Option<&Set> {
        self.values.get(name)
    }

    /// Properties of librdkafka, in order.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&str, &Set)> {
        self.values.iter().filter_map(|(name, set)| Some((name.strip_prefix("kafka.")?, set)))
    }

    /// Everything as one TOML table, tables nested, for serde.
    pub(crate) fn table(&self) -> toml::Table {
        let mut table = toml::Table::new();
        for name in ["kafka", "rules", "embedded"] {
            table.insert(name.to_owned(), Value::Table(toml::Table::new()));
        }
        for (name, set) in &self.values {
            let (parent, leaf) = name.split_once('.').unwrap_or(("", name));
            match table.get_mut(parent) {
                Some(Value::Table(inner)) => inner.insert(leaf.to_owned(), set.value.clone()),
                _ => table.insert(name.clone(), set.value.clone()),
            };
        }
        table
    }

    fn defaults(&mut self) -> Result<(), SettingsError> {
        for key in KEYS {
            if let Some(text) = key.default {
                self.text(key, text, Origin::Default)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let origin = Origin::File(path.to_owned());
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| SettingsError::Syntax {
            path: path.to_owned(),
            message: located(text, &e),
        })?;
        for (name, value) in table {
            let inner = match value {
                Value::Table(inner) if ["rules", "embedded"].contains(&name.as_str()) => inner,
                value => {
                    self.file_value(&name, value, &origin)?;
                    continue;
                }
            };
            for (leaf, value) in inner {
                self.file_value(&format!("{name}.{leaf}"), value, &origin)?;
            }
        }
        Ok(())
    }

    fn file_value(&mut self, name: &str, value: Value, origin: &Origin) -> Result<(), SettingsError> {
        let key =
            Key::named(name).ok_or_else(|| unknown(origin.to_string(), name, |key| key.name.to_owned()))?;
        let value = key.kind.parse_toml(value).map_err(|message| bad(key, origin, message))?;
        self.set(key, value, origin);
        Ok(())
    }

    fn variables(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), SettingsError> {
        // Sorted, so that of several mistakes the same one is reported every time.
        let ours: BTreeMap<_, _> = variables
            .filter(|(name, text)| name.starts_with(VARIABLE_PREFIX) && !exempt(name) && !text.is_empty())
            .collect();
        for (name, text) in ours {
            match KEYS.iter().find(|key| key.variable() == name) {
                Some(key) => self.text(key, &text, Origin::Variable(name))?,
                None => return Err(unknown("the environment".to_owned(), &name, Key::variable)),
            }
        }
        Ok(())
    }

    fn flags(&mut self, flags: &[(&'static str, Vec<String>)]) -> Result<(), SettingsError> {
        for (name, texts) in flags {
            let key = Key::named(name)
                .ok_or_else(|| unknown("the command line".to_owned(), name, |key| key.name.to_owned()))?;
            let flag = if key.kind == Kind::Properties { "-X".to_owned() } else { key.flag() };
            match key.kind {
                Kind::List => self.text(key, &texts.join(","), Origin::Flag(flag))?,
                // Each -X is one property, whatever stands in its value.
                Kind::Properties => {
                    for text in texts {
                        let origin = Origin::Flag(flag.clone());
                        let (name, value) =
                            text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                                bad(
                                    key,
                                    &origin,
                                    "is not key=value, such as security.protocol=SSL".to_owned(),
                                )
                            })?;
                        let value = Value::String(value.to_owned());
                        self.values.insert(format!("kafka.{name}"), Set { value, origin });
                    }
                }
                _ => {
                    for text in texts {
                        self.text(key, text, Origin::Flag(flag.clone()))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, key: &Key, text: &str, origin: Origin) -> Result<(), SettingsError> {
        let value = key.kind.parse_text(text).map_err(|message| bad(key, &origin, message))?;
        self.set(key, value, &origin);
        Ok(())
    }

    fn set(&mut self, key: &Key, value: Value, origin: &Origin) {
        match (key.kind, value) {
            (Kind::Properties, Value::Table(properties)) => {
                for (name, value) in properties {
                    self.values.insert(format!("kafka.{name}"), Set { value, origin: origin.clone() });
                }
            }
            (_, value) => {
                self.values.insert(key.name.to_owned(), Set { value, origin: origin.clone() });
            }
        }
    }
}

/// Variables that belong to the scripts and tests, and the one that names the file.
fn exempt(name: &str) -> bool {
    name == FILE_VARIABLE || SCRIPTS.iter().any(|prefix| name.starts_with(prefix))
}

fn bad(key: &Key, origin: &Origin, message: String) -> SettingsError {
    let place = match origin {
        Origin::Flag(flag) => flag.clone(),
        Origin::Variable(name) => name.clone(),
        Origin::File(path) => format!("{} in {}", key.name, path.display()),
        Origin::Default => format!("default of {}", key.name),
    };
    SettingsError::Value { place, message }
}

/// Nobody has this key; perhaps it is meant for later, perhaps it is misspelt.
fn unknown(place: String, name: &str, spell: fn(&Key) -> String) -> SettingsError {
    let plain = name.trim_start_matches(VARIABLE_PREFIX).to_ascii_lowercase();
    if LATER.contains(&plain.as_str()) {
        return SettingsError::Later { name: name.to_owned() };
    }
    let nearest = KEYS
        .iter()
        .map(spell)
        .map(|known| (strsim::damerau_levenshtein(&known, name), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= known.len().div_ceil(2))
        .map(|(_, known)| known);
    SettingsError::Unknown { place, name: name.to_owned(), nearest }
}

/// The parser's message on one line, with the line number in front.
fn located(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or("").lines().count().max(1));
    format!("line {line}: {}", error.message().replace('\n', ", "))
}

/// Names the file, as --config does.
pub(crate) const FILE_VARIABLE: &str = "WELLSTREAM_CONFIG";

/// How the variables of scripts and tests begin.
const SCRIPTS: [&str; 16] = [
    "WELLSTREAM_TEST_",
    "WELLSTREAM_SERVICES",
    "WELLSTREAM_SIZE",
    "WELLSTREAM_CACHE",
    "WELLSTREAM_HEALTH_WAIT_S",
    "WELLSTREAM_PORT_SHIFT",
    "WELLSTREAM_TOOL_LOG",
    "WELLSTREAM_KAFKA_PORT",
    "WELLSTREAM_KAFKA_CONTROLLER_PORT",
    "WELLSTREAM_KAFKA_SASL_PORT",
    "WELLSTREAM_KAFKA_TLS_PORT",
    "WELLSTREAM_KAFKA_VERSION",
    "WELLSTREAM_KAFKA_SESSION_MS",
    "WELLSTREAM_KAFKA_HEAP",
    "WELLSTREAM_REGISTRY_PORT",
    "WELLSTREAM_REDIS_PORT",
];
