//! Avro's primitives, read from the front of a slice. Every read checks its bounds once and moves on.

use crate::record::Reason;

use super::utf8;

/// What is left of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

/// Whether all doubles so far are finite. Kept without a branch, and asked once behind all else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finite {
    /// The top bit is set once one was not.
    carries: u64,
}

impl Finite {
    /// Takes note of a double.
    #[inline(always)]
    pub(super) fn note(&mut self, double: f64) {
        // Only an exponent of all ones carries into the top bit when one is added to it.
        self.carries |= (double.to_bits() & EXPONENT) + EXPONENT_ONE;
    }

    #[inline(always)]
    pub(super) fn check(self) -> Result<(), Reason> {
        if self.carries >> 63 == 0 { Ok(()) } else { Err(Reason::NotFinite) }
    }
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn new(body: &'a [u8]) -> Self {
        Cursor { body, rest: body }
    }

    /// Succeeds at the end of the body.
    #[inline]
    pub(super) fn end(&self) -> Result<(), Reason> {
        if self.rest.is_empty() { Ok(()) } else { Err(Reason::TrailingBytes) }
    }

    /// The next `bytes` bytes.
    #[inline(always)]
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Reason::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over `bytes` bytes.
    #[inline]
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Reason> {
        // A width that no memory could hold is longer than what is left.
        self.take(usize::try_from(bytes).map_err(|_| Reason::Truncated)?)?;
        Ok(())
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or(Reason::Truncated)?;
        self.rest = rest;
        Ok(*chunk)
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, Reason> {
        Ok(f64::from_le_bytes(self.chunk()?))
    }

    /// Doubles one behind the other.
    #[inline(always)]
    pub(super) fn doubles<const N: usize>(&mut self, finite: &mut Finite) -> Result<[f64; N], Reason> {
        let (run, _) = self.take(N * 8)?.as_chunks::<8>();
        let run: &[[u8; 8]; N] = run.first_chunk().ok_or(Reason::Truncated)?;
        let doubles = run.map(f64::from_le_bytes);
        doubles.iter().for_each(|double| finite.note(*double));
        Ok(doubles)
    }

    #[inline]
    pub(super) fn float(&mut self) -> Result<f32, Reason> {
        Ok(f32::from_le_bytes(self.chunk()?))
    }

    /// A boolean is one byte, 0 or 1.
    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Reason> {
        match self.chunk::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Reason::Malformed),
        }
    }

    /// A zigzag varint of at most ten bytes. Longer than needed is allowed, as in every Avro reader.
    #[inline(always)]
    pub(super) fn long(&mut self) -> Result<i64, Reason> {
        if let Some((word, _)) = self.rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let stops = !word & CONTINUES;
            if stops != 0 {
                // The varint's bits up to its last byte, then groups of 7 closed up to 14, 28 and 56 bits:
                // no branch that its length could mislead.
                let groups = word & (stops ^ (stops - 1));
                let bytes = stops.trailing_zeros() as usize / 8 + 1;
                self.rest = &self.rest[bytes..];
                return Ok(zigzag(close_up(groups)));
            }
        }
        let (value, rest) = long_bytewise(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// An `int`: a `long` that fits 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Reason> {
        i32::try_from(self.long()?).map_err(|_| Reason::Malformed)
    }

    /// A length: a `long` that is not negative. Most take one byte.
    #[inline(always)]
    pub(super) fn length(&mut self) -> Result<usize, Reason> {
        if let Some((&first, rest)) = self.rest.split_first()
            // Neither another byte nor the sign.
            && first & 0x81 == 0
        {
            self.rest = rest;
            return Ok(usize::from(first >> 1));
        }
        let (length, rest) = length_bytewise(self.rest)?;
        self.rest = rest;
        Ok(length)
    }

    /// Length, then bytes.
    #[inline(always)]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Reason> {
        let length = self.length()?;
        self.take(length)
    }

    /// Length, then UTF-8.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Result<&'a str, Reason> {
        if let Some((text, rest)) = utf8::short_ascii(self.rest) {
            self.rest = rest;
            return Ok(text);
        }
        let (text, rest) = any_text(self.body, self.rest)?;
        self.rest = rest;
        Ok(text)
    }

    /// The same, where little may follow, but something goes before.
    #[inline(always)]
    pub(super) fn text_near_end(&mut self) -> Result<&'a str, Reason> {
        if let Some((text, rest)) = utf8::short_ascii_near_end(self.body, self.rest) {
            self.rest = rest;
            return Ok(text);
        }
        self.text()
    }

    /// Whether a value follows, of a union of null and its type, where null is the branch of index `null`.
    #[inline(always)]
    pub(super) fn value_follows(&mut self, null: u8) -> Result<bool, Reason> {
        if let Some((&branch @ (0 | 2), rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(branch >> 1 != null);
        }
        let (branch, rest) = branch_bytewise(self.rest)?;
        self.rest = rest;
        Ok(branch != null)
    }

    /// Unions of something and a double one behind the other, if all of them are doubles.
    #[inline(always)]
    pub(super) fn second_branch_doubles<const N: usize>(&mut self, finite: &mut Finite) -> Option<[f64; N]> {
        let (run, rest) = self.rest.split_at_checked(N * 9)?;
        let run: &[[u8; 9]; N] = run.as_chunks::<9>().0.first_chunk()?;
        if run.iter().fold(0, |others, [branch, ..]| others | (branch ^ 2)) != 0 {
            return None;
        }
        self.rest = rest;
        let doubles = run.map(|[_, double @ ..]| f64::from_le_bytes(double));
        doubles.iter().for_each(|double| finite.note(*double));
        Some(doubles)
    }

    /// An index below `count`, of a union's branch or an enum's symbol.
    #[inline]
    pub(super) fn index(&mut self, count: usize) -> Result<usize, Reason> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < count => Ok(index),
            _ => Err(Reason::Malformed),
        }
    }
}

// The rare ways take and give what is left by value: a cursor whose address they had could not stay in
// registers.

/// A varint byte by byte, and what is left behind it.
#[cold]
#[inline(never)]
fn long_bytewise(rest: &[u8]) -> Result<(i64, &[u8]), Reason> {
    let mut raw = 0_u64;
    for (i, &byte) in rest.iter().enumerate() {
        // The tenth byte holds bit 63 alone.
        if i == 9 && byte > 1 {
            return Err(Reason::Malformed);
        }
        raw |= u64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((zigzag(raw), &rest[i + 1..]));
        }
    }
    Err(Reason::Truncated)
}

/// The index of one of two branches. It may be written longer than needed.
#[cold]
#[inline(never)]
fn branch_bytewise(rest: &[u8]) -> Result<(u8, &[u8]), Reason> {
    match long_bytewise(rest)? {
        (0, rest) => Ok((0, rest)),
        (1, rest) => Ok((1, rest)),
        _ => Err(Reason::Malformed),
    }
}

/// A length of two bytes or more, or none.
#[inline(never)]
fn length_bytewise(rest: &[u8]) -> Result<(usize, &[u8]), Reason> {
    let (length, rest) = long_bytewise(rest)?;
    let length = u64::try_from(length).map_err(|_| Reason::Malformed)?;
    // More than memory could hold is more than what is left.
    Ok((usize::try_from(length).map_err(|_| Reason::Truncated)?, rest))
}

/// Text of any kind and what is left behind it: long, not ASCII, near the end, or none at all.
#[inline(never)]
fn any_text<'a>(body: &'a [u8], rest: &'a [u8]) -> Result<(&'a str, &'a [u8]), Reason> {
    if let Some(short) = utf8::short_ascii_near_end(body, rest) {
        return Ok(short);
    }
    let mut cursor = Cursor { body, rest };
    let bytes = cursor.bytes()?;
    match utf8::long_ascii(bytes) {
        Some(text) => Ok((text, cursor.rest)),
        None => Ok((std::str::from_utf8(bytes).map_err(|_| Reason::BadUtf8)?, cursor.rest)),
    }
}

const EXPONENT: u64 = 0x7FF0_0000_0000_0000;

const EXPONENT_ONE: u64 = 1 << 52;

/// The bit of each byte that says "another one follows".
const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// Eight groups of 7 bits, one a byte, closed up to 56 bits; the bit above each group is left out.
#[inline(always)]
const fn close_up(groups: u64) -> u64 {
    let pairs = (groups & 0x007F_007F_007F_007F) | ((groups & 0x7F00_7F00_7F00_7F00) >> 1);
    let fours = (pairs & 0x0000_3FFF_0000_3FFF) | ((pairs & 0x3FFF_0000_3FFF_0000) >> 2);
    (fours & 0x0FFF_FFFF) | ((fours & 0x0FFF_FFFF_0000_0000) >> 4)
}

#[inline]
const fn zigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut raw: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let byte = (raw & 0x7F) as u8;
            raw >>= 7;
            if raw == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    }

    #[test]
    fn a_varint_reads_the_same_alone_and_with_bytes_behind_it() {
        for bits in 0..64 {
            for raw in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits, 0x5555_5555_5555_5555 >> bits] {
                let mut bytes = varint(raw);
                let alone = Cursor::new(&bytes).long();
                assert_eq!(alone, Ok(zigzag(raw)));
                bytes.extend([0xFF; 9]);
                let mut cursor = Cursor::new(&bytes);
                assert_eq!(cursor.long(), alone);
                assert_eq!(cursor.rest.len(), 9);
            }
        }
    }

    #[test]
    fn differential_groups_are_closed_up_one_by_one() {
        let mut groups = 1_u64;
        for _ in 0..1_000 {
            groups = crate::record::splitmix64(groups);
            let expected: u64 = (0..8).map(|i| ((groups >> (8 * i)) & 0x7F) << (7 * i)).sum();
            assert_eq!(close_up(groups), expected, "{groups:x}");
        }
    }

    #[test]
    fn differential_finite_is_what_the_standard_library_calls_so() {
        let mut bits = 1_u64;
        for n in 0..10_000 {
            bits = crate::record::splitmix64(bits);
            // Half of them with an exponent of all ones, or of all but one.
            let bits = if n % 2 == 0 { bits } else { bits | 0x7FE << 52 };
            for double in [f64::from_bits(bits), f64::from_bits(bits & !(u64::MAX >> 12)), 0.0, -0.0] {
                let mut finite = Finite::default();
                finite.note(1.5);
                finite.note(double);
                finite.note(f64::MAX);
                assert_eq!(finite.check().is_ok(), double.is_finite(), "{double}");
            }
        }
    }

    #[test]
    fn lengths_agree_with_longs() {
        for raw in (0..40_000).chain([1 << 20, 1 << 40]) {
            let mut bytes = varint(raw);
            bytes.push(0xFF);
            let expected = usize::try_from(zigzag(raw)).map_err(|_| Reason::Malformed);
            assert_eq!(Cursor::new(&bytes).length(), expected, "{raw}");
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_malformed() {
        let ten = |last| [[0xFF; 9].as_slice(), &[last]].concat();
        assert_eq!(Cursor::new(&ten(1)).long(), Ok(i64::MIN));
        assert_eq!(Cursor::new(&ten(2)).long(), Err(Reason::Malformed));
        assert_eq!(Cursor::new(&ten(0x81)).long(), Err(Reason::Malformed));
        assert_eq!(Cursor::new(&[0xFF; 9]).long(), Err(Reason::Truncated));
        assert_eq!(Cursor::new(&[0x80, 0x00]).long(), Ok(0));
    }
}
