//! What the console has seen since it printed last: exact counts, and a bounded choice of rows and alerts.

use std::collections::HashMap;

use wellstream_core::engine::{CommitMetadata, EpochOffsets};
use wellstream_core::record::{Alarm, Row, RowBatch, Status};

/// Counts and candidates. Its size is bounded by the constants below.
#[derive(Debug, Default)]
pub(super) struct Board {
    counts: Counts,
    /// Where all partitions together stood at the first epoch.
    records_base: Option<i64>,
    /// The newest row seen of each facility, by the facility's id.
    newest: HashMap<Vec<u8>, Shown>,
    alert_rows: Vec<Vec<u8>>,
    alarms: Vec<Alarm>,
    alert_rows_held_back: u64,
    alarms_held_back: u64,
    /// Lines that may still be printed within this second, of each kind.
    alert_rows_left: usize,
    alarms_left: usize,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Rows.
    pub(super) rows: u64,
    /// ALERT rows.
    pub(super) alert_rows: u64,
    /// Records read: how far all partitions have moved since the first epoch.
    pub(super) records: u64,
    /// The domain's watermark at the last epoch, epoch ms.
    pub(super) watermark_ms: Option<i64>,
}

/// A row that may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its risk.
    pub(super) risk: u32,
    /// Its row time, epoch ms.
    pub(super) time_ms: i64,
    /// Its Avro body.
    pub(super) value: Vec<u8>,
}

/// Alerts to print now.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    /// Bodies of ALERT rows.
    pub(super) rows: Vec<Vec<u8>>,
    /// Alarms.
    pub(super) alarms: Vec<Alarm>,
    /// ALERT rows that did not fit into the last second; told once a second.
    pub(super) rows_held_back: u64,
    /// Alarms that did not fit into the last second.
    pub(super) alarms_held_back: u64,
}

impl Board {
    /// Counts all rows; looks closer at some.
    pub(super) fn rows(&mut self, batch: &RowBatch) {
        self.counts.rows += batch.rows.len() as u64;
        for row in batch.rows.iter().filter(|row| row.status == Status::Alert) {
            self.counts.alert_rows += 1;
            if self.alert_rows_left > 0 {
                self.alert_rows_left -= 1;
                self.alert_rows.push(batch.value(row).to_vec());
            } else {
                self.alert_rows_held_back += 1;
            }
        }
        let step = batch.rows.len().div_ceil(SAMPLE_ROWS).max(1);
        for row in batch.rows.iter().step_by(step) {
            self.candidate(batch.key(row), row, batch);
        }
    }

    /// Takes alarms.
    pub(super) fn alarms(&mut self, alarms: &[Alarm]) {
        let taken = alarms.len().min(self.alarms_left);
        self.alarms_left -= taken;
        self.alarms.extend_from_slice(&alarms[..taken]);
        self.alarms_held_back += (alarms.len() - taken) as u64;
    }

    /// Takes an epoch's offsets: how far the input has been read, and the watermark.
    pub(super) fn offsets(&mut self, offsets: &EpochOffsets) {
        let position: i64 = offsets.partitions.iter().map(|partition| partition.offset_next).sum();
        let base = *self.records_base.get_or_insert(position);
        self.counts.records = u64::try_from(position - base).unwrap_or(0);
        let metadata =
            offsets.partitions.first().and_then(|first| first.metadata.parse::<CommitMetadata>().ok());
        if let Some(metadata) = metadata {
            self.counts.watermark_ms = metadata.watermark;
        }
    }

    /// Totals so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the alerts that wait to be printed. A new second gives new room, and tells what was held back.
    pub(super) fn take_alerts(&mut self, new_second: bool) -> Alerts {
        let mut alerts = Alerts {
            rows: std::mem::take(&mut self.alert_rows),
            alarms: std::mem::take(&mut self.alarms),
            ..Alerts::default()
        };
        if new_second {
            alerts.rows_held_back = std::mem::take(&mut self.alert_rows_held_back);
            alerts.alarms_held_back = std::mem::take(&mut self.alarms_held_back);
            self.alert_rows_left = ALERT_ROWS_PER_SECOND;
            self.alarms_left = ALARMS_PER_SECOND;
        }
        alerts
    }

    /// Takes the rows of the table, the highest risk first, then the newest; the next table starts empty.
    pub(super) fn take_table(&mut self) -> Vec<Shown> {
        let mut rows: Vec<Shown> = self.newest.drain().map(|(_, shown)| shown).collect();
        rows.sort_unstable_by(|a, b| (b.risk, b.time_ms, &b.value).cmp(&(a.risk, a.time_ms, &a.value)));
        rows.truncate(TABLE_ROWS);
        rows
    }

    fn candidate(&mut self, facility: &[u8], row: &Row, batch: &RowBatch) {
        if !self.newest.contains_key(facility) && !self.make_room(row.risk) {
            return;
        }
        let shown = self.newest.entry(facility.to_vec()).or_default();
        if shown.value.is_empty() || shown.time_ms <= row.time_ms {
            shown.risk = row.risk;
            shown.time_ms = row.time_ms;
            shown.value.clear();
            shown.value.extend_from_slice(batch.value(row));
        }
    }

    /// Whether a facility of this risk finds a place; the one with the lowest risk gives way to a higher one.
    fn make_room(&mut self, risk: u32) -> bool {
        if self.newest.len() < FACILITIES_MAX {
            return true;
        }
        let lowest = self.newest.iter().min_by_key(|(_, shown)| (shown.risk, shown.time_ms));
        let Some((facility, _)) = lowest.filter(|(_, shown)| shown.risk < risk) else { return false };
        let facility = facility.clone();
        self.newest.remove(&facility);
        true
    }
}

/// Rows of a batch that the table looks at: all of them where few come, few where a million a second come.
const SAMPLE_ROWS: usize = 16;
/// Facilities among which the table chooses.
const FACILITIES_MAX: usize = 64;
/// Rows that the table shows: with its head they fit on a small terminal.
const TABLE_ROWS: usize = 20;
/// ALERT rows that are printed within one second: examples only, the table and the alarms follow the rest.
const ALERT_ROWS_PER_SECOND: usize = 4;
/// Alarms that are printed within one second.
const ALARMS_PER_SECOND: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of facilities `F0`, `F1`, ... with this risk and time each.
    fn batch(rows: &[(u32, u32, i64)]) -> RowBatch {
        let mut batch = RowBatch::default();
        for &(facility, risk, time_ms) in rows {
            let start = u32::try_from(batch.bytes.len()).unwrap();
            batch.bytes.extend_from_slice(format!("F{facility}").as_bytes());
            let middle = u32::try_from(batch.bytes.len()).unwrap();
            batch.bytes.extend_from_slice(format!("risk {risk} at {time_ms}").as_bytes());
            let end = u32::try_from(batch.bytes.len()).unwrap();
            let status = if risk > 30 { Status::Alert } else { Status::Normal };
            let (well, tank) = (None, None);
            batch.rows.push(Row {
                well,
                tank,
                time_ms,
                risk,
                status,
                value: middle..end,
                key: start..middle,
            });
        }
        batch
    }

    #[test]
    fn the_table_has_the_newest_row_of_each_facility_by_risk() {
        let mut board = Board::default();
        board.rows(&batch(&[(1, 10, 5), (2, 80, 6), (1, 20, 7), (2, 90, 3), (3, 20, 9)]));
        let shown: Vec<_> = board.take_table().iter().map(|s| (s.risk, s.time_ms)).collect();
        assert_eq!(shown, [(80, 6), (20, 9), (20, 7)]);
        assert!(board.take_table().is_empty());
    }

    #[test]
    fn a_full_board_keeps_the_highest_risks() {
        let mut board = Board::default();
        for facility in 0..1_000 {
            board.rows(&batch(&[(facility, facility % 100, 1)]));
        }
        assert_eq!(board.newest.len(), FACILITIES_MAX);
        let shown = board.take_table();
        assert_eq!(shown.len(), TABLE_ROWS);
        assert!(shown.iter().all(|row| row.risk >= 98), "{shown:?}");
    }

    #[test]
    fn counts_are_exact_and_alerts_are_held_back() {
        let mut board = Board::default();
        board.take_alerts(true);
        let rows: Vec<_> = (0..1_000).map(|i| (i, if i % 2 == 0 { 40 } else { 0 }, 1)).collect();
        board.rows(&batch(&rows));
        board.rows(&batch(&rows));
        assert_eq!((board.counts().rows, board.counts().alert_rows), (2_000, 1_000));
        let now = board.take_alerts(false);
        assert_eq!((now.rows.len(), now.rows_held_back), (ALERT_ROWS_PER_SECOND, 0));
        assert_eq!(board.take_alerts(true).rows_held_back, 1_000 - ALERT_ROWS_PER_SECOND as u64);
        assert_eq!(board.take_alerts(true).rows_held_back, 0);
    }

    #[test]
    fn offsets_tell_how_far_the_input_was_read() {
        let of = |offset_next| EpochOffsets {
            partitions: vec![wellstream_core::engine::PartitionOffset {
                partition: wellstream_core::record::PartitionId {
                    side: wellstream_core::record::Side::Well,
                    number: 0,
                },
                offset_next,
                metadata: "ws1;-;1;0;-;70;60;00000000000000ff".to_owned(),
            }],
            ..EpochOffsets::default()
        };
        let mut board = Board::default();
        board.offsets(&of(100));
        board.offsets(&of(350));
        assert_eq!((board.counts().records, board.counts().watermark_ms), (250, Some(60)));
    }
}
