//! The records of one batch.

use crate::limits::HEADERS_MAX;

use super::error::{BatchError, damaged};
use super::varint::{take_int, take_long};

/// A record, borrowing from its batch.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Epoch ms: the producer's, or the broker's where the topic says so; -1 if none.
    pub timestamp_ms: i64,
    /// Its key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, read only by who asks.
    pub headers: Headers<'a>,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name: UTF-8 by rule, not checked here.
    pub key: &'a [u8],
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// Where a walk through a batch's records stands, so that it can go on after its borrow has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes that are left.
    rest: usize,
    /// Records that are left.
    left: i32,
}

/// The records of a batch, in offset order. Behind an error nothing comes.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: i32,
    base_offset: i64,
    base_timestamp_ms: i64,
    /// The broker's time, which all of them have.
    append_timestamp_ms: Option<i64>,
    last_offset: i64,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        count: i32,
        (base_offset, last_offset): (i64, i64),
        base_timestamp_ms: i64,
        append_timestamp_ms: Option<i64>,
    ) -> Records<'a> {
        Records { rest: bytes, left: count, base_offset, base_timestamp_ms, append_timestamp_ms, last_offset }
    }

    /// Where the walk stands.
    pub fn place(&self) -> Place {
        Place { rest: self.rest.len(), left: self.left }
    }

    /// Goes on where another walk through the same records stood.
    pub(crate) fn at(mut self, place: Place) -> Records<'a> {
        self.rest = &self.rest[self.rest.len().saturating_sub(place.rest)..];
        self.left = self.left.min(place.left);
        self
    }

    #[inline]
    fn take(&mut self) -> Result<Record<'a>, BatchError> {
        let length = take_int(&mut self.rest)?;
        let length = usize::try_from(length).map_err(|_| damaged("a record's length"))?;
        let (mut body, rest) = self.rest.split_at_checked(length).ok_or(damaged("a record's length"))?;
        self.rest = rest;
        // The attributes: none is in use.
        body = body.get(1..).ok_or(damaged("a record"))?;
        let timestamp_delta_ms = take_long(&mut body)?;
        let offset_delta = take_int(&mut body)?;
        let key = take_bytes(&mut body)?;
        let value = take_bytes(&mut body)?;
        let offset = self.base_offset + i64::from(offset_delta);
        if offset_delta < 0 || offset > self.last_offset {
            return Err(damaged("a record's offset"));
        }
        let timestamp_ms = match self.append_timestamp_ms {
            Some(timestamp_ms) => timestamp_ms,
            None => self.base_timestamp_ms.wrapping_add(timestamp_delta_ms),
        };
        Ok(Record { offset, timestamp_ms, key, value, headers: Headers::new(body)? })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(damaged("what lies behind a batch's last record")));
        }
        self.left -= 1;
        let record = self.take();
        if record.is_err() {
            (self.left, self.rest) = (0, &[]);
        }
        Some(record)
    }
}

/// The headers of a record, in order. Behind an error nothing comes.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Headers<'a> {
    #[inline]
    fn new(mut bytes: &'a [u8]) -> Result<Headers<'a>, BatchError> {
        let count = take_int(&mut bytes)?;
        let left = usize::try_from(count).map_err(|_| damaged("a record's count of headers"))?;
        if left > HEADERS_MAX || left == 0 && !bytes.is_empty() {
            return Err(damaged("a record's count of headers"));
        }
        Ok(Headers { rest: bytes, left })
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.left
    }

    /// None is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn take(&mut self) -> Result<Header<'a>, BatchError> {
        let key = take_bytes(&mut self.rest)?.ok_or(damaged("a header's name"))?;
        let value = take_bytes(&mut self.rest)?;
        if self.left == 0 && !self.rest.is_empty() {
            return Err(damaged("what lies behind a record's last header"));
        }
        Ok(Header { key, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<Header<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let header = self.take();
        if header.is_err() {
            self.left = 0;
        }
        Some(header)
    }
}

/// A length and as many bytes; -1 is null.
#[inline]
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    let length = take_int(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| damaged("a length in a record"))?;
    let (front, rest) = bytes.split_at_checked(length).ok_or(damaged("a length in a record"))?;
    *bytes = rest;
    Ok(Some(front))
}
