//! The walk over a value's bytes, type by type as the Avro specification lays them out.

use wellstream_core::record::Reason;

use super::writer::{Kind, Want, Writer};

/// A value of a field that could be one of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    /// Its byte, 0 or 1 if it is well-formed.
    Boolean(u8),
    Int(i64),
    Long(i64),
    Real(f64),
    Text(&'a [u8]),
    /// Something that none of our fields can be.
    Other,
}

impl Scalar<'_> {
    /// As a double.
    #[expect(clippy::cast_precision_loss, reason = "Avro's promotion of long to double rounds")]
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Scalar::Int(whole) | Scalar::Long(whole) => Some(whole as f64),
            Scalar::Real(real) => Some(real),
            Scalar::Null | Scalar::Boolean(_) | Scalar::Text(_) | Scalar::Other => None,
        }
    }
}

/// What is left of a value.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, depth: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The type of the value that follows: a union's branch, which is read, or the type itself.
    pub(super) fn chosen(&mut self, kind: &'a Kind, writer: &'a Writer) -> Result<&'a Kind, Reason> {
        match writer.followed(kind) {
            Kind::Union(branches) => {
                let branch = usize::try_from(self.long()?).map_err(|_| Reason::Malformed)?;
                branches.get(branch).ok_or(Reason::Malformed)
            }
            other => Ok(other),
        }
    }

    /// Reads a field that is one of ours. What is wrong with it is found in the order of its bytes.
    pub(super) fn wanted(
        &mut self,
        kind: &'a Kind,
        want: Want,
        writer: &'a Writer,
    ) -> Result<Scalar<'a>, Reason> {
        let kind = self.chosen(kind, writer)?;
        if !writer.is_readable(kind, want) {
            return Err(Reason::WrongType);
        }
        let scalar = self.value(kind, writer)?;
        match scalar {
            Scalar::Boolean(2..) => Err(Reason::Malformed),
            Scalar::Text(bytes) if std::str::from_utf8(bytes).is_err() => Err(Reason::BadUtf8),
            Scalar::Long(whole) if want == Want::Int && i32::try_from(whole).is_err() => {
                Err(Reason::WrongType)
            }
            scalar => Ok(scalar),
        }
    }

    /// Reads one value of a type. Only its extent is checked.
    pub(super) fn value(&mut self, kind: &'a Kind, writer: &'a Writer) -> Result<Scalar<'a>, Reason> {
        Ok(match kind {
            Kind::Null => Scalar::Null,
            Kind::Boolean => {
                let [byte] = self.array()?;
                Scalar::Boolean(byte)
            }
            Kind::Int => {
                let number = self.long()?;
                i32::try_from(number).map_err(|_| Reason::Malformed)?;
                Scalar::Int(number)
            }
            Kind::Long => Scalar::Long(self.long()?),
            Kind::Float => Scalar::Real(f64::from(f32::from_le_bytes(self.array()?))),
            Kind::Double => Scalar::Real(f64::from_le_bytes(self.array()?)),
            Kind::Text => Scalar::Text(self.text()?),
            Kind::Union(branches) => {
                let branch = usize::try_from(self.long()?).map_err(|_| Reason::Malformed)?;
                self.deeper(branches.get(branch).ok_or(Reason::Malformed)?, writer)?
            }
            Kind::Fixed(bytes) => {
                self.take(*bytes)?;
                Scalar::Other
            }
            Kind::Enum(symbols) => {
                let symbol = usize::try_from(self.long()?).map_err(|_| Reason::Malformed)?;
                Scalar::Text(symbols.get(symbol).ok_or(Reason::Malformed)?.as_bytes())
            }
            Kind::Array(items) => self.blocks(writer, false, items)?,
            Kind::Map(values) => self.blocks(writer, true, values)?,
            Kind::Record(fields) => {
                for (_, field) in fields {
                    self.deeper(field, writer)?;
                }
                Scalar::Other
            }
            Kind::Named(_) => self.deeper(writer.followed(kind), writer)?,
        })
    }

    fn deeper(&mut self, kind: &'a Kind, writer: &'a Writer) -> Result<Scalar<'a>, Reason> {
        if self.depth == DEPTH_MAX {
            return Err(Reason::Malformed);
        }
        self.depth += 1;
        let scalar = self.value(kind, writer)?;
        self.depth -= 1;
        Ok(scalar)
    }

    /// An array, or a map with a string before each item: blocks of a count and items, up to a count of zero.
    fn blocks(&mut self, writer: &'a Writer, has_keys: bool, items: &'a Kind) -> Result<Scalar<'a>, Reason> {
        loop {
            let count = self.long()?;
            if count.unsigned_abs() > ITEMS_MAX {
                return Err(Reason::Malformed);
            }
            if count == 0 {
                return Ok(Scalar::Other);
            }
            if count < 0 {
                // Followed by the block's length in bytes.
                self.text()?;
                continue;
            }
            for _ in 0..count {
                if has_keys {
                    self.text()?;
                }
                self.deeper(items, writer)?;
            }
        }
    }

    fn text(&mut self) -> Result<&'a [u8], Reason> {
        let bytes = usize::try_from(self.long()?).map_err(|_| Reason::Malformed)?;
        self.take(bytes)
    }

    /// A zigzag varint of at most ten bytes and 64 bits.
    fn long(&mut self) -> Result<i64, Reason> {
        let mut bits: u64 = 0;
        for place in 0..10 {
            let [byte] = self.array::<1>()?;
            if place == 9 && byte > 1 {
                return Err(Reason::Malformed);
            }
            bits |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -((bits & 1).cast_signed()));
            }
        }
        Err(Reason::Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (array, rest) = self.bytes.split_first_chunk::<N>().ok_or(Reason::Truncated)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) = self.bytes.split_at_checked(bytes).ok_or(Reason::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }
}

/// Types nested deeper than this are taken for a value made to exhaust the stack.
const DEPTH_MAX: usize = 64;

/// Items in one block: more than a value has bytes can only be nulls, made to exhaust the clock.
const ITEMS_MAX: u64 = 1 << 20;
