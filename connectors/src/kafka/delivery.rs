//! What a Kafka sink writes, and what it promises, whichever client carries it.

use wellstream_core::rules::RulesHash;

/// What a Kafka sink writes. With nothing it only commits offsets (`--sink count` on Kafka).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KafkaOutputs {
    /// Rows and alarms, with the ids of their schemas; `None` writes neither.
    pub results: Option<ResultSchemas>,
    /// Late copies and quarantined records.
    pub quarantine: bool,
}

/// What is promised about repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Results are acknowledged, then offsets are committed: after a crash between the two, results come
    /// again.
    AtLeastOnce,
    /// Results and offsets are in one transaction.
    ExactlyOnce {
        /// Whose transactions: a program that starts under this id ends what another one had open.
        transactional_id: String,
    },
}

/// The ids that frame rows and alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultSchemas {
    /// Of enriched-event.avsc.
    pub enriched: u32,
    /// Of facility-alert.avsc.
    pub alert: u32,
    /// The hash that alarms carry.
    pub rules: RulesHash,
}
