//! What a pen writes, against the plain way to write it.

use super::super::wire;
use super::*;
use crate::record::splitmix64;

fn written(bytes_max: usize, write: impl FnOnce(&mut Pen<'_>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    append(&mut out, bytes_max, write);
    out.split_off(6)
}

#[test]
fn differential_longs_are_those_of_the_plain_way() {
    let mut bits = 1;
    for n in 0..10_000 {
        bits = splitmix64(bits);
        for value in [bits.cast_signed() >> (n % 64), 1 << (n % 64), (1 << (n % 63)) - 1] {
            let mut expected = Vec::new();
            wire::put_long(&mut expected, value);
            assert_eq!(written(10, |pen| pen.long(value)), expected, "{value}");
            // No room for a word.
            assert_eq!(written(expected.len(), |pen| pen.long(value)), expected, "{value}");
        }
    }
}

#[test]
fn differential_groups_are_spread_one_by_one() {
    let mut bits = 1_u64;
    for n in 0..1_000 {
        bits = splitmix64(bits);
        let raw = bits >> (8 + n % 56);
        let expected: u64 = (0..8).map(|i| ((raw >> (7 * i)) & 0x7F) << (8 * i)).sum();
        assert_eq!((spread(raw), portable_spread(raw)), (expected, expected), "{raw:x}");
    }
}

#[test]
fn differential_decimals_are_those_that_print() {
    let mut bits = 1;
    let edges = (0..20).flat_map(|n| [10_u64.pow(n) - 1, 10_u64.pow(n)]);
    let many = (0..20_000).chain(std::iter::repeat_with(|| {
        bits = splitmix64(bits);
        bits >> (bits % 64)
    }));
    for number in edges.chain(many.take(100_000)).chain([u64::MAX]) {
        let expected = number.to_string();
        assert_eq!(written(20, |pen| pen.decimal(number)), expected.as_bytes());
        assert_eq!(written(expected.len(), |pen| pen.decimal(number)), expected.as_bytes());
    }
}

#[test]
fn bytes_of_any_number_are_copied() {
    let bytes: Vec<u8> = (0..=255).collect();
    for length in 0..bytes.len() {
        assert_eq!(written(length, |pen| pen.front::<64>(&bytes, length)), bytes[..length]);
        assert_eq!(written(300, |pen| pen.front::<64>(&bytes, length)), bytes[..length]);
        assert_eq!(written(300, |pen| pen.front::<64>(&bytes[..length], length)), bytes[..length]);
        assert_eq!(written(length, |pen| pen.about::<80>(&bytes[..length])), bytes[..length]);
    }
    for length in 0..60 {
        let id = [&[2 * u8::try_from(length + 3).unwrap()], &bytes[..length], b"|ab"].concat();
        assert_eq!(written(300, |pen| pen.row_id((&bytes, length), (b"ab and what lies behind", 2))), id);
        assert_eq!(written(id.len(), |pen| pen.row_id((&bytes[..length], length), (b"ab", 2))), id);
    }
}

#[test]
#[should_panic(expected = "mid > len")]
fn more_than_announced_is_a_panic() {
    let mut out = Vec::with_capacity(4);
    append(&mut out, 4, |pen| pen.array([0; 5]));
}

#[test]
fn doubles_are_written_among_nulls() {
    let expected = [&[2][..], &1.5_f64.to_le_bytes(), &[0, 2], &2.5_f64.to_le_bytes()].concat();
    assert_eq!(written(27, |pen| pen.nullable_doubles([Some(1.5), None, Some(2.5)])), expected);
    let expected = [&[2][..], &1.5_f64.to_le_bytes(), &[2], &2.5_f64.to_le_bytes()].concat();
    assert_eq!(written(18, |pen| pen.nullable_doubles([Some(1.5), Some(2.5)])), expected);
}
