//! Kafka's APIs by their keys.

use std::fmt;

use kafka_protocol::messages::ApiKey;

/// Which request, and the reply to it.
///
/// ```
/// use wellstream_replay::faults::Api;
/// assert_eq!(Api::END_TXN.to_string(), "EndTxn");
/// assert_eq!(Api(9_999).to_string(), "API 9999");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Api(pub i16);

impl Api {
    /// Records to partitions.
    pub const PRODUCE: Api = Api(0);
    /// Records of partitions.
    pub const FETCH: Api = Api(1);
    /// First and last offsets.
    pub const LIST_OFFSETS: Api = Api(2);
    /// Brokers, topics, leaders.
    pub const METADATA: Api = Api(3);
    /// A group's offsets, outside of a transaction.
    pub const OFFSET_COMMIT: Api = Api(8);
    /// A group's committed offsets.
    pub const OFFSET_FETCH: Api = Api(9);
    /// Which broker looks after a group or a transactional id.
    pub const FIND_COORDINATOR: Api = Api(10);
    /// What a broker speaks.
    pub const API_VERSIONS: Api = Api(18);
    /// A producer's id and epoch; fences the one before it.
    pub const INIT_PRODUCER_ID: Api = Api(22);
    /// Partitions into a transaction.
    pub const ADD_PARTITIONS_TO_TXN: Api = Api(24);
    /// A group's offsets into a transaction.
    pub const ADD_OFFSETS_TO_TXN: Api = Api(25);
    /// The commit, or the abort.
    pub const END_TXN: Api = Api(26);
    /// A group's offsets, in a transaction.
    pub const TXN_OFFSET_COMMIT: Api = Api(28);
    /// Brokers, as an admin client asks for them.
    pub const DESCRIBE_CLUSTER: Api = Api(60);

    /// Whether replies of this version may name addresses of brokers.
    pub(super) fn tells_addresses(self, version: i16) -> bool {
        match self {
            Api::METADATA | Api::FIND_COORDINATOR | Api::DESCRIBE_CLUSTER => true,
            // The new leader of a partition that has moved (KIP-951).
            Api::FETCH => version >= 16,
            Api::PRODUCE => version >= 10,
            _ => false,
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ApiKey::try_from(self.0) {
            Ok(key) => write!(f, "{key:?}"),
            Err(()) => write!(f, "API {}", self.0),
        }
    }
}
