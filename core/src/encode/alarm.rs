//! Alarm records.

use crate::record::Alarm;
use crate::rules::RulesHash;

use super::wire::{put_hash, put_long, put_text};

/// Appends the body of an alarm by `schemas::FACILITY_ALERT`.
///
/// ```
/// use wellstream_core::record::{Alarm, AlarmKind};
/// use wellstream_core::rules::RulesHash;
/// use wellstream_core::{decode, encode};
/// let alarm = Alarm {
///     facility: "F-1".into(),
///     kind: AlarmKind::Escalated,
///     time_ms: 1_700_000_002_000,
///     first_ms: 1_700_000_000_000,
///     last_ms: 1_700_000_002_000,
///     highest: 80,
/// };
/// let mut out = Vec::new();
/// encode::put_alarm(&mut out, &alarm, RulesHash(7));
/// assert_eq!(decode::alarm(&out), Ok(alarm));
/// ```
pub fn put_alarm(out: &mut Vec<u8>, alarm: &Alarm, rules: RulesHash) {
    put_text(out, &alarm.facility);
    // The kinds stand in the order of the schema's symbols.
    put_long(out, alarm.kind as i64);
    put_long(out, alarm.time_ms);
    put_long(out, alarm.first_ms);
    put_long(out, alarm.last_ms);
    put_long(out, i64::from(alarm.highest));
    put_hash(out, rules);
}
