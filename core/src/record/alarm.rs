//! Alarm episodes of a facility: ALERT rows with gaps of at most 30 s of row time (DESIGN section 3).

use std::sync::Arc;

/// What happened to an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// Its first ALERT row.
    Raised,
    /// A higher risk than before in the episode.
    Escalated,
    /// No ALERT row within the gap behind its last one.
    Cleared,
}

impl AlarmKind {
    /// Every kind, in the order of the schema's symbols.
    pub const ALL: [AlarmKind; 3] = [AlarmKind::Raised, AlarmKind::Escalated, AlarmKind::Cleared];

    /// `RAISED`, `ESCALATED` or `CLEARED`.
    pub const fn name(self) -> &'static str {
        match self {
            AlarmKind::Raised => "RAISED",
            AlarmKind::Escalated => "ESCALATED",
            AlarmKind::Cleared => "CLEARED",
        }
    }
}

/// One alarm record, decided in row-time order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    /// The facility; shared with the join, so that an alarm allocates nothing.
    pub facility: Arc<str>,
    /// What happened.
    pub kind: AlarmKind,
    /// Row time of the step that decided it, epoch ms; for CLEARED: the last row's time plus the gap.
    pub time_ms: i64,
    /// Row time of the episode's first ALERT row, epoch ms.
    pub first_ms: i64,
    /// Row time of the episode's last ALERT row so far, epoch ms.
    pub last_ms: i64,
    /// The highest risk of the episode so far.
    pub highest: u32,
}

/// An episode that is open, as read back from the compacted topic at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmInForce {
    /// The facility; shared with the join, so that an alarm allocates nothing.
    pub facility: Arc<str>,
    /// Row time of its first ALERT row, epoch ms.
    pub first_ms: i64,
    /// Row time of the last ALERT row that the record knows of, epoch ms.
    pub last_ms: i64,
    /// The highest risk so far.
    pub highest: u32,
}
