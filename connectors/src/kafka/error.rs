//! What can go wrong before the engine runs, each with what the operator can do.

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};

/// Why Kafka cannot be used as asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// No broker answered.
    #[error(
        "no broker of {brokers} answered within {seconds} s ({reason}). Check --brokers, that Kafka runs \
         there, and that its advertised.listeners can be reached from here"
    )]
    Unreachable {
        /// `--brokers`.
        brokers: String,
        /// How long was waited.
        seconds: u64,
        /// The last that the client said.
        reason: String,
    },
    /// A broker answered and refused.
    #[error(
        "{brokers} refused the credentials ({reason}). Check -X security.protocol, sasl.mechanism, \
         sasl.username and sasl.password"
    )]
    Authentication {
        /// `--brokers`.
        brokers: String,
        /// What the broker said.
        reason: String,
    },
    /// A topic is not there.
    #[error(
        "topic {topic} does not exist on {brokers}. Create it with: \
         wellstream topics create --brokers {brokers}"
    )]
    TopicMissing {
        /// Its name.
        topic: String,
        /// `--brokers`.
        brokers: String,
    },
    /// Compaction deletes readings of a sensor but the newest.
    #[error(
        "topic {topic} is compacted (cleanup.policy={policy}): readings would vanish before they are read \
         again. Use a topic with cleanup.policy=delete"
    )]
    Compacted {
        /// Its name.
        topic: String,
        /// Its policy.
        policy: String,
    },
    /// Co-partitioned topics need as many partitions.
    #[error(
        "--keyed-by facility needs equal partition counts: {wells} has {wells_partitions}, {tanks} has \
         {tanks_partitions}; a facility's two halves would never meet. Use --keyed-by sensor, or topics of \
         equal counts"
    )]
    UnequalPartitions {
        /// The wells' topic.
        wells: String,
        /// Its count.
        wells_partitions: u32,
        /// The tanks' topic.
        tanks: String,
        /// Its count.
        tanks_partitions: u32,
    },
    /// `-X key=value` that cannot be.
    #[error("-X {key}: {message}")]
    Setting {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A request that was answered with an error, or not in time.
    #[error("{request}: {reason}")]
    Request {
        /// What was asked.
        request: String,
        /// What came back.
        reason: String,
        /// Whether asking again can help.
        retry: bool,
    },
}

impl KafkaError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        match self {
            KafkaError::Unreachable { .. } => true,
            KafkaError::Request { retry, .. } => *retry,
            _ => false,
        }
    }

    /// A request failed.
    pub(super) fn request(request: impl Into<String>, error: &ClientError) -> KafkaError {
        // The value of a refused setting may be a password: only its key is shown.
        if let ClientError::ClientConfig(_, message, key, _) = error {
            return KafkaError::Setting { key: key.clone(), message: message.clone() };
        }
        let retry = code_of(error).is_some_and(is_transient);
        KafkaError::Request { request: request.into(), reason: plain(error), retry }
    }
}

/// librdkafka's words for an error, without the wrapping.
pub(super) fn plain(error: &ClientError) -> String {
    match code_of(error) {
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}

/// The code within an error, an admin request's too.
fn code_of(error: &ClientError) -> Option<RDKafkaErrorCode> {
    match error {
        ClientError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// Errors that pass by themselves: a broker in restart, a leader or coordinator on the move.
pub(super) fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NetworkException
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotController
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::EligibleLeadersNotAvailable
            | Code::ThrottlingQuotaExceeded
            | Code::UnstableOffsetCommit
            | Code::KafkaStorageError
            | Code::InProgress
            | Code::Retry
    )
}

/// Refused credentials, or a TLS handshake that failed.
pub(super) fn is_authentication(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_request_that_nobody_answered_is_tried_again() {
        for (code, helps) in [
            (RDKafkaErrorCode::OperationTimedOut, true),
            // A new leader that does not know its end yet.
            (RDKafkaErrorCode::OffsetNotAvailable, true),
            (RDKafkaErrorCode::TopicAuthorizationFailed, false),
        ] {
            for error in [ClientError::AdminOp(code), ClientError::MetadataFetch(code)] {
                let found = KafkaError::request("asking", &error);
                assert_eq!(found.retry_helps(), helps, "{found}");
                assert_eq!(found.to_string(), format!("asking: {code}"));
            }
        }
    }
}
