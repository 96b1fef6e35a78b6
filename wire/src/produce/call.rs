//! What a producer asks of brokers, and what it is told: without versions, and without bytes of the wire but
//! the batches themselves.

use std::sync::Arc;

use bytes::Bytes;

/// One request that is to be sent. What becomes of it is told under its ticket.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names it.
    pub ticket: u64,
    /// Who is asked.
    pub target: Target,
    /// As whom.
    pub producer: ProducerIdentity,
    /// What is asked.
    pub request: Request,
}

/// A broker, by its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The leader of partitions, by its id.
    Leader(i32),
    /// The coordinator of the transactional id.
    Transaction,
    /// The coordinator of the group.
    Group,
    /// Whoever is there.
    Any,
}

/// Producer id and epoch; -1 both before there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// The producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

impl ProducerIdentity {
    /// Nobody yet.
    pub const NONE: ProducerIdentity = ProducerIdentity { id: -1, epoch: -1 };
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// An id and epoch; the call's identity is the one to be continued (KIP-360), if any.
    InitProducerId,
    /// Partitions, by place, into the transaction.
    AddPartitions(Vec<usize>),
    /// The group into the transaction.
    AddOffsets(Arc<GroupOffsets>),
    /// Offsets in the transaction.
    CommitOffsets(Arc<GroupOffsets>),
    /// The end of the transaction.
    EndTransaction {
        /// Commit, or abort.
        commit: bool,
    },
    /// Batches, at most one a partition, by place.
    Produce(Vec<(usize, Bytes)>),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Error codes: one for the request, or one for each of its parts in their order.
    pub codes: Vec<i16>,
    /// The identity to use from now on, where the answer has one.
    pub producer: Option<ProducerIdentity>,
}

impl Answer {
    /// One code.
    #[must_use]
    pub fn of(code: i16) -> Answer {
        Answer { codes: vec![code], producer: None }
    }
}

/// The offsets that a transaction commits, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupOffsets {
    /// The group.
    pub group: String,
    /// The member, empty outside a group.
    pub member: String,
    /// The generation, -1 outside a group.
    pub generation: i32,
    /// The places.
    pub places: Vec<OffsetPlace>,
}

/// One partition's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetPlace {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The next offset to be read.
    pub offset_next: i64,
    /// What is kept with it.
    pub metadata: String,
}
