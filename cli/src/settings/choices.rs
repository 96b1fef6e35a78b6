//! What settings choose between.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the readings' topics are keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyedBy {
    Sensor,
    Facility,
}

/// What readings are fetched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KafkaClient {
    Auto,
    Native,
    Rdkafka,
}

/// What is promised about repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

/// Where the engine runs that a replay measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineChoice {
    Here,
    External,
    None,
}

/// The summary at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SummaryForm {
    Table,
    Json,
}

/// What to do when the log no longer holds what a restart would read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnLostHistory {
    Start,
    Refuse,
}

/// Where to start reading where no commit exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAt {
    /// At the oldest record.
    Earliest,
    /// At the end.
    Latest,
    /// At the first record sent at or after this time, epoch ms.
    Time(i64),
}

/// One sink of `sink`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkChoice {
    /// The output topics.
    Kafka,
    /// The terminal.
    Console,
    /// Nowhere: counted, offsets committed.
    Count,
    /// A file of JSON lines.
    Jsonl(PathBuf),
}
