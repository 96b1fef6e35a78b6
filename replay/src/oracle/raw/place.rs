//! Where a value's event time lies: for whoever sends a reading again at another time.

use std::ops::Range;

use wellstream_core::record::Side;

use super::walk::{Cursor, Scalar};
use super::{FRAME_BYTES, WriterSchemas};

impl WriterSchemas {
    /// The bytes of a value's event time, a long, without the branch of a union in front of it; `None` if
    /// the value has none, or cannot be read so far.
    pub fn time_place(&self, side: Side, value: &[u8]) -> Option<Range<usize>> {
        let ([0, id @ ..], body) = value.split_first_chunk::<FRAME_BYTES>()? else { return None };
        let writer = self.get(side, u32::from_be_bytes(*id))?;
        let mut cursor = Cursor::new(body);
        for (name, kind) in writer.fields() {
            if name != "timestamp" {
                cursor.value(kind, writer).ok()?;
                continue;
            }
            let kind = cursor.chosen(kind, writer).ok()?;
            let begin = value.len() - cursor.left();
            let is_long = matches!(cursor.value(kind, writer), Ok(Scalar::Long(_)));
            return is_long.then(|| begin..value.len() - cursor.left());
        }
        None
    }
}
