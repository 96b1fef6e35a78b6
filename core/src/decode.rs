//! Bytes to readings.
//!
//! Enters: a record's value (Confluent frame: 0, a schema id, an Avro body) and a [`Plan`], compiled once
//! from
//! the schema that the body was written with. Leaves: a [`WellReading`](crate::record::WellReading) or
//! [`TankReading`](crate::record::TankReading) that borrows its strings from the body. Drops: nothing in
//! silence; a value that cannot be read is a [`Reason`], which quarantines it.
//!
//! ```
//! use wellstream_core::decode::{self, Plan};
//! use wellstream_core::record::{Reason, Side};
//!
//! // A writer with fields of its own, in its own order, an int where we read a double, and no facility.
//! let writer = r#"{"type": "record", "name": "WellData", "fields": [
//!     {"name": "methane_ppm", "type": "int"},
//!     {"name": "tags", "type": {"type": "array", "items": "string"}},
//!     {"name": "well_id", "type": ["null", "string"]}]}"#;
//! let plan = Plan::compile(Side::Well, writer)?;
//! let value = b"\0\0\0\0\x07\xF2\x07\x02\x04hi\0\x02\x08W-17";
//!
//! let (schema_id, body) = decode::split_frame(decode::check_value(Some(value)).unwrap()).unwrap();
//! let well = plan.decode_well(body).unwrap();
//! assert_eq!((schema_id, well.well_id, well.methane_ppm), (7, Some("W-17"), Some(505.0)));
//! assert_eq!(well.facility_id, None);
//! assert_eq!(plan.decode_well(&body[..5]), Err(Reason::Truncated));
//! # Ok::<(), decode::PlanError>(())
//! ```
//!
//! Which reason: a body is judged from its front, and the first thing that is wrong with it counts; only what
//! is not finite is judged behind all else, trailing bytes included.

mod utf8;
mod cursor;
mod skip;
mod layout;
mod plan;
mod compile;
mod schemas;
mod enriched;
mod alarm;

use crate::limits::VALUE_BYTES_MAX;
use crate::record::Reason;

pub use alarm::alarm;
pub use compile::PlanError;
pub use enriched::{EnrichedEvent, enriched};
pub use plan::Plan;
pub use schemas::{FixedSchemas, SchemaLookup, Schemas};

/// Bytes of a Confluent frame: the magic byte and the schema id.
pub const FRAME_BYTES: usize = 5;

/// The value of a record, if it has one that may be looked at.
///
/// # Errors
/// `EmptyValue` for a tombstone and a value of no bytes, `TooLarge` beyond `limits::VALUE_BYTES_MAX`.
#[inline]
pub fn check_value(value: Option<&[u8]>) -> Result<&[u8], Reason> {
    match value {
        None | Some([]) => Err(Reason::EmptyValue),
        Some(value) if value.len() > VALUE_BYTES_MAX => Err(Reason::TooLarge),
        Some(value) => Ok(value),
    }
}

/// Schema id and body of a Confluent frame.
///
/// # Errors
/// `BadMagic` where the first byte is not 0, or fewer than five bytes are there.
#[inline]
pub fn split_frame(value: &[u8]) -> Result<(u32, &[u8]), Reason> {
    match value.split_first_chunk::<FRAME_BYTES>() {
        Some((&[0, a, b, c, d], body)) => Ok((u32::from_be_bytes([a, b, c, d]), body)),
        _ => Err(Reason::BadMagic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_before_its_frame() {
        assert_eq!(check_value(None), Err(Reason::EmptyValue));
        assert_eq!(check_value(Some(&[])), Err(Reason::EmptyValue));
        assert_eq!(check_value(Some(&vec![0; VALUE_BYTES_MAX + 1])), Err(Reason::TooLarge));
        assert_eq!(check_value(Some(&vec![0; VALUE_BYTES_MAX])).map(<[u8]>::len), Ok(VALUE_BYTES_MAX));
    }

    #[test]
    fn a_frame_is_a_zero_and_a_big_endian_id() {
        assert_eq!(split_frame(&[0, 1, 2, 3, 4]), Ok((0x0102_0304, [].as_slice())));
        assert_eq!(split_frame(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 9]), Ok((u32::MAX, [9].as_slice())));
        assert_eq!(split_frame(&[0, 1, 2, 3]), Err(Reason::BadMagic));
        assert_eq!(split_frame(&[1, 0, 0, 0, 1, 9]), Err(Reason::BadMagic));
    }
}
