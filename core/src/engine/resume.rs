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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Side;

    const RULES: RulesHash = RulesHash(0xAB);
    const WELL: PartitionId = PartitionId { side: Side::Well, number: 1 };

    /// A commit at 500 that re-reads from 400 on.
    fn metadata() -> CommitMetadata {
        CommitMetadata {
            topic_id: "T1".to_owned(),
            partitions: 3,
            rewind: 400,
            clock_before_rewind: Some(4_000),
            clock: Some(5_000),
            watermark: Some(3_000),
            rules: RULES,
            schemas_given_up: vec![(7, 450)],
        }
    }

    /// A log of 100 to 900, of the topic and the partitions of that commit.
    fn start(committed: Option<(i64, String)>) -> PartitionStart {
        let topic_id = "T1".to_owned();
        PartitionStart {
            partition: WELL,
            topic_id,
            partitions: 3,
            committed,
            log_start: 100,
            log_end: 900,
            from: 100,
        }
    }

    fn committed() -> PartitionStart {
        start(Some((500, metadata().to_string())))
    }

    fn planned(start: &PartitionStart, policy: ResumePolicy) -> Result<Resume, ResumeError> {
        Resume::plan(std::slice::from_ref(start), Vec::new(), RULES, policy)
    }

    /// Offset, clock, offset from which on records are new, W, and whether history was lost.
    type Begins = (i64, Option<i64>, i64, Option<i64>, bool);

    fn begins(start: &PartitionStart, policy: ResumePolicy) -> Begins {
        let resume = planned(start, policy).unwrap();
        let plan = &resume.partitions[0];
        (plan.rewind, plan.clock, plan.committed, resume.watermark, resume.lost == [WELL])
    }

    #[test]
    fn it_begins_at_the_rewind_point_of_its_commit_or_where_it_is_told_to() {
        let policy = ResumePolicy::default();
        assert_eq!(begins(&start(None), policy), (100, None, 100, None, false));
        assert_eq!(begins(&committed(), policy), (400, Some(4_000), 500, Some(3_000), false));
        let resume = planned(&committed(), ResumePolicy { until_end: true, ..policy }).unwrap();
        assert_eq!(resume.partitions[0].end, Some(900));
        assert_eq!(resume.partitions[0].schemas_given_up, [(7, 450)]);
    }

    /// Nothing is read again where it is not known what that was: results below the commit are decided.
    #[test]
    fn where_history_is_lost_it_begins_at_its_commit_or_refuses() {
        let (start_on, refuse) = (ResumePolicy::default(), LostHistory::Refuse);
        let retention = PartitionStart { log_start: 401, ..committed() };
        assert_eq!(begins(&retention, start_on), (500, Some(5_000), 500, Some(3_000), true));
        let foreign = start(Some((500, "of another program".to_owned())));
        assert_eq!(begins(&foreign, start_on), (500, None, 500, None, true));
        for start in [retention, foreign] {
            let refused = planned(&start, ResumePolicy { lost_history: refuse, ..start_on });
            assert!(matches!(refused, Err(ResumeError::HistoryLost { partition: WELL, .. })), "{refused:?}");
        }
        let at_the_rewind_point = PartitionStart { log_start: 400, ..committed() };
        assert_eq!(begins(&at_the_rewind_point, start_on).0, 400);
    }

    #[test]
    fn other_rules_are_refused_unless_they_are_accepted() {
        let other = CommitMetadata { rules: RulesHash(1), ..metadata() };
        let other = start(Some((500, other.to_string())));
        let refused = planned(&other, ResumePolicy::default());
        assert_eq!(refused, Err(ResumeError::RulesChanged { then: RulesHash(1), now: RULES }));
        let accept = ResumePolicy { accept_rules_change: true, ..ResumePolicy::default() };
        assert_eq!(begins(&other, accept), (500, Some(5_000), 500, Some(3_000), true));
    }

    #[test]
    fn a_log_that_is_not_the_one_that_was_committed_is_refused() {
        let policy = ResumePolicy::default();
        let by_facility = ResumePolicy { keyed_by_facility: true, ..policy };
        let refused = |start: PartitionStart, policy| planned(&start, policy).unwrap_err();
        let (partition, log_start, log_end) = (WELL, 501, 499);
        assert_eq!(
            refused(PartitionStart { log_start, ..committed() }, policy),
            ResumeError::InputLost { partition, committed: 500, log_start }
        );
        assert_eq!(
            refused(PartitionStart { log_end, ..committed() }, policy),
            ResumeError::BehindCommit { partition, committed: 500, log_end }
        );
        let replaced = PartitionStart { topic_id: "T2".to_owned(), ..committed() };
        assert_eq!(refused(replaced.clone(), policy), ResumeError::TopicReplaced { partition });
        // An id that is not known is no other id.
        assert!(planned(&PartitionStart { topic_id: "-".to_owned(), ..replaced }, policy).is_ok());
        let grown = PartitionStart { partitions: 5, ..committed() };
        assert!(planned(&grown, policy).is_ok());
        assert_eq!(
            refused(grown, by_facility),
            ResumeError::PartitionsChanged { partition, then: 3, now: 5 }
        );
    }

    /// W is the domain's: of partitions that a commit left at different ones, the furthest holds.
    #[test]
    fn w_is_the_largest_and_alarms_in_force_are_those_of_a_group_with_commits() {
        let alarm = AlarmInForce { facility: "F".into(), first_ms: 1, last_ms: 2, highest: 80 };
        let policy = ResumePolicy::default();
        let plan = |starts: &[PartitionStart]| Resume::plan(starts, vec![alarm.clone()], RULES, policy);
        let behind = CommitMetadata { watermark: Some(2_000), ..metadata() };
        let behind = start(Some((500, behind.to_string())));
        let resume = plan(&[committed(), behind, start(None)]).unwrap();
        assert_eq!((resume.watermark, resume.alarms.len()), (Some(3_000), 1));
        assert_eq!(plan(&[start(None)]).unwrap().alarms, []);
    }
}
