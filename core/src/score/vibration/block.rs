//! Sixteen letters of base64 at once: each is told by its two halves, looked up in tables of sixteen (the way
//! of Wojciech Muła and Daniel Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions", 2018).

#![expect(unsafe_code, reason = "a text's 16 letters in some 30 instructions, by table 110")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_blendv_epi8, _mm_cmpeq_epi8, _mm_cvtsi128_si64,
    _mm_extract_epi64, _mm_madd_epi16, _mm_maddubs_epi16, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
    _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8, _mm_srli_epi32,
};

use super::ALPHABET;

/// The twelve bytes that sixteen letters stand for, and four zeros. `None` where one is no letter.
#[inline(always)]
pub(super) fn decode(letters: [u8; 16]) -> Option<[u8; 16]> {
    // SAFETY: the program is compiled for machines that have these instructions; else this file is left out.
    unsafe { decode_block(letters) }
}

#[inline]
#[target_feature(enable = "sse2,ssse3,sse4.1")]
fn decode_block(letters: [u8; 16]) -> Option<[u8; 16]> {
    let letters = vector(letters);
    let half = _mm_set1_epi8(15);
    let upper = _mm_and_si128(_mm_srli_epi32::<4>(letters), half);
    let allowed = _mm_shuffle_epi8(vector(TABLES.uppers), _mm_and_si128(letters, half));
    let own = _mm_shuffle_epi8(vector(TABLES.bits), upper);
    let wrong = _mm_cmpeq_epi8(_mm_and_si128(allowed, own), _mm_setzero_si128());
    if _mm_movemask_epi8(wrong) != 0 {
        return None;
    }
    let slash = _mm_cmpeq_epi8(letters, _mm_set1_epi8(0x2F));
    let shift = _mm_blendv_epi8(_mm_shuffle_epi8(vector(TABLES.shifts), upper), _mm_set1_epi8(16), slash);
    let sixes = _mm_add_epi8(letters, shift);
    // Two by two: six bits and six to twelve, twelve and twelve to 24; then the bytes of these, turned round.
    let twelves = _mm_maddubs_epi16(sixes, _mm_set1_epi32(0x0140_0140));
    let words = _mm_madd_epi16(twelves, _mm_set1_epi32(0x0001_1000));
    let bytes = _mm_shuffle_epi8(words, vector(BYTES));
    let halves = [_mm_cvtsi128_si64(bytes), _mm_extract_epi64::<1>(bytes)].map(i64::cast_unsigned);
    Some((u128::from(halves[0]) | u128::from(halves[1]) << 64).to_le_bytes())
}

#[inline]
#[target_feature(enable = "sse2")]
fn vector(bytes: [u8; 16]) -> __m128i {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    let (low, high) = ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]);
    _mm_set_epi64x(i64::from_le_bytes(high), i64::from_le_bytes(low))
}

struct Tables {
    /// For a letter's lower half: the upper halves that it goes with, a bit each.
    uppers: [u8; 16],
    /// For an upper half: its bit; none where no letter has it.
    bits: [u8; 16],
    /// For an upper half: what is added to a letter to give its six bits. '/' has another one than '+'.
    shifts: [u8; 16],
}

const TABLES: Tables = {
    let mut tables = Tables { uppers: [0; 16], bits: [0; 16], shifts: [0; 16] };
    let mut value = 0_u8;
    while value < 64 {
        let letter = ALPHABET[value as usize];
        let (upper, lower) = ((letter >> 4) as usize, (letter & 15) as usize);
        tables.bits[upper] = 1 << upper;
        tables.uppers[lower] |= 1 << upper;
        if letter != b'/' {
            tables.shifts[upper] = value.wrapping_sub(letter);
        }
        value += 1;
    }
    tables
};

/// Where the bytes of four 24-bit numbers lie, the highest first; the rest is zero.
const BYTES: [u8; 16] = [2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 0x80, 0x80, 0x80, 0x80];
