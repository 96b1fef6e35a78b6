//! What can go wrong with a broker, each with what the operator can do, and whether trying again helps.

mod code;

pub use code::{ErrorClass, ErrorCode};

use crate::address::Address;
use crate::batch::BatchError;

/// Why a broker cannot be used as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Text that names no broker.
    #[error("{text:?} is no HOST:PORT")]
    Address {
        /// The text.
        text: String,
    },
    /// No broker of the list could be reached; the last reason stands for all.
    #[error("no broker of {brokers} can be reached; the last attempt: {last}")]
    NoBroker {
        /// The list.
        brokers: String,
        /// What the last of them said.
        last: Box<WireError>,
    },
    /// The connection could not be made, or is lost.
    #[error(
        "{broker}: {doing}: {reason}. Check that the broker runs, that its advertised.listeners can be reached \
         from here, and that security.protocol is that of its port"
    )]
    Lost {
        /// The broker.
        broker: Address,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// No answer in time.
    #[error("{broker}: no answer to {api} within {waited_ms} ms. Check the broker's health and the network")]
    TimedOut {
        /// The broker.
        broker: Address,
        /// What was asked.
        api: String,
        /// How long was waited.
        waited_ms: u64,
    },
    /// TLS cannot be agreed on.
    #[error(
        "{broker}: TLS failed: {reason}. Check ssl.ca.location, and that the certificate names this host"
    )]
    Tls {
        /// The broker.
        broker: Address,
        /// What rustls said.
        reason: String,
    },
    /// Certificates or keys that cannot be used.
    #[error("{what}: {reason}")]
    Certificate {
        /// Which of them.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The credentials were refused.
    #[error(
        "{broker} refuses the credentials by {mechanism} ({reason}). Check sasl.username, sasl.password and \
         sasl.mechanism"
    )]
    Refused {
        /// The broker.
        broker: Address,
        /// How they were shown.
        mechanism: &'static str,
        /// What the broker said.
        reason: String,
    },
    /// The broker and we have no version of a request in common.
    #[error(
        "{broker} has no version of {api} that this client has ({reason}). Use --kafka-client rdkafka, or a \
         newer broker"
    )]
    Version {
        /// The broker.
        broker: Address,
        /// Which request.
        api: String,
        /// The versions of both.
        reason: String,
    },
    /// A request was answered with an error.
    #[error("{broker}: {api} of {what}: {code}: {}", code.advice())]
    Code {
        /// The broker.
        broker: Address,
        /// Which request.
        api: &'static str,
        /// Topic and partition, group, transactional id.
        what: String,
        /// Kafka's error code.
        code: ErrorCode,
    },
    /// The wanted offset is not in the log.
    #[error(
        "{topic}[{partition}] at offset {offset}: not in the log, which goes from {log_start} to {log_end}: \
         retention has deleted it, or the topic was made anew. Raise retention.ms; to go on without what is \
         lost, use another --group"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// The offset that was asked for.
        offset: i64,
        /// The first offset of the log, -1 if not told.
        log_start: i64,
        /// The end of the log, -1 if not told.
        log_end: i64,
    },
    /// A topic or partition is not there, also after a while.
    #[error(
        "{topic}[{partition}]: the topic or partition is not there any more. Create it with: wellstream topics \
         create"
    )]
    Unknown {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
    },
    /// A batch of the log cannot be read.
    #[error("{topic}[{partition}] at offset {offset}: {error}")]
    Batch {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Where reading was.
        offset: i64,
        /// What is wrong with it.
        error: BatchError,
    },
    /// Bytes that are no answer to what was asked.
    #[error("{broker}: what answers {api} cannot be read ({reason}): is that a Kafka broker?")]
    Damaged {
        /// The broker.
        broker: Address,
        /// Which request.
        api: String,
        /// What is wrong.
        reason: String,
    },
    /// The same, where no broker's name is at hand.
    #[error("what answers {api} cannot be read ({reason})")]
    Unreadable {
        /// Which request.
        api: String,
        /// What is wrong.
        reason: String,
    },
    /// A frame that is larger than any can be.
    #[error(
        "{broker}: an answer of {bytes} bytes, {bytes_max} at most. Is that a Kafka broker, and is \
         security.protocol that of its port?"
    )]
    TooLarge {
        /// The broker.
        broker: Address,
        /// What it claims.
        bytes: i64,
        /// The bound.
        bytes_max: usize,
    },
}

impl WireError {
    /// Whether the same may succeed later without anybody changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        match self {
            WireError::Lost { .. } | WireError::TimedOut { .. } => true,
            WireError::NoBroker { last, .. } => last.retry_helps(),
            WireError::Code { code, .. } => matches!(code.class(), ErrorClass::Refresh | ErrorClass::Retry),
            // What answers garbage once, a proxy in restart, may be itself again with a new connection; a
            // batch that was damaged on its way is whole when it comes again.
            WireError::Damaged { .. } | WireError::Unreadable { .. } => true,
            _ => false,
        }
    }

    /// Whether credentials or certificates are what is wrong.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            WireError::Refused { .. } | WireError::Tls { .. } | WireError::Certificate { .. } => true,
            WireError::NoBroker { last, .. } => last.is_refusal(),
            WireError::Code { code, .. } => code.is_refusal(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_what_and_whether_a_retry_helps() {
        let broker = Address { host: "k".to_owned(), port: 9 };
        let code = |code| WireError::Code {
            broker: broker.clone(),
            api: "Fetch",
            what: "wells[3]".to_owned(),
            code: ErrorCode(code),
        };
        let text = code(29).to_string();
        assert_eq!(
            text,
            "k:9: Fetch of wells[3]: TopicAuthorizationFailed: this user may not: grant it in the \
                          brokers' ACLs"
        );
        assert!(!code(29).retry_helps() && code(29).is_refusal());
        assert!(code(6).retry_helps());
        let last = Box::new(WireError::Lost { broker, doing: "connecting", reason: "refused".to_owned() });
        assert!(WireError::NoBroker { brokers: "k:9".to_owned(), last }.retry_helps());
    }
}
