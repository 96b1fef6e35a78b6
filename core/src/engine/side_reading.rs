//! A lane reads one side at a time: what wells and tanks differ in, said once.

use crate::decode::Plan;
use crate::encode::{Origin, PartEncoder};
use crate::exchange::Expected;
use crate::record::{Reason, TankReading, WellReading};
use crate::rules::ScoreRules;
use crate::{score, validate};

/// A reading in a lane's hands, between decoding and staging.
#[derive(Debug, Default)]
pub(super) struct Read<R> {
    pub(super) reading: R,
    pub(super) time_ms: i64,
    /// Read again below the committed offset.
    pub(super) reread: bool,
    /// Its record's place among those shown.
    pub(super) record: usize,
    pub(super) facility: Expected,
}

/// A well's or a tank's reading.
pub(super) trait SideReading<'r> {
    /// Reads a body; every field is set.
    fn decode(&mut self, plan: &'r Plan, body: &'r [u8]) -> Result<(), Reason>;

    /// The event time as written.
    fn timestamp(&self) -> Option<i64>;

    /// The first null that drops it.
    fn null(&self) -> Option<Reason>;

    /// The sensor's id; empty where it is null.
    fn sensor(&self) -> &str;

    /// The facility's id; empty where it is null.
    fn facility(&self) -> &str;

    /// Its points and quality; its row part is made, if rows are wanted.
    fn classify(&self, rules: &ScoreRules, part: Option<PartTo<'_>>) -> (u32, u32);
}

/// Where a reading's row part goes, and what it is made of besides the reading.
pub(super) struct PartTo<'a> {
    pub(super) encoder: &'a PartEncoder,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) origin: Origin<'a>,
}

impl<'r> SideReading<'r> for WellReading<'r> {
    #[inline]
    fn decode(&mut self, plan: &'r Plan, body: &'r [u8]) -> Result<(), Reason> {
        plan.decode_well_into(body, self)
    }

    #[inline]
    fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    #[inline]
    fn null(&self) -> Option<Reason> {
        validate::well_drop(self)
    }

    #[inline]
    fn sensor(&self) -> &str {
        self.well_id.unwrap_or_default()
    }

    #[inline]
    fn facility(&self) -> &str {
        self.facility_id.unwrap_or_default()
    }

    #[inline]
    fn classify(&self, rules: &ScoreRules, part: Option<PartTo<'_>>) -> (u32, u32) {
        let class = score::well(self.methane_ppm.unwrap_or_default(), rules);
        if let Some(PartTo { encoder, out, origin }) = part {
            encoder.well(out, self, &origin, class);
        }
        (class.points, class.quality)
    }
}

impl<'r> SideReading<'r> for TankReading<'r> {
    #[inline]
    fn decode(&mut self, plan: &'r Plan, body: &'r [u8]) -> Result<(), Reason> {
        plan.decode_tank_into(body, self)
    }

    #[inline]
    fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    #[inline]
    fn null(&self) -> Option<Reason> {
        validate::tank_drop(self)
    }

    #[inline]
    fn sensor(&self) -> &str {
        self.tank_id.unwrap_or_default()
    }

    #[inline]
    fn facility(&self) -> &str {
        self.facility_id.unwrap_or_default()
    }

    #[inline]
    fn classify(&self, rules: &ScoreRules, part: Option<PartTo<'_>>) -> (u32, u32) {
        let class = score::tank(self.vapor_concentration_ppm.unwrap_or_default(), rules);
        if let Some(PartTo { encoder, out, origin }) = part {
            encoder.tank(out, self, &origin, class);
        }
        (class.points, class.quality)
    }
}
