//! A writer's schema as a list of operations, run once per body. No allocation, no recursion outside skipped
//! fields; a run of doubles is one operation.

use crate::record::{Reason, Side, TankReading, WellReading};

use super::compile::{self, PlanError};
use super::cursor::{Cursor, Finite};
use super::layout::{self, Layout};
use super::skip::{NodeId, Skips};

/// How bodies of one writer's schema are read. Compiled once per schema id, then shared.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) side: Side,
    pub(super) code: Code,
    pub(super) layout: Layout,
}

impl Plan {
    /// Compiles the schema that bodies were written with. Fields are found by name, in any order; those that
    /// the writer does not have are null (our schemas' default), those that we do not know are passed over.
    /// Aliases are not looked at; logical types are read as what they are made of.
    ///
    /// Recursive types may occur in fields that are passed over; a value that nests deeper than
    /// `limits::SKIP_DEPTH_MAX` is then `Malformed`.
    ///
    /// # Errors
    /// The schema is no Avro schema, not this side's record, or has a field that can never be read as ours.
    pub fn compile(side: Side, schema_json: &str) -> Result<Plan, PlanError> {
        let code = compile::compile(side, schema_json)?;
        let layout = Layout::of(side, &code.ops);
        Ok(Plan { side, code, layout })
    }

    /// Whose readings it decodes.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Reads one body as a well's reading. Strings are borrowed from the body, or from the plan where the
    /// writer has an enum for them.
    ///
    /// # Errors
    /// `Truncated`, `TrailingBytes`, `Malformed`, `BadUtf8`, `NotFinite`, `WrongType`.
    ///
    /// # Panics
    /// If the plan is for tanks: whoever looks plans up by side and id has mixed them up.
    #[inline]
    pub fn decode_well<'a>(&'a self, body: &'a [u8]) -> Result<WellReading<'a>, Reason> {
        let mut reading = WellReading::default();
        self.decode_well_into(body, &mut reading)?;
        Ok(reading)
    }

    /// Reads one body into a reading that is kept for it: a reading has some 170 bytes, which then need not
    /// be passed on. Every field is set; what they are where this fails is not told.
    ///
    /// # Errors
    /// As [`Plan::decode_well`].
    ///
    /// # Panics
    /// If the plan is for tanks.
    pub fn decode_well_into<'a>(
        &'a self,
        body: &'a [u8],
        reading: &mut WellReading<'a>,
    ) -> Result<(), Reason> {
        assert!(self.side == Side::Well, "a plan for tanks was asked for a well");
        match self.layout {
            Layout::Plain => layout::well::<layout::Plain>(body, reading),
            Layout::Nullable => layout::well::<layout::Nullable>(body, reading),
            Layout::Other => self.code.well(body, reading),
        }
    }

    /// Reads one body as a tank's reading; see [`Plan::decode_well`].
    ///
    /// # Errors
    /// `Truncated`, `TrailingBytes`, `Malformed`, `BadUtf8`, `NotFinite`, `WrongType`.
    ///
    /// # Panics
    /// If the plan is for wells.
    #[inline]
    pub fn decode_tank<'a>(&'a self, body: &'a [u8]) -> Result<TankReading<'a>, Reason> {
        let mut reading = TankReading::default();
        self.decode_tank_into(body, &mut reading)?;
        Ok(reading)
    }

    /// Reads one body into a tank's reading that is kept for it; see [`Plan::decode_well_into`].
    ///
    /// # Errors
    /// As [`Plan::decode_tank`].
    ///
    /// # Panics
    /// If the plan is for wells.
    pub fn decode_tank_into<'a>(
        &'a self,
        body: &'a [u8],
        reading: &mut TankReading<'a>,
    ) -> Result<(), Reason> {
        assert!(self.side == Side::Tank, "a plan for wells was asked for a tank");
        match self.layout {
            Layout::Plain => layout::tank::<layout::Plain>(body, reading),
            Layout::Nullable => layout::tank::<layout::Nullable>(body, reading),
            Layout::Other => self.code.tank(body, reading),
        }
    }
}

/// The operations of a plan and what they refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    pub(super) ops: Vec<Op>,
    /// Where the branches of unions begin.
    pub(super) branches: Vec<u32>,
    /// The symbols of enums that stand where we read a string.
    pub(super) symbols: Vec<Box<[Box<str>]>>,
    pub(super) skips: Skips,
}

/// One step through a body. Slots are places in [`Slots`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Text {
        slot: u8,
    },
    Symbol {
        slot: u8,
        list: u32,
    },
    Timestamp,
    /// `count` doubles for slots in a row.
    Doubles {
        slot: u8,
        count: u8,
    },
    DoubleFromFloat {
        slot: u8,
    },
    /// From an int, or from a long.
    DoubleFromInt {
        slot: u8,
        long: bool,
    },
    Flag {
        slot: u8,
    },
    /// From an int, or from a long that must fit.
    AirQuality {
        long: bool,
    },
    /// A timestamp written as int.
    TimestampFromInt,
    /// A union of null and what the next operation reads; `null` is the index of null's branch.
    NullOr {
        null: u8,
    },
    /// `count` of these with doubles, for slots in a row.
    NullOrDoubles {
        null: u8,
        slot: u8,
        count: u8,
    },
    /// One with text.
    NullOrText {
        null: u8,
        slot: u8,
    },
    /// Any other union: continue where the branch begins.
    Union {
        first: u32,
        count: u32,
    },
    Jump {
        to: u32,
    },
    /// A branch that holds nothing, and leaves the slot null.
    Null,
    /// A branch that cannot be read as ours.
    Wrong,
    SkipFixed {
        bytes: u64,
    },
    Skip {
        node: NodeId,
    },
}

/// The fields of a reading by kind, in the order of the normative schemas.
#[derive(Default)]
struct Slots<'a> {
    texts: [Option<&'a str>; TEXTS],
    doubles: [Option<f64>; DOUBLES],
    flags: [Option<bool>; FLAGS],
    timestamp: Option<i64>,
    air_quality_index: Option<i32>,
}

const TEXTS: usize = 4;
const DOUBLES: usize = 7;
const FLAGS: usize = 4;

impl Code {
    fn well<'a>(&'a self, body: &'a [u8], reading: &mut WellReading<'a>) -> Result<(), Reason> {
        let mut slots = Slots::default();
        self.run(body, &mut slots)?;
        let [well_id, facility_id, vibration_encoded, pump_status] = slots.texts;
        let [methane_ppm, co2_ppm, pressure_psi, temperature_f, flow_rate_bpd, ..] = slots.doubles;
        *reading = WellReading {
            well_id,
            facility_id,
            timestamp: slots.timestamp,
            methane_ppm,
            co2_ppm,
            pressure_psi,
            temperature_f,
            flow_rate_bpd,
            vibration_encoded,
            pump_status,
            maintenance_alert: slots.flags[0],
        };
        Ok(())
    }

    fn tank<'a>(&'a self, body: &'a [u8], reading: &mut TankReading<'a>) -> Result<(), Reason> {
        let mut slots = Slots::default();
        self.run(body, &mut slots)?;
        let [tank_id, facility_id, leak_detection_status, _] = slots.texts;
        let [level, vapor, ambient, internal, wind, atmospheric, _] = slots.doubles;
        let [flame_arrestor_status, vapor_recovery_active, emergency_shutdown, _] = slots.flags;
        *reading = TankReading {
            tank_id,
            facility_id,
            timestamp: slots.timestamp,
            level_percentage: level,
            vapor_concentration_ppm: vapor,
            leak_detection_status,
            ambient_temperature_f: ambient,
            internal_pressure_psi: internal,
            flame_arrestor_status,
            vapor_recovery_active,
            emergency_shutdown,
            wind_speed_mph: wind,
            atmospheric_pressure_mb: atmospheric,
            air_quality_index: slots.air_quality_index,
        };
        Ok(())
    }

    fn run<'a>(&'a self, body: &'a [u8], slots: &mut Slots<'a>) -> Result<(), Reason> {
        let mut cursor = Cursor::new(body);
        let mut finite = Finite::default();
        let mut next = 0;
        // Not a copy: it would go through memory at each step.
        while let Some(op) = self.ops.get(next) {
            next += 1;
            match *op {
                Op::Text { slot } => slots.texts[usize::from(slot)] = Some(cursor.text()?),
                Op::Doubles { slot, count } => {
                    let slots = &mut slots.doubles[usize::from(slot)..];
                    match count {
                        5 => put_doubles::<5>(slots, &mut cursor, &mut finite)?,
                        2 => put_doubles::<2>(slots, &mut cursor, &mut finite)?,
                        1 => put_doubles::<1>(slots, &mut cursor, &mut finite)?,
                        _ => {
                            let slots = &mut slots[..usize::from(count)];
                            (cursor, finite) = doubles_one_by_one(cursor, finite, None, slots)?;
                        }
                    }
                }
                Op::Timestamp => slots.timestamp = Some(cursor.long()?),
                Op::Flag { slot } => slots.flags[usize::from(slot)] = Some(cursor.boolean()?),
                Op::AirQuality { long: false } => slots.air_quality_index = Some(cursor.int()?),
                Op::NullOrDoubles { null, slot, count } => {
                    let slots = &mut slots.doubles[usize::from(slot)..][..usize::from(count)];
                    (cursor, finite) = doubles_one_by_one(cursor, finite, Some(null), slots)?;
                }
                Op::NullOrText { null, slot } => {
                    if cursor.value_follows(null)? {
                        slots.texts[usize::from(slot)] = Some(cursor.text()?);
                    }
                }
                Op::NullOr { null } => next += usize::from(!cursor.value_follows(null)?),
                Op::Union { first, count } => {
                    let branch = cursor.index(count as usize)?;
                    next = self.branches[first as usize + branch] as usize;
                }
                Op::Jump { to } => next = to as usize,
                Op::Null => {}
                Op::SkipFixed { bytes } => cursor.skip(bytes)?,
                Op::Skip { node } => cursor = self.skips.run(node, cursor)?,
                rare => (cursor, finite) = self.rare(rare, cursor, slots, finite)?,
            }
        }
        cursor.end()?;
        finite.check()
    }

    /// Writers with other types than ours, out of the way of the usual ones.
    #[inline(never)]
    fn rare<'a>(
        &'a self,
        op: Op,
        mut cursor: Cursor<'a>,
        slots: &mut Slots<'a>,
        mut finite: Finite,
    ) -> Result<(Cursor<'a>, Finite), Reason> {
        match op {
            Op::Symbol { slot, list } => {
                let symbols = &self.symbols[list as usize];
                slots.texts[usize::from(slot)] = Some(&symbols[cursor.index(symbols.len())?]);
            }
            Op::DoubleFromFloat { slot } => {
                let double = f64::from(cursor.float()?);
                slots.doubles[usize::from(slot)] = Some(double);
                finite.note(double);
            }
            Op::DoubleFromInt { slot, long } => {
                let whole = if long { cursor.long()? } else { i64::from(cursor.int()?) };
                slots.doubles[usize::from(slot)] = Some(promoted(whole));
            }
            Op::TimestampFromInt => slots.timestamp = Some(i64::from(cursor.int()?)),
            Op::AirQuality { .. } => {
                let whole = i32::try_from(cursor.long()?).map_err(|_| Reason::WrongType)?;
                slots.air_quality_index = Some(whole);
            }
            _ => return Err(Reason::WrongType),
        }
        Ok((cursor, finite))
    }
}

/// A run of doubles of a length that is known beforehand: the normative schemas' runs.
#[inline(always)]
fn put_doubles<const N: usize>(
    slots: &mut [Option<f64>],
    cursor: &mut Cursor<'_>,
    finite: &mut Finite,
) -> Result<(), Reason> {
    let doubles = cursor.doubles::<N>(finite)?.map(Some);
    slots[..N].copy_from_slice(&doubles);
    Ok(())
}

/// Any other run, of unions with null if there is a null; the cursor by value, so that the caller's may stay
/// in registers.
#[inline(never)]
fn doubles_one_by_one<'a>(
    mut cursor: Cursor<'a>,
    mut finite: Finite,
    null: Option<u8>,
    slots: &mut [Option<f64>],
) -> Result<(Cursor<'a>, Finite), Reason> {
    for slot in slots {
        let follows = match null {
            Some(null) => cursor.value_follows(null)?,
            None => true,
        };
        if follows {
            let [double] = cursor.doubles(&mut finite)?;
            *slot = Some(double);
        }
    }
    Ok((cursor, finite))
}

/// A long as a double, by Avro's promotion: the nearest one.
#[expect(clippy::cast_precision_loss, reason = "Avro promotes a long to the nearest double")]
fn promoted(whole: i64) -> f64 {
    whole as f64
}
