//! What a shard has decided and not handed on yet: rows (encoded if a sink wants them) and alarms, with
//! counts.

use crate::encode::{RowEncoder, RowTail};
use crate::record::{Alarm, AlarmKind, Input, Row, RowBatch, RowTotals, Status};
use crate::rules::RulesHash;

use super::{Arena, Half, PartRef};

/// Alarms by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmTotals {
    /// Episodes begun.
    pub raised: u64,
    /// Steps to a higher risk.
    pub escalated: u64,
    /// Episodes ended.
    pub cleared: u64,
}

impl AlarmTotals {
    /// Counts one alarm.
    pub fn add(&mut self, kind: AlarmKind) {
        match kind {
            AlarmKind::Raised => self.raised += 1,
            AlarmKind::Escalated => self.escalated += 1,
            AlarmKind::Cleared => self.cleared += 1,
        }
    }

    /// Adds another count.
    pub fn merge(&mut self, other: AlarmTotals) {
        self.raised += other.raised;
        self.escalated += other.escalated;
        self.cleared += other.cleared;
    }
}

/// Rows and alarms of the epoch in progress.
#[derive(Debug)]
pub struct Emitted {
    /// Rows not handed on yet.
    pub batch: RowBatch,
    /// Alarms not handed on yet.
    pub alarms: Vec<Alarm>,
    /// What the epoch's rows amount to.
    pub totals: RowTotals,
    /// The epoch's alarms.
    pub alarm_totals: AlarmTotals,
    form: RowForm,
    /// The last rows of the batch, which are not encoded yet: their parts have been asked for.
    pending: Vec<PendingRow>,
    /// Rows until the next one whose time of sending is noted.
    unsampled: usize,
    encoder: RowEncoder,
}

/// A row that waits for its parts.
#[derive(Clone, Copy, Debug)]
struct PendingRow {
    quality: u16,
    parts: [PartRef; 2],
}

/// What is made of each row, besides its part of the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// Nothing.
    Counted,
    /// Its numbers.
    Numbers,
    /// Its numbers, its Avro body and its key.
    Encoded,
}

/// A row's score, as alarms need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored {
    pub(super) time_ms: i64,
    pub(super) risk: u32,
    pub(super) status: Status,
}

impl Scored {
    /// Scores a row: a missing side gives no points.
    pub(super) fn new(alert_above: u32, well: Option<&Half>, tank: Option<&Half>) -> Scored {
        let halves = [well, tank];
        let risk = halves.iter().flatten().map(|half| u32::from(half.held.points)).sum();
        let time_ms = halves.iter().flatten().map(|half| half.time_ms).max().unwrap_or(i64::MIN);
        let status = if risk > alert_above { Status::Alert } else { Status::Normal };
        Scored { time_ms, risk, status }
    }
}

impl Emitted {
    /// Nothing emitted yet.
    pub(super) fn new(form: RowForm, rules: RulesHash) -> Emitted {
        Emitted {
            batch: RowBatch::default(),
            alarms: Vec::new(),
            totals: RowTotals::default(),
            alarm_totals: AlarmTotals::default(),
            form,
            pending: Vec::with_capacity(PENDING_MAX),
            unsampled: 0,
            encoder: RowEncoder::new(rules),
        }
    }

    /// A reading that arrived some time ago becomes part of a row: its part is asked for.
    #[inline]
    pub(super) fn expect_part(&self, half: &Half, arena: &Arena) {
        if self.form == RowForm::Encoded {
            arena.expect(half.held.part);
        }
    }

    /// Emits one row. `numbers` gives Kafka's partition number of a dense index.
    #[inline(always)]
    pub(super) fn row(&mut self, scored: Scored, well: Option<&Half>, tank: Option<&Half>, numbers: &[u32]) {
        let input = |half: &Half| Input {
            time_ms: half.time_ms,
            partition: numbers[usize::from(half.held.partition)],
            offset: half.held.offset,
        };
        let Scored { time_ms, risk, status } = scored;
        let (well_input, tank_input) = (well.map(input), tank.map(input));
        self.totals.add(well_input, tank_input, risk, status);
        if self.unsampled == 0 {
            self.unsampled = crate::limits::LATENCY_SAMPLE;
            let sent_ms = [well, tank].iter().flatten().map(|half| half.held.sent_ms).max();
            self.batch.sampled_sent_ms.extend(sent_ms.filter(|ms| *ms >= 0));
        }
        self.unsampled -= 1;
        if self.form == RowForm::Counted {
            self.batch.counted += 1;
            return;
        }
        let row = Row { well: well_input, tank: tank_input, time_ms, risk, status, value: 0..0, key: 0..0 };
        self.batch.rows.push(row);
        if self.form == RowForm::Encoded {
            let quality = [well, tank].iter().flatten().map(|half| half.held.quality).min().unwrap_or(0);
            let parts = [well, tank].map(|half| half.map_or_else(PartRef::default, |half| half.held.part));
            self.pending.push(PendingRow { quality, parts });
        }
    }

    /// Encodes the rows that wait.
    pub(super) fn encode(&mut self, arena: &Arena) {
        let Emitted { batch, pending, encoder, .. } = self;
        let RowBatch { rows, bytes, .. } = batch;
        let first = rows.len() - pending.len();
        for (row, pending) in rows[first..].iter_mut().zip(pending.drain(..)) {
            let Row { time_ms, risk, status, .. } = *row;
            let tail = RowTail { time_ms, quality: u32::from(pending.quality), risk, status };
            let [well, tank] = pending.parts.map(|part| arena.get(part));
            (row.value, row.key) = encoder.put(bytes, well, tank, tail);
        }
    }

    /// Whether enough rows wait to be encoded: the parts of the first of them are here by now.
    #[inline]
    pub(super) fn is_to_encode(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    /// Emits one alarm.
    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.alarm_totals.add(alarm.kind);
        self.alarms.push(alarm);
    }

    /// Whether enough has gathered to be handed on.
    pub fn is_full(&self) -> bool {
        self.batch.rows.len() >= crate::limits::OUTPUT_ROWS
            || self.batch.bytes.len() >= crate::limits::OUTPUT_BYTES
    }
}

/// Rows that wait for their parts: memory answers in less than the time of encoding some of them.
const PENDING_MAX: usize = 16;
