//! Where each partition starts: from the facts that the broker tells to the plan that the engine follows
//! (DESIGN section 6, "on start"). No offset is ever reset where a commit exists.

use crate::record::{AlarmInForce, PartitionId};
use crate::rules::RulesHash;
use crate::sabotage::{Rule, broken};

use super::CommitMetadata;

/// What the broker tells about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStart {
    /// Which partition.
    pub partition: PartitionId,
    /// Kafka's id of the topic as text, `-` where unknown.
    pub topic_id: String,
    /// How many partitions the topic has.
    pub partitions: u32,
    /// The group's committed offset and its metadata string, if it has one.
    pub committed: Option<(i64, String)>,
    /// The first offset that retention has left.
    pub log_start: i64,
    /// The offset behind the last record (readable ones: the last stable offset) when the run starts.
    pub log_end: i64,
    /// Where to start if nothing was ever committed: `--from`.
    pub from: i64,
}

/// What to do where the re-reading span is no longer there, or cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostHistory {
    /// Start at the committed offset; open results below it are taken as decided, and counted.
    #[default]
    Start,
    /// End with an error.
    Refuse,
}

/// The operator's choices for the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResumePolicy {
    /// What to do about lost history.
    pub lost_history: LostHistory,
    /// Go on under changed rules, as with lost history.
    pub accept_rules_change: bool,
    /// End each partition at its log end as of now.
    pub until_end: bool,
    /// The topics are keyed by facility: a changed partition count moves facilities, and is refused.
    pub keyed_by_facility: bool,
}

/// Where one partition starts, and what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPlan {
    /// Which partition.
    pub partition: PartitionId,
    /// Kafka's id of the topic, `-` where unknown.
    pub topic_id: String,
    /// How many partitions the topic has.
    pub partitions: u32,
    /// Where reading starts.
    pub rewind: i64,
    /// The partition's clock before the record at `rewind`.
    pub clock: Option<i64>,
    /// Records at or after this offset are new; those before only rebuild.
    pub committed: i64,
    /// Bounded runs: the partition ends here.
    pub end: Option<i64>,
    /// The log's end as known at the start.
    pub log_end: i64,
    /// Schema ids given up, with the first offset concerned.
    pub schemas_given_up: Vec<(u32, i64)>,
}

/// The start of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Every partition of the domain.
    pub partitions: Vec<PartitionPlan>,
    /// W: the largest that any partition's commit stored.
    pub watermark: Option<i64>,
    /// The alarms in force, from the compacted topic; empty where the group has no commits.
    pub alarms: Vec<AlarmInForce>,
    /// History was lost in these partitions: results open below the committed offsets are taken as decided.
    pub lost: Vec<PartitionId>,
}

impl Resume {
    /// Decides where each partition starts.
    ///
    /// # Errors
    /// Where going on would lose or repeat results without saying so.
    pub fn plan(
        starts: &[PartitionStart],
        alarms: Vec<AlarmInForce>,
        rules: RulesHash,
        policy: ResumePolicy,
    ) -> Result<Resume, ResumeError> {
        let mut resume = Resume::default();
        for start in starts {
            let (plan, watermark, lost) = plan_partition(start, rules, policy)?;
            resume.watermark = resume.watermark.max(watermark);
            if lost {
                resume.lost.push(plan.partition);
            }
            resume.partitions.push(plan);
        }
        if broken(Rule::WatermarkRestored) {
            resume.watermark = None;
        }
        if starts.iter().any(|start| start.committed.is_some()) {
            resume.alarms = alarms;
        }
        Ok(resume)
    }
}

fn plan_partition(
    start: &PartitionStart,
    rules: RulesHash,
    policy: ResumePolicy,
) -> Result<(PartitionPlan, Option<i64>, bool), ResumeError> {
    let partition = start.partition;
    let mut plan = PartitionPlan {
        partition,
        topic_id: start.topic_id.clone(),
        partitions: start.partitions,
        rewind: start.from,
        clock: None,
        committed: start.from,
        end: policy.until_end.then_some(start.log_end),
        log_end: start.log_end,
        schemas_given_up: Vec::new(),
    };
    let Some((committed, metadata)) = &start.committed else {
        return Ok((plan, None, false));
    };
    let committed = *committed;
    if committed < start.log_start {
        return Err(ResumeError::InputLost { partition, committed, log_start: start.log_start });
    }
    if committed > start.log_end {
        return Err(ResumeError::BehindCommit { partition, committed, log_end: start.log_end });
    }
    plan.committed = committed;
    plan.rewind = committed;
    let Ok(metadata) = metadata.parse::<CommitMetadata>() else {
        lost_history(policy, partition, "its commit has no metadata of ours")?;
        return Ok((plan, None, true));
    };
    if metadata.topic_id != start.topic_id && metadata.topic_id != "-" && start.topic_id != "-" {
        return Err(ResumeError::TopicReplaced { partition });
    }
    if metadata.partitions != start.partitions && policy.keyed_by_facility {
        return Err(ResumeError::PartitionsChanged {
            partition,
            then: metadata.partitions,
            now: start.partitions,
        });
    }
    plan.clock = metadata.clock;
    plan.schemas_given_up = metadata.schemas_given_up;
    if metadata.rules != rules {
        if !policy.accept_rules_change {
            return Err(ResumeError::RulesChanged { then: metadata.rules, now: rules });
        }
        return Ok((plan, metadata.watermark, true));
    }
    if metadata.rewind < start.log_start {
        lost_history(policy, partition, "retention has deleted what must be read again")?;
        return Ok((plan, metadata.watermark, true));
    }
    if !broken(Rule::Rewind) {
        plan.rewind = metadata.rewind;
        plan.clock = metadata.clock_before_rewind;
    }
    if broken(Rule::ClockRestored) {
        plan.clock = None;
    }
    Ok((plan, metadata.watermark, false))
}

fn lost_history(policy: ResumePolicy, partition: PartitionId, why: &'static str) -> Result<(), ResumeError> {
    match policy.lost_history {
        LostHistory::Start => Ok(()),
        LostHistory::Refuse => Err(ResumeError::HistoryLost { partition, why }),
    }
}

/// Why the engine must not start here. No retry helps; each says what the operator can do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// Retention has deleted records that were never read.
    #[error(
        "{partition}: committed offset {committed} was deleted by retention (the log starts at {log_start}): \
         readings are lost. Raise retention.ms; to go on without them, use another --group"
    )]
    InputLost {
        /// Where.
        partition: PartitionId,
        /// The group's offset.
        committed: i64,
        /// What is left.
        log_start: i64,
    },
    /// The log is shorter than what was committed.
    #[error(
        "{partition}: committed offset {committed} lies behind the log's end {log_end}: the topic was made anew or \
         truncated. Use another --group"
    )]
    BehindCommit {
        /// Where.
        partition: PartitionId,
        /// The group's offset.
        committed: i64,
        /// The log's end.
        log_end: i64,
    },
    /// Another topic of the same name.
    #[error("{partition}: the topic was deleted and made again since the last commit. Use another --group")]
    TopicReplaced {
        /// Where.
        partition: PartitionId,
    },
    /// Facilities have moved between partitions.
    #[error(
        "{partition}: the topic had {then} partitions and now has {now}; with --keyed-by facility, pairs across the \
         change would be lost. Drain with the old count, then start with another --group"
    )]
    PartitionsChanged {
        /// Where.
        partition: PartitionId,
        /// Before.
        then: u32,
        /// Now.
        now: u32,
    },
    /// Results below the commit were decided by other rules.
    #[error(
        "the rules have changed since the last commit (hash {then}, now {now}): start with the old rules, or with \
         --accept-rules-change (results that were open are then taken as decided, and counted)"
    )]
    RulesChanged {
        /// Before.
        then: RulesHash,
        /// Now.
        now: RulesHash,
    },
    /// History is lost and the operator wants to know first.
    #[error("{partition}: {why}. --on-lost-history start goes on at the committed offset")]
    HistoryLost {
        /// Where.
        partition: PartitionId,
        /// Why.
        why: &'static str,
    },
}
