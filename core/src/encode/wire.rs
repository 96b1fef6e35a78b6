//! Avro's primitives, appended to a buffer.

use crate::rules::RulesHash;

/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

#[inline]
pub(super) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    // Lengths, branches, classes and qualities: most take one byte.
    if let [low @ ..0x80, 0, 0, 0, 0, 0, 0, 0] = raw.to_le_bytes() {
        out.push(low);
        return;
    }
    let mut bytes = [0; VARINT_BYTES_MAX];
    let mut count = 0;
    for byte in &mut bytes {
        count += 1;
        let [low, ..] = raw.to_le_bytes();
        raw >>= 7;
        if raw == 0 {
            *byte = low;
            break;
        }
        *byte = low | 0x80;
    }
    out.extend_from_slice(&bytes[..count]);
}

/// A length or a count. No slice is as long as 2^63.
#[inline]
pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_long(out, (length as u64).cast_signed());
}

/// How many bytes `put_length` takes.
#[inline]
pub(super) fn length_bytes(length: usize) -> usize {
    // 7 bits a byte, and one bit of the first for the sign.
    (usize::BITS - length.leading_zeros()) as usize / 7 + 1
}

#[inline]
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[inline]
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Sixteen hex digits, as `RulesHash` prints them, behind their length.
#[inline]
pub(super) fn put_hash(out: &mut Vec<u8>, hash: RulesHash) {
    let mut text = [0; 17];
    text[0] = 32;
    for (digits, byte) in text[1..].as_chunks_mut::<2>().0.iter_mut().zip(hash.0.to_be_bytes()) {
        *digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    out.extend_from_slice(&text);
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_announced() {
        for length in (0..70_000).chain([1 << 20, (1 << 20) - 1, 1 << 33, usize::MAX >> 1]) {
            let mut out = Vec::new();
            put_length(&mut out, length);
            assert_eq!(out.len(), length_bytes(length), "{length}");
        }
    }

    #[test]
    fn longs_are_zigzag_varints() {
        let long = |value| {
            let mut out = Vec::new();
            put_long(&mut out, value);
            out
        };
        assert_eq!(long(0), [0]);
        assert_eq!(long(-1), [1]);
        assert_eq!(long(63), [126]);
        assert_eq!(long(64), [0x80, 1]);
        assert_eq!(long(i64::MIN), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
    }

    #[test]
    fn a_hash_is_written_as_it_prints() {
        for hash in [RulesHash(0), RulesHash(u64::MAX), RulesHash(0x0123_4567_89AB_CDEF)] {
            let mut out = Vec::new();
            put_hash(&mut out, hash);
            assert_eq!(out[0], 32);
            assert_eq!(&out[1..], hash.to_string().as_bytes());
        }
    }
}
