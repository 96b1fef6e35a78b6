//! Why a producer cannot go on.

use crate::batch::BatchError;
use crate::error::{ErrorCode, WireError};

use super::verdict::Api;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// Another producer has taken the transactional id.
    #[error("transactional id {transactional_id} was taken over by another producer while {api}")]
    Fenced {
        /// The id.
        transactional_id: String,
        /// What was under way.
        api: Api,
    },
    /// A batch was not acknowledged in time.
    #[error("{records} records to {topic}[{partition}] are not acknowledged after {seconds} s ({last})")]
    NotDelivered {
        /// Their topic.
        topic: String,
        /// Their partition.
        partition: i32,
        /// How many of them.
        records: i32,
        /// How long was waited.
        seconds: u64,
        /// The last that was heard of them.
        last: String,
    },
    /// A broker answered, and nothing that can be done here helps.
    #[error("{api}{}: {}", of(place), text(*code))]
    Refused {
        /// What was asked.
        api: Api,
        /// For which partition, where it is one's.
        place: Option<(String, i32)>,
        /// Kafka's error code.
        code: i16,
    },
    /// The transaction cannot be committed, and will be aborted.
    #[error("the transaction must be aborted: {api}: {}", text(*code))]
    Aborted {
        /// What was asked.
        api: Api,
        /// Kafka's error code.
        code: i16,
    },
    /// A transaction was open for longer than its coordinator allows.
    #[error("the transaction was open for {seconds} s, and its coordinator gave it up ({api})")]
    GivenUp {
        /// How long.
        seconds: u64,
        /// What was asked when that came out.
        api: Api,
    },
    /// Records could not be made a batch.
    #[error("a batch to {topic}[{partition}]: {error}")]
    Batch {
        /// Their topic.
        topic: String,
        /// Their partition.
        partition: i32,
        /// What is wrong.
        error: BatchError,
    },
    /// Something did not come about in time.
    #[error("{what} came to no end within {seconds} s ({last})")]
    NoAnswer {
        /// What was asked.
        what: String,
        /// How long was waited.
        seconds: u64,
        /// The last that was heard.
        last: String,
    },
    /// What connections and brokers say.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl ProduceError {
    /// Whether the same may work later without anybody changing anything, by a producer that starts anew.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        match self {
            ProduceError::NotDelivered { .. }
            | ProduceError::Aborted { .. }
            | ProduceError::GivenUp { .. }
            | ProduceError::NoAnswer { .. } => true,
            ProduceError::Wire(error) => error.retry_helps(),
            ProduceError::Fenced { .. } | ProduceError::Refused { .. } | ProduceError::Batch { .. } => false,
        }
    }
}

/// Kafka's name of an error, and what can be done.
pub(super) fn text(code: i16) -> String {
    let code = ErrorCode(code);
    format!("{code}, {}", code.advice())
}

fn of(place: &Option<(String, i32)>) -> String {
    place.as_ref().map_or_else(String::new, |(topic, partition)| format!(" to {topic}[{partition}]"))
}
