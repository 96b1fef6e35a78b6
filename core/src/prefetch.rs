//! Tells the CPU what will be read soon. A lane's facility ids and a shard's readings lie at random places;
//! asked for some readings ahead, their cache lines are there in time.

#![expect(
    unsafe_code,
    reason = "a prefetch is an intrinsic on a pointer; measured with the default scenario: a third of lane and shard"
)]

/// Asks for the cache line of a place; nothing happens if there is none.
#[inline(always)]
pub(crate) fn prefetch<T>(items: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(place) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and never faults; the pointer comes from a reference.
        unsafe { _mm_prefetch(std::ptr::from_ref(item).cast(), _MM_HINT_T0) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, place);
}

/// Asks for `LINES` cache lines from a place on; nothing happens if there is no such place.
#[inline(always)]
pub(crate) fn prefetch_lines<const LINES: usize>(bytes: &[u8], place: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(first) = bytes.get(place) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = std::ptr::from_ref(first).cast::<i8>();
        for line in 0..LINES {
            // SAFETY: a prefetch reads nothing and never faults, wherever the address leads.
            unsafe { _mm_prefetch(first.wrapping_add(line * 64), _MM_HINT_T0) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, place);
}
