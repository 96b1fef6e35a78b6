//! Passing over fields that nothing here uses, of any Avro type.
//!
//! Work is bounded by the body's length: types of fixed width are one step whatever they contain, a block of
//! them is one step whatever its count, and every other value takes at least one byte. So an array of 2^60
//! nulls costs nothing, and neither does a type that doubles at each level but occupies no byte.

use crate::limits::{BLOCK_ITEMS_MAX, SKIP_DEPTH_MAX};
use crate::record::Reason;

use super::cursor::Cursor;

/// A node's place in `Skips::nodes`.
pub(super) type NodeId = u32;

/// How a value of one type is passed over.
#[derive(Clone, Debug)]
pub(super) enum Skip {
    /// So many bytes: null, boolean, float, double, fixed, and records of nothing else.
    Fixed(u64),
    /// A varint within 32 bits.
    Int,
    /// A varint within 64 bits.
    Long,
    /// An index below so many symbols.
    Enum(usize),
    /// Length and bytes.
    Bytes,
    /// A branch index, then that branch.
    Union(Box<[NodeId]>),
    /// One behind the other.
    Record(Box<[NodeId]>),
    /// Blocks of items.
    Array(NodeId),
    /// Blocks of keys and values.
    Map(NodeId),
}

/// Every type that a plan passes over. Named types occur once, so a schema's size bounds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Skips {
    pub(super) nodes: Vec<Skip>,
}

impl Skips {
    /// Passes over one value. The cursor is taken and given by value, so that the caller's may stay in
    /// registers.
    pub(super) fn run<'a>(&self, node: NodeId, mut cursor: Cursor<'a>) -> Result<Cursor<'a>, Reason> {
        // Text and bytes are most of what is passed over.
        if let Skip::Bytes = self.nodes[node as usize] {
            cursor.bytes()?;
        } else {
            self.value(node, &mut cursor, SKIP_DEPTH_MAX)?;
        }
        Ok(cursor)
    }

    fn value(&self, node: NodeId, cursor: &mut Cursor<'_>, depth_left: usize) -> Result<(), Reason> {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Err(Reason::Malformed);
        };
        match &self.nodes[node as usize] {
            Skip::Fixed(bytes) => cursor.skip(*bytes),
            Skip::Int => cursor.int().map(drop),
            Skip::Long => cursor.long().map(drop),
            Skip::Enum(symbols) => cursor.index(*symbols).map(drop),
            Skip::Bytes => cursor.bytes().map(drop),
            Skip::Union(branches) => {
                let branch = cursor.index(branches.len())?;
                self.value(branches[branch], cursor, depth_left)
            }
            Skip::Record(fields) => {
                for &field in fields {
                    self.value(field, cursor, depth_left)?;
                }
                Ok(())
            }
            Skip::Array(items) => blocks(cursor, |count, cursor| {
                if let Skip::Fixed(bytes) = self.nodes[*items as usize] {
                    return cursor.skip(bytes.saturating_mul(count));
                }
                (0..count).try_for_each(|_| self.value(*items, cursor, depth_left))
            }),
            Skip::Map(values) => blocks(cursor, |count, cursor| {
                (0..count).try_for_each(|_| {
                    cursor.bytes()?;
                    self.value(*values, cursor, depth_left)
                })
            }),
        }
    }
}

/// Blocks until one of no items. A negative count is followed by the block's length in bytes, and is passed
/// over
/// by that.
fn blocks<'a>(
    cursor: &mut Cursor<'a>,
    mut items: impl FnMut(u64, &mut Cursor<'a>) -> Result<(), Reason>,
) -> Result<(), Reason> {
    loop {
        let count = cursor.long()?;
        if count.unsigned_abs() > BLOCK_ITEMS_MAX {
            return Err(Reason::Malformed);
        }
        match count {
            0 => return Ok(()),
            1.. => items(count.unsigned_abs(), cursor)?,
            _ => {
                let bytes = u64::try_from(cursor.long()?).map_err(|_| Reason::Malformed)?;
                cursor.skip(bytes)?;
            }
        }
    }
}
