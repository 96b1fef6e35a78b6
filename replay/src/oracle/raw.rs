//! From bytes to readings, for logs that exist only as bytes: a plain walk over the value along the writer's
//! schema.
//!
//! The first thing wrong with a value, from its front, is its reason; only numbers that are not finite are
//! judged behind all else. Only a schema's text is parsed by a library; the walk is written from the Avro
//! specification, slow and simple.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use wellstream_core::record::{Reason, Side};

use super::{Body, Observed};

mod walk;
mod writer;
mod place;

use walk::{Cursor, Scalar};
pub use writer::SchemaError;
use writer::{Want, Writer};

/// The writers' schemas that the oracle may use.
#[derive(Debug, Default)]
pub struct WriterSchemas {
    by_id: BTreeMap<u32, Writer>,
    any: [Option<Writer>; 2],
}

impl WriterSchemas {
    /// Adds the schema of an id, as a registry knows it.
    ///
    /// # Errors
    /// The text is not an Avro schema.
    pub fn add(&mut self, id: u32, text: &str) -> Result<(), SchemaError> {
        self.by_id.insert(id, Writer::parse(text)?);
        Ok(())
    }

    /// Sets the schema of a topic's values whose id is not known: without a registry, of all of them.
    ///
    /// # Errors
    /// The text is not an Avro schema.
    pub fn set_any(&mut self, side: Side, text: &str) -> Result<(), SchemaError> {
        self.any[side.index()] = Some(Writer::parse(text)?);
        Ok(())
    }

    fn get(&self, side: Side, id: u32) -> Option<&Writer> {
        self.by_id.get(&id).or(self.any[side.index()].as_ref())
    }
}

/// Reads values; keeps one copy of each facility id.
#[derive(Debug)]
pub struct RawDecoder<'s> {
    schemas: &'s WriterSchemas,
    facilities: HashSet<Arc<str>>,
}

impl<'s> RawDecoder<'s> {
    /// A decoder under these writers' schemas.
    pub fn new(schemas: &'s WriterSchemas) -> Self {
        RawDecoder { schemas, facilities: HashSet::new() }
    }

    /// What a value says.
    pub fn body(&mut self, side: Side, value: Option<&[u8]>) -> Body {
        match self.observed(side, value.unwrap_or_default()) {
            Ok(observed) => Body::Reading(observed),
            Err(reason) => Body::Unreadable(reason),
        }
    }

    fn observed(&mut self, side: Side, value: &[u8]) -> Result<Observed, Reason> {
        if value.is_empty() {
            return Err(Reason::EmptyValue);
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Reason::TooLarge);
        }
        let Some(([0, id @ ..], body)) = value.split_first_chunk::<FRAME_BYTES>() else {
            return Err(Reason::BadMagic);
        };
        let writer = self.schemas.get(side, u32::from_be_bytes(*id)).ok_or(Reason::UnknownSchema)?;
        let wanted = fields(side);
        if !writer.suits(record_name(side), wanted.iter().map(|(name, want, _)| (*name, *want))) {
            return Err(Reason::WrongType);
        }
        let mut scalars = vec![Scalar::Null; wanted.len()];
        let mut cursor = Cursor::new(body);
        for (name, kind) in writer.fields() {
            match wanted.iter().position(|(wanted, ..)| wanted == name) {
                Some(place) => scalars[place] = cursor.wanted(kind, wanted[place].1, writer)?,
                None => {
                    cursor.value(kind, writer)?;
                }
            }
        }
        if !cursor.is_at_end() {
            return Err(Reason::TrailingBytes);
        }
        if scalars.iter().any(|scalar| scalar.number().is_some_and(|number| !number.is_finite())) {
            return Err(Reason::NotFinite);
        }
        self.pick(side, wanted, &scalars)
    }

    fn pick(&mut self, side: Side, wanted: &[Field], scalars: &[Scalar<'_>]) -> Result<Observed, Reason> {
        let get = |name: &str| {
            wanted
                .iter()
                .position(|(wanted, ..)| *wanted == name)
                .map_or(Scalar::Null, |place| scalars[place])
        };
        let facility = match get("facility_id") {
            Scalar::Text(bytes) => {
                Some(self.intern(std::str::from_utf8(bytes).map_err(|_| Reason::BadUtf8)?))
            }
            _ => None,
        };
        let ppm = match side {
            Side::Well => get("methane_ppm"),
            Side::Tank => get("vapor_concentration_ppm"),
        };
        let null = wanted.iter().zip(scalars).find_map(|((_, _, reason), scalar)| match scalar {
            Scalar::Null => *reason,
            _ => None,
        });
        let time_ms = match get("timestamp") {
            Scalar::Int(ms) | Scalar::Long(ms) => Some(ms),
            _ => None,
        };
        Ok(Observed { facility, time_ms, ppm: ppm.number().unwrap_or_default(), null })
    }

    fn intern(&mut self, id: &str) -> Arc<str> {
        if let Some(known) = self.facilities.get(id) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(id);
        self.facilities.insert(new.clone());
        new
    }
}

/// A field's name, how it is read, and why a reading without it is dropped, if it is.
type Field = (&'static str, Want, Option<Reason>);

/// The frame in front of a body: a 0 and the schema id.
const FRAME_BYTES: usize = 5;

/// Values longer than this are quarantined unread, as the engine's limits say.
const VALUE_BYTES_MAX: usize = 1 << 20;

const fn record_name(side: Side) -> &'static str {
    match side {
        Side::Well => "WellData",
        Side::Tank => "TankData",
    }
}

/// The fields in the order in which the first null is named.
const fn fields(side: Side) -> &'static [Field] {
    match side {
        Side::Well => &[
            ("well_id", Want::Text, Some(Reason::NullWellId)),
            ("facility_id", Want::Text, Some(Reason::NullFacilityId)),
            ("timestamp", Want::Long, None),
            ("methane_ppm", Want::Double, Some(Reason::NullMethane)),
            ("co2_ppm", Want::Double, Some(Reason::NullCo2)),
            ("pressure_psi", Want::Double, Some(Reason::NullPressure)),
            ("temperature_f", Want::Double, Some(Reason::NullTemperature)),
            ("flow_rate_bpd", Want::Double, None),
            ("vibration_encoded", Want::Text, None),
            ("pump_status", Want::Text, None),
            ("maintenance_alert", Want::Boolean, None),
        ],
        Side::Tank => &[
            ("tank_id", Want::Text, Some(Reason::NullTankId)),
            ("facility_id", Want::Text, Some(Reason::NullFacilityId)),
            ("timestamp", Want::Long, None),
            ("level_percentage", Want::Double, Some(Reason::NullLevel)),
            ("vapor_concentration_ppm", Want::Double, Some(Reason::NullVapor)),
            ("leak_detection_status", Want::Text, None),
            ("ambient_temperature_f", Want::Double, None),
            ("internal_pressure_psi", Want::Double, Some(Reason::NullInternalPressure)),
            ("flame_arrestor_status", Want::Boolean, None),
            ("vapor_recovery_active", Want::Boolean, None),
            ("emergency_shutdown", Want::Boolean, None),
            ("wind_speed_mph", Want::Double, None),
            ("atmospheric_pressure_mb", Want::Double, None),
            ("air_quality_index", Want::Int, None),
        ],
    }
}
