//! Where results go: begin, append, offsets, commit, epoch by epoch (DESIGN section 6).

use crate::join::RowForm;
use crate::record::{Alarm, PartitionId, Reject, RowBatch};

/// One piece of output. Everything between `begin` and `commit` belongs to one epoch.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Enriched rows.
    Rows(&'a RowBatch),
    /// Alarm records.
    Alarms(&'a [Alarm]),
    /// Late copies and quarantined records.
    Rejects(&'a [Reject]),
}

/// What a sink needs to be given; the engine does not make what nobody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Rows with their encoded bytes and keys (else only their numbers).
    pub encoded_rows: bool,
    /// Rejected records with their bytes.
    pub rejects: bool,
    /// Rows need not be made: what they amount to is in the totals anyway. Their batches are then empty, and
    /// say how many there were.
    pub only_counts: bool,
}

impl Wants {
    /// What the join makes of each row.
    pub(super) fn row_form(self) -> RowForm {
        match self {
            Wants { encoded_rows: true, .. } => RowForm::Encoded,
            Wants { only_counts: true, .. } => RowForm::Counted,
            _ => RowForm::Numbers,
        }
    }

    /// What two sinks want together.
    #[must_use]
    pub fn union(self, other: Wants) -> Wants {
        Wants {
            encoded_rows: self.encoded_rows || other.encoded_rows,
            rejects: self.rejects || other.rejects,
            only_counts: self.only_counts && other.only_counts,
        }
    }
}

/// One partition's place at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Which partition.
    pub partition: PartitionId,
    /// The next offset to be read: the committed offset.
    pub offset_next: i64,
    /// The metadata string (`CommitMetadata` as text) that is committed with it.
    pub metadata: String,
}

/// Who commits: the consumer group's view at the epoch's start. Empty outside group membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The member id, empty for a consumer that assigns its partitions itself.
    pub member: String,
    /// The generation, -1 outside a group.
    pub generation: i32,
}

impl Default for GroupMetadata {
    /// Outside a group.
    fn default() -> Self {
        GroupMetadata { member: String::new(), generation: -1 }
    }
}

/// The offsets of every partition of the domain at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochOffsets {
    /// All partitions of the domain, also those that did not move.
    pub partitions: Vec<PartitionOffset>,
    /// The group's metadata at the epoch's start.
    pub group: GroupMetadata,
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Output and offsets are in, both.
    Committed,
    /// Neither is in; the epoch must be made again from the last committed offsets.
    Aborted,
    /// It timed out: only the committed offsets, fetched stable by a new producer, can tell.
    Unknown,
}

/// A sink of epochs. The committer calls it from its own thread; it may block for as long as the sink needs,
/// but must give up with an error or `Unknown` rather than for ever.
pub trait Sink: Send {
    /// What the engine must make for it.
    fn wants(&self) -> Wants;

    /// Starts an epoch. Numbers rise by one.
    ///
    /// # Errors
    /// What ends the run.
    fn begin(&mut self, epoch: u64) -> Result<(), SinkError>;

    /// Takes one piece of the epoch's output.
    ///
    /// # Errors
    /// What ends the run; a queue that is full is waited for inside.
    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError>;

    /// Takes the offsets that the epoch's output accounts for.
    ///
    /// # Errors
    /// What ends the run.
    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError>;

    /// Ends the epoch.
    ///
    /// # Errors
    /// What ends the run.
    fn commit(&mut self) -> Result<CommitOutcome, SinkError>;
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn wants(&self) -> Wants {
        (**self).wants()
    }
    fn begin(&mut self, epoch: u64) -> Result<(), SinkError> {
        (**self).begin(epoch)
    }
    fn append(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        (**self).append(output)
    }
    fn offsets(&mut self, offsets: &EpochOffsets) -> Result<(), SinkError> {
        (**self).offsets(offsets)
    }
    fn commit(&mut self) -> Result<CommitOutcome, SinkError> {
        (**self).commit()
    }
}

/// Why a sink cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{sink} sink: {message}")]
pub struct SinkError {
    /// Which sink.
    pub sink: &'static str,
    /// What happened, and what the operator can do.
    pub message: String,
}
