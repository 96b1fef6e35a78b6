//! Enriched rows: the row id, two copied parts and a tail.

use std::ops::Range;

use crate::record::Status;
use crate::rules::RulesHash;

use super::part::Part;
use super::pen::append;
use super::reading::NULL;
use super::wire::{length_bytes, put_hash, put_length, put_long, put_text};

/// What belongs to a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTail {
    /// Row time: the later input's, epoch ms.
    pub time_ms: i64,
    /// The lower of both qualities.
    pub quality: u32,
    /// The sum of both sides' points.
    pub risk: u32,
    /// NORMAL or ALERT.
    pub status: Status,
}

/// Makes rows of parts.
#[derive(Clone, Debug)]
pub struct RowEncoder {
    rules: RulesHash,
    /// Ends of rows that were made before, each in a place of its own.
    endings: Box<[Ending; ENDINGS]>,
    scratch: Vec<u8>,
}

/// How rows of one verdict end: quality, risk, status, rules. There are a handful of verdicts.
#[derive(Clone, Copy, Debug)]
struct Ending {
    verdict: (u32, u32, Status),
    bytes: [u8; ENDING_BYTES_MAX],
    length: usize,
}

impl RowEncoder {
    /// For rows that these rules decided.
    pub fn new(rules: RulesHash) -> RowEncoder {
        let mut scratch = Vec::with_capacity(ENDING_BYTES_MAX);
        let ending = Ending::new((0, 0, Status::Normal), rules, &mut scratch);
        RowEncoder { rules, endings: Box::new([ending; ENDINGS]), scratch }
    }

    /// Appends a row's Avro body. Returns where it lies in `out`, and where in it the facility's bytes lie,
    /// which are the record's key. A missing side is null in all its fields; a part may have bytes behind it.
    ///
    /// # Panics
    /// If a part was not made by a `PartEncoder`, or `out` holds 4 GiB.
    #[inline]
    pub fn put(
        &mut self,
        out: &mut Vec<u8>,
        well: Option<&[u8]>,
        tank: Option<&[u8]>,
        tail: RowTail,
    ) -> (Range<u32>, Range<u32>) {
        match (well, tank) {
            (Some(well), Some(tank)) => self.pair(out, Part::split(well), Part::split(tank), tail),
            (well, tank) => self.lone(out, well.map(Part::split), tank.map(Part::split), tail),
        }
    }

    /// Of the well all that follows its id, of the tank what follows its facility.
    #[inline]
    fn pair(
        &mut self,
        out: &mut Vec<u8>,
        well: Part<'_>,
        tank: Part<'_>,
        tail: RowTail,
    ) -> (Range<u32>, Range<u32>) {
        let begin = place(out.len());
        let bytes = well.end + tank.end;
        let ending = self.ending((tail.quality, tail.risk, tail.status));
        append(out, ROW_BYTES_MAX + bytes, |pen| {
            pen.row_id((well.bytes, well.id_bytes), (tank.bytes, tank.id_bytes));
            pen.about::<80>(&well.bytes[well.id_bytes..well.end]);
            pen.about::<80>(&tank.bytes[tank.fields..tank.end]);
            pen.long(tail.time_ms);
            pen.front::<ENDING_BYTES_MAX>(&ending.bytes, ending.length);
        });
        ranges(out, begin, well.id_bytes + 1 + tank.id_bytes, well.facility_bytes)
    }

    #[cold]
    fn lone(
        &mut self,
        out: &mut Vec<u8>,
        well: Option<Part<'_>>,
        tank: Option<Part<'_>>,
        tail: RowTail,
    ) -> (Range<u32>, Range<u32>) {
        let begin = place(out.len());
        let [well_id, tank_id] =
            [well, tank].map(|part| part.map_or(MISSING_ID, |part| &part.bytes[..part.id_bytes]));
        let id_bytes = well_id.len() + 1 + tank_id.len();
        put_length(out, id_bytes);
        for piece in [well_id, b"|", tank_id] {
            out.extend_from_slice(piece);
        }
        let facility = well.or(tank).map_or(NO_FACILITY, |part| &part.bytes[part.id_bytes..part.fields]);
        out.extend_from_slice(facility);
        out.extend_from_slice(well.map_or(NULLS_WELL, |part| &part.bytes[part.fields..part.end]));
        out.extend_from_slice(tank.map_or(NULLS_TANK, |part| &part.bytes[part.fields..part.end]));
        put_long(out, tail.time_ms);
        let ending = self.ending((tail.quality, tail.risk, tail.status));
        out.extend_from_slice(&ending.bytes[..ending.length]);
        ranges(out, begin, id_bytes, well.or(tank).map_or(0, |part| part.facility_bytes))
    }

    #[inline]
    fn ending(&mut self, verdict: (u32, u32, Status)) -> &Ending {
        let (quality, risk, _) = verdict;
        // Multiplicative hashing (Knuth): the six upper bits. The default rules' verdicts have a place each.
        let hash = (quality << 16 ^ risk).wrapping_mul(0x9E37_79B1);
        let ending = &mut self.endings[(hash >> 26) as usize % ENDINGS];
        if ending.verdict != verdict {
            *ending = Ending::new(verdict, self.rules, &mut self.scratch);
        }
        ending
    }
}

impl Ending {
    #[cold]
    fn new(verdict: (u32, u32, Status), rules: RulesHash, text: &mut Vec<u8>) -> Ending {
        let (quality, risk, status) = verdict;
        text.clear();
        put_long(text, i64::from(quality));
        put_long(text, i64::from(risk));
        put_text(text, status.name());
        put_hash(text, rules);
        let mut bytes = [0; ENDING_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Ending { verdict, bytes, length: text.len() }
    }
}

/// Endings at hand; a power of two.
const ENDINGS: usize = 64;

/// 5 of a quality, 5 of a risk, 7 of a status and 17 of a hash.
const ENDING_BYTES_MAX: usize = 34;

/// More than all but the parts take: a length and a time of 10 each, 34 of the ending, and the room behind
/// that copies of whole blocks want.
const ROW_BYTES_MAX: usize = 96;

/// Stands for a missing side in a row id.
const MISSING_ID: &[u8] = b"-";

/// The facility of a row of nothing, which the join never makes: the empty text.
const NO_FACILITY: &[u8] = &[0];

/// The well's fields of a row without a well: null, 14 times.
const NULLS_WELL: &[u8] = &[NULL; 14];

/// The tank's fields of a row without a tank: null, 17 times.
const NULLS_TANK: &[u8] = &[NULL; 17];

/// Where a row lies that ends with `out`, and in it the key.
#[inline(always)]
fn ranges(out: &[u8], begin: u32, id_bytes: usize, facility_bytes: usize) -> (Range<u32>, Range<u32>) {
    let key = begin as usize + length_bytes(id_bytes) + id_bytes + length_bytes(facility_bytes);
    (begin..place(out.len()), place(key)..place(key + facility_bytes))
}

#[expect(clippy::cast_possible_truncation, reason = "asserted; shards hand batches on at 1 MiB")]
#[inline]
fn place(bytes: usize) -> u32 {
    assert!(bytes <= u32::MAX as usize, "a batch of 4 GiB");
    bytes as u32
}

#[cfg(test)]
mod tests {
    use super::super::part::{Origin, PartEncoder};
    use super::*;
    use crate::decode::enriched;
    use crate::record::{PartitionId, Side, TankReading, WellReading};
    use crate::rules::ScoreRules;
    use crate::score::{self, vibration};

    const TAIL: RowTail = RowTail { time_ms: 5, quality: 70, risk: 80, status: Status::Alert };

    const ORIGIN: Origin<'_> = Origin { offset: 34_567, time_ms: 4, value: &[] };

    fn part_of(side: Side) -> PartEncoder {
        PartEncoder::new(PartitionId { side, number: 12 })
    }

    #[test]
    fn a_missing_side_is_null_in_all_its_fields() {
        let mut rows = RowEncoder::new(RulesHash(0xAB));
        let rules = ScoreRules::default();
        let well = WellReading { facility_id: Some("Fä"), ..WellReading::default() };
        let tank = TankReading { facility_id: Some("Fä"), ..TankReading::default() };
        let (mut well_part, mut tank_part) = (Vec::new(), Vec::new());
        part_of(Side::Well).well(&mut well_part, &well, &ORIGIN, score::well(1.0, &rules));
        part_of(Side::Tank).tank(&mut tank_part, &tank, &ORIGIN, score::tank(1.0, &rules));
        for (well, tank, id, qualities) in [
            (Some(&well_part[..]), None, "w:12:34567|-", (Some(95), None)),
            (None, Some(&tank_part[..]), "-|t:12:34567", (None, Some(95))),
        ] {
            let mut out = vec![1, 2, 3];
            let (value, key) = rows.put(&mut out, well, tank, TAIL);
            assert_eq!((value.start, &out[key.start as usize..key.end as usize]), (3, "Fä".as_bytes()));
            let row = enriched(&out[value.start as usize..value.end as usize]).unwrap();
            assert_eq!((row.row_id.as_str(), row.facility_id.as_str()), (id, "Fä"));
            assert_eq!((row.well_quality, row.tank_quality), qualities);
            assert_eq!((row.row_time, row.quality, row.risk, row.status.as_str()), (5, 70, 80, "ALERT"));
            assert_eq!(row.rules_hash, "00000000000000ab");
        }
    }

    #[test]
    fn verdicts_that_share_a_place_are_told_apart() {
        let mut rows = RowEncoder::new(RulesHash(1));
        let mut part = Vec::new();
        part_of(Side::Well).well(
            &mut part,
            &WellReading::default(),
            &ORIGIN,
            score::well(1.0, &ScoreRules::default()),
        );
        for n in 0..2_000_u32 {
            let status = if n % 3 == 0 { Status::Alert } else { Status::Normal };
            let tail = RowTail { time_ms: 1, quality: n * 7 % 101, risk: n * 11 % 300, status };
            let mut out = Vec::new();
            rows.put(&mut out, Some(&part), None, tail);
            let row = enriched(&out).unwrap();
            assert_eq!((row.quality.cast_unsigned(), row.risk.cast_unsigned()), (tail.quality, tail.risk));
            assert_eq!(row.status, status.name());
        }
    }

    #[test]
    fn a_vibration_of_any_length_and_kind_is_a_string_of_its_length() {
        let class = score::well(1.0, &ScoreRules::default());
        let mut texts: Vec<String> =
            (0..300).map(|n| base64_simd::STANDARD.encode_to_string("x".repeat(n))).collect();
        texts.extend(["!".repeat(4), "!".repeat(400), "=".repeat(400), "a".into()]);
        for text in texts {
            let mut part = Vec::new();
            let well = WellReading { vibration_encoded: Some(&text), ..WellReading::default() };
            part_of(Side::Well).well(&mut part, &well, &ORIGIN, class);
            let mut out = Vec::new();
            let (value, _) = RowEncoder::new(RulesHash(1)).put(&mut out, Some(&part), None, TAIL);
            let row = enriched(&out[..value.end as usize]).unwrap();
            let mut expected = Vec::new();
            vibration::put_decoded(&mut expected, Some(&text));
            assert_eq!(row.vibration_decoded.unwrap().into_bytes(), expected);
        }
    }
}
