//! Readings, rows and alarms to bytes, by the normative schemas.
//!
//! Enters: readings with their place in the log and their class, alarms, and for a row two parts that were
//! rendered once per reading. Leaves: Avro bodies, appended to the caller's buffer, which nothing here
//! allocates
//! beyond. Drops: nothing.
//!
//! ```
//! use wellstream_core::decode;
//! use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
//! use wellstream_core::record::{PartitionId, Side, Status, WellReading};
//! use wellstream_core::rules::{RulesHash, ScoreRules};
//! use wellstream_core::score;
//!
//! let well = WellReading { facility_id: Some("F-1"), methane_ppm: Some(650.2), ..WellReading::default() };
//! let partition = PartitionId { side: Side::Well, number: 2 };
//! let time_ms = 1_700_000_000_000;
//! let class = score::well(650.2, &ScoreRules::default());
//! let mut part = Vec::new();
//! let origin = Origin { offset: 41, time_ms, value: &[] };
//! PartEncoder::new(partition).well(&mut part, &well, &origin, class);
//!
//! let tail = RowTail { time_ms, quality: 75, risk: 40, status: Status::Alert };
//! let mut out = b"rows before ".to_vec();
//! let (value, key) = RowEncoder::new(RulesHash(255)).put(&mut out, Some(&part), None, tail);
//! assert_eq!(&out[key.start as usize..key.end as usize], b"F-1");
//! let row = decode::enriched(&out[value.start as usize..value.end as usize]).unwrap();
//! assert_eq!((row.row_id.as_str(), row.methane_ppm, row.risk), ("w:2:41|-", Some(650.2), 40));
//! assert_eq!((row.emission_class.as_deref(), row.vapor_class), (Some("HIGH_EMISSION"), None));
//! assert_eq!(row.rules_hash, "00000000000000ff");
//! ```

mod wire;
mod reading;
mod pen;
mod part;
mod row;
mod alarm;

pub use alarm::put_alarm;
pub use part::{Origin, PartEncoder, part_bytes};
pub use reading::{tank_reading, tank_reading_nullable, well_reading, well_reading_nullable};
pub use row::{RowEncoder, RowTail};

/// Appends a Confluent frame: a 0 and the schema id. The body follows.
#[inline]
pub fn put_frame(out: &mut Vec<u8>, schema_id: u32) {
    let [a, b, c, d] = schema_id.to_be_bytes();
    out.extend_from_slice(&[0, a, b, c, d]);
}

/// Why a reading cannot be written by a schema. No retry helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The schema has no null for this field: write by the nullable version.
    #[error("{field} is null, and the schema has no null for it")]
    MissingField {
        /// The field.
        field: &'static str,
    },
}
