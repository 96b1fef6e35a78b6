//! Lanes, shards and the committer wired together, and the two traits that connect them to the world.

mod source;
mod sink;
mod follower;
mod commit;
mod resume;
mod messages;
mod judge;
mod side_reading;
mod lane_partition;
mod newest;
mod desk;
mod lane;
mod shard;
mod epoch;
mod offsets;
mod committer;
mod wiring;

pub use commit::{CommitMetadata, MetadataError};
pub use committer::{Committer, CommitterSeat, Progress};
pub use follower::Follower;
pub use lane::{Lane, LaneSeat};
pub use messages::Shared;
pub use resume::{LostHistory, PartitionPlan, PartitionStart, Resume, ResumeError, ResumePolicy};
pub use shard::Shard;
pub use sink::{CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, SinkError, Wants};
pub use source::{Polled, Source, SourceError};
pub use wiring::{EngineSettings, Wired, wire};

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A source cannot go on.
    #[error(transparent)]
    Source(SourceError),
    /// A sink cannot go on.
    #[error(transparent)]
    Sink(SinkError),
    /// The machine gives no more threads.
    #[error("a thread could not be made: {0}; lower --threads or raise the process limit")]
    Thread(String),
}
