//! Avro's primitives, to and from bytes. Enters: a slice. Leaves: longs, byte strings, or what is wrong.

/// What is left of a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    whole: &'a [u8],
    at: usize,
}

/// What is wrong with some bytes.
pub(super) type Fault = &'static str;

impl<'a> Cursor<'a> {
    pub(super) fn new(whole: &'a [u8]) -> Self {
        Cursor { whole, at: 0 }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.whole.len() - self.at
    }

    /// A zigzag varint of at most ten bytes.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        match self.whole.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(zigzag(u64::from(byte)))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, Fault> {
        let mut raw = 0_u64;
        for (index, &byte) in self.whole[self.at..].iter().enumerate() {
            // The tenth byte holds bit 63 alone.
            if index == 9 && byte > 1 {
                return Err("a number has more than 64 bits");
            }
            raw |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(zigzag(raw));
            }
        }
        Err(ENDS_EARLY)
    }

    /// A length or count: a long that is not negative and for which there are bytes.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, Fault> {
        let length = usize::try_from(self.long()?).map_err(|_| "a length is negative")?;
        if length > self.left() { Err(ENDS_EARLY) } else { Ok(length) }
    }

    /// The next bytes.
    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let taken = self.whole.get(self.at..).and_then(|rest| rest.get(..bytes)).ok_or(ENDS_EARLY)?;
        self.at += bytes;
        Ok(taken)
    }

    /// A byte string with its length before it.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length()?;
        self.take(length)
    }

    /// A union of null and bytes, null first.
    #[inline]
    pub(super) fn optional(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        match self.long()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err("a union has no such branch"),
        }
    }

    /// The number of items in the next block of an array or map; 0 ends it.
    pub(super) fn items(&mut self) -> Result<usize, Fault> {
        let count = self.long()?;
        if count < 0 {
            // The number of bytes follows, for those who skip.
            self.length()?;
        }
        // An item takes a byte at least, so a larger count is a lie.
        match usize::try_from(count.unsigned_abs()) {
            Ok(count) if count <= self.left() => Ok(count),
            _ => Err(ENDS_EARLY),
        }
    }
}

/// Appends a long.
#[inline]
pub(super) fn put_long(out: &mut Vec<u8>, long: i64) {
    let mut raw = (long.cast_unsigned() << 1) ^ (long >> 63).cast_unsigned();
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

/// Appends a byte string with its length before it.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Appends a union of null and bytes.
#[inline]
pub(super) fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.push(0),
        Some(bytes) => {
            out.push(2);
            put_bytes(out, bytes);
        }
    }
}

#[inline]
pub(super) fn zigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

const ENDS_EARLY: Fault = "it ends in the middle of a record";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_come_back() {
        for long in [0, 1, -1, 63, 64, -64, -65, 8_191, 8_192, i64::MAX, i64::MIN, 1_700_000_000_000] {
            let mut out = Vec::new();
            put_long(&mut out, long);
            let mut cursor = Cursor::new(&out);
            assert_eq!((cursor.long(), cursor.left()), (Ok(long), 0));
            assert!(Cursor::new(&out[..out.len() - 1]).long().is_err());
        }
        assert!(Cursor::new(&[0xFF; 10]).long().is_err(), "eleven bytes");
    }

    #[test]
    fn lengths_beyond_the_bytes_and_negative_ones_are_refused() {
        let mut out = Vec::new();
        put_long(&mut out, i64::MAX);
        assert!(Cursor::new(&out).bytes().is_err());
        assert_eq!(Cursor::new(&[1, 0, 0]).length(), Err("a length is negative"));
        assert!(Cursor::new(&[0x7F, 0]).items().is_err());
    }
}
