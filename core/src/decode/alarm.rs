//! Alarm records, read back from `facility-alerts` (by the program at its start, by tools, by tests).

use crate::record::{Alarm, AlarmKind, Reason};

use super::cursor::Cursor;

/// Reads a body written by `encode::put_alarm` (facility-alert.avsc).
///
/// # Errors
/// `Truncated`, `TrailingBytes`, `Malformed`, `BadUtf8`.
pub fn alarm(body: &[u8]) -> Result<Alarm, Reason> {
    let mut cursor = Cursor::new(body);
    let facility = cursor.text()?.into();
    let kind = AlarmKind::ALL[cursor.index(AlarmKind::ALL.len())?];
    let time_ms = cursor.long()?;
    let first_ms = cursor.long()?;
    let last_ms = cursor.long()?;
    let highest = u32::try_from(cursor.int()?).map_err(|_| Reason::Malformed)?;
    let _rules_hash = cursor.text()?;
    cursor.end()?;
    Ok(Alarm { facility, kind, time_ms, first_ms, last_ms, highest })
}
