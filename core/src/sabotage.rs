//! Rules that a test breaks by hand, to see that the simulator notices. Without the feature `sabotage` the
//! question is answered "no" at compile time, and nothing of it is left in the program.

/// A rule of DESIGN sections 3, 4 and 6 that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A lane's clock reaches a shard behind that lane's rows (broken: W is taken from the lanes' gauges).
    ClockBehindRows,
    /// Lateness is judged by the own partition's watermark (broken: by W).
    LateByOwnPartition,
    /// Filtered records move the clock (broken: only accepted ones do).
    FilteredMoveClock,
    /// A clock moves at most to the record's timestamp + 1 s (broken: to the event time).
    ClockBounded,
    /// A reading is forgotten when W is past its span, strictly (broken: when W reaches it).
    ForgetStrictly,
    /// A result is final when W is past its closing time, strictly (broken: when W reaches it).
    CloseStrictly,
    /// Ties between partners are broken by (partition, offset) (broken: by arrival).
    TieOrder,
    /// W never goes back (broken: it follows the minimum).
    WatermarkNeverBack,
    /// Partitions leave and rejoin the minimum only at a cut (broken: a shard decides by itself).
    IdleAtCut,
    /// A shard stops reading a lane's queue at its mark (broken: it goes on).
    StopAtMark,
    /// On start, reading begins at the rewind point (broken: at the committed offset).
    Rewind,
    /// The rewind point covers the alarms' span (broken: the join's only).
    RewindCoversAlarms,
    /// After a restart a pair is a row only if one input is new (broken: always).
    PairRule,
    /// After a restart a result with a closing time is emitted unless the stored W had passed it (broken: the
    /// pair rule decides).
    ClosingRule,
    /// No cut before every lane has reached its committed offset (broken: cuts go on).
    NoCutInRebuild,
    /// Nothing is decided or forgotten during the rebuild (broken: W acts at once).
    NothingDecidedInRebuild,
    /// The clock before the rewind point is restored (broken: it starts anew).
    ClockRestored,
    /// W is restored (broken: it starts anew).
    WatermarkRestored,
    /// Every epoch commits every partition (broken: only those that moved).
    CommitAllPartitions,
    /// The offsets of a cut are those at the mark (broken: those at the commit).
    OffsetsAtMark,
    /// An unknown commit is looked up (broken: taken as aborted).
    UnknownNotAborted,
    /// An unknown commit is looked up (broken: taken as committed).
    UnknownNotCommitted,
    /// Until-end stores the W that decided everything (broken: the W before).
    EndStoresWatermark,
    /// Alarms are decided in row-time order once W has passed (broken: on arrival).
    AlarmsByRowTime,
    /// Alarms in force are read back (broken: forgotten on restart).
    AlarmsReadBack,
    /// Alignment compares watermarks (broken: clock against W).
    AlignByWatermark,
    /// Alignment does not act during a rebuild (broken: it does).
    NoAlignInRebuild,
    /// The rewind point covers what a cache has not taken (broken: it does not).
    RewindCoversCache,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 28] = [
        Rule::ClockBehindRows,
        Rule::LateByOwnPartition,
        Rule::FilteredMoveClock,
        Rule::ClockBounded,
        Rule::ForgetStrictly,
        Rule::CloseStrictly,
        Rule::TieOrder,
        Rule::WatermarkNeverBack,
        Rule::IdleAtCut,
        Rule::StopAtMark,
        Rule::Rewind,
        Rule::RewindCoversAlarms,
        Rule::PairRule,
        Rule::ClosingRule,
        Rule::NoCutInRebuild,
        Rule::NothingDecidedInRebuild,
        Rule::ClockRestored,
        Rule::WatermarkRestored,
        Rule::CommitAllPartitions,
        Rule::OffsetsAtMark,
        Rule::UnknownNotAborted,
        Rule::UnknownNotCommitted,
        Rule::EndStoresWatermark,
        Rule::AlarmsByRowTime,
        Rule::AlarmsReadBack,
        Rule::AlignByWatermark,
        Rule::NoAlignInRebuild,
        Rule::RewindCoversCache,
    ];
}

/// Whether this rule is broken in the current thread.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn broken(_rule: Rule) -> bool {
    false
}

#[cfg(feature = "sabotage")]
mod switched {
    use std::cell::Cell;

    use super::Rule;

    thread_local! { static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) }; }

    /// Whether this rule is broken in the current thread.
    pub fn broken(rule: Rule) -> bool {
        BROKEN.with(|broken| broken.get() == Some(rule))
    }

    /// Breaks a rule in the current thread, or mends all.
    pub fn set(rule: Option<Rule>) {
        BROKEN.with(|broken| broken.set(rule));
    }
}

#[cfg(feature = "sabotage")]
pub use switched::{broken, set};
