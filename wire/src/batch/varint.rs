//! Zigzag varints, as records are made of: lengths and deltas.

use super::error::{BatchError, damaged};

/// Takes a varint of at most 32 bits from the front.
#[inline]
pub(super) fn take_int(bytes: &mut &[u8]) -> Result<i32, BatchError> {
    i32::try_from(take_long(bytes)?).map_err(|_| damaged("a number of a record"))
}

/// Takes a varint of at most 64 bits from the front.
#[inline]
pub(super) fn take_long(bytes: &mut &[u8]) -> Result<i64, BatchError> {
    // Lengths, offset deltas and most timestamp deltas take one byte or two.
    match **bytes {
        [low @ ..0x80, ref rest @ ..] => {
            *bytes = rest;
            Ok(unzigzag(u64::from(low)))
        }
        [low, high @ ..0x80, ref rest @ ..] => {
            *bytes = rest;
            Ok(unzigzag(u64::from(low & 0x7F) | u64::from(high) << 7))
        }
        _ => take_longer(bytes),
    }
}

#[inline(never)]
fn take_longer(bytes: &mut &[u8]) -> Result<i64, BatchError> {
    let mut raw = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(LONG_BYTES_MAX) {
        let bits = u64::from(byte & 0x7F);
        // The tenth byte has room for one bit.
        if index == LONG_BYTES_MAX - 1 && bits > 1 {
            break;
        }
        raw |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Ok(unzigzag(raw));
        }
    }
    Err(damaged("a number of a record"))
}

/// Appends a varint.
#[inline]
pub(super) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        let [low, ..] = raw.to_le_bytes();
        out.push(low | 0x80);
        raw >>= 7;
    }
    let [low, ..] = raw.to_le_bytes();
    out.push(low);
}

/// Appends a length; -1 stands for null.
#[inline]
pub(super) fn put_length(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_long(out, bytes.map_or(-1, length));
}

/// How many bytes `put_long` takes.
#[inline]
pub(super) fn long_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// A length as a long. No slice is as long as 2^63.
#[inline]
pub(super) fn length(bytes: &[u8]) -> i64 {
    (bytes.len() as u64).cast_signed()
}

#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[inline]
fn unzigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

const LONG_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_and_takes_as_many_bytes_as_announced() {
        let edges = (0..64).flat_map(|bit| [1_i64 << bit, (1_i64 << bit).wrapping_sub(1)]);
        for value in edges.flat_map(|edge| [edge, edge.wrapping_neg()]).chain([i64::MIN, i64::MAX]) {
            let mut out = Vec::new();
            put_long(&mut out, value);
            assert_eq!(out.len(), long_bytes(value), "{value}");
            for cut in 0..out.len() {
                assert!(take_long(&mut &out[..cut]).is_err());
            }
            out.push(7);
            let mut rest = &out[..];
            assert_eq!((take_long(&mut rest), rest), (Ok(value), &[7][..]));
        }
    }

    #[test]
    fn numbers_that_are_too_long_are_refused() {
        assert!(take_long(&mut &[0xFF; 11][..]).is_err());
        let mut ten = [0xFF; 10];
        ten[9] = 2;
        assert!(take_long(&mut &ten[..]).is_err());
        assert!(take_int(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F][..]).is_err());
        assert_eq!(take_int(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..]), Ok(i32::MIN));
    }
}
