//! What does not enter the join, and why. Every reason is a metric label and a header value.

use std::fmt;

use super::{PartitionId, Record};

/// Why a record did not enter the join. `Null*` are drops, `Late` is late, everything else is quarantined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// No value, or a value of no bytes.
    EmptyValue,
    /// The value is longer than `limits::VALUE_BYTES_MAX`.
    TooLarge,
    /// Not a Confluent frame: the first byte is not 0, or fewer than five bytes.
    BadMagic,
    /// The registry answered "not found" for the schema id throughout the grace time.
    UnknownSchema,
    /// The writer's record is not this topic's, or a field's type cannot be read as ours.
    WrongType,
    /// The body ends before its last field.
    Truncated,
    /// Bytes are left behind the last field.
    TrailingBytes,
    /// Not Avro: a varint too long, a negative length, an index outside a union or enum, a boolean not 0 or
    /// 1.
    Malformed,
    /// A string that is not UTF-8.
    BadUtf8,
    /// NaN or infinity.
    NotFinite,
    /// The event time is null or absent.
    NullTimestamp,
    /// Event time before 2000.
    TimeTooOld,
    /// Event time more than five minutes ahead of the record's own Kafka timestamp.
    TimeTooFarAhead,
    /// Older than its own partition's watermark at its own offset.
    Late,
    /// `well_id` is null.
    NullWellId,
    /// `tank_id` is null.
    NullTankId,
    /// `facility_id` is null.
    NullFacilityId,
    /// `methane_ppm` is null.
    NullMethane,
    /// `co2_ppm` is null.
    NullCo2,
    /// `pressure_psi` is null.
    NullPressure,
    /// `temperature_f` is null.
    NullTemperature,
    /// `level_percentage` is null.
    NullLevel,
    /// `vapor_concentration_ppm` is null.
    NullVapor,
    /// `internal_pressure_psi` is null.
    NullInternalPressure,
}

/// What becomes of a record that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Counted, nothing else: a field that the join needs is null.
    Dropped,
    /// Counted and copied to the quarantine topic with reason `late`.
    Late,
    /// Copied to the quarantine topic byte for byte.
    Quarantined,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Reason; 24] = {
        use Reason::*;
        [
            EmptyValue,
            TooLarge,
            BadMagic,
            UnknownSchema,
            WrongType,
            Truncated,
            TrailingBytes,
            Malformed,
            BadUtf8,
            NotFinite,
            NullTimestamp,
            TimeTooOld,
            TimeTooFarAhead,
            Late,
            NullWellId,
            NullTankId,
            NullFacilityId,
            NullMethane,
            NullCo2,
            NullPressure,
            NullTemperature,
            NullLevel,
            NullVapor,
            NullInternalPressure,
        ]
    };

    /// The reason as text: header value, metric label, key in the summary.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::EmptyValue => "empty_value",
            Reason::TooLarge => "too_large",
            Reason::BadMagic => "bad_magic",
            Reason::UnknownSchema => "unknown_schema",
            Reason::WrongType => "wrong_type",
            Reason::Truncated => "truncated",
            Reason::TrailingBytes => "trailing_bytes",
            Reason::Malformed => "malformed",
            Reason::BadUtf8 => "bad_utf8",
            Reason::NotFinite => "not_finite",
            Reason::NullTimestamp => "null_timestamp",
            Reason::TimeTooOld => "time_too_old",
            Reason::TimeTooFarAhead => "time_too_far_ahead",
            Reason::Late => "late",
            Reason::NullWellId => "null_well_id",
            Reason::NullTankId => "null_tank_id",
            Reason::NullFacilityId => "null_facility_id",
            Reason::NullMethane => "null_methane_ppm",
            Reason::NullCo2 => "null_co2_ppm",
            Reason::NullPressure => "null_pressure_psi",
            Reason::NullTemperature => "null_temperature_f",
            Reason::NullLevel => "null_level_percentage",
            Reason::NullVapor => "null_vapor_concentration_ppm",
            Reason::NullInternalPressure => "null_internal_pressure_psi",
        }
    }

    /// Dropped, late or quarantined.
    pub const fn fate(self) -> Fate {
        match self {
            Reason::Late => Fate::Late,
            reason if reason as u8 > Reason::Late as u8 => Fate::Dropped,
            _ => Fate::Quarantined,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record on its way to the quarantine topic: late or quarantined, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// The partition it was read from.
    pub partition: PartitionId,
    /// Its offset there.
    pub offset: i64,
    /// Its own Kafka timestamp, epoch ms, -1 if none.
    pub timestamp_ms: i64,
    /// The schema id in its frame, where it has a frame.
    pub schema_id: Option<u32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Reject {
    /// Copies what a rejected record was.
    pub fn new(
        reason: Reason,
        partition: PartitionId,
        schema_id: Option<u32>,
        record: &Record<'_>,
    ) -> Reject {
        Reject {
            reason,
            partition,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            schema_id,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        }
    }
}
