//! Kafka's error codes by what a client does about them.

use std::fmt;

use kafka_protocol::ResponseError;

/// An error code as it stands in an answer; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Ask where the partition or coordinator is now, then the same again.
    Refresh,
    /// The same again after a moment.
    Retry,
    /// End the transaction without a result and go back to what is committed.
    Abort,
    /// Nothing that the program can do.
    Fatal,
}

impl ErrorCode {
    /// No error.
    pub const NONE: ErrorCode = ErrorCode(0);
    /// UNKNOWN_SERVER_ERROR.
    pub const UNKNOWN_SERVER_ERROR: ErrorCode = ErrorCode(-1);
    /// The wanted offset is not in the log.
    pub const OFFSET_OUT_OF_RANGE: ErrorCode = ErrorCode(1);
    /// A batch failed its check at the broker.
    pub const CORRUPT_MESSAGE: ErrorCode = ErrorCode(2);
    /// The broker does not know the topic or partition, perhaps not yet.
    pub const UNKNOWN_TOPIC_OR_PARTITION: ErrorCode = ErrorCode(3);
    /// The coordinator is being chosen.
    pub const COORDINATOR_NOT_AVAILABLE: ErrorCode = ErrorCode(15);
    /// The broker has not this version of the request.
    pub const UNSUPPORTED_VERSION: ErrorCode = ErrorCode(35);
    /// The broker does not know the topic's id, perhaps not yet.
    pub const UNKNOWN_TOPIC_ID: ErrorCode = ErrorCode(100);

    /// Whether there is no error.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Kafka's name of it.
    #[must_use]
    pub fn name(self) -> String {
        match self.0 {
            0 => "None".to_owned(),
            code => match ResponseError::try_from_code(code) {
                Some(ResponseError::Unknown(_)) | None => format!("error {code}"),
                Some(error) => format!("{error:?}"),
            },
        }
    }

    /// What is done about it. An unknown code is fatal: guessing may lose data.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        let found = CLASSES.iter().find(|(_, codes)| codes.contains(&self.0));
        found.map_or(ErrorClass::Fatal, |(class, _)| *class)
    }

    /// Whether the user may not do this, or is not known.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        REFUSALS.contains(&self.0)
    }

    /// What the operator can do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match (self.0, self.class()) {
            (code, _) if REFUSALS.contains(&code) => "this user may not: grant it in the brokers' ACLs",
            (3 | 100, _) => "create the topic with: wellstream topics create",
            (2 | 87, _) => "the log holds a batch that cannot be read",
            (10 | 18, _) => "the record is larger than the topic's max.message.bytes",
            (35, _) => "use --kafka-client rdkafka, or a newer broker",
            (47 | 90, _) => "another instance with the same transactional id has taken over",
            (_, ErrorClass::Refresh | ErrorClass::Retry) => {
                "it passes by itself; if not, look at the brokers"
            }
            (_, ErrorClass::Abort) => "the transaction is aborted and done again",
            (_, ErrorClass::Fatal) => "the client cannot go on",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Every code that is not fatal.
const CLASSES: &[(ErrorClass, &[i16])] = &[
    (
        ErrorClass::Refresh,
        &[
            3,   // unknown topic or partition: the metadata of a broker lags
            5,   // leader not available
            6,   // not leader or follower
            9,   // replica not available
            13,  // network exception
            15,  // coordinator not available
            16,  // not coordinator
            56,  // storage error: another replica takes over
            72,  // listener not found
            74,  // fenced leader epoch: we know an old leader
            100, // unknown topic id: the metadata of a broker lags
            103, // inconsistent topic id
        ],
    ),
    (
        ErrorClass::Retry,
        &[
            2,   // corrupt message: it was damaged on its way
            7,   // request timed out
            14,  // coordinator load in progress
            19,  // not enough replicas
            20,  // not enough replicas after append
            41,  // not controller
            51,  // concurrent transactions: the one before is not yet over
            70,  // fetch session id not found
            71,  // invalid fetch session epoch
            75,  // unknown leader epoch: the broker lags behind us
            78,  // offset not available: a new leader does not know its end yet
            80,  // preferred leader not available
            83,  // eligible leaders not available
            88,  // unstable offset commit
            89,  // throttling quota exceeded
            106, // fetch session topic id error
            84, 122, 123, 133, // of requests that are not sent here
        ],
    ),
    (
        ErrorClass::Abort,
        &[
            22,  // illegal generation
            25,  // unknown member id
            27,  // rebalance in progress
            45,  // out of order sequence number
            49,  // invalid producer id mapping: the transactional id has expired
            59,  // unknown producer id
            120, // transaction abortable
        ],
    ),
];

/// Who we are, or what we may, is refused: cluster, topic, group, transactional id, delegation token, SASL.
const REFUSALS: &[i16] = &[29, 30, 31, 53, 58, 65, 94];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_calls_retriable_is_retried_and_the_rest_is_not() {
        let mut differing = Vec::new();
        for code in -1..150 {
            let Some(error) = ResponseError::try_from_code(code) else { continue };
            let is_retried = matches!(ErrorCode(code).class(), ErrorClass::Refresh | ErrorClass::Retry);
            if is_retried != error.is_retriable() {
                differing.push(code);
            }
        }
        // What Java's client retries and the library's list does not say.
        assert_eq!(differing, [51]);
    }

    #[test]
    fn a_code_has_one_class_and_a_name() {
        for (place, (_, codes)) in CLASSES.iter().enumerate() {
            for code in *codes {
                let others = CLASSES.iter().enumerate().filter(|(other, _)| *other != place);
                assert!(others.into_iter().all(|(_, (_, others))| !others.contains(code)), "{code}");
                assert!(!ErrorCode(*code).name().starts_with("error"), "{code}");
            }
        }
        assert_eq!(ErrorCode(6).to_string(), "NotLeaderOrFollower");
        assert_eq!(ErrorCode(999).to_string(), "error 999");
        assert_eq!(ErrorCode(999).class(), ErrorClass::Fatal);
        assert_eq!(ErrorCode(47).class(), ErrorClass::Fatal);
        assert_eq!(ErrorCode(120).class(), ErrorClass::Abort);
    }
}
