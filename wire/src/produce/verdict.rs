//! What each error code means to each request of a producer: one table.

use std::fmt;

/// A request, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Batches to a leader.
    Produce,
    /// Producer id and epoch; with a transactional id it fences and ends what was open.
    InitProducerId,
    /// Partitions into the transaction, where the broker does not add them by itself.
    AddPartitions,
    /// The group's offsets into the transaction, likewise.
    AddOffsets,
    /// The offsets.
    CommitOffsets,
    /// Commit or abort.
    EndTransaction,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Api::Produce => "producing",
            Api::InitProducerId => "asking for a producer id",
            Api::AddPartitions => "adding partitions to the transaction",
            Api::AddOffsets => "adding the group's offsets to the transaction",
            Api::CommitOffsets => "committing offsets in the transaction",
            Api::EndTransaction => "ending the transaction",
        })
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in.
    Done,
    /// Again, a little later.
    Retry,
    /// Again, after asking who leads or coordinates now.
    Elsewhere,
    /// The batch is larger than the topic allows.
    TooLarge,
    /// The broker does not know the sequence before this one.
    OutOfSequence,
    /// The transaction must be aborted.
    Abort,
    /// Another producer has the transactional id, or the coordinator gave this one up.
    Fenced,
    /// Nobody but the operator can help.
    Fatal,
}

/// Reads an error code.
pub(super) fn verdict(api: Api, code: i16) -> Verdict {
    match code {
        0 => Verdict::Done,
        CONCURRENT_TRANSACTIONS
        | COORDINATOR_LOAD_IN_PROGRESS
        | REQUEST_TIMED_OUT
        | THROTTLING
        | NETWORK_EXCEPTION => Verdict::Retry,
        COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR => Verdict::Elsewhere,
        INVALID_PRODUCER_EPOCH | PRODUCER_FENCED => Verdict::Fenced,
        // There is nothing to abort for whoever asks for an id.
        TRANSACTION_ABORTABLE if api == Api::InitProducerId => Verdict::Retry,
        TRANSACTION_ABORTABLE => Verdict::Abort,
        code => match api {
            Api::Produce => produce(code),
            Api::InitProducerId => Verdict::Fatal,
            Api::AddPartitions | Api::AddOffsets => adding(code),
            Api::CommitOffsets => offsets(code),
            Api::EndTransaction => ending(code),
        },
    }
}

fn produce(code: i16) -> Verdict {
    match code {
        DUPLICATE_SEQUENCE_NUMBER => Verdict::Done,
        CORRUPT_MESSAGE | NOT_ENOUGH_REPLICAS | NOT_ENOUGH_REPLICAS_AFTER_APPEND => Verdict::Retry,
        UNKNOWN_TOPIC_OR_PARTITION
        | LEADER_NOT_AVAILABLE
        | NOT_LEADER
        | BROKER_NOT_AVAILABLE
        | REPLICA_NOT_AVAILABLE
        | STORAGE_ERROR
        | FENCED_LEADER_EPOCH
        | UNKNOWN_LEADER_EPOCH
        | UNKNOWN_TOPIC_ID => Verdict::Elsewhere,
        MESSAGE_TOO_LARGE | RECORD_LIST_TOO_LARGE => Verdict::TooLarge,
        OUT_OF_ORDER_SEQUENCE | UNKNOWN_PRODUCER_ID => Verdict::OutOfSequence,
        INVALID_PRODUCER_ID_MAPPING | INVALID_TXN_STATE => Verdict::Abort,
        _ => Verdict::Fatal,
    }
}

fn adding(code: i16) -> Verdict {
    match code {
        // Of another partition of the same request; the one at fault has a code of its own.
        OPERATION_NOT_ATTEMPTED | UNKNOWN_TOPIC_OR_PARTITION => Verdict::Retry,
        INVALID_PRODUCER_ID_MAPPING | INVALID_TXN_STATE | UNKNOWN_PRODUCER_ID => Verdict::Abort,
        _ => Verdict::Fatal,
    }
}

fn offsets(code: i16) -> Verdict {
    match code {
        UNKNOWN_TOPIC_OR_PARTITION | NOT_ENOUGH_REPLICAS | NOT_ENOUGH_REPLICAS_AFTER_APPEND => Verdict::Retry,
        // The group went on without us, or the transaction did.
        ILLEGAL_GENERATION
        | UNKNOWN_MEMBER_ID
        | REBALANCE_IN_PROGRESS
        | FENCED_INSTANCE_ID
        | STALE_MEMBER_EPOCH
        | INVALID_PRODUCER_ID_MAPPING
        | INVALID_TXN_STATE
        | UNKNOWN_PRODUCER_ID => Verdict::Abort,
        _ => Verdict::Fatal,
    }
}

fn ending(code: i16) -> Verdict {
    match code {
        NOT_ENOUGH_REPLICAS | NOT_ENOUGH_REPLICAS_AFTER_APPEND => Verdict::Retry,
        INVALID_PRODUCER_ID_MAPPING | INVALID_TXN_STATE | UNKNOWN_PRODUCER_ID => Verdict::Abort,
        _ => Verdict::Fatal,
    }
}

const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOT_LEADER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const BROKER_NOT_AVAILABLE: i16 = 8;
const REPLICA_NOT_AVAILABLE: i16 = 9;
const MESSAGE_TOO_LARGE: i16 = 10;
const NETWORK_EXCEPTION: i16 = 13;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const RECORD_LIST_TOO_LARGE: i16 = 18;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const OUT_OF_ORDER_SEQUENCE: i16 = 45;
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
const CONCURRENT_TRANSACTIONS: i16 = 51;
const OPERATION_NOT_ATTEMPTED: i16 = 55;
const STORAGE_ERROR: i16 = 56;
const UNKNOWN_PRODUCER_ID: i16 = 59;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
const FENCED_INSTANCE_ID: i16 = 82;
const THROTTLING: i16 = 89;
const PRODUCER_FENCED: i16 = 90;
const UNKNOWN_TOPIC_ID: i16 = 100;
const STALE_MEMBER_EPOCH: i16 = 113;
const TRANSACTION_ABORTABLE: i16 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Api; 6] = [
        Api::Produce,
        Api::InitProducerId,
        Api::AddPartitions,
        Api::AddOffsets,
        Api::CommitOffsets,
        Api::EndTransaction,
    ];

    #[test]
    fn a_fence_is_a_fence_whoever_says_it_and_the_unknown_is_fatal() {
        for api in ALL {
            assert_eq!(verdict(api, 0), Verdict::Done);
            assert_eq!(verdict(api, 90), Verdict::Fenced);
            assert_eq!(verdict(api, 47), Verdict::Fenced);
            let again = if api == Api::InitProducerId { Verdict::Retry } else { Verdict::Abort };
            assert_eq!(verdict(api, 120), again);
            assert_eq!(verdict(api, 16), Verdict::Elsewhere);
            for code in [-1, 53, 999] {
                assert_eq!(verdict(api, code), Verdict::Fatal, "{api}: {code}");
            }
        }
    }

    #[test]
    fn codes_mean_what_they_mean_to_their_request() {
        for (code, api, meant) in [
            (46, Api::Produce, Verdict::Done),
            (45, Api::Produce, Verdict::OutOfSequence),
            (10, Api::Produce, Verdict::TooLarge),
            (6, Api::Produce, Verdict::Elsewhere),
            (20, Api::Produce, Verdict::Retry),
            (29, Api::Produce, Verdict::Fatal),
            (3, Api::AddPartitions, Verdict::Retry),
            (48, Api::AddOffsets, Verdict::Abort),
            (25, Api::CommitOffsets, Verdict::Abort),
            (12, Api::CommitOffsets, Verdict::Fatal),
            (48, Api::EndTransaction, Verdict::Abort),
            (50, Api::InitProducerId, Verdict::Fatal),
        ] {
            assert_eq!(verdict(api, code), meant, "{api}: {code}");
        }
    }
}
