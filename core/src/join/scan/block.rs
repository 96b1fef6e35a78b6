//! Four times at once, by AVX2: left out where the program is compiled for machines without it.

#![expect(
    unsafe_code,
    reason = "a block in some ten instructions; the compiler makes forty of them by itself"
)]

use std::arch::x86_64::{
    _mm256_castsi256_pd, _mm256_cmpgt_epi64, _mm256_movemask_pd, _mm256_or_si256, _mm256_set_epi64x,
    _mm256_set1_epi64x,
};

use super::BLOCK;

/// A bit for each time in `low_ms..=high_ms`, of 16 blocks at most.
#[inline(always)]
pub(super) fn matching(blocks: &[[i64; BLOCK]], low_ms: i64, high_ms: i64) -> u64 {
    // SAFETY: the program is compiled for machines that have these instructions; else this file is left out.
    unsafe { matching_blocks(blocks, low_ms, high_ms) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn matching_blocks(blocks: &[[i64; BLOCK]], low_ms: i64, high_ms: i64) -> u64 {
    let (low, high) = (_mm256_set1_epi64x(low_ms), _mm256_set1_epi64x(high_ms));
    let mut matching = 0;
    for (number, &[a, b, c, d]) in blocks.iter().enumerate() {
        let times = _mm256_set_epi64x(d, c, b, a);
        let outside = _mm256_or_si256(_mm256_cmpgt_epi64(low, times), _mm256_cmpgt_epi64(times, high));
        let outside = _mm256_movemask_pd(_mm256_castsi256_pd(outside)).cast_unsigned();
        matching |= u64::from(outside ^ ALL) << (BLOCK * number);
    }
    matching
}

/// A bit for each time of a block.
const ALL: u32 = (1 << BLOCK) - 1;
