//! The probe: which times of a ring lie in an interval. Enters: times, a multiple of four of them, in no
//! order. Leaves: the places of those that match.

#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
mod block;

/// Calls `found` with the place in `times_ms` of each time in `low_ms..=high_ms`, in no order that means
/// anything. The length is a multiple of four.
#[inline]
pub fn scan(times_ms: &[i64], low_ms: i64, high_ms: i64, mut found: impl FnMut(usize)) {
    if low_ms > high_ms {
        return;
    }
    let (blocks, rest) = times_ms.as_chunks::<BLOCK>();
    debug_assert!(rest.is_empty(), "regions are whole blocks");
    for (number, blocks) in blocks.chunks(BLOCKS_AT_ONCE).enumerate() {
        // One word for all of them, and no branch before it: which times match is as good as random, so each
        // branch on it is foreseen wrongly half of the time.
        let mut matching = matching(blocks, low_ms, high_ms);
        while matching != 0 {
            found(number * BLOCK * BLOCKS_AT_ONCE + matching.trailing_zeros() as usize);
            matching &= matching - 1;
        }
    }
}

/// A bit for each time, of 16 blocks at most.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
#[inline(always)]
fn matching(blocks: &[[i64; BLOCK]], low_ms: i64, high_ms: i64) -> u64 {
    block::matching(blocks, low_ms, high_ms)
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
#[inline(always)]
fn matching(blocks: &[[i64; BLOCK]], low_ms: i64, high_ms: i64) -> u64 {
    one_by_one(blocks, low_ms, high_ms)
}

/// The same without SIMD: for other machines, and what tests hold the other to.
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "avx2"))))]
#[inline]
fn one_by_one(blocks: &[[i64; BLOCK]], low_ms: i64, high_ms: i64) -> u64 {
    let times = blocks.iter().flatten().enumerate();
    times.fold(0, |mask, (at, time_ms)| mask | u64::from((low_ms..=high_ms).contains(time_ms)) << at)
}

/// Times that are compared at once.
const BLOCK: usize = 4;
/// As many as have their bits in one word.
const BLOCKS_AT_ONCE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Rings of every size, times at the ends of the interval and of what there is.
    #[test]
    fn differential_a_scan_finds_what_one_by_one_finds() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let middle = [0, i64::MIN, i64::MAX, 1_700_000_000_000][random.usize(..4)];
            let mut near = || middle.saturating_add(random.i64(-8..=8));
            let (low, high) = (near(), near());
            let mut times: Vec<i64> = (0..4 * 40).map(|_| near()).collect();
            times.truncate(4 * random.usize(0..=40));
            times.iter_mut().filter(|_| random.u32(..8) == 0).for_each(|time| *time = i64::MIN);
            let mut found = Vec::new();
            scan(&times, low, high, |at| found.push(at));
            let is_in = |at: &usize| low <= times[*at] && times[*at] <= high;
            let expected: Vec<_> = (0..times.len()).filter(is_in).collect();
            assert_eq!(found, expected, "{times:?} {low} {high}");
            for blocks in times.as_chunks::<BLOCK>().0.chunks(BLOCKS_AT_ONCE) {
                assert_eq!(matching(blocks, low, high), one_by_one(blocks, low, high));
            }
        }
    }
}
