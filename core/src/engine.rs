//! Lanes, shards and the committer wired together, and the two traits that connect them to the world.

mod source;
mod sink;
mod commit;
mod resume;

pub use commit::{CommitMetadata, MetadataError};
pub use resume::{LostHistory, PartitionPlan, PartitionStart, Resume, ResumeError, ResumePolicy};
pub use sink::{CommitOutcome, EpochOffsets, GroupMetadata, Output, PartitionOffset, Sink, SinkError, Wants};
pub use source::{Polled, Source, SourceError};
