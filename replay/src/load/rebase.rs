//! A reading's value at another event time.

use std::sync::Arc;

use wellstream_core::decode::{self, Plan, SchemaLookup, Schemas};
use wellstream_core::record::Side;
use wellstream_core::rules::Rules;

use super::{RecordedSchemas, Recording};
use crate::oracle::{SchemaError, WriterSchemas};

/// Reads event times of values, and writes others in their place.
#[derive(Debug)]
pub(super) struct Rebase {
    readers: RecordedSchemas,
    writers: WriterSchemas,
    /// Event times before this are quarantined, and are left so.
    time_ms_min: i64,
    bytes: Vec<u8>,
}

impl Rebase {
    /// By the schemas of a trace.
    pub(super) fn new(recording: &Recording) -> Result<Rebase, SchemaError> {
        Ok(Rebase {
            readers: recording.reader_schemas(),
            writers: recording.writer_schemas()?,
            time_ms_min: Rules::default().time_ms_min,
            bytes: Vec::new(),
        })
    }

    /// The event time of a value that can be read to its end; `None` of one that is to be quarantined.
    pub(super) fn time_ms(&self, side: Side, value: Option<&[u8]>) -> Option<i64> {
        let (id, body) = decode::split_frame(decode::check_value(value).ok()?).ok()?;
        let SchemaLookup::Ready(plan) = self.readers.plan(side, id) else { return None };
        timestamp(&plan, body).filter(|time_ms| *time_ms >= self.time_ms_min)
    }

    /// The value with its event time this much later. What is to be quarantined stays as it is.
    pub(super) fn shifted<'a>(
        &'a mut self,
        side: Side,
        value: Option<&'a [u8]>,
        shift_ms: i64,
    ) -> Option<&'a [u8]> {
        let place = value.and_then(|value| {
            let time_ms = self.time_ms(side, Some(value))?;
            Some((value, time_ms, self.writers.time_place(side, value)?))
        });
        let Some((value, time_ms, place)) = place else { return value };
        self.bytes.clear();
        self.bytes.extend_from_slice(&value[..place.start]);
        put_long(&mut self.bytes, time_ms.saturating_add(shift_ms));
        self.bytes.extend_from_slice(&value[place.end..]);
        Some(&self.bytes)
    }
}

fn timestamp(plan: &Arc<Plan>, body: &[u8]) -> Option<i64> {
    match plan.side() {
        Side::Well => plan.decode_well(body).ok()?.timestamp,
        Side::Tank => plan.decode_tank(body).ok()?.timestamp,
    }
}

/// A zigzag varint.
fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}
